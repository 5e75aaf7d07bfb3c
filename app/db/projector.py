"""Writes what happened into tables, behind the journal, exactly once.

The checkpoint moves in the transaction that writes the rows, and only from where this projector left it. What is not
written yet stays here, readable; `gate` lets the sequencer wait before it grows without end.
"""

import asyncio
import contextlib
import logging
from typing import Final, final

import asyncpg
import msgspec

from app.candles import kept_from
from app.db import activity, candle_rows, order_rows, payment_rows, position_rows
from app.db.connect import Connection, connect
from app.db.copying import ESCAPES, chunks
from app.db.liquidation_rows import STEPS, slice_row, step_row
from app.db.payment_rows import PAYMENTS, OpenPayments
from app.db.pending import Pending
from app.db.position_rows import Positions
from app.db.rows import (
    Basis,
    LedgerEntry,
    LiquidationStep,
    StoredFill,
    StoredFunding,
    StoredOrder,
    StoredPayment,
    StoredTrade,
)
from app.db.tables import PROJECTIONS
from app.faults import ProjectionConflict
from app.journal import UNREACHABLE
from app.statistics import Statistics
from exchange.commands import Command
from exchange.events import (
    AccountOpened,
    BalanceChanged,
    DepositRecorded,
    DepositSettled,
    Event,
    FundingPaid,
    FundingSettled,
    IndexPriceChanged,
    MarkPriceChanged,
    OptionIndexChanged,
    OrderAccepted,
    PositionChanged,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
)

NAME: Final = "main"
LAST: Final = Basis.LAST.value
MARK: Final = Basis.MARK.value
INDEX: Final = Basis.INDEX.value
OWN_INDEX: Final = Basis.OWN_INDEX.value
_TIMEOUT_S: Final = 60.0
_BACKOFF_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)

_CHECKPOINT: Final = "SELECT seq FROM projector WHERE name = $1"
_MOVE: Final = "UPDATE projector SET seq = $1, time_ms = $2 WHERE name = $3 AND seq = $4"
_TRADE: Final = "\t".join(["%d"] * 8 + ["%s"])
_FILL: Final = "\t".join(["%d"] * 4 + ["%s"] + ["%d"] * 8 + ["%s"])
_ENTRY: Final = "\t".join(["%d"] * 11 + ["%s"])
_FUNDING: Final = "\t".join(["%d"] * 11)
_PAYMENT: Final = "\t".join(["%d"] * 7)
_LIQUIDATION: Final = "\t".join(["%d"] * 11)
# What no retry mends: the rows themselves are wrong, or somebody else's stand there.
_HOPELESS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.SyntaxOrAccessError)
_WRITTEN: Final = frozenset(
    {
        Traded,
        BalanceChanged,
        OrderAccepted,
        *order_rows.CHANGES,
        MarkPriceChanged,
        IndexPriceChanged,
        OptionIndexChanged,
        FundingSettled,
        FundingPaid,
        AccountOpened,
        PositionChanged,
        *STEPS,
        *PAYMENTS,
    }
)

_log = logging.getLogger(__name__)


