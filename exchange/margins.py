"""What an account has, what its positions and orders need, what is left. Reads only; the sums are caches.

Under cross margin the account is one scope: its balance in the quote asset and all its positions. Under isolated margin
each position is a scope of its own, and the balance is what is assigned to none.
"""

from typing import Final

from engine.order import Order
from exchange.state import Account, Market, OpenOrders, SideSums, State, request_of
from risk.fixed import div_up
from risk.margin import fee, fee_for_each_lot, leverage_rate, requirement
from risk.position import Position

STALE: Final = -1
"""Not a mark price: the sums must be made anew."""


def initial_margin(market: Market, lots: int, entry_notional: int, leverage_e2: int) -> int:
    """Return the initial margin of `lots` at the mark; `leverage_e2` 0 under cross.

    `entry_notional` is the owner's in the market. Rounds: up.
    """
    floor_rate = leverage_rate(leverage_e2) if leverage_e2 else 0
    return requirement(lots * market.mark_value, market.initial_rate, market.initial_slope, entry_notional, floor_rate)


def maintenance_margin(market: Market, position: Position) -> int:
    """Return the maintenance margin of a position at the mark. Rounds: up."""
    notional = abs(position.qty) * market.mark_value
    return requirement(notional, market.maintenance_rate, market.maintenance_slope, position.owner.value)


def position_margin(account: Account, market: Market, position: Position) -> int:
    """Return the initial margin of an account's position at the mark and at its own leverage."""
    if position.qty == 0:
        return 0
    leverage_e2 = position.leverage_e2 if account.is_isolated else 0
    return initial_margin(market, abs(position.qty), position.owner.value, leverage_e2)


def loss_to_mark(market: Market, sign: int, price: int) -> int:
    """Return what one lot loses at once when it fills at `price`: the mark price compensation. Units: money."""
    gap = (price - market.mark_price) * sign
    return gap * market.unit_value if gap > 0 else 0


def cost_to_fill(market: Market, sign: int, price: int, lots: int, fee_ppm: int) -> int:
    """Return what a fill costs its scope at once: the loss to mark and the fee. Rounds: fees up."""
    cost = fee(lots * price * market.unit_value, fee_ppm) if fee_ppm > 0 else 0
    return cost if market.is_spot else cost + loss_to_mark(market, sign, price) * lots


def recount(market: Market, open_orders: OpenOrders, order: Order, lots: int) -> None:
    """Keep the sums true after `lots` of a resting order came (or went: negative)."""
    if open_orders.mark != market.mark_price or open_orders.oco_count:
        open_orders.mark = STALE
        return
    sums = open_orders.buys if order.sign > 0 else open_orders.sells
    price = order.price
    sums.qty += lots
    sums.notional += lots * price
    if order.reduce_only:
        sums.reduce_qty += lots
    if market.maker_fee_ppm > 0:
        sums.fee += lots * fee_for_each_lot(price, market.unit_value, market.maker_fee_ppm)
    if not market.is_spot:
        gap = (price - market.mark_price) * order.sign
        if gap > 0:
            sums.loss += lots * gap * market.unit_value


def with_order(market: Market, side: SideSums, order: Order, fee_ppm: int) -> SideSums:
    """Return a side's sums with one order more, its fees at `fee_ppm`."""
    lots = order.leaves
    price = order.price
    fees = side.fee
    if fee_ppm > 0:
        fees += lots * fee_for_each_lot(price, market.unit_value, fee_ppm)
    loss = side.loss
    if not market.is_spot:
        gap = (price - market.mark_price) * order.sign
        if gap > 0:
            loss += lots * gap * market.unit_value
    reduced = side.reduce_qty + lots if order.reduce_only else side.reduce_qty
    return SideSums(side.qty + lots, reduced, side.notional + lots * price, fees, loss)


def refresh(market: Market, open_orders: OpenOrders) -> None:
    """Make the sums anew when the mark has moved since they were made. Cost: O(orders), once for each mark."""
    if open_orders.mark != market.mark_price:
        open_orders.mark = market.mark_price
        buys_and_sells = sums_with(market, open_orders, [], None)
        open_orders.buys = buys_and_sells[0]
        open_orders.sells = buys_and_sells[1]


