"""History for reading: what the tables hold, together with what the projector has not written yet.

Memory is read first and the database second, so that nothing falls between them; what stands in both is taken once.
Lists are newest first. `start_ms` and `end_ms` are both included; 0 leaves a side open. `before` goes on within a millisecond:
of the rows at `end_ms` only those that stand behind the one with this key (of orders, trades and fills the id, else seq and index).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias, TypeVar, final

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Select,
    Table,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.functions import array_agg

from app.candles import MINUTE_MS, SLOT_MS, grouped, open_of, tier_of
from app.db import order_rows
from app.db.activity import activities, later
from app.db.candle_rows import candle_from
from app.db.payment_rows import deposit_from, withdrawal_from
from app.db.projector import Projector
from app.db.rows import (
    Activity,
    Basis,
    Candle,
    LedgerEntry,
    LiquidationStep,
    StoredDeposit,
    StoredFill,
    StoredFunding,
    StoredLiquidation,
    StoredOrder,
    StoredPayment,
    StoredPosition,
    StoredTrade,
    StoredWithdrawal,
)
from app.db.tables import (
    account_activity,
    candles,
    closed_positions,
    deposits,
    fills,
    funding_payments,
    funding_settlements,
    ledger_entries,
    liquidations,
    orders,
    trades,
    withdrawals,
)
from app.statistics import Statistics
from engine.order import OrderStatus
from exchange.commands import PlaceOrder
from exchange.events import Cause

BIGINT_MAX: Final = 2**63 - 1
"""No id or time beyond it can be in a table; asking the database for one would be an error."""
TIME_MS_MAX: Final = 10**15
"""Beyond every time there can be."""

Key: TypeAlias = tuple[int, ...]
"""What tells rows of one millisecond apart, in their order."""
Row = TypeVar(
    "Row", StoredTrade, StoredFill, LedgerEntry, StoredFunding, StoredPayment, StoredLiquidation, StoredPosition
)
_NUMERIC: Final = frozenset(
    {"fee", "pnl", "amount", "balance", "lot_e12", "collected", "paid", "gift", "residue", "from_margin", "value"}
    | {"entry_value", "exit_value", "funding", "fees"}
)
"""Columns that come as decimals."""


@final
class Queries:
    """Reads of one exchange's past."""

    def __init__(self, engine: AsyncEngine, projector: Projector) -> None:
        self._engine = engine
        self._projector = projector

    @property
    def seq(self) -> int:
        """The last command that is in the tables."""
        return self._projector.seq

    @property
    def statistics(self) -> Statistics:
        """What prices did, up to the last command."""
        return self._projector.statistics

    async def order(self, account_id: int, order_id: int) -> StoredOrder | None:
        """One order of an account, in whatever state."""
        for batch in reversed(self._projector.pending()):
            found = batch.orders.get(order_id)
            if found is not None:
                return msgspec.structs.replace(found) if found.account_id == account_id else None
        if not 0 < order_id <= BIGINT_MAX:
            return None
        rows = await self._rows(select(orders).where(orders.c.order_id == order_id, orders.c.account_id == account_id))
        return order_rows.from_row(rows[0]) if rows else None

    def recent_order(self, order_id: int) -> StoredOrder | None:
        """An order that is open, or that changed since the checkpoint, without a look into the database."""
        for batch in reversed(self._projector.pending()):
            found = batch.orders.get(order_id)
            if found is not None:
                return msgspec.structs.replace(found)
        found = self._projector.open_order(order_id)
        return msgspec.structs.replace(found) if found is not None else None

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
        return order_rows.from_row(rows[0]) if rows else None

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
        before: Key = (),
        limit: int = 100,
    ) -> list[StoredOrder]:
        """Orders of an account by the time of their last change. `only_filled`: with a fill, in part or whole."""
        pending = self._pending_orders(account_id)
        where = [
            orders.c.account_id == account_id,
            *_between(orders, "updated_ms", start_ms, end_ms, before, "order_id"),
        ]
        if market_id:
            where.append(orders.c.market_id == market_id)
        if statuses:
            # Literals: a partial index serves what the planner can prove before it knows the values.
            kinds = ", ".join(str(status.value) for status in statuses)
            where.append(literal_column(f"orders.status IN ({kinds})", Boolean))
        if only_filled:
            where.append(literal_column("orders.filled > 0", Boolean))
        if only_triggers:
            where.append(orders.c.is_trigger)
        # Rows that memory knows better may fall out of the answer: ask for as many more.
        query = select(orders).where(and_(*where)).limit(limit + len(pending))
        rows = await self._rows(query.order_by(orders.c.updated_ms.desc(), orders.c.order_id.desc()))
        found = [order_rows.from_row(row) for row in rows if row["order_id"] not in pending]
        found += [
            order
            for order in pending.values()
            if (not market_id or order.market_id == market_id)
            and (not statuses or order.status in statuses)
            and (not only_filled or order.filled > 0)
            and (not only_triggers or order.is_trigger)
            and _is_between(order.updated_ms, start_ms, end_ms, (order.order_id,), before)
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
            found.update((row["order_id"], order_rows.from_row(row).request) for row in await self._rows(query))
        return found

    async def fills(
        self,
        account_id: int,
        *,
        market_id: int = 0,
        order_id: int = 0,
        start_ms: int = 0,
        end_ms: int = 0,
        before: Key = (),
        limit: int = 100,
    ) -> list[StoredFill]:
        """Fills of an account."""
        where = [fills.c.account_id == account_id, *_between(fills, "time_ms", start_ms, end_ms, before, "trade_id")]
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
            and _is_between(fill.time_ms, start_ms, end_ms, (fill.trade_id,), before)
        ]
        return await self._merged(fills, StoredFill, where, pending, limit)

    async def trades(
        self, market_id: int, *, start_ms: int = 0, end_ms: int = 0, before: Key = (), limit: int = 100
    ) -> list[StoredTrade]:
        """Trades of a market."""
        where = [trades.c.market_id == market_id, *_between(trades, "time_ms", start_ms, end_ms, before, "trade_id")]
        pending = [
            trade
            for batch in self._projector.pending()
            for trade in batch.trades
            if trade.market_id == market_id and _is_between(trade.time_ms, start_ms, end_ms, (trade.trade_id,), before)
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
        self, market_id: int, *, start_ms: int = 0, end_ms: int = 0, before: Key = (), limit: int = 100
    ) -> list[StoredFunding]:
        """Settled hours of a market; 0: of all."""
        where = _between(funding_settlements, "time_ms", start_ms, end_ms, before, "seq", "index")
        if market_id:
            where.append(funding_settlements.c.market_id == market_id)
        pending = [
            row
            for batch in self._projector.pending()
            for row in batch.funding
            if market_id in (0, row.market_id)
            and _is_between(row.time_ms, start_ms, end_ms, (row.seq, row.index), before)
        ]
        return await self._merged(funding_settlements, StoredFunding, where, pending, limit)

    async def payments(
        self,
        account_id: int,
        *,
        market_id: int = 0,
        start_ms: int = 0,
        end_ms: int = 0,
        before: Key = (),
        limit: int = 100,
    ) -> list[StoredPayment]:
        """What funding an account paid and received."""
        table = funding_payments
        where = [
            table.c.account_id == account_id,
            *_between(table, "time_ms", start_ms, end_ms, before, "seq", "index"),
        ]
        if market_id:
            where.append(table.c.market_id == market_id)
        pending = [
            row
            for batch in self._projector.pending()
            for row in batch.payments
            if row.account_id == account_id
            and market_id in (0, row.market_id)
            and _is_between(row.time_ms, start_ms, end_ms, (row.seq, row.index), before)
        ]
        return await self._merged(table, StoredPayment, where, pending, limit)

    async def closed_positions(
        self,
        account_id: int,
        *,
        market_id: int = 0,
        start_ms: int = 0,
        end_ms: int = 0,
        before: Key = (),
        limit: int = 100,
    ) -> list[StoredPosition]:
        """Positions of an account that ended, by the time of their end."""
        table = closed_positions
        where = [
            table.c.account_id == account_id,
            *_between(table, "time_ms", start_ms, end_ms, before, "seq", "index"),
        ]
        if market_id:
            where.append(table.c.market_id == market_id)
        pending = [
            msgspec.structs.replace(row)
            for batch in self._projector.pending()
            for row in batch.positions
            if row.account_id == account_id
            and market_id in (0, row.market_id)
            and _is_between(row.time_ms, start_ms, end_ms, (row.seq, row.index), before)
        ]
        return await self._merged(table, StoredPosition, where, pending, limit)

    async def activity(self, account_id: int) -> Activity:
        """When an account was opened and last did what."""
        found = Activity(account_id)
        for batch in self._projector.pending():
            found = later(found, activities(batch, account_id).get(account_id, found))
        for row in await self._rows(select(account_activity).where(account_activity.c.account_id == account_id)):
            found = later(found, Activity(**row))
        return found

    async def transfers(self, account_id: int, asset_id: int) -> int:
        """What came into an account from outside, less what left. Units: money."""
        causes = (Cause.DEPOSIT, Cause.WITHDRAWAL)
        pending = {
            (entry.seq, entry.index): entry.amount
            for batch in self._projector.pending()
            for entry in batch.ledger
            if entry.account_id == account_id and entry.asset_id == asset_id and entry.why in causes
        }
        table = ledger_entries
        kinds = ", ".join(str(cause.value) for cause in causes)
        where = [
            table.c.account_id == account_id,
            table.c.asset_id == asset_id,
            literal_column(f"ledger_entries.cause IN ({kinds})", Boolean),
        ]
        oldest = min(pending, default=(BIGINT_MAX, 0))[0]
        total = select(func.coalesce(func.sum(table.c.amount), 0).label("total")).where(*where, table.c.seq < oldest)
        return int((await self._rows(total))[0]["total"]) + sum(pending.values())

    async def liquidations(
        self,
        *,
        market_id: int = 0,
        account_id: int = 0,
        steps: Sequence[LiquidationStep] = tuple(LiquidationStep),
        start_ms: int = 0,
        end_ms: int = 0,
        before: Key = (),
        limit: int = 100,
    ) -> list[StoredLiquidation]:
        """Steps of liquidations, of a market or an account, or (0) of all."""
        kinds = [step.value for step in steps]
        where = [
            liquidations.c.step.in_(kinds),
            *_between(liquidations, "time_ms", start_ms, end_ms, before, "seq", "index"),
        ]
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
            and _is_between(row.time_ms, start_ms, end_ms, (row.seq, row.index), before)
        ]
        return await self._merged(liquidations, StoredLiquidation, where, pending, limit)

    async def deposits(
        self, account_id: int = 0, *, asset_id: int = 0, start_ms: int = 0, end_ms: int = 0, limit: int = 100
    ) -> list[StoredDeposit]:
        """Deposits of an account, or (0) of all, by the time at which they were seen."""
        pending = {key: row for batch in self._projector.pending() for key, row in batch.deposits.items()}
        rows = await self._payments(deposits, account_id, asset_id, start_ms, end_ms, limit + len(pending))
        known = {row["deposit_id"]: deposit_from(row) for row in rows} | pending
        found = [row for row in known.values() if _is_wanted(row, account_id, asset_id, start_ms, end_ms)]
        return sorted(found, key=lambda row: (row.created_ms, row.deposit_id), reverse=True)[:limit]

    async def withdrawals(
        self, account_id: int = 0, *, asset_id: int = 0, start_ms: int = 0, end_ms: int = 0, limit: int = 100
    ) -> list[StoredWithdrawal]:
        """Withdrawals of an account, or (0) of all, by the time at which they were asked for."""
        pending = {key: row for batch in self._projector.pending() for key, row in batch.withdrawals.items()}
        rows = await self._payments(withdrawals, account_id, asset_id, start_ms, end_ms, limit + len(pending))
        known = {row["withdrawal_id"]: withdrawal_from(row) for row in rows} | pending
        found = [row for row in known.values() if _is_wanted(row, account_id, asset_id, start_ms, end_ms)]
        return sorted(found, key=lambda row: (row.created_ms, row.withdrawal_id), reverse=True)[:limit]

    async def _payments(
        self, table: Table, account_id: int, asset_id: int, start_ms: int, end_ms: int, limit: int
    ) -> list[dict[str, Any]]:
        where = _between(table, "created_ms", start_ms, end_ms)
        if account_id:
            where.append(table.c.account_id == account_id)
        if asset_id:
            where.append(table.c.asset_id == asset_id)
        newest = [column.desc() for column in (table.c.created_ms, *table.primary_key.columns)]
        return await self._rows(select(table).where(*where).order_by(*newest).limit(limit))

    async def candles(
        self,
        subject_id: int,
        *,
        basis: Basis = Basis.LAST,
        interval_ms: int = MINUTE_MS,
        start_ms: int = 0,
        end_ms: int = TIME_MS_MAX,
    ) -> list[Candle]:
        """Candles of a market (or of an index, for Basis.INDEX), oldest first, the running one included.

        They are those that `start_ms` and `end_ms` lie in and those between; without the ones in which nothing happened.
        """
        tier_ms = tier_of(interval_ms)
        first_ms = open_of(min(start_ms, TIME_MS_MAX), interval_ms)
        beyond_ms = open_of(min(end_ms, TIME_MS_MAX), interval_ms) + interval_ms
        recent = self._recent_candles(subject_id, basis, tier_ms)
        # What is in memory is all from its oldest candle on: the database is asked for those before.
        until_ms = min(beyond_ms, recent[0].open_ms) if recent else beyond_ms
        found = await self._stored_candles(subject_id, basis, interval_ms, first_ms, until_ms)
        found += [candle for candle in recent if first_ms <= candle.open_ms < beyond_ms]
        return grouped(found, interval_ms)

    async def candle_before(self, subject_id: int, basis: Basis, time_ms: int) -> Candle | None:
        """The newest candle, of whatever interval, that ended at a time or before; None when there is none."""
        found: list[Candle] = []
        for tier_ms in (SLOT_MS, MINUTE_MS):
            recent = self._recent_candles(subject_id, basis, tier_ms)
            found += [candle for candle in recent if candle.open_ms + tier_ms <= time_ms]
            where = (*_candles_of(subject_id, basis, tier_ms), candles.c.open_ms <= time_ms - tier_ms)
            rows = await self._rows(select(candles).where(*where).order_by(candles.c.open_ms.desc()).limit(1))
            found += map(candle_from, rows)
        return max(found, key=lambda candle: candle.open_ms + candle.interval_ms, default=None)

    async def first_candle_ms(self, subject_id: int, basis: Basis, interval_ms: int) -> int | None:
        """When the oldest candle of an interval began; None when there is none."""
        tier_ms = tier_of(interval_ms)
        recent = self._recent_candles(subject_id, basis, tier_ms)
        rows = await self._rows(
            select(candles).where(*_candles_of(subject_id, basis, tier_ms)).order_by(candles.c.open_ms).limit(1)
        )
        begun = [candle.open_ms for candle in (*map(candle_from, rows), *recent[:1])]
        return open_of(min(begun), interval_ms) if begun else None

    def _recent_candles(self, subject_id: int, basis: Basis, tier_ms: int) -> list[Candle]:
        """Copies of a price's candles that memory knows better than the database, oldest first: all from the first on."""
        found = {
            candle.open_ms: msgspec.structs.replace(candle)
            for batch in self._projector.pending()
            for candle in batch.candles
            if candle.subject_id == subject_id and candle.basis == basis.value and candle.interval_ms == tier_ms
        }
        for candle in self._projector.statistics.tail(basis, subject_id, tier_ms):
            found[candle.open_ms] = candle
        return [found[open_ms] for open_ms in sorted(found)]

    async def _stored_candles(
        self, subject_id: int, basis: Basis, interval_ms: int, first_ms: int, until_ms: int
    ) -> list[Candle]:
        """Candles of an interval from the stored ones that begin at `first_ms` or later and before `until_ms`."""
        column = candles.c
        tier_ms = tier_of(interval_ms)
        where = (
            *_candles_of(subject_id, basis, tier_ms),
            column.open_ms >= first_ms,
            column.open_ms < until_ms,
        )
        if interval_ms == tier_ms:
            query = select(candles).where(*where).order_by(column.open_ms)
            return [candle_from(row) for row in await self._rows(query)]
        opened = column.open_ms - (column.open_ms - open_of(0, interval_ms)) % interval_ms
        grouped_ = select(
            column.basis,
            column.subject_id,
            literal(interval_ms).label("interval_ms"),
            opened.label("open_ms"),
            _in_order(column.open)[1].label("open"),
            func.max(column.high).label("high"),
            func.min(column.low).label("low"),
            _in_order(column.close)[func.count()].label("close"),
            func.sum(column.volume).label("volume"),
            func.sum(column.turnover).label("turnover"),
            func.sum(column.trades).label("trades"),
            _in_order(column.last_qty)[func.count()].label("last_qty"),
        )
        query = grouped_.where(*where).group_by(column.basis, column.subject_id, opened).order_by(opened)
        return [candle_from(row) for row in await self._rows(query)]

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
    row: StoredTrade | StoredFill | LedgerEntry | StoredFunding | StoredPayment | StoredLiquidation | StoredPosition,
) -> tuple[int, int, int]:
    """Where a row stands among all: two fills of one trade may belong to one account."""
    return row.seq, row.index, int(isinstance(row, StoredFill) and row.is_maker)


