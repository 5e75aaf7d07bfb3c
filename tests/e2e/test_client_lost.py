"""The Python client on lines that lose requests and answers, and on streams that break."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any, Final

import pytest

from evermark_client import (
    AsyncClient,
    AsyncStream,
    Client,
    Denied,
    NotTaken,
    OutcomeUnknown,
    RateLimited,
    Refused,
    calls,
)
from evermark_client.events import BookChanged, DepthChanged, Event, Missed, OrderChanged, Reconnected
from tests.proxy import FATES, Fate, LossyLine
from tests.support.program import DEADLINE_S, made_data_dir, running
from tests.waiting import until, until_async

PAIR: Final = "USD_BTC_PERP"
WORKERS: Final = 8
ORDERS: Final = 25
Demo = dict[str, Any]


def keys_of(demo: Demo, account: int) -> tuple[str, str]:
    found = demo["accounts"][account]
    return found["api_key"], found["secret_key"]


def port_of(demo: Demo) -> int:
    return int(demo["url"].rsplit(":", 1)[1])


@asynccontextmanager
async def lossy(demo: Demo, fates: dict[Fate, int], **options: Any) -> AsyncIterator[tuple[AsyncClient, LossyLine]]:
    async with (
        LossyLine(port_of(demo), random.Random(1), fates) as line,
        AsyncClient(f"http://127.0.0.1:{line.port}", *keys_of(demo, 0), **options) as client,
    ):
        yield client, line


async def price_of(demo: Demo) -> int:
    async with AsyncClient(demo["url"]) as client:
        mark = (await client.ticker(PAIR)).mark_price
        assert mark is not None
        return round(mark)


@pytest.mark.spec("CLT-011", "CLT-012")
async def test_each_call_has_exactly_one_order(demo: Demo) -> None:
    price = await price_of(demo)
    outcomes: dict[str, str] = {}

    async def work(client: AsyncClient, number: int) -> None:
        for step in range(ORDERS):
            name = f"lossy-{number}-{step}"
            bid = price - 500 - number * ORDERS - step
            placed = await client.place_order(PAIR, "BUY", "0.001", bid, client_order_id=name)
            assert placed.order.client_order_id == name and placed.order.price == Decimal(bid)
            outcomes[name] = placed.order.id
            if step % 3 == 1:
                amended = await client.amend_order(client_order_id=name, qty="0.002", price=bid - 1)
                assert (amended.order.qty_orig, amended.order.price) == (Decimal("0.002"), Decimal(bid - 1))
            if step % 3 != 2:
                cancelled = await client.cancel_order(placed.order.id)
                assert cancelled.status == "CANCELLED"

    async with lossy(demo, FATES, timeout_s=3.0, deadline_s=DEADLINE_S) as (client, line):
        await asyncio.gather(*(work(client, number) for number in range(WORKERS)))
    assert line.met.keys() == FATES.keys()
    async with AsyncClient(demo["url"], *keys_of(demo, 0)) as client:
        found = await client.orders(limit=1_000)
        named = Counter(order.client_order_id for order in found)
        assert named == dict.fromkeys(outcomes, 1)
        assert {order.client_order_id: order.id for order in found} == outcomes
        kept = {order.client_order_id for order in await client.active_orders(limit=1_000)}
        assert kept == {name for name in outcomes if int(name.rsplit("-", 1)[1]) % 3 == 2}
        await client.cancel_all()


@pytest.mark.spec("CLT-013")
@pytest.mark.parametrize("fate", [Fate.UNHEARD, Fate.ANSWER_LOST])
async def test_margin_is_never_moved_twice(demo: Demo, fate: Fate) -> None:
    async with lossy(demo, {fate: 1}) as (client, line):
        with pytest.raises(OutcomeUnknown):
            await client.add_margin(PAIR, 1)
        with pytest.raises(OutcomeUnknown):
            await client.settle(calls.once("/fund", calls.ACCOUNT, pair=PAIR, qty=1))
    assert line.met == {fate: 1}


@pytest.mark.spec("CLT-015")
async def test_without_a_deadline_nothing_is_sent_twice(demo: Demo) -> None:
    async with lossy(demo, {Fate.ANSWER_LOST: 1}, deadline_s=0) as (client, line):
        with pytest.raises(OutcomeUnknown) as fault:
            await client.place_order(PAIR, "BUY", "0.001", await price_of(demo) - 400)
        name = fault.value.client_order_id
        assert name
    assert line.met == {Fate.ANSWER_LOST: 1}
    async with AsyncClient(demo["url"], *keys_of(demo, 0)) as client:
        order = await client.find_order(name)
        assert order is not None
        await client.cancel_order(order.id)
        assert await client.find_order("never") is None


@pytest.mark.spec("CLT-010")
def test_what_could_not_be_sent_is_sent_until_the_deadline(demo: Demo) -> None:
    with Client("http://127.0.0.1:9", *keys_of(demo, 0), deadline_s=0.3) as client:
        with pytest.raises(NotTaken):
            client.place_order(PAIR, "BUY", "0.001", 1)
        with pytest.raises(NotTaken):
            client.balances()


@pytest.mark.spec("CLT-014")
def test_a_refusal_says_why_and_is_not_tried_again(demo: Demo) -> None:
    with Client(demo["url"], *keys_of(demo, 0)) as client:
        with pytest.raises(Refused) as refusal:
            client.place_order(PAIR, "BUY", "0.00000001", 50_000)
        assert (refusal.value.reject, refusal.value.field) == ("INVALID_QTY", "qty")
        assert "a multiple of 0.0001" in refusal.value.msg
        with pytest.raises(Denied) as denied:
            Client(demo["url"], "unknown", "secret").balances()
        assert denied.value.status == 401


# --- streams that break


class Wire:
    """Stands before the exchange and can cut every connection, or let nothing back."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_mute = False
        self.port = 0

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, far_writer}
        for source, target, is_back in ((reader, far_writer, False), (far_reader, writer, True)):
            task = asyncio.create_task(self._copy(source, target, is_back=is_back))
            self._tasks.add(task)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_back: bool) -> None:
        try:
            while data := await source.read(65_536):
                if not (is_back and self.is_mute):
                    target.write(data)
        except OSError:
            pass
        finally:
            target.close()


