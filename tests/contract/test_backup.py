"""A backup of an exchange, restored into an empty place."""

import asyncio
import json
import shutil
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest

from app import control
from app.backup import KEY_FILE, MANIFEST, BackupBad, NotEmpty, backup, drill, restore
from app.custody.office import Office
from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from app.db.tables import metadata
from app.faults import DatabaseUnusable
from app.identity import NewKey
from app.operators import operated
from app.settings import Settings
from app.store import Store, open_store
from tests.conftest import MASTER_KEY
from tests.small import FakeClock, opening, order, stream

OTHER_KEY = urlsafe_b64encode(bytes(32)).decode()


async def live(store: Store, count: int = 300, seed: int = 1) -> None:
    """A day in the life of an exchange, as far as a backup is concerned."""
    if not store.sequencer.seq:
        for command in opening():
            await store.sequencer.submit(command)
    await asyncio.gather(*[store.sequencer.submit(command) for command in stream(seed, count)])
    await store.projector.settle()


async def counts(url: str) -> dict[str, int]:
    connection = await connect(url)
    try:
        return {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in metadata.tables}
    finally:
        await connection.close()


@pytest.fixture
async def empty(postgres: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings for a database in which there is nothing at all, and another DATA_DIR."""
    admin = await connect(postgres.url("postgres"))
    name = f"restored_{tmp_path.name.replace('-', '_')}".lower()[:60]
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield Settings(
            database_url=postgres.url(name),
            data_dir=tmp_path / "restored",
            master_key=MASTER_KEY,
            projector_interval_ms=0,
            lock_timeout_ms=5_000,
        )
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def key_of(store: Store) -> NewKey:
    user = await store.identity.create_user("ada")
    return await store.identity.create_key(user.owner_id, 1)


async def test_a_restored_exchange_is_the_same_one_and_goes_on(
    settings: Settings, empty: Settings, tmp_path: Path
) -> None:
    """BAK-001, BAK-002: everything is there, the state is the same to the last bit, ids go on behind the old ones."""
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        key = await key_of(store)
        await live(store)
        state = (store.sequencer.seq, store.exchange.state_hash())
        before = await counts(store.url)
        manifest = await backup(settings, tmp_path / "copy")
        assert (manifest.seq, bytes.fromhex(manifest.state_hash)) == state
        wanted = await store.sequencer.submit(order())
    restored = await restore(empty, tmp_path / "copy")
    assert restored == manifest
    assert await counts(str(empty.database_url)) == before
    async with open_store(empty, clock=clock) as store:
        assert (store.sequencer.seq, store.exchange.state_hash()) == state
        found = store.identity.find(key.api_key)
        assert found is not None
        assert found.secret.decode() == key.secret
        assert await store.sequencer.submit(order()) == wanted
        assert (await store.identity.create_user("bea")).owner_id == 2


async def test_a_backup_is_of_one_moment(settings: Settings, empty: Settings, tmp_path: Path) -> None:
    """BAK-003: taken while the exchange trades."""
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await live(store, 50)
        is_over = False

        async def trade() -> int:
            seed = 2
            while not is_over:
                await live(store, 50, seed)
                seed += 1
            return seed

        trading = asyncio.ensure_future(trade())
        manifest = await backup(settings, tmp_path / "copy")
        is_over = True
        assert await trading > 2
        assert store.sequencer.seq > manifest.seq
        rehearsed = await drill(settings, tmp_path / "copy")
    assert rehearsed.problems == []
    assert rehearsed.is_compared
    await restore(empty, tmp_path / "copy")
    async with open_store(empty, clock=clock) as store:
        assert store.exchange.state_hash().hex() == manifest.state_hash


@pytest.mark.parametrize(
    "damage, said",
    [
        ("byte", "journal.copy.gz is not what was written"),
        ("missing", "is not whole"),
        ("state", "the backup says"),
        ("rows", "the backup says"),
        ("format", "format"),
        ("manifest", "There is no backup"),
    ],
)
async def test_a_damaged_backup_restores_nothing(
    settings: Settings, empty: Settings, tmp_path: Path, damage: str, said: str
) -> None:
    """BAK-004."""
    async with open_store(settings, clock=FakeClock()) as store:
        await live(store, 20)
    copy = tmp_path / "copy"
    await backup(settings, copy)
    harm(copy, damage)
    with pytest.raises(BackupBad, match=said):
        await restore(empty, copy)
    with pytest.raises(BackupBad, match=said):
        await drill(settings, copy)
    connection = await connect(str(empty.database_url))
    try:
        if await connection.fetchval("SELECT to_regclass('journal')") is not None:
            assert await connection.fetchval("SELECT count(*) FROM journal") == 0
    finally:
        await connection.close()


async def test_a_restore_that_failed_can_be_tried_again(settings: Settings) -> None:
    """BAK-004: into the same folder, whose own database holds nothing of the first."""
    folder = Path(mkdtemp(prefix="evermark-again-"))
    try:
        async with open_store(settings, clock=FakeClock()) as store:
            await live(store, 20)
            state = store.exchange.state_hash()
        copy = folder / "copy"
        manifest = await backup(settings, copy)
        good = (copy / MANIFEST).read_bytes()
        harm(copy, "state")
        place = replace(settings, database_url=None, data_dir=folder / "data")
        with pytest.raises(BackupBad, match="the backup says"):
            await restore(place, copy)
        (copy / MANIFEST).write_bytes(good)
        assert await restore(place, copy) == manifest
        async with open_store(place, clock=FakeClock()) as store:
            assert store.exchange.state_hash() == state
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def harm(copy: Path, damage: str) -> None:
    manifest = json.loads((copy / MANIFEST).read_text("utf-8"))
    if damage == "byte":
        data = bytearray((copy / "journal.copy.gz").read_bytes())
        data[len(data) // 2] ^= 1
        (copy / "journal.copy.gz").write_bytes(data)
    elif damage == "missing":
        (copy / "users.copy.gz").unlink()
    elif damage == "state":
        manifest["state_hash"] = "00" * 32
    elif damage == "rows":
        next(table for table in manifest["tables"] if table["name"] == "journal")["rows"] += 1
    elif damage == "format":
        manifest["format"] = 99
    (copy / MANIFEST).write_text("" if damage == "manifest" else json.dumps(manifest), "utf-8")


async def test_nothing_is_written_over(settings: Settings, empty: Settings, tmp_path: Path) -> None:
    """BAK-005: neither an exchange by a restore nor a backup by another."""
    with pytest.raises(DatabaseUnusable, match="Start the exchange once"):
        await backup(empty, tmp_path / "copy")
    assert list(tmp_path.glob("copy*")) == []
    async with open_store(settings, clock=FakeClock()) as store:
        await live(store, 5)
    await backup(settings, tmp_path / "copy")
    with pytest.raises(NotEmpty, match="A backup goes into an empty one"):
        await restore(replace(settings, data_dir=tmp_path / "other"), tmp_path / "copy")
    with pytest.raises(NotEmpty, match="A backup goes into a new folder"):
        await backup(settings, tmp_path / "copy")


async def test_the_master_key_must_be_the_one(settings: Settings, empty: Settings, tmp_path: Path) -> None:
    """BAK-006: it is in the backup only when that is asked for."""
    async with open_store(settings, clock=FakeClock()) as store:
        await live(store, 5)
        await key_of(store)
    await backup(settings, tmp_path / "copy")
    assert not (tmp_path / "copy" / KEY_FILE).exists()
    assert all(MASTER_KEY.encode() not in path.read_bytes() for path in (tmp_path / "copy").iterdir())
    for key, said in ((OTHER_KEY, "is not the one"), (None, "is not in the backup")):
        with pytest.raises(BackupBad, match=said):
            await restore(replace(empty, master_key=key), tmp_path / "copy")
    wrong = await drill(replace(settings, master_key=OTHER_KEY), tmp_path / "copy")
    assert wrong.problems == ["The master key at hand is not the one that the backup's secrets were locked with."]
    manifest = await backup(settings, tmp_path / "with key", with_key=True)
    assert manifest.has_key
    assert (tmp_path / "with key" / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert (await drill(replace(settings, master_key=None), tmp_path / "with key")).problems == []
    with pytest.raises(BackupBad, match=rf"is in {tmp_path}/with key/{KEY_FILE}: set EVERMARK_MASTER_KEY to it\.$"):
        await restore(replace(empty, master_key=None), tmp_path / "with key")


async def test_the_log_of_operators_comes_along_and_stays_closed(
    settings: Settings, empty: Settings, tmp_path: Path
) -> None:
    """BAK-007: also after a restore nobody changes it, and the operators' tokens are in force."""
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        office = Office(store, settings, clock)
        async with operated(store, settings, office, clock) as operators:
            made = await operators.ask(control.CreateOperator("ada", ("read",)))
    assert isinstance(made, control.NewOperator)
    await backup(settings, tmp_path / "copy")
    await restore(empty, tmp_path / "copy")
    async with open_store(empty, clock=clock) as store:
        office = Office(store, empty, clock)
        async with operated(store, empty, office, clock) as operators:
            assert operators.tokens.find(made.token) is not None
            (entry,) = await operators.log.entries(control.Audit())
            assert (entry.action, entry.outcome) == ("create_operator", "done")
        connection = await connect(store.url)
        try:
            with pytest.raises(Exception, match="only added to"):
                await connection.execute("DELETE FROM audit_log")
        finally:
            await connection.close()
