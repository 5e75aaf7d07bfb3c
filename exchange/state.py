"""Everything the exchange knows. Plain slotted classes; what is derived says so and is rebuilt from the rest."""

from collections import OrderedDict
from typing import Final, final

from engine.book import Book
from engine.order import Order, OrderStatus, TriggerEvent
from engine.triggers import Trigger, TriggerBook
from exchange.commands import OptionModel, PlaceOrder
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
from exchange.limits import FUND_ACCOUNT_ID, FUND_OWNER_ID
from exchange.payments import DayTotal, Incoming, Withdrawal
from risk.brackets import Tier, tiers
from risk.fixed import div_up
from risk.margin import FUNDING_TO_RATE, PPM, PPM_TO_RATE
from risk.position import OwnerNotional, Position
from risk.watch import Watch

STAMP_BITS: Final = 60
"""More than a price needs."""


def request_of(order: Order) -> PlaceOrder:
    """Return what the client asked for."""
    request = order.request
    assert isinstance(request, PlaceOrder)
    return request


@final
class Balance:
    """An account's holding of one asset. Units: money.

    `amount` holds everything but isolated margins and what withdrawals took off it that have not ended: `withdrawn`. `locked` is
    the part of the amount that resting spot orders need. `pnl` and `fees` add up over the account's life.
    """

    __slots__ = ("amount", "fees", "locked", "pnl", "withdrawn")

    def __init__(self) -> None:
        self.amount: int = 0
        self.locked: int = 0
        self.withdrawn: int = 0
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
    """One margin account. An owner may have several. `holdings` are by market id. A provider takes over failing positions.

    Its orders go at `cancel_all_ms` unless it is heard of before; 0: they stay.
    """

    __slots__ = (
        "account_id",
        "balances",
        "cancel_all_ms",
        "client_orders",
        "closed_orders",
        "holdings",
        "is_isolated",
        "is_provider",
        "owner_id",
    )

    def __init__(self, account_id: int, owner_id: int) -> None:
        self.account_id: int = account_id
        self.owner_id: int = owner_id
        self.is_isolated: bool = False
        self.is_provider: bool = False
        self.cancel_all_ms: int = 0
        self.balances: dict[int, Balance] = {}
        self.holdings: dict[int, Holding] = {}
        self.client_orders: dict[str, int] = {}
        self.closed_orders: OrderedDict[str, ClosedOrder] = OrderedDict()  # the oldest goes: slow in a plain one

    def balance(self, asset_id: int) -> Balance:
        """Return the holding of an asset, empty at first."""
        balance = self.balances.get(asset_id)
        if balance is None:
            balance = self.balances[asset_id] = Balance()
        return balance


@final
class Index:
    """An index price and the last observation of each of its sources, (price, time_ms) by source id.

    `ema` is the EMA of 100 hours, in steps of 5 s, at 10^-9 of a price unit, 0 before the first price; `ema_ms` the time of
    its last step. It makes the strikes of options.
    """

    __slots__ = ("computed_ms", "ema", "ema_ms", "market_ids", "price", "sources", "terms", "weights")

    def __init__(self, terms: IndexTerms) -> None:
        self.terms: IndexTerms = terms
        self.price: int = 0
        self.computed_ms: int = 0
        self.ema: int = 0
        self.ema_ms: int = 0
        self.sources: dict[int, tuple[int, int]] = {}
        self.weights: dict[int, int] = dict(terms.weights)
        self.market_ids: list[int] = []


@final
class Premium:
    """The funding samples of a market's running hour, one a second.

    `total` adds up `seconds` samples (futures: premium at 10^-12; options: price units at 10^-12 for each unit of price);
    `last` is the latest and `sampled_ms` its second. `hour_ms` is the start of the running hour, 0 before the first sample.
    `last_ms` is the second in which anything of the market was sampled last, the basis of one without funding too.
    """

    __slots__ = ("hour_ms", "last", "last_ms", "sampled_ms", "seconds", "total")

    def __init__(self) -> None:
        self.hour_ms: int = 0
        self.last_ms: int = 0
        self.sampled_ms: int = 0
        self.last: int = 0
        self.total: int = 0
        self.seconds: int = 0


@final
class Amendment:
    """Terms that a market will have from a time on."""

    __slots__ = ("effective_ms", "instrument")

    def __init__(self, instrument: Instrument, effective_ms: int) -> None:
        self.instrument: Instrument = instrument
        self.effective_ms: int = effective_ms


