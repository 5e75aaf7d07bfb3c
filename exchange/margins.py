"""What an account has, what its positions and orders need, what is left. Reads only; the sums are caches.

Under cross margin the account is one scope: its balance in the quote asset and all its positions. Under isolated margin
each position is a scope of its own, and the balance is what is assigned to none.
"""

from typing import Final, final

from engine.order import Order
from exchange.commands import PlaceOrder
from exchange.state import Account, Holding, Market, SideSums, request_of
from risk.brackets import tier_rate, tiered_requirement
from risk.fixed import div_up
from risk.margin import PPM_TO_RATE, RATE_SCALE, fee, fee_for_each_lot, leverage_rate, requirement
from risk.option import option_fee, option_requirement, short_unit_initial, short_unit_maintenance

STALE: Final = -1
"""Not a mark price: the sums must be made anew."""


def owner_size(holding: Holding) -> int:
    """Return the size of the owner's positions here that the margin slope and the brackets look at.

    The entry notional, so that a winner is not liquidated by its own size; for options what they are on. Units: money.
    """
    owner = holding.position.owner
    market = holding.market
    return owner.lots * market.underlying_value if market.is_option else owner.value


def initial_margin(market: Market, signed_lots: int, size: int, leverage_e2: int) -> int:
    """Return the initial margin of lots (+ long, - short) at the mark; `leverage_e2` 0 under cross.

    `size` is the owner's in the market, as `owner_size`. Rounds: up.
    """
    if market.is_option:
        return _option_margin(market, signed_lots, size, is_initial=True)
    floor_rate = leverage_rate(leverage_e2) if leverage_e2 else 0
    notional = abs(signed_lots) * market.mark_value
    rate, slope = market.initial_rate, market.initial_slope
    if market.initial_tiers:
        return tiered_requirement(market.initial_tiers, notional, rate, slope, size, floor_rate)
    return requirement(notional, rate, slope, size, floor_rate)


def maintenance_margin(holding: Holding) -> int:
    """Return the maintenance margin of a position at the mark. Rounds: up."""
    market = holding.market
    size = owner_size(holding)
    if market.is_option:
        return _option_margin(market, holding.position.qty, size, is_initial=False)
    notional = abs(holding.position.qty) * market.mark_value
    rate, slope = market.maintenance_rate, market.maintenance_slope
    if market.maintenance_tiers:
        return tiered_requirement(market.maintenance_tiers, notional, rate, slope, size)
    return requirement(notional, rate, slope, size)


def _option_margin(market: Market, signed_lots: int, size: int, *, is_initial: bool) -> int:
    terms = market.instrument
    lots = abs(signed_lots)
    lots_value = lots * market.unit_value
    funding_e12 = lots * abs(market.funding_lot_e12)
    mark = market.mark_price
    if signed_lots >= 0:
        unit = mark * (terms.initial_ppm if is_initial else terms.maintenance_ppm)
        return option_requirement(lots_value, unit, funding_e12, 0, 0)
    underlying = market.underlying_value // market.unit_value
    rates_ppm = (terms.short_initial_ppm, terms.short_initial_min_ppm, terms.short_maintenance_ppm)
    if is_initial:
        unit = short_unit_initial(mark, underlying, market.strike, rates_ppm, is_call=market.is_call)
        slope = terms.initial_slope_ppb
    else:
        unit = short_unit_maintenance(mark, underlying, rates_ppm[2], is_call=market.is_call)
        slope = terms.maintenance_slope_ppb
    return option_requirement(lots_value, unit, funding_e12, slope * size, lots * market.underlying_value)


def fee_on(market: Market, lots: int, price: int, fee_ppm: int) -> int:
    """Return the fee on a fill; a negative rate gives a rebate. Rounds: fees up, rebates down."""
    if market.is_option:
        underlying = market.underlying_value // market.unit_value
        return option_fee(lots * market.unit_value, underlying, market.mark_price, fee_ppm, market.fee_cap_ppm)
    return fee(lots * price * market.unit_value, fee_ppm)


def fee_on_lot(market: Market, price: int, fee_ppm: int) -> int:
    """Return what one lot's fee can be at the most now, however its fills are cut; a rebate counts as nothing."""
    if market.is_option:
        return fee_on(market, 1, price, fee_ppm) if fee_ppm > 0 else 0
    return fee_for_each_lot(price, market.unit_value, fee_ppm)


