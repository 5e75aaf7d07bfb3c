"""The surface as OpenAPI: handlers read raw bytes, so what they take and give is written down here."""

from typing import Final

from app.surfaces.everstrike.orders import SELF_MATCHES, SIDES, TIMES_IN_FORCE, TRIGGER_DIRECTIONS, TRIGGER_EVENTS
from app.surfaces.everstrike.shapes import BOOLEAN, ID, MILLISECONDS, NUMBER, OURS, Schema
from app.surfaces.everstrike.shapes import by_name as _map
from app.surfaces.everstrike.shapes import exact as _object
from app.surfaces.everstrike.shapes import list_of as _list
from app.surfaces.everstrike.shapes import or_null as _or_null
from app.surfaces.everstrike.shapes import ref as _ref
from app.surfaces.everstrike.shapes import words as _words
from exchange.limits import BATCH_ORDERS_MAX, CANCEL_IDS_MAX, ICEBERGS_MAX, OCO_LENGTH_MAX, REFERENCE_LENGTH_MAX

PARAMETERS: Final[dict[str, Schema]] = {
    "pair": {"type": "string", "description": "Market, for example USD_BTC_PERP."},
    "qty": {"type": "number", "exclusiveMinimum": 0, "description": "Quantity, a multiple of the market's lot."},
    "side": {**_words(SIDES), "description": "Whether to buy or to sell."},
    "price": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "Price, a multiple of the market's tick. Left out, the order is a market order.",
    },
    "timestamp": {
        "type": "number",
        "description": "Milliseconds since 1970. A request that arrives 15 seconds or more later is refused, and so is "
        "one that is more than a second ahead.",
    },
    "recv_window": {
        "type": "integer",
        "minimum": 0,
        "description": "Milliseconds after the timestamp in which the request may arrive: narrows the 15 seconds.",
    },
    "leverage": {
        "type": "number",
        "minimum": 1,
        "description": "Leverage for the market, to two decimals. Isolated margin only; ignored in cross margin.",
    },
    "trigger_price": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "The order waits until the price of trigger_event reaches this.",
    },
    "trigger_event": {
        **_words(TRIGGER_EVENTS),
        "description": "The price that triggers. MARK_PRICE by default; LAST_PRICE on spot, where nothing else will do.",
    },
    "time_in_force": {**_words(TIMES_IN_FORCE), "description": "GTC by default. DAY is ours: it ends at 00:00 UTC."},
    "is_test": {**BOOLEAN, "description": "Check the order in every way and do nothing."},
    "reduce_only": {**BOOLEAN, "description": "Only ever make the position smaller."},
    "post_only": {**BOOLEAN, "description": "Refuse the order if any part of it would trade at once."},
    "hidden": {**BOOLEAN, "description": "Do not show the order in the book."},
    "icebergs": {
        "type": "integer",
        "minimum": 0,
        "maximum": ICEBERGS_MAX,
        "description": "Show only the quantity divided by this.",
    },
    "oco": {
        "type": "string",
        "maxLength": OCO_LENGTH_MAX,
        "description": "Orders with the same string cancel each other when one is filled.",
    },
    "close_on_trigger": {
        **BOOLEAN,
        "description": "When triggered, close the position only, and cancel other orders to make room for it.",
    },
    "client_order_id": {
        "type": "string",
        "maxLength": REFERENCE_LENGTH_MAX,
        "description": OURS + "Makes a retry safe: the same id again answers with the first order and does nothing.",
    },
    "self_match": {
        **_words(SELF_MATCHES),
        "description": OURS + "What gives way when the order meets one of your own. CANCEL_TAKER by default.",
    },
    "trigger_direction": {
        **_words(TRIGGER_DIRECTIONS),
        "description": OURS + "Whether the trigger waits for a rise or a fall. AUTO: from the price at entry.",
    },
    "trail": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": OURS + "Makes the trigger a trailing stop this far behind the best price.",
    },
    "trail_percent": {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 100,
        "description": OURS + "A trailing stop this many percent behind the best price.",
    },
    "id": {"type": "string", "description": "Id of the order."},
    "ids": {
        "type": "array",
        "items": {"type": "string"},
        "maxItems": CANCEL_IDS_MAX,
        "description": "Ids of the orders, as ids[0], ids[1], ..., as ids[] or as ids repeated. None: all orders.",
    },
    "orders": {
        "type": "array",
        "items": _ref("OrderForm"),
        "minItems": 1,
        "maxItems": BATCH_ORDERS_MAX,
        "description": "Orders, as orders[0][pair], orders[0][qty], ...; the timestamp in each or once for all.",
    },
    "start": {
        "type": "integer",
        "minimum": 0,
        "description": "From this time on, itself included, in milliseconds since 1970.",
    },
    "end": {
        "type": "integer",
        "minimum": 0,
        "description": "Up to this time, itself included, in milliseconds since 1970.",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "At most so many rows."},
    "seq": {
        "type": "integer",
        "minimum": 0,
        "description": "The command after which was counted. The newest by default.",
    },
    "asset": {"type": "string", "maxLength": 16, "description": "Of which asset's tree. USD by default."},
}
ORDER_PARAMETERS: Final = (
    "pair",
    "qty",
    "side",
    "price",
    "timestamp",
    "recv_window",
    "leverage",
    "trigger_price",
    "trigger_event",
    "time_in_force",
    "is_test",
    "reduce_only",
    "post_only",
    "hidden",
    "icebergs",
    "oco",
    "close_on_trigger",
    "client_order_id",
    "self_match",
    "trigger_direction",
    "trail",
    "trail_percent",
)

