"""The exchange as a program of its own, and the commands that go to it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

ROOT: Final = Path(__file__).parent.parent.parent
DEADLINE_S: Final = 120
ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")


@final
class Program:
    """An `evermark run` in a process of its own."""

    def __init__(self, data_dir: Path, *arguments: str, **environment: str) -> None:
        self.data_dir = data_dir
        self._output = data_dir.parent / f"{data_dir.name}.out"
        self._log = data_dir.parent / f"{data_dir.name}.log"
        with self._output.open("wb") as output, self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "run", *arguments],
                cwd=ROOT,
                env=environment_of(data_dir, PORT="0", **environment),
                stdout=output,
                stderr=log,
            )

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8")

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    def wait_until_open(self) -> None:
        deadline = time.monotonic() + DEADLINE_S
        # The last line it prints, whichever way it goes.
        while not re.search(r"^(curl .*|\s*Open an account: .*)\n", self.output, re.MULTILINE):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


@contextmanager
def running(data_dir: Path, *arguments: str, **environment: str) -> Iterator[Program]:
    """An `evermark run` that is open, and stopped at the end."""
    program = Program(data_dir, *arguments, **environment)
    try:
        program.wait_until_open()
        yield program
    finally:
        program.stop()


def environment_of(data_dir: Path, **more: str) -> dict[str, str]:
    names = ("PATH", "HOME", "LANG", "TMPDIR")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "DATA_DIR": str(data_dir), "EVERMARK_FEED": "none", "COLUMNS": "200", "PYTHONUTF8": "1", **more}


def evermark(data_dir: Path, *arguments: str, code: int = 0, **environment: str) -> str:
    """Run a command; give what it printed, refusals as well."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=environment_of(data_dir, **environment),
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return ANSI.sub("", done.stdout + done.stderr)


def seq_of(data_dir: Path) -> int:
    return int(re.findall(r"seq\s+(\d+)", evermark(data_dir, "status"))[0])


@contextmanager
def made_data_dir() -> Iterator[Path]:
    """A DATA_DIR, and no database left behind."""
    # Not under pytest's own folder: the next run takes away the database's right to pass through it.
    folder = Path(tempfile.mkdtemp(prefix="evermark-house-"))
    try:
        yield folder / "data"
    finally:
        evermark(folder / "data", "stop-db")
        shutil.rmtree(folder, ignore_errors=True)