@final
class Market:
    """An instrument's live book, prices and status. Its terms are unpacked, for they are read with every order.

    `status` is the stricter of the market's own and the venue's. `index_price` is the index, an option's its own; `underlying_value`
    is a lot's worth at the underlying's index, `mark_value` at the mark. `trade_ema` is the EMA60 of a spot
    market's trades, `basis_ema` of fair - base, both at 10^-9 of a price unit. `model` is the last model value of an option,
    as of `model_ms`. `funding_lot_e12` is what the running hour costs a long lot so far, money at 10^-12, and `funding_rate_e12` it as
    part of the mark; `initial_rate` and `maintenance_rate` contain its amount for futures. `opens_until_ms` is the time until
    which a derivatives market takes opening orders on its present index. `entry_fee_ppm` is the dearest fee that an
    incoming order may meet; `open_interest` the sum of the long positions in lots; `holdings` are by account id.
    `stamp` changes with every price that the sums of orders depend on. `settlement_total` adds up the index of the last
    `settlement_count` seconds before expiry.
    """

    __slots__ = (
        "amendment",
        "base_asset",
        "basis_ema",
        "book",
        "entry_fee_ppm",
        "fair_price",
        "fee_cap_ppm",
        "funding_lot_e12",
        "funding_rate_e12",
        "holdings",
        "index",
        "index_price",
        "index_triggers",
        "initial_rate",
        "initial_slope",
        "initial_tiers",
        "instrument",
        "is_call",
        "is_option",
        "is_spot",
        "kin",
        "last_price",
        "last_triggers",
        "leverage_max_e2",
        "lot_base",
        "maintenance_rate",
        "maintenance_slope",
        "maintenance_tiers",
        "maker_fee_ppm",
        "mark_price",
        "mark_triggers",
        "mark_value",
        "market_id",
        "model",
        "model_ms",
        "notional_min",
        "open_interest",
        "opens_until_ms",
        "own_status",
        "owners",
        "premium",
        "qty_max",
        "qty_min",
        "quote_asset",
        "range_high",
        "range_low",
        "range_ppm",
        "settlement_count",
        "settlement_total",
        "size_max",
        "stamp",
        "status",
        "strike",
        "taker_fee_ppm",
        "tick",
        "trade_ema",
        "underlying_value",
        "unit_value",
        "watch",
    )

    def __init__(self, market_id: int, instrument: Instrument, index: Index | None) -> None:
        self.market_id: int = market_id
        self.index: Index | None = index
        self.is_spot: bool = instrument.kind is InstrumentKind.SPOT
        self.is_call: bool = instrument.kind is InstrumentKind.CALL
        self.is_option: bool = self.is_call or instrument.kind is InstrumentKind.PUT
        self.unit_value: int = instrument.unit_value
        self.lot_base: int = instrument.lot_base
        self.base_asset: int = instrument.base_asset
        self.quote_asset: int = instrument.quote_asset
        self.own_status: MarketStatus = TRADING
        self.status: MarketStatus = TRADING
        self.amendment: Amendment | None = None
        self.index_price: int = 0
        self.underlying_value: int = 0
        self.strike: int = 0
        self.fair_price: int = 0
        self.basis_ema: int = 0
        self.model: OptionModel | None = None
        self.model_ms: int = 0
        self.premium: Premium = Premium()
        self.funding_rate_e12: int = 0
        self.funding_lot_e12: int = 0
        self.mark_price: int = 0
        self.mark_value: int = 0
        self.stamp: int = 0
        self.opens_until_ms: int = 0
        self.range_low: int = 0
        self.range_high: int = 0
        self.last_price: int = 0
        self.trade_ema: int = 0
        self.open_interest: int = 0
        self.settlement_total: int = 0
        self.settlement_count: int = 0
        self.owners: dict[int, OwnerNotional] = {}
        self.kin: dict[int, list[Holding]] = {}
        self.holdings: dict[int, Holding] = {}
        self.book: Book = Book()
        self.watch: Watch = Watch()
        self.mark_triggers: TriggerBook = TriggerBook()
        self.index_triggers: TriggerBook = TriggerBook()
        self.last_triggers: TriggerBook = TriggerBook()
        self.set_terms(instrument)

    def set_terms(self, instrument: Instrument) -> None:
        """Unpack the terms that may change in a market's life."""
        self.instrument: Instrument = instrument
        self.tick: int = instrument.tick
        self.maker_fee_ppm: int = instrument.maker_fee_ppm
        self.taker_fee_ppm: int = instrument.taker_fee_ppm
        self.entry_fee_ppm: int = max(instrument.taker_fee_ppm, instrument.maker_fee_ppm)
        self.fee_cap_ppm: int = instrument.fee_cap_ppm
        self.initial_slope: int = instrument.initial_slope_ppb
        self.maintenance_slope: int = instrument.maintenance_slope_ppb
        self.initial_tiers: list[Tier] = tiers([(b.notional_max, b.initial_ppm) for b in instrument.brackets])
        self.maintenance_tiers: list[Tier] = tiers([(b.notional_max, b.maintenance_ppm) for b in instrument.brackets])
        self.size_max: int = instrument.brackets[-1].notional_max if instrument.brackets else 0
        self.qty_min: int = instrument.qty_min
        self.qty_max: int = instrument.qty_max
        self.notional_min: int = instrument.notional_min
        self.range_ppm: int = instrument.range_ppm
        self.leverage_max_e2: int = instrument.leverage_max * 100
        self.initial_rate: int = 0
        self.maintenance_rate: int = 0
        self.set_funding(self.funding_rate_e12, self.funding_lot_e12)

    def set_funding(self, rate_e12: int, lot_e12: int) -> None:
        """Take what the running hour would be settled with into the margins at once."""
        self.funding_rate_e12 = rate_e12
        self.funding_lot_e12 = lot_e12
        instrument = self.instrument
        extra = 0 if self.is_option else abs(rate_e12) * FUNDING_TO_RATE
        has_tiers = bool(self.initial_tiers)
        self.initial_rate = extra + (0 if has_tiers else instrument.initial_ppm * PPM_TO_RATE)
        self.maintenance_rate = extra + (0 if has_tiers else instrument.maintenance_ppm * PPM_TO_RATE)

    def set_status(self, venue: MarketStatus) -> None:
        """Let the stricter of the market's own and the venue's status count."""
        self.status = self.own_status if self.own_status.value >= venue.value else venue

    def met(self, event: TriggerEvent, price: int) -> list[Trigger]:
        """Take out and list the triggers that a price fires. A market that takes no orders leaves them waiting."""
        if self.status is HALTED or self.status is CANCEL_ONLY or price == 0:
            return []
        return self.triggers(event).reached(price)

    def set_mark(self, price: int) -> None:
        """Move the mark price, and with it the value of a lot and the trading range."""
        self.mark_price = price
        self.mark_value = price * self.unit_value
        self.stamp = price
        if self.is_option:
            underlying = self.index.price if self.index is not None else 0
            self.underlying_value = underlying * self.unit_value
            self.stamp = (underlying << STAMP_BITS) + price
        self.range_low = self.low_edge(price) if price else 0
        self.range_high = self.high_edge(price) if price else 0

    def low_edge(self, reference: int) -> int:
        """Return the low edge of the trading range around a price. Rounds: into the range; at least a tick."""
        low = div_up(reference * PPM - self.range_width(reference), PPM * self.tick) * self.tick
        return max(self.tick, low)

    def high_edge(self, reference: int) -> int:
        """Return the high edge of the trading range around a price. Rounds: into the range; at least a tick."""
        return max(self.tick, (reference * PPM + self.range_width(reference)) // (PPM * self.tick) * self.tick)

    def range_width(self, reference: int) -> int:
        """Return how far the trading range goes on each side, in 10^-6 of a price unit."""
        width = reference * self.range_ppm
        if self.is_option and self.index is not None:
            width = max(width, self.index.price * self.instrument.range_floor_ppm)
        return width

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
            return self.index_price
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

    `kin` are the holdings of all of the owner's accounts in the market, this one included, in no order that a snapshot keeps.
    Derived: `buys` and `sells` with `stamp`, the market's when they were made, or -1 when they must be made anew; the counts;
    `watch_low` and `watch_high`, the prices at which the watch wakes its scope (0: none); `locked_base` and `locked_quote`, what a spot market's orders hold locked in the account's balances.
    """

    __slots__ = (
        "account",
        "buys",
        "kin",
        "locked_base",
        "locked_quote",
        "market",
        "oco_count",
        "orders",
        "position",
        "quote",
        "reduce_only_count",
        "sells",
        "stamp",
        "triggers",
        "watch_high",
        "watch_low",
        "watch_underlying",
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
        self.stamp: int = market.stamp
        self.watch_low: int = 0
        self.watch_high: int = 0
        self.watch_underlying: int = 0
        self.oco_count: int = 0
        self.reduce_only_count: int = 0
        self.locked_base: int = 0
        self.locked_quote: int = 0


@final
class Treasury:
    """What of one asset belongs to no account, the fees; and what came in and went out."""

    __slots__ = ("deposited", "fees", "withdrawn")

    def __init__(self) -> None:
        self.deposited: int = 0
        self.withdrawn: int = 0
        self.fees: int = 0


@final
class Transfer:
    """A deposit (amount > 0) or withdrawal (amount < 0) by its reference, so that a repeat changes nothing.

    `to_account_id` is the account that a withdrawal went to, 0 if it left the exchange.
    """

    __slots__ = ("account_id", "amount", "asset_id", "to_account_id")

    def __init__(self, account_id: int, asset_id: int, amount: int, to_account_id: int = 0) -> None:
        self.account_id: int = account_id
        self.asset_id: int = asset_id
        self.amount: int = amount
        self.to_account_id: int = to_account_id


@final
class Liquidation:
    """A scope that is being liquidated: when its next slice is due, and the markets in which the slices since its last fill
    met nothing.
    """

    __slots__ = ("due_ms", "tried")

    def __init__(self, due_ms: int) -> None:
        self.due_ms: int = due_ms
        self.tried: list[int] = []


@final
class State:
    """The whole exchange.

    The account of id 0 is the insurance fund. `fired` holds the orders whose trigger was met and which wait for their turn;
    `liquidations` the scopes below maintenance, by account id and market id (0: a cross account). Derived:
    `quoting`, the number of each account's resting orders, for accounts that have any; `providers`, the accounts that take
    over failing positions; `unwatched`, the accounts whose margin may have changed since the watch last looked at them;
    `open_withdrawals` and `pending_deposits`, those that have not ended; `withdrawal_ids` by account and reference;
    `dead_men`, the accounts with a `cancel_all_ms`, and `dead_man_ms`, a time before which none of these is due (0: no such account).
    """

    __slots__ = (
        "account_references",
        "accounts",
        "assets",
        "day_end_ms",
        "day_orders",
        "dead_man_ms",
        "dead_men",
        "deposits",
        "fired",
        "indices",
        "liquidations",
        "markets",
        "next_account_id",
        "next_deposit_id",
        "next_order_id",
        "next_tick_ms",
        "next_trade_id",
        "next_withdrawal_id",
        "open_withdrawals",
        "orders",
        "owner_accounts",
        "pending_deposits",
        "providers",
        "quoting",
        "rules_version",
        "transfers",
        "treasuries",
        "unwatched",
        "venue_status",
        "withdrawal_days",
        "withdrawal_ids",
        "withdrawals",
    )

    def __init__(self) -> None:
        self.rules_version: int = 1
        self.next_account_id: int = 1
        self.next_order_id: int = 1
        self.next_trade_id: int = 1
        self.next_withdrawal_id: int = 1
        self.next_deposit_id: int = 1
        self.next_tick_ms: int = 0
        self.assets: dict[int, Asset] = {}
        self.treasuries: dict[int, Treasury] = {}
        self.indices: dict[int, Index] = {}
        self.markets: dict[int, Market] = {}
        self.venue_status: MarketStatus = TRADING
        self.accounts: dict[int, Account] = {FUND_ACCOUNT_ID: Account(FUND_ACCOUNT_ID, FUND_OWNER_ID)}
        self.owner_accounts: dict[int, int] = {}
        self.account_references: dict[str, int] = {}
        self.transfers: dict[str, Transfer] = {}
        self.withdrawals: dict[int, Withdrawal] = {}
        self.withdrawal_ids: dict[tuple[int, str], int] = {}
        self.withdrawal_days: dict[tuple[int, int], DayTotal] = {}
        self.open_withdrawals: dict[int, Withdrawal] = {}
        self.deposits: dict[str, Incoming] = {}
        self.pending_deposits: dict[str, Incoming] = {}
        self.dead_men: dict[int, Account] = {}
        self.dead_man_ms: int = 0
        self.orders: dict[int, Order] = {}
        self.quoting: dict[int, int] = {}
        self.day_orders: dict[int, Order] = {}
        self.day_end_ms: int = 0
        self.fired: OrderedDict[int, Trigger] = OrderedDict()
        self.liquidations: dict[tuple[int, int], Liquidation] = {}
        self.providers: dict[int, Account] = {}
        self.unwatched: dict[int, Account] = {}
