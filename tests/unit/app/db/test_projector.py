import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest

from app.candles import DAY_MS, INTERVALS, MINUTE_MS
from app.db.connect import Connection, connect
from app.db.projector import Projector
from app.db.rows import Basis
from app.db.tables import PROJECTIONS
from app.faults import DatabaseUnusable, ProjectionConflict
from app.journal import EMPTY, read
from app.settings import Settings
from app.store import Store, open_store, rebuild
from engine.order import OrderStatus, Side
from exchange import views
from exchange.commands import CancelOrder, Command, Deposit, PlaceOrder, Tick, UpdateIndexPrice
from exchange.events import Cause, Event, OrderAccepted, OrderAmended
from exchange.exchange import Exchange
from tests.proxy import Proxy
from tests.small import BTC, NOW_MS, OPENED_SEQ, PERP, PRICE, SPOT, USD, FakeClock, opening, order, stream
from tests.waiting import until, until_async

TABLES = {
    "orders": "order_id",
    "trades": "seq, index",
    "fills": "seq, index, is_maker",
    "ledger_entries": "seq, index",
    "candles": "basis, subject_id, interval_ms, open_ms",
    "projector": "name",
}


@pytest.fixture
async def admin(database: str) -> AsyncIterator[Connection]:
    connection = await connect(database)
    yield connection
    await connection.close()


