"""The exchange on real venues' prices, with the venues on loopback: from a venue's words to an index, and to an operator's eyes."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.program import Program, evermark, made_data_dir
from tests.support.venue_server import VenueServer, venue_server
from tests.support.venue_shapes import Said
from tests.waiting import until_async

DEADLINE_S = 90.0
QUOTES = {"kraken": '["USD"]', "coinbase": '["USD"]', "cryptocom": '["USD"]', "okx": '["USDT"]'}
IDS = {"kraken": 3, "coinbase": 2, "cryptocom": 10, "okx": 9}


@pytest.fixture
async def venues() -> AsyncIterator[dict[str, VenueServer]]:
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(venue_server(name)) for name in QUOTES}


def table_of(venues: dict[str, VenueServer], folder: Path) -> Path:
    rows = [
        f'{name} = {{ id = {IDS[name]}, quotes = {QUOTES[name]}, rest = "{venue.rest}", ws = "{venue.ws}" }}'
        for name, venue in venues.items()
    ]
    path = folder / "sources.toml"
    path.write_text("\n".join(["[venues]", *rows, ""]), "utf-8")
    return path


async def said(data_dir: Path, *arguments: str) -> str:
    return await asyncio.to_thread(evermark, data_dir, *arguments)


async def shows(data_dir: Path, pattern: str, *arguments: str) -> None:
    """Wait until a command prints something."""

    async def is_shown() -> bool:
        return re.search(pattern, await said(data_dir, *arguments)) is not None

    await until_async(is_shown, within_s=DEADLINE_S)


def observers(program: Program) -> list[int]:
    """The processes that the exchange started to watch venues."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("utf-8").rpartition(")")[2].split()
            command = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == program.process.pid and b"app.feeds.observer" in command and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


async def gone(pids: list[int]) -> None:
    async def is_gone() -> bool:
        return not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids)

    await until_async(is_gone, within_s=DEADLINE_S)


async def test_venues_prices_become_indices(venues: dict[str, VenueServer], tmp_path: Path) -> None:
    """FEED-012, FEED-023, FEED-029, FEED-032: and the exchange's end is the observer's, by a signal or by a kill."""
    table = table_of(venues, tmp_path)
    with made_data_dir() as data_dir:
        program = Program(data_dir, EVERMARK_FEED="live", EVERMARK_FEED_SOURCES=str(table))
        try:
            await asyncio.to_thread(program.wait_until_open)
            for name, number in IDS.items():
                await shows(data_dir, rf"{number} {name}\s+streaming", "status")
            # 65,000.15 three times, and 65,010.15 USDT at 0.9998: what is nearest the middle is the same price.
            await shows(data_dir, r"USD_BTC_PERP\s+TRADING\s+65000\.15", "markets", "list")
            for venue in venues.values():
                venue.prices = {pair: Said("65100", "65099", "65101") if "BTC" in pair else price
                                for pair, price in venue.prices.items()}  # fmt: skip
                await venue.push()
            await shows(data_dir, r"USD_BTC_PERP\s+TRADING\s+65100", "markets", "list")
            assert "price source kraken was" in program.log
            watching = observers(program)
            assert len(watching) == 1
            assert await asyncio.to_thread(program.stop) == 0
            await gone(watching)
        finally:
            await asyncio.to_thread(program.stop, signal.SIGKILL)


async def test_a_kill_leaves_no_observer(venues: dict[str, VenueServer], tmp_path: Path) -> None:
    """FEED-032."""
    table = table_of(venues, tmp_path)
    with made_data_dir() as data_dir:
        program = Program(data_dir, EVERMARK_FEED="live", EVERMARK_FEED_SOURCES=str(table))
        try:
            await asyncio.to_thread(program.wait_until_open)
            watching = observers(program)
            assert len(watching) == 1
        finally:
            await asyncio.to_thread(program.stop, signal.SIGKILL)
        await gone(watching)


def test_a_table_that_cannot_be_meant_starts_nothing(tmp_path: Path) -> None:
    """FEED-013."""
    table = tmp_path / "sources.toml"
    table.write_text('[venues]\nmtgox = { id = 1, quotes = ["USD"] }\n', "utf-8")
    with made_data_dir() as data_dir:
        said = evermark(data_dir, "run", code=3, EVERMARK_FEED="live", EVERMARK_FEED_SOURCES=str(table))
    assert "table of price sources: mtgox: the venues are binance" in said
