"""A server of a test's own, for what stops, kills or breaks it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db.embedded import EmbeddedServer


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A cluster that was made, started and stopped once, for copying: making one takes a second or more."""
    path = Path(tempfile.mkdtemp(prefix="evermark-made-"))
    server = EmbeddedServer(path)
    server.start_blocking()
    server.stop_blocking()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    """With a cluster in `data`. Not under pytest's own folder, which the server's user may not pass through."""
    path = Path(tempfile.mkdtemp(prefix="evermark-server-"))
    subprocess.run(["cp", "-a", made, path / "data"], check=True)
    yield path
    EmbeddedServer(path / "data").stop_blocking()
    shutil.rmtree(path, ignore_errors=True)
