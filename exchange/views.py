"""What the shell may read, in integers. Each view is a copy: it stays as it was when the state goes on."""

from typing import final

from engine.order import Order, OrderStatus
from engine.triggers import Trigger
from exchange import entry, margins
from exchange.commands import OptionModel, PlaceOrder, TransferFunds
from exchange.deleveraging import market_lights
from exchange.exchange import Exchange
from exchange.instrument import Asset, IndexTerms, Instrument, MarketStatus
from exchange.limits import DAY_MS, FUND_ACCOUNT_ID, OPENING_INDEX_AGE_MAX_MS
from exchange.payment_views import DepositView, WithdrawalView
from exchange.state import Account, Holding, Market, State, request_of
from exchange.state_codec import is_blank, is_empty
from risk.fixed import div_up
from risk.liquidation import failing_price
from risk.margin import LEVERAGE_SCALE, PPM, RATE_SCALE


@final
class MarketView:
    """A market's prices; 0 where there is none. `range_low` and `range_high` are the edges of the trading range."""

    __slots__ = (
        "basis_e9",
        "fair_price",
        "funding_lot_e12",
        "funding_rate_e12",
        "index_price",
        "instrument",
        "last_price",
        "mark_price",
        "market_id",
        "model",
        "model_ms",
        "open_interest",
        "range_high",
        "range_low",
        "status",
        "strike",
        "underlying_price",
    )

    def __init__(self, market: Market, time_ms: int) -> None:
        self.market_id: int = market.market_id
        self.instrument: Instrument = market.instrument
        self.status: MarketStatus = market.status
        self.mark_price: int = market.mark_price
        self.index_price: int = market.index_price if market.is_option else index_price_of(market)
        self.underlying_price: int = index_price_of(market)
        self.fair_price: int = market.fair_price
        self.strike: int = market.strike
        self.model: OptionModel | None = market.model
        self.model_ms: int = market.model_ms
        self.funding_rate_e12: int = market.funding_rate_e12
        self.funding_lot_e12: int = market.funding_lot_e12
        self.basis_e9: int = market.basis_ema
        self.last_price: int = market.last_price
        self.open_interest: int = market.open_interest
        self.range_low: int = entry.range_edge(market, -1, time_ms)
        self.range_high: int = entry.range_edge(market, 1, time_ms)


@final
class Sizes:
    """How much of everything there is: accounts without the insurance fund's, orders resting and untriggered."""

    __slots__ = ("accounts", "orders")

    def __init__(self, state: State) -> None:
        self.accounts: int = len(state.accounts) - 1
        self.orders: int = len(state.orders)


@final
class AccountView:
    """Who an account belongs to, its margin mode, and when its orders go unless it is heard of before (0: they stay)."""

    __slots__ = ("account_id", "cancel_all_ms", "is_isolated", "owner_id")

    def __init__(self, account: Account) -> None:
        self.account_id: int = account.account_id
        self.owner_id: int = account.owner_id
        self.is_isolated: bool = account.is_isolated
        self.cancel_all_ms: int = account.cancel_all_ms


@final
class BalanceView:
    """An account's holding of one asset. Units: money.

    `free` may be committed now, never below 0; `locked` is needed by open orders; `margin` is the initial margin in use, or what is
    assigned to isolated positions; `withdrawable` may leave; `withdrawn` is in withdrawals that have not ended, and no part of the rest.
    """

    __slots__ = ("amount", "asset_id", "fees", "free", "locked", "margin", "pnl", "withdrawable", "withdrawn")

    def __init__(self, account: Account, asset_id: int) -> None:
        balance = account.balances.get(asset_id)
        self.asset_id: int = asset_id
        self.amount: int = balance.amount if balance is not None else 0
        self.pnl: int = balance.pnl if balance is not None else 0
        self.fees: int = balance.fees if balance is not None else 0
        self.withdrawn: int = balance.withdrawn if balance is not None else 0
        locked = balance.locked if balance is not None else 0
        margin = unrealized = profit = 0
        is_isolated = account.is_isolated
        for holding in account.holdings.values():
            market = holding.market
            if market.is_spot or market.quote_asset != asset_id:
                continue
            if holding.orders:
                locked += margins.order_margin(holding)
            if holding.position.qty:
                if is_isolated:
                    margin += holding.position.margin
                else:
                    margin += margins.position_margin(holding, 0)
                    pnl = margins.unrealized(holding)
                    unrealized += pnl
                    profit += max(0, pnl)
        self.locked: int = locked
        self.margin: int = margin
        # What margins.available and margins.withdrawable say: an isolated margin is not part of `amount`.
        available = self.amount + unrealized - locked - (0 if is_isolated else margin)
        self.free: int = max(0, available)
        self.withdrawable: int = max(0, available - profit)


