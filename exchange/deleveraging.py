"""Deleveraging: what nobody took over is closed against the opposite side at the bankruptcy price."""

from typing import final

from exchange import margins
from exchange.events import Cause, Event, PositionDeleveraged
from exchange.limits import FUND_ACCOUNT_ID
from exchange.scopes import Scope, value_at_bankruptcy
from exchange.state import Holding, Market, State
from exchange.takeover import pass_lots, settle_orders
from risk.deleveraging import Rank, lights
from risk.fixed import div_half_up, div_to_zero
from risk.liquidation import part_of_value


@final
class Queues:
    """The orders of deleveraging by market and side (+1 longs), each made when it is first asked for in a tick."""

    __slots__ = ("lists",)

    def __init__(self) -> None:
        self.lists: dict[tuple[int, int], list[Holding]] = {}

    def queue(self, market: Market, sign: int) -> list[Holding]:
        """Return one side's positions, the first to go last; some may have gone since it was made."""
        key = (market.market_id, sign)
        queue = self.lists.get(key)
        if queue is None:
            queue = self.lists[key] = ranked(market, sign)
            queue.reverse()
        return queue


def ranked(market: Market, sign: int) -> list[Holding]:
    """List the positions of one side of a market in the order of deleveraging. Cost: O(n log n) of the positions there."""
    ranks: list[Rank] = []
    for account_id, holding in sorted(market.holdings.items()):
        position = holding.position
        if position.qty * sign > 0:
            notional = abs(position.qty) * market.mark_value
            equity = margins.scope_equity(holding)
            ranks.append(Rank(account_id, margins.unrealized(holding), position.entry_notional, notional, equity))
    ranks.sort()
    return [market.holdings[rank.account_id] for rank in ranks]


def market_lights(market: Market) -> dict[int, int]:
    """Return the light of every position in a market by account id: see `risk.deleveraging.lights`."""
    found: dict[int, int] = {}
    for sign in (1, -1):
        holdings = ranked(market, sign)
        for holding, light in zip(holdings, lights([abs(h.position.qty) for h in holdings]), strict=True):
            found[holding.account.account_id] = light
    return found


def deleverage(state: State, scope: Scope, holding: Holding, queues: Queues, out: list[Event]) -> None:
    """Close a position against the opposite side in its order, whole positions until it is met.

    Who could not bear it, or is unsafe already, is passed over.
    """
    sign = 1 if holding.position.qty > 0 else -1
    queue = queues.queue(holding.market, -sign)
    at = len(queue)
    while holding.position.qty and at:
        at -= 1
        other = queue[at]
        if other.position.qty * sign >= 0:
            del queue[at]
        elif other.account is not scope.account:
            close_against(state, scope, holding, other, out)


def close_against(state: State, scope: Scope, holding: Holding, other: Holding, out: list[Event]) -> None:
    """Close as much of a position as an opposite one has, at the bankruptcy price, if the other's scope can bear it."""
    equity, maintenance = margins.scope(other)
    if equity < maintenance:
        return
    qty = holding.position.qty
    lots = min(abs(qty), abs(other.position.qty))
    value = part_of_value(qty, value_at_bankruptcy(scope, holding), lots)
    if bears(other, equity, lots, value):
        close_lots(state, holding, other, lots, value, is_at_mark=False, out=out)


def bears(other: Holding, equity: int, lots: int, value: int) -> bool:
    """Tell whether a scope has nothing below zero after closing some lots for `value`."""
    position = other.position
    sign = 1 if position.qty > 0 else -1
    if equity + sign * (value - lots * other.market.mark_value) < 0:
        return False
    realized = sign * value - div_to_zero(position.entry_notional * lots, abs(position.qty))
    return not other.account.is_isolated or position.margin + realized >= 0


def close_lots(
    state: State, holding: Holding, other: Holding, lots: int, value: int, *, is_at_mark: bool, out: list[Event]
) -> None:
    """Close some lots of two opposite positions against each other."""
    market = holding.market
    sign = 1 if holding.position.qty > 0 else -1
    price = div_half_up(value, lots * market.unit_value)
    out.append(
        PositionDeleveraged(
            holding.account.account_id,
            other.account.account_id,
            market.market_id,
            sign * lots,
            value,
            price,
            is_at_mark,
        )
    )
    cause = Cause.INSURANCE if holding.account.account_id == FUND_ACCOUNT_ID else Cause.LIQUIDATION
    pass_lots(state, holding, other, lots, value, cause, Cause.DELEVERAGING, out)
    settle_orders(state, other, out)
