"""Pairs: what Everstrike calls a market, and how it describes one."""

from collections.abc import Iterable
from typing import Final, final

from app.problems import Malformed
from app.sequencer import Sequencer
from app.wire import MONEY_DECIMALS, amount
from exchange import views
from exchange.instrument import Instrument, InstrumentKind, MarketStatus
from exchange.limits import PRICE_MAX

PPM_DECIMALS: Final = 6
SLOPE_DECIMALS: Final = 9

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


def describe(pair: Pair, status: MarketStatus) -> dict[str, object]:
    """One entry of /pairs."""
    terms = pair.instrument
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
        "status": status.name,
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
        "type": TYPES[terms.kind],
        "max_leverage": terms.leverage_max,
        "initial_margin": amount(terms.initial_ppm, PPM_DECIMALS),
        "maintenance_margin": amount(terms.maintenance_ppm, PPM_DECIMALS),
        "initial_margin_slope": amount(terms.initial_slope_ppb, SLOPE_DECIMALS),
        "maintenance_margin_slope": amount(terms.maintenance_slope_ppb, SLOPE_DECIMALS),
        "trading_range": amount(terms.range_ppm, PPM_DECIMALS),
        "maker_fee": amount(terms.maker_fee_ppm, PPM_DECIMALS),
        "taker_fee": amount(terms.taker_fee_ppm, PPM_DECIMALS),
        "impact_depth": amount(terms.impact_qty, terms.lot_decimals),
    }
