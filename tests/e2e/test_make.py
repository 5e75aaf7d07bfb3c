"""The Makefile on a machine that lacks something."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HALF = f"""#!/bin/sh
# A Python whose venv module gives up half-way, as Debian's does without python3-venv.
case "$*" in
    *venv*) mkdir -p .venv/bin && ln -s {sys.executable} .venv/bin/python && echo "no ensurepip" >&2 && exit 1 ;;
esac
exit 0
"""


@pytest.mark.spec("RUN-013")
def test_half_an_environment_does_not_stay(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    python.write_text(HALF)
    python.chmod(0o755)
    for _ in range(2):
        done = subprocess.run(
            ["make", "install", f"PYTHON={python}"],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode != 0
        assert "no ensurepip" in done.stderr
        assert not (tmp_path / ".venv").exists()
