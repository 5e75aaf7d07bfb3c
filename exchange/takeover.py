"""Positions that pass from a failing scope to a liquidity provider or to the insurance fund, at the bankruptcy price."""

from exchange import fills, margins, resting, shedding
from exchange.events import Cause, Event, PositionTakenOver
from exchange.limits import FUND_ACCOUNT_ID
from exchange.scopes import Scope, fund_of, share_of, value_at_bankruptcy
from exchange.state import Account, Holding, State
from risk.fixed import div_half_up
from risk.liquidation import part_of_value


def to_providers(state: State, scope: Scope, holding: Holding, out: list[Event]) -> None:
    """Let liquidity providers take what they can carry of a position whose scope is worth something still.

    The one with the most free equity first, then by account id.
    """
    if not state.providers or share_of(scope, holding) <= 0:
        return
    asset_id = scope.asset_id
    keyed = [(-margins.available(other, asset_id), account_id) for account_id, other in state.providers.items()]
    keyed.sort()
    for negative, account_id in keyed:
        if negative >= 0 or holding.position.qty == 0:
            return
        if account_id != scope.account.account_id:
            take_over(state, scope, holding, state.providers[account_id], Cause.LIQUIDATION, out)


def to_fund(state: State, scope: Scope, holding: Holding, out: list[Event]) -> None:
    """Let the insurance fund take what its equity carries of a position, at a loss too."""
    if not scope.is_fund and holding.position.qty:
        take_over(state, scope, holding, fund_of(state), Cause.INSURANCE, out)


def take_over(state: State, scope: Scope, holding: Holding, taker: Account, cause: Cause, out: list[Event]) -> None:
    """Pass as many lots as the taker's margin covers afterwards."""
    market = holding.market
    qty = holding.position.qty
    sign = 1 if qty > 0 else -1
    value = value_at_bankruptcy(scope, holding)
    other = market.holding(taker)
    lots = bearable_lots(other, qty, value)
    if lots == 0:
        return
    part = part_of_value(qty, value, lots)
    price = div_half_up(part, lots * market.unit_value)
    account_id = scope.account.account_id
    out.append(PositionTakenOver(account_id, taker.account_id, market.market_id, sign * lots, part, price))
    pass_lots(state, holding, other, lots, part, Cause.LIQUIDATION, cause, out)
    settle_orders(state, other, out)


def bearable_lots(taker: Holding, qty: int, value: int) -> int:
    """Return how many lots of a position that trades for `value` the taker can carry. Cost: O(log |qty|)."""
    sign = 1 if qty > 0 else -1
    high = abs(qty)
    if carries(taker, sign, high, value):
        return high
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        if carries(taker, sign, middle, part_of_value(qty, value, middle)):
            low = middle
        else:
            high = middle
    return low


def carries(taker: Holding, sign: int, lots: int, value: int) -> bool:
    """Tell whether the taker's equity covers the initial margins of all its book after taking some lots for `value`.

    Tried on the position itself, which is then put back: so it is the same test as every other of its margin.
    """
    position = taker.position
    owner = position.owner
    market = taker.market
    before = (position.qty, position.entry_notional, position.realized_pnl, owner.value, owner.lots)
    pnl = position.trade(sign, lots, value)
    left = margins.available(taker.account, market.quote_asset) + pnl
    is_small = not market.size_max or margins.owner_size(taker) <= market.size_max
    position.qty, position.entry_notional, position.realized_pnl, owner.value, owner.lots = before
    return left >= 0 and (is_small or taker.account.account_id == FUND_ACCOUNT_ID)


def pass_lots(
    state: State,
    holding: Holding,
    other: Holding,
    lots: int,
    value: int,
    cause: Cause,
    other_cause: Cause,
    out: list[Event],
) -> None:
    """Trade some lots of a position to another account for `value`, without an order or a fee.

    A failing isolated position keeps its margin until its last lot is gone.
    """
    market = holding.market
    sign = 1 if holding.position.qty > 0 else -1
    market.open_interest -= fills.longs(holding) + fills.longs(other)
    pnl, moved = trade_side(holding, -sign, lots, value, keeps_margin=True)
    other_pnl, other_moved = trade_side(other, sign, lots, value, keeps_margin=False)
    market.open_interest += fills.longs(holding) + fills.longs(other)
    fills.book_money(holding, 0, pnl, moved, 0, 0, out, cause)
    fills.book_money(other, 0, other_pnl, other_moved, 0, 0, out, other_cause)
    resting.touch(state, holding)
    resting.touch(state, other)
    resting.fit_reduce_only(state, holding, out)


def trade_side(holding: Holding, sign: int, lots: int, value: int, *, keeps_margin: bool) -> tuple[int, int]:
    """Trade one side's position. Returns the realized pnl, and what moves from the balance to the isolated margin (- : back).

    Requires: an isolated position only shrinks.
    """
    position = holding.position
    if not holding.account.is_isolated:
        return position.trade(sign, lots, value), 0
    held = -position.qty * sign
    assert 0 < lots <= held, "an isolated position only shrinks here"
    freed = position.margin * lots // held
    pnl = position.trade(sign, lots, value)
    if keeps_margin and position.qty:
        freed = -pnl
    else:
        freed = max(freed, -pnl)
    position.margin -= freed
    assert position.margin >= 0, "an isolated margin went below zero"
    return pnl, -freed


def settle_orders(state: State, holding: Holding, out: list[Event]) -> None:
    """Fit an account's orders to a position that changed without them, and the owner's other accounts to its size."""
    resting.fit_reduce_only(state, holding, out)
    if holding.orders and margins.available(holding.account, holding.market.quote_asset) < 0:
        shedding.shed(state, holding.account, out)
    if len(holding.kin) > 1:
        shedding.shed_kin(state, holding, out)
