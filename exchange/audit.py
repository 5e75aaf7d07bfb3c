"""The laws of the exchange, counted anew from the state: conservation, zero sums, and that what is derived is right."""

from exchange import margins, withdrawals
from exchange.events import DepositStatus
from exchange.exchange import Exchange
from exchange.limits import DAY_MS, FUND_ACCOUNT_ID, RULES_OF_LIQUIDATION
from exchange.state import Holding, Market, SideSums, State


def audit(exchange: Exchange) -> list[str]:
    """Return the broken laws, each as a sentence; empty when all hold. Cost: O(state)."""
    state = exchange.state
    broken: list[str] = []
    for asset_id in state.assets:
        _audit_asset(state, asset_id, broken)
    for market in state.markets.values():
        _audit_positions(state, market, broken)
        _audit_book(state, market, broken)
    _audit_withdrawals(state, broken)
    _audit_dead_men(state, broken)
    known = 0
    quoting: dict[int, int] = {}
    for account in state.accounts.values():
        for holding in account.holdings.values():
            known += len(holding.orders) + len(holding.triggers)
            if holding.orders:
                quoting[account.account_id] = quoting.get(account.account_id, 0) + len(holding.orders)
            _audit_holding(holding, broken)
    if state.rules_version >= RULES_OF_LIQUIDATION:
        _audit_watch(state, broken)
    if known != len(state.orders):
        broken.append(f"{len(state.orders)} orders are open, {known} are on the accounts' lists")
    if quoting != state.quoting:
        broken.append("the accounts that quote are others than counted")
    return broken


def _audit_asset(state: State, asset_id: int, broken: list[str]) -> None:
    """sum(balances) + sum(margins) + sum(unrealized pnl) + insurance fund + fees = deposits - withdrawals."""
    treasury = state.treasuries[asset_id]
    held = treasury.fees
    settles_derivatives = any(m.quote_asset == asset_id and not m.is_spot for m in state.markets.values())
    for account in state.accounts.values():
        balance = account.balances.get(asset_id)
        if balance is not None:
            held += balance.amount + balance.withdrawn
            if balance.withdrawn < 0:
                broken.append(f"account {account.account_id} withdraws less than nothing of asset {asset_id}")
            is_own_scope = account.is_isolated or not settles_derivatives
            if balance.locked < 0 or (is_own_scope and balance.amount < balance.locked):
                broken.append(f"account {account.account_id} has less than nothing of asset {asset_id}")
        for holding in account.holdings.values():
            if holding.market.quote_asset == asset_id:
                held += holding.position.margin + margins.unrealized(holding)
    if treasury.fees < 0:
        broken.append(f"asset {asset_id}: fees are below zero")
    if margins.equity(state.accounts[FUND_ACCOUNT_ID], asset_id) < 0:
        broken.append(f"asset {asset_id}: the insurance fund is below zero")
    if held != treasury.deposited - treasury.withdrawn:
        broken.append(f"asset {asset_id}: {held} held, {treasury.deposited - treasury.withdrawn} brought in")


def _audit_withdrawals(state: State, broken: list[str]) -> None:
    """What balances say is on its way out are the withdrawals that have not ended; each day's requests add up."""
    on_way: dict[tuple[int, int], int] = {}
    days: dict[tuple[int, int], tuple[int, int]] = {}
    open_ids: list[int] = []
    for withdrawal in state.withdrawals.values():
        place = (withdrawal.account_id, withdrawal.asset_id)
        if withdrawals.FOLLOWS[withdrawal.status]:
            open_ids.append(withdrawal.withdrawal_id)
            on_way[place] = on_way.get(place, 0) + withdrawal.amount
        key = (state.accounts[withdrawal.account_id].owner_id, withdrawal.asset_id)
        if withdrawal.requested_ms // DAY_MS == state.withdrawal_days[key].day:
            amount, count = days.get(key, (0, 0))
            days[key] = (amount + (0 if withdrawal.status in withdrawals.GIVEN_BACK else withdrawal.amount), count + 1)
    for account in state.accounts.values():
        for asset_id, balance in account.balances.items():
            if balance.withdrawn != on_way.get((account.account_id, asset_id), 0):
                broken.append(f"account {account.account_id} has other withdrawals of asset {asset_id} than counted")
    for key, total in state.withdrawal_days.items():
        if days.get(key) != (total.amount, total.count):
            broken.append(f"owner {key[0]} asked for another amount of asset {key[1]} than counted")
    if open_ids != list(state.open_withdrawals) or len(state.withdrawal_ids) != len(state.withdrawals):
        broken.append("the withdrawals that have not ended are others than listed")
    pending = [seen.reference for seen in state.deposits.values() if seen.status is DepositStatus.PENDING]
    if pending != list(state.pending_deposits):
        broken.append("the deposits that are pending are others than listed")


