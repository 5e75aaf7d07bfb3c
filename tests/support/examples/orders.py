"""Orders: bands, self-matches, queues, trailing stops, reduce-only, what is locked. Most of it through the whole core."""

from fractions import Fraction

from app.problems import Malformed
from app.wire import steps
from engine.book import Book
from engine.matching import cross
from engine.order import BUY, SELL, Order, SelfMatch, Side, TimeInForce, TriggerDirection, TriggerEvent
from engine.triggers import Trigger, TriggerBook, direction_towards
from exchange import views
from exchange.audit import audit
from exchange.commands import (
    AmendOrder,
    CancelOrder,
    Deposit,
    ListAsset,
    ListIndex,
    ListMarket,
    OpenAccount,
    PlaceOrder,
    SetMarketStatus,
    Tick,
    UpdateIndexPrice,
)
from exchange.events import CommandRejected, OrderAccepted
from exchange.instrument import Asset, IndexTerms, Instrument, InstrumentKind, MarketStatus
from exchange.rejects import Reject
from tests.support.examples.reading import Found, Given, exact, pairs_of, ppm
from tests.support.world import World

PRICE = 10**6
LOT = 10**2
USD = 10**8
TRADER, MAKER = 1, 2
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
MODES = {
    "maker": SelfMatch.CANCEL_MAKER,
    "taker": SelfMatch.CANCEL_TAKER,
    "both": SelfMatch.CANCEL_BOTH,
    "decrement": SelfMatch.DECREMENT,
}


