"""The checks that an order passes before it may match, in their order. They change nothing but the order itself.

form, tick, lot, bounds -> market's status -> reduce-only -> trading range -> post-only -> FOK volume -> margin
"""

from typing import Final

from engine.matching import fillable, in_reach, would_take
from engine.order import Order, Side, TimeInForce, TriggerEvent
from exchange import margins
from exchange.commands import PlaceOrder
from exchange.instrument import MarketStatus
from exchange.limits import (
    CLIENT_ORDER_ID_LENGTH_MAX,
    ICEBERGS_MAX,
    OCO_LENGTH_MAX,
    OPEN_ORDERS_MAX,
    OPENING_INDEX_AGE_MAX_MS,
    PRICE_MAX,
)
from exchange.rejects import Reject
from exchange.state import Account, Market, OpenOrders, State, request_of
from risk.fixed import div_half_up
from risk.margin import PPM, fee_for_each_lot
from risk.position import Position

EMA_SCALE: Final = 10**9


def check_form(account: Account, market: Market, request: PlaceOrder) -> Reject | None:
    """Check what can be told from the request and the market's terms."""
    price = request.price
    if price and (price < 0 or price > PRICE_MAX or price % market.tick):
        return Reject.INVALID_PRICE
    time_in_force = request.time_in_force
    if price == 0 and time_in_force is TimeInForce.DAY:
        return Reject.INVALID_TIME_IN_FORCE
    if request.post_only and (price == 0 or time_in_force is TimeInForce.IOC or time_in_force is TimeInForce.FOK):
        return Reject.INVALID_POST_ONLY
    if request.icebergs > 1 and (
        request.icebergs > ICEBERGS_MAX
        or request.hidden
        or price == 0
        or time_in_force is TimeInForce.IOC
        or time_in_force is TimeInForce.FOK
    ):
        return Reject.INVALID_ICEBERGS
    if request.icebergs < 0:
        return Reject.INVALID_ICEBERGS
    if len(request.oco) > OCO_LENGTH_MAX:
        return Reject.INVALID_OCO
    if len(request.client_order_id) > CLIENT_ORDER_ID_LENGTH_MAX:
        return Reject.INVALID_CLIENT_ORDER_ID
    is_leveraged = request.leverage_e2 != 0 and account.is_isolated and not market.is_spot
    if is_leveraged and not 100 <= request.leverage_e2 <= market.leverage_max_e2:
        return Reject.INVALID_LEVERAGE
    if market.is_spot and (request.reduce_only or request.close_on_trigger or request.is_close):
        return Reject.NOT_ON_SPOT
    return check_trigger_form(market, request) if is_trigger(request) else None


def is_trigger(request: PlaceOrder) -> bool:
    """Tell whether the request is for an order that waits for a price."""
    return request.trigger_price != 0 or request.trail != 0 or request.trail_ppm != 0


def check_trigger_form(market: Market, request: PlaceOrder) -> Reject | None:
    """Check the parameters of a trigger order."""
    if not 0 <= request.trigger_price <= PRICE_MAX or not 0 <= request.trail <= PRICE_MAX:
        return Reject.INVALID_TRIGGER
    if not 0 <= request.trail_ppm < PPM or (request.trail and request.trail_ppm):
        return Reject.INVALID_TRIGGER
    event = request.trigger_event
    if market.is_spot:
        return None if event is TriggerEvent.NONE or event is TriggerEvent.LAST_PRICE else Reject.INVALID_TRIGGER
    return None


def check_qty(market: Market, position: Position | None, request: PlaceOrder) -> Reject | None:
    """Check quantity bounds and minimum notional, which a full close of the position need not meet."""
    qty = request.qty
    if request.is_close and qty == 0:
        return None
    if position is not None and position.qty == (-qty if request.side is Side.BUY else qty):
        return None
    if qty < market.qty_min or qty > market.qty_max:
        return Reject.INVALID_QTY
    price = request.price or market.mark_price or market.last_price
    if price and qty * price * market.unit_value < market.notional_min:
        return Reject.NOTIONAL_TOO_SMALL
    return None


