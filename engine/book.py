"""Price levels and the orders that rest in them. Everything is integers; nothing here knows money."""

from typing import final

from sortedcontainers import SortedList

from engine.order import BUY, SELL, Order


@final
class Level:
    """The orders of one side at one price, in two queues: those that show something, and hidden ones.

    `displayed` is the sum of the tips of the first queue, `total` the sum of all leaves of both: reserves and hidden
    orders included.
    """

    __slots__ = ("displayed", "first", "first_hidden", "last", "last_hidden", "price", "total")

    def __init__(self, price: int) -> None:
        self.price: int = price
        self.displayed: int = 0
        self.total: int = 0
        self.first: Order | None = None
        self.last: Order | None = None
        self.first_hidden: Order | None = None
        self.last_hidden: Order | None = None


@final
class Ladder:
    """The price levels of one side, best price at hand.

    `ranks` holds sign x price of every level in rising order, so that the best price is the last one on both sides.
    """

    __slots__ = ("best", "levels", "ranks", "sign")

    def __init__(self, sign: int) -> None:
        self.sign: int = sign
        self.best: Level | None = None
        self.levels: dict[int, Level] = {}
        self.ranks: SortedList[int] = SortedList()

    def open(self, price: int) -> Level:
        """Make the level of a price that has none.

        Cost: O(log n) in the levels.
        """
        level = Level(price)
        self.levels[price] = level
        sign = self.sign
        self.ranks.add(sign * price)
        best = self.best
        if best is None or (price > best.price if sign > 0 else price < best.price):
            self.best = level
        return level

    def close(self, level: Level) -> None:
        """Drop a level that has no orders left.

        Cost: O(log n) in the levels; for the best one, O(1).
        """
        levels = self.levels
        ranks = self.ranks
        del levels[level.price]
        if level is self.best:
            ranks.pop()
            self.best = levels[self.sign * ranks[-1]] if levels else None
        else:
            ranks.remove(self.sign * level.price)

    def by_price(self) -> list[Level]:
        """List the levels, best price first."""
        sign = self.sign
        levels = self.levels
        return [levels[sign * rank] for rank in reversed(self.ranks)]


@final
class Book:
    """The resting orders of one market.

    `orders` finds a resting order by its id. Its iteration order is history, which a snapshot does not keep: walk
    `resting()` instead.
    """

    __slots__ = ("asks", "bids", "orders")

    def __init__(self) -> None:
        self.bids: Ladder = Ladder(BUY)
        self.asks: Ladder = Ladder(SELL)
        self.orders: dict[int, Order] = {}

    def rest(self, order: Order) -> None:
        """Put an order at the back of its price and set its tip.

        Requires: the order has leaves, crosses nothing, and its id is not in the book.
        Cost: O(1); O(log n) in the levels when the price is new.
        """
        # Adding and removing are most of a book's work: no calls inside but to the ladder.
        price = order.price
        ladder = self.bids if order.sign > 0 else self.asks
        level = ladder.levels.get(price)
        if level is None:
            level = ladder.open(price)
        order.level = level
        self.orders[order.order_id] = order
        tip = leaves = order.leaves
        level.total += leaves
        if order.hidden:
            last = level.last_hidden
            level.last_hidden = order
            if last is None:
                level.first_hidden = order
        else:
            if 0 < order.peak < leaves:
                tip = order.peak
            level.displayed += tip
            last = level.last
            level.last = order
            if last is None:
                level.first = order
        order.tip = tip
        if last is not None:
            last.after = order
            order.before = last

    def restore(self, order: Order) -> None:
        """Append an order exactly as it is, its tip included: what `resting()` listed, in that order, is that book."""
        tip = order.tip
        self.rest(order)
        level = order.level
        assert level is not None, "what rests has a level"
        if not order.hidden:
            level.displayed += tip - order.tip
        order.tip = tip

    def remove(self, order: Order) -> None:
        """Take an order out of the book. Its leaves stay written on it.

        Requires: the order rests here.
        Cost: O(1); as `Ladder.close` when it was the last one at its price.
        """
        level = order.level
        assert level is not None, "only a resting order can be removed"
        del self.orders[order.order_id]
        order.level = None
        before = order.before
        after = order.after
        if before is not None:
            before.after = after
            order.before = None
        elif order.hidden:
            level.first_hidden = after
        else:
            level.first = after
        if after is not None:
            after.before = before
            order.after = None
        elif order.hidden:
            level.last_hidden = before
        else:
            level.last = before
        if not order.hidden:
            level.displayed -= order.tip
        total = level.total - order.leaves
        level.total = total
        if not total:
            (self.bids if order.sign > 0 else self.asks).close(level)

    def reduce(self, order: Order, leaves: int) -> None:
        """Leave an order less quantity, in its place. An iceberg shows its tip as long as the leaves cover it.

        Requires: the order rests here, 0 < leaves <= its leaves.
        """
        level = order.level
        assert level is not None, "only a resting order can be reduced"
        assert 0 < leaves <= order.leaves, "a reduced order keeps something and gains nothing"
        level.total -= order.leaves - leaves
        order.leaves = leaves
        if order.tip > leaves:
            if not order.hidden:
                level.displayed -= order.tip - leaves
            order.tip = leaves

    def best(self, sign: int) -> int:
        """Best price of a side, hidden orders included; 0 when the side is empty."""
        level = self.bids.best if sign > 0 else self.asks.best
        return 0 if level is None else level.price

    def depth(self, sign: int, limit: int) -> list[tuple[int, int]]:
        """List (price, displayed quantity) of a side, best first, at most `limit` prices. Hidden orders do not show."""
        found: list[tuple[int, int]] = []
        ladder = self.bids if sign > 0 else self.asks
        levels = ladder.levels
        for rank in reversed(ladder.ranks):
            if len(found) >= limit:
                break
            level = levels[ladder.sign * rank]
            if level.displayed:
                found.append((level.price, level.displayed))
        return found

    def impact(self, sign: int, qty: int, near_qty: int) -> tuple[int, int]:
        """Return the first price at which `near_qty` is displayed, and what the best `qty` lots displayed are worth together.

        Each is 0 where the side displays less. Units: a price; price units x lots.
        Cost: O(levels up to that depth). Requires: 0 < near_qty <= qty.
        """
        ladder = self.bids if sign > 0 else self.asks
        levels = ladder.levels
        near = seen = value = 0
        for rank in reversed(ladder.ranks):
            level = levels[ladder.sign * rank]
            displayed = level.displayed
            value += level.price * min(displayed, qty - seen)
            seen += displayed
            if near == 0 and seen >= near_qty:
                near = level.price
            if seen >= qty:
                return near, value
        return near, 0

    def resting(self) -> list[Order]:
        """List every resting order: bids, then asks, best price first; at a price shown ones, then hidden ones."""
        found: list[Order] = []
        for level in self.bids.by_price() + self.asks.by_price():
            found += _queue(level.first) + _queue(level.first_hidden)
        return found

    def check(self) -> None:
        """Assert everything that must hold between two commands.

        Cost: O(orders).
        """
        bid = self.bids.best
        ask = self.asks.best
        assert bid is None or ask is None or bid.price < ask.price, "the book is crossed"
        found = _check_ladder(self.bids) + _check_ladder(self.asks)
        assert found == len(self.orders), "an order is indexed but does not rest"
        for order_id, order in self.orders.items():
            assert order.order_id == order_id, "an order is indexed under another id"
            assert order.level is not None, "an indexed order has no level"


