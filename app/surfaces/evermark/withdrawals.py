"""The rows of people's withdrawals: the list of addresses, the request, the owner's word."""

from typing import Annotated, final

from msgspec import Meta

from app import wire
from app.clock import Clock
from app.custody.counter import Counter
from app.people.addresses import Address
from app.people.mailer import Mail
from app.people.office import PeopleOffice
from app.people.refusals import Refusal, Refused
from app.sequencer import Unencodable
from app.store import Store
from app.surfaces.evermark.accounts import Amount, AssetName, ClientName, MoneyDesk
from app.surfaces.evermark.keys import AccountId, Label
from app.surfaces.evermark.people import Code
from app.surfaces.evermark.rows import END, Access, Done, Message, Nothing, Result, Row, Visit
from exchange import views
from exchange.commands import AdvanceWithdrawal, RequestWithdrawal, WithdrawalStatus
from exchange.instrument import Asset
from exchange.limits import ADDRESS_LENGTH_MAX, NETWORK_LENGTH_MAX
from exchange.payment_views import WithdrawalView

ADDED_SUBJECT = "An address to withdraw to was added"
LIST_MAX = 200

WithdrawalId = Annotated[int, Meta(ge=1, le=2**53)]
Printable = r"^[\x20-\x7e]*" + END


class AddAddress(Message, frozen=True):
    """Put an address on the list."""

    asset: AssetName
    address: Annotated[str, Meta(min_length=1, max_length=ADDRESS_LENGTH_MAX, pattern=Printable)]
    network: Annotated[str, Meta(max_length=NETWORK_LENGTH_MAX, pattern=Printable)] = ""
    label: Label = ""


class RemoveAddress(Message, frozen=True):
    """Name an address."""

    address_id: Annotated[int, Meta(ge=1, le=2**53)]


class AddressOf(Result, frozen=True):
    """An address that money may go to from `usable_ms` on."""

    address_id: int
    asset: str
    network: str
    address: str
    label: str
    created_ms: int
    usable_ms: int


class AddressList(Result, frozen=True):
    """The list, the oldest first."""

    addresses: list[AddressOf]


class AskWithdrawal(Message, frozen=True):
    """Ask for money to go to an address of the list. Its fee is inside the amount."""

    name: ClientName
    account_id: AccountId
    amount: Amount
    address_id: Annotated[int, Meta(ge=1, le=2**53)]


class NameWithdrawal(Message, frozen=True):
    """Name a withdrawal."""

    withdrawal_id: WithdrawalId


class ConfirmWithdrawal(Message, frozen=True):
    """Give the owner's word: the code that was mailed."""

    withdrawal_id: WithdrawalId
    code: Code


class WithdrawalOf(Result, frozen=True):
    """A withdrawal. PREPARED waits for its owner's code, where this exchange asks for one."""

    withdrawal_id: int
    account_id: int
    asset: str
    amount: str
    fee: str
    address: str
    network: str
    name: str
    status: str
    note: str
    transaction: str
    requested_ms: int


class WithdrawalList(Result, frozen=True):
    """Withdrawals that have not ended, of all accounts; what ended stands under GET /withdrawals."""

    withdrawals: list[WithdrawalOf]
    level: str
    usd_per_day: Annotated[int, Meta(description="What may be asked for in a UTC day; 0: no limit of the level.")]


