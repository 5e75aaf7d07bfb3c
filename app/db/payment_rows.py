"""Deposits and withdrawals as rows: what events make of them, how they are written, and those in memory that may change."""

from typing import Any, Final, TypeAlias, final

import msgspec

from app.db.connect import Connection
from app.db.rows import StoredDeposit, StoredWithdrawal
from exchange.commands import WithdrawalStatus
from exchange.events import DepositRecorded, DepositSettled, DepositStatus, WithdrawalAdvanced, WithdrawalRequested

PaymentEvent: TypeAlias = DepositRecorded | DepositSettled | WithdrawalRequested | WithdrawalAdvanced
PAYMENTS: Final = (DepositRecorded, DepositSettled, WithdrawalRequested, WithdrawalAdvanced)
ENDED: Final = frozenset(
    {
        WithdrawalStatus.CANCELLED,
        WithdrawalStatus.REJECTED,
        WithdrawalStatus.SUCCEEDED,
        WithdrawalStatus.FAILED,
    }
)
_DEPOSIT: Final = (
    "INSERT INTO deposits VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
    " ON CONFLICT (deposit_id) DO UPDATE SET (fee, status, note, updated_ms, updated_seq)"
    " = (excluded.fee, excluded.status, excluded.note, excluded.updated_ms, excluded.updated_seq)"
)
_WITHDRAWAL: Final = (
    "INSERT INTO withdrawals VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
    " ON CONFLICT (withdrawal_id) DO UPDATE SET (status, transaction, note, updated_ms, updated_seq)"
    " = (excluded.status, excluded.transaction, excluded.note, excluded.updated_ms, excluded.updated_seq)"
)


@final
class OpenPayments:
    """Those that a later event may change, so that it finds when they began. A deposit that failed may come late."""

    __slots__ = ("_deposits", "_withdrawals")

    def __init__(self) -> None:
        self._deposits: dict[int, StoredDeposit] = {}
        self._withdrawals: dict[int, StoredWithdrawal] = {}

    async def load(self, connection: Connection) -> None:
        """Find them in the tables."""
        for found in await connection.fetch("SELECT * FROM deposits WHERE status <> 1"):
            deposit = deposit_from(dict(found))
            self._deposits[deposit.deposit_id] = deposit
        for found in await connection.fetch("SELECT * FROM withdrawals WHERE status IN (0, 1, 3, 4, 6)"):
            withdrawal = withdrawal_from(dict(found))
            self._withdrawals[withdrawal.withdrawal_id] = withdrawal

    def deposit(self, event: DepositRecorded | DepositSettled, seq: int, time_ms: int) -> StoredDeposit:
        """The deposit as the event leaves it."""
        before = self._deposits.pop(event.deposit_id, None)
        created_ms = before.created_ms if before is not None else time_ms
        row = stored_deposit(event, created_ms, seq=seq, time_ms=time_ms)
        if event.status is not DepositStatus.COMPLETED:
            self._deposits[event.deposit_id] = row
        return row

    def withdrawal(self, event: WithdrawalRequested | WithdrawalAdvanced, seq: int, time_ms: int) -> StoredWithdrawal:
        """The withdrawal as the event leaves it."""
        before = self._withdrawals.pop(event.withdrawal_id, None)
        row = StoredWithdrawal(
            event.withdrawal_id,
            event.account_id,
            event.asset_id,
            event.amount,
            event.fee,
            event.address,
            event.network,
            event.reference,
            event.status,
            event.transaction,
            event.note,
            before.created_ms if before is not None else time_ms,
            time_ms,
            seq,
        )
        if event.status not in ENDED:
            self._withdrawals[event.withdrawal_id] = row
        return row


def stored_deposit(
    event: DepositRecorded | DepositSettled, created_ms: int, *, seq: int, time_ms: int
) -> StoredDeposit:
    """The row of a deposit as an event leaves it."""
    return StoredDeposit(
        event.deposit_id,
        event.account_id,
        event.asset_id,
        event.amount,
        event.fee,
        event.address,
        event.transaction,
        event.source,
        event.reference,
        event.status,
        event.note,
        created_ms,
        time_ms,
        seq,
    )


async def write(
    connection: Connection, deposits: dict[int, StoredDeposit], withdrawals: dict[int, StoredWithdrawal]
) -> None:
    """Write rows over what stands there. They are few: money comes and goes by hand."""
    if deposits:
        await connection.executemany(_DEPOSIT, [_values(row) for row in deposits.values()])
    if withdrawals:
        await connection.executemany(_WITHDRAWAL, [_values(row) for row in withdrawals.values()])


def _values(row: StoredDeposit | StoredWithdrawal) -> list[object]:
    values = msgspec.structs.asdict(row)
    values["status"] = row.status.value
    return list(values.values())


def deposit_from(row: dict[str, Any]) -> StoredDeposit:
    """A row of the table deposits, whose amounts come as decimals."""
    row.update(amount=int(row["amount"]), fee=int(row["fee"]), status=DepositStatus(row["status"]))
    return StoredDeposit(**row)


def withdrawal_from(row: dict[str, Any]) -> StoredWithdrawal:
    """A row of the table withdrawals, whose amounts come as decimals."""
    row.update(amount=int(row["amount"]), fee=int(row["fee"]), status=WithdrawalStatus(row["status"]))
    return StoredWithdrawal(**row)
