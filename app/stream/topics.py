"""What can be subscribed to: the public categories of a market, and when each is told.

What a command changed is told right after the batch that it was in. A market's book is told again after `BOOK_S` at the
earliest, and later still the more there are to tell: telling is to leave the processor to the orders.
"""

from typing import Final, final

from app.db.rows import StoredTrade
from app.stream import messages
from app.stream.book import LEVELS_MAX, Levels, Told, levels_json
from app.stream.client import Client
from app.surfaces.everstrike.answers import Json, trade_json
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.pairs import Pair, option_of, prices_of
from exchange import views
from exchange.events import Traded

BOOK_S: Final = 0.02
CLIENT_S: Final = 0.000_05
"""For each subscriber a book is told so much more seldom."""
TICKER_S: Final = 0.25
DEPTH_LEVELS: Final = 40


@final
class Topic:
    """A category of a market and who wants it."""

    __slots__ = ("category", "channel", "clients", "name")

    def __init__(self, channel: "Channel", category: str) -> None:
        self.channel = channel
        self.category = category
        self.name = f"{channel.pair.name}:{category}"
        self.clients: dict[Client, None] = {}

    def now(self) -> bytes | None:
        """How things stand, for somebody who missed the last message or just came; None where there is nothing to say."""
        return self.channel.now(self.category)

    def show(self, data: bytes) -> None:
        """Tell everybody how things stand."""
        for client in self.clients:
            client.show(self, data)

    def send(self, data: bytes) -> None:
        """Tell everybody what happened."""
        for client in list(self.clients):  # one that is too slow is let go of
            client.send(data)


@final
class Channel:
    """A market's topics and what of them is still to be told. It lives as long as somebody listens."""

    __slots__ = (
        "_book_due_s",
        "_depth",
        "_desk",
        "_ticker_due_s",
        "is_book_dirty",
        "is_index_dirty",
        "is_ticker_dirty",
        "liquidations",
        "matches",
        "pair",
        "told",
        "topics",
        "trades",
    )

    def __init__(self, pair: Pair, desk: Desk) -> None:
        self.pair = pair
        self.topics: dict[str, Topic] = {category: Topic(self, category) for category in messages.PUBLIC}
        self.told: Told | None = None
        self.is_book_dirty = False
        self.is_index_dirty = False
        self.is_ticker_dirty = False
        self.trades: list[Json] = []
        self.matches: list[bytes] = []
        self.liquidations: list[bytes] = []
        self._desk = desk
        self._depth: tuple[Levels, Levels] | None = None
        self._book_due_s = 0.0
        self._ticker_due_s = 0.0

    @property
    def is_idle(self) -> bool:
        """Nobody listens."""
        return not any(topic.clients for topic in self.topics.values())

    # --- what happened -----------------------------------------------------------------------------------------------

    def trade(self, event: Traded, seq: int, index: int, time_ms: int) -> None:
        """Note a trade."""
        trade = (event.trade_id, event.price, event.qty, event.taker_sign, event.is_liquidation)
        found = trade_json(StoredTrade(event.market_id, time_ms, seq, index, *trade), self.pair)
        if self.topics[messages.TRADES].clients:
            self.trades.append(found)
        if self.topics[messages.MATCH].clients:
            self.matches.append(messages.message(messages.MATCH, self.pair.name, found))

    def liquidation(self, found: Json) -> None:
        """Note a part of a position that was liquidated."""
        if self.topics[messages.LIQUIDATION].clients:
            self.liquidations.append(messages.message(messages.LIQUIDATION, self.pair.name, found))

    # --- telling -----------------------------------------------------------------------------------------------------

    def tell(self, now_s: float) -> float:
        """Tell what is due. Gives when there is more to tell, 0 for nothing."""
        topics = self.topics
        if self.matches:
            topics[messages.MATCH].send(b"".join(self.matches))
            self.matches.clear()
        if self.trades:
            topics[messages.TRADES].send(messages.message(messages.TRADES, self.pair.name, {"trades": self.trades}))
            self.trades.clear()
        if self.liquidations:
            topics[messages.LIQUIDATION].send(b"".join(self.liquidations))
            self.liquidations.clear()
        if self.is_index_dirty:
            self.is_index_dirty = False
            if topics[messages.INDEX].clients:
                topics[messages.INDEX].show(self._index())
        again_s = 0.0
        if self.is_book_dirty:
            if now_s >= self._book_due_s:
                self._tell_book(now_s)
            else:
                again_s = self._book_due_s
        return again_s

    def _tell_book(self, now_s: float) -> None:
        self.is_book_dirty = False
        depth, book = self.topics[messages.DEPTH], self.topics[messages.BOOK]
        self._book_due_s = now_s + BOOK_S + CLIENT_S * (len(depth.clients) + len(book.clients))
        if depth.clients:
            levels = self._levels(DEPTH_LEVELS)
            if levels != self._depth:
                depth.show(self._depth_message(levels))
        if book.clients and self.told is not None:
            data = self.told.go_on(self._desk.sequencer.seq, *self._levels(LEVELS_MAX))
            if data is not None:
                book.show(data)

    def now(self, category: str) -> bytes | None:
        """How a category stands."""
        if category == messages.DEPTH:
            return self._depth_message(self._levels(DEPTH_LEVELS))
        if category == messages.BOOK:
            if self.told is None:
                self.told = Told(self.pair, self._desk.sequencer.seq, *self._levels(LEVELS_MAX))
            return self.told.snapshot()
        if category == messages.INDEX:
            return self._index()
        return None

    def leave(self, category: str) -> None:
        """The last one who wanted a category has gone."""
        if category == messages.BOOK:
            self.told = None
        elif category == messages.DEPTH:
            self._depth = None

    def _levels(self, limit: int) -> tuple[Levels, Levels]:
        return views.depth(self._desk.sequencer.exchange, self.pair.market_id, limit)

    def _depth_message(self, levels: tuple[Levels, Levels]) -> bytes:
        self._depth = levels
        sides = {"bids": levels_json(levels[0], self.pair), "asks": levels_json(levels[1], self.pair)}
        return messages.message(
            messages.DEPTH, self.pair.name, {**sides, "depth": sides, "seq": self._desk.sequencer.seq}
        )

    def _index(self) -> bytes:
        view = views.market(self._desk.sequencer.exchange, self.pair.market_id)
        assert view is not None, "a listed market stays"
        prices = prices_of(view)
        option = option_of(view, self._desk.clock())
        result = {
            "index": prices["index_price"],
            "mark": prices["mark_price"],
            "underlying_price": prices["underlying_price"],
            "strike": option["strike"],
            "volatility": option["volatility"],
            "black_scholes": option["black_scholes"],
            "predicted_funding_rate": prices["predicted_funding_rate"],
        }
        return messages.message(messages.INDEX, self.pair.name, result)