async def tables(admin: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the projector wrote."""
    return {
        table: [tuple(row) for row in await admin.fetch(f"SELECT * FROM {table} ORDER BY {key}")]
        for table, key in TABLES.items()
    }


async def trade(store: Store, clock: FakeClock, commands: list[Command], step_ms: int = 900) -> None:
    for start in range(0, len(commands), 10):
        clock.now_ms += step_ms
        await asyncio.gather(*[store.sequencer.submit(command) for command in commands[start : start + 10]])


@pytest.mark.spec("PROJ-007")
async def test_rows_agree_with_the_core(settings: Settings, admin: Connection) -> None:
    clock = FakeClock()
    told: list[tuple[int, int, list[Event]]] = []
    statuses: set[OrderStatus] = set()
    changed: set[int] = set()
    async with open_store(settings, clock=clock) as store:
        store.listeners.add(lambda seq, time_ms, _, events: told.append((seq, time_ms, events)))
        await trade(store, clock, [*opening(), *stream(11, 1_500)])
        await store.projector.settle()
        exchange = store.exchange
        accepted = {e.order_id: e.request for *_, events in told for e in events if isinstance(e, OrderAccepted)}
        for account_id, asset_id in itertools.product((1, 2, 3), (USD, BTC)):
            entries = [
                entry for entry in await store.queries.ledger(account_id, limit=10**6) if entry.asset_id == asset_id
            ]
            held = next(view for view in views.balances(exchange, account_id) if view.asset_id == asset_id)
            assert sum(entry.amount for entry in entries) == entries[0].balance == held.amount
        for account_id in (1, 2, 3):
            stored = await store.queries.orders(account_id, limit=10**6)
            live = {view.order_id: view for view in views.orders(exchange, account_id)}
            assert {row.order_id for row in stored if row.is_open} == live.keys()
            for row in stored:
                assert row.qty == row.filled + row.leaves
                view = live.get(row.order_id)
                if view is not None:
                    assert (row.status, row.price, row.qty, row.leaves, row.filled) == (
                        view.status,
                        view.price,
                        view.qty,
                        view.leaves,
                        view.filled,
                    )
                    first = view.request  # the core keeps it as it was before amendments
                    asked = msgspec.structs.replace(
                        row.request, qty=first.qty, price=first.price, trigger_price=first.trigger_price
                    )
                    assert asked == first
            filled: dict[int, int] = defaultdict(int)
            for fill in await store.queries.fills(account_id, limit=10**6):
                filled[fill.order_id] += fill.qty
            assert filled == {row.order_id: row.filled for row in stored if row.filled}
            statuses |= {row.status for row in stored}
            changed |= {row.order_id for row in stored if row.request != accepted[row.order_id]}
        assert {OrderStatus.ACTIVE, OrderStatus.CANCELLED, OrderStatus.COMPLETED} <= statuses
        assert changed == {event.order_id for *_, events in told for event in events if isinstance(event, OrderAmended)}
        assert changed
    rows = await tables(admin)
    kinds = [type(event).__name__ for _, _, events in told for event in events]
    assert kinds.count("Traded") == len(rows["trades"]) > 100
    assert len(rows["fills"]) == 2 * len(rows["trades"])
    assert kinds.count("BalanceChanged") == len(rows["ledger_entries"])
    assert kinds.count("OrderAccepted") == len(rows["orders"])
    assert {"OrderAmended", "OrderTriggered", "OrderReduced"} <= set(kinds)


@pytest.mark.spec("PROJ-001")
async def test_exactly_once_across_restarts(settings: Settings, admin: Connection, database: str) -> None:
    """Stops of every kind: a clean one, one with nothing written, one with the last write's answer lost."""
    clock = FakeClock()
    commands = [*opening(), *stream(5, 600)]
    async with open_store(settings, clock=clock) as store:
        await trade(store, clock, commands[:150])
    # Written slowly, then gone without a word: no projection of these commands, no snapshot.
    async with Proxy(database) as proxy:
        slow = replace(settings, database_url=proxy.url, projector_interval_ms=60_000)
        async with open_store(slow, clock=clock) as store:
            await trade(store, clock, commands[150:300])
            assert store.projector.seq < store.sequencer.seq
            store.projector.failure = RuntimeError("killed")
    assert await admin.fetchval("SELECT seq FROM projector") < await admin.fetchval(
        "SELECT max(first_seq) FROM journal"
    )
    # Landed, and the projector does not know.
    async with (
        Proxy(database) as proxy,
        open_store(replace(settings, database_url=proxy.url), clock=clock) as store,
    ):
        await trade(store, clock, commands[300:450])
        await store.projector.settle()
        proxy.keeps_answers = True
        lost = store.sequencer.submit(commands[450])
        await until_async(lambda: admin.fetchval("SELECT max(first_seq) > $1 FROM journal", store.sequencer.seq))
        proxy.cut()
        proxy.keeps_answers = False
        await asyncio.gather(lost, return_exceptions=True)
        await until(lambda: store.sequencer.is_ready)
        await trade(store, clock, commands[451:])
    incremental = await tables(admin)
    assert len(incremental["trades"]) > 50
    seq = await rebuild(settings)
    assert seq == await admin.fetchval("SELECT seq FROM projector")
    assert await tables(admin) == incremental


@pytest.mark.spec("PROJ-001")
@pytest.mark.parametrize("lost_from", [b"BEGIN", b"COPY", b"COMMIT"])
async def test_a_write_whose_answer_is_lost(
    settings: Settings, database: str, admin: Connection, lost_from: bytes
) -> None:
    """Cut off at the transaction's beginning, within it, and after the database made it durable."""
    async with Proxy(database) as proxy:
        projector = Projector(proxy.url, interval_ms=0)
        await projector.open()
        exchange = Exchange()
        for seq, command in enumerate(opening(), 1):
            projector.tell(seq, NOW_MS, command, exchange.apply(command, NOW_MS))
        await projector.settle()
        proxy.keeps_answers_from = lost_from
        projector.tell(OPENED_SEQ + 1, NOW_MS, Tick(), exchange.apply(order(qty=7), NOW_MS))
        await until(lambda: proxy.keeps_answers)
        if lost_from == b"COMMIT":
            await until_async(lambda: admin.fetchval("SELECT seq = $1 FROM projector", OPENED_SEQ + 1))
        assert projector.seq == OPENED_SEQ
        proxy.keeps_answers_from = b""
        proxy.cut()
        proxy.keeps_answers = False
        await projector.settle()
        assert projector.seq == OPENED_SEQ + 1
        assert await admin.fetchval("SELECT qty FROM orders") == 7
        await projector.close()


SLOW_COMMIT = """
CREATE FUNCTION wait_for_it() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON projector DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_for_it();
"""


@pytest.mark.spec("PROJ-001")
async def test_a_commit_that_ends_after_its_session_was_lost(database: str, admin: Connection) -> None:
    """The next session reads the old checkpoint, waits for the row, and finds that the rows have landed."""
    projector = Projector(database, interval_ms=0)
    await projector.open()
    exchange = Exchange()
    for seq, command in enumerate(opening(), 1):
        projector.tell(seq, NOW_MS, command, exchange.apply(command, NOW_MS))
    await projector.settle()
    await admin.execute(SLOW_COMMIT)
    await admin.execute("SELECT pg_advisory_lock(42)")
    projector.tell(OPENED_SEQ + 1, NOW_MS, Tick(), exchange.apply(order(qty=7), NOW_MS))
    waiting = "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = $1 AND pid <> pg_backend_pid()"
    await until_async(lambda: admin.fetchval(waiting, "advisory"))
    lost = projector._connection
    assert lost is not None
    lost.terminate()
    await until_async(lambda: admin.fetchval(waiting, "transactionid"))
    await admin.execute("SELECT pg_advisory_unlock(42)")
    await projector.settle()
    assert projector.failure is None
    assert projector.seq == OPENED_SEQ + 1 == await admin.fetchval("SELECT seq FROM projector")
    assert await admin.fetchval("SELECT array_agg(qty) FROM orders") == [7]
    projector.tell(OPENED_SEQ + 2, NOW_MS, Tick(), exchange.apply(order(qty=8), NOW_MS))
    await projector.settle()
    assert await admin.fetchval("SELECT count(*) FROM orders") == 2
    await projector.close()


@pytest.mark.spec("PROJ-002")
async def test_a_rebuild_equals_what_was_written_as_it_came(settings: Settings, admin: Connection) -> None:
    clock = FakeClock()
    async with open_store(replace(settings, snapshot_every=200), clock=clock) as store:
        await trade(store, clock, [*opening(), *stream(6, 800)], 2_500)
    incremental = await tables(admin)
    await rebuild(settings)
    assert await tables(admin) == incremental
    # The same by hand: emptied by an operator, filled by the next start.
    await admin.execute(f"TRUNCATE {', '.join(table.name for table in PROJECTIONS)}")
    await admin.execute("UPDATE projector SET seq = 0, time_ms = 0")
    async with open_store(settings, clock=clock):
        pass
    assert await tables(admin) == incremental


@pytest.mark.spec("CLI-007")
async def test_a_rebuild_that_the_database_refuses_says_so(settings: Settings, admin: Connection) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock):
        pass
    await admin.execute("DROP TABLE fills")
    with pytest.raises(DatabaseUnusable, match='The projections cannot be made: .*"fills" does not exist'):
        await rebuild(settings)


