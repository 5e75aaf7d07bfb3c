"""The margins of the integer core equal those of a naive engine of exact fractions, up to the stated rounding."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.margin_pair import Counts, Pair

MUST_HAPPEN = {
    "Traded": 120,
    "flips": 15,
    "partial closes": 60,
    "isolated partial closes": 5,
    "short calls": 20,
    "short puts": 8,
    "long options": 50,
    "reserves beside a position": 250,
    "unsafe scopes": 10,
    "unsafe isolated scopes": 3,
    "funding payments": 10,
    "rates": 500,
    "liquidation price": 150,
    "bankruptcy price": 150,
    "taken": 200,
    "refused for want of money": 30,
}
"""How often something must happen in the histories of known seeds: a history in which nothing does proves nothing."""
SEEDS_MAX = 40
MUST_HAPPEN_ON_THE_LADDER = {
    "isolated liquidations": 4,
    "cross liquidations": 4,
    "LiquidationEnded": 8,
    "slices": 4,
    "fills of slices": 4,
    "PositionTakenOver": 3,
    "PositionDeleveraged": 5,
}


def run(seed: int, turns: int, counts: Counts, *, every: int, has_ladder: bool) -> None:
    pair = Pair(seed, counts, has_ladder=has_ladder)
    for number in range(turns):
        pair.turn()
        if number % every == 0:
            pair.compare()
    pair.compare()


def rare(counts: Counts, wanted: dict[str, int]) -> dict[str, int]:
    """Return what happened too seldom to prove anything."""
    return {name: counts.seen[name] for name, least in wanted.items() if counts.seen[name] < least}


def run_until(wanted: dict[str, int], *, every: int, has_ladder: bool) -> None:
    """Run histories of known seeds until all that is wanted has happened."""
    counts = Counts()
    for seed in range(SEEDS_MAX):
        run(seed, 150, counts, every=every, has_ladder=has_ladder)
        if seed >= 5 and not rare(counts, wanted):
            break
    assert rare(counts, wanted) == {}
    assert counts.seen["scopes too near to tell"] == 0


def test_known_histories() -> None:
    """TWN-001 TWN-002 TWN-003 TWN-004 TWN-006 TWN-007: what matters does happen."""
    run_until(MUST_HAPPEN, every=15, has_ladder=False)


def test_known_histories_on_the_ladder() -> None:
    """TWN-004 TWN-005: each step of the ladder is taken, but for the last."""
    run_until(MUST_HAPPEN_ON_THE_LADDER, every=25, has_ladder=True)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 50), st.booleans())
def test_random_histories(seed: int, turns: int, has_ladder: bool) -> None:
    """TWN-001 TWN-002 TWN-003 TWN-004 TWN-005."""
    run(seed, turns, Counts(), every=3, has_ladder=has_ladder)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 300), st.booleans())
def test_long_random_histories(seed: int, turns: int, has_ladder: bool) -> None:
    """TWN-001 TWN-002 TWN-003 TWN-004 TWN-005."""
    run(seed, turns, Counts(), every=5, has_ladder=has_ladder)
