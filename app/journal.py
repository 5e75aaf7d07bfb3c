"""The journal: a table of hash-chained batches, the one place where a command becomes a fact.

A row is one group commit. Its hash is SHA-256 over (previous hash, first seq, count, time, records), so that a row
changed, lost or put in cannot go unseen. A session's advisory lock keeps a second writer from starting; the primary key
keeps one that started all the same from writing. Both need a session of one's own: no pooler may stand before the database.
"""

import asyncio
import contextlib
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias, final

import asyncpg
import msgspec

from app.db.connect import Connection, connect
from app.faults import DatabaseUnusable, JournalDamaged, JournalUnavailable, WriterPresent
from exchange.commands import Command, SkipCommand, decode_commands, encode_commands

GENESIS: Final = bytes(32)
"""The hash before the first row."""
LOCK_KEY: Final = 0x45564552_4D41524B  # "EVERMARK"
CHUNK_ROWS: Final = 500
"""Rows of one read: a group commit of 1,000 orders has some 40 KB."""
_LOCK_RETRY_S: Final = 0.1
_READ_TIMEOUT_S: Final = 30.0
_BACKOFF_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
_HEADER: Final = struct.Struct(">qqq")

# What a database says when it is away, going, or has lost us. Anything else it says is about our statement.
UNREACHABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says when the server's farewell arrived while nobody asked
)

_INSERT: Final = (
    "INSERT INTO journal (first_seq, count, time_ms, records, hash, skipped_seq) VALUES ($1, $2, $3, $4, $5, $6)"
)
_READ: Final = (
    "SELECT first_seq, count, time_ms, records, hash, skipped_seq FROM journal"
    " WHERE first_seq >= $1 ORDER BY first_seq LIMIT $2"
)
_ROW_BEFORE: Final = (
    "SELECT first_seq, count, time_ms, hash FROM journal WHERE first_seq <= $1 ORDER BY first_seq DESC LIMIT 1"
)

_OWN_SESSION: Final = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END_SESSION: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"
_LOSS_SETTINGS: Final = {
    "client_connection_check_interval": "'500ms'",
    # Over TCP, some 9 seconds after the network fell silent; a Unix socket has no use for them.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "'9s'",
}

Revive: TypeAlias = Callable[[], Awaitable[None]]
"""Brings a server of our own back to life. Raises: DatabaseUnusable."""

_log = logging.getLogger(__name__)


class Head(NamedTuple):
    """Where the chain ends: the last command's seq, its time, and the hash of its row."""

    seq: int
    time_ms: int
    hash: bytes


EMPTY: Final = Head(0, 0, GENESIS)


class Batch(NamedTuple):
    """One row that fits the chain."""

    first_seq: int
    time_ms: int
    commands: list[Command]
    hash: bytes

    @property
    def head(self) -> Head:
        """The head after this row."""
        return Head(self.first_seq + len(self.commands) - 1, self.time_ms, self.hash)


def chain_hash(previous: bytes, *, first_seq: int, count: int, time_ms: int, records: bytes) -> bytes:
    """The hash of a row."""
    return sha256(b"".join((previous, _HEADER.pack(first_seq, count, time_ms), records))).digest()


async def read(connection: Connection, after: Head) -> AsyncIterator[Batch]:
    """Every row after a head, in order, each checked against the chain.

    Raises: JournalDamaged.
    """
    head = after
    while True:
        rows = await connection.fetch(_READ, head.seq + 1, CHUNK_ROWS)
        for row in rows:
            batch = _checked(row, head)
            head = batch.head
            yield batch
        if len(rows) < CHUNK_ROWS:
            return


async def head_of(connection: Connection, at_most: int = 2**63 - 1) -> Head:
    """The end of the newest row that begins at or before a seq, unchecked; EMPTY when there is none."""
    row = await connection.fetchrow(_ROW_BEFORE, at_most)
    return EMPTY if row is None else Head(row["first_seq"] + row["count"] - 1, row["time_ms"], row["hash"])


