"""History for reading: what the tables hold, together with what the projector has not written yet.

Memory is read first and the database second, so that nothing falls between them; what stands in both is taken once.
Lists are newest first. `start_ms` and `end_ms` are both included; 0 leaves a side open.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar, final

import msgspec
from sqlalchemy import ColumnElement, Select, Table, and_, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.projector import MINUTE_MS, Projector, candle_from, order_from
from app.db.rows import (
    Basis,
    Candle,
    LedgerEntry,
    LiquidationStep,
    StoredFill,
    StoredFunding,
    StoredLiquidation,
    StoredOrder,
    StoredPayment,
    StoredTrade,
)
from app.db.tables import (
    candles,
    fills,
    funding_payments,
    funding_settlements,
    ledger_entries,
    liquidations,
    orders,
    trades,
)
from engine.order import OrderStatus
from exchange.commands import PlaceOrder

BIGINT_MAX: Final = 2**63 - 1
"""No id or time beyond it can be in a table; asking the database for one would be an error."""

Row = TypeVar("Row", StoredTrade, StoredFill, LedgerEntry, StoredFunding, StoredPayment, StoredLiquidation)
_NUMERIC: Final = frozenset(
    {"fee", "pnl", "amount", "balance", "lot_e12", "collected", "paid", "gift", "residue", "from_margin", "value"}
)
"""Columns that come as decimals."""


@final
class Queries:
    """Reads of one exchange's past."""

    def __init__(self, engine: AsyncEngine, projector: Projector) -> None:
        self._engine = engine
        self._projector = projector

    async def order(self, account_id: int, order_id: int) -> StoredOrder | None:
        """One order of an account, in whatever state."""
        for batch in reversed(self._projector.pending()):
            found = batch.orders.get(order_id)
            if found is not None:
                return msgspec.structs.replace(found) if found.account_id == account_id else None
        if not 0 < order_id <= BIGINT_MAX:
            return None
        rows = await self._rows(select(orders).where(orders.c.order_id == order_id, orders.c.account_id == account_id))
        return order_from(rows[0]) if rows else None

    async def order_by_client_id(self, account_id: int, client_order_id: str) -> StoredOrder | None:
        """The newest order with this client order id: the witness after an unknown outcome."""
        if not client_order_id or "\0" in client_order_id:
            return None
        found = [
            order
            for order in self._pending_orders(account_id).values()
            if order.request.client_order_id == client_order_id
        ]
        if found:
            return max(found, key=lambda order: order.order_id)
        query = select(orders).where(orders.c.account_id == account_id, orders.c.client_order_id == client_order_id)
        rows = await self._rows(query.order_by(orders.c.order_id.desc()).limit(1))
        return order_from(rows[0]) if rows else None

    async def orders(
        self,
        account_id: int,
        *,
        market_id: int = 0,
        statuses: Sequence[OrderStatus] = (),
        only_filled: bool = False,
        only_triggers: bool = False,
        start_ms: int = 0,
        end_ms: int = 0,
        limit: int = 100,
    ) -> list[StoredOrder]:
        """Orders of an account by the time of their last change. `only_filled`: with a fill, in part or whole."""
        pending = self._pending_orders(account_id)
        where = [orders.c.account_id == account_id, *_between(orders, "updated_ms", start_ms, end_ms)]
        if market_id:
            where.append(orders.c.market_id == market_id)
        if statuses:
            where.append(orders.c.status.in_([status.value for status in statuses]))
        if only_filled:
            where.append(orders.c.filled > 0)
        if only_triggers:
            where.append(orders.c.trigger_price > 0)
        # Rows that memory knows better may fall out of the answer: ask for as many more.
        query = select(orders).where(and_(*where)).limit(limit + len(pending))
        rows = await self._rows(query.order_by(orders.c.updated_ms.desc(), orders.c.order_id.desc()))
        found = [order_from(row) for row in rows if row["order_id"] not in pending]
        found += [
            order
            for order in pending.values()
            if (not market_id or order.market_id == market_id)
            and (not statuses or order.status in statuses)
            and (not only_filled or order.filled > 0)
            and (not only_triggers or order.trigger_price > 0)
            and _is_between(order.updated_ms, start_ms, end_ms)
        ]
        found.sort(key=lambda order: (order.updated_ms, order.order_id), reverse=True)
        return found[:limit]

    async def requests(self, account_id: int, order_ids: Iterable[int]) -> dict[int, PlaceOrder]:
        """What was asked for with these orders, by order id."""
        wanted = set(order_ids)
        found = {key: row.request for key, row in self._pending_orders(account_id).items() if key in wanted}
        missing = wanted - found.keys()
        if missing:
            query = select(orders).where(orders.c.account_id == account_id, orders.c.order_id.in_(missing))
            found.update((row["order_id"], order_from(row).request) for row in await self._rows(query))
        return found

    async def fills(
        self,
        account_id: int,
        *,
        market_id: int = 0,
        order_id: int = 0,
        start_ms: int = 0,
        end_ms: int = 0,
        limit: int = 100,
    ) -> list[StoredFill]:
        """Fills of an account."""
        where = [fills.c.account_id == account_id, *_between(fills, "time_ms", start_ms, end_ms)]
        if market_id:
            where.append(fills.c.market_id == market_id)
        if order_id:
            where.append(fills.c.order_id == order_id)
        pending = [
            fill
            for batch in self._projector.pending()
            for fill in batch.fills
            if fill.account_id == account_id
            and (not market_id or fill.market_id == market_id)
            and (not order_id or fill.order_id == order_id)
            and _is_between(fill.time_ms, start_ms, end_ms)
        ]
        return await self._merged(fills, StoredFill, where, pending, limit)

    async def trades(
        self, market_id: int, *, start_ms: int = 0, end_ms: int = 0, limit: int = 100
    ) -> list[StoredTrade]:
        """Trades of a market."""
        where = [trades.c.market_id == market_id, *_between(trades, "time_ms", start_ms, end_ms)]
        pending = [
            trade
            for batch in self._projector.pending()
            for trade in batch.trades
            if trade.market_id == market_id and _is_between(trade.time_ms, start_ms, end_ms)
        ]
        return await self._merged(trades, StoredTrade, where, pending, limit)

    async def ledger(
        self, account_id: int, *, asset_id: int = 0, start_ms: int = 0, end_ms: int = 0, limit: int = 100
    ) -> list[LedgerEntry]:
        """Changes of an account's balances, each with its cause."""
        where = [ledger_entries.c.account_id == account_id, *_between(ledger_entries, "time_ms", start_ms, end_ms)]
        if asset_id:
            where.append(ledger_entries.c.asset_id == asset_id)
        pending = [
            entry
            for batch in self._projector.pending()
            for entry in batch.ledger
            if entry.account_id == account_id
            and (not asset_id or entry.asset_id == asset_id)
            and _is_between(entry.time_ms, start_ms, end_ms)
        ]
        return await self._merged(ledger_entries, LedgerEntry, where, pending, limit)

    async def funding(
        self, market_id: int, *, start_ms: int = 0, end_ms: int = 0, limit: int = 100
    ) -> list[StoredFunding]:
        """Settled hours of a market; 0: of all."""
        where = _between(funding_settlements, "time_ms", start_ms, end_ms)
        if market_id:
            where.append(funding_settlements.c.market_id == market_id)
        pending = [
            row
            for batch in self._projector.pending()
            for row in batch.funding
            if market_id in (0, row.market_id) and _is_between(row.time_ms, start_ms, end_ms)
        ]
        return await self._merged(funding_settlements, StoredFunding, where, pending, limit)

    async def payments(
        self, account_id: int, *, market_id: int = 0, start_ms: int = 0, end_ms: int = 0, limit: int = 100
    ) -> list[StoredPayment]:
        """What funding an account paid and received."""
        table = funding_payments
        where = [table.c.account_id == account_id, *_between(table, "time_ms", start_ms, end_ms)]
        if market_id:
            where.append(table.c.market_id == market_id)
        pending = [
            row
            for batch in self._projector.pending()
            for row in batch.payments
            if row.account_id == account_id
            and market_id in (0, row.market_id)
            and _is_between(row.time_ms, start_ms, end_ms)
        ]
        return await self._merged(table, StoredPayment, where, pending, limit)

    async def liquidations(
        self,
        *,
        market_id: int = 0,
        account_id: int = 0,
        steps: Sequence[LiquidationStep] = tuple(LiquidationStep),
        start_ms: int = 0,
        end_ms: int = 0,
        limit: int = 100,
    ) -> list[StoredLiquidation]:
        """Steps of liquidations, of a market or an account, or (0) of all."""
        kinds = [step.value for step in steps]
        where = [liquidations.c.step.in_(kinds), *_between(liquidations, "time_ms", start_ms, end_ms)]
        if market_id:
            where.append(liquidations.c.market_id == market_id)
        if account_id:
            where.append(liquidations.c.account_id == account_id)
        pending = [
            row
            for batch in self._projector.pending()
            for row in batch.liquidations
            if row.step in kinds
            and market_id in (0, row.market_id)
            and account_id in (0, row.account_id)
            and _is_between(row.time_ms, start_ms, end_ms)
        ]
        return await self._merged(liquidations, StoredLiquidation, where, pending, limit)

    async def candles(
        self,
        subject_id: int,
        *,
        basis: Basis = Basis.LAST,
        interval_ms: int = MINUTE_MS,
        start_ms: int = 0,
        end_ms: int = 0,
        limit: int = 250,
    ) -> list[Candle]:
        """Candles of a market (or of an index, for Basis.INDEX), newest first; minutes without a price are left out.

        Requires: `interval_ms` is a multiple of a minute. Intervals begin at multiples of themselves since the epoch.
        """
        assert interval_ms % MINUTE_MS == 0, "a candle is made of minutes"
        pending = {
            candle.open_ms: msgspec.structs.replace(candle)
            for batch in self._projector.pending()
            for candle in batch.candles.values()
            if candle.basis == basis.value and candle.subject_id == subject_id
        }
        opened = candles.c.open_ms - candles.c.open_ms % interval_ms
        where = [candles.c.basis == basis.value, candles.c.subject_id == subject_id]
        where += _between(candles, "open_ms", start_ms - start_ms % interval_ms, end_ms)
        newest = select(opened.label("opened")).where(and_(*where)).group_by(opened).order_by(opened.desc())
        oldest = select(func.min(newest.limit(limit).subquery().c.opened)).scalar_subquery()
        rows = await self._rows(select(candles).where(and_(*where), candles.c.open_ms >= oldest))
        minutes = {row["open_ms"]: candle_from(row) for row in rows}
        minutes.update(
            (open_ms, candle)
            for open_ms, candle in pending.items()
            if _is_between(open_ms, start_ms - start_ms % interval_ms, end_ms)
        )
        return _grouped(minutes, interval_ms)[:limit]

    def _pending_orders(self, account_id: int) -> dict[int, StoredOrder]:
        """Copies of an account's orders that changed since the checkpoint."""
        return {
            order_id: msgspec.structs.replace(order)
            for batch in self._projector.pending()
            for order_id, order in batch.orders.items()
            if order.account_id == account_id
        }

    async def _merged(
        self, table: Table, kind: type[Row], where: list[ColumnElement[bool]], pending: list[Row], limit: int
    ) -> list[Row]:
        """Rows of memory and database together, newest first, each once."""
        newest = [column.desc() for column in (table.c.time_ms, table.c.seq, table.c.index)]
        rows = await self._rows(select(table).where(*where).order_by(*newest).limit(limit))
        merged = {_key(row): row for row in pending}
        for found in rows:
            values: list[Any] = [int(value) if name in _NUMERIC else value for name, value in found.items()]
            row = kind(*values)
            merged[_key(row)] = row
        return [merged[key] for key in sorted(merged, reverse=True)[:limit]]

    async def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]


