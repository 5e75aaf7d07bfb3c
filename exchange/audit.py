"""The laws of the exchange, counted anew from the state: conservation, zero sums, and that what is derived is right."""

from engine.order import Order
from exchange import margins
from exchange.exchange import Exchange
from exchange.state import Account, Market, OpenOrders, SideSums, State, request_of


def audit(exchange: Exchange) -> list[str]:
    """Return the broken laws, each as a sentence; empty when all hold. Cost: O(state)."""
    state = exchange.state
    broken: list[str] = []
    for asset_id in state.assets:
        _audit_asset(state, asset_id, broken)
    for market in state.markets.values():
        _audit_positions(state, market, broken)
        _audit_book(state, market, broken)
    known = 0
    quoting: dict[int, int] = {}
    for account in state.accounts.values():
        for market_id, open_orders in account.open_orders.items():
            market = state.markets[market_id]
            known += len(open_orders.orders) + len(open_orders.triggers)
            if open_orders.orders and not market.is_spot:
                quoting[account.account_id] = quoting.get(account.account_id, 0) + len(open_orders.orders)
            _audit_open_orders(account, market, open_orders, broken)
    if known != len(state.orders):
        broken.append(f"{len(state.orders)} orders are open, {known} are on the accounts' lists")
    if quoting != state.quoting:
        broken.append("the accounts that quote are others than counted")
    return broken


def _audit_asset(state: State, asset_id: int, broken: list[str]) -> None:
    """sum(balances) + sum(margins) + sum(unrealized pnl) + insurance fund + fees = deposits - withdrawals."""
    treasury = state.treasuries[asset_id]
    held = treasury.fees + treasury.insurance_fund
    settles_derivatives = any(m.quote_asset == asset_id and not m.is_spot for m in state.markets.values())
    for account in state.accounts.values():
        balance = account.balances.get(asset_id)
        if balance is not None:
            held += balance.amount
            is_own_scope = account.is_isolated or not settles_derivatives
            if balance.locked < 0 or (is_own_scope and balance.amount < balance.locked):
                broken.append(f"account {account.account_id} has less than nothing of asset {asset_id}")
        for market_id, position in account.positions.items():
            market = state.markets[market_id]
            if market.quote_asset == asset_id:
                held += position.margin + position.unrealized(market.mark_price, market.unit_value)
    if treasury.fees < 0 or treasury.insurance_fund < 0:
        broken.append(f"asset {asset_id}: fees or insurance fund are below zero")
    if held != treasury.deposited - treasury.withdrawn:
        broken.append(f"asset {asset_id}: {held} held, {treasury.deposited - treasury.withdrawn} brought in")


def _audit_positions(state: State, market: Market, broken: list[str]) -> None:
    """sum(position qty) = 0, and entry notionals add up for each owner."""
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


def _audit_book(state: State, market: Market, broken: list[str]) -> None:
    """No book is crossed, and each resting order is on its account's list."""
    bid = market.book.best(1)
    ask = market.book.best(-1)
    if bid and ask and bid >= ask:
        broken.append(f"market {market.market_id}: the book is crossed")
    for order in market.book.resting():
        open_orders = state.accounts[order.account_id].open_orders[market.market_id]
        if open_orders.orders.get(order.order_id) is not order or state.orders.get(order.order_id) is not order:
            broken.append(f"market {market.market_id}: order {order.order_id} rests unknown to its account")
        if order.price % market.tick or order.leaves <= 0:
            broken.append(f"market {market.market_id}: order {order.order_id} rests with {order.leaves} lots")


def _audit_open_orders(account: Account, market: Market, open_orders: OpenOrders, broken: list[str]) -> None:
    """Sums and locks are those of the orders; a reduce-only order fits its position."""
    name = f"market {market.market_id}, account {account.account_id}"
    position = account.positions.get(market.market_id)
    held = position.qty if position is not None else 0
    for order in open_orders.orders.values():
        if order.reduce_only and (held * order.sign >= 0 or order.leaves > abs(held)):
            broken.append(f"{name}: reduce-only order {order.order_id} exceeds the position")
    if not _are_counts_right(open_orders):
        broken.append(f"{name}: OCO or reduce-only orders are others than counted")
    buys, sells = margins.sums_with(market, open_orders, [], None)
    is_fresh = open_orders.mark == market.mark_price
    if is_fresh and not (_equal(buys, open_orders.buys) and _equal(sells, open_orders.sells)):
        broken.append(f"{name}: the orders' sums are wrong")
    quote = buys.notional * market.unit_value + buys.fee if market.is_spot else 0
    base = sells.qty * market.lot_base if market.is_spot else 0
    if (quote, base) != (open_orders.locked_quote, open_orders.locked_base):
        broken.append(f"{name}: the locks are wrong")


def _are_counts_right(open_orders: OpenOrders) -> bool:
    orders = [request_of(order) for order in open_orders.orders.values() if order.oco]
    reducing: list[Order] = [order for order in open_orders.orders.values() if order.reduce_only]
    return len(orders) == open_orders.oco_count and len(reducing) == open_orders.reduce_only_count


def _equal(a: SideSums, b: SideSums) -> bool:
    return (a.qty, a.reduce_qty, a.notional, a.fee, a.loss) == (b.qty, b.reduce_qty, b.notional, b.fee, b.loss)
