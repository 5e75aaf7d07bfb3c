"""Which accounts a price move can hurt: the watch is armed with how far each may go, and wakes those it has passed.

Whoever's money, position, orders or terms changed is in `state.unwatched` until the next tick tests it exactly and arms it
anew. What cannot be bounded by prices alone stays there: it is tested every tick.
"""

from typing import final

from exchange import margins
from exchange.state import Account, Holding, Market, State
from risk.brackets import tier_rate
from risk.fixed import div_up
from risk.margin import FUNDING_TO_RATE, PPM_TO_RATE, RATE_SCALE

ROUNDING = 8
"""Money that the ceilings of one holding's requirements may add to what its prices say."""


@final
class Reach:
    """What a holding's scope loses for each price unit that the mark falls or rises, or the underlying rises, at the most."""

    __slots__ = ("fall", "holding", "rise", "underlying")

    def __init__(self, holding: Holding) -> None:
        self.holding: Holding = holding
        self.fall: int = 0
        self.rise: int = 0
        self.underlying: int = 0

    def at_stake(self) -> int:
        """Return what a move of the whole price would cost. Units: money."""
        market = self.holding.market
        total = max(self.fall, self.rise) * market.mark_price
        if self.underlying:
            total += self.underlying * (market.underlying_value // market.unit_value)
        return total


def candidates(state: State) -> list[Account]:
    """Take out the accounts that must be tested now, by account id. Cost: O(markets + accounts that are woken or changed)."""
    found = state.unwatched
    for market in state.markets.values():
        if not market.is_spot:
            underlying = market.underlying_value // market.unit_value
            for account_id in market.watch.woken(market.mark_price, underlying):
                found[account_id] = state.accounts[account_id]
    state.unwatched = {}
    return [found[account_id] for account_id in sorted(found)]


def arm(state: State, account: Account) -> None:
    """Arm the watch for an account that was found safe; one that prices alone do not bound stays unwatched."""
    for holding in account.holdings.values():
        _disarm(holding)
    is_bounded = _arm_positions(account) if account.is_isolated else True
    for asset_id in _assets(account):
        is_bounded = _arm_account(account, asset_id) and is_bounded
    if not is_bounded:
        state.unwatched[account.account_id] = account


def _assets(account: Account) -> list[int]:
    """List the assets in which prices can hurt the account as a whole."""
    found: set[int] = set()
    for holding in account.holdings.values():
        if not holding.market.is_spot and (holding.orders or (holding.position.qty and not account.is_isolated)):
            found.add(holding.market.quote_asset)
    return sorted(found)


def _arm_positions(account: Account) -> bool:
    """Arm the isolated positions, each a scope of its own."""
    is_bounded = True
    for holding in account.holdings.values():
        if not holding.position.qty:
            continue
        if holding.market.is_option and holding.orders:
            is_bounded = False
            continue
        required = margins.maintenance_margin(holding)
        if holding.orders:
            required = max(required, margins.position_margin(holding, holding.position.leverage_e2))
        slack = margins.scope_equity(holding) - required - _funding_room(holding) - ROUNDING
        reach = Reach(holding)
        _add_position(reach, has_orders=bool(holding.orders))
        is_bounded = _spread(slack, [reach]) and is_bounded
    return is_bounded


def _arm_account(account: Account, asset_id: int) -> bool:
    """Arm an account as a whole: under cross its positions and orders, under isolated margin its orders."""
    has_orders = False
    has_options = False
    reaches: list[Reach] = []
    for holding in account.holdings.values():
        market = holding.market
        if market.quote_asset == asset_id:
            has_orders = has_orders or bool(holding.orders)
            if not market.is_spot and (holding.orders or holding.position.qty):
                has_options = has_options or market.is_option
                reaches.append(Reach(holding))
    if has_orders and has_options:
        return False
    if has_orders:
        slack = margins.available(account, asset_id)
    else:
        slack = margins.equity(account, asset_id)
    for reach in reaches:
        holding = reach.holding
        if not account.is_isolated and holding.position.qty:
            if not has_orders:
                slack -= margins.maintenance_margin(holding)
            slack -= _funding_room(holding)
            _add_position(reach, has_orders=has_orders)
        if holding.orders:
            slack -= _orders_funding_room(holding)
            _add_orders(reach)
        slack -= ROUNDING
    return _spread(slack, reaches)


def _funding_rate_max(market: Market) -> int:
    """Return the largest funding rate that there can be, at 10^17 of the mark."""
    terms = market.instrument
    clamp_ppm = terms.premium_clamp_ppm
    return div_up(clamp_ppm * PPM_TO_RATE, terms.funding_period_h) if clamp_ppm else 0


def _funding_room(holding: Holding) -> int:
    """Return how much a position's requirement can grow at this mark by the funding rate alone. Rounds: up."""
    market = holding.market
    lots = abs(holding.position.qty)
    most = div_up(lots * market.mark_value * _funding_rate_max(market), RATE_SCALE)
    if market.is_option:
        return most
    return most - lots * market.mark_value * abs(market.funding_rate_e12) * FUNDING_TO_RATE // RATE_SCALE


def _orders_funding_room(holding: Holding) -> int:
    """Return how much the reserve of a holding's orders can grow at this mark by the funding rate alone. Rounds: up."""
    market = holding.market
    margins.refresh(holding)
    lots = max(holding.buys.qty, holding.sells.qty)
    return div_up(lots * market.mark_value * _funding_rate_max(market), RATE_SCALE)


def _add_position(reach: Reach, *, has_orders: bool) -> None:
    """Add what a position can cost its scope when a price moves by one unit."""
    holding = reach.holding
    market = holding.market
    qty = holding.position.qty
    worth = abs(qty) * market.unit_value
    if market.is_option:
        if qty > 0:
            reach.fall += worth
        else:
            reach.rise += 3 * worth
            # The slope's part grows with the square: while the underlying at most doubles, (1 + t)^2 - 1 <= 3 t.
            slope = market.maintenance_slope * margins.owner_size(holding)
            rate = market.instrument.short_maintenance_ppm * PPM_TO_RATE + 3 * min(slope, RATE_SCALE)
            reach.underlying += div_up(worth * rate, RATE_SCALE)
    elif qty > 0:
        reach.fall += worth
    else:
        reach.rise += worth + div_up(worth * _rate_max(holding, is_initial=has_orders), RATE_SCALE)


def _rate_max(holding: Holding, *, is_initial: bool) -> int:
    """Return the most that a future's requirement can be of its notional, at 10^17."""
    market = holding.market
    size = margins.owner_size(holding)
    if is_initial and holding.account.is_isolated:
        return RATE_SCALE
    if is_initial:
        return _initial_rate_max(market, size + _size_beside(holding))
    rate = market.maintenance_rate + _funding_rate_max(market) + market.maintenance_slope * size
    if market.maintenance_tiers:
        rate += tier_rate(market.maintenance_tiers, size)
    return min(rate, RATE_SCALE)


def _initial_rate_max(market: Market, size: int) -> int:
    """Return the most that a future's initial margin can be of its notional for an owner of a size, at 10^17."""
    rate = market.initial_rate + _funding_rate_max(market) + market.initial_slope * size
    if market.initial_tiers:
        rate += tier_rate(market.initial_tiers, size)
    return min(rate, RATE_SCALE)


def _size_beside(holding: Holding) -> int:
    """Return what resting orders can add to the owner's size: they make the position's margin dearer too. Units: money."""
    market = holding.market
    margins.refresh(holding)
    largest = max(margins.size_of_orders(market, holding.buys), margins.size_of_orders(market, holding.sells))
    return largest + margins.resting_of_kin(holding)


def _add_orders(reach: Reach) -> None:
    """Add what the reserve of a holding's orders can grow by when a price moves by one unit.

    A buy's loss to mark grows as the mark falls, its margin as it rises; a sell's both as it rises.
    """
    holding = reach.holding
    margins.refresh(holding)
    unit_value = holding.market.unit_value
    buys = holding.buys.qty * unit_value
    sells = holding.sells.qty * unit_value
    reach.fall += buys
    reach.rise += buys + 2 * sells
    if holding.account.is_isolated and holding.position.qty and not holding.market.is_option:
        size = margins.owner_size(holding)
        dearer = _initial_rate_max(holding.market, size + _size_beside(holding)) - _initial_rate_max(
            holding.market, size
        )
        reach.rise += div_up(abs(holding.position.qty) * unit_value * dearer, RATE_SCALE)


def _spread(slack: int, reaches: list[Reach]) -> bool:
    """Give each price the same share of its height to move in, so that together they cannot cost more than the slack."""
    if slack < 0:
        return False
    total = 0
    for reach in reaches:
        total += reach.at_stake()
    if total == 0:
        return True
    for reach in reaches:
        _set_alarms(reach, slack, total)
    return True


def _set_alarms(reach: Reach, slack: int, total: int) -> None:
    """Set a holding's alarms; one that is set already stays when it is the nearer one."""
    holding = reach.holding
    market = holding.market
    account_id = holding.account.account_id
    watch = market.watch
    mark = market.mark_price
    move = mark * slack // total
    low = mark - move
    if reach.fall and low > holding.watch_low and low > 0:
        watch.move_low(account_id, holding.watch_low, low)
        holding.watch_low = low
    high = mark + move
    if reach.rise and (holding.watch_high == 0 or high < holding.watch_high):
        watch.move_high(account_id, holding.watch_high, high)
        holding.watch_high = high
    if reach.underlying:
        underlying = market.underlying_value // market.unit_value
        top = underlying + underlying * min(slack, total) // total
        watch.move_underlying(account_id, holding.watch_underlying, top)
        holding.watch_underlying = top


def _disarm(holding: Holding) -> None:
    watch = holding.market.watch
    account_id = holding.account.account_id
    if holding.watch_low:
        watch.move_low(account_id, holding.watch_low, 0)
        holding.watch_low = 0
    if holding.watch_high:
        watch.move_high(account_id, holding.watch_high, 0)
        holding.watch_high = 0
    if holding.watch_underlying:
        watch.move_underlying(account_id, holding.watch_underlying, 0)
        holding.watch_underlying = 0
