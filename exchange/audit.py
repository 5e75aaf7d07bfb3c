"""The laws of conservation, counted anew from the state."""

from exchange.exchange import Exchange
from exchange.state import Market, State


def audit(exchange: Exchange) -> list[str]:
    """Return the broken laws, each as a sentence; empty when all hold. Cost: O(state)."""
    state = exchange.state
    broken: list[str] = []
    for asset_id in state.assets:
        _audit_asset(state, asset_id, broken)
    for market in state.markets.values():
        _audit_market(state, market, broken)
    return broken


def _audit_asset(state: State, asset_id: int, broken: list[str]) -> None:
    """sum(balances) + sum(margins) + sum(unrealized pnl) + insurance fund + fees = deposits - withdrawals."""
    treasury = state.treasuries[asset_id]
    held = treasury.fees + treasury.insurance_fund
    for account in state.accounts.values():
        balance = account.balances.get(asset_id)
        if balance is not None:
            held += balance.amount
            if balance.locked < 0 or (account.is_isolated and balance.amount < 0):
                broken.append(f"account {account.account_id} has less than nothing of asset {asset_id}")
        for market_id, position in account.positions.items():
            market = state.markets[market_id]
            if market.quote_asset == asset_id:
                held += position.margin + position.unrealized(market.mark_price, market.unit_value)
    if held != treasury.deposited - treasury.withdrawn:
        broken.append(f"asset {asset_id}: {held} held, {treasury.deposited - treasury.withdrawn} brought in")


def _audit_market(state: State, market: Market, broken: list[str]) -> None:
    """sum(position qty) = 0, entry notionals add up for each owner, no book is crossed."""
    market_id = market.market_id
    total = longs = 0
    owners: dict[int, int] = {}
    for account in state.accounts.values():
        position = account.positions.get(market_id)
        if position is not None:
            total += position.qty
            longs += max(0, position.qty)
            owners[account.owner_id] = owners.get(account.owner_id, 0) + abs(position.entry_notional)
            if position.margin < 0 or (position.qty == 0 and (position.margin or position.entry_notional)):
                broken.append(f"market {market_id}: account {account.account_id} keeps something with no position")
    if total != 0 or longs != market.open_interest:
        broken.append(f"market {market_id}: positions sum to {total}, longs to {longs} of {market.open_interest}")
    for owner_id, notional in owners.items():
        if market.owners[owner_id].value != notional:
            broken.append(f"market {market_id}: owner {owner_id} has another entry notional than counted")
    bid = market.book.best(1)
    ask = market.book.best(-1)
    if bid and ask and bid >= ask:
        broken.append(f"market {market_id}: the book is crossed")
