"""What both halves of the class do without waiting: requests signed, answers turned into ccxt's unified structures."""

import base64
import hashlib
import hmac
import json
import math
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from ccxt.base.errors import (
    AuthenticationError,
    ExchangeError,
    ExchangeNotAvailable,
    InvalidNonce,
    InvalidOrder,
    NotSupported,
    PermissionDenied,
    RateLimitExceeded,
    RequestTimeout,
)
from ccxt.base.precise import Precise

from evermark_ccxt.describe import DESCRIPTION

# The exchange class that this is mixed into brings ccxt's own helpers; they have no types.
Base: Any = Any if TYPE_CHECKING else object

STATUSES: Final = {"ACTIVE": "open", "UNTRIGGERED": "open", "COMPLETED": "closed", "CANCELLED": "canceled"}
LIMITS: Final = ("limit", "stop_limit", "stopLimit")
MARKETS: Final = ("market", "stop_market", "stopMarket")
PACED: Final = ("auth/order", "auth/order/bulk", "auth/amend")
"""What an account may do so many times a minute."""
MINUTE_MS: Final = 60_000
ORDERS_BURST_MS: Final = 59_000
"""Orders of so long a time may go at once: a second less than the exchange has, for what is quicker on its way than the one before it."""
UNKNOWN: Final = ("stopLoss", "takeProfit", "trailingTriggerPrice")
"""What ccxt has and Evermark has not, and what an order without it would be another one: whoever believed that it has a stop has none."""
TRIGGERS: Final = {"mark": "MARK_PRICE", "index": "INDEX_PRICE", "last": "LAST_PRICE"}
DIRECTIONS: Final = {"above": "RISE", "ascending": "RISE", "below": "FALL", "descending": "FALL"}
WITHDRAWAL_STATUSES: Final = {
    **dict.fromkeys(("PREPARED", "SUBMITTED", "WAITING_FOR_APPROVAL", "SUSPECTED", "PROCESSING"), "pending"),
    "SUCCEEDED": "ok",
    "CANCELLED": "canceled",
    **dict.fromkeys(("REJECTED", "FAILED"), "failed"),
}
DEPOSIT_STATUSES: Final = {"PENDING": "pending", "COMPLETED": "ok", "FAILED": "failed"}
LEVERAGES: Final = (100, 90, 75, 50, 40, 30, 25, 20, 15, 10, 5, 4, 3, 2, 1)
BROKEN: Final = (500, 502, 504)


def pairs_of(params: dict[str, Any]) -> list[tuple[str, str]]:
    """A form: lists get indices, dictionaries in them brackets, what is None is left out."""
    found: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, list):
            for index, item in enumerate(value):
                inner = item.items() if isinstance(item, dict) else ((None, item),)
                found += [
                    (f"{name}[{index}]" + (f"[{field}]" if field else ""), _text(part))
                    for field, part in inner
                    if part is not None
                ]
        elif value is not None:
            found.append((name, _text(value)))
    return found


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


