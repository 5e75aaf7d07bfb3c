"""Orders that an account no longer carries: after each mark a scope below initial margin and reserves loses them."""

from typing import Final

from engine.order import BUY, SELL, Order
from exchange import entry, margins, resting
from exchange.events import CancelReason, Event
from exchange.state import Account, Holding, State

DISTANCE_SCALE: Final = 10**12


def shed_all(state: State, out: list[Event]) -> None:
    """Shed the orders that accounts no longer carry, by account id. Cost: O(accounts with resting orders)."""
    for account_id in sorted(state.quoting):
        shed(state, state.accounts[account_id], out)


def shed(state: State, account: Account, out: list[Event]) -> None:
    """Cancel an account's risk-adding orders, least aggressive first, until its equity covers what it needs.

    When they do not suffice, spot orders that lock the asset go as well, newest first.
    """
    if account.is_isolated:
        for market_id in sorted(account.holdings):
            holding = account.holdings[market_id]
            if not entry.is_position_sound(holding, holding.position.leverage_e2):
                for _, order in adding_orders(account, market_id):
                    resting.cancel(state, holding, order, CancelReason.MARGIN, out)
    for asset_id in assets_with_orders(account):
        if margins.available(account, asset_id) >= 0:
            continue
        candidates = [pair for pair in adding_orders(account, 0) if pair[0].market.quote_asset == asset_id]
        candidates.extend(locking_orders(account, asset_id))
        for holding, order in candidates:
            resting.cancel(state, holding, order, CancelReason.MARGIN, out)
            if margins.available(account, asset_id) >= 0:
                break


def shed_kin(state: State, holding: Holding, out: list[Event]) -> None:
    """Shed what the owner's other accounts no longer carry since this one's order made the owner's size larger, by account id.

    The order of `kin` is history that no journal and no snapshot keeps: a test order adds to it.
    """
    others = [other for other in holding.kin if other is not holding and other.orders]
    others.sort(key=_account_id)
    for other in others:
        shed(state, other.account, out)


def _account_id(holding: Holding) -> int:
    return holding.account.account_id


def assets_with_orders(account: Account) -> list[int]:
    """List the assets that an account's resting orders draw on, in their order."""
    found: set[int] = set()
    for holding in account.holdings.values():
        if holding.orders:
            found.add(holding.market.quote_asset)
            if holding.market.is_spot:
                found.add(holding.market.base_asset)
    return sorted(found)


def adding_orders(account: Account, market_id: int) -> list[tuple[Holding, Order]]:
    """List an account's resting orders that may add risk, in one derivatives market or (0) in all.

    Least aggressive first: farthest from the mark in proportion to it; the newest first among equals.
    """
    keyed: list[tuple[int, int, int]] = []
    for other_id, holding in account.holdings.items():
        if not holding.market.is_spot and market_id in (0, other_id):
            for sign in (BUY, SELL):
                for order in adding_side(holding, sign):
                    keyed.append((aggression(holding, order), -order.order_id, other_id))
    keyed.sort()
    found: list[tuple[Holding, Order]] = []
    for _, negative_id, other_id in keyed:
        holding = account.holdings[other_id]
        found.append((holding, holding.orders[-negative_id]))
    return found


def adding_side(holding: Holding, sign: int) -> list[Order]:
    """List the orders of one side that go beyond what the position lets them reduce, least aggressive first.

    Reduce-only orders use up the room first, as they may fill first.
    """
    excess = holding.position.qty * sign
    orders: list[Order] = []
    for order in holding.orders.values():
        if order.sign == sign:
            excess += order.leaves
            if not order.reduce_only:
                orders.append(order)
    orders.sort(key=resting.least_aggressive)
    found: list[Order] = []
    for order in orders:
        if excess <= 0:
            break
        excess -= order.leaves
        found.append(order)
    return found


def locking_orders(account: Account, asset_id: int) -> list[tuple[Holding, Order]]:
    """List an account's spot orders that lock an asset, newest first."""
    keyed: list[tuple[int, int]] = []
    for market_id, holding in account.holdings.items():
        market = holding.market
        for order in holding.orders.values():
            locked = market.quote_asset if order.sign > 0 else market.base_asset
            if market.is_spot and locked == asset_id:
                keyed.append((-order.order_id, market_id))
    keyed.sort()
    return [
        (account.holdings[market_id], account.holdings[market_id].orders[-order_id]) for order_id, market_id in keyed
    ]


def aggression(holding: Holding, order: Order) -> int:
    """Return how far an order's price stands on the aggressive side of the mark, in 10^-12 of it."""
    mark = holding.market.mark_price
    return (order.price - mark) * order.sign * DISTANCE_SCALE // mark
