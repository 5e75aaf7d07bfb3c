"""Counts by bucket: one by one, and many at once."""

import random

from app.histogram import SECONDS, SIZES, Histogram


def test_a_value_counts_in_the_first_bound_that_is_not_below_it() -> None:
    found = Histogram((1.0, 2.0, 4.0))
    for value in (0.0, 1.0, 1.5, 2.0, 4.0, 4.1):
        found.observe(value)
    assert (found.counts, found.count, found.total) == ([2, 2, 1, 1], 6, 12.6)


def test_many_at_once_count_as_one_by_one() -> None:
    dice = random.Random(1)
    for bounds in (SECONDS, SIZES, (1.0,)):
        together, alone = Histogram(bounds), Histogram(bounds)
        for size in (0, 1, 7, 500):
            values = [dice.choice((dice.choice(bounds), dice.lognormvariate(-6, 3), -1e-9)) for _ in range(size)]
            together.observe_all(values)
            for value in values:
                alone.observe(value)
            assert together.counts == alone.counts
            assert abs(together.total - alone.total) < 1e-9 * (1 + abs(alone.total))
