"""One venue over time: streamed, polled, failing, coming back."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from app.clock import wall_clock
from app.feeds.board import Board
from app.feeds.health import DOWN, POLLING, STARTING, STREAMING, UNCONVERTED, UNLISTED, SourceHealth, tell_changes
from app.feeds.reporter import Pace, Reporter
from app.feeds.sources import Line, Venue
from tests.support.venue_server import VenueServer, venue_server
from tests.support.venue_shapes import Said
from tests.waiting import until

FAST = Pace(quiet_ms=300, poll_ms=50, timeout_ms=2_000, stall_ms=60_000, backoff_ms=20, backoff_max_ms=200)
E8 = 10**8


class Desk:
    """A reporter at work, and what it has put on its board."""

    def __init__(self, venue: Venue, pace: Pace) -> None:
        self.ahead_ms = 0
        self.board = Board([venue])
        self.reporter = Reporter(venue, self.board, self.now, seed=1, pace=pace)
        self.prices: dict[int, int] = {}
        self.times: dict[int, list[int]] = {}

    def now(self) -> int:
        return wall_clock() + self.ahead_ms

    def take(self) -> dict[int, int]:
        for one in self.board.take(self.now()):
            self.prices[one.index_id] = one.price
            self.times.setdefault(one.index_id, []).append(one.time_ms)
        return self.prices

    @property
    def health(self) -> SourceHealth:
        self.take()
        return self.reporter.health(self.now())

    @property
    def state(self) -> str:
        return self.health.state


async def at_work(stack: AsyncExitStack, venue: Venue, pace: Pace = FAST) -> Desk:
    desk = Desk(venue, pace)
    task = asyncio.create_task(desk.reporter.run())
    stack.push_async_callback(ended, task)
    return desk


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def served(stack: AsyncExitStack, name: str) -> VenueServer:
    return await stack.enter_async_context(venue_server(name))


def price(server: VenueServer, pair: str) -> int:
    return round(float(server.prices[pair].last) * E8)


@pytest.mark.parametrize("name", ["kraken", "coinbase", "kucoin", "htx"])
async def test_it_streams_and_begins_again_when_cut_off(stack: AsyncExitStack, name: str) -> None:
    """FEED-024, FEED-025."""
    server = await served(stack, name)
    desk = await at_work(stack, server.venue())
    await until(lambda: desk.state == STREAMING)
    await until(lambda: len(desk.take()) == len(server.prices))
    assert list(desk.prices.values()) == [price(server, pair) for pair in server.prices]
    for attempt, end in enumerate((server.hang_up, server.cut), 2):
        await end()
        await until(lambda attempt=attempt: server.accepted >= attempt)  # type: ignore[misc]
        await until(lambda: bool(server.sockets))
    assert desk.health.errors >= 2
    pair = next(iter(server.prices))
    server.prices[pair] = Said("64000.5", "64000.4", "64000.6")
    await until(lambda: desk.take()[1] == 64_000_50_000_000)
    assert desk.state == STREAMING


async def test_garbage_on_the_stream_is_survived(stack: AsyncExitStack) -> None:
    """FEED-025."""
    server = await served(stack, "okx")
    desk = await at_work(stack, server.venue())
    await until(lambda: desk.state == STREAMING)
    for number, text in enumerate(
        ('{"a', "[[[", '{"arg": {"channel": "tickers"}, "data": 5}', '{"event":"error","code":"60018","msg":"x"}'), 2
    ):
        await until(lambda: bool(server.sockets))
        await server.say(text)
        await until(lambda number=number: server.accepted >= number)  # type: ignore[misc]
    await until(lambda: desk.state == STREAMING)
    assert desk.health.errors >= 4


async def test_prices_that_cannot_be_meant_are_counted_on_the_stream(stack: AsyncExitStack) -> None:
    """FEED-018, FEED-029."""
    server = await served(stack, "binance")
    desk = await at_work(stack, server.venue("BTC/USDT"))
    await until(lambda: desk.state == STREAMING)
    good = price(server, "BTC/USDT")
    for text in ("0.00000000", "-1", "NaN", "130030.31", "1e400"):
        server.prices["BTC/USDT"] = Said(text, "", "")
        dropped = desk.health.dropped
        await server.push()
        await until(lambda dropped=dropped: desk.health.dropped > dropped)  # type: ignore[misc]
        assert desk.take() == {1: good}
    assert desk.health.last_error.startswith("dropped BTC/USDT: ")


async def test_rest_stands_in_while_the_websocket_fails(stack: AsyncExitStack) -> None:
    """FEED-024: and steps back when it is there again."""
    server = await served(stack, "gate")
    server.is_streaming = False
    desk = await at_work(stack, server.venue())
    await until(lambda: desk.state == POLLING)
    server.prices["BTC/USDT"] = Said("65020", "65019", "65021")
    await until(lambda: desk.take()[1] == 65_020 * E8)
    await until(lambda: desk.health.errors >= 3)
    server.is_streaming = True
    await until(lambda: desk.state == STREAMING)
    asked = len(server.asked)
    for _ in range(10):
        await server.push()
        await asyncio.sleep(0.06)
    assert desk.state == STREAMING
    assert len(server.asked) - asked <= 1, "what is streamed is not asked for"


async def test_a_quiet_pair_is_asked_for(stack: AsyncExitStack) -> None:
    """FEED-024: and the others are not."""
    server = await served(stack, "kraken")
    desk = await at_work(stack, server.venue(), FAST)
    await until(lambda: desk.state == STREAMING)
    asked = len(server.asked)

    async def push_two() -> None:
        while True:
            await server.push("BTC/USD", "USDT/USD")
            await asyncio.sleep(0.05)

    pushing = asyncio.create_task(push_two())
    try:
        await until(lambda: len(server.asked) >= asked + 2)
    finally:
        pushing.cancel()
    assert set(server.asked[asked + 1 :]) == {"/0/public/Ticker?pair=LINKUSD"}


async def test_a_silent_stream_is_begun_again(stack: AsyncExitStack) -> None:
    """FEED-025: a connection that lives and says nothing."""
    server = await served(stack, "bitget")
    desk = await at_work(stack, server.venue(), Pace(quiet_ms=10**6, poll_ms=20, stall_ms=1_000, backoff_ms=10))
    await until(lambda: desk.state == STREAMING)
    await until(lambda: server.accepted >= 2)
    assert "silent for 1000 ms" in desk.health.last_error


async def test_everything_fails_and_comes_back(stack: AsyncExitStack) -> None:
    """FEED-025, FEED-029."""
    server = await served(stack, "cryptocom")
    server.is_streaming = False
    server.rest_status = 503
    desk = Desk(server.venue(), FAST)
    assert (desk.state, desk.health.age_ms, desk.health.pairs) == (STARTING, -1, 0)
    task = asyncio.create_task(desk.reporter.run())
    stack.push_async_callback(ended, task)
    await until(lambda: desk.state == DOWN)
    assert desk.health.last_error == 'ExchangeError: cryptocom {"error": "no"}'
    server.rest_status = 200
    await until(lambda: desk.state == POLLING)
    server.is_streaming = True
    await until(lambda: desk.state == STREAMING)
    assert desk.health.fresh == desk.health.pairs == 3
    server.is_streaming, server.rest_status = False, 503
    await server.hang_up()
    errors = desk.health.errors
    await until(lambda: desk.health.errors > errors)
    assert desk.state == STREAMING, "its last prices still count"
    desk.ahead_ms = 10_100
    assert desk.state == DOWN
    assert desk.health.fresh == 0
    assert desk.health.age_ms >= 10_000


async def test_a_rate_limit_is_kept(stack: AsyncExitStack) -> None:
    """FEED-026: an hour is cut to fifty seconds here, ten times the longest delay; nothing is asked meanwhile."""
    server = await served(stack, "okx")
    server.is_streaming = False
    desk = await at_work(stack, server.venue(), Pace(poll_ms=10, quiet_ms=10, backoff_ms=10, backoff_max_ms=5_000))
    await until(lambda: desk.state == POLLING)
    server.rest_headers = {"Retry-After": "3600"}
    server.rest_status, server.rest_body = 429, '{"msg":"Too Many Requests","code":"50011"}'
    await until(lambda: "RateLimitExceeded" in desk.health.last_error)
    asked = len(server.asked)
    await asyncio.sleep(0.3)
    assert len(server.asked) == asked


async def test_a_slow_answer_is_of_when_it_was_asked_for(stack: AsyncExitStack) -> None:
    """FEED-027."""
    server = await served(stack, "bitfinex")
    server.is_streaming = False
    server.rest_delay_s = 0.4
    desk = await at_work(stack, server.venue())
    await until(lambda: bool(desk.take()))
    came_ms = desk.now()
    assert all(came_ms - times[0] >= 400 for times in desk.times.values())


async def test_pairs_that_are_not_traded(stack: AsyncExitStack, caplog: pytest.LogCaptureFixture) -> None:
    """FEED-028, FEED-030: named once; looked for again, and streamed when they are there."""
    caplog.set_level("INFO", "app.feeds")
    server = await served(stack, "okx")
    link = server.prices.pop("LINK/USDT")
    desk = await at_work(stack, server.venue("BTC/USDT", "LINK/USDT"), Pace(poll_ms=20, markets_ms=200, backoff_ms=10))
    await until(lambda: desk.state == STREAMING)
    health = desk.health
    assert (health.pairs, health.unlisted, health.errors) == (1, ("LINK/USDT",), 0)
    tell_changes([], [health])
    assert [record.message for record in caplog.records] == [
        "price source okx was starting and is streaming",
        "price source okx does not trade LINK/USDT",
    ]
    server.prices["LINK/USDT"] = link
    await until(lambda: desk.take().get(2) == price(server, "LINK/USDT"))
    await until(lambda: server.accepted >= 2)
    assert desk.health.unlisted == ()


async def test_what_it_trades_is_remembered_when_it_does_not_say(stack: AsyncExitStack) -> None:
    """FEED-028."""
    server = await served(stack, "gate")
    server.is_streaming = False
    desk = await at_work(stack, server.venue(), Pace(poll_ms=20, quiet_ms=20, markets_ms=50, backoff_ms=10))
    await until(lambda: desk.state == POLLING)
    server.failing = "markets"
    await until(lambda: "500" in desk.health.last_error)
    server.prices["BTC/USDT"] = Said("65020", "65019", "65021")
    await until(lambda: desk.take()[1] == 65_020 * E8)


@pytest.mark.parametrize("steady_ms, delay_ms", [(0, 40), (10**6, 640)])
async def test_a_stream_that_held_is_forgiven(stack: AsyncExitStack, steady_ms: int, delay_ms: int) -> None:
    """FEED-026: after five ends the next delay is the second of the row, or the sixth."""
    server = await served(stack, "okx")
    desk = await at_work(stack, server.venue(), Pace(backoff_ms=20, backoff_max_ms=60_000, steady_ms=steady_ms))
    for attempt in range(1, 6):
        await until(lambda attempt=attempt: server.accepted == attempt and bool(server.sockets))  # type: ignore[misc]
        await server.hang_up()
    await until(lambda: server.accepted == 6)
    assert desk.reporter._backoffs[0]._delay_ms == delay_ms


async def test_a_venue_that_trades_nothing_of_it(stack: AsyncExitStack) -> None:
    """FEED-028, FEED-029."""
    server = await served(stack, "htx")
    desk = await at_work(stack, server.venue("XYZ/USDT"))
    await until(lambda: desk.state == UNLISTED)
    assert server.accepted == 0


async def test_without_the_worth_of_usdt_a_venue_waits(stack: AsyncExitStack) -> None:
    """FEED-019, FEED-029."""
    server = await served(stack, "kucoin")
    converted = Line(1, 2, 5, "BTC/USDT", is_converted=True, is_rate=False)
    desk = await at_work(stack, Venue("kucoin", 5, (converted,), server.rest, server.ws))
    await until(lambda: desk.state == UNCONVERTED)
    assert desk.take() == {}


def row(state: str, last_error: str = "") -> SourceHealth:
    return SourceHealth(3, "kraken", state, 2, 2, last_error=last_error)


def test_the_log_tells_changes_only(caplog: pytest.LogCaptureFixture) -> None:
    """FEED-030."""
    caplog.set_level("INFO", "app.feeds")
    tell_changes([], [row(STARTING)])
    tell_changes([row(STARTING)], [row(STREAMING)])
    tell_changes([row(STREAMING)], [row(STREAMING, "dropped BTC/USD")])
    tell_changes([row(STREAMING)], [row(DOWN, "RequestTimeout: kraken")])
    tell_changes([row(DOWN)], [row(DOWN, "another")])
    tell_changes([row(DOWN)], [row(POLLING, "old news")])
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "price source kraken was starting and is streaming"),
        ("WARNING", "price source kraken was streaming and is down: RequestTimeout: kraken"),
        ("INFO", "price source kraken was down and is polling"),
    ]