class Stage:
    """A future marked at its index, or a spot market without one, and two accounts."""

    def __init__(
        self, mark: str = "", *, range_ppm: int = 999_999, initial_ppm: int = 100_000, usd: int = 10**9
    ) -> None:
        self.world = World()
        self.is_spot = not mark
        for asset in (Asset(1, "USD"), Asset(2, "XXX")):
            self.world.do(ListAsset(asset))
        self.world.do(ListIndex(IndexTerms(1, "XXX", 6, True)))
        self.world.do(ListMarket(1, self.terms(range_ppm, initial_ppm)))
        for account_id, amount in ((TRADER, usd), (MAKER, 10**9)):
            self.world.do(OpenAccount(f"account {account_id}", account_id))
            self.deposit(account_id, amount)
        if mark:
            self.move(mark)

    def terms(self, range_ppm: int, initial_ppm: int) -> Instrument:
        derivative = (initial_ppm, initial_ppm // 2, 0, 0, 10**6 // initial_ppm)
        return Instrument(
            "XXX",
            InstrumentKind.SPOT if self.is_spot else InstrumentKind.FUTURE,
            2,
            1,
            0 if self.is_spot else 1,
            6,
            2,
            1,
            1,
            10**6 if self.is_spot else 0,
            1,
            10**12,
            1,
            range_ppm,
            0,
            0,
            *((0, 0, 0, 0, 1) if self.is_spot else derivative),
        )

    def deposit(self, account_id: int, amount: int, asset_id: int = 1) -> None:
        if amount:
            reference = f"{len(self.world.journal)}"
            self.world.do(Deposit(reference, account_id, asset_id, amount * USD))

    def move(self, mark: str) -> None:
        self.world.do(UpdateIndexPrice(1, 1, exact(mark, PRICE), self.world.time_ms + 1_000), 1_000)
        self.world.do(Tick())

    def place(self, side: str, qty: str, price: str, *, account_id: int = TRADER, flags: str = "") -> int | Reject:
        """Place an order; its id, or why not."""
        request = PlaceOrder(
            account_id,
            1,
            SIDES[side],
            exact(qty, LOT),
            exact(price, PRICE),
            TimeInForce.IOC if "ioc" in flags else TimeInForce.GTC,
            reduce_only="reduce" in flags,
        )
        event = self.world.do(request)[0]
        assert audit(self.world.exchange) == []
        if isinstance(event, CommandRejected):
            return event.reject
        assert isinstance(event, OrderAccepted)
        return event.order_id

    def hold(self, qty: str, price: str) -> None:
        """Give the trader a position at a price."""
        if not Fraction(qty):
            return
        side, other = ("buy", "sell") if Fraction(qty) > 0 else ("sell", "buy")
        size = qty.lstrip("-")
        assert isinstance(self.place(other, size, price, account_id=MAKER), int)
        assert isinstance(self.place(side, size, price), int)
        assert self.position() == Fraction(qty)

    def position(self) -> Fraction:
        view = views.position(self.world.exchange, TRADER, 1)
        return Fraction(view.qty if view is not None else 0, LOT)

    def resting(self, account_id: int = TRADER) -> list[tuple[Fraction, Fraction]]:
        """The open orders as (quantity, price), in their order of entry."""
        found = views.orders(self.world.exchange, account_id)
        return [(Fraction(view.leaves, LOT), Fraction(view.price, PRICE)) for view in found]

    def free(self, asset_id: int = 1) -> Fraction:
        """What the trader may still commit."""
        balances = {view.asset_id: view for view in views.balances(self.world.exchange, TRADER)}
        return Fraction(balances[asset_id].free, USD) if asset_id in balances else Fraction(0)


def run_band(given: Given) -> Found:
    """Whether an order at a price is taken, and the edges of the trading range."""
    stage = Stage(given["mark"], range_ppm=ppm(given["range"]))
    view = views.market(stage.world.exchange, 1)
    assert view is not None
    found: Found = {"low": Fraction(view.range_low, PRICE), "high": Fraction(view.range_high, PRICE)}
    if "price" in given:
        placed = stage.place(given["side"], "1", given["price"])
        assert isinstance(placed, int) or placed is Reject.OUTSIDE_TRADING_RANGE, placed
        found["taken"] = isinstance(placed, int)
    return found


def run_self_match(given: Given) -> Found:
    """An owner's order meets its own at one price: what each has left. `lost` is what the taker lost without a trade."""
    book = Book()
    makers = [order_of(number, SELL, qty) for number, qty in enumerate(given["makers"].split(","), 1)]
    for maker in makers:
        book.rest(maker)
    taker = order_of(99, BUY, given["taker"], MODES[given["mode"]])
    asked = taker.leaves
    cross(book, taker, None)
    book.check()
    assert taker.filled == 0
    return {
        "makers": [Fraction(maker.leaves, LOT) for maker in makers],
        "taker": Fraction(taker.leaves, LOT),
        "lost": Fraction(asked - taker.leaves, LOT),
        "resting": [maker.order_id in book.orders for maker in makers],
    }


def order_of(order_id: int, sign: int, qty: str, mode: SelfMatch = SelfMatch.CANCEL_TAKER) -> Order:
    return Order(order_id, 1, 1, sign, 100, exact(qty, LOT), 0, False, False, mode, None)


def run_place_in_queue(given: Given) -> Found:
    """Orders of one price in a queue; the `which`-th is amended to a quantity, or cancelled and placed anew."""
    stage = Stage("100")
    order_ids = [stage.place("buy", qty, "100") for qty in given["queue"].split(",")]
    which = order_ids[int(given["which"]) - 1]
    assert isinstance(which, int)
    if given["how"] == "amend":
        stage.world.do(AmendOrder(TRADER, which, exact(given["qty"], LOT)))
    else:
        stage.world.do(CancelOrder(TRADER, which))
        order_ids.append(stage.place("buy", given["qty"], "100"))
    resting = stage.world.exchange.state.markets[1].book.resting()
    return {
        "queue": [Fraction(order.leaves, LOT) for order in resting],
        "entered": [order_ids.index(order.order_id) + 1 for order in resting],
    }


def run_trail(given: Given) -> Found:
    """A trailing stop along a path: at which price (from 0) it fires, and from which extreme. `stop` makes it active."""
    path = [exact(text, PRICE) for text in given["path"].split(",")]
    stop = exact(given.get("stop", "0"), PRICE)
    direction = direction_towards(stop, path[0]) if stop else TriggerDirection.AUTO
    sign = BUY if given["side"] == "buy" else SELL
    trigger = Trigger(order_of(1, sign, "1"), TriggerEvent.LAST_PRICE, direction, stop, 0, ppm(given["by"]), 0)
    book = TriggerBook()
    book.add(trigger)
    for number, at in enumerate(path):
        if book.reached(at):
            return {"fires": number, "extreme": Fraction(trigger.extreme, PRICE)}
        book.check()
    return {"fires": None, "extreme": Fraction(trigger.extreme, PRICE)}


def run_reducing(given: Given) -> Found:
    """A position and sells above the mark (`qty@price`, `r` behind a reduce-only one): the prices of those that stay."""
    stage = Stage(given["mark"])
    stage.hold(given["held"], given["mark"])
    for qty, at in pairs_of(given["sells"]):
        stage.place("sell", qty, at.rstrip("r"), flags="reduce" if at.endswith("r") else "")
    return {"kept": [at for _, at in stage.resting()]}


def run_closing(given: Given) -> Found:
    """A reduce-only IOC against more than enough: what trades."""
    stage = Stage("100")
    stage.hold(given["held"], "100")
    stage.place("buy", "1000", "100", account_id=MAKER)
    stage.place("sell", given["qty"], "100", flags="ioc reduce")
    left = stage.position()
    return {"traded": Fraction(given["held"]) - left, "left": left}


def run_adds_risk(given: Given) -> Found:
    """Whether an order beside a position and a resting one adds risk: a market that only takes reducing ones refuses it."""
    stage = Stage("100")
    stage.hold(given["held"], "100")
    if Fraction(given["asks"]):
        assert isinstance(stage.place("sell", given["asks"], "110"), int)
    stage.world.do(SetMarketStatus(1, MarketStatus.REDUCE_ONLY))
    placed = stage.place(given["side"], given["qty"], "110" if given["side"] == "sell" else "90")
    assert isinstance(placed, int) or placed is Reject.MARKET_CLOSED
    return {"adds": not isinstance(placed, int)}


def run_shed(given: Given) -> Found:
    """A position and resting orders; then the mark falls below what the account carries: which orders stay."""
    stage = Stage(given["mark"], initial_ppm=ppm(given["rate"]), usd=int(given["balance"]))
    stage.hold(given["held"], given["mark"])
    for side, name in (("buy", "buys"), ("sell", "sells")):
        for qty, at in pairs_of(given[name]):
            assert isinstance(stage.place(side, qty, at), int)
    before = len(stage.resting())
    stage.move(given["falls"])
    kept = stage.resting()
    return {"before": before, "kept": [qty for qty, _ in kept], "prices": [at for _, at in kept]}


def run_spot(given: Given) -> Found:
    """A spot bid with a balance: whether it is taken, what is free while it rests, what is there after a fill at `fill`."""
    resting = Stage(usd=int(given["balance"]))
    placed = resting.place("buy", given["qty"], given["price"])
    found: Found = {"taken": isinstance(placed, int), "free": resting.free()}
    if "topup" in given:
        resting.deposit(TRADER, int(given["topup"]))
        found["taken_then"] = isinstance(resting.place("buy", given["qty"], given["price"]), int)
        found["locked"] = Fraction(int(given["balance"]) + int(given["topup"])) - resting.free()
        found["free_then"] = resting.free()
    if "fill" in given:
        filled = Stage(usd=int(given["balance"]))
        filled.deposit(MAKER, 10**6, asset_id=2)
        assert isinstance(filled.place("sell", given["qty"], given["fill"], account_id=MAKER), int)
        assert isinstance(filled.place("buy", given["qty"], given["price"]), int)
        found["after"] = filled.free()
        balances = {view.asset_id: view for view in views.balances(filled.world.exchange, MAKER)}
        found["seller"] = Fraction(balances[1].amount, USD) - 10**9
    return found


def run_decimals(given: Given) -> Found:
    """Whether a quantity has no more decimals than the market."""
    try:
        steps(given["qty"], "qty", int(given["decimals"]))
    except Malformed:
        return {"valid": False}
    return {"valid": True}


RUNNERS = {
    "band": run_band,
    "self_match": run_self_match,
    "queue_place": run_place_in_queue,
    "trail": run_trail,
    "reducing": run_reducing,
    "closing": run_closing,
    "adds_risk": run_adds_risk,
    "shed": run_shed,
    "spot": run_spot,
    "decimals": run_decimals,
}
