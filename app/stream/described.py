"""What the stream says and takes, as schemas: operations, answers and categories. The document under /docs/asyncapi.json is made of it."""

from typing import Final, NamedTuple

from app.people.notices import Kind
from app.stream import messages
from app.stream.entry import PATHS
from app.stream.topics import CANDLES
from app.surfaces.everstrike.described import SCHEMAS
from app.surfaces.everstrike.shapes import (
    BOOLEAN,
    MILLISECONDS,
    NUMBER,
    OURS,
    TEXT,
    Schema,
    exact,
    list_of,
    or_null,
    ref,
    words,
)
from app.surfaces.everstrike.tickers import BASES


class Operation(NamedTuple):
    """What a client may send, and the category of what answers it. Without a content of its own any that is not empty will do."""

    summary: str
    content: Schema
    reply: str


_PLACE: Final[Schema] = {"type": "integer", "minimum": 0}
_SEQ: Final[Schema] = {**_PLACE, "description": OURS + "The last command in the journal when it was made."}
_ANYTHING: Final[Schema] = {"description": "Anything that is not empty."}
_PAIR: Final[Schema] = {"type": "string", "description": "A pair, such as USD_BTC_PERP."}
_TOPIC: Final[Schema] = {
    "type": "string",
    "description": f"`PAIR:category` with one of {', '.join(messages.PUBLIC)}; `PAIR:ohlcv:INTERVAL` and `PAIR:ohlcv:INTERVAL:BASIS` (ours) "
    f"with an interval of {', '.join(CANDLES)} and a basis of {', '.join(BASES)}; or (ours, after auth_api) {' or '.join(sorted(messages.EXTRAS))}.",
}
_COMING_BACK: Final[Schema] = {
    "since": {**_PLACE, "description": "Send again what the account was told behind this command."},
    "index": {**_PLACE, "description": "And of that command itself what is behind this place."},
    "categories": {
        **list_of(words(sorted(messages.EXTRAS))),
        "description": "Private categories beyond the documented.",
    },
}
_KEY: Final[Schema] = {"type": "string", "description": "An API key with the scope `read`."}

OPERATIONS: Final[dict[str, Operation]] = {
    "sub": Operation("Subscribe to a category of a pair", _TOPIC, messages.SUBSCRIBED),
    "sub_pair": Operation("Subscribe to the seven documented categories of a pair", _PAIR, messages.SUBSCRIBED),
    "unsub": Operation("Unsubscribe from a category of a pair", _TOPIC, messages.UNSUBSCRIBED),
    "unsub_pair": Operation("Unsubscribe from everything of a pair", _PAIR, messages.UNSUBSCRIBED),
    "unsub_all": Operation("Unsubscribe from everything public", _ANYTHING, messages.UNSUBSCRIBED),
    "subscriptions": Operation("Ask what you are subscribed to", _ANYTHING, messages.SUBSCRIPTIONS),
    "status": Operation("Keep the line warm, and ask for the time", _ANYTHING, messages.OK),
    "auth_api": Operation(
        "Be told of your account from now on, or (ours) from where you were",
        {
            "anyOf": [
                _KEY,
                {
                    "type": "object",
                    "properties": {"api_key": _KEY, **_COMING_BACK},
                    "required": ["api_key"],
                    "description": OURS,
                },
            ]
        },
        messages.AUTHENTICATED,
    ),
    "auth": Operation(
        OURS + "The same with proof of the secret key: then you may send orders",
        {
            "type": "object",
            "properties": {
                "api_key": _KEY,
                "timestamp": {
                    "type": ["integer", "number", "string"],
                    "description": "Now, in milliseconds since 1970.",
                },
                "signature": {
                    "type": "string",
                    "description": "Base64 of HMAC-SHA256 over `timestamp=...` with your secret key.",
                },
                **_COMING_BACK,
            },
            "required": ["api_key", "timestamp", "signature"],
        },
        messages.AUTHENTICATED,
    ),
    **{op: Operation(f"{OURS}POST {path} over the socket", {}, messages.RESPONSE) for op, path in PATHS.items()},
}
"""The contents of orders are those of their REST rows."""