@final
class PositionView:
    """A position and what follows from the mark.

    Units: lots, price units, money. `margin` is the isolated margin, or under cross the initial margin in use; `equity`
    is it plus `upnl`. `liquidation_price` and `bankruptcy_price` are 0 where no price is one. `leverage_e2` is the
    effective leverage: notional over the equity of the scope, the whole account's under cross. Rounds: leverage up.
    """

    __slots__ = (
        "bankruptcy_price",
        "entry_notional",
        "equity",
        "fees",
        "funding",
        "initial_margin",
        "leverage_e2",
        "liquidation_price",
        "maintenance_margin",
        "margin",
        "mark_price",
        "market_id",
        "notional",
        "order_margin",
        "qty",
        "rpnl",
        "set_leverage_e2",
        "upnl",
    )

    def __init__(self, holding: Holding, total: int, required: int) -> None:
        """View a position. `total` and `required` are the equity and the maintenance margins of its scope, it included."""
        market = holding.market
        position = holding.position
        mark = market.mark_price
        unit_value = market.unit_value
        self.market_id: int = market.market_id
        self.qty: int = position.qty
        self.entry_notional: int = position.entry_notional
        self.mark_price: int = mark
        self.notional: int = abs(position.qty) * mark * unit_value
        self.upnl: int = position.unrealized(mark, unit_value)
        self.rpnl: int = position.realized_pnl
        self.funding: int = position.funding
        self.fees: int = position.fees
        self.initial_margin: int = margins.position_margin(holding, margins.leverage_of(holding))
        self.maintenance_margin: int = margins.maintenance_margin(holding)
        self.margin: int = position.margin if holding.account.is_isolated else self.initial_margin
        self.order_margin: int = margins.order_margin(holding)
        self.equity: int = self.margin + self.upnl
        self.set_leverage_e2: int = position.leverage_e2
        self.leverage_e2: int = div_up(self.notional * 100, total) if total > 0 else 0
        # What stands behind the position beside its own unrealized pnl; for its liquidation less what the others require.
        backing = total - self.upnl
        spare = backing - (required - self.maintenance_margin)
        rate = min(margins.maintenance_rate_of(holding), RATE_SCALE)
        if market.is_option:
            spare -= self.maintenance_margin - self.notional * rate // RATE_SCALE
        self.liquidation_price: int = failing_price(position.qty, position.entry_notional, spare, unit_value, rate)
        self.bankruptcy_price: int = failing_price(position.qty, position.entry_notional, backing, unit_value, 0)


@final
class OrderView:
    """An open order. Units: lots and price units; `qty` is the total, `leverage_e2` what counts for the account.

    `trigger_price` of an active trailing stop is where it would fire now.
    """

    __slots__ = (
        "account_id",
        "filled",
        "leaves",
        "leverage_e2",
        "market_id",
        "order_id",
        "price",
        "qty",
        "reduce_only",
        "request",
        "status",
        "time_ms",
        "trigger_price",
    )

    def __init__(self, account: Account, order: Order) -> None:
        request = request_of(order)
        self.order_id: int = order.order_id
        self.account_id: int = order.account_id
        self.market_id: int = request.market_id
        self.request: PlaceOrder = request
        self.qty: int = order.filled + order.leaves
        self.leaves: int = order.leaves
        self.filled: int = order.filled
        self.price: int = order.price
        self.reduce_only: bool = order.reduce_only
        self.time_ms: int = order.time_ms
        holding = account.holdings[request.market_id]
        self.leverage_e2: int = margins.leverage_of(holding)
        trigger = holding.triggers.get(order.order_id)
        self.trigger_price: int = stop_of(trigger) if trigger is not None else request.trigger_price
        self.status: OrderStatus = OrderStatus.ACTIVE if trigger is None else OrderStatus.UNTRIGGERED


