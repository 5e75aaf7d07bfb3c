"""Money out: withdrawals from the request to their end.

The amount leaves the balance with the request. Until the end it is the account's still, in `withdrawn`, but nothing draws on
it: no order, no liquidation, no shared loss.
"""

from typing import Final

from exchange import entry, margins
from exchange.answers import refuse
from exchange.commands import AdvanceWithdrawal, RequestWithdrawal, WithdrawalStatus
from exchange.events import BalanceChanged, Cause, CommandRejected, Event, WithdrawalAdvanced, WithdrawalRequested
from exchange.instrument import Asset
from exchange.limits import (
    ADDRESS_LENGTH_MAX,
    DAY_MS,
    FUND_ACCOUNT_ID,
    MONEY_MAX,
    NETWORK_LENGTH_MAX,
    NOTE_LENGTH_MAX,
    REFERENCE_LENGTH_MAX,
    TRANSACTION_LENGTH_MAX,
    WITHDRAWALS_PER_DAY_MAX,
)
from exchange.payments import DayTotal, Withdrawal, is_text
from exchange.rejects import Reject
from exchange.state import Account, State

PREPARED: Final = WithdrawalStatus.PREPARED
SUBMITTED: Final = WithdrawalStatus.SUBMITTED
CANCELLED: Final = WithdrawalStatus.CANCELLED
WAITING: Final = WithdrawalStatus.WAITING_FOR_APPROVAL
SUSPECTED: Final = WithdrawalStatus.SUSPECTED
REJECTED: Final = WithdrawalStatus.REJECTED
PROCESSING: Final = WithdrawalStatus.PROCESSING
SUCCEEDED: Final = WithdrawalStatus.SUCCEEDED
FAILED: Final = WithdrawalStatus.FAILED

FOLLOWS: Final[dict[WithdrawalStatus, tuple[WithdrawalStatus, ...]]] = {
    PREPARED: (SUBMITTED, CANCELLED, REJECTED),
    SUBMITTED: (PROCESSING, WAITING, SUSPECTED, CANCELLED, REJECTED),
    WAITING: (PROCESSING, SUSPECTED, CANCELLED, REJECTED),
    SUSPECTED: (SUBMITTED, WAITING, CANCELLED, REJECTED),
    PROCESSING: (SUCCEEDED, FAILED),
    CANCELLED: (),
    REJECTED: (),
    SUCCEEDED: (),
    FAILED: (),
}
"""What may follow on what. A withdrawal without anything to follow has ended."""

GIVEN_BACK: Final = (CANCELLED, REJECTED, FAILED)
"""Ends at which the amount comes back."""


def enlist(state: State, withdrawal: Withdrawal) -> None:
    """Let a withdrawal be found."""
    state.withdrawals[withdrawal.withdrawal_id] = withdrawal
    state.withdrawal_ids[(withdrawal.account_id, withdrawal.reference)] = withdrawal.withdrawal_id
    if FOLLOWS[withdrawal.status]:
        state.open_withdrawals[withdrawal.withdrawal_id] = withdrawal


