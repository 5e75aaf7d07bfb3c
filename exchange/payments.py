"""Money on its way in and out, as the state keeps it."""

from typing import final

from exchange.commands import WithdrawalStatus
from exchange.events import DepositStatus


@final
class Withdrawal:
    """Money that an account sends out. Until its end the amount is in the balance's `withdrawn`. Units: money.

    `fee` is the asset's at the request, and inside `amount`. `changed_ms` is when the status became what it is.
    """

    __slots__ = (
        "account_id",
        "address",
        "amount",
        "asset_id",
        "changed_ms",
        "fee",
        "network",
        "note",
        "reference",
        "requested_ms",
        "status",
        "transaction",
        "withdrawal_id",
    )

    def __init__(self, withdrawal_id: int, account_id: int, asset_id: int, amount: int, fee: int) -> None:
        self.withdrawal_id: int = withdrawal_id
        self.account_id: int = account_id
        self.asset_id: int = asset_id
        self.amount: int = amount
        self.fee: int = fee
        self.address: str = ""
        self.network: str = ""
        self.reference: str = ""
        self.status: WithdrawalStatus = WithdrawalStatus.PREPARED
        self.transaction: str = ""
        self.note: str = ""
        self.requested_ms: int = 0
        self.changed_ms: int = 0


@final
class Incoming:
    """A deposit that was seen outside. `fee` is what was taken off a COMPLETED one. Units: money."""

    __slots__ = (
        "account_id",
        "address",
        "amount",
        "asset_id",
        "changed_ms",
        "deposit_id",
        "fee",
        "note",
        "recorded_ms",
        "reference",
        "source",
        "status",
        "transaction",
    )

    def __init__(self, deposit_id: int, account_id: int, asset_id: int, amount: int) -> None:
        self.deposit_id: int = deposit_id
        self.account_id: int = account_id
        self.asset_id: int = asset_id
        self.amount: int = amount
        self.fee: int = 0
        self.address: str = ""
        self.transaction: str = ""
        self.source: str = ""
        self.reference: str = ""
        self.status: DepositStatus = DepositStatus.PENDING
        self.note: str = ""
        self.recorded_ms: int = 0
        self.changed_ms: int = 0


@final
class DayTotal:
    """What an owner has asked to withdraw of an asset in one UTC day: the amount that still counts, and how often."""

    __slots__ = ("amount", "count", "day")

    def __init__(self, day: int) -> None:
        self.day: int = day
        self.amount: int = 0
        self.count: int = 0


def is_text(text: str, least: int, most: int) -> bool:
    """Tell whether a text has a length within bounds and can be shown."""
    return least <= len(text) <= most and text.isprintable()
