"""Scopes of liquidation: an isolated position, or a cross account with all its positions in one asset."""

from typing import final

from exchange import margins
from exchange.instrument import CANCEL_ONLY
from exchange.limits import FUND_ACCOUNT_ID, LIQUIDATION_INDEX_AGE_MAX_MS
from exchange.state import Account, Holding, Market, State
from risk.liquidation import bankruptcy_value, equity_share


@final
class Scope:
    """What fails together, with its equity and maintenance margin when last measured. `market_id` is 0 under cross.

    The one with less equity for its maintenance margin sorts first; ids break ties.
    """

    __slots__ = ("account", "asset_id", "equity", "maintenance", "market_id")

    def __init__(self, holding: Holding) -> None:
        self.account: Account = holding.account
        self.market_id: int = holding.market.market_id if holding.account.is_isolated else 0
        self.asset_id: int = holding.market.quote_asset
        self.equity: int = 0
        self.maintenance: int = 0
        self.equity, self.maintenance = margins.scope(holding)

    def __lt__(self, other: "Scope") -> bool:
        left = self.equity * other.maintenance
        right = other.equity * self.maintenance
        if left != right:
            return left < right
        if self.account is not other.account:
            return self.account.account_id < other.account.account_id
        return (self.market_id, self.asset_id) < (other.market_id, other.asset_id)

    @property
    def key(self) -> tuple[int, int]:
        """The name under which its liquidation is kept."""
        return self.account.account_id, self.market_id

    @property
    def is_fund(self) -> bool:
        """Tell whether it is the insurance fund's."""
        return self.account.account_id == FUND_ACCOUNT_ID

    def holdings(self) -> list[Holding]:
        """List its positions by market id."""
        account = self.account
        if self.market_id:
            holding = account.holdings[self.market_id]
            return [holding] if holding.position.qty else []
        return [
            holding
            for _, holding in sorted(account.holdings.items())
            if holding.position.qty and holding.market.quote_asset == self.asset_id
        ]

    def measure(self) -> bool:
        """Measure it anew and tell whether it is unsafe: its equity below its maintenance margin."""
        holdings = self.holdings()
        if holdings:
            self.equity, self.maintenance = margins.scope(holdings[0])
        else:
            isolated = self.market_id != 0
            self.equity = 0 if isolated else margins.equity(self.account, self.asset_id)
            self.maintenance = 0
        return self.equity < self.maintenance


def scopes_of(account: Account) -> list[Scope]:
    """List an account's scopes that hold positions, by market id or asset."""
    found: list[Scope] = []
    assets: set[int] = set()
    for _, holding in sorted(account.holdings.items()):
        if holding.position.qty and (account.is_isolated or holding.market.quote_asset not in assets):
            assets.add(holding.market.quote_asset)
            found.append(Scope(holding))
    return found


def may_act(market: Market, time_ms: int) -> bool:
    """Tell whether positions in a market may be liquidated now: it trades, and its index is not too old."""
    if market.status.value >= CANCEL_ONLY.value:
        return False
    return market.index is None or time_ms <= market.index.computed_ms + LIQUIDATION_INDEX_AGE_MAX_MS


def actionable(scope: Scope, time_ms: int) -> list[Holding]:
    """List a scope's positions in markets where they may be liquidated now, the largest maintenance margin first."""
    keyed = [
        (-margins.maintenance_margin(holding), holding.market.market_id)
        for holding in scope.holdings()
        if may_act(holding.market, time_ms)
    ]
    keyed.sort()
    return [scope.account.holdings[market_id] for _, market_id in keyed]


def share_of(scope: Scope, holding: Holding) -> int:
    """Return the part of a scope's equity that a position carries: by maintenance margin, the last one the rest."""
    equity, total = margins.scope(holding)
    if len(scope.holdings()) == 1:
        return equity
    return equity_share(equity, margins.maintenance_margin(holding), total)


def value_at_bankruptcy(scope: Scope, holding: Holding) -> int:
    """Return what a position trades for when it gives up its part of the scope's equity. Units: money."""
    return bankruptcy_value(holding.position.qty, holding.market.mark_value, share_of(scope, holding))


def fund_of(state: State) -> Account:
    """Return the insurance fund."""
    return state.accounts[FUND_ACCOUNT_ID]
