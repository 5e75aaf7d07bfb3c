"""Commands about orders: place, batch, amend, cancel; and the orders whose trigger was met."""

from typing import Final

from engine.matching import would_take
from engine.order import ACTIVE, FOK, UNTRIGGERED, Order, TriggerDirection, TriggerEvent
from engine.triggers import Trigger, direction_towards
from exchange import entry, fills, margins, resting
from exchange.accounts import apply_leverage
from exchange.answers import refuse
from exchange.commands import AmendOrder, CancelOrder, CancelOrders, PlaceBatch, PlaceOrder
from exchange.events import (
    CancelReason,
    CommandRejected,
    Event,
    OrderAccepted,
    OrderAmended,
    OrderRepeated,
    OrderTriggered,
)
from exchange.instrument import CANCEL_ONLY, HALTED, TRADING, MarketStatus
from exchange.limits import (
    BATCH_ORDERS_MAX,
    CANCEL_IDS_MAX,
    OPEN_ORDERS_MAX,
    PRICE_MAX,
    RULES_OF_CORRECTIONS,
    TRIGGERS_PER_COMMAND_MAX,
)
from exchange.rejects import Reject
from exchange.state import Account, Holding, Market, State, request_of

_REQUESTED: Final = CancelReason.REQUESTED


def leverage_for(holding: Holding, request: PlaceOrder) -> int:
    """Return the leverage that will count for the request: its own, else the stored one; 0 under cross."""
    leverage_e2 = margins.leverage_of(holding)
    return request.leverage_e2 or leverage_e2 if leverage_e2 else 0


def adopt_leverage(holding: Holding, request: PlaceOrder, out: list[Event]) -> None:
    """Set the leverage that a checked request names, if it is another than the stored one."""
    leverage_e2 = leverage_for(holding, request)
    if leverage_e2 and leverage_e2 != holding.position.leverage_e2:
        apply_leverage(holding, leverage_e2, out)


def check_request(holding: Holding, order: Order, request: PlaceOrder, *, waits: bool, time_ms: int) -> Reject | None:
    """Check an order that is asked for. It may be cut, and gets its limit."""
    reject = entry.check_form(holding, request)
    if reject is None:
        reject = entry.check_qty(holding, order, request)
    if reject is None and len(holding.orders) + len(holding.triggers) >= OPEN_ORDERS_MAX:
        reject = Reject.TOO_MANY_ORDERS
    if reject is not None:
        return reject
    if waits:
        return check_trigger(holding, order, request)
    leverage_e2 = leverage_for(holding, request) if holding.account.is_isolated else 0
    return entry.check_entry(holding, order, request, leverage_e2, None, is_clamped=False, time_ms=time_ms)


def check_trigger(holding: Holding, order: Order, request: PlaceOrder) -> Reject | None:
    """Check an order that will wait: its parameters, the market's status, and that its direction can be known."""
    market = holding.market
    reject = entry.check_trigger_form(market, request)
    if reject is not None:
        return reject
    if market.status is not TRADING:
        is_reducing = order.reduce_only or request.close_on_trigger
        if market.status is not MarketStatus.REDUCE_ONLY or not is_reducing:
            return Reject.MARKET_CLOSED
    if request.is_close and holding.position.qty == 0:
        return Reject.NO_POSITION
    needs_price = request.trigger_price != 0 and request.trigger_direction is TriggerDirection.AUTO
    return Reject.NO_PRICE if needs_price and market.price(event_of(market, request)) == 0 else None


def event_of(market: Market, request: PlaceOrder) -> TriggerEvent:
    """Return the price that a trigger request waits for: MARK by default, on spot always LAST."""
    if market.is_spot:
        return TriggerEvent.LAST_PRICE
    event = request.trigger_event
    return TriggerEvent.MARK_PRICE if event is TriggerEvent.NONE else event


def place(state: State, command: PlaceOrder, time_ms: int, out: list[Event]) -> None:
    """Place one order."""
    account = state.accounts.get(command.account_id)
    market = state.markets.get(command.market_id)
    if account is None or market is None:
        refuse(Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_MARKET, out)
        return
    if command.client_order_id:
        repeated = repeat_of(state, account, command.client_order_id)
        if repeated is not None:
            out.append(repeated)
            return
    holding = market.holdings.get(command.account_id) or market.holding(account)
    order = resting.order_from(account, command)
    waits = entry.is_trigger(command)
    reject = check_request(holding, order, command, waits=waits, time_ms=time_ms)
    if reject is not None:
        refuse(reject, out)
        return
    enter(state, holding, order, command, waits=waits, time_ms=time_ms, out=out)
    if state.fired:
        fire(state, time_ms, out)