def stop_of(trigger: Trigger) -> int:
    """Return the price at which a waiting order would fire now: of a trailing stop that is not active, at which it becomes so."""
    extreme = trigger.extreme
    if not trigger.is_trailing() or extreme == 0:
        return trigger.price
    distance = trigger.trail or div_up(extreme * trigger.trail_ppm, PPM)
    return extreme + trigger.order.sign * distance


def index_price_of(market: Market) -> int:
    """Return the price of the index that a market stands on; 0 when there is none."""
    return market.index.price if market.index is not None else 0


def fresh_indices(exchange: Exchange) -> list[tuple[IndexTerms, bool]]:
    """List the indices that markets stand on, each with whether its price is young enough to open positions with."""
    oldest_ms = exchange.time_ms - OPENING_INDEX_AGE_MAX_MS
    found = exchange.state.indices.values()
    return [(index.terms, index.computed_ms >= oldest_ms) for index in found if index.market_ids]


def rules_version(exchange: Exchange) -> int:
    """Return the version of the rules that the exchange goes by."""
    return exchange.state.rules_version


def venue_status(exchange: Exchange) -> MarketStatus:
    """Return what the venue as a whole takes."""
    return exchange.state.venue_status


def sizes(exchange: Exchange) -> Sizes:
    """Return how many accounts and open orders there are. Cost: O(1)."""
    return Sizes(exchange.state)


def assets(exchange: Exchange) -> list[Asset]:
    """List the assets."""
    return list(exchange.state.assets.values())


def asset(exchange: Exchange, asset_id: int) -> Asset | None:
    """Return an asset with its fees and bounds; None when there is none."""
    return exchange.state.assets.get(asset_id)


def markets(exchange: Exchange) -> list[MarketView]:
    """List the markets in the order in which they were listed."""
    return [MarketView(market, exchange.time_ms) for market in exchange.state.markets.values()]


def market(exchange: Exchange, market_id: int) -> MarketView | None:
    """Return a market; None when there is none."""
    found = exchange.state.markets.get(market_id)
    return MarketView(found, exchange.time_ms) if found is not None else None


def accounts(exchange: Exchange) -> list[AccountView]:
    """List the accounts by id, without the insurance fund's."""
    found = exchange.state.accounts.values()
    return [AccountView(account) for account in found if account.account_id != FUND_ACCOUNT_ID]


def account(exchange: Exchange, account_id: int) -> AccountView | None:
    """Return an account; None when there is none."""
    found = exchange.state.accounts.get(account_id)
    return AccountView(found) if found is not None else None


def balances(exchange: Exchange, account_id: int) -> list[BalanceView]:
    """List an account's balances by asset id, of the assets that it holds or ever paid or earned in."""
    found = exchange.state.accounts.get(account_id)
    if found is None:
        return []
    held = [asset_id for asset_id, balance in sorted(found.balances.items()) if not is_empty(balance)]
    return [BalanceView(found, asset_id) for asset_id in held]


def withdrawals(exchange: Exchange, account_id: int = 0, all: bool = False) -> list[WithdrawalView]:
    """List by id the withdrawals that have not ended, or `all`; of one account, or (0) of every one."""
    state = exchange.state
    found = state.withdrawals if all else state.open_withdrawals
    return [WithdrawalView(state, held) for held in found.values() if account_id in (0, held.account_id)]


def withdrawal(exchange: Exchange, withdrawal_id: int) -> WithdrawalView | None:
    """Return a withdrawal, ended or not; None when there is none."""
    found = exchange.state.withdrawals.get(withdrawal_id)
    return WithdrawalView(exchange.state, found) if found is not None else None


def withdrawal_by_reference(exchange: Exchange, account_id: int, reference: str) -> WithdrawalView | None:
    """Return an account's withdrawal by its reference, ended or not; None when there is none."""
    return withdrawal(exchange, exchange.state.withdrawal_ids.get((account_id, reference), 0))


def transfer(exchange: Exchange, reference: str) -> TransferFunds | None:
    """Return the transfer that a reference stands for; None where it stands for something else, or for nothing."""
    found = exchange.state.transfers.get(reference)
    if found is None or not found.to_account_id:
        return None
    return TransferFunds(reference, found.account_id, found.to_account_id, found.asset_id, -found.amount)


