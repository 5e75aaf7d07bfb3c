"""Liquidation: scopes below their maintenance margin go down the ladder, one step a tick.

cancel -> slices -> liquidity providers -> insurance fund -> deleveraging -> socialisation
"""

from exchange import margins, resting, shedding, watching
from exchange.deleveraging import Queues, deleverage
from exchange.events import CancelReason, Event, LiquidationEnded, LiquidationStarted
from exchange.limits import FUND_ACCOUNT_ID, LIQUIDATIONS_PER_TICK_MAX, RULES_OF_LIQUIDATION
from exchange.scopes import Scope, actionable, fund_of, scopes_of
from exchange.slices import slice_scope, unwind_fund
from exchange.socialisation import close_at_mark, cover
from exchange.state import Account, Holding, Liquidation, Market, State
from exchange.takeover import settle_orders, to_fund, to_providers


def run(state: State, time_ms: int, out: list[Event]) -> bool:
    """Test the accounts that may have become unsafe, shed what they do not carry, and let unsafe scopes take their step.

    The scope with the least equity for its maintenance margin first. Returns whether a bound left some for the next tick.
    """
    if state.rules_version < RULES_OF_LIQUIDATION:
        shedding.shed_all(state, out)
        return False
    safe: list[Account] = []
    turns: list[Scope] = []
    for account in candidates(state):
        if begin(state, account, time_ms, turns, out):
            state.unwatched[account.account_id] = account
        else:
            safe.append(account)
        if account.account_id in state.quoting:
            shedding.shed(state, account, out)
    turns.sort()
    queues = Queues()
    for scope in turns[:LIQUIDATIONS_PER_TICK_MAX]:
        step(state, scope, queues, time_ms, out)
    unwind_fund(state, time_ms, out)
    keep_fund_whole(state, out)
    end_all(state, out)
    for account in safe:
        if account.account_id not in state.unwatched:  # whom a step has changed is tested again with the next tick
            watching.arm(state, account)
    has_more = len(turns) > LIQUIDATIONS_PER_TICK_MAX
    if has_more:
        state.next_tick_ms = time_ms
    return has_more


def candidates(state: State) -> list[Account]:
    """List by id the accounts that the watch has woken, and those with a liquidation that goes on."""
    found = {account.account_id: account for account in watching.candidates(state)}
    for account_id, _ in state.liquidations:
        found[account_id] = state.accounts[account_id]
    return [account for _, account in sorted(found.items())]


def begin(state: State, account: Account, time_ms: int, turns: list[Scope], out: list[Event]) -> bool:
    """Add an account's unsafe scopes whose next step is due to the turns; their risk-adding orders go.

    Returns whether one is unsafe, were it in a market in which nothing may be done now.
    """
    is_unsafe = False
    for scope in scopes_of(account):
        if scope.equity >= scope.maintenance:
            continue
        is_unsafe = True
        if not actionable(scope, time_ms):
            continue
        liquidation = state.liquidations.get(scope.key)
        if liquidation is None:
            liquidation = state.liquidations[scope.key] = Liquidation(time_ms)
            out.append(LiquidationStarted(*scope.key, scope.equity, scope.maintenance))
        for holding, order in shedding.adding_orders(account, scope.market_id):
            if holding.market.quote_asset == scope.asset_id:
                resting.cancel(state, holding, order, CancelReason.LIQUIDATION, out)
        if has_failed(scope) or time_ms >= liquidation.due_ms:
            turns.append(scope)
    return is_unsafe


def has_failed(scope: Scope) -> bool:
    """Tell whether it is too late for slices: at half the maintenance margin, for the insurance fund at all of it."""
    return scope.is_fund or 2 * scope.equity <= scope.maintenance


def step(state: State, scope: Scope, queues: Queues, time_ms: int, out: list[Event]) -> None:
    """Let a scope that is unsafe still take its next step: a slice, or its end."""
    if not scope.measure():
        return
    if has_failed(scope):
        for holding in actionable(scope, time_ms):
            close_out(state, scope, holding, queues, out)
        return
    liquidation = state.liquidations[scope.key]
    if time_ms >= liquidation.due_ms:
        slice_scope(state, scope, liquidation, time_ms, out)


def close_out(state: State, scope: Scope, holding: Holding, queues: Queues, out: list[Event]) -> None:
    """Get rid of all of a position: liquidity providers, the insurance fund, the opposite side, everybody."""
    if not scope.is_fund:
        to_providers(state, scope, holding, out)
        to_fund(state, scope, holding, out)
    if holding.position.qty:
        deleverage(state, scope, holding, queues, out)
    if holding.position.qty:
        close_at_mark(state, scope, holding, out)
    settle_orders(state, holding, out)  # what only reduced the position would open one now


def keep_fund_whole(state: State, out: list[Event]) -> None:
    """Share what the insurance fund lacks where a halt or a dead index keeps its positions: it is never below zero."""
    for scope in scopes_of(fund_of(state)):
        if scope.equity < 0:
            cover(state, min(scope.holdings(), key=margins.unrealized), -scope.equity, out)


def settle_bankrupts(state: State, market: Market, time_ms: int, out: list[Event]) -> None:
    """Before a market settles: close out the scopes in it that are worth less than nothing at the settlement mark."""
    queues = Queues()
    scopes: list[Scope] = []
    for _, holding in sorted(market.holdings.items()):
        if holding.position.qty:
            scope = Scope(holding)
            if scope.equity < 0:
                scopes.append(scope)
    scopes.sort()
    for scope in scopes:
        scope.measure()
        holding = market.holdings[scope.account.account_id]
        if holding.position.qty and scope.equity < 0:
            close_out(state, scope, holding, queues, out)


def end_all(state: State, out: list[Event]) -> None:
    """Take the scopes that are safe again, or have nothing left, out of liquidation."""
    for account_id, market_id in sorted(state.liquidations):
        account = state.accounts[account_id]
        if account_id == FUND_ACCOUNT_ID and market_id:
            continue  # the pace of the fund's unwinding
        is_unsafe = False
        equity = maintenance = 0
        for scope in scopes_of(account):
            if scope.market_id == market_id:
                is_unsafe = is_unsafe or scope.equity < scope.maintenance
                equity += scope.equity
                maintenance += scope.maintenance
        if not is_unsafe:
            del state.liquidations[(account_id, market_id)]
            out.append(LiquidationEnded(account_id, market_id, equity, maintenance))
