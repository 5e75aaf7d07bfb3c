"""When the hub tells what."""

import asyncio
from typing import cast

import pytest

from app.db.projector import Projector
from app.identity import Identity
from app.stream.client import Client
from app.stream.hub import Hub
from app.stream.socket import Socket
from app.surfaces.everstrike.desk import Desk
from engine.order import Side
from exchange.commands import Command, Tick
from tests.small import NOW_MS, PRICE, opening, order
from tests.support.ears import Counter, Ear
from tests.waiting import until

PAIR = "USD_BTC_PERP"


class Floor:
    """An exchange and its stream, one command at a time."""

    def __init__(self) -> None:
        self.projector = Projector("")
        self.counter = Counter(self.projector)
        self.hub = Hub(cast(Desk, self.counter), cast(Identity, None), self.projector.open_order)
        for command in opening():
            self.do(command)

    def do(self, command: Command, time_ms: int = NOW_MS) -> None:
        sequencer = self.counter.sequencer
        sequencer.seq += 1
        events = sequencer.exchange.apply(command, time_ms)
        self.hub.tell(sequencer.seq, time_ms, command, events)
        self.projector.tell(sequencer.seq, time_ms, command, events)

    def listen(self, *categories: str) -> tuple[Ear, Client]:
        ear = Ear()
        client = Client(cast(Socket, ear), "x", "x", 0.0)
        channel = self.hub.channel(PAIR)
        for category in categories:
            topic = channel.topic(category)
            assert topic is not None
            self.hub.subscribe(client, topic)
        return ear, client


@pytest.mark.spec("STREAM-021")
async def test_a_book_is_told_at_once_and_then_in_a_while() -> None:
    floor = Floor()
    ear, _ = floor.listen("depth")
    assert ear.of("depth")[-1]["bids"] == []
    floor.do(order(price=PRICE - 100))
    await until(lambda: len(ear.of("depth")) == 2)
    floor.do(order(price=PRICE - 50))
    floor.do(order(price=PRICE - 150))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(ear.of("depth")) == 2
    await until(lambda: len(ear.of("depth")) == 3)
    assert [level["price"] for level in ear.of("depth")[-1]["bids"]] == [49_999.5, 49_999, 49_998.5]
    await asyncio.sleep(0.05)
    assert len(ear.of("depth")) == 3, "nothing changed"


async def test_the_public_is_told_behind_the_answers() -> None:
    """What was called soon when a batch was applied, as answers are, comes first."""
    floor = Floor()
    ear, _ = floor.listen("match")
    floor.do(order(price=PRICE))
    floor.do(order(account_id=2, side=Side.SELL, price=PRICE))
    told: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: told.append(len(ear.of("match"))))
    await until(lambda: len(ear.of("match")) == 1)
    assert told == [0]


async def test_nothing_is_gathered_when_nobody_listens() -> None:
    floor = Floor()
    ear, client = floor.listen("match", "depth")
    floor.hub.leave(client)
    floor.do(order(price=PRICE))
    floor.do(order(account_id=2, side=Side.SELL, price=PRICE))
    await asyncio.sleep(0.03)
    assert ear.of("match") == []
    assert not floor.hub._is_awake


@pytest.mark.spec("STREAM-025")
async def test_a_candle_that_ends_is_told_whole() -> None:
    """Also when its last trade is younger than the pace at which candles are told."""
    floor = Floor()
    ear, _ = floor.listen("ohlcv:15s")
    for number, price in enumerate((PRICE, PRICE + 50, PRICE + 100)):
        floor.do(order(price=price, name=f"bid {number}"))
        floor.do(order(account_id=2, side=Side.SELL, price=price))
        await asyncio.sleep(0)
    floor.do(Tick(), NOW_MS + 15_000)
    floor.do(order(price=PRICE + 150), NOW_MS + 15_000)
    floor.do(order(account_id=2, side=Side.SELL, price=PRICE + 150), NOW_MS + 15_000)
    await until(lambda: ear.of("ohlcv")[-1]["ohlcv"]["close"] == 50_001.5)
    candles = [result["ohlcv"] for result in ear.of("ohlcv")]
    opened = candles[-1]["open_time"]
    ended = [candle for candle in candles if candle["open_time"] < opened][-1]
    assert (ended["high"], ended["close"], ended["trades"]) == (50_001, 50_001, 3)
    assert ended["close_time"] == opened == candles[-1]["close_time"] - 15_000
