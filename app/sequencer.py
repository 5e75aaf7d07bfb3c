"""One task gives every command its place and time, makes it durable, applies it and answers.

What waits while one batch is being made durable becomes the next batch. Between the journal and the answer nothing
awaits: a caller's reply is made from the state right after its command.
"""

import asyncio
import logging
from collections.abc import Iterable
from time import perf_counter
from typing import Any, Final, TypeVar, final, overload

from app.clock import Clock, wall_clock
from app.faults import Halted, JournalDamaged, JournalUnavailable, Overloaded, Stopped, Unavailable
from app.histogram import SIZES, Histogram
from app.journal import UNREACHABLE, Batch, Journal
from app.recovery import Gate, Listeners, Poisoned, Recovered, apply_batch, recover, why_of
from app.snapshots import Snapshotter
from app.stamps import current
from app.waiting import Entry, Reply, Waiting, urgency_of
from exchange.commands import Command, SkipCommand, Tick, encode_commands
from exchange.events import Event

T = TypeVar("T")

BEHIND_MAX_MS: Final = 1_000
"""A clock that was set right by less is no matter."""

_TICK: Final = Tick()
_log = logging.getLogger(__name__)


class Unencodable(ValueError):
    """The command holds something that no record can: a number beyond 64 bits, a broken text. It was not taken."""


@final
class Pulse:
    """What the sequencer's batches were like."""

    __slots__ = ("applies", "commits", "failures", "sizes")

    def __init__(self) -> None:
        self.sizes = Histogram(SIZES)
        self.commits = Histogram()
        """How long the journal took to make a batch durable."""
        self.applies = Histogram()
        """How long it took to apply one and to tell of it."""
        self.failures = 0
        """Batches that the journal did not take, as far as it said."""


