"""The one place where the wall clock enters, and the clock that measures spans."""

import time
from typing import Protocol


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
