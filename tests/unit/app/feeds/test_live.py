"""The observer as a process of its own: what the exchange gets of it, and what becomes of it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from app.feeds.health import DOWN, POLLING, STREAMING
from app.feeds.live import INHERITED, SILENCE_S, LiveFeed
from app.feeds.observer import Orders, Report
from app.feeds.reporter import Pace
from app.feeds.sources import VENUES, Venue, load_sources
from app.listings import load
from exchange.commands import UpdateIndexPrice
from tests.support.venue_server import VenueServer, venue_server
from tests.support.venue_shapes import Said
from tests.waiting import until

ROOT = Path(__file__).parents[4]
INDICES = load().indices
IDS = {terms.symbol: terms.index_id for terms in INDICES}
FAST = Pace(quiet_ms=500, poll_ms=100, backoff_ms=50, backoff_max_ms=500)
STARTING_S = 60.0  # a process that imports ccxt, on a machine that does other things


@dataclass
class Market:
    """Venues on loopback and a feed that watches them."""

    servers: dict[str, VenueServer]
    venues: list[Venue]
    feed: LiveFeed
    newest: dict[tuple[int, int], UpdateIndexPrice]

    def take(self) -> dict[tuple[int, int], UpdateIndexPrice]:
        for command in self.feed.take(0):
            self.newest[command.index_id, command.source_id] = command
        return self.newest

    def states(self) -> dict[str, str]:
        return {row.venue: row.state for row in self.feed.health()}


async def opened(stack: AsyncExitStack, *names: str, silence_s: float = SILENCE_S) -> Market:
    """Start venues, and a feed that watches them as the checked-in table says."""
    servers = {name: await stack.enter_async_context(venue_server(name)) for name in names}
    venues = [
        msgspec.structs.replace(venue, rest=servers[venue.name].rest, ws=servers[venue.name].ws)
        for venue in load_sources(INDICES)
        if venue.name in servers
    ]
    feed = LiveFeed(venues, 1, pace=FAST, silence_s=silence_s)
    stack.push_async_callback(feed.stop)
    await feed.start()
    return Market(servers, venues, feed, {})


def processes_of(feed: LiveFeed) -> int:
    assert feed._process is not None
    return feed._process.pid


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_ten_venues_make_the_indices(stack: AsyncExitStack, caplog: pytest.LogCaptureFixture) -> None:
    """FEED-012, FEED-017, FEED-019, FEED-022, FEED-030: each gives BTC_USD and BTC_USDT or what it has of them, at their scale."""
    caplog.set_level("INFO", "app.feeds")
    market = await opened(stack, *VENUES)
    await until(lambda: set(market.states().values()) == {STREAMING}, within_s=STARTING_S)
    await until(lambda: len(market.take()) == 30)  # 10 of BTC_USD and of LINK_USD, 6 of BTC_USDT, 4 of USDT_USD
    dollars = {source_id: market.newest[IDS["BTC_USD"], source_id].price for source_id in range(1, 11)}
    straight, converted = 6_500_015, 6_499_715  # 65,010.15 USDT at 0.9998 is 64,997.14797
    assert dollars == {at: straight if at in {2, 3, 4, 10} else converted for at in range(1, 11)}
    assert {at for index, at in market.newest if index == IDS["BTC_USDT"]} == {1, 5, 6, 7, 8, 9}
    assert {at for index, at in market.newest if index == IDS["USDT_USD"]} == {2, 3, 4, 10}
    assert market.newest[IDS["USDT_USD"], 3].price == 9_998
    assert market.newest[IDS["LINK_USD"], 3].price == 112_345
    told = [record.message for record in caplog.records if "does not trade" not in record.message]
    assert sum("is streaming" in line for line in told) == 10
    for server in market.servers.values():
        server.prices = {pair: Said("64000", "63999", "64001") if "BTC" in pair else said
                         for pair, said in server.prices.items()}  # fmt: skip
        await server.push()
    await until(lambda: all(market.take()[IDS["BTC_USD"], at].price == (6_400_000 if at in {2, 3, 4, 10} else 6_398_720)
                            for at in range(1, 11)))  # fmt: skip


async def test_an_observer_that_dies_is_replaced(stack: AsyncExitStack, caplog: pytest.LogCaptureFixture) -> None:
    """FEED-030, FEED-032."""
    market = await opened(stack, "kraken")
    await until(lambda: market.states() == {"kraken": STREAMING}, within_s=STARTING_S)
    pid = processes_of(market.feed)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: market.states() == {"kraken": DOWN})
    market.newest.clear()
    await until(lambda: market.states() == {"kraken": STREAMING}, within_s=STARTING_S)
    assert processes_of(market.feed) != pid
    await until(lambda: len(market.take()) == 3)
    assert any("the price observer ended (exit code -9)" in record.message for record in caplog.records)


async def test_an_observer_that_hangs_is_replaced(stack: AsyncExitStack, caplog: pytest.LogCaptureFixture) -> None:
    """FEED-035: else its sources would be called good for ever, and give nothing."""
    market = await opened(stack, "kraken", silence_s=2)
    await until(lambda: market.states() == {"kraken": STREAMING}, within_s=STARTING_S)
    pid = processes_of(market.feed)
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: market.states() == {"kraken": DOWN}, within_s=STARTING_S)
    await until(lambda: market.states() == {"kraken": STREAMING}, within_s=STARTING_S)
    assert not is_alive(pid)
    assert processes_of(market.feed) != pid
    assert any("the price observer ended (silent for 2 s)" in record.message for record in caplog.records)


async def test_a_stop_ends_it(stack: AsyncExitStack) -> None:
    """FEED-032: also while it starts, and twice."""
    market = await opened(stack, "okx")
    market.servers["okx"].is_streaming = False
    await until(lambda: market.states() == {"okx": POLLING}, within_s=STARTING_S)
    pid = processes_of(market.feed)
    began = time.monotonic()
    await market.feed.stop()
    assert not is_alive(pid)
    assert time.monotonic() - began < 10
    await market.feed.stop()
    again = LiveFeed(market.venues, 1)
    await again.start()
    await until(lambda: again._process is not None)
    await again.stop()
    assert not is_alive(processes_of(again))
    assert again.take(0) == []


def test_it_ends_with_its_input() -> None:
    """FEED-032: an exchange that is killed leaves none behind."""
    observer = subprocess.Popen(
        [sys.executable, "-m", "app.feeds.observer"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert observer.stdin is not None and observer.stdout is not None
    observer.stdin.write(msgspec.json.encode(Orders((), 1)) + b"\n")
    observer.stdin.flush()
    assert msgspec.json.decode(observer.stdout.readline(), type=Report) == Report([], [])
    observer.stdin.close()
    assert observer.wait(30) == 0
    observer.stdout.close()


def test_it_ends_when_nobody_listens() -> None:
    """FEED-032."""
    observer = subprocess.Popen(
        [sys.executable, "-m", "app.feeds.observer"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert observer.stdin is not None and observer.stdout is not None and observer.stderr is not None
    observer.stdin.write(msgspec.json.encode(Orders((), 1)) + b"\n")
    observer.stdin.flush()
    observer.stdout.close()
    assert observer.wait(30) == 1
    assert observer.stderr.read() == b""
    observer.stdin.close()
    observer.stderr.close()


def test_it_gets_no_secrets() -> None:
    """FEED-032: the names that it may see, all of them."""
    assert not [name for name in INHERITED if "EVERMARK" in name or "DATABASE" in name or "KEY" in name]


def test_the_exchange_does_not_pay_for_ccxt() -> None:
    """FEED-032: nothing that the exchange imports brings it in, the live feed included."""
    program = "import sys, app.serve, app.feeds.live; sys.exit('ccxt' in sys.modules or 'aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
