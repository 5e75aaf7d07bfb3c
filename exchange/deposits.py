"""Money in: deposits from the first sight of a payment to its credit."""

from typing import Final

from exchange.answers import refuse
from exchange.commands import RecordDeposit, SettleDeposit
from exchange.events import (
    BalanceChanged,
    Cause,
    CommandRejected,
    DepositRecorded,
    DepositSettled,
    DepositStatus,
    Event,
)
from exchange.limits import (
    ADDRESS_LENGTH_MAX,
    DEPOSIT_REFERENCE_LENGTH_MAX,
    FUND_ACCOUNT_ID,
    MONEY_MAX,
    NOTE_LENGTH_MAX,
    TRANSACTION_LENGTH_MAX,
)
from exchange.payments import Incoming, is_text
from exchange.rejects import Reject
from exchange.state import State

TOO_SMALL: Final = "below the asset's minimum"
NOT_ABOVE_FEE: Final = "not more than the fee"


def enlist(state: State, incoming: Incoming) -> None:
    """Let a deposit be found."""
    state.deposits[incoming.reference] = incoming
    if incoming.status is DepositStatus.PENDING:
        state.pending_deposits[incoming.reference] = incoming


def record(state: State, command: RecordDeposit, time_ms: int, out: list[Event]) -> None:
    """Know of a payment that was seen; a reference seen before changes nothing."""
    seen = state.deposits.get(command.reference)
    if seen is not None:
        out.append(_recorded(seen, is_repeat=True))
        return
    rejected = check_record(state, command)
    if rejected is not None:
        out.append(rejected)
        return
    incoming = Incoming(state.next_deposit_id, command.account_id, command.asset_id, command.amount)
    state.next_deposit_id += 1
    incoming.address = command.address
    incoming.transaction = command.transaction
    incoming.source = command.source
    incoming.reference = command.reference
    incoming.recorded_ms = incoming.changed_ms = time_ms
    enlist(state, incoming)
    out.append(_recorded(incoming))


def check_record(state: State, command: RecordDeposit) -> CommandRejected | None:
    """Check what a deposit names."""
    reject: Reject | None = None
    if command.account_id not in state.accounts or command.account_id == FUND_ACCOUNT_ID:
        reject = Reject.UNKNOWN_ACCOUNT
    elif command.asset_id not in state.assets:
        reject = Reject.UNKNOWN_ASSET
    elif not is_text(command.reference, 1, DEPOSIT_REFERENCE_LENGTH_MAX):
        return CommandRejected(Reject.INVALID_TEXT, "reference")
    elif not is_text(command.address, 0, ADDRESS_LENGTH_MAX):
        return CommandRejected(Reject.INVALID_TEXT, "address")
    elif not is_text(command.transaction, 0, TRANSACTION_LENGTH_MAX):
        return CommandRejected(Reject.INVALID_TEXT, "transaction")
    elif not is_text(command.source, 0, ADDRESS_LENGTH_MAX):
        return CommandRejected(Reject.INVALID_TEXT, "source")
    elif not 0 < command.amount <= MONEY_MAX:
        reject = Reject.INVALID_AMOUNT
    return None if reject is None else CommandRejected(reject, reject.field)


def settle(state: State, command: SettleDeposit, time_ms: int, out: list[Event]) -> None:
    """Credit a deposit, once; or say that it did not come."""
    incoming = state.deposits.get(command.reference)
    if incoming is None:
        refuse(Reject.DEPOSIT_NOT_FOUND, out)
        return
    if not is_text(command.note, 0, NOTE_LENGTH_MAX):
        out.append(CommandRejected(Reject.INVALID_TEXT, "note"))
        return
    asset = state.assets[incoming.asset_id]
    note = command.note
    is_completed = command.is_completed
    if incoming.status is DepositStatus.COMPLETED:
        if is_completed:
            out.append(_settled(incoming, is_repeat=True))
        else:
            refuse(Reject.INVALID_TRANSITION, out)
        return
    if is_completed and (incoming.amount < asset.deposit_min or incoming.amount <= asset.deposit_fee):
        is_completed = False
        note = TOO_SMALL if incoming.amount < asset.deposit_min else NOT_ABOVE_FEE
    if not is_completed and incoming.status is DepositStatus.FAILED:
        out.append(_settled(incoming, is_repeat=True))
        return
    state.pending_deposits.pop(incoming.reference, None)
    incoming.status = DepositStatus.COMPLETED if is_completed else DepositStatus.FAILED
    incoming.note = note
    incoming.changed_ms = time_ms
    incoming.fee = asset.deposit_fee if is_completed else 0
    out.append(_settled(incoming))
    if is_completed:
        _credit(state, incoming, out)


def _credit(state: State, incoming: Incoming, out: list[Event]) -> None:
    """Enter a deposit, and its fee as an entry of its own."""
    account = state.accounts[incoming.account_id]
    state.unwatched[account.account_id] = account
    asset_id = incoming.asset_id
    treasury = state.treasuries[asset_id]
    treasury.deposited += incoming.amount
    treasury.fees += incoming.fee
    balance = account.balance(asset_id)
    balance.fees += incoming.fee
    for amount, cause in ((incoming.amount, Cause.DEPOSIT), (-incoming.fee, Cause.FEE)):
        if amount:
            balance.amount += amount
            out.append(
                BalanceChanged(
                    account.account_id, asset_id, amount, balance.amount, cause, reference=incoming.reference
                )
            )


def _recorded(incoming: Incoming, *, is_repeat: bool = False) -> DepositRecorded:
    return DepositRecorded(
        incoming.deposit_id,
        incoming.account_id,
        incoming.asset_id,
        incoming.amount,
        incoming.fee,
        incoming.address,
        incoming.transaction,
        incoming.source,
        incoming.reference,
        incoming.status,
        incoming.note,
        is_repeat,
    )


def _settled(incoming: Incoming, *, is_repeat: bool = False) -> DepositSettled:
    return DepositSettled(
        incoming.deposit_id,
        incoming.account_id,
        incoming.asset_id,
        incoming.amount,
        incoming.fee,
        incoming.address,
        incoming.transaction,
        incoming.source,
        incoming.reference,
        incoming.status,
        incoming.note,
        is_repeat,
    )