def reference_price(market: Market, time_ms: int) -> int:
    """Return the price that a spot market's range stands around; 0 when there is none: then only limits are taken."""
    if market.index is not None and market.index.price and not is_index_old(market, time_ms):
        return market.index.price
    return div_half_up(market.trade_ema, EMA_SCALE)


def is_index_old(market: Market, time_ms: int) -> bool:
    """Tell whether the index was last computed too long ago for an opening order."""
    return market.index is not None and time_ms - market.index.computed_ms > OPENING_INDEX_AGE_MAX_MS


def range_edge(market: Market, sign: int, time_ms: int) -> int:
    """Return the highest price to buy at (sign +1) or the lowest to sell at (-1); 0 when there is no range."""
    if not market.is_spot:
        return market.range_high if sign > 0 else market.range_low
    reference = reference_price(market, time_ms)
    if reference == 0:
        return 0
    return market.high_edge(reference) if sign > 0 else market.low_edge(reference)


def check_status(market: Market, position: Position | None, order: Order, time_ms: int) -> Reject | None:
    """Check that the market takes this kind of order now."""
    if market.status is not MarketStatus.TRADING:
        is_taken = market.status is MarketStatus.REDUCE_ONLY and (order.reduce_only or is_reducing(position, order))
        if not is_taken:
            return Reject.MARKET_CLOSED
    if market.is_spot:
        return None
    if market.mark_price == 0:
        return Reject.NO_PRICE
    if is_index_old(market, time_ms) and not (order.reduce_only or is_reducing(position, order)):
        return Reject.NO_PRICE
    return None


def is_reducing(position: Position | None, order: Order) -> bool:
    """Tell whether the order, filled in full by itself, only makes the position smaller."""
    return position is not None and position.qty * order.sign < 0 and order.leaves <= abs(position.qty)


def check_reduce_only(position: Position | None, order: Order) -> Reject | None:
    """Check a reduce-only order, and cut it to the position."""
    if position is None or position.qty == 0:
        return Reject.NO_POSITION
    if position.qty * order.sign > 0:
        return Reject.WRONG_SIDE
    if order.leaves == 0 or order.leaves > abs(position.qty):
        order.leaves = abs(position.qty)
    return None


def check_range(market: Market, order: Order, *, is_clamped: bool, time_ms: int) -> Reject | None:
    """Check a limit against the trading range, and give a market order the range's edge as its limit.

    `is_clamped` moves a limit beyond the range to the edge, as a fired trigger's.
    """
    edge = range_edge(market, order.sign, time_ms)
    if order.price == 0:
        if edge == 0:
            return Reject.NO_PRICE
        order.price = edge
    elif edge and (order.price - edge) * order.sign > 0:
        if not is_clamped:
            return Reject.OUTSIDE_TRADING_RANGE
        order.price = edge
    return None


def check_entry(
    state: State,
    account: Account,
    market: Market,
    order: Order,
    *,
    leverage_e2: int,
    replaced: Order | None,
    is_clamped: bool,
    time_ms: int,
) -> Reject | None:
    """Run every check after the form's on an order about to enter. It may be cut (reduce-only) and gets its limit.

    `leverage_e2` is the leverage that will count, 0 under cross; `replaced` the resting order that it takes the place of.
    """
    position = account.positions.get(market.market_id)
    reject = check_status(market, position, order, time_ms)
    if reject is None and order.reduce_only:
        reject = check_reduce_only(position, order)
    if reject is None:
        reject = check_range(market, order, is_clamped=is_clamped, time_ms=time_ms)
    if reject is not None:
        return reject
    request = request_of(order)
    if request.post_only and would_take(market.book, order.sign, order.price):
        return Reject.WOULD_TAKE
    if request.time_in_force is TimeInForce.FOK and not is_sure_to_fill(state, market, order):
        return Reject.CANNOT_FILL
    if market.is_spot:
        return check_spot_funds(state, account, market, order, replaced)
    return check_margin(state, account, market, order, leverage_e2, replaced)