def check_place(state: State, command: PlaceOrder, time_ms: int) -> Reject | None:
    """Run the checks of an order without any effect."""
    account = state.accounts.get(command.account_id)
    market = state.markets.get(command.market_id)
    if account is None or market is None:
        return Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_MARKET
    order = resting.order_from(account, command)
    waits = entry.is_trigger(command)
    return check_request(market.holding(account), order, command, waits=waits, time_ms=time_ms)


def check_place_batch(state: State, command: PlaceBatch, time_ms: int) -> CommandRejected | None:
    """Run the checks of a batch without any effect."""
    account = state.accounts.get(command.account_id)
    market = state.markets.get(command.market_id)
    if account is None or market is None:
        reject = Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_MARKET
        return CommandRejected(reject, reject.field)
    return check_batch(market.holding(account), command, [], time_ms)


def enter(
    state: State,
    holding: Holding,
    order: Order,
    request: PlaceOrder,
    *,
    waits: bool,
    time_ms: int,
    out: list[Event],
) -> None:
    """Accept a checked order: into the match, or to wait for its trigger."""
    if waits:
        resting.register(state, holding.account, order, request, time_ms)
        enter_to_wait(state, holding, order, request, out)
        return
    if request.leverage_e2:
        adopt_leverage(holding, request, out)
        resting.touch(state, holding)
    resting.register(state, holding.account, order, request, time_ms)
    out.append(OrderAccepted(order.order_id, request, order.leaves, order.price, ACTIVE))
    fills.execute(state, holding, order, request, time_ms, out)


def enter_to_wait(state: State, holding: Holding, order: Order, request: PlaceOrder, out: list[Event]) -> None:
    """Let an accepted order wait for its price; one that is reached already fires in this step."""
    market = holding.market
    event = event_of(market, request)
    price = request.trigger_price
    now = market.price(event)
    direction = request.trigger_direction
    if direction is TriggerDirection.AUTO and price:
        direction = direction_towards(price, now)
    if request.close_on_trigger:
        order.reduce_only = True
    out.append(OrderAccepted(order.order_id, request, order.leaves, order.price, UNTRIGGERED))
    resting.wait(holding, Trigger(order, event, direction, price, request.trail, request.trail_ppm, 0))
    resting.fire_later(state, market.met(event, now))


def repeat_of(state: State, account: Account, client_order_id: str) -> OrderRepeated | None:
    """Return the answer to a client order id that was used before."""
    order_id = account.client_orders.get(client_order_id)
    if order_id is not None:
        order = state.orders[order_id]
        is_waiting = order_id in account.holdings[request_of(order).market_id].triggers
        status = UNTRIGGERED if is_waiting else ACTIVE
        qty = order.filled + order.leaves
        return OrderRepeated(order_id, request_of(order), qty, order.price, order.filled, status)
    closed = account.closed_orders.get(client_order_id)
    if closed is None:
        return None
    return OrderRepeated(closed.order_id, closed.request, closed.qty, closed.price, closed.filled, closed.status)


def fire(state: State, time_ms: int, out: list[Event]) -> bool:
    """Let orders whose trigger was met enter, in their turn and up to a bound; what is left is due at once.

    Returns whether some are left.
    """
    count = 0
    while state.fired and count < TRIGGERS_PER_COMMAND_MAX:
        _, trigger = state.fired.popitem(last=False)
        count += 1
        fire_one(state, trigger.order, time_ms, out)
    if state.fired:
        state.next_tick_ms = time_ms
    return bool(state.fired)


def fire_one(state: State, order: Order, time_ms: int, out: list[Event]) -> None:
    """Run a fired order through the whole entry path; a refused one is cancelled with the reason on record."""
    request = request_of(order)
    holding = state.markets[request.market_id].holdings[order.account_id]
    del holding.triggers[order.order_id]
    if request.close_on_trigger:
        make_room_to_close(state, holding, order, out)
    reject = entry.check_entry(
        holding, order, request, leverage_for(holding, request), None, is_clamped=True, time_ms=time_ms
    )
    if reject is not None:
        resting.end(state, holding, order, CancelReason.TRIGGER_REFUSED, out, reject)
        return
    order.time_ms = time_ms
    out.append(OrderTriggered(order.order_id, order.account_id, request.market_id, order.leaves, order.price))
    for sibling in resting.oco_siblings(holding, order):
        resting.cancel(state, holding, sibling, CancelReason.OCO, out)
    adopt_leverage(holding, request, out)
    resting.touch(state, holding)
    fills.execute(state, holding, order, request, time_ms, out)