def withdrawn_today(exchange: Exchange, owner_id: int, asset_id: int, time_ms: int) -> int:
    """Return what an owner has asked for of an asset in the UTC day of a time: it counts towards the day's maximum. Units: money."""
    total = exchange.state.withdrawal_days.get((owner_id, asset_id))
    return total.amount if total is not None and total.day == time_ms // DAY_MS else 0


def deposits(exchange: Exchange, account_id: int = 0, all: bool = False) -> list[DepositView]:
    """List by id the deposits that are PENDING, or `all`; of one account, or (0) of every one."""
    state = exchange.state
    found = state.deposits if all else state.pending_deposits
    return [DepositView(seen) for seen in found.values() if account_id in (0, seen.account_id)]


def deposit(exchange: Exchange, reference: str) -> DepositView | None:
    """Return a deposit by its reference; None when it was never seen."""
    found = exchange.state.deposits.get(reference)
    return DepositView(found) if found is not None else None


def positions(exchange: Exchange, account_id: int, all: bool = False) -> list[PositionView]:
    """List an account's open positions by market id; with `all`, flat ones that have a history as well."""
    found = exchange.state.accounts.get(account_id)
    if found is None:
        return []
    views: list[PositionView] = []
    scopes: dict[int, tuple[int, int]] = {}
    for _, holding in sorted(found.holdings.items()):
        if holding.position.qty or (all and not is_blank(holding.position)):
            asset_id = holding.market.quote_asset
            if found.is_isolated or asset_id not in scopes:
                scopes[asset_id] = margins.scope(holding)
            total, required = scopes[asset_id]
            views.append(PositionView(holding, total, required))
    return views


def position(exchange: Exchange, account_id: int, market_id: int) -> PositionView | None:
    """Return an account's position in a market, flat or not; None when it never had one."""
    found = exchange.state.accounts.get(account_id)
    holding = found.holdings.get(market_id) if found is not None else None
    if holding is None or is_blank(holding.position):
        return None
    total, required = margins.scope(holding)
    return PositionView(holding, total, required)


def leverage(exchange: Exchange, account_id: int, market_id: int) -> int:
    """Return the leverage that counts for an account in a market, in hundredths; 0 under cross and on spot."""
    found = exchange.state.accounts.get(account_id)
    traded = exchange.state.markets.get(market_id)
    if found is None or traded is None or not found.is_isolated or traded.is_spot:
        return 0
    holding = found.holdings.get(market_id)
    return margins.leverage_of(holding) if holding is not None else LEVERAGE_SCALE


def orders(exchange: Exchange, account_id: int, market_id: int = 0) -> list[OrderView]:
    """List an account's open orders, resting and untriggered, by id; of one market, or (0) of all."""
    found = exchange.state.accounts.get(account_id)
    if found is None:
        return []
    order_ids: list[int] = []
    for other_id, holding in found.holdings.items():
        if market_id in (0, other_id):
            order_ids.extend(holding.orders)
            order_ids.extend(holding.triggers)
    return [OrderView(found, exchange.state.orders[order_id]) for order_id in sorted(order_ids)]


def order(exchange: Exchange, account_id: int, order_id: int) -> OrderView | None:
    """Return an account's open order; None when it is not open, or not the account's."""
    found = exchange.state.orders.get(order_id)
    if found is None or found.account_id != account_id:
        return None
    return OrderView(exchange.state.accounts[account_id], found)


def order_by_client_id(exchange: Exchange, account_id: int, client_order_id: str) -> OrderView | None:
    """Return an account's open order by its client order id; None when none is open."""
    found = exchange.state.accounts.get(account_id)
    order_id = found.client_orders.get(client_order_id, 0) if found is not None else 0
    return order(exchange, account_id, order_id)


def deleveraging_lights(exchange: Exchange, market_id: int) -> dict[int, int]:
    """Return by account id how near each position of a market is to being deleveraged: 5 lights for who goes first, 1 for the last.

    Cost: O(n log n) of the positions.
    """
    found = exchange.state.markets.get(market_id)
    return market_lights(found) if found is not None and not found.is_spot else {}


def depth(exchange: Exchange, market_id: int, limit: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return bids and asks as (price, displayed quantity), best first, at most `limit` prices a side."""
    found = exchange.state.markets.get(market_id)
    if found is None:
        return [], []
    return found.book.depth(1, limit), found.book.depth(-1, limit)