@final
class Projector:
    """The one writer of the projections."""

    def __init__(self, url: str, *, interval_ms: int = 100, rows_max: int = 200_000) -> None:
        self.seq = 0
        """The checkpoint: everything up to here is written."""
        self.failure: BaseException | None = None
        self.statistics = Statistics()
        """What prices did, up to the last command that was told. Another object after `open`."""
        self.steps = dict.fromkeys(LiquidationStep, 0)
        """Steps of liquidations that were told."""
        self._url = url
        self._interval_s = interval_ms / 1000
        self._rows_max = rows_max
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._gathering = Pending()
        self._writing: Pending | None = None
        self._open_orders: dict[int, StoredOrder] = {}
        self._kept_ms = 0
        self._open_payments = OpenPayments()
        self._positions = Positions()
        self._told = asyncio.Event()
        self._hurry = asyncio.Event()
        self._written = asyncio.Event()

    # --- life --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Find the checkpoint, and in memory what later rows change: open orders and running candles."""
        connection = self._connection = await _connected(self._url)
        await connection.execute("INSERT INTO projector VALUES ($1, 0, 0) ON CONFLICT DO NOTHING", NAME)
        row = await connection.fetchrow("SELECT seq, time_ms FROM projector WHERE name = $1", NAME)
        assert row is not None
        self.seq = self._gathering.seq = row["seq"]
        for found in await connection.fetch("SELECT * FROM orders WHERE status IN (0, 3)"):
            order = order_rows.from_row(dict(found))
            self._open_orders[order.order_id] = order
        await self._open_payments.load(connection)
        await self._positions.restore(connection)
        self.statistics = await candle_rows.restore(connection, row["time_ms"])
        self._kept_ms = kept_from(row["time_ms"])
        self._task = asyncio.get_running_loop().create_task(self._run(), name="projector")

    async def settle(self) -> None:
        """Wait until what was told so far is written. Raises: what ended the projector, if something did."""
        target = self._gathering.seq
        self._hurry.set()
        try:
            while self.seq < target:
                await self._progress()
        finally:
            self._hurry.clear()

    async def close(self, timeout_s: float = 10.0) -> None:
        """Write what there is, if that goes in time, and end. What is not written will be made from the journal."""
        if self._task is not None:
            if self.failure is None:
                with contextlib.suppress(TimeoutError, ProjectionConflict):
                    await asyncio.wait_for(self.settle(), timeout_s)
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if self._connection is not None and not self._connection.is_closed():
            with contextlib.suppress(*UNREACHABLE):
                await self._connection.close(timeout=timeout_s)

    async def gate(self) -> None:
        """Wait while there are too many rows in memory. Raises: what ended the projector, if something did."""
        while self._gathering.rows + (self._writing.rows if self._writing else 0) >= self._rows_max:
            self._hurry.set()
            await self._progress()
            self._hurry.clear()

    def pending(self) -> list[Pending]:
        """What is not written yet, older first. Read it before the database: then nothing is missed."""
        return [self._gathering] if self._writing is None else [self._writing, self._gathering]

    def open_order(self, order_id: int) -> StoredOrder | None:
        """An open order as of the last command that was told. It is not to be changed."""
        return self._open_orders.get(order_id)

    async def _progress(self) -> None:
        if self.failure is not None:
            raise ProjectionConflict(f"The projector has ended: {self.failure!r}") from self.failure
        self._written.clear()
        await self._written.wait()

    # --- from events to rows -----------------------------------------------------------------------------------------

    def tell(self, seq: int, time_ms: int, command: Command, events: list[Event]) -> None:
        """Take in what a command did. The sequencer's listener."""
        batch = self._gathering
        batch.seq = seq
        batch.time_ms = time_ms
        statistics = self.statistics
        if time_ms >= statistics.due_ms:
            self._close_candles(batch, time_ms)
        statistics.time_ms = time_ms
        positions = self._positions
        positions.begin()
        for index, event in enumerate(events):
            if type(event) not in _WRITTEN:
                continue
            if isinstance(event, Traded):
                self._trade(batch, seq, index, time_ms, event)
            elif isinstance(event, BalanceChanged):
                batch.ledger.append(_entry(seq, index, time_ms, event))
                if event.trade_id == 0 and event.market_id:
                    positions.book(event, batch.held)
            elif isinstance(event, PositionChanged):
                positions.change(seq, index, time_ms, event, batch.held, batch.positions)
            elif isinstance(event, OrderAccepted):
                self._accept(batch, seq, time_ms, event)
            elif isinstance(event, order_rows.CHANGES):
                self._change(batch, seq, time_ms, event)
            elif isinstance(event, MarkPriceChanged):
                self._price(batch, MARK, event.market_id, time_ms, event.price)
            elif isinstance(event, IndexPriceChanged):
                self._price(batch, INDEX, event.index_id, time_ms, event.price)
            elif isinstance(event, OptionIndexChanged):
                self._price(batch, OWN_INDEX, event.market_id, time_ms, event.price)
            elif isinstance(event, FundingPaid):
                amounts = (event.market_id, event.amount, event.from_margin)
                batch.payments.append(StoredPayment(event.account_id, time_ms, seq, index, *amounts))
                positions.pay(event, batch.held)
            elif isinstance(event, FundingSettled):
                batch.funding.append(_settlement(seq, index, event))
                statistics.funding_rates[event.market_id] = event.rate_e12
            elif isinstance(event, STEPS):
                step = step_row(seq, index, time_ms, event)
                batch.liquidations.append(step)
                self.steps[step.kind] += 1
                if isinstance(event, PositionTakenOver | PositionDeleveraged):
                    positions.move(event)
            elif isinstance(event, PAYMENTS):
                self._pay(batch, seq, time_ms, event)
            elif isinstance(event, AccountOpened) and not event.is_repeat:
                batch.opened[event.account_id] = time_ms
            batch.rows += 1
        self._told.set()

    def _pay(self, batch: Pending, seq: int, time_ms: int, event: payment_rows.PaymentEvent) -> None:
        if event.is_repeat:
            return
        if isinstance(event, DepositRecorded | DepositSettled):
            batch.deposits[event.deposit_id] = self._open_payments.deposit(event, seq, time_ms)
        else:
            batch.withdrawals[event.withdrawal_id] = self._open_payments.withdrawal(event, seq, time_ms)

    def _accept(self, batch: Pending, seq: int, time_ms: int, event: OrderAccepted) -> None:
        order = order_rows.accepted(event, seq, time_ms)
        self._open_orders[event.order_id] = batch.orders[event.order_id] = order

    def _change(self, batch: Pending, seq: int, time_ms: int, event: order_rows.ChangeEvent) -> None:
        order = self._touch(batch, event.order_id, seq, time_ms)
        order_rows.change(order, event)
        if not order.is_open:
            del self._open_orders[event.order_id]

    def _trade(self, batch: Pending, seq: int, index: int, time_ms: int, event: Traded) -> None:
        market_id, trade_id, price, qty = event.market_id, event.trade_id, event.price, event.qty
        sign, is_liquidation = event.taker_sign, event.is_liquidation
        self._positions.trade(event)
        batch.trades.append(StoredTrade(market_id, time_ms, seq, index, trade_id, price, qty, sign, is_liquidation))
        for is_maker, side, account_id, order_id, leaves, fee, pnl in (
            (
                False,
                sign,
                event.taker_account_id,
                event.taker_order_id,
                event.taker_leaves,
                event.taker_fee,
                event.taker_pnl,
            ),
            (
                True,
                -sign,
                event.maker_account_id,
                event.maker_order_id,
                event.maker_leaves,
                event.maker_fee,
                event.maker_pnl,
            ),
        ):
            batch.fills.append(
                StoredFill(
                    account_id,
                    time_ms,
                    seq,
                    index,
                    is_maker,
                    market_id,
                    order_id,
                    trade_id,
                    side,
                    price,
                    qty,
                    fee,
                    pnl,
                    is_liquidation,
                )
            )
            order = self._touch(batch, order_id, seq, time_ms)
            order_rows.fill(order, qty, leaves)
            if leaves == 0:
                del self._open_orders[order_id]
        if is_liquidation:
            batch.liquidations.append(slice_row(seq, index, time_ms, event))
            self.steps[LiquidationStep.SLICE] += 1
        batch.rows += 4
        self._price(batch, LAST, market_id, time_ms, price, qty)

    def _touch(self, batch: Pending, order_id: int, seq: int, time_ms: int) -> StoredOrder:
        order = self._open_orders[order_id]
        order.updated_ms = time_ms
        order.updated_seq = seq
        batch.orders[order_id] = order
        return order

    def _price(self, batch: Pending, basis: int, subject_id: int, time_ms: int, price: int, qty: int = 0) -> None:
        """Count a price in its candle. `qty` 0: nobody traded at it."""
        series = self.statistics.series(basis, subject_id)
        slot = series.take(time_ms, price, qty)
        if series.batch != batch.number:
            series.batch = batch.number
            batch.candles.append(slot)

    def _close_candles(self, batch: Pending, time_ms: int) -> None:
        """End the candles that a time lies behind."""
        closed = self.statistics.advance(time_ms)
        batch.candles += closed
        batch.rows += len(closed)
        batch.forget_ms = kept_from(time_ms)

    # --- from rows to the database -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while True:
                await self._told.wait()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), self._interval_s)
                self._told.clear()
                self._writing, self._gathering = self._gathering, Pending(self._gathering.number + 1)
                self._gathering.seq = self._writing.seq
                await self._write_surely(self._writing)
                self._kept_ms = max(self._kept_ms, self._writing.forget_ms)
                self.seq, self._writing = self._writing.seq, None
                self._written.set()
        except Exception as error:
            _log.critical("the projector has ended", exc_info=error)
            self.failure = error
            self._written.set()

    async def _write_surely(self, batch: Pending) -> None:
        """Write a batch however often the database goes away. The checkpoint says whether it landed."""
        orders = [order_rows.line(order) for order in batch.orders.values()]  # now: they change while we wait
        candles = candle_rows.columns_of(batch.candles) if batch.candles else []
        held = position_rows.columns(batch.held)
        attempt = 0
        while True:
            try:
                connection = self._connection
                if connection is None or connection.is_closed():
                    connection = self._connection = await _connected(self._url)
                    if await connection.fetchval(_CHECKPOINT, NAME) == batch.seq:
                        return
                await self._write(connection, batch, orders, candles, held, is_again=attempt > 0)
                return
            except _HOPELESS as error:
                raise ProjectionConflict(f"The database refuses the rows: {error}") from error
            except UNREACHABLE as error:
                delay_s = _BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)]
                attempt += 1
                _log.warning("the projector cannot write (attempt %d): %r", attempt, error)
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                await asyncio.sleep(delay_s)

    async def _write(
        self,
        connection: Connection,
        batch: Pending,
        orders: list[str],
        candles: list[list[object]],
        held: list[list[object]],
        *,
        is_again: bool,
    ) -> None:
        async with connection.transaction():
            if await connection.execute(_MOVE, batch.seq, batch.time_ms, NAME, self.seq) != "UPDATE 1":
                # The commit of a session that we lost may have ended only while this one waited for the row.
                if is_again and await connection.fetchval(_CHECKPOINT, NAME) == batch.seq:
                    return
                raise ProjectionConflict(f"The checkpoint is no longer at {self.seq}: something else writes.")
            if orders:
                await connection.copy_to_table("orders_in", source=chunks(orders), columns=order_rows.COLUMNS)
                await connection.execute(order_rows.UPSERT)
            if candles:
                await connection.execute(candle_rows.UPSERT, *candles)
            if batch.forget_ms > self._kept_ms:
                await connection.execute(candle_rows.FORGET, self._kept_ms, batch.forget_ms)
            await payment_rows.write(connection, batch.deposits, batch.withdrawals)
            if held:
                await connection.execute(position_rows.UPSERT, *held)
            await activity.write(connection, batch)
            astuple = msgspec.structs.astuple
            if batch.trades:
                lines = [_TRADE % astuple(row) for row in batch.trades]
                await connection.copy_to_table("trades", source=chunks(lines))
                lines = [_FILL % astuple(row) for row in batch.fills]
                await connection.copy_to_table("fills", source=chunks(lines))
            if batch.ledger:
                lines = [_entry_line(row) for row in batch.ledger]
                await connection.copy_to_table("ledger_entries", source=chunks(lines))
            for table, form, rows in (
                ("funding_settlements", _FUNDING, batch.funding),
                ("funding_payments", _PAYMENT, batch.payments),
                ("liquidations", _LIQUIDATION, batch.liquidations),
                ("closed_positions", position_rows.LINE, batch.positions),
            ):
                if rows:
                    await connection.copy_to_table(table, source=chunks([form % astuple(row) for row in rows]))


