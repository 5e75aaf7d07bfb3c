"""Everything the exchange knows. Plain slotted classes; what is derived says so and is rebuilt from the rest."""

from collections import OrderedDict
from typing import final

from engine.book import Book
from engine.order import Order, OrderStatus, TriggerEvent
from engine.triggers import Trigger, TriggerBook
from exchange.commands import PlaceOrder
from exchange.instrument import (
    CANCEL_ONLY,
    HALTED,
    TRADING,
    Asset,
    IndexTerms,
    Instrument,
    InstrumentKind,
    MarketStatus,
)
from risk.fixed import div_up
from risk.margin import PPM, PPM_TO_RATE
from risk.position import OwnerNotional, Position


def request_of(order: Order) -> PlaceOrder:
    """Return what the client asked for."""
    request = order.request
    assert isinstance(request, PlaceOrder)
    return request


@final
class Balance:
    """An account's holding of one asset. Units: money.

    `amount` holds everything but isolated margins; `locked` is the part of it that resting spot orders need. `pnl` and `fees` add
    up over the account's life.
    """

    __slots__ = ("amount", "fees", "locked", "pnl")

    def __init__(self) -> None:
        self.amount: int = 0
        self.locked: int = 0
        self.pnl: int = 0
        self.fees: int = 0


@final
class ClosedOrder:
    """What is remembered of a closed order that had a client order id."""

    __slots__ = ("filled", "order_id", "price", "qty", "request", "status")

    def __init__(
        self, order_id: int, request: PlaceOrder, qty: int, price: int, filled: int, status: OrderStatus
    ) -> None:
        self.order_id: int = order_id
        self.request: PlaceOrder = request
        self.qty: int = qty
        self.price: int = price
        self.filled: int = filled
        self.status: OrderStatus = status


@final
class SideSums:
    """Derived: what the resting orders of one side of one account in one market add up to.

    Each sum is linear in an order's leaves, so that a fill subtracts its share exactly. `reduce_qty` is the part of
    `qty` in reduce-only orders. `loss` is the loss to mark at the mark the sums were made with.
    Units: lots; price units x lots for `notional`; money.
    """

    __slots__ = ("fee", "loss", "notional", "qty", "reduce_qty")

    def __init__(self, qty: int = 0, reduce_qty: int = 0, notional: int = 0, fee: int = 0, loss: int = 0) -> None:
        self.qty: int = qty
        self.reduce_qty: int = reduce_qty
        self.notional: int = notional
        self.fee: int = fee
        self.loss: int = loss


@final
class Account:
    """One margin account. An owner may have several. `holdings` are by market id."""

    __slots__ = (
        "account_id",
        "balances",
        "client_orders",
        "closed_orders",
        "holdings",
        "is_isolated",
        "owner_id",
    )

    def __init__(self, account_id: int, owner_id: int) -> None:
        self.account_id: int = account_id
        self.owner_id: int = owner_id
        self.is_isolated: bool = False
        self.balances: dict[int, Balance] = {}
        self.holdings: dict[int, Holding] = {}
        self.client_orders: dict[str, int] = {}
        self.closed_orders: dict[str, ClosedOrder] = {}

    def balance(self, asset_id: int) -> Balance:
        """Return the holding of an asset, empty at first."""
        balance = self.balances.get(asset_id)
        if balance is None:
            balance = self.balances[asset_id] = Balance()
        return balance


@final
class Index:
    """An index price and the last observation of each of its sources, (price, time_ms) by source id."""

    __slots__ = ("computed_ms", "market_ids", "price", "sources", "terms")

    def __init__(self, terms: IndexTerms) -> None:
        self.terms: IndexTerms = terms
        self.price: int = 0
        self.computed_ms: int = 0
        self.sources: dict[int, tuple[int, int]] = {}
        self.market_ids: list[int] = []


