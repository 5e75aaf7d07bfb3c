"""Orders that are open: how they enter an account's list, shrink, and leave it."""

from engine.order import BUY, BUY_SIDE, CANCELLED, DAY, SELL, Order, OrderStatus
from engine.triggers import Trigger
from exchange import margins
from exchange.commands import PlaceOrder
from exchange.events import CancelReason, Event, OrderCancelled, OrderReduced
from exchange.limits import CLIENT_ORDER_IDS_KEPT, DAY_MS
from exchange.rejects import Reject
from exchange.state import Account, ClosedOrder, Holding, State, request_of
from risk.fixed import div_up


def order_from(account: Account, request: PlaceOrder) -> Order:
    """Make the order that a request asks for, without a number yet."""
    order = Order(
        0,
        account.account_id,
        account.owner_id,
        BUY if request.side is BUY_SIDE else SELL,
        request.price,
        request.qty,
        0,
        request.hidden,
        request.reduce_only or request.is_close,
        request.self_match,
        request,
    )
    order.oco = request.oco
    return order


def register(state: State, account: Account, order: Order, request: PlaceOrder, time_ms: int) -> None:
    """Give an accepted order its number and make it known."""
    order_id = state.next_order_id
    state.next_order_id = order_id + 1
    order.order_id = order_id
    order.time_ms = time_ms
    if request.time_in_force is DAY and not state.day_orders:
        state.day_end_ms = (time_ms // DAY_MS + 1) * DAY_MS
    index_order(state, account, order, request)


def index_order(state: State, account: Account, order: Order, request: PlaceOrder) -> None:
    """Let an open order be found by its ids, and a DAY order when its day is over."""
    state.orders[order.order_id] = order
    if request.client_order_id:
        account.client_orders[request.client_order_id] = order.order_id
    if request.time_in_force is DAY:
        state.day_orders[order.order_id] = order


def rest(state: State, holding: Holding, order: Order, request: PlaceOrder) -> None:
    """Put an order into the book and on its holding's list. An iceberg's tip is a share of its total quantity."""
    if request.icebergs > 1:
        order.peak = div_up(order.filled + order.leaves, request.icebergs)
    holding.market.book.rest(order)
    enlist(state, holding, order)


def enlist(state: State, holding: Holding, order: Order) -> None:
    """Put an order that rests in the book on its holding's list and into its sums."""
    holding.orders[order.order_id] = order
    if order.reduce_only:
        holding.reduce_only_count += 1
    if order.oco:
        holding.oco_count += 1
    margins.recount(holding, order, order.leaves)
    if holding.market.is_spot:
        relock(holding)
    account_id = order.account_id
    state.quoting[account_id] = state.quoting.get(account_id, 0) + 1
    touch(state, holding)


def touch(state: State, holding: Holding) -> None:
    """Let the watch look again at an account whose position or orders changed here, and at the owner's others."""
    account = holding.account
    state.unwatched[account.account_id] = account
    if len(holding.kin) > 1:
        for other in holding.kin:
            state.unwatched[other.account.account_id] = other.account


def wait(holding: Holding, trigger: Trigger) -> None:
    """Let a trigger order wait for its price."""
    holding.market.triggers(trigger.event).add(trigger)
    holding.triggers[trigger.order.order_id] = trigger


def fire_later(state: State, met: list[Trigger]) -> None:
    """Queue triggers whose price was met, in order of entry."""
    for trigger in met:
        state.fired[trigger.order.order_id] = trigger


def relock(holding: Holding) -> None:
    """Keep the spot locks in the balances equal to what the resting orders need."""
    margins.refresh(holding)
    market = holding.market
    quote = holding.buys.notional * market.unit_value + holding.buys.fee
    base = holding.sells.qty * market.lot_base
    if quote != holding.locked_quote:
        holding.quote.locked += quote - holding.locked_quote
        holding.locked_quote = quote
    if base != holding.locked_base:
        holding.account.balance(market.base_asset).locked += base - holding.locked_base
        holding.locked_base = base


def unlist(state: State, holding: Holding, order: Order, lots: int) -> None:
    """Take a resting order that left the book, with `lots` still counted, off its holding's list and out of its sums."""
    del holding.orders[order.order_id]
    if order.reduce_only:
        holding.reduce_only_count -= 1
        touch(state, holding)  # as in `lose`
    if lots:
        margins.recount(holding, order, -lots)
    if order.oco:
        holding.oco_count -= 1
        holding.stamp = margins.STALE
    if holding.market.is_spot:
        relock(holding)
    account_id = order.account_id
    count = state.quoting[account_id] - 1
    if count:
        state.quoting[account_id] = count
    else:
        del state.quoting[account_id]


def lose(state: State, holding: Holding, order: Order, lots: int) -> None:
    """Take `lots` that a resting order lost, by a fill or otherwise, out of its holding's sums."""
    margins.recount(holding, order, -lots)
    if holding.market.is_spot:
        relock(holding)
    if order.reduce_only:
        touch(
            state, holding
        )  # what the side's other orders open counts at the mean price, which may be worse without it


def forget(state: State, account: Account, order: Order, status: OrderStatus) -> None:
    """Close an order's record. One with a client order id is remembered, for a repeat must find it."""
    del state.orders[order.order_id]
    request = request_of(order)
    if request.time_in_force is DAY:
        state.day_orders.pop(order.order_id, None)
    client_order_id = request.client_order_id
    if client_order_id:
        del account.client_orders[client_order_id]
        closed = account.closed_orders
        if len(closed) >= CLIENT_ORDER_IDS_KEPT:
            closed.popitem(last=False)
        qty = order.filled + order.leaves
        closed[client_order_id] = ClosedOrder(order.order_id, request, qty, order.price, order.filled, status)


def end(
    state: State,
    holding: Holding,
    order: Order,
    reason: CancelReason,
    out: list[Event],
    reject: Reject | None = None,
) -> None:
    """Cancel what is left of an order that is in no book and on no list any more."""
    forget(state, holding.account, order, CANCELLED)
    out.append(OrderCancelled(order.order_id, order.account_id, holding.market.market_id, order.leaves, reason, reject))


def cancel(state: State, holding: Holding, order: Order, reason: CancelReason, out: list[Event]) -> None:
    """Cancel an open order wherever it is: in the book, waiting for its trigger, or fired and waiting for its turn."""
    market = holding.market
    if order.level is not None:
        market.book.remove(order)
        unlist(state, holding, order, order.leaves)
    else:
        trigger = holding.triggers.pop(order.order_id)
        if order.order_id in state.fired:
            del state.fired[order.order_id]
        else:
            market.triggers(trigger.event).remove(order.order_id)
    end(state, holding, order, reason, out)


def reduce(state: State, holding: Holding, order: Order, *, lots: int, reason: CancelReason, out: list[Event]) -> None:
    """Take `lots` off an open order; one with nothing left is cancelled."""
    if lots >= order.leaves:
        cancel(state, holding, order, reason, out)
        return
    leaves = order.leaves - lots
    if order.level is not None:
        holding.market.book.reduce(order, leaves)
        lose(state, holding, order, lots)
    else:
        order.leaves = leaves
    out.append(OrderReduced(order.order_id, order.account_id, holding.market.market_id, leaves, reason))


def fit_reduce_only(state: State, holding: Holding, out: list[Event]) -> None:
    """Shrink resting reduce-only orders to what is left of the position, least aggressive first, newest first."""
    if not holding.reduce_only_count:
        return
    qty = holding.position.qty
    orders = [order for order in holding.orders.values() if order.reduce_only]
    orders.sort(key=least_aggressive)
    excess = -abs(qty)
    for order in orders:
        if order.sign * qty < 0:
            excess += order.leaves
    for order in orders:
        if order.sign * qty >= 0:
            cancel(state, holding, order, CancelReason.REDUCE_ONLY, out)
        elif excess > 0:
            lots = min(excess, order.leaves)
            excess -= lots
            reduce(state, holding, order, lots=lots, reason=CancelReason.REDUCE_ONLY, out=out)


def least_aggressive(order: Order) -> tuple[int, int]:
    """Sort key: the order farthest from trading first, the newest first among equals."""
    return (order.sign * order.price, -order.order_id)


def oco_siblings(holding: Holding, order: Order) -> list[Order]:
    """List the open orders of an order's OCO group but itself, by order id."""
    if not order.oco:
        return []
    orders = list(holding.orders.values())
    for trigger in holding.triggers.values():
        orders.append(trigger.order)
    found = [other for other in orders if other is not order and other.oco == order.oco]
    found.sort(key=_order_id)
    return found


def _order_id(order: Order) -> int:
    return order.order_id


def shrink_oco(state: State, holding: Holding, order: Order, lots: int, out: list[Event]) -> None:
    """Let a fill of `lots` shrink the order's OCO siblings by as much; a completed order cancels them."""
    for sibling in oco_siblings(holding, order):
        if order.leaves and not sibling.leaves:
            continue  # a waiting close of the whole position has no quantity yet
        taken = lots if order.leaves else sibling.leaves
        reduce(state, holding, sibling, lots=taken, reason=CancelReason.OCO, out=out)
