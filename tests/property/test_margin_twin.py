"""The margins of the integer core equal those of a naive engine of exact fractions, up to the stated rounding."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.margin_pair import Counts, Pair

MUST_HAPPEN = {
    "Traded": 150,
    "flips": 15,
    "partial closes": 50,
    "isolated partial closes": 5,
    "short calls": 20,
    "short puts": 20,
    "long options": 50,
    "reserves beside a position": 500,
    "unsafe scopes": 20,
    "unsafe isolated scopes": 5,
    "funding payments": 30,
    "rates": 500,
}
"""How often something happens in the histories of the fixed seeds, at least."""


def run(seed: int, turns: int, counts: Counts, every: int) -> None:
    pair = Pair(seed, counts)
    for number in range(turns):
        pair.turn()
        if number % every == 0:
            pair.compare()
    pair.compare()


def test_known_histories() -> None:
    """TWN-001 TWN-002 TWN-003 TWN-004: the histories of these seeds are full of what matters."""
    counts = Counts()
    for seed in range(12):
        run(seed, 150, counts, 8)
    missing = {name: (counts.seen[name], least) for name, least in MUST_HAPPEN.items() if counts.seen[name] < least}
    assert missing == {}
    assert counts.seen["scopes too near to tell"] == 0


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_random_histories(seed: int, turns: int) -> None:
    """TWN-001 TWN-002 TWN-003 TWN-004."""
    run(seed, turns, Counts(), 2)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 300))
def test_long_random_histories(seed: int, turns: int) -> None:
    """TWN-001 TWN-002 TWN-003 TWN-004."""
    run(seed, turns, Counts(), 5)
