"""Liquidation, failure and bankruptcy prices against the published forms, and found again by bisection."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.liquidation import (
    bankruptcy_limit,
    bankruptcy_value,
    equity_share,
    failing_price,
    liquidation_fee,
    part_of_value,
    slice_lots,
)
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


@pytest.mark.parametrize(
    "held,lot_value,lots",
    [
        (100_000, 6 * 10**8, 10_000),  # a tenth
        (100_005, 6 * 10**8, 10_001),  # rounded up
        (1_000, 6 * 10**8, 167),  # 1,000 USD of 6 USD a lot
        (150, 6 * 10**8, 150),  # all, where less remains
        (1, 6 * 10**8, 1),
        (7, 10**13, 1),  # one lot is worth 100,000 USD
    ],
)
def test_slice(held: int, lot_value: int, lots: int) -> None:
    """LQN-003."""
    assert slice_lots(held, 100_000, 1_000 * 10**8, lot_value) == lots


def test_steps_to_close() -> None:
    """LQN-003: notional 900: 1 step, 1,000: 1, 10,000: 10, 100,000: 32, 1,000,000: 54; a tenth of what is left, at least 1,000."""
    for notional, steps in ((900, 1), (1_000, 1), (10_000, 10), (100_000, 32), (1_000_000, 54)):
        lots = notional * 100
        count = 0
        while lots:
            lots -= slice_lots(lots, 100_000, 1_000 * 10**8, 10**6)
            count += 1
        assert count == steps


@given(
    st.integers(-(10**6), 10**6).filter(bool),
    st.integers(1, 10**12),
    st.integers(-(10**15), 10**15),
    st.lists(st.integers(1, 10**6), max_size=6),
)
def test_parts_add_up(qty: int, mark_value: int, equity: int, cuts: list[int]) -> None:
    """LQN-013: whatever parts a position goes in, they trade for its value, and none leaves less than its share."""
    sign = 1 if qty > 0 else -1
    value = bankruptcy_value(qty, mark_value, equity)
    held, left, got = abs(qty), equity, 0
    for cut in [*cuts, held]:
        lots = min(cut, held)
        if lots == 0:
            continue
        part = part_of_value(sign * held, bankruptcy_value(sign * held, mark_value, left), lots)
        share_left = Fraction(left * (held - lots), held)
        left += sign * (part - lots * mark_value)
        held -= lots
        got += part
        assert share_left <= left < share_left + 1
    assert (held, left, got) == (0, 0, value)


def test_limit() -> None:
    """LQN-004: 59,300 for a long of 10 with 2,900 at 59,590; to a tick of 0.50 on the solvent side."""
    value = bankruptcy_value(10, 5_959_000 * CENT, 2_900 * 100 * CENT)
    assert bankruptcy_limit(10, value, CENT, 50) == 5_930_000
    assert bankruptcy_limit(10, value + 1, CENT, 50) == 5_930_050
    value = bankruptcy_value(-10, 5_959_000 * CENT, 2_900 * 100 * CENT)
    assert bankruptcy_limit(-10, value, CENT, 50) == 5_988_000
    assert bankruptcy_limit(-10, value - 1, CENT, 50) == 5_987_950
    # a long may be worth less than nothing, a short's price may lie below the first tick
    assert bankruptcy_limit(10, -5, CENT, 50) == 50
    assert bankruptcy_limit(-1, 49 * CENT, CENT, 50) == 0


@pytest.mark.parametrize(
    "fill,surplus,rate_ppm,fee",
    [
        (5_610_00, 510_00, 5_000, 28_05),  # dydx-test-insurance-long-maxfee: 0.5% of the fill
        (5_105_10, 5_10, 5_000, 2_55),  # dydx-test-insurance-long-partial, with half of the surplus
        (5_100_00, 0, 5_000, 0),  # dydx-test-insurance-long-zero
        (5_049_00, -51_00, 5_000, 0),  # dydx-test-insurance-long-loss: no slice goes there
    ],
)
def test_fee(fill: int, surplus: int, rate_ppm: int, fee: int) -> None:
    """LQN-002: part of the fill, at most half of the surplus over bankruptcy."""
    assert liquidation_fee(fill, surplus, rate_ppm) == fee


def test_share_of_equity() -> None:
    """LQN-006: 3,500 in parts of 1,457.5 and 3,000; a loss in the same parts."""
    unit = 10**8
    assert equity_share(3_500 * unit, 14_575 * unit // 10, 44_575 * unit // 10) == 1_144_41951766
    assert equity_share(-3_500 * unit, 14_575 * unit // 10, 44_575 * unit // 10) == -1_144_41951767
