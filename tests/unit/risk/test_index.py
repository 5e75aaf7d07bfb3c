"""Which sources make an index, and their mean."""

import pytest

from risk.index import EMA_SCALE, STRIKE_EMA_LENGTH, average, next_ema, select, strike_price


def chosen(prices: list[int], *, single: bool = False) -> list[int]:
    return [price for price, _ in select([(price, source) for source, price in enumerate(prices)], single)]


@pytest.mark.parametrize(
    "prices,expected",
    [
        # ten sources: three nearest the median of 60,000.5, and what ties for the third place
        (
            [60010, 60005, 60002, 60001, 60000, 59999, 59998, 59990, 59900, 61000],
            [59999, 60000, 60001, 60002],
        ),
        ([100, 101, 110], [101]),  # k = 1
        ([100, 101, 102, 103], [101, 102]),  # k = 1, the median lies between two
        ([1, 2, 3, 4, 5, 6, 700], [3, 4, 5]),  # k = 2, two tie for the last place
    ],
)
def test_three_or_more(prices: list[int], expected: list[int]) -> None:
    """IDX-002: k = max(1, (n + 2) // 4) nearest the median, ties for the last place all."""
    assert chosen(prices) == expected


def test_two_agree_or_hold() -> None:
    """IDX-003: two sources within 0.5% of the lower: 20,000 and 20,100 yes, 20,000 and 20,101 no."""
    assert chosen([20_100, 20_000]) == [20_000, 20_100]
    assert chosen([20_101, 20_000]) == []


def test_one_only_where_allowed() -> None:
    """IDX-004: one source holds unless the index allows it; none holds."""
    assert chosen([5]) == []
    assert chosen([5], single=True) == [5]
    assert chosen([], single=True) == []


def test_mean_rounds_half_up() -> None:
    """IDX-005: (1 + 2) / 2 is 2, (1 + 1 + 2) / 3 is 1."""
    assert average([(1, 1), (2, 2)], {}) == 2
    assert average([(1, 1), (1, 2), (2, 3)], {}) == 1


def test_weights() -> None:
    """PRC-001: 60,000 with weight 2 and 60,030 with 1 are 60,010; a source that is not named weighs 1."""
    assert average([(60_000, 1), (60_030, 2)], {1: 2}) == 60_010
    assert average([(60_000, 1), (60_030, 2)], {1: 1, 2: 2}) == 60_020
    assert average([(1, 1), (2, 2)], {1: 3, 2: 1}) == 1  # 1.25
    assert average([(1, 1), (2, 2)], {1: 1, 2: 3}) == 2  # 1.75


def test_the_slow_average_steps_by_2_of_72001() -> None:
    """PRC-005: from 60,000.00 to an index of 96,000.50: 36,000.50 x 2 / 72,001 is 1.00."""
    assert next_ema(60_000_00 * EMA_SCALE, 96_000_50 * EMA_SCALE, STRIKE_EMA_LENGTH) == 60_001_00 * EMA_SCALE


def test_the_slow_average_does_not_stick() -> None:
    """PRC-005: at whole cents it would stop 360.00 below the index; at 10^-9 it moves for a gap of a cent, and comes near."""
    ema = 60_000_00 * EMA_SCALE
    assert next_ema(ema, 60_000_01 * EMA_SCALE, STRIKE_EMA_LENGTH) > ema
    for _ in range(400_000):
        ema = next_ema(ema, 60_000_01 * EMA_SCALE, STRIKE_EMA_LENGTH)
    assert 0 <= 60_000_01 * EMA_SCALE - ema <= STRIKE_EMA_LENGTH // 2 + 1


@pytest.mark.parametrize(
    "ema,multiplier_ppm,tick,expected",
    [
        (60_001_00 * EMA_SCALE, 1_000_000, 50, 60_001_00),
        (60_001_00 * EMA_SCALE, 970_000, 50, 58_201_00),  # 58,200.97
        (60_000_25 * EMA_SCALE, 1_000_000, 50, 60_000_50),  # half a tick goes up
        (60_000_25 * EMA_SCALE - 1, 1_000_000, 50, 60_000_00),
        (1 * EMA_SCALE, 1_000_000, 50, 50),  # at least a tick
    ],
)
def test_a_strike_is_rounded_to_the_tick(ema: int, multiplier_ppm: int, tick: int, expected: int) -> None:
    """PRC-007."""
    assert strike_price(ema, multiplier_ppm, tick) == expected