def is_sure_to_fill(state: State, market: Market, order: Order) -> bool:
    """Tell whether the order will be filled in full whatever its fills do to the orders it meets.

    A fill may take away other resting orders: reduce-only ones of a position that it closes, OCO siblings, and those
    whose account cannot bear them. Their volume counts as if it were gone.
    """
    if not fillable(market.book, order):
        return False
    unsure = 0
    costs: dict[int, int] = {}
    for maker in in_reach(market.book, order):
        if maker.owner_id == order.owner_id:
            continue
        account = state.accounts[maker.account_id]
        cost = margins.cost_to_fill(market, maker.sign, maker.price, maker.leaves, market.maker_fee_ppm)
        cost = costs[maker.account_id] = costs.get(maker.account_id, 0) + cost
        funds = 0 if account.is_isolated else margins.equity(state, account, market.quote_asset)
        if maker.reduce_only or maker.oco or (cost > max(0, funds) and not market.is_spot):
            unsure += maker.leaves
    if unsure == 0:
        return True
    order.leaves += unsure
    is_sure = fillable(market.book, order)
    order.leaves -= unsure
    return is_sure


def check_room(account: Account, market: Market, added: int) -> Reject | None:
    """Check that the account may have so many more open orders in the market."""
    open_orders = account.open_orders.get(market.market_id)
    if open_orders is not None and len(open_orders.orders) + len(open_orders.triggers) + added > OPEN_ORDERS_MAX:
        return Reject.TOO_MANY_ORDERS
    return None


def check_spot_funds(
    state: State, account: Account, market: Market, order: Order, replaced: Order | None
) -> Reject | None:
    """Check that the balance covers what the order locks: price and fee for a buy, base for a sell."""
    open_orders = account.open_orders.get(market.market_id)
    buys, sells = margins.projected(market, open_orders, order, replaced)
    if order.sign > 0:
        needed = buys.notional * market.unit_value + buys.fee
        locked = open_orders.locked_quote if open_orders is not None else 0
        asset_id = market.quote_asset
    else:
        needed = sells.qty * market.lot_base
        locked = open_orders.locked_base if open_orders is not None else 0
        asset_id = market.base_asset
    if needed - locked > margins.withdrawable(state, account, asset_id):
        return Reject.INSUFFICIENT_BALANCE
    return None


def check_margin(
    state: State, account: Account, market: Market, order: Order, leverage_e2: int, replaced: Order | None
) -> Reject | None:
    """Check that the account can carry the order in a derivatives market, whatever of its orders fills first."""
    position = account.positions.get(market.market_id)
    buys, sells = margins.projected(market, account.open_orders.get(market.market_id), order, replaced)
    held_margin = 0
    if position is not None and position.qty:
        held_margin = margins.initial_margin(market, abs(position.qty), position.owner.value, leverage_e2)
    asset_id = market.quote_asset
    left = margins.equity(state, account, asset_id)
    left -= margins.reserve(market, position, buys, sells, leverage_e2=leverage_e2, held_margin=held_margin)
    left -= margins.needed_elsewhere(state, account, asset_id, market.market_id)
    if account.is_isolated:
        if position is not None and position.leverage_e2 != leverage_e2:
            left -= leverage_gap(market, position, leverage_e2)
            if left < 0:
                return Reject.INSUFFICIENT_BALANCE
        is_covered = left >= 0 and (is_reducing(position, order) or is_position_sound(market, position, leverage_e2))
    else:
        is_covered = left >= held_margin
    if is_covered and not (account.is_isolated and is_reducing(position, order)):
        return None
    return check_reducing(state, account, market, order, position)