_ORDER: Final[Schema] = {
    "id": ID,
    "pair": {"type": "string"},
    "side": _words(SIDES),
    "time": {**MILLISECONDS, "description": "Last change."},
    "type": {"type": "string", "enum": ["LIMIT", "MARKET"]},
    "fills": _list(_ref("Fill")),
    "price": {**_or_null(NUMBER), "description": "Of a market order: the edge that it may trade up to."},
    "price_orig": _or_null(NUMBER),
    "hidden": BOOLEAN,
    "status": {"type": "string", "enum": ["ACTIVE", "CANCELLED", "COMPLETED", "UNTRIGGERED"]},
    "leverage": NUMBER,
    "qty_orig": NUMBER,
    "qty_orig_usd": NUMBER,
    "qty_remaining": NUMBER,
    "qty_filled": NUMBER,
    "post_only": BOOLEAN,
    "reduce_only": BOOLEAN,
    "time_in_force": _words(TIMES_IN_FORCE),
    "oco": _or_null({"type": "string"}),
    "icebergs": {"type": "integer"},
    "trigger_price": {**_or_null(NUMBER), "description": "Of an active trailing stop: where it would fire now."},
    "trigger_event": _or_null(_words(TRIGGER_EVENTS)),
    "close_on_trigger": BOOLEAN,
    "customer_id": {"type": "string", "format": "uuid"},
    "client_order_id": {**_or_null({"type": "string"}), "description": OURS},
    "self_match": {**_words(SELF_MATCHES), "description": OURS},
    "trigger_direction": {**_or_null(_words(TRIGGER_DIRECTIONS)), "description": OURS},
    "trail": {**_or_null(NUMBER), "description": OURS},
    "trail_percent": {**_or_null(NUMBER), "description": OURS},
    "msg": {**_or_null({"type": "string"}), "description": "Why a cancelled order ended."},
    "is_liquidation": {**BOOLEAN, "description": "The exchange's own order, in a liquidation of the account."},
}
_FILL: Final[Schema] = {
    "id": ID,
    "pair": {"type": "string"},
    "qty": NUMBER,
    "qty_usd": NUMBER,
    "price": NUMBER,
    "cost": NUMBER,
    "side": _words(SIDES),
    "type": {"type": "string", "enum": ["LIMIT", "MARKET"]},
    "time": MILLISECONDS,
    "is_buyer_maker": BOOLEAN,
    "liquidation": BOOLEAN,
    "discount": NUMBER,
    "gross_commission": NUMBER,
    "net_commission": NUMBER,
    "gross_commission_asset": {"type": "string"},
    "net_commission_asset": {"type": "string"},
    "order_id": {**ID, "description": OURS},
    "trade_id": {**ID, "description": OURS},
}
_BALANCE: Final[Schema] = {
    "free": {**NUMBER, "description": "Available."},
    "locked": {**NUMBER, "description": "Reserved for open orders."},
    "withdrawn": {**NUMBER, "description": "In pending withdrawals."},
    "pnl": {**NUMBER, "description": "Realized so far."},
    "margin": {**NUMBER, "description": "Margin of positions."},
    "fees": {**NUMBER, "description": "Paid so far."},
}
_STATS: Final[Schema] = {
    "size": NUMBER,
    "notional": NUMBER,
    "notional_entry": NUMBER,
    "margin": NUMBER,
    "pnl": NUMBER,
    "upnl": NUMBER,
    "rpnl": NUMBER,
    "equity": NUMBER,
    "roe": NUMBER,
    "mark": NUMBER,
    "avg_entry": _or_null(NUMBER),
    "leverage": {**NUMBER, "description": "Effective."},
    "lp": {**_or_null(NUMBER), "description": "Liquidation price; null when no price would liquidate."},
    "bankrupt": {**_or_null(NUMBER), "description": "Bankruptcy price; null when there is none."},
    "direction": _or_null(_words(SIDES)),
    "maintenance": {**NUMBER, "description": OURS + "Maintenance margin."},
    "adl": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 5,
        "description": OURS
        + "How near the position is to being deleveraged: 5 goes first, 1 last. GET /position only; a second old or more.",
    },
}
_POSITION: Final[Schema] = {
    "pair": {"type": "string"},
    "size": {**NUMBER, "description": "Negative when short."},
    "free": {**NUMBER, "description": "Margin of the position."},
    "locked": {**NUMBER, "description": "Reserved for its open orders."},
    "realized": NUMBER,
    "funding": NUMBER,
    "fees": NUMBER,
    "cum_pnl": NUMBER,
    "fills": {"type": "array", "maxItems": 0},
    "stats": _ref("PositionStats"),
}
_TRADE: Final[Schema] = {
    "id": ID,
    "pair": {"type": "string"},
    "qty": NUMBER,
    "price": NUMBER,
    "time": MILLISECONDS,
    "is_buyer_maker": BOOLEAN,
    "is_best_match": BOOLEAN,
}
_LEVEL: Final[Schema] = {"price": NUMBER, "qty": NUMBER}
_PAIR: Final[Schema] = {
    "key": {"type": "string"},
    "base": {"type": "string"},
    "base_precision": {"type": "integer"},
    "base_display_precision": {"type": "integer"},
    "quote": {"type": "string"},
    "quote_precision": {"type": "integer"},
    "quote_display_precision": {"type": "integer"},
    "tv_price_precision": {"type": "integer"},
    "tv_volume_precicion": {"type": "integer"},
    "symbol": {"type": "string"},
    "description": {"type": "string"},
    "introduction": {"type": "string"},
    "website": {"type": "null"},
    "explorer": {"type": "null"},
    "subreddit": {"type": "null"},
    "issue_price": {"type": "null"},
    "issue_time": {"type": "null"},
    "status": {"type": "string", "enum": ["TRADING", "REDUCE_ONLY", "CANCEL_ONLY", "HALTED", "SETTLED"]},
    "filters": _list(
        {"type": "object", "properties": {"filter_type": {"type": "string"}}, "required": ["filter_type"]}
    ),
    "type": {"type": "string"},
    "max_leverage": {"type": "integer"},
    "initial_margin": NUMBER,
    "maintenance_margin": NUMBER,
    "initial_margin_slope": NUMBER,
    "maintenance_margin_slope": NUMBER,
    "trading_range": NUMBER,
    "maker_fee": NUMBER,
    "taker_fee": NUMBER,
    "impact_depth": NUMBER,
    "fair_multiplier": {**NUMBER, "description": "How far the fair price's sides may stand from the best ones."},
    "funding_period": {"type": ["integer", "null"], "description": "Hours in which a premium is paid in full."},
    "max_funding_rate": {**_or_null(NUMBER), "description": "An hour's largest."},
    "strike_multiplier": {**_or_null(NUMBER), "description": "Of the EMA of 100 hours."},
    "expiry": {**_or_null(MILLISECONDS), "description": "Of a dated future."},
    "last_price": _or_null(NUMBER),
    "mark_price": _or_null(NUMBER),
    "index_price": {**_or_null(NUMBER), "description": "Of an option its own: the intrinsic value, or its floor."},
    "fair_price": _or_null(NUMBER),
    "underlying_price": {**_or_null(NUMBER), "description": "The index of the underlying."},
    "min_price": {**_or_null(NUMBER), "description": "Low edge of the trading range."},
    "max_price": {**_or_null(NUMBER), "description": "High edge of the trading range."},
    "open_interest": NUMBER,
    "predicted_funding_rate": {
        **_or_null(NUMBER),
        "description": "What the running hour would be settled with, as part of the mark. Longs pay where positive.",
    },
    "strike": _or_null(NUMBER),
    "otm_amount": {**_or_null(NUMBER), "description": "How far out of the money."},
    "model_price": _or_null(NUMBER),
    "volatility": {**_or_null(NUMBER), "description": "Of a year."},
    "black_scholes": _or_null(NUMBER),
    "delta": {**_or_null(NUMBER), "description": "For one unit of the underlying."},
    "gamma": _or_null(NUMBER),
    "vega": {**_or_null(NUMBER), "description": "For one point of volatility, in the quote."},
    "theta": {**_or_null(NUMBER), "description": "For a day, in the quote."},
    "drift": {
        **_or_null(NUMBER),
        "description": "By which part the option's index changes in an hour by the strike's movement alone.",
    },
}
_FUNDING: Final[Schema] = {
    "id": {"type": "string", "description": "Ours."},
    "pair": {"type": "string"},
    "time": {**MILLISECONDS, "description": "End of the hour."},
    "rate": {**NUMBER, "description": "As part of the mark. Longs paid where positive."},
    "amount": {**NUMBER, "description": "What a long position of 1 paid."},
    "mark_price": NUMBER,
    "collected": NUMBER,
    "paid": NUMBER,
}
_PAYMENT: Final[Schema] = {
    "id": {"type": "string"},
    "pair": {"type": "string"},
    "time": MILLISECONDS,
    "amount": {**NUMBER, "description": "Received, or (negative) paid."},
    "from_margin": {**NUMBER, "description": "How much of it came out of the position's margin."},
}
_LIQUIDATION: Final[Schema] = {
    "id": {"type": "string"},
    "pair": {"type": "string"},
    "time": MILLISECONDS,
    "type": {"type": "string", "enum": ["SLICE", "TAKEOVER", "DELEVERAGING"]},
    "side": {**_words(SIDES), "description": "Of the order that closes the position."},
    "qty": NUMBER,
    "price": NUMBER,
}
_ERROR: Final[Schema] = {
    "type": "object",
    "properties": {
        "code": {"type": "integer"},
        "msg": {"type": "string"},
        "result": {
            "type": ["object", "null"],
            "properties": {
                "reject": {"type": "string", "description": "The reason as a word, for programs."},
                "field": {"type": ["string", "null"], "description": "The parameter to blame."},
            },
        },
    },
    "required": ["code", "msg", "result"],
    "additionalProperties": False,
}
_UNITS: Final[Schema] = {"type": "string", "pattern": "^[0-9]{1,39}$", "description": "Whole units of 10^-8."}
_HASH: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ASSET_LIABILITIES: Final[Schema] = {
    "total": {**_UNITS, "description": "What the claims add up to."},
    "root": {**_HASH, "description": "Of the Merkle-sum tree."},
    "height": {"type": "integer"},
    "claims": {"type": "integer"},
    "shortfall": {**_UNITS, "description": "What accounts are worth less than nothing by."},
    "shortfalls": {"type": "integer"},
    "own": {**_UNITS, "description": "The exchange's own."},
    "held": {**_UNITS, "description": "Came in and did not leave: total - shortfall + own."},
}
_BALANCES: Final = _map(_ref("Balance"), "By asset.")
_POSITIONS: Final = _map(_ref("Position"), "By pair.")
_POSITION_OR_NULL: Final[Schema] = {"anyOf": [_ref("Position"), {"type": "null"}]}