def _key(
    row: StoredTrade | StoredFill | LedgerEntry | StoredFunding | StoredPayment | StoredLiquidation,
) -> tuple[int, int, int]:
    """Where a row stands among all: two fills of one trade may belong to one account."""
    return row.seq, row.index, int(isinstance(row, StoredFill) and row.is_maker)


def _between(table: Table, column: str, start_ms: int, end_ms: int) -> list[ColumnElement[bool]]:
    bounds = []
    if start_ms:
        bounds.append(table.c[column] >= min(start_ms, BIGINT_MAX))
    if end_ms:
        bounds.append(table.c[column] <= min(end_ms, BIGINT_MAX))
    return bounds


def _is_between(time_ms: int, start_ms: int, end_ms: int) -> bool:
    return time_ms >= start_ms and (not end_ms or time_ms <= end_ms)


def _grouped(minutes: dict[int, Candle], interval_ms: int) -> list[Candle]:
    """Minutes gathered into longer candles, newest first."""
    grouped: dict[int, Candle] = {}
    for open_ms in sorted(minutes):
        minute = minutes[open_ms]
        opened = open_ms - open_ms % interval_ms
        candle = grouped.get(opened)
        if candle is None:
            grouped[opened] = msgspec.structs.replace(minute, interval_ms=interval_ms, open_ms=opened)
            continue
        candle.high = max(candle.high, minute.high)
        candle.low = min(candle.low, minute.low)
        candle.close = minute.close
        candle.volume += minute.volume
        candle.turnover += minute.turnover
        candle.trades += minute.trades
    return _reversed(grouped.values())


def _reversed(candles_: Iterable[Candle]) -> list[Candle]:
    return list(candles_)[::-1]
