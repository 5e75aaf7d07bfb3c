"""The conversation over a stream, without its wire: what to say, and what the answers mean. The sync and the async stream share it."""

from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from evermark_client import models
from evermark_client.book import BookMessage, LocalBook
from evermark_client.calls import NOTHING, Access, Call
from evermark_client.errors import BookBroken, EvermarkError, NotTaken, Refused, Unexpected
from evermark_client.events import (
    BalancesChanged,
    BookChanged,
    BookLost,
    CandleChanged,
    DepositChanged,
    DepthChanged,
    Event,
    FillAdded,
    Liquidated,
    Missed,
    OrderChanged,
    Other,
    PositionChanged,
    Prices,
    PricesChanged,
    StreamCandle,
    TickerChanged,
    Traded,
    TradesMade,
    WithdrawalChanged,
)
from evermark_client.forms import Clock, sign, text_of
from evermark_client.wire import fault_of

T = TypeVar("T")
ANSWERS: Final = frozenset({"subscribed", "unsubscribed", "subscriptions", "authenticated", "ok"})
GAP: Final = 410
TOPICS_MAX: Final = 10
"""Public categories that the exchange allows a connection, unless its operator chose another number."""
CONTROL: Final = Call("POST", "the stream", Access.PUBLIC, NOTHING)
OLD_TIMESTAMP: Final = 414  # the envelope's code; REST answers with the status 408
OPS: Final = {
    "/auth/order": "order",
    "/auth/order/bulk": "order_bulk",
    "/auth/amend": "amend",
    "/auth/cancel": "cancel",
    "/auth/cancel/bulk": "cancel_bulk",
    "/auth/cancel_all_after": "cancel_all_after",
    "/auth/close": "close",
}
"""The rows that have an operation on the stream."""
ORDER_CATEGORIES: Final = frozenset(
    {
        *("order_added", "order_cancelled", "order_triggered", "order_partially_completed", "order_completed"),
        *("order_amended", "trigger_added", "trigger_cancelled", "trigger_failed"),
    }
)


class Reply(NamedTuple):
    """The answer to what was said with this mark."""

    mark: int
    code: int
    result: bytes
    whole: bytes


class _Envelope(msgspec.Struct):
    category: str
    code: int = 200
    pair: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    id: int | str | None = None
    seq: int | None = None
    index: int | None = None
    time: int | None = None


class _InOrder(msgspec.Struct):
    order: models.Order


class _InFill(msgspec.Struct):
    fill: models.Fill


class _InCandle(msgspec.Struct):
    ohlcv: StreamCandle


class _InTrades(msgspec.Struct):
    trades: list[models.Trade]


class _InBalances(msgspec.Struct):
    balances: dict[str, models.Balance]
    changes: list[dict[str, Any]]


class _InDeposit(msgspec.Struct):
    deposit: models.Deposit


class _InWithdrawal(msgspec.Struct):
    withdrawal: models.Withdrawal


class _Place(msgspec.Struct):
    seq: int = 0
    from_seq: int = 0
    reject: str = ""


_envelope = msgspec.json.Decoder(_Envelope).decode
_place = msgspec.json.Decoder(_Place).decode
_book = msgspec.json.Decoder(BookMessage).decode
_decoders: dict[Any, Any] = {}


def _decode(kind: type[T], raw: bytes) -> T:
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    found: T = decoder.decode(raw)
    return found