def make_room_to_close(state: State, holding: Holding, order: Order, out: list[Event]) -> None:
    """Cancel what rests on a close-on-trigger order's side until it fits the position beside the rest.

    Reduce-only orders go first, then the others; least aggressive first, newest first.
    """
    room = -holding.position.qty * order.sign
    if room <= 0:
        return
    wanted = min(order.leaves, room) if order.leaves else room
    same_side = [other for other in holding.orders.values() if other.sign == order.sign]
    same_side.sort(key=_first_to_go)
    excess = wanted - room
    for other in same_side:
        excess += other.leaves
    for other in same_side:
        if excess <= 0:
            return
        excess -= other.leaves
        resting.cancel(state, holding, other, CancelReason.CLOSE_ON_TRIGGER, out)


def _first_to_go(order: Order) -> tuple[bool, int, int]:
    return (not order.reduce_only, order.sign * order.price, -order.order_id)


def place_batch(state: State, command: PlaceBatch, time_ms: int, out: list[Event]) -> None:
    """Place all of a batch's orders or none."""
    account = state.accounts.get(command.account_id)
    market = state.markets.get(command.market_id)
    if account is None or market is None:
        refuse(Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_MARKET, out)
        return
    repeats = batch_repeats(state, account, command)
    if repeats and len(repeats) == len(command.orders):
        out.extend(repeats)
        return
    holding = market.holding(account)
    orders: list[Order] = []
    rejected = check_batch(holding, command, orders, time_ms)
    if rejected is not None:
        out.append(rejected)
        return
    leverage_e2 = batch_leverage(command)
    if account.is_isolated and leverage_e2 not in (0, holding.position.leverage_e2):
        apply_leverage(holding, leverage_e2, out)
        resting.touch(state, holding)
    for order, request in zip(orders, command.orders, strict=True):
        enter(state, holding, order, request, waits=entry.is_trigger(request), time_ms=time_ms, out=out)
    fire(state, time_ms, out)


def batch_repeats(state: State, account: Account, command: PlaceBatch) -> list[OrderRepeated]:
    """Return the first outcomes of those of a batch's orders whose client order id was used before."""
    found: list[OrderRepeated] = []
    for request in command.orders:
        if request.client_order_id:
            repeated = repeat_of(state, account, request.client_order_id)
            if repeated is not None:
                found.append(repeated)
    return found


def batch_leverage(command: PlaceBatch) -> int:
    """Return the leverage that the batch's orders name, but for waiting ones; 0 when none does."""
    for request in command.orders:
        if request.leverage_e2 and not entry.is_trigger(request):
            return request.leverage_e2
    return 0


def check_batch(holding: Holding, command: PlaceBatch, orders: list[Order], time_ms: int) -> CommandRejected | None:
    """Check a batch: each order by itself, the orders with each other, then the money of all together.

    `orders` gets the orders that the requests ask for, with their limits.
    """
    requests = command.orders
    if not 1 <= len(requests) <= BATCH_ORDERS_MAX:
        return CommandRejected(Reject.INVALID_BATCH, "orders")
    account = holding.account
    named = batch_leverage(command)
    client_order_ids: set[str] = set()
    entering: list[Order] = []
    for at, request in enumerate(requests):
        order = resting.order_from(account, request)
        reject = check_batch_order(holding, command, request, order, time_ms)
        waits = entry.is_trigger(request)
        if reject is None and account.is_isolated and not waits and request.leverage_e2 not in (0, named):
            reject = Reject.INVALID_LEVERAGE
        name = request.client_order_id
        if reject is None and name:
            if name in client_order_ids or name in account.client_orders or name in account.closed_orders:
                reject = Reject.INVALID_CLIENT_ORDER_ID
            client_order_ids.add(name)
        if reject is not None:
            return CommandRejected(reject, reject.field, at)
        orders.append(order)
        if not waits:
            entering.append(order)
    reject = check_batch_crossing(entering)
    if len(holding.orders) + len(holding.triggers) + len(requests) > OPEN_ORDERS_MAX:
        reject = Reject.TOO_MANY_ORDERS
    if reject is None:
        leverage_e2 = margins.leverage_of(holding)
        reject = entry.check_batch_money(holding, entering, named or leverage_e2 if leverage_e2 else 0)
    return None if reject is None else CommandRejected(reject, reject.field)


