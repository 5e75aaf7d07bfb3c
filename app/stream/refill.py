"""The ring after a start: the last commands of the journal are played once more beside the exchange, for what they told accounts.

The same journal makes the same messages, so a client that resumes does not see that there was a start in between.
"""

import logging
from collections.abc import Mapping
from typing import Final

import msgspec

from app import snapshots
from app.db.connect import Connection, connect
from app.db.rows import StoredOrder
from app.journal import EMPTY, UNREACHABLE, Head, read, skipped_seqs
from app.stream.private import CustomerOf, FindOrder, Teller
from app.stream.ring import Ring
from app.surfaces.everstrike.pairs import Pairs
from exchange import views
from exchange.commands import PlaceOrder
from exchange.exchange import Exchange

COMMANDS: Final = 5_000
"""How many of the last commands are told again."""
REPLAY_MAX: Final = 150_000
"""How many are played at most, from a snapshot on: a start is not to take much longer for it."""

_decode: Final = msgspec.msgpack.Decoder(PlaceOrder).decode
_log = logging.getLogger(__name__)


async def refill(
    ring: Ring,
    url: str,
    *,
    until: int,
    account_ids: set[int],
    pairs: Pairs,
    find_order: FindOrder,
    customer_of: CustomerOf,
) -> None:
    """Fill an empty ring with what the last commands up to `until` told these accounts. Without success it stays empty.

    `find_order` gives orders that are open as of `until`.
    """
    if not until or not account_ids:
        return
    try:
        connection = await connect(url)
        try:
            await _refill(connection, ring, until, account_ids, pairs, find_order, customer_of)
        finally:
            await connection.close(timeout=5)
    except (snapshots.SnapshotBad, AssertionError, *UNREACHABLE) as error:
        _log.warning("the stream begins without a past: %r", error)
        ring.clear()


async def _refill(
    connection: Connection,
    ring: Ring,
    until: int,
    account_ids: set[int],
    pairs: Pairs,
    find_order: FindOrder,
    customer_of: CustomerOf,
) -> None:
    exchange, head = await _start(connection, until)
    first = max(head.seq, until - COMMANDS) + 1
    skipped = await skipped_seqs(connection)
    orders: dict[int, StoredOrder] = {}
    teller = Teller(ring, pairs, orders.get, customer_of, is_lasting=True)
    is_telling = False
    async for batch in read(connection, head):
        for seq, command in enumerate(batch.commands, batch.first_seq):
            if seq > until:
                break
            if seq >= first and not is_telling:
                is_telling = True
                requests = await _requests(connection, exchange, account_ids, find_order)
                orders.update(open_orders(exchange, account_ids, requests))
                for account_id in account_ids:
                    ring.follow(account_id, seq - 1, with_extras=True)
            if seq in skipped:
                continue
            events = exchange.apply(command, batch.time_ms)
            if is_telling:
                for sheet in teller.tell(seq, batch.time_ms, events, exchange):
                    ring.add(sheet.account_id, sheet.entries)


async def _start(connection: Connection, until: int) -> tuple[Exchange, Head]:
    """A state from before what is to be told, the nearest there is; the nearest behind it where there is none.

    Raises: SnapshotBad.
    """
    found = [header for header in await snapshots.headers(connection) if header.seq < until]
    good = [header for header in found if until - header.seq <= REPLAY_MAX and header.format == snapshots.FORMAT]
    before = [header for header in good if header.seq <= until - COMMANDS]
    if not before and until <= REPLAY_MAX:
        return Exchange(), EMPTY
    if not good:
        raise snapshots.SnapshotBad(f"none is near enough to {until}")
    header = before[0] if before else good[-1]
    return await snapshots.load(connection, header), header.head


async def _requests(
    connection: Connection, exchange: Exchange, account_ids: set[int], find_order: FindOrder
) -> dict[int, PlaceOrder]:
    """What was asked for with the accounts' open orders last: amendments are in the records only."""
    order_ids = {view.order_id for account_id in account_ids for view in views.orders(exchange, account_id)}
    found = {order_id: order.request for order_id in order_ids if (order := find_order(order_id)) is not None}
    rows = await connection.fetch(
        "SELECT order_id, request FROM orders WHERE order_id = ANY($1)", list(order_ids - found.keys())
    )
    found.update((row["order_id"], _decode(row["request"])) for row in rows)
    return found


def open_orders(
    exchange: Exchange, account_ids: set[int], requests: Mapping[int, PlaceOrder]
) -> dict[int, StoredOrder]:
    """The accounts' open orders as the projector has them."""
    found = {}
    for account_id in account_ids:
        for view in views.orders(exchange, account_id):
            request = requests.get(view.order_id, view.request)
            found[view.order_id] = StoredOrder(
                view.order_id,
                view.account_id,
                view.market_id,
                request.side,
                view.status,
                view.price,
                view.qty,
                view.leaves,
                view.filled,
                request.trigger_price,
                None,
                None,
                request,
                view.time_ms,
                view.time_ms,
                0,
            )
    return found
