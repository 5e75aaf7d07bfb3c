"""Command tables as text: one row a command, its outcome in the last column. Their world stands in docs/spec/core.md."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from engine.order import OrderStatus, SelfMatch, Side, TimeInForce, TriggerDirection, TriggerEvent
from exchange import views
from exchange.audit import audit
from exchange.commands import (
    AmendOrder,
    CancelOrder,
    CancelOrders,
    Command,
    Deposit,
    MoveMargin,
    PlaceBatch,
    PlaceOrder,
    SetLeverage,
    SetMarginMode,
    SetMarketStatus,
    Tick,
    UpdateIndexPrice,
    Withdraw,
)
from exchange.events import (
    BalanceChanged,
    Cause,
    CommandRejected,
    Event,
    LeverageSet,
    LiquidationEnded,
    LiquidationStarted,
    LossShared,
    LossSocialised,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderReduced,
    OrderRepeated,
    OrderTriggered,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
    TransferRepeated,
)
from exchange.instrument import MarketStatus
from exchange.scopes import scopes_of
from tests.support.ladder import FLAT, FLAT_ETH, FUND, ladder, person, trade
from tests.support.payment_rows import account_row, operator_row, say_payment
from tests.support.world import (
    BTC,
    ETH,
    ETHP,
    ISOLATED,
    PERP,
    POOR,
    REGULAR,
    RICH,
    SECOND,
    SIBLING,
    SPOT,
    USD,
    USD_UNIT,
    USDT,
    USDT_SPOT,
    opening,
)

ACTORS = {
    "regular": REGULAR,
    "second": SECOND,
    "rich": RICH,
    "poor": POOR,
    "isolated": ISOLATED,
    "sibling": SIBLING,
    "nobody": 99,
    "fund": FUND,
}
ACTORS.update({name: number for number, name in enumerate(("ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal"), 7)})
NAMES = {number: name for name, number in ACTORS.items()}
MARKETS = {
    "perp": PERP,
    "eth": ETHP,
    "spot": SPOT,
    "usdt": USDT_SPOT,
    "flat": FLAT,
    "flateth": FLAT_ETH,
    "none": 99,
}
ASSETS = {"USD": USD, "BTC": BTC, "ETH": ETH, "USDT": USDT, "none": 99}
TIMES = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK, "day": TimeInForce.DAY}
MODES = {"maker": SelfMatch.CANCEL_MAKER, "both": SelfMatch.CANCEL_BOTH, "decrement": SelfMatch.DECREMENT}
EVENTS = {"mark": TriggerEvent.MARK_PRICE, "index": TriggerEvent.INDEX_PRICE, "last": TriggerEvent.LAST_PRICE}
DIRECTIONS = {"rise": TriggerDirection.RISE, "fall": TriggerDirection.FALL}


@dataclass
class Scenario:
    """The rows under one `==` line."""

    name: str
    place: str
    rows: list[tuple[int, str, str]] = field(default_factory=list)


def read(path: Path) -> Iterator[Scenario]:
    """Read a table's scenarios."""
    scenario: Scenario | None = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = line.strip()
        if text.startswith("=="):
            if scenario is not None:
                yield scenario
            scenario = Scenario(text.strip("= "), path.name)
        elif text and not text.startswith("#"):
            assert scenario is not None, f"{path.name}:{number} stands under no scenario"
            command, _, outcome = text.partition("|")
            scenario.rows.append((number, command.strip(), outcome.strip()))
    if scenario is not None:
        yield scenario


def run(scenario: Scenario) -> None:
    """Run a scenario's rows against a fresh world and compare each outcome."""
    table = Table()
    for number, row, expected in scenario.rows:
        found = table.row(row.split(), expected)
        assert found == expected, (
            f"{scenario.place}:{number} {scenario.name}\n  {row}\n  expected {expected}\n  found    {found}"
        )
        assert audit(table.world.exchange) == [], f"{scenario.place}:{number}"


