"""The volatility index: what options cost to hold, on average, in percent an hour."""

from collections.abc import Sequence
from typing import Final, final

CONTRIBUTORS_MIN: Final = 6
FLOOR: Final = 0.01
SECONDS: Final = 60
ALPHA: Final = 2 / (SECONDS + 1)


def average_rate(rates: Sequence[float]) -> float | None:
    """Return 100 x the mean of max(0, hourly funding rate); None with fewer than 6 rates, which means: hold.

    Source: Everstrike, Perpetual Volatility Indices ("the average funding rate"); scale, floor at zero and number are ours.
    """
    if len(rates) < CONTRIBUTORS_MIN:
        return None
    return 100 * sum(max(0.0, rate) for rate in rates) / len(rates)


@final
class Smoothed:
    """An EMA of 60 samples, one a second, never below 0.01. It begins at `start`, or at the first sample."""

    def __init__(self, start: float | None = None) -> None:
        self._ema = start

    def take(self, sample: float) -> float:
        """Take a sample and return the average. However much time has passed since the last one, it is one step."""
        self._ema = sample if self._ema is None else self._ema + ALPHA * (sample - self._ema)
        return max(FLOOR, self._ema)
