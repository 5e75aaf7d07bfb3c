"""What ten venues answer, in the shapes that their documents and ccxt's own examples record. Prices are the test's."""

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

Json = Any


class Said(NamedTuple):
    """A pair's prices, as text."""

    last: str
    bid: str
    ask: str


class Shape:
    """One venue's way to say it. `routes` pairs a path with what is asked for there; `prices` maps BASE/QUOTE to what is said of it."""

    routes: tuple[tuple[str, str], ...] = ()
    socket = "/"

    def markets(self, prices: Mapping[str, Said]) -> Json:
        raise NotImplementedError

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        raise NotImplementedError

    def wanted(self, message: Json) -> list[str]:
        """The venue's names of the pairs that a message subscribes to."""
        raise NotImplementedError

    def acknowledged(self, message: Json) -> list[Json]:
        return []

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        raise NotImplementedError

    def name(self, pair: str) -> str:
        return pair.replace("/", "")

    def coded(self, message: Json) -> str | bytes:
        return json.dumps(message)


def split(pair: str) -> tuple[str, str]:
    base, _, quote = pair.partition("/")
    return base, quote


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Binance(Shape):
    routes = (
        ("/api/v3/exchangeInfo", "markets"),
        ("/api/v3/ticker/24hr", "tickers"),
    )
    socket = "/ws/"

    def markets(self, prices: Mapping[str, Said]) -> Json:
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
        ]
        symbols = [
            {"symbol": self.name(pair), "status": "TRADING", "baseAsset": split(pair)[0], "baseAssetPrecision": 8,
             "quoteAsset": split(pair)[1], "quotePrecision": 8, "orderTypes": ["LIMIT", "MARKET"],
             "isSpotTradingAllowed": True, "isMarginTradingAllowed": True, "filters": filters, "permissions": ["SPOT"]}
            for pair in prices
        ]  # fmt: skip
        return {"timezone": "UTC", "serverTime": 1575416692969, "rateLimits": [], "symbols": symbols}

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        wanted = json.loads(query["symbols"])
        return [
            {"symbol": self.name(pair), "priceChange": "-188.18", "priceChangePercent": "-0.159",
             "weightedAvgPrice": said.last, "prevClosePrice": said.last, "lastPrice": said.last, "lastQty": "0.00731",
             "bidPrice": said.bid, "bidQty": "7.15931000", "askPrice": said.ask, "askQty": "0.09592",
             "openPrice": said.last, "highPrice": said.last, "lowPrice": said.last, "volume": "14741.41",
             "quoteVolume": "1744744445.80", "openTime": 1753701474013, "closeTime": 1753787874013, "count": 1933312}
            for pair, said in prices.items() if self.name(pair) in wanted
        ]  # fmt: skip

    def wanted(self, message: Json) -> list[str]:
        return [stream.partition("@")[0].upper() for stream in message.get("params", [])]

    def acknowledged(self, message: Json) -> list[Json]:
        return [{"result": None, "id": message["id"]}]

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        return {"e": "24hrTicker", "E": now_ms, "s": name, "p": "-0.4", "P": "-0.2", "w": said.last, "x": said.last,
                "c": said.last, "Q": "0.1", "b": said.bid, "B": "4.1", "a": said.ask, "A": "0.001", "o": said.last,
                "h": said.last, "l": said.last, "v": "173518.1", "q": "3332.4", "O": now_ms - 86_400_000, "C": now_ms,
                "F": 158251292, "L": 158414513, "n": 163222}  # fmt: skip


