"""What the exchange says, in Everstrike's words: orders, fills, balances, positions, and why not."""

from typing import Final, final

import msgspec

from app.db.rows import StoredFill, StoredOrder, StoredTrade
from app.door import Answer, Headers
from app.faults import Overloaded, Unavailable
from app.problems import Denial, Denied, Malformed, NotFound, Problem
from app.surfaces.everstrike import ids
from app.surfaces.everstrike.pairs import Pair
from app.wire import FLOAT_EXACT, amount, ratio
from engine.order import BUY, OrderStatus, SelfMatch, Side, TimeInForce, TriggerEvent
from exchange.commands import PlaceOrder
from exchange.events import (
    BalanceChanged,
    CancelReason,
    CommandRejected,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderReduced,
    OrderRepeated,
    OrderTriggered,
    PositionChanged,
    Traded,
)
from exchange.limits import MONEY_SCALE
from exchange.rejects import Reject
from exchange.views import BalanceView, OrderView, PositionView

Json = dict[str, object]

_encode = msgspec.json.Encoder(decimal_format="number").encode

STATUS_OF: Final = {
    Denial.NO_KEY: (401, 401),
    Denial.UNKNOWN_KEY: (401, 401),
    Denial.NO_SIGNATURE: (401, 401),
    Denial.NO_AUTH: (401, 401),
    Denial.SIGNATURE: (401, 401),
    Denial.SEEN: (401, 401),
    Denial.ADDRESS: (403, 403),
    Denial.SCOPE: (403, 403),
    Denial.TIMESTAMP_OLD: (408, 414),
    Denial.TIMESTAMP_AHEAD: (408, 414),
    Denial.TOO_LARGE: (413, 413),
    Denial.RATE: (429, 429),
}
"""HTTP status and the envelope's code."""

CANCEL_WORDS: Final = {
    CancelReason.REQUESTED: "Cancelled on request.",
    CancelReason.IMMEDIATE: "What could not be filled at once was cancelled.",
    CancelReason.SELF_MATCH: "Cancelled because it met an order of your own.",
    CancelReason.OCO: "Cancelled by another order with the same OCO string.",
    CancelReason.REDUCE_ONLY: "Cancelled because there was no position left to reduce.",
    CancelReason.EXPIRED: "Expired.",
    CancelReason.MARGIN: "Cancelled because the account no longer carries it.",
    CancelReason.BANKRUPTCY: "Cancelled because the next fill would have left less than nothing.",
    CancelReason.CLOSE_ON_TRIGGER: "Cancelled to make room for a close-on-trigger order.",
    CancelReason.TRIGGER_REFUSED: "Order was rejected when it was triggered.",
    CancelReason.LIQUIDATION: "Cancelled because the position is being liquidated.",
    CancelReason.SETTLED: "Cancelled because the market expired.",
    CancelReason.DEAD_MAN: "Cancelled because the account was silent for longer than it had said.",
}
TRIGGER_WORDS: Final = {Reject.INSUFFICIENT_BALANCE: "Order was rejected due to insufficient balance"}
"""What the documents themselves say of a trigger that was refused."""
LEVERAGE_LEAST_E2: Final = 100
PPM_IN_PERCENT: Final = 10_000

FIELDS: Final = {
    "market_id": "pair",
    "order_id": "id",
    "withdrawal_id": "id",
    "asset_id": "asset",
    "amount": "qty",
    "account_id": "x-api-key",
    "timeout_ms": "timeout",
}
"""The core's names of parameters that have another one here."""


def success(result: object) -> Answer:
    """The envelope around a result."""
    return Answer(_encode({"code": 200, "msg": None, "result": result}))


def failure(
    status: int, msg: str, result: object = None, *, code: int = 0, retry_s: int = 0, headers: Headers = ()
) -> Answer:
    """The envelope around a reason. `code` 0 repeats the status."""
    if retry_s:
        headers = (*headers, (b"retry-after", b"%d" % retry_s))
    return Answer(_encode({"code": code or status, "msg": msg, "result": result}), status, headers)


