"""The book's twin: one plain list, sorted anew for every question. Slow, and easy to see through."""

import copy
from dataclasses import dataclass, field

from engine.order import SelfMatch, TimeInForce


@dataclass
class Placed:
    """An order with every flag that the engine knows."""

    order_id: int
    owner_id: int
    sign: int
    price: int
    qty: int
    peak: int
    is_hidden: bool
    is_post_only: bool
    time_in_force: TimeInForce
    mode: SelfMatch


@dataclass
class NaiveOrder:
    placed: Placed
    leaves: int
    filled: int = 0
    tip: int = 0
    place: int = 0
    price: int = 0


@dataclass
class NaiveBook:
    resting: list[NaiveOrder] = field(default_factory=list)
    events: list[tuple[object, ...]] = field(default_factory=list)
    places: int = 0

    # --- commands ---

    def place(self, placed: Placed) -> None:
        order = NaiveOrder(placed, leaves=placed.qty, price=placed.price)
        if placed.is_post_only and self.makers(order):
            self.events.append(("refused", placed.order_id, "would take"))
            return
        if placed.time_in_force is TimeInForce.FOK and not self.can_fill(order):
            self.events.append(("refused", placed.order_id, "cannot fill"))
            return
        self.enter(order)

    def enter(self, order: NaiveOrder) -> None:
        self.match(order)
        if order.leaves and order.placed.time_in_force is TimeInForce.GTC:
            order.tip = min(order.placed.peak or order.leaves, order.leaves)
            self.to_the_back(order)
            self.resting.append(order)
            self.events.append(("rests", order.placed.order_id, order.leaves, order.tip))
        else:
            self.events.append(("ends", order.placed.order_id, order.leaves, order.filled))

    def cancel(self, order_id: int) -> None:
        order = self.find(order_id)
        self.resting.remove(order)
        self.events.append(("cancelled", order_id, order.leaves))

    def reduce(self, order_id: int, leaves: int) -> None:
        order = self.find(order_id)
        order.leaves = leaves
        order.tip = min(order.tip, leaves)
        self.events.append(("reduced", order_id, order.leaves, order.tip))

    def amend(self, order_id: int, price: int, leaves: int) -> None:
        order = self.find(order_id)
        self.resting.remove(order)
        order.price = price
        order.leaves = leaves
        self.enter(order)

    # --- questions ---

    def find(self, order_id: int) -> NaiveOrder:
        return next(order for order in self.resting if order.placed.order_id == order_id)

    def side(self, sign: int) -> list[NaiveOrder]:
        found = [order for order in self.resting if order.placed.sign == sign]
        return sorted(found, key=lambda order: (-sign * order.price, order.placed.is_hidden, order.place))

    def makers(self, taker: NaiveOrder) -> list[NaiveOrder]:
        sign = taker.placed.sign
        return [order for order in self.side(-sign) if sign * order.price <= sign * taker.price]

    def can_fill(self, taker: NaiveOrder) -> bool:
        """Try it on a copy: nothing that the real book's dry run could share a mistake with."""
        world, trial = copy.deepcopy((self, taker))
        world.match(trial)
        return trial.filled == taker.leaves

    def depth(self, sign: int) -> list[tuple[int, int]]:
        prices: dict[int, int] = {}
        for order in self.side(sign):
            if not order.placed.is_hidden:
                prices[order.price] = prices.get(order.price, 0) + order.tip
        return list(prices.items())

    # --- matching ---

    def to_the_back(self, order: NaiveOrder) -> None:
        self.places += 1
        order.place = self.places

    def match(self, taker: NaiveOrder) -> None:
        while taker.leaves and self.makers(taker):
            maker = self.makers(taker)[0]
            if maker.placed.owner_id == taker.placed.owner_id:
                self.meet_own(maker, taker)
            else:
                self.trade(maker, taker)

    def trade(self, maker: NaiveOrder, taker: NaiveOrder) -> None:
        qty = min(maker.tip, taker.leaves)
        for order in (maker, taker):
            order.leaves -= qty
            order.filled += qty
        maker.tip -= qty
        self.events.append(("traded", maker.placed.order_id, maker.price, qty))
        if maker.leaves == 0:
            self.resting.remove(maker)
        elif maker.tip == 0:
            maker.tip = min(maker.placed.peak, maker.leaves)
            self.to_the_back(maker)

    def meet_own(self, maker: NaiveOrder, taker: NaiveOrder) -> None:
        smaller = min(maker.leaves, taker.leaves)
        maker_lost, taker_lost = {
            SelfMatch.CANCEL_TAKER: (0, taker.leaves),
            SelfMatch.CANCEL_MAKER: (maker.leaves, 0),
            SelfMatch.CANCEL_BOTH: (maker.leaves, taker.leaves),
            SelfMatch.DECREMENT: (smaller, smaller),
        }[taker.placed.mode]
        maker.leaves -= maker_lost
        maker.tip = min(maker.tip, maker.leaves)
        taker.leaves -= taker_lost
        self.events.append(("own", maker.placed.order_id, maker_lost, taker_lost))
        if maker.leaves == 0:
            self.resting.remove(maker)
