"""The samples of a market's premium, one a second, and their mean."""

from typing import Final

from risk.fixed import div_to_zero

SCALE: Final = 10**12
"""Premiums and rates are kept at 10^-12."""


def premium_of(mark: int, index: int) -> int:
    """Return (mark - index) / index. Units: 10^-12. Rounds: towards zero, alike for both signs."""
    return div_to_zero((mark - index) * SCALE, index)


def time_value_of(mark: int, intrinsic: int) -> int:
    """Return mark - intrinsic, an option's premium as the everlasting option has it. Units: price units at 10^-12."""
    return (mark - intrinsic) * SCALE


def mean(total: int, samples: int) -> int:
    """Return the mean of so many samples; 0 of none. Rounds: towards zero."""
    return div_to_zero(total, samples) if samples else 0


def clamp(value: int, bound: int) -> int:
    """Return the value within +- bound."""
    return max(-bound, min(value, bound))
