"""The compiled core and the interpreted one are the same machine, whatever the hash seed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import compiled

GOLDEN = compiled.ROOT / "tests" / "golden"
JOURNALS = sorted(path.stem for path in GOLDEN.glob("*.bin"))
MUST_RUN = os.environ.get("EVERMARK_NEEDS_COMPILED") == "1"


def play(name: str, *flags: str, hash_seed: str = "0") -> dict[str, object]:
    program = [sys.executable, "-m", "tests.golden.play", str(GOLDEN / f"{name}.bin"), *flags]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "EVERMARK_COMPILED": "1"}
    done = subprocess.run(program, cwd=compiled.ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, object] = json.loads(done.stdout)
    return outcome


def expected(name: str, *, is_compiled: bool) -> dict[str, object]:
    return {"is_compiled": is_compiled, **json.loads((GOLDEN / f"{name}.json").read_text("ascii"))}


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_the_hash_seed_changes_nothing(hash_seed: str) -> None:
    """BUILD-002."""
    for name in JOURNALS:
        assert play(name, hash_seed=hash_seed) == expected(name, is_compiled=False)


@pytest.mark.skipif(
    not MUST_RUN and not compiled.is_fresh(), reason="there is no fresh compiled core (make compile builds it)"
)
@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_the_compiled_core_is_the_same_machine(hash_seed: str) -> None:
    """BUILD-003."""
    for name in JOURNALS:
        assert play(name, "--compiled", hash_seed=hash_seed) == expected(name, is_compiled=True)


def test_a_core_of_other_sources_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BUILD-004."""
    monkeypatch.setattr(compiled, "BUILD", tmp_path)
    before = list(sys.path)
    assert not compiled.use()
    (tmp_path / compiled.STAMP).write_text("0" * 64, "ascii")
    assert not compiled.use()
    assert sys.path == before


def test_the_compiled_core_can_be_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BUILD-004."""
    monkeypatch.setattr(compiled, "BUILD", tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / compiled.STAMP).write_text(compiled.fingerprint(), "ascii")
    monkeypatch.setenv("EVERMARK_COMPILED", "0")
    assert not compiled.use()
    monkeypatch.setenv("EVERMARK_COMPILED", "1")
    assert compiled.use()
    assert sys.path[0] == str(tmp_path)
