"""A stream of orders for benchmarks: 60% adds near the touch, 30% cancels of resting orders, 10% marketable orders.

The book keeps its size: marketable quantities are drawn larger while it is above its target, smaller while below.
Prices are integers, and the same seed gives the same stream.
"""

from dataclasses import dataclass
from random import Random

from engine.book import Book
from engine.matching import cross
from engine.order import BUY, SELL, Order, SelfMatch

ADD, TAKE, CANCEL = 0, 1, 2
MID = 1_000_000
QTY_MAX = 100
TICKS_THROUGH = 50
"""How far beyond the touch a marketable order's limit lies."""

Operation = tuple[int, int, int, int, int]
"""(kind, order number, sign, price, quantity). Adds and takes count up from 1; a cancel names the number it cancels, the
last three being 0."""


@dataclass(frozen=True)
class Stream:
    """Adds that fill an empty book, and the mixed operations after them."""

    filling: list[Operation]
    mixed: list[Operation]
    levels: int
    """Price levels at the end, both sides."""
    resting: int
    """Orders at the end."""


class _Maker:
    """Plays the stream while it is made, so that cancels name resting orders and adds do not cross."""

    def __init__(self, seed: int, spread_ticks: int) -> None:
        self.random = Random(seed)
        self.book = Book()
        self.spread_ticks = spread_ticks
        self.live: list[int] = []
        self.number = 0

    def play(self, kind: int, sign: int, price: int, qty: int) -> Operation:
        self.number += 1
        number = self.number
        order = Order(number, number, number, sign, price, qty, 0, False, False, SelfMatch.CANCEL_TAKER, None)
        cross(self.book, order, None)
        if order.leaves:
            self.book.rest(order)
            self.live.append(number)
        return (kind, number, sign, price, qty)

    def add(self) -> Operation:
        """A limit order on its own side of the touch, the nearer the likelier."""
        sign = self.random.choice((BUY, SELL))
        touch = self.book.best(-sign) or MID
        distance = 1 + int(self.random.expovariate(1) * self.spread_ticks)
        return self.play(ADD, sign, touch - sign * distance, self.random.randint(1, QTY_MAX))

    def take(self, target: int) -> Operation:
        """A limit order through the touch: of three orders' quantity on average, while the book has its size."""
        sign = self.random.choice((BUY, SELL))
        touch = self.book.best(-sign) or MID
        scale = 5 if len(self.book.orders) > target else 1
        qty = self.random.randint(1, QTY_MAX * scale)
        return self.play(TAKE, sign, touch + sign * TICKS_THROUGH, qty)

    def cancel(self) -> Operation:
        """Any resting order, all alike."""
        live = self.live
        while True:
            at = self.random.randrange(len(live))
            live[at], live[-1] = live[-1], live[at]
            number = live.pop()
            order = self.book.orders.get(number)
            if order is not None:
                self.book.remove(order)
                return (CANCEL, number, 0, 0, 0)


def make(*, resting: int, operations: int, spread_ticks: int, seed: int = 1) -> Stream:
    """Make a stream around a book of so many resting orders; adds lie `spread_ticks` from the touch on average."""
    maker = _Maker(seed, spread_ticks)
    filling = [maker.add() for _ in range(resting)]
    mixed = []
    for _ in range(operations):
        draw = maker.random.random()
        if draw < 0.6 or not maker.book.orders:
            mixed.append(maker.add())
        elif draw < 0.9:
            mixed.append(maker.cancel())
        else:
            mixed.append(maker.take(resting))
    book = maker.book
    return Stream(filling, mixed, len(book.bids.levels) + len(book.asks.levels), len(book.orders))
