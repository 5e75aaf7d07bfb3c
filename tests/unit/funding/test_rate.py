"""What a premium makes a lot pay in an hour: our rule, and what other exchanges documented or settled by theirs."""

from decimal import Decimal
from pathlib import Path

import pytest

from funding.premium import SCALE
from funding.rate import hourly_rate, hourly_time_value, part_of_mark
from risk.fixed import div_to_zero

TABLE = Path(__file__).parent.parent.parent / "tables" / "funding" / "rates.txt"
ROWS = [line for line in TABLE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
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


def test_no_interest_by_default() -> None:
    """FND-005: an interest without a clamp does nothing."""
    assert hourly_rate(scaled("0.5"), 30_000, 1, 100, 0) == scaled("0.5")


@pytest.mark.parametrize("row", ROWS)
def test_rates_of_other_exchanges(row: str) -> None:
    """FND-022: documented and settled rates come out of the same formula with those exchanges' parameters."""
    name, premium, interest_ppm, interest_clamp_ppm, clamp_ppm, period_h, digits, expected = row.split()
    rate = hourly_rate(scaled(premium), int(clamp_ppm), int(period_h), int(interest_ppm), int(interest_clamp_ppm))
    quantum = SCALE // 10 ** int(digits)
    published = div_to_zero(rate, quantum) * quantum
    assert abs(published - scaled(expected)) <= (quantum if name.startswith("hyperliquid-settled") else 0), name


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


def test_option_funding_of_other_exchanges() -> None:
    """FND-012: Paradex: 5 at a mark of 500 without intrinsic value, 1 of 24 hours: 104.17; an hour of 120 of them, 8 held: 166.67."""
    one = 100 * SCALE
    assert 5 * hourly_time_value(500 * one, 500_00, BOUND_PPM, 24) // (one // 100) == 104_16  # 104.1666...
    assert 5 * 8 * hourly_time_value(500 * one, 500_00, BOUND_PPM, 120) // (one // 100) == 166_66


def test_part_of_the_mark() -> None:
    """FND-014: 90 an hour of a lot that is worth 900 is 10%; nothing has no part."""
    assert part_of_mark(90 * SCALE, 900) == SCALE // 10
    assert part_of_mark(-91 * SCALE, 900) == -(91 * SCALE // 900)
    assert part_of_mark(5, 0) == 0
