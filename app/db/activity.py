"""When an account last did what: made of a batch of rows, for the database and for reads of what it does not have yet."""

from collections.abc import Iterable
from typing import Final

import msgspec

from app.db.connect import Connection
from app.db.pending import Pending
from app.db.rows import Activity, StoredOrder
from engine.order import OrderStatus
from exchange.events import Cause

DEPOSIT: Final = Cause.DEPOSIT.value
WITHDRAWAL: Final = Cause.WITHDRAWAL.value
_UPSERT: Final = (
    "INSERT INTO account_activity AS a SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[],"
    " $5::bigint[], $6::bigint[], $7::bigint[]) ON CONFLICT (account_id) DO UPDATE SET (opened_ms, order_ms, trade_ms,"
    " cancellation_ms, deposit_ms, withdrawal_ms) = (greatest(a.opened_ms, excluded.opened_ms), greatest(a.order_ms,"
    " excluded.order_ms), greatest(a.trade_ms, excluded.trade_ms), greatest(a.cancellation_ms, excluded.cancellation_ms),"
    " greatest(a.deposit_ms, excluded.deposit_ms), greatest(a.withdrawal_ms, excluded.withdrawal_ms))"
)


async def write(connection: Connection, batch: Pending) -> None:
    """Write what the accounts of a batch did last."""
    rows = [msgspec.structs.astuple(row) for row in activities(batch).values()]
    if rows:
        await connection.execute(_UPSERT, *[list(column) for column in zip(*rows, strict=True)])


def activities(batch: Pending, account_id: int | None = None) -> dict[int, Activity]:
    """What the accounts of a batch did last, by account; or one of them only. Cost: O(rows)."""
    opened, fills, ledger = batch.opened, batch.fills, batch.ledger
    orders: Iterable[StoredOrder] = batch.orders.values()
    if account_id is not None:
        opened = {account_id: opened[account_id]} if account_id in opened else {}
        orders = [order for order in orders if order.account_id == account_id]
        fills = [fill for fill in fills if fill.account_id == account_id]
        ledger = [entry for entry in ledger if entry.account_id == account_id]
    found = _Activities()
    for key, time_ms in opened.items():
        found[key].opened_ms = time_ms
    for order in orders:
        if not order.is_liquidation:
            activity = found[order.account_id]
            activity.order_ms = max(activity.order_ms, order.created_ms)
            if order.status is OrderStatus.CANCELLED:
                activity.cancellation_ms = max(activity.cancellation_ms, order.updated_ms)
    for fill in fills:
        found[fill.account_id].trade_ms = fill.time_ms  # they stand in the order of time
    for entry in ledger:
        if entry.cause == DEPOSIT:
            found[entry.account_id].deposit_ms = entry.time_ms
        elif entry.cause == WITHDRAWAL and entry.amount < 0:
            found[entry.account_id].withdrawal_ms = entry.time_ms
    return found


class _Activities(dict[int, Activity]):
    """Begins with an account when it is first asked for."""

    def __missing__(self, account_id: int) -> Activity:
        found = self[account_id] = Activity(account_id)
        return found


def later(one: Activity, other: Activity) -> Activity:
    """The later time of each kind."""
    return Activity(
        one.account_id,
        max(one.opened_ms, other.opened_ms),
        max(one.order_ms, other.order_ms),
        max(one.trade_ms, other.trade_ms),
        max(one.cancellation_ms, other.cancellation_ms),
        max(one.deposit_ms, other.deposit_ms),
        max(one.withdrawal_ms, other.withdrawal_ms),
    )