async def _connected(url: str) -> Connection:
    connection = await connect(url, command_timeout_s=_TIMEOUT_S)
    await connection.execute(order_rows.MAKE_INCOMING)
    return connection


async def reset(connection: Connection) -> None:
    """Empty the projections and begin again at the journal's first command. Requires: no projector runs."""
    names = ", ".join(table.name for table in PROJECTIONS)
    async with connection.transaction():
        await connection.execute(f"TRUNCATE {names}")
        await connection.execute("UPDATE projector SET seq = 0, time_ms = 0 WHERE name = $1", NAME)


def _entry(seq: int, index: int, time_ms: int, event: BalanceChanged) -> LedgerEntry:
    return LedgerEntry(
        event.account_id,
        time_ms,
        seq,
        index,
        event.asset_id,
        event.amount,
        event.balance,
        event.cause.value,
        event.market_id,
        event.order_id,
        event.trade_id,
        event.reference,
    )


def _settlement(seq: int, index: int, event: FundingSettled) -> StoredFunding:
    return StoredFunding(
        event.market_id,
        event.time_ms,
        seq,
        index,
        event.rate_e12,
        event.lot_e12,
        event.mark_price,
        event.collected,
        event.paid,
        event.gift,
        event.residue,
    )


def _entry_line(entry: LedgerEntry) -> str:
    if entry.reference:
        entry = msgspec.structs.replace(entry, reference=entry.reference.translate(ESCAPES))
    return _ENTRY % msgspec.structs.astuple(entry)
