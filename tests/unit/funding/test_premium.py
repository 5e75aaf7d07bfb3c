"""Samples of the premium."""

from funding.premium import clamp, mean, premium_of, time_value_of


def test_a_premium_is_rounded_towards_zero() -> None:
    """FND-002: 60,001 on 60,000 is 0.000016666666 at 10^-12, 59,999 as much below zero."""
    assert premium_of(60_001, 60_000) == 16_666_666
    assert premium_of(59_999, 60_000) == -16_666_666
    assert premium_of(60_600, 60_000) == 10**10


def test_the_mean_is_rounded_towards_zero() -> None:
    """FND-003: (1 + 1 + 0) / 3 and its negative are 0; without samples there is none."""
    assert mean(2, 3) == 0
    assert mean(-2, 3) == 0
    assert mean(-7, 2) == -3
    assert mean(0, 0) == 0


def test_time_value() -> None:
    """FND-012: mark 900 over an intrinsic value of 0, mark 4,200 below one of 6,000."""
    assert time_value_of(900_00, 0) == 900_00 * 10**12
    assert time_value_of(4_200_00, 6_000_00) == -1_800_00 * 10**12


def test_clamp() -> None:
    assert [clamp(value, 3) for value in (-4, -3, 0, 3, 4)] == [-3, -3, 0, 3, 3]
