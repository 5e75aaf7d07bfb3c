"""What the exchange answers, as types. Money, prices and quantities are exact decimals; times are milliseconds since 1970.

Fields that a newer exchange has beyond these are left out; words that may grow (statuses of markets, reasons) are plain strings.
"""

from decimal import Decimal
from typing import Any, Literal

import msgspec

Side = Literal["BUY", "SELL"]
OrderType = Literal["LIMIT", "MARKET"]
OrderStatus = Literal["ACTIVE", "UNTRIGGERED", "COMPLETED", "CANCELLED"]
TimeInForce = Literal["GTC", "IOC", "FOK", "DAY"]
TriggerEvent = Literal["MARK_PRICE", "INDEX_PRICE", "LAST_PRICE"]
TriggerDirection = Literal["AUTO", "RISE", "FALL"]
SelfMatch = Literal["CANCEL_TAKER", "CANCEL_MAKER", "CANCEL_BOTH", "DECREMENT"]
MarginMode = Literal["CROSS", "ISOLATED"]
Interval = Literal["15s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "24h", "7d"]
Basis = Literal["last", "mark", "index"]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer."""


class Fill(Model, frozen=True, kw_only=True):
    """One order's part in a trade. Commissions are what the order's account paid."""

    id: str
    pair: str
    qty: Decimal
    qty_usd: Decimal
    price: Decimal
    cost: Decimal
    side: Side
    type: OrderType
    time: int
    is_buyer_maker: bool
    liquidation: bool
    discount: Decimal
    gross_commission: Decimal
    net_commission: Decimal
    gross_commission_asset: str
    net_commission_asset: str
    order_id: str
    trade_id: str


class Order(Model, frozen=True, kw_only=True):
    """An order as it stands. `price` of a market order is the edge that it may trade up to; `msg` says why it ended."""

    id: str
    pair: str
    side: Side
    time: int
    type: OrderType
    fills: list[Fill]
    price: Decimal | None
    price_orig: Decimal | None
    hidden: bool
    status: OrderStatus
    leverage: Decimal
    qty_orig: Decimal
    qty_orig_usd: Decimal
    qty_remaining: Decimal
    qty_filled: Decimal
    post_only: bool
    reduce_only: bool
    time_in_force: TimeInForce
    oco: str | None
    icebergs: int
    trigger_price: Decimal | None
    trigger_event: TriggerEvent | None
    close_on_trigger: bool
    customer_id: str
    client_order_id: str | None
    self_match: SelfMatch
    trigger_direction: TriggerDirection | None
    trail: Decimal | None
    trail_percent: Decimal | None
    msg: str | None
    is_liquidation: bool

    @property
    def is_open(self) -> bool:
        """Whether the order can still trade."""
        return self.status in ("ACTIVE", "UNTRIGGERED")


class Balance(Model, frozen=True, kw_only=True):
    """An asset's balance: `free` is available, `locked` reserved for orders, `margin` that of positions."""

    free: Decimal
    locked: Decimal
    withdrawn: Decimal
    pnl: Decimal
    margin: Decimal
    fees: Decimal


class PositionStats(Model, frozen=True, kw_only=True):
    """A position at the mark. `lp` and `bankrupt` are null where no price liquidates; `adl` is told by `position()` only."""

    size: Decimal
    notional: Decimal
    notional_entry: Decimal
    margin: Decimal
    pnl: Decimal
    upnl: Decimal
    rpnl: Decimal
    equity: Decimal
    roe: Decimal
    mark: Decimal
    avg_entry: Decimal | None
    leverage: Decimal
    lp: Decimal | None
    bankrupt: Decimal | None
    direction: Side | None
    maintenance: Decimal
    adl: int | None


class Position(Model, frozen=True, kw_only=True):
    """A position. `size` is negative when short, `free` its margin, `locked` what its open orders reserve."""

    pair: str
    size: Decimal
    free: Decimal
    locked: Decimal
    realized: Decimal
    funding: Decimal
    fees: Decimal
    cum_pnl: Decimal
    fills: list[Any]
    stats: PositionStats


class Account(Model, frozen=True, kw_only=True):
    """Balances by asset and positions by pair."""

    balances: dict[str, Balance]
    positions: dict[str, Position]


class OrderAnswer(Account, frozen=True, kw_only=True):
    """An order, and the account after it. `position` is that of the order's pair, null on spot."""

    order: Order
    position: Position | None


class OrdersAnswer(Account, frozen=True, kw_only=True):
    """Orders, and the account after them."""

    orders: list[Order]
    position: Position | None


class ModeAnswer(Account, frozen=True, kw_only=True):
    """The margin mode, and the account in it."""

    margin_mode: MarginMode


class Timer(Model, frozen=True, kw_only=True):
    """The dead man's switch: at `cancel_time` every order goes, unless it is set again; null: it is off."""

    time: int
    cancel_time: int | None


class Trade(Model, frozen=True, kw_only=True):
    """Two orders met."""

    id: str
    pair: str
    qty: Decimal
    price: Decimal
    time: int
    is_buyer_maker: bool
    is_best_match: bool


class Level(Model, frozen=True, kw_only=True):
    """A price of the book and what is shown there."""

    price: Decimal
    qty: Decimal


class Depth(Model, frozen=True, kw_only=True):
    """The book by price, best first."""

    bids: list[Level]
    asks: list[Level]


class Pair(Model, frozen=True, kw_only=True):
    """A market: its terms, its status and its prices. What it does not have is null."""

    key: str
    base: str
    base_precision: int
    base_display_precision: int
    quote: str
    quote_precision: int
    quote_display_precision: int
    tv_price_precision: int
    tv_volume_precicion: int
    symbol: str
    description: str
    introduction: str
    website: str | None
    explorer: str | None
    subreddit: str | None
    issue_price: Decimal | None
    issue_time: int | None
    status: str
    filters: list[dict[str, Any]]
    type: str
    max_leverage: int
    initial_margin: Decimal
    maintenance_margin: Decimal
    initial_margin_slope: Decimal
    maintenance_margin_slope: Decimal
    trading_range: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    impact_depth: Decimal
    fair_multiplier: Decimal
    funding_period: int | None
    max_funding_rate: Decimal | None
    strike_multiplier: Decimal | None
    expiry: int | None
    last_price: Decimal | None
    mark_price: Decimal | None
    index_price: Decimal | None
    fair_price: Decimal | None
    underlying_price: Decimal | None
    min_price: Decimal | None
    max_price: Decimal | None
    open_interest: Decimal
    predicted_funding_rate: Decimal | None
    strike: Decimal | None
    otm_amount: Decimal | None
    model_price: Decimal | None
    volatility: Decimal | None
    black_scholes: Decimal | None
    delta: Decimal | None
    gamma: Decimal | None
    vega: Decimal | None
    theta: Decimal | None
    drift: Decimal | None


class Ticker(Model, frozen=True, kw_only=True):
    """A market's last 24 hours and its prices now. What it does not have is null."""

    price_change: Decimal | None
    price_change_percent: Decimal | None
    last_price: Decimal | None
    prev_last_price: Decimal | None
    last_qty: Decimal | None
    open_price: Decimal | None
    open_price_mark: Decimal | None
    close_price: Decimal | None
    high_price: Decimal | None
    high_price_mark: Decimal | None
    low_price: Decimal | None
    low_price_mark: Decimal | None
    min_price: Decimal | None
    max_price: Decimal | None
    mark_price: Decimal | None
    index_price: Decimal | None
    fair_price: Decimal | None
    volatility: Decimal | None
    black_scholes: Decimal | None
    underlying_price: Decimal | None
    strike: Decimal | None
    otm_amount: Decimal | None
    bid_price: Decimal | None
    bid_qty: Decimal | None
    ask_price: Decimal | None
    ask_qty: Decimal | None
    base_volume: Decimal
    quote_volume: Decimal
    close_time: int
    adjusted_price: Decimal | None
    call: bool
    put: bool
    open_time: int
    trades: int
    open_interest: Decimal
    funding_rate: Decimal | None
    predicted_funding_rate: Decimal | None
    next_funding_time: int | None
    model_price: Decimal | None
    delta: Decimal | None
    gamma: Decimal | None
    vega: Decimal | None
    theta: Decimal | None
    drift: Decimal | None


class Candle(Model, frozen=True, kw_only=True):
    """A candle; `close_time` is when the next one begins."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    base_volume: Decimal
    quote_volume: Decimal
    open_time: int
    close_time: int
    trades: int
    last_price: Decimal
    last_qty: Decimal


class Funding(Model, frozen=True, kw_only=True):
    """A settled hour. `rate` is a part of the mark; longs paid where it is positive."""

    id: str
    pair: str
    time: int
    rate: Decimal
    amount: Decimal
    mark_price: Decimal
    collected: Decimal
    paid: Decimal


class FundingPayment(Model, frozen=True, kw_only=True):
    """What the account received or (negative) paid."""

    id: str
    pair: str
    time: int
    amount: Decimal
    from_margin: Decimal


class Liquidation(Model, frozen=True, kw_only=True):
    """A part of somebody's position that was sold, taken over or deleveraged. `side` is the closing order's."""

    id: str
    pair: str
    time: int
    type: str
    side: Side
    qty: Decimal
    price: Decimal


class ClosedStats(Model, frozen=True, kw_only=True):
    """What a position that ended came in and went for."""

    size: Decimal
    notional: Decimal
    notional_entry: Decimal
    margin: Decimal
    pnl: Decimal
    upnl: Decimal
    rpnl: Decimal
    equity: Decimal
    roe: Decimal | None
    mark: Decimal | None
    avg_entry: Decimal
    avg_exit: Decimal
    leverage: Decimal | None
    lp: Decimal | None
    bankrupt: Decimal | None
    direction: Side


class ClosedPosition(Model, frozen=True, kw_only=True):
    """A position that ended. `size` is all its lots, negative when it was short."""

    id: str
    pair: str
    size: Decimal
    free: Decimal
    locked: Decimal
    realized: Decimal
    funding: Decimal
    fees: Decimal
    cum_pnl: Decimal
    fills: list[Any]
    time: int
    time_open: int
    reason: str
    stats: ClosedStats


class DepositTransaction(Model, frozen=True, kw_only=True):
    """Where a deposit was seen."""

    hash: str
    sender: str = msgspec.field(name="from")


class Deposit(Model, frozen=True, kw_only=True):
    """Money that came in. `net` is what is credited."""

    id: str
    customer_id: str
    asset: str
    address: str
    time: int
    qty: Decimal
    net: Decimal
    fee: Decimal
    qty_usd: Decimal | None
    net_usd: Decimal | None
    status: str
    msg: str | None
    transaction: DepositTransaction


class WithdrawalTransaction(Model, frozen=True, kw_only=True):
    """Where a withdrawal can be seen."""

    hash: str


class Withdrawal(Model, frozen=True, kw_only=True):
    """Money on its way out. `qty` left the balance, `net` arrives."""

    id: str
    client_withdrawal_id: str
    customer_id: str
    asset: str
    address: str
    network: str
    time: int
    qty: Decimal
    net: Decimal
    fee: Decimal
    qty_usd: Decimal | None
    net_usd: Decimal | None
    status: str
    msg: str | None
    transaction: WithdrawalTransaction | None


class DepositAddress(Model, frozen=True, kw_only=True):
    """Where to pay in."""

    asset: str
    network: str
    address: str


class AssetFees(Model, frozen=True, kw_only=True):
    """What a payment of an asset costs."""

    withdrawal: Decimal
    deposit: Decimal


class Asset(Model, frozen=True, kw_only=True):
    """An asset's fees and bounds."""

    key: str
    precision: int
    fees: AssetFees
    min_withdrawal: Decimal | None
    max_withdrawal_day: Decimal | None
    approval_above: Decimal | None
    min_deposit: Decimal | None


class Globals(Model, frozen=True, kw_only=True):
    """The exchange in numbers."""

    time: int
    pairs: int
    pairs_trading: int
    assets: int
    accounts: int
    active_orders: int
    open_interest: dict[str, Decimal]
    quote_volume: dict[str, Decimal]
    trades: int
    insurance_fund: dict[str, Decimal]


class Engine(Model, frozen=True, kw_only=True):
    """The sequencer."""

    is_ready: bool
    seq: int
    time: int
    waiting: int
    rules_version: int
    is_compiled: bool


class Records(Model, frozen=True, kw_only=True):
    """Up to which command the records are written."""

    seq: int


class Maintenance(Model, frozen=True, kw_only=True):
    """A market, or (null) the venue, that does not trade as usual."""

    pair: str | None
    status: str


class Status(Model, frozen=True, kw_only=True):
    """How the exchange is now."""

    status: str
    version: str
    time: int
    start_time: int
    uptime: int
    engine: Engine
    records: Records
    maintenance: list[Maintenance]


class Earnings(Model, frozen=True, kw_only=True):
    """The insurance fund's worth beyond what was paid in."""

    total: Decimal


class Vault(Model, frozen=True, kw_only=True):
    """The insurance fund."""

    asset: str
    usd_supply: Decimal
    earnings: Earnings
    equity: Decimal
    redemption_rate: Decimal | None


class Actions(Model, frozen=True, kw_only=True):
    """When the account last did what; null: never."""

    latest_deposit: int | None
    latest_withdrawal: int | None
    latest_order: int | None
    latest_trade: int | None
    latest_cancellation: int | None
    creation_time: int | None


class Permissions(Model, frozen=True, kw_only=True):
    """What the key may do."""

    trading_enabled: bool
    deposit_enabled: bool
    withdraw_enabled: bool
    login_enabled: bool
    api_enabled: bool


class Personal(Model, frozen=True, kw_only=True):
    """The account."""

    email: str | None
    customer_id: str
    verification_level: str
    trading_allowance: Decimal | None
    withdrawal_allowance: Decimal | None
    deposit_addresses: list[Any] | None
    actions: Actions
    permissions: Permissions
    margin_mode: MarginMode
    cancel_time: int | None
    balances: dict[str, Balance]


class AssetLiabilities(Model, frozen=True, kw_only=True):
    """An asset's tree: what the exchange owes of it, in whole units of 10^-8."""

    total: str
    root: str
    height: int
    claims: int
    shortfall: str
    shortfalls: int
    own: str
    held: str


class Liabilities(Model, frozen=True, kw_only=True):
    """What the exchange owed after a command."""

    format: str
    seq: int
    time_ms: int
    state_hash: str
    assets: dict[str, AssetLiabilities]


class Sibling(Model, frozen=True, kw_only=True):
    """A node beside the path."""

    sum: str
    hash: str


class ClaimPath(Model, frozen=True, kw_only=True):
    """The account's own claim and its path to the root."""

    format: str
    seq: int
    asset: str
    account: int
    owner: str
    value: str
    salt: str
    index: int
    siblings: list[Sibling]
