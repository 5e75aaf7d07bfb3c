"""Orders as rows: made of the events that take them through their life, written to the table, read from it."""

from typing import Final, TypeAlias

import msgspec

from app.db.copying import ESCAPES
from app.db.rows import StoredOrder
from engine.order import OrderStatus, Side
from exchange.commands import PlaceOrder
from exchange.events import CancelReason, OrderAccepted, OrderAmended, OrderCancelled, OrderReduced, OrderTriggered
from exchange.rejects import Reject

ChangeEvent: TypeAlias = OrderCancelled | OrderReduced | OrderAmended | OrderTriggered
CHANGES: Final = (OrderCancelled, OrderReduced, OrderAmended, OrderTriggered)

COLUMNS: Final = (
    "order_id",
    "account_id",
    "market_id",
    "side",
    "status",
    "price",
    "qty",
    "leaves",
    "filled",
    "trigger_price",
    "cancel_reason",
    "reject",
    "created_ms",
    "updated_ms",
    "updated_seq",
    "client_order_id",
    "request",
    "is_liquidation",
    "is_trigger",
)
MAKE_INCOMING: Final = "CREATE TEMP TABLE IF NOT EXISTS orders_in (LIKE orders) ON COMMIT DELETE ROWS"
UPSERT: Final = (
    "INSERT INTO orders SELECT * FROM orders_in ON CONFLICT (order_id) DO UPDATE SET (status, price, qty, leaves, filled,"
    " trigger_price, cancel_reason, reject, request, updated_ms, updated_seq) = (excluded.status, excluded.price,"
    " excluded.qty, excluded.leaves, excluded.filled, excluded.trigger_price, excluded.cancel_reason, excluded.reject,"
    " excluded.request, excluded.updated_ms, excluded.updated_seq)"
)
_LINE: Final = "\t".join(["%d"] * 10 + ["%s"] * 2 + ["%d"] * 3 + ["%s", "\\\\x%s", "%s", "%s"])

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(PlaceOrder)


def accepted(event: OrderAccepted, seq: int, time_ms: int) -> StoredOrder:
    """The row of a new order."""
    request = event.request
    return StoredOrder(
        event.order_id,
        request.account_id,
        request.market_id,
        request.side,
        event.status,
        event.price,
        event.qty,
        event.qty,
        0,
        request.trigger_price,
        None,
        None,
        request,
        time_ms,
        time_ms,
        seq,
        event.is_liquidation,
    )


def change(order: StoredOrder, event: ChangeEvent) -> None:
    """Take in what happened to an open order; a cancelled one is open no more."""
    if isinstance(event, OrderCancelled):
        order.leaves = event.leaves
        order.status = OrderStatus.CANCELLED
        order.cancel_reason = event.reason
        order.reject = event.reject
    elif isinstance(event, OrderReduced):
        order.leaves = event.leaves
        order.qty = order.filled + event.leaves
    elif isinstance(event, OrderAmended):
        order.amend(qty=event.qty, leaves=event.leaves, price=event.price, trigger_price=event.trigger_price)
    else:
        order.qty, order.leaves, order.price = order.filled + event.qty, event.qty, event.price
        order.status = OrderStatus.ACTIVE


def fill(order: StoredOrder, qty: int, leaves: int) -> None:
    """Take in a fill; an order with nothing left is open no more."""
    order.filled += qty
    order.leaves = leaves
    if leaves == 0:
        order.status = OrderStatus.COMPLETED


def line(order: StoredOrder) -> str:
    """A row as COPY takes it."""
    request, reason, reject = order.request, order.cancel_reason, order.reject
    return _LINE % (
        order.order_id,
        order.account_id,
        order.market_id,
        order.side.value,
        order.status.value,
        order.price,
        order.qty,
        order.leaves,
        order.filled,
        order.trigger_price,
        "\\N" if reason is None else reason.value,
        "\\N" if reject is None else reject.name,
        order.created_ms,
        order.updated_ms,
        order.updated_seq,
        request.client_order_id.translate(ESCAPES),
        _encoder.encode(request).hex(),
        order.is_liquidation,
        order.is_trigger,
    )


def from_row(row: dict[str, object]) -> StoredOrder:
    """A row of the table orders."""
    row = dict(row)
    del row["client_order_id"], row["is_trigger"]  # stand in the request too
    request, reason, reject = row["request"], row["cancel_reason"], row["reject"]
    assert isinstance(request, bytes)
    row["request"] = _decoder.decode(request)
    row["side"] = Side(row["side"])
    row["status"] = OrderStatus(row["status"])
    row["cancel_reason"] = None if reason is None else CancelReason(reason)
    row["reject"] = None if reject is None else Reject[str(reject)]
    return StoredOrder(**row)  # type: ignore[arg-type]  # the table's columns are the fields
