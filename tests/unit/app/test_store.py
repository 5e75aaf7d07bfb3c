"""What a store takes hold of before anything else."""

import asyncio
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from app import control
from app.control import Status, StatusRow, ask
from app.custody.office import Office
from app.faults import SettingsInvalid, WriterPresent
from app.operators import operated
from app.settings import Settings
from app.store import LOCK_NAME, open_store
from tests.small import FakeClock


@pytest.mark.spec("RUN-011")
async def test_a_data_dir_is_one_exchanges(settings: Settings, tmp_path: Path) -> None:
    """Whatever database the other one uses: it must not take the operator's socket away."""
    second = replace(settings, database_url="postgresql://nobody@127.0.0.1:1/nothing", lock_timeout_ms=50)
    clock = FakeClock()
    async with (
        open_store(settings, clock=clock) as store,
        operated(store, settings, Office(store, settings, clock), clock),
    ):
        with pytest.raises(WriterPresent, match=f"Another exchange is running on DATA_DIR {tmp_path}"):
            async with open_store(second):
                pass
        assert (await asyncio.to_thread(ask, tmp_path, Status(), StatusRow)).halted is None
    assert not control.socket_path(tmp_path).exists()
    assert stat.S_IMODE((tmp_path / LOCK_NAME).stat().st_mode) == 0o600
    async with open_store(settings, clock=FakeClock()):
        pass


@pytest.mark.spec("RUN-011")
async def test_a_start_waits_for_the_one_that_stops(settings: Settings) -> None:
    async with open_store(settings, clock=FakeClock()):
        second = open_store(settings, clock=FakeClock())
        starting = asyncio.ensure_future(second.__aenter__())
        done, _ = await asyncio.wait([starting], timeout=0.3)
        assert not done
    store = await starting
    assert store.sequencer.is_ready
    await second.__aexit__(None, None, None)


@pytest.mark.spec("DB-003")
async def test_a_data_dir_that_cannot_be_a_folder_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsInvalid, match="^DATA_DIR "):
        async with open_store(replace(settings, data_dir=tmp_path / "file")):
            pass