class Coinbase(Shape):
    routes = (("/api/v3/brokerage/market/products", "tickers"),)

    def name(self, pair: str) -> str:
        return pair.replace("/", "-")

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        if query.get("product_type") == "FUTURE":
            return {"products": [], "num_products": 0}
        products = [
            {"product_id": self.name(pair), "price": said.last, "price_percentage_change_24h": "3.3",
             "volume_24h": "10967.87", "volume_percentage_change_24h": "141.7", "base_increment": "0.00000001",
             "quote_increment": "0.01", "quote_min_size": "1", "quote_max_size": "150000000",
             "base_min_size": "0.00000001", "base_max_size": "3400", "base_name": "x", "quote_name": "y",
             "is_disabled": False, "status": "online", "trading_disabled": False, "product_type": "SPOT",
             "quote_currency_id": split(pair)[1], "base_currency_id": split(pair)[0], "mid_market_price": "",
             "alias": "", "alias_to": [], "view_only": False, "price_increment": "0.01"}
            for pair, said in prices.items()
        ]  # fmt: skip
        return {"products": products, "num_products": len(products)}

    def wanted(self, message: Json) -> list[str]:
        return list(message["product_ids"])

    def acknowledged(self, message: Json) -> list[Json]:
        told = {message["channel"]: message["product_ids"]}
        return [{"channel": "subscriptions", "events": [{"subscriptions": told}]}]

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        ticker = {"type": "ticker", "product_id": name, "price": said.last, "volume_24_h": "16038.2",
                  "low_24_h": said.last, "high_24_h": said.last, "price_percent_chg_24_h": "-4.1",
                  "best_bid": said.bid, "best_bid_quantity": "0.02", "best_ask": said.ask,
                  "best_ask_quantity": "0.015"}  # fmt: skip
        return {"channel": "ticker", "client_id": "", "timestamp": iso(now_ms), "sequence_num": 0,
                "events": [{"type": "update", "tickers": [ticker]}]}  # fmt: skip


class Kraken(Shape):
    routes = (
        ("/0/public/AssetPairs", "markets"),
        ("/0/public/Ticker", "tickers"),
    )
    socket = "/v2"

    def id(self, pair: str) -> str:
        return {"BTC/USD": "XXBTZUSD", "ETH/USD": "XETHZUSD", "USDT/USD": "USDTZUSD"}.get(pair, self.name(pair))

    def markets(self, prices: Mapping[str, Said]) -> Json:
        bases = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD"}
        return {"error": [], "result": {
            self.id(pair): {"altname": self.name(pair).replace("BTC", "XBT"), "wsname": pair.replace("BTC", "XBT"),
                            "aclass_base": "currency", "base": bases.get(split(pair)[0], split(pair)[0]),
                            "aclass_quote": "currency", "quote": bases.get(split(pair)[1], split(pair)[1]),
                            "lot": "unit", "pair_decimals": 1, "lot_decimals": 8, "lot_multiplier": 1,
                            "leverage_buy": [2, 3], "leverage_sell": [2, 3], "fees": [[0, 0.4]],
                            "fees_maker": [[0, 0.25]], "margin_call": 80, "margin_stop": 40, "ordermin": "0.0001",
                            "costmin": "0.5", "tick_size": "0.1", "status": "online"}
            for pair in prices}}  # fmt: skip

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        wanted = query["pair"].split(",")
        return {"error": [], "result": {
            self.id(pair): {"a": [said.ask, "1", "1.000"], "b": [said.bid, "2", "2.000"], "c": [said.last, "0.044"],
                            "v": ["4147.9", "8896.9"], "p": [said.last, said.last], "t": [3907, 10056],
                            "l": [said.last, said.last], "h": [said.last, said.last], "o": said.last}
            for pair, said in prices.items() if self.id(pair) in wanted}}  # fmt: skip

    def wanted(self, message: Json) -> list[str]:
        if message.get("method") != "subscribe":
            return []
        return [name.replace("/", "") for name in message["params"]["symbol"]]

    def acknowledged(self, message: Json) -> list[Json]:
        if message.get("method") == "ping":
            return [{"method": "pong", "req_id": message.get("req_id", 0)}]
        return [
            {"method": "subscribe", "result": {"channel": "ticker", "snapshot": True, "symbol": symbol},
             "success": True, "req_id": message["req_id"], "time_in": "2023-09-25T09:04:31Z"}
            for symbol in message["params"]["symbol"]
        ]  # fmt: skip

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        base, quote = (name[:-4], "USDT") if name.endswith("USDT") else (name[:-3], "USD")
        ticker = {"symbol": f"{base}/{quote}", "bid": float(said.bid), "bid_qty": 0.01362603, "ask": float(said.ask),
                  "ask_qty": 17.17988863, "last": float(said.last), "volume": 2158.32346723, "vwap": 108894.5,
                  "low": 106824, "high": 111300, "change": -2679.9, "change_pct": -2.41}  # fmt: skip
        return {"channel": "ticker", "type": "update", "data": [ticker]}


