"""What a depth of a side is worth: the displayed lots, best first."""

from random import Random

import pytest

from engine.book import Book
from engine.order import BUY, SELL
from tests.unit.engine.tables import book_of, order


def test_near_price_and_value() -> None:
    """PRC-010: 100 lots of 5@101,000, 6@100,000, 200@99,000 are worth 9,916,000; 10 lots are there from 100,000 on."""
    book = book_of("1 buy 5@101000", "2 buy 6@100000", "3 buy 200@99000")
    assert book.impact(BUY, 100, 10) == (100_000, 9_916_000)
    asks = book_of("1 sell 5@102000", "2 sell 6@103000", "3 sell 200@104000")
    assert asks.impact(SELL, 100, 10) == (103_000, 10_384_000)


@pytest.mark.parametrize(
    "texts,expected",
    [
        ([], (0, 0)),
        (["1 buy 9@100"], (0, 0)),
        (["1 buy 10@100"], (100, 0)),  # near, but no depth
        (["1 buy 99@100"], (100, 0)),
        (["1 buy 100@100"], (100, 10_000)),
        (["1 buy 500@100 hidden", "2 buy 99@99"], (99, 0)),  # hidden orders do not count
        (["1 buy 500@100 peak=40", "2 buy 60@99"], (100, 40 * 100 + 60 * 99)),  # of an iceberg its tip
    ],
)
def test_thin_and_hidden_sides(texts: list[str], expected: tuple[int, int]) -> None:
    """PRC-010 PRC-013."""
    assert book_of(*texts).impact(BUY, 100, 10) == expected
    assert book_of(*texts).impact(SELL, 100, 10) == (0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_the_lots_laid_out_one_by_one(seed: int) -> None:
    """PRC-010."""
    dice = Random(seed)
    book = Book()
    for number in range(1, 40):
        side = dice.choice(("buy", "sell"))
        price = dice.randint(80, 99) if side == "buy" else dice.randint(101, 120)
        flag = dice.choice(("", "", " hidden", " peak=3"))
        book.rest(order(f"{number} {side} {dice.randint(1, 9)}@{price}{flag}"))
    for sign in (BUY, SELL):
        lots = [price for price, displayed in book.depth(sign, 99) for _ in range(displayed)]
        for qty in (1, 7, 20, 60, 500):
            near = dice.randint(1, qty)
            expected_near = lots[near - 1] if len(lots) >= near else 0
            expected_value = sum(lots[:qty]) if len(lots) >= qty else 0
            assert book.impact(sign, qty, near) == (expected_near, expected_value)
