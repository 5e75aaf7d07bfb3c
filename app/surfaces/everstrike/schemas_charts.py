"""GET /ticker and /ohlcv as OpenAPI."""

from typing import Final

from app.candles import SLOTS_KEPT_MS
from app.surfaces.everstrike.shapes import (
    BOOLEAN,
    MILLISECONDS,
    NUMBER,
    OURS,
    Schema,
    by_name,
    exact,
    list_of,
    or_null,
    ref,
    words,
)
from app.surfaces.everstrike.tickers import BASES, INTERVAL_WORDS

_MAYBE: Final = or_null(NUMBER)

PARAMETERS: Final[dict[str, Schema]] = {
    "interval": {
        **words(INTERVAL_WORDS),
        "description": OURS
        + "Length of a candle, 5m by default. Days begin at 00:00 UTC, weeks on Monday. Candles of 15s are kept "
        f"for {SLOTS_KEPT_MS // 3_600_000} hours.",
    },
    "basis": {
        **words(BASES),
        "description": OURS
        + "Which price: of trades (by default), the mark, or the index; of an option its own index.",
    },
}
SCHEMAS: Final[dict[str, Schema]] = {
    "Ticker": exact(
        {
            "price_change": {**_MAYBE, "description": "In 24 hours: close_price - open_price."},
            "price_change_percent": _MAYBE,
            "last_price": {**_MAYBE, "description": "Of the last trade; null before the first."},
            "prev_last_price": {**_MAYBE, "description": "Of the trade before it."},
            "last_qty": _MAYBE,
            "open_price": {
                **_MAYBE,
                "description": "Where the 24 hours began: the last price before, if nobody traded then.",
            },
            "open_price_mark": _MAYBE,
            "close_price": _MAYBE,
            "high_price": _MAYBE,
            "high_price_mark": _MAYBE,
            "low_price": _MAYBE,
            "low_price_mark": _MAYBE,
            "min_price": {**_MAYBE, "description": "Low edge of the trading range."},
            "max_price": {**_MAYBE, "description": "High edge of the trading range."},
            "mark_price": _MAYBE,
            "index_price": {**_MAYBE, "description": "Of an option its own."},
            "fair_price": _MAYBE,
            "volatility": {
                **_MAYBE,
                "description": "Of a year: an option's as its model has it, else that of 14 days of hourly prices of the index (without "
                "one: of trades); null until there are 24 hours.",
            },
            "black_scholes": _MAYBE,
            "underlying_price": {**_MAYBE, "description": "The index of the underlying."},
            "strike": _MAYBE,
            "otm_amount": {**_MAYBE, "description": "How far out of the money."},
            "bid_price": _MAYBE,
            "bid_qty": _MAYBE,
            "ask_price": _MAYBE,
            "ask_qty": _MAYBE,
            "base_volume": {**NUMBER, "description": "Traded in 24 hours."},
            "quote_volume": NUMBER,
            "close_time": {**MILLISECONDS, "description": "Now: the end of the 24 hours."},
            "adjusted_price": {**_MAYBE, "description": "The mark; of spot the index, or without one the last price."},
            "call": {**BOOLEAN, "description": "A call option."},
            "put": {**BOOLEAN, "description": "A put option."},
            "open_time": {**MILLISECONDS, "description": OURS + "When the 24 hours began, to the minute."},
            "trades": {"type": "integer", "description": OURS + "In 24 hours."},
            "open_interest": {**NUMBER, "description": OURS + "What longs hold."},
            "funding_rate": {**_MAYBE, "description": OURS + "Of the last settled hour. Longs paid where positive."},
            "predicted_funding_rate": {**_MAYBE, "description": OURS + "What the running hour would be settled with."},
            "next_funding_time": {**or_null(MILLISECONDS), "description": OURS + "When it is settled."},
            "model_price": {**_MAYBE, "description": OURS},
            "delta": {**_MAYBE, "description": OURS + "For one unit of the underlying."},
            "gamma": {**_MAYBE, "description": OURS},
            "vega": {**_MAYBE, "description": OURS + "For one point of volatility, in the quote."},
            "theta": {**_MAYBE, "description": OURS + "For a day, in the quote."},
            "drift": {
                **_MAYBE,
                "description": OURS
                + "By which part the option's index changes in an hour by the strike's movement alone.",
            },
        }
    ),
    "Candle": exact(
        {
            "open": {
                **NUMBER,
                "description": "Of trades the first; of the mark and the index where it stood when the candle began.",
            },
            "high": NUMBER,
            "low": NUMBER,
            "close": NUMBER,
            "base_volume": NUMBER,
            "quote_volume": NUMBER,
            "open_time": MILLISECONDS,
            "close_time": {**MILLISECONDS, "description": "When the next one begins."},
            "trades": {"type": "integer"},
            "last_price": NUMBER,
            "last_qty": {**NUMBER, "description": "Of the last trade in it or before it."},
        }
    ),
}
RESULTS: Final[dict[str, Schema]] = {
    "ticker": by_name(ref("Ticker"), "By pair."),
    "ohlcv": list_of(ref("Candle")),
}
BESIDE: Final[dict[str, Schema]] = {"ticker": ref("Ticker")}
"""What stands in the envelope beside its three fields: Everstrike's own client reads the pairs there."""
SUMMARIES: Final[dict[str, str]] = {
    "/ticker": "The last 24 hours and the prices now, of a pair or of all; under `result`, and once more beside it",
    "/ohlcv": "Candles, oldest first, gaps filled, the running one included",
}
