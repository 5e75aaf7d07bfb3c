"""The life itself: commands, one after the other, each followed by its laws; at the end the whole journal again."""

import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import BinaryIO, Final

from exchange.audit import audit
from exchange.commands import Command, Tick, decode_commands, encode_commands
from exchange.events import (
    BalanceChanged,
    CommandRejected,
    Event,
    OrderCancelled,
    OrderReduced,
    PositionDeleveraged,
    PositionTakenOver,
)
from exchange.exchange import Exchange
from exchange.snapshot import decode, encode, hash_of
from tests.simulation import fairness
from tests.simulation.crowd import Crowd
from tests.simulation.ledger import LawBroken, Ledger
from tests.simulation.terms import opening
from tests.simulation.weather import Weather
from tests.support.options import CALL, PUT

START_MS: Final = 1_700_006_400_000 - 200_000
"""Shortly before midnight, so that a short life has an hour of funding and the end of a day as well."""
AUDIT_EVERY: Final = 1_000
SNAPSHOT_EVERY: Final = 20_000
REPORT_EVERY: Final = 2_000
_FRAME: Final = struct.Struct("<qI")


class Life:
    """A simulation of so many commands, the same for the same seed."""

    def __init__(
        self, seed: int, commands: int, journal: BinaryIO, report: Callable[["Life"], None] | None = None
    ) -> None:
        self.seed = seed
        self.commands = commands
        self.journal = journal
        self.report = report
        random = Random(seed)
        self.random = random
        self.exchange = Exchange()
        self.weather = Weather(random)
        self.crowd = Crowd(random, self.exchange)
        self.ledger = Ledger()
        self.time_ms = START_MS
        self.count = 0
        self.audits = 0
        self.snapshots = 0
        self.seen: Counter[str] = Counter()
        self.seconds_in_core = 0.0

    def run(self) -> None:
        """Live.

        Raises: LawBroken, AssertionError of the core.
        """
        for command in opening():
            self.do(command)
        while self.count < self.commands:
            self.second()
        self.recount()

    def second(self) -> None:
        """One step of time: prices, a tick, and what people do then."""
        random = self.random
        step_ms = random.choice((1_000,) * 9 + (1_700, 3_000, 300))
        if random.random() < 0.0012:
            step_ms = random.choice((12_000, 40_000, 95_000, 600_000, 3_700_000, 8_000_000))
        self.time_ms += step_ms
        weather = self.weather
        weather.second()
        self.crowd.second(is_rough=weather.is_rough, time_ms=self.time_ms)
        is_deaf = step_ms > 10_000 and random.random() < 0.5
        if not is_deaf:
            for told in weather.observations(self.time_ms):
                self.do(told)
            if random.random() < 0.25:
                markets = self.exchange.state.markets
                models = weather.models({key: markets[key].strike for key in (CALL, PUT)}, self.time_ms)
                if models is not None:
                    self.do(models)
        if self.time_ms >= self.exchange.next_due_ms:
            self.tick()
        for _ in range(random.choice((0, 5, 10, 20, 40))):
            if self.count < self.commands:
                self.do(self.crowd.command(self.time_ms))

    def tick(self) -> None:
        """Let the exchange do what is due; in a crash everything is counted anew after it."""
        for _ in range(100):
            events = self.do(Tick())
            if self.weather.is_rough or any(isinstance(one, PositionTakenOver | PositionDeleveraged) for one in events):
                self.recount()
            if self.time_ms < self.exchange.next_due_ms:
                self.ledger.check_scopes(self.exchange, self.time_ms)
                self.ledger.check_timers(self.exchange, self.time_ms)
                return
        raise LawBroken("a tick is never done")

    def do(self, command: Command) -> list[Event]:
        """Write a command down, apply it, and hold the exchange to its laws."""
        records = encode_commands([command])
        self.journal.write(_FRAME.pack(self.time_ms, len(records)))
        self.journal.write(records)
        self.count += 1
        start = time.perf_counter()
        events = self.exchange.apply(command, self.time_ms)
        self.seconds_in_core += time.perf_counter() - start
        fairness.check(events, self.ledger)
        self.ledger.take(self.exchange, command, events)
        self.note(command, events)
        if self.count % AUDIT_EVERY == 0:
            self.recount()
        if self.count % SNAPSHOT_EVERY == 0:
            self.turn_over()
        if self.report is not None and self.count % REPORT_EVERY == 0:
            self.report(self)
        return events

    def note(self, command: Command, events: list[Event]) -> None:
        """Count what happened, by kind and by cause."""
        seen = self.seen
        seen[type(command).__name__] += 1
        for event in events:
            seen[type(event).__name__] += 1
            if isinstance(event, BalanceChanged):
                seen[f"Cause.{event.cause.name}"] += 1
            elif isinstance(event, OrderCancelled | OrderReduced):
                seen[f"CancelReason.{event.reason.name}"] += 1
            elif isinstance(event, CommandRejected):
                seen[f"Reject.{event.reject.name}"] += 1
            elif isinstance(event, PositionTakenOver):
                seen["by the fund" if event.taker_account_id == 0 else "by a provider"] += 1
            elif isinstance(event, PositionDeleveraged) and event.is_at_mark:
                seen["deleveraged at the mark"] += 1

    def recount(self) -> None:
        """Count everything anew from the state, and compare it with the second set of books."""
        self.audits += 1
        broken = audit(self.exchange)
        if broken:
            raise LawBroken(str(broken[:10]))
        self.ledger.compare(self.exchange)

    def turn_over(self) -> None:
        """Go on with the exchange that is read from a snapshot of this one."""
        self.snapshots += 1
        image = encode(self.exchange)
        twin = decode(image)
        twin.time_ms = self.exchange.time_ms
        if hash_of(image) != self.exchange.state_hash() or twin.state_hash() != self.exchange.state_hash():
            raise LawBroken("a snapshot is another exchange")
        self.exchange = twin
        self.crowd.use(twin)


def read_journal(journal: BinaryIO) -> Iterator[tuple[int, Command]]:
    """Give the commands of a journal with their times."""
    while frame := journal.read(_FRAME.size):
        time_ms, length = _FRAME.unpack(frame)
        (command,) = decode_commands(journal.read(length))
        yield time_ms, command


def replay(journal: BinaryIO) -> Exchange:
    """Run a journal again from its beginning, without any snapshot."""
    exchange = Exchange()
    for time_ms, command in read_journal(journal):
        exchange.apply(command, time_ms)
    return exchange


def progress(life: Life, begun: float) -> None:
    """Write one line over the last one."""
    rate = life.count / max(time.monotonic() - begun, 1e-9)
    hours = (life.time_ms - START_MS) / 3_600_000
    words = f"{life.count:,} of {life.commands:,} commands, {rate:,.0f}/s, {hours:.1f} h of trading"
    done = life.seen
    words += f", {done['LiquidationStarted']:,} liquidated, {done['PositionDeleveraged']:,} deleveraged"
    print(f"\r{words}  ", end="", file=sys.stderr, flush=True)