def check_batch_order(
    holding: Holding, command: PlaceBatch, request: PlaceOrder, order: Order, time_ms: int
) -> Reject | None:
    """Check one order of a batch by all that does not depend on the others or on money."""
    if request.account_id != command.account_id or request.market_id != command.market_id:
        return Reject.INVALID_BATCH
    if request.time_in_force is FOK or request.reduce_only or request.is_close or request.oco:
        return Reject.INVALID_BATCH
    reject = entry.check_form(holding, request)
    if reject is None:
        reject = entry.check_qty(holding, order, request)
    if reject is not None:
        return reject
    if entry.is_trigger(request):
        return check_trigger(holding, order, request)
    market = holding.market
    reject = entry.check_status(holding, order, None, time_ms)
    if reject is None:
        reject = entry.check_range(market, order, is_clamped=False, time_ms=time_ms)
    if reject is None and request.post_only and would_take(market.book, order.sign, order.price):
        reject = Reject.WOULD_TAKE
    return reject


def check_batch_crossing(orders: list[Order]) -> Reject | None:
    """Check that no two orders of a batch would meet each other."""
    highest_buy = 0
    lowest_sell = 0
    for order in orders:
        if order.sign > 0:
            highest_buy = max(highest_buy, order.price)
        elif lowest_sell == 0 or order.price < lowest_sell:
            lowest_sell = order.price
    return Reject.INVALID_BATCH if lowest_sell and highest_buy >= lowest_sell else None


def find_own(state: State, account: Account | None, order_id: int, client_order_id: str) -> Order | None:
    """Return an account's open order by its id, or by its client order id when the id is 0."""
    if account is None:
        return None
    if order_id == 0:
        order_id = account.client_orders.get(client_order_id, 0)
    order = state.orders.get(order_id)
    return order if order is not None and order.account_id == account.account_id else None


def cancel(state: State, command: CancelOrder, time_ms: int, out: list[Event]) -> None:
    """Cancel one order."""
    account = state.accounts.get(command.account_id)
    order = find_own(state, account, command.order_id, command.client_order_id)
    if account is None or order is None:
        refuse(Reject.UNKNOWN_ACCOUNT if account is None else Reject.ORDER_NOT_FOUND, out)
        return
    holding = account.holdings[request_of(order).market_id]
    if holding.market.status is HALTED:
        refuse(Reject.MARKET_CLOSED, out)
        return
    order.time_ms = time_ms
    resting.cancel(state, holding, order, _REQUESTED, out)


def cancel_many(state: State, command: CancelOrders, out: list[Event]) -> None:
    """Cancel the named orders that are open, or all of them in one market or in every one; by order id."""
    account = state.accounts.get(command.account_id)
    if account is None:
        refuse(Reject.UNKNOWN_ACCOUNT, out)
        return
    if len(command.order_ids) > CANCEL_IDS_MAX:
        out.append(CommandRejected(Reject.INVALID_BATCH, "ids"))
        return
    found: list[int] = []
    if command.order_ids:
        found.extend(sorted(set(command.order_ids)))
    else:
        for market_id, holding in account.holdings.items():
            if command.market_id in (0, market_id):
                found.extend(holding.orders)
                found.extend(holding.triggers)
        found.sort()
    for order_id in found:
        order = find_own(state, account, order_id, "")
        if order is not None:
            holding = account.holdings[request_of(order).market_id]
            if holding.market.status is not HALTED:
                resting.cancel(state, holding, order, _REQUESTED, out)


def amend(state: State, command: AmendOrder, time_ms: int, out: list[Event]) -> None:
    """Change an open order's total quantity, price or trigger price."""
    account = state.accounts.get(command.account_id)
    order = find_own(state, account, command.order_id, "")
    if account is None or order is None:
        refuse(Reject.UNKNOWN_ACCOUNT if account is None else Reject.ORDER_NOT_FOUND, out)
        return
    holding = account.holdings[request_of(order).market_id]
    leaves = (command.qty - order.filled) if command.qty else order.leaves
    price = command.price or order.price
    reject = check_amend(state, holding, order, command, leaves, price)
    if reject is not None:
        refuse(reject, out)
        return
    if order.level is None:
        amend_waiting(state, holding, order, command, leaves, price, time_ms, out)
    elif price == order.price and leaves < order.leaves:
        amend_in_place(state, holding, order, leaves, time_ms, out)
    else:
        amend_in_book(state, holding, order, leaves, price, time_ms, out)


