"""Hours and seconds: which hour a sample belongs to, and what the seconds without one count as."""

from typing import Final

SECOND_MS: Final = 1_000
HOUR_MS: Final = 3_600_000


def second_of(time_ms: int) -> int:
    """Return the start of the second that a time lies in."""
    return time_ms // SECOND_MS * SECOND_MS


def hour_of(time_ms: int) -> int:
    """Return the start of the hour that a time lies in. The sample of a full hour's second belongs to the hour it starts."""
    return time_ms // HOUR_MS * HOUR_MS


def missed_seconds(last_ms: int, from_ms: int, until_ms: int, repeat_s: int) -> tuple[int, int]:
    """Count the seconds from `from_ms` on, before `until_ms`: all of them, and those that repeat the sample of `last_ms`.

    A sample is repeated for `repeat_s` seconds; later ones count zero. Requires: full seconds, last_ms < from_ms.
    """
    missed = max(0, (until_ms - from_ms) // SECOND_MS)
    repeated = (last_ms - from_ms) // SECOND_MS + repeat_s + 1
    return missed, max(0, min(repeated, missed))
