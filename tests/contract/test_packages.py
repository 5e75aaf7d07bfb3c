"""The clients as packages: what somebody gets who installs them from elsewhere."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.pages import ROOT

BUILD = "import sys, setuptools.build_meta as b; to = sys.argv[1]; b.build_sdist(to); b.build_wheel(to)"


@pytest.mark.spec("CLT-071")
@pytest.mark.parametrize("folder, name", [("client", "evermark_client"), ("client/ccxt", "evermark_ccxt")])
def test_a_package_has_its_licence_its_readme_and_its_types(tmp_path: Path, folder: str, name: str) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / folder, source, ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__"))
    words = [sys.executable, "-c", BUILD, str(tmp_path)]
    done = subprocess.run(words, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        files = {member.name.partition("/")[2] for member in sdist.getmembers()}
    assert {"LICENSE", "README.md", f"src/{name}/py.typed"} <= files
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        inside = {path.partition(".dist-info/")[2] or path: path for path in wheel.namelist()}
        assert f"{name}/py.typed" in inside
        assert wheel.read(inside["licenses/LICENSE"]) == (ROOT / "LICENSE").read_bytes()
        assert (ROOT / folder / "README.md").read_text("utf-8").strip() in wheel.read(inside["METADATA"]).decode()
    modules = {path.relative_to(source / "src").as_posix() for path in (source / "src").rglob("*.py")}
    assert modules <= set(inside)
