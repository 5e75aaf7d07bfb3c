"""Run benchmarks: `python -m bench [--compiled] [NAME ...]`, all of them without a name.

A benchmark is a module of this folder whose `main()` prints a table and tells whether its targets were met.
"""

import importlib
import sys
from pathlib import Path

from app import compiled

HELPERS = {"__main__", "report", "stream"}


def run(names: list[str], *, is_compiled: bool) -> bool:
    """Run benchmarks by name, with the compiled core or without. Tells whether every target was met."""
    if is_compiled and not compiled.use():
        sys.exit("There is no compiled core for these sources: make compile")
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS)
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"Unknown: {', '.join(sorted(unknown))}. There are: {', '.join(known)}")
    met = [importlib.import_module(f"bench.{name}").main() for name in names or known]
    return all(met)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    is_compiled = "--compiled" in arguments
    sys.exit(0 if run([name for name in arguments if name != "--compiled"], is_compiled=is_compiled) else 1)
