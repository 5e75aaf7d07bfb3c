from collections import Counter

import pytest

from bench import book, order_stream
from bench.order_stream import ADD, CANCEL, TAKE
from engine.book import Book
from engine.matching import would_take


def test_stream_is_what_it_says() -> None:
    made = order_stream.make(resting=500, operations=10_000, spread_ticks=10)
    kinds = Counter(operation[0] for operation in made.mixed)
    assert kinds[ADD] == pytest.approx(6_000, rel=0.05)
    assert kinds[CANCEL] == pytest.approx(3_000, rel=0.05)
    assert kinds[TAKE] == pytest.approx(1_000, rel=0.1)
    assert made.resting == pytest.approx(500, rel=0.2)
    assert len(made.filling) == 500
    assert order_stream.make(resting=500, operations=10_000, spread_ticks=10) == made


def test_adds_do_not_cross_and_takes_do() -> None:
    made = order_stream.make(resting=200, operations=2_000, spread_ticks=5)
    real = Book()
    for operation in made.filling + made.mixed:
        kind, _, sign, price, _ = operation
        if kind != CANCEL:
            assert would_take(real, sign, price) is (kind == TAKE)
        book.run_ours(real, [operation])
    real.check()
    assert len(real.orders) == made.resting


def test_both_books_end_alike() -> None:
    result = book.measure(300, 10, rounds=1, operations=3_000)
    assert int(result["trades"]) > 300
    assert float(result["ratio"]) > 0
