"""The book equals its naive twin, event for event, whatever it is told."""

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book import Book
from engine.matching import SELF_MATCHED, cross, fillable, would_take
from engine.order import BUY, SELL, Order, SelfMatch, TimeInForce
from tests.property.naive_book import NaiveBook, Placed

PRICE_MAX = 12
QTY_MAX = 20
EDGES = {BUY: PRICE_MAX + 5, SELL: 1}
LONG_RUN = 12_000


@dataclass(frozen=True)
class Place:
    """A wish. What contradicts itself (a hidden iceberg, a post-only IOC) is made whole before both books see it."""

    owner_id: int
    sign: int
    price: int  # 0 is a market order: the edge
    qty: int
    peak: int
    is_hidden: bool
    is_post_only: bool
    time_in_force: TimeInForce
    mode: SelfMatch


@dataclass(frozen=True)
class Cancel:
    pick: int  # modulo the number of resting orders


@dataclass(frozen=True)
class Reduce:
    pick: int
    leaves: int


@dataclass(frozen=True)
class Amend:
    pick: int
    price: int
    leaves: int


Wish: TypeAlias = Place | Cancel | Reduce | Amend


class Twins:
    """Both books, told the same and compared after every command."""

    def __init__(self) -> None:
        self.book = Book()
        self.naive = NaiveBook()
        self.events: list[tuple[object, ...]] = []
        self.order_id = 0
        self.seen: Counter[object] = Counter()

    def tell(self, wish: Wish) -> None:
        if isinstance(wish, Place):
            self.place(wish)
        elif self.naive.resting:
            self.change(wish)
        self.compare()

    def place(self, wish: Place) -> None:
        self.order_id += 1
        is_market = wish.price == 0
        time_in_force = TimeInForce.IOC if is_market and wish.time_in_force is TimeInForce.GTC else wish.time_in_force
        can_rest = time_in_force is TimeInForce.GTC
        placed = Placed(
            self.order_id,
            wish.owner_id,
            wish.sign,
            EDGES[wish.sign] if is_market else wish.price,
            wish.qty,
            wish.peak if can_rest and not wish.is_hidden and wish.peak < wish.qty else 0,
            wish.is_hidden,
            wish.is_post_only and can_rest,
            time_in_force,
            wish.mode,
        )
        self.naive.place(placed)
        self.real_place(placed)

    def change(self, wish: Cancel | Reduce | Amend) -> None:
        chosen = self.naive.resting[wish.pick % len(self.naive.resting)].placed
        order = self.book.orders[chosen.order_id]
        if isinstance(wish, Cancel):
            self.naive.cancel(chosen.order_id)
            self.book.remove(order)
            self.events.append(("cancelled", order.order_id, order.leaves))
        elif isinstance(wish, Reduce):
            leaves = 1 + wish.leaves % order.leaves
            self.naive.reduce(chosen.order_id, leaves)
            self.book.reduce(order, leaves)
            self.events.append(("reduced", order.order_id, order.leaves, order.tip))
        else:
            self.naive.amend(chosen.order_id, wish.price, wish.leaves)
            self.book.remove(order)
            order.price = wish.price
            order.leaves = wish.leaves
            self.real_enter(order, TimeInForce.GTC)

    def real_place(self, placed: Placed) -> None:
        order = Order(
            placed.order_id,
            placed.owner_id,
            placed.owner_id,
            placed.sign,
            placed.price,
            placed.qty,
            placed.peak,
            placed.is_hidden,
            False,
            placed.mode,
            None,
        )
        if placed.is_post_only and would_take(self.book, placed.sign, placed.price):
            self.events.append(("refused", placed.order_id, "would take"))
        elif placed.time_in_force is TimeInForce.FOK and not fillable(self.book, order):
            self.events.append(("refused", placed.order_id, "cannot fill"))
        else:
            self.real_enter(order, placed.time_in_force)
            if placed.time_in_force is TimeInForce.FOK:
                self.seen["killed none"] += 1
                assert order.leaves == 0
                assert order.filled == placed.qty

    def real_enter(self, order: Order, time_in_force: TimeInForce) -> None:
        log: list[tuple[int, int, int, int]] = []
        cross(self.book, order, log)
        for kind, maker_id, first, second in log:
            self.events.append(("own" if kind == SELF_MATCHED else "traded", maker_id, first, second))
        self.seen["refilled"] += len(log) - len({maker_id for _, maker_id, _, _ in log})  # one maker met again
        if order.leaves and time_in_force is TimeInForce.GTC:
            self.book.rest(order)
            self.events.append(("rests", order.order_id, order.leaves, order.tip))
        else:
            self.events.append(("ends", order.order_id, order.leaves, order.filled))

    def compare(self) -> None:
        book, naive = self.book, self.naive
        assert self.events == naive.events
        self.seen.update(event[2] if event[0] == "refused" else event[0] for event in self.events)
        self.events.clear()
        naive.events.clear()
        book.check()
        assert [(order.order_id, order.price, order.leaves, order.filled, order.tip) for order in book.resting()] == [
            (order.placed.order_id, order.price, order.leaves, order.filled, order.tip)
            for order in naive.side(BUY) + naive.side(SELL)
        ]
        for sign in (BUY, SELL):
            side = naive.side(sign)
            depth = naive.depth(sign)
            assert book.best(sign) == (side[0].price if side else 0)
            assert book.depth(sign, PRICE_MAX + 5) == depth

    def rebuild(self) -> None:
        """Go on with a book made from the list of resting orders, as from a snapshot."""
        resting = self.book.resting()
        self.book = Book()
        for order in resting:
            order.before = order.after = order.level = None
            self.book.restore(order)
        self.compare()


