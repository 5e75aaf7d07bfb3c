"""The checks that an order passes before it may match, in their order. They change nothing but the order itself.

form, tick, lot, bounds -> market's status -> reduce-only -> trading range -> post-only -> FOK volume -> margin
"""

from typing import Final

from engine.matching import fillable, in_reach, would_take
from engine.order import DAY, FOK, IOC, Order, TriggerEvent
from exchange import margins
from exchange.bearing import bearable, bears_close
from exchange.commands import PlaceOrder
from exchange.instrument import TRADING, MarketStatus
from exchange.limits import (
    CLIENT_ORDER_ID_LENGTH_MAX,
    ICEBERGS_MAX,
    OCO_LENGTH_MAX,
    OPENING_INDEX_AGE_MAX_MS,
    PRICE_MAX,
)
from exchange.rejects import Reject
from exchange.state import Holding, Market, SideSums
from risk.fixed import div_half_up
from risk.margin import LEVERAGE_SCALE, PPM

EMA_SCALE: Final = 10**9


def check_form(holding: Holding, request: PlaceOrder) -> Reject | None:
    """Check what can be told from the request and the market's terms."""
    market = holding.market
    price = request.price
    if price and (price < 0 or price > PRICE_MAX or price % market.tick):
        return Reject.INVALID_PRICE
    time_in_force = request.time_in_force
    if price == 0 and time_in_force is DAY:
        return Reject.INVALID_TIME_IN_FORCE
    if request.post_only and (price == 0 or time_in_force is IOC or time_in_force is FOK):
        return Reject.INVALID_POST_ONLY
    if request.close_on_trigger and not is_trigger(request):
        return Reject.INVALID_TRIGGER
    if request.icebergs and not may_have_icebergs(request):
        return Reject.INVALID_ICEBERGS
    if request.oco and len(request.oco) > OCO_LENGTH_MAX:
        return Reject.INVALID_OCO
    if request.client_order_id and len(request.client_order_id) > CLIENT_ORDER_ID_LENGTH_MAX:
        return Reject.INVALID_CLIENT_ORDER_ID
    if market.is_spot:
        is_refused = request.reduce_only or request.close_on_trigger or request.is_close
        return Reject.NOT_ON_SPOT if is_refused or request.leverage_e2 not in (0, LEVERAGE_SCALE) else None
    if request.leverage_e2 and holding.account.is_isolated:
        is_taken = 100 <= request.leverage_e2 <= market.leverage_max_e2
        return None if is_taken else Reject.INVALID_LEVERAGE
    return None


def may_have_icebergs(request: PlaceOrder) -> bool:
    """Tell whether the number of icebergs is within bounds and goes with the rest of the request."""
    icebergs = request.icebergs
    if icebergs <= 1:
        return icebergs >= 0
    time_in_force = request.time_in_force
    can_rest = time_in_force is not IOC and time_in_force is not FOK
    return icebergs <= ICEBERGS_MAX and request.price != 0 and not request.hidden and can_rest


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


def check_qty(holding: Holding, order: Order, request: PlaceOrder) -> Reject | None:
    """Check quantity bounds and minimum notional, which a full close of the position need not meet."""
    market = holding.market
    qty = request.qty
    if qty < 0:
        return Reject.INVALID_QTY
    if request.is_close and qty == 0:
        return None
    if qty and holding.position.qty == -qty * order.sign:
        return None
    if qty < market.qty_min or qty > market.qty_max:
        return Reject.INVALID_QTY
    price = request.price or market.mark_price or market.last_price
    if price and notional_of(market, qty, price) < market.notional_min:
        return Reject.NOTIONAL_TOO_SMALL
    return None


def notional_of(market: Market, qty: int, price: int) -> int:
    """Return what an order is worth to the minimum notional: for options what they are on, q U."""
    return qty * (market.underlying_value if market.is_option else price * market.unit_value)


def reference_price(market: Market, time_ms: int) -> int:
    """Return the price that a spot market's range stands around; 0 when there is none: then only limits are taken."""
    if market.index is not None and market.index.price and not is_index_old(market, time_ms):
        return market.index.price
    return div_half_up(market.trade_ema, EMA_SCALE)


def is_index_old(market: Market, time_ms: int) -> bool:
    """Tell whether the index was last computed too long ago for an opening order."""
    return market.index is not None and time_ms > market.index.computed_ms + OPENING_INDEX_AGE_MAX_MS


def range_edge(market: Market, sign: int, time_ms: int) -> int:
    """Return the highest price to buy at (sign +1) or the lowest to sell at (-1); 0 when there is no range."""
    if not market.is_spot:
        return market.range_high if sign > 0 else market.range_low
    reference = reference_price(market, time_ms)
    if reference == 0:
        return 0
    return market.high_edge(reference) if sign > 0 else market.low_edge(reference)


def check_status(holding: Holding, order: Order, replaced: Order | None, time_ms: int) -> Reject | None:
    """Check that the market takes this kind of order now."""
    market = holding.market
    if market.status is not TRADING:
        is_taken = market.status is MarketStatus.REDUCE_ONLY and only_reduces(holding, order, replaced)
        if not is_taken:
            return Reject.MARKET_CLOSED
    if market.is_spot:
        return None
    if market.mark_price == 0:
        return Reject.NO_PRICE
    if is_index_old(market, time_ms) and not only_reduces(holding, order, replaced):
        return Reject.NO_PRICE
    return None


