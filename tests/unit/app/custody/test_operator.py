"""What operators do about money in and out: the requests of the command line on a whole exchange."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app.control import AnyRequest, Refused
from app.custody import requests
from app.custody.base import Payment
from app.custody.counter import NO_CUSTODY
from app.custody.office import Office
from app.custody.simulated import NAME, SimulatedChain, make_address
from app.demo import SCOPES
from app.demo import prepare as prepare_demo
from app.faults import Unavailable
from app.operators import Operator
from app.settings import Settings
from app.store import Store, open_store
from exchange import views
from exchange.commands import Deposit, ListAsset, OpenAccount, RequestWithdrawal
from exchange.events import AccountOpened, DepositStatus, WithdrawalRequested
from exchange.instrument import Asset
from tests.small import FakeClock
from tests.waiting import until

BTC = 3
ONE = 10**8


class Bank:
    """An exchange with a custody at work, and its operator."""

    def __init__(self, store: Store, office: Office) -> None:
        self.store = store
        self.office = office
        self.operator = Operator(store, office)

    async def ask(self, request: AnyRequest) -> object:
        return await self.operator(request)

    async def open(self) -> int:
        """An asset, and an account of Alice's with 10 BTC."""
        await self.store.sequencer.submit(ListAsset(Asset(BTC, "BTC")))
        user = await self.store.identity.create_user("alice")
        opened = (await self.store.sequencer.submit(OpenAccount("a", user.owner_id)))[0]
        assert isinstance(opened, AccountOpened)
        await self.store.sequencer.submit(Deposit("d", opened.account_id, BTC, 10 * ONE))
        return opened.account_id

    async def withdraw(self, name: str, amount: int = ONE, *, is_confirmed: bool = True) -> int:
        command = RequestWithdrawal(name, 1, BTC, amount, make_address(), NAME, is_confirmed)
        requested = (await self.store.sequencer.submit(command))[0]
        assert isinstance(requested, WithdrawalRequested), requested
        return requested.withdrawal_id

    def status(self, number: int) -> str:
        found = views.withdrawal(self.store.exchange, number)
        assert found is not None
        return found.status.name

    def credited(self) -> int:
        """How many deposits are completed."""
        found = views.deposits(self.store.exchange, all=True)
        return sum(1 for row in found if row.status is DepositStatus.COMPLETED)

    async def move(self, number: int, step: str, note: str = "") -> str:
        row = await self.ask(requests.MoveWithdrawal(number, step, note))
        assert isinstance(row, requests.WithdrawalRow)
        return row.status

    async def custody(self) -> requests.CustodyRow:
        row = await self.ask(requests.Custody())
        assert isinstance(row, requests.CustodyRow)
        return row


@pytest.fixture
async def bank(settings: Settings) -> AsyncIterator[Bank]:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        office = Office(store, settings, clock)
        made = Bank(store, office)
        await made.open()
        async with office:
            await until(lambda: office.counter.trouble is None)
            yield made


@pytest.mark.spec("OPER-001")
async def test_a_deposit_by_name_number_and_address(bank: Bank) -> None:
    address = await bank.ask(requests.DepositAddress("alice", "btc"))
    assert isinstance(address, requests.AddressRow)
    for who in ("alice", "1", address.address):
        row = await bank.ask(requests.ChainDeposit(who, "1.5", "BTC"))
        assert isinstance(row, requests.ChainRow) and len(row.said) == 64
    await bank.ask(requests.ChainMine(3))
    await until(lambda: bank.credited() == 3)
    rows = await bank.ask(requests.Deposits())
    assert isinstance(rows, list)
    assert [(row.owner, row.amount, row.net, row.status) for row in rows] == [("alice", "1.5", "1.5", "COMPLETED")] * 3
    transactions = await bank.ask(requests.ChainList())
    assert isinstance(transactions, list)
    transaction = transactions[0]
    assert (transaction.kind, transaction.status, transaction.confirmations) == ("deposit", "MINED", 3)
    for who, amount, asset in (
        ("nobody", "1", "BTC"),
        ("7", "1", "BTC"),
        ("0", "1", "BTC"),
        ("alice", "-1", "BTC"),
        ("alice", "0", "BTC"),
        ("alice", "much", "BTC"),
        ("alice", "1", "XYZ"),
    ):
        with pytest.raises(Refused):
            await bank.ask(requests.ChainDeposit(who, amount, asset))