def leverage_of(holding: Holding) -> int:
    """Return the leverage that counts: 0 under cross and on spot, the stored one under isolated."""
    return holding.position.leverage_e2 if holding.account.is_isolated and not holding.market.is_spot else 0


def position_margin(holding: Holding, leverage_e2: int) -> int:
    """Return the initial margin of a position at the mark and at a leverage (0 under cross)."""
    position = holding.position
    if position.qty == 0:
        return 0
    return initial_margin(holding.market, position.qty, owner_size(holding), leverage_e2)


def unrealized(holding: Holding) -> int:
    """Return a position's unrealized pnl at the mark."""
    return holding.position.qty * holding.market.mark_value - holding.position.entry_notional


def loss_to_mark(market: Market, sign: int, price: int) -> int:
    """Return what one lot loses at once when it fills at `price`: the mark price compensation. Units: money."""
    gap = (price - market.mark_price) * sign
    return gap * market.unit_value if gap > 0 and not market.is_spot else 0


def cost_to_fill(market: Market, sign: int, price: int, lots: int, fee_ppm: int) -> int:
    """Return what a fill costs its scope at once: the loss to mark and the fee. Rounds: fees up."""
    cost = fee_on(market, lots, price, fee_ppm) if fee_ppm > 0 else 0
    return cost + loss_to_mark(market, sign, price) * lots


def recount(holding: Holding, order: Order, lots: int) -> None:
    """Keep the sums true after `lots` of a resting order came (or went: negative)."""
    market = holding.market
    holding.position.owner.resting = STALE
    if holding.stamp != market.stamp or holding.oco_count:
        holding.stamp = STALE
        return
    sums = holding.buys if order.sign > 0 else holding.sells
    price = order.price
    sums.qty += lots
    sums.notional += lots * price
    if order.reduce_only:
        sums.reduce_qty += lots
    if (price - market.mark_price) * order.sign > 0 or market.maker_fee_ppm > 0:
        sums.fee += lots * fee_on_lot(market, price, market.maker_fee_ppm)
        sums.loss += lots * loss_to_mark(market, order.sign, price)


def with_order(market: Market, side: SideSums, order: Order, fee_ppm: int) -> SideSums:
    """Return a side's sums with one order more, its fees at `fee_ppm`."""
    lots = order.leaves
    price = order.price
    fees = side.fee + lots * fee_on_lot(market, price, fee_ppm)
    loss = side.loss + lots * loss_to_mark(market, order.sign, price)
    reduced = side.reduce_qty + lots if order.reduce_only else side.reduce_qty
    return SideSums(side.qty + lots, reduced, side.notional + lots * price, fees, loss)


def refresh(holding: Holding) -> None:
    """Make the sums anew when the mark has moved since they were made. Cost: O(orders), once for each mark."""
    stamp = holding.market.stamp
    if holding.stamp != stamp:
        holding.stamp = stamp
        buys_and_sells = sums_with(holding, [], None)
        holding.buys = buys_and_sells[0]
        holding.sells = buys_and_sells[1]


def sums_with(holding: Holding, coming: list[Order], going: Order | None) -> tuple[SideSums, SideSums]:
    """Return the sums of buys and sells as they would be with some orders more and one less.

    Of an OCO group each side counts the most that its members can need. A coming order pays as taker, unless it is post-only.
    """
    market = holding.market
    buys = SideSums()
    sells = SideSums()
    groups: dict[tuple[str, int], Group] = {}
    orders = [order for order in holding.orders.values() if order is not going]
    orders.extend(coming)
    for order in orders:
        fee_ppm = market.maker_fee_ppm if order.level is not None else entry_fee_ppm(market, request_of(order))
        if order.oco:
            group = groups.get((order.oco, order.sign))
            if group is None:
                group = groups[(order.oco, order.sign)] = Group()
            group.add(market, order, fee_ppm)
        elif order.sign > 0:
            buys = with_order(market, buys, order, fee_ppm)
        else:
            sells = with_order(market, sells, order, fee_ppm)
    for (_, sign), group in groups.items():
        _add(buys if sign > 0 else sells, group.sums())
    return buys, sells


