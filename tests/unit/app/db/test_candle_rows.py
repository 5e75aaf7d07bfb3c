"""Candles in the database: beside the naive twin over everything that happened, across starts, losses and rebuilds."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from random import Random

import pytest
from alembic import command
from sqlalchemy import Connection as SyncConnection

from app.candles import DAY_MS, HOUR_MS, INTERVALS, MINUTE_MS, SLOT_MS, SLOTS_KEPT_MS, filled, open_of
from app.db.connect import Connection, connect, engine_for
from app.db.migrate import config_for, migrate
from app.db.rows import Basis, Candle
from app.settings import Settings
from app.statistics import Statistics
from app.store import Store, open_store, rebuild
from engine.order import Side
from exchange.commands import Command, PlaceOrder, Tick, UpdateIndexPrice
from exchange.events import Event, IndexPriceChanged, MarkPriceChanged, Traded
from tests.property import naive_candles as naive
from tests.property.naive_candles import Price
from tests.simulation.life import Life, read_journal
from tests.small import NOW_MS, PERP, PRICE, SPOT, FakeClock, opening, stream

SERIES = ((Basis.LAST, PERP), (Basis.LAST, SPOT), (Basis.MARK, PERP), (Basis.INDEX, 1))
START_MS = NOW_MS - NOW_MS % DAY_MS + 2 * DAY_MS - 90 * MINUTE_MS
"""An hour and a half before a day ends."""
Prices = dict[tuple[Basis, int], list[Price]]


@pytest.fixture
async def admin(database: str) -> AsyncIterator[Connection]:
    connection = await connect(database)
    yield connection
    await connection.close()


class Recorder:
    """Everything that moved a price, as a listener hears it."""

    def __init__(self) -> None:
        self.prices: Prices = {series: [] for series in SERIES}
        self.seq = 0

    def tell(self, seq: int, time_ms: int, _command: Command, events: list[Event]) -> None:
        if seq <= self.seq:
            return
        self.seq = seq
        for event in events:
            if isinstance(event, Traded):
                self.prices[Basis.LAST, event.market_id].append(Price(time_ms, event.price, event.qty))
            elif isinstance(event, MarkPriceChanged):
                self.prices[Basis.MARK, event.market_id].append(Price(time_ms, event.price, 0))
            elif isinstance(event, IndexPriceChanged):
                self.prices[Basis.INDEX, event.index_id].append(Price(time_ms, event.price, 0))


async def live(store: Store, clock: FakeClock, dice: Random, commands: list[Command], steps: tuple[int, ...]) -> None:
    """Commands in small groups, each after a price at its time: a market without one takes no orders."""
    for start in range(0, len(commands), 8):
        clock.now_ms += dice.choice(steps)
        moved = PRICE + 50 * dice.randint(-30, 30)
        group = [UpdateIndexPrice(1, 1, moved, clock.now_ms), Tick(), *commands[start : start + 8]]
        await asyncio.gather(*[store.sequencer.submit(one) for one in group])


async def charts(store: Store) -> dict[tuple[Basis, int, int], list[Candle]]:
    """Every candle of every series and interval, as a reader gets them."""
    queries = store.queries
    now_ms = queries.statistics.time_ms
    found = {}
    for basis, subject_id in SERIES:
        for interval_ms in INTERVALS.values():
            first_ms = open_of(START_MS, interval_ms)
            if interval_ms == SLOT_MS:
                first_ms = max(first_ms, open_of(now_ms, MINUTE_MS) - SLOTS_KEPT_MS)
            times = range(first_ms, now_ms + 1, interval_ms)
            bounds = {"start_ms": times[0], "end_ms": times[-1]}
            rows = await queries.candles(subject_id, basis=basis, interval_ms=interval_ms, **bounds)
            before = await queries.candle_before(subject_id, basis, times[0])
            found[basis, subject_id, interval_ms] = filled(rows, before, interval_ms=interval_ms, times=times)
    return found


def expected(prices: Prices, now_ms: int) -> dict[tuple[Basis, int, int], list[Candle]]:
    """The same by the twin."""
    found = {}
    for basis, subject_id in SERIES:
        for interval_ms in INTERVALS.values():
            first_ms = open_of(START_MS, interval_ms)
            if interval_ms == SLOT_MS:
                first_ms = max(first_ms, open_of(now_ms, MINUTE_MS) - SLOTS_KEPT_MS)
            rows = naive.candles(prices[basis, subject_id], interval_ms, first_ms, now_ms)
            for row in rows:
                row.basis, row.subject_id = basis.value, subject_id
            found[basis, subject_id, interval_ms] = rows
    return found


def readings(statistics: Statistics) -> list[object]:
    """Everything that statistics say."""
    found: list[object] = [statistics.time_ms, statistics.due_ms, dict(sorted(statistics.funding_rates.items()))]
    for basis, subject_id in SERIES:
        found.append(statistics.day(basis, subject_id))
        found.append(statistics.volatility(basis, subject_id))
        found += [statistics.running(basis, subject_id, step) for step in INTERVALS.values() if step <= HOUR_MS]
        found += [statistics.tail(basis, subject_id, step) for step in (SLOT_MS, MINUTE_MS, HOUR_MS)]
        if basis is Basis.LAST:
            found.append(statistics.last_trade(subject_id))
    return found


async def rows_of(admin: Connection) -> list[tuple[object, ...]]:
    query = "SELECT * FROM candles ORDER BY basis, subject_id, interval_ms, open_ms"
    return [tuple(row) for row in await admin.fetch(query)]


STEPS = (900, 900, 20_000, 61_000, 240_000, 70 * MINUTE_MS)


@pytest.mark.spec("CHART-001", "CHART-002", "CHART-003", "CHART-005", "CHART-006", "CHART-008")
async def test_charts_across_starts_and_rebuilds(settings: Settings, admin: Connection) -> None:
    """Half in memory, all written, after a start, after a loss without a word, after a rebuild: always the twin's."""
    clock, dice, recorder = FakeClock(START_MS), Random(3), Recorder()
    commands = [*stream(21, 1_200)]
    waits = replace(settings, projector_interval_ms=600_000)
    async with open_store(waits, clock=clock) as store:
        store.listeners.add(recorder.tell)
        for one in opening(clock()):
            await store.sequencer.submit(one)
        await live(store, clock, dice, commands[:300], STEPS)
        await store.projector.settle()
        await live(store, clock, dice, commands[300:500], STEPS)
        assert store.projector.seq < store.sequencer.seq
        mixed = await charts(store)
        assert mixed == expected(recorder.prices, clock())
        await store.projector.settle()
        assert await charts(store) == mixed
        said = readings(store.queries.statistics)
    async with open_store(waits, clock=clock) as store:
        assert readings(store.queries.statistics) == said
        assert await charts(store) == mixed
        store.listeners.add(recorder.tell)
        await live(store, clock, dice, commands[500:800], STEPS)
        assert store.projector.seq < store.sequencer.seq
        said, lost = readings(store.queries.statistics), await charts(store)
        store.projector.failure = RuntimeError("killed")
    async with open_store(settings, clock=clock) as store:
        assert readings(store.queries.statistics) == said
        assert await charts(store) == lost == expected(recorder.prices, clock())
        store.listeners.add(recorder.tell)
        await live(store, clock, dice, commands[800:], STEPS)
        said, last = readings(store.queries.statistics), await charts(store)
    assert last == expected(recorder.prices, clock())
    assert min(len(rows) for rows in recorder.prices.values()) > 40
    written = await rows_of(admin)
    assert {row[2] for row in written} == {SLOT_MS, MINUTE_MS, HOUR_MS}
    await rebuild(settings)
    assert await rows_of(admin) == written
    async with open_store(settings, clock=clock) as store:
        assert readings(store.queries.statistics) == said
        assert await charts(store) == last


