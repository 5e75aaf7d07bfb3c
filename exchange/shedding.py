"""Orders that an account no longer carries: after each mark a scope below initial margin and reserves loses them."""

from typing import Final

from engine.order import Order
from exchange import entry, margins, resting
from exchange.events import CancelReason, Event
from exchange.state import Account, Holding, State

DISTANCE_SCALE: Final = 10**12


def shed_all(state: State, out: list[Event]) -> None:
    """Shed the orders that accounts no longer carry, by account id. Cost: O(accounts with resting orders)."""
    for account_id in sorted(state.quoting):
        shed(state, state.accounts[account_id], out)


def shed(state: State, account: Account, out: list[Event]) -> None:
    """Cancel an account's risk-adding orders, least aggressive first, until its equity covers what it needs."""
    if account.is_isolated:
        for market_id in sorted(account.holdings):
            holding = account.holdings[market_id]
            if not entry.is_position_sound(holding, holding.position.leverage_e2):
                for _, order in adding_orders(account, market_id):
                    resting.cancel(state, holding, order, CancelReason.MARGIN, out)
    for asset_id in settlement_assets(account):
        if margins.available(account, asset_id) >= 0:
            continue
        for holding, order in adding_orders(account, 0):
            if holding.market.quote_asset == asset_id:
                resting.cancel(state, holding, order, CancelReason.MARGIN, out)
                if margins.available(account, asset_id) >= 0:
                    break


def settlement_assets(account: Account) -> list[int]:
    """List the assets in which an account has orders on derivatives, in their order."""
    found: set[int] = set()
    for holding in account.holdings.values():
        if holding.orders and not holding.market.is_spot:
            found.add(holding.market.quote_asset)
    return sorted(found)


def adding_orders(account: Account, market_id: int) -> list[tuple[Holding, Order]]:
    """List an account's resting orders that may add risk, in one derivatives market or (0) in all.

    Least aggressive first: farthest from the mark in proportion to it; the newest first among equals.
    """
    keyed: list[tuple[int, int, int]] = []
    for other_id, holding in account.holdings.items():
        if holding.market.is_spot or market_id not in (0, other_id):
            continue
        for order in holding.orders.values():
            if not order.reduce_only and not entry.is_reducing(holding, order):
                keyed.append((aggression(holding, order), -order.order_id, other_id))
    keyed.sort()
    found: list[tuple[Holding, Order]] = []
    for _, negative_id, other_id in keyed:
        holding = account.holdings[other_id]
        found.append((holding, holding.orders[-negative_id]))
    return found


def aggression(holding: Holding, order: Order) -> int:
    """Return how far an order's price stands on the aggressive side of the mark, in 10^-12 of it."""
    mark = holding.market.mark_price
    return (order.price - mark) * order.sign * DISTANCE_SCALE // mark
