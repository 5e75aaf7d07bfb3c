import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db.passage import let_through

STRANGER, SECOND, THIRD = 54_321, 54_322, 54_323


def passes(folder: Path, user_id: int) -> bool:
    found = subprocess.run(
        ["/bin/ls", folder / "inner"], user=user_id, extra_groups=[], capture_output=True, check=False
    )
    return found.returncode == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private one. Not under pytest's own folder, through which others may not pass."""
    path = Path(tempfile.mkdtemp(prefix="evermark-passage-"))
    yield path
    shutil.rmtree(path)


@pytest.mark.spec("DB-005")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can see it as others do")
def test_one_user_passes_and_nobody_else(folder: Path) -> None:
    (folder / "inner").mkdir()
    assert not passes(folder, STRANGER)
    for _ in range(2):
        let_through(folder, STRANGER)
        assert (passes(folder, STRANGER), passes(folder, SECOND)) == (True, False)
    let_through(folder, SECOND)
    assert (passes(folder, STRANGER), passes(folder, SECOND), passes(folder, THIRD)) == (True, True, False)
    listing = subprocess.run(["/bin/ls", folder], user=STRANGER, extra_groups=[], capture_output=True, check=False)
    assert listing.returncode != 0
    assert stat.S_IMODE(folder.stat().st_mode) & (stat.S_IRWXO | stat.S_IRGRP | stat.S_IWGRP) == 0
