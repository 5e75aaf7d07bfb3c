"""The rehearsed crash, outside: accounts through the operator's socket, orders through signed REST, makers that quote on."""

import asyncio
import json
import math
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias, final
from urllib.parse import urlencode

from app import control
from app.auth import sign

Answer: TypeAlias = tuple[int, dict[str, Any]]

PAIRS: Final = {"USD_BTC_PERP": (4, 1), "USD_ETH_PERP": (3, 2)}
"""Decimals of a lot and of a price, by market."""
MAKERS: Final = 8
MAKER_USD: Final = "50000000"
PROVIDERS: Final = 4
PROVIDER_USD: Final = "300000"
FUND_USD: Final = "250000"
LEVERAGES: Final = (2, 3, 5, 10, 20, 25, 50, 75, 100)
LONG_SHARE: Final = 0.7
DEPOSITS: Final = (50, 5_000)
"""Smallest and largest deposit of a trader in USD; in between their logarithm is uniform."""
LEVELS: Final = (2, 5, 10, 20, 40)
"""How far a maker's quotes are from the mark, in 1/10,000."""
LEVEL_USD: Final = 20_000
REACH: Final = 0.0015
"""How far from the mark a trader opens at the most."""
COST: Final = REACH + 0.0008
"""That, the fee, and a little air."""
OPERATORS: Final = 8
CONNECTIONS: Final = 32


class Trader(NamedTuple):
    """An account and the key to it. What it will do: buy (or sell) in one market with so much leverage."""

    account_id: int
    api_key: str
    secret: bytes
    usd: int
    is_isolated: bool
    pair: str
    side: str
    leverage: int