class Table:
    """A world that understands rows."""

    def __init__(self) -> None:
        self.world = opening()
        self.references = 0

    def row(self, words: list[str], expected: str) -> str:
        if words[0] == "index":
            index_id = 2 if words[1] == "eth" else 1
            return outcome(self.world.move_index(index_id, int(Decimal(words[-1]) * 100)))
        if words[0] == "tick":
            return outcome(self.world.do(Tick(), int(words[1]) if len(words) > 1 else 0))
        if words[0] == "fresh":  # let time pass with both indices confirmed
            return self.let_pass(int(words[1]))
        if words[0] == "halt":
            return outcome(self.world.do(SetMarketStatus(MARKETS[words[1]], MarketStatus[words[2]])))
        if words[0] == "ladder":  # another world: the latest rules, flat markets, USD in the insurance fund
            self.world = ladder(int(words[1]), is_empty=True)
            return "-"
        if words[0] == "person":
            return self.person(words)
        if words[0] == "trade":
            marks = dict(word.partition("=")[::2] for word in words[5:])
            market_id = MARKETS[marks.get("in", "flat")]
            leverage_e2 = int(Decimal(marks.get("lev", 0)) * 100)
            buyer, seller, qty = ACTORS[words[1]], ACTORS[words[2]], lots(words[3], market_id)
            trade(self.world, buyer, seller, qty, int(words[4]), market_id, leverage_e2=leverage_e2)
            return "-"
        if words[0] == "status":
            return self.world.exchange.state.markets[MARKETS[words[1]]].status.name
        if words[0] == "lights":
            found = views.deleveraging_lights(self.world.exchange, MARKETS[words[1]])
            return " ".join(f"{NAMES[account_id]}={light}" for account_id, light in sorted(found.items()))
        if words[0] == "book":
            return self.book(MARKETS[words[1]] if len(words) > 1 else PERP)
        if words[0] in ("cash", "due"):
            return self.treasury(words)
        told = operator_row(self.world.exchange, words, ACTORS, ASSETS)
        if told is not None:
            return outcome(self.world.do(told))
        actor = ACTORS[words[0]]
        if words[1] == "scope":
            return self.scope(actor, words)
        if words[1] in ("balance", "position", "order"):
            return self.show(actor, words[1:], expected)
        return outcome(self.world.do(self.command(actor, words[1:])))

    def person(self, words: list[str]) -> str:
        """Open an account by its name and its USD: `person ann 500 isolated owner=bob`."""
        marks = dict(word.partition("=")[::2] for word in words[3:])
        owner_id = ACTORS[marks["owner"]] if "owner" in marks else 0
        is_isolated, is_provider = "isolated" in words, "provider" in words
        account_id = person(
            self.world, int(words[2]), owner_id=owner_id, is_isolated=is_isolated, is_provider=is_provider
        )
        assert account_id == ACTORS[words[1]], "people come in alphabetical order"
        return "-"

    def scope(self, actor: int, words: list[str]) -> str:
        """Show what a scope is tested by: a cross account's, or with a market an isolated position's."""
        marks = dict(word.partition("=")[::2] for word in words[2:])
        for scope in scopes_of(self.world.exchange.state.accounts[actor]):
            if scope.market_id == (MARKETS[marks["in"]] if "in" in marks else 0):
                return f"equity={value_text('', scope.equity, 0)} maintenance={value_text('', scope.maintenance, 0)}"
        return "none"

    def treasury(self, words: list[str]) -> str:
        """Show what the exchange has of an asset, `cash USD`, or when a tick is due: `due`, in ms from now."""
        if words[0] == "due":
            return str(self.world.exchange.next_due_ms - self.world.time_ms)
        held = self.world.exchange.state.treasuries[ASSETS[words[1]]]
        return f"in={usd_text(held.deposited)} out={usd_text(held.withdrawn)} fees={usd_text(held.fees)}"

    def let_pass(self, time_ms: int) -> str:
        self.world.time_ms += time_ms
        for index_id, index in self.world.exchange.state.indices.items():
            self.world.do(UpdateIndexPrice(index_id, 1, index.price, self.world.time_ms))
        return outcome(self.world.do(Tick()))

    def command(self, actor: int, words: list[str]) -> Command:
        verb = words[0]
        marks = dict(word.partition("=")[::2] for word in words[1:])
        market_id = MARKETS[marks.get("in", "perp")]
        if verb in ("buy", "sell", "close"):
            return order(actor, words)
        if verb == "batch":
            text = " ".join(words[1:])
            orders = tuple(order(actor, part.split()) for part in text.split(","))
            return PlaceBatch(actor, orders[0].market_id, orders)
        if verb == "cancel":
            if words[1].startswith("#"):
                return CancelOrder(actor, int(words[1][1:]))
            if words[1].startswith("id="):
                return CancelOrder(actor, 0, marks["id"])
            return CancelOrders(actor, (), market_id if "in" in marks else 0)
        if verb == "amend":
            qty = lots(marks.get("qty", "0"), market_id)
            return AmendOrder(actor, int(words[1][1:]), qty, cents(marks.get("price")), cents(marks.get("trigger")))
        if verb == "leverage":
            return SetLeverage(actor, market_id, int(Decimal(words[1]) * 100))
        if verb == "mode":
            return SetMarginMode(actor, words[1] == "isolated")
        if verb == "margin":
            return MoveMargin(actor, market_id, money(words[1]))
        self.references += 1
        reference = marks.get("ref", f"row {self.references}")
        asset_id = ASSETS.get(words[2] if len(words) > 2 else "USD", USD)
        payment = account_row(actor, words, asset_id, reference)
        if payment is not None:
            return payment
        if verb == "withdraw":
            return Withdraw(reference, actor, asset_id, money(words[1]))
        assert verb == "deposit", verb
        return Deposit(reference, actor, asset_id, money(words[1]))

    def book(self, market_id: int) -> str:
        bids, asks = views.depth(self.world.exchange, market_id, 9)
        sides = (" ".join(f"{qty_text(q, market_id)}@{price_text(p)}" for p, q in side) or "-" for side in (bids, asks))
        return " / ".join(sides)

    def show(self, actor: int, words: list[str], expected: str) -> str:
        marks = dict(word.partition("=")[::2] for word in words[1:])
        market_id = MARKETS[marks.get("in", "perp")]
        if words[0] == "balance":
            asset_id = ASSETS[words[1] if len(words) > 1 else "USD"]
            balances = {view.asset_id: view for view in views.balances(self.world.exchange, actor)}
            view: object = balances.get(asset_id)
        elif words[0] == "position":
            view = views.position(self.world.exchange, actor, market_id)
        else:
            view = views.order(self.world.exchange, actor, int(words[1][1:]))
        if view is None:
            return "none"
        names = [word.partition("=")[0] for word in expected.split()]
        return " ".join(f"{name}={value_text(name, getattr(view, name), market_id)}" for name in names)