def _audit_dead_men(state: State, broken: list[str]) -> None:
    """Each account with a timer is known, and a tick is due by the first of their times."""
    due = {a.account_id: a.cancel_all_ms for a in state.accounts.values() if a.cancel_all_ms}
    if {account_id: a.cancel_all_ms for account_id, a in state.dead_men.items()} != due:
        broken.append("the accounts with a timer are others than listed")
    if (state.dead_man_ms == 0) != (not due) or state.dead_man_ms > min(due.values(), default=0):
        broken.append("a timer ends before anybody looks")


def _audit_positions(state: State, market: Market, broken: list[str]) -> None:
    """sum(position qty) = 0, and entry notionals add up for each owner."""
    market_id = market.market_id
    total = longs = 0
    owners: dict[int, tuple[int, int]] = {}
    for account in state.accounts.values():
        holding = account.holdings.get(market_id)
        if holding is not None:
            position = holding.position
            total += position.qty
            longs += max(0, position.qty)
            value, lots = owners.get(account.owner_id, (0, 0))
            owners[account.owner_id] = (value + abs(position.entry_notional), lots + abs(position.qty))
            if position.margin < 0 or (position.qty == 0 and (position.margin or position.entry_notional)):
                broken.append(f"market {market_id}: account {account.account_id} keeps something with no position")
            if market.holdings.get(account.account_id) is not holding:
                broken.append(f"market {market_id}: account {account.account_id} has another holding there")
    if total != 0 or longs != market.open_interest:
        broken.append(f"market {market_id}: positions sum to {total}, longs to {longs} of {market.open_interest}")
    for owner_id, size in owners.items():
        owner = market.owners[owner_id]
        if (owner.value, owner.lots) != size:
            broken.append(f"market {market_id}: owner {owner_id} has another entry notional than counted")
    for owner_id, kin in market.kin.items():
        resting = market.owners[owner_id].resting
        if resting >= 0 and resting != sum([margins.dearer_side(holding) for holding in kin]):
            broken.append(f"market {market_id}: owner {owner_id} has other orders than counted")


def _audit_book(state: State, market: Market, broken: list[str]) -> None:
    """No book is crossed, and each resting order is on its account's list."""
    bid = market.book.best(1)
    ask = market.book.best(-1)
    if bid and ask and bid >= ask:
        broken.append(f"market {market.market_id}: the book is crossed")
    for order in market.book.resting():
        holding = market.holdings[order.account_id]
        if holding.orders.get(order.order_id) is not order or state.orders.get(order.order_id) is not order:
            broken.append(f"market {market.market_id}: order {order.order_id} rests unknown to its account")
        if order.price % market.tick or order.leaves <= 0:
            broken.append(f"market {market.market_id}: order {order.order_id} rests with {order.leaves} lots")


def _audit_holding(holding: Holding, broken: list[str]) -> None:
    """Sums, counts and locks are those of the orders; a reduce-only order fits its position."""
    market = holding.market
    name = f"market {market.market_id}, account {holding.account.account_id}"
    reduce_only = [order for order in holding.orders.values() if order.reduce_only]
    for order in reduce_only:
        if order.leaves > -holding.position.qty * order.sign:
            broken.append(f"{name}: reduce-only order {order.order_id} exceeds the position")
    grouped = [order for order in holding.orders.values() if order.oco]
    if len(grouped) != holding.oco_count or len(reduce_only) != holding.reduce_only_count:
        broken.append(f"{name}: OCO or reduce-only orders are others than counted")
    buys, sells = margins.sums_with(holding, [], None)
    is_fresh = holding.stamp == market.stamp
    if is_fresh and not (_equal(buys, holding.buys) and _equal(sells, holding.sells)):
        broken.append(f"{name}: the orders' sums are wrong")
    quote = buys.notional * market.unit_value + buys.fee if market.is_spot else 0
    base = sells.qty * market.lot_base if market.is_spot else 0
    if (quote, base) != (holding.locked_quote, holding.locked_base):
        broken.append(f"{name}: the locks are wrong")


def _audit_watch(state: State, broken: list[str]) -> None:
    """Whoever the watch has not woken, and nothing has touched, is safe and carries its orders."""
    known = set(state.unwatched)
    known.update([account_id for account_id, _ in state.liquidations])
    for market in state.markets.values():
        known.update(market.watch.woken(market.mark_price, market.underlying_value // market.unit_value))
    for account in state.accounts.values():
        if account.account_id in known:
            continue
        for holding in account.holdings.values():
            name = f"market {holding.market.market_id}, account {account.account_id}"
            if holding.position.qty:
                equity, required = margins.scope(holding)
                if equity < required:
                    broken.append(f"{name}: below maintenance, and the watch sleeps")
            is_margined = not holding.market.is_spot
            if is_margined and holding.orders and margins.available(account, holding.market.quote_asset) < 0:
                broken.append(f"{name}: orders that are not carried, and the watch sleeps")


def _equal(a: SideSums, b: SideSums) -> bool:
    return (a.qty, a.reduce_qty, a.notional, a.fee, a.loss) == (b.qty, b.reduce_qty, b.notional, b.fee, b.loss)
