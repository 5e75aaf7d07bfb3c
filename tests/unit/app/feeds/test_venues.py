"""The ten venues through ccxt, against servers on loopback that answer in their shapes."""

import asyncio
import time
from contextlib import AsyncExitStack
from decimal import Decimal

import ccxt.pro
import pytest

from app.clock import wall_clock
from app.feeds.board import Quote
from app.feeds.sources import VENUES, Venue
from app.feeds.venues import PROFILES, Markets, Session, VenueFault, describe
from tests.support.venue_server import VenueServer, venue_server
from tests.support.venue_shapes import Said

DEADLINE_S = 10.0


def opened(server: VenueServer, markets: Markets | None = None, *, timeout_ms: int = 5_000) -> Session:
    return Session(server.venue(), timeout_ms=timeout_ms, markets=markets)


async def loaded(stack: AsyncExitStack, name: str) -> tuple[VenueServer, Session]:
    """A venue, and a session that knows all of its pairs."""
    server = await stack.enter_async_context(venue_server(name))
    first = opened(server)
    markets = await first.load(list(server.prices))
    await first.close()
    session = opened(server, markets)
    stack.push_async_callback(session.close)
    return server, session


def said(quotes: list[Quote]) -> dict[str, tuple[Decimal, ...]]:
    return {quote.pair: tuple(Decimal(text) for text in (quote.last, quote.bid, quote.ask) if text) for quote in quotes}


def expected(server: VenueServer, *, is_last_alone: bool = False) -> dict[str, tuple[Decimal, ...]]:
    return {
        pair: tuple(Decimal(text) for text in (price[:1] if is_last_alone else price))
        for pair, price in server.prices.items()
    }


async def heard(session: Session, server: VenueServer, count: int) -> list[Quote]:
    """What is streamed, once so many pairs were heard of."""
    pairs = list(server.prices)
    quotes: dict[str, Quote] = {}
    watching = [asyncio.create_task(watch_on(session, channel)) for channel in session.channels(pairs)]
    try:
        async with asyncio.timeout(DEADLINE_S):
            while len(quotes) < count:
                await asyncio.wait(watching, timeout=0.01)
                for watch in watching:
                    if watch.done():
                        watch.result()
                quotes.update({quote.pair: quote for quote in session.news(pairs)})
    finally:
        for watch in watching:
            watch.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    return list(quotes.values())


async def watch_on(session: Session, channel: tuple[str, ...]) -> None:
    while True:
        await session.watch(channel)


@pytest.mark.parametrize("name", VENUES)
async def test_each_venue_by_rest(stack: AsyncExitStack, name: str) -> None:
    """FEED-021, FEED-028: what it trades, and what it says."""
    server = await stack.enter_async_context(venue_server(name))
    first = opened(server)
    stack.push_async_callback(first.close)
    markets = await first.load([*server.prices, "FTM/EUR"])
    assert sorted(markets) == sorted(server.prices)
    session = opened(server, markets)
    stack.push_async_callback(session.close)
    asked = len(server.asked)
    # Coinbase's list of products has the last price alone.
    assert said(await session.poll(list(server.prices))) == expected(server, is_last_alone=name == "coinbase")
    assert len(server.asked) == asked + 1, "one question for all pairs, and none for what is known"


@pytest.mark.parametrize("name", VENUES)
async def test_each_venue_by_rest_for_one_pair_of_many(stack: AsyncExitStack, name: str) -> None:
    """FEED-021, FEED-024: a single quiet pair."""
    server, session = await loaded(stack, name)
    pair = list(server.prices)[1]
    quotes = await session.poll([pair])
    assert [quote.pair for quote in quotes] == [pair]
    assert Decimal(quotes[0].last) == Decimal(server.prices[pair].last)


