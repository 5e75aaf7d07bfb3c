"""Evermark with its stream: everything that the asynchronous class has, and what happens as it happens."""

from typing import Any, Final

from ccxt.async_support.base.throttler import Throttler
from ccxt.async_support.base.ws.cache import (
    ArrayCache,
    ArrayCacheBySymbolById,
    ArrayCacheBySymbolBySide,
    ArrayCacheByTimestamp,
)
from ccxt.base.errors import (
    AuthenticationError,
    BaseError,
    ChecksumError,
    ExchangeError,
    NetworkError,
    NotSupported,
    RateLimitExceeded,
    UnsubscribeError,
)

from evermark_ccxt.rest_async import evermark as rest

WATCHES: Final = (
    *("ws", "watchTicker", "watchOrderBook", "watchTrades", "watchOHLCV"),
    *("watchBalance", "watchOrders", "watchMyTrades", "watchPositions"),
    *("unWatchTicker", "unWatchOrderBook", "unWatchTrades", "unWatchOHLCV"),
)
KEPT: Final = 1000
CHECKSUM_LEVELS: Final = 25
AUTHENTICATED: Final = "authenticated"
ENDING: Final = "unsubscribe:"
AGAIN: Final = False
"""Kept instead of a subscription, so that ccxt asks for it again with the next watch: its place is not anybody else's meanwhile."""
TOO_OFTEN: Final = 429
MESSAGE_MS: Final = 50
"""Between two messages, in the long run: 20 a second of an address, whichever connection they go over."""
MESSAGES_AT_ONCE: Final = 10
"""Half of what the exchange takes: an account may be watched by another program as well."""
STREAMED: Final = ("15s", "1m", "3m", "5m", "15m", "30m", "1h")


