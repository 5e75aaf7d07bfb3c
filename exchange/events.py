"""What the exchange says happened. Messages: frozen, tagged, never compiled.

An event evolves by adding fields at its end with defaults; a tag is never used again for something else. Money is in
10^-8 of the asset, prices in price units, quantities in lots.
"""

from enum import Enum
from typing import TypeAlias

import msgspec

from engine.order import OrderStatus
from exchange.commands import OptionModel, PlaceOrder, WithdrawalStatus
from exchange.instrument import Asset, IndexTerms, Instrument, MarketStatus
from exchange.rejects import Reject


class Cause(Enum):
    """Why a balance changed."""

    TRADE = 0
    FEE = 1
    FUNDING = 2
    LIQUIDATION = 3
    TRANSFER = (
        4  # between the balance and an isolated position's margin, or (with a reference) two accounts of one owner
    )
    DEPOSIT = 5
    WITHDRAWAL = 6
    DELEVERAGING = 7
    SOCIALISATION = 8
    INSURANCE = 9
    ADJUSTMENT = 10


class CancelReason(Enum):
    """Why an order, or what was left of it, went away unfilled."""

    REQUESTED = 0
    IMMEDIATE = 1  # the rest of an IOC or market order
    SELF_MATCH = 2
    OCO = 3
    REDUCE_ONLY = 4  # no position left to reduce
    EXPIRED = 5  # DAY order at 00:00 UTC
    MARGIN = 6  # the account no longer carries it
    BANKRUPTCY = 7  # the next fill would leave less than nothing
    CLOSE_ON_TRIGGER = 8
    TRIGGER_REFUSED = 9
    # 10 was a market's closing: orders rest through a halt, and an expired market's are SETTLED
    LIQUIDATION = 11  # its scope is being liquidated
    SETTLED = 12  # the market expired
    DEAD_MAN = 13  # its account did not say in time that it is alive


class DepositStatus(Enum):
    """Where a deposit stands. COMPLETED is the end; FAILED is not: it may come late."""

    PENDING = 0
    COMPLETED = 1
    FAILED = 2