@asynccontextmanager
async def wired(demo: Demo, account: int, **options: Any) -> AsyncIterator[tuple[AsyncClient, Wire]]:
    async with (
        Wire(port_of(demo)) as wire,
        AsyncClient(f"http://127.0.0.1:{wire.port}", *keys_of(demo, account), **options) as client,
    ):
        yield client, wire


@pytest.mark.spec("CLT-041")
async def test_a_broken_stream_goes_on_without_a_loss(demo: Demo) -> None:
    price = await price_of(demo) - 1_000
    names = [f"cut-{number}" for number in range(30)]
    heard: list[Event] = []
    async with (
        AsyncClient(demo["url"], *keys_of(demo, 1)) as steady,
        wired(demo, 1) as (client, wire),
        client.stream(fills=True, balances=True) as stream,
    ):
        book = await stream.book(PAIR)

        def reconnections() -> int:
            return sum(isinstance(event, Reconnected) for event in heard)

        def has_come_back(times: int) -> bool:
            return reconnections() == times

        async def trade() -> None:
            for number, name in enumerate(names):
                await steady.place_order(PAIR, "BUY", "0.001", price - number, client_order_id=name)
                if number % 10 == 5:
                    wire.cut()
                    await until(partial(has_come_back, number // 10 + 1))
            await steady.cancel_all()

        trading = asyncio.create_task(trade())
        ended = 0
        while ended < len(names) or not book.is_whole or book.bids():
            event = await stream.next(DEADLINE_S)
            heard.append(event)
            ended += isinstance(event, OrderChanged) and event.category == "order_cancelled"
        await trading
    told = [event for event in heard if isinstance(event, OrderChanged)]
    assert [event.order.client_order_id for event in told if event.category == "order_added"] == names
    assert Counter(event.order.client_order_id for event in told) == dict.fromkeys(names, 2)
    places = [(event.seq, event.index) for event in heard if hasattr(event, "seq") and hasattr(event, "index")]
    assert places == sorted(set(places))
    assert reconnections() == 3
    assert not any(isinstance(event, Missed) for event in heard)
    assert any(isinstance(event, BookChanged) for event in heard)


async def has_order(demo: Demo, name: str) -> bool:
    async with AsyncClient(demo["url"], *keys_of(demo, 1)) as client:
        return await client.find_order(name) is not None


@pytest.mark.spec("CLT-043")
async def test_an_order_whose_stream_breaks_is_settled(demo: Demo) -> None:
    price = await price_of(demo) - 2_000
    async with wired(demo, 1, timeout_s=5.0) as (client, wire), client.stream() as stream:
        for number in range(6):
            wire.is_mute = number % 2 == 0
            placing = asyncio.create_task(
                stream.place_order(PAIR, "BUY", "0.001", price - number, client_order_id=f"settled-{number}")
            )
            if wire.is_mute:
                await until_async(partial(has_order, demo, f"settled-{number}"))
                wire.is_mute = False
            wire.cut()
            answer = await placing
            assert answer.order.client_order_id == f"settled-{number}"
        found = Counter(order.client_order_id for order in await client.active_orders())
        assert found == {f"settled-{number}": 1 for number in range(6)}
        await client.cancel_all()


@pytest.mark.spec("CLT-044")
async def test_a_refused_key_ends_the_stream(demo: Demo) -> None:
    async with AsyncClient(demo["url"], "unknown", "secret") as client, client.stream() as stream:
        with pytest.raises(Denied):
            await stream.next(DEADLINE_S)
    with (
        Client(demo["url"], "unknown", "secret") as sync_client,
        sync_client.stream() as sync_stream,
    ):
        for _ in range(2):  # whoever asks again is told again
            with pytest.raises(Denied):
                sync_stream.next(DEADLINE_S)


@pytest.mark.spec("CLT-041")
def test_a_sync_stream_comes_back_too(demo: Demo) -> None:
    with Client(demo["url"], *keys_of(demo, 0)) as client, client.stream() as stream:
        mark = client.ticker(PAIR).mark_price
        assert mark is not None
        first = client.place_order(PAIR, "BUY", "0.001", round(mark) - 900).order
        event = stream.next(DEADLINE_S)
        assert isinstance(event, OrderChanged) and event.order == first
        socket = stream._socket
        assert socket is not None
        socket.socket.shutdown(2)
        client.cancel_order(first.id)
        assert isinstance(stream.next(DEADLINE_S), Reconnected)
        event = stream.next(DEADLINE_S)
        assert isinstance(event, OrderChanged) and event.category == "order_cancelled"


@pytest.mark.spec("CLT-042")
async def test_a_stream_says_when_messages_are_gone(demo: Demo) -> None:
    async with AsyncClient(demo["url"], *keys_of(demo, 1)) as client:
        stream = client.stream()
        stream._session._place = (10**9, 0)  # a place that the exchange never came to
        async with stream:
            missed = await stream.next(DEADLINE_S)
            assert isinstance(missed, Missed)
            order = (await client.place_order(PAIR, "BUY", "0.001", await price_of(demo) - 800)).order
            event = await stream.next(DEADLINE_S)
            assert isinstance(event, OrderChanged) and event.order == order and event.seq >= missed.from_seq
            await client.cancel_all()


@pytest.mark.spec("CLT-010")
def test_too_many_requests_wait_their_turn() -> None:
    with (
        made_data_dir() as path,
        running(path, EVERMARK_FEED="synthetic", EVERMARK_KEY_BURST="5", EVERMARK_KEY_REQUESTS_PER_S="20"),
    ):
        demo = json.loads((path / "demo.json").read_text("utf-8"))
        with Client(demo["url"], *keys_of(demo, 0), deadline_s=0) as hasty, pytest.raises(RateLimited) as limit:
            all(hasty.balances() for _ in range(30))
        assert limit.value.retry_s == 1
        with Client(demo["url"], *keys_of(demo, 0)) as patient:
            placed = [patient.place_order(PAIR, "BUY", "0.001", 50_000, is_test=True) for _ in range(30)]
        assert len(placed) == 30


@pytest.mark.spec("CLT-046")
async def test_a_stream_waits_its_turn() -> None:
    pairs = [f"USD_{name}_PERP" for name in ("BTC", "ETH", "SOL", "BNB", "XRP", "ADA")]
    with made_data_dir() as path, running(path, EVERMARK_FEED="synthetic", EVERMARK_STREAM_MESSAGES_PER_S="4"):
        demo = json.loads((path / "demo.json").read_text("utf-8"))
        async with wired(demo, 0) as (client, wire), client.stream() as stream:
            for pair in pairs:
                await stream.subscribe(pair, "depth")
            wire.cut()
            while not isinstance(await stream.next(DEADLINE_S), Reconnected):
                pass
            await hear_depths(stream, pairs)
            async with asyncio.TaskGroup() as tasks:  # its orders go on, whatever became of a message
                for number in range(10):
                    tasks.create_task(stream.place_order(PAIR, "BUY", "0.001", 50_000 + number, is_test=True))
        await asyncio.to_thread(hear_sync, demo, pairs)


async def hear_depths(stream: AsyncStream, pairs: list[str]) -> None:
    missing = set(pairs)
    while missing:
        event = await stream.next(DEADLINE_S)
        if isinstance(event, DepthChanged):
            missing.discard(event.pair)


def hear_sync(demo: Demo, pairs: list[str]) -> None:
    with Client(demo["url"], *keys_of(demo, 0)) as client, client.stream() as stream:
        for pair in pairs:
            stream.subscribe(pair, "depth")
        socket = stream._socket
        assert socket is not None
        socket.socket.shutdown(2)
        while not isinstance(stream.next(DEADLINE_S), Reconnected):
            pass
        missing = set(pairs)
        while missing:
            event = stream.next(DEADLINE_S)
            if isinstance(event, DepthChanged):
                missing.discard(event.pair)
        for pair in pairs:
            stream.unsubscribe(pair, "depth")


@pytest.mark.spec("CLT-033")
async def test_a_book_is_one_book(demo: Demo) -> None:
    async with wired(demo, 1) as (client, wire), client.stream() as stream:
        book = await stream.book(PAIR)
        assert await stream.book(PAIR) is book
        while not book.is_whole:
            await stream.next(DEADLINE_S)
        wire.cut()
        await until(lambda: not book.is_whole)
        await stream.unsubscribe(PAIR, "book")  # noted, whether the connection stands or not
    with Client(demo["url"], *keys_of(demo, 1)) as sync_client:
        with sync_client.stream() as sync_stream:
            kept = sync_stream.book(PAIR)
            assert sync_stream.book(PAIR) is kept
            while not kept.is_whole:
                sync_stream.next(DEADLINE_S)
        assert not kept.is_whole


@pytest.mark.spec("CLT-045")
async def test_a_refused_subscription_is_not_said_again(demo: Demo) -> None:
    async with wired(demo, 1) as (client, wire), client.stream() as stream:
        await stream.subscribe(PAIR, "depth")
        for pair, category in (("USD_NONE_PERP", "depth"), (PAIR, "weather")):
            with pytest.raises(Refused):
                await stream.subscribe(pair, category)
        wire.cut()
        while not isinstance(await stream.next(DEADLINE_S), Reconnected):
            pass
        while not isinstance(await stream.next(DEADLINE_S), DepthChanged):
            pass
