"""The POST rows that are ours: amend, the margin mode, and the dead man's switch."""

from typing import Final, final

from litestar.types import Receive

from app import forms, wire
from app.auth import Key
from app.db.rows import StoredOrder
from app.door import Answer, Request
from app.problems import Malformed, NotFound
from app.surfaces.everstrike import ids
from app.surfaces.everstrike.answers import Json, fill_of_trade, refused, success
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.pairs import Pair
from exchange import views
from exchange.commands import AmendOrder, CancelAllAfter, SetMarginMode
from exchange.events import CancelAllAfterSet, CommandRejected, Event, Traded
from exchange.exchange import Exchange
from exchange.limits import CANCEL_ALL_AFTER_MAX_MS, REFERENCE_LENGTH_MAX
from exchange.rejects import Reject

MARGIN_MODES: Final = {"CROSS": False, "ISOLATED": True}


@final
class Amending:
    """The handlers."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def amend(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/amend: another quantity, price or trigger price for an open order."""
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=True)
        fields = form.fields
        desk.need_time(fields, request)
        view = self._open_order(key, fields)
        pair = desk.pairs.of(view.market_id)
        terms = pair.instrument
        qty, price, trigger = fields.get("qty"), fields.get("price"), fields.get("trigger_price")
        if not (qty or price or trigger):
            raise Malformed("qty", "An amendment needs a qty, a price or a trigger_price.", "MISSING_FIELD")
        command = AmendOrder(
            key.account_id,
            view.order_id,
            wire.lots(qty, "qty", terms) if qty else 0,
            wire.price(price, "price", terms) if price else 0,
            wire.price(trigger, "trigger_price", terms, "INVALID_TRIGGER") if trigger else 0,
        )
        return await desk.submit(command, _Amended(desk, key, pair, view.order_id).answer)

    def _open_order(self, key: Key, fields: dict[str, str]) -> views.OrderView:
        """The order that is meant, which must be open. Raises: Malformed, NotFound."""
        exchange = self._desk.sequencer.exchange
        name = forms.word(fields, "client_order_id", most=REFERENCE_LENGTH_MAX, code="INVALID_CLIENT_ORDER_ID")
        if name:
            view = views.order_by_client_id(exchange, key.account_id, name)
        else:
            view = views.order(exchange, key.account_id, ids.decode(ids.ORDER, forms.needed(fields, "id")) or 0)
        if view is None:
            field = "client_order_id" if name else "id"
            raise NotFound(field, Reject.ORDER_NOT_FOUND.value, Reject.ORDER_NOT_FOUND.name)
        return view

    async def margin_mode(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/margin_mode: make the account cross or isolated."""
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=True)
        fields = form.fields
        desk.need_time(fields, request)
        name = forms.needed(fields, "margin_mode")
        is_isolated = MARGIN_MODES.get(name)
        if is_isolated is None:
            raise Malformed("margin_mode", f"margin_mode must be one of {', '.join(MARGIN_MODES)}.")

        def reply(events: list[Event], exchange: Exchange) -> Answer:
            first = events[0]
            if isinstance(first, CommandRejected):
                return refused(first)
            return success({"margin_mode": name, **desk.account(exchange, key.account_id)})

        return await desk.submit(SetMarginMode(key.account_id, is_isolated), reply)

    async def cancel_all_after(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/cancel_all_after: cancel everything unless this is said again in time; 0 calls it off."""
        desk = self._desk
        key, form = await desk.enter(request, receive, is_signed=True, is_cancel=True)
        fields = form.fields
        desk.need_time(fields, request)
        timeout_ms = wire.whole(forms.needed(fields, "timeout"), "timeout", most=CANCEL_ALL_AFTER_MAX_MS)
        return await desk.submit(CancelAllAfter(key.account_id, timeout_ms), _timer)


@final
class _Amended:
    """Makes the answer to an amendment in the step in which it is applied."""

    __slots__ = ("_desk", "_key", "_order_id", "_pair")

    def __init__(self, desk: Desk, key: Key, pair: Pair, order_id: int) -> None:
        self._desk = desk
        self._key = key
        self._pair = pair
        self._order_id = order_id

    def answer(self, events: list[Event], exchange: Exchange) -> Answer:
        """The order as it stands now, with what it traded in this step, and the account."""
        first = events[0]
        if isinstance(first, CommandRejected):
            return refused(first)
        desk, pair, account_id = self._desk, self._pair, self._key.account_id
        row = desk.queries.recent_order(self._order_id)
        assert row is not None, "the records hear of an amendment before its answer is made"
        positions = desk.positions(exchange, account_id)
        return success(
            {
                "order": desk.order_of(row, self._key, self._fills(row, events, exchange.time_ms)),
                "balances": desk.balances(exchange, account_id),
                "positions": positions,
                "position": positions.get(pair.name) or desk.position(exchange, account_id, pair),
            }
        )

    def _fills(self, row: StoredOrder, events: list[Event], now_ms: int) -> list[Json]:
        order_id = self._order_id
        return [
            fill_of_trade(event, event.maker_order_id == order_id, self._pair, row.request, now_ms)
            for event in events
            if isinstance(event, Traded) and order_id in (event.maker_order_id, event.taker_order_id)
        ]


def _timer(events: list[Event], exchange: Exchange) -> Answer:
    first = events[0]
    if isinstance(first, CommandRejected):
        return refused(first)
    assert isinstance(first, CancelAllAfterSet)
    return success({"time": exchange.time_ms, "cancel_time": first.due_ms or None})
