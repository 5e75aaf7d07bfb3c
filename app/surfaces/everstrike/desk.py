"""What every handler of this surface works with, and the two ways in: for a keyed POST, and for a private GET."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, final

import msgspec
from litestar.types import Receive

from app import forms, wire
from app.auth import Guard, Key, Scope, need
from app.clock import Clock
from app.custody.counter import Counter
from app.db.rows import StoredOrder
from app.door import Request, read_body
from app.forms import Form
from app.limits import AccountLimits
from app.problems import Malformed
from app.store import Store
from app.surfaces.everstrike.answers import Json, balance_json, flat_json, order_of_row, position_json
from app.surfaces.everstrike.pairs import Pair, Pairs
from engine.order import OrderStatus
from exchange import views
from exchange.commands import Command, PlaceOrder
from exchange.events import Event
from exchange.exchange import Exchange

T = TypeVar("T")

RECV_WINDOW_MAX: Final = 10**9


@final
class Desk:
    """The store behind the surface, its guard, and reads of one account's state."""

    __slots__ = ("clock", "counter", "guard", "limits", "pairs", "queries", "sequencer")

    def __init__(self, store: Store, guard: Guard, limits: AccountLimits, counter: Counter, clock: Clock) -> None:
        self.guard = guard
        self.counter = counter
        self.limits = limits
        self.clock = clock
        self.sequencer = store.sequencer
        self.queries = store.queries
        self.pairs = Pairs(store.sequencer)

    async def enter(
        self, request: Request, receive: Receive, *, is_signed: bool, is_cancel: bool = False
    ) -> tuple[Key, Form]:
        """Let a keyed POST in: key, address, rate, body, signature, scope, form, in this order.

        What comes over a socket was signed for when the socket was.
        Raises: Problem.
        """
        guard = self.guard
        key = guard.admit(request.api_key, request.address, is_cancel=is_cancel)
        if request.form is not None:
            need(key, Scope.TRADE)
            return key, request.form
        body = await read_body(request, receive)
        guard.check_still(key)
        if is_signed or request.signature:
            guard.verify(key, request.signature, body)
        need(key, Scope.TRADE)
        return key, forms.decode(body)

    def submit(self, command: Command, reply: Callable[[list[Event], Exchange], T]) -> Awaitable[T]:
        """Hand a user's command to the sequencer, if the account's rate of orders or cancels lets it.

        Raises: Denied; Unavailable, here or from what is awaited.
        """
        self.limits.charge(command)
        return self.sequencer.submit(command, reply)

    def read(self, request: Request) -> tuple[Key, dict[str, str]]:
        """Let a private GET in, and decode its query. Raises: Problem."""
        key = self.guard.admit(request.api_key, request.address)
        need(key, Scope.READ)
        return key, forms.decode_query(request.query)

    def check_time(self, fields: dict[str, str], request: Request) -> bool:
        """Check the timestamp where there is one; False where there is none. Raises: Problem."""
        text = fields.get("timestamp")
        if not text:
            return False
        timestamp_ms = wire.time_ms(text, "timestamp")
        self.guard.check_time(timestamp_ms, _recv_window(fields))
        if request.signature:
            self.guard.check_first(request.signature, timestamp_ms)
        return True

    def need_time(self, fields: dict[str, str], request: Request) -> None:
        """Check the timestamp, which must be there but over a socket. Raises: Problem."""
        if not self.check_time(fields, request) and request.form is None:
            raise Malformed("timestamp", "timestamp is missing.", "MISSING_FIELD")

    def need_times(self, form: Form, request: Request) -> None:
        """Check the timestamp of a bulk order: one for all, or one in each. Raises: Problem."""
        if self.check_time(form.fields, request):
            return
        if not form.orders:
            raise Malformed("orders", "orders is missing.", "MISSING_FIELD")
        oldest_ms = wire.TIME_MS_MAX  # the body can come again for as long as this one is in time
        for index, fields in form.orders.items():
            text = fields.get("timestamp")
            if not text and request.form is not None:
                continue
            if not text:
                raise Malformed("timestamp", "timestamp is missing.", "MISSING_FIELD")
            window_ms = _recv_window(fields if fields.get("recv_window") else form.fields)
            timestamp_ms = wire.time_ms(text, f"orders[{index}][timestamp]")
            self.guard.check_time(timestamp_ms, window_ms)
            oldest_ms = min(oldest_ms, timestamp_ms)
        if request.signature:
            self.guard.check_first(request.signature, oldest_ms)

    def balances(self, exchange: Exchange, account_id: int) -> Json:
        """The account's balances by asset."""
        symbol = self.pairs.symbol
        return {symbol(view.asset_id): balance_json(view) for view in views.balances(exchange, account_id)}

    def positions(self, exchange: Exchange, account_id: int) -> Json:
        """The account's open positions by pair."""
        of = self.pairs.of
        return {
            (pair := of(view.market_id)).name: position_json(view, pair)
            for view in views.positions(exchange, account_id)
        }

    def position(self, exchange: Exchange, account_id: int, pair: Pair) -> Json | None:
        """The account's position in a pair, a flat one where there is none; None for a spot pair."""
        if pair.is_spot:
            return None
        view = views.position(exchange, account_id, pair.market_id)
        if view is not None:
            return position_json(view, pair)
        market = views.market(exchange, pair.market_id)
        return flat_json(pair, market.mark_price if market is not None else 0)

    def asked(self, view: views.OrderView) -> PlaceOrder:
        """What was asked for with an open order last: an amendment takes the place of the request."""
        row = self.queries.recent_order(view.order_id)
        return row.request if row is not None else view.request

    def order_of(self, row: StoredOrder, key: Key, fills: list[Json]) -> Json:
        """An order of the key's account from the records; a trailing stop's trigger where it stands now."""
        if row.status is OrderStatus.UNTRIGGERED and (row.request.trail or row.request.trail_ppm):
            view = views.order(self.sequencer.exchange, key.account_id, row.order_id)
            if view is not None:
                row = msgspec.structs.replace(row, trigger_price=view.trigger_price)
        leverage_e2 = views.leverage(self.sequencer.exchange, key.account_id, row.market_id)
        return order_of_row(row, self.pairs.of(row.market_id), key.customer_id, leverage_e2, fills)

    def account(self, exchange: Exchange, account_id: int) -> Json:
        """Balances and positions."""
        return {"balances": self.balances(exchange, account_id), "positions": self.positions(exchange, account_id)}


def _recv_window(fields: dict[str, str]) -> int | None:
    text = fields.get("recv_window")
    return wire.whole(text, "recv_window", most=RECV_WINDOW_MAX) if text else None