class Session:
    """A conversation, over as many connections as it takes."""

    def __init__(
        self,
        api_key: str = "",
        secret_key: str = "",
        *,
        categories: tuple[str, ...] = (),
        clock: Clock | None = None,
        topics_max: int = TOPICS_MAX,
    ) -> None:
        self.books: dict[str, LocalBook] = {}
        self._api_key = api_key
        self._secret_key = secret_key
        self._categories = categories
        self._clock = clock or Clock()
        self._topics: dict[str, None] = {}
        self._topics_max = topics_max
        self._marks = count(1)
        self._control: deque[int] = deque()
        self._unasked: dict[int, str] = {}
        """What was said without anybody who waits for its answer."""
        self._place: tuple[int, int | None] | None = None
        self._told_seq: int | None = None
        """Behind which command all messages came, before there was one."""
        self._entered_seq = 0
        """Behind which command this connection's messages come, if none is told again."""
        self.to_say: list[str] = []
        """What the last message made it necessary to say."""

    # --- what to say

    def opening(self) -> list[tuple[int, str]]:
        """What a new connection begins with: who we are, behind which message we are, and what we want to hear."""
        self._control.clear()
        said = [self._auth()] if self._api_key else []
        said.extend(self.control("sub", topic) for topic in self._topics)
        self._unasked = dict(said)
        return said

    def _auth(self) -> tuple[int, str]:
        content: dict[str, object] = {"api_key": self._api_key}
        if self._categories:
            content["categories"] = self._categories
        if self._place is not None:
            since, index = self._place
            content["since"] = since
            if index is not None:
                content["index"] = index
        elif self._told_seq is not None:
            content["since"] = self._told_seq
        if not self._secret_key:
            return self.control("auth_api", content)
        stamp = self._clock.stamp()
        content |= {"timestamp": stamp, "signature": sign(self._secret_key, f"timestamp={stamp}".encode())}
        return self.control("auth", content)

    def control(self, op: str, content: object) -> tuple[int, str]:
        """An operation that is answered in turn, and the mark of its answer."""
        mark = next(self._marks)
        self._control.append(mark)
        return mark, _said(op, content, mark)

    def subscribe(self, topic: str) -> tuple[int, str]:
        """Want to hear of `PAIR:category`, now and after every reconnection. Raises: Refused."""
        if topic not in self._topics and len(self._topics) >= self._topics_max:
            words = f"A stream has at most {self._topics_max} public categories: open another stream for {topic}."
            raise Refused("TOO_MANY_CATEGORIES", "content", words)
        self._topics[topic] = None
        return self.control("sub", topic)

    def unsubscribe(self, topic: str) -> tuple[int, str]:
        """Want it no longer."""
        self.forget(topic)
        return self.control("unsub", topic)

    def forget(self, topic: str) -> None:
        """Say it no more with a new connection: it was refused, or is not wanted."""
        self._topics.pop(topic, None)
        pair, _, category = topic.partition(":")
        book = self.books.pop(pair, None) if category == "book" else None
        if book is not None:
            book.is_whole = False  # nobody tells it any more

    def command(self, call: Call[T]) -> tuple[int, str]:
        """An order operation, as a REST call says it."""
        mark = next(self._marks)
        content = {name: _worded(value) for name, value in call.fields.items() if value is not None}
        # An empty content is refused, and cancel_bulk without ids means all of them.
        return mark, _said(OPS[call.path], content or {"ids": []}, mark)

    # --- what was heard

    def hear(self, data: str | bytes) -> Event | Reply | None:
        """What a message means. `to_say` has what must be answered. Raises: Unexpected."""
        self.to_say = []
        try:
            return self._hear(data.encode() if isinstance(data, str) else data)
        except msgspec.DecodeError as wrong:
            raise Unexpected(200, f"the stream: {wrong}") from wrong

    def _hear(self, whole: bytes) -> Event | Reply | None:
        said = _envelope(whole)
        if said.category == "error" and said.code == GAP:
            from_seq = _place(said.result).from_seq
            self._place, self._told_seq = None, self._entered_seq or from_seq
            return Missed(from_seq=from_seq)
        if said.category == "response" or (said.category == "error" and isinstance(said.id, int)):
            return self._reply(said, whole)
        if said.category in ANSWERS:
            return self._answered(said, whole)
        if said.seq is not None and said.index is not None and said.time is not None:
            return self._private(said, said.seq, said.index, said.time)
        if said.pair is not None:
            return self._public(said, said.pair)
        return _other(said)

    def _reply(self, said: _Envelope, whole: bytes) -> Reply | None:
        if not isinstance(said.id, int):
            return None
        if said.id in self._control:
            self._control.remove(said.id)
        return Reply(said.id, said.code, bytes(said.result), whole)

    def again(self, reply: Reply) -> str | None:
        """What to say once more, after a while: it was answered, nobody waits for the answer, and it was not taken. Raises: its refusal."""
        text = self._unasked.pop(reply.mark, None)
        if text is None or reply.code == 200:
            return None
        refusal = refusal_of(CONTROL, reply)
        if not isinstance(refusal, NotTaken):
            raise refusal
        self._control.append(reply.mark)
        self._unasked[reply.mark] = text
        return text

    def _answered(self, said: _Envelope, whole: bytes) -> Reply | None:
        if said.category == "authenticated":
            self._entered_seq = _place(said.result).seq
            if self._told_seq is None:
                self._told_seq = self._entered_seq
        return Reply(self._control.popleft(), said.code, bytes(said.result), whole) if self._control else None

    def _private(self, said: _Envelope, seq: int, index: int, time: int) -> Event | None:
        """A message of the account, once."""
        if self._place is not None and self._place[1] is not None and (seq, index) <= (self._place[0], self._place[1]):
            return None
        self._place = (seq, index)
        category, raw = said.category, bytes(said.result)
        head: dict[str, Any] = {"category": category, "seq": seq, "index": index, "time": time}
        if category in ORDER_CATEGORIES:
            return OrderChanged(order=_decode(_InOrder, raw).order, **head)
        make = _PRIVATE.get(category)
        return make(raw, head) if make else _other(said)

    def _public(self, said: _Envelope, pair: str) -> Event | None:
        raw = bytes(said.result)
        if said.category == "book":
            return self._book(pair, raw)
        make = _PUBLIC.get(said.category)
        return make(raw, pair) if make else _other(said)

    def _book(self, pair: str, raw: bytes) -> Event | None:
        book = self.books.get(pair)
        if book is None:
            return None
        message = _book(raw)
        if message.type == "delta" and not book.is_whole:
            return None  # the snapshot that was asked for is on its way
        try:
            book.apply(message)
        except BookBroken as broken:
            mark, text = self.control("sub", f"{pair}:book")
            self._unasked[mark] = text
            self.to_say = [text]
            return BookLost(pair=pair, why=str(broken))
        return BookChanged(pair=pair, book=book)

    def lost(self) -> None:
        """The connection has gone: no book is whole until the next one has told it."""
        for book in self.books.values():
            book.is_whole = False


