"""Commands about accounts: open, credit, debit, leverage, margin mode, isolated margin."""

from exchange import entry, margins, resting
from exchange.answers import refuse
from exchange.commands import (
    Deposit,
    MoveMargin,
    OpenAccount,
    SetLeverage,
    SetLiquidityProvider,
    SetMarginMode,
    Withdraw,
)
from exchange.events import (
    AccountOpened,
    BalanceChanged,
    Cause,
    Event,
    LeverageSet,
    LiquidityProviderSet,
    MarginModeSet,
    PositionChanged,
    TransferRepeated,
)
from exchange.limits import (
    ACCOUNTS_PER_OWNER_MAX,
    FUND_ACCOUNT_ID,
    FUND_OWNER_ID,
    MONEY_MAX,
    PROVIDERS_MAX,
    REFERENCE_LENGTH_MAX,
    RULES_OF_CORRECTIONS,
)
from exchange.rejects import Reject
from exchange.state import Account, Holding, State, Transfer


def open_account(state: State, command: OpenAccount, out: list[Event]) -> None:
    """Open an account; a reference seen before answers with the account it opened."""
    reference = command.reference
    if not 1 <= len(reference) <= REFERENCE_LENGTH_MAX:
        refuse(Reject.INVALID_REFERENCE, out)
        return
    first = state.account_references.get(reference)
    if first is not None:
        out.append(AccountOpened(first, state.accounts[first].owner_id, True))
        return
    owner_id = command.owner_id
    if owner_id <= FUND_OWNER_ID and state.rules_version >= RULES_OF_CORRECTIONS:
        refuse(Reject.INVALID_OWNER, out)
        return
    count = state.owner_accounts.get(owner_id, 0)
    if count >= ACCOUNTS_PER_OWNER_MAX:
        refuse(Reject.TOO_MANY_ACCOUNTS, out)
        return
    account_id = state.next_account_id
    state.next_account_id += 1
    state.accounts[account_id] = Account(account_id, owner_id)
    state.owner_accounts[owner_id] = count + 1
    state.account_references[reference] = account_id
    out.append(AccountOpened(account_id, owner_id))


def check_transfer(state: State, command: Deposit | Withdraw) -> Reject | None:
    """Check what deposits and withdrawals have in common."""
    if command.account_id not in state.accounts:
        return Reject.UNKNOWN_ACCOUNT
    if command.asset_id not in state.assets:
        return Reject.UNKNOWN_ASSET
    if not 1 <= len(command.reference) <= REFERENCE_LENGTH_MAX:
        return Reject.INVALID_REFERENCE
    if not 0 < command.amount <= MONEY_MAX:
        return Reject.INVALID_AMOUNT
    return None


def transfer(state: State, command: Deposit | Withdraw, out: list[Event]) -> None:
    """Credit or debit an account; a reference seen before changes nothing."""
    reference = command.reference
    first = state.transfers.get(reference)
    if first is not None:
        out.append(TransferRepeated(reference, first.account_id, first.asset_id, first.amount))
        return
    reject = check_transfer(state, command)
    if reject is not None:
        refuse(reject, out)
        return
    account = state.accounts[command.account_id]
    asset_id = command.asset_id
    amount = command.amount
    treasury = state.treasuries[asset_id]
    if isinstance(command, Deposit):
        treasury.deposited += amount
        cause = Cause.DEPOSIT
    else:
        if amount > margins.withdrawable(account, asset_id):
            refuse(Reject.INSUFFICIENT_BALANCE, out)
            return
        treasury.withdrawn += amount
        amount = -amount
        cause = Cause.WITHDRAWAL
    state.transfers[reference] = Transfer(account.account_id, asset_id, amount)
    balance = account.balance(asset_id)
    balance.amount += amount
    state.unwatched[account.account_id] = account
    out.append(BalanceChanged(account.account_id, asset_id, amount, balance.amount, cause, reference=reference))


def set_leverage(state: State, command: SetLeverage, out: list[Event]) -> None:
    """Set the leverage of an isolated account in a market; a position's margin is topped up to it."""
    account = state.accounts.get(command.account_id)
    market = state.markets.get(command.market_id)
    if account is None or market is None:
        refuse(Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_MARKET, out)
        return
    holding = market.holding(account)
    reject = check_leverage(holding, command.leverage_e2)
    if reject is not None:
        refuse(reject, out)
        return
    apply_leverage(holding, command.leverage_e2, out)
    resting.touch(state, holding)


