"""Who meets whom, and what a meeting does to both orders. Every step stands alone, so that money can go between."""

from collections.abc import Iterator
from typing import Final

from engine.book import Book, Level
from engine.order import BUY, Order, SelfMatch

TRADED: Final = 0
"""A log entry of `cross`: (TRADED, maker's order id, price, quantity)."""
SELF_MATCHED: Final = 1
"""A log entry of `cross`: (SELF_MATCHED, maker's order id, quantity the maker lost, quantity the taker lost)."""


def crosses(taker_sign: int, taker_price: int, price: int) -> bool:
    """Tell whether a taker with this limit may trade at a price of the other side."""
    return taker_price >= price if taker_sign > 0 else taker_price <= price


def next_maker(book: Book, taker: Order) -> Order | None:
    """Find the resting order that the taker meets next; None when no price is good enough for it.

    Best price first; at one price every displayed order in its turn, then the hidden ones.
    """
    if taker.sign > 0:
        level = book.asks.best
        if level is None or level.price > taker.price:
            return None
    else:
        level = book.bids.best
        if level is None or level.price < taker.price:
            return None
    maker = level.first
    return maker if maker is not None else level.first_hidden


def trade(book: Book, maker: Order, taker: Order, qty: int) -> None:
    """Let two orders trade a quantity at the maker's price.

    A maker with nothing left leaves the book. An iceberg whose tip is used up shows the next one from its reserve, at
    the back of its price: so tips rotate, and a hidden order's turn comes after every reserve.
    Requires: 0 < qty <= taker.leaves, qty <= maker.tip, the maker rests, the taker does not.
    Cost: O(1); as `Ladder.close` when the price is used up.
    """
    tip = maker.tip - qty
    level = maker.level
    assert level is not None, "the maker must rest"
    assert tip >= 0, "a trade takes what the maker offers"
    assert 0 < qty <= taker.leaves, "a trade takes what the taker wants"
    taker.leaves -= qty
    taker.filled += qty
    maker.filled += qty
    leaves = maker.leaves - qty
    maker.leaves = leaves
    maker.tip = tip
    level.total -= qty
    if not maker.hidden:
        level.displayed -= qty
    if not leaves:
        book.remove(maker)
    elif not tip:
        book.remove(maker)
        book.rest(maker)


def self_match(book: Book, maker: Order, taker: Order) -> tuple[int, int]:
    """Keep an owner from trading with itself, as the taker's mode says. Gives what the maker and the taker lost.

    Nothing trades. What an order lost is taken off its leaves: with none left it is cancelled (a maker is then out of
    the book), with some left it goes on with less. DECREMENT takes the smaller of the two leaves, an iceberg's
    reserve included, off both; the maker keeps its place.
    Requires: the maker rests, is what `next_maker` gave, and has the taker's owner.
    """
    mode = taker.self_match
    maker_lost = maker.leaves
    taker_lost = taker.leaves
    if mode is SelfMatch.CANCEL_TAKER:
        maker_lost = 0
    elif mode is SelfMatch.CANCEL_MAKER:
        taker_lost = 0
    elif mode is SelfMatch.DECREMENT:
        maker_lost = taker_lost = min(maker_lost, taker_lost)
    taker.leaves -= taker_lost
    if maker_lost == maker.leaves:
        book.remove(maker)
        maker.leaves = 0
    elif maker_lost:
        book.reduce(maker, maker.leaves - maker_lost)
    return maker_lost, taker_lost


def cross(book: Book, taker: Order, log: list[tuple[int, int, int, int]] | None) -> None:
    """Match an order until it is done or meets no price good enough, without money. Never rests it.

    Each meeting is appended to `log`: see TRADED and SELF_MATCHED.
    """
    owner_id = taker.owner_id
    leaves = taker.leaves
    while leaves:
        maker = next_maker(book, taker)
        if maker is None:
            return
        if maker.owner_id != owner_id:
            qty = maker.tip
            if qty > leaves:
                qty = leaves
            trade(book, maker, taker, qty)
            if log is not None:
                log.append((TRADED, maker.order_id, maker.price, qty))
        else:
            maker_lost, taker_lost = self_match(book, maker, taker)
            if log is not None:
                log.append((SELF_MATCHED, maker.order_id, maker_lost, taker_lost))
        leaves = taker.leaves


def would_take(book: Book, sign: int, price: int) -> bool:
    """Tell whether an order with this limit would meet another one at once, hidden and own orders included."""
    best = book.best(-sign)
    return best != 0 and crosses(sign, price, best)


def fillable(book: Book, taker: Order) -> bool:
    """Tell whether the taker can be filled in full at once: reserves and hidden orders count.

    Own orders are played as the taker's self-match mode treats them. CANCEL_MAKER passes them over. The other three end
    the run at the first own order met: CANCEL_TAKER and CANCEL_BOTH stop there, and under DECREMENT what the order
    loses to its owner is not a fill, so it cannot be filled in full.
    Cost: O(orders met).
    """
    needed = taker.leaves
    ladder = book.asks if taker.sign == BUY else book.bids
    levels = ladder.levels
    for rank in reversed(ladder.ranks):
        price = ladder.sign * rank
        if needed <= 0 or not crosses(taker.sign, taker.price, price):
            break
        if taker.self_match is SelfMatch.CANCEL_MAKER:
            level = levels[price]
            needed -= level.total
            needed += _own_leaves(level.first, taker.owner_id) + _own_leaves(level.first_hidden, taker.owner_id)
        else:
            needed, is_stopped = _until_own(levels[price], taker.owner_id, needed)
            if is_stopped:
                break
    return needed <= 0


def in_reach(book: Book, taker: Order) -> Iterator[Order]:
    """Walk the resting orders at prices good enough for the taker, best price first; shown ones before hidden ones."""
    ladder = book.asks if taker.sign == BUY else book.bids
    for rank in reversed(ladder.ranks):
        level = ladder.levels[ladder.sign * rank]
        if not crosses(taker.sign, taker.price, level.price):
            break
        for order in (level.first, level.first_hidden):
            while order is not None:
                yield order
                order = order.after


def _own_leaves(order: Order | None, owner_id: int) -> int:
    """Sum an owner's leaves in an order and those behind it."""
    leaves = 0
    while order is not None:
        if order.owner_id == owner_id:
            leaves += order.leaves
        order = order.after
    return leaves


def _until_own(level: Level, owner_id: int, needed: int) -> tuple[int, bool]:
    """Take what stands before the first own order at a price: what is still needed then, and whether one was met.

    Tips come first, then all reserves, then hidden orders: an own order shown is met before any reserve.
    """
    order = level.first
    while order is not None and needed > 0:
        if order.owner_id == owner_id:
            return needed, True
        needed -= order.tip
        order = order.after
    if needed <= 0:
        return needed, False
    needed -= _leaves(level.first) - level.displayed
    order = level.first_hidden
    while order is not None and needed > 0:
        if order.owner_id == owner_id:
            return needed, True
        needed -= order.leaves
        order = order.after
    return needed, False


def _leaves(order: Order | None) -> int:
    """Sum the leaves of an order and those behind it."""
    leaves = 0
    while order is not None:
        leaves += order.leaves
        order = order.after
    return leaves