class CommandRejected(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """The command changed nothing. `field` names the culprit; `index` the order of a batch."""

    reject: Reject
    field: str = ""
    index: int = 0


class AssetListed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    asset: Asset


class IndexListed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    terms: IndexTerms


class MarketListed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    market_id: int
    instrument: Instrument


class MarketStatusChanged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    market_id: int
    status: MarketStatus


class AccountOpened(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """Also the answer to a repeated reference (`is_repeat`), which changed nothing."""

    account_id: int
    owner_id: int
    is_repeat: bool = False


class TransferRepeated(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """A deposit, withdrawal or transfer with a reference seen before changed nothing. Gives the first one."""

    reference: str
    account_id: int
    asset_id: int
    amount: int  # negative for a withdrawal


class BalanceChanged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """A ledger entry. `order_id` and `trade_id` are 0 where they do not apply."""

    account_id: int
    asset_id: int
    amount: int
    balance: int  # after
    cause: Cause
    market_id: int = 0
    order_id: int = 0
    trade_id: int = 0
    reference: str = ""


class OrderAccepted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """An order exists. `qty` and `price` are what the exchange made of the request: a reduce-only quantity cut to the
    position, a market order's limit at the edge of the trading range.
    """

    order_id: int
    request: PlaceOrder
    qty: int
    price: int
    status: OrderStatus  # ACTIVE or UNTRIGGERED
    is_liquidation: bool = False  # the exchange's own order for this account


class OrderRepeated(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """The client order id was used before; nothing changed. Gives the first order as it is now."""

    order_id: int
    request: PlaceOrder
    qty: int
    price: int
    filled: int
    status: OrderStatus


class OrderTriggered(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """A trigger order met its price and entered the book's door. `qty` and `price` as in OrderAccepted."""

    order_id: int
    account_id: int
    market_id: int
    qty: int
    price: int


class OrderAmended(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """`qty` is the new total, `leaves` what of it is open."""

    order_id: int
    account_id: int
    market_id: int
    qty: int
    leaves: int
    price: int
    trigger_price: int
    keeps_place: bool


class OrderReduced(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=13):
    """An open order lost quantity without a fill and stays open with `leaves`."""

    order_id: int
    account_id: int
    market_id: int
    leaves: int
    reason: CancelReason


class OrderCancelled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=14):
    """An order ended unfilled in part or whole. `reject` says why a fired trigger was refused."""

    order_id: int
    account_id: int
    market_id: int
    leaves: int
    reason: CancelReason
    reject: Reject | None = None


class Traded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=15):
    """Two orders met. An order whose leaves are 0 is COMPLETED. A negative fee is a rebate.

    `taker_sign` is +1 when the taker bought. `*_pnl` is the realized pnl of that side's position.
    """

    trade_id: int
    market_id: int
    price: int
    qty: int
    taker_sign: int
    maker_order_id: int
    maker_account_id: int
    maker_leaves: int
    maker_fee: int
    maker_pnl: int
    taker_order_id: int
    taker_account_id: int
    taker_leaves: int
    taker_fee: int
    taker_pnl: int
    is_liquidation: bool = False


class PositionChanged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=16):
    """A position as it now stands. `qty` is signed, `entry_notional` has its sign, `margin` is the isolated margin."""

    account_id: int
    market_id: int
    qty: int
    entry_notional: int
    margin: int


class LeverageSet(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=17):
    account_id: int
    market_id: int
    leverage_e2: int


class MarginModeSet(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=18):
    account_id: int
    is_isolated: bool


class IndexPriceObserved(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=19):
    index_id: int
    source_id: int
    price: int
    source_time_ms: int


class IndexPriceChanged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """The index as computed, and the sources it was made from."""

    index_id: int
    price: int
    sources: tuple[int, ...]


class MarkPriceChanged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    market_id: int
    price: int


class Ticked(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=22):
    """The work due was done. `has_more` when a bound left some for the next tick."""

    has_more: bool = False


class MarketAmendmentScheduled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=24):
    """A market will have other terms from `effective_ms` on."""

    market_id: int
    instrument: Instrument
    effective_ms: int


class MarketAmended(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=25):
    """A market has other terms now."""

    market_id: int
    instrument: Instrument


class OptionModelsUpdated(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=26):
    models: tuple[OptionModel, ...]
    source_time_ms: int


class StrikeChanged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=27):
    market_id: int
    strike: int


class OptionIndexChanged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=28):
    """An option's own index: its intrinsic value, or its floor."""

    market_id: int
    price: int


class FundingPredicted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=29):
    """What the running hour would be settled with: `lot_e12` is money for a lot at 10^-12, longs pay where positive.

    `rate_e12` is it as a part of the mark.
    """

    market_id: int
    rate_e12: int
    lot_e12: int


class FundingSettled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=30):
    """An hour's funding, `time_ms` its end. Payers gave `collected`, receivers got `paid`, the fund gave `gift` and got
    `residue`. Units: money.
    """

    market_id: int
    time_ms: int
    rate_e12: int
    lot_e12: int
    mark_price: int
    collected: int
    paid: int
    gift: int
    residue: int


class FundingPaid(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=31):
    """One position's funding: received, or (negative) paid. `from_margin` of it came out of an isolated margin."""

    account_id: int
    market_id: int
    amount: int
    from_margin: int = 0


class LiquidationStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=32):
    """A scope fell below its maintenance margin: a position, or (`market_id` 0) a cross account. Units: money."""

    account_id: int
    market_id: int
    equity: int
    maintenance: int


class LiquidationEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=33):
    """A scope is safe again, or has no position left."""

    account_id: int
    market_id: int
    equity: int
    maintenance: int


class PositionTakenOver(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=34):
    """`qty` lots (signed as the position was) passed at the bankruptcy price to a liquidity provider, or to the insurance
    fund (`taker_account_id` 0). `value` is what they were worth at it, `price` that in price units, for show.
    """

    account_id: int
    taker_account_id: int
    market_id: int
    qty: int
    value: int
    price: int