@pytest.mark.spec("PROJ-003")
async def test_reads_see_what_is_not_written_yet(settings: Settings, admin: Connection) -> None:
    """The same answers with everything in memory, half and half, and everything in the database."""
    clock = FakeClock()
    commands = [*opening(), *stream(9, 500)]

    async def answers(store: Store) -> list[object]:
        queries = store.queries
        start_ms, end_ms = NOW_MS + 5_000, NOW_MS + 40_000
        found: list[object] = []
        for account_id in (1, 2, 3):
            found += [await queries.orders(account_id, limit=limit) for limit in (1, 7, 1_000)]
            found.append(await queries.orders(account_id, market_id=SPOT, start_ms=start_ms, end_ms=end_ms))
            found.append(await queries.orders(account_id, statuses=[OrderStatus.COMPLETED], limit=5))
            found.append(await queries.orders(account_id, statuses=[OrderStatus.ACTIVE]))
            found.append(await queries.orders(account_id, only_filled=True))
            found.append(await queries.orders(account_id, only_triggers=True))
            found += [await queries.fills(account_id, limit=limit) for limit in (1, 7, 1_000)]
            found.append(await queries.fills(account_id, market_id=PERP, start_ms=start_ms, end_ms=end_ms))
            found.append(await queries.ledger(account_id, asset_id=USD, limit=9))
            found.append(await queries.ledger(account_id, start_ms=start_ms, end_ms=end_ms))
            found += [await queries.order(account_id, number) for number in range(1, 60)]
            found += [await queries.order_by_client_id(account_id, f"s9-{number}") for number in range(0, 500, 7)]
        for market_id in (PERP, SPOT):
            found += [await queries.trades(market_id, limit=limit) for limit in (1, 7, 1_000)]
            found.append(await queries.trades(market_id, start_ms=start_ms, end_ms=end_ms))
            found += [await queries.candles(market_id, interval_ms=interval_ms) for interval_ms in INTERVALS.values()]
            found += [await queries.candle_before(market_id, Basis.LAST, time_ms) for time_ms in (start_ms, end_ms)]
        found.append(await queries.candles(PERP, basis=Basis.MARK, start_ms=start_ms, end_ms=end_ms))
        found.append(await queries.candles(1, basis=Basis.INDEX))
        return found

    waits = replace(settings, projector_interval_ms=600_000)
    async with open_store(waits, clock=clock) as store:
        await trade(store, clock, commands[:260])
        await store.projector.settle()
        await trade(store, clock, commands[260:])
        assert store.projector.seq < store.sequencer.seq
        mixed = await answers(store)
        await store.projector.settle()
        assert store.projector.seq == store.sequencer.seq
        written = await answers(store)
        assert mixed == written
        assert sum(bool(answer) for answer in written) > 100


