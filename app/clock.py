"""The one place where the wall clock enters."""

import time
from typing import Protocol


class Clock(Protocol):
    """Says what time it is. The sequencer makes sure that it never goes back."""

    def __call__(self) -> int:
        """Milliseconds since the epoch."""


def wall_clock() -> int:
    """Milliseconds since the epoch, from the machine's clock."""
    return time.time_ns() // 1_000_000
