"""A simulated chain that keeps the coins, to try the venue and to test it: blocks by the clock, everything that goes wrong on demand.

It is the outside world. Its tables (chain_*) are written in transactions of their own and by nobody else, its blocks come whether an
exchange runs or not, and it knows nothing of the exchange but the addresses and payments that it was given. Money comes out of
nowhere: whoever may open the operator's socket can pay as much as they like.

A transaction waits until the next block takes it. Confirmations are the blocks from its own to the newest; a reorganisation
takes the newest blocks' transactions out again.
"""

import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, Final, final

import msgspec
from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.clock import Clock
from app.custody.base import (
    Changes,
    CustodyUnavailable,
    Payment,
    PaymentDiffers,
    PaymentRefused,
    SeenDeposit,
    SeenPayment,
)
from app.db.tables import chain_addresses, chain_head, chain_transactions
from app.journal import UNREACHABLE

NAME: Final = "simulated"
DEPTH: Final = 100
"""Confirmations beyond which the chain does not say how many more there are."""
BLOCKS_MAX: Final = 10**9
CHANGES_MAX: Final = 500
_PREFIX: Final = "sim1"
_BODY_BYTES: Final = 20
_CHECK_CHARS: Final = 8
_ADDRESS: Final = re.compile(r"sim1([0-9a-f]{40})([0-9a-f]{8})").fullmatch
_CURSOR: Final = re.compile(r"([0-9]{1,18}):([0-9]{1,18})").fullmatch


class ChainStatus(Enum):
    """Where a transaction is. LOST: no block will take it, unless it is revived."""

    WAITING = 0
    MINED = 1
    LOST = 2


class Transaction(msgspec.Struct, frozen=True):
    """A transaction for a list. `key` is empty where it is no payment of the exchange's."""

    transaction: str
    key: str
    asset: str
    amount: int
    address: str
    source: str
    status: ChainStatus
    confirmations: int


class ChainState(msgspec.Struct, frozen=True):
    """How the chain is: its height, and what it will do wrong."""

    height: int
    fail_next: int
    lose_next: int
    is_away: bool


class NoTransaction(ValueError):
    """There is no such transaction, or it is not where this could happen to it."""


def make_address() -> str:
    """Make a valid address that nobody has."""
    body = secrets.token_hex(_BODY_BYTES)
    return f"{_PREFIX}{body}{_check(body)}"


def _check(body: str) -> str:
    return hashlib.sha256(f"evermark simulated chain {body}".encode()).hexdigest()[:_CHECK_CHARS]


