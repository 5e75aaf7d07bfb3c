"""Money between two accounts of one owner."""

from typing import Final

from exchange import margins, withdrawals
from exchange.commands import TransferFunds
from exchange.events import BalanceChanged, Cause, CommandRejected, Event, TransferRepeated
from exchange.limits import FUND_ACCOUNT_ID, MONEY_MAX, REFERENCE_LENGTH_MAX
from exchange.rejects import Reject
from exchange.state import State, Transfer

FROM: Final = "from_account_id"
TO: Final = "to_account_id"


def transfer(state: State, command: TransferFunds, time_ms: int, out: list[Event]) -> None:
    """Move money from one account to another of the same owner; a reference seen before changes nothing.

    What may go is what may be withdrawn. References are those of deposits and withdrawals by operators too.
    """
    reference = command.reference
    first = state.transfers.get(reference)
    if first is not None:
        out.append(TransferRepeated(reference, first.account_id, first.asset_id, first.amount))
        return
    rejected = check(state, command, time_ms)
    if rejected is not None:
        out.append(rejected)
        return
    asset_id = command.asset_id
    state.transfers[reference] = Transfer(command.from_account_id, asset_id, -command.amount, command.to_account_id)
    for account_id, amount in ((command.from_account_id, -command.amount), (command.to_account_id, command.amount)):
        account = state.accounts[account_id]
        balance = account.balance(asset_id)
        balance.amount += amount
        state.unwatched[account_id] = account
        out.append(BalanceChanged(account_id, asset_id, amount, balance.amount, Cause.TRANSFER, reference=reference))


def check(state: State, command: TransferFunds, time_ms: int) -> CommandRejected | None:
    """Check whose the accounts are, and whether the money may leave the first."""
    source = state.accounts.get(command.from_account_id)
    if source is None or command.from_account_id == FUND_ACCOUNT_ID:
        return CommandRejected(Reject.UNKNOWN_ACCOUNT, FROM)
    target = state.accounts.get(command.to_account_id)
    if target is None or command.to_account_id == FUND_ACCOUNT_ID:
        return CommandRejected(Reject.UNKNOWN_ACCOUNT, TO)
    reject: Reject | None = None
    if source is target or source.owner_id != target.owner_id:
        return CommandRejected(Reject.NOT_ONE_OWNER, TO)
    if command.asset_id not in state.assets:
        reject = Reject.UNKNOWN_ASSET
    elif not 1 <= len(command.reference) <= REFERENCE_LENGTH_MAX:
        reject = Reject.INVALID_REFERENCE
    elif not 0 < command.amount <= MONEY_MAX:
        reject = Reject.INVALID_AMOUNT
    elif not withdrawals.has_prices(source, command.asset_id, time_ms):
        reject = Reject.STALE_PRICE
    elif command.amount > margins.withdrawable(source, command.asset_id):
        reject = Reject.INSUFFICIENT_BALANCE
    return None if reject is None else CommandRejected(reject, reject.field)
