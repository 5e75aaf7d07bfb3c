"""A market maker that does what Everstrike's own open-source one does, in its order: what such a program asks of an exchange.

It judges an answer by its status alone, opens a socket for each pair and one for the account, cancels everything at its start, reads
/pairs, /active_orders and /account, and quotes with /auth/order/bulk once an index message came. Its habits are kept, the doubtful ones
too: quantities rounded up in floating point, a signature over parameters that a GET does not carry, a list of its orders from
which the first is never removed, /leverage without a leverage after a partial fill. Left out is its pause around the hour, so that a run does
not depend on the time of day.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, final
from urllib.parse import quote

import aiohttp

Json = dict[str, Any]

NUM_ORDERS: Final = 2
ORDERS_RETURN_LIMIT: Final = 1_000
PING_S: Final = 1.0
RECV_WINDOW_MS: Final = 5_000
BASE: Final = 0.10
LEVERAGE: Final = 10
"""With every order, whatever the account's margin mode and on spot too."""
SCALE: Final = 1.1
SPREAD_MULTIPLIER: Final = 50
SPREAD_BUFFER: Final = 0.01
YEARS: Final = 1 / 365 / 12
RISK_FREE: Final = 0.02
FLOOR_OF_UNDERLYING: Final = 0.000125
STEPS_MAX: Final = 100


def form(fields: Json) -> str:
    """Encode a form in brackets, as the client's library does: percent-escapes, lower-case booleans, nothing for what is undefined."""
    return "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in _flat("", fields))


def _flat(prefix: str, value: object) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from _flat(f"{prefix}[{name}]" if prefix else str(name), entry)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _flat(f"{prefix}[{index}]", entry)
    elif isinstance(value, bool):
        yield prefix, str(value).lower()
    elif isinstance(value, float):
        yield prefix, str(int(value)) if value.is_integer() else repr(value)
    elif value is not None:
        yield prefix, str(value)


def is_perp(pair: str) -> bool:
    """Whether the name is a derivative's."""
    return "PERP" in pair


def is_option(pair: str) -> bool:
    """Whether the name is an option's."""
    return "CALL" in pair or "PUT" in pair


def black_scholes(spot: float, strike: float, volatility: float, *, is_put: bool) -> float:
    """The value of an option two hours before its end."""
    deviation = volatility * math.sqrt(YEARS)
    if deviation <= 0:
        return max(0.0, (strike - spot) if is_put else (spot - strike))
    first = (math.log(spot / strike) + (RISK_FREE + volatility**2 / 2) * YEARS) / deviation
    discounted = strike * math.exp(-RISK_FREE * YEARS)
    call = spot * _normal(first) - discounted * _normal(first - deviation)
    return call - spot + discounted if is_put else call


def _normal(value: float) -> float:
    return (1 + math.erf(value / math.sqrt(2))) / 2


@final
class Quote:
    """What the maker knows of a pair's price."""

    def __init__(self) -> None:
        self.price = 0.0
        self.spread = 1.0
        self.ratio = 1.0


