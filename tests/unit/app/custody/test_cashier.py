"""The cashier between an exchange and the simulated chain: what it does when all is well, and when nothing is."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.custody.base import CustodyUnavailable, Payment, PaymentRefused, SeenDeposit, SeenPayment
from app.custody.incidents import IncidentKind, NoIncident
from app.custody.names import account_of, holder_of
from app.custody.simulated import NAME, SimulatedChain, make_address
from app.faults import JournalUnavailable
from app.settings import Settings
from app.store import open_store
from exchange import views
from exchange.commands import AdvanceWithdrawal, AmendAsset, Command, WithdrawalStatus
from exchange.events import CommandRejected, DepositStatus, Event
from exchange.instrument import Asset
from tests.small import BTC, USD, FakeClock
from tests.support.custody import ALICE, BOB, NEEDED, ONE, Fuse, World
from tests.waiting import until, until_async

SUBMITTED = WithdrawalStatus.SUBMITTED
PROCESSING = WithdrawalStatus.PROCESSING
SUCCEEDED = WithdrawalStatus.SUCCEEDED
FAILED = WithdrawalStatus.FAILED
CANCELLED = WithdrawalStatus.CANCELLED
WAITING = WithdrawalStatus.WAITING_FOR_APPROVAL
START = 10**10
"""What everybody has of each asset at first, at least."""


@pytest.fixture
async def world(
    settings: Settings, engine: AsyncEngine, chain: SimulatedChain, clock: FakeClock
) -> AsyncIterator[World]:
    async with open_store(settings, clock=clock) as store:
        made = World(store, engine, chain, clock)
        await made.open()
        yield made


async def terms(world: World, **changes: int) -> None:
    await world.done(AmendAsset(Asset(BTC, "BTC", **changes)))


# --- in --------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("CASH-001")
async def test_a_deposit_is_credited_with_enough_confirmations(world: World) -> None:
    transaction = await world.pay_in()
    await world.cashier.round()
    assert world.deposit_status(transaction) is DepositStatus.PENDING
    await world.pass_blocks(NEEDED - 1)
    assert (world.deposit_status(transaction), world.held()) == (DepositStatus.PENDING, START)
    await world.pass_blocks()
    assert (world.deposit_status(transaction), world.held()) == (DepositStatus.COMPLETED, START + ONE)
    seq = world.store.sequencer.seq
    await world.pass_blocks(5)
    assert (world.held(), world.store.sequencer.seq) == (START + ONE, seq), "nothing more to say about it"
    await world.check_books()


@pytest.mark.spec("CASH-001")
async def test_an_asset_has_its_own_confirmations(world: World) -> None:
    world.confirmations["BTC"] = 1
    transaction = await world.pay_in()
    other = await world.pay_in(asset="USD")
    await world.pass_blocks()
    assert world.deposit_status(transaction) is DepositStatus.COMPLETED
    assert world.deposit_status(other, "USD") is DepositStatus.PENDING


@pytest.mark.spec("CASH-002")
async def test_a_deposit_that_goes_is_not_credited_and_may_come_late(world: World) -> None:
    transaction = await world.pay_in()
    await world.pass_blocks(2)
    await world.chain.reorganise(2, is_lost=True)
    await world.cashier.round()
    assert (world.deposit_status(transaction), world.held()) == (DepositStatus.FAILED, START)
    await world.pass_blocks(3)
    await world.chain.revive(transaction)
    await world.pass_blocks(2)
    assert world.deposit_status(transaction) is DepositStatus.FAILED
    await world.pass_blocks(2)
    assert (world.deposit_status(transaction), world.held()) == (DepositStatus.COMPLETED, START + ONE)
    assert world.kinds() == []


@pytest.mark.spec("CASH-002")
async def test_confirmations_that_go_down_are_counted_anew(world: World) -> None:
    transaction = await world.pay_in()
    await world.pass_blocks(2)
    await world.chain.reorganise(2)
    await world.pass_blocks(2)
    assert world.deposit_status(transaction) is DepositStatus.PENDING
    await world.pass_blocks(1)
    assert (world.deposit_status(transaction), world.held()) == (DepositStatus.COMPLETED, START + ONE)
    assert world.kinds() == []


@pytest.mark.spec("CASH-002")
async def test_a_deposit_that_was_never_seen_before_it_went_is_nothing(world: World) -> None:
    transaction = await world.pay_in()
    await world.chain.lose(transaction)
    await world.pass_blocks(2)
    assert world.deposit_status(transaction) is None


@pytest.mark.spec("CASH-003")
async def test_dust_fails_and_is_not_said_again(world: World) -> None:
    await terms(world, deposit_min=1_000, deposit_fee=100)
    dust = await world.pay_in(999)
    enough = await world.pay_in(1_000)
    await world.pass_blocks(NEEDED)
    assert world.deposit_status(dust) is DepositStatus.FAILED
    assert world.deposit_status(enough) is DepositStatus.COMPLETED
    assert world.held() == START + 900
    seq = world.store.sequencer.seq
    await world.pass_blocks(3)
    assert world.store.sequencer.seq == seq
    one = await world.pay_in(1)
    await world.pass_blocks(NEEDED)
    assert world.deposit_status(one) is DepositStatus.FAILED


@pytest.mark.spec("CASH-004")
async def test_what_the_exchange_cannot_take_is_written_down_and_closes_nothing(world: World) -> None:
    huge = await world.pay_in(10**18 + 1)
    beyond = await world.pay_in(10**40)
    strange = await world.pay_in(asset="XYZ")
    stranger = await world.chain.address(holder_of(ALICE, "somebody else"))
    unclaimed = await world.chain.deposit(stranger, "BTC", ONE)
    nobody = await world.chain.deposit(await world.chain.address("77-customer77"), "BTC", ONE)
    good = await world.pay_in()
    await world.pass_blocks(NEEDED)
    found = {incident.subject: incident.kind for incident in world.incidents.standing()}
    assert found == {
        f"BTC{huge}": IncidentKind.DEPOSIT_REFUSED,
        f"BTC{beyond}": IncidentKind.DEPOSIT_REFUSED,
        f"XYZ{strange}": IncidentKind.DEPOSIT_UNCLAIMED,
        f"BTC{unclaimed}": IncidentKind.DEPOSIT_UNCLAIMED,
        f"BTC{nobody}": IncidentKind.DEPOSIT_UNCLAIMED,
    }
    assert world.deposit_status(good) is DepositStatus.COMPLETED
    assert world.held() == START + ONE
    assert world.cashier.closed is None


@pytest.mark.spec("CASH-004")
def test_only_our_holders_are_ours() -> None:
    assert account_of(holder_of(7, "a-b-c")) == (7, "a-b-c")
    for strange in ("", "7", "7-", "-x", "x-7", "+7-x", "7" * 19 + "-x"):
        assert account_of(strange) is None, strange


# --- out -------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("CASH-005")
async def test_a_withdrawal_goes_its_way(world: World) -> None:
    await terms(world, withdrawal_fee=500)
    number = await world.ask(ONE)
    assert world.status(number) is SUBMITTED
    await world.cashier.round()
    assert world.status(number) is PROCESSING
    [row] = await world.chain.transactions()
    assert (row.amount, row.address) == (ONE - 500, world.withdrawal(number).address)
    await world.pass_blocks(NEEDED - 1)
    assert (world.status(number), world.withdrawal(number).transaction) == (PROCESSING, row.transaction)
    await world.pass_blocks()
    assert (world.status(number), world.held()) == (SUCCEEDED, START - ONE)
    await world.pass_blocks(3)
    assert await world.sent() == {number: 1}
    await world.check_books()


@pytest.mark.spec("CASH-005")
async def test_what_is_processing_is_sent_again_after_a_start(world: World) -> None:
    number = await world.ask()
    await world.cashier.round()
    await world.cashier.round()  # the cursor has passed it
    for _ in range(3):
        fuse = Fuse()
        world.restart(fuse)
        await world.cashier.round()
        assert fuse.moments == 4, "asked for changes, and sent"
    assert await world.sent() == {number: 1}


@pytest.mark.spec("CASH-005")
async def test_one_that_waits_for_its_owner_stays(world: World) -> None:
    number = await world.ask(is_confirmed=False)
    await world.pass_blocks(2)
    assert world.status(number) is WithdrawalStatus.PREPARED
    await world.advance(number, SUBMITTED, ALICE)
    await world.pass_blocks(NEEDED + 1)
    assert world.status(number) is SUCCEEDED


@pytest.mark.spec("CASH-006")
async def test_a_large_one_waits_for_a_person(world: World) -> None:
    await terms(world, withdrawal_approval_above=ONE)
    small, large, refused = await world.ask(ONE), await world.ask(ONE + 1), await world.ask(2 * ONE)
    await world.pass_blocks(NEEDED + 1)
    assert [world.status(number) for number in (small, large, refused)] == [SUCCEEDED, WAITING, WAITING]
    await world.advance(large, PROCESSING)
    await world.advance(refused, WithdrawalStatus.REJECTED)
    await world.pass_blocks(NEEDED + 1)
    assert world.status(large) is SUCCEEDED
    assert await world.sent() == {small: 1, large: 1}
    assert world.held() == START - 2 * ONE - 1


@pytest.mark.spec("CASH-007")
async def test_a_payment_that_fails_comes_back(world: World) -> None:
    await world.chain.fail_next(1)
    number = await world.ask()
    await world.pass_blocks(2)
    assert (world.status(number), world.held()) == (FAILED, START)
    assert world.withdrawal(number).transaction != ""
    other = await world.ask()
    await world.cashier.round()
    [row] = [row for row in await world.chain.transactions() if row.key.startswith(f"{other}-")]
    await world.chain.lose(row.transaction, "out of funds")
    await world.cashier.round()
    assert (world.status(other), world.withdrawal(other).note) == (FAILED, "out of funds")
    assert world.held() == START
    await world.check_books()


@pytest.mark.spec("CASH-008")
async def test_what_the_custody_could_not_pay_is_rejected_before_it_is_sent(world: World) -> None:
    good = make_address()
    wrong = await world.ask(address=good[:-1] + ("0" if good[-1] != "0" else "1"))
    elsewhere = await world.ask(network="elsewhere")
    await world.pass_blocks(2)
    assert world.status(wrong) is WithdrawalStatus.REJECTED
    assert "checksum" in world.withdrawal(wrong).note
    assert world.status(elsewhere) is WithdrawalStatus.REJECTED
    assert await world.chain.transactions() == []
    assert world.held() == START


@pytest.mark.spec("CASH-008")
async def test_one_that_an_operator_let_by_fails(world: World) -> None:
    await terms(world, withdrawal_approval_above=1)
    wrong = await world.ask(address="sim1nowhere")
    await world.cashier.round()
    await world.advance(wrong, PROCESSING)
    await world.cashier.round()
    assert (world.status(wrong), world.held()) == (FAILED, START)


@pytest.mark.spec("CASH-009")
async def test_its_owner_may_cancel_until_it_is_processing(world: World) -> None:
    number = await world.ask()
    await world.advance(number, CANCELLED, ALICE)
    await world.pass_blocks(2)
    assert (await world.chain.transactions(), world.held()) == ([], START)
    other = await world.ask()
    cashier = asyncio.ensure_future(world.cashier.round())
    cancelling = asyncio.ensure_future(world.submit(cancel(other)))
    events, _ = await asyncio.gather(cancelling, cashier)
    await world.pass_blocks(NEEDED + 1)
    is_cancelled = not isinstance(events[0], CommandRejected)
    assert world.status(other) is (CANCELLED if is_cancelled else SUCCEEDED)
    assert await world.sent() == ({} if is_cancelled else {other: 1})
    await world.check_books()


def cancel(number: int) -> Command:
    return AdvanceWithdrawal(number, CANCELLED, account_id=ALICE)


@pytest.mark.spec("CASH-010")
async def test_a_withdrawal_to_another_customer_is_a_deposit(world: World) -> None:
    number = await world.ask(address=await world.address(BOB))
    await world.pass_blocks(NEEDED + 1)
    assert world.status(number) is SUCCEEDED
    assert (world.held(ALICE), world.held(BOB)) == (START - ONE, START + ONE)
    await world.check_books()


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.spec("CASH-011")
async def test_nothing_is_lost_while_the_custody_is_away(world: World) -> None:
    await world.cashier.round()
    await world.chain.go_away(True)
    number = await world.ask()
    transaction = await world.pay_in_known()
    with pytest.raises(CustodyUnavailable):
        await world.cashier.round()
    assert world.status(number) is SUBMITTED, "nothing is begun that cannot be followed"
    await world.advance(number, CANCELLED, ALICE)
    other = await world.ask()
    await world.chain.go_away(False)
    await world.pass_blocks(NEEDED + 1)
    assert world.status(other) is SUCCEEDED
    assert world.deposit_status(transaction) is DepositStatus.COMPLETED


@pytest.mark.spec("CASH-011")
async def test_an_answer_that_was_lost_is_asked_for_again(world: World) -> None:
    await world.chain.lose_next(1)
    number = await world.ask()
    with pytest.raises(CustodyUnavailable):
        await world.cashier.round()
    assert (world.status(number), await world.sent()) == (PROCESSING, {number: 1})
    await world.pass_blocks(NEEDED + 1)
    assert (world.status(number), await world.sent()) == (SUCCEEDED, {number: 1})


@pytest.mark.spec("CASH-011")
async def test_a_journal_that_is_away_leaves_the_cursor(world: World) -> None:
    transaction = await world.pay_in()
    is_away = True

    async def submit(command: Command) -> list[Event]:
        if is_away:
            raise JournalUnavailable("away", is_unknown=True)
        return await world.submit(command)

    world.cashier._submit = submit
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            await world.pass_blocks()
    is_away = False
    await world.pass_blocks(NEEDED)
    assert world.deposit_status(transaction) is DepositStatus.COMPLETED


@pytest.mark.spec("CASH-012")
async def test_success_after_failure_closes_the_counter(world: World) -> None:
    await world.chain.fail_next(1)
    number = await world.ask()
    await world.pass_blocks(2)
    assert (world.status(number), world.held()) == (FAILED, START)
    [row] = await world.chain.transactions()
    await world.chain.revive(row.transaction)
    await world.pass_blocks(2)
    assert world.kinds() == [IncidentKind.PAID_AFTER_END]
    assert world.held() == START, "what the core did stays done"
    other = await world.ask()
    transaction = await world.pay_in()
    await world.pass_blocks(NEEDED)
    assert world.status(other) is SUBMITTED
    assert world.deposit_status(transaction) is DepositStatus.COMPLETED, "money still comes in"
    assert world.cashier.closed is not None
    assert str(number) in world.cashier.closed
    [incident] = world.incidents.standing()
    await world.incidents.resolve(incident.incident_id, "debited by hand")
    await world.pass_blocks(NEEDED + 1)
    assert world.status(other) is SUCCEEDED
    assert world.kinds() == []


@pytest.mark.spec("CASH-012")
async def test_an_incident_stands_after_a_restart_and_is_resolved_once(world: World) -> None:
    await world.chain.send(Payment("99-unknown", 99, "BTC", NAME, ONE, make_address()))
    await world.cashier.round()
    world.restart()
    assert world.cashier.closed is not None, "not read yet is closed"
    await world.cashier.round()
    assert world.kinds() == [IncidentKind.UNKNOWN_PAYMENT]
    [incident] = world.incidents.standing()
    done = await world.incidents.resolve(incident.incident_id, "known")
    assert (done.reason, done.resolved_ms) == ("known", world.clock.now_ms)
    with pytest.raises(NoIncident):
        await world.incidents.resolve(incident.incident_id, "again")
    world.restart()
    await world.pass_blocks(3)
    assert world.kinds() == []


@pytest.mark.spec("CASH-013")
@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_credited_deposit_that_goes_closes_the_counter(world: World, is_lost: bool) -> None:
    transaction = await world.pay_in()
    await world.pass_blocks(NEEDED)
    await world.chain.reorganise(NEEDED, is_lost=is_lost)
    await world.cashier.round()
    assert world.kinds() == [IncidentKind.CREDIT_GONE]
    assert (world.deposit_status(transaction), world.held()) == (DepositStatus.COMPLETED, START + ONE)
    number = await world.ask()
    await world.pass_blocks(2)
    assert world.status(number) is SUBMITTED


@pytest.mark.spec("CASH-013")
async def test_a_payment_that_arrived_and_goes_closes_the_counter(world: World) -> None:
    number = await world.ask()
    await world.pass_blocks(NEEDED + 1)
    assert world.status(number) is SUCCEEDED
    await world.chain.reorganise(NEEDED + 1)
    await world.cashier.round()
    assert world.kinds() == [], "it waits for another block, and its owner with it"
    await world.chain.lose(world.withdrawal(number).transaction)
    await world.cashier.round()
    assert world.kinds() == [IncidentKind.PAYMENT_GONE]


class Liar:
    """A custody that says of everything what it is told to say."""

    def __init__(self, chain: SimulatedChain) -> None:
        self._chain = chain
        self.payments: tuple[SeenPayment, ...] = ()
        self.deposits: tuple[SeenDeposit, ...] = ()
        self.name = NAME

    def __getattr__(self, name: str) -> object:
        return getattr(self._chain, name)

    async def changes(self, cursor: str) -> object:
        found = await self._chain.changes(cursor)
        return msgspec.structs.replace(
            found,
            payments=found.payments + self.payments,
            deposits=found.deposits + self.deposits,
        )


@pytest.mark.spec("CASH-014")
async def test_a_deposit_that_changes_its_contents_is_not_credited(world: World) -> None:
    transaction = await world.pay_in()
    await world.cashier.round()
    [seen] = (await world.chain.changes("")).deposits
    liar = Liar(world.chain)
    liar.deposits = (msgspec.structs.replace(seen, amount=2 * ONE, confirmations=NEEDED),)
    world.restart(custody=liar)  # type: ignore[arg-type]
    await world.cashier.round()
    assert world.kinds() == [IncidentKind.DEPOSIT_DIFFERS]
    assert (world.deposit_status(transaction), world.held()) == (DepositStatus.PENDING, START)


@pytest.mark.spec("CASH-014")
async def test_a_payment_with_other_contents_closes_the_counter(world: World) -> None:
    number = await world.ask()
    await world.cashier.round()
    [seen] = (await world.chain.changes("")).payments
    liar = Liar(world.chain)
    other = msgspec.structs.replace(seen.payment, amount=2 * ONE)
    liar.payments = (msgspec.structs.replace(seen, payment=other, confirmations=NEEDED),)
    world.restart(custody=liar)  # type: ignore[arg-type]
    await world.cashier.round()
    assert world.kinds() == [IncidentKind.PAYMENT_DIFFERS]
    assert world.status(number) is PROCESSING


WORDS = "RPC error -6:\n\tinsufficient funds\x00" + "x" * 300


@pytest.mark.spec("CASH-021")
async def test_a_payment_that_failed_comes_back_whatever_is_said_of_it(world: World) -> None:
    number = await world.ask()
    await world.cashier.round()
    [seen] = (await world.chain.changes("")).payments
    liar = Liar(world.chain)
    liar.payments = (msgspec.structs.replace(seen, is_failed=True, note=WORDS),)
    world.restart(custody=liar)  # type: ignore[arg-type]
    await world.cashier.round()
    assert (world.status(number), world.kinds()) == (FAILED, [])
    assert world.withdrawal(number).note.startswith("RPC error -6:  insufficient funds xxx")


class Refuser(Liar):
    """A custody that pays nothing."""

    async def send(self, _payment: Payment) -> None:
        raise PaymentRefused(WORDS)


@pytest.mark.spec("CASH-021")
async def test_a_payment_that_is_refused_comes_back_whatever_is_said_of_it(world: World) -> None:
    number = await world.ask()
    world.restart(custody=Refuser(world.chain))  # type: ignore[arg-type]
    await world.cashier.round()
    assert (world.status(number), world.kinds()) == (FAILED, [])
    await world.check_books()


@pytest.mark.spec("CASH-021")
async def test_what_the_exchange_cannot_take_of_a_payment_is_said(world: World) -> None:
    number = await world.ask()
    await world.cashier.round()
    [seen] = (await world.chain.changes("")).payments
    liar = Liar(world.chain)
    liar.payments = (msgspec.structs.replace(seen, transaction="T" * 257, confirmations=NEEDED),)
    world.restart(custody=liar)  # type: ignore[arg-type]
    await world.cashier.round()
    assert (world.status(number), world.kinds()) == (PROCESSING, [IncidentKind.PAYMENT_REFUSED])
    assert world.cashier.closed is not None


@pytest.mark.spec("CASH-014")
async def test_one_transaction_may_pay_to_several(world: World) -> None:
    await world.pay_in()
    await world.pass_blocks(NEEDED)
    [seen] = (await world.chain.changes("")).deposits
    liar = Liar(world.chain)
    liar.deposits = tuple(msgspec.structs.replace(seen, output=output) for output in (1, 2))
    world.restart(custody=liar)  # type: ignore[arg-type]
    await world.cashier.round()
    await world.cashier.round()
    assert world.held() == START + 3 * ONE
    assert [row.reference for row in views.deposits(world.store.exchange, all=True)] == [
        f"BTC{seen.transaction}",
        f"BTC{seen.transaction}:1",
        f"BTC{seen.transaction}:2",
    ]


@pytest.mark.spec("CASH-015")
async def test_a_bug_of_ours_ends_it_loudly(world: World) -> None:
    async def broken(_command: Command) -> list[Event]:
        raise ZeroDivisionError("a bug")

    await world.ask()
    world.cashier._submit = broken
    world.cashier.start()
    try:
        await until(lambda: "a bug" in (world.cashier.closed or ""))
    finally:
        await world.cashier.stop()


@pytest.mark.spec("CASH-015")
async def test_it_moves_at_once_what_moves(world: World) -> None:
    world.restart(interval_s=3_600)
    world.store.listeners.add(world.cashier.tell)
    world.cashier.start()
    try:
        await until(lambda: world.cashier.trouble is None)
        number = await world.ask()
        await until(lambda: world.status(number) is PROCESSING)
    finally:
        await world.cashier.stop()


async def mined_until(world: World, number: int, status: WithdrawalStatus) -> bool:
    """Let a block come; tell whether a withdrawal stands there."""
    await world.chain.mine(1)
    return world.status(number) is status


@pytest.mark.spec("CASH-015")
async def test_it_works_by_itself_when_what_was_away_is_back(world: World) -> None:
    world.cashier.start()
    try:
        number = await world.ask()
        await until(lambda: world.status(number) is PROCESSING)
        await world.chain.go_away(True)
        await until(lambda: world.cashier.trouble is not None)
        await world.chain.go_away(False)
        await until_async(lambda: mined_until(world, number, SUCCEEDED))
        await until(lambda: world.cashier.trouble is None)
    finally:
        await world.cashier.stop()


@pytest.mark.spec("CASH-005")
async def test_dollars_go_too(world: World) -> None:
    number = await world.ask(asset_id=USD)
    transaction = await world.pay_in(asset="USD")
    await world.pass_blocks(NEEDED + 1)
    assert world.status(number) is SUCCEEDED
    assert world.deposit_status(transaction, "USD") is DepositStatus.COMPLETED
    await world.check_books()
