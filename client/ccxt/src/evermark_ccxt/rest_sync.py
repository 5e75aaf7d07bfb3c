# Written by tools/unasync.py from the async half: edit that one.
"""Evermark over REST, for programs without coroutines."""

from typing import Any, Final

from ccxt.base.errors import ArgumentsRequired, BadRequest, BadSymbol
from ccxt.base.exchange import Exchange

from evermark_ccxt.describe import ImplicitAPI
from evermark_ccxt.parsing import Parsing

ROWS: Final = 1000
"""Of a list, in one answer."""


class evermark(Parsing, ImplicitAPI, Exchange):
    """Evermark: perpetuals, everlasting options, dated futures and spot."""

    def request(self, path: str, api: Any = ["public"], method: str = "GET", params: Any = {}, config: Any = {}) -> Any:
        """Send a request. Orders beyond what the account may place in a minute wait for their turn, and nothing waits for them."""
        wait_ms = self._order_wait_ms(path, params) if self.enableRateLimit else 0
        if wait_ms:
            self.sleep(wait_ms)
        return super().request(path, api, method, params, config)

    def _result(self, path: str, api: str, method: str, params: dict[str, Any]) -> Any:
        """What a row answers, without its envelope."""
        return (self.request(path, [api], method, params))["result"]

    def _get(self, path: str, **params: Any) -> Any:
        return self._result(path, "public", "GET", params)

    def _read(self, path: str, **params: Any) -> Any:
        return self._result(path, "private", "GET", params)

    def _post(self, path: str, **params: Any) -> Any:
        return self._result(path, "private", "POST", params)

    def _list(self, path: str, api: str, since: Any, limit: Any, params: dict[str, Any], **request: Any) -> Any:
        """Rows of a list: the latest, or from `since` on the first, as ccxt has it."""
        until = self.safe_integer(params, "until")
        request |= self.omit(params, ["until"])
        if since is None:
            limit = None if limit is None else min(limit, ROWS)
            return self._result(path, api, "GET", {**request, "end": until, "limit": limit})
        return self._first(path, api, int(since), until, limit or ROWS, request)

    def _first(self, path: str, api: str, start: int, end: int | None, wanted: int, request: dict[str, Any]) -> Any:
        """The first rows from a time on. The exchange gives the latest of a span, so the span is halved until it gives all."""
        found: list[Any] = []
        last = end
        while len(found) < wanted:
            rows = self._result(path, api, "GET", {**request, "start": start, "end": end, "limit": ROWS})
            if len(rows) == ROWS:
                # What came after the first question is left to the next one.
                newest = int(rows[0]["time"])
                last = newest if last is None else last
                if newest > start:
                    end = start + (min(int(rows[-1]["time"]), newest - 1) - start) // 2
                    continue
                rows += self._same_time(path, api, rows[-1], request)
            found += reversed(rows)
            if end is None or last is None or end >= last:
                break
            start, end = end + 1, min(last, end + 2 * (end - start + 1))
        return found[:wanted]

    def _same_time(self, path: str, api: str, row: Any, request: dict[str, Any]) -> Any:
        """The rows of a row's very millisecond that come behind it: more than one answer holds."""
        found: list[Any] = []
        span = {**request, "start": row["time"], "end": row["time"], "limit": ROWS}
        while True:
            rows = self._result(path, api, "GET", {**span, "before": row["id"]})
            found += rows
            if len(rows) < ROWS or rows[-1]["id"] == row["id"]:
                return found
            row = rows[-1]

    # --- markets

    def fetch_markets(self, params: Any = {}) -> Any:
        if self.options["adjustForTimeDifference"]:
            self.load_time_difference()
        return [self.parse_market(market) for market in (self._get("pairs")).values()]

    def fetch_currencies(self, params: Any = {}) -> Any:
        assets = self._get("assets")
        return {self.safe_currency_code(key): self.parse_currency(asset) for key, asset in assets.items()}

    def fetch_time(self, params: Any = {}) -> Any:
        return self._get("time")

    def fetch_status(self, params: Any = {}) -> Any:
        status = self._get("status")
        words = {"ONLINE": "ok", "RESTRICTED": "maintenance", "READ_ONLY": "maintenance"}
        time = self.safe_integer(status, "time")
        return {"status": words[status["status"]], "updated": time, "eta": None, "url": None, "info": status}

    def fetch_ticker(self, symbol: str, params: Any = {}) -> Any:
        self.load_markets()
        market = self.market(symbol)
        return self.parse_ticker((self._get("ticker", pair=market["id"]))[market["id"]], market)

    def fetch_tickers(self, symbols: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        found = self._get("ticker")
        tickers = [self.parse_ticker(ticker, self.safe_market(key)) for key, ticker in found.items()]
        return self.filter_by_array_tickers(tickers, "symbol", self.market_symbols(symbols))

    def fetch_order_book(self, symbol: str, limit: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        market = self.market(symbol)
        depth = self._get("depth", pair=market["id"], limit=None if limit is None else min(limit, ROWS))
        return self.parse_order_book(depth, market["symbol"], None, "bids", "asks", "price", "qty")

    def fetch_trades(self, symbol: str, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        market = self.market(symbol)
        trades = self._list("trades", "public", since, limit, params, pair=market["id"])
        return self.parse_trades(trades, market, since, limit)

    def fetch_ohlcv(
        self, symbol: str, timeframe: str = "1m", since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        self.load_markets()
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
        return self.parse_ohlcvs(self._get("ohlcv", **request), market, timeframe, since, limit)

    def fetch_funding_rate(self, symbol: str, params: Any = {}) -> Any:
        self.load_markets()
        market = self.market(symbol)
        if not market["swap"]:
            raise BadSymbol(f"{self.id} {symbol} has no funding")
        return self.parse_funding_rate((self._get("ticker", pair=market["id"]))[market["id"]], market)

    def fetch_funding_rates(self, symbols: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        wanted = self.market_symbols(symbols)
        found = {}
        for key, ticker in (self._get("ticker")).items():
            market = self.safe_market(key)
            if market["swap"] and (wanted is None or market["symbol"] in wanted):
                found[market["symbol"]] = self.parse_funding_rate(ticker, market)
        return found

    def fetch_funding_rate_history(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        if symbol is None:
            raise ArgumentsRequired(f"{self.id} fetchFundingRateHistory() needs a symbol")
        self.load_markets()
        market = self.market(symbol)
        rows = self._list("funding", "public", since, limit, params, pair=market["id"])
        rates = self.sort_by([self.parse_funding_rate_history(row, market) for row in rows], "timestamp")
        return self.filter_by_symbol_since_limit(rates, market["symbol"], since, limit)

    def fetch_leverage_tiers(self, symbols: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        return self.parse_leverage_tiers(list((self._get("pairs")).values()), symbols, "key")

    def fetch_open_interest(self, symbol: str, params: Any = {}) -> Any:
        self.load_markets()
        market = self.market(symbol)
        return self.parse_open_interest((self._get("ticker", pair=market["id"]))[market["id"]], market)

    def fetch_trading_fee(self, symbol: str, params: Any = {}) -> Any:
        return (self.fetch_trading_fees())[self.market(symbol)["symbol"]]

    def fetch_trading_fees(self, params: Any = {}) -> Any:
        self.load_markets()
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

    def fetch_balance(self, params: Any = {}) -> Any:
        self.load_markets()
        return self.parse_balance(self._read("balances"))

    def _margin_mode(self) -> str:
        mode: str = (self._read("personal"))["margin_mode"].lower()
        self.options["marginMode"] = mode
        return mode

    def fetch_positions(self, symbols: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        self._margin_mode()
        positions = (self._read("active_positions")).values()
        return self.parse_positions(list(positions), self.market_symbols(symbols))

    def fetch_position(self, symbol: str, params: Any = {}) -> Any:
        self.load_markets()
        self._margin_mode()
        market = self.market(symbol)
        if market["spot"]:
            raise BadSymbol(f"{self.id} {symbol} is spot and has no positions")
        return self.parse_position(self._read("position", pair=market["id"]), market)

    def fetch_margin_mode(self, symbol: str, params: Any = {}) -> Any:
        self.load_markets()
        mode = self._margin_mode()
        return {"info": {"margin_mode": mode}, "symbol": self.market(symbol)["symbol"], "marginMode": mode}

    def set_margin_mode(self, margin_mode: str, symbol: Any = None, params: Any = {}) -> Any:
        """Of the whole account: Evermark has one mode for all markets."""
        margin_mode = margin_mode.lower()
        if self._margin_mode() == margin_mode:
            return {"margin_mode": margin_mode.upper()}
        answer = self._post("auth/margin_mode", margin_mode=margin_mode.upper())
        self.options["marginMode"] = margin_mode
        return answer

    def set_leverage(self, leverage: Any, symbol: Any = None, params: Any = {}) -> Any:
        """Isolated margin only."""
        if symbol is None:
            raise ArgumentsRequired(f"{self.id} setLeverage() needs a symbol")
        self.load_markets()
        return self._post("leverage", pair=self.market(symbol)["id"], leverage=leverage)

    def add_margin(self, symbol: str, amount: Any, params: Any = {}) -> Any:
        return self._move_margin("fund", "add", symbol, amount)

    def reduce_margin(self, symbol: str, amount: Any, params: Any = {}) -> Any:
        return self._move_margin("draw", "reduce", symbol, amount)

    def _move_margin(self, path: str, kind: str, symbol: str, amount: Any) -> Any:
        self.load_markets()
        market = self.market(symbol)
        answer = self._post(path, pair=market["id"], qty=self.number_to_string(amount))
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

    def fetch_my_trades(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        market = None if symbol is None else self.market(symbol)
        fills = self._list("fills", "private", since, limit, params, **self.pair(market))
        return self.parse_trades(fills, market, since, limit)

    def fetch_funding_history(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        market = None if symbol is None else self.market(symbol)
        payments = self._list("v1/funding_payments", "private", since, limit, params, **self.pair(market))
        return self.parse_incomes(payments, market, since, limit)

    # --- orders

    def create_order(self, symbol: str, type: str, side: str, amount: Any, price: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        request = self.order_request(symbol, type, side, amount, price, params)
        answer = self._post("auth/order", **request)
        return self.parse_order(answer["order"], self.market(symbol))

    def create_orders(self, orders: Any, params: Any = {}) -> Any:
        """Orders of one market, all or none."""
        self.load_markets()
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
        answer = self._post("auth/order/bulk", orders=requests)
        return self.parse_orders(answer["orders"])

    def edit_order(
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
        self.load_markets()
        trigger = self.safe_value_2(params, "triggerPrice", "stopPrice")
        answer = self._post(
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

    def cancel_order(self, id: Any, symbol: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        return self.parse_order(self._post("auth/cancel", **self._named(id, params)))

    def cancel_orders(self, ids: Any, symbol: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        if not ids:
            return []  # a request without ids would cancel every order
        return self.parse_orders(self._post("auth/cancel/bulk", ids=list(ids)))

    def cancel_all_orders(self, symbol: Any = None, params: Any = {}) -> Any:
        """Every order, or those of a market."""
        self.load_markets()
        if symbol is None:
            return self.parse_orders(self._post("auth/cancel/bulk"))
        found = self._read("active_orders", pair=self.market(symbol)["id"], limit=1000)
        return self.cancel_orders([order["id"] for order in found])

    def cancel_all_orders_after(self, timeout: Any, params: Any = {}) -> Any:
        return self._post("auth/cancel_all_after", timeout=timeout)

    def close_position(self, symbol: str, side: Any = None, params: Any = {}) -> Any:
        """Close at the market; `params` may have `amount` and `price`."""
        self.load_markets()
        market = self.market(symbol)
        amount, price = self.safe_value(params, "amount"), self.safe_value(params, "price")
        answer = self._post(
            "auth/close",
            pair=market["id"],
            qty=None if amount is None else self.amount_to_precision(symbol, amount),
            price=None if price is None else self.price_to_precision(symbol, price),
            client_order_id=self.safe_string(params, "clientOrderId") or self.uuid22(),
        )
        return self.parse_order(answer["order"], market)

    def fetch_order(self, id: Any, symbol: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        return self.parse_order(self._read("order", **self._named(id, params)))

    def fetch_order_trades(
        self, id: Any, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}
    ) -> Any:
        self.load_markets()
        order = self._read("order", **self._named(id, params))
        return self.parse_trades(order["fills"], None, since, limit)

    def fetch_orders(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return self._orders("orders", symbol, since, limit, params)

    def fetch_open_orders(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        """All of them, where nothing else is asked for: who believes that an order has gone places it again."""
        if since is not None or limit is not None or params:
            return self._orders("active_orders", symbol, since, limit, params)
        self.load_markets()
        market = None if symbol is None else self.market(symbol)
        request: dict[str, Any] = {**self.pair(market), "limit": ROWS}
        rows: list[Any] = []
        while True:
            more = self._read("active_orders", **request)
            rows += more
            if len(more) < ROWS:
                return self.parse_orders(rows, market)
            request |= {"end": more[-1]["time"], "before": more[-1]["id"]}

    def fetch_closed_orders(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return self._orders("completed_orders", symbol, since, limit, params)

    def fetch_canceled_orders(self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return self._orders("cancelled_orders", symbol, since, limit, params)

    def _orders(self, path: str, symbol: Any, since: Any, limit: Any, params: Any) -> Any:
        self.load_markets()
        market = None if symbol is None else self.market(symbol)
        rows = self._list(path, "private", since, limit, params, **self.pair(market))
        return self.parse_orders(rows, market, since, limit)

    # --- money in and out

    def fetch_deposits(self, code: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return self._transactions("deposits", code, since, limit, params)

    def fetch_withdrawals(self, code: Any = None, since: Any = None, limit: Any = None, params: Any = {}) -> Any:
        return self._transactions("withdrawals", code, since, limit, params)

    def _transactions(self, path: str, code: Any, since: Any, limit: Any, params: Any) -> Any:
        self.load_markets()
        currency = None if code is None else self.currency(code)
        asset = None if currency is None else currency["id"]
        rows = self._list(path, "private", since, limit, params, asset=asset)
        return self.parse_transactions(rows, currency, since, limit)

    def withdraw(self, code: str, amount: Any, address: str, tag: Any = None, params: Any = {}) -> Any:
        self.load_markets()
        currency = self.currency(code)
        request = {
            "asset": currency["id"],
            "qty": self.number_to_string(amount),
            "address": address,
            "client_withdrawal_id": self.safe_string(params, "clientWithdrawalId") or self.uuid22(),
            **self.omit(params, ["clientWithdrawalId"]),
        }
        return self.parse_transaction(self._post("auth/withdraw", **request), currency)

    def fetch_deposit_address(self, code: str, params: Any = {}) -> Any:
        self.load_markets()
        answer = self._read("v1/deposit_address", asset=self.currency(code)["id"], **params)
        return {
            "info": answer,
            "currency": code,
            "network": answer["network"],
            "address": answer["address"],
            "tag": None,
        }
