"""The terms of a contract. A message: it travels in commands and snapshots, and is never compiled."""

from enum import Enum
from typing import Final

import msgspec


class InstrumentKind(Enum):
    """What is traded."""

    SPOT = 0
    FUTURE = 1
    CALL = 2
    PUT = 3


class MarketStatus(Enum):
    """What a market takes: everything, only orders that reduce a position, only cancels, nothing."""

    TRADING = 0
    REDUCE_ONLY = 1
    CANCEL_ONLY = 2
    HALTED = 3


# Read with every order: see engine.order on names of members.
TRADING: Final = MarketStatus.TRADING
HALTED: Final = MarketStatus.HALTED
CANCEL_ONLY: Final = MarketStatus.CANCEL_ONLY


class Instrument(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The contract's terms.

    Units: prices in price units of 10^-price_decimals of the quote; quantities in lots of 10^-lot_decimals of the
    base; money in 10^-8 of an asset; rates in ppm; slopes in parts per 10^9 of notional for each quote unit
    (USD) of entry notional.
    """

    symbol: str
    kind: InstrumentKind
    base_asset: int
    quote_asset: int
    index_id: int  # 0: no index
    price_decimals: int
    lot_decimals: int
    tick: int  # an order's price is a multiple of it
    unit_value: int  # money of the quote for one price unit and one lot
    lot_base: int  # money of the base in one lot (spot); 0 for derivatives
    qty_min: int
    qty_max: int
    notional_min: int  # money
    range_ppm: int  # trading range around mark (spot: index, else the trades' EMA)
    maker_fee_ppm: int  # may be negative: a rebate
    taker_fee_ppm: int
    initial_ppm: int = 0
    maintenance_ppm: int = 0
    initial_slope_ppb: int = 0
    maintenance_slope_ppb: int = 0
    leverage_max: int = 1
    impact_qty: int = 0  # lots that make a price count for the fair price


class Asset(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something that accounts hold. Its money is counted in units of 10^-8."""

    asset_id: int
    symbol: str


class IndexTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How an index price is made.

    `price_decimals` is the scale of its observations; every market on the index uses the same.
    """

    index_id: int
    symbol: str
    price_decimals: int
    single_source: bool = False  # may one source alone move it