_DEPTH: Final[Schema] = {"bids": list_of(ref("Level")), "asks": list_of(ref("Level"))}
_CHECKSUM: Final[Schema] = {
    "type": "integer",
    "minimum": 0,
    "maximum": 2**32 - 1,
    "description": "CRC-32 of the best 25 bids and then asks, each `price:qty` in units, joined by `:`.",
}
_BOOK: Final[Schema] = {
    "anyOf": [
        exact({"type": {"const": "snapshot"}, "seq": _PLACE, **_DEPTH, "checksum": _CHECKSUM}),
        exact(
            {
                "type": {"const": "delta"},
                "prev_seq": {**_PLACE, "description": "The seq of the message before it."},
                "seq": _PLACE,
                "bids": {**list_of(ref("Level")), "description": "What changed: with the new quantity, 0 if gone."},
                "asks": list_of(ref("Level")),
                "checksum": _CHECKSUM,
            }
        ),
    ]
}
_INDEX: Final[Schema] = exact(
    {
        "index": or_null(NUMBER),
        "mark": or_null(NUMBER),
        "underlying_price": or_null(NUMBER),
        "strike": or_null(NUMBER),
        "volatility": {**or_null(NUMBER), "description": "Of a year."},
        "black_scholes": or_null(NUMBER),
        "predicted_funding_rate": {**or_null(NUMBER), "description": OURS},
    }
)
_RUNNING: Final[Schema] = exact(
    {
        **SCHEMAS["Candle"]["properties"],
        "interval": {**words(CANDLES), "description": OURS},
        "basis": {**words(BASES), "description": OURS},
    }
)
_ORDER: Final[Schema] = exact({"order": ref("Order")})
_POSITION: Final[Schema] = ref("Position")
_DEPOSIT: Final[Schema] = exact({**SCHEMAS["Deposit"]["properties"], "deposit": ref("Deposit")})
_WITHDRAWAL: Final[Schema] = exact({**SCHEMAS["Withdrawal"]["properties"], "withdrawal": ref("Withdrawal")})
_CHANGE: Final[Schema] = exact(
    {
        "asset": TEXT,
        "amount": {**NUMBER, "description": "Credited, or (negative) debited."},
        "balance": {**NUMBER, "description": "After it."},
        "cause": TEXT,
        "pair": or_null(TEXT),
        "reference": or_null(TEXT),
    }
)