@pytest.mark.spec("CHART-006", "CHART-007", "CHART-008")
async def test_slots_go_after_two_days_and_quiet_prices_stay(settings: Settings, admin: Connection) -> None:
    """Long quiet: days of nothing, prices that nobody moved for longer than what is kept."""
    clock, dice, recorder = FakeClock(START_MS), Random(5), Recorder()
    commands = [*stream(22, 500)]
    async with open_store(settings, clock=clock) as store:
        store.listeners.add(recorder.tell)
        for one in opening(clock()):
            await store.sequencer.submit(one)
        await live(store, clock, dice, commands[:200], (900, 61_000))
        # Late in the minute two days after the last price: its slots stay.
        end_ms = open_of(recorder.prices[Basis.INDEX, 1][-1].time_ms, MINUTE_MS) + SLOTS_KEPT_MS + 59_000
        for now_ms in (end_ms - DAY_MS, end_ms, end_ms + 3_000, end_ms + 15 * DAY_MS, end_ms + 15 * DAY_MS + 20_000):
            clock.now_ms = now_ms
            await store.sequencer.submit(Tick())
            await store.projector.settle()
            horizon_ms = open_of(clock(), MINUTE_MS) - SLOTS_KEPT_MS
            assert await admin.fetchval("SELECT count(*) FROM candles WHERE interval_ms = 15000") == sum(
                len({open_of(price.time_ms, SLOT_MS) for price in prices if price.time_ms >= horizon_ms})
                for prices in recorder.prices.values()
            )
        assert await charts(store) == expected(recorder.prices, clock())
        said = readings(store.queries.statistics)
        last = recorder.prices[Basis.LAST, PERP][-1]
        day = store.queries.statistics.day(Basis.LAST, PERP)
        assert day == (last.price, last.price, last.price, last.price, 0, 0, 0)
    async with open_store(settings, clock=clock) as store:
        assert readings(store.queries.statistics) == said
        store.listeners.add(recorder.tell)
        await live(store, clock, dice, commands[200:], (900, 20_000, 61_000, 7 * HOUR_MS))
        assert await charts(store) == expected(recorder.prices, clock())
        for (basis, subject_id), prices in recorder.prices.items():
            if basis is not Basis.INDEX:
                day = store.queries.statistics.day(basis, subject_id)
                assert day is not None
                assert tuple(day) == naive.day(prices, clock())
            if basis is not Basis.MARK:
                value = store.queries.statistics.volatility(basis, subject_id)
                assert value == pytest.approx(naive.volatility(prices, clock()))
        said = readings(store.queries.statistics)
    written = await rows_of(admin)
    await rebuild(settings)
    assert await rows_of(admin) == written
    async with open_store(settings, clock=clock) as store:
        assert readings(store.queries.statistics) == said