@pytest.mark.spec("PROJ-003")
async def test_a_short_list_is_full_though_memory_takes_rows_out_of_it(settings: Settings) -> None:
    async with open_store(replace(settings, projector_interval_ms=600_000), clock=FakeClock()) as store:
        for command in [*opening(), *(order(name=str(number)) for number in range(5))]:
            await store.sequencer.submit(command)
        await store.projector.settle()
        for number in (4, 3, 2):
            await store.sequencer.submit(CancelOrder(1, 0, str(number)))
        assert store.projector.seq < store.sequencer.seq
        active = await store.queries.orders(1, statuses=[OrderStatus.ACTIVE], limit=2)
        assert [row.request.client_order_id for row in active] == ["1", "0"]


@pytest.mark.spec("PROJ-003")
async def test_orders_of_others_are_not_shown(settings: Settings) -> None:
    async with open_store(settings, clock=FakeClock()) as store:
        for command in opening():
            await store.sequencer.submit(command)
        for interval in range(2):
            await store.sequencer.submit(order(account_id=2, name=f"mine-{interval}"))
            assert await store.queries.order(1, interval + 1) is None
            assert await store.queries.order(2, interval + 1) is not None
            assert await store.queries.order_by_client_id(1, f"mine-{interval}") is None
            await store.projector.settle()
        assert await store.queries.order(1, 1) is None
        assert await store.queries.orders(1) == []


@pytest.mark.spec("PROJ-004")
async def test_a_database_that_goes_away_loses_nothing(settings: Settings, database: str, admin: Connection) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        for command in opening():
            await store.sequencer.submit(command)
        for number in range(30):
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE $1"
            await admin.execute(f"{others} AND pid <> pg_backend_pid()", "%projector%")
            await store.sequencer.submit(order(name=str(number), qty=1 + number))
        await store.projector.settle()
        assert await admin.fetchval("SELECT count(*) FROM orders") == 30
        assert await admin.fetchval("SELECT sum(qty) FROM orders") == sum(range(1, 31))


@pytest.mark.spec("PROJ-005")
async def test_the_sequencer_waits_for_a_slow_database(settings: Settings, admin: Connection) -> None:
    async with open_store(replace(settings, projector_rows_max=20), clock=FakeClock()) as store:
        for command in opening():
            await store.sequencer.submit(command)
        await store.projector.settle()
        await admin.execute("BEGIN")
        await admin.execute("LOCK TABLE projector IN ACCESS EXCLUSIVE MODE")
        answered = 0

        async def place(number: int) -> None:
            nonlocal answered
            await store.sequencer.submit(order(name=str(number)))
            answered += 1

        placing = [asyncio.create_task(place(number)) for number in range(60)]
        for task in placing[:25]:  # one batch each: the bound is looked at between batches
            await asyncio.wait([task, *placing[25:26]], timeout=0.02, return_when=asyncio.FIRST_COMPLETED)
        more = [asyncio.create_task(place(number)) for number in range(60, 70)]
        await until(lambda: store.sequencer.waiting == 10)
        assert answered == 60
        await admin.execute("ROLLBACK")
        await asyncio.gather(*placing, *more)
        assert answered == 70


@pytest.mark.spec("PROJ-006")
async def test_a_second_projector_is_noticed(settings: Settings, admin: Connection) -> None:
    async with open_store(settings, clock=FakeClock()) as store:
        await store.sequencer.submit(Tick())
        await store.projector.settle()
        await admin.execute("UPDATE projector SET seq = seq + 1")
        await store.sequencer.submit(Tick())
        with pytest.raises(ProjectionConflict):
            await store.projector.settle()
        await until(lambda: store.projector.failure is not None)


