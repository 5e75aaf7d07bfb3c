"""The GET rows: an account's state from the core, its history from the database, and the public data."""

from typing import Final, final

from litestar.types import Receive

from app import forms, wire
from app.auth import Key
from app.db.rows import LiquidationStep
from app.door import Answer, Request
from app.problems import Malformed, NotFound
from app.surfaces.everstrike import ids
from app.surfaces.everstrike.answers import Json, fill_of_row, order_of_view, success, trade_json, with_light
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.kept import Kept
from app.surfaces.everstrike.lights import Lights
from app.surfaces.everstrike.pairs import Pair, Pairs, describe, funding_json, liquidation_json
from app.wire import amount
from exchange import views
from exchange.limits import REFERENCE_LENGTH_MAX
from exchange.rejects import Reject

LIST_LIMIT: Final = 100
LIST_LIMIT_MAX: Final = 1_000
DEPTH_LIMIT: Final = 40
PAIRS_MS: Final = 100
"""How long pairs may be said to be as they are while no command comes."""
PUBLIC_STEPS: Final = (LiquidationStep.SLICE, LiquidationStep.TAKEOVER, LiquidationStep.DELEVERAGING)


@final
class Selection:
    """What the list parameters select."""

    __slots__ = ("_before", "end_ms", "limit", "pair", "start_ms")

    def __init__(self, query: dict[str, str], pairs: Pairs) -> None:
        name = query.get("pair")
        start = query.get("start")
        end = query.get("end")
        self.pair: Pair | None = pairs.need(name) if name else None
        self.start_ms = wire.time_ms(start, "start") if start else 0
        self.end_ms = wire.time_ms(end, "end") if end else wire.TIME_MS_MAX
        self.limit = limit_of(query, LIST_LIMIT)
        self._before = query.get("before", "")
        if self._before and not end:
            raise Malformed("before", "before goes with end: the time of the row that it names.")

    def before_id(self, *kinds: int) -> tuple[int, ...]:
        """The row to go on behind, by an id of one of these kinds; nothing when none is named. Raises: Malformed."""
        if not self._before:
            return ()
        for kind in kinds:
            number = ids.decode(kind, self._before)
            if number is not None:
                return (number,)
        raise Malformed("before", "before must be the id of a row of this list.")

    def before_place(self) -> tuple[int, ...]:
        """The same, by an id that is a place in the journal. Raises: Malformed."""
        if not self._before:
            return ()
        place = ids.decode_place(self._before)
        if place is None:
            raise Malformed("before", "before must be the id of a row of this list.")
        return place

    @property
    def market_id(self) -> int:
        """The market, 0 for all."""
        return self.pair.market_id if self.pair is not None else 0


def limit_of(query: dict[str, str], default: int) -> int:
    """How many rows are asked for. Raises: Malformed."""
    text = query.get("limit")
    if not text:
        return default
    try:
        limit = wire.whole(text, "limit", most=LIST_LIMIT_MAX)
    except Malformed:
        limit = 0
    if limit == 0:
        raise Malformed("limit", f"limit must be a whole number from 1 to {LIST_LIMIT_MAX}.")
    return limit