@pytest.mark.spec("CHART-005")
async def test_the_running_candle_is_seen_at_once(settings: Settings) -> None:
    clock = FakeClock(START_MS)
    async with open_store(settings, clock=clock) as store:
        for one in opening(clock()):
            await store.sequencer.submit(one)
        assert await store.queries.candles(PERP) == []
        assert await store.queries.candle_before(PERP, Basis.LAST, START_MS + DAY_MS) is None
        assert store.queries.statistics.running(Basis.LAST, PERP, MINUTE_MS) is None
        assert store.queries.statistics.last_trade(PERP) is None
        assert store.queries.statistics.day(Basis.LAST, PERP) is None
        for side, account_id in ((Side.BUY, 1), (Side.SELL, 2)):
            await store.sequencer.submit(PlaceOrder(account_id, PERP, side, 4, PRICE))
        for interval_ms in INTERVALS.values():
            (candle,) = await store.queries.candles(PERP, interval_ms=interval_ms)
            assert (candle.open_ms, candle.close, candle.volume) == (open_of(START_MS, interval_ms), PRICE, 4)


def to_revision(revision: str, is_down: bool) -> Callable[[SyncConnection], None]:
    def move(connection: SyncConnection) -> None:
        (command.downgrade if is_down else command.upgrade)(config_for(connection), revision)

    return move


@pytest.mark.spec("CHART-012")
async def test_a_database_of_before_keeps_its_candles(settings: Settings, admin: Connection, database: str) -> None:
    """Down to the minutes alone, the running one among them, and up again: longer candles are what they were."""
    clock, dice, recorder = FakeClock(START_MS), Random(7), Recorder()
    async with open_store(settings, clock=clock) as store:
        store.listeners.add(recorder.tell)
        for one in opening(clock()):
            await store.sequencer.submit(one)
        await live(store, clock, dice, [*stream(23, 400)], STEPS)
        clock.now_ms = open_of(clock(), MINUTE_MS) + MINUTE_MS
        for after_ms in (1_000, 30_000):  # the running minute has slots
            clock.now_ms += after_ms
            await live(store, clock, dice, [*stream(after_ms, 24)], (1_000,))
        before = await charts(store)
        said = readings(store.queries.statistics)
    engine = engine_for(database)
    async with engine.begin() as connection:
        await connection.run_sync(to_revision("0004", is_down=True))
    minutes = "SELECT count(*) FROM candles WHERE interval_ms <> 60000"
    assert await admin.fetchval(minutes) == 0
    running_ms = open_of(clock(), MINUTE_MS)
    assert await admin.fetchval("SELECT count(*) FROM candles WHERE open_ms = $1", running_ms) > 1
    await engine.dispose()
    await migrate(database)
    async with open_store(settings, clock=clock) as store:
        after = await charts(store)
        for key in before:
            if key[2] >= MINUTE_MS:
                assert after[key] == before[key], key
        kept = readings(store.queries.statistics)
        assert [one for one in kept if not isinstance(one, list | Candle)] == [
            one for one in said if not isinstance(one, list | Candle)
        ]
        store.listeners.add(recorder.tell)
        await live(store, clock, dice, [*stream(24, 80)], STEPS)
        after, twin = await charts(store), expected(recorder.prices, clock())
        for key in twin:
            if key[2] >= MINUTE_MS:
                assert after[key] == twin[key], key


@pytest.mark.spec("CHART-008")
async def test_the_last_funding_rates_come_back(settings: Settings) -> None:
    journal = io.BytesIO()
    Life(1, 6_000, journal).run()
    journal.seek(0)
    clock = FakeClock(0)
    async with open_store(settings, clock=clock) as store:
        for clock.now_ms, group in groupby(read_journal(journal), key=itemgetter(0)):
            await asyncio.gather(*[store.sequencer.submit(one) for _, one in group])
        rates = dict(store.queries.statistics.funding_rates)
        hours = {market_id: await store.queries.funding(market_id, limit=1) for market_id in rates}
        assert rates == {market_id: rows[0].rate_e12 for market_id, rows in hours.items()}
        assert any(rates.values())
    async with open_store(settings, clock=clock) as store:
        assert store.queries.statistics.funding_rates == rates
