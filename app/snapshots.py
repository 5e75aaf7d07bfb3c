"""The core's state in PostgreSQL, so that a start need not replay everything.

A snapshot is bytes in chunks and a header {format, code version, rules version, seq, time, hashes}. It can be wrong or
lost without harm: the journal is whole, an older snapshot or none does as well.
"""

import asyncio
import contextlib
import logging
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NamedTuple, final

from app.db.connect import Connection, connect
from app.journal import UNREACHABLE, Head, head_of
from exchange.exchange import Exchange
from exchange.snapshot import decode, encode, hash_of

FORMAT: Final = 5
CHUNK_BYTES: Final = 1 << 20

_HEADERS: Final = (
    "SELECT seq, format, code_version, rules_version, time_ms, state_hash, journal_hash, body_hash, size FROM snapshots"
)
_log = logging.getLogger(__name__)


class Header(NamedTuple):
    """What a snapshot says of itself. Field for field the table's columns."""

    seq: int
    format: int
    code_version: str
    rules_version: int
    time_ms: int
    state_hash: bytes
    journal_hash: bytes
    body_hash: bytes
    size: int

    @property
    def head(self) -> Head:
        """The journal's head at this state."""
        return Head(self.seq, self.time_ms, self.journal_hash)


class SnapshotBad(Exception):
    """A snapshot is not what it says it is, or not for this program."""


def take(exchange: Exchange, head: Head) -> tuple[Header, bytes]:
    """Encode the state. Cost: all of it, without giving way.

    Requires: the state is the one after `head`.
    """
    body = encode(exchange)
    header = Header(
        seq=head.seq,
        format=FORMAT,
        code_version=code_version(),
        rules_version=exchange.state.rules_version,
        time_ms=head.time_ms,
        state_hash=hash_of(body),
        journal_hash=head.hash,
        body_hash=sha256(body).digest(),
        size=len(body),
    )
    return header, body


async def store(connection: Connection, header: Header, body: bytes) -> None:
    """Write a snapshot, whole or not at all. One that is there already stays."""
    chunks = [
        (header.seq, index, body[start : start + CHUNK_BYTES])
        for index, start in enumerate(range(0, len(body), CHUNK_BYTES))
    ]
    marks = ", ".join(f"${place}" for place in range(1, len(header) + 1))
    async with connection.transaction():
        done = await connection.execute(f"INSERT INTO snapshots VALUES ({marks}) ON CONFLICT DO NOTHING", *header)
        if done == "INSERT 0 1":
            await connection.copy_records_to_table("snapshot_chunks", records=chunks)


async def headers(connection: Connection, *, not_after: int = 2**63 - 1) -> list[Header]:
    """All snapshots, newest first."""
    rows = await connection.fetch(f"{_HEADERS} WHERE seq <= $1 ORDER BY seq DESC", not_after)
    return [Header(*row) for row in rows]


async def load(connection: Connection, header: Header) -> Exchange:
    """The state that a snapshot holds, checked against its header and the journal.

    Raises: SnapshotBad.
    """
    if header.format != FORMAT:
        raise SnapshotBad(f"its format is {header.format}, this program reads {FORMAT}")
    if await head_of(connection, header.seq) != header.head:
        raise SnapshotBad("it does not belong to this journal")
    rows = await connection.fetch('SELECT body FROM snapshot_chunks WHERE seq = $1 ORDER BY "index"', header.seq)
    body = b"".join(row["body"] for row in rows)
    if len(body) != header.size or sha256(body).digest() != header.body_hash:
        raise SnapshotBad("its bytes are damaged")
    try:
        exchange = decode(body)
    except Exception as error:  # whatever a decoder says of bytes from another version of the program
        raise SnapshotBad(f"its bytes do not decode: {error!r}") from error
    if exchange.state_hash() != header.state_hash:
        raise SnapshotBad("its state has another hash than it had when it was taken")
    exchange.time_ms = header.time_ms  # no part of the state
    return exchange


async def newest(connection: Connection, *, not_after: int = 2**63 - 1) -> tuple[Exchange, Header] | None:
    """The newest snapshot that is good, at or before a seq. A bad one is passed over with a warning."""
    for header in await headers(connection, not_after=not_after):
        try:
            return await load(connection, header), header
        except SnapshotBad as error:
            _log.warning("snapshot %d is passed over: %s", header.seq, error)
    return None


async def prune(connection: Connection, *, kept: int) -> None:
    """Delete all but the newest `kept`, and the newest one that the projector has passed: a start begins there."""
    await connection.execute(
        "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT $1) AND seq <"
        " (SELECT max(seq) FROM snapshots WHERE seq <= (SELECT coalesce(min(seq), 0) FROM projector))",
        kept,
    )


@cache
def code_version() -> str:
    """The version of this program. Looking for it is work for the disk: it is done once."""
    try:
        return version("evermark")
    except PackageNotFoundError:
        return "unknown"


@final
class Snapshotter:
    """Takes a snapshot every so many commands, and writes it while the exchange goes on."""

    def __init__(self, url: str, *, every: int, kept: int) -> None:
        self._url = url
        self._every = every
        self._kept = kept
        self._task: asyncio.Task[None] | None = None
        self._last_seq = 0
        self.due_seq = every
        """From this seq on `consider` will take one."""

    @property
    def last_seq(self) -> int:
        """The command after which the newest one was taken."""
        return self._last_seq

    def begin_at(self, seq: int) -> None:
        """The newest snapshot there is."""
        self._last_seq = seq
        self.due_seq = seq + self._every

    def consider(self, exchange: Exchange, head: Head) -> None:
        """Take a snapshot when it is due and the last one is written. Cost: the encoding."""
        if head.seq < self.due_seq or (self._task is not None and not self._task.done()):
            return
        header, body = take(exchange, head)
        self.begin_at(head.seq)
        self._task = asyncio.get_running_loop().create_task(self._write(header, body))

    async def finish(self, exchange: Exchange, head: Head) -> None:
        """Write what is under way, then a last one, on a clean stop."""
        await self.settle()
        if head.seq > self._last_seq:
            self.begin_at(head.seq)
            await self._write(*take(exchange, head))

    async def settle(self) -> None:
        """Wait for the snapshot that is being written."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _write(self, header: Header, body: bytes) -> None:
        """A snapshot that cannot be written is a pity, not a fault: the next one will be."""
        try:
            connection = await connect(self._url)
            try:
                await store(connection, header, body)
                await prune(connection, kept=self._kept)
            finally:
                with contextlib.suppress(*UNREACHABLE):
                    await connection.close(timeout=5)
        except UNREACHABLE as error:
            _log.warning("snapshot %d could not be written: %r", header.seq, error)
        else:
            _log.info("snapshot %d written, %d bytes", header.seq, header.size)
