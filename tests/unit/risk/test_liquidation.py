"""Liquidation, failure and bankruptcy prices against the published forms, and found again by bisection."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.liquidation import failing_price
from risk.margin import RATE_SCALE

CENT = 10**6  # money in a cent: one unit of the underlying as a lot, prices in cents
PER_MILLE = RATE_SCALE // 1_000


@pytest.mark.parametrize(
    "qty,margin,rate_tenths,liquidation,failure,bankruptcy",
    [
        (1, 230, 50, 2_288_443, 2_282_707, 2_277_000),
        (1, 2_300, 50, 2_080_403, 2_075_188, 2_070_000),
        (-1, 230, 50, 2_311_442, 2_317_206, 2_323_000),
        (-1, 2_300, 50, 2_517_412, 2_523_690, 2_530_000),
        (1, 230, 60, 2_290_745, 2_283_852, 2_277_000),
    ],
)
def test_isolated_future(
    qty: int, margin: int, rate_tenths: int, liquidation: int, failure: int, bankruptcy: int
) -> None:
    """LIQ-004: entry 23,000; 22,884.4221 / 22,827.0677 / 22,770 for 100x long, and so on, to the solvent cent."""
    entry = qty * 23_000 * 100 * CENT
    rate = rate_tenths * PER_MILLE // 10
    backing = margin * 100 * CENT
    assert failing_price(qty, entry, backing, CENT, rate) == liquidation
    assert failing_price(qty, entry, backing, CENT, rate // 2) == failure
    assert failing_price(qty, entry, backing, CENT, 0) == bankruptcy


def test_no_price() -> None:
    """LIQ-005: a flat position, a long whose backing is its cost, a short without backing."""
    assert failing_price(0, 0, 5, CENT, 0) == 0
    assert failing_price(1, 100 * CENT, 100 * CENT, CENT, 0) == 0
    assert failing_price(-1, -100 * CENT, -100 * CENT, CENT, 0) == 0
    assert failing_price(1, 100 * CENT, 0, CENT, RATE_SCALE) == 0


@given(
    st.integers(1, 10**6),
    st.sampled_from([1, -1]),
    st.integers(1, 10**7),
    st.integers(1, 10**6),
    st.integers(0, RATE_SCALE // 10),
)
def test_bisection_finds_the_same_price(size: int, sign: int, price: int, margin_ppm: int, rate: int) -> None:
    """LIQ-006: equity falls below the requirement exactly where the closed form says."""
    unit_value = 100
    entry = sign * size * price * unit_value
    backing = abs(entry) * margin_ppm // 10**6

    def is_safe(at: int) -> bool:
        equity = backing + sign * size * at * unit_value - entry
        return equity >= Fraction(size * at * unit_value * rate, RATE_SCALE)

    found = failing_price(sign * size, entry, backing, unit_value, rate)
    low, high = 0, 10 * price + 10
    if sign > 0:
        while low < high:  # the lowest safe price
            middle = (low + high) // 2
            low, high = (low, middle) if is_safe(middle) else (middle + 1, high)
        assert found == low
    else:
        while low < high:  # the highest safe price
            middle = (low + high + 1) // 2
            low, high = (middle, high) if is_safe(middle) else (low, middle - 1)
        assert found == low