def check_amend(
    state: State, holding: Holding, order: Order, command: AmendOrder, leaves: int, price: int
) -> Reject | None:
    """Check what an amendment asks for, before the entry checks."""
    market = holding.market
    is_waiting = order.level is None
    if price < 0 or price > PRICE_MAX or price % market.tick or (command.price and not request_of(order).price):
        return Reject.INVALID_PRICE
    if command.qty and not market.qty_min <= command.qty <= market.qty_max:
        return Reject.INVALID_QTY
    if not 0 <= command.trigger_price <= PRICE_MAX or (command.trigger_price and not is_waiting):
        return Reject.INVALID_TRIGGER
    if market.status is HALTED or market.status is CANCEL_ONLY:
        return Reject.MARKET_CLOSED
    is_whole_close = is_waiting and request_of(order).is_close and leaves == 0
    if (leaves <= 0 and not is_whole_close) or order.order_id in state.fired:
        return Reject.NOT_AMENDABLE
    if price == order.price and leaves == order.leaves and not command.trigger_price:
        return Reject.NOT_AMENDABLE
    if (
        price
        and not order.reduce_only
        and amended_notional(state, market, leaves + order.filled, price) < market.notional_min
    ):
        return Reject.NOTIONAL_TOO_SMALL
    needs_price = command.trigger_price and request_of(order).trigger_direction is TriggerDirection.AUTO
    if needs_price and market.price(holding.triggers[order.order_id].event) == 0:
        return Reject.NO_PRICE
    return None


def amended_notional(state: State, market: Market, qty: int, price: int) -> int:
    """Return what an amended order is worth to the minimum notional: under the first rules an option counted as a future."""
    if state.rules_version < RULES_OF_CORRECTIONS:
        return qty * price * market.unit_value
    return entry.notional_of(market, qty, price)


def amend_waiting(
    state: State,
    holding: Holding,
    order: Order,
    command: AmendOrder,
    leaves: int,
    price: int,
    time_ms: int,
    out: list[Event],
) -> None:
    """Amend an order that waits for its trigger."""
    market = holding.market
    trigger = holding.triggers[order.order_id]
    book = market.triggers(trigger.event)
    now = market.price(trigger.event)
    book.remove(order.order_id)
    order.leaves = leaves
    order.price = price
    order.time_ms = time_ms
    if command.trigger_price:
        trigger.price = command.trigger_price
        trigger.extreme = 0
        if request_of(order).trigger_direction is TriggerDirection.AUTO:
            trigger.direction = direction_towards(trigger.price, now)
    book.add(trigger)
    out.append(_amended(market, order, trigger.price, keeps_place=True))
    resting.fire_later(state, market.met(trigger.event, now))
    fire(state, time_ms, out)


def amend_in_place(state: State, holding: Holding, order: Order, leaves: int, time_ms: int, out: list[Event]) -> None:
    """Make a resting order smaller: it keeps its place."""
    lots = order.leaves - leaves
    holding.market.book.reduce(order, leaves)
    resting.lose(state, holding, order, lots)
    order.time_ms = time_ms
    out.append(_amended(holding.market, order, 0, keeps_place=True))


def amend_in_book(
    state: State, holding: Holding, order: Order, leaves: int, price: int, time_ms: int, out: list[Event]
) -> None:
    """Give a resting order another price or more quantity: it is checked like a new one and loses its place."""
    request = request_of(order)
    wish = resting.order_from(holding.account, request)
    wish.price = price
    wish.leaves = leaves
    wish.reduce_only = order.reduce_only
    leverage_e2 = margins.leverage_of(holding)
    reject = entry.check_entry(holding, wish, request, leverage_e2, order, is_clamped=False, time_ms=time_ms)
    if reject is not None:
        refuse(reject, out)
        return
    holding.market.book.remove(order)
    resting.unlist(state, holding, order, order.leaves)
    order.leaves = wish.leaves
    order.price = price
    order.time_ms = time_ms
    out.append(_amended(holding.market, order, 0, keeps_place=False))
    fills.execute(state, holding, order, request, time_ms, out)
    fire(state, time_ms, out)


def _amended(market: Market, order: Order, trigger_price: int, *, keeps_place: bool) -> OrderAmended:
    qty = order.filled + order.leaves
    return OrderAmended(
        order.order_id,
        order.account_id,
        market.market_id,
        qty,
        order.leaves,
        order.price,
        trigger_price,
        keeps_place,
    )
