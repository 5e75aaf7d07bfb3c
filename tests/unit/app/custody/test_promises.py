"""What every custody promises, asked of two that have nothing in common; and the cashier at work with the second."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.custody.base import Custody, Payment, PaymentDiffers, PaymentRefused, SeenDeposit, SeenPayment
from app.custody.names import holder_of
from app.custody.simulated import SimulatedChain, make_address
from app.settings import Settings
from app.store import open_store
from exchange.commands import WithdrawalStatus
from exchange.events import DepositStatus
from tests.small import FakeClock
from tests.support.custody import ALICE, BOB, ONE, World
from tests.support.ledger_custody import LedgerService

Pay = Callable[[str, str, int], Awaitable[str]]


class Case:
    """A custody, an address outside, and a way to pay from outside."""

    def __init__(self, custody: Custody, outside: str, pay: Pay) -> None:
        self.custody = custody
        self.outside = outside
        self.pay = pay
        self.network = custody.networks("BTC")[0]

    def payment(self, key: str, amount: int = ONE) -> Payment:
        return Payment(key, 7, "BTC", self.network, amount, self.outside)

    async def told(self, cursor: str = "") -> tuple[list[SeenPayment], list[SeenDeposit], str]:
        """All that it tells from a cursor on."""
        payments: list[SeenPayment] = []
        deposits: list[SeenDeposit] = []
        is_more = True
        while is_more:
            part = await self.custody.changes(cursor)
            payments += part.payments
            deposits += part.deposits
            cursor, is_more = part.cursor, part.is_more
        return payments, deposits, cursor


@pytest.fixture(params=["simulated", "ledger"])
async def case(request: pytest.FixtureRequest, chain: SimulatedChain) -> AsyncIterator[Case]:
    if request.param == "simulated":
        yield Case(chain, make_address(), chain.deposit)
    else:
        service = LedgerService()
        yield Case(service, "fast:somewhere", service.pay)


@pytest.mark.spec("CASH-019")
async def test_addresses_are_good_and_stay(case: Case) -> None:
    found = await case.custody.address("1-alice", "BTC", case.network)
    assert await case.custody.address("1-alice", "BTC", case.network) == found
    assert await case.custody.address("2-bob", "BTC", case.network) != found
    assert case.custody.check_address("BTC", case.network, found) is None
    assert case.custody.check_address("BTC", case.network, case.outside) is None
    assert case.custody.check_address("BTC", case.network, "nowhere")


@pytest.mark.spec("CASH-019")
async def test_a_key_is_paid_once(case: Case) -> None:
    for _ in range(3):
        await case.custody.send(case.payment("7-a"))
    with pytest.raises(PaymentDiffers):
        await case.custody.send(case.payment("7-a", amount=2 * ONE))
    with pytest.raises(PaymentRefused):
        await case.custody.send(msgspec.structs.replace(case.payment("8-b"), address="nowhere"))
    payments, deposits, _ = await case.told()
    assert {seen.payment for seen in payments} == {case.payment("7-a")}
    assert len({seen.transaction for seen in payments}) == 1
    assert deposits == []


@pytest.mark.spec("CASH-019")
async def test_nothing_is_left_out_and_an_old_cursor_stays_good(case: Case) -> None:
    address = await case.custody.address("1-alice", "BTC", case.network)
    first = await case.pay(address, "BTC", 1)
    payments, deposits, cursor = await case.told()
    assert ([seen.transaction for seen in deposits], payments) == ([first], [])
    assert (await case.told(cursor))[:2] == ([], [])
    later = [await case.pay(address, "BTC", number) for number in range(2, 9)]
    await case.custody.send(case.payment("7-a"))
    for old, expected in ((cursor, set(later)), ("", {first, *later}), ("no cursor", {first, *later})):
        payments, deposits, _ = await case.told(old)
        assert {seen.transaction for seen in deposits} >= expected
        assert {seen.holder for seen in deposits} == {"1-alice"}
        assert [seen.payment.key for seen in payments] == ["7-a"]


@pytest.mark.spec("CASH-019")
async def test_the_cashier_works_with_another_custody(
    settings: Settings, engine: AsyncEngine, chain: SimulatedChain, clock: FakeClock
) -> None:
    service: Any = LedgerService()
    async with open_store(settings, clock=clock) as store:
        world = World(store, engine, chain, clock)
        await world.open()
        world.restart(custody=service)
        before = world.held(ALICE), world.held(BOB)
        address = await service.address(holder_of(ALICE, "customer1"), "BTC", "slow")
        transaction = await service.pay(address, "BTC", ONE)
        out = await world.ask(2 * ONE, address="fast:somewhere", network="fast")
        across = await world.ask(ONE, address=f"slow:BTC/{holder_of(BOB, 'customer2')}", network="slow")
        wrong = await world.ask(ONE, address="fast:somewhere", network="slow")
        for _ in range(3):
            world.restart(custody=service)
            await world.cashier.round()
        assert world.deposit_status(transaction) is DepositStatus.COMPLETED
        assert [world.status(number) for number in (out, across)] == [WithdrawalStatus.SUCCEEDED] * 2
        assert world.status(wrong) is WithdrawalStatus.REJECTED
        assert (world.held(ALICE), world.held(BOB)) == (before[0] - 2 * ONE, before[1] + ONE)
        assert world.kinds() == []