@final
class Reading:
    """The handlers that change nothing."""

    __slots__ = ("_desk", "_lights", "_pairs")

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lights = Lights()
        self._pairs = Kept()

    # --- one's own ---------------------------------------------------------------------------------------------------

    async def account(self, request: Request, _receive: Receive) -> Answer:
        """GET /account."""
        key, _ = self._desk.read(request)
        return success(self._desk.account(self._desk.sequencer.exchange, key.account_id))

    async def balances(self, request: Request, _receive: Receive) -> Answer:
        """GET /balances."""
        key, _ = self._desk.read(request)
        return success(self._desk.balances(self._desk.sequencer.exchange, key.account_id))

    async def position(self, request: Request, _receive: Receive) -> Answer:
        """GET /position."""
        key, query = self._desk.read(request)
        pair = self._desk.pairs.need(forms.needed(query, "pair"))
        exchange = self._desk.sequencer.exchange
        found = self._desk.position(exchange, key.account_id, pair)
        if found is not None and found["size"]:
            found = with_light(found, self._lights.of(exchange, pair.market_id, key.account_id))
        return success(found)

    async def active_positions(self, request: Request, _receive: Receive) -> Answer:
        """GET /active_positions."""
        key, _ = self._desk.read(request)
        return success(self._desk.positions(self._desk.sequencer.exchange, key.account_id))

    async def order(self, request: Request, _receive: Receive) -> Answer:
        """GET /order: by id, or by client_order_id the newest order that has it."""
        desk = self._desk
        key, query = desk.read(request)
        name = forms.word(query, "client_order_id", most=REFERENCE_LENGTH_MAX, code="INVALID_CLIENT_ORDER_ID")
        if name:
            order_id = await self._order_named(key, name)
        else:
            order_id = ids.decode(ids.ORDER, forms.needed(query, "id")) or 0
        if order_id == 0:
            raise _no_order("client_order_id" if name else "id")
        rows = await desk.queries.fills(key.account_id, order_id=order_id, limit=LIST_LIMIT_MAX)
        view = views.order(desk.sequencer.exchange, key.account_id, order_id)
        if view is not None:
            pair = desk.pairs.of(view.market_id)
            fills = [fill_of_row(fill, pair, view.request) for fill in rows]
            return success(order_of_view(view, pair, key.customer_id, desk.asked(view), fills))
        row = await desk.queries.order(key.account_id, order_id)
        if row is None:
            raise _no_order("client_order_id" if name else "id")
        pair = desk.pairs.of(row.market_id)
        fills = [fill_of_row(fill, pair, row.request) for fill in rows]
        return success(desk.order_of(row, key, fills))

    async def _order_named(self, key: Key, name: str) -> int:
        """The id of an order by its client order id, 0 when there is none."""
        desk = self._desk
        view = views.order_by_client_id(desk.sequencer.exchange, key.account_id, name)
        if view is not None:
            return view.order_id
        row = await desk.queries.order_by_client_id(key.account_id, name)
        return row.order_id if row is not None else 0

    async def active_orders(self, request: Request, _receive: Receive) -> Answer:
        """GET /active_orders: resting ones and those that wait for their trigger, the latest change first."""
        desk = self._desk
        key, query = desk.read(request)
        chosen = Selection(query, desk.pairs)
        last = (chosen.end_ms, *(chosen.before_id(ids.ORDER) or (ids.NUMBER_MAX + 1,)))
        found = [
            view
            for view in views.orders(desk.sequencer.exchange, key.account_id, chosen.market_id)
            if chosen.start_ms <= view.time_ms and (view.time_ms, view.order_id) < last
        ]
        found.sort(key=lambda view: (view.time_ms, view.order_id), reverse=True)
        return success(
            [
                order_of_view(view, desk.pairs.of(view.market_id), key.customer_id, desk.asked(view), [])
                for view in found[: chosen.limit]
            ]
        )

    async def fills(self, request: Request, _receive: Receive) -> Answer:
        """GET /fills: the latest first."""
        desk = self._desk
        key, query = desk.read(request)
        chosen = Selection(query, desk.pairs)
        rows = await desk.queries.fills(
            key.account_id,
            market_id=chosen.market_id,
            start_ms=chosen.start_ms,
            end_ms=chosen.end_ms,
            before=chosen.before_id(ids.TAKER_FILL, ids.MAKER_FILL),
            limit=chosen.limit,
        )
        orders = await desk.queries.requests(key.account_id, {row.order_id for row in rows})
        return success([fill_of_row(row, desk.pairs.of(row.market_id), orders.get(row.order_id)) for row in rows])

    # --- public ------------------------------------------------------------------------------------------------------

    async def all_pairs(self, _request: Request, _receive: Receive) -> Answer:
        """GET /pairs."""
        desk = self._desk
        now_ms = desk.clock()  # a model becomes too old without a command
        return self._pairs.answer((desk.sequencer.seq, now_ms // PAIRS_MS), lambda: self._described(now_ms))

    def _described(self, now_ms: int) -> Answer:
        desk = self._desk
        found: Json = {}
        for view in views.markets(desk.sequencer.exchange):
            pair = desk.pairs.of(view.market_id)
            found[pair.name] = describe(pair, view, now_ms)
        return success(found)

    async def depth(self, request: Request, _receive: Receive) -> Answer:
        """GET /depth: best prices first. Hidden orders are not in it, icebergs with their tip."""
        desk = self._desk
        query = forms.decode_query(request.query)
        pair = desk.pairs.need(forms.needed(query, "pair"))
        limit = limit_of(query, DEPTH_LIMIT)
        bids, asks = views.depth(desk.sequencer.exchange, pair.market_id, limit)
        return success({"bids": _levels(bids, pair), "asks": _levels(asks, pair)})

    async def trades(self, request: Request, _receive: Receive) -> Answer:
        """GET /trades: the latest first."""
        desk = self._desk
        query = forms.decode_query(request.query)
        forms.needed(query, "pair")
        chosen = Selection(query, desk.pairs)
        rows = await desk.queries.trades(
            chosen.market_id,
            start_ms=chosen.start_ms,
            end_ms=chosen.end_ms,
            before=chosen.before_id(ids.TRADE),
            limit=chosen.limit,
        )
        return success([trade_json(row, desk.pairs.of(row.market_id)) for row in rows])

    async def funding(self, request: Request, _receive: Receive) -> Answer:
        """GET /funding: settled hours, the latest first."""
        desk = self._desk
        chosen = Selection(forms.decode_query(request.query), desk.pairs)
        rows = await desk.queries.funding(
            chosen.market_id,
            start_ms=chosen.start_ms,
            end_ms=chosen.end_ms,
            before=chosen.before_place(),
            limit=chosen.limit,
        )
        return success([funding_json(row, desk.pairs.of(row.market_id)) for row in rows])

    async def funding_payments(self, request: Request, _receive: Receive) -> Answer:
        """GET /v1/funding_payments: what the account received and (negative) paid, the latest first."""
        desk = self._desk
        key, query = desk.read(request)
        chosen = Selection(query, desk.pairs)
        rows = await desk.queries.payments(
            key.account_id,
            market_id=chosen.market_id,
            start_ms=chosen.start_ms,
            end_ms=chosen.end_ms,
            before=chosen.before_place(),
            limit=chosen.limit,
        )
        return success(
            [
                {
                    "id": ids.encode_place(row.seq, row.index),
                    "pair": desk.pairs.of(row.market_id).name,
                    "time": row.time_ms,
                    "amount": amount(row.amount),
                    "from_margin": amount(row.from_margin),
                }
                for row in rows
            ]
        )

    async def liquidations(self, request: Request, _receive: Receive) -> Answer:
        """GET /v1/liquidations: what of positions was sold, taken over or deleveraged, the latest first."""
        desk = self._desk
        chosen = Selection(forms.decode_query(request.query), desk.pairs)
        rows = await desk.queries.liquidations(
            market_id=chosen.market_id,
            steps=PUBLIC_STEPS,
            start_ms=chosen.start_ms,
            end_ms=chosen.end_ms,
            before=chosen.before_place(),
            limit=chosen.limit,
        )
        return success([liquidation_json(row, desk.pairs.of(row.market_id)) for row in rows])

    async def time(self, _request: Request, _receive: Receive) -> Answer:
        """GET /time."""
        return success(self._desk.clock())

    async def ping(self, _request: Request, _receive: Receive) -> Answer:
        """GET /ping."""
        return success({})


def _no_order(field: str) -> NotFound:
    return NotFound(field, Reject.ORDER_NOT_FOUND.value, Reject.ORDER_NOT_FOUND.name)


def _levels(levels: list[tuple[int, int]], pair: Pair) -> list[Json]:
    terms = pair.instrument
    return [
        {"price": amount(price, terms.price_decimals), "qty": amount(qty, terms.lot_decimals)} for price, qty in levels
    ]
