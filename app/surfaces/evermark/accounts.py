"""The rows of accounts: an owner's several, and money that moves between them."""

from typing import Annotated, Final, final

from msgspec import Meta

from app.people.office import PeopleOffice
from app.store import Store
from app.surfaces.evermark.keys import Label
from app.surfaces.evermark.rows import Access, Message, Nothing, Result, Row, Visit
from exchange import views

ClientName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="A name of your own: the same again answers with the first outcome and does nothing.",
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


@final
class OwnAccounts:
    """The handlers."""

    def __init__(self, office: PeopleOffice, store: Store) -> None:
        self._accounts = office.accounts
        self._store = store

    async def listed(self, visit: Visit, _asked: Nothing) -> AccountList:
        """GET /v1/accounts."""
        return AccountList([self._row(account_id) for account_id in self._accounts.of(visit.owner_id)])

    async def open(self, visit: Visit, asked: OpenAccountFor) -> AccountOf:
        """POST /v1/accounts."""
        return self._row(await self._accounts.open(visit.owner_id, asked.name, asked.label))

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
    ]
