"""What can be subscribed to: the public categories of a market, and when each is told.

What a command changed is told right after the batch that it was in. A market's book is told again after `BOOK_S` at the
earliest, and later still the more there are to tell: telling is to leave the processor to the orders.
"""

from typing import Final, final

from app.candles import INTERVALS, MINUTE_MS
from app.db.liquidation_rows import slice_row, step_row
from app.db.rows import Basis, StoredTrade
from app.statistics import RUNNING_MAX_MS
from app.stream import messages
from app.stream.book import LEVELS_MAX, Levels, Told, levels_json
from app.stream.client import Client
from app.surfaces.everstrike.answers import Json, trade_json
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.pairs import Pair, liquidation_json, option_of, prices_of
from app.surfaces.everstrike.tickers import BASES, Tickers
from exchange import views
from exchange.events import PositionDeleveraged, PositionTakenOver, Traded

BOOK_S: Final = 0.02
CLIENT_S: Final = 0.000_015
"""For each subscriber a book is told so much more seldom."""
TICKER_S: Final = 0.25
DEPTH_LEVELS: Final = 40
CANDLE_MS: Final = 5 * MINUTE_MS
"""What the documents' own candles span."""
CANDLES: Final = {name: span_ms for name, span_ms in INTERVALS.items() if span_ms <= RUNNING_MAX_MS}


@final
class Topic:
    """A category of a market and who wants it. `basis` and `interval_ms` are those of candles."""

    __slots__ = ("basis", "category", "channel", "clients", "interval_ms", "name", "shown")

    def __init__(
        self, channel: "Channel", text: str, category: str, interval_ms: int = CANDLE_MS, basis: Basis = Basis.LAST
    ) -> None:
        self.channel = channel
        self.category = category
        self.name = f"{channel.pair.name}:{text}"
        self.interval_ms = interval_ms
        self.basis = basis
        self.clients: dict[Client, None] = {}
        self.shown: object = None
        """What was shown last, to tell whether anything changed."""

    def now(self) -> bytes | None:
        """How things stand, for somebody who missed the last message or just came; None where there is nothing to say."""
        return self.channel.now(self)

    def show(self, data: bytes) -> None:
        """Tell everybody how things stand."""
        for client in self.clients:
            client.show(self, data)

    def send(self, data: bytes) -> None:
        """Tell everybody what happened."""
        for client in self.clients:
            client.send(data)


