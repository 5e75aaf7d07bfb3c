"""What the exchange owes whom: each account's claim on each asset at the mark, and what stands against the claims."""

from typing import final

from exchange import margins
from exchange.exchange import Exchange
from exchange.state import Account


@final
class Claim:
    """What an account could be owed of an asset. Units: money, neither is negative.

    A scope that is worth less than nothing claims nothing, and takes nothing from another claim: what it lacks stands in
    `shortfall` alone. What a withdrawal has not taken out yet is owed, apart from all scopes. Under cross margin the account is one scope; under isolated margin the balance is one, and each
    position with its margin another.
    """

    __slots__ = ("account_id", "amount", "asset_id", "owner_id", "shortfall")

    def __init__(self, account: Account, asset_id: int) -> None:
        self.account_id: int = account.account_id
        self.owner_id: int = account.owner_id
        self.asset_id: int = asset_id
        self.amount: int = 0
        self.shortfall: int = 0

    def add(self, equity: int) -> None:
        """Take in a scope's equity."""
        self.amount += max(0, equity)
        self.shortfall += max(0, -equity)


@final
class Backing:
    """What stands against the claims on an asset. Units: money.

    sum(claims) - sum(shortfalls) + own = held: conservation. `own` is what belongs to the exchange itself.
    """

    __slots__ = ("asset_id", "held", "own")

    def __init__(self, asset_id: int, held: int, own: int) -> None:
        self.asset_id: int = asset_id
        self.held: int = held
        self.own: int = own


def claims(exchange: Exchange, asset_id: int) -> list[Claim]:
    """List what every account has of an asset, by account id; accounts that have nothing are left out."""
    found: list[Claim] = []
    for _, account in sorted(exchange.state.accounts.items()):
        claim = claim_of(account, asset_id)
        if claim.amount or claim.shortfall:
            found.append(claim)
    return found


def claim_of(account: Account, asset_id: int) -> Claim:
    """Return what one account has of an asset."""
    claim = Claim(account, asset_id)
    claim.add(margins.equity(account, asset_id))
    balance = account.balances.get(asset_id)
    if balance is not None:
        claim.add(balance.withdrawn)
    if account.is_isolated:
        for holding in account.holdings.values():
            if holding.position.qty and holding.market.quote_asset == asset_id:
                claim.add(holding.position.margin + margins.unrealized(holding))
    return claim


def backing(exchange: Exchange, asset_id: int) -> Backing:
    """Return what came in of an asset and did not leave, and the exchange's own part of it."""
    treasury = exchange.state.treasuries[asset_id]
    return Backing(asset_id, treasury.deposited - treasury.withdrawn, treasury.fees)
