"""A market maker like Everstrike's own on a future, an option and a spot market, while takers hit it and prices move."""

import asyncio
import json
import os
import random
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from app.auth import sign
from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from app.problems import Denial
from tests.e2e.maker import Maker, form
from tests.support.program import evermark, made_data_dir, running
from tests.waiting import until_async

PAIRS: Final = ["USD_BTC_PERP", "USD_BTCCALL_PERP", "BTC_USD"]
TAKEN: Final = {"USD_BTC_PERP": 0.01, "USD_BTCCALL_PERP": 0.05, "BTC_USD": 0.002}
PAUSE_S: Final = 0.2
SECONDS: Final = 15.0
HABITS: Final = {
    ("/leverage", "MISSING_FIELD"),
    ("/leverage", "NOT_ON_SPOT"),
    ("/auth/cancel/bulk", Denial.SEEN.value),
}
"""What the maker asks for wrongly, as its model does: a leverage that it does not name, on spot too; and, where two
messages come within a millisecond, the same cancels twice with one time and so one signature."""
LASTING: Final = ("size", "realized", "funding", "fees", "cum_pnl")
"""What of a position the price does not change."""

Json = dict[str, Any]


class Trader:
    """A demo account over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, url: str, account: Json) -> None:
        self.session = session
        self.url = url
        self.api_key = account["api_key"]
        self.secret = account["secret_key"].encode()
        self.refusals: Counter[str] = Counter()

    async def get(self, path: str, **query: str) -> Any:
        """Read; amounts come as decimals."""
        async with self.session.get(self.url + path, params=query, headers={"x-api-key": self.api_key}) as answer:
            assert answer.status == 200, await answer.text()
            return json.loads(await answer.text(), parse_float=Decimal)["result"]

    async def take(self, dice: random.Random) -> None:
        """Hit somebody's quote in one of the pairs."""
        pair = dice.choice(PAIRS)
        fields = {"pair": pair, "side": dice.choice(("BUY", "SELL")), "qty": TAKEN[pair]}
        body = form({**fields, "timestamp": time.time() * 1_000})
        headers = {
            "x-api-key": self.api_key,
            "x-signature": sign(self.secret, body.encode()).decode(),
            "content-type": "application/x-www-form-urlencoded",
        }
        async with self.session.post(f"{self.url}/auth/order", data=body, headers=headers) as answer:
            if answer.status != 200:
                self.refusals[await answer.text()] += 1


class Follower:
    """An account's orders and positions, from the stream alone."""

    def __init__(self) -> None:
        self.orders: dict[str, Json] = {}
        self.positions: dict[str, Json] = {}
        self.place = (0, -1)
        self.fills = 0

    async def follow(self, trader: Trader, is_ready: asyncio.Event) -> None:
        """Take message after message, and see that they come in their order."""
        async with trader.session.ws_connect(trader.url) as socket:
            await socket.send_json({"op": "auth_api", "content": trader.api_key})
            async for frame in socket:
                message = json.loads(frame.data, parse_float=Decimal)
                if message["category"] == "authenticated":
                    is_ready.set()
                elif "seq" in message:
                    place = (message["seq"], message["index"])
                    assert place > self.place
                    self.place = place
                    self.take(message["category"], message["result"])

    def take(self, category: str, result: Json) -> None:
        """Change what is known."""
        if category in ("order_added", "order_partially_completed", "order_amended", "order_triggered"):
            self.orders[result["order"]["id"]] = result["order"]
        elif category in ("order_cancelled", "order_completed"):
            del self.orders[result["order"]["id"]]
        elif category == "position_updated":
            self.positions[result["pair"]] = result
        elif category == "position_closed":
            self.positions.pop(result["pair"], None)
        self.fills += category in ("order_completed", "order_partially_completed")

    async def equals(self, trader: Trader) -> bool:
        """Whether REST says the same."""
        orders = {order["id"]: {**order, "fills": []} for order in await trader.get("/active_orders", limit="1000")}
        positions = (await trader.get("/account"))["positions"]
        mine = {order_id: {**order, "fills": []} for order_id, order in self.orders.items()}
        return mine == orders and lasting(self.positions) == lasting(positions)