@final
class SimulatedChain:
    """Both sides of it: a custody for the cashier, and a world for operators and tests to play."""

    def __init__(self, engine: AsyncEngine, clock: Clock, *, block_ms: int) -> None:
        self._engine = engine
        self._clock = clock
        self._block_ms = block_ms

    # --- the custody -------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What cursors and incidents are kept under."""
        return NAME

    def networks(self, asset: str) -> tuple[str, ...]:
        """Any asset goes over this chain."""
        return (NAME,)

    def check_address(self, asset: str, network: str, address: str) -> str | None:
        """Say what is wrong with an address."""
        found = _ADDRESS(address)
        if found is None:
            return f"The address is none of the simulated chain's: {_PREFIX} and 48 hex digits."
        return None if _check(found[1]) == found[2] else "The address has a slip of the pen: its checksum does not fit."

    async def address(self, holder: str, asset: str = "", network: str = NAME) -> str:
        """The holder's address, the same for every asset."""
        async with self._reached() as connection:
            query = select(chain_addresses.c.address).where(chain_addresses.c.holder == holder)
            found: str | None = (await connection.execute(query)).scalar_one_or_none()
            if found is None:
                row = {"address": make_address(), "holder": holder}
                await connection.execute(upsert(chain_addresses).values(row).on_conflict_do_nothing())
                found = (await connection.execute(query)).scalar_one()
        return found

    async def send(self, payment: Payment) -> None:
        """Pay, once for each key."""
        reason = self.check_address(payment.asset, payment.network, payment.address)
        if reason is not None:
            raise PaymentRefused(reason)
        async with self._reached() as connection:
            head = await self._advance(connection)
            query = select(chain_transactions).where(chain_transactions.c.key == payment.key)
            first = (await connection.execute(query)).one_or_none()
            if first is None:
                is_failed = head.fail_next > 0
                await self._change_head(connection, fail_next=head.fail_next - int(is_failed))
                await self._add(connection, payment, "", ChainStatus.LOST if is_failed else ChainStatus.WAITING, 0)
            elif _payment(first) != payment:
                raise PaymentDiffers(f"The key {payment.key} was sent as {_payment(first)}")
            is_lost = head.lose_next > 0
            if is_lost:
                await self._change_head(connection, lose_next=head.lose_next - 1)
        if is_lost:
            raise CustodyUnavailable("The answer was lost on the way.")

    async def changes(self, cursor: str) -> Changes:
        """What is other than at the cursor: changed rows, and where blocks came since, all that are not DEPTH blocks deep."""
        found = _CURSOR(cursor)
        version, height = (int(found[1]), int(found[2])) if found is not None else (0, 0)
        async with self._reached() as connection:
            head = await self._advance(connection)
            table = chain_transactions.outerjoin(
                chain_addresses, chain_addresses.c.address == chain_transactions.c.address
            )
            query = select(chain_transactions, chain_addresses.c.holder).select_from(table)
            changed = query.where(chain_transactions.c.version > version).order_by(chain_transactions.c.version)
            rows = list((await connection.execute(changed.limit(CHANGES_MAX))).all())
            if len(rows) == CHANGES_MAX:
                return _changes(rows, head.height, f"{rows[-1].version}:{height}", is_more=True)
            if head.height > height:
                growing = and_(
                    chain_transactions.c.version <= version,
                    chain_transactions.c.status == ChainStatus.MINED.value,
                    chain_transactions.c.height > height + 1 - DEPTH,
                )
                rows += (await connection.execute(query.where(growing).order_by(chain_transactions.c.version))).all()
            return _changes(rows, head.height, f"{head.version}:{head.height}", is_more=False)

    # --- the world ---------------------------------------------------------------------------------------------------

    async def deposit(self, address: str, asset: str, amount: int, *, source: str = "", delay: int = 0) -> str:
        """Pay from outside to an address; gives the transaction. No block takes it before `delay` more have gone by.

        Raises: ValueError for an amount that is not positive.
        """
        if amount <= 0:
            raise ValueError("A chain moves positive amounts only.")
        payment = Payment("", 0, asset, NAME, amount, address)
        async with self._opened() as connection:
            await self._advance(connection)
            return await self._add(connection, payment, source or make_address(), ChainStatus.WAITING, delay)

    async def mine(self, blocks: int) -> int:
        """Let blocks come at once; gives the height."""
        async with self._opened() as connection:
            head = await self._advance(connection)
            height: int = head.height + blocks
            await self._take(connection, head.height, height, head.time_ms)
        return height

    async def lose(self, transaction: str, note: str = "") -> None:
        """Let a transaction come to nothing: one that waits, or one that a block took already. Raises: NoTransaction."""
        await self._move(transaction, (ChainStatus.WAITING, ChainStatus.MINED), ChainStatus.LOST, note)

    async def revive(self, transaction: str) -> None:
        """Let a transaction that came to nothing wait again: it is paid after all. Raises: NoTransaction."""
        await self._move(transaction, (ChainStatus.LOST,), ChainStatus.WAITING, "")

    async def reorganise(self, depth: int, *, is_lost: bool = False) -> int:
        """Take the transactions out of the newest blocks; they wait again, or (`is_lost`) are lost. Gives how many they were."""
        status = ChainStatus.LOST if is_lost else ChainStatus.WAITING
        async with self._opened() as connection:
            head = await self._advance(connection)
            rows = chain_transactions
            out = and_(rows.c.status == ChainStatus.MINED.value, rows.c.height > head.height - depth)
            found = list((await connection.execute(select(rows.c.transaction).where(out))).scalars())
            for transaction in found:
                values = {"status": status.value, "height": 0, "mine_from": head.height + 1}
                await self._change(connection, transaction, **values)
        return len(found)

    async def fail_next(self, count: int) -> None:
        """Let the next payments fail: taken, and never paid."""
        await self._set(fail_next=count)

    async def lose_next(self, count: int) -> None:
        """Let the answers to the next payments be lost: taken, paid, and the sender never hears."""
        await self._set(lose_next=count)

    async def go_away(self, is_away: bool) -> None:
        """Let the custody not answer, or answer again. Blocks go on."""
        await self._set(is_away=is_away)

    async def state(self) -> ChainState:
        """How the chain is."""
        async with self._opened() as connection:
            head = await self._advance(connection)
        return ChainState(head.height, head.fail_next, head.lose_next, head.is_away)

    async def transactions(self, limit: int = 50) -> list[Transaction]:
        """The last transactions, the newest change first."""
        async with self._opened() as connection:
            head = await self._advance(connection)
            query = select(chain_transactions).order_by(chain_transactions.c.version.desc()).limit(limit)
            rows = (await connection.execute(query)).all()
        return [
            Transaction(
                row.transaction,
                row.key or "",
                row.asset,
                int(row.amount),
                row.address,
                row.source,
                ChainStatus(row.status),
                _confirmations(row, head.height),
            )
            for row in rows
        ]

    # --- inside ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[AsyncConnection]:
        """A transaction. Raises: CustodyUnavailable."""
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, *UNREACHABLE) as error:
            raise CustodyUnavailable(f"The simulated chain cannot be reached: {error!r}") from error

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for the custody's side, unless it is away. Raises: CustodyUnavailable."""
        async with self._opened() as connection:
            if (await connection.execute(select(chain_head.c.is_away))).scalar_one_or_none():
                raise CustodyUnavailable("The custody does not answer.")
            yield connection

    async def _advance(self, connection: AsyncConnection) -> Row[Any]:
        """Let the blocks come that are due, and hold the chain until the transaction ends. Gives the head."""
        now_ms = self._clock()
        first = {
            "id": 1,
            "height": 1,
            "time_ms": now_ms,
            "version": 0,
            "fail_next": 0,
            "lose_next": 0,
            "is_away": False,
        }
        await connection.execute(upsert(chain_head).values(first).on_conflict_do_nothing())
        query = select(chain_head).with_for_update()
        head = (await connection.execute(query)).one()
        blocks = min((now_ms - head.time_ms) // self._block_ms, BLOCKS_MAX)
        if blocks <= 0:  # a clock that was set back makes no blocks, and takes none back
            return head
        await self._take(connection, head.height, head.height + blocks, head.time_ms + blocks * self._block_ms)
        return (await connection.execute(query)).one()

    async def _take(self, connection: AsyncConnection, height: int, new_height: int, time_ms: int) -> None:
        """Let the blocks after `height` take what waits, each from the first that may."""
        rows = chain_transactions
        waits = and_(rows.c.status == ChainStatus.WAITING.value, rows.c.mine_from <= new_height)
        found = (await connection.execute(select(rows).where(waits).order_by(rows.c.version))).all()
        for row in found:
            values = {"status": ChainStatus.MINED.value, "height": max(height + 1, row.mine_from)}
            await self._change(connection, row.transaction, **values)
        await self._change_head(connection, height=new_height, time_ms=time_ms)

    async def _add(
        self, connection: AsyncConnection, payment: Payment, source: str, status: ChainStatus, delay: int
    ) -> str:
        head = (await connection.execute(select(chain_head))).one()
        transaction = secrets.token_hex(32)
        values = {
            "transaction": transaction,
            "key": payment.key or None,
            "withdrawal_id": payment.withdrawal_id,
            "asset": payment.asset,
            "amount": payment.amount,
            "address": payment.address,
            "source": source,
            "status": status.value,
            "height": 0,
            "mine_from": head.height + 1 + delay,
            "version": head.version + 1,
            "note": "",
        }
        await connection.execute(insert(chain_transactions).values(values))
        await self._change_head(connection, version=head.version + 1)
        return transaction

    async def _move(self, beginning: str, before: tuple[ChainStatus, ...], after: ChainStatus, note: str) -> None:
        """Change the one transaction that begins so."""
        rows = chain_transactions
        begins = rows.c.transaction.startswith(beginning, autoescape=True)
        async with self._opened() as connection:
            head = await self._advance(connection)
            found = (await connection.execute(select(rows).where(begins).limit(2))).all()
            if len(found) != 1 or ChainStatus(found[0].status) not in before:
                raise NoTransaction(f"There is no transaction {beginning!r} to which this can happen.")
            values = {"status": after.value, "height": 0, "mine_from": head.height + 1, "note": note}
            await self._change(connection, found[0].transaction, **values)

    async def _change(self, connection: AsyncConnection, transaction: str, **values: object) -> None:
        """Change a transaction. Requires: the head's lock is held, so that versions are committed in their order."""
        version = (await connection.execute(select(chain_head.c.version))).scalar_one() + 1
        change = update(chain_transactions).where(chain_transactions.c.transaction == transaction)
        await connection.execute(change.values(version=version, **values))
        await self._change_head(connection, version=version)

    async def _change_head(self, connection: AsyncConnection, **values: object) -> None:
        await connection.execute(update(chain_head).values(**values))

    async def _set(self, **values: object) -> None:
        async with self._opened() as connection:
            await self._advance(connection)
            await self._change_head(connection, **values)


def _payment(row: Row[Any]) -> Payment:
    return Payment(row.key or "", row.withdrawal_id, row.asset, NAME, int(row.amount), row.address)


def _confirmations(row: Row[Any], height: int) -> int:
    return height - row.height + 1 if row.status == ChainStatus.MINED.value else 0


def _changes(rows: list[Row[Any]], height: int, cursor: str, *, is_more: bool) -> Changes:
    """What the rows say. One of ours that pays to one of ours is a payment and a deposit."""
    deposits = []
    payments = []
    for row in rows:
        confirmations = _confirmations(row, height)
        is_lost = row.status == ChainStatus.LOST.value
        if row.key is not None:
            payments.append(SeenPayment(_payment(row), row.transaction, confirmations, is_lost, row.note))
        if row.holder is not None:
            whence = (row.transaction, 0, row.source)
            what = (row.holder, row.asset, int(row.amount), row.address)
            deposits.append(SeenDeposit(*what, *whence, confirmations, is_lost))
    return Changes(tuple(deposits), tuple(payments), cursor, is_more)