@final
class Group:
    """An OCO group's members on one side. Whichever of them fill, they fill no more lots than the largest has, and no
    lot dearer than the dearest.
    """

    __slots__ = ("fee", "loss", "opening_qty", "price", "qty")

    def __init__(self) -> None:
        self.qty: int = 0
        self.opening_qty: int = 0
        self.price: int = 0
        self.fee: int = 0
        self.loss: int = 0

    def add(self, market: Market, order: Order, fee_ppm: int) -> None:
        """Take a member in."""
        price = order.price
        self.qty = max(self.qty, order.leaves)
        if not order.reduce_only:
            self.opening_qty = max(self.opening_qty, order.leaves)
        self.price = max(self.price, price)
        self.fee = max(self.fee, fee_on_lot(market, price, fee_ppm))
        self.loss = max(self.loss, loss_to_mark(market, order.sign, price))

    def sums(self) -> SideSums:
        """Return what the group adds to its side at the most."""
        qty = self.qty
        return SideSums(qty, qty - self.opening_qty, qty * self.price, qty * self.fee, qty * self.loss)


def _add(total: SideSums, sums: SideSums) -> None:
    total.qty += sums.qty
    total.reduce_qty += sums.reduce_qty
    total.notional += sums.notional
    total.fee += sums.fee
    total.loss += sums.loss


def entry_fee_ppm(market: Market, request: PlaceOrder) -> int:
    """Return the dearest fee that an order may meet when it comes in: a post-only one is a maker."""
    return market.maker_fee_ppm if request.post_only else market.entry_fee_ppm


def projected(holding: Holding, coming: Order, going: Order | None, fee_ppm: int) -> tuple[SideSums, SideSums]:
    """Return the sums as they would be with `coming` and without `going`. Cost: O(1) but for OCO orders and amendments."""
    market = holding.market
    if going is not None or holding.oco_count or coming.oco:
        return sums_with(holding, [coming], going)
    if holding.stamp != market.stamp:
        refresh(holding)
    if coming.sign > 0:
        return with_order(market, holding.buys, coming, fee_ppm), holding.sells
    return holding.buys, with_order(market, holding.sells, coming, fee_ppm)


def reserve(holding: Holding, buys: SideSums, sells: SideSums, leverage_e2: int, held_margin: int) -> int:
    """Return what an account's orders in a derivatives market need beside the position: the dearer side.

    `held_margin` is the position's initial margin at that leverage. Under isolated margin (leverage not 0) the closing
    of a position is paid from its own margin and needs nothing here.
    """
    buy_need = side_need(holding, 1, buys, leverage_e2, held_margin) if buys.qty else 0
    if sells.qty:
        sell_need = side_need(holding, -1, sells, leverage_e2, held_margin)
        if sell_need > buy_need:
            return sell_need
    return buy_need


def side_need(holding: Holding, sign: int, sums: SideSums, leverage_e2: int, held_margin: int) -> int:
    """Return what one side's orders need if all of them fill: initial margin on top of the position's, loss and fees.

    The side's reduce-only part first eats the position, then the rest of the side adds to what is left: the worst way
    in which the orders can fill.
    """
    market = holding.market
    held = holding.position.qty * sign
    lots = sums.qty - sums.reduce_qty
    size = owner_size(holding)
    if len(holding.kin) > 1:
        size += resting_of_kin(holding)
    if held >= 0:
        size += size_of_orders(market, sums)
    else:
        lots += min(sums.reduce_qty, -held)
        if lots <= -held:
            return 0 if leverage_e2 else sums.loss + sums.fee
        # what opens counts at the side's mean price
        size += div_up(size_of_orders(market, sums) * (lots + held), sums.qty) - own_size(holding)
    added = initial_margin(market, (lots + held) * sign, size, leverage_e2) - held_margin
    needed = sums.loss + sums.fee
    return needed + added if added > 0 else needed


def own_size(holding: Holding) -> int:
    """Return the share of a position in its owner's size."""
    position = holding.position
    market = holding.market
    return abs(position.qty) * market.underlying_value if market.is_option else abs(position.entry_notional)


def size_of_orders(market: Market, sums: SideSums) -> int:
    """Return what one side's orders would add to the owner's size."""
    return sums.qty * market.underlying_value if market.is_option else sums.notional * market.unit_value


