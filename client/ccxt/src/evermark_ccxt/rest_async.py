"""Evermark over REST, for coroutines."""

from typing import Any, Final

from ccxt.async_support.base.exchange import Exchange
from ccxt.base.errors import ArgumentsRequired, BadRequest, BadSymbol

from evermark_ccxt.describe import ImplicitAPI
from evermark_ccxt.parsing import Parsing

ROWS: Final = 1000
"""Of a list, in one answer."""


class evermark(Parsing, ImplicitAPI, Exchange):
    """Evermark: perpetuals, everlasting options, dated futures and spot."""

    async def request(
        self, path: str, api: Any = ["public"], method: str = "GET", params: Any = {}, config: Any = {}
    ) -> Any:
        """Send a request. Orders beyond what the account may place in a minute wait for their turn, and nothing waits for them."""
        wait_ms = self._order_wait_ms(path, params) if self.enableRateLimit else 0
        if wait_ms:
            await self.sleep(wait_ms)
        return await super().request(path, api, method, params, config)

    async def _result(self, path: str, api: str, method: str, params: dict[str, Any]) -> Any:
        """What a row answers, without its envelope."""
        return (await self.request(path, [api], method, params))["result"]

    async def _get(self, path: str, **params: Any) -> Any:
        return await self._result(path, "public", "GET", params)

    async def _read(self, path: str, **params: Any) -> Any:
        return await self._result(path, "private", "GET", params)

    async def _post(self, path: str, **params: Any) -> Any:
        return await self._result(path, "private", "POST", params)

    async def _list(self, path: str, api: str, since: Any, limit: Any, params: dict[str, Any], **request: Any) -> Any:
        """Rows of a list: the latest, or from `since` on the first, as ccxt has it."""
        until = self.safe_integer(params, "until")
        request |= self.omit(params, ["until"])
        if since is None:
            limit = None if limit is None else min(limit, ROWS)
            return await self._result(path, api, "GET", {**request, "end": until, "limit": limit})
        return await self._first(path, api, int(since), until, limit or ROWS, request)

    async def _first(
        self, path: str, api: str, start: int, end: int | None, wanted: int, request: dict[str, Any]
    ) -> Any:
        """The first rows from a time on. The exchange gives the latest of a span, so the span is halved until it gives all."""
        found: list[Any] = []
        last = end
        while len(found) < wanted:
            rows = await self._result(path, api, "GET", {**request, "start": start, "end": end, "limit": ROWS})
            if len(rows) == ROWS:
                # What came after the first question is left to the next one.
                newest = int(rows[0]["time"])
                last = newest if last is None else last
                if newest > start:
                    end = start + (min(int(rows[-1]["time"]), newest - 1) - start) // 2
                    continue
                rows += await self._same_time(path, api, rows[-1], request)
            found += reversed(rows)
            if end is None or last is None or end >= last:
                break
            start, end = end + 1, min(last, end + 2 * (end - start + 1))
        return found[:wanted]

    async def _same_time(self, path: str, api: str, row: Any, request: dict[str, Any]) -> Any:
        """The rows of a row's very millisecond that come behind it: more than one answer holds."""
        found: list[Any] = []
        span = {**request, "start": row["time"], "end": row["time"], "limit": ROWS}
        while True:
            rows = await self._result(path, api, "GET", {**span, "before": row["id"]})
            found += rows
            if len(rows) < ROWS or rows[-1]["id"] == row["id"]:
                return found
            row = rows[-1]

    # --- markets

    async def fetch_markets(self, params: Any = {}) -> Any:
        if self.options["adjustForTimeDifference"]:
            await self.load_time_difference()
        return [self.parse_market(market) for market in (await self._get("pairs")).values()]

    async def fetch_currencies(self, params: Any = {}) -> Any:
        assets = await self._get("assets")
        return {self.safe_currency_code(key): self.parse_currency(asset) for key, asset in assets.items()}

    async def fetch_time(self, params: Any = {}) -> Any:
        return await self._get("time")

    async def fetch_status(self, params: Any = {}) -> Any:
        status = await self._get("status")
        words = {"ONLINE": "ok", "RESTRICTED": "maintenance", "READ_ONLY": "maintenance"}
        time = self.safe_integer(status, "time")
        return {"status": words[status["status"]], "updated": time, "eta": None, "url": None, "info": status}

    async def fetch_ticker(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        return self.parse_ticker((await self._get("ticker", pair=market["id"]))[market["id"]], market)

    async def fetch_tickers(self, symbols: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        found = await self._get("ticker")
        tickers = [self.parse_ticker(ticker, self.safe_market(key)) for key, ticker in found.items()]
        return self.filter_by_array_tickers(tickers, "symbol", self.market_symbols(symbols))

    async def fetch_order_book(self, symbol: str, limit: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        depth = await self._get("depth", pair=market["id"], limit=None if limit is None else min(limit, ROWS))
        return self.parse_order_book(depth, market["symbol"], None, "bids", "asks", "price", "qty")

    async def fetch_trades(self, symbol: str, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        trades = await self._list("trades", "public", since, limit, params, pair=market["id"])
        return self.parse_trades(trades, market, since, limit)

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str = "1m", since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        interval = self.safe_string(self.timeframes, timeframe)
        if interval is None:
            raise BadRequest(f"{self.id} fetchOHLCV() has {', '.join(self.timeframes)}")
        request = {
            "pair": market["id"],
            "interval": interval,
            "basis": self.safe_string(params, "price"),
            "start": since,
            "end": self.safe_integer(params, "until"),
            "limit": None if limit is None else min(limit, ROWS),
        }
        return self.parse_ohlcvs(await self._get("ohlcv", **request), market, timeframe, since, limit)

    async def fetch_funding_rate(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        if not market["swap"]:
            raise BadSymbol(f"{self.id} {symbol} has no funding")
        return self.parse_funding_rate((await self._get("ticker", pair=market["id"]))[market["id"]], market)

    async def fetch_funding_rates(self, symbols: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        wanted = self.market_symbols(symbols)
        found = {}
        for key, ticker in (await self._get("ticker")).items():
            market = self.safe_market(key)
            if market["swap"] and (wanted is None or market["symbol"] in wanted):
                found[market["symbol"]] = self.parse_funding_rate(ticker, market)
        return found

    async def fetch_funding_rate_history(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        if symbol is None:
            raise ArgumentsRequired(f"{self.id} fetchFundingRateHistory() needs a symbol")
        await self.load_markets()
        market = self.market(symbol)
        rows = await self._list("funding", "public", since, limit, params, pair=market["id"])
        rates = self.sort_by([self.parse_funding_rate_history(row, market) for row in rows], "timestamp")
        return self.filter_by_symbol_since_limit(rates, market["symbol"], since, limit)

    async def fetch_leverage_tiers(self, symbols: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        return self.parse_leverage_tiers(list((await self._get("pairs")).values()), symbols, "key")

    async def fetch_open_interest(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        return self.parse_open_interest((await self._get("ticker", pair=market["id"]))[market["id"]], market)

    async def fetch_trading_fee(self, symbol: str, params: Any = {}) -> Any:
        return (await self.fetch_trading_fees())[self.market(symbol)["symbol"]]

    async def fetch_trading_fees(self, params: Any = {}) -> Any:
        await self.load_markets()
        return {
            symbol: {
                "info": market["info"],
                "symbol": symbol,
                "maker": market["maker"],
                "taker": market["taker"],
                "percentage": True,
                "tierBased": False,
            }
            for symbol, market in self.markets.items()
        }

    # --- the account

    async def fetch_balance(self, params: Any = {}) -> Any:
        await self.load_markets()
        return self.parse_balance(await self._read("balances"))

    async def _margin_mode(self) -> str:
        mode: str = (await self._read("personal"))["margin_mode"].lower()
        self.options["marginMode"] = mode
        return mode

    async def fetch_positions(self, symbols: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        await self._margin_mode()
        positions = (await self._read("active_positions")).values()
        return self.parse_positions(list(positions), self.market_symbols(symbols))

    async def fetch_position(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        await self._margin_mode()
        market = self.market(symbol)
        if market["spot"]:
            raise BadSymbol(f"{self.id} {symbol} is spot and has no positions")
        return self.parse_position(await self._read("position", pair=market["id"]), market)

    async def fetch_margin_mode(self, symbol: str, params: Any = {}) -> Any:
        await self.load_markets()
        mode = await self._margin_mode()
        return {"info": {"margin_mode": mode}, "symbol": self.market(symbol)["symbol"], "marginMode": mode}

    async def set_margin_mode(self, margin_mode: str, symbol: Any = None, params: Any = {}) -> Any:
        """Of the whole account: Evermark has one mode for all markets."""
        margin_mode = margin_mode.lower()
        if await self._margin_mode() == margin_mode:
            return {"margin_mode": margin_mode.upper()}
        answer = await self._post("auth/margin_mode", margin_mode=margin_mode.upper())
        self.options["marginMode"] = margin_mode
        return answer

    async def set_leverage(self, leverage: Any, symbol: Any = None, params: Any = {}) -> Any:
        """Isolated margin only."""
        if symbol is None:
            raise ArgumentsRequired(f"{self.id} setLeverage() needs a symbol")
        await self.load_markets()
        return await self._post("leverage", pair=self.market(symbol)["id"], leverage=leverage)

    async def add_margin(self, symbol: str, amount: Any, params: Any = {}) -> Any:
        return await self._move_margin("fund", "add", symbol, amount)

    async def reduce_margin(self, symbol: str, amount: Any, params: Any = {}) -> Any:
        return await self._move_margin("draw", "reduce", symbol, amount)

    async def _move_margin(self, path: str, kind: str, symbol: str, amount: Any) -> Any:
        await self.load_markets()
        market = self.market(symbol)
        answer = await self._post(path, pair=market["id"], qty=self.number_to_string(amount))
        position = self.safe_dict(answer["positions"], market["id"], {})
        return {
            "info": answer,
            "symbol": market["symbol"],
            "type": kind,
            "marginMode": "isolated",
            "amount": float(amount),
            "total": self.safe_number(position, "free"),
            "code": market["settle"],
            "status": "ok",
            "timestamp": None,
            "datetime": None,
        }

    async def fetch_my_trades(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        market = None if symbol is None else self.market(symbol)
        fills = await self._list("fills", "private", since, limit, params, **self.pair(market))
        return self.parse_trades(fills, market, since, limit)

    async def fetch_funding_history(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        await self.load_markets()
        market = None if symbol is None else self.market(symbol)
        payments = await self._list("v1/funding_payments", "private", since, limit, params, **self.pair(market))
        return self.parse_incomes(payments, market, since, limit)

    # --- orders

    async def create_order(
        self, symbol: str, type: str, side: str, amount: Any, price: Any = None, params: Any = {}
    ) -> Any:
        await self.load_markets()
        request = self.order_request(symbol, type, side, amount, price, params)
        answer = await self._post("auth/order", **request)
        return self.parse_order(answer["order"], self.market(symbol))

    async def create_orders(self, orders: Any, params: Any = {}) -> Any:
        """Orders of one market, all or none."""
        await self.load_markets()
        requests = [
            self.order_request(
                order["symbol"],
                order["type"],
                order["side"],
                order["amount"],
                order.get("price"),
                {**order.get("params", {}), **params},
            )
            for order in orders
        ]
        answer = await self._post("auth/order/bulk", orders=requests)
        return self.parse_orders(answer["orders"])

    async def edit_order(
        self,
        id: Any,
        symbol: str,
        type: str,
        side: str,
        amount: Any = None,
        price: Any = None,
        params: Any = {},
    ) -> Any:
        """Amend in place: a smaller amount at the same price keeps its place in the book."""
        await self.load_markets()
        trigger = self.safe_value_2(params, "triggerPrice", "stopPrice")
        answer = await self._post(
            "auth/amend",
            **self._named(id, params),
            qty=None if amount is None else self.amount_to_precision(symbol, amount),
            price=None if price is None else self.price_to_precision(symbol, price),
            trigger_price=None if trigger is None else self.price_to_precision(symbol, trigger),
        )
        return self.parse_order(answer["order"], self.market(symbol))

    def _named(self, id: Any, params: Any) -> dict[str, Any]:
        """An order, by its id or by the client's own."""
        name = self.safe_string_2(params, "clientOrderId", "client_order_id")
        return {"id": id} if name is None else {"client_order_id": name}

    async def cancel_order(self, id: Any, symbol: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        return self.parse_order(await self._post("auth/cancel", **self._named(id, params)))

    async def cancel_orders(self, ids: Any, symbol: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        if not ids:
            return []  # a request without ids would cancel every order
        return self.parse_orders(await self._post("auth/cancel/bulk", ids=list(ids)))

    async def cancel_all_orders(self, symbol: Any = None, params: Any = {}) -> Any:
        """Every order, or those of a market."""
        await self.load_markets()
        if symbol is None:
            return self.parse_orders(await self._post("auth/cancel/bulk"))
        found = await self._read("active_orders", pair=self.market(symbol)["id"], limit=1000)
        return await self.cancel_orders([order["id"] for order in found])

    async def cancel_all_orders_after(self, timeout: Any, params: Any = {}) -> Any:
        return await self._post("auth/cancel_all_after", timeout=timeout)

    async def close_position(self, symbol: str, side: Any = None, params: Any = {}) -> Any:
        """Close at the market; `params` may have `amount` and `price`."""
        await self.load_markets()
        market = self.market(symbol)
        amount, price = self.safe_value(params, "amount"), self.safe_value(params, "price")
        answer = await self._post(
            "auth/close",
            pair=market["id"],
            qty=None if amount is None else self.amount_to_precision(symbol, amount),
            price=None if price is None else self.price_to_precision(symbol, price),
            client_order_id=self.safe_string(params, "clientOrderId") or self.uuid22(),
        )
        return self.parse_order(answer["order"], market)

    async def fetch_order(self, id: Any, symbol: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        return self.parse_order(await self._read("order", **self._named(id, params)))

    async def fetch_order_trades(
        self, id: Any, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        await self.load_markets()
        order = await self._read("order", **self._named(id, params))
        return self.parse_trades(order["fills"], None, since, limit)

    async def fetch_orders(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return await self._orders("orders", symbol, since, limit, params)

    async def fetch_open_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        """All of them, where nothing else is asked for: who believes that an order has gone places it again."""
        if since is not None or limit is not None or params:
            return await self._orders("active_orders", symbol, since, limit, params)
        await self.load_markets()
        market = None if symbol is None else self.market(symbol)
        request: dict[str, Any] = {**self.pair(market), "limit": ROWS}
        rows: list[Any] = []
        while True:
            more = await self._read("active_orders", **request)
            rows += more
            if len(more) < ROWS:
                return self.parse_orders(rows, market)
            request |= {"end": more[-1]["time"], "before": more[-1]["id"]}

    async def fetch_closed_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        return await self._orders("completed_orders", symbol, since, limit, params)

    async def fetch_canceled_orders(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        return await self._orders("cancelled_orders", symbol, since, limit, params)

    async def _orders(self, path: str, symbol: Any, since: Any, limit: Any, params: Any) -> Any:
        await self.load_markets()
        market = None if symbol is None else self.market(symbol)
        rows = await self._list(path, "private", since, limit, params, **self.pair(market))
        return self.parse_orders(rows, market, since, limit)

    # --- money in and out

    async def fetch_deposits(self, code: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return await self._transactions("deposits", code, since, limit, params)

    async def fetch_withdrawals(self, code: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return await self._transactions("withdrawals", code, since, limit, params)

    async def _transactions(self, path: str, code: Any, since: Any, limit: Any, params: Any) -> Any:
        await self.load_markets()
        currency = None if code is None else self.currency(code)
        asset = None if currency is None else currency["id"]
        rows = await self._list(path, "private", since, limit, params, asset=asset)
        return self.parse_transactions(rows, currency, since, limit)

    async def withdraw(self, code: str, amount: Any, address: str, tag: Any = None, params: Any = {}) -> Any:
        await self.load_markets()
        currency = self.currency(code)
        request = {
            "asset": currency["id"],
            "qty": self.number_to_string(amount),
            "address": address,
            "client_withdrawal_id": self.safe_string(params, "clientWithdrawalId") or self.uuid22(),
            **self.omit(params, ["clientWithdrawalId"]),
        }
        return self.parse_transaction(await self._post("auth/withdraw", **request), currency)

    async def fetch_deposit_address(self, code: str, params: Any = {}) -> Any:
        await self.load_markets()
        answer = await self._read("v1/deposit_address", asset=self.currency(code)["id"], **params)
        return {
            "info": answer,
            "currency": code,
            "network": answer["network"],
            "address": answer["address"],
            "tag": None,
        }
