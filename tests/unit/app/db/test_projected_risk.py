"""What funding and liquidations leave in the tables: a simulated life with crashes, run through a real store."""

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import groupby

import pytest

from app.db.connect import Connection, connect
from app.db.rows import LiquidationStep
from app.settings import Settings
from app.store import Store, open_store, rebuild
from exchange import views
from exchange.commands import Command
from exchange.events import (
    Event,
    FundingPaid,
    FundingSettled,
    LiquidationEnded,
    LiquidationStarted,
    LossShared,
    LossSocialised,
    OrderAccepted,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
)
from exchange.limits import FUND_ACCOUNT_ID
from tests.simulation.life import Life, read_journal
from tests.small import FakeClock

SEED = 1
COMMANDS = 6_000
STEPS = {
    LiquidationStarted: LiquidationStep.STARTED,
    LiquidationEnded: LiquidationStep.ENDED,
    PositionTakenOver: LiquidationStep.TAKEOVER,
    PositionDeleveraged: LiquidationStep.DELEVERAGING,
    LossSocialised: LiquidationStep.SOCIALISATION,
    LossShared: LiquidationStep.SHARE,
}
TABLES = {
    "orders": "order_id",
    "ledger_entries": "seq, index",
    "funding_settlements": "seq, index",
    "funding_payments": "seq, index",
    "liquidations": "seq, index",
    "held_positions": "account_id, market_id",
    "closed_positions": "seq, index",
}


@pytest.fixture
async def admin(database: str) -> AsyncIterator[Connection]:
    connection = await connect(database)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
def life() -> list[tuple[int, Command]]:
    """What a simulated life told the exchange, each with its time."""
    journal = io.BytesIO()
    Life(SEED, COMMANDS, journal).run()
    journal.seek(0)
    return list(read_journal(journal))


async def live(store: Store, clock: FakeClock, told: list[tuple[int, Command]]) -> None:
    for time_ms, group in groupby(told, key=lambda row: row[0]):
        clock.now_ms = time_ms
        await asyncio.gather(*[store.sequencer.submit(command) for _, command in group])


async def tables(admin: Connection) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: [tuple(row) for row in await admin.fetch(f"SELECT * FROM {table} ORDER BY {key}")]
        for table, key in TABLES.items()
    }


@pytest.mark.spec("PROJ-008", "PROJ-002", "PROJ-012")
async def test_every_event_of_a_life_is_a_row(
    settings: Settings, admin: Connection, life: list[tuple[int, Command]]
) -> None:
    clock = FakeClock(0)
    events: list[Event] = []
    async with open_store(settings, clock=clock) as store:
        store.listeners.add(lambda seq, time_ms, command, happened: events.extend(happened))
        await live(store, clock, life)
        await store.projector.settle()
        exchange = store.exchange
        for account_id in (FUND_ACCOUNT_ID, *(row.account_id for row in views.accounts(exchange))):
            entries = await store.queries.ledger(account_id, limit=10**6)
            held = {row.asset_id: row.amount for row in views.balances(exchange, account_id)}
            assert {
                asset_id: sum(entry.amount for entry in entries if entry.asset_id == asset_id) for asset_id in held
            } == held
        steps = await store.queries.liquidations(limit=10**6)
        kinds = Counter(row.kind for row in steps)
        expected = Counter(STEPS[type(event)] for event in events if type(event) in STEPS)
        expected[LiquidationStep.SLICE] = sum(isinstance(event, Traded) and event.is_liquidation for event in events)
        assert kinds == +expected
        taken = [row for row in steps if row.kind is LiquidationStep.TAKEOVER]
        assert [(row.account_id, row.counterparty_id, row.qty, row.value) for row in reversed(taken)] == [
            (event.account_id, event.taker_account_id, event.qty, event.value)
            for event in events
            if isinstance(event, PositionTakenOver)
        ]
    rows = await tables(admin)
    counts = Counter(type(event) for event in events)
    assert counts[FundingSettled] == len(rows["funding_settlements"]) > 0
    assert counts[FundingPaid] == len(rows["funding_payments"]) > 0
    assert kinds[LiquidationStep.SLICE] > 0
    assert kinds[LiquidationStep.STARTED] > 0
    forced = [event.order_id for event in events if isinstance(event, OrderAccepted) and event.is_liquidation]
    own = "SELECT order_id FROM orders WHERE is_liquidation ORDER BY order_id"
    assert [row["order_id"] for row in await admin.fetch(own)] == forced
    await rebuild(settings)
    assert await tables(admin) == rows


@pytest.mark.spec("PROJ-003", "PROJ-008", "PROJ-013")
async def test_memory_and_database_answer_alike(settings: Settings, life: list[tuple[int, Command]]) -> None:
    clock = FakeClock(0)
    async with open_store(replace(settings, projector_interval_ms=60_000), clock=clock) as store:
        await live(store, clock, life)

        async def answers() -> list[object]:
            queries = store.queries
            found: list[object] = []
            for market_id in (0, *(row.market_id for row in views.markets(store.exchange))):
                found.append(await queries.funding(market_id, limit=7))
                found.append(await queries.liquidations(market_id=market_id, limit=7))
            middle_ms = life[len(life) // 2][0]
            for row in views.accounts(store.exchange):
                found.append(await queries.payments(row.account_id, start_ms=middle_ms, limit=50))
                found.append(await queries.payments(row.account_id, market_id=1, end_ms=middle_ms))
                found.append(await queries.liquidations(account_id=row.account_id, start_ms=middle_ms))
                found.append(await queries.closed_positions(row.account_id, limit=7))
                found.append(await queries.closed_positions(row.account_id, market_id=1, end_ms=middle_ms))
                found.append(await queries.activity(row.account_id))
                found.append(await queries.transfers(row.account_id, 1))
            return found

        assert store.projector.seq < store.sequencer.seq
        before = await answers()
        await store.projector.settle()
        assert await answers() == before
        assert any(before)