@final
class Channel:
    """A market's topics and what of them is still to be told. It lives as long as somebody listens."""

    __slots__ = (
        "_book_due_s",
        "_desk",
        "_liquidations",
        "_matches",
        "_ticker_due_s",
        "_tickers",
        "_told",
        "_topics",
        "_trades",
        "is_book_dirty",
        "is_index_dirty",
        "is_ticker_dirty",
        "pair",
    )

    def __init__(self, pair: Pair, desk: Desk) -> None:
        self.pair = pair
        self.is_book_dirty = False
        self.is_index_dirty = False
        self.is_ticker_dirty = False
        self._topics = {category: Topic(self, category, category) for category in messages.PUBLIC}
        self._told: Told | None = None
        self._trades: list[Json] = []
        self._matches: list[bytes] = []
        self._liquidations: list[bytes] = []
        self._desk = desk
        self._tickers = Tickers(desk)
        self._book_due_s = 0.0
        self._ticker_due_s = 0.0

    @property
    def is_idle(self) -> bool:
        """Nobody listens."""
        return not any(topic.clients for topic in self._topics.values())

    def topic(self, text: str) -> Topic | None:
        """The topic of a category; of candles also `ohlcv:INTERVAL` and `ohlcv:INTERVAL:BASIS`. None where there is none."""
        found = self._topics.get(text)
        if found is not None:
            return found
        category, _, kind = text.partition(":")
        interval, _, basis = kind.partition(":")
        if category != messages.OHLCV or interval not in CANDLES or (basis or "last") not in BASES:
            return None
        return Topic(self, text, category, CANDLES[interval], BASES[basis or "last"])

    # --- who listens -------------------------------------------------------------------------------------------------

    def join(self, topic: Topic, client: Client) -> None:
        """Somebody wants a topic."""
        self._topics.setdefault(topic.name.partition(":")[2], topic)
        topic.clients[client] = None

    def leave(self, topic: Topic, client: Client) -> None:
        """Somebody wants a topic no more."""
        topic.clients.pop(client, None)
        if topic.clients:
            return
        topic.shown = None
        if topic.category == messages.BOOK:
            self._told = None
        text = topic.name.partition(":")[2]
        if text not in messages.PUBLIC:
            self._topics.pop(text, None)

    # --- what happened -----------------------------------------------------------------------------------------------

    def trade(self, event: Traded, seq: int, index: int, time_ms: int) -> None:
        """Note a trade."""
        topics, pair = self._topics, self.pair
        trade = (event.trade_id, event.price, event.qty, event.taker_sign, event.is_liquidation)
        found = trade_json(StoredTrade(event.market_id, time_ms, seq, index, *trade), pair)
        if topics[messages.TRADES].clients:
            self._trades.append(found)
        if topics[messages.MATCH].clients:
            self._matches.append(messages.message(messages.MATCH, pair.name, found))
        if event.is_liquidation and topics[messages.LIQUIDATION].clients:
            found = liquidation_json(slice_row(seq, index, time_ms, event), pair)
            self._liquidations.append(messages.message(messages.LIQUIDATION, pair.name, found))

    def liquidate(self, event: PositionTakenOver | PositionDeleveraged, seq: int, index: int, time_ms: int) -> None:
        """Note a position that was taken over or deleveraged, in part or whole."""
        if self._topics[messages.LIQUIDATION].clients:
            found = liquidation_json(step_row(seq, index, time_ms, event), self.pair)
            self._liquidations.append(messages.message(messages.LIQUIDATION, self.pair.name, found))

    # --- telling -----------------------------------------------------------------------------------------------------

    def tell(self, now_s: float) -> float:
        """Tell what is due. Gives when there is more to tell, 0 for nothing."""
        topics = self._topics
        if self._matches:
            topics[messages.MATCH].send(b"".join(self._matches))
            self._matches.clear()
        if self._trades:
            topics[messages.TRADES].send(messages.message(messages.TRADES, self.pair.name, {"trades": self._trades}))
            self._trades.clear()
        if self._liquidations:
            topics[messages.LIQUIDATION].send(b"".join(self._liquidations))
            self._liquidations.clear()
        if self.is_index_dirty:
            self.is_index_dirty = False
            self._tell_if_changed(topics[messages.INDEX])
        again_s = []
        if self.is_book_dirty:
            if now_s >= self._book_due_s:
                self._tell_book(now_s)
            else:
                again_s.append(self._book_due_s)
        if self.is_ticker_dirty:
            if now_s >= self._ticker_due_s:
                self._tell_ticker(now_s)
            else:
                again_s.append(self._ticker_due_s)
        return min(again_s, default=0.0)

    def _tell_book(self, now_s: float) -> None:
        self.is_book_dirty = False
        depth, book = self._topics[messages.DEPTH], self._topics[messages.BOOK]
        self._book_due_s = now_s + BOOK_S + CLIENT_S * (len(depth.clients) + len(book.clients))
        self._tell_if_changed(depth)
        if book.clients and self._told is not None:
            data = self._told.go_on(self._desk.sequencer.seq, *self._levels(LEVELS_MAX))
            if data is not None:
                book.show(data)

    def _tell_ticker(self, now_s: float) -> None:
        self.is_ticker_dirty = False
        self._ticker_due_s = now_s + TICKER_S
        for topic in self._topics.values():
            if topic.category in (messages.TICKER, messages.OHLCV):
                self._tell_if_changed(topic)

    def end_candles(self) -> None:
        """Tell what the running candles came to: new ones are about to begin."""
        if self.is_ticker_dirty:
            for topic in self._topics.values():
                if topic.category == messages.OHLCV:
                    self._tell_if_changed(topic)

    def _tell_if_changed(self, topic: Topic) -> None:
        """Tell a topic's state if somebody wants it and it is not what was told last."""
        if not topic.clients:
            return
        state = self._state(topic)
        if state is not None and state != topic.shown:
            topic.shown = state
            topic.show(self._encoded(topic, state))

    # --- how things stand --------------------------------------------------------------------------------------------

    def now(self, topic: Topic) -> bytes | None:
        """How a topic stands; None where that is nothing to say."""
        if topic.category == messages.BOOK:
            if self._told is None:
                self._told = Told(self.pair, self._desk.sequencer.seq, *self._levels(LEVELS_MAX))
            return self._told.snapshot()
        state = self._state(topic)
        if state is None:
            return None
        return self._encoded(topic, state)

    def _state(self, topic: Topic) -> object:
        """What a topic's message is made of; None where there is none."""
        category = topic.category
        if category == messages.DEPTH:
            return self._levels(DEPTH_LEVELS)
        if category == messages.INDEX:
            return self._index()
        if category == messages.TICKER:
            return self._tickers.ticker(self.pair)
        if category == messages.OHLCV:
            return self._tickers.running(self.pair, topic.basis, topic.interval_ms)
        return None

    def _encoded(self, topic: Topic, state: object) -> bytes:
        result = state
        if topic.category == messages.DEPTH:
            assert isinstance(state, tuple)
            sides = {"bids": levels_json(state[0], self.pair), "asks": levels_json(state[1], self.pair)}
            result = {**sides, "depth": sides, "seq": self._desk.sequencer.seq}
        elif topic.category == messages.OHLCV:
            assert isinstance(state, dict)
            interval = next(name for name, span_ms in CANDLES.items() if span_ms == topic.interval_ms)
            result = {"ohlcv": {**state, "interval": interval, "basis": topic.basis.name.lower()}}
        return messages.message(topic.category, self.pair.name, result)

    def _levels(self, limit: int) -> tuple[Levels, Levels]:
        return views.depth(self._desk.sequencer.exchange, self.pair.market_id, limit)

    def _index(self) -> Json:
        view = views.market(self._desk.sequencer.exchange, self.pair.market_id)
        assert view is not None, "a listed market stays"
        prices = prices_of(view)
        option = option_of(view, self._desk.clock())
        return {
            "index": prices["index_price"],
            "mark": prices["mark_price"],
            "underlying_price": prices["underlying_price"],
            "strike": option["strike"],
            "volatility": option["volatility"],
            "black_scholes": option["black_scholes"],
            "predicted_funding_rate": prices["predicted_funding_rate"],
        }
