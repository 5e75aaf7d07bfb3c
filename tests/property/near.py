"""A number as it is in exact fractions, with the bounds that stated roundings leave to an engine of integers."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

UNIT = Fraction(1, 10**8)
"""The least amount of money."""


@dataclass(frozen=True, slots=True)
class Near:
    """What is `exact` without any rounding stands between `low` and `high` where integers round.

    Each rounding moves one bound by what it can move the number; every later step carries both bounds along.
    """

    exact: Fraction
    low: Fraction
    high: Fraction

    @classmethod
    def of(cls, value: Fraction | int) -> Self:
        exact = Fraction(value)
        return cls(exact, exact, exact)

    def __add__(self, other: "Near") -> "Near":
        return Near(self.exact + other.exact, self.low + other.low, self.high + other.high)

    def __sub__(self, other: "Near") -> "Near":
        return Near(self.exact - other.exact, self.low - other.high, self.high - other.low)

    def __neg__(self) -> "Near":
        return Near(-self.exact, -self.high, -self.low)

    def __abs__(self) -> "Near":
        return larger(self, -self)

    def times(self, factor: Fraction | int) -> "Near":
        """Multiply by an exact number."""
        low, high = self.low * factor, self.high * factor
        return Near(self.exact * factor, min(low, high), max(low, high))

    def rounded_up(self, unit: Fraction = UNIT) -> "Near":
        return Near(self.exact, self.low, self.high + unit)

    def rounded_down(self, unit: Fraction = UNIT) -> "Near":
        return Near(self.exact, self.low - unit, self.high)

    def rounded(self, unit: Fraction = UNIT) -> "Near":
        """Let it be rounded to either side."""
        return Near(self.exact, self.low - unit, self.high + unit)

    def holds(self, value: Fraction) -> bool:
        """Tell whether an engine of integers may have this."""
        return self.low <= value <= self.high


ZERO = Near.of(0)
ONE = Near.of(1)


def larger(a: Near, b: Near) -> Near:
    return Near(max(a.exact, b.exact), max(a.low, b.low), max(a.high, b.high))


def smaller(a: Near, b: Near) -> Near:
    return Near(min(a.exact, b.exact), min(a.low, b.low), min(a.high, b.high))


def total(numbers: Iterable[Near]) -> Near:
    found = ZERO
    for number in numbers:
        found = found + number
    return found


def largest(numbers: Iterable[Near]) -> Near:
    """Return the largest of some numbers, at least zero."""
    found = ZERO
    for number in numbers:
        found = larger(found, number)
    return found