def order(actor: int, words: list[str]) -> PlaceOrder:
    """Read `buy 1 60000 ioc in=spot` and the like."""
    flags = set(words[3:])
    marks = dict(word.partition("=")[::2] for word in words[3:])
    market_id = MARKETS[marks.get("in", "perp")]
    is_close = words[0] == "close"
    side = Side[words[1].upper()] if is_close else Side[words[0].upper()]
    return PlaceOrder(
        actor,
        market_id,
        side,
        0 if is_close else lots(words[1], market_id),
        0 if words[2] == "market" else cents(words[2]),
        next((TIMES[word] for word in flags if word in TIMES), TimeInForce.GTC),
        "post" in flags,
        "reduce" in flags,
        "hidden" in flags,
        int(marks.get("icebergs", 0)),
        marks.get("oco", ""),
        MODES.get(marks.get("stp", ""), SelfMatch.CANCEL_TAKER),
        marks.get("id", ""),
        int(Decimal(marks.get("lev", 0)) * 100),
        cents(marks.get("trigger")),
        EVENTS.get(marks.get("on", ""), TriggerEvent.NONE),
        DIRECTIONS.get(marks.get("dir", ""), TriggerDirection.AUTO),
        "cot" in flags,
        cents(marks.get("trail")),
        int(marks.get("ppm", 0)),
        is_close,
    )


def cents(text: str | None) -> int:
    return int(Decimal(text or 0) * 100)


def lots(text: str, market_id: int) -> int:
    return int(Decimal(text) * (1_000 if market_id in (ETHP, FLAT_ETH) else 10_000))


def money(text: str) -> int:
    return int(Decimal(text) * USD_UNIT)