def _between(
    table: Table, column: str, start_ms: int, end_ms: int, before: Key = (), *keys: str
) -> list[ColumnElement[bool]]:
    time = table.c[column]
    bounds: list[ColumnElement[bool]] = []
    if start_ms:
        bounds.append(time >= min(start_ms, BIGINT_MAX))
    if end_ms:
        bounds.append(time <= min(end_ms, BIGINT_MAX))
    if before:
        bounds.append(or_(time < min(end_ms, BIGINT_MAX), tuple_(*[table.c[key] for key in keys]) < tuple_(*before)))
    return bounds


def _is_wanted(
    row: StoredDeposit | StoredWithdrawal, account_id: int, asset_id: int, start_ms: int, end_ms: int
) -> bool:
    is_one = account_id in (0, row.account_id) and asset_id in (0, row.asset_id)
    return is_one and _is_between(row.created_ms, start_ms, end_ms)


def _is_between(time_ms: int, start_ms: int, end_ms: int, key: Key = (), before: Key = ()) -> bool:
    if time_ms < start_ms or (end_ms and time_ms > end_ms):
        return False
    return not before or time_ms < end_ms or key < before


def _candles_of(subject_id: int, basis: Basis, interval_ms: int) -> tuple[ColumnElement[bool], ...]:
    column = candles.c
    return column.basis == basis.value, column.subject_id == subject_id, column.interval_ms == interval_ms


def _in_order(column: ColumnElement[int]) -> array_agg[int]:
    """A group's values, oldest first: one order for all, which is the primary key's."""
    return func.array_agg(aggregate_order_by(column, candles.c.open_ms), type_=ARRAY(BigInteger))
