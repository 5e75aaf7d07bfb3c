"""What every feed is, and what can be wrong with one."""

from typing import Protocol, final

from app.faults import Fault
from app.feeds.health import SourceHealth
from exchange.commands import UpdateIndexPrice


class Feed(Protocol):
    """A source of index prices."""

    async def start(self) -> None:
        """Begin to observe."""

    async def stop(self) -> None:
        """Observe nothing more, and let go of what it holds."""

    def take(self, time_ms: int) -> list[UpdateIndexPrice]:
        """Return what was observed since it was last asked, oldest first."""

    def health(self) -> list[SourceHealth]:
        """Return how its sources are; a feed without venues has none."""


class LocalFeed:
    """What feeds have in common that need nobody outside: nothing to begin, nothing to end, nothing to fall ill."""

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    def health(self) -> list[SourceHealth]:
        """Return nothing."""
        return []


@final
class NoFeed(LocalFeed):
    """Observes nothing: index prices come from elsewhere, or not at all."""

    def take(self, time_ms: int) -> list[UpdateIndexPrice]:
        """Return nothing."""
        return []


@final
class FeedInvalid(Fault):
    """A file of prices does not say what it must. `line` counts from 1; 0 is the file as a whole."""

    def __init__(self, name: str, line: int, why: str) -> None:
        super().__init__(f"{name}, line {line}: {why}" if line else f"{name}: {why}")
        self.line = line
