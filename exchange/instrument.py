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
    """What a market takes: everything, only orders that reduce a position, only cancels, nothing. An expired one is
    SETTLED for ever. The higher value is the stricter one.
    """

    TRADING = 0
    REDUCE_ONLY = 1
    CANCEL_ONLY = 2
    HALTED = 3
    SETTLED = 4


class MarkMethod(Enum):
    """How a market's mark price is made."""

    INDEX = 0  # the index itself
    BASIS = 1  # the base (index, or an option's fresh model value) and the EMA60 of fair - base
    MEDIAN = 2  # the median of the index with its funding, the index with the EMA of its basis, and bid, ask, last


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
    mark_method: MarkMethod = MarkMethod.INDEX
    mark_clamp_ppm: int = 0  # a future's mark stays within this of its index; 0: no bound
    fair_margin_ppm: int = 1_000  # how far the fair price's sides may stand from the best ones
    premium_clamp_ppm: int = 0  # the dampener of the funding premium; 0: the market has no funding
    funding_period_h: int = 10  # hours in which a premium is paid in full
    interest_ppm: int = 0  # futures: what the premium is drawn to, for each funding period
    interest_clamp_ppm: int = 0  # by at most this
    is_premium_on_mark: bool = False  # options: pay clamp((mark - index)/index) of the mark instead of mark - intrinsic
    strike_ppm: int = 0  # options: strike = this times the EMA of the underlying's index
    intrinsic_floor_ppm: int = 500  # options: the index is at least this part of the underlying
    range_floor_ppm: int = 0  # options: the trading range is at least this part of the underlying
    fee_cap_ppm: int = 0  # options: a fee is at most this part of the mark; above 0 rates are of the underlying
    short_initial_ppm: int = 0  # short options: of the underlying, less what they are out of the money
    short_initial_min_ppm: int = 0  # short options: at least this part of the underlying
    short_maintenance_ppm: int = 0  # short options: of the underlying
    brackets: tuple["Bracket", ...] = ()  # empty: one rate for every size
    expiry_ms: int = 0  # 0: perpetual
    settlement_window_ms: int = 1_800_000  # the mean index of this long before expiry settles a dated future
    liquidation_fee_ppm: int = 2_500
    liquidation_slice_ppm: int = 100_000
    liquidation_slice_min: int = 1_000 * 10**8  # money


class Bracket(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Rates for the part of an entry notional up to a cap (money), in rising order; nothing opens beyond the last cap."""

    notional_max: int
    initial_ppm: int
    maintenance_ppm: int


class Asset(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something that accounts hold. Its money is counted in units of 10^-8.

    Units: money. A withdrawal's amount contains its fee; a deposit is credited less its fee. 0: none.
    """

    asset_id: int
    symbol: str
    withdrawal_fee: int = 0
    withdrawal_min: int = 0
    withdrawal_day_max: int = 0  # of all accounts of an owner together in a UTC day
    deposit_fee: int = 0
    deposit_min: int = 0
    withdrawal_approval_above: int = 0  # a larger one waits for a person


class IndexTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How an index price is made.

    `price_decimals` is the scale of its observations; every market on the index uses the same.
    """

    index_id: int
    symbol: str
    price_decimals: int
    single_source: bool = False  # may one source alone move it
    weights: tuple[tuple[int, int], ...] = ()  # (source id, weight >= 0); a source that is not named weighs 1