SCHEMAS: Final[dict[str, Schema]] = {
    "Order": _object(_ORDER),
    "Fill": _object(_FILL),
    "Balance": _object(_BALANCE),
    "Position": _object(_POSITION),
    "PositionStats": _object(_STATS),
    "Trade": _object(_TRADE),
    "Level": _object(_LEVEL),
    "Pair": _object(_PAIR),
    "Funding": _object(_FUNDING),
    "FundingPayment": _object(_PAYMENT),
    "Liquidation": _object(_LIQUIDATION),
    "Error": _ERROR,
}
RESULTS: Final[dict[str, Schema]] = {
    "order_and_account": _object(
        {"order": _ref("Order"), "balances": _BALANCES, "positions": _POSITIONS, "position": _POSITION_OR_NULL}
    ),
    "orders_and_account": _object(
        {"orders": _list(_ref("Order")), "balances": _BALANCES, "positions": _POSITIONS, "position": _POSITION_OR_NULL}
    ),
    "account": _object({"balances": _BALANCES, "positions": _POSITIONS}),
    "order": _ref("Order"),
    "orders": _list(_ref("Order")),
    "balances": _BALANCES,
    "position": _POSITION_OR_NULL,
    "positions": _POSITIONS,
    "fills": _list(_ref("Fill")),
    "trades": _list(_ref("Trade")),
    "depth": _object({"bids": _list(_ref("Level")), "asks": _list(_ref("Level"))}),
    "pairs": _map(_ref("Pair"), "By pair."),
    "funding": _list(_ref("Funding")),
    "funding_payments": _list(_ref("FundingPayment")),
    "liquidations": _list(_ref("Liquidation")),
    "time": MILLISECONDS,
    "nothing": {"type": "object", "maxProperties": 0},
    "liabilities": _object(
        {
            "format": {"type": "string"},
            "seq": {"type": "integer"},
            "time_ms": MILLISECONDS,
            "state_hash": _HASH,
            "assets": _map(_object(_ASSET_LIABILITIES), "By asset."),
        }
    ),
    "claim_path": _object(
        {
            "format": {"type": "string"},
            "seq": {"type": "integer"},
            "asset": {"type": "string"},
            "account": {"type": "integer"},
            "owner": {"type": "string"},
            "value": _UNITS,
            "salt": _HASH,
            "index": {"type": "integer"},
            "siblings": _list(_object({"sum": _UNITS, "hash": _HASH})),
        }
    ),
}
"""What the envelope's `result` can be."""