def sums_with(
    market: Market, open_orders: OpenOrders, coming: list[Order], going: Order | None
) -> tuple[SideSums, SideSums]:
    """Return the sums of buys and sells as they would be with some orders more and one less.

    Of an OCO group each side counts the largest member only. A coming order pays as taker, unless it is post-only.
    """
    buys = SideSums()
    sells = SideSums()
    groups: dict[tuple[str, int], SideSums] = {}
    orders = [order for order in open_orders.orders.values() if order is not going]
    orders.extend(coming)
    for order in orders:
        fee_ppm = market.maker_fee_ppm if order.level is not None else entry_fee_ppm(market, order)
        if order.oco:
            sums = with_order(market, SideSums(), order, fee_ppm)
            key = (order.oco, order.sign)
            groups[key] = _larger(sums, groups[key]) if key in groups else sums
        elif order.sign > 0:
            buys = with_order(market, buys, order, fee_ppm)
        else:
            sells = with_order(market, sells, order, fee_ppm)
    for (_, sign), sums in groups.items():
        _add(buys if sign > 0 else sells, sums)
    return buys, sells


def _larger(a: SideSums, b: SideSums) -> SideSums:
    return SideSums(
        max(a.qty, b.qty),
        max(a.reduce_qty, b.reduce_qty),
        max(a.notional, b.notional),
        max(a.fee, b.fee),
        max(a.loss, b.loss),
    )


def _add(total: SideSums, sums: SideSums) -> None:
    total.qty += sums.qty
    total.reduce_qty += sums.reduce_qty
    total.notional += sums.notional
    total.fee += sums.fee
    total.loss += sums.loss


def entry_fee_ppm(market: Market, order: Order) -> int:
    """Return the dearest fee that an order may meet when it comes in."""
    maker_fee_ppm = market.maker_fee_ppm
    taker_fee_ppm = market.taker_fee_ppm
    return maker_fee_ppm if maker_fee_ppm > taker_fee_ppm or request_of(order).post_only else taker_fee_ppm


def projected(
    market: Market, open_orders: OpenOrders | None, coming: Order, going: Order | None
) -> tuple[SideSums, SideSums]:
    """Return the sums as they would be with `coming` and without `going`. Cost: O(1) but for OCO orders and amendments."""
    fee_ppm = entry_fee_ppm(market, coming)
    if open_orders is None:
        sums = with_order(market, SideSums(), coming, fee_ppm)
        return (sums, SideSums()) if coming.sign > 0 else (SideSums(), sums)
    if going is not None or open_orders.oco_count or coming.oco:
        return sums_with(market, open_orders, [coming], going)
    if open_orders.mark != market.mark_price:
        refresh(market, open_orders)
    if coming.sign > 0:
        return with_order(market, open_orders.buys, coming, fee_ppm), open_orders.sells
    return open_orders.buys, with_order(market, open_orders.sells, coming, fee_ppm)


def reserve(
    market: Market, position: Position | None, buys: SideSums, sells: SideSums, *, leverage_e2: int, held_margin: int
) -> int:
    """Return what an account's orders in a derivatives market need beside the position: the dearer side.

    `held_margin` is the position's initial margin at that leverage. Under isolated margin (leverage not 0) the closing
    of a position is paid from its own margin and needs nothing here.
    """
    buy_need = 0
    if buys.qty:
        buy_need = side_need(market, position, 1, buys, leverage_e2=leverage_e2, held_margin=held_margin)
    if sells.qty:
        sell_need = side_need(market, position, -1, sells, leverage_e2=leverage_e2, held_margin=held_margin)
        if sell_need > buy_need:
            return sell_need
    return buy_need


def side_need(
    market: Market, position: Position | None, sign: int, sums: SideSums, *, leverage_e2: int, held_margin: int
) -> int:
    """Return what one side's orders need if all of them fill: initial margin on top of the position's, loss and fees.

    The side's reduce-only part first eats the position, then the rest of the side adds to what is left: the worst way
    in which the orders can fill.
    """
    if position is None or position.qty == 0:
        entry = sums.notional * market.unit_value + (position.owner.value if position is not None else 0)
        return initial_margin(market, sums.qty - sums.reduce_qty, entry, leverage_e2) + sums.loss + sums.fee
    held = position.qty * sign
    eaten = min(sums.reduce_qty, -held) if held < 0 else 0
    lots = sums.qty - sums.reduce_qty + eaten
    entry = position.owner.value
    if held >= 0:
        entry += sums.notional * market.unit_value
    elif lots <= -held:
        return 0 if leverage_e2 else sums.loss + sums.fee
    else:
        entry += div_up(sums.notional * market.unit_value * (lots + held), lots) - abs(position.entry_notional)
    added = initial_margin(market, lots + held, entry, leverage_e2) - held_margin
    return (max(0, added)) + sums.loss + sums.fee