@final
class Market:
    """An instrument's live book, prices and status. Its terms are unpacked, for they are read with every order.

    `trade_ema` is the EMA60 of a spot market's trades at 10^-9 of a price unit. `mark_value` is a lot's worth at the mark; `opens_until_ms` the time until which a derivatives
    market takes opening orders on its present index;
    `entry_fee_ppm` is the dearest fee that an
    incoming order may meet; `open_interest` the sum of the long positions in lots; `holdings` are by
    account id.
    """

    __slots__ = (
        "base_asset",
        "book",
        "entry_fee_ppm",
        "holdings",
        "index",
        "index_triggers",
        "initial_rate",
        "initial_slope",
        "instrument",
        "is_spot",
        "kin",
        "last_price",
        "last_triggers",
        "leverage_max_e2",
        "lot_base",
        "maintenance_rate",
        "maintenance_slope",
        "maker_fee_ppm",
        "mark_price",
        "mark_value",
        "mark_triggers",
        "market_id",
        "notional_min",
        "open_interest",
        "opens_until_ms",
        "owners",
        "qty_max",
        "qty_min",
        "quote_asset",
        "range_high",
        "range_low",
        "range_ppm",
        "status",
        "taker_fee_ppm",
        "tick",
        "trade_ema",
        "unit_value",
    )

    def __init__(self, market_id: int, instrument: Instrument, index: Index | None) -> None:
        self.market_id: int = market_id
        self.instrument: Instrument = instrument
        self.index: Index | None = index
        self.is_spot: bool = instrument.kind is InstrumentKind.SPOT
        self.tick: int = instrument.tick
        self.unit_value: int = instrument.unit_value
        self.lot_base: int = instrument.lot_base
        self.base_asset: int = instrument.base_asset
        self.quote_asset: int = instrument.quote_asset
        self.maker_fee_ppm: int = instrument.maker_fee_ppm
        self.taker_fee_ppm: int = instrument.taker_fee_ppm
        self.entry_fee_ppm: int = max(instrument.taker_fee_ppm, instrument.maker_fee_ppm)
        self.initial_rate: int = instrument.initial_ppm * PPM_TO_RATE
        self.maintenance_rate: int = instrument.maintenance_ppm * PPM_TO_RATE
        self.initial_slope: int = instrument.initial_slope_ppb
        self.maintenance_slope: int = instrument.maintenance_slope_ppb
        self.qty_min: int = instrument.qty_min
        self.qty_max: int = instrument.qty_max
        self.notional_min: int = instrument.notional_min
        self.range_ppm: int = instrument.range_ppm
        self.leverage_max_e2: int = instrument.leverage_max * 100
        self.status: MarketStatus = TRADING
        self.mark_price: int = 0
        self.mark_value: int = 0
        self.opens_until_ms: int = 0
        self.range_low: int = 0
        self.range_high: int = 0
        self.last_price: int = 0
        self.trade_ema: int = 0
        self.open_interest: int = 0
        self.owners: dict[int, OwnerNotional] = {}
        self.kin: dict[int, list[Holding]] = {}
        self.holdings: dict[int, Holding] = {}
        self.book: Book = Book()
        self.mark_triggers: TriggerBook = TriggerBook()
        self.index_triggers: TriggerBook = TriggerBook()
        self.last_triggers: TriggerBook = TriggerBook()

    def met(self, event: TriggerEvent, price: int) -> list[Trigger]:
        """Take out and list the triggers that a price fires. A market that takes no orders leaves them waiting."""
        if self.status is HALTED or self.status is CANCEL_ONLY or price == 0:
            return []
        return self.triggers(event).reached(price)

    def set_mark(self, price: int) -> None:
        """Move the mark price, and with it the value of a lot and the trading range."""
        self.mark_price = price
        self.mark_value = price * self.unit_value
        self.range_low = self.low_edge(price) if price else 0
        self.range_high = self.high_edge(price) if price else 0

    def low_edge(self, reference: int) -> int:
        """Return the low edge of the trading range around a price. Rounds: into the range; at least a tick."""
        low = div_up(reference * (PPM - self.range_ppm), PPM * self.tick) * self.tick
        return max(self.tick, low)

    def high_edge(self, reference: int) -> int:
        """Return the high edge of the trading range around a price. Rounds: into the range; at least a tick."""
        return max(self.tick, reference * (PPM + self.range_ppm) // (PPM * self.tick) * self.tick)

    def triggers(self, event: TriggerEvent) -> TriggerBook:
        """Return the orders that wait for this price."""
        if event is TriggerEvent.MARK_PRICE:
            return self.mark_triggers
        if event is TriggerEvent.INDEX_PRICE:
            return self.index_triggers
        return self.last_triggers

    def price(self, event: TriggerEvent) -> int:
        """Return the present mark, index or last price; 0 when there is none."""
        if event is TriggerEvent.MARK_PRICE:
            return self.mark_price
        if event is TriggerEvent.INDEX_PRICE:
            return self.index.price if self.index is not None else 0
        return self.last_price

    def holding(self, account: Account) -> "Holding":
        """Return what the account has here, nothing at first."""
        holding = self.holdings.get(account.account_id)
        if holding is None:
            holding = self.holdings[account.account_id] = account.holdings[self.market_id] = Holding(account, self)
            kin = self.kin.get(account.owner_id)
            if kin is None:
                kin = self.kin[account.owner_id] = holding.kin
            else:
                holding.kin = kin
            kin.append(holding)
        return holding

    def owner(self, owner_id: int) -> OwnerNotional:
        """Return the owner's entry notional in this market, to be shared by all of the owner's positions."""
        owner = self.owners.get(owner_id)
        if owner is None:
            owner = self.owners[owner_id] = OwnerNotional()
        return owner


@final
class Holding:
    """What one account has in one market: its position, its resting orders with their sums, its waiting triggers.

    `kin` are the holdings of all of the owner's accounts in the market, this one included.
    Derived: `buys` and `sells` with `mark`, the mark price that they were made with, or -1 when they must be made anew; the counts;
    `locked_base` and `locked_quote`, what a spot market's orders hold locked in the account's balances.
    """

    __slots__ = (
        "account",
        "buys",
        "kin",
        "locked_base",
        "locked_quote",
        "mark",
        "market",
        "oco_count",
        "orders",
        "position",
        "quote",
        "reduce_only_count",
        "sells",
        "triggers",
    )

    def __init__(self, account: "Account", market: "Market") -> None:
        self.account: Account = account
        self.market: Market = market
        self.quote: Balance = account.balance(market.quote_asset)
        self.position: Position = Position(market.owner(account.owner_id))
        self.kin: list[Holding] = []
        self.orders: dict[int, Order] = {}
        self.triggers: dict[int, Trigger] = {}
        self.buys: SideSums = SideSums()
        self.sells: SideSums = SideSums()
        self.mark: int = market.mark_price
        self.oco_count: int = 0
        self.reduce_only_count: int = 0
        self.locked_base: int = 0
        self.locked_quote: int = 0


@final
class Treasury:
    """What of one asset belongs to no account: the insurance fund and the fees; and what came in and went out."""

    __slots__ = ("deposited", "fees", "insurance_fund", "withdrawn")

    def __init__(self) -> None:
        self.deposited: int = 0
        self.withdrawn: int = 0
        self.fees: int = 0
        self.insurance_fund: int = 0


@final
class Transfer:
    """A deposit (amount > 0) or withdrawal (amount < 0) by its reference, so that a repeat changes nothing."""

    __slots__ = ("account_id", "amount", "asset_id")

    def __init__(self, account_id: int, asset_id: int, amount: int) -> None:
        self.account_id: int = account_id
        self.asset_id: int = asset_id
        self.amount: int = amount


@final
class State:
    """The whole exchange.

    `fired` holds the orders whose trigger was met and which wait for their turn. Derived: `quoting`, the number of each
    account's resting orders, for accounts that have any.
    """

    __slots__ = (
        "account_references",
        "accounts",
        "assets",
        "day_end_ms",
        "day_orders",
        "fired",
        "indices",
        "markets",
        "next_account_id",
        "next_order_id",
        "next_tick_ms",
        "next_trade_id",
        "orders",
        "owner_accounts",
        "quoting",
        "rules_version",
        "transfers",
        "treasuries",
    )

    def __init__(self) -> None:
        self.rules_version: int = 1
        self.next_account_id: int = 1
        self.next_order_id: int = 1
        self.next_trade_id: int = 1
        self.next_tick_ms: int = 0
        self.assets: dict[int, Asset] = {}
        self.treasuries: dict[int, Treasury] = {}
        self.indices: dict[int, Index] = {}
        self.markets: dict[int, Market] = {}
        self.accounts: dict[int, Account] = {}
        self.owner_accounts: dict[int, int] = {}
        self.account_references: dict[str, int] = {}
        self.transfers: dict[str, Transfer] = {}
        self.orders: dict[int, Order] = {}
        self.quoting: dict[int, int] = {}
        self.day_orders: dict[int, Order] = {}
        self.day_end_ms: int = 0
        self.fired: OrderedDict[int, Trigger] = OrderedDict()
