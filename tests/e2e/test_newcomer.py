"""A newcomer's path: from a fresh clone to a filled order, as README.md and docs/trader/first_order.md say, with a watch in hand."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.blocks import Block, blocks_of, run
from tests.support.pages import ROOT

PAGE = "docs/trader/first_order.md"
DEADLINE_S = 900
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONFIG_FILE")


class Newcomer:
    """Somebody with a clone and a watch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.took_s: dict[str, float] = {}
        self._began = time.monotonic()

    def tick(self, what: str) -> None:
        """Write down how long something took since the last thing."""
        now = time.monotonic()
        self.took_s[what] = now - self._began
        self._began = now

    def do(self, *words: str) -> None:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def programs(self, blocks: list[Block]) -> dict[int, str]:
        path = f"{self.folder}/.venv/bin{os.pathsep}{os.environ['PATH']}"
        return run(blocks, self.folder, {**self.environment, "PATH": path}, {})


@pytest.fixture
def newcomer() -> Iterator[Newcomer]:
    # Not under pytest's own folder: the next run takes away the database's right to pass through it.
    folder = Path(tempfile.mkdtemp(prefix="evermark-newcomer-"))
    try:
        yield Newcomer(folder / "evermark")
    finally:
        if (folder / "evermark" / ".venv" / "bin" / "evermark").exists():
            subprocess.run([".venv/bin/evermark", "stop-db"], cwd=folder / "evermark", capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_open(process: subprocess.Popen[str]) -> None:
    """Read what `make run` prints up to the order to paste."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if re.match(r"curl ", line):
            return
    raise AssertionError("".join(said))


@pytest.mark.slow
@pytest.mark.spec("DOC-016")
def test_from_a_fresh_clone_to_a_filled_order(newcomer: Newcomer, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(newcomer.folder)], check=True)
    newcomer.tick("git clone")
    process = subprocess.Popen(
        ["make", "run"],
        cwd=newcomer.folder,
        env={**newcomer.environment, "PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        wait_until_open(process)
        newcomer.tick("make run, until it is open")
        blocks = blocks_of(PAGE, (newcomer.folder / PAGE).read_text("utf-8"))
        first, client, unified = (block for block in blocks if block.language == "python")
        newcomer.programs([block for block in blocks if block.language == "sh" and block.line < first.line])
        newcomer.tick("curl")
        assert newcomer.programs([first])[first.line].startswith("COMPLETED")
        newcomer.tick("Python alone")
        newcomer.do(".venv/bin/pip", "install", "--quiet", "./client")
        newcomer.tick("installing the client")
        assert newcomer.programs([first, client])[client.line].startswith("COMPLETED")
        newcomer.tick("the Python client")
        newcomer.do(".venv/bin/pip", "install", "--quiet", "./client/ccxt")
        newcomer.tick("installing the ccxt exchange")
        assert newcomer.programs([first, unified])[unified.line].startswith("closed")
        newcomer.tick("ccxt")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
    with capsys.disabled():
        print("\n" + "\n".join(f"{took_s:8.1f} s  {what}" for what, took_s in newcomer.took_s.items()))