def only_reduces(holding: Holding, order: Order, replaced: Order | None) -> bool:
    """Tell whether the order, with all that rests on its side, can only make the position smaller.

    Of an OCO group no more fills than its largest order.
    """
    if order.reduce_only:
        return True
    room = -holding.position.qty * order.sign
    if room < order.leaves:
        return False
    buys, sells = margins.projected(holding, order, replaced, 0)
    return (buys.qty if order.sign > 0 else sells.qty) <= room


def check_reduce_only(holding: Holding, order: Order) -> Reject | None:
    """Check a reduce-only order, and cut it to the position."""
    room = -holding.position.qty * order.sign
    if room == 0:
        return Reject.NO_POSITION
    if room < 0:
        return Reject.WRONG_SIDE
    if order.leaves == 0 or order.leaves > room:
        order.leaves = room
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


def is_inside(market: Market, order: Order) -> bool:
    """Tell whether a limit stands inside the present range of a derivatives market."""
    if order.sign > 0:
        return 0 < order.price <= market.range_high
    return order.price >= market.range_low > 0


def check_entry(
    holding: Holding,
    order: Order,
    request: PlaceOrder,
    leverage_e2: int,
    replaced: Order | None,
    *,
    is_clamped: bool,
    time_ms: int,
) -> Reject | None:
    """Run every check after the form's on an order about to enter. It may be cut (reduce-only) and gets its limit.

    `leverage_e2` is the leverage that will count, 0 under cross; `replaced` the resting order whose place it takes.
    """
    market = holding.market
    reject: Reject | None = None
    if market.status is not TRADING or time_ms > market.opens_until_ms:
        reject = check_status(holding, order, replaced, time_ms)
    if reject is None and order.reduce_only:
        reject = check_reduce_only(holding, order)
    if reject is None and not is_inside(market, order):
        reject = check_range(market, order, is_clamped=is_clamped, time_ms=time_ms)
    if reject is not None:
        return reject
    if request.post_only and would_take(market.book, order.sign, order.price):
        return Reject.WOULD_TAKE
    if request.time_in_force is FOK and not is_sure_to_fill(market, order):
        return Reject.CANNOT_FILL
    if market.is_spot:
        return check_spot_funds(holding, order, request, replaced)
    return check_margin(holding, order, request, leverage_e2, replaced)


def is_sure_to_fill(market: Market, order: Order) -> bool:
    """Tell whether the order will be filled in full whatever its fills do to the orders it meets.

    A fill may take away other resting orders: reduce-only ones of a position that it closes, OCO siblings, and those
    whose account cannot bear them. Their volume counts as if it were gone.
    """
    if not fillable(market.book, order):
        return False
    sure = unsure = 0
    costs: dict[int, int] = {}
    for maker in in_reach(market.book, order):
        if maker.owner_id == order.owner_id:
            continue
        if maker.reduce_only or maker.oco or not is_sure_to_trade(market, maker, costs):
            unsure += maker.leaves
        else:
            sure += maker.leaves
            if sure >= order.leaves:
                break
    order.leaves += unsure
    is_sure = fillable(market.book, order)
    order.leaves -= unsure
    return is_sure


def is_sure_to_trade(market: Market, maker: Order, costs: dict[int, int]) -> bool:
    """Tell whether a resting order's account can bear its fill, after the fills before it (`costs` by account id)."""
    holding = market.holdings[maker.account_id]
    fee_ppm = market.maker_fee_ppm
    if market.is_spot or holding.account.is_isolated:
        return bearable(holding, maker, maker.price, maker.leaves, fee_ppm) == maker.leaves
    cost = margins.cost_to_fill(market, maker.sign, maker.price, maker.leaves, fee_ppm)
    cost = costs[maker.account_id] = costs.get(maker.account_id, 0) + cost
    return cost == 0 or cost <= margins.equity(holding.account, market.quote_asset)


def check_spot_funds(holding: Holding, order: Order, request: PlaceOrder, replaced: Order | None) -> Reject | None:
    """Check that the balance covers what the order locks: price and fee for a buy, base for a sell."""
    market = holding.market
    buys, sells = margins.projected(holding, order, replaced, margins.entry_fee_ppm(market, request))
    if order.sign > 0:
        needed = buys.notional * market.unit_value + buys.fee - holding.locked_quote
        asset_id = market.quote_asset
    else:
        needed = sells.qty * market.lot_base - holding.locked_base
        asset_id = market.base_asset
    return Reject.INSUFFICIENT_BALANCE if needed > margins.withdrawable(holding.account, asset_id) else None


