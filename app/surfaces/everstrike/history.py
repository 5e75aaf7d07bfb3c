"""The GET rows of the past: orders, all and by how they ended, triggers, positions that were closed."""

from typing import final

from litestar.types import Receive

from app.db.rows import StoredPosition
from app.door import Answer, Request
from app.surfaces.everstrike import ids
from app.surfaces.everstrike.answers import Json, success
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.pairs import Pair
from app.surfaces.everstrike.reading import Selection
from app.wire import amount, ratio
from engine.order import OrderStatus


@final
class History:
    """The handlers."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def orders(self, request: Request, _receive: Receive) -> Answer:
        """GET /orders: open and closed ones, the latest change first."""
        return await self._orders(request)

    async def completed_orders(self, request: Request, _receive: Receive) -> Answer:
        """GET /completed_orders: entirely filled ones."""
        return await self._orders(request, (OrderStatus.COMPLETED,))

    async def cancelled_orders(self, request: Request, _receive: Receive) -> Answer:
        """GET /cancelled_orders: whatever ended them, with fills or without."""
        return await self._orders(request, (OrderStatus.CANCELLED,))

    async def filled_orders(self, request: Request, _receive: Receive) -> Answer:
        """GET /filled_orders: with a fill, open or ended."""
        return await self._orders(request, only_filled=True)

    async def triggers(self, request: Request, _receive: Receive) -> Answer:
        """GET /triggers: orders that wait or waited for a price, whatever became of them."""
        return await self._orders(request, only_triggers=True)

    async def _orders(
        self,
        request: Request,
        statuses: tuple[OrderStatus, ...] = (),
        *,
        only_filled: bool = False,
        only_triggers: bool = False,
    ) -> Answer:
        desk = self._desk
        key, query = desk.read(request)
        chosen = Selection(query, desk.pairs)
        rows = await desk.queries.orders(
            key.account_id,
            market_id=chosen.market_id,
            statuses=statuses,
            only_filled=only_filled,
            only_triggers=only_triggers,
            start_ms=chosen.start_ms,
            end_ms=chosen.end_ms,
            before=chosen.before_id(ids.ORDER),
            limit=chosen.limit,
        )
        return success([desk.order_of(row, key, []) for row in rows])

    async def completed_positions(self, request: Request, _receive: Receive) -> Answer:
        """GET /completed_positions: the latest end first."""
        desk = self._desk
        key, query = desk.read(request)
        chosen = Selection(query, desk.pairs)
        rows = await desk.queries.closed_positions(
            key.account_id,
            market_id=chosen.market_id,
            start_ms=chosen.start_ms,
            end_ms=chosen.end_ms,
            before=chosen.before_place(),
            limit=chosen.limit,
        )
        found = [(desk.pairs.of(row.market_id), row) for row in rows]
        return success([{pair.name: closed_json(row, pair)} for pair, row in found])


def closed_json(row: StoredPosition, pair: Pair) -> Json:
    """A position that ended: sizes and values are of all its lots, and what only an open one has is 0 or null."""
    nothing = 0.0
    pnl = amount(row.pnl)
    size = row.sign * row.qty / pair.lots_in_one
    # Values over lots are price units times unit_value.
    lots_value = row.qty * pair.unit_value * pair.price_units_in_one
    return {
        "id": ids.encode_place(row.seq, row.index),
        "pair": pair.name,
        "size": size,
        "free": nothing,
        "locked": nothing,
        "realized": pnl,
        "funding": amount(row.funding),
        "fees": amount(row.fees),
        "cum_pnl": amount(row.pnl + row.funding),
        "fills": [],
        "time": row.time_ms,
        "time_open": row.opened_ms,
        "reason": row.how.name,
        "stats": {
            "size": size,
            "notional": amount(row.exit_value),
            "notional_entry": amount(row.entry_value),
            "margin": nothing,
            "pnl": pnl,
            "upnl": nothing,
            "rpnl": pnl,
            "equity": nothing,
            "roe": None,
            "mark": None,
            "avg_entry": ratio(row.entry_value, lots_value),
            "avg_exit": ratio(row.exit_value, lots_value),
            "leverage": None,
            "lp": None,
            "bankrupt": None,
            "direction": "BUY" if row.sign > 0 else "SELL",
        },
    }
