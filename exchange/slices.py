"""Orders of the exchange's own: slices of a failing position, and of what the insurance fund took over."""

from typing import Final

from engine.matching import would_take
from engine.order import ACTIVE, SelfMatch, Side, TimeInForce
from exchange import fills, resting
from exchange.commands import PlaceOrder
from exchange.events import BalanceChanged, Cause, Event, OrderAccepted, PositionChanged, Traded
from exchange.limits import FUND_ACCOUNT_ID, TICK_MS
from exchange.scopes import Scope, actionable, fund_of, may_act, value_at_bankruptcy
from exchange.state import Holding, Liquidation, Market, State
from risk.fixed import div_up
from risk.liquidation import bankruptcy_limit, liquidation_fee, slice_lots
from risk.margin import PPM

OWN_ORDERS: Final = SelfMatch.CANCEL_MAKER
"""What happens to an order of the same owner that stands in the way: it would stop every slice otherwise."""
UNWIND_RANGE_PPM: Final = 10_000
"""How far from the mark the insurance fund trades at the most."""


def next_second(time_ms: int) -> int:
    """Return when a scope's next slice is due."""
    return (time_ms // TICK_MS + 1) * TICK_MS


def slice_scope(state: State, scope: Scope, liquidation: Liquidation, time_ms: int, out: list[Event]) -> None:
    """Send one slice of a scope: of its largest position, or of the next one after a slice that met nothing."""
    positions = actionable(scope, time_ms)
    untried = [holding for holding in positions if holding.market.market_id not in liquidation.tried]
    if not untried:
        liquidation.tried.clear()
        untried = positions
    liquidation.due_ms = next_second(time_ms)
    holding = untried[0]
    if slice_position(state, scope, holding, time_ms, out):
        liquidation.tried.clear()
    else:
        liquidation.tried.append(holding.market.market_id)


def slice_position(state: State, scope: Scope, holding: Holding, time_ms: int, out: list[Event]) -> bool:
    """Send a slice of a position at its bankruptcy price or better, and take the fee. Returns whether it met anything."""
    market = holding.market
    qty = holding.position.qty
    value = value_at_bankruptcy(scope, holding)
    limit = bankruptcy_limit(qty, value, market.unit_value, market.tick)
    limit = max(limit, market.range_low) if qty > 0 else min(limit, market.range_high)
    order_id, lots, filled_value = send(state, holding, limit, time_ms, out)
    if lots == 0:
        return False
    # What the lots would have traded for at bankruptcy, as it was before the slice.
    worth = value * lots
    held = abs(qty)
    surplus = filled_value - div_up(worth, held) if qty > 0 else worth // held - filled_value
    fee = liquidation_fee(filled_value, surplus, market.instrument.liquidation_fee_ppm)
    if fee:
        charge(state, holding, fee, order_id, out)
    return True


def send(state: State, holding: Holding, limit: int, time_ms: int, out: list[Event]) -> tuple[int, int, int]:
    """Send an IOC reduce-only order of the exchange's own for a slice of a position, unless it would meet nothing.

    It gives way to nobody: an own order in its way is cancelled. Returns its id, the lots filled and their value.
    """
    market = holding.market
    qty = holding.position.qty
    sign = -1 if qty > 0 else 1
    if limit <= 0 or not would_take(market.book, sign, limit):
        return 0, 0, 0
    lots = slice_of(market, qty)
    side = Side.SELL if qty > 0 else Side.BUY
    request = PlaceOrder(
        holding.account.account_id,
        market.market_id,
        side,
        lots,
        limit,
        TimeInForce.IOC,
        reduce_only=True,
        self_match=OWN_ORDERS,
    )
    order = resting.order_from(holding.account, request)
    order.is_forced = True
    resting.register(state, holding.account, order, request, time_ms)
    out.append(OrderAccepted(order.order_id, request, lots, limit, ACTIVE, True))
    at = len(out)
    fills.execute(state, holding, order, request, time_ms, out)
    value = 0
    for event in out[at:]:
        if isinstance(event, Traded) and event.taker_order_id == order.order_id:
            value += event.qty * event.price
    return order.order_id, order.filled, value * market.unit_value


def slice_of(market: Market, qty: int) -> int:
    """Return the lots of one slice of a position: a short option's value is that of what it is on."""
    terms = market.instrument
    lot_value = market.underlying_value if market.is_option and qty < 0 else market.mark_value
    return slice_lots(abs(qty), terms.liquidation_slice_ppm, terms.liquidation_slice_min, lot_value)


def charge(state: State, holding: Holding, fee: int, order_id: int, out: list[Event]) -> None:
    """Move the fee of a slice to the insurance fund, out of the margin of an isolated position that is still there."""
    market = holding.market
    position = holding.position
    balance = holding.quote
    asset_id = market.quote_asset
    account_id = holding.account.account_id
    is_in_margin = holding.account.is_isolated and position.qty != 0
    if is_in_margin:
        assert position.margin >= fee, "a fee is larger than the margin"
        position.margin -= fee
        balance.amount += fee
        out.append(
            BalanceChanged(account_id, asset_id, fee, balance.amount, Cause.TRANSFER, market.market_id, order_id)
        )
    balance.amount -= fee
    balance.fees += fee
    position.fees += fee
    out.append(
        BalanceChanged(account_id, asset_id, -fee, balance.amount, Cause.LIQUIDATION, market.market_id, order_id)
    )
    if is_in_margin:
        out.append(
            PositionChanged(account_id, market.market_id, position.qty, position.entry_notional, position.margin)
        )
    fund = fund_of(state)
    balance = fund.balance(asset_id)
    balance.amount += fee
    state.unwatched[FUND_ACCOUNT_ID] = fund
    resting.touch(state, holding)
    out.append(
        BalanceChanged(FUND_ACCOUNT_ID, asset_id, fee, balance.amount, Cause.LIQUIDATION, market.market_id, order_id)
    )


def unwind_fund(state: State, time_ms: int, out: list[Event]) -> None:
    """Let the insurance fund get rid of what it took over: a slice of each position a second, near the mark."""
    for market_id, holding in sorted(fund_of(state).holdings.items()):
        key = (FUND_ACCOUNT_ID, market_id)
        liquidation = state.liquidations.get(key)
        if holding.position.qty == 0:
            if liquidation is not None:
                del state.liquidations[key]
            continue
        is_due = liquidation is None or time_ms >= liquidation.due_ms
        if is_due and may_act(holding.market, time_ms):
            order_id, _, _ = send(state, holding, unwind_limit(holding.market, holding.position.qty), time_ms, out)
            if order_id:
                state.liquidations[key] = Liquidation(next_second(time_ms))


def unwind_limit(market: Market, qty: int) -> int:
    """Return the worst price at which the insurance fund closes a position. Rounds: into the range."""
    step = PPM * market.tick
    if qty > 0:
        low = div_up(market.mark_price * (PPM - UNWIND_RANGE_PPM), step) * market.tick
        return max(low, market.range_low)
    high = market.mark_price * (PPM + UNWIND_RANGE_PPM) // step * market.tick
    return min(high, market.range_high)