def request(state: State, command: RequestWithdrawal, time_ms: int, out: list[Event]) -> None:
    """Take the amount off the balance at once; a reference seen before answers with its withdrawal."""
    first = state.withdrawal_ids.get((command.account_id, command.reference))
    if first is not None:
        out.append(_requested(state.withdrawals[first], is_repeat=True))
        return
    account = state.accounts.get(command.account_id)
    if account is None or account.account_id == FUND_ACCOUNT_ID:
        refuse(Reject.UNKNOWN_ACCOUNT, out)
        return
    asset = state.assets.get(command.asset_id)
    if asset is None:
        refuse(Reject.UNKNOWN_ASSET, out)
        return
    rejected = check_request(state, account, asset, command, time_ms)
    if rejected is not None:
        out.append(rejected)
        return
    withdrawal = Withdrawal(
        state.next_withdrawal_id, account.account_id, asset.asset_id, command.amount, asset.withdrawal_fee
    )
    state.next_withdrawal_id += 1
    withdrawal.address = command.address
    withdrawal.network = command.network
    withdrawal.reference = command.reference
    withdrawal.status = SUBMITTED if command.is_confirmed else PREPARED
    withdrawal.requested_ms = withdrawal.changed_ms = time_ms
    enlist(state, withdrawal)
    total = day_total(state, account.owner_id, asset.asset_id, time_ms // DAY_MS)
    total.amount += withdrawal.amount
    total.count += 1
    out.append(_requested(withdrawal))
    account.balance(asset.asset_id).withdrawn += withdrawal.amount
    _enter(state, withdrawal, -withdrawal.amount, Cause.WITHDRAWAL, out)


def check_request(
    state: State, account: Account, asset: Asset, command: RequestWithdrawal, time_ms: int
) -> CommandRejected | None:
    """Check what a request names, the asset's bounds, and whether the money may leave."""
    amount = command.amount
    reject: Reject | None = None
    if not 1 <= len(command.reference) <= REFERENCE_LENGTH_MAX:
        reject = Reject.INVALID_REFERENCE
    elif not is_text(command.address, 1, ADDRESS_LENGTH_MAX):
        return CommandRejected(Reject.INVALID_TEXT, "address")
    elif not is_text(command.network, 0, NETWORK_LENGTH_MAX):
        return CommandRejected(Reject.INVALID_TEXT, "network")
    elif not 0 < amount <= MONEY_MAX:
        reject = Reject.INVALID_AMOUNT
    elif amount <= asset.withdrawal_fee or amount < asset.withdrawal_min:
        reject = Reject.WITHDRAWAL_TOO_SMALL
    else:
        reject = check_day(state, account.owner_id, asset, amount, time_ms // DAY_MS)
        if reject is None and not has_prices(account, asset.asset_id, time_ms):
            reject = Reject.STALE_PRICE
        if reject is None and amount > margins.withdrawable(account, asset.asset_id):
            reject = Reject.INSUFFICIENT_BALANCE
    return None if reject is None else CommandRejected(reject, reject.field)


def has_prices(account: Account, asset_id: int, time_ms: int) -> bool:
    """Tell whether what an account's positions in an asset have lost is known: their marks are current.

    An isolated position draws on no more than its margin.
    """
    if account.is_isolated:
        return True
    for holding in account.holdings.values():
        market = holding.market
        if holding.position.qty and market.quote_asset == asset_id and entry.is_index_old(market, time_ms):
            return False
    return True


def check_day(state: State, owner_id: int, asset: Asset, amount: int, day: int) -> Reject | None:
    """Check what an owner may still ask for on a day, with all accounts together."""
    total = state.withdrawal_days.get((owner_id, asset.asset_id))
    used = total.amount if total is not None and total.day == day else 0
    if asset.withdrawal_day_max and used + amount > asset.withdrawal_day_max:
        return Reject.WITHDRAWAL_LIMIT
    if total is not None and total.day == day and total.count >= WITHDRAWALS_PER_DAY_MAX:
        return Reject.TOO_MANY_WITHDRAWALS
    return None


def day_total(state: State, owner_id: int, asset_id: int, day: int) -> DayTotal:
    """Return what an owner asked for on a day, nothing at first; another day's is forgotten."""
    total = state.withdrawal_days.get((owner_id, asset_id))
    if total is None or total.day != day:
        total = state.withdrawal_days[(owner_id, asset_id)] = DayTotal(day)
    return total


def advance(state: State, command: AdvanceWithdrawal, time_ms: int, out: list[Event]) -> None:
    """Let a withdrawal stand elsewhere; at its end its money goes, or comes back."""
    withdrawal = state.withdrawals.get(command.withdrawal_id)
    if withdrawal is None or command.account_id not in (0, withdrawal.account_id):
        refuse(Reject.WITHDRAWAL_NOT_FOUND, out)
        return
    rejected = check_advance(state, withdrawal, command)
    if rejected is not None:
        out.append(rejected)
        return
    status = command.status
    transaction = "" if command.account_id else command.transaction  # an owner knows of none
    if status is withdrawal.status:
        is_news = status is PROCESSING and transaction not in ("", withdrawal.transaction)
        if is_news:
            withdrawal.transaction = transaction
        out.append(_advanced(withdrawal, is_repeat=not is_news))
        return
    withdrawal.status = status
    withdrawal.changed_ms = time_ms
    if transaction:
        withdrawal.transaction = transaction
    if command.note:
        withdrawal.note = command.note
    out.append(_advanced(withdrawal))
    if status is SUCCEEDED:
        _pay_out(state, withdrawal, out)
    elif status in GIVEN_BACK:
        _give_back(state, withdrawal, out)


def check_advance(state: State, withdrawal: Withdrawal, command: AdvanceWithdrawal) -> CommandRejected | None:
    """Check a step of a withdrawal. Its owner may confirm it and cancel it, no more."""
    status = command.status
    if not is_text(command.transaction, 0, TRANSACTION_LENGTH_MAX):
        return CommandRejected(Reject.INVALID_TEXT, "transaction")
    if not is_text(command.note, 0, NOTE_LENGTH_MAX):
        return CommandRejected(Reject.INVALID_TEXT, "note")
    if status is withdrawal.status:
        return None
    reject: Reject | None = None
    if status not in FOLLOWS[withdrawal.status]:
        reject = Reject.INVALID_TRANSITION
    elif status is PROCESSING and withdrawal.status is SUBMITTED and needs_approval(state, withdrawal):
        reject = Reject.NEEDS_APPROVAL
    elif command.account_id and not may_owner(withdrawal, status):
        reject = Reject.INVALID_TRANSITION
    return None if reject is None else CommandRejected(reject, reject.field)


def may_owner(withdrawal: Withdrawal, status: WithdrawalStatus) -> bool:
    """Tell whether a step that can follow is the owner's to take."""
    return status is CANCELLED or (status is SUBMITTED and withdrawal.status is PREPARED)


def needs_approval(state: State, withdrawal: Withdrawal) -> bool:
    """Tell whether a person must approve a withdrawal, by the asset's terms as they are now."""
    above = state.assets[withdrawal.asset_id].withdrawal_approval_above
    return 0 < above < withdrawal.amount


def _pay_out(state: State, withdrawal: Withdrawal, out: list[Event]) -> None:
    """The net amount has left the exchange. The fee passes over the balance, so that the ledger shows it."""
    del state.open_withdrawals[withdrawal.withdrawal_id]
    treasury = state.treasuries[withdrawal.asset_id]
    balance = state.accounts[withdrawal.account_id].balance(withdrawal.asset_id)
    fee = withdrawal.fee
    balance.withdrawn -= withdrawal.amount
    treasury.withdrawn += withdrawal.amount - fee
    if fee:
        treasury.fees += fee
        balance.fees += fee
        _enter(state, withdrawal, fee, Cause.WITHDRAWAL, out)
        _enter(state, withdrawal, -fee, Cause.FEE, out)


def _give_back(state: State, withdrawal: Withdrawal, out: list[Event]) -> None:
    """Nothing has left: the amount comes back, and counts no more for its day."""
    del state.open_withdrawals[withdrawal.withdrawal_id]
    account = state.accounts[withdrawal.account_id]
    account.balance(withdrawal.asset_id).withdrawn -= withdrawal.amount
    total = state.withdrawal_days[(account.owner_id, withdrawal.asset_id)]
    if total.day == withdrawal.requested_ms // DAY_MS:
        total.amount -= withdrawal.amount
    _enter(state, withdrawal, withdrawal.amount, Cause.WITHDRAWAL, out)


def _enter(state: State, withdrawal: Withdrawal, amount: int, cause: Cause, out: list[Event]) -> None:
    """Move the balance by an amount, with an entry in the ledger."""
    account = state.accounts[withdrawal.account_id]
    state.unwatched[account.account_id] = account
    balance = account.balance(withdrawal.asset_id)
    balance.amount += amount
    out.append(
        BalanceChanged(
            account.account_id,
            withdrawal.asset_id,
            amount,
            balance.amount,
            cause,
            reference=withdrawal.reference,
        )
    )


def _requested(withdrawal: Withdrawal, *, is_repeat: bool = False) -> WithdrawalRequested:
    return WithdrawalRequested(
        withdrawal.withdrawal_id,
        withdrawal.account_id,
        withdrawal.asset_id,
        withdrawal.amount,
        withdrawal.fee,
        withdrawal.address,
        withdrawal.network,
        withdrawal.reference,
        withdrawal.status,
        withdrawal.transaction,
        withdrawal.note,
        is_repeat,
    )


def _advanced(withdrawal: Withdrawal, *, is_repeat: bool = False) -> WithdrawalAdvanced:
    return WithdrawalAdvanced(
        withdrawal.withdrawal_id,
        withdrawal.account_id,
        withdrawal.asset_id,
        withdrawal.amount,
        withdrawal.fee,
        withdrawal.address,
        withdrawal.network,
        withdrawal.reference,
        withdrawal.status,
        withdrawal.transaction,
        withdrawal.note,
        is_repeat,
    )
