"""Withdrawals and deposits as the shell may read them. Each view is a copy."""

from typing import final

from exchange import withdrawals
from exchange.commands import WithdrawalStatus
from exchange.events import DepositStatus
from exchange.payments import Incoming, Withdrawal
from exchange.state import State


@final
class WithdrawalView:
    """A withdrawal as it is. `net` arrives; `needs_approval` by the asset's present terms; `is_open` until its end. Units: money."""

    __slots__ = (
        "account_id",
        "address",
        "amount",
        "asset_id",
        "changed_ms",
        "fee",
        "is_open",
        "needs_approval",
        "net",
        "network",
        "note",
        "reference",
        "requested_ms",
        "status",
        "transaction",
        "withdrawal_id",
    )

    def __init__(self, state: State, withdrawal: Withdrawal) -> None:
        self.withdrawal_id: int = withdrawal.withdrawal_id
        self.account_id: int = withdrawal.account_id
        self.asset_id: int = withdrawal.asset_id
        self.amount: int = withdrawal.amount
        self.fee: int = withdrawal.fee
        self.net: int = withdrawal.amount - withdrawal.fee
        self.address: str = withdrawal.address
        self.network: str = withdrawal.network
        self.reference: str = withdrawal.reference
        self.status: WithdrawalStatus = withdrawal.status
        self.transaction: str = withdrawal.transaction
        self.note: str = withdrawal.note
        self.requested_ms: int = withdrawal.requested_ms
        self.changed_ms: int = withdrawal.changed_ms
        self.is_open: bool = bool(withdrawals.FOLLOWS[withdrawal.status])
        self.needs_approval: bool = withdrawals.needs_approval(state, withdrawal)


@final
class DepositView:
    """A deposit as it is. `fee` is what was taken off a COMPLETED one, `net` what it credits. Units: money."""

    __slots__ = (
        "account_id",
        "address",
        "amount",
        "asset_id",
        "changed_ms",
        "deposit_id",
        "fee",
        "net",
        "note",
        "recorded_ms",
        "reference",
        "source",
        "status",
        "transaction",
    )

    def __init__(self, incoming: Incoming) -> None:
        self.deposit_id: int = incoming.deposit_id
        self.account_id: int = incoming.account_id
        self.asset_id: int = incoming.asset_id
        self.amount: int = incoming.amount
        self.fee: int = incoming.fee
        self.net: int = incoming.amount - incoming.fee
        self.address: str = incoming.address
        self.transaction: str = incoming.transaction
        self.source: str = incoming.source
        self.reference: str = incoming.reference
        self.status: DepositStatus = incoming.status
        self.note: str = incoming.note
        self.recorded_ms: int = incoming.recorded_ms
        self.changed_ms: int = incoming.changed_ms
