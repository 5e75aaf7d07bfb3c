"""Everything durable behind one door.

    async with open_store(settings) as store:
        events = await store.sequencer.submit(command)
        answer = await store.sequencer.submit(command, lambda events, exchange: ...)
        key = store.identity.find(api_key)
        fills = await store.queries.fills(account_id, market_id=1)
        views.balances(store.exchange, account_id)

`store.exchange` is the state as of now, for reading between two awaits; never keep it, for a fault may replace it.
`store.start_ms` is the journal's last time at the start. `store.listeners.add(...)` is told of every command from then
on. Leaving the block answers what was taken, writes projections and a snapshot, and stops the embedded server.
"""

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple, final

from app import snapshots
from app.clock import Clock, wall_clock
from app.db.connect import engine_for
from app.db.embedded import EmbeddedServer
from app.db.migrate import migrate
from app.db.projector import Projector, reset
from app.db.queries import Queries
from app.db.secrets import Vault, master_key
from app.faults import DatabaseUnusable, JournalDamaged, SettingsInvalid, WriterPresent
from app.identity import Identity
from app.journal import UNREACHABLE, Journal, Revive, head_of
from app.recovery import Listeners, Progress, Recovered, recover
from app.sequencer import Sequencer
from app.settings import Settings
from exchange.exchange import Exchange

LOCK_NAME: Final = "exchange.lock"
RESTORING: Final = "restoring"
"""A file that stands in DATA_DIR while a backup is put into it: one that was killed leaves half of an exchange behind."""
_LOCK_RETRY_S: Final = 0.1
READ_TIMEOUT_S: Final = 15.0
"""A list that takes longer than this is not worth waiting for."""

_log = logging.getLogger(__name__)


@final
class Store:
    """What `open_store` gives."""

    def __init__(
        self,
        url: str,
        sequencer: Sequencer,
        identity: Identity,
        queries: Queries,
        projector: Projector,
        listeners: Listeners,
        recovered: Recovered,
        vault: Vault,
    ) -> None:
        self.url = url
        self.vault = vault
        self.sequencer = sequencer
        self.identity = identity
        self.queries = queries
        self.projector = projector
        self.listeners = listeners
        self.start_ms = recovered.end.time_ms
        self.start_seq = recovered.end.seq
        self.snapshot_seq = recovered.snapshot_seq

    @property
    def exchange(self) -> Exchange:
        """The state as of now."""
        return self.sequencer.exchange


