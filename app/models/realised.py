"""How much a price moved: its variance over the last 24 hours, from its logarithm each 5 minutes."""

from collections import deque
from collections.abc import Iterable
from math import fsum, log
from typing import Final, final

SLOT_MS: Final = 300_000
SLOTS: Final = 288
"""24 hours."""
SLOTS_PER_YEAR: Final = 105_120


@final
class RealisedVariance:
    """The annualised variance of a price over the trailing 24 hours.

        variance = (105,120 / 288) sum r^2,  r the logarithm of a slot's last price over that of the slot before

    A slot is 5 minutes, from a multiple of it since the epoch. Slots without a price count as a price that stood still. Slots
    before the first price count with the `assumed` variance, so that the first hours are no jump from nothing: it fades in 24 hours.
    """

    def __init__(self, assumed: float) -> None:
        self._assumed = assumed
        self._squares: deque[float] = deque(maxlen=SLOTS)
        self._slot = -1
        self._price = 0.0
        self._closed = 0.0  # the price at which the slot before the running one ended
        self._variance = assumed

    @property
    def variance(self) -> float:
        """The variance of a year, as of the last slot that ended."""
        return self._variance

    def observe(self, time_ms: int, price: float) -> None:
        """Take a price. One from a slot that has ended is left out. Requires: price above 0."""
        slot = time_ms // SLOT_MS
        if slot < self._slot:
            return
        if slot > self._slot:
            if self._slot >= 0:
                self._end(slot - self._slot)
            self._slot = slot
        self._price = price

    def recall(self, prices: Iterable[tuple[int, float]]) -> None:
        """Take prices of the past, oldest first, as (time_ms, price)."""
        for time_ms, price in prices:
            self.observe(time_ms, price)

    def _end(self, slots: int) -> None:
        """End the running slot, and those after it that saw no price."""
        if self._closed > 0:
            self._squares.append(log(self._price / self._closed) ** 2)
        self._closed = self._price
        self._squares.extend([0.0] * min(slots - 1, SLOTS))
        missing = SLOTS - len(self._squares)
        self._variance = SLOTS_PER_YEAR / SLOTS * fsum(self._squares) + self._assumed * missing / SLOTS


def variance_points(variance: float, floor: float = 1.0) -> float:
    """Return a variance in the points of the variance swap's index: 60% volatility are 3,600 points."""
    return max(floor, 10_000 * variance)
