"""Orders and books as short texts, so that tests read as tables.

`3 buy 10@100 peak=4 owner=7` is order 3; the owner is the order's id unless given, so that no two orders are of one owner.
"""

from engine.book import Book
from engine.matching import SELF_MATCHED, TRADED, cross
from engine.order import BUY, SELL, Order, SelfMatch

EDGE = 1_000_000


def order(text: str, mode: SelfMatch = SelfMatch.CANCEL_TAKER) -> Order:
    order_id, side, amount, *flags = text.split()
    qty, price = amount.split("@")
    owner = peak = 0
    hidden = False
    for flag in flags:
        name, _, value = flag.partition("=")
        hidden = hidden or name == "hidden"
        owner = int(value) if name == "owner" else owner
        peak = int(value) if name == "peak" else peak
    return Order(
        int(order_id),
        int(order_id),
        owner or int(order_id),
        BUY if side == "buy" else SELL,
        int(price),
        int(qty),
        peak,
        hidden,
        False,
        mode,
        None,
    )


def book_of(*texts: str) -> Book:
    book = Book()
    for text in texts:
        book.rest(order(text))
    book.check()
    return book


def show(book: Book) -> list[str]:
    """Resting orders, bids first: id, leaves, price, and the tip where it is not all."""
    book.check()
    return [
        f"{order.order_id} {order.leaves}@{order.price}"
        + (f" tip={order.tip}" if order.tip != order.leaves else "")
        + (" hidden" if order.hidden else "")
        for order in book.resting()
    ]


def take(book: Book, taker: Order) -> list[str]:
    """Let an order cross; give what happened: `maker quantity@price`, or `maker lost/taker lost` for a self-match."""
    log: list[tuple[int, int, int, int]] = []
    cross(book, taker, log)
    book.check()
    lines = []
    for kind, maker_id, first, second in log:
        assert kind in (TRADED, SELF_MATCHED)
        lines.append(f"{maker_id} {second}@{first}" if kind == TRADED else f"{maker_id} lost {first}/{second}")
    return lines