class Bitfinex(Shape):
    routes = (
        ("/v2/conf/", "markets"),
        ("/v2/tickers", "tickers"),
    )
    socket = "/ws/2"

    def name(self, pair: str) -> str:
        base, quote = (word.replace("USDT", "UST") for word in split(pair))
        return f"{base}:{quote}" if len(base) > 3 else base + quote

    def markets(self, prices: Mapping[str, Said]) -> Json:
        infos = [
            [self.name(pair), [None, None, None, "0.00006", "2000.0", None, None, None, 0.2, 0.1, None, None]]
            for pair in prices
        ]
        return [infos, [], [], []]

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        wanted = query["symbols"].split(",")
        return [
            ["t" + self.name(pair), *self._row(said)]
            for pair, said in prices.items()
            if "t" + self.name(pair) in wanted
        ]

    def _row(self, said: Said) -> list[float]:
        last = float(said.last)
        return [float(said.bid), 9.0029, float(said.ask), 7.1138, -1.02, -0.001, last, 5191.36754297, last, last]

    def wanted(self, message: Json) -> list[str]:
        return [message["symbol"].removeprefix("t")] if message.get("event") == "subscribe" else []

    def _channel(self, name: str) -> int:
        return sum(name.encode())

    def acknowledged(self, message: Json) -> list[Json]:
        name = message["symbol"].removeprefix("t")
        return [
            {"event": "info", "version": 2, "serverId": "e293377e", "platform": {"status": 1}},
            {
                "event": "subscribed",
                "channel": "ticker",
                "chanId": self._channel(name),
                "symbol": "t" + name,
                "pair": name,
            },
            [self._channel(name), "hb"],
        ]

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        return [self._channel(name), self._row(said)]


class Kucoin(Shape):
    routes = (
        ("/api/v2/symbols", "markets"),
        ("/api/v1/market/allTickers", "tickers"),
        ("/api/v1/bullet-public", "bullet"),
    )
    socket = "/endpoint"

    def name(self, pair: str) -> str:
        return pair.replace("/", "-")

    def markets(self, prices: Mapping[str, Said]) -> Json:
        return {"code": "200000", "data": [
            {"symbol": self.name(pair), "name": self.name(pair), "baseCurrency": split(pair)[0],
             "quoteCurrency": split(pair)[1], "feeCurrency": split(pair)[1], "market": "USDS", "baseMinSize": "0.00001",
             "quoteMinSize": "0.1", "baseMaxSize": "10000000000", "quoteMaxSize": "99999999",
             "baseIncrement": "0.00000001", "quoteIncrement": "0.000001", "priceIncrement": "0.1",
             "priceLimitRate": "0.1", "minFunds": "0.1", "isMarginEnabled": True, "enableTrading": True}
            for pair in prices]}  # fmt: skip

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        return {"code": "200000", "data": {"time": 1602832092060, "ticker": [
            {"symbol": self.name(pair), "symbolName": self.name(pair), "buy": said.bid, "sell": said.ask,
             "changeRate": "-0.0055", "changePrice": "-63.6", "high": said.last, "low": said.last, "vol": "2282.7",
             "volValue": "25984946.1", "last": said.last, "averagePrice": said.last, "takerFeeRate": "0.001",
             "makerFeeRate": "0.001", "takerCoefficient": "1", "makerCoefficient": "1"}
            for pair, said in prices.items()]}}  # fmt: skip

    def bullet(self, address: str) -> Json:
        return {"code": "200000", "data": {"token": "2neAiuYvAU61ZDXANAGAsiL4", "instanceServers": [
            {"endpoint": address + self.socket, "encrypt": True, "protocol": "websocket", "pingInterval": 18000,
             "pingTimeout": 10000}]}}  # fmt: skip

    def wanted(self, message: Json) -> list[str]:
        return message["topic"].partition(":")[2].split(",") if message["type"] == "subscribe" else []

    def acknowledged(self, message: Json) -> list[Json]:
        return [{"id": message["id"], "type": "pong" if message["type"] == "ping" else "ack"}]

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        data = {"bestAsk": said.ask, "bestAskSize": "0.38579986", "bestBid": said.bid, "bestBidSize": "0.0078381",
                "price": said.last, "sequence": "1621383297064", "size": "0.00002841", "time": 1634641777363}  # fmt: skip
        return {"type": "message", "topic": f"/market/ticker:{name}", "subject": "trade.ticker", "data": data}


