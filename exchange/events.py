"""What the exchange says happened. Messages: frozen, tagged, never compiled.

An event evolves by adding fields at its end with defaults; a tag is never used again for something else. Money is in
10^-8 of the asset, prices in price units, quantities in lots.
"""

from enum import Enum
from typing import TypeAlias

import msgspec

from engine.order import OrderStatus
from exchange.commands import PlaceOrder
from exchange.instrument import Asset, IndexTerms, Instrument, MarketStatus
from exchange.rejects import Reject


class Cause(Enum):
    """Why a balance changed."""

    TRADE = 0
    FEE = 1
    FUNDING = 2
    LIQUIDATION = 3
    TRANSFER = 4  # between the balance and an isolated position's margin
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
    MARKET_CLOSED = 10


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
    """A deposit or withdrawal with a reference seen before changed nothing. Gives the first one."""

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
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Event])


def encode_events(events: list[Event]) -> bytes:
    """Encode events, for golden files and comparison."""
    return _encoder.encode(events)


def decode_events(data: bytes) -> list[Event]:
    """Decode what `encode_events` made."""
    return _decoder.decode(data)
