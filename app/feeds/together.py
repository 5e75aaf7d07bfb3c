"""Several feeds heard as one."""

from collections.abc import Sequence
from typing import Protocol, final

from exchange.commands import Command


class CommandFeed(Protocol):
    """What the bell asks each second: any feed."""

    def take(self, time_ms: int) -> Sequence[Command]:
        """Return what was observed since it was last asked, oldest first."""


@final
class Together:
    """Asks one after the other."""

    def __init__(self, feeds: Sequence[CommandFeed]) -> None:
        self._feeds = feeds

    def take(self, time_ms: int) -> list[Command]:
        """Return what each observed, in the order of the feeds."""
        return [command for feed in self._feeds for command in feed.take(time_ms)]