class Parsing(Base):
    """The mixin."""

    orders_full_at_ms: float = 0.0
    """When the account may place a whole minute's orders again."""

    def describe(self) -> Any:
        return self.deep_extend(super().describe(), DESCRIPTION)

    # --- requests

    def _order_wait_ms(self, path: str, params: Any) -> float:
        """How long an order has to wait so that the account's minute does not refuse it. A burst goes at once."""
        if path not in PACED:
            return 0
        count = len(params["orders"]) if "orders" in params else 1
        now_ms = self.milliseconds()
        each_ms = MINUTE_MS / self.options["ordersPerMinute"]
        self.orders_full_at_ms = max(now_ms, self.orders_full_at_ms) + count * each_ms
        return max(0.0, self.orders_full_at_ms - now_ms - ORDERS_BURST_MS)

    def nonce(self) -> int:
        """Milliseconds by the exchange's clock, where `adjustForTimeDifference` asks for it."""
        return int(self.milliseconds() - self.options["timeDifference"])

    def stamp(self) -> str:
        """A timestamp that no other request has: a signature is good once."""
        now = max(self.nonce() * 1_000_000, self.options.get("lastStamp", 0) + 1)
        self.options["lastStamp"] = now
        return f"{now // 1_000_000}.{now % 1_000_000:06d}"

    def sign(
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = {},
        headers: Any = None,
        body: Any = None,
    ) -> dict[str, Any]:
        url = f"{self.implode_hostname(self.urls['api']['rest'])}/{path}"
        if "private" in api:
            self.check_required_credentials()
            headers = {"x-api-key": self.apiKey}
        if method == "GET":
            query = urlencode(pairs_of(params))
            return {"url": f"{url}?{query}" if query else url, "method": method, "body": None, "headers": headers}
        body = urlencode(pairs_of({**params, "timestamp": self.stamp()}))
        headers |= {"x-signature": self.signature_of(body), "content-type": "application/x-www-form-urlencoded"}
        return {"url": url, "method": method, "body": body, "headers": headers}

    def signature_of(self, text: str) -> str:
        """Base64 of HMAC-SHA256."""
        return base64.b64encode(hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).digest()).decode()

    @staticmethod
    def on_json_response(response_body: str) -> Any:
        """Decode, and keep every digit of a number."""
        return json.loads(response_body, parse_float=str)

    def handle_errors(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Any,
        body: str,
        response: Any,
        request_headers: Any,
        request_body: Any,
    ) -> None:
        if code == 200:
            return
        words = f"{self.id} {body}"
        by_code = {401: AuthenticationError, 403: PermissionDenied, 408: InvalidNonce, 429: RateLimitExceeded}
        if code in by_code:
            raise by_code[code](words)
        result = self.safe_value(response, "result") or {}
        if self.safe_bool(result, "is_outcome_unknown") or (code in BROKEN and method == "POST"):
            raise RequestTimeout(words)
        if code in BROKEN:
            raise ExchangeNotAvailable(words)
        self.throw_exactly_matched_exception(self.exceptions["exact"], self.safe_string(result, "reject"), words)
        raise ExchangeError(words)

    # --- markets

    def parse_market(self, market: Any) -> Any:
        key = market["key"]
        kind = market["type"]
        is_spot, is_future = kind == "SPOT", kind == "DATED_FUTURE"
        # A derivative's key has its own name where /pairs tells the underlying: USD_BTCCALL90_PERP, USD_BTC_20261225.
        base_id = market["base"] if is_spot else key.split("_")[1]
        base, quote = self.safe_currency_code(base_id), self.safe_currency_code(market["quote"])
        expiry = self.safe_integer(market, "expiry")
        symbol = f"{base}/{quote}" if is_spot else f"{base}/{quote}:{quote}"
        if is_future:
            symbol = f"{symbol}-{self.yymmdd(expiry)}"
        filters = {entry["filter_type"]: entry for entry in market["filters"]}
        price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
        return self.safe_market_structure(
            {
                "id": key,
                "symbol": symbol,
                "base": base,
                "quote": quote,
                "baseId": base_id,
                "quoteId": market["quote"],
                "settle": None if is_spot else quote,
                "settleId": None if is_spot else market["quote"],
                "type": "spot" if is_spot else "future" if is_future else "swap",
                "spot": is_spot,
                "margin": False,
                "swap": not is_spot and not is_future,
                "future": is_future,
                "option": False,
                "index": False,
                "contract": not is_spot,
                "active": market["status"] == "TRADING",
                "linear": None if is_spot else True,
                "inverse": None if is_spot else False,
                "subType": None if is_spot else "linear",
                "maker": self.safe_number(market, "maker_fee"),
                "taker": self.safe_number(market, "taker_fee"),
                "contractSize": None if is_spot else self.parse_number("1"),
                "expiry": expiry,
                "expiryDatetime": self.iso8601(expiry),
                "strike": None,
                "optionType": None,
                "precision": {
                    "amount": self.safe_number(lot, "tick_size"),
                    "price": self.safe_number(price, "tick_size"),
                },
                "limits": {
                    "leverage": {"min": self.parse_number("1"), "max": self.safe_number(market, "max_leverage")},
                    "amount": {"min": self.safe_number(lot, "min_qty"), "max": self.safe_number(lot, "max_qty")},
                    "price": {"min": self.safe_number(price, "min_price"), "max": self.safe_number(price, "max_price")},
                    "cost": {"min": self.safe_number(filters.get("MIN_NOTIONAL", {}), "min_notional"), "max": None},
                },
                "marginModes": {"cross": not is_spot, "isolated": not is_spot},
                "created": None,
                "info": market,
            }
        )

    def parse_market_leverage_tiers(self, info: Any, market: Any = None) -> Any:
        """Steps within what the exchange asks for, which grows evenly: a notional of N needs `initial_margin` + `initial_margin_slope` x N."""
        first, slope = float(info["initial_margin"]), float(info["initial_margin_slope"]) or 1e-12
        kept, kept_slope = float(info["maintenance_margin"]), float(info["maintenance_margin_slope"])
        tiers: list[dict[str, Any]] = []
        low = 0.0
        for leverage in LEVERAGES:
            most = math.floor((1 / leverage - first) / slope)
            if leverage <= info["max_leverage"] and most > low:
                tiers.append(
                    {
                        "tier": len(tiers) + 1,
                        "symbol": market["symbol"],
                        "currency": market["quote"],
                        "minNotional": low,
                        "maxNotional": float(most),
                        "maintenanceMarginRate": kept + kept_slope * most,
                        "maxLeverage": float(leverage),
                        "info": info,
                    }
                )
                low = float(most)
        return tiers

    def set_markets(self, markets: Any, currencies: Any = None) -> Any:
        """Ccxt wants every base to be a currency: an option's name is one that nobody can pay in or out."""
        known = currencies or {}
        for market in self.to_array(markets) if known else ():
            if market["base"] not in known:
                named = {"id": market["baseId"], "code": market["base"], "name": market["base"], "info": {}}
                precision = market["precision"]["amount"]
                closed = {"active": False, "deposit": False, "withdraw": False, "precision": precision}
                known[market["base"]] = self.safe_currency_structure({**named, **closed})
        return super().set_markets(markets, currencies)

    def parse_currency(self, currency: Any) -> Any:
        fees = currency["fees"]
        return self.safe_currency_structure(
            {
                "id": currency["key"],
                "code": self.safe_currency_code(currency["key"]),
                "name": currency["key"],
                "active": True,
                "deposit": True,
                "withdraw": True,
                "type": "fiat" if currency["key"] == "USD" else "crypto",
                "networks": {},
                "fee": self.safe_number(fees, "withdrawal"),
                "precision": self.parse_number(self.parse_precision(str(currency["precision"]))),
                "limits": {
                    "amount": {"min": None, "max": None},
                    "withdraw": {"min": self.safe_number(currency, "min_withdrawal"), "max": None},
                    "deposit": {"min": self.safe_number(currency, "min_deposit"), "max": None},
                },
                "info": currency,
            }
        )

    # --- public

    def parse_ticker(self, ticker: Any, market: Any = None) -> Any:
        time = self.safe_integer(ticker, "close_time")
        return self.safe_ticker(
            {
                "symbol": self.safe_symbol(None, market),
                "timestamp": time,
                "datetime": self.iso8601(time),
                "info": ticker,
                "high": ticker["high_price"],
                "low": ticker["low_price"],
                "vwap": None,
                "average": None,
                "bid": ticker["bid_price"],
                "bidVolume": ticker["bid_qty"],
                "ask": ticker["ask_price"],
                "askVolume": ticker["ask_qty"],
                "open": ticker["open_price"],
                "close": ticker["last_price"],
                "last": ticker["last_price"],
                "previousClose": None,
                "change": ticker["price_change"],
                "percentage": ticker["price_change_percent"],
                "baseVolume": ticker["base_volume"],
                "quoteVolume": ticker["quote_volume"],
                "markPrice": ticker["mark_price"],
                "indexPrice": ticker["index_price"],
            },
            market,
        )

    def parse_ohlcv(self, ohlcv: Any, market: Any = None) -> list[Any]:
        fields = ("open", "high", "low", "close", "base_volume")
        return [self.safe_integer(ohlcv, "open_time"), *(self.safe_number(ohlcv, field) for field in fields)]

    def parse_trade(self, trade: Any, market: Any = None) -> Any:
        """A public trade, or a fill: that has a side of its own, an order and a fee."""
        market = self.safe_market(self.safe_string(trade, "pair"), market)
        time = self.safe_integer(trade, "time")
        is_buyer_maker = self.safe_bool(trade, "is_buyer_maker")
        own_side = self.safe_string_lower(trade, "side")
        maker_side = "buy" if is_buyer_maker else "sell"
        fee = None
        if own_side is not None:
            code = self.safe_currency_code(self.safe_string(trade, "net_commission_asset"))
            fee = {"cost": self.safe_string(trade, "net_commission"), "currency": code}
        return self.safe_trade(
            {
                "id": self.safe_string(trade, "trade_id") or self.safe_string(trade, "id"),
                "timestamp": time,
                "datetime": self.iso8601(time),
                "symbol": market["symbol"],
                "order": self.safe_string(trade, "order_id"),
                "type": self.safe_string_lower(trade, "type"),
                "side": own_side or ("sell" if is_buyer_maker else "buy"),
                "takerOrMaker": None if own_side is None else "maker" if own_side == maker_side else "taker",
                "price": trade["price"],
                "amount": trade["qty"],
                "cost": self.safe_string(trade, "cost"),
                "fee": fee,
                "info": trade,
            },
            market,
        )

    def parse_funding_rate(self, contract: Any, market: Any = None) -> Any:
        """Of a ticker: `fundingRate` is what the running hour would be settled with, `previousFundingRate` the last hour's."""
        time = self.safe_integer(contract, "close_time")
        next_time = self.safe_integer(contract, "next_funding_time")
        last_time = None if next_time is None else next_time - 3_600_000
        return {
            "info": contract,
            "symbol": self.safe_symbol(None, market),
            "markPrice": self.safe_number(contract, "mark_price"),
            "indexPrice": self.safe_number(contract, "index_price"),
            "interestRate": None,
            "estimatedSettlePrice": None,
            "interval": "1h",
            "timestamp": time,
            "datetime": self.iso8601(time),
            "fundingRate": self.safe_number(contract, "predicted_funding_rate"),
            "fundingTimestamp": next_time,
            "fundingDatetime": self.iso8601(next_time),
            "nextFundingRate": None,
            "nextFundingTimestamp": None,
            "nextFundingDatetime": None,
            "previousFundingRate": self.safe_number(contract, "funding_rate"),
            "previousFundingTimestamp": last_time,
            "previousFundingDatetime": self.iso8601(last_time),
        }

    def parse_funding_rate_history(self, contract: Any, market: Any = None) -> Any:
        """A settled hour."""
        time = self.safe_integer(contract, "time")
        return {
            "info": contract,
            "symbol": self.safe_symbol(self.safe_string(contract, "pair"), market),
            "fundingRate": self.safe_number(contract, "rate"),
            "timestamp": time,
            "datetime": self.iso8601(time),
        }

    def parse_open_interest(self, interest: Any, market: Any = None) -> Any:
        time = self.safe_integer(interest, "close_time")
        amount, mark = self.safe_number(interest, "open_interest"), self.safe_number(interest, "mark_price")
        return self.safe_open_interest(
            {
                "symbol": self.safe_symbol(None, market),
                "openInterestAmount": amount,
                "openInterestValue": None if amount is None or mark is None else amount * mark,
                "timestamp": time,
                "datetime": self.iso8601(time),
                "info": interest,
            },
            market,
        )

    # --- the account

    def parse_order(self, order: Any, market: Any = None) -> Any:
        """An order. The exchange tells the time of its last change only: `timestamp` is that too."""
        market = self.safe_market(self.safe_string(order, "pair"), market)
        time = self.safe_integer(order, "time")
        fills = self.safe_list(order, "fills", [])
        filled = "0"
        for fill in fills:
            filled = Precise.string_add(filled, self.safe_string(fill, "qty"))
        is_whole = Precise.string_eq(filled, self.safe_string(order, "qty_filled"))
        status = STATUSES.get(order["status"])
        if status == "canceled" and self.safe_string(order, "msg") == "Expired.":
            status = "expired"
        parsed = self.safe_order(
            {
                "id": order["id"],
                "clientOrderId": self.safe_string(order, "client_order_id"),
                "info": order,
                "timestamp": time,
                "datetime": self.iso8601(time),
                "lastUpdateTimestamp": time,
                "lastTradeTimestamp": self.safe_integer(fills[-1], "time") if fills else None,
                "symbol": market["symbol"],
                "type": order["type"].lower(),
                "side": order["side"].lower(),
                "timeInForce": "PO" if order["post_only"] else order["time_in_force"],
                "postOnly": order["post_only"],
                "reduceOnly": order["reduce_only"],
                "price": self.safe_string(order, "price_orig"),
                "triggerPrice": self.safe_string(order, "trigger_price"),
                "amount": self.safe_string(order, "qty_orig"),
                "filled": self.safe_string(order, "qty_filled"),
                "remaining": self.safe_string(order, "qty_remaining"),
                "status": status,
                # Lists of orders are without fills: then there is no cost and no average to tell.
                "trades": fills if is_whole else [],
            },
            market,
        )
        if not is_whole:
            parsed = {**parsed, "cost": None, "average": None}
        return parsed

    def order_request(
        self, symbol: str, type: str, side: str, amount: Any, price: Any, params: dict[str, Any]
    ) -> dict[str, Any]:
        """The form of an order, with a client order id whether the caller gave one or not."""
        market = self.market(symbol)
        if type not in LIMITS + MARKETS:
            raise InvalidOrder(f"{self.id} createOrder() has no type {type}")
        for name in UNKNOWN:
            if params.get(name) is not None:
                raise NotSupported(f"{self.id} createOrder() has no {name}")
        post_only = self.is_post_only(type == "market", None, params)
        is_limit = type in LIMITS
        if is_limit and price is None:
            raise InvalidOrder(f"{self.id} createOrder() of type {type} needs a price")
        request: dict[str, Any] = {
            "pair": market["id"],
            "side": side.upper(),
            "qty": self.amount_to_precision(symbol, amount),
            "price": self.price_to_precision(symbol, price) if is_limit else None,
            "client_order_id": self.safe_string_2(params, "clientOrderId", "client_order_id") or self.uuid22(),
            "post_only": True if post_only else None,
            "reduce_only": self.safe_bool(params, "reduceOnly"),
            "leverage": self.safe_value(params, "leverage"),
            "is_test": self.safe_bool(params, "test"),
        }
        in_force = self.safe_string_upper(params, "timeInForce")
        if in_force not in (None, "PO"):
            request["time_in_force"] = in_force
        request |= self._trigger_request(symbol, side, params)
        known = (
            *("clientOrderId", "client_order_id", "postOnly", "reduceOnly", "timeInForce", "test", "leverage"),
            *("triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice", "triggerPriceType", "triggerDirection"),
            *("trailingAmount", "trailingPercent"),
        )
        return {**request, **self.omit(params, list(known))}

    def _trigger_request(self, symbol: str, side: str, params: dict[str, Any]) -> dict[str, Any]:
        """What of an order waits for a price. A stop loss and a take profit only ever reduce."""
        stop, profit = self.safe_value(params, "stopLossPrice"), self.safe_value(params, "takeProfitPrice")
        trigger = self.safe_value_2(params, "triggerPrice", "stopPrice")
        amount, percent = self.safe_value(params, "trailingAmount"), self.safe_value(params, "trailingPercent")
        price = next((given for given in (trigger, stop, profit) if given is not None), None)
        if price is None and amount is None and percent is None:
            return {}
        request: dict[str, Any] = {"trail": amount, "trail_percent": percent}
        if price is not None:
            request["trigger_price"] = self.price_to_precision(symbol, price)
        if self.safe_string(params, "triggerPriceType") is not None:
            request["trigger_event"] = self._one_of(TRIGGERS, params, "triggerPriceType")
        if self.safe_string(params, "triggerDirection") is not None:
            request["trigger_direction"] = self._one_of(DIRECTIONS, params, "triggerDirection")
        elif stop is not None or profit is not None:
            rises = (side == "buy") == (stop is not None)
            request |= {"trigger_direction": "RISE" if rises else "FALL", "reduce_only": True}
        return request

    def _one_of(self, words: dict[str, str], params: dict[str, Any], name: str) -> str:
        found = words.get(params[name])
        if found is None:
            raise InvalidOrder(f"{self.id} createOrder() knows {name} {', '.join(words)}")
        return found

    def parse_balance(self, response: Any) -> Any:
        """`used` is what orders, positions and withdrawals hold."""
        result: dict[str, Any] = {"info": response, "timestamp": None, "datetime": None}
        for asset, balance in response.items():
            held = [self.safe_string(balance, name, "0") for name in ("locked", "margin", "withdrawn")]
            used = Precise.string_add(held[0], Precise.string_add(held[1], held[2]))
            result[self.safe_currency_code(asset)] = {"free": self.safe_string(balance, "free"), "used": used}
        return self.safe_balance(result)

    def parse_position(self, position: Any, market: Any = None) -> Any:
        market = self.safe_market(self.safe_string(position, "pair"), market)
        stats = position["stats"]
        size = float(position["size"])
        maintenance, equity = self.safe_number(stats, "maintenance"), self.safe_number(stats, "equity")
        notional, margin = self.safe_number(stats, "notional"), self.safe_number(stats, "margin")
        roe = self.safe_number(stats, "roe")
        time = self.safe_integer(position, "time")  # the stream's; REST tells a position as of now
        return self.safe_position(
            {
                "info": position,
                "id": None,
                "symbol": market["symbol"],
                "hedged": False,
                "timestamp": time,
                "datetime": self.iso8601(time),
                "lastUpdateTimestamp": time,
                "contracts": abs(size),
                "contractSize": self.parse_number("1"),
                "side": "long" if size > 0 else "short" if size < 0 else None,
                "notional": None if notional is None else abs(notional),
                "leverage": self.safe_number(stats, "leverage"),
                "entryPrice": self.safe_number(stats, "avg_entry"),
                "markPrice": self.safe_number(stats, "mark"),
                "lastPrice": None,
                "liquidationPrice": self.safe_number(stats, "lp"),
                "unrealizedPnl": self.safe_number(stats, "upnl"),
                "realizedPnl": self.safe_number(position, "realized"),
                "percentage": None if roe is None else 100 * roe,
                "initialMargin": margin,
                "maintenanceMargin": maintenance,
                "collateral": equity,
                "initialMarginPercentage": margin / abs(notional) if margin is not None and notional else None,
                "maintenanceMarginPercentage": maintenance / abs(notional)
                if maintenance is not None and notional
                else None,
                "marginRatio": maintenance / equity if maintenance is not None and equity else None,
                "marginMode": self.options.get("marginMode"),
                "stopLossPrice": None,
                "takeProfitPrice": None,
            }
        )

    def parse_income(self, income: Any, market: Any = None) -> Any:
        """A funding payment: received, or (negative) paid."""
        market = self.safe_market(self.safe_string(income, "pair"), market)
        time = self.safe_integer(income, "time")
        return {
            "info": income,
            "symbol": market["symbol"],
            "code": market["settle"],
            "id": income["id"],
            "timestamp": time,
            "datetime": self.iso8601(time),
            "amount": self.safe_number(income, "amount"),
        }

    def parse_transaction(self, transaction: Any, currency: Any = None) -> Any:
        is_withdrawal = "client_withdrawal_id" in transaction
        code = self.safe_currency_code(self.safe_string(transaction, "asset"), currency)
        time = self.safe_integer(transaction, "time")
        statuses = WITHDRAWAL_STATUSES if is_withdrawal else DEPOSIT_STATUSES
        seen = self.safe_dict(transaction, "transaction", {}) or {}
        address = self.safe_string(transaction, "address")
        return {
            "info": transaction,
            "id": transaction["id"],
            "txid": self.safe_string(seen, "hash"),
            "type": "withdrawal" if is_withdrawal else "deposit",
            "currency": code,
            "network": self.safe_string(transaction, "network"),
            "amount": self.safe_number(transaction, "qty"),
            "status": statuses.get(transaction["status"]),
            "timestamp": time,
            "datetime": self.iso8601(time),
            "updated": None,
            "address": address,
            "addressTo": address,
            "addressFrom": self.safe_string(seen, "from"),
            "tag": None,
            "tagTo": None,
            "tagFrom": None,
            "comment": self.safe_string(transaction, "msg"),
            "internal": False,
            "fee": {"cost": self.safe_number(transaction, "fee"), "currency": code},
        }

    def pair(self, market: Any) -> dict[str, Any]:
        """Of which market, or of all."""
        return {"pair": None if market is None else market["id"]}
