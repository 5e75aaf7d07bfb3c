"""What the stream tells, as types. Messages of the account have the command (`seq`) that they come from and their place in it (`index`)."""

from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from evermark_client.book import LocalBook
from evermark_client.models import (
    Balance,
    Basis,
    Candle,
    Deposit,
    Depth,
    Fill,
    Liquidation,
    Order,
    Position,
    Ticker,
    Trade,
    Withdrawal,
)


class StreamCandle(Candle, frozen=True, kw_only=True):
    """The running candle of an interval."""

    interval: str
    basis: Basis


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """Index and mark of a market, and what its model says."""

    index: Decimal | None
    mark: Decimal | None
    underlying_price: Decimal | None
    strike: Decimal | None
    volatility: Decimal | None
    black_scholes: Decimal | None
    predicted_funding_rate: Decimal | None = None


class _Public(msgspec.Struct, frozen=True, kw_only=True):
    pair: str


class DepthChanged(_Public, frozen=True, kw_only=True):
    """The best 40 prices of each side, all of them."""

    depth: Depth


class TickerChanged(_Public, frozen=True, kw_only=True):
    """The last 24 hours and the prices now."""

    ticker: Ticker


class PricesChanged(_Public, frozen=True, kw_only=True):
    """Index or mark."""

    prices: Prices


class CandleChanged(_Public, frozen=True, kw_only=True):
    """The candle that runs."""

    candle: StreamCandle


class Traded(_Public, frozen=True, kw_only=True):
    """A trade (category `match`)."""

    trade: Trade


class TradesMade(_Public, frozen=True, kw_only=True):
    """All trades of a batch, oldest first (category `trades`)."""

    trades: list[Trade]


class Liquidated(_Public, frozen=True, kw_only=True):
    """A part of somebody's position."""

    liquidation: Liquidation


class BookChanged(_Public, frozen=True, kw_only=True):
    """The local book, after the message. It is the same object each time."""

    book: LocalBook


class BookLost(_Public, frozen=True, kw_only=True):
    """The local book was found not to be the exchange's: it is not whole until the snapshot that was asked for has come."""

    why: str


class _Private(msgspec.Struct, frozen=True, kw_only=True):
    category: str
    seq: int
    index: int
    time: int


class OrderChanged(_Private, frozen=True, kw_only=True):
    """An order of the account as it stood after what `category` says."""

    order: Order


class FillAdded(_Private, frozen=True, kw_only=True):
    """A fill."""

    fill: Fill


class PositionChanged(_Private, frozen=True, kw_only=True):
    """A position; flat when `category` is `position_closed`."""

    position: Position


class BalancesChanged(_Private, frozen=True, kw_only=True):
    """All balances, and the ledger's entries of this command."""

    balances: dict[str, Balance]
    changes: list[dict[str, Any]]


class DepositChanged(_Private, frozen=True, kw_only=True):
    """A deposit."""

    deposit: Deposit


class WithdrawalChanged(_Private, frozen=True, kw_only=True):
    """A withdrawal."""

    withdrawal: Withdrawal


class Reconnected(msgspec.Struct, frozen=True, kw_only=True):
    """The connection broke and stands again. Of the account nothing was missed unless `Missed` follows; trades may have been."""


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of the account are gone for good; behind `from_seq` all were still there. Read the account anew."""

    from_seq: int


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a category that this client does not know."""

    category: str
    pair: str | None
    content: Any
    seq: int | None
    index: int | None
    time: int | None


Event: TypeAlias = (
    DepthChanged
    | TickerChanged
    | PricesChanged
    | CandleChanged
    | Traded
    | TradesMade
    | Liquidated
    | BookChanged
    | BookLost
    | OrderChanged
    | FillAdded
    | PositionChanged
    | BalancesChanged
    | DepositChanged
    | WithdrawalChanged
    | Reconnected
    | Missed
    | Other
)