def lasting(positions: dict[str, Json]) -> dict[str, list[Any]]:
    """What the price does not change of them."""
    return {pair: [position[name] for name in LASTING] for pair, position in positions.items()}


async def ledger_sums(data_dir: Path) -> dict[tuple[int, int], int]:
    """What the ledger adds up to, by account and asset."""
    connection = await connect(EmbeddedServer(data_dir).url())
    try:
        sql = "SELECT account_id, asset_id, sum(amount) AS total FROM ledger_entries GROUP BY account_id, asset_id"
        return {(row["account_id"], row["asset_id"]): int(row["total"]) for row in await connection.fetch(sql)}
    finally:
        await connection.close()


async def reconciles(trader: Trader, account_id: int, data_dir: Path) -> bool:
    """Whether what the account has is what the ledger says, to the last unit: unrealized profit comes on top in USD."""
    sums = await ledger_sums(data_dir)
    account = await trader.get("/account")
    unrealized = sum(int(position["stats"]["upnl"] * 10**8) for position in account["positions"].values())
    for symbol, asset_id in (("USD", 1), ("BTC", 3)):
        balance = account["balances"][symbol]
        has = int(sum(Decimal(balance[name]) for name in ("free", "locked", "margin", "withdrawn")) * 10**8)
        if has != sums[account_id, asset_id] + (unrealized if symbol == "USD" else 0):
            return False
    return True


async def trade(data_dir: Path, seconds: float) -> Maker:
    """Let a maker quote, a taker take and a follower follow; compare what they know at the end."""
    demo = json.loads((data_dir / "demo.json").read_text("utf-8"))
    async with aiohttp.ClientSession() as session:
        ours, other = (Trader(session, demo["url"], account) for account in demo["accounts"][:2])
        maker = Maker(ours.url, ours.api_key, ours.secret.decode(), PAIRS)
        follower, is_ready = Follower(), asyncio.Event()
        following = asyncio.create_task(follower.follow(ours, is_ready))
        await asyncio.wait_for(is_ready.wait(), 30)
        taking = asyncio.create_task(keep_taking(other))

        async def at_rest() -> None:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            await until_async(lambda: follower.equals(ours), within_s=30)

        await maker.run(seconds, at_rest)
        await until_async(lambda: follower.equals(ours), within_s=30)
        assert follower.orders == {}
        await until_async(lambda: reconciles(ours, 1, data_dir), within_s=30)
        await until_async(lambda: reconciles(other, 2, data_dir), within_s=30)
        following.cancel()
        found = await asyncio.gather(following, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError), found
        assert not other.refusals, other.refusals
        assert follower.fills == maker.filled > 0
        return maker


async def keep_taking(trader: Trader) -> None:
    """Take again and again."""
    dice = random.Random(1)
    while True:
        await trader.take(dice)
        await asyncio.sleep(PAUSE_S)


def run(seconds: float) -> None:
    """A maker's life on the real program."""
    with made_data_dir() as data_dir:
        with running(data_dir, EVERMARK_FEED="synthetic"):
            for account in ("1", "2"):
                evermark(data_dir, "deposit", account, "2", "BTC")
            maker = asyncio.run(trade(data_dir, seconds))
        print(f"placed {maker.placed}, cancelled {maker.cancelled}, filled {maker.filled}, depths {maker.depths}")
        assert set(maker.refusals) <= HABITS, (maker.refusals, maker.log)
        assert maker.placed > 0
        assert maker.depths > 0
        assert "conservation hold" in evermark(data_dir, "verify")


@pytest.mark.spec("STREAM-080")
def test_a_maker_as_everstrikes_quotes_and_is_hit() -> None:
    run(SECONDS)


@pytest.mark.slow
@pytest.mark.spec("STREAM-080")
def test_a_maker_quotes_for_minutes() -> None:
    run(float(os.environ.get("EVERMARK_MAKER_S", "180")))