class Database(NamedTuple):
    """Where the database is, and how to bring it back when it is ours and has died."""

    url: str
    revive: Revive | None


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The database; in embedded mode with the server up for as long as the block lasts."""
    if settings.database_url is not None:
        yield Database(settings.database_url, None)
        return
    server = EmbeddedServer(settings.data_dir)
    await server.start()
    try:
        yield Database(server.url(), server.revive)
    finally:
        await asyncio.shield(server.stop())


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """The URL alone, for a program that only reads."""
    async with database(settings) as found:
        yield found.url


@asynccontextmanager
async def data_dir_held(path: Path, *, timeout_ms: int) -> AsyncIterator[None]:
    """Be the one exchange on a DATA_DIR: its keys and its operator's socket are one exchange's. Made if it is missing.

    Raises: WriterPresent; SettingsInvalid when there can be no such folder.
    """
    descriptor = _lock_file(path)
    try:
        deadline = time.monotonic() + timeout_ms / 1_000
        while not _is_locked(descriptor):
            if time.monotonic() >= deadline:
                raise WriterPresent(f"Another exchange is running on DATA_DIR {path}.")
            await asyncio.sleep(_LOCK_RETRY_S)
        yield
    finally:
        os.close(descriptor)


def _lock_file(path: Path) -> int:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SettingsInvalid("DATA_DIR", f"must name a folder to write to: {error}") from error


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def open_store(settings: Settings, *, clock: Clock = wall_clock) -> AsyncIterator[Store]:
    """Become the one exchange on this database and DATA_DIR: lock, migrate, recover, begin.

    Raises: SettingsInvalid, DatabaseUnusable, WriterPresent, JournalDamaged, KeyUndecryptable.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(data_dir_held(settings.data_dir, timeout_ms=settings.lock_timeout_ms))
        if (settings.data_dir / RESTORING).exists():
            raise DatabaseUnusable(
                f"A restore into {settings.data_dir} was cut off, and an exchange would begin at nothing there. Restore again."
            )
        vault = Vault(master_key(settings.master_key, settings.data_dir, is_embedded=settings.is_embedded))
        url, revive = await stack.enter_async_context(database(settings))
        journal = Journal(url, timeout_ms=settings.journal_timeout_ms, revive=revive)
        stack.push_async_callback(journal.close)
        await journal.open(lock_timeout_ms=settings.lock_timeout_ms)
        await migrate(url)
        engine = engine_for(url, command_timeout_s=READ_TIMEOUT_S)
        stack.push_async_callback(engine.dispose)
        identity = Identity(
            engine, vault, clock=clock, per_second=settings.key_requests_per_s, burst=settings.key_burst
        )
        await identity.load()
        projector = Projector(url, interval_ms=settings.projector_interval_ms, rows_max=settings.projector_rows_max)
        stack.push_async_callback(projector.close)
        await projector.open()
        listeners = Listeners(projector.seq)
        listeners.add(projector.tell)
        recovered = await _recovered(journal, listeners, projector)
        snapshotter = snapshots.Snapshotter(url, every=settings.snapshot_every, kept=settings.snapshots_kept)
        snapshotter.begin_at(recovered.snapshot_seq)
        sequencer = Sequencer(
            journal,
            recovered,
            listeners,
            snapshotter,
            clock=clock,
            gate=projector.gate,
            queue_max=settings.queue_max,
            queue_reserve=settings.queue_reserve,
            batch_max=settings.batch_max,
        )
        sequencer.start()
        try:
            queries = Queries(engine, projector)
            yield Store(url, sequencer, identity, queries, projector, listeners, recovered, vault)
        finally:
            await asyncio.shield(_finish(sequencer, projector))


async def rebuild(settings: Settings, progress: Progress | None = None) -> int:
    """Make the projections again from the journal's first command; gives its last.

    Raises: WriterPresent while an exchange runs, DatabaseUnusable, JournalDamaged.
    """
    if settings.is_embedded and not (settings.data_dir / "postgres").is_dir():
        raise DatabaseUnusable(f"No exchange has run on {settings.data_dir} yet.")
    async with database_url(settings) as url:
        journal = Journal(url, timeout_ms=settings.journal_timeout_ms)
        projector = Projector(url, interval_ms=0, rows_max=settings.projector_rows_max)
        try:
            await journal.open(lock_timeout_ms=settings.lock_timeout_ms)
            await migrate(url)
            await reset(journal.connection)
            await projector.open()
            listeners = Listeners()
            listeners.add(projector.tell)
            if progress is not None:
                last_seq = (await head_of(journal.connection)).seq
                listeners.add(lambda seq, *_: progress(seq, last_seq))
            await recover(journal.connection, listeners, not_after=0, gate=projector.gate)
            await projector.settle()
            return projector.seq
        except UNREACHABLE as error:
            raise DatabaseUnusable(f"The projections cannot be made: {str(error) or type(error).__name__}") from error
        finally:
            await projector.close()
            await journal.close()


async def _recovered(journal: Journal, listeners: Listeners, projector: Projector) -> Recovered:
    """The newest state; the projector hears what it has not written."""
    told_seq = listeners.told_seq
    recovered = await recover(journal.connection, listeners, not_after=told_seq, gate=projector.gate)
    if recovered.end.seq < told_seq:
        why = f"the journal ends before seq {told_seq}, which the projections hold"
        raise JournalDamaged(recovered.end.seq + 1, "end", why)
    journal.head = recovered.end
    await journal.prepare()
    _log.info("recovered to seq %d from snapshot %d", recovered.seq, recovered.snapshot_seq)
    return recovered


async def _finish(sequencer: Sequencer, projector: Projector) -> None:
    await sequencer.stop()
    await projector.close()
    await sequencer.snapshot()
