"""The bell: once a second, what the feed observed and a Tick go to the sequencer. It never decides what is due."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol, final

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from app.clock import Clock
from app.faults import Unavailable
from app.feeds.together import CommandFeed
from exchange.commands import Command, Tick
from exchange.events import Event, Ticked

_log = logging.getLogger(__name__)

RINGS_WAITING_MAX: Final = 1
"""A ring that finds the one before it still under way does not happen: the next one does its work."""


class Submit(Protocol):
    """How a command reaches the sequencer."""

    def __call__(self, command: Command) -> Awaitable[Sequence[Event]]:
        """Submit a command, and answer when it is durable and applied.

        Raises: Unavailable, at once or from the awaitable.
        """


@final
class Bell:
    """Rings each second while it is started.

    A missed second is not made up for: a late ring carries the time it rings at, and the core does all that is due by then.
    """

    def __init__(self, submit: Submit, feed: CommandFeed, clock: Clock, *, period_s: float = 1.0) -> None:
        self._submit = submit
        self._feed = feed
        self._clock = clock
        self._period_s = period_s
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._is_quiet = False
        self._is_stopping = False

    def start(self) -> None:
        """Begin to ring. Requires: a running event loop."""
        self._scheduler.add_job(
            self._ring_on,
            "interval",
            seconds=self._period_s,
            id="bell",
            coalesce=True,
            misfire_grace_time=None,
            max_instances=RINGS_WAITING_MAX,
        )
        self._scheduler.start()

    async def stop(self) -> None:
        """Stop ringing. A ring under way is left to its sequencer."""
        if self._scheduler.running:
            self._is_stopping = True
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # the scheduler's own last step is a callback on the loop

    async def _ring_on(self) -> None:
        """Ring as the scheduler's job: it would call a ring that a stop cuts off an error."""
        try:
            await self.ring()
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise

    async def ring(self) -> None:
        """Submit what the feed observed, then a Tick; and again while a Tick says that it left something."""
        commands: list[Command] = [*self._feed.take(self._clock()), Tick()]
        # All at once: one group commit carries the whole second.
        try:
            outcomes = await asyncio.gather(*[self._submit(command) for command in commands], return_exceptions=True)
        except Unavailable as refused:
            outcomes = [refused]
        faults = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for fault in faults:
            if not isinstance(fault, Unavailable):
                raise fault
        if faults and not self._is_quiet:
            _log.warning("The bell is not heard: %s", faults[0])
        elif self._is_quiet and not faults:
            _log.warning("The bell is heard again")
        self._is_quiet = bool(faults)
        last: Sequence[Event] | BaseException = outcomes[-1]
        while not isinstance(last, BaseException) and is_more_due(last):
            try:
                last = await self._submit(Tick())
            except Unavailable as fault:
                last = fault  # the next ring says so


def is_more_due(events: Sequence[Event]) -> bool:
    """Tell whether a Tick stopped at a bound before all that was due was done."""
    last = events[-1] if events else None
    return isinstance(last, Ticked) and last.has_more
