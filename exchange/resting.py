"""Orders that are open: how they enter an account's list, shrink, and leave it."""

from engine.order import BUY, SELL, Order, OrderStatus, Side, TimeInForce
from engine.triggers import Trigger
from exchange.commands import PlaceOrder
from exchange.events import CancelReason, Event, OrderCancelled, OrderReduced
from exchange.limits import CLIENT_ORDER_IDS_KEPT, DAY_MS
from exchange.margins import recount, refresh
from exchange.rejects import Reject
from exchange.state import Account, ClosedOrder, Market, OpenOrders, State, request_of


def order_from(account: Account, request: PlaceOrder) -> Order:
    """Make the order that a request asks for, without a number yet."""
    qty = request.qty
    icebergs = request.icebergs
    order = Order(
        0,
        account.account_id,
        account.owner_id,
        BUY if request.side is Side.BUY else SELL,
        request.price,
        qty,
        -(-qty // icebergs) if icebergs > 1 else 0,
        request.hidden,
        request.reduce_only or request.is_close,
        request.self_match,
        request,
    )
    order.oco = request.oco
    return order


def open_orders_of(account: Account, market: Market) -> OpenOrders:
    """Return an account's open orders in a market, empty at first."""
    open_orders = account.open_orders.get(market.market_id)
    if open_orders is None:
        open_orders = account.open_orders[market.market_id] = OpenOrders()
        open_orders.mark = market.mark_price
    return open_orders


def register(state: State, account: Account, order: Order, request: PlaceOrder, time_ms: int) -> None:
    """Give an accepted order its number and make it known."""
    order_id = state.next_order_id
    state.next_order_id = order_id + 1
    order.order_id = order_id
    order.time_ms = time_ms
    if request.time_in_force is TimeInForce.DAY and not state.day_orders:
        state.day_end_ms = (time_ms // DAY_MS + 1) * DAY_MS
    index_order(state, account, order, request)


def index_order(state: State, account: Account, order: Order, request: PlaceOrder) -> None:
    """Let an open order be found by its ids, and a DAY order when its day is over."""
    state.orders[order.order_id] = order
    if request.client_order_id:
        account.client_orders[request.client_order_id] = order.order_id
    if request.time_in_force is TimeInForce.DAY:
        state.day_orders[order.order_id] = order


def rest(state: State, account: Account, market: Market, order: Order) -> None:
    """Put an order into the book and on the account's list."""
    market.book.rest(order)
    enlist(state, account, market, order)


def enlist(state: State, account: Account, market: Market, order: Order) -> None:
    """Put an order that rests in the book on its account's list and into its sums."""
    open_orders = open_orders_of(account, market)
    open_orders.orders[order.order_id] = order
    if order.reduce_only:
        open_orders.reduce_only_count += 1
    if order.oco:
        open_orders.oco_count += 1
        open_orders.mark = -1
    else:
        recount(market, open_orders, order, order.leaves)
    if market.is_spot:
        relock(account, market, open_orders)
    else:
        state.quoting[account.account_id] = state.quoting.get(account.account_id, 0) + 1


def wait(account: Account, market: Market, trigger: Trigger) -> None:
    """Let a trigger order wait for its price."""
    market.triggers(trigger.event).add(trigger)
    open_orders_of(account, market).triggers[trigger.order.order_id] = trigger


def relock(account: Account, market: Market, open_orders: OpenOrders) -> None:
    """Keep the spot locks in the balances equal to what the resting orders need."""
    refresh(market, open_orders)
    quote = open_orders.buys.notional * market.unit_value + open_orders.buys.fee
    base = open_orders.sells.qty * market.lot_base
    if quote != open_orders.locked_quote:
        account.balance(market.quote_asset).locked += quote - open_orders.locked_quote
        open_orders.locked_quote = quote
    if base != open_orders.locked_base:
        account.balance(market.base_asset).locked += base - open_orders.locked_base
        open_orders.locked_base = base


def unlist(state: State, account: Account, market: Market, order: Order, lots: int) -> None:
    """Take a resting order that left the book, with `lots` still counted, off the account's list and out of its sums."""
    open_orders = account.open_orders[market.market_id]
    del open_orders.orders[order.order_id]
    if order.reduce_only:
        open_orders.reduce_only_count -= 1
    if order.oco:
        open_orders.oco_count -= 1
        open_orders.mark = -1
    elif lots:
        recount(market, open_orders, order, -lots)
    if market.is_spot:
        relock(account, market, open_orders)
        return
    count = state.quoting[account.account_id] - 1
    if count:
        state.quoting[account.account_id] = count
    else:
        del state.quoting[account.account_id]


def forget(state: State, account: Account, order: Order, status: OrderStatus) -> None:
    """Close an order's record. One with a client order id is remembered, for a repeat must find it."""
    del state.orders[order.order_id]
    request = request_of(order)
    if request.time_in_force is TimeInForce.DAY:
        state.day_orders.pop(order.order_id, None)
    client_order_id = request.client_order_id
    if client_order_id:
        del account.client_orders[client_order_id]
        closed = account.closed_orders
        if len(closed) >= CLIENT_ORDER_IDS_KEPT:
            del closed[next(iter(closed))]
        qty = order.filled + order.leaves
        closed[client_order_id] = ClosedOrder(order.order_id, request, qty, order.price, order.filled, status)


def end(
    state: State,
    account: Account,
    market: Market,
    order: Order,
    reason: CancelReason,
    out: list[Event],
    reject: Reject | None = None,
) -> None:
    """Cancel what is left of an order that is in no book and on no list any more."""
    forget(state, account, order, OrderStatus.CANCELLED)
    out.append(OrderCancelled(order.order_id, order.account_id, market.market_id, order.leaves, reason, reject))


def cancel(
    state: State, account: Account, market: Market, order: Order, reason: CancelReason, out: list[Event]
) -> None:
    """Cancel an open order wherever it is: in the book, waiting for its trigger, or fired and waiting for its turn."""
    if order.level is not None:
        market.book.remove(order)
        unlist(state, account, market, order, order.leaves)
    else:
        trigger = account.open_orders[market.market_id].triggers.pop(order.order_id)
        if trigger in state.fired:
            state.fired.remove(trigger)
        else:
            market.triggers(trigger.event).remove(order.order_id)
    end(state, account, market, order, reason, out)


def reduce(
    state: State, account: Account, market: Market, order: Order, *, lots: int, reason: CancelReason, out: list[Event]
) -> None:
    """Take `lots` off an open order; one with nothing left is cancelled."""
    if lots >= order.leaves:
        cancel(state, account, market, order, reason, out)
        return
    leaves = order.leaves - lots
    if order.level is not None:
        market.book.reduce(order, leaves)
        open_orders = account.open_orders[market.market_id]
        recount(market, open_orders, order, -lots)
        if market.is_spot:
            relock(account, market, open_orders)
    else:
        order.leaves = leaves
    out.append(OrderReduced(order.order_id, order.account_id, market.market_id, leaves, reason))


def fit_reduce_only(state: State, account: Account, market: Market, out: list[Event]) -> None:
    """Shrink resting reduce-only orders to what is left of the position, least aggressive first, newest first."""
    open_orders = account.open_orders.get(market.market_id)
    if open_orders is None or not open_orders.reduce_only_count:
        return
    qty = account.positions[market.market_id].qty
    orders = [order for order in open_orders.orders.values() if order.reduce_only]
    excess = 0
    for order in orders:
        if order.sign * qty >= 0:
            cancel(state, account, market, order, CancelReason.REDUCE_ONLY, out)
        else:
            excess += order.leaves
    excess -= abs(qty)
    if excess <= 0:
        return
    keyed = sorted([(order.sign * order.price, -order.order_id) for order in orders if order.level is not None])
    for _, negative_id in keyed:
        if excess <= 0:
            return
        order = state.orders[-negative_id]
        lots = min(excess, order.leaves)
        excess -= lots
        reduce(state, account, market, order, lots=lots, reason=CancelReason.REDUCE_ONLY, out=out)


def oco_siblings(account: Account, market: Market, order: Order) -> list[Order]:
    """List the open orders of an order's OCO group but itself, by order id."""
    oco = order.oco
    open_orders = account.open_orders.get(market.market_id)
    if not oco or open_orders is None:
        return []
    found = [other for other in open_orders.orders.values() if other is not order and other.oco == oco]
    for trigger in open_orders.triggers.values():
        if trigger.order is not order and trigger.order.oco == oco:
            found.append(trigger.order)
    found.sort(key=_order_id)
    return found


def _order_id(order: Order) -> int:
    return order.order_id


def shrink_oco(state: State, account: Account, market: Market, order: Order, lots: int, out: list[Event]) -> None:
    """Let a fill of `lots` shrink the order's OCO siblings by as much; a completed order cancels them."""
    for sibling in oco_siblings(account, market, order):
        if order.leaves and not sibling.leaves:
            continue  # a waiting close of the whole position has no quantity yet
        taken = lots if order.leaves else sibling.leaves
        reduce(state, account, market, sibling, lots=taken, reason=CancelReason.OCO, out=out)