def plain(value: Decimal) -> str:
    return f"{value.normalize():f}" if value else "0"


def qty_text(qty: int, market_id: int) -> str:
    return plain(Decimal(qty) / (1_000 if market_id in (ETHP, FLAT_ETH) else 10_000))


def price_text(price: int) -> str:
    return plain(Decimal(price) / 100)


def value_text(name: str, value: object, market_id: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return value.name if isinstance(value, OrderStatus) else str(value)
    if name in ("qty", "leaves", "filled"):
        return qty_text(value, market_id)
    if name.endswith("_e2") or "price" in name:
        return price_text(value)
    return plain(Decimal(value) / USD_UNIT)


def outcome(events: list[Event]) -> str:
    """Say in one line what happened; what only books money is left to `balance` and `position` rows."""
    return "; ".join(said for said in (say(event) for event in events) if said) or "-"


def say(event: Event) -> str:
    if isinstance(event, CommandRejected):
        return f"refused {event.reject.name}" + (f" in {event.index}" if event.index else "")
    if isinstance(event, OrderAccepted | OrderRepeated):
        market_id = event.request.market_id
        verb = "repeated" if isinstance(event, OrderRepeated) else "accepted"
        text = f"{'waiting' if event.status is OrderStatus.UNTRIGGERED else verb} #{event.order_id}"
        text += f" qty {qty_text(event.qty, market_id)}" if event.qty != event.request.qty else ""
        text += f" at {price_text(event.price)}" if event.price != event.request.price else ""
        return text
    if isinstance(event, Traded):
        return f"{qty_text(event.qty, event.market_id)}@{price_text(event.price)} with #{event.maker_order_id}"
    if isinstance(event, OrderCancelled):
        return f"cancelled #{event.order_id} {event.reason.name}" + (f" {event.reject.name}" if event.reject else "")
    if isinstance(event, OrderReduced):
        return f"reduced #{event.order_id} to {qty_text(event.leaves, event.market_id)} {event.reason.name}"
    if isinstance(event, OrderAmended):
        return f"amended #{event.order_id} {'keeps' if event.keeps_place else 'loses'} place"
    if isinstance(event, OrderTriggered):
        return f"triggered #{event.order_id} at {price_text(event.price)}"
    if isinstance(event, LeverageSet):
        return f"leverage {price_text(event.leverage_e2)}"
    if isinstance(event, TransferRepeated):
        return f"repeated {plain(Decimal(event.amount) / USD_UNIT)}"
    return say_ladder(event)


def say_ladder(event: Event) -> str:
    """Say what happened on the ladder of liquidation."""
    if isinstance(event, LiquidationStarted | LiquidationEnded):
        verb = "unsafe" if isinstance(event, LiquidationStarted) else "ended"
        return f"{verb} {NAMES[event.account_id]}"
    if isinstance(event, BalanceChanged):
        is_fee = event.account_id == FUND and event.cause is Cause.LIQUIDATION
        return f"fee {usd_text(event.amount)}" if is_fee else ""
    if isinstance(event, PositionTakenOver):
        lots_taken = f"{qty_text(event.qty, event.market_id)}@{price_text(event.price)}"
        return f"{NAMES[event.taker_account_id]} takes {lots_taken} of {NAMES[event.account_id]}"
    if isinstance(event, PositionDeleveraged):
        closed = f"{qty_text(event.qty, event.market_id)}@{price_text(event.price)}"
        verb = "closed at mark" if event.is_at_mark else "deleveraged"
        return f"{NAMES[event.account_id]} {closed} {verb} against {NAMES[event.counterparty_account_id]}"
    if isinstance(event, LossSocialised):
        parts = (event.loss, event.from_profits, event.from_equity, event.from_fees)
        loss, profits, balances, fees = (usd_text(part) for part in parts)
        return f"lost {loss} of {NAMES[event.account_id]}: profits {profits}, equity {balances}, fees {fees}"
    if isinstance(event, LossShared):
        return f"{NAMES[event.account_id]} gives {usd_text(event.amount)}"
    return say_payment(event)


def usd_text(amount: int) -> str:
    return plain(Decimal(amount) / USD_UNIT)