picks = st.integers(0, 10**6)
quantities = st.integers(1, QTY_MAX)
prices = st.integers(1, PRICE_MAX)
places = st.builds(
    Place,
    owner_id=st.integers(1, 3),
    sign=st.sampled_from([BUY, SELL]),
    price=st.integers(0, PRICE_MAX),
    qty=quantities,
    peak=st.integers(0, 8),
    is_hidden=st.booleans(),
    is_post_only=st.booleans(),
    time_in_force=st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
    mode=st.sampled_from(SelfMatch),
)
wishes = st.one_of(
    places,
    places,
    st.builds(Cancel, picks),
    st.builds(Reduce, picks, picks),
    st.builds(Amend, picks, prices, quantities),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(wishes, min_size=1, max_size=40), st.integers(0, 40))
def test_equal_to_the_naive_book(told: list[Wish], rebuild_at: int) -> None:
    twins = Twins()
    for number, wish in enumerate(told):
        if number == rebuild_at:
            twins.rebuild()
        twins.tell(wish)


def random_wish(random: Random) -> Wish:
    kind = random.random()
    if kind < 0.66:
        sign = random.choice([BUY, SELL])
        return Place(
            owner_id=random.randint(1, 4),
            sign=sign,
            price=0 if random.random() < 0.06 else min(PRICE_MAX, max(1, round(random.gauss(6.5 - sign * 1.2, 2)))),
            qty=random.randint(1, QTY_MAX),
            peak=random.randint(1, 6) if random.random() < 0.3 else 0,
            is_hidden=random.random() < 0.2,
            is_post_only=random.random() < 0.2,
            time_in_force=random.choices([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK], [8, 1, 2])[0],
            mode=random.choice(list(SelfMatch)),
        )
    if kind < 0.82:
        return Cancel(random.randrange(10**6))
    if kind < 0.91:
        return Reduce(random.randrange(10**6), random.randrange(10**6))
    return Amend(random.randrange(10**6), random.randint(1, PRICE_MAX), random.randint(1, QTY_MAX))


def test_long_run_equal_to_the_naive_book() -> None:
    """Twelve thousand commands in one life of the book; every kind of event comes up often."""
    random = Random(20261121)
    twins = Twins()
    for number in range(LONG_RUN):
        if number % 500 == 499:
            twins.rebuild()
        twins.tell(random_wish(random))
    kinds = [
        "traded",
        "own",
        "rests",
        "ends",
        "cancelled",
        "reduced",
        "refilled",
        "would take",
        "cannot fill",
        "killed none",
    ]
    assert {kind: twins.seen[kind] for kind in kinds if twins.seen[kind] < LONG_RUN // 100} == {}