def resting_of_kin(holding: Holding) -> int:
    """Return what the owner's other accounts would add to their entry notional here if their dearer side filled.

    Cost: O(1); O(accounts of the owner) after one of their orders came or went.
    """
    owner = holding.position.owner
    if owner.resting < 0:
        owner.resting = 0
        for other in holding.kin:
            owner.resting += dearer_side(other)
    market = holding.market
    return (owner.resting - dearer_side(holding)) * (market.underlying_value if market.is_option else market.unit_value)


def dearer_side(holding: Holding) -> int:
    """Return the larger side of an account's orders here. Units: price units x lots; for options lots."""
    if not holding.orders:
        return 0
    refresh(holding)
    if holding.market.is_option:
        return max(holding.buys.qty, holding.sells.qty)
    return max(holding.buys.notional, holding.sells.notional)


def order_margin(holding: Holding) -> int:
    """Return the reserve of an account's resting orders in a derivatives market at the present mark."""
    if not holding.orders or holding.market.is_spot:
        return 0
    refresh(holding)
    leverage_e2 = leverage_of(holding)
    return reserve(holding, holding.buys, holding.sells, leverage_e2, position_margin(holding, leverage_e2))


def equity(account: Account, asset_id: int) -> int:
    """Return what an account has in an asset: the balance, under cross with all unrealized pnl."""
    balance = account.balances.get(asset_id)
    total = balance.amount if balance is not None else 0
    if account.is_isolated:
        return total
    for holding in account.holdings.values():
        market = holding.market
        position = holding.position
        if position.qty and market.quote_asset == asset_id:
            total += position.qty * market.mark_value - position.entry_notional
    return total


def available(account: Account, asset_id: int, but: Holding | None = None) -> int:
    """Return what an account may still commit as margin: equity less initial margins and reserves. May be negative.

    What the position and the orders of the holding `but` need is left out; its unrealized pnl counts.
    """
    balance = account.balances.get(asset_id)
    total = balance.amount - balance.locked if balance is not None else 0
    is_isolated = account.is_isolated
    for holding in account.holdings.values():
        market = holding.market
        if market.is_spot or market.quote_asset != asset_id:
            continue
        position = holding.position
        if position.qty and not is_isolated:
            total += position.qty * market.mark_value - position.entry_notional
            if holding is not but:
                total -= initial_margin(market, position.qty, owner_size(holding), 0)
        if holding.orders and holding is not but:
            total -= order_margin(holding)
    return total


def withdrawable(account: Account, asset_id: int) -> int:
    """Return what may leave the account or buy spot: unrealized profit carries margin but does not leave."""
    total = available(account, asset_id)
    if not account.is_isolated:
        for holding in account.holdings.values():
            if holding.position.qty and holding.market.quote_asset == asset_id:
                total -= max(0, unrealized(holding))
    return max(0, total)


def scope_equity(holding: Holding) -> int:
    """Return the equity that a fill in this market draws on: the account's under cross, the position's when isolated."""
    if holding.account.is_isolated:
        return holding.position.margin + unrealized(holding)
    return equity(holding.account, holding.market.quote_asset)


def maintenance_rate_of(holding: Holding) -> int:
    """Return the part of a position's maintenance margin that follows its mark, at 10^17 of the notional."""
    market = holding.market
    if market.is_option:
        terms = market.instrument
        return terms.maintenance_ppm * PPM_TO_RATE if holding.position.qty > 0 else RATE_SCALE
    size = owner_size(holding)
    rate = market.maintenance_rate + market.maintenance_slope * size
    return rate + tier_rate(market.maintenance_tiers, size) if market.maintenance_tiers else rate


def scope(holding: Holding) -> tuple[int, int]:
    """Return the equity and the maintenance margins of a position's scope: its own when isolated, the account's under cross."""
    account = holding.account
    if account.is_isolated:
        return holding.position.margin + unrealized(holding), maintenance_margin(holding)
    asset_id = holding.market.quote_asset
    required = 0
    for other in account.holdings.values():
        if other.position.qty and other.market.quote_asset == asset_id:
            required += maintenance_margin(other)
    return equity(account, asset_id), required
