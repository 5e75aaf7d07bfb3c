"""The POST rows: orders, cancels, leverage and margin."""

from typing import final

import msgspec
from litestar.types import Receive

from app import forms, wire
from app.auth import Key
from app.door import Answer, Request
from app.problems import Malformed, NotFound
from app.surfaces.everstrike import ids, orders
from app.surfaces.everstrike.answers import (
    LEVERAGE_LEAST_E2,
    Json,
    Placed,
    order_of_placed,
    placed,
    refused,
    refused_in_batch,
    success,
)
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.pairs import Pair
from engine.order import OrderStatus, Side
from exchange import views
from exchange.commands import CancelOrder, CancelOrders, MoveMargin, PlaceBatch, PlaceOrder, SetLeverage
from exchange.events import CommandRejected, Event, OrderCancelled
from exchange.exchange import Exchange
from exchange.limits import CANCEL_IDS_MAX, REFERENCE_LENGTH_MAX
from exchange.rejects import Reject


@final
class Trading:
    """The handlers that change something."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # --- orders ------------------------------------------------------------------------------------------------------

    async def place(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/order."""
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=True)
        fields = form.fields
        desk.need_time(fields, request)
        command, pair = orders.place(fields, key.account_id, desk.pairs)
        if pair.is_spot and command.leverage_e2:
            command = self._unlevered(command, "leverage")
        reply = Reply(desk, key, pair)
        if "is_test" in fields and forms.flag(fields, "is_test"):
            return self._test(command, reply)
        return await desk.submit(command, reply.to_order)

    async def place_bulk(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/order/bulk."""
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=True)
        desk.need_times(form, request)
        command, pair = orders.batch(form, key.account_id, desk.pairs)
        if pair.is_spot and any(order.leverage_e2 for order in command.orders):
            named = zip(sorted(form.orders), command.orders, strict=True)
            unlevered = tuple(self._unlevered(order, f"orders[{index}][leverage]") for index, order in named)
            command = msgspec.structs.replace(command, orders=unlevered)
        reply = Reply(desk, key, pair)
        if orders.is_test_batch(form):
            return self._test(command, reply)
        return await desk.submit(command, reply.to_batch)

    async def close(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/close. The core refuses when the position changed its side on the way."""
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=True)
        fields = form.fields
        desk.need_time(fields, request)
        pair = desk.pairs.need(forms.needed(fields, "pair"))
        if pair.is_spot:
            raise Malformed("pair", Reject.NOT_ON_SPOT.value, Reject.NOT_ON_SPOT.name)
        position = views.position(desk.sequencer.exchange, key.account_id, pair.market_id)
        side = Side.SELL if position is not None and position.qty > 0 else Side.BUY
        command = orders.close(fields, key.account_id, pair, side)
        reply = Reply(desk, key, pair)
        if forms.flag(fields, "is_test"):
            return self._test(command, reply)
        return await desk.submit(command, reply.to_order)

    def _unlevered(self, order: PlaceOrder, field: str) -> PlaceOrder:
        """A spot order without the leverage that it names: in cross margin that is ignored, here as anywhere. Raises: Malformed."""
        account = views.account(self._desk.sequencer.exchange, order.account_id)
        if account is not None and account.is_isolated and order.leverage_e2 != LEVERAGE_LEAST_E2:
            raise Malformed(field, Reject.NOT_ON_SPOT.value, Reject.NOT_ON_SPOT.name)
        return msgspec.structs.replace(order, leverage_e2=0)

    def _test(self, command: PlaceOrder | PlaceBatch, reply: "Reply") -> Answer:
        """What the command would be refused for; else its orders as they would be accepted, under no id.

        It costs the same of the account's rate: it is as much work.
        """
        desk = self._desk
        desk.limits.charge(command)
        exchange = desk.sequencer.exchange
        now_ms = max(desk.clock(), exchange.time_ms)
        event = exchange.check(command, now_ms)
        if isinstance(command, PlaceBatch):
            if event is not None:
                return refused_in_batch(event)
            return reply.answer_batch([_untaken(order, exchange) for order in command.orders], exchange, now_ms)
        return refused(event) if event is not None else reply.answer(_untaken(command, exchange), exchange, now_ms)

    # --- cancels -----------------------------------------------------------------------------------------------------

    async def cancel(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/cancel."""
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=True, is_cancel=True)
        fields = form.fields
        desk.check_time(fields, request)
        name = forms.word(fields, "client_order_id", most=REFERENCE_LENGTH_MAX, code="INVALID_CLIENT_ORDER_ID")
        order_id = 0
        if not name:
            found = ids.decode(ids.ORDER, forms.needed(fields, "id"))
            if found is None:
                raise NotFound("id", Reject.ORDER_NOT_FOUND.value, Reject.ORDER_NOT_FOUND.name)
            order_id = found
        outcome = await desk.submit(CancelOrder(key.account_id, order_id, name), cancelled)
        if isinstance(outcome, CommandRejected):
            return refused(outcome)
        rows = await self._closed(key, outcome)
        return success(rows[0])

    async def cancel_bulk(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/cancel/bulk. Ids that are not open are passed over; no ids at all means every order.

        A body that was signed for another address and needs no timestamp at its top must not come to mean that.
        """
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=True, is_cancel=True)
        for name in ("id", "client_order_id"):
            if form.fields.get(name):
                raise Malformed(name, f"{name} is for /auth/cancel; this address takes ids.")
        if form.orders:
            raise Malformed("orders", "orders is for /auth/order/bulk; this address takes ids.")
        desk.check_time(form.fields, request)
        order_ids: tuple[int, ...] = ()
        if form.ids is not None:
            if len(form.ids) > CANCEL_IDS_MAX:
                raise Malformed("ids", f"ids holds more than {CANCEL_IDS_MAX} ids.")
            known = [ids.decode(ids.ORDER, text) for text in form.ids]
            order_ids = tuple(dict.fromkeys(order_id for order_id in known if order_id))
            if not order_ids:
                return success([])
        outcome = await desk.submit(CancelOrders(key.account_id, order_ids), cancelled)
        if isinstance(outcome, CommandRejected):
            return refused(outcome)
        return success(await self._closed(key, outcome))

    async def _closed(self, key: Key, order_ids: list[int]) -> list[Json]:
        """Orders that were just cancelled."""
        desk = self._desk
        found = []
        for order_id in order_ids:
            row = await desk.queries.order(key.account_id, order_id)
            if row is not None:
                found.append(desk.order_of(row, key, []))
        return found

    # --- isolated margin ---------------------------------------------------------------------------------------------

    async def set_leverage(self, request: Request, receive: Receive) -> Answer:
        """POST /leverage."""
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=False)
        fields = form.fields
        desk.check_time(fields, request)
        pair = desk.pairs.need(forms.needed(fields, "pair"))
        if pair.is_spot:
            raise Malformed("pair", Reject.NOT_ON_SPOT.value, Reject.NOT_ON_SPOT.name)
        leverage_e2 = wire.hundredths(forms.needed(fields, "leverage"), "leverage")
        command = SetLeverage(key.account_id, pair.market_id, leverage_e2)
        return await desk.submit(command, Reply(desk, key, pair).to_account)

    async def fund(self, request: Request, receive: Receive) -> Answer:
        """POST /fund: add margin to an isolated position."""
        return await self._move_margin(request, receive, 1)

    async def draw(self, request: Request, receive: Receive) -> Answer:
        """POST /draw: take margin out of an isolated position."""
        return await self._move_margin(request, receive, -1)

    async def _move_margin(self, request: Request, receive: Receive, sign: int) -> Answer:
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=False)
        fields = form.fields
        desk.check_time(fields, request)
        pair = desk.pairs.need(forms.needed(fields, "pair"))
        money = wire.money(forms.needed(fields, "qty"), "qty")
        command = MoveMargin(key.account_id, pair.market_id, sign * money)
        return await desk.submit(command, Reply(desk, key, pair).to_account)


