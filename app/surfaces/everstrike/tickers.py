"""A market's day and its candles, in Everstrike's words: for GET /ticker and /ohlcv and for the streams of the same names."""

from typing import Final, final

from app.candles import INTERVALS, MINUTE_MS
from app.db.rows import Basis, Candle
from app.statistics import Day, Statistics
from app.surfaces.everstrike.answers import Json
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.pairs import RATE_DECIMALS, Pair, option_of, prices_of
from app.wire import amount, ratio
from exchange import views
from exchange.instrument import InstrumentKind, MarketStatus
from exchange.limits import HOUR_MS
from exchange.views import MarketView

OPTIONS: Final = (InstrumentKind.CALL, InstrumentKind.PUT)
BASES: Final = {"last": Basis.LAST, "mark": Basis.MARK, "index": Basis.INDEX}
INTERVAL_WORDS: Final = {
    **INTERVALS,
    # As ccxt's class for Everstrike names them.
    **{f"{minutes}min": minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360)},
}
VOLATILITY_DECIMALS: Final = 6
_NO_DAY: Final = Day(0, 0, 0, 0, 0, 0, 0)


@final
class Tickers:
    """Reads the running exchange and its statistics."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def ticker(self, pair: Pair) -> Json:
        """What GET /ticker says of a pair."""
        exchange = self._desk.sequencer.exchange
        view = views.market(exchange, pair.market_id)
        assert view is not None, "pairs are markets"
        bids, asks = views.depth(exchange, pair.market_id, 1)
        statistics = self._desk.queries.statistics
        found = {
            **day_of(pair, view, statistics),
            **quotes_of(pair, bids, asks),
            **funding_of(view, statistics),
        }
        return {name: found[name] for name in TICKER_FIELDS}

    def running(self, pair: Pair, basis: Basis, interval_ms: int) -> Json | None:
        """The running candle as GET /ohlcv gives it; None where the pair has no such price. Requires: an hour at most."""
        subject = subject_of(pair, basis)
        candle = self._desk.queries.statistics.running(*subject, interval_ms) if subject is not None else None
        return candle_json(candle, pair) if candle is not None else None


def subject_of(pair: Pair, basis: Basis) -> tuple[Basis, int] | None:
    """Whose candles a pair's are; None where it has no such price."""
    terms = pair.instrument
    if basis is Basis.LAST:
        return basis, pair.market_id
    if basis is Basis.MARK:
        return None if pair.is_spot else (basis, pair.market_id)
    if terms.kind in OPTIONS:
        return Basis.OWN_INDEX, pair.market_id
    return (basis, terms.index_id) if terms.index_id else None


def candle_json(candle: Candle, pair: Pair) -> Json:
    """A candle. Its close is the last price in it, or where nobody traded that before it."""
    whole = pair.price_units_in_one
    return {
        "open": candle.open / whole,
        "high": candle.high / whole,
        "low": candle.low / whole,
        "close": candle.close / whole,
        "base_volume": amount(candle.volume, pair.instrument.lot_decimals),
        "quote_volume": amount(candle.turnover * pair.unit_value),
        "open_time": candle.open_ms,
        "close_time": candle.open_ms + candle.interval_ms,
        "trades": candle.trades,
        "last_price": candle.close / whole,
        "last_qty": amount(candle.last_qty, pair.instrument.lot_decimals),
    }


def day_of(pair: Pair, view: MarketView, statistics: Statistics) -> Json:
    """The last 24 hours of a market's trades and mark, and its prices now."""
    whole = pair.price_units_in_one
    last = statistics.last_trade(pair.market_id)
    day = statistics.day(Basis.LAST, pair.market_id) or _NO_DAY
    mark = statistics.day(Basis.MARK, pair.market_id) or _NO_DAY
    change = day.close - day.open
    now_ms = statistics.time_ms
    found = {**prices_of(view), **option_of(view, now_ms)}
    adjusted = view.mark_price or view.underlying_price or view.last_price
    if view.instrument.kind not in OPTIONS:
        found["volatility"] = volatility_of(pair, statistics)
    return {
        **found,
        "price_change": change / whole if day.open else None,
        "price_change_percent": ratio(abs(change) * 100, day.open) * (1 if change >= 0 else -1) if day.open else None,
        "prev_last_price": last.price_before / whole if last is not None and last.price_before else None,
        "last_qty": amount(last.qty, pair.instrument.lot_decimals) if last is not None else None,
        "open_price": day.open / whole if day.open else None,
        "open_price_mark": mark.open / whole if mark.open else None,
        "close_price": day.close / whole if day.close else None,
        "high_price": day.high / whole if day.high else None,
        "high_price_mark": mark.high / whole if mark.high else None,
        "low_price": day.low / whole if day.low else None,
        "low_price_mark": mark.low / whole if mark.low else None,
        "base_volume": amount(day.volume, pair.instrument.lot_decimals),
        "quote_volume": amount(day.turnover * pair.unit_value),
        "trades": day.trades,
        "open_time": statistics.day_ms,
        "close_time": now_ms,
        "adjusted_price": adjusted / whole if adjusted else None,
    }


def quotes_of(pair: Pair, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> Json:
    """The best prices with what is shown at them, and whether the pair is an option."""
    found: Json = {
        "call": pair.instrument.kind is InstrumentKind.CALL,
        "put": pair.instrument.kind is InstrumentKind.PUT,
    }
    for name, levels in (("bid", bids), ("ask", asks)):
        price, qty = levels[0] if levels else (0, 0)
        found[f"{name}_price"] = price / pair.price_units_in_one if price else None
        found[f"{name}_qty"] = qty / pair.lots_in_one if price else None
    return found


def funding_of(view: MarketView, statistics: Statistics) -> Json:
    """The rate of the last settled hour, and when the running one is settled."""
    rate_e12 = statistics.funding_rates.get(view.market_id)
    has_funding = view.instrument.premium_clamp_ppm != 0 and view.status is not MarketStatus.SETTLED
    return {
        "funding_rate": amount(rate_e12, RATE_DECIMALS) if rate_e12 is not None else None,
        "next_funding_time": (statistics.time_ms // HOUR_MS + 1) * HOUR_MS if has_funding else None,
    }


def volatility_of(pair: Pair, statistics: Statistics) -> float | None:
    """The volatility of a future or spot market: of its index, or without one of its trades."""
    subject = subject_of(pair, Basis.INDEX) or (Basis.LAST, pair.market_id)
    found = statistics.volatility(*subject)
    return None if found is None else round(found, VOLATILITY_DECIMALS)


TICKER_FIELDS: Final = (
    "price_change",
    "price_change_percent",
    "last_price",
    "prev_last_price",
    "last_qty",
    "open_price",
    "open_price_mark",
    "close_price",
    "high_price",
    "high_price_mark",
    "low_price",
    "low_price_mark",
    "min_price",
    "max_price",
    "mark_price",
    "index_price",
    "fair_price",
    "volatility",
    "black_scholes",
    "underlying_price",
    "strike",
    "otm_amount",
    "bid_price",
    "bid_qty",
    "ask_price",
    "ask_qty",
    "base_volume",
    "quote_volume",
    "close_time",
    "adjusted_price",
    "call",
    "put",
    "open_time",
    "trades",
    "open_interest",
    "funding_rate",
    "predicted_funding_rate",
    "next_funding_time",
    "model_price",
    "delta",
    "gamma",
    "vega",
    "theta",
    "drift",
)
"""The documents' fields in their order, those that Everstrike's own client reads, and ours."""
