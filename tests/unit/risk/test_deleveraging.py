"""Ranks, lights and shares against the published examples."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.deleveraging import Rank, lights, shares


def score(rank: Rank) -> Fraction:
    return Fraction(rank.score, rank.divisor)


@pytest.mark.parametrize(
    "entry,mark,bankruptcy,expected",
    [
        (1_000, 1_100, 900, Fraction(55, 100)),  # bitmex-adl-score-win: 10% x 5.5
        (1_000, 950, 900, Fraction(-1, 380)),  # bitmex-adl-score-lose: -5% / 19
        (20_000, 23_000, 19_800, Fraction(15, 100) * Fraction(23_000, 3_200)),  # 0.15 x 7.1875
        (23_500, 23_000, 21_000, Fraction(-1, 47) / Fraction(23_000, 2_000)),  # -0.0019
    ],
)
def test_score(entry: int, mark: int, bankruptcy: int, expected: Fraction) -> None:
    """LQN-020: pnl% = (mark - entry)/entry, leverage = mark/(mark - bankruptcy)."""
    assert score(Rank(1, mark - entry, entry, mark, mark - bankruptcy)) == expected


def test_order_of_ten() -> None:
    """LQN-020: zubr-adl-ranking, ten clients by pnl% x leverage."""
    rows = [
        (10, 40), (5, 5), (20, 12), (5, 100), (15, 20), (3, 40), (12, 50), (6, 8), (11, 110), (7, 60),
    ]  # fmt: skip
    ranks = [
        Rank(number, pnl * 1_000, 100_000, leverage * 10_000, 100_000) for number, (pnl, leverage) in enumerate(rows)
    ]
    places = {rank.account_id: place for place, rank in enumerate(sorted(ranks), 1)}
    assert [places[number] for number in range(10)] == [5, 10, 7, 3, 6, 8, 2, 9, 1, 4]


def test_winners_come_first() -> None:
    """LQN-020: the least winner before the first loser, of losers the most leveraged, of equals the lower account id."""
    ranks = [
        Rank(1, -500, 10_000, 9_500, 100_000),
        Rank(2, -500, 10_000, 9_500, 1_000),
        Rank(3, 1, 10_000, 10_001, 100_000),
        Rank(9, 0, 10_000, 10_000, 7),
        Rank(4, 0, 10_000, 10_000, 8),
    ]
    assert [rank.account_id for rank in sorted(ranks)] == [3, 4, 9, 2, 1]


def test_extremes() -> None:
    """LQN-020: without equity a winner's leverage has no bound; a cost of nothing has no pnl%."""
    ranks = [Rank(1, 5, 100, 105, 10), Rank(2, 5, 100, 105, -3), Rank(3, 5, 0, 5, 10), Rank(4, -5, 0, 5, 10)]
    assert [rank.account_id for rank in sorted(ranks)] == [2, 3, 1, 4]


def test_lights() -> None:
    """LQN-021: bitmex-adl-quintiles: quantities in the order of their scores; 20 40 60 80 80 100 percent."""
    assert lights([10, 20, 30, 10, 10, 20]) == [5, 4, 3, 2, 2, 1]
    assert lights([]) == []
    assert lights([7]) == [5]
    assert lights([90, 10]) == [5, 1]


def test_shares() -> None:
    """LQN-034: vega-loss-socialisation: gains of 60 and 40 keep 45 and 30 of 75 collected: 25 is lost."""
    assert shares(25, [60, 40]) == [15, 10]
    # 10 of limits 3, 3, 5: down 2, 2, 4, and one more for the first two
    assert shares(10, [3, 3, 5]) == [3, 3, 4]
    assert shares(0, [3]) == [0]
    assert shares(0, []) == []


@given(st.lists(st.integers(0, 10**12), max_size=20), st.integers(0, 10**12))
def test_shares_are_the_amount(limits: list[int], wanted: int) -> None:
    """LQN-034: together they are the amount, none exceeds its limit, each is within a unit of its proportion."""
    amount = min(wanted, sum(limits))
    found = shares(amount, limits)
    assert sum(found) == amount
    for share, limit in zip(found, limits, strict=True):
        assert share <= limit
        assert abs(share * sum(limits) - amount * limit) <= sum(limits)