def _queue(order: Order | None) -> list[Order]:
    """List an order and those behind it."""
    found: list[Order] = []
    while order is not None:
        found.append(order)
        order = order.after
    return found


def _check_ladder(ladder: Ladder) -> int:
    """Check one side; count its orders."""
    prices = [ladder.sign * rank for rank in ladder.ranks]
    assert len(prices) == len(ladder.levels), "levels and ranks differ in number"
    assert prices == sorted(ladder.levels, reverse=ladder.sign < 0), "levels and ranks differ"
    best = ladder.best
    assert (best.price if best is not None else 0) == (prices[-1] if prices else 0), "the best price is wrong"
    count = 0
    for price, level in ladder.levels.items():
        assert level.price == price, "a level stands under another price"
        assert best is None or best.price != price or best is level, "the best level is not the one in the ladder"
        assert level.first is not None or level.first_hidden is not None, "an empty level stayed"
        shown, displayed, leaves = _check_queue(ladder, level, hidden=False)
        unseen, _, hidden_leaves = _check_queue(ladder, level, hidden=True)
        assert displayed == level.displayed, "a level's displayed sum is wrong"
        assert leaves + hidden_leaves == level.total, "a level's total is wrong"
        count += shown + unseen
    return count


def _check_queue(ladder: Ladder, level: Level, *, hidden: bool) -> tuple[int, int, int]:
    """Check one queue; give the number of its orders, the sum of their tips, the sum of their leaves."""
    count = tips = leaves = 0
    before: Order | None = None
    order = level.first_hidden if hidden else level.first
    while order is not None:
        assert order.before is before, "a queue's links do not meet"
        assert order.level is level, "an order stands in another's level"
        assert order.hidden is hidden, "an order stands in another's queue"
        assert order.sign == ladder.sign, "an order stands on another's side"
        assert order.price == level.price, "an order stands at another price"
        assert 0 < order.tip <= order.leaves, "an order offers nothing, or more than it has"
        assert order.tip == order.leaves or 0 < order.tip <= order.peak, "only an iceberg keeps a reserve"
        assert not (hidden and order.tip != order.leaves), "a hidden order has no reserve"
        count += 1
        tips += order.tip
        leaves += order.leaves
        before = order
        order = order.after
    assert before is (level.last_hidden if hidden else level.last), "a queue's end is wrong"
    return count, tips, leaves
