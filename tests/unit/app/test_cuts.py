"""Every connection to the database cut in the middle of any message, again and again."""

import asyncio
import random
from dataclasses import replace

import pytest

from app.db.connect import connect
from app.faults import JournalUnavailable
from app.journal import EMPTY, read
from app.recovery import verify
from app.settings import Settings
from app.store import Store, open_store, rebuild
from engine.order import Side
from exchange.audit import audit
from exchange.commands import PlaceOrder
from tests.proxy import Proxy
from tests.small import FakeClock, opening, order
from tests.waiting import until

WORKERS = 6
TABLES = ("orders", "trades", "fills", "ledger_entries", "candles", "projector")


class Traders:
    """Place orders that meet each other, and remember what was said of each."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.acknowledged: set[str] = set()
        self.unknown: set[str] = set()
        self.is_open = True
        self._store = store
        self._clock = clock

    async def trade(self, worker: int) -> None:
        """Go on until the market closes."""
        number = 0
        while self.is_open:
            name = f"{worker}-{number}"
            number += 1
            self._clock.now_ms += 37
            side = Side.BUY if (worker + number) % 2 else Side.SELL
            try:
                await self._store.sequencer.submit(order(1 + worker % 3, side, 1 + number % 5, name=name))
                self.acknowledged.add(name)
            except JournalUnavailable as fault:
                if fault.is_unknown:
                    self.unknown.add(name)
                await until(lambda: self._store.sequencer.is_ready, within_s=30)


async def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything that was projected."""
    connection = await connect(url)
    found = {table: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table}")] for table in TABLES}
    await connection.close()
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


async def run_cuts(settings: Settings, database: str, cuts: int) -> None:
    dice = random.Random(cuts)
    clock = FakeClock()
    async with Proxy(database) as proxy:
        cut_off = replace(settings, database_url=proxy.url, journal_timeout_ms=5_000, snapshot_every=200)
        async with open_store(cut_off, clock=clock) as store:
            for command in opening():
                await store.sequencer.submit(command)
            traders = Traders(store, clock)
            working = [asyncio.create_task(traders.trade(worker)) for worker in range(WORKERS)]
            for _ in range(cuts):
                before = len(traders.acknowledged)
                proxy.bytes_left = dice.randint(1, 20_000)
                await until(lambda: proxy.bytes_left is None, within_s=30)
                await until(lambda before=before: len(traders.acknowledged) > before + 5, within_s=30)  # type: ignore[misc]
            traders.is_open = False
            await asyncio.gather(*working)
            assert audit(store.exchange) == []
    connection = await connect(database)
    names = [
        command.client_order_id
        async for batch in read(connection, EMPTY)
        for command in batch.commands
        if isinstance(command, PlaceOrder)
    ]
    assert len(names) == len(set(names))
    assert traders.acknowledged <= set(names) <= traders.acknowledged | traders.unknown
    assert traders.unknown
    assert (await verify(connection)).problems == []
    await connection.close()
    incremental = await contents(database)
    assert len(incremental["trades"]) > cuts
    await rebuild(settings)
    assert await contents(database) == incremental


@pytest.mark.spec("JRN-010")
@pytest.mark.spec("PROJ-001")
async def test_cut_anywhere(settings: Settings, database: str) -> None:
    await run_cuts(settings, database, 15)


@pytest.mark.slow
@pytest.mark.spec("JRN-010")
@pytest.mark.spec("PROJ-001")
async def test_cut_anywhere_many_times(settings: Settings, database: str) -> None:
    await run_cuts(settings, database, 300)
