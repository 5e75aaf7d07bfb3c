"""How long to leave a venue alone after it failed."""

import random
from typing import final


@final
class Backoff:
    """Delays that double up to a cap, half of each by chance, so that many sources do not come back at one moment.

    The same seed gives the same delays.
    """

    def __init__(self, seed: str, *, base_ms: int, cap_ms: int) -> None:
        self._random = random.Random(seed)
        self._base_ms = base_ms
        self._cap_ms = cap_ms
        self._delay_ms = base_ms

    def reset(self) -> None:
        """Begin again with the shortest delay."""
        self._delay_ms = self._base_ms

    def next_ms(self, *, least_ms: int = 0) -> int:
        """Return the next delay: at least `least_ms`, which the venue asked for, though never beyond ten caps."""
        delay_ms = self._delay_ms
        self._delay_ms = min(2 * delay_ms, self._cap_ms)
        return max(delay_ms // 2 + self._random.randint(0, delay_ms // 2), min(least_ms, 10 * self._cap_ms))