class Htx(Shape):
    routes = (
        ("/v1/common/symbols", "markets"),
        ("/market/tickers", "tickers"),
    )
    socket = "/ws"

    def name(self, pair: str) -> str:
        return pair.replace("/", "").lower()

    def markets(self, prices: Mapping[str, Said]) -> Json:
        return {"status": "ok", "data": [
            {"base-currency": split(pair)[0].lower(), "quote-currency": split(pair)[1].lower(), "price-precision": 2,
             "amount-precision": 6, "symbol-partition": "main", "symbol": self.name(pair), "state": "online",
             "value-precision": 8, "min-order-amt": 0.00001, "max-order-amt": 1000, "min-order-value": 10,
             "leverage-ratio": 5, "api-trading": "enabled"}
            for pair in prices]}  # fmt: skip

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        return {"status": "ok", "ts": 1629789355531, "data": [
            {"symbol": self.name(pair), **self._row(said)} for pair, said in prices.items()]}  # fmt: skip

    def _row(self, said: Said) -> Json:
        last = float(said.last)
        return {"open": last, "high": last, "low": last, "close": last, "amount": 628.992, "vol": 1493.7, "count": 2088,
                "bid": float(said.bid), "bidSize": 0.7136, "ask": float(said.ask), "askSize": 0.4156}  # fmt: skip

    def wanted(self, message: Json) -> list[str]:
        return [message["sub"].split(".")[1]] if "sub" in message else []

    def acknowledged(self, message: Json) -> list[Json]:
        if "sub" not in message:
            return []
        return [{"ping": 1671941599000},
                {"id": message["id"], "status": "ok", "subbed": message["sub"], "ts": 1671941599001}]  # fmt: skip

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        tick = {**self._row(said), "lastPrice": float(said.last), "lastSize": 0.01}
        return {"ch": f"market.{name}.ticker", "ts": now_ms, "tick": tick}

    def coded(self, message: Json) -> str | bytes:
        return gzip.compress(json.dumps(message).encode())


class Gate(Shape):
    routes = (
        ("/api/v4/spot/currency_pairs", "markets"),
        ("/api/v4/margin/currency_pairs", "margins"),
        ("/api/v4/spot/tickers", "tickers"),
    )
    socket = "/ws/v4"

    def name(self, pair: str) -> str:
        return pair.replace("/", "_")

    def margins(self) -> Json:
        return []

    def markets(self, prices: Mapping[str, Said]) -> Json:
        return [
            {"id": self.name(pair), "base": split(pair)[0], "quote": split(pair)[1], "fee": "0.2",
             "min_quote_amount": "3", "amount_precision": 6, "precision": 1, "trade_status": "tradable",
             "sell_start": 0, "buy_start": 0}
            for pair in prices
        ]  # fmt: skip

    def _row(self, name: str, said: Said) -> Json:
        return {"currency_pair": name, "last": said.last, "lowest_ask": said.ask, "highest_bid": said.bid,
                "change_percentage": "-1.18", "base_volume": "1219.05", "quote_volume": "8807.4",
                "high_24h": said.last, "low_24h": said.last}  # fmt: skip

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        return [self._row(self.name(pair), said) for pair, said in prices.items()]

    def wanted(self, message: Json) -> list[str]:
        return list(message["payload"]) if message.get("event") == "subscribe" else []

    def acknowledged(self, message: Json) -> list[Json]:
        return [{"time": 1611541000, "id": message["id"], "channel": message["channel"], "event": "subscribe",
                 "error": None, "result": {"status": "success"}}]  # fmt: skip

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        return {"time": now_ms // 1_000, "time_ms": now_ms, "channel": "spot.tickers", "event": "update",
                "result": self._row(name, said)}  # fmt: skip