def result_of(call: Call[T], reply: Reply) -> T:
    """What a reply says, as REST's answer would. Raises: a child of EvermarkError."""
    if reply.code != 200:
        raise refusal_of(call, reply)
    return call.result(reply.result)


def refusal_of(call: Call[Any], reply: Reply) -> EvermarkError:
    """What a reply that is no success means."""
    return fault_of(call, 408 if reply.code == OLD_TIMESTAMP else reply.code, {}, reply.whole)


def _said(op: str, content: object, mark: int) -> str:
    return msgspec.json.encode({"op": op, "content": content, "id": mark}).decode()


def _worded(value: object) -> object:
    """A field as the stream takes it: numbers as text, so that their digits stay."""
    if isinstance(value, list | tuple):
        return [_worded(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _worded(item) for name, item in value.items() if item is not None}
    return text_of(value)


def _other(said: _Envelope) -> Other:
    content = msgspec.json.decode(said.result)
    return Other(
        category=said.category, pair=said.pair, content=content, seq=said.seq, index=said.index, time=said.time
    )


def _balances(raw: bytes, head: dict[str, Any]) -> Event:
    said = _decode(_InBalances, raw)
    return BalancesChanged(balances=said.balances, changes=said.changes, **head)


def _position(raw: bytes, head: dict[str, Any]) -> Event:
    return PositionChanged(position=_decode(models.Position, raw), **head)


def _deposit(raw: bytes, head: dict[str, Any]) -> Event:
    return DepositChanged(deposit=_decode(_InDeposit, raw).deposit, **head)


def _withdrawal(raw: bytes, head: dict[str, Any]) -> Event:
    return WithdrawalChanged(withdrawal=_decode(_InWithdrawal, raw).withdrawal, **head)


def _fill(raw: bytes, head: dict[str, Any]) -> Event:
    return FillAdded(fill=_decode(_InFill, raw).fill, **head)


_PRIVATE: Final[dict[str, Callable[[bytes, dict[str, Any]], Event]]] = {
    "fill_added": _fill,
    "position_updated": _position,
    "position_closed": _position,
    "balance_updated": _balances,
    "deposit_added": _deposit,
    "deposit_completed": _deposit,
    "withdrawal_completed": _withdrawal,
}
_PUBLIC: Final[dict[str, Callable[[bytes, str], Event]]] = {
    "depth": lambda raw, pair: DepthChanged(pair=pair, depth=_decode(models.Depth, raw)),
    "ticker": lambda raw, pair: TickerChanged(pair=pair, ticker=_decode(models.Ticker, raw)),
    "index": lambda raw, pair: PricesChanged(pair=pair, prices=_decode(Prices, raw)),
    "ohlcv": lambda raw, pair: CandleChanged(pair=pair, candle=_decode(_InCandle, raw).ohlcv),
    "match": lambda raw, pair: Traded(pair=pair, trade=_decode(models.Trade, raw)),
    "trades": lambda raw, pair: TradesMade(pair=pair, trades=_decode(_InTrades, raw).trades),
    "liquidation": lambda raw, pair: Liquidated(pair=pair, liquidation=_decode(models.Liquidation, raw)),
}
