"""Several feeds heard as one."""

import logging
from collections.abc import Sequence
from typing import Protocol, final

from exchange.commands import Command


class CommandFeed(Protocol):
    """What the bell asks each second: any feed."""

    def take(self, time_ms: int) -> Sequence[Command]:
        """Return what was observed since it was last asked, oldest first."""


_log = logging.getLogger(__name__)


@final
class Together:
    """Asks one after the other. One that fails is passed over, and said once: the bell must ring, and the others be heard."""

    def __init__(self, feeds: Sequence[CommandFeed]) -> None:
        self._feeds = feeds
        self._failing: set[int] = set()

    def take(self, time_ms: int) -> list[Command]:
        """Return what each observed, in the order of the feeds."""
        commands: list[Command] = []
        for place, feed in enumerate(self._feeds):
            try:
                commands.extend(feed.take(time_ms))
            except Exception:
                if place not in self._failing:
                    _log.exception("%s fails", type(feed).__name__)
                    self._failing.add(place)
            else:
                self._failing.discard(place)
        return commands