class Bitget(Shape):
    routes = (
        ("/api/v2/spot/public/symbols", "markets"),
        ("/api/v2/margin/currencies", "margins"),
        ("/api/v2/spot/market/tickers", "tickers"),
    )
    socket = "/v2/ws/public"

    def _envelope(self, data: Json) -> Json:
        return {"code": "00000", "msg": "success", "requestTime": 1700102364653, "data": data}

    def margins(self) -> Json:
        return self._envelope([{"symbol": "BTCUSDT", "isBorrowable": True, "isCrossBorrowable": True}])

    def markets(self, prices: Mapping[str, Said]) -> Json:
        return self._envelope([
            {"symbol": self.name(pair), "baseCoin": split(pair)[0], "quoteCoin": split(pair)[1],
             "minTradeAmount": "0", "maxTradeAmount": "10000000000", "takerFeeRate": "0.002", "makerFeeRate": "0.002",
             "pricePrecision": "2", "quantityPrecision": "4", "quotePrecision": "6", "status": "online",
             "minTradeUSDT": "5", "buyLimitPriceRatio": "0.05", "sellLimitPriceRatio": "0.05"}
            for pair in prices])  # fmt: skip

    def _row(self, said: Said) -> Json:
        return {"lastPr": said.last, "open": said.last, "high24h": said.last, "low24h": said.last, "change24h": "0.03",
                "bidPr": said.bid, "askPr": said.ask, "bidSz": "0.0334", "askSz": "0.1917", "baseVolume": "15002.4",
                "quoteVolume": "648006446.7", "openUtc": said.last, "changeUtc24h": "-0.01"}  # fmt: skip

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        return self._envelope(
            [{"symbol": self.name(pair), "ts": "1695808949356", **self._row(said)} for pair, said in prices.items()]
        )

    def wanted(self, message: Json) -> list[str]:
        return [argument["instId"] for argument in message["args"]]

    def acknowledged(self, message: Json) -> list[Json]:
        return [{"event": "subscribe", "arg": argument} for argument in message["args"]]

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        data = {"instId": name, "ts": str(now_ms), "open24h": said.last, **self._row(said)}
        return {"action": "snapshot", "arg": {"instType": "SPOT", "channel": "ticker", "instId": name}, "data": [data],
                "ts": now_ms}  # fmt: skip


