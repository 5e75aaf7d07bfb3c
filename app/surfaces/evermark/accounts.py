"""The rows of accounts: an owner's several, and money that moves between them."""

from typing import Annotated, Final, final

from msgspec import Meta

from app import wire
from app.people.office import PeopleOffice
from app.people.refusals import Refusal, Refused
from app.store import Store
from app.surfaces.evermark.keys import AccountId, Label
from app.surfaces.evermark.rows import END, Access, Message, Nothing, Rejection, Result, Row, Visit
from exchange import views
from exchange.commands import AdvanceWithdrawal, Command, RequestWithdrawal, TransferFunds
from exchange.events import CommandRejected, Event, TransferRepeated, WithdrawalAdvanced, WithdrawalRequested
from exchange.exchange import Exchange
from exchange.instrument import Asset

ClientName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        pattern=r"^[A-Za-z0-9_.-]+" + END,
        description="A name of your own: the same again answers with the first outcome and does nothing.",
    ),
]
AssetName = Annotated[str, Meta(min_length=1, max_length=16, pattern="^[A-Za-z0-9]+" + END)]
Amount = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        pattern=r"^[0-9]+(\.[0-9]{1,8})?" + END,
        description="In whole units, such as 0.25.",
    ),
]
_MODES: Final = {True: "isolated", False: "cross"}


class OpenAccountFor(Message, frozen=True):
    """Ask for another account."""

    name: ClientName
    label: Label = ""


class AccountOf(Result, frozen=True):
    """An account."""

    account_id: int
    label: str
    margin_mode: str


class AccountList(Result, frozen=True):
    """An owner's accounts, the first opened first."""

    accounts: list[AccountOf]


class Transfer(Message, frozen=True):
    """Move money between two of your accounts, at once and without fee."""

    name: ClientName
    from_account_id: AccountId
    to_account_id: AccountId
    asset: AssetName
    amount: Amount


class Transferred(Result, frozen=True):
    """It was moved; with `is_repeat` before, under the same name."""

    name: str
    from_account_id: int
    to_account_id: int
    asset: str
    amount: str
    is_repeat: bool


@final
class MoneyDesk:
    """What rows about money ask the exchange."""

    def __init__(self, office: PeopleOffice, store: Store) -> None:
        self._store = store
        self._accounts = office.accounts

    @property
    def exchange(self) -> Exchange:
        """The state as of now."""
        return self._store.exchange

    def asset(self, name: str) -> Asset:
        """An asset by its name in any case. Raises: Refused."""
        for asset in views.assets(self.exchange):
            if asset.symbol == name.upper():
                return asset
        raise Refused(Refusal.UNKNOWN_ASSET, "asset")

    async def submit(self, command: Command) -> Event:
        """Hand a command on; gives its first event. Raises: Rejection; Unavailable."""
        first = (await self._store.sequencer.submit(command))[0]
        if isinstance(first, CommandRejected):
            raise Rejection(first)
        return first

    async def submit_withdrawal(self, command: RequestWithdrawal | AdvanceWithdrawal) -> int:
        """Hand a withdrawal or a step of one on; gives its id. Raises: Rejection; Unavailable."""
        first = await self.submit(command)
        assert isinstance(first, WithdrawalRequested | WithdrawalAdvanced), first
        return first.withdrawal_id


@final
class OwnAccounts:
    """The handlers."""

    def __init__(self, office: PeopleOffice, store: Store) -> None:
        self._accounts = office.accounts
        self._store = store
        self._desk = MoneyDesk(office, store)

    async def listed(self, visit: Visit, _asked: Nothing) -> AccountList:
        """GET /v1/accounts."""
        return AccountList([self._row(account_id) for account_id in self._accounts.of(visit.owner_id)])

    async def open(self, visit: Visit, asked: OpenAccountFor) -> AccountOf:
        """POST /v1/accounts."""
        return self._row(await self._accounts.open(visit.owner_id, asked.name, asked.label))

    async def transfer(self, visit: Visit, asked: Transfer) -> Transferred:
        """POST /v1/transfers."""
        owner_id = visit.owner_id
        source = self._accounts.need(owner_id, asked.from_account_id, "from_account_id")
        target = self._accounts.need(owner_id, asked.to_account_id, "to_account_id")
        asset = self._desk.asset(asked.asset)
        units = wire.money(asked.amount, "amount")
        self._accounts.charge_transfer(owner_id)
        command = TransferFunds(f"transfer {owner_id} {asked.name}", source, target, asset.asset_id, units)
        is_repeat = isinstance(await self._desk.submit(command), TransferRepeated)
        if is_repeat and views.transfer(self._store.exchange, command.reference) != command:
            raise Refused(Refusal.NAME_USED, "name")
        amount = wire.plain(units, wire.MONEY_DECIMALS)
        return Transferred(asked.name, source, target, asset.symbol, amount, is_repeat)

    def _row(self, account_id: int) -> AccountOf:
        account = views.account(self._store.exchange, account_id)
        assert account is not None, "it was opened"
        return AccountOf(account_id, self._accounts.label(account_id), _MODES[account.is_isolated])


def rows(office: PeopleOffice, store: Store) -> list[Row]:
    """The addresses."""
    does = OwnAccounts(office, store)
    return [
        Row("GET", "/v1/accounts", Access.BEARER, does.listed, Nothing, AccountList, "Your accounts"),
        Row("POST", "/v1/accounts", Access.BEARER, does.open, OpenAccountFor, AccountOf, "Open another account"),
        Row(
            "POST", "/v1/transfers", Access.BEARER, does.transfer, Transfer, Transferred, "Move money between accounts"
        ),
    ]
