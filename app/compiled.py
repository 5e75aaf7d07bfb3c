"""The core compiled with mypyc: built beside the sources, used when it is there and fresh, never needed.

`python -m app.compiled` builds it into build/core, a whole copy of the four pure folders in which extension modules stand
before their sources. `use` puts that copy first on the path; it must be called before the core is imported.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
BUILD: Final = ROOT / "build" / "core"
FOLDERS: Final = ("engine", "risk", "funding", "exchange")
MESSAGES: Final = frozenset({"commands.py", "events.py", "instrument.py", "state_codec.py"})
"""Never compiled: mypyc drops the class keywords that make them what they are."""
STAMP: Final = "BUILT_FROM"

_SETUP: Final = """
import sys
from mypyc.build import mypycify
from setuptools import setup

setup(
    name="core",
    packages=[],
    script_args=["--quiet", "build_ext", "--inplace", "--build-temp", "build"],
    ext_modules=mypycify(["--no-warn-no-return", *sys.argv[1:]], opt_level="3", debug_level="0", group_name="core"),
)
"""


def use() -> bool:
    """Put the compiled core first on the path, if there is one for exactly these sources and this Python.

    EVERMARK_COMPILED=0 leaves it alone.
    """
    if os.environ.get("EVERMARK_COMPILED", "1") == "0" or not is_fresh():
        return False
    if str(BUILD) not in sys.path:
        sys.path.insert(0, str(BUILD))
    return True


def is_fresh() -> bool:
    """Tell whether build/core was made from the sources as they are."""
    stamp = BUILD / STAMP
    return stamp.is_file() and stamp.read_text("ascii") == fingerprint()


def is_used() -> bool:
    """Tell whether the core that is imported is the compiled one."""
    import exchange.exchange

    return not str(exchange.exchange.__file__).endswith(".py")


def describe() -> str:
    """Say which core runs."""
    return "compiled (mypyc)" if is_used() else "interpreted"


def fingerprint() -> str:
    """Return a digest of what a build depends on."""
    digest = hashlib.sha256(f"{sys.version} {sysconfig.get_platform()}\n".encode())
    for path in _sources():
        digest.update(f"{path.relative_to(ROOT)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def build() -> None:
    """Compile into build/core.

    Raises: subprocess.CalledProcessError when mypyc or the C compiler fails.
    """
    made_from = fingerprint()
    fresh = BUILD.with_name(f"core.making-{os.getpid()}")  # two builds at once do not meet
    shutil.rmtree(fresh, ignore_errors=True)
    names = []
    for path in _sources():
        name = path.relative_to(ROOT)
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, fresh / name)
        if path.name not in MESSAGES and path.name != "__init__.py":
            names.append(str(name))
    (fresh / "setup.py").write_text(_SETUP, "ascii")
    try:
        subprocess.run([sys.executable, "setup.py", *names], cwd=fresh, check=True)
        shutil.rmtree(fresh / "build", ignore_errors=True)
        (fresh / STAMP).write_text(made_from, "ascii")
        shutil.rmtree(BUILD, ignore_errors=True)
        fresh.rename(BUILD)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def main() -> int:
    """Build, unless what is there is fresh."""
    if is_fresh():
        print("The compiled core is up to date.")
        return 0
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        print("No C compiler was found; the exchange runs interpreted.", file=sys.stderr)
        return 1
    try:
        build()
    except subprocess.CalledProcessError as error:
        print(f"The core could not be compiled: {error}", file=sys.stderr)
        return 1
    print(f"The compiled core is in {BUILD.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
