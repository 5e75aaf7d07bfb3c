"""The real program behind a line that loses requests and answers: at most one order of each id, and none without a witness."""

import asyncio
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import pytest

from app.auth import sign
from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from app.recovery import verify
from bench.http import exchange, mark_price, open_accounts
from tests.proxy import FATES, LossyLine, http_message

PAIR: Final = "USD_BTC_PERP"
WORKERS: Final = 32
PATIENCE_S: Final = 0.5
"""How long a client waits for an answer before it thinks it lost; twice as long each time until one comes, up to the most."""
PATIENCE_MAX_S: Final = 16.0
DEADLINE_S: Final = 120.0
ATTEMPTS_MAX: Final = 200
Json = dict[str, Any]


class Lost(Exception):
    """No whole answer came."""


class Outcome(NamedTuple):
    """What became of a wish: an order of this id, or a refusal."""

    order_id: str
    reject: str


class Line:
    """A client's connection, opened anew whenever it broke."""

    def __init__(self, port: int, api_key: str, secret: str, patience_s: float = PATIENCE_S) -> None:
        self._port = port
        self._api_key = api_key
        self._secret = secret.encode()
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None
        self._patience_s = self._usual_s = patience_s
        self.asked = 0

    def body(self, fields: dict[str, object]) -> bytes:
        """A body with a timestamp of its own."""
        return urlencode(
            {**fields, "timestamp": f"{time.time_ns() // 1_000_000}.{random.randrange(10**6):06d}"}
        ).encode()

    async def post(self, path: str, body: bytes) -> tuple[int, Json]:
        """Sign and send. Raises: Lost."""
        return await self._ask(
            b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
            b"x-api-key: %b\r\nx-signature: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), self._api_key.encode(), sign(self._secret, body), len(body), body)
        )

    async def get(self, path: str) -> tuple[int, Json]:
        """Read. Raises: Lost."""
        return await self._ask(
            b"GET %b HTTP/1.1\r\nhost: x\r\nx-api-key: %b\r\n\r\n" % (path.encode(), self._api_key.encode())
        )

    async def _ask(self, request: bytes) -> tuple[int, Json]:
        self.asked += 1
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            assert self._reader is not None
            self._writer.write(request)
            async with asyncio.timeout(self._patience_s):
                answer = await http_message(self._reader)
        except TimeoutError:
            self._patience_s = min(2 * self._patience_s, PATIENCE_MAX_S)
            self.close()
            raise Lost from None
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            raise Lost from None
        self._patience_s = self._usual_s
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head[9:12]), json.loads(body)

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class Trader:
    """Wishes for orders one after the other, and for each does what the documents say until it knows what became of it."""

    def __init__(self, name: str, line: Line, dice: random.Random, price: int) -> None:
        self.name = name
        self.line = line
        self.dice = dice
        self.price = price
        self.outcomes: dict[str, Outcome] = {}
        self.cancelled: set[str] = set()
        self.ways: Counter[str] = Counter()
        """How outcomes came to be known."""

    async def wish(self, number: int) -> None:
        """One order, three in bulk, or one that is refused; some are cancelled as soon as they are known."""
        name = f"{self.name}-{number}"
        kind = self.dice.random()
        far = self.price * 99 // 100
        if kind < 0.1:
            await self._bulk([f"{name}-{index}" for index in range(3)], far)
        elif kind < 0.2:
            await self._order(name, "/auth/order", price=self.price * 2, side="BUY")  # outside the range
        elif kind < 0.5:
            await self._order(name, "/auth/order", price=far, side="BUY")
            await self._cancel(name)
        else:
            side = self.dice.choice(("BUY", "SELL"))
            await self._order(name, "/auth/order", price=self.price, side=side, time_in_force="IOC")

    async def _order(self, name: str, path: str, **fields: object) -> None:
        fields = {"pair": PAIR, "qty": f"0.00{self.dice.randint(1, 9)}", "client_order_id": name, **fields}
        body = self.line.body(fields)
        for _ in range(ATTEMPTS_MAX):
            try:
                status, answer = await self.line.post(path, body)
            except Lost:
                if await self._is_found(name):
                    return
                # Not there yet, or never: the same again. The old bytes do as well as new ones, or are known not to.
                body = body if self.dice.random() < 0.3 else self.line.body(fields)
                continue
            if status == 200:
                self._note(name, Outcome(answer["result"]["order"]["id"], ""), "answered")
                return
            if status == 401:
                assert "before" in answer["msg"], answer
                if await self._is_found(name):
                    return
                body = self.line.body(fields)
                continue
            assert status == 503, answer
            self._note(name, Outcome("", answer["result"]["reject"]), "refused")
            return
        raise AssertionError(f"{name} has no outcome")

    async def _bulk(self, names: list[str], price: int) -> None:
        fields: dict[str, object] = {}
        for index, name in enumerate(names):
            order = {"pair": PAIR, "qty": "0.001", "side": "BUY", "price": price, "client_order_id": name}
            fields.update({f"orders[{index}][{field}]": value for field, value in order.items()})
        for _ in range(ATTEMPTS_MAX):
            try:
                status, answer = await self.line.post("/auth/order/bulk", self.line.body(fields))
            except Lost:
                continue
            if status == 503:
                for name in names:
                    self._note(name, Outcome("", answer["result"]["reject"]), "refused")
                return
            assert status == 200, answer
            for name, order in zip(names, answer["result"]["orders"], strict=True):
                self._note(name, Outcome(order["id"], ""), "answered")
            for name in names:
                await self._cancel(name)
            return
        raise AssertionError(f"{names} have no outcome")

    async def _cancel(self, name: str) -> None:
        for _ in range(ATTEMPTS_MAX):
            try:
                status, answer = await self.line.post("/auth/cancel", self.line.body({"client_order_id": name}))
            except Lost:
                continue
            assert status == 200 or answer["result"]["reject"] == "ORDER_NOT_FOUND", answer
            self.cancelled.add(name)
            return
        raise AssertionError(f"{name} was not cancelled")

    async def _is_found(self, name: str) -> bool:
        """Ask for the order, at times, as long as answers get lost."""
        if self.dice.random() < 0.3:
            return False
        for _ in range(ATTEMPTS_MAX):
            try:
                status, answer = await self.line.get(f"/order?client_order_id={name}")
            except Lost:
                continue
            if status == 200:
                self._note(name, Outcome(answer["result"]["id"], ""), "found")
            return status == 200
        raise AssertionError(f"{name} cannot be asked for")

    def _note(self, name: str, outcome: Outcome, way: str) -> None:
        self.outcomes[name] = outcome
        self.ways[way] += 1