@final
class OwnWithdrawals:
    """The handlers."""

    def __init__(self, office: PeopleOffice, store: Store, counter: Counter, clock: Clock) -> None:
        self._office = office
        self._counter = counter
        self._clock = clock
        self._desk = MoneyDesk(office, store)

    async def addresses(self, visit: Visit, _asked: Nothing) -> AddressList:
        """GET /v1/withdrawal_addresses."""
        return AddressList([_address(one) for one in await self._office.addresses.of(visit.owner_id)])

    async def add(self, visit: Visit, asked: AddAddress) -> AddressOf:
        """POST /v1/withdrawal_addresses."""
        asset = self._desk.asset(asked.asset)
        networks = self._counter.networks(asset.symbol)
        network = asked.network or (networks[0] if networks else "")
        if asked.network and asked.network not in networks:
            raise Refused(Refusal.INVALID_ADDRESS, "network")
        if self._counter.check_address(asset.symbol, network, asked.address) is not None:
            raise Refused(Refusal.INVALID_ADDRESS, "address")
        person = self._office.register.find(visit.owner_id)
        assert person is not None, "a session is somebody's"
        self._office.register.charge_mail(person)
        added = await self._office.addresses.add(visit.owner_id, asset.symbol, network, asked.address, asked.label)
        words = f"{added.address} for {added.asset} was put on your list. If this was not you, take it off and change your password."
        self._office.mailer.post(Mail(person.email, ADDED_SUBJECT, words))
        return _address(added)

    async def remove(self, visit: Visit, asked: RemoveAddress) -> Done:
        """DELETE /v1/withdrawal_addresses."""
        await self._office.addresses.remove(visit.owner_id, asked.address_id)
        return Done()

    async def ask(self, visit: Visit, asked: AskWithdrawal) -> WithdrawalOf:
        """POST /v1/withdrawals."""
        owner_id = visit.owner_id
        account_id = self._office.accounts.need(owner_id, asked.account_id)
        to = await self._office.addresses.need(owner_id, asked.address_id)
        asset = self._desk.asset(to.asset)
        units = wire.money(asked.amount, "amount")
        command = RequestWithdrawal(
            asked.name, account_id, asset.asset_id, units, to.address, to.network, self._counter.is_confirmed
        )
        if views.withdrawal_by_reference(self._desk.exchange, account_id, asked.name) is not None:
            return await self._submit(command)
        if self._counter.closed is not None:
            raise Refused(Refusal.CLOSED)
        if self._counter.check_address(asset.symbol, to.network, to.address) is not None:
            raise Refused(Refusal.INVALID_ADDRESS, "address_id")
        async with self._counter.turn(owner_id, asset.symbol, to.network, to.address, units):
            return await self._submit(command)

    async def listed(self, visit: Visit, _asked: Nothing) -> WithdrawalList:
        """GET /v1/withdrawals."""
        found = [
            view
            for account_id in self._office.accounts.of(visit.owner_id)
            for view in views.withdrawals(self._desk.exchange, account_id)
        ]
        found.sort(key=lambda view: -view.withdrawal_id)
        level = self._office.withdrawals.level_of(visit.owner_id)
        assert level is not None, "a session is somebody's"
        return WithdrawalList([self._row(view) for view in found[:LIST_MAX]], level.name, level.usd_per_day)

    async def send_code(self, visit: Visit, asked: NameWithdrawal) -> Done:
        """POST /v1/withdrawals/code: once more."""
        await self._office.withdrawals.send_code(visit.owner_id, asked.withdrawal_id)
        return Done()

    async def confirm(self, visit: Visit, asked: ConfirmWithdrawal) -> WithdrawalOf:
        """POST /v1/withdrawals/confirm."""
        code = asked.code.strip()
        await self._office.withdrawals.take_code(visit.owner_id, asked.withdrawal_id, code, visit.visitor)
        return await self._advance(visit.owner_id, asked.withdrawal_id, WithdrawalStatus.SUBMITTED, "")

    async def cancel(self, visit: Visit, asked: NameWithdrawal) -> WithdrawalOf:
        """POST /v1/withdrawals/cancel: until it is processing."""
        note = "Cancelled on request."
        return await self._advance(visit.owner_id, asked.withdrawal_id, WithdrawalStatus.CANCELLED, note)

    async def _advance(self, owner_id: int, withdrawal_id: int, status: WithdrawalStatus, note: str) -> WithdrawalOf:
        found = views.withdrawal(self._desk.exchange, withdrawal_id)
        if found is None or found.account_id not in self._office.accounts.of(owner_id):
            raise Refused(Refusal.NOT_ADMITTED, "withdrawal_id")
        return await self._submit(AdvanceWithdrawal(withdrawal_id, status, note=note, account_id=found.account_id))

    async def _submit(self, command: RequestWithdrawal | AdvanceWithdrawal) -> WithdrawalOf:
        try:
            withdrawal_id = await self._desk.submit_withdrawal(command)
        except Unencodable as error:
            raise Refused(Refusal.INVALID_ADDRESS, "address") from error
        found = views.withdrawal(self._desk.exchange, withdrawal_id)
        assert found is not None, "it was taken"
        return self._row(found)

    def _row(self, view: WithdrawalView) -> WithdrawalOf:
        asset: Asset | None = views.asset(self._desk.exchange, view.asset_id)
        assert asset is not None, "it is listed"
        return WithdrawalOf(
            view.withdrawal_id,
            view.account_id,
            asset.symbol,
            wire.plain(view.amount, wire.MONEY_DECIMALS),
            wire.plain(view.fee, wire.MONEY_DECIMALS),
            view.address,
            view.network,
            view.reference,
            view.status.name,
            view.note,
            view.transaction,
            view.requested_ms,
        )


def rows(office: PeopleOffice, store: Store, counter: Counter, clock: Clock) -> list[Row]:
    """The addresses."""
    does = OwnWithdrawals(office, store, counter, clock)
    bearer, up = Access.BEARER, Access.STEPPED_UP
    places, path = "/v1/withdrawal_addresses", "/v1/withdrawals"
    return [
        Row("GET", places, bearer, does.addresses, Nothing, AddressList, "Where your money may go"),
        Row("POST", places, up, does.add, AddAddress, AddressOf, "Let money go to an address, after a waiting time"),
        Row("DELETE", places, bearer, does.remove, RemoveAddress, Done, "Let money go there no more"),
        Row("GET", path, bearer, does.listed, Nothing, WithdrawalList, "Withdrawals under way"),
        Row("POST", path, up, does.ask, AskWithdrawal, WithdrawalOf, "Ask for a withdrawal"),
        Row("POST", f"{path}/code", bearer, does.send_code, NameWithdrawal, Done, "Get a new code for a withdrawal"),
        Row("POST", f"{path}/confirm", bearer, does.confirm, ConfirmWithdrawal, WithdrawalOf, "Confirm a withdrawal"),
        Row("POST", f"{path}/cancel", bearer, does.cancel, NameWithdrawal, WithdrawalOf, "Cancel a withdrawal"),
    ]


def _address(one: Address) -> AddressOf:
    return AddressOf(one.address_id, one.asset, one.network, one.address, one.label, one.created_ms, one.usable_ms)