def check_batch_money(
    state: State, account: Account, market: Market, orders: list[Order], leverage_e2: int
) -> Reject | None:
    """Check that the account can carry all orders of a batch together, at their worst."""
    open_orders = account.open_orders.get(market.market_id) or OpenOrders()
    buys, sells = margins.sums_with(market, open_orders, orders, None)
    if market.is_spot:
        quote = buys.notional * market.unit_value + buys.fee - open_orders.locked_quote
        base = sells.qty * market.lot_base - open_orders.locked_base
        is_short = quote > margins.withdrawable(state, account, market.quote_asset)
        is_short = is_short or base > margins.withdrawable(state, account, market.base_asset)
        return Reject.INSUFFICIENT_BALANCE if is_short else None
    position = account.positions.get(market.market_id)
    held_margin = 0
    if position is not None and position.qty:
        held_margin = margins.initial_margin(market, abs(position.qty), position.owner.value, leverage_e2)
    left = margins.equity(state, account, market.quote_asset)
    left -= margins.reserve(market, position, buys, sells, leverage_e2=leverage_e2, held_margin=held_margin)
    left -= margins.needed_elsewhere(state, account, market.quote_asset, market.market_id)
    if not account.is_isolated:
        return Reject.INSUFFICIENT_BALANCE if left < held_margin else None
    if position is not None and position.leverage_e2 != leverage_e2:
        left -= leverage_gap(market, position, leverage_e2)
    is_covered = left >= 0 and is_position_sound(market, position, leverage_e2)
    return None if is_covered else Reject.INSUFFICIENT_BALANCE


def check_reducing(
    state: State, account: Account, market: Market, order: Order, position: Position | None
) -> Reject | None:
    """Check an order that the margin does not cover: it may pass if it only reduces, and leaves nothing below zero."""
    if position is None or not (order.reduce_only or is_reducing(position, order)):
        if position is not None and not is_scope_sound(state, account, market, position):
            return Reject.BELOW_INITIAL_MARGIN
        return Reject.INSUFFICIENT_BALANCE
    open_orders = account.open_orders.get(market.market_id)
    side = order.leaves
    if open_orders is not None and not order.reduce_only:
        margins.refresh(market, open_orders)
        side += open_orders.buys.qty if order.sign > 0 else open_orders.sells.qty
        if side > abs(position.qty):
            return Reject.INSUFFICIENT_BALANCE
    loss = margins.loss_to_mark(market, order.sign, order.price) * order.leaves
    fee_ppm = margins.entry_fee_ppm(market, order)
    loss += fee_for_each_lot(order.price, market.unit_value, fee_ppm) * order.leaves
    if loss > margins.scope_equity(state, account, market, position):
        return Reject.PAST_BANKRUPTCY
    return None


def leverage_gap(market: Market, position: Position, leverage_e2: int) -> int:
    """Return what must be added to an isolated position's margin for another leverage; 0 when it has enough."""
    if position.qty == 0:
        return 0
    backing = position.margin + min(0, position.unrealized(market.mark_price, market.unit_value))
    gap = margins.initial_margin(market, abs(position.qty), position.owner.value, leverage_e2) - backing
    return max(0, gap)


def is_position_sound(market: Market, position: Position | None, leverage_e2: int) -> bool:
    """Tell whether an isolated position's equity covers its initial margin."""
    if position is None or position.qty == 0:
        return True
    equity = position.margin + position.unrealized(market.mark_price, market.unit_value)
    equity += leverage_gap(market, position, leverage_e2) if position.leverage_e2 != leverage_e2 else 0
    return equity >= margins.initial_margin(market, abs(position.qty), position.owner.value, leverage_e2)


def is_scope_sound(state: State, account: Account, market: Market, position: Position) -> bool:
    """Tell whether the scope of a position covers its initial margin and its orders."""
    if account.is_isolated:
        return is_position_sound(market, position, position.leverage_e2)
    return margins.available(state, account, market.quote_asset) >= 0
