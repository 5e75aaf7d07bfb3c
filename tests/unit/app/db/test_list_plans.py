"""Lists with many rows to choose from: what PostgreSQL reads for each."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from app.db.connect import Connection, connect, engine_for
from app.db.projector import Projector
from app.db.queries import Queries
from app.journal import UNREACHABLE
from engine.order import OrderStatus, Side
from exchange.commands import PlaceOrder

ROWS = 40_000
NOW_MS = 1_700_000_000_000
MIDDLE_MS = NOW_MS + ROWS // 2
COMMON, RARE = 1, 2
"""Markets of account 1: nearly all of its rows, and one in a thousand."""
OFTEN = 8
"""More than the five times after which PostgreSQL would take one plan for all."""
_FILL = [
    # Nine of ten are cancelled, one in 50 completed, one in 1,000 waited; other accounts have some too.
    f"INSERT INTO orders SELECT i, CASE WHEN i % 7 = 0 THEN 2 ELSE 1 END, CASE WHEN i % 1000 = 1 THEN {RARE} ELSE {COMMON} END, 1,"
    " CASE WHEN i % 50 = 0 THEN 2 ELSE 1 END, 50, 10, 0, CASE WHEN i % 50 = 0 THEN 10 ELSE 0 END, 0, 0, NULL, '', $1,"
    f" {NOW_MS} + i, {NOW_MS} + i, i, false, i % 1000 = 3 FROM generate_series(1, {ROWS}) i",
    f"INSERT INTO fills SELECT 1, {NOW_MS} + i, i, 0, false, CASE WHEN i % 1000 = 1 THEN {RARE} ELSE {COMMON} END, i, i, 1, 50, 10, 3, 0,"
    f" false FROM generate_series(1, {ROWS}) i",
    f"INSERT INTO trades SELECT {COMMON}, {NOW_MS} + i, i, 0, i, 50, 10, 1, false FROM generate_series(1, {ROWS}) i",
    f"INSERT INTO closed_positions SELECT 1, {NOW_MS} + i, i, 0, CASE WHEN i % 1000 = 1 THEN {RARE} ELSE {COMMON} END, 1, 10, 9, 8, -1,"
    f" 0, 3, {NOW_MS}, 0 FROM generate_series(1, {ROWS}) i",
]


class Lists:
    """Queries on a full database, and the plans of what they asked."""

    def __init__(self, queries: Queries, admin: Connection) -> None:
        self.queries = queries
        self.asked: list[tuple[str, Any]] = []
        self._admin = admin

    async def plan(self) -> str:
        statement, values = self.asked[-1]
        rows = await self._admin.fetch(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) {statement}", *values)
        return "\n".join(row[0] for row in rows)


@pytest.fixture
async def lists(database: str) -> AsyncIterator[Lists]:
    admin = await connect(database)
    request = msgspec.msgpack.encode(PlaceOrder(1, COMMON, Side.BUY, 10, 50))
    for statement in _FILL:
        await admin.execute(statement, *([request] if "$1" in statement else []))
    await admin.execute("ANALYZE")
    engine = engine_for(database)
    found = Lists(Queries(engine, Projector(database)), admin)

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        found.asked.append((statement, values))

    yield found
    await engine.dispose()
    try:
        await admin.close()
    except UNREACHABLE:
        admin.terminate()


COMPLETED = {"statuses": (OrderStatus.COMPLETED,)}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("orders", {}, "ix_orders_account_id_updated_ms"),
    ("orders", {"market_id": RARE}, "ix_orders_market"),
    ("orders", {**COMPLETED}, "ix_orders_ended"),
    ("orders", {**COMPLETED, "market_id": RARE}, "ix_orders_market"),
    ("orders", {"only_filled": True}, "ix_orders_filled"),
    ("orders", {"only_triggers": True}, "ix_orders_triggers"),
    ("fills", {}, "pk_fills"),
    ("fills", {"market_id": RARE}, "ix_fills_market"),
    ("closed_positions", {}, "pk_closed_positions"),
    ("closed_positions", {"market_id": RARE}, "ix_closed_positions_market"),
]


@pytest.mark.spec("DB-006")
@pytest.mark.parametrize("page", [{}, {"end_ms": MIDDLE_MS}, {"end_ms": MIDDLE_MS, "before": True}])
async def test_every_list_has_its_index(lists: Lists, page: dict[str, Any]) -> None:
    for name, selection, index in CASES:
        read: Callable[..., Awaitable[list[Any]]] = getattr(lists.queries, name)
        place = (ROWS // 2, 0) if name == "closed_positions" else (ROWS // 2,)
        query = {**page, "before": place} if "before" in page else page
        for _ in range(OFTEN):
            await read(1, limit=20, **selection, **query)
        plan = await lists.plan()
        assert f"using {index} on" in plan, (name, selection, plan)
        assert "Sort" not in plan, plan
        assert "Seq Scan" not in plan, plan
        removed = sum(int(count) for count in re.findall(r"Rows Removed by Filter: (\d+)", plan))
        assert removed <= 40, (name, selection, plan)


@pytest.mark.spec("DB-006")
async def test_every_question_has_a_plan_of_its_own(lists: Lists, database: str) -> None:
    engine = engine_for(database)
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql("SHOW plan_cache_mode")
        assert found.scalar_one() == "force_custom_plan"
    await engine.dispose()
