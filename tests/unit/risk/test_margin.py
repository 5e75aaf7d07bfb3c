"""Requirements, fees, positions: the numbers of the rules and of the documents behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.fixed import div_half_up, div_to_zero, div_up
from risk.margin import PPM_TO_RATE, RATE_SCALE, fee, fee_for_each_lot, leverage_rate, requirement
from risk.position import OwnerNotional, Position

UNIT = 10**8
PERCENT = RATE_SCALE // 100


def test_divisions_round_as_they_are_named() -> None:
    """NUM-001: -7 / 2 is -3 up, -4 down, -3 to zero; 5 / 2 is 3 half up."""
    assert (div_up(-7, 2), div_to_zero(-7, 2), div_half_up(5, 2)) == (-3, -3, 3)
    assert (div_up(7, 2), div_to_zero(7, 2), div_half_up(-5, 2)) == (4, 3, -2)


@pytest.mark.parametrize(
    "notional,initial",
    [(1_000, 11), (10_000, 200), (100_000, 11_000), (500_000, 255_000), (990_000, 990_000), (2_000_000, 2_000_000)],
)
def test_risk_limit(notional: int, initial: int) -> None:
    """MRG-016: 1% + 1e-6 for each USD: 1,000 needs 11, 100,000 needs 11,000 (9x), never more than all of it."""
    assert requirement(notional * UNIT, PERCENT, 1_000, notional * UNIT) == initial * UNIT


def test_leverage_raises_the_rate_to_its_inverse() -> None:
    """MRG-017: 10x is 10%; 3x is a third, rounded up; the minimum stays."""
    assert leverage_rate(1_000) == 10 * PERCENT
    assert leverage_rate(300) == 33_333_333_333_333_334
    assert requirement(60_000 * UNIT, PERCENT, 0, 0, leverage_rate(1_000)) == 6_000 * UNIT
    assert requirement(60_000 * UNIT, PERCENT, 0, 0, leverage_rate(100_000)) == 600 * UNIT


def test_one_ceiling() -> None:
    """MRG-018: one money unit at 1e-12 needs one unit."""
    assert requirement(1, 1, 0, 0) == 1
    assert requirement(0, RATE_SCALE, 0, 0) == 0


def test_fees_round_up_and_rebates_down() -> None:
    """FEE-002: 0.03% of 1 unit is 1 unit; a rebate of it is nothing."""
    assert fee(1, 300) == 1
    assert fee(1, -300) == 0
    assert fee(10_001, -300) == -3
    assert fee(10_001, 300) == 4


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 10**7), st.integers(1, 1_000))
def test_fees_of_any_cut_fit_the_reserve(fills: list[int], price: int, rate_ppm: int) -> None:
    """FEE-003: however an order is filled, its fees are at most what its lots reserved."""
    paid = sum(fee(lots * price * 100, rate_ppm) for lots in fills)
    assert paid <= sum(fills) * fee_for_each_lot(price, 100, rate_ppm)


@pytest.mark.parametrize(
    "sign,entry,exit_price,pnl", [(1, 23_000, 24_000, 1_000), (1, 23_000, 22_800, -200), (-1, 23_000, 24_000, -1_000)]
)
def test_pnl_of_a_round_trip(sign: int, entry: int, exit_price: int, pnl: int) -> None:
    """POS-001: side x qty x (exit - entry), as in the contract's examples without their funding."""
    position = Position(OwnerNotional())
    assert position.fill(sign, 1, entry, UNIT) == 0
    assert position.unrealized(exit_price, UNIT) == pnl * UNIT
    assert position.fill(-sign, 1, exit_price, UNIT) == pnl * UNIT
    assert (position.qty, position.entry_notional, position.owner.value) == (0, 0, 0)


def test_a_partial_close_divides_once_and_the_remainder_stays() -> None:
    """POS-002: 3 lots for 100: closing one releases 33, the next 33, the last 34."""
    position = Position(OwnerNotional())
    position.fill(1, 2, 33, 1)
    position.fill(1, 1, 34, 1)
    assert [position.fill(-1, 1, 40, 1) for _ in range(3)] == [7, 7, 6]


@given(st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(1, 40), st.integers(1, 1_000)), max_size=30))
def test_what_is_realized_and_unrealized_is_what_was_traded(fills: list[tuple[int, int, int]]) -> None:
    """POS-003: realized + unrealized at any mark = the value at that mark less all that was paid."""
    owner = OwnerNotional()
    position = Position(owner)
    paid = held = realized = 0
    for sign, lots, price in fills:
        realized += position.fill(sign, lots, price, 7)
        held += sign * lots
        paid += sign * lots * price * 7
        assert owner.value == abs(position.entry_notional)
        assert position.qty == held
        assert held * position.entry_notional >= 0
    assert realized + position.unrealized(500, 7) == held * 500 * 7 - paid


def test_ppm_scale() -> None:
    """NUM-002: a million ppm is the whole."""
    assert 10**6 * PPM_TO_RATE == RATE_SCALE
