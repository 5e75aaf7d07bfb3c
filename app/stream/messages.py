"""What the stream says, in Everstrike's envelope: code, msg, category, pair, result."""

from collections.abc import Mapping
from typing import Final

import msgspec

from app.door import Answer
from app.stream.frames import frame
from app.surfaces.everstrike.answers import Json

_encode = msgspec.json.Encoder(decimal_format="number").encode

DEPTH: Final = "depth"
TICKER: Final = "ticker"
INDEX: Final = "index"
OHLCV: Final = "ohlcv"
MATCH: Final = "match"
TRADES: Final = "trades"
LIQUIDATION: Final = "liquidation"
BOOK: Final = "book"

DOCUMENTED: Final = (DEPTH, TICKER, INDEX, OHLCV, MATCH, TRADES, LIQUIDATION)
"""The public categories that `sub_pair` stands for."""
PUBLIC: Final = (*DOCUMENTED, BOOK)

ORDER_ADDED: Final = "order_added"
ORDER_CANCELLED: Final = "order_cancelled"
ORDER_TRIGGERED: Final = "order_triggered"
ORDER_PARTIALLY_COMPLETED: Final = "order_partially_completed"
ORDER_COMPLETED: Final = "order_completed"
ORDER_AMENDED: Final = "order_amended"
TRIGGER_ADDED: Final = "trigger_added"
TRIGGER_CANCELLED: Final = "trigger_cancelled"
TRIGGER_FAILED: Final = "trigger_failed"
DEPOSIT_ADDED: Final = "deposit_added"
DEPOSIT_COMPLETED: Final = "deposit_completed"
WITHDRAWAL_COMPLETED: Final = "withdrawal_completed"
POSITION_UPDATED: Final = "position_updated"
POSITION_CLOSED: Final = "position_closed"
FILL_ADDED: Final = "fill_added"
BALANCE_UPDATED: Final = "balance_updated"
NOTICE: Final = "notice"

SUBSCRIBED: Final = "subscribed"
UNSUBSCRIBED: Final = "unsubscribed"
SUBSCRIPTIONS: Final = "subscriptions"
AUTHENTICATED: Final = "authenticated"
OK: Final = "ok"
ERROR: Final = "error"
RESPONSE: Final = "response"

EXTRAS: Final = frozenset({FILL_ADDED, BALANCE_UPDATED, NOTICE})
"""Private categories of ours, for those who ask."""
KEPT_EXTRAS: Final = EXTRAS - {NOTICE}
"""Those of them that come from commands, and come again to who resumes."""

WORDS: Final[Mapping[str, str]] = {
    DEPTH: "Order book changed!",
    TICKER: "Ticker changed!",
    INDEX: "Index or mark price changed!",
    OHLCV: "New candle!",
    MATCH: "Orders were matched!",
    TRADES: "New trades!",
    LIQUIDATION: "New liquidation!",
    BOOK: "Order book changed!",
    ORDER_ADDED: "Your order was accepted!",
    ORDER_CANCELLED: "Your order was cancelled!",
    ORDER_TRIGGERED: "Your stop order was triggered!",
    ORDER_PARTIALLY_COMPLETED: "Your order was partially filled!",
    ORDER_COMPLETED: "Your order was completely filled!",
    ORDER_AMENDED: "Your order was amended!",
    TRIGGER_ADDED: "Your stop order was accepted!",
    TRIGGER_CANCELLED: "Your stop order was cancelled!",
    TRIGGER_FAILED: "Your stop order failed!",
    DEPOSIT_ADDED: "Your deposit was detected!",
    DEPOSIT_COMPLETED: "Your deposit was credited!",
    WITHDRAWAL_COMPLETED: "Your withdrawal was completed!",
    POSITION_UPDATED: "Your position was updated!",
    POSITION_CLOSED: "Your position was closed!",
    FILL_ADDED: "Your order was filled!",
    BALANCE_UPDATED: "Your balance was updated!",
    NOTICE: "There is a notice for you!",
    SUBSCRIBED: "subscribed",
    UNSUBSCRIBED: "unsubscribed",
    SUBSCRIPTIONS: "subscriptions",
    AUTHENTICATED: "authenticated",
    OK: "ok",
}


def message(category: str, pair: str | None, result: object) -> bytes:
    """The frame of a message."""
    return frame(_encode({"code": 200, "msg": WORDS[category], "category": category, "pair": pair, "result": result}))


def private_message(category: str, pair: str | None, result: object, *, seq: int, index: int, time_ms: int) -> bytes:
    """The frame of a message to an account: the `index`-th that the command `seq` makes for it."""
    content = {
        "code": 200,
        "msg": WORDS[category],
        "category": category,
        "pair": pair,
        "result": result,
        "seq": seq,
        "index": index,
        "time": time_ms,
    }
    return frame(_encode(content))


def answered(category: str, answer: Answer, op: str | None, mark: object) -> bytes:
    """The frame of an answer as REST would have given it. `mark` is the client's own word for its question."""
    head = _encode({"category": category, "pair": None, "op": op, "id": mark})
    return frame(head[:-1] + b"," + answer.body[1:])


def fault(code: int, msg: str, result: Json) -> bytes:
    """The frame of an error that REST does not know."""
    return frame(_encode({"code": code, "msg": msg, "category": ERROR, "pair": None, "result": result}))
