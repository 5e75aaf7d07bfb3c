"""Orders that an account no longer carries: after each mark a scope below initial margin and reserves loses them."""

from engine.order import Order
from exchange import entry, margins, resting
from exchange.events import CancelReason, Event
from exchange.state import Account, Market, State, request_of
from risk.position import Position

DISTANCE_SCALE = 10**12


def shed_all(state: State, out: list[Event]) -> None:
    """Shed the orders that accounts no longer carry, by account id. Cost: O(accounts with resting orders)."""
    for account_id in sorted(state.quoting):
        shed(state, state.accounts[account_id], out)


def shed(state: State, account: Account, out: list[Event]) -> None:
    """Cancel an account's risk-adding orders, least aggressive first, until equity covers initial margins and reserves."""
    if account.is_isolated:
        for market_id in sorted(account.open_orders):
            market = state.markets[market_id]
            position = account.positions.get(market_id)
            if position is not None and not entry.is_position_sound(market, position, position.leverage_e2):
                for order in adding_orders(state, account, market_id):
                    resting.cancel(state, account, market, order, CancelReason.MARGIN, out)
    for asset_id in settlement_assets(state, account):
        if margins.available(state, account, asset_id) >= 0:
            continue
        for order in adding_orders(state, account, 0):
            market = state.markets[request_of(order).market_id]
            if market.quote_asset == asset_id:
                resting.cancel(state, account, market, order, CancelReason.MARGIN, out)
                if margins.available(state, account, asset_id) >= 0:
                    break


def settlement_assets(state: State, account: Account) -> list[int]:
    """List the assets in which an account has orders on derivatives, in their order."""
    found: set[int] = set()
    for market_id, open_orders in account.open_orders.items():
        market = state.markets[market_id]
        if open_orders.orders and not market.is_spot:
            found.add(market.quote_asset)
    return sorted(found)


def adding_orders(state: State, account: Account, market_id: int) -> list[Order]:
    """List an account's resting orders that may add risk, in one derivatives market or (0) in all.

    Least aggressive first: farthest from the mark in proportion to it; the newest first among equals.
    """
    keyed: list[tuple[int, int]] = []
    for other_id, open_orders in account.open_orders.items():
        market = state.markets[other_id]
        if market.is_spot or market_id not in (0, other_id):
            continue
        position = account.positions.get(other_id)
        for order in open_orders.orders.values():
            if may_add(order, position):
                keyed.append((aggression(market, order), -order.order_id))
    keyed.sort()
    return [state.orders[-negative_id] for _, negative_id in keyed]


def may_add(order: Order, position: Position | None) -> bool:
    """Tell whether an order could make its account's position larger or turn it."""
    if order.reduce_only:
        return False
    return position is None or position.qty * order.sign >= 0 or order.leaves > abs(position.qty)


def aggression(market: Market, order: Order) -> int:
    """Return how far an order's price stands on the aggressive side of the mark, in 10^-12 of it."""
    return (order.price - market.mark_price) * order.sign * DISTANCE_SCALE // market.mark_price