async def skipped_seqs(connection: Connection) -> frozenset[int]:
    """The commands that an operator passed over. They are known before they are reached: the reason follows them."""
    rows = await connection.fetch("SELECT skipped_seq FROM journal WHERE skipped_seq IS NOT NULL")
    return frozenset(row["skipped_seq"] for row in rows)


def skipped_by(commands: Sequence[Command]) -> int | None:
    """What the column skipped_seq says of a row: a SkipCommand stands alone in its row."""
    first = commands[0]
    return first.seq if isinstance(first, SkipCommand) else None


def _words(error: BaseException) -> str:
    """What an error says, or at least its name: a timeout says nothing."""
    return str(error) or type(error).__name__


def _checked(row: asyncpg.Record, head: Head) -> Batch:
    """A row as the chain's next link. Raises: JournalDamaged."""
    first_seq, count, time_ms, records = row["first_seq"], row["count"], row["time_ms"], row["records"]
    if first_seq != head.seq + 1:
        raise JournalDamaged(head.seq + 1, "sequence", f"a row is missing: the next one begins at {first_seq}")
    found = chain_hash(head.hash, first_seq=first_seq, count=count, time_ms=time_ms, records=records)
    if found != row["hash"]:
        raise JournalDamaged(
            first_seq, "hash", f"the row's hash is {row['hash'].hex()}, its content gives {found.hex()}"
        )
    if time_ms < head.time_ms:
        raise JournalDamaged(first_seq, "time", f"the row's time {time_ms} is before {head.time_ms}")
    try:
        commands = decode_commands(records)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise JournalDamaged(first_seq, "records", str(error)) from error
    if len(commands) != count or count < 1:
        raise JournalDamaged(first_seq, "count", f"the row says {count} commands and holds {len(commands)}")
    skips = any(isinstance(command, SkipCommand) for command in commands)
    if row["skipped_seq"] != skipped_by(commands) or (skips and count != 1):
        raise JournalDamaged(first_seq, "skip", f"the column says {row['skipped_seq']}, the records another thing")
    return Batch(first_seq, time_ms, commands, row["hash"])