@pytest.mark.spec("OPER-002")
async def test_withdrawals_are_moved_as_the_core_lets_them(bank: Bank) -> None:
    await bank.ask(requests.AmendAsset("BTC", {"withdrawal_approval_above": "0.5"}))
    waiting, held, small = (
        await bank.withdraw("a"),
        await bank.withdraw("b"),
        await bank.withdraw("c", is_confirmed=False),
    )
    await until(lambda: bank.status(waiting) == bank.status(held) == "WAITING_FOR_APPROVAL")
    assert await bank.move(held, "suspect", "an odd address") == "SUSPECTED"
    assert await bank.move(held, "suspect") == "SUSPECTED"
    assert await bank.move(held, "release") == "SUBMITTED"
    await until(lambda: bank.status(held) == "WAITING_FOR_APPROVAL")
    await bank.move(held, "suspect")
    with pytest.raises(Refused, match=f"Withdrawal {small} is PREPARED"):
        await bank.move(small, "approve")
    assert await bank.move(small, "confirm") == "SUBMITTED"
    assert await bank.move(waiting, "approve") == "PROCESSING"
    assert await bank.move(held, "approve", "looked at") == "PROCESSING"
    for step in ("reject", "cancel", "suspect", "release", "confirm"):
        with pytest.raises(Refused):
            await bank.move(waiting, step)
    chain = bank.office.custody
    assert isinstance(chain, SimulatedChain)
    paid: list[int] = []
    while len(paid) < 2:
        paid = [int(row.key.partition("-")[0]) for row in await chain.transactions()]
    assert sorted(paid) == [waiting, held]
    refused = await bank.withdraw("d")
    assert await bank.move(refused, "reject", "no") == "REJECTED"
    assert await bank.move(await bank.withdraw("e", is_confirmed=False), "cancel") == "CANCELLED"
    rows = await bank.ask(requests.Withdrawals(is_all=True, limit=2))
    assert isinstance(rows, list)
    assert [(row.withdrawal_id, row.status) for row in rows] == [(5, "CANCELLED"), (4, "REJECTED")]
    for number, step in ((99, "approve"), (small, "burn")):
        with pytest.raises(Refused, match="There is no"):
            await bank.move(number, step)


@pytest.mark.spec("OPER-003")
async def test_terms_of_assets(bank: Bank) -> None:
    changes = {"withdrawal_fee": "0.0005", "withdrawal_day_max": "2", "deposit_min": "0.001"}
    row = await bank.ask(requests.AmendAsset("btc", changes))
    assert row == requests.AssetAmended("BTC", {name: ("0", amount) for name, amount in changes.items()})
    again = await bank.ask(requests.AmendAsset("BTC", {"withdrawal_fee": "0.0005", "deposit_min": "0"}))
    assert again == requests.AssetAmended("BTC", {"deposit_min": ("0.001", "0")})
    listed = await bank.ask(requests.Assets())
    assert isinstance(listed, list)
    assert listed[0].terms["withdrawal_fee"] == "0.0005"
    for symbol, wrong in (
        ("XYZ", {}),
        ("BTC", {"symbol": "1"}),
        ("BTC", {"withdrawal_fee": "-1"}),
        ("BTC", {"withdrawal_fee": "free"}),
        ("BTC", {"withdrawal_fee": "0.000000001"}),
        ("BTC", {"withdrawal_day_max": "100000000000"}),
    ):
        with pytest.raises(Refused):
            await bank.ask(requests.AmendAsset(symbol, wrong))


