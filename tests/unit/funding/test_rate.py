"""What a premium makes a lot pay in an hour."""

from decimal import Decimal

import pytest

from funding.premium import SCALE
from funding.rate import hourly_rate, hourly_time_value, part_of_mark

BOUND_PPM = 1_000_000
"""A clamp that does not bind."""


def scaled(percent: str) -> int:
    """Read percent as a rate at 10^-12."""
    return int(Decimal(percent) * SCALE / 100)


@pytest.mark.parametrize(
    "premium,expected",
    [
        ("1", "0.1"),  # paid in full over ten hours
        ("-1", "-0.1"),
        ("3", "0.3"),  # Everstrike's documented maximum
        ("3.1", "0.3"),
        ("-500", "-0.3"),
        ("0", "0"),  # the printed max(d, P) + min(d, P) would pay 0.3% here
        ("0.000000001", "0.0000000001"),
    ],
)
def test_a_future_pays_its_premium_over_the_period(premium: str, expected: str) -> None:
    """FND-004."""
    assert hourly_rate(scaled(premium), 30_000, 10) == scaled(expected)


def test_a_rate_is_rounded_towards_zero() -> None:
    """FND-004: 19 at 10^-12 over ten hours is 1, -19 is -1."""
    assert hourly_rate(19, 30_000, 10) == 1
    assert hourly_rate(-19, 30_000, 10) == -1


@pytest.mark.parametrize(
    "premium,expected",
    [
        ("0", "0.01"),  # drawn to the interest
        ("0.03", "0.01"),
        ("0.06", "0.01"),  # 0.05 away: the last premium that is drawn all the way
        ("0.08", "0.03"),
        ("-0.03", "0.01"),
        ("-0.1", "-0.05"),
        ("10", "3"),  # the clamp comes after the interest
    ],
)
def test_interest(premium: str, expected: str) -> None:
    """FND-005: interest 0.01% within 0.05%, for a period of one hour, clamp 3%."""
    assert hourly_rate(scaled(premium), 30_000, 1, 100, 500) == scaled(expected)


@pytest.mark.parametrize("premium", ["0", "0.04", "0.05", "0.06", "-0.04", "-0.1", "2"])
def test_no_interest_within_a_clamp_is_a_dead_band(premium: str) -> None:
    """FND-022."""
    exact, band = scaled(premium), scaled("0.05")
    assert hourly_rate(exact, 30_000, 1, 0, 500) == max(band, exact) + min(-band, exact)


def test_no_interest_by_default() -> None:
    """FND-005: an interest without a clamp does nothing."""
    assert hourly_rate(scaled("0.5"), 30_000, 1, 100, 0) == scaled("0.5")


def test_an_option_pays_its_time_value_over_the_period() -> None:
    """FND-012: a tenth of mark - intrinsic: 900 over 0 costs 90 an hour; 7,000 over 6,000 costs 100; 4,200 below 6,000 earns 180."""
    one = 100 * SCALE
    assert hourly_time_value(900 * one, 900_00, BOUND_PPM, 10) == 90 * one
    assert hourly_time_value(1_000 * one, 7_000_00, BOUND_PPM, 10) == 100 * one
    assert hourly_time_value(-1_800 * one, 4_200_00, BOUND_PPM, 10) == -180 * one


def test_an_option_pays_at_most_a_tenth_of_its_mark() -> None:
    """FND-012: a mean of 900 with the mark at 500 now costs 50; one of -900 earns 50."""
    one = 100 * SCALE
    assert hourly_time_value(900 * one, 500_00, BOUND_PPM, 10) == 50 * one
    assert hourly_time_value(-900 * one, 500_00, BOUND_PPM, 10) == -50 * one


def test_part_of_the_mark() -> None:
    """FND-014: 90 an hour of a lot that is worth 900 is 10%; nothing has no part."""
    assert part_of_mark(90 * SCALE, 900) == SCALE // 10
    assert part_of_mark(-91 * SCALE, 900) == -(91 * SCALE // 900)
    assert part_of_mark(5, 0) == 0