async def test_candles_follow_the_prices(settings: Settings, admin: Connection) -> None:
    clock = FakeClock(NOW_MS - NOW_MS % MINUTE_MS)
    async with open_store(settings, clock=clock) as store:
        for command in opening(clock()):
            await store.sequencer.submit(command)
        start_ms = clock()
        for minute, prices in enumerate([(PRICE, PRICE + 100, PRICE - 50), (), (PRICE + 200,)]):
            clock.now_ms = start_ms + minute * MINUTE_MS + 30_000
            await store.sequencer.submit(UpdateIndexPrice(1, 1, PRICE, clock.now_ms))
            await store.sequencer.submit(Tick())
            for price in prices:
                await store.sequencer.submit(PlaceOrder(1, PERP, Side.BUY, 10, price))
                await store.sequencer.submit(PlaceOrder(2, PERP, Side.SELL, 10, price))
        older, newer = await store.queries.candles(PERP)
        assert (older.open, older.high, older.low, older.close) == (PRICE, PRICE + 100, PRICE - 50, PRICE - 50)
        assert (older.volume, older.trades, older.turnover) == (30, 3, 10 * (3 * PRICE + 50))
        assert (newer.open, newer.close, newer.trades) == (PRICE + 200, PRICE + 200, 1)
        assert newer.open_ms - older.open_ms == 2 * MINUTE_MS
        (whole,) = await store.queries.candles(PERP, interval_ms=DAY_MS)
        assert (whole.open, whole.high, whole.low, whole.close) == (PRICE, PRICE + 200, PRICE - 50, PRICE + 200)
        assert (whole.volume, whole.trades) == (40, 4)
        assert [candle.open for candle in await store.queries.candles(1, basis=Basis.INDEX)] == [PRICE]


async def test_the_ledger_names_causes_and_references(settings: Settings) -> None:
    async with open_store(settings, clock=FakeClock()) as store:
        for command in opening():
            await store.sequencer.submit(command)
        (entry,) = await store.queries.ledger(1, asset_id=USD)
        assert (entry.why, entry.reference, entry.amount, entry.balance) == (Cause.DEPOSIT, "usd-1", 10**14, 10**14)


@pytest.mark.parametrize("name", ["tab\tand\nline\r", "back\\slash", "\\N", "\\.", "'quoted'", "über 漢 \U0001f600"])
async def test_texts_arrive_as_they_are(settings: Settings, name: str) -> None:
    async with open_store(settings, clock=FakeClock()) as store:
        for command in [*opening(), Deposit(name, 1, USD, 1), order(name=name)]:
            await store.sequencer.submit(command)
        unwritten = (await store.queries.ledger(1))[0], await store.queries.order_by_client_id(1, name)
        await store.projector.settle()
        written = (await store.queries.ledger(1))[0], await store.queries.order_by_client_id(1, name)
        assert unwritten == written
        assert written[0].reference == name
        assert written[1] is not None
        assert written[1].request.client_order_id == name


async def test_a_zero_character_does_not_stop_the_projector(settings: Settings) -> None:
    async with open_store(settings, clock=FakeClock()) as store:
        for command in [*opening(), Deposit("a\0b", 1, USD, 1), order(name="c\0d")]:
            await store.sequencer.submit(command)
        await store.projector.settle()
        assert (await store.queries.ledger(1))[0].reference == "a\ufffdb"
        (found,) = await store.queries.orders(1)
        assert found.request.client_order_id == "c\0d"


async def test_numbers_beyond_the_database_find_nothing(settings: Settings) -> None:
    async with open_store(settings, clock=FakeClock()) as store:
        for command in [*opening(), order(name="a")]:
            await store.sequencer.submit(command)
        queries, huge = store.queries, 2**80
        assert await queries.order(1, huge) is None
        assert await queries.order(1, -1) is None
        assert await queries.order_by_client_id(1, "a\0") is None
        assert await queries.orders(1, start_ms=huge) == []
        assert len(await queries.orders(1, end_ms=huge)) == 1
        assert await queries.trades(PERP, start_ms=huge, end_ms=huge) == []
        assert await queries.candles(PERP, start_ms=huge) == []


async def test_the_checkpoint_follows_the_journal(settings: Settings, admin: Connection) -> None:
    async with open_store(settings, clock=FakeClock()) as store:
        for command in opening():
            await store.sequencer.submit(command)
        await store.projector.settle()
        assert store.projector.seq == OPENED_SEQ
        last = [batch async for batch in read(admin, EMPTY)][-1]
        assert tuple(await admin.fetchrow("SELECT * FROM projector") or ()) == ("main", OPENED_SEQ, last.time_ms)