@final
class Journal:
    """The writer's end: one connection, one lock, one head."""

    def __init__(self, url: str, *, timeout_ms: int = 10_000, revive: Revive | None = None) -> None:
        self._url = url
        self._revive = revive
        self._timeout_s = timeout_ms / 1000
        self._connection: Connection | None = None
        self._former: tuple[int, datetime] | None = None
        """Process and start of our session in the server: what a session lost without a word still is."""
        self._insert: asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record] | None = None
        self.head: Head = EMPTY
        """What is known to be durable. `read` from a snapshot's head and `resume` move it."""
        self._failures = 0
        self._why = ""

    @property
    def trouble(self) -> str | None:
        """What the database says, while it takes no batch though it is there; None when the last one landed, or one failed."""
        return self._why if self._failures > 1 else None

    @property
    def connection(self) -> Connection:
        """The connection that holds the lock, for reading before the first append. Requires: open."""
        assert self._connection is not None
        return self._connection

    async def open(self, *, lock_timeout_ms: int = 10_000) -> None:
        """Connect and become the one writer.

        Raises: WriterPresent when another one holds the lock for longer than the timeout; DatabaseUnusable.
        """
        try:
            await self._connect(lock_timeout_ms / 1000)
        except UNREACHABLE as error:
            raise DatabaseUnusable(f"The database cannot be reached: {_words(error)}") from error

    async def prepare(self) -> None:
        """Make ready to append. Requires: the tables are there."""
        self._insert = await self.connection.prepare(_INSERT)

    async def append(self, commands: Sequence[Command], time_ms: int) -> int:
        """Write one row and wait until it is durable. Gives the first seq.

        Raises: JournalUnavailable when it may or may not have been written: then `resume`. After an error the journal
        takes nothing more until it has resumed.
        """
        first_seq = self.head.seq + 1
        count = len(commands)
        records = encode_commands(commands)
        link = chain_hash(self.head.hash, first_seq=first_seq, count=count, time_ms=time_ms, records=records)
        insert = self._insert
        if insert is None:
            raise JournalUnavailable("The journal is not connected.", is_unknown=False)
        try:
            await insert.fetch(first_seq, count, time_ms, records, link, skipped_by(commands), timeout=self._timeout_s)
        except BaseException as error:
            self._drop()
            if not isinstance(error, Exception):
                raise
            # Whatever was said: the row may be there. Clients see the fault, and not what the database says of its files.
            self._failures += 1
            self._why = _words(error)
            _log.error("the journal did not answer: %s", self._why)
            raise JournalUnavailable("The journal did not answer.", is_unknown=True) from error
        self._failures = 0
        self.head = Head(first_seq + count - 1, time_ms, link)
        return first_seq

    async def resume(self) -> list[Batch]:
        """After a failure: connect again, with patience, take the lock and read what landed after `head`.

        Having the lock means that our former session is gone, so nothing of it can land any more.
        Raises: JournalDamaged when what stands there does not fit. Waits for as long as the database is away.
        """
        attempt = 0
        if self.trouble is not None:  # it comes back each time, and takes nothing: a full disk
            await asyncio.sleep(_BACKOFF_S[min(self._failures, len(_BACKOFF_S)) - 1])
        while True:
            try:
                self._drop()
                if attempt and self._revive is not None:
                    await self._revive()
                await self._connect(self._timeout_s)
                landed = [batch async for batch in read(self.connection, self.head)]
                await self.prepare()
            except (*UNREACHABLE, WriterPresent, DatabaseUnusable) as error:
                delay_s = _BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)]
                attempt += 1
                _log.warning("the journal is away (attempt %d): %s", attempt, _words(error))
                await asyncio.sleep(delay_s)
            else:
                if landed:
                    self._failures = 0
                    self.head = landed[-1].head
                _log.info("the journal is back at seq %d, %d rows had landed", self.head.seq, len(landed))
                return landed

    async def close(self) -> None:
        """Let go of the lock. Does not raise."""
        connection, self._connection, self._insert = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(*UNREACHABLE):
                await connection.close(timeout=self._timeout_s)

    async def _connect(self, lock_timeout_s: float) -> None:
        """Connect, see to it that a commit means durable, and become the writer. Raises: WriterPresent."""
        connection = self._connection = await connect(
            self._url, timeout_s=self._timeout_s, command_timeout_s=max(self._timeout_s, _READ_TIMEOUT_S)
        )
        if await connection.fetchval("SHOW synchronous_commit") in {"off", "local"}:
            await connection.execute("SET synchronous_commit = on")
        # A session that we lose must end and let go of the lock, idle or not. Not every system can.
        for name, value in _LOSS_SETTINGS.items():
            with contextlib.suppress(asyncpg.PostgresError):
                await connection.execute(f"SET {name} = {value}")
        if await connection.fetchval("SHOW fsync") == "off":
            _log.warning("the database runs with fsync off: a power cut may lose what was acknowledged")
        if self._former is not None:
            # A network that fell silent told the server nothing: our former session would keep the lock for minutes.
            with contextlib.suppress(asyncpg.PostgresError):
                await connection.execute(_END_SESSION, *self._former)
        await self._lock(lock_timeout_s)
        row = await connection.fetchrow(_OWN_SESSION)
        self._former = None if row is None or row["backend_start"] is None else (row["pid"], row["backend_start"])

    async def _lock(self, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not await self.connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
            if loop.time() >= deadline:
                raise WriterPresent("Another exchange is running on this database and holds its journal.")
            await asyncio.sleep(_LOCK_RETRY_S)

    def _drop(self) -> None:
        """Forget the connection at once: nobody may write over it any more."""
        connection, self._connection, self._insert = self._connection, None, None
        if connection is not None and not connection.is_closed():
            connection.terminate()