def refused(event: CommandRejected) -> Answer:
    """The answer to a command that the core refused."""
    return failure(503, event.reject.value, {"reject": event.reject.name, "field": field_of(event)})


def refused_in_batch(event: CommandRejected) -> Answer:
    """The answer to a batch that the core refused: the field says which order."""
    name = field_of(event)
    field = name if name in (None, "orders") else f"orders[{event.index}][{name}]"
    return failure(503, event.reject.value, {"reject": event.reject.name, "field": field})


def field_of(event: CommandRejected) -> str | None:
    """The parameter to blame, in this surface's words."""
    return FIELDS.get(event.field, event.field) or None


def problem(fault: Problem | Unavailable) -> Answer:
    """The answer to a request that did not reach the core, or whose outcome nobody knows."""
    if isinstance(fault, Malformed | NotFound):
        return failure(503, fault.msg, {"reject": fault.code, "field": fault.field})
    if isinstance(fault, Denied):
        status, code = STATUS_OF[fault.denial]
        if fault.denial is Denial.RATE:
            # The documents' own sentence; the header carries whole seconds only.
            msg = f"{fault.denial.value} Care to try again in {fault.retry_s:.3f} seconds?"
            return failure(status, msg, retry_s=max(1, -int(-fault.retry_s // 1)))
        return failure(status, fault.denial.value, code=code)
    if isinstance(fault, Unavailable):
        is_unknown = fault.is_unknown
        msg = f"{fault} The outcome is unknown: ask GET /order by client_order_id." if is_unknown else str(fault)
        reject = "OVERLOADED" if isinstance(fault, Overloaded) else "UNAVAILABLE"
        result = {"reject": reject, "field": None, "is_outcome_unknown": is_unknown}
        return failure(503, msg, result, retry_s=fault.retry_s)
    return failure(500, "Something went wrong on our side.")


_CHANGES: Final = (OrderCancelled, OrderReduced, OrderTriggered)


@final
class Placed:
    """An order as it stands after the events of the command that made it."""

    __slots__ = ("filled", "fills", "is_repeat", "leaves", "order_id", "price", "qty", "request", "status")

    def __init__(self, order_id: int, request: PlaceOrder, qty: int, price: int, status: OrderStatus) -> None:
        self.order_id = order_id
        self.request = request
        self.qty = qty
        self.price = price
        self.status = status
        self.leaves = qty
        self.filled = 0
        self.is_repeat = False
        self.fills: list[tuple[Traded, bool]] = []

    def fill(self, trade: Traded, leaves: int, is_maker: bool) -> None:
        """Note a trade of the order's."""
        self.filled += trade.qty
        self.leaves = leaves
        if leaves == 0:
            self.status = OrderStatus.COMPLETED
        self.fills.append((trade, is_maker))


def placed(events: list[Event]) -> list[Placed]:
    """The orders that a command made, in its order, each as it stands after all of the events."""
    orders: dict[int, Placed] = {}
    for event in events:
        kind = type(event)
        if kind is BalanceChanged or kind is PositionChanged:
            continue  # most events of a trade
        if isinstance(event, OrderAccepted):
            orders[event.order_id] = Placed(event.order_id, event.request, event.qty, event.price, event.status)
        elif isinstance(event, Traded):
            taker = orders.get(event.taker_order_id)
            if taker is not None:
                taker.fill(event, event.taker_leaves, False)
            maker = orders.get(event.maker_order_id)
            if maker is not None:
                maker.fill(event, event.maker_leaves, True)
        elif isinstance(event, OrderRepeated):
            order = Placed(event.order_id, event.request, event.qty, event.price, event.status)
            order.filled = event.filled
            order.leaves = event.qty - event.filled
            order.is_repeat = True
            orders[event.order_id] = order
        elif isinstance(event, _CHANGES):
            known = orders.get(event.order_id)
            if known is not None:
                _change(known, event)
    return list(orders.values())


def _change(order: Placed, event: OrderCancelled | OrderReduced | OrderTriggered) -> None:
    if isinstance(event, OrderCancelled):
        order.status = OrderStatus.CANCELLED
        order.leaves = event.leaves
    elif isinstance(event, OrderReduced):
        order.leaves = event.leaves
    else:
        order.status = OrderStatus.ACTIVE
        order.qty = order.leaves = event.qty
        order.price = event.price


def leverage_of(request: PlaceOrder, leverage_e2: int, *, is_entered: bool) -> int:
    """The leverage of an order. `leverage_e2` is what counts for its account and market now, 0 where none does.

    What the request named was set when the order entered the book, and may be another by now; before, it is still to come.
    """
    if leverage_e2 == 0:
        return LEVERAGE_LEAST_E2
    return leverage_e2 if is_entered else request.leverage_e2 or leverage_e2


def order_of_placed(order: Placed, pair: Pair, customer_id: str, leverage_e2: int, now_ms: int) -> Json:
    """An order right after the command that made it. `leverage_e2` is what counts for the account then."""
    return order_json(
        pair,
        customer_id,
        order_id=order.order_id,
        request=order.request,
        qty=order.qty,
        price=order.price,
        filled=order.filled,
        leaves=order.leaves,
        status=order.status,
        trigger_price=order.request.trigger_price,
        leverage_e2=leverage_of(
            order.request, leverage_e2, is_entered=order.order_id != 0 and order.status is OrderStatus.ACTIVE
        ),
        changed_ms=now_ms,
        fills=[fill_of_trade(trade, is_maker, pair, order.request, now_ms) for trade, is_maker in order.fills],
    )


def order_of_view(view: OrderView, pair: Pair, customer_id: str, request: PlaceOrder, fills: list[Json]) -> Json:
    """An open order. `request` is what was asked for last: the core keeps what was asked for first."""
    return order_json(
        pair,
        customer_id,
        order_id=view.order_id,
        request=request,
        qty=view.qty,
        price=view.price,
        filled=view.filled,
        leaves=view.leaves,
        status=view.status,
        trigger_price=view.trigger_price,
        leverage_e2=leverage_of(request, view.leverage_e2, is_entered=view.status is OrderStatus.ACTIVE),
        changed_ms=view.time_ms,
        fills=fills,
    )


def order_of_row(row: StoredOrder, pair: Pair, customer_id: str, leverage_e2: int, fills: list[Json]) -> Json:
    """An order from the records, closed as a rule. `leverage_e2` is what counts for the account now."""
    msg = None
    if row.reject is not None:
        msg = TRIGGER_WORDS.get(row.reject, f"Order was rejected: {row.reject.value}")
    elif row.cancel_reason is not None:
        msg = CANCEL_WORDS[row.cancel_reason]
    return order_json(
        pair,
        customer_id,
        order_id=row.order_id,
        request=row.request,
        qty=row.qty,
        price=row.price,
        filled=row.filled,
        leaves=row.leaves,
        status=row.status,
        trigger_price=row.trigger_price,
        leverage_e2=leverage_of(row.request, leverage_e2, is_entered=row.status is OrderStatus.ACTIVE),
        changed_ms=row.updated_ms,
        fills=fills,
        msg=msg,
        is_liquidation=row.is_liquidation,
    )


def order_json(
    pair: Pair,
    customer_id: str,
    *,
    order_id: int,
    request: PlaceOrder,
    qty: int,
    price: int,
    filled: int,
    leaves: int,
    status: OrderStatus,
    trigger_price: int,
    leverage_e2: int,
    changed_ms: int,
    fills: list[Json],
    msg: str | None = None,
    is_liquidation: bool = False,
) -> Json:
    """An order with every field. A market order has no original price; `price` is the edge that it may trade up to.

    `qty` is what the order is made of now: the original quantity only where the request named none (a whole close).
    """
    original = request.qty or qty
    lot, whole = pair.lots_in_one, pair.price_units_in_one
    event = request.trigger_event
    asked = request.price
    time_in_force = request.time_in_force
    # Prices and quantities have at most 15 digits: a quotient is exact.
    return {
        "id": ids.encode(ids.ORDER, order_id) if order_id else ids.NO_ORDER,
        "pair": pair.name,
        "side": "BUY" if request.side is Side.BUY else "SELL",
        "time": changed_ms,
        "type": "LIMIT" if asked else "MARKET",
        "fills": fills,
        "price": price / whole if price else None,
        "price_orig": asked / whole if asked else None,
        "hidden": request.hidden,
        "status": status.name,
        "leverage": leverage_e2 / 100,
        "qty_orig": original / lot,
        "qty_orig_usd": amount(original * price * pair.unit_value),
        "qty_remaining": leaves / lot,
        "qty_filled": filled / lot,
        "post_only": request.post_only,
        "reduce_only": request.reduce_only,
        "time_in_force": "GTC" if time_in_force is TimeInForce.GTC else time_in_force.name,
        "oco": request.oco or None,
        "icebergs": request.icebergs,
        "trigger_price": trigger_price / whole if trigger_price else None,
        "trigger_event": None if event is TriggerEvent.NONE else event.name,
        "close_on_trigger": request.close_on_trigger,
        "customer_id": customer_id,
        "client_order_id": request.client_order_id or None,
        "self_match": "CANCEL_TAKER" if request.self_match is SelfMatch.CANCEL_TAKER else request.self_match.name,
        "trigger_direction": None if event is TriggerEvent.NONE else request.trigger_direction.name,
        "trail": request.trail / whole if request.trail else None,
        "trail_percent": request.trail_ppm / PPM_IN_PERCENT if request.trail_ppm else None,
        "msg": msg,
        "is_liquidation": is_liquidation,
    }


def fill_of_trade(trade: Traded, is_maker: bool, pair: Pair, request: PlaceOrder, now_ms: int) -> Json:
    """One side's part of a trade that just happened."""
    return fill_json(
        pair,
        trade_id=trade.trade_id,
        is_maker=is_maker,
        sign=-trade.taker_sign if is_maker else trade.taker_sign,
        price=trade.price,
        qty=trade.qty,
        fee=trade.maker_fee if is_maker else trade.taker_fee,
        order_id=trade.maker_order_id if is_maker else trade.taker_order_id,
        kind="LIMIT" if request.price else "MARKET",
        is_liquidation=trade.is_liquidation,
        time_ms=now_ms,
    )


def fill_of_row(row: StoredFill, pair: Pair, request: PlaceOrder | None) -> Json:
    """A fill from the records. `request` is its order's."""
    return fill_json(
        pair,
        trade_id=row.trade_id,
        is_maker=row.is_maker,
        sign=row.sign,
        price=row.price,
        qty=row.qty,
        fee=row.fee,
        order_id=row.order_id,
        kind="LIMIT" if request is None or request.price else "MARKET",
        is_liquidation=row.is_liquidation,
        time_ms=row.time_ms,
    )


def trade_json(row: StoredTrade, pair: Pair) -> Json:
    """A public trade."""
    return {
        "id": ids.encode(ids.TRADE, row.trade_id),
        "pair": pair.name,
        "qty": row.qty / pair.lots_in_one,
        "price": row.price / pair.price_units_in_one,
        "time": row.time_ms,
        "is_buyer_maker": row.taker_sign != BUY,
        "is_best_match": True,
    }


def fill_json(
    pair: Pair,
    *,
    trade_id: int,
    is_maker: bool,
    sign: int,
    price: int,
    qty: int,
    fee: int,
    order_id: int,
    kind: str,
    is_liquidation: bool,
    time_ms: int,
) -> Json:
    """A fill. Fees are in the quote asset; there is no discount, so gross and net are the same."""
    cost = amount(qty * price * pair.unit_value)
    commission = amount(fee)
    asset = pair.quote
    is_buy = sign == BUY
    return {
        "id": ids.encode(ids.MAKER_FILL if is_maker else ids.TAKER_FILL, trade_id),
        "pair": pair.name,
        "qty": qty / pair.lots_in_one,
        "qty_usd": cost,
        "price": price / pair.price_units_in_one,
        "cost": cost,
        "side": "BUY" if is_buy else "SELL",
        "type": kind,
        "time": time_ms,
        "is_buyer_maker": is_buy == is_maker,
        "liquidation": is_liquidation,
        "discount": 0.0,
        "gross_commission": commission,
        "net_commission": commission,
        "gross_commission_asset": asset,
        "net_commission_asset": asset,
        "order_id": ids.encode(ids.ORDER, order_id),
        "trade_id": ids.encode(ids.TRADE, trade_id),
    }


def balance_json(view: BalanceView) -> Json:
    """An asset's balance."""
    free, locked, margin = view.free, view.locked, view.margin
    withdrawn, pnl, fees = view.withdrawn, view.pnl, view.fees
    if max(free, locked, margin, withdrawn, pnl, fees) < FLOAT_EXACT and min(pnl, fees) > -FLOAT_EXACT:
        return {
            "free": free / MONEY_SCALE,
            "locked": locked / MONEY_SCALE,
            "withdrawn": withdrawn / MONEY_SCALE,
            "pnl": pnl / MONEY_SCALE,
            "margin": margin / MONEY_SCALE,
            "fees": fees / MONEY_SCALE,
        }
    return {
        "free": amount(free),
        "locked": amount(locked),
        "withdrawn": amount(withdrawn),
        "pnl": amount(pnl),
        "margin": amount(margin),
        "fees": amount(fees),
    }


def position_json(view: PositionView, pair: Pair) -> Json:
    """A position with all of its stats. Its place among those that may be deleveraged is not looked for."""
    qty = view.qty
    upnl, rpnl = view.upnl, view.rpnl
    margin = amount(view.margin)
    realized = amount(rpnl)
    whole = pair.price_units_in_one
    size = qty / pair.lots_in_one
    entry = abs(view.entry_notional)
    price_decimals = pair.instrument.price_decimals
    liquidation_price, bankruptcy_price = view.liquidation_price, view.bankruptcy_price
    return {
        "pair": pair.name,
        "size": size,
        "free": margin,
        "locked": amount(view.order_margin),
        "realized": realized,
        "funding": amount(view.funding),
        "fees": amount(view.fees),
        "cum_pnl": amount(rpnl + view.funding),
        "fills": [],
        "stats": {
            "size": size,
            "notional": amount(view.notional),
            "notional_entry": amount(entry),
            "margin": margin,
            "pnl": amount(upnl + rpnl),
            "upnl": amount(upnl),
            "rpnl": realized,
            "equity": amount(view.equity),
            "roe": ratio(upnl + rpnl, view.initial_margin),
            "mark": view.mark_price / whole,
            # Entry notional over lots is price units times unit_value.
            "avg_entry": ratio(entry, abs(qty) * pair.unit_value * whole) if qty else None,
            "leverage": view.leverage_e2 / 100,
            "lp": amount(liquidation_price, price_decimals) if liquidation_price else None,
            "bankrupt": amount(bankruptcy_price, price_decimals) if bankruptcy_price else None,
            "direction": None if qty == 0 else ("BUY" if qty > 0 else "SELL"),
            "maintenance": amount(view.maintenance_margin),
            "adl": None,
        },
    }


def flat_json(pair: Pair, mark_price: int) -> Json:
    """The position of an account that never had one in this pair."""
    nothing = 0.0
    return {
        "pair": pair.name,
        "size": nothing,
        "free": nothing,
        "locked": nothing,
        "realized": nothing,
        "funding": nothing,
        "fees": nothing,
        "cum_pnl": nothing,
        "fills": [],
        "stats": {
            "size": nothing,
            "notional": nothing,
            "notional_entry": nothing,
            "margin": nothing,
            "pnl": nothing,
            "upnl": nothing,
            "rpnl": nothing,
            "equity": nothing,
            "roe": nothing,
            "mark": mark_price / pair.price_units_in_one,
            "avg_entry": None,
            "leverage": nothing,
            "lp": None,
            "bankrupt": None,
            "direction": None,
            "maintenance": nothing,
            "adl": None,
        },
    }


def with_light(position: Json, light: int | None) -> Json:
    """The position with its place among those that may be deleveraged: 1 goes first, 5 last."""
    stats = position["stats"]
    assert isinstance(stats, dict)
    return {**position, "stats": {**stats, "adl": light}}
