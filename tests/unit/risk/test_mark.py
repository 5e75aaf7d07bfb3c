"""Fair price, basis, and the bounds of a mark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.mark import (
    basis_e9,
    clamp,
    clamp_future,
    clamp_option,
    fair_ask,
    fair_bid,
    median,
    with_basis,
    with_funding,
)


def test_fair_sides_are_the_tighter_of_impact_and_scaled_best() -> None:
    """PRC-011: impact bid 99,160 and best 100,000: 99,900; impact ask 103,840 and best 103,000: 103,103; near ones stay."""
    assert fair_bid(100_000, 9_916_000, 100, 1_000) == 99_900
    assert fair_ask(103_000, 10_384_000, 100, 1_000) == 103_103
    assert fair_bid(100_000, 9_995_000, 100, 1_000) == 99_950
    assert fair_ask(103_000, 10_305_000, 100, 1_000) == 103_050


def test_fair_sides_round_away_from_each_other() -> None:
    """PRC-011: an average of 99,950.01 is 99,950 as a bid, one of 103,050.01 is 103,051 as an ask; so is the scaled best."""
    assert fair_bid(100_000, 9_995_001, 100, 1_000) == 99_950
    assert fair_ask(103_000, 10_305_001, 100, 1_000) == 103_051
    assert fair_bid(100_001, 0, 100, 1_000) == 99_900  # 99,900.999
    assert fair_ask(103_001, 10**9, 100, 1_000) == 103_105  # 103,104.001


def test_basis_keeps_the_half() -> None:
    """PRC-012: fair 101,501.5 on 100,000 is 1,501.5."""
    assert basis_e9(99_900, 103_103, 100_000) == 1_501_500_000_000
    assert basis_e9(99_900, 100_099, 100_000) == -500_000_000


@pytest.mark.parametrize(
    "ema,expected",
    [(0, 100), (499_999_999, 100), (500_000_000, 101), (-500_000_000, 100), (-500_000_001, 99), (2 * 10**9, 102)],
)
def test_the_basis_is_rounded_only_when_read(ema: int, expected: int) -> None:
    """PRC-012: half up."""
    assert with_basis(100, ema) == expected


def test_index_with_the_funding_that_is_left() -> None:
    """PRC-017: 60,000 at 0.1% with half an hour left is 60,030; at -0.1% 59,970; with nothing left 60,000."""
    assert with_funding(60_000_00, 10**9, 1_800_000, 3_600_000) == 60_030_00
    assert with_funding(60_000_00, -(10**9), 1_800_000, 3_600_000) == 59_970_00
    assert with_funding(60_000_00, 10**9, 0, 3_600_000) == 60_000_00


@given(st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_median_is_the_middle_one(prices: list[int]) -> None:
    assert median(*prices) == sorted(prices)[1]


@given(st.integers(-20, 20), st.integers(-9, 9), st.integers(0, 9), st.integers(-9, 9), st.integers(0, 9))
def test_clamping_twice_is_clamping_to_both(price: int, low: int, width: int, other: int, other_width: int) -> None:
    """PRC-020: where the ranges meet, the mark keeps both; where they do not, the last one."""
    found = clamp(clamp(price, low, low + width), other, other + other_width)
    assert other <= found <= other + other_width
    both_low, both_high = max(low, other), min(low + width, other + other_width)
    if both_low <= both_high:
        assert found == clamp(price, both_low, both_high)


def test_a_future_stays_near_its_index() -> None:
    """PRC-015: 3% of 60,000.01: 58,200.0097 is 58,200.01, 61,800.0103 is 61,800.01; no bound at 0, but at least 1."""
    assert clamp_future(50_000_00, 60_000_01, 30_000) == 58_200_01
    assert clamp_future(70_000_00, 60_000_01, 30_000) == 61_800_01
    assert clamp_future(60_500_00, 60_000_01, 30_000) == 60_500_00
    assert clamp_future(70_000_00, 60_000_01, 0) == 70_000_00
    assert clamp_future(-5, 60_000_01, 0) == 1


@pytest.mark.parametrize(
    "price,index,ceiling,model,expected",
    [
        # U 60,000. A call at the money: index 30 (its floor), between 0.01 and 30 + 3,000
        (-1, 30_00, 60_000_00, 0, 1),
        (5_000_00, 30_00, 60_000_00, 0, 3_030_00),
        (900_00, 30_00, 60_000_00, 0, 900_00),
        # with a model value of 900: 300 to 1,500
        (5_000_00, 30_00, 60_000_00, 900_00, 1_500_00),
        (1, 30_00, 60_000_00, 900_00, 300_00),
        # a model of 10,000 does not lift the mark beyond the index's range
        (10_000_00, 30_00, 60_000_00, 10_000_00, 3_030_00),
        # a put 10% in the money: index 6,000, between 4,200 and 9,000
        (1, 6_000_00, 66_000_00, 0, 4_200_00),
        (9_999_00, 6_000_00, 66_000_00, 0, 9_000_00),
        # a put is never worth more than its strike of 2,000, a call never more than the underlying
        (5_000_00, 30_00, 2_000_00, 0, 2_000_00),
        (70_000_00, 59_000_00, 60_000_00, 0, 60_000_00),
    ],
)
def test_an_option_stays_near_its_index_and_its_model(
    price: int, index: int, ceiling: int, model: int, expected: int
) -> None:
    """PRC-019 PRC-020."""
    assert clamp_option(price, index, 60_000_00, ceiling, model) == expected


def test_bounds_of_an_option_round_into_the_range() -> None:
    """PRC-019: U 10.33: 3% is 0.3099, 5% 0.5165, 1% 0.1033: an index of 1 allows 0.70 to 1.51, a model of 1 0.90 to 1.10."""
    assert clamp_option(0, 100, 1_033, 1_033, 0) == 70
    assert clamp_option(999, 100, 1_033, 1_033, 0) == 151
    assert clamp_option(0, 100, 1_033, 1_033, 100) == 90
    assert clamp_option(999, 100, 1_033, 1_033, 100) == 110
