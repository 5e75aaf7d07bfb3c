"""The last resort: a loss that nobody was left to bear is shared among winners, then among all who have something."""

from exchange import margins, resting, shedding
from exchange.deleveraging import close_lots, ranked
from exchange.events import (
    BalanceChanged,
    Cause,
    Event,
    LossShared,
    LossSocialised,
    MarketStatusChanged,
    PositionChanged,
)
from exchange.instrument import TRADING, MarketStatus
from exchange.scopes import Scope, scopes_of, share_of
from exchange.state import Account, Holding, Market, State
from risk.deleveraging import shares
from risk.fixed import div_to_zero


def close_at_mark(state: State, scope: Scope, holding: Holding, out: list[Event]) -> None:
    """Close what is left of a position at the mark against whoever is opposite, after its deficit was covered."""
    deficit = -share_of(scope, holding)
    if deficit > 0:
        cover(state, holding, deficit, out)
    market = holding.market
    sign = 1 if holding.position.qty > 0 else -1
    for other in ranked(market, -sign):
        lots = min(abs(holding.position.qty), abs(other.position.qty))
        if lots == 0:
            break
        value = lots * market.mark_value
        if other.account.is_isolated:
            cover(state, other, lacking(other, lots, value), out)
        close_lots(state, holding, other, lots, value, is_at_mark=True, out=out)
        if not other.account.is_isolated and not scopes_of(other.account):
            cover(state, other, -margins.equity(other.account, market.quote_asset), out)
    assert holding.position.qty == 0, "a position has nobody opposite"


def lacking(other: Holding, lots: int, value: int) -> int:
    """Return what an isolated margin lacks to close some lots for `value`."""
    position = other.position
    sign = 1 if position.qty > 0 else -1
    realized = sign * value - div_to_zero(position.entry_notional * lots, abs(position.qty))
    return -(position.margin + realized)


def cover(state: State, holding: Holding, deficit: int, out: list[Event]) -> None:
    """Collect what a scope lacks from others and give it to the scope; its market takes only reducing orders from then on."""
    if deficit <= 0:
        return
    market = holding.market
    asset_id = market.quote_asset
    at = len(out)
    from_profits = collect_profits(state, market, deficit, out)
    from_equity = collect_equity(state, asset_id, deficit - from_profits, out)
    from_fees = deficit - from_profits - from_equity
    treasury = state.treasuries[asset_id]
    treasury.fees -= from_fees
    assert treasury.fees >= 0, "a loss is larger than all there is"
    account_id = holding.account.account_id
    out.insert(at, LossSocialised(account_id, market.market_id, deficit, from_profits, from_equity, from_fees))
    credit(state, holding, deficit, out)
    if market.own_status is TRADING:
        market.own_status = MarketStatus.REDUCE_ONLY
        market.set_status(state.venue_status)
        out.append(MarketStatusChanged(market.market_id, market.own_status))


def credit(state: State, holding: Holding, amount: int, out: list[Event]) -> None:
    """Give a scope what was collected for it."""
    market = holding.market
    book(state, holding.account, market.quote_asset, amount, market.market_id, out)
    if holding.account.is_isolated:
        move_margin(holding, amount, out)


def collect_profits(state: State, market: Market, amount: int, out: list[Event]) -> int:
    """Take up to an amount off the market's unrealized profits, in proportion. Returns what was taken."""
    winners: list[Holding] = []
    limits: list[int] = []
    for _, holding in sorted(market.holdings.items()):
        if holding.position.qty:
            limit = min(margins.unrealized(holding), margins.scope_equity(holding))
            if limit > 0:
                winners.append(holding)
                limits.append(limit)
    taken = min(amount, sum(limits))
    for holding, share in zip(winners, shares(taken, limits), strict=True):
        if share:
            out.append(LossShared(holding.account.account_id, market.market_id, share))
            take_profit(state, holding, share, out)
    return taken


def take_profit(state: State, holding: Holding, amount: int, out: list[Event]) -> None:
    """Make a position's unrealized profit smaller: its cost becomes that much worse."""
    position = holding.position
    before = abs(position.entry_notional)
    position.entry_notional += amount
    position.owner.value += abs(position.entry_notional) - before
    resting.touch(state, holding)
    out.append(
        PositionChanged(
            holding.account.account_id,
            holding.market.market_id,
            position.qty,
            position.entry_notional,
            position.margin,
        )
    )


def collect_equity(state: State, asset_id: int, amount: int, out: list[Event]) -> int:
    """Take up to an amount off all equity in an asset, in proportion. Returns what was taken.

    A cross account is one scope; of an isolated one the balance is one and each position another.
    """
    if amount == 0:
        return 0
    owed: list[tuple[Account, Holding | None]] = []
    limits: list[int] = []
    for _, account in sorted(state.accounts.items()):
        equity = margins.equity(account, asset_id)
        if equity > 0:
            owed.append((account, None))
            limits.append(equity)
        if account.is_isolated:
            for _, isolated in sorted(account.holdings.items()):
                if isolated.market.quote_asset == asset_id and isolated.position.qty:
                    equity = margins.scope_equity(isolated)
                    if equity > 0:
                        owed.append((account, isolated))
                        limits.append(equity)
    taken = min(amount, sum(limits))
    for (account, holding), share in zip(owed, shares(taken, limits), strict=True):
        if share:
            out.append(LossShared(account.account_id, 0, share))
            take_equity(state, account, holding, asset_id, share, out)
    return taken


def take_equity(
    state: State, account: Account, holding: Holding | None, asset_id: int, amount: int, out: list[Event]
) -> None:
    """Take an amount from a balance, or from an isolated position: its margin first, then its profit."""
    if holding is not None:
        from_margin = min(amount, holding.position.margin)
        if amount > from_margin:
            take_profit(state, holding, amount - from_margin, out)
        if from_margin == 0:
            return
        move_margin(holding, -from_margin, out)
        amount = from_margin
    book(state, account, asset_id, -amount, 0, out)
    if account.account_id in state.quoting and margins.available(account, asset_id) < 0:
        shedding.shed(state, account, out)


def book(state: State, account: Account, asset_id: int, amount: int, market_id: int, out: list[Event]) -> None:
    """Book a share of a loss, or its cover."""
    balance = account.balance(asset_id)
    balance.amount += amount
    state.unwatched[account.account_id] = account
    out.append(BalanceChanged(account.account_id, asset_id, amount, balance.amount, Cause.SOCIALISATION, market_id))


def move_margin(holding: Holding, amount: int, out: list[Event]) -> None:
    """Move money from the balance to an isolated position's margin (negative: back)."""
    market = holding.market
    position = holding.position
    balance = holding.quote
    balance.amount -= amount
    position.margin += amount
    account_id = holding.account.account_id
    asset_id = market.quote_asset
    out.append(BalanceChanged(account_id, asset_id, -amount, balance.amount, Cause.TRANSFER, market.market_id))
    out.append(PositionChanged(account_id, market.market_id, position.qty, position.entry_notional, position.margin))
