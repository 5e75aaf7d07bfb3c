"""What operators can ask and order about money in and out, and what they are told. Messages of app/control.py."""

from typing import TypeAlias

import msgspec


class _Request(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    pass


class Withdrawals(_Request, frozen=True, tag="withdrawals"):
    """Withdrawals that have not ended, or all of them, the newest first."""

    account_id: int = 0  # of all accounts
    is_all: bool = False
    limit: int = 50
    withdrawal_id: int = 0  # only this one


class MoveWithdrawal(_Request, frozen=True, tag="move_withdrawal"):
    """Let a withdrawal stand elsewhere."""

    withdrawal_id: int
    step: str
    note: str = ""


class Deposits(_Request, frozen=True, tag="deposits"):
    """The last deposits."""

    account_id: int = 0
    limit: int = 50


class Assets(_Request, frozen=True, tag="assets"):
    """Every asset with its fees and bounds."""


class AmendAsset(_Request, frozen=True, tag="amend_asset"):
    """Change fees and bounds, by name, as text in whole units of the asset."""

    symbol: str
    changes: dict[str, str]


class Custody(_Request, frozen=True, tag="custody"):
    """How the custody is, and what does not fit."""


class Resolve(_Request, frozen=True, tag="resolve"):
    """Let an incident stand no more."""

    incident_id: int
    reason: str


class DepositAddress(_Request, frozen=True, tag="deposit_address"):
    """Where an account pays in. `who` is its number, or its owner's name."""

    who: str
    asset: str


class ChainDeposit(_Request, frozen=True, tag="chain_deposit"):
    """Pay on the simulated chain. `who` is an account's number, its owner's name, or an address."""

    who: str
    amount: str
    asset: str
    delay: int = 0


class ChainList(_Request, frozen=True, tag="chain_list"):
    """The chain's last transactions."""

    limit: int = 50


class ChainMine(_Request, frozen=True, tag="chain_mine"):
    """Let blocks come at once."""

    blocks: int


class ChainLose(_Request, frozen=True, tag="chain_lose"):
    """Let a transaction come to nothing."""

    transaction: str


class ChainRevive(_Request, frozen=True, tag="chain_revive"):
    """Let a lost transaction be paid after all."""

    transaction: str


class ChainReorganise(_Request, frozen=True, tag="chain_reorganise"):
    """Take the newest blocks' transactions out again."""

    depth: int
    is_lost: bool = False


class ChainPlan(_Request, frozen=True, tag="chain_plan"):
    """What is to go wrong: failing payments, lost answers, a custody that is away. None leaves it as it is."""

    fail_next: int | None = None
    lose_next: int | None = None
    is_away: bool | None = None


FundsRequest: TypeAlias = (
    Withdrawals
    | MoveWithdrawal
    | Deposits
    | Assets
    | AmendAsset
    | Custody
    | Resolve
    | DepositAddress
    | ChainDeposit
    | ChainList
    | ChainMine
    | ChainLose
    | ChainRevive
    | ChainReorganise
    | ChainPlan
)


class WithdrawalRow(msgspec.Struct, frozen=True):
    """A withdrawal, amounts as text."""

    withdrawal_id: int
    account_id: int
    owner: str
    asset: str
    amount: str
    net: str
    address: str
    status: str
    time_ms: int
    transaction: str
    note: str


class DepositRow(msgspec.Struct, frozen=True):
    """A deposit, amounts as text."""

    reference: str
    account_id: int
    owner: str
    asset: str
    amount: str
    net: str
    status: str
    time_ms: int
    note: str


class AssetRow(msgspec.Struct, frozen=True):
    """An asset's fees and bounds by name, as text in whole units; 0: none."""

    asset_id: int
    symbol: str
    terms: dict[str, str]


class AssetAmended(msgspec.Struct, frozen=True):
    """Which terms changed: old and new, as text."""

    symbol: str
    changed: dict[str, tuple[str, str]]


class IncidentRow(msgspec.Struct, frozen=True):
    """An incident that stands."""

    incident_id: int
    words: str
    subject: str
    detail: str
    opened_ms: int
    is_closing: bool


class CustodyRow(msgspec.Struct, frozen=True):
    """How the custody is. `trouble` says what keeps money from moving, if something does; `is_closed`, that nothing is paid."""

    name: str
    trouble: str | None
    is_closed: bool
    incidents: tuple[IncidentRow, ...]


class AddressRow(msgspec.Struct, frozen=True):
    """Where an account pays in."""

    account_id: int
    asset: str
    network: str
    address: str


class TransactionRow(msgspec.Struct, frozen=True):
    """A transaction of the simulated chain."""

    transaction: str
    kind: str
    asset: str
    amount: str
    address: str
    status: str
    confirmations: int


class ChainRow(msgspec.Struct, frozen=True):
    """How the simulated chain is. `said` is what was done."""

    height: int
    fail_next: int
    lose_next: int
    is_away: bool
    said: str = ""
