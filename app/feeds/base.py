"""What every feed is, and what can be wrong with one."""

from typing import Protocol, final

from app.faults import Fault
from exchange.commands import UpdateIndexPrice


class Feed(Protocol):
    """A source of index prices."""

    def take(self, time_ms: int) -> list[UpdateIndexPrice]:
        """Return what was observed since it was last asked, oldest first."""


@final
class NoFeed:
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
