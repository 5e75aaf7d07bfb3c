"""The real program with more orders than it takes: what it refuses is nowhere, and who cancels or reduces gets through."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import pytest

from app.auth import sign
from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from app.journal import EMPTY, read
from app.recovery import verify
from bench.http import UNLIMITED, free_port, mark_price, open_accounts, running
from exchange.commands import CancelOrder, PlaceOrder, Tick
from tests.proxy import http_message

PAIR: Final = "USD_BTC_PERP"
LINES: Final = 400
"""Connections that send an order at once: twice what may wait."""
ROUNDS: Final = 15
QUEUE: Final = {"EVERMARK_QUEUE_MAX": "200", "EVERMARK_QUEUE_RESERVE": "200", "EVERMARK_BATCH_MAX": "20"}
"""Room for what comes with each second's bell, but not for the crowd."""
TICKS_APART_MAX_MS: Final = 4_000
"""The bell rings each second; this much is left to a machine that is busy with the test as well."""

Json = dict[str, Any]
Key = tuple[str, str]


class Sent(NamedTuple):
    """A request that was answered."""

    name: str
    status: int
    result: Json
    seconds: float


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sent_s = 0.0

    @classmethod
    async def open(cls, port: int) -> "Line":
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, key: Key, path: str, **fields: object) -> None:
        """Sign and send a form, without waiting for the answer."""
        body = urlencode({**fields, "timestamp": f"{time.time_ns() // 1_000_000}.{time.perf_counter_ns()}"}).encode()
        self._sent_s = time.perf_counter()
        self._writer.write(
            b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
            b"x-api-key: %b\r\nx-signature: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), key[0].encode(), sign(key[1].encode(), body), len(body), body)
        )

    async def answer(self, name: str) -> Sent:
        """The answer to what was sent."""
        head, _, body = (await http_message(self._reader)).partition(b"\r\n\r\n")
        seconds = time.perf_counter() - self._sent_s
        return Sent(name, int(head[9:12]), decode(body), seconds)

    async def order(self, key: Key, **fields: object) -> Sent:
        """Place an order and wait for the answer."""
        self.send(key, "/auth/order", pair=PAIR, **fields)
        return await self.answer(str(fields.get("client_order_id", "")))

    async def is_there(self, key: Key, name: str) -> bool:
        """Whether there is an order of this name."""
        path = f"/order?client_order_id={name}"
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key[0]}\r\n\r\n".encode())
        status = (await http_message(self._reader))[9:12]
        assert status in (b"200", b"503")
        return status == b"200"

    async def read(self, path: str) -> int:
        """The status of a read without a key."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        return int((await http_message(self._reader))[9:12])

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def decode(body: bytes) -> Json:
    """The result of an answer."""
    result: Json = json.loads(body)["result"]
    return result


class Story:
    """What was sent while there was too much, and what came back."""

    def __init__(self) -> None:
        self.orders: list[tuple[Key, Sent]] = []
        self.cancels: list[Sent] = []
        self.reductions: list[Sent] = []


async def overload(port: int, keys: list[Key], price: int) -> Story:
    """Rounds of many orders at once, and behind them a cancel and an order that only reduces."""
    maker, holder, *crowd = keys
    story = Story()
    lines = [await Line.open(port) for _ in range(LINES)]
    own, other = await Line.open(port), await Line.open(port)
    bid = price * 99 // 100
    for number in range(ROUNDS):
        resting = await own.order(maker, side="BUY", qty="0.001", price=bid, client_order_id=f"rest-{number}")
        assert resting.status == 200, resting
    assert (await own.order(maker, side="SELL", qty="0.1", price=price, client_order_id="ask")).status == 200
    assert (await other.order(holder, side="BUY", qty="0.1", price=price + 100)).status == 200
    assert (await own.order(maker, side="BUY", qty="0.1", price=price - 100)).status == 200
    for number in range(ROUNDS):
        for index, line in enumerate(lines):
            key = crowd[index % len(crowd)]
            name = f"crowd-{number}-{index}"
            line.send(
                key,
                "/auth/order",
                pair=PAIR,
                side="BUY",
                qty="0.001",
                price=bid,
                time_in_force="IOC",
                client_order_id=name,
            )
        own.send(maker, "/auth/cancel", client_order_id=f"rest-{number}")
        other.send(
            holder,
            "/auth/order",
            pair=PAIR,
            side="SELL",
            qty="0.001",
            reduce_only="true",
            client_order_id=f"less-{number}",
        )
        for index, line in enumerate(lines):
            story.orders.append((crowd[index % len(crowd)], await line.answer(f"crowd-{number}-{index}")))
        story.cancels.append(await own.answer(f"rest-{number}"))
        story.reductions.append(await other.answer(f"less-{number}"))
    for key, sent in story.orders[::19]:  # the journal tells of all
        assert await own.is_there(key, sent.name) is (sent.status == 200), sent
    for line in (*lines, own, other):
        line.close()
    return story


async def check_journal(data_dir: Path, story: Story) -> None:
    """Nothing that was refused was taken, all else was, and time went on meanwhile."""
    taken: Counter[str] = Counter()
    cancels = 0
    tick_ms: list[int] = []
    server = EmbeddedServer(data_dir)
    await server.start()
    try:
        connection = await connect(server.url())
        async for batch in read(connection, EMPTY):
            taken.update(command.client_order_id for command in batch.commands if isinstance(command, PlaceOrder))
            cancels += sum(isinstance(command, CancelOrder) for command in batch.commands)
            if any(isinstance(command, Tick) for command in batch.commands):
                tick_ms.append(batch.time_ms)
        report = await verify(connection)
        await connection.close()
    finally:
        await server.stop()
    crowd = {name for name in taken if name.startswith("crowd-")}
    assert crowd == {sent.name for _, sent in story.orders if sent.status == 200}
    assert max(taken[name] for name in crowd) == 1
    assert cancels == ROUNDS
    assert max(after - before for before, after in pairwise(tick_ms[1:])) < TICKS_APART_MAX_MS
    assert report.problems == []


@pytest.mark.spec("LIM-012", "LIM-017")
def test_too_many_orders_at_once(data_dir: Path) -> None:
    port = free_port()
    settings = {"DATA_DIR": str(data_dir), "PORT": str(port), **UNLIMITED, **QUEUE}
    command = [sys.executable, "-m", "app.cli", "run", "--no-demo"]
    with running(command, {**os.environ, **settings}, port, "/ping"):
        keys = open_accounts(data_dir)
        price = int(mark_price(port, keys[0]))
        story = asyncio.run(overload(port, keys, price))
    statuses = Counter(sent.status for _, sent in story.orders)
    refused = [sent for _, sent in story.orders if sent.status != 200]
    print(
        f"orders {dict(statuses)}, median answer to a cancel {median_ms(story.cancels)} ms, to an order that was taken "
        f"{median_ms([sent for _, sent in story.orders if sent.status == 200])} ms"
    )
    assert statuses.keys() == {200, 503}
    assert all(sent.result == {"reject": "OVERLOADED", "field": None, "is_outcome_unknown": False} for sent in refused)
    assert [sent.status for sent in story.cancels] == [200] * ROUNDS
    assert [sent.status for sent in story.reductions] == [200] * ROUNDS
    asyncio.run(check_journal(data_dir, story))


def median_ms(sent: list[Sent]) -> float:
    """How long an answer took."""
    return round(1_000 * sorted(one.seconds for one in sent)[len(sent) // 2], 1)


@pytest.mark.spec("LIM-001", "LIM-002", "LIM-008")
def test_the_settings_reach_the_program(data_dir: Path) -> None:
    port = free_port()
    limits = {
        "EVERMARK_IP_REQUESTS_PER_S": "1",
        "EVERMARK_IP_BURST": "400",
        "EVERMARK_ACCOUNT_ORDERS_PER_MIN": "50",
        "EVERMARK_ACCOUNT_CANCELS_PER_MIN": "2",
    }
    settings = {"DATA_DIR": str(data_dir), "PORT": str(port), **limits}
    command = [sys.executable, "-m", "app.cli", "run", "--no-demo"]
    with running(command, {**os.environ, **settings}, port, "/ping"):
        key = open_accounts(data_dir)[0]
        price = int(mark_price(port, key))
        placed, reads, cancels = asyncio.run(ask_too_much(port, key, price * 99 // 100))
    assert placed[:50] == [200] * 50
    assert placed[-1] == 429
    assert reads[-1] == 429
    assert cancels[:2] == [200, 200]
    assert cancels[-1] == 429


async def ask_too_much(port: int, key: Key, price: int) -> tuple[list[int], list[int], list[int]]:
    """More orders, then more reads, then more cancels than there are tokens; the statuses of each."""
    line = await Line.open(port)
    order = {"side": "BUY", "qty": "0.001", "price": price}
    placed = [(await line.order(key, **order)).status for _ in range(60)]
    reads = [await line.read("/ping") for _ in range(400)]
    cancels = []
    for number in range(5):
        line.send(key, "/auth/cancel/bulk", recv_window=number + 5_000)
        cancels.append((await line.answer("")).status)
    line.close()
    return placed, reads, cancels
