"""What every benchmark prints, and the results file that each of them appends to."""

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool

RESULTS = Path(__file__).parent / "results.jsonl"


def conditions() -> dict[str, Value]:
    """Where a figure was measured: machine and what else it was busy with, Python, and whether the engine was compiled."""
    import engine.book

    return {
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "core": "interpreted" if str(engine.book.__file__).endswith(".py") else "compiled",
        "load_before": round(os.getloadavg()[0], 1),
    }


def _cpu() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text("utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def heading(title: str, given: Mapping[str, Value]) -> None:
    """Print a benchmark's name and its conditions."""
    print(f"\n{title}")
    for name, value in given.items():
        print(f"  {name}: {value}")


def table(columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    """Print rows under their columns; words to the left, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    print()
    print("  " + "  ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True)))
    for row, texts in zip(rows, cells, strict=True):
        aligned = [
            text.ljust(width) if isinstance(value, str) else text.rjust(width)
            for value, text, width in zip(row, texts, widths, strict=True)
        ]
        print("  " + "  ".join(aligned))


def _cell(value: Value) -> str:
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def append(bench: str, given: Mapping[str, Value], results: Mapping[str, Value]) -> None:
    """Add one line to the results file: which benchmark, when, under which conditions, what came out."""
    line = {"bench": bench, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **given, **results}
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def is_met(name: str, value: float, target: float) -> str:
    """Say a ratio beside its target."""
    return f"  {name}: {value:.2f} (target {target:.2f}: {'met' if value >= target else 'MISSED'})"