class PositionDeleveraged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=35):
    """`qty` lots (signed as the bankrupt position was) were closed against an opposite position at the bankruptcy price, or
    (`is_at_mark`) at the mark where the loss is socialised.
    """

    account_id: int
    counterparty_account_id: int
    market_id: int
    qty: int
    value: int
    price: int
    is_at_mark: bool = False


class LossSocialised(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=36):
    """A loss that nobody was left to bear: shared among winners of the market, then all who have something."""

    account_id: int
    market_id: int
    loss: int
    from_profits: int
    from_equity: int
    from_fees: int


class LossShared(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=37):
    """One account's share: taken off its unrealized profit in `market_id`, or (0) off its equity."""

    account_id: int
    market_id: int
    amount: int


class LiquidityProviderSet(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=38):
    account_id: int
    is_provider: bool


class VenueStatusChanged(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=39):
    status: MarketStatus


class RulesVersionSet(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=40):
    version: int


class MarketSettled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=41):
    """A dated market expired: its positions were closed at `price`."""

    market_id: int
    price: int


class WithdrawalRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=42):
    """A withdrawal exists, its amount is off the balance. Also the answer to a repeated reference (`is_repeat`), which
    changed nothing: it gives the first one as it is now.

    Units: money. `amount` contains the `fee`; what arrives is amount - fee.
    """

    withdrawal_id: int
    account_id: int
    asset_id: int
    amount: int
    fee: int
    address: str
    network: str
    reference: str
    status: WithdrawalStatus
    transaction: str = ""
    note: str = ""
    is_repeat: bool = False


class WithdrawalAdvanced(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=43):
    """A withdrawal stands where `status` says, all of it as it is now. With `is_repeat` nothing changed."""

    withdrawal_id: int
    account_id: int
    asset_id: int
    amount: int
    fee: int
    address: str
    network: str
    reference: str
    status: WithdrawalStatus
    transaction: str = ""
    note: str = ""
    is_repeat: bool = False


class DepositRecorded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=44):
    """A deposit was seen; it credits nothing yet. With `is_repeat` it was seen before: as it is now.

    Units: money. `fee` is what was taken off a COMPLETED one; what was credited is amount - fee.
    """

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
    note: str = ""
    is_repeat: bool = False


class DepositSettled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=45):
    """A deposit was credited, or will not be for the reason in `note`. With `is_repeat` nothing changed."""

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
    note: str = ""
    is_repeat: bool = False


class AssetAmended(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=46):
    """An asset has other fees and bounds now."""

    asset: Asset


class CancelAllAfterSet(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=47):
    """All of an account's orders go at `due_ms`; 0: none do. `is_fired` when they went because the time had come."""

    account_id: int
    due_ms: int
    is_fired: bool = False


class CommandSkipped(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=23):
    seq: int
    reason: str


Event: TypeAlias = (
    CommandRejected
    | AssetListed
    | IndexListed
    | MarketListed
    | MarketStatusChanged
    | AccountOpened
    | TransferRepeated
    | BalanceChanged
    | OrderAccepted
    | OrderRepeated
    | OrderTriggered
    | OrderAmended
    | OrderReduced
    | OrderCancelled
    | Traded
    | PositionChanged
    | LeverageSet
    | MarginModeSet
    | IndexPriceObserved
    | IndexPriceChanged
    | MarkPriceChanged
    | Ticked
    | CommandSkipped
    | MarketAmendmentScheduled
    | MarketAmended
    | OptionModelsUpdated
    | StrikeChanged
    | OptionIndexChanged
    | FundingPredicted
    | FundingSettled
    | FundingPaid
    | LiquidationStarted
    | LiquidationEnded
    | PositionTakenOver
    | PositionDeleveraged
    | LossSocialised
    | LossShared
    | LiquidityProviderSet
    | VenueStatusChanged
    | RulesVersionSet
    | MarketSettled
    | WithdrawalRequested
    | WithdrawalAdvanced
    | DepositRecorded
    | DepositSettled
    | AssetAmended
    | CancelAllAfterSet
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Event])


def encode_events(events: list[Event]) -> bytes:
    """Encode events, for golden files and comparison."""
    return _encoder.encode(events)


def decode_events(data: bytes) -> list[Event]:
    """Decode what `encode_events` made."""
    return _decoder.decode(data)
