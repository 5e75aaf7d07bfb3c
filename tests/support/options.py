"""Two options on BTC for tests, and prices for them without a feed."""

from exchange.exchange import Exchange
from exchange.instrument import Instrument, InstrumentKind
from tests.support.world import BTC, USD, USD_UNIT

CALL, PUT = 5, 6
"""Market ids."""


def option(symbol: str, kind: InstrumentKind, strike_ppm: int) -> Instrument:
    """Return an option on BTC with the exchange's usual terms."""
    return Instrument(
        symbol=symbol,
        kind=kind,
        base_asset=BTC,
        quote_asset=USD,
        index_id=1,
        price_decimals=2,
        lot_decimals=4,
        tick=50,
        unit_value=100,
        lot_base=0,
        qty_min=1,
        qty_max=10**9,
        notional_min=USD_UNIT,
        range_ppm=250_000,
        maker_fee_ppm=0,
        taker_fee_ppm=300,
        initial_ppm=1_000_000,
        maintenance_ppm=500_000,
        initial_slope_ppb=1_000,
        maintenance_slope_ppb=500,
        leverage_max=1,
        premium_clamp_ppm=1_000_000,
        strike_ppm=strike_ppm,
        range_floor_ppm=5_000,
        fee_cap_ppm=125_000,
        short_initial_ppm=60_000,
        short_initial_min_ppm=40_000,
        short_maintenance_ppm=20_000,
    )


BTC_CALL = option("USD_BTCCALL_PERP", InstrumentKind.CALL, 1_000_000)
BTC_PUT = option("USD_BTCPUT_PERP", InstrumentKind.PUT, 1_000_000)


def price_options(exchange: Exchange, strike: int = 60_000_00, mark: int = 400_00) -> None:
    """Give the options a strike and a mark, as a tick would."""
    for market in exchange.state.markets.values():
        if market.is_option:
            market.strike = strike
            market.index_price = mark
            market.set_mark(mark)
