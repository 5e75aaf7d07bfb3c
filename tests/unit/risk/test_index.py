"""Which sources make an index, and their mean."""

import pytest

from risk.index import average, select


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