async def trade(port: int, keys: list[tuple[str, str]], price: int, requests: int) -> tuple[list[Trader], LossyLine]:
    """Wish until so many requests were sent, each trader on a line of its own."""
    async with LossyLine(port, random.Random(requests), FATES) as line:
        traders = [
            Trader(f"t{number}", Line(line.port, *keys[number % len(keys)]), random.Random(number), price)
            for number in range(WORKERS)
        ]

        async def work(trader: Trader) -> None:
            number = 0
            while sum(other.line.asked for other in traders) < requests:
                await trader.wish(number)
                number += 1
            trader.line.close()

        await asyncio.gather(*[work(trader) for trader in traders])
    return traders, line


async def check_found(port: int, keys: list[tuple[str, str]], traders: list[Trader]) -> None:
    """On a line that holds: every outcome is found again by its id, and what was cancelled is."""

    async def check(number: int, trader: Trader) -> None:
        line = Line(port, *keys[number % len(keys)], patience_s=DEADLINE_S)
        for name, outcome in trader.outcomes.items():
            status, answer = await line.get(f"/order?client_order_id={name}")
            if not outcome.order_id:
                assert (status, answer["result"]["reject"]) == (503, "ORDER_NOT_FOUND"), (name, outcome, answer)
                continue
            assert status == 200, (name, answer)
            assert answer["result"]["id"] == outcome.order_id
            assert answer["result"]["client_order_id"] == name
            if name in trader.cancelled:
                assert answer["result"]["status"] in ("CANCELLED", "COMPLETED")
        line.close()

    await asyncio.gather(*[check(number, trader) for number, trader in enumerate(traders)])


async def check_records(data_dir: Path, traders: list[Trader]) -> None:
    """In the records: one order of each id, and none that nobody wished for or was told was refused."""
    placed = {name for trader in traders for name, outcome in trader.outcomes.items() if outcome.order_id}
    server = EmbeddedServer(data_dir)
    await server.start()
    try:
        connection = await connect(server.url())
        rows = await connection.fetch("SELECT client_order_id, order_id FROM orders")
        report = await verify(connection)
        await connection.close()
    finally:
        await server.stop()
    names = Counter(row["client_order_id"] for row in rows)
    assert max(names.values()) == 1
    assert set(names) == placed
    assert report.problems == []


def run(data_dir: Path, requests: int) -> None:
    with exchange(data_dir) as (port, _):
        keys = open_accounts(data_dir)
        price = int(mark_price(port, keys[0]))
        traders, line = asyncio.run(trade(port, keys, price, requests))
        asyncio.run(check_found(port, keys, traders))
    asyncio.run(check_records(data_dir, traders))
    asked = sum(trader.line.asked for trader in traders)
    ways = sum((trader.ways for trader in traders), Counter[str]())
    print(f"{asked} requests, {sum(ways.values())} outcomes ({dict(ways)}), fates {dict(line.met)}")
    assert asked >= requests
    assert line.met.keys() == FATES.keys()
    assert all(ways[way] for way in ("answered", "found", "refused"))


@pytest.mark.spec("LIM-018")
def test_two_thousand_requests_with_lost_answers(data_dir: Path) -> None:
    run(data_dir, 2_000)


@pytest.mark.spec("LIM-018")
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_hundred_thousand_requests_with_lost_answers(data_dir: Path) -> None:
    run(data_dir, 100_000)
