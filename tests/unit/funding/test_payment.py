"""Who pays how much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.payment import due, from_isolated, share

ONE = 10**12


def test_payers_round_up_receivers_down() -> None:
    """FND-009: 1.5 owed is 2, 1.5 to be got is 1."""
    assert due(3, ONE // 2) == 2
    assert due(-3, ONE // 2) == -1
    assert due(3, -ONE // 2) == -1
    assert due(-3, -ONE // 2) == 2
    assert due(0, ONE) == 0


@pytest.mark.parametrize(
    "owed,free,margin,unrealized,expected",
    [
        (100, 500, 50, 0, (100, 0)),  # the free balance first
        (100, 70, 50, 0, (70, 30)),  # then the margin
        (100, 70, 20, 0, (70, 20)),  # never below zero
        (100, -5, 200, 0, (0, 100)),
        (100, 0, 200, -150, (0, 50)),  # the position's equity stays at zero or above
        (100, 0, 200, -250, (0, 0)),
        (100, 0, 60, 500, (0, 60)),  # unrealized profit does not pay
    ],
)
def test_an_isolated_position_pays(
    owed: int, free: int, margin: int, unrealized: int, expected: tuple[int, int]
) -> None:
    """FND-011."""
    assert from_isolated(owed, free, margin, unrealized) == expected


@given(st.lists(st.integers(1, 10**20), min_size=1, max_size=8), st.integers(0, 10**21))
def test_shares_never_exceed_what_there_is(owed: list[int], collected: int) -> None:
    """FND-010: everyone gets what it is owed, or pro rata, rounded down."""
    shares = [share(amount, collected, sum(owed)) for amount in owed]
    assert sum(shares) <= collected
    assert all(got <= amount for got, amount in zip(shares, owed, strict=True))
    if collected >= sum(owed):
        assert shares == owed
    else:
        assert collected - sum(shares) < len(owed)


def test_pro_rata() -> None:
    """FND-010: 90 among dues of 100 and 50: 60 and 30; 89: 59 and 29, 1 is left over."""
    assert [share(amount, 90, 150) for amount in (100, 50)] == [60, 30]
    assert [share(amount, 89, 150) for amount in (100, 50)] == [59, 29]
