"""Pairs: what Everstrike calls a market, and how it describes one."""

from collections.abc import Iterable
from typing import Final, final

from app.db.rows import StoredFunding, StoredLiquidation
from app.problems import Malformed
from app.sequencer import Sequencer
from app.wire import MONEY_DECIMALS, amount, ratio
from exchange import views
from exchange.instrument import Instrument, InstrumentKind
from exchange.limits import MODEL_AGE_MAX_MS, PRICE_MAX
from exchange.views import MarketView

PPM_DECIMALS: Final = 6
SLOPE_DECIMALS: Final = 9
RATE_DECIMALS: Final = 12
DATED: Final = "DATED_FUTURE"

TYPES: Final = {
    InstrumentKind.SPOT: "SPOT",
    InstrumentKind.FUTURE: "PERPETUAL_FUTURE",
    InstrumentKind.CALL: "PERPETUAL_CALL",
    InstrumentKind.PUT: "PERPETUAL_PUT",
}


@final
class Pair:
    """A market as this surface needs it with every order. `..._in_one` are what a whole quantity or price is made of."""

    __slots__ = (
        "base",
        "instrument",
        "is_spot",
        "lots_in_one",
        "market_id",
        "name",
        "price_units_in_one",
        "quote",
        "unit_value",
    )

    def __init__(self, market_id: int, instrument: Instrument, symbols: dict[int, str]) -> None:
        self.market_id = market_id
        self.base = symbols[instrument.base_asset]
        self.quote = symbols[instrument.quote_asset]
        self.instrument = instrument
        self.name = instrument.symbol
        self.is_spot = instrument.kind is InstrumentKind.SPOT
        self.lots_in_one: int = 10**instrument.lot_decimals
        self.price_units_in_one: int = 10**instrument.price_decimals
        self.unit_value = instrument.unit_value


@final
class Pairs:
    """The listed pairs by name and by market. A name that is not there is looked for once more in the exchange."""

    __slots__ = ("_by_id", "_by_name", "_sequencer", "_symbols")

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._symbols: dict[int, str] = {}
        self._by_name: dict[str, Pair] = {}
        self._by_id: dict[int, Pair] = {}

    def need(self, name: str) -> Pair:
        """The pair of this name. Raises: Malformed."""
        pair = self._by_name.get(name)
        if pair is None:
            self._refresh()
            pair = self._by_name.get(name)
            if pair is None:
                raise Malformed("pair", "The market does not exist.", "UNKNOWN_MARKET")
        return pair

    def of(self, market_id: int) -> Pair:
        """The pair of a market that exists."""
        pair = self._by_id.get(market_id)
        if pair is None:
            self._refresh()
            pair = self._by_id[market_id]
        return pair

    def all(self) -> Iterable[Pair]:
        """Every pair, in listing order."""
        self._refresh()
        return self._by_id.values()

    def symbol(self, asset_id: int) -> str:
        """The symbol of an asset that exists."""
        if asset_id not in self._symbols:
            self._refresh()
        return self._symbols[asset_id]

    def _refresh(self) -> None:
        exchange = self._sequencer.exchange
        for asset in views.assets(exchange):
            self._symbols[asset.asset_id] = asset.symbol
        for market in views.markets(exchange):
            if market.market_id not in self._by_id:
                pair = Pair(market.market_id, market.instrument, self._symbols)
                self._by_id[market.market_id] = pair
                self._by_name[pair.name] = pair


def describe(pair: Pair, view: MarketView, now_ms: int) -> dict[str, object]:
    """One entry of /pairs: the terms as they are now, and the prices."""
    return {**terms_of(pair, view), **prices_of(view), **option_of(view, now_ms)}