def check_leverage(holding: Holding, leverage_e2: int) -> Reject | None:
    """Check that an account may have this leverage: its position and its orders must be margined with it."""
    market = holding.market
    if market.is_spot:
        return Reject.NOT_ON_SPOT
    if not 100 <= leverage_e2 <= market.leverage_max_e2:
        return Reject.INVALID_LEVERAGE
    if not holding.account.is_isolated:
        return Reject.ONLY_ISOLATED
    margins.refresh(holding)
    left = margins.available(holding.account, market.quote_asset, holding)
    held_margin = margins.position_margin(holding, leverage_e2)
    left -= margins.reserve(holding, holding.buys, holding.sells, leverage_e2, held_margin)
    return Reject.INSUFFICIENT_BALANCE if left < entry.leverage_gap(holding, leverage_e2) else None


def apply_leverage(holding: Holding, leverage_e2: int, out: list[Event]) -> None:
    """Store a checked leverage; a position gets from the balance what its margin lacks."""
    gap = entry.leverage_gap(holding, leverage_e2)
    holding.position.leverage_e2 = leverage_e2
    out.append(LeverageSet(holding.account.account_id, holding.market.market_id, leverage_e2))
    if gap:
        apply_margin(holding, gap, out)


def set_margin_mode(state: State, command: SetMarginMode, out: list[Event]) -> None:
    """Make an account isolated or cross."""
    account = state.accounts.get(command.account_id)
    if account is None or command.account_id == FUND_ACCOUNT_ID:
        refuse(Reject.UNKNOWN_ACCOUNT, out)
        return
    if account.is_provider and command.is_isolated:
        refuse(Reject.ONLY_CROSS, out)
        return
    for holding in account.holdings.values():
        if holding.position.qty:
            refuse(Reject.HAS_POSITIONS, out)
            return
    for holding in account.holdings.values():
        if holding.orders or holding.triggers:
            refuse(Reject.HAS_OPEN_ORDERS, out)
            return
    account.is_isolated = command.is_isolated
    out.append(MarginModeSet(account.account_id, command.is_isolated))


def set_liquidity_provider(state: State, command: SetLiquidityProvider, out: list[Event]) -> None:
    """Let a cross account take over failing positions, or stop it."""
    account = state.accounts.get(command.account_id)
    if account is None or command.account_id == FUND_ACCOUNT_ID:
        refuse(Reject.UNKNOWN_ACCOUNT, out)
        return
    if account.is_isolated and command.is_provider:
        refuse(Reject.ONLY_CROSS, out)
        return
    if command.is_provider and not account.is_provider and len(state.providers) >= PROVIDERS_MAX:
        refuse(Reject.TOO_MANY_PROVIDERS, out)
        return
    account.is_provider = command.is_provider
    if command.is_provider:
        state.providers[command.account_id] = account
    else:
        state.providers.pop(command.account_id, None)
    out.append(LiquidityProviderSet(command.account_id, command.is_provider))


def move_margin(state: State, command: MoveMargin, out: list[Event]) -> None:
    """Add margin to an isolated position or draw it."""
    account = state.accounts.get(command.account_id)
    market = state.markets.get(command.market_id)
    if account is None or market is None:
        refuse(Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_MARKET, out)
        return
    holding = market.holding(account)
    amount = command.amount
    if amount == 0 or abs(amount) > MONEY_MAX:
        refuse(Reject.INVALID_AMOUNT, out)
    elif not account.is_isolated:
        refuse(Reject.ONLY_ISOLATED, out)
    elif holding.position.qty == 0:
        refuse(Reject.NO_POSITION, out)
    elif amount > 0 and amount > margins.available(account, market.quote_asset):
        refuse(Reject.INSUFFICIENT_BALANCE, out)
    elif amount < 0 and not may_draw(holding, -amount):
        refuse(Reject.MARGIN_TOO_LOW, out)
    else:
        apply_margin(holding, amount, out)
        resting.touch(state, holding)


def may_draw(holding: Holding, amount: int) -> bool:
    """Tell whether the margin may fall by `amount`: unrealized losses count, unrealized profit does not."""
    position = holding.position
    backing = position.margin - amount + min(0, margins.unrealized(holding))
    return position.margin >= amount and backing >= margins.position_margin(holding, position.leverage_e2)


def apply_margin(holding: Holding, amount: int, out: list[Event]) -> None:
    """Move money from the balance to an isolated position's margin (negative: back)."""
    account_id = holding.account.account_id
    market = holding.market
    position = holding.position
    balance = holding.quote
    balance.amount -= amount
    position.margin += amount
    asset_id = market.quote_asset
    out.append(BalanceChanged(account_id, asset_id, -amount, balance.amount, Cause.TRANSFER, market.market_id))
    out.append(PositionChanged(account_id, market.market_id, position.qty, position.entry_notional, position.margin))
