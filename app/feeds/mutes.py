"""A feed some of whose sources are not listened to: an operator's choice, for as long as the exchange runs."""

import logging
from typing import Final, final

import msgspec

from app.feeds.base import Feed
from app.feeds.health import SourceHealth
from exchange.commands import UpdateIndexPrice

MUTED: Final = "muted"

_log = logging.getLogger(__name__)


@final
class Muting:
    """Passes on what a feed observed, but of the muted sources. What they said before counts until it is too old."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._muted: set[int] = set()

    @property
    def muted(self) -> tuple[int, ...]:
        """The sources that are not listened to."""
        return tuple(sorted(self._muted))

    def mute(self, source_id: int, *, is_muted: bool) -> None:
        """Listen to a source no more, or again."""
        if is_muted:
            self._muted.add(source_id)
        else:
            self._muted.discard(source_id)
        _log.warning("price source %d is %s", source_id, MUTED if is_muted else "heard")

    async def start(self) -> None:
        """Begin to observe."""
        await self._feed.start()

    async def stop(self) -> None:
        """Observe nothing more."""
        await self._feed.stop()

    def take(self, time_ms: int) -> list[UpdateIndexPrice]:
        """Return what was observed, oldest first."""
        found = self._feed.take(time_ms)
        return [one for one in found if one.source_id not in self._muted] if self._muted else found

    def health(self) -> list[SourceHealth]:
        """Return how the sources are; of a muted one that it is."""
        rows = self._feed.health()
        if not self._muted:
            return rows
        return [msgspec.structs.replace(row, state=MUTED) if row.source_id in self._muted else row for row in rows]