@pytest.mark.spec("OPER-004", "FUNDS-009")
async def test_an_incident_is_shown_and_resolved(bank: Bank) -> None:
    chain = bank.office.custody
    assert isinstance(chain, SimulatedChain)
    assert (await bank.custody()).trouble is None
    await chain.send(Payment("50-x", 50, "BTC", NAME, ONE, make_address()))
    await until(lambda: bank.office.counter.closed is not None)
    number = await bank.withdraw("a")
    row = await bank.custody()
    assert row.is_closed
    assert bank.status(number) == "SUBMITTED"
    assert await bank.move(number, "cancel") == "CANCELLED"
    assert row.trouble == "The custody has a payment that this exchange never ordered. (50-x)"
    [incident] = row.incidents
    assert (incident.subject, incident.is_closing) == ("50-x", True)
    with pytest.raises(Refused, match="needs a reason"):
        await bank.ask(requests.Resolve(incident.incident_id, " "))
    with pytest.raises(Refused, match="No incident 99"):
        await bank.ask(requests.Resolve(99, "why"))
    done = await bank.ask(requests.Resolve(incident.incident_id, "ours, from the old exchange"))
    assert done == requests.CustodyRow(NAME, None, False, ())


@pytest.mark.spec("OPER-005")
async def test_the_chain_does_wrong_as_it_is_told(bank: Bank) -> None:
    row = await bank.ask(requests.ChainPlan(fail_next=2, lose_next=1, is_away=True))
    assert isinstance(row, requests.ChainRow)
    assert (row.fail_next, row.lose_next, row.is_away) == (2, 1, True)
    with pytest.raises(Unavailable):
        await bank.ask(requests.DepositAddress("alice", "BTC"))
    row = await bank.ask(requests.ChainPlan(fail_next=0, lose_next=0, is_away=False))
    assert isinstance(row, requests.ChainRow)
    assert (row.fail_next, row.lose_next, row.is_away) == (0, 0, False)
    sent = await bank.ask(requests.ChainDeposit("alice", "1", "BTC", 5))
    assert isinstance(sent, requests.ChainRow)
    for wish in (requests.ChainLose(sent.said), requests.ChainRevive(sent.said[:10]), requests.ChainMine(7)):
        await bank.ask(wish)
    taken = await bank.ask(requests.ChainReorganise(7))
    assert isinstance(taken, requests.ChainRow)
    assert taken.said == "1"
    for bad in (requests.ChainLose("none"), requests.ChainRevive(sent.said), requests.ChainMine(0)):
        with pytest.raises(Refused):
            await bank.ask(bad)


@pytest.mark.spec("OPER-006", "FUNDS-009")
async def test_without_a_custody_there_is_nothing_to_do(settings: Settings) -> None:
    clock = FakeClock()
    settings = replace(settings, custody="none")
    async with open_store(settings, clock=clock) as store:
        office = Office(store, settings, clock)
        bank = Bank(store, office)
        account_id = await bank.open()
        async with office:
            assert office.counter.closed == office.counter.trouble == NO_CUSTODY
            assert office.counter.networks("BTC") == ()
            assert office.counter.check_address("BTC", "", make_address()) == NO_CUSTODY
            assert await office.counter.addresses(account_id) == {}
            assert await bank.custody() == requests.CustodyRow("none", NO_CUSTODY, True, ())
            for wish in (
                requests.DepositAddress("alice", "BTC"),
                requests.ChainDeposit("alice", "1", "BTC"),
                requests.ChainPlan(),
                requests.Resolve(1, "why"),
            ):
                with pytest.raises(Refused):
                    await bank.ask(wish)


@pytest.mark.spec("OPER-007")
async def test_an_account_has_its_addresses(bank: Bank) -> None:
    await bank.store.sequencer.submit(ListAsset(Asset(4, "ETH")))
    found = await bank.office.counter.addresses(1)
    assert list(found.values()) == [["BTC", "ETH"]]
    assert await bank.office.counter.addresses(1) == found
    assert await bank.office.counter.addresses(99) == {}
    assert await bank.office.counter.addresses(0) == {}, "the insurance fund has none"


@pytest.mark.spec("OPER-008")
async def test_demo_keys_may_withdraw_and_older_ones_are_made_anew(settings: Settings) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        for number, symbol in enumerate(("USD", "USDT", "BTC", "ETH"), 1):
            await store.sequencer.submit(ListAsset(Asset(number, symbol)))
        embedded = replace(settings, database_url=None)
        first = await prepare_demo(store, embedded)
        assert first is not None
        assert first == await prepare_demo(store, embedded)
        key = store.identity.find(first.accounts[0].api_key)
        assert key is not None and key.scopes == SCOPES
