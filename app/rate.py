"""How often a key may knock: one token bucket each."""

from typing import final


@final
class Bucket:
    """A token bucket that holds a single number: the time at which it would be full.

    Units: times in ms of a clock that does not go back; `interval_ms` is the time in which one token grows.
    Cost: O(1), no timer.
    """

    __slots__ = ("_full_at_ms", "_interval_ms", "_span_ms")

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._interval_ms = 1000.0 / per_second
        self._span_ms = self._interval_ms * burst
        self._full_at_ms = 0.0

    def take(self, now_ms: float, tokens: int = 1) -> float:
        """Take tokens; 0 when they were there, else the ms to wait, and nothing is taken."""
        full_at_ms = self._full_at_ms
        if full_at_ms < now_ms:
            full_at_ms = now_ms
        full_at_ms += self._interval_ms * tokens
        wait_ms = full_at_ms - now_ms - self._span_ms
        if wait_ms > 1e-9:
            return wait_ms
        self._full_at_ms = full_at_ms
        return 0.0