@final
class Maker:
    """The program. `refusals` counts what was not answered with 2xx, by path and reason; `log` keeps some of them."""

    def __init__(self, url: str, api_key: str, secret: str, pairs: list[str], *, interval_s: float = 1.0) -> None:
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.log: list[str] = []
        self.placed = 0
        self.cancelled = 0
        self.filled = 0
        self.depths = 0
        self._url = url
        self._api_key = api_key
        self._secret = secret.encode()
        self._pairs = pairs
        self._interval_s = interval_s
        self._markets: dict[str, Json] = {}
        self._quotes: dict[str, Quote] = {pair: Quote() for pair in pairs}
        self._orders: dict[str, list[Json]] = {pair: [] for pair in pairs}
        self._done: set[str] = set()
        self._account: Json = {"balances": {}, "positions": {}}
        self._is_stopping = False
        self._session: aiohttp.ClientSession
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float, at_rest: Callable[[], Awaitable[None]]) -> None:
        """Make markets for some time; look at what there is (`at_rest`); then cancel what is open."""
        async with aiohttp.ClientSession() as self._session:
            for pair in self._pairs:
                self._spawn(self._watch_pair(pair))
            await self._post("/auth/cancel/bulk", {})
            await self._load_markets()
            self._spawn(self._watch_account())
            makers = [asyncio.create_task(self._make(pair)) for pair in self._pairs]
            await asyncio.sleep(seconds)  # how long it trades is what was asked for
            self._is_stopping = True
            for task in makers:
                task.cancel()
            ended = await asyncio.gather(*makers, return_exceptions=True)
            await at_rest()
            await self._post("/auth/cancel/bulk", {})
            for task in self._tasks:
                task.cancel()
            ended += await asyncio.gather(*self._tasks, return_exceptions=True)
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

    # --- requests ----------------------------------------------------------------------------------------------------

    async def _post(self, path: str, fields: Json, *, is_timed: bool = True) -> Any:
        timed = {"timestamp": int(time.time() * 1_000), "recv_window": RECV_WINDOW_MS} if is_timed else {}
        body = form({**timed, **fields})
        headers = {**self._signed(body), "content-type": "application/x-www-form-urlencoded"}
        async with self._session.post(self._url + path, data=body, headers=headers) as answer:
            return await self._taken(path, answer)

    async def _get(self, path: str, **query: object) -> Any:
        """Read. The signature is over what the address does not carry: no server can check it."""
        headers = self._signed(form({"timestamp": int(time.time() * 1_000), **query}))
        params = {name: str(value) for name, value in query.items()}
        async with self._session.get(self._url + path, params=params, headers=headers) as answer:
            return await self._taken(path, answer)

    def _signed(self, text: str) -> dict[str, str]:
        signature = base64.b64encode(hmac.digest(self._secret, text.encode(), hashlib.sha256)).decode()
        return {"x-api-key": self._api_key, "x-signature": signature}

    async def _taken(self, path: str, answer: aiohttp.ClientResponse) -> Any:
        text = await answer.text()
        if answer.status == 200:
            return json.loads(text)["result"]
        found = json.loads(text)
        reason = (found.get("result") or {}).get("reject") or str(found["msg"])
        self.refusals[path, reason] += 1
        if len(self.log) < 50:
            self.log.append(f"{path}: {text}")
        return None

    async def _load_markets(self) -> None:
        found = await self._get("/pairs")
        for pair in self._pairs:
            market = found[pair]
            assert market["key"] == pair
            assert market["status"] == "TRADING"
            filters = {entry["filter_type"]: entry for entry in market["filters"]}
            price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
            self._markets[pair] = {
                "base": pair.split("_")[1 if is_perp(pair) else 0],
                "quote": pair.split("_")[0 if is_perp(pair) else 1],
                "tick": float(price["display"] or price["tick_size"]),
                "least": float(lot["min_qty"]),
            }

    async def _read_account(self) -> None:
        """Twice, as it does: once for balances, once for positions."""
        for name in ("balances", "positions"):
            found = await self._get("/account")
            if found is not None:
                self._account[name] = found[name]

    # --- sockets -----------------------------------------------------------------------------------------------------

    async def _watch_pair(self, pair: str) -> None:
        priced = pair if is_perp(pair) else f"USD_{pair.partition('_')[0]}_PERP"
        async with self._session.ws_connect(self._url) as socket:
            self._spawn(self._ping(socket))
            for content in (f"{pair}:depth", f"{priced}:index"):
                await socket.send_json({"op": "sub", "content": content})
            async for frame in socket:
                message = json.loads(frame.data)
                if message["category"] == "index":
                    self._price(pair, message["result"])
                elif message["category"] == "depth":
                    for side in ("bids", "asks"):
                        assert all(level["qty"] > 0 for level in message["result"]["depth"][side])
                    self.depths += 1

    async def _watch_account(self) -> None:
        async with self._session.ws_connect(self._url) as socket:
            self._spawn(self._ping(socket))
            await socket.send_json({"op": "auth_api", "content": self._api_key})
            async for frame in socket:
                message = json.loads(frame.data)
                category, result = message["category"], message["result"]
                if category == "order_added":
                    self._add(result["order"])
                elif category in ("order_cancelled", "order_completed"):
                    self._end(result["order"])
                    await self._read_account()
                elif category == "order_partially_completed":
                    await self._read_account()
                    await self._post("/leverage", {"pair": result["order"]["pair"]}, is_timed=False)
                self.filled += category in ("order_partially_completed", "order_completed")

    async def _ping(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while not socket.closed:
            await socket.send_json({"op": "status", "content": "empty"})
            await asyncio.sleep(PING_S)

    def _price(self, pair: str, said: Json) -> None:
        quote = self._quotes[pair]
        underlying, volatility = said["underlying_price"], said["volatility"] or 0
        value = 0.0
        if is_option(pair):
            value = black_scholes(underlying, said["strike"], volatility, is_put="PUT" in pair)
        value = max(FLOOR_OF_UNDERLYING * underlying, value)
        quote.spread = (
            max(1, min(10, int(5 * volatility * max(0.25, min(1, value / underlying * 50))))) * SPREAD_MULTIPLIER
        )
        quote.price = (said["black_scholes"] or value) if is_option(pair) else said["mark"]
        quote.ratio = quote.price / underlying
        if self._is_price_changed(pair):
            self._spawn(
                self._cancel(pair, [order["id"] for order in self._orders[pair] if not self._is_good(pair, order)])
            )

    def _add(self, order: Json) -> None:
        known = self._orders.setdefault(order["pair"], [])
        if order["id"] not in self._done and all(order["id"] != other["id"] for other in known):
            known.append(order)

    def _end(self, order: Json) -> None:
        known = self._orders.setdefault(order["pair"], [])
        places = [place for place, other in enumerate(known) if other["id"] == order["id"]]
        if places and places[0]:  # not the first one: its index counts as "none"
            known.pop(places[0])
        self._done.add(order["id"])

    # --- quotes ------------------------------------------------------------------------------------------------------

    async def _make(self, pair: str) -> None:
        found = await self._get("/active_orders", pair=pair, limit=ORDERS_RETURN_LIMIT)
        await self._cancel(pair, [order["id"] for order in found])
        await self._read_account()
        while not self._is_stopping:
            if self._quotes[pair].price:
                await self._quote(pair)
            await asyncio.sleep(self._interval_s)

    async def _quote(self, pair: str) -> None:
        market, quote = self._markets[pair], self._quotes[pair]
        bid_qty, ask_qty = self._sizes(pair)
        kept = [order for order in self._orders[pair] if self._is_good(pair, order)][: 2 * NUM_ORDERS]
        wanted: dict[str, list[Json]] = {"BUY": [], "SELL": []}
        for step in range(1, STEPS_MAX):
            away = step**2 * quote.spread * market["tick"]
            # Close to nothing it goes by single ticks.
            below = step**2 * market["tick"] if quote.price < 20 * market["tick"] else away
            bid = max(market["tick"], _round(quote.price - below, market["tick"], math.floor))
            ask = _round(quote.price + away, market["tick"], math.ceil)
            for side, price, qty in (("BUY", bid, bid_qty), ("SELL", ask, ask_qty)):
                has = [order for order in kept if order["side"] == side]
                is_outside = price < quote.price if side == "BUY" else price > quote.price
                if is_outside and len(has) + len(wanted[side]) < NUM_ORDERS:
                    self._want(pair, wanted[side], side, price, qty)
            if all(len(orders) >= NUM_ORDERS for orders in wanted.values()):
                break
        stale = [order["id"] for order in self._orders[pair] if order not in kept]
        self._spawn(self._cancel(pair, stale))
        fresh = await self._place(pair, wanted)
        self._orders[pair] = [order for order in fresh if order["status"] == "ACTIVE"] + kept

    def _sizes(self, pair: str) -> tuple[float, float]:
        market, quote = self._markets[pair], self._quotes[pair]
        balances = self._account["balances"]
        free = {name: balances.get(market[name], {}).get("free", 0.0) for name in ("base", "quote")}
        if is_perp(pair):
            ratio = quote.ratio * 10 if quote.ratio < 1 else quote.ratio
            qty = free["quote"] * BASE / 10 / quote.price * ratio
            return qty, qty
        return free["quote"] * BASE / quote.price / 2, free["base"] * BASE / 2

    def _want(self, pair: str, orders: list[Json], side: str, price: float, qty: float) -> None:
        least = self._markets[pair]["least"]
        scaled = qty / SCALE ** (NUM_ORDERS - len(orders))
        rounded = math.ceil(scaled / least) * least  # 0.30000000000000004 and the like
        if rounded >= least and all(order["price"] != price for order in orders):
            extras = {"ks": False, "post_only": False, "leverage": LEVERAGE, "reduce_only": False}
            orders.append({"pair": pair, "qty": rounded, "price": price, "side": side, **extras})

    async def _place(self, pair: str, wanted: dict[str, list[Json]]) -> list[Json]:
        """One request for a derivative, one for each side on spot."""
        price = self._quotes[pair].price
        if any(order["price"] >= price for order in wanted["BUY"]) or any(
            order["price"] <= price for order in wanted["SELL"]
        ):
            return []
        batches = [wanted["BUY"] + wanted["SELL"]] if is_perp(pair) else [wanted["BUY"], wanted["SELL"]]
        fresh: list[Json] = []
        for found in await asyncio.gather(
            *(self._post("/auth/order/bulk", {"orders": batch}) for batch in batches if batch)
        ):
            fresh += found["orders"] if found else []
        self.placed += len(fresh)
        return fresh

    async def _cancel(self, pair: str, ids: list[str]) -> None:
        if not ids:
            return
        found = await self._post("/auth/cancel/bulk", {"ids": ids})
        self.cancelled += len(found or [])
        for place, order in reversed(list(enumerate(self._orders[pair]))):
            if place and order["id"] in ids:
                self._orders[pair].pop(place)

    def _is_price_changed(self, pair: str) -> bool:
        """The price has come too near to the best of its own orders, or past it."""
        price = self._quotes[pair].price
        bids = [order["price"] for order in self._orders[pair] if order["side"] == "BUY"]
        asks = [order["price"] for order in self._orders[pair] if order["side"] == "SELL"]
        if not bids or not asks:
            return False
        bid, ask = max(bids), min(asks)
        return bool(min(price - bid, ask - price) < (ask - bid) * SPREAD_BUFFER)

    def _is_good(self, pair: str, order: Json) -> bool:
        quote = self._quotes[pair]
        far = self._markets[pair]["tick"] * quote.spread * NUM_ORDERS**2 * 1.1
        gap = quote.price - order["price"] if order["side"] == "BUY" else order["price"] - quote.price
        return bool(0 <= gap <= far and order["id"] not in self._done)


def _round(value: float, step: float, how: Any) -> float:
    """To a multiple, by way of the inverse: as exact as floating point is."""
    inverse = 1 / step
    rounded: float = how(value * inverse) / inverse
    return rounded