class evermark(rest):
    """Evermark."""

    orders: Any
    myTrades: Any
    positions: Any

    def __init__(self, config: Any = {}) -> None:
        super().__init__(config)
        self.moved: dict[str, Any] = {}
        """Positions that changed and that nobody has been told of: several may change at once."""
        self.said: Any = None
        """What slows the messages of all connections together."""

    def describe(self) -> Any:
        return self.deep_extend(
            super().describe(),
            {
                "pro": True,
                "has": dict.fromkeys(WATCHES, True),
                "streaming": {"keepAlive": 20_000},
                "options": {"streamConnections": 10, "streamCategories": 10},
            },
        )

    # --- what one asks for

    def client(self, url: Any) -> Any:
        client = super().client(url)
        if self.said is None:
            pace = {"refillRate": 1 / MESSAGE_MS, "capacity": MESSAGES_AT_ONCE, "tokens": MESSAGES_AT_ONCE}
            self.said = Throttler(pace, self.asyncio_loop)
        client.throttle = self.said
        return client

    def _url(self) -> str:
        url: str = self.implode_hostname(self.urls["api"]["ws"])
        return url

    def _urls(self) -> list[str]:
        """The connections there may be. ccxt tells them apart by their addresses; what follows the # never leaves the program."""
        url = self._url()
        return [url, *(f"{url}#{index}" for index in range(1, self.options["streamConnections"]))]

    def _subscriptions(self, url: str) -> dict[str, Any]:
        client = (self.clients or {}).get(url)
        found: dict[str, Any] = {} if client is None else client.subscriptions
        return found

    def _find(self, topic: str) -> str | None:
        """The connection that a topic is on."""
        return next((url for url in self._urls() if topic in self._subscriptions(url)), None)

    def _room(self, topic: str) -> str:
        """The first connection with room for a topic. Raises: NotSupported."""
        most = self.options["streamCategories"]
        urls = self._urls()
        for url in urls:
            if sum(_is_public(name) for name in self._subscriptions(url)) < most:
                return url
        words = f"at most {len(urls) * most} public topics can be watched, {most} on each of {len(urls)} connections"
        raise NotSupported(f"{self.id} {topic}: {words}. Unwatch one, or fetch")

    async def _hear(self, url: str, message_hash: str, message: Any, subscribe_hash: str) -> Any:
        """What ccxt's `watch` gives; it does not say why a connection is not to be had."""
        try:
            return await self.watch(url, message_hash, message, subscribe_hash)
        except NetworkError as fault:
            if fault.args and getattr(fault.args[0], "status", None) == TOO_OFTEN:
                most = self.options["streamConnections"]
                words = f"the exchange takes no more connections to its stream from this address (at most {most})"
                raise RateLimitExceeded(f"{self.id} {words}") from fault
            raise

    async def _watch(self, market: Any, category: str) -> Any:
        """The next of a public category. Its topic names it everywhere: in the request, its refusal and here."""
        topic = f"{market['id']}:{category}"
        url = self._find(topic) or self._room(topic)
        return await self._hear(url, topic, {"op": "sub", "content": topic, "id": topic}, topic)

    async def _unwatch(self, market: Any, category: str) -> Any:
        """End a topic, and tell those who wait for it. Its place is free at once: what is said next comes behind this."""
        topic = f"{market['id']}:{category}"
        url, ending = self._find(topic), ENDING + topic
        if url is None:
            return True
        client = self.client(url)
        del client.subscriptions[topic]
        if topic in client.futures:
            client.reject(UnsubscribeError(f"{self.id} {topic}"), topic)
        return await self._hear(url, ending, {"op": "unsub", "content": topic, "id": ending}, ending)

    async def watch_ticker(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        await self._watch(market, "ticker")
        return self.tickers[market["symbol"]]

    async def watch_order_book(self, symbol: str, limit: Any = None, params: Any = {}) -> Any:
        """The book without a gap: each message is held against the one before it and against the exchange's checksum."""
        await self.load_markets()
        market = self.market(symbol)
        book = (await self._watch(market, "book")).limit()
        return book if limit is None else {**book, "bids": book["bids"][:limit], "asks": book["asks"][:limit]}

    async def watch_trades(self, symbol: str, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        trades = await self._watch(market, "match")
        limit = self._new(trades, market["symbol"], limit)
        return self.filter_by_since_limit(trades, since, limit, "timestamp", True)

    async def watch_ohlcv(
        self, symbol: str, timeframe: str = "1m", since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        if timeframe not in STREAMED:
            raise NotSupported(f"{self.id} watchOHLCV() has {', '.join(STREAMED)}")
        candles = await self._watch(market, f"ohlcv:{timeframe}")
        limit = self._new(candles, market["symbol"], limit)
        return self.filter_by_since_limit(candles, since, limit, 0, True)

    async def un_watch_ticker(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        self.tickers.pop(market["symbol"], None)
        return await self._unwatch(market, "ticker")

    async def un_watch_order_book(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        self.orderbooks.pop(market["symbol"], None)
        return await self._unwatch(market, "book")

    async def un_watch_trades(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        self.trades.pop(market["symbol"], None)
        return await self._unwatch(market, "match")

    async def un_watch_ohlcv(self, symbol: str, timeframe: str = "1m", params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        self.ohlcvs.get(market["symbol"], {}).pop(timeframe, None)
        return await self._unwatch(market, f"ohlcv:{timeframe}")

    async def authenticate(self, params: Any = {}) -> None:
        """Say who we are, once for each connection."""
        self.check_required_credentials()
        client = self.client(self._url())
        if AUTHENTICATED not in client.subscriptions or AUTHENTICATED in client.futures:
            await self._hear(self._url(), AUTHENTICATED, self._who(), AUTHENTICATED)

    def _who(self) -> dict[str, Any]:
        content = {"api_key": self.apiKey, "categories": ["fill_added", "balance_updated"]}
        return {"op": "auth_api", "content": content, "id": AUTHENTICATED}

    async def _watch_account(self, message_hash: str) -> Any:
        await self.load_markets()
        await self.authenticate()
        # The connection may have been made anew since: then this says again who we are.
        return await self._hear(self._url(), message_hash, self._who(), AUTHENTICATED)

    async def watch_balance(self, params: Any = {}) -> Any:
        await self._watch_account("balance")
        return self.balance

    async def watch_orders(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return await self._watch_rows("orders", symbol, since, limit)

    async def watch_my_trades(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return await self._watch_rows("fills", symbol, since, limit)

    async def _watch_rows(self, kind: str, symbol: Any, since: Any, limit: Any) -> Any:
        await self.load_markets()
        if symbol is not None:
            symbol = self.market(symbol)["symbol"]
        rows = await self._watch_account(kind if symbol is None else f"{kind}:{symbol}")
        return self.filter_by_symbol_since_limit(rows, symbol, since, self._new(rows, symbol, limit), True)

    def _new(self, rows: Any, symbol: Any, limit: Any) -> Any:
        """How many rows to give: by ccxt's `newUpdates` those that came since the last time, else up to the limit."""
        return rows.getLimit(symbol, limit) if self.newUpdates else limit

    async def watch_positions(self, symbols: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        if self.safe_string(self.options, "marginMode") is None:
            await self._margin_mode()  # which the stream does not tell
        wanted = self.market_symbols(symbols)
        changed = list(self.moved.values())
        while True:
            found = [position for position in changed if wanted is None or position["symbol"] in wanted]
            if found:
                for position in found:
                    self.moved.pop(position["symbol"], None)
                return found
            changed = await self._watch_account("positions")

    # --- what comes

    def handle_message(self, client: Any, message: Any) -> None:
        category = message["category"]
        market = self.safe_market(message.get("pair"))
        handlers = {
            "ticker": self._heard_ticker,
            "book": self._heard_book,
            "match": self._heard_trade,
            "ohlcv": self._heard_candle,
            "fill_added": self._heard_fill,
            "balance_updated": self._heard_balance,
        }
        if category == "error":
            self._heard_error(client, message)
        elif category == "authenticated":
            client.resolve(True, AUTHENTICATED)
        elif category == "unsubscribed":
            ending = f"{ENDING}{message['result']}"
            client.subscriptions.pop(ending, None)
            client.resolve(True, ending)
        elif category.startswith("position_"):
            self._heard_position(client, market, {**message["result"], "time": message["time"]})
        elif category in handlers:
            handlers[category](client, market, message["result"])
        elif category.startswith(("order_", "trigger_")):
            self._heard_order(client, market, message["result"]["order"])

    def _heard_error(self, client: Any, message: Any) -> None:
        topic = message.get("id")
        fault = self._fault(message)
        if topic == AUTHENTICATED or message["code"] in (401, 403):
            # Of no use to whoever waits for the account; those who watch a market have nothing to do with it.
            private = [name for name in client.futures if name not in client.subscriptions or name == AUTHENTICATED]
            client.subscriptions.pop(AUTHENTICATED, None)
            for name in private:
                client.reject(fault, name)
        elif topic in client.subscriptions:
            if message["code"] == TOO_OFTEN and _is_public(topic):
                client.subscriptions[topic] = AGAIN  # a lost book is still told here
            else:
                del client.subscriptions[topic]
                if topic.startswith(ENDING):
                    client.subscriptions.setdefault(topic.removeprefix(ENDING), AGAIN)  # it goes on
            client.reject(fault, topic)
        elif not isinstance(topic, str):
            client.reject(fault)

    def _fault(self, message: Any) -> BaseError:
        """What a refusal of the stream means."""
        words = f"{self.id} {message['msg']}"
        reject = (message.get("result") or {}).get("reject")
        if message["code"] == TOO_OFTEN or reject == "TOO_MANY_CONNECTIONS":
            return RateLimitExceeded(words)
        if reject == "TOO_MANY_CATEGORIES":
            return NotSupported(words)
        is_ours = message.get("id") == AUTHENTICATED or message["code"] in (401, 403)
        return AuthenticationError(words) if is_ours else ExchangeError(words)

    def _heard_ticker(self, client: Any, market: Any, ticker: Any) -> None:
        self.tickers[market["symbol"]] = self.parse_ticker(ticker, market)
        client.resolve(self.tickers[market["symbol"]], f"{market['id']}:ticker")

    def _heard_book(self, client: Any, market: Any, told: Any) -> None:
        symbol = market["symbol"]
        if told["type"] == "snapshot":
            book = self.orderbooks[symbol] = self.order_book({}, None)
            book.reset({**self._levels(told), "symbol": symbol, "nonce": told["seq"]})
        else:
            book = self.orderbooks.get(symbol)
            if book is None:
                return  # a snapshot was asked for
            if book["nonce"] != told["prev_seq"]:
                self._lose_book(
                    client, market, f"a delta behind {told['prev_seq']}, and the book is at {book['nonce']}"
                )
                return
            for side, levels in self._levels(told).items():
                for price, amount in levels:
                    book[side].store(price, amount)
            book["nonce"] = told["seq"]
        if self._checksum(book, market) != told["checksum"]:
            self._lose_book(client, market, "the checksum is another one")
            return
        client.resolve(book, f"{market['id']}:book")

    def _levels(self, told: Any) -> dict[str, Any]:
        return {side: [[level["price"], level["qty"]] for level in told[side]] for side in ("bids", "asks")}

    def _checksum(self, book: Any, market: Any) -> int:
        """Prices and quantities as whole units: the number without its decimal point."""
        prices = 10 ** int(market["info"]["quote_precision"])
        lots = 10 ** int(market["info"]["base_precision"])
        parts = [
            f"{round(level[0] * prices)}:{round(level[1] * lots)}"
            for side in ("bids", "asks")
            for level in book[side][:CHECKSUM_LEVELS]
        ]
        return int(self.crc32(":".join(parts)))

    def _lose_book(self, client: Any, market: Any, why: str) -> None:
        """Who watches gets an error; the next watch subscribes again, on the same connection, and gets a snapshot."""
        self.orderbooks.pop(market["symbol"], None)
        topic = f"{market['id']}:book"
        if topic in client.subscriptions:
            client.subscriptions[topic] = AGAIN
        client.reject(ChecksumError(f"{self.id} {market['symbol']}: {why}"), topic)

    def _heard_trade(self, client: Any, market: Any, trade: Any) -> None:
        kept = self.trades.setdefault(market["symbol"], ArrayCache(KEPT))
        kept.append(self.parse_trade(trade, market))
        client.resolve(kept, f"{market['id']}:match")

    def _heard_candle(self, client: Any, market: Any, result: Any) -> None:
        candle = result["ohlcv"]
        by_interval = self.ohlcvs.setdefault(market["symbol"], {})
        kept = by_interval.setdefault(candle["interval"], ArrayCacheByTimestamp(KEPT))
        kept.append(self.parse_ohlcv(candle, market))
        client.resolve(kept, f"{market['id']}:ohlcv:{candle['interval']}")

    def _heard_order(self, client: Any, market: Any, order: Any) -> None:
        if self.orders is None:
            self.orders = ArrayCacheBySymbolById(KEPT)
        # The stream tells the last fill only: with those that came before it the order is whole.
        before = self.orders.hashmap.get(market["symbol"], {}).get(order["id"])
        earlier = [] if before is None else before["info"]["fills"]
        known = {fill["id"] for fill in order["fills"]}
        fills = [*(fill for fill in earlier if fill["id"] not in known), *order["fills"]]
        self.orders.append(self.parse_order({**order, "fills": fills}, market))
        client.resolve(self.orders, "orders")
        client.resolve(self.orders, f"orders:{market['symbol']}")

    def _heard_fill(self, client: Any, market: Any, result: Any) -> None:
        if self.myTrades is None:
            self.myTrades = ArrayCacheBySymbolById(KEPT)
        self.myTrades.append(self.parse_trade(result["fill"], market))
        client.resolve(self.myTrades, "fills")
        client.resolve(self.myTrades, f"fills:{market['symbol']}")

    def _heard_balance(self, client: Any, market: Any, result: Any) -> None:
        self.balance = self.parse_balance(result["balances"])
        client.resolve(self.balance, "balance")

    def _heard_position(self, client: Any, market: Any, position: Any) -> None:
        if self.positions is None:
            self.positions = ArrayCacheBySymbolBySide()
        parsed = self.parse_position(position, market)
        self.positions.append(parsed)
        self.moved[parsed["symbol"]] = parsed
        client.resolve(list(self.moved.values()), "positions")


def _is_public(name: str) -> bool:
    """Whether a subscription counts among the connection's public ones."""
    return name != AUTHENTICATED and not name.startswith(ENDING)
