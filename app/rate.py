"""How often somebody may knock: token buckets, and a bounded table of them."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar, final

NAMES_MAX: Final = 50_000
"""Names that a table remembers."""

T = TypeVar("T")


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


def fill_ms(*, per_second: float, burst: int) -> float:
    """The time in which an empty bucket fills: a full one says nothing that a new one does not."""
    return 1000.0 * burst / per_second


@final
class Table(Generic[T]):
    """What is remembered of each name, for at most `names_max` names: two dictionaries that take turns.

    They turn when a new name comes and the younger one is `span_ms` old. What is dropped then was not asked for during a whole
    span: with `span_ms` the time in which its buckets fill, nothing is lost, and many names cannot make the table forget one.
    As long as there is no room, new names share one entry, `crowd`.

    Cost: O(1), one look-up for a name that came in this span.
    """

    __slots__ = ("_make", "_names_max", "_older", "_span_ms", "_turned_ms", "_younger", "crowd")

    def __init__(self, make: Callable[[], T], *, span_ms: float, names_max: int = NAMES_MAX) -> None:
        self._make = make
        self._span_ms = span_ms
        self._names_max = names_max
        self._turned_ms = 0.0
        self._younger: dict[str | int, T] = {}
        self._older: dict[str | int, T] = {}
        self.crowd = make()

    def __len__(self) -> int:
        return len(self._younger) + len(self._older)

    def find(self, name: str | int, now_ms: float) -> T:
        """What is remembered of a name, which may be nothing yet."""
        found = self._younger.get(name)
        return found if found is not None else self._recall(name, now_ms)

    def _recall(self, name: str | int, now_ms: float) -> T:
        if now_ms - self._turned_ms >= self._span_ms:
            self._older, self._younger = self._younger, {}
            self._turned_ms = now_ms
        found = self._older.pop(name, None)
        if found is None:
            if len(self) >= self._names_max:
                return self.crowd
            found = self._make()
        self._younger[name] = found
        return found
