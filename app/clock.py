"""The one place where the wall clock enters, and the clock that measures spans."""

import time
from typing import Protocol, final


class Clock(Protocol):
    """Says what time it is. The sequencer makes sure that it never goes back."""

    def __call__(self) -> int:
        """Milliseconds since the epoch."""


def wall_clock() -> int:
    """Milliseconds since the epoch, from the machine's clock."""
    return time.time_ns() // 1_000_000


def steady_clock() -> int:
    """Milliseconds since some moment, from a clock that nobody sets: for spans, not for times."""
    return time.monotonic_ns() // 1_000_000


@final
class FastClock:
    """Runs so many times as fast as the machine's clock, from the moment at which it was made: an hour is rehearsed in a minute."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._start_ms = wall_clock()
        self._start_ns = time.monotonic_ns()

    def __call__(self) -> int:
        """Milliseconds since the epoch, as far as this clock has come."""
        return self._start_ms + (time.monotonic_ns() - self._start_ns) * self._rate // 1_000_000


def clock_of(rate: int) -> Clock:
    """Return the clock that runs at a rate: the machine's own at 1."""
    return wall_clock if rate == 1 else FastClock(rate)
