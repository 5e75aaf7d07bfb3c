"""The program that watches venues for the exchange: a process of its own, so that no answer of theirs holds up an order.

It is told on its standard input, in one line, what to watch, and says on its standard output, a line a time, what it saw and
how its sources are. It ends when its input does: no exchange that dies leaves one behind.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from typing import IO, Any, Final, final

import msgspec

from app.clock import Clock, wall_clock
from app.feeds.board import Board, Observation
from app.feeds.health import SourceHealth
from app.feeds.reporter import USUAL, Pace, Reporter
from app.feeds.sources import Venue

REPORT_MS: Final = 250
LINE_BYTES_MAX: Final = 1 << 24

_log = logging.getLogger(__name__)


class Orders(msgspec.Struct, frozen=True):
    """What the exchange wants watched."""

    venues: tuple[Venue, ...]
    seed: int
    pace: Pace = USUAL


class Report(msgspec.Struct, frozen=True):
    """What was seen since the last one, and how the sources are now."""

    observations: list[Observation]
    health: list[SourceHealth]


@final
class Observer:
    """Watches venues in this process."""

    def __init__(self, venues: Sequence[Venue], clock: Clock, *, seed: int, pace: Pace = USUAL) -> None:
        watched = [venue for venue in venues if venue.lines]
        self._clock = clock
        self._board = Board(watched)
        self._reporters = [Reporter(venue, self._board, clock, seed=seed, pace=pace) for venue in watched]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for reporter in self._reporters:
                tasks.create_task(reporter.run())
            await asyncio.get_running_loop().create_future()

    def report(self) -> Report:
        """Return what was seen since the last report."""
        now_ms = self._clock()
        observations = self._board.take(now_ms)
        return Report(observations, [reporter.health(now_ms) for reporter in self._reporters])


async def observe(orders: Orders, speech: IO[bytes]) -> None:
    """Watch, and report four times a second."""
    loop = asyncio.get_running_loop()
    # ccxt drops futures that failed; each failure is told by the source that it is of.
    loop.set_exception_handler(lambda _loop, _context: None)
    observer = Observer(orders.venues, wall_clock, seed=orders.seed, pace=orders.pace)
    watching = loop.create_task(observer.run())
    try:
        while not watching.done():
            await asyncio.wait([watching], timeout=REPORT_MS / 1_000)
            speech.write(msgspec.json.encode(observer.report()) + b"\n")
            speech.flush()
        watching.result()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def obey(hearing: IO[bytes], speech: IO[bytes]) -> None:
    """Read what is wanted; observe until the input ends."""
    orders = msgspec.json.decode(await asyncio.to_thread(hearing.readline), type=Orders)
    observing = asyncio.create_task(observe(orders, speech))
    ended: asyncio.Future[Any] = asyncio.ensure_future(asyncio.to_thread(hearing.read))
    await asyncio.wait([observing, ended], return_when=asyncio.FIRST_COMPLETED)
    if observing.done():
        os._exit(_report_end(observing))  # the thread that waits for the input's end would keep the program up
    observing.cancel()
    await asyncio.gather(observing, return_exceptions=True)


def _report_end(observing: "asyncio.Task[None]") -> int:
    error = observing.exception()
    if not isinstance(error, BrokenPipeError):
        _log.error("the price observer stopped", exc_info=error)
    return 1


def main() -> None:
    """Run as a program."""
    hearing = os.fdopen(os.dup(0), "rb")
    speech = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no report
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    asyncio.run(obey(hearing, speech))


if __name__ == "__main__":
    main()