@final
class Line:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Line":
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def get(self, path: str, api_key: str = "") -> Answer:
        """Read."""
        return await self._ask(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {api_key}\r\n\r\n".encode())

    async def post(self, path: str, api_key: str, secret: bytes, fields: dict[str, object]) -> Answer:
        """Sign and send a form."""
        body = urlencode(fields).encode()
        return await self._ask(
            b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n"
            b"x-api-key: %b\r\nx-signature: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), api_key.encode(), sign(secret, body), len(body), body)
        )

    async def _ask(self, request: bytes) -> Answer:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        at = head.lower().find(b"content-length: ")
        length = int(head[at + 16 : head.find(b"\r", at)])
        return int(head[9:12]), json.loads(await self._reader.readexactly(length))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


# --- accounts --------------------------------------------------------------------------------------------------------


def open_traders(data_dir: Path, count: int, seed: int) -> tuple[list[Trader], list[Trader]]:
    """Open traders, makers and liquidity providers with money and keys through the operator's socket.

    Half of the traders have isolated margin. Returns makers and traders.
    """
    dice = random.Random(seed)
    low, high = (math.log(usd) for usd in DEPOSITS)
    plans: list[tuple[int, bool, str, str, int]] = [
        (
            int(math.exp(dice.uniform(low, high))),
            number % 2 == 0,
            dice.choice(tuple(PAIRS)),
            "BUY" if dice.random() < LONG_SHARE else "SELL",
            dice.choice(LEVERAGES),
        )
        for number in range(count)
    ]

    def make(name: str, usd: str, is_isolated: bool) -> tuple[int, str, bytes]:
        account_id = control.ask(data_dir, control.OpenAccount(name), control.AccountRow).account_id
        if is_isolated:
            control.ask(data_dir, control.SetMode(account_id, "isolated"), control.AccountRow)
        control.ask(data_dir, control.Deposit(account_id, "USD", usd, name), control.Balance)
        key = control.ask(data_dir, control.CreateKey(account_id), control.NewKey)
        return account_id, key.api_key, key.secret_key.encode()

    with ThreadPoolExecutor(OPERATORS) as pool:
        made = pool.map(lambda n: make(f"trader {n}", str(plans[n][0]), plans[n][1]), range(count))
        traders = [Trader(who[0], who[1], who[2], *plan) for who, plan in zip(made, plans, strict=True)]
        makers = [Trader(*make(f"maker {n}", MAKER_USD, False), 0, False, "", "", 0) for n in range(MAKERS)]
    for number in range(PROVIDERS):
        account_id, _, _ = make(f"provider {number}", PROVIDER_USD, False)
        control.ask(data_dir, control.SetProvider(account_id, True), control.ProviderRow)
    return makers, traders


# --- orders ----------------------------------------------------------------------------------------------------------


@final
class Clock:
    """The exchange's time as its clients know it: asked for now and then, extrapolated in between, a little behind."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._known_ms = 0
        self._at = 0.0
        self._count = 0

    async def sync(self, line: Line) -> None:
        """Ask."""
        _, answer = await line.get("/time")
        self._known_ms = int(answer["result"])
        self._at = time.monotonic()

    def stamp(self) -> str:
        """Return a timestamp that no other request has."""
        self._count += 1
        behind_ms = 2_000 if self._rate > 1 else 0
        return f"{self.now_ms() - behind_ms}.{self._count:07d}"

    def now_ms(self) -> int:
        """Return the exchange's time."""
        return self._known_ms + int((time.monotonic() - self._at) * 1_000 * self._rate)


def quotes(pair: str, mark: float, shift: float, dice: random.Random) -> dict[str, object]:
    """Return a maker's orders on both sides of a price."""
    lot_decimals, price_decimals = PAIRS[pair]
    fields: dict[str, object] = {}
    number = 0
    for level in LEVELS:
        for side, sign_ in (("BUY", -1), ("SELL", 1)):
            price = mark * (1 + shift + sign_ * level * dice.uniform(0.8, 1.2) / 10_000)
            order = {
                "pair": pair,
                "side": side,
                "price": f"{price:.{price_decimals}f}",
                "qty": f"{LEVEL_USD * level**0.5 / price:.{lot_decimals}f}",
            }
            fields.update({f"orders[{number}][{name}]": value for name, value in order.items()})
            number += 1
    return fields


async def stats(line: Line, pair: str, maker: Trader) -> tuple[float, float]:
    """Return a market's mark, and the maker's position in USD."""
    _, answer = await line.get(f"/position?pair={pair}", maker.api_key)
    mark = float(answer["result"]["stats"]["mark"])
    size = abs(float(answer["result"]["size"])) * mark
    return mark, -size if answer["result"]["stats"]["direction"] == "SELL" else size


async def requote(line: Line, maker: Trader, pair: str, clock: Clock, dice: random.Random) -> bool:
    """Take a maker's orders of one market away, and quote anew. Tells whether the quotes were taken."""
    mark, held = await stats(line, pair, maker)
    _, orders = await line.get(f"/active_orders?pair={pair}", maker.api_key)
    ids = [order["id"] for order in orders.get("result") or []]
    if ids:
        named = {f"ids[{number}]": order_id for number, order_id in enumerate(ids)}
        await line.post("/auth/cancel/bulk", maker.api_key, maker.secret, {**named, "timestamp": clock.stamp()})
    shift = -held / 50_000_000 / 100  # 1% for each 50 million held
    fields = {**quotes(pair, mark, max(-0.01, min(0.01, shift)), dice), "timestamp": clock.stamp()}
    status, _ = await line.post("/auth/order/bulk", maker.api_key, maker.secret, fields)
    return status == 200


async def keep_quoting(port: int, maker: Trader, clock: Clock, pause_s: float, counts: dict[str, int]) -> None:
    """Quote until cancelled. In a fast market a maker stays away for a while, as makers do."""
    dice = random.Random(maker.account_id)
    line = await Line.open(port)
    last: dict[str, float] = {}
    while True:
        for pair in PAIRS:
            mark, _ = await stats(line, pair, maker)
            moved = abs(mark / last.get(pair, mark) - 1)
            last[pair] = mark
            if moved > 0.004 and dice.random() < 0.6:
                counts["shy"] += 1
                continue
            counts["quoted" if await requote(line, maker, pair, clock, dice) else "refused"] += 1
        await asyncio.sleep(pause_s)


async def open_positions(port: int, makers: list[Trader], traders: list[Trader]) -> dict[str, int]:
    """Let every trader open its position, the makers on the other side."""
    clock = Clock(1)
    first = await Line.open(port)
    await clock.sync(first)
    counts = {"quoted": 0, "refused": 0, "shy": 0, "opened": 0, "failed": 0}
    quoting = [asyncio.create_task(keep_quoting(port, maker, clock, 0.05, counts)) for maker in makers]
    marks = {pair: (await stats(first, pair, makers[0]))[0] for pair in PAIRS}
    waiting = iter(traders)

    async def look() -> None:
        while True:
            for pair in PAIRS:
                marks[pair], _ = await stats(first, pair, makers[0])
            await asyncio.sleep(0.2)

    async def work() -> None:
        line = await Line.open(port)
        for trader in waiting:
            done = await open_position(line, trader, marks, clock)
            counts["opened" if done else "failed"] += 1
        line.close()

    try:
        await asyncio.sleep(1.0)  # the first quotes
        quoting.append(asyncio.create_task(look()))
        await asyncio.gather(*[work() for _ in range(CONNECTIONS)])
    finally:
        for task in quoting:
            task.cancel()
        await asyncio.gather(*quoting, return_exceptions=True)
        first.close()
    return counts


async def open_position(line: Line, trader: Trader, marks: dict[str, float], clock: Clock) -> bool:
    """Take the makers' quotes near the mark for nearly all that the account carries; a little less if nothing came of it."""
    lot_decimals, price_decimals = PAIRS[trader.pair]
    usd = trader.usd * 0.97
    # Where 1% and 1e-6 for each USD of size, with the gap to the mark and the fee, ask for all of it.
    carried = (math.sqrt((0.01 + COST) ** 2 + 4e-6 * usd) - 0.01 - COST) / 2e-6
    notional = min(usd / (1 / trader.leverage + COST), carried)
    sign_ = 1 if trader.side == "BUY" else -1
    for part in (1.0, 0.9, 0.8, 0.7, 0.5):
        mark = marks[trader.pair]
        fields: dict[str, object] = {
            "pair": trader.pair,
            "side": trader.side,
            "price": f"{mark * (1 + sign_ * REACH):.{price_decimals}f}",
            "qty": f"{notional * part / mark:.{lot_decimals}f}",
            "time_in_force": "IOC",
            "timestamp": clock.stamp(),
        }
        if trader.is_isolated:
            fields["leverage"] = trader.leverage
        status, answer = await line.post("/auth/order", trader.api_key, trader.secret, fields)
        if status == 200 and float(answer["result"]["order"]["qty_filled"]) > 0:
            return True
        await asyncio.sleep(0.1)  # till the makers have quoted again
    return False
