"""Evermark with its stream: everything that the asynchronous class has, and what happens as it happens."""

from typing import Any, Final

from ccxt.async_support.base.ws.cache import (
    ArrayCache,
    ArrayCacheBySymbolById,
    ArrayCacheBySymbolBySide,
    ArrayCacheByTimestamp,
)
from ccxt.base.errors import AuthenticationError, ChecksumError, ExchangeError

from evermark_ccxt.rest_async import evermark as rest

WATCHES: Final = (
    *("ws", "watchTicker", "watchOrderBook", "watchTrades", "watchOHLCV"),
    *("watchBalance", "watchOrders", "watchMyTrades", "watchPositions"),
)
KEPT: Final = 1000
CHECKSUM_LEVELS: Final = 25
STREAMED: Final = ("15s", "1m", "3m", "5m", "15m", "30m", "1h")


class evermark(rest):
    """Evermark."""

    orders: Any
    myTrades: Any
    positions: Any

    def describe(self) -> Any:
        return self.deep_extend(
            super().describe(),
            {"pro": True, "has": dict.fromkeys(WATCHES, True), "streaming": {"keepAlive": 20_000}},
        )

    # --- what one asks for

    def _url(self) -> str:
        url: str = self.implode_hostname(self.urls["api"]["ws"])
        return url

    async def _watch(self, market: Any, category: str, message_hash: str) -> Any:
        topic = f"{market['id']}:{category}"
        return await self.watch(self._url(), message_hash, {"op": "sub", "content": topic}, topic)

    async def watch_ticker(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        return await self._watch(market, "ticker", f"ticker:{market['id']}")

    async def watch_order_book(self, symbol: str, limit: Any = None, params: Any = {}) -> Any:
        """The book without a gap: each message is held against the one before it and against the exchange's checksum."""
        await self.load_markets()
        market = self.market(symbol)
        book = await self._watch(market, "book", f"book:{market['id']}")
        return book.limit()

    async def watch_trades(self, symbol: str, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        trades = await self._watch(market, "match", f"match:{market['id']}")
        return self.filter_by_since_limit(trades, since, limit, "timestamp", True)

    async def watch_ohlcv(
        self, symbol: str, timeframe: str = "1m", since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        if timeframe not in STREAMED:
            raise ExchangeError(f"{self.id} watchOHLCV() has {', '.join(STREAMED)}")
        found = await self._watch(market, f"ohlcv:{timeframe}", f"ohlcv:{market['id']}:{timeframe}")
        return self.filter_by_since_limit(found, since, limit, 0, True)

    async def _authenticate(self) -> None:
        self.check_required_credentials()
        content = {"api_key": self.apiKey, "categories": ["fill_added", "balance_updated"]}
        client = self.client(self._url())
        if "authenticated" not in client.subscriptions:
            await self.watch(self._url(), "authenticated", {"op": "auth_api", "content": content}, "authenticated")

    async def _watch_account(self, message_hash: str) -> Any:
        await self.load_markets()
        await self._authenticate()
        return await self.watch(self._url(), message_hash, None, "authenticated")

    async def watch_balance(self, params: Any = {}) -> Any:
        return await self._watch_account("balance")

    async def watch_orders(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        orders = await self._watch_account(await self._hash("orders", symbol))
        return self.filter_by_symbol_since_limit(orders, symbol, since, limit, True)

    async def watch_my_trades(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        trades = await self._watch_account(await self._hash("fills", symbol))
        return self.filter_by_symbol_since_limit(trades, symbol, since, limit, True)

    async def watch_positions(self, symbols: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        wanted = self.market_symbols(symbols)
        while True:
            changed = await self._watch_account("positions")
            found = [position for position in changed if wanted is None or position["symbol"] in wanted]
            if found:
                return found

    async def _hash(self, kind: str, symbol: Any) -> str:
        await self.load_markets()
        return kind if symbol is None else f"{kind}:{self.market(symbol)['symbol']}"

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
            "position_updated": self._heard_position,
            "position_closed": self._heard_position,
        }
        if category == "error":
            self._heard_error(client, message)
        elif category == "authenticated":
            client.resolve(True, "authenticated")
        elif category in handlers:
            handlers[category](client, market, message["result"])
        elif category.startswith(("order_", "trigger_")):
            self._heard_order(client, market, message["result"]["order"])

    def _heard_error(self, client: Any, message: Any) -> None:
        words = f"{self.id} {message['msg']}"
        if message.get("op") == "auth_api" or message["code"] in (401, 403):
            client.subscriptions.pop("authenticated", None)
            client.reject(AuthenticationError(words), "authenticated")
        else:
            client.reject(ExchangeError(words))

    def _heard_ticker(self, client: Any, market: Any, ticker: Any) -> None:
        parsed = self.parse_ticker(ticker, market)
        self.tickers[market["symbol"]] = parsed
        client.resolve(parsed, f"ticker:{market['id']}")

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
        client.resolve(book, f"book:{market['id']}")

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
        """Who watches gets an error; the next watch subscribes again and gets a snapshot."""
        self.orderbooks.pop(market["symbol"], None)
        client.subscriptions.pop(f"{market['id']}:book", None)
        client.reject(ChecksumError(f"{self.id} {market['symbol']}: {why}"), f"book:{market['id']}")

    def _heard_trade(self, client: Any, market: Any, trade: Any) -> None:
        kept = self.trades.setdefault(market["symbol"], ArrayCache(KEPT))
        kept.append(self.parse_trade(trade, market))
        client.resolve(kept, f"match:{market['id']}")

    def _heard_candle(self, client: Any, market: Any, result: Any) -> None:
        candle = result["ohlcv"]
        by_interval = self.ohlcvs.setdefault(market["symbol"], {})
        kept = by_interval.setdefault(candle["interval"], ArrayCacheByTimestamp(KEPT))
        kept.append(self.parse_ohlcv(candle, market))
        client.resolve(kept, f"ohlcv:{market['id']}:{candle['interval']}")

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
        client.resolve([parsed], "positions")
