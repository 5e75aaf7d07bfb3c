"""The projections' rows, as the projector makes them and queries give them. Fields stand in the order of the columns.

Units: as in the core. Prices in price units, quantities in lots, money in 10^-8 of the asset, integers all.
"""

from enum import Enum

import msgspec

from engine.order import OrderStatus, Side
from exchange.commands import PlaceOrder, WithdrawalStatus
from exchange.events import CancelReason, Cause, DepositStatus
from exchange.rejects import Reject


class Basis(Enum):
    """Which price a candle follows."""

    LAST = 0
    MARK = 1
    INDEX = 2
    OWN_INDEX = 3  # an option's own: its intrinsic value, or its floor


class StoredOrder(msgspec.Struct):
    """An order as it is, or was when it ended. `qty` = `filled` + `leaves`; `leaves` of an ended one is what never filled."""

    order_id: int
    account_id: int
    market_id: int
    side: Side
    status: OrderStatus
    price: int
    qty: int
    leaves: int
    filled: int
    trigger_price: int
    cancel_reason: CancelReason | None
    reject: Reject | None
    request: PlaceOrder
    created_ms: int
    updated_ms: int
    updated_seq: int
    is_liquidation: bool = False

    def amend(self, *, qty: int, leaves: int, price: int, trigger_price: int) -> None:
        """Take in an amendment: from then on it is what was asked for. `trigger_price` 0: of no trigger."""
        request = self.request
        self.qty, self.leaves, self.price = qty, leaves, price
        self.trigger_price = trigger_price or self.trigger_price
        self.request = msgspec.structs.replace(
            request,
            qty=qty if request.qty else 0,  # the close of a whole position stays one
            price=price if request.price else 0,  # and a market order too
            trigger_price=trigger_price or request.trigger_price,
        )

    @property
    def is_trigger(self) -> bool:
        """It waited, or waits, for a price."""
        request = self.request
        return request.trigger_price > 0 or request.trail > 0 or request.trail_ppm > 0

    @property
    def is_open(self) -> bool:
        """It rests, or waits for its trigger."""
        return self.status is OrderStatus.ACTIVE or self.status is OrderStatus.UNTRIGGERED


class StoredTrade(msgspec.Struct, frozen=True, gc=False):
    """Two orders met."""

    market_id: int
    time_ms: int
    seq: int
    index: int  # of the event among those of `seq`
    trade_id: int
    price: int
    qty: int
    taker_sign: int
    is_liquidation: bool


class StoredFill(msgspec.Struct, frozen=True, gc=False):
    """One order's part of a trade. `sign` is +1 when this side bought."""

    account_id: int
    time_ms: int
    seq: int
    index: int
    is_maker: bool
    market_id: int
    order_id: int
    trade_id: int
    sign: int
    price: int
    qty: int
    fee: int
    pnl: int
    is_liquidation: bool


class LedgerEntry(msgspec.Struct, frozen=True, gc=False):
    """A change of a balance. `cause` is the value of a `Cause`."""

    account_id: int
    time_ms: int
    seq: int
    index: int
    asset_id: int
    amount: int
    balance: int
    cause: int
    market_id: int
    order_id: int
    trade_id: int
    reference: str

    @property
    def why(self) -> Cause:
        """The cause as a word."""
        return Cause(self.cause)


class Candle(msgspec.Struct):
    """Prices of an interval. `turnover` is the sum of price x lots, `last_qty` that of the last trade; only trades have them."""

    basis: int
    subject_id: int
    interval_ms: int
    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    turnover: int = 0
    trades: int = 0
    last_qty: int = 0


class StoredFunding(msgspec.Struct, frozen=True, gc=False):
    """An hour's funding of a market. `time_ms` is the end of the hour; `lot_e12` what a long lot paid, at 10^-12 of money."""

    market_id: int
    time_ms: int
    seq: int
    index: int
    rate_e12: int
    lot_e12: int
    mark_price: int
    collected: int
    paid: int
    gift: int
    residue: int


class StoredPayment(msgspec.Struct, frozen=True, gc=False):
    """One position's funding: received, or (negative) paid."""

    account_id: int
    time_ms: int
    seq: int
    index: int
    market_id: int
    amount: int
    from_margin: int


class LiquidationStep(Enum):
    """What happened to a scope below its maintenance margin."""

    STARTED = 0
    SLICE = 1
    TAKEOVER = 2
    DELEVERAGING = 3
    SOCIALISATION = 4
    SHARE = 5
    ENDED = 6


class StoredLiquidation(msgspec.Struct, frozen=True, gc=False):
    """A step of a liquidation. `step` is the value of a `LiquidationStep`.

    `counterparty_id` is who traded against a slice, took the position over or was deleveraged. `qty` is signed as the liquidated
    position was. `value` is the equity when it started or ended, what lots that passed were worth, the loss, or the share of it; a
    slice has none beside its price.
    """

    time_ms: int
    seq: int
    index: int
    step: int
    market_id: int
    account_id: int
    counterparty_id: int = 0
    qty: int = 0
    price: int = 0
    value: int = 0
    trade_id: int = 0

    @property
    def kind(self) -> LiquidationStep:
        """The step as a word."""
        return LiquidationStep(self.step)


class StoredDeposit(msgspec.Struct, frozen=True):
    """A deposit as it is. `fee` is what was taken off a completed one."""

    deposit_id: int
    account_id: int
    asset_id: int
    amount: int
    fee: int
    address: str
    transaction: str
    source: str
    reference: str
    status: DepositStatus
    note: str
    created_ms: int
    updated_ms: int
    updated_seq: int


class StoredWithdrawal(msgspec.Struct, frozen=True):
    """A withdrawal as it is. The `fee` is inside the `amount`."""

    withdrawal_id: int
    account_id: int
    asset_id: int
    amount: int
    fee: int
    address: str
    network: str
    reference: str
    status: WithdrawalStatus
    transaction: str
    note: str
    created_ms: int
    updated_ms: int
    updated_seq: int


class HeldPosition(msgspec.Struct):
    """An open position since its opening. `qty` is signed, `entry_notional` has its sign; the values are of lots in and out.

    `entry_qty` lots came in for `entry_value` (less what of it was taken by a shared loss), others went for `exit_value` and
    realized `pnl`. What is flat has 0 lots.
    """

    account_id: int
    market_id: int
    qty: int
    entry_notional: int
    entry_qty: int
    entry_value: int
    exit_value: int
    pnl: int
    funding: int
    fees: int
    opened_ms: int


class Ending(Enum):
    """How a position's last lots went."""

    TRADE = 0
    LIQUIDATION = 1  # a slice
    TAKEOVER = 2
    DELEVERAGING = 3
    SETTLEMENT = 4  # the market expired


class StoredPosition(msgspec.Struct):
    """A position that ended at `time_ms`. `qty` lots came in for `entry_value` and went for `exit_value`.

    `sign` is +1 for a long one; pnl = sign x (exit_value - entry_value). `ending` is the value of an `Ending`.
    """

    account_id: int
    time_ms: int
    seq: int
    index: int
    market_id: int
    sign: int
    qty: int
    entry_value: int
    exit_value: int
    pnl: int
    funding: int
    fees: int
    opened_ms: int
    ending: int

    @property
    def how(self) -> Ending:
        """The ending as a word."""
        return Ending(self.ending)


class Activity(msgspec.Struct):
    """When an account was opened, and when it last did what; 0: never."""

    account_id: int
    opened_ms: int = 0
    order_ms: int = 0
    trade_ms: int = 0
    cancellation_ms: int = 0
    deposit_ms: int = 0
    withdrawal_ms: int = 0