@final
class Sequencer:
    """The one writer. `exchange` is the state for reading; it is another object after a fault, so never keep it."""

    def __init__(
        self,
        journal: Journal,
        recovered: Recovered,
        listeners: Listeners,
        snapshotter: Snapshotter,
        *,
        clock: Clock = wall_clock,
        gate: Gate | None = None,
        queue_max: int = 10_000,
        queue_reserve: int = 2_000,
        batch_max: int = 1_000,
    ) -> None:
        self.exchange = recovered.exchange
        self.halted: Halted | None = recovered.halted
        """Why the exchange is read-only, if it is."""
        self.failure: BaseException | None = None
        """What ended the sequencer, if something did."""
        self.pulse = Pulse()
        self._journal = journal
        self._seq = recovered.seq
        self._listeners = listeners
        self._snapshotter = snapshotter
        self._clock = clock
        self._gate = gate
        self._queue_max = queue_max
        self._queue_reserve = queue_reserve
        self._waiting = Waiting(batch_max)
        self._batch: list[Entry] = []
        self._refusal: Unavailable | None = recovered.halted
        self._wakeup: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._is_skipping = False
        self._is_behind = False

    @property
    def seq(self) -> int:
        """The last command that was applied."""
        return self._seq

    @property
    def time_ms(self) -> int:
        """The time of the last command that is durable."""
        return self._journal.head.time_ms

    @property
    def behind_ms(self) -> int:
        """How far the clock is behind the journal; beyond a second prices and funding stand still."""
        behind_ms = self.time_ms - self._clock()
        return behind_ms if behind_ms > BEHIND_MAX_MS else 0

    @property
    def is_ready(self) -> bool:
        """Commands are taken now."""
        return self._refusal is None and self._task is not None and self._journal.trouble is None

    @property
    def trouble(self) -> str | None:
        """Why commands are not taken, in words for an operator; None when they are."""
        if self.failure is not None:
            return f"The exchange has stopped on a fault and must be started again: {why_of(self.failure)}"
        if self._refusal is not None:
            return str(self._refusal)
        why = self._journal.trouble
        return None if why is None else f"The journal takes nothing: {why}"

    @property
    def snapshot_seq(self) -> int:
        """The command after which the last snapshot was taken."""
        return self._snapshotter.last_seq

    @property
    def waiting(self) -> int:
        """How many commands wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin. Requires: the journal is open, prepared, and at the recovered end."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="sequencer")

    @overload
    def submit(self, command: Command) -> "asyncio.Future[list[Event]]": ...
    @overload
    def submit(self, command: Command, reply: Reply[T]) -> "asyncio.Future[T]": ...
    def submit(self, command: Command, reply: Reply[Any] | None = None) -> "asyncio.Future[Any]":
        """Take a command; await what comes back for the answer.

        The answer is its events, or what `reply(events, exchange)` makes of them and the state right after it.
        Raises: Overloaded, Halted, Stopped, JournalUnavailable, here or from the awaitable; Unencodable from it.
        """
        refusal = self._refusal
        if refusal is not None:
            raise refusal.with_traceback(None)  # one object for many callers must not collect their frames
        count = len(self._waiting)
        if count >= self._queue_max and count >= self._queue_max + self._queue_reserve * urgency_of(command):
            raise Overloaded("Too many commands are waiting. Your command was not taken.")
        assert not isinstance(command, SkipCommand), "skip() takes these"
        return self._enqueue(command, reply)

    async def skip(self, seq: int, reason: str) -> None:
        """Pass over the command that halted the exchange. For an operator.

        Raises: ValueError when it is not `seq` that halts it; Halted when a later command breaks a promise too.
        """
        halted = self.halted
        is_journaled = seq <= self._journal.head.seq  # else it is the journal that does not fit, and no skip mends that
        if halted is None or halted.seq != seq or self._is_skipping or not is_journaled:
            raise ValueError(f"The exchange is not halted by the command {seq}.")
        self._is_skipping = True
        try:
            await self._enqueue(SkipCommand(seq, reason), None)
        finally:
            self._is_skipping = False

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Answer what was taken, then end. What cannot be made durable in time is answered with JournalUnavailable."""
        self._is_stopping = True
        self._refuse(Stopped("The exchange is stopping. Your command was not taken."))
        self._wake()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=timeout_s)
            for task in late:
                task.cancel()
                await asyncio.wait([task])
            self._fail_waiting(Stopped("The exchange has stopped. Your command was not taken."))

    async def snapshot(self) -> None:
        """Write a last snapshot. Requires: stopped."""
        if self.halted is None and self.failure is None and self._seq == self._journal.head.seq:
            await self._snapshotter.finish(self.exchange, self._journal.head)

    def _enqueue(self, command: Command, reply: Reply[Any] | None) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        stamps = current.get()
        if stamps is not None:
            stamps.queued_s = perf_counter()
        self._waiting.add((command, reply, future, stamps))
        wakeup = self._wakeup
        if wakeup is not None:
            self._wakeup = None
            wakeup.set_result(None)
        return future

    def _wake(self) -> None:
        wakeup, self._wakeup = self._wakeup, None
        if wakeup is not None and not wakeup.done():
            wakeup.set_result(None)

    # --- the task ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while self._waiting or not self._is_stopping:
                if not self._waiting:
                    self._wakeup = asyncio.get_running_loop().create_future()
                    await self._wakeup
                    continue
                if self._gate is not None:
                    await self._gate()
                self._batch = self._waiting.take()
                await self._commit(self._batch)
        except BaseException as error:
            self.failure = error
            _log.critical("the sequencer has ended: %s", why_of(error), exc_info=error)
            self._refuse(Stopped("The exchange has stopped on a fault."))
            _fail(self._batch, JournalUnavailable("The exchange stopped; the outcome is unknown.", is_unknown=True))
            self._fail_waiting(Stopped("The exchange has stopped on a fault."))
            if not isinstance(error, Exception):
                raise

    async def _commit(self, batch: list[Entry]) -> None:
        """Make a batch durable, apply it, answer it."""
        if not batch:
            return
        now_ms = self._clock()
        time_ms = max(now_ms, self._journal.head.time_ms)
        self._watch_clock(time_ms - now_ms)
        is_skip = isinstance(batch[0][0], SkipCommand)
        if not is_skip and time_ms >= self.exchange.next_due_ms and not isinstance(batch[0][0], Tick):
            batch.insert(0, (_TICK, None, None, None))
        taken_s = perf_counter()
        try:
            first_seq = await self._journal.append([entry[0] for entry in batch], time_ms)
        except JournalUnavailable as fault:
            self.pulse.failures += 1
            await self._ride_out(batch, fault)
            return
        except (OverflowError, TypeError, ValueError):
            self._refuse_unencodable(batch)
            return
        if is_skip:
            await self._pass_over(batch[0])
            return
        self.pulse.sizes.observe(len(batch))
        self.pulse.commits.observe(perf_counter() - taken_s)
        poison = self._apply(batch, first_seq, time_ms, taken_s)
        if poison is not None:
            await self._rebuild(poison)
        elif self._seq >= self._snapshotter.due_seq:
            self._snapshotter.consider(self.exchange, self._journal.head)

    def _watch_clock(self, behind_ms: int) -> None:
        """Say it when the exchange's time stands still, and when it goes on."""
        if behind_ms > BEHIND_MAX_MS and not self._is_behind:
            self._is_behind = True
            _log.error("the clock is %d ms behind the journal: time stands still until it has caught up", behind_ms)
        elif not behind_ms and self._is_behind:
            self._is_behind = False
            _log.warning("the clock has caught up with the journal")

    def _apply(self, batch: list[Entry], first_seq: int, time_ms: int, taken_s: float) -> Poisoned | None:
        """Apply what is durable and answer it, command by command."""
        exchange, tell = self.exchange, self._listeners.tell
        durable_s = perf_counter()
        for seq, (command, reply, future, stamps) in enumerate(batch, first_seq):
            try:
                events = exchange.apply(command, time_ms)
            except Exception as error:
                _fail(batch[seq - first_seq :], Halted(seq, why_of(error), is_unknown=True))
                return Poisoned(seq, why_of(error))
            self._seq = seq
            tell(seq, time_ms, command, events)
            if future is not None and not future.done():
                try:
                    future.set_result(events if reply is None else reply(events, exchange))
                except Exception as error:  # the reply is the caller's code: its fault goes back to the caller
                    future.set_exception(error)
            if stamps is not None:
                stamps.taken_s, stamps.durable_s, stamps.applied_s = taken_s, durable_s, perf_counter()
        self.pulse.applies.observe(perf_counter() - durable_s)
        return None

    # --- when something fails ----------------------------------------------------------------------------------------

    async def _ride_out(self, batch: list[Entry], fault: JournalUnavailable) -> None:
        """The journal is away: acknowledge nothing, refuse, wait for it, apply what landed, go on."""
        _fail(batch, fault)
        away = JournalUnavailable("The journal is away. Your command was not taken.", is_unknown=False)
        self._refuse(away)
        self._fail_waiting(away)
        try:
            for landed in await self._journal.resume():
                await self._apply_landed(landed)
        except JournalDamaged as damage:
            _log.critical("%s", damage)
            self._halt(Halted(damage.seq, str(damage)))
            return
        self._accept()

    async def _apply_landed(self, batch: Batch) -> None:
        if self.halted is not None:  # the row may be the SkipCommand that ends it
            await self._recover()
            return
        try:
            apply_batch(self.exchange, batch, skipped=frozenset(), listeners=self._listeners)
        except Poisoned as poison:
            await self._rebuild(poison)
        else:
            self._seq = batch.head.seq

    async def _rebuild(self, poison: Poisoned) -> None:
        """The state may be half changed: make it anew from the journal, with or without the command."""
        _log.critical("command %d broke a promise of the core, making the state anew: %s", poison.seq, poison.why)
        halted = Halted(poison.seq, poison.why)
        self._refuse(halted)
        self._fail_waiting(halted)
        await self._recover()
        self._accept()

    async def _pass_over(self, entry: Entry) -> None:
        """A SkipCommand is durable: make the state anew without the command that it names."""
        await self._recover()
        if self.halted is not None:
            _fail([entry], self.halted)
        elif entry[2] is not None and not entry[2].done():
            entry[2].set_result(None)
        self._accept()

    async def _recover(self) -> None:
        """Make the state anew, however often the database goes away meanwhile."""
        while True:
            try:
                found = await recover(self._journal.connection, self._listeners, gate=self._gate)
            except UNREACHABLE as error:
                _log.warning("the journal went away while the state was made anew: %r", error)
                await self._journal.resume()
            else:
                self.exchange, self._seq, self.halted = found.exchange, found.seq, found.halted
                return

    def _halt(self, halted: Halted) -> None:
        self.halted = halted
        self._refuse(halted)
        self._fail_waiting(halted)

    def _refuse(self, refusal: Unavailable) -> None:
        self._refusal = refusal

    def _accept(self) -> None:
        """Take commands again, unless there is a reason not to."""
        if self.halted is not None:
            self._refusal = self.halted
        elif not self._is_stopping:
            self._refusal = None

    def _fail_waiting(self, fault: Exception) -> None:
        _fail(self._waiting.drain(), fault)

    def _refuse_unencodable(self, batch: list[Entry]) -> None:
        """Find whose command it is; the others wait again, in order."""
        good: list[Entry] = []
        for entry in batch:
            try:
                encode_commands([entry[0]])
            except (OverflowError, TypeError, ValueError) as error:
                _fail([entry], Unencodable(f"The command cannot be written down: {error}"))
            else:
                if entry[2] is not None:
                    good.append(entry)
        assert len(good) < len(batch)
        self._waiting.put_back(good)


def _fail(batch: Iterable[Entry], fault: Exception) -> None:
    for _, _, future, _ in batch:
        if future is not None and not future.done():
            future.set_exception(fault)