class Okx(Shape):
    routes = (
        ("/api/v5/public/instruments", "markets"),
        ("/api/v5/market/tickers", "tickers"),
    )
    socket = "/ws/v5/public"

    def name(self, pair: str) -> str:
        return pair.replace("/", "-")

    def markets(self, prices: Mapping[str, Said]) -> Json:
        return {"code": "0", "msg": "", "data": [
            {"alias": "", "baseCcy": split(pair)[0], "category": "1", "ctMult": "", "ctType": "", "ctVal": "",
             "ctValCcy": "", "expTime": "", "instFamily": "", "instId": self.name(pair), "instType": "SPOT",
             "lever": "10", "listTime": "1548133413000", "lotSz": "0.00000001", "maxMktSz": "1000000",
             "minSz": "0.00001", "optType": "", "quoteCcy": split(pair)[1], "settleCcy": "", "state": "live", "stk": "",
             "tickSz": "0.1", "uly": ""}
            for pair in prices]}  # fmt: skip

    def _row(self, name: str, said: Said, time_ms: int) -> Json:
        return {"instType": "SPOT", "instId": name, "last": said.last, "lastSz": "0.044378", "askPx": said.ask,
                "askSz": "4.2", "bidPx": said.bid, "bidSz": "6.05", "open24h": said.last, "high24h": said.last,
                "low24h": said.last, "volCcy24h": "11788.8", "vol24h": "167493.8", "ts": str(time_ms),
                "sodUtc0": said.last, "sodUtc8": said.last}  # fmt: skip

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        rows = [self._row(self.name(pair), said, 1621440583784) for pair, said in prices.items()]
        return {"code": "0", "msg": "", "data": rows}

    def wanted(self, message: Json) -> list[str]:
        return [argument["instId"] for argument in message["args"]]

    def acknowledged(self, message: Json) -> list[Json]:
        return [{"event": "subscribe", "arg": argument, "connId": "a4d3ae55"} for argument in message["args"]]

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        return {"arg": {"channel": "tickers", "instId": name}, "data": [self._row(name, said, now_ms)]}


class Cryptocom(Shape):
    routes = (
        ("/exchange/v1/public/get-instruments", "markets"),
        ("/exchange/v1/public/get-tickers", "tickers"),
    )
    socket = "/exchange/v1/market"

    def name(self, pair: str) -> str:
        return pair.replace("/", "_")

    def markets(self, prices: Mapping[str, Said]) -> Json:
        return {"id": 1, "method": "public/get-instruments", "code": 0, "result": {"data": [
            {"symbol": self.name(pair), "inst_type": "CCY_PAIR", "display_name": pair, "base_ccy": split(pair)[0],
             "quote_ccy": split(pair)[1], "quote_decimals": 2, "quantity_decimals": 5, "price_tick_size": "0.01",
             "qty_tick_size": "0.00001", "max_leverage": "50", "tradable": True, "expiry_timestamp_ms": 0,
             "margin_buy_enabled": False, "margin_sell_enabled": False}
            for pair in prices]}}  # fmt: skip

    def _row(self, name: str, said: Said, time_ms: int) -> Json:
        return {"i": name, "h": said.last, "l": said.last, "a": said.last, "v": "1767.8", "vv": "52436726.4",
                "c": "0.0583", "b": said.bid, "k": said.ask, "oi": "0", "t": time_ms}  # fmt: skip

    def tickers(self, prices: Mapping[str, Said], query: Mapping[str, str]) -> Json:
        rows = [self._row(self.name(pair), said, 1687403045415) for pair, said in prices.items()]
        return {"id": -1, "method": "public/get-tickers", "code": 0, "result": {"data": rows}}

    def wanted(self, message: Json) -> list[str]:
        if message.get("method") != "subscribe":
            return []
        return [channel.removeprefix("ticker.") for channel in message["params"]["channels"]]

    def acknowledged(self, message: Json) -> list[Json]:
        return [{"id": 1, "method": "public/heartbeat", "code": 0}] if message.get("method") == "subscribe" else []

    def pushed(self, name: str, said: Said, now_ms: int) -> Json:
        ticker = {**self._row(name, said, now_ms), "bs": "0.1", "ks": "0.2"}
        result = {"instrument_name": name, "subscription": f"ticker.{name}", "channel": "ticker", "data": [ticker]}
        return {"id": -1, "method": "subscribe", "code": 0, "result": result}


SHAPES: dict[str, type[Shape]] = {
    "binance": Binance,
    "coinbase": Coinbase,
    "kraken": Kraken,
    "bitfinex": Bitfinex,
    "kucoin": Kucoin,
    "htx": Htx,
    "gate": Gate,
    "bitget": Bitget,
    "okx": Okx,
    "cryptocom": Cryptocom,
}