def order_margin(account: Account, market: Market, open_orders: OpenOrders) -> int:
    """Return the reserve of an account's resting orders in a derivatives market at the present mark."""
    if not open_orders.orders:
        return 0
    refresh(market, open_orders)
    position = account.positions.get(market.market_id)
    leverage_e2 = leverage_of(account, position)
    held_margin = position_margin(account, market, position) if position is not None else 0
    return reserve(
        market, position, open_orders.buys, open_orders.sells, leverage_e2=leverage_e2, held_margin=held_margin
    )


def leverage_of(account: Account, position: Position | None) -> int:
    """Return the leverage that counts for an account in a market: 0 under cross, 1x until set under isolated."""
    if not account.is_isolated:
        return 0
    return position.leverage_e2 if position is not None else 100


def equity(state: State, account: Account, asset_id: int) -> int:
    """Return a cross account's equity in an asset: balance less spot locks, plus all unrealized pnl."""
    balance = account.balances.get(asset_id)
    total = balance.amount - balance.locked if balance is not None else 0
    if account.is_isolated:
        return total
    for market_id, position in account.positions.items():
        if position.qty:
            market = state.markets[market_id]
            if market.quote_asset == asset_id:
                total += position.qty * market.mark_value - position.entry_notional
    return total


def needed_elsewhere(state: State, account: Account, asset_id: int, market_id: int) -> int:
    """Return initial margins and reserves of an account in all derivatives markets of an asset but one (0: in all)."""
    total = 0
    markets = state.markets
    if not account.is_isolated:
        for other_id, position in account.positions.items():
            if position.qty and other_id != market_id:
                market = markets[other_id]
                if market.quote_asset == asset_id:
                    total += initial_margin(market, abs(position.qty), position.owner.value, 0)
    for other_id, open_orders in account.open_orders.items():
        if other_id != market_id and open_orders.orders:
            market = markets[other_id]
            if not market.is_spot and market.quote_asset == asset_id:
                total += order_margin(account, market, open_orders)
    return total


def available(state: State, account: Account, asset_id: int) -> int:
    """Return what an account may still commit as margin: equity less initial margins and reserves. May be negative."""
    return equity(state, account, asset_id) - needed_elsewhere(state, account, asset_id, 0)


def withdrawable(state: State, account: Account, asset_id: int) -> int:
    """Return what may leave the account or buy spot: unrealized profit carries margin but does not leave."""
    total = available(state, account, asset_id)
    if not account.is_isolated:
        for market_id, position in account.positions.items():
            if position.qty:
                market = state.markets[market_id]
                if market.quote_asset == asset_id:
                    profit = position.unrealized(market.mark_price, market.unit_value)
                    if profit > 0:
                        total -= profit
    return max(0, total)


def scope_equity(state: State, account: Account, market: Market, position: Position) -> int:
    """Return the equity that a fill in this market draws on: the account's under cross, the position's when isolated."""
    if account.is_isolated:
        return position.margin + position.unrealized(market.mark_price, market.unit_value)
    return equity(state, account, market.quote_asset)


def maintenance_rate_of(market: Market, position: Position) -> int:
    """Return a position's maintenance rate with its slope, at 10^17."""
    return market.maintenance_rate + market.maintenance_slope * position.owner.value


def backing(state: State, account: Account, market: Market, position: Position, *, is_maintained: bool) -> int:
    """Return what stands behind a position beside its own unrealized pnl, for its liquidation or bankruptcy price.

    The isolated margin; under cross the balance with the other positions' unrealized pnl, less (`is_maintained`) their
    maintenance margins.
    """
    if account.is_isolated:
        return position.margin
    total = equity(state, account, market.quote_asset) - position.unrealized(market.mark_price, market.unit_value)
    if is_maintained:
        for other_id, other in account.positions.items():
            other_market = state.markets[other_id]
            if other.qty and other_id != market.market_id and other_market.quote_asset == market.quote_asset:
                total -= maintenance_margin(other_market, other)
    return total