SUMMARIES: Final = {
    "/auth/order": "Place an order",
    "/auth/order/bulk": "Place 1 to 50 orders of one market, all or none",
    "/auth/cancel": "Cancel an order",
    "/auth/cancel/bulk": "Cancel the named orders, or all",
    "/auth/close": "Close a position",
    "/leverage": "Set the leverage of a market (isolated margin)",
    "/fund": "Add margin to a position (isolated margin)",
    "/draw": "Take margin out of a position (isolated margin)",
    "/order": "One order with its fills",
    "/orders": "Orders in every state",
    "/active_orders": "Open orders",
    "/account": "Balances and positions",
    "/balances": "Balances",
    "/position": "One position",
    "/active_positions": "Open positions",
    "/fills": "Fills",
    "/pairs": "Every market's terms and prices",
    "/funding": "Settled hours of funding. The documents name it only: its fields are ours",
    "/v1/funding_payments": "The account's funding",
    "/v1/liquidations": "What of positions was liquidated",
    "/depth": "The order book by price",
    "/trades": "Trades of a market",
    "/time": "The exchange's clock",
    "/ping": "Whether the exchange answers",
    "/v1/liabilities": "What the exchange owes: root and total of each asset's tree",
    "/v1/liabilities/path": "Your claim's path in the tree, for a signed read (docs/proof_of_liabilities.md)",
}
REASONS: Final = {
    "401": "The key is missing, unknown, expired or revoked, or the signature is wrong or was used before.",
    "403": "The key may not do this, or not from this address.",
    "405": "The address takes another method.",
    "408": "The timestamp is too old or too far ahead. The envelope's code is 414.",
    "413": "The body is larger than 64 KB.",
    "429": "Too many requests of this address or key, or orders or cancels of this account. Retry-After says how long to wait.",
    "500": "Our fault.",
    "503": "Refused: result names the reject and the field. With reject UNAVAILABLE and Retry-After the exchange does not "
    "take requests now; with OVERLOADED too many commands wait, and this one was not taken.",
}
