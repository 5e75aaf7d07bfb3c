"""From the journal to a state: at the start, after a fault, for `verify` and for a look at the past.

One way only: a snapshot (or nothing), then the commands after it, applied as they were the first time.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias, final

from app import snapshots
from app.db.connect import Connection
from app.faults import Halted, JournalDamaged
from app.journal import EMPTY, Batch, Head, head_of, read, skipped_seqs
from exchange.audit import audit
from exchange.commands import Command
from exchange.events import Event
from exchange.exchange import Exchange

END: Final = 2**63 - 1

Listener: TypeAlias = Callable[[int, int, Command, list[Event]], None]
"""Told of every command after it was applied: (seq, time_ms, command, events)."""
Gate: TypeAlias = Callable[[], Awaitable[None]]
"""Waits while a listener cannot take more."""
Progress: TypeAlias = Callable[[int, int], None]
"""Told how far a replay is: (seq, last seq)."""

_log = logging.getLogger(__name__)


class Poisoned(Exception):
    """A command broke a promise of the core."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"seq {seq}: {why}")
        self.seq = seq
        self.why = why


def why_of(error: BaseException) -> str:
    """An assertion's words, or its kind when it has none."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


@final
class Listeners:
    """Who is told what happened. A replay tells nobody what was told before."""

    def __init__(self, told_seq: int = 0) -> None:
        self._listeners: list[Listener] = []
        self.told_seq = told_seq

    def add(self, listener: Listener) -> None:
        """Tell one more. It must not raise."""
        self._listeners.append(listener)

    def add_first(self, listener: Listener) -> None:
        """Tell one more before the others, who may be asked how things stood before the command. It must not raise."""
        self._listeners.insert(0, listener)

    def tell(self, seq: int, time_ms: int, command: Command, events: list[Event]) -> None:
        """Tell everybody, in order, once."""
        if seq > self.told_seq:
            self.told_seq = seq
            for listener in self._listeners:
                listener(seq, time_ms, command, events)


class Recovered(NamedTuple):
    """A state and where it stands. `end` is the journal's head: later than `seq` only when `halted`."""

    exchange: Exchange
    seq: int
    end: Head
    snapshot_seq: int
    halted: Halted | None


def apply_batch(
    exchange: Exchange, batch: Batch, *, skipped: frozenset[int], listeners: Listeners, until: int = END
) -> None:
    """Apply a row up to and with the seq `until`. Raises: Poisoned."""
    time_ms = batch.time_ms
    for seq, command in enumerate(batch.commands, batch.first_seq):
        if seq > until:
            return
        if seq in skipped:
            continue
        try:
            events = exchange.apply(command, time_ms)
        except Exception as error:
            raise Poisoned(seq, why_of(error)) from error
        listeners.tell(seq, time_ms, command, events)


async def recover(
    connection: Connection, listeners: Listeners, *, not_after: int = END, gate: Gate | None = None
) -> Recovered:
    """The newest state. The listeners are told what they were not told yet.

    `not_after` is where the listeners are: a snapshot later than that would pass over what they must still hear.
    A command that breaks a promise is tried once more from the snapshot; then the state before it comes back, `halted`.
    Raises: JournalDamaged; Poisoned when the core does not do the same thing twice.
    """
    skipped = await skipped_seqs(connection)
    poison: Poisoned | None = None
    for _ in range(2):
        try:
            return await _replay(connection, listeners, skipped, not_after=not_after, gate=gate)
        except Poisoned as error:
            _log.error("command %d broke a promise of the core: %s", error.seq, error.why)
            poison = error
    assert poison is not None
    found = await _replay(connection, listeners, skipped, not_after=not_after, until=poison.seq - 1, gate=gate)
    return found._replace(halted=Halted(poison.seq, poison.why))


async def replay_to(connection: Connection, seq: int) -> Recovered:
    """The state right after a command. A seq beyond the journal gives the newest state. Raises: as `recover`."""
    skipped = await skipped_seqs(connection)
    return await _replay(connection, Listeners(), skipped, until=seq, is_past=True)


class Report(NamedTuple):
    """What `verify` found. Nothing is wrong when `problems` is empty. `older` snapshots have an older format: nothing reads them."""

    seq: int
    rows: int
    snapshots: int
    state_hash: bytes
    problems: list[str]
    older: int = 0


async def verify(connection: Connection, progress: Progress | None = None) -> Report:
    """Replay from the beginning; check the chain and its end, each snapshot against the replayed state, and conservation."""
    # Before the journal is read: it may grow meanwhile, and the projections with it.
    told_seq = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM projector")
    skipped = await skipped_seqs(connection)
    last_seq = (await head_of(connection)).seq
    due = {header.seq: header for header in await snapshots.headers(connection)}
    checked = older = 0
    exchange, listeners, problems = Exchange(), Listeners(), list[str]()
    head, rows = EMPTY, 0
    try:
        async for batch in read(connection, EMPTY):
            apply_batch(exchange, batch, skipped=skipped, listeners=listeners)
            head, rows = batch.head, rows + 1
            header = due.pop(head.seq, None)
            if header is not None and header.format < snapshots.FORMAT:
                older += 1
            elif header is not None:
                checked += 1
                problems += await _snapshot_problems(connection, header, exchange)
                problems += [f"seq {head.seq}: {law}" for law in audit(exchange)]
            if progress is not None:
                progress(head.seq, last_seq)
        problems += [f"seq {head.seq}: {law}" for law in audit(exchange)]
        if head.seq < told_seq:
            problems.append(f"the journal ends before seq {told_seq}, which the projections hold")
        problems += [f"snapshot {seq}: no row of the journal ends there" for seq in sorted(due)]
    except (JournalDamaged, Poisoned) as error:
        problems.append(str(error))
    return Report(head.seq, rows, checked, exchange.state_hash(), problems, older)


async def _snapshot_problems(connection: Connection, header: snapshots.Header, exchange: Exchange) -> list[str]:
    if header.state_hash != exchange.state_hash():
        return [f"snapshot {header.seq}: its hash is not that of the replayed state"]
    try:
        await snapshots.load(connection, header)
    except snapshots.SnapshotBad as error:
        return [f"snapshot {header.seq}: {error}"]
    return []


async def _replay(
    connection: Connection,
    listeners: Listeners,
    skipped: frozenset[int],
    *,
    not_after: int = END,
    until: int = END,
    is_past: bool = False,
    gate: Gate | None = None,
) -> Recovered:
    """From the newest good snapshot to `until`. The chain is checked to its end, but for a look at the past."""
    end = await head_of(connection)
    newest = await snapshots.headers(connection)
    if newest and newest[0].seq > end.seq:
        raise JournalDamaged(end.seq + 1, "end", f"the journal ends before snapshot {newest[0].seq} was taken")
    found = await snapshots.newest(connection, not_after=min(not_after, until))
    exchange, head = (Exchange(), EMPTY) if found is None else (found[0], found[1].head)
    snapshot_seq = seq = head.seq
    async for batch in read(connection, head):
        if is_past and batch.first_seq > until:
            break
        head = batch.head
        if batch.first_seq <= until:
            apply_batch(exchange, batch, skipped=skipped, listeners=listeners, until=until)
            seq = min(head.seq, until)
        if gate is not None:
            await gate()
    return Recovered(exchange, seq, head, snapshot_seq, None)
