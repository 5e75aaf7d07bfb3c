import os
import stat
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from app.db.secrets import Vault, master_key
from app.faults import KeyUndecryptable, SettingsInvalid

KEY = bytes(range(32))


@pytest.mark.spec("KEY-001")
def test_what_is_locked_opens_again() -> None:
    vault = Vault(KEY)
    locked = vault.lock(b"hunter2", "key")
    assert vault.unlock(locked, "key") == b"hunter2"
    assert b"hunter2" not in locked
    assert vault.lock(b"hunter2", "key") != locked


@pytest.mark.spec("KEY-001")
def test_nothing_else_opens_it() -> None:
    locked = Vault(KEY).lock(b"hunter2", "key")
    attempts = [
        (Vault(bytes(32)), locked, "key"),
        (Vault(KEY), locked, "another key"),
        (Vault(KEY), locked[:-1] + bytes([locked[-1] ^ 1]), "key"),
        (Vault(KEY), b"\x02" + locked[1:], "key"),
        (Vault(KEY), b"", "key"),
    ]
    for vault, body, name in attempts:
        with pytest.raises(KeyUndecryptable, match="EVERMARK_MASTER_KEY") as said:
            vault.unlock(body, name)
        assert "hunter2" not in str(said.value)


@pytest.mark.spec("KEY-003")
def test_the_first_embedded_run_makes_a_key_for_the_owner_alone(tmp_path: Path) -> None:
    made = master_key(None, tmp_path / "data", is_embedded=True)
    path = tmp_path / "data" / "master.key"
    assert len(made) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert master_key(None, tmp_path / "data", is_embedded=True) == made
    assert master_key(None, tmp_path / "other", is_embedded=True) != made
    assert [child.name for child in (tmp_path / "data").iterdir()] == ["master.key"]


@pytest.mark.spec("KEY-003")
def test_the_environment_comes_first(tmp_path: Path) -> None:
    master_key(None, tmp_path, is_embedded=True)
    assert master_key(urlsafe_b64encode(KEY).decode(), tmp_path, is_embedded=True) == KEY


@pytest.mark.spec("KEY-003")
def test_a_database_of_ones_own_needs_a_key_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="EVERMARK_MASTER_KEY must be set"):
        master_key(None, tmp_path, is_embedded=False)
    assert list(tmp_path.iterdir()) == []
    master_key(None, tmp_path, is_embedded=True)  # left by an exchange with the embedded database
    with pytest.raises(SettingsInvalid, match="EVERMARK_MASTER_KEY must be set"):
        master_key(None, tmp_path, is_embedded=False)


@pytest.mark.spec("KEY-003")
def test_a_new_key_is_there_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's bytes and then its name are forced to the disk."""
    synced: list[bool] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        assert (tmp_path / "master.key").exists() == synced[-1]
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    master_key(None, tmp_path, is_embedded=True)
    assert synced == [False, True]


@pytest.mark.spec("DB-003")
def test_a_data_dir_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsInvalid, match="^DATA_DIR "):
        master_key(None, tmp_path / "file", is_embedded=True)


@pytest.mark.parametrize("text", ["", "short", "a" * 44, urlsafe_b64encode(bytes(16)).decode(), "é" * 32])
def test_a_bad_master_key_is_named_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsInvalid, match="EVERMARK_MASTER_KEY must be 32 bytes") as said:
        master_key(text, tmp_path, is_embedded=True)
    assert not text or text not in str(said.value)