PUBLIC: Final[dict[str, Schema]] = {
    messages.DEPTH: exact({**_DEPTH, "depth": exact(_DEPTH), "seq": _SEQ}),
    messages.TICKER: ref("Ticker"),
    messages.INDEX: _INDEX,
    messages.OHLCV: exact({"ohlcv": _RUNNING}),
    messages.MATCH: ref("Trade"),
    messages.TRADES: exact({"trades": list_of(ref("Trade"))}),
    messages.LIQUIDATION: ref("Liquidation"),
    messages.BOOK: _BOOK,
}
PRIVATE: Final[dict[str, Schema]] = {
    messages.ORDER_ADDED: _ORDER,
    messages.ORDER_CANCELLED: _ORDER,
    messages.ORDER_TRIGGERED: _ORDER,
    messages.ORDER_PARTIALLY_COMPLETED: _ORDER,
    messages.ORDER_COMPLETED: _ORDER,
    messages.ORDER_AMENDED: _ORDER,
    messages.TRIGGER_ADDED: _ORDER,
    messages.TRIGGER_CANCELLED: _ORDER,
    messages.TRIGGER_FAILED: _ORDER,
    messages.DEPOSIT_ADDED: _DEPOSIT,
    messages.DEPOSIT_COMPLETED: _DEPOSIT,
    messages.WITHDRAWAL_COMPLETED: _WITHDRAWAL,
    messages.POSITION_UPDATED: _POSITION,
    messages.POSITION_CLOSED: _POSITION,
    messages.FILL_ADDED: exact({"fill": ref("Fill")}),
    messages.BALANCE_UPDATED: exact(
        {
            "balances": {"type": "object", "additionalProperties": ref("Balance"), "description": "By asset."},
            "changes": {**list_of(_CHANGE), "description": "The ledger's entries of this command."},
        }
    ),
}
ASIDE: Final[dict[str, Schema]] = {
    messages.NOTICE: exact(
        {
            "notice_id": {"type": "integer", "description": "As in GET /v1/notices."},
            "kind": words(kind.value for kind in Kind),
            "words": TEXT,
            "created_ms": MILLISECONDS,
        }
    )
}
"""Told to an account, but no part of what can be resumed: it stands in a list."""
_NAMES: Final[Schema] = {"anyOf": [TEXT, list_of(TEXT)]}
ANSWERS: Final[dict[str, Schema]] = {
    messages.SUBSCRIBED: _NAMES,
    messages.UNSUBSCRIBED: _NAMES,
    messages.SUBSCRIPTIONS: list_of(TEXT),
    messages.AUTHENTICATED: exact(
        {
            "seq": {**_PLACE, "description": OURS + "The account's messages are behind this command from now on."},
            "customer_id": {"type": "string", "format": "uuid", "description": OURS},
            "may_trade": {**BOOLEAN, "description": OURS + "Orders are taken."},
        }
    ),
    messages.OK: exact(
        {
            "time": {**MILLISECONDS, "description": OURS},
            "seq": {**_PLACE, "description": OURS + "The last command: the account was told of all up to it."},
            "authenticated": {**BOOLEAN, "description": OURS},
            "subscriptions": {"type": "integer", "description": OURS + "How many."},
        }
    ),
}
OURS_ONLY: Final = frozenset({messages.BOOK, messages.ORDER_AMENDED, messages.RESPONSE, *messages.EXTRAS})
"""Categories that Everstrike has not."""
WHEN: Final[dict[str, str]] = {
    messages.DEPTH: "The best 40 prices of each side, whole: when they changed, every 20 ms at most",
    messages.TICKER: "Prices and the last 24 hours, every 250 ms at most",
    messages.INDEX: "When the index, the mark, the strike or the model changed",
    messages.OHLCV: "The running candle, every 250 ms at most",
    messages.MATCH: "Each trade",
    messages.TRADES: "The trades of a batch, oldest first",
    messages.LIQUIDATION: "Each part of a position that is sold, taken over or deleveraged",
    messages.BOOK: "A snapshot, then what changes of it, every 20 ms at most",
    messages.ORDER_ADDED: "An order was accepted",
    messages.ORDER_CANCELLED: "An order ended unfilled or in part filled; `msg` says why",
    messages.ORDER_TRIGGERED: "A waiting order was triggered",
    messages.ORDER_PARTIALLY_COMPLETED: "An order was filled in part; the fill is in `fills`",
    messages.ORDER_COMPLETED: "An order was filled; the last fill is in `fills`",
    messages.ORDER_AMENDED: "An order was amended, or lost quantity without a fill and stays open",
    messages.TRIGGER_ADDED: "A waiting order was accepted",
    messages.TRIGGER_CANCELLED: "A waiting order was cancelled",
    messages.TRIGGER_FAILED: "A triggered order was refused; `msg` says why",
    messages.DEPOSIT_ADDED: "A deposit was seen",
    messages.DEPOSIT_COMPLETED: "A deposit was credited",
    messages.WITHDRAWAL_COMPLETED: "A withdrawal arrived",
    messages.POSITION_UPDATED: "A position as it stands after the command",
    messages.POSITION_CLOSED: "A position is none any more",
    messages.FILL_ADDED: "A fill, with the fields of GET /fills",
    messages.BALANCE_UPDATED: "All balances after the command, and the ledger's entries",
    messages.NOTICE: "What an account's owner is told, where the owner is a person who logs in",
    messages.SUBSCRIBED: "What you are told of from now on",
    messages.UNSUBSCRIBED: "What you are told of no more",
    messages.SUBSCRIPTIONS: "What you are subscribed to",
    messages.AUTHENTICATED: "You are told of your account",
    messages.OK: "The answer to `status`",
    messages.ERROR: "What cannot be done, and why",
    messages.RESPONSE: "The answer to an order over the socket, as REST gives it",
}
