"""The order as the book sees it, and the words that describe one."""

from enum import Enum
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from engine.book import Level

BUY: Final = 1
"""Sign of a buy order; a position's sign when long."""
SELL: Final = -1
"""Sign of a sell order; a position's sign when short."""


class Side(Enum):
    """Side of an order. The core computes with the sign: BUY is +1, SELL is -1."""

    BUY = 1
    SELL = -1


class TimeInForce(Enum):
    """How long an order lives: until cancelled, at once, all or nothing, until 00:00 UTC."""

    GTC = 0
    IOC = 1
    FOK = 2
    DAY = 3


class SelfMatch(Enum):
    """What happens when an order meets one of the same owner. The incoming order's mode decides."""

    CANCEL_TAKER = 0
    CANCEL_MAKER = 1
    CANCEL_BOTH = 2
    DECREMENT = 3


class TriggerEvent(Enum):
    """The price that a trigger order waits for."""

    NONE = 0
    MARK_PRICE = 1
    INDEX_PRICE = 2
    LAST_PRICE = 3


class TriggerDirection(Enum):
    """RISE fires at or above the trigger price, FALL at or below; AUTO takes it from the price at entry."""

    AUTO = 0
    RISE = 1
    FALL = 2


class OrderStatus(Enum):
    """State of an order, as the outside sees it."""

    ACTIVE = 0
    CANCELLED = 1
    COMPLETED = 2
    UNTRIGGERED = 3


# Python 3.11 takes some 100 ns to read a member off its class: ten times as long as a name. Hot paths use these.
GTC: Final = TimeInForce.GTC
IOC: Final = TimeInForce.IOC
FOK: Final = TimeInForce.FOK
DAY: Final = TimeInForce.DAY
BUY_SIDE: Final = Side.BUY
ACTIVE: Final = OrderStatus.ACTIVE
CANCELLED: Final = OrderStatus.CANCELLED
COMPLETED: Final = OrderStatus.COMPLETED
UNTRIGGERED: Final = OrderStatus.UNTRIGGERED


@final
class Order:
    """An order in a book, or on its way into one.

    Units: prices in price units, quantities in lots. `sign` is +1 to buy, -1 to sell.
    `tip` is what the order offers now before its next refill (an iceberg's displayed part, otherwise all of
    `leaves`); `peak` is the size of an iceberg's tip, 0 for an order that shows everything or nothing.
    `is_forced` marks an order of the exchange's own, by which it closes an account's position.
    `oco` names the group in which one order cancels the others, `time_ms` is when it last changed: both set and read by
    the exchange.
    `request` is what the client asked for; the engine carries it and never looks inside.
    """

    __slots__ = (
        "account_id",
        "after",
        "before",
        "filled",
        "hidden",
        "is_forced",
        "leaves",
        "level",
        "oco",
        "order_id",
        "owner_id",
        "peak",
        "price",
        "reduce_only",
        "request",
        "self_match",
        "sign",
        "time_ms",
        "tip",
    )

    def __init__(
        self,
        order_id: int,
        account_id: int,
        owner_id: int,
        sign: int,
        price: int,
        leaves: int,
        peak: int,
        hidden: bool,
        reduce_only: bool,
        self_match: SelfMatch,
        request: object,
    ) -> None:
        self.order_id: int = order_id
        self.account_id: int = account_id
        self.owner_id: int = owner_id
        self.sign: int = sign
        self.price: int = price
        self.leaves: int = leaves
        self.filled: int = 0
        self.tip: int = 0
        self.peak: int = peak
        self.hidden: bool = hidden
        self.reduce_only: bool = reduce_only
        self.self_match: SelfMatch = self_match
        self.request: object = request
        self.is_forced: bool = False
        self.oco: str = ""
        self.time_ms: int = 0
        self.level: Level | None = None
        self.before: Order | None = None
        self.after: Order | None = None