@pytest.mark.parametrize("name", VENUES)
async def test_each_venue_by_websocket(stack: AsyncExitStack, name: str) -> None:
    """FEED-022, FEED-023: first prices, changed prices; nothing twice."""
    server, session = await loaded(stack, name)
    asked = len(server.asked)
    assert said(await heard(session, server, len(server.prices))) == expected(server)
    assert session.news(list(server.prices)) == []
    pair = next(iter(server.prices))
    server.prices[pair] = Said("64000.25", "64000.2", "64000.3")
    watching = [asyncio.create_task(session.watch(channel)) for channel in session.channels(list(server.prices))]
    await asyncio.sleep(0)
    await server.push(pair)
    await asyncio.wait(watching, timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
    assert said(session.news(list(server.prices))) == {
        pair: (Decimal("64000.25"), Decimal("64000.2"), Decimal("64000.3"))
    }
    for watch in watching:
        watch.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    assert server.accepted == 1
    assert len(server.asked) - asked <= 1, "KuCoin asks where its socket is; nobody asks for prices"


@pytest.mark.parametrize("name", ["coinbase", "cryptocom", "binance", "kucoin", "gate", "okx", "bitget"])
async def test_digits_are_the_venue_s_own(stack: AsyncExitStack, name: str) -> None:
    """FEED-017: more of them than a float keeps, at the venues that write prices as text."""
    server, session = await loaded(stack, name)
    pair = next(iter(server.prices))
    server.prices[pair] = Said("1234567.12345678901", "1234567.12345678902", "1234567.12345678903")
    polled = {quote.pair: quote for quote in await session.poll(list(server.prices))}
    assert polled[pair].last == "1234567.12345678901"
    streamed = {quote.pair: quote for quote in await heard(session, server, len(server.prices))}
    assert streamed[pair][1:4] == server.prices[pair]


@pytest.mark.parametrize("name", VENUES)
async def test_when_a_streamed_price_was_said(stack: AsyncExitStack, name: str) -> None:
    """FEED-018: by those venues that say so; at the others it is when it came."""
    server, session = await loaded(stack, name)
    server.late_ms = 60_000
    quotes = await heard(session, server, len(server.prices))
    if name in {"kraken", "bitfinex", "kucoin", "gate"}:
        assert {quote.stamp_ms for quote in quotes} == {0}
    else:
        assert all(59_000 < wall_clock() - quote.stamp_ms < 70_000 for quote in quotes)


@pytest.mark.parametrize("name", VENUES)
async def test_a_message_that_cannot_be_read_ends_the_stream(stack: AsyncExitStack, name: str) -> None:
    """FEED-025: ccxt alone would hear nothing more, and not say so."""
    server, session = await loaded(stack, name)
    await heard(session, server, len(server.prices))
    watching = [asyncio.create_task(session.watch(channel)) for channel in session.channels(list(server.prices))]
    await asyncio.sleep(0)
    garbage = '{"a": [1, 2'
    await (server.say(garbage) if name != "htx" else server.sockets[0].send_bytes(b"\x1f\x8b not gzip"))
    done, _ = await asyncio.wait(watching, timeout=DEADLINE_S)
    assert len(done) == len(watching)
    for watch in done:
        assert watch.cancelled() or isinstance(watch.exception(), VenueFault)


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("how", ["hang_up", "cut"])
async def test_a_connection_that_ends_is_noticed(stack: AsyncExitStack, name: str, how: str) -> None:
    """FEED-025."""
    server, session = await loaded(stack, name)
    await heard(session, server, len(server.prices))
    watching = [asyncio.create_task(session.watch(channel)) for channel in session.channels(list(server.prices))]
    await asyncio.sleep(0)
    await (server.hang_up() if how == "hang_up" else server.cut())
    done, _ = await asyncio.wait(watching, timeout=DEADLINE_S)
    assert len(done) == len(watching)


@pytest.mark.parametrize("name", VENUES)
async def test_a_venue_that_asks_to_be_left_alone(stack: AsyncExitStack, name: str) -> None:
    """FEED-026."""
    server, session = await loaded(stack, name)
    server.rest_status, server.rest_headers = 429, {"Retry-After": "17"}
    server.rest_body = "Too many requests"
    with pytest.raises(VenueFault) as fault:
        await session.poll(list(server.prices))
    assert fault.value.retry_ms == 17_000


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize(
    "status, body",
    [(500, "oops"), (200, "<html>maintenance</html>"), (200, '{"a": [1'), (200, ""), (200, "[]"), (200, "{}"), (200, "null"),
     (200, '{"code": 50011, "error": ["EGeneral:Internal error"], "status": "error", "label": "SERVER_ERROR", "msg": "x"}')],
)  # fmt: skip
async def test_an_answer_that_is_none(stack: AsyncExitStack, name: str, status: int, body: str) -> None:
    """FEED-018, FEED-025: a fault or no prices; never another exception, never a made-up price."""
    server, session = await loaded(stack, name)
    server.rest_status, server.rest_body = status, body
    outcome: object
    try:
        outcome = await session.poll(list(server.prices))
    except VenueFault as fault:
        outcome = str(fault)
    assert outcome == [] or (isinstance(outcome, str) and 0 < len(outcome) <= 200 and "\n" not in outcome)


@pytest.mark.parametrize("name", ["kraken", "okx"])
async def test_a_slow_answer_is_not_waited_for(stack: AsyncExitStack, name: str) -> None:
    """FEED-027."""
    server, loading = await loaded(stack, name)
    markets = await loading.load(list(server.prices))
    session = opened(server, markets, timeout_ms=200)
    stack.push_async_callback(session.close)
    server.rest_delay_s = 5.0
    began = time.monotonic()
    with pytest.raises(VenueFault, match="RequestTimeout"):
        await session.poll(list(server.prices))
    assert time.monotonic() - began < 4


async def test_a_refused_socket_is_a_fault(stack: AsyncExitStack) -> None:
    """FEED-025."""
    server, session = await loaded(stack, "kraken")
    server.is_streaming = False
    with pytest.raises(VenueFault, match="503"):
        async with asyncio.timeout(DEADLINE_S):
            await session.watch(session.channels(list(server.prices))[0])


async def test_a_venue_that_is_not_there_is_a_fault() -> None:
    """FEED-025."""
    session = Session(Venue("okx", 9, (), "http://127.0.0.1:9", "ws://127.0.0.1:9"), timeout_ms=1_000)
    try:
        with pytest.raises(VenueFault, match="ExchangeNotAvailable"):
            await session.load(["BTC/USDT"])
    finally:
        await session.close()


def test_bitfinex_streams_no_more_than_it_allows() -> None:
    """FEED-024: the rest is polled."""
    pairs = [f"A{number}/USD" for number in range(40)]
    session = Session(Venue("bitfinex", 4, ()), timeout_ms=1_000)
    assert session.channels(pairs) == [(pair,) for pair in pairs[:25]]
    assert Session(Venue("kraken", 3, ()), timeout_ms=1_000).channels(pairs) == [tuple(pairs)]


def test_only_public_prices_are_asked_for() -> None:
    """FEED-023: every address is the test's when it is replaced, and none is when it is not."""
    for name in VENUES:
        moved = Session(Venue(name, 1, (), "http://127.0.0.1:1", "ws://127.0.0.1:2"), timeout_ms=1_000)
        addresses = [*leaves(moved._exchange.urls["api"])]
        assert addresses
        assert {address.partition("://")[2].split("/")[0] for address in addresses} <= {"127.0.0.1:1", "127.0.0.1:2"}
        own = Session(Venue(name, 1, ()), timeout_ms=1_000)
        assert own._exchange.urls["api"] == getattr(ccxt.pro, name)().urls["api"]
    assert set(PROFILES) == set(VENUES)


def leaves(tree: object) -> list[str]:
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    return [tree] if isinstance(tree, str) else []


@pytest.mark.parametrize(
    "error, line",
    [
        (ValueError("a\nb\tc"), "ValueError: a b c"),
        (ValueError("wss://x.y/z?token=abc&connectId=1 refused"), "ValueError: wss://x.y/z refused"),
        (ValueError("http://me:pa55@proxy:8080/ failed"), "ValueError: http://proxy:8080/ failed"),
        (ValueError("\x1b[31mred\x00"), "ValueError: [31mred"),
        (KeyError(), "KeyError:"),
    ],
)
def test_an_error_is_a_line_without_secrets(error: Exception, line: str) -> None:
    """FEED-031."""
    assert describe(error) == line
    assert len(describe(ValueError("x" * 10_000))) == 200


def test_an_error_tells_its_cause() -> None:
    """FEED-029."""
    error = ValueError("okx GET https://x.y/z?k=1")
    error.__cause__ = OSError("no such host")
    assert describe(error) == "ValueError: okx GET https://x.y/z (OSError: no such host)"