@final
class Reply:
    """Makes the answer in the step in which the command is applied, so that it shows that moment's state."""

    __slots__ = ("_desk", "_key", "_pair")

    def __init__(self, desk: Desk, key: Key, pair: Pair) -> None:
        self._desk = desk
        self._key = key
        self._pair = pair

    def to_order(self, events: list[Event], exchange: Exchange) -> Answer:
        """The answer to one order."""
        first = events[0]
        if isinstance(first, CommandRejected):
            return refused(first)
        return self.answer(placed(events)[0], exchange, exchange.time_ms)

    def answer(self, order: Placed, exchange: Exchange, now_ms: int) -> Answer:
        """An order with the account as it stands after it."""
        desk = self._desk
        pair = self._pair
        account_id = self._key.account_id
        positions = desk.positions(exchange, account_id)
        return success(
            {
                "order": self._order(order, exchange, now_ms),
                "balances": desk.balances(exchange, account_id),
                "positions": positions,
                "position": positions.get(pair.name) or desk.position(exchange, account_id, pair),
            }
        )

    def to_batch(self, events: list[Event], exchange: Exchange) -> Answer:
        """The answer to a bulk order."""
        first = events[0]
        if isinstance(first, CommandRejected):
            return refused_in_batch(first)
        return self.answer_batch(placed(events), exchange, exchange.time_ms)

    def answer_batch(self, rows: list[Placed], exchange: Exchange, now_ms: int) -> Answer:
        """Orders with the account as it stands after them."""
        desk = self._desk
        pair = self._pair
        account_id = self._key.account_id
        positions = desk.positions(exchange, account_id)
        return success(
            {
                "orders": [self._order(order, exchange, now_ms) for order in rows],
                "balances": desk.balances(exchange, account_id),
                "positions": positions,
                "position": positions.get(pair.name) or desk.position(exchange, account_id, pair),
            }
        )

    def _order(self, order: Placed, exchange: Exchange, now_ms: int) -> Json:
        """An order with the leverage that counts for it."""
        key = self._key
        leverage_e2 = views.leverage(exchange, key.account_id, self._pair.market_id)
        if order.is_repeat:  # it may have been amended since
            row = self._desk.queries.recent_order(order.order_id)
            order.request = row.request if row is not None else order.request
        return order_of_placed(order, self._pair, key.customer_id, leverage_e2, now_ms)

    def to_account(self, events: list[Event], exchange: Exchange) -> Answer:
        """The answer to a change of leverage or margin."""
        first = events[0]
        if isinstance(first, CommandRejected):
            return refused(first)
        return success(self._desk.account(exchange, self._key.account_id))


def _untaken(command: PlaceOrder, exchange: Exchange) -> Placed:
    """An order that exists in its answer only, as it would be accepted: at the range's edge, and as large as the position at most."""
    if command.trigger_price or command.trail or command.trail_ppm:
        return Placed(0, command, command.qty, command.price, OrderStatus.UNTRIGGERED)
    price, qty = command.price, command.qty
    if not price:
        market = views.market(exchange, command.market_id)
        assert market is not None, "the order was checked"
        price = market.range_high if command.side is Side.BUY else market.range_low
    if command.reduce_only:
        position = views.position(exchange, command.account_id, command.market_id)
        held = abs(position.qty) if position is not None else 0
        qty = min(qty or held, held)
    return Placed(0, command, qty, price, OrderStatus.ACTIVE)


def cancelled(events: list[Event], _exchange: Exchange) -> list[int] | CommandRejected:
    """The ids of the orders that a command cancelled, or its refusal."""
    first = events[0] if events else None
    if isinstance(first, CommandRejected):
        return first
    return [event.order_id for event in events if isinstance(event, OrderCancelled)]
