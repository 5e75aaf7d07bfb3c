"""The lights of deleveraging, kept for a while: to rank a market is to look at every position in it."""

from typing import Final, final

from app.clock import Clock, steady_clock
from exchange import views
from exchange.exchange import Exchange

KEPT_MS_MIN: Final = 1_000
KEPT_FOR_COST: Final = 50
"""Kept at least so many times as long as they took to make: readers cost the exchange 2% of its time at the most."""


@final
class Lights:
    """What each market's lights were when last made. A light that is shown may be that old."""

    def __init__(self, steady: Clock = steady_clock) -> None:
        self._steady = steady
        self._made: dict[int, tuple[int, dict[int, int]]] = {}

    def of(self, exchange: Exchange, market_id: int, account_id: int) -> int | None:
        """Return the lights of a position: 5 for who goes first, 1 for the last; None for one that is younger than the lights."""
        now_ms = self._steady()
        kept_until_ms, lights = self._made.get(market_id, (now_ms, {}))
        if now_ms >= kept_until_ms:
            lights = views.deleveraging_lights(exchange, market_id)
            done_ms = self._steady()
            kept_ms = max(KEPT_MS_MIN, KEPT_FOR_COST * (done_ms - now_ms))
            self._made[market_id] = (done_ms + kept_ms, lights)
        return lights.get(account_id)