def terms_of(pair: Pair, view: MarketView) -> dict[str, object]:
    """What a market's orders must be and cost."""
    terms = view.instrument
    tick = amount(terms.tick, terms.price_decimals)
    return {
        "key": pair.name,
        "base": pair.base,
        "base_precision": terms.lot_decimals,
        "base_display_precision": terms.lot_decimals,
        "quote": pair.quote,
        "quote_precision": terms.price_decimals,
        "quote_display_precision": terms.price_decimals,
        "tv_price_precision": terms.price_decimals,
        "tv_volume_precicion": terms.lot_decimals,
        "symbol": f"{pair.base}/{pair.quote}",
        "description": "",
        "introduction": "",
        "website": None,
        "explorer": None,
        "subreddit": None,
        "issue_price": None,
        "issue_time": None,
        "status": view.status.name,
        "filters": [
            {
                "filter_type": "PRICE_FILTER",
                "min_price": tick,
                "max_price": amount(PRICE_MAX // terms.tick * terms.tick, terms.price_decimals),
                "tick_size": tick,
                "display": tick,
            },
            {
                "filter_type": "LOT_SIZE",
                "min_qty": amount(terms.qty_min, terms.lot_decimals),
                "max_qty": amount(terms.qty_max, terms.lot_decimals),
                "tick_size": amount(1, terms.lot_decimals),
            },
            {"filter_type": "MIN_NOTIONAL", "min_notional": amount(terms.notional_min, MONEY_DECIMALS)},
        ],
        "type": DATED if terms.expiry_ms else TYPES[terms.kind],
        "max_leverage": terms.leverage_max,
        "initial_margin": amount(terms.initial_ppm, PPM_DECIMALS),
        "maintenance_margin": amount(terms.maintenance_ppm, PPM_DECIMALS),
        "initial_margin_slope": amount(terms.initial_slope_ppb, SLOPE_DECIMALS),
        "maintenance_margin_slope": amount(terms.maintenance_slope_ppb, SLOPE_DECIMALS),
        "trading_range": amount(terms.range_ppm, PPM_DECIMALS),
        "maker_fee": amount(terms.maker_fee_ppm, PPM_DECIMALS),
        "taker_fee": amount(terms.taker_fee_ppm, PPM_DECIMALS),
        "impact_depth": amount(terms.impact_qty, terms.lot_decimals),
        "fair_multiplier": amount(terms.fair_margin_ppm, PPM_DECIMALS),
        "funding_period": terms.funding_period_h if terms.premium_clamp_ppm else None,
        "max_funding_rate": (
            amount(terms.premium_clamp_ppm * 10**6 // terms.funding_period_h, RATE_DECIMALS)
            if terms.premium_clamp_ppm
            else None
        ),
        "strike_multiplier": amount(terms.strike_ppm, PPM_DECIMALS) if terms.strike_ppm else None,
        "expiry": terms.expiry_ms or None,
    }


def prices_of(view: MarketView) -> dict[str, object]:
    """Where a market stands. `predicted_funding_rate` is what the running hour would be settled with, for an hour."""
    terms = view.instrument
    decimals = terms.price_decimals

    def price(units: int) -> object:
        return amount(units, decimals) if units else None

    has_funding = terms.premium_clamp_ppm != 0 and view.mark_price != 0
    return {
        "last_price": price(view.last_price),
        "mark_price": price(view.mark_price),
        "index_price": price(view.index_price),
        "fair_price": price(view.fair_price),
        "underlying_price": price(view.underlying_price),
        "min_price": price(view.range_low),
        "max_price": price(view.range_high),
        "open_interest": amount(view.open_interest, terms.lot_decimals),
        "predicted_funding_rate": amount(view.funding_rate_e12, RATE_DECIMALS) if has_funding else None,
    }


def option_of(view: MarketView, now_ms: int) -> dict[str, object]:
    """What there is to say about an option, null for other kinds and without a fresh model.

    `delta` is for one unit of the underlying; `vega` for one point of volatility, `theta` for a day, both in the quote; `drift` is
    by which part the option's index changes in an hour by the strike's movement alone.
    """
    terms = view.instrument
    decimals = terms.price_decimals
    is_option = terms.kind in (InstrumentKind.CALL, InstrumentKind.PUT)
    sign = 1 if terms.kind is InstrumentKind.CALL else -1
    out = max(0, (view.strike - view.underlying_price) * sign)
    has_strike = is_option and view.strike != 0
    model = view.model if now_ms - view.model_ms <= MODEL_AGE_MAX_MS else None
    return {
        "strike": amount(view.strike, decimals) if has_strike else None,
        "otm_amount": amount(out, decimals) if has_strike else None,
        "model_price": amount(model.price, decimals) if model else None,
        "volatility": amount(model.volatility_ppm, PPM_DECIMALS) if model else None,
        "black_scholes": amount(model.black_scholes, decimals) if model else None,
        "delta": amount(model.delta_ppm, PPM_DECIMALS) if model else None,
        "gamma": amount(model.gamma_e12, 12) if model else None,
        "vega": amount(model.vega_e8, 8) if model else None,
        "theta": amount(model.theta_e8, 8) if model else None,
        "drift": amount(model.drift_ppm, PPM_DECIMALS) if model else None,
    }


def funding_json(row: StoredFunding, pair: Pair) -> dict[str, object]:
    """A settled hour. `amount` is what a long position of one paid."""
    terms = pair.instrument
    return {
        "id": f"{row.seq}-{row.index}",
        "pair": pair.name,
        "time": row.time_ms,
        "rate": amount(row.rate_e12, RATE_DECIMALS),
        "amount": ratio(row.lot_e12 * pair.lots_in_one, 10 ** (RATE_DECIMALS + MONEY_DECIMALS)),
        "mark_price": amount(row.mark_price, terms.price_decimals),
        "collected": amount(row.collected),
        "paid": amount(row.paid),
    }


def liquidation_json(row: StoredLiquidation, pair: Pair) -> dict[str, object]:
    """A part of a position that was liquidated, without saying whose. `side` is that of the order that closes it."""
    return {
        "id": f"{row.seq}-{row.index}",
        "pair": pair.name,
        "time": row.time_ms,
        "type": row.kind.name,
        "side": "SELL" if row.qty > 0 else "BUY",
        "qty": amount(abs(row.qty), pair.instrument.lot_decimals),
        "price": amount(row.price, pair.instrument.price_decimals),
    }