def check_margin(
    holding: Holding, order: Order, request: PlaceOrder, leverage_e2: int, replaced: Order | None
) -> Reject | None:
    """Check that the account can carry the order in a derivatives market, whatever of its orders fills first."""
    market = holding.market
    fee_ppm = margins.entry_fee_ppm(market, request)
    buys, sells = margins.projected(holding, order, replaced, fee_ppm)
    held_margin = margins.position_margin(holding, leverage_e2) if holding.position.qty else 0
    left = margins.available(holding.account, market.quote_asset, holding)
    left -= margins.reserve(holding, buys, sells, leverage_e2, held_margin)
    if market.size_max and is_too_large(holding, order, buys, sells) and not only_reduces(holding, order, replaced):
        return Reject.POSITION_TOO_LARGE
    if not leverage_e2:
        return None if left >= held_margin else check_reducing(holding, order, replaced, fee_ppm)
    left -= leverage_gap(holding, leverage_e2)
    if left < 0 and holding.position.leverage_e2 != leverage_e2:
        return Reject.INSUFFICIENT_BALANCE
    if left < 0 or not is_position_sound(holding, leverage_e2):
        return check_reducing(holding, order, replaced, fee_ppm)
    return check_isolated_fill(holding, order, fee_ppm)


def is_too_large(holding: Holding, order: Order, buys: SideSums, sells: SideSums) -> bool:
    """Tell whether the order's side, all filled, would take the owner's size beyond the market's last bracket."""
    market = holding.market
    size = margins.owner_size(holding) + margins.size_of_orders(market, buys if order.sign > 0 else sells)
    if len(holding.kin) > 1:
        size += margins.resting_of_kin(holding)
    if holding.position.qty * order.sign < 0:
        size -= 2 * margins.own_size(holding)
    return size > market.size_max


def check_isolated_fill(holding: Holding, order: Order, fee_ppm: int) -> Reject | None:
    """Check that an isolated position can close at the order's limit out of its own margin."""
    closing = min(order.leaves, -holding.position.qty * order.sign)
    if closing > 0 and not bears_close(holding, order.sign, order.price, closing, fee_ppm):
        return Reject.PAST_BANKRUPTCY
    return None


def check_batch_money(holding: Holding, orders: list[Order], leverage_e2: int) -> Reject | None:
    """Check that the account can carry all orders of a batch together, at their worst."""
    market = holding.market
    account = holding.account
    buys, sells = margins.sums_with(holding, orders, None)
    if market.is_spot:
        quote = buys.notional * market.unit_value + buys.fee - holding.locked_quote
        base = sells.qty * market.lot_base - holding.locked_base
        is_short = quote > margins.withdrawable(account, market.quote_asset)
        is_short = is_short or base > margins.withdrawable(account, market.base_asset)
        return Reject.INSUFFICIENT_BALANCE if is_short else None
    held_margin = margins.position_margin(holding, leverage_e2)
    left = margins.available(account, market.quote_asset, holding)
    left -= margins.reserve(holding, buys, sells, leverage_e2, held_margin)
    if market.size_max and any(is_too_large(holding, order, buys, sells) for order in orders):
        return Reject.POSITION_TOO_LARGE
    if not leverage_e2:
        return None if left >= held_margin else Reject.INSUFFICIENT_BALANCE
    if left < leverage_gap(holding, leverage_e2) or not is_position_sound(holding, leverage_e2):
        return Reject.INSUFFICIENT_BALANCE
    for order in orders:
        reject = check_isolated_fill(holding, order, max(market.taker_fee_ppm, market.maker_fee_ppm))
        if reject is not None:
            return reject
    return None


def check_reducing(holding: Holding, order: Order, replaced: Order | None, fee_ppm: int) -> Reject | None:
    """Check an order that the margin does not cover: it may pass if it only reduces, and leaves nothing below zero."""
    market = holding.market
    if not only_reduces(holding, order, replaced):
        return Reject.INSUFFICIENT_BALANCE if is_scope_sound(holding) else Reject.BELOW_INITIAL_MARGIN
    if holding.account.is_isolated:
        return check_isolated_fill(holding, order, fee_ppm)
    loss = margins.loss_to_mark(market, order.sign, order.price)
    loss += margins.fee_on_lot(market, order.price, fee_ppm)
    is_bearable = loss * order.leaves <= margins.equity(holding.account, market.quote_asset)
    return None if is_bearable else Reject.PAST_BANKRUPTCY


def leverage_gap(holding: Holding, leverage_e2: int) -> int:
    """Return what must be added to an isolated position's margin for another leverage; 0 when it has enough."""
    if holding.position.leverage_e2 == leverage_e2:
        return 0
    backing = holding.position.margin + min(0, margins.unrealized(holding))
    return max(0, margins.position_margin(holding, leverage_e2) - backing)


def is_position_sound(holding: Holding, leverage_e2: int) -> bool:
    """Tell whether an isolated position's equity, topped up to a new leverage, covers its initial margin."""
    position = holding.position
    equity = position.margin + margins.unrealized(holding) + leverage_gap(holding, leverage_e2)
    return equity >= margins.position_margin(holding, leverage_e2)


def is_scope_sound(holding: Holding) -> bool:
    """Tell whether the scope of a position covers its initial margin and its orders."""
    if holding.account.is_isolated:
        return is_position_sound(holding, holding.position.leverage_e2)
    return margins.available(holding.account, holding.market.quote_asset) >= 0
