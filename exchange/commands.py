"""What the exchange can be told. Messages: frozen, tagged, never compiled.

A command evolves by adding fields at its end with defaults; a tag is never used again for something else. Money is in
10^-8 of the asset, prices in price units, quantities in lots, times in ms since the epoch.
"""

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

import msgspec

from engine.order import SelfMatch, Side, TimeInForce, TriggerDirection, TriggerEvent
from exchange.instrument import Asset, IndexTerms, Instrument, MarketStatus


class WithdrawalStatus(Enum):
    """Where a withdrawal stands. CANCELLED, REJECTED, SUCCEEDED and FAILED are ends."""

    PREPARED = 0  # waits for its owner to confirm it
    SUBMITTED = 1
    CANCELLED = 2  # by its owner
    WAITING_FOR_APPROVAL = 3
    SUSPECTED = 4  # held by an operator
    REJECTED = 5  # by an operator
    PROCESSING = 6  # may be on its way: it cannot be called back
    SUCCEEDED = 7
    FAILED = 8  # did not leave, and never will


class ListAsset(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """Let accounts hold an asset."""

    asset: Asset


class ListIndex(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Start an index price."""

    terms: IndexTerms


class ListMarket(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """Open a market for an instrument."""

    market_id: int
    instrument: Instrument


class SetMarketStatus(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """Halt a market, open it again, or restrict what it takes."""

    market_id: int
    status: MarketStatus


class OpenAccount(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """Open an account for an owner. The same reference again answers with the first account."""

    reference: str
    owner_id: int


class Deposit(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """Credit an account from outside. The same reference again changes nothing."""

    reference: str
    account_id: int
    asset_id: int
    amount: int


class Withdraw(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """Debit an account to outside. The same reference again changes nothing."""

    reference: str
    account_id: int
    asset_id: int
    amount: int


class PlaceOrder(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """Ask for an order.

    `price` 0 is a market order. `leverage_e2` is in hundredths, 0 leaves it as it is. `icebergs` is the number of tips, 0
    or 1 for none. A trailing stop has `trail` (price units) or `trail_ppm`, and becomes active at `trigger_price` (0: at
    once). `is_close` closes the position: reduce-only, and `qty` 0 stands for all of it.
    """

    account_id: int
    market_id: int
    side: Side
    qty: int
    price: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    hidden: bool = False
    icebergs: int = 0
    oco: str = ""
    self_match: SelfMatch = SelfMatch.CANCEL_TAKER
    client_order_id: str = ""
    leverage_e2: int = 0
    trigger_price: int = 0
    trigger_event: TriggerEvent = TriggerEvent.NONE
    trigger_direction: TriggerDirection = TriggerDirection.AUTO
    close_on_trigger: bool = False
    trail: int = 0
    trail_ppm: int = 0
    is_close: bool = False


class PlaceBatch(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """Ask for 1 to 50 orders of one account in one market: all of them or none."""

    account_id: int
    market_id: int
    orders: tuple[PlaceOrder, ...]


class AmendOrder(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """Change an open order. 0 leaves a value as it is; `qty` is the new total, what is filled included."""

    account_id: int
    order_id: int
    qty: int = 0
    price: int = 0
    trigger_price: int = 0


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """Cancel one order by its id, or by its client order id when `order_id` is 0."""

    account_id: int
    order_id: int
    client_order_id: str = ""


class CancelOrders(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """Cancel the named orders that are still open; with none named, all of the account's orders.

    `market_id` 0 means every market. Unknown ids are passed over.
    """

    account_id: int
    order_ids: tuple[int, ...] = ()
    market_id: int = 0


class SetLeverage(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=13):
    """Set the leverage of an isolated account in a market, in hundredths."""

    account_id: int
    market_id: int
    leverage_e2: int


class SetMarginMode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=14):
    """Make an account isolated or cross. Needs an account without positions and orders."""

    account_id: int
    is_isolated: bool


class MoveMargin(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=15):
    """Add margin to an isolated position (amount > 0) or draw it (amount < 0)."""

    account_id: int
    market_id: int
    amount: int


class UpdateIndexPrice(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=16):
    """One observation of one source, at the index's scale. The core selects and averages on the next tick."""

    index_id: int
    source_id: int
    price: int
    source_time_ms: int


class Tick(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=17):
    """Do the work that is due at this command's time."""


class SkipCommand(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=18):
    """An operator's order to pass over the command `seq`, which broke a promise of the core. Changes no state."""

    seq: int
    reason: str


class AmendMarket(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=19):
    """Change a market's terms at `effective_ms` (0: now). Terms that ask for more margin need the notice period."""

    market_id: int
    instrument: Instrument
    effective_ms: int = 0


class OptionModel(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a model says about an option, computed outside the core.

    Units: prices in price units; `volatility_ppm` a year; `delta_ppm` for each unit of the underlying; `gamma_e12` the change
    of delta for one unit of the quote, `vega_e8` the change of price in the quote for one point (1%) of volatility, `theta_e8`
    for one day; `drift_ppm` the change of the intrinsic value in an hour by the strike's movement.
    """

    market_id: int
    price: int
    volatility_ppm: int
    black_scholes: int = 0
    delta_ppm: int = 0
    gamma_e12: int = 0
    vega_e8: int = 0
    theta_e8: int = 0
    drift_ppm: int = 0


class UpdateOptionModels(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """Model values of options as of `source_time_ms`. They bear on the mark from the next tick on, as long as they are fresh."""

    models: tuple[OptionModel, ...]
    source_time_ms: int


class SetLiquidityProvider(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    """Let a cross account take over failing positions at their bankruptcy price, or stop it."""

    account_id: int
    is_provider: bool


class SetVenueStatus(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=22):
    """Restrict every market at once, or lift that: the stricter of this and a market's own status counts."""

    status: MarketStatus


class SetRulesVersion(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=23):
    """Go on under later rules. 1: no liquidation. 2: the ladder of liquidation. 3: corrections (ADR 10)."""

    version: int


class CancelAllAfter(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=24):
    """Cancel all of an account's orders `timeout_ms` from now, unless this is said again before. 0 calls it off."""

    account_id: int
    timeout_ms: int


class RequestWithdrawal(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=25):
    """Ask for money to leave to an address. `amount` leaves the balance at once; the asset's fee is inside it.

    The same reference of the same account again answers with the first one as it is by then. Without `is_confirmed` it
    waits for its owner as PREPARED, else it is SUBMITTED.
    """

    reference: str
    account_id: int
    asset_id: int
    amount: int
    address: str
    network: str = ""
    is_confirmed: bool = False


class AdvanceWithdrawal(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=26):
    """Say where a withdrawal stands now. The same status again changes nothing, but may name a PROCESSING one's transaction.

    With `account_id` (0: whoever's) it is the owner who speaks: it must be that account's withdrawal.
    """

    withdrawal_id: int
    status: WithdrawalStatus
    transaction: str = ""
    note: str = ""
    account_id: int = 0


class RecordDeposit(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=27):
    """A payment to an account was seen outside. It credits nothing yet. The same reference again changes nothing."""

    reference: str
    account_id: int
    asset_id: int
    amount: int
    address: str = ""
    transaction: str = ""
    source: str = ""


class SettleDeposit(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=28):
    """Credit a deposit that was seen, or say that it did not come. One that did not come may come later after all."""

    reference: str
    is_completed: bool
    note: str = ""


class AmendAsset(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=29):
    """Change an asset's fees and bounds, from the next deposit and withdrawal on. Its symbol stays."""

    asset: Asset


class TransferFunds(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=31):
    """Move money between two accounts of one owner. The same reference again changes nothing."""

    reference: str
    from_account_id: int
    to_account_id: int
    asset_id: int
    amount: int


Command: TypeAlias = (
    ListAsset
    | ListIndex
    | ListMarket
    | SetMarketStatus
    | OpenAccount
    | Deposit
    | Withdraw
    | PlaceOrder
    | PlaceBatch
    | AmendOrder
    | CancelOrder
    | CancelOrders
    | SetLeverage
    | SetMarginMode
    | MoveMargin
    | UpdateIndexPrice
    | Tick
    | SkipCommand
    | AmendMarket
    | UpdateOptionModels
    | SetLiquidityProvider
    | SetVenueStatus
    | SetRulesVersion
    | CancelAllAfter
    | RequestWithdrawal
    | AdvanceWithdrawal
    | RecordDeposit
    | SettleDeposit
    | AmendAsset
    | TransferFunds
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Command])


def encode_commands(commands: Sequence[Command]) -> bytes:
    """Encode commands as the records of one journal batch."""
    return _encoder.encode(commands)


def decode_commands(records: bytes) -> list[Command]:
    """Decode the records of one journal batch.

    Raises: msgspec.ValidationError or msgspec.DecodeError when the bytes are not what `encode_commands` makes.
    """
    return _decoder.decode(records)
