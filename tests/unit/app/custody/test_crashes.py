"""The cashier is struck down at every moment there is, and goes on as another one: nothing is lost, nothing is doubled."""

import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.custody.incidents import IncidentKind
from app.custody.names import holder_of, payment_of
from app.custody.simulated import SimulatedChain
from app.db.connect import connect, engine_for
from app.db.embedded import EmbeddedServer
from app.settings import Settings
from app.store import open_store
from exchange.commands import AmendAsset, OpenAccount, WithdrawalStatus
from exchange.events import AccountOpened, DepositStatus
from exchange.instrument import Asset
from tests.small import BTC, FakeClock
from tests.support.custody import ALICE, BLOCK_MS, BOB, NEEDED, ONE, Crash, Fuse, World

BLOCKS = NEEDED + 5
FEE = 700
HOUR_MS = 3_600_000


@pytest.fixture
async def world(
    settings: Settings, engine: AsyncEngine, chain: SimulatedChain, clock: FakeClock
) -> AsyncIterator[World]:
    async with open_store(settings, clock=clock) as store:
        made = World(store, engine, chain, clock)
        await made.open()
        await made.done(AmendAsset(Asset(BTC, "BTC", withdrawal_fee=FEE, deposit_fee=FEE)))
        yield made


async def play(world: World, *fuses: Fuse) -> list[WithdrawalStatus]:
    """A deposit, one that is lost, two withdrawals and one that fails, under cashiers with these fuses, one after another."""
    world.clock.now_ms += HOUR_MS  # so many may be asked for in a day
    waiting = list(fuses)
    world.restart(waiting.pop(0))
    before = world.held()
    coming = await world.pay_in(10 * ONE)
    lost = await world.pay_in(5 * ONE)
    await world.chain.fail_next(1)
    numbers = [
        await world.ask(ONE),
        await world.ask(2 * ONE, address=await world.address(BOB)),
        await world.ask(3 * ONE),
    ]
    for block in range(BLOCKS + len(fuses)):
        if block == 2:
            await world.chain.lose(lost)
        try:
            await world.pass_blocks()
        except Crash:
            world.restart(waiting.pop(0) if waiting else None)
    statuses = [world.status(number) for number in numbers]
    assert sorted(status.name for status in statuses) == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert world.deposit_status(coming) is DepositStatus.COMPLETED
    assert world.deposit_status(lost) in (DepositStatus.FAILED, None), "lost, perhaps before it was seen"
    paid = {number for number, status in zip(numbers, statuses, strict=True) if status is WithdrawalStatus.SUCCEEDED}
    sent = await world.sent()
    assert {number: sent.get(number, 0) for number in numbers} == {number: int(number in paid) for number in numbers}
    assert world.kinds() == []
    went = sum(world.withdrawal(number).amount for number in paid)
    assert world.held() == before + 10 * ONE - FEE - went
    await world.check_books()
    return statuses


@pytest.mark.spec("CASH-016")
async def test_a_crash_at_every_moment(world: World) -> None:
    whole = Fuse()
    await play(world, whole)
    assert whole.moments > 40
    for moment in range(1, whole.moments + 1):
        await play(world, Fuse(moment))


@pytest.mark.spec("CASH-016")
async def test_crashes_after_crashes(world: World) -> None:
    dice = random.Random(4)
    for _ in range(25):
        await play(world, *[Fuse(dice.randint(1, 12)) for _ in range(5)])


@pytest.mark.spec("CASH-016")
async def test_the_fuse_burns(world: World) -> None:
    world.restart(Fuse(1))
    with pytest.raises(Crash):
        await world.cashier.round()


async def carry_chain(source: str, target: str) -> None:
    """Let the chain of one database be that of the other: the outside world knows of no backup."""
    old, new = await connect(source), await connect(target)
    try:
        for table in ("chain_head", "chain_addresses", "chain_transactions"):
            await new.execute(f"TRUNCATE {table}")
            rows = await old.fetch(f"SELECT * FROM {table}")
            if rows:
                await new.copy_records_to_table(table, records=[tuple(row) for row in rows])
    finally:
        await old.close()
        await new.close()


@pytest.mark.spec("CASH-017")
async def test_an_exchange_of_an_old_backup_pays_nothing_before_a_person_has_looked(
    settings: Settings, database: str, postgres: EmbeddedServer, clock: FakeClock
) -> None:
    copy = "restored"
    admin = await connect(postgres.url("postgres"))
    await first_life(settings, database, clock, is_late=False)
    await admin.execute(f"CREATE DATABASE {copy} TEMPLATE {urlsplit(database).path[1:]}")
    try:
        transaction = await first_life(settings, database, clock, is_late=True)
        await carry_chain(database, postgres.url(copy))
        restored = Settings(
            database_url=postgres.url(copy), data_dir=settings.data_dir / "restored", master_key=settings.master_key
        )
        await second_life(restored, postgres.url(copy), clock, transaction)
    finally:
        await admin.execute(f"DROP DATABASE {copy} WITH (FORCE)")
        await admin.close()


async def first_life(settings: Settings, database: str, clock: FakeClock, *, is_late: bool) -> str:
    """Before the backup: a withdrawal. After it: another, a deposit, and an account that pays in; gives the deposit."""
    engine = engine_for(database)
    try:
        async with open_store(settings, clock=clock) as store:
            world = World(store, engine, SimulatedChain(engine, clock, block_ms=BLOCK_MS), clock)
            if not is_late:
                await world.open()
                number = await world.ask(ONE)
                await world.pass_blocks(NEEDED + 1)
                assert (number, world.status(number)) == (1, WithdrawalStatus.SUCCEEDED)
                return ""
            world.names = 50
            transaction = await world.pay_in(4 * ONE)
            number = await world.ask(2 * ONE)
            await world.pass_blocks(NEEDED + 1)
            assert (number, world.status(number)) == (2, WithdrawalStatus.SUCCEEDED)
            opened = (await world.done(OpenAccount("late", 4)))[0]
            assert isinstance(opened, AccountOpened)
            address = await world.chain.address(holder_of(opened.account_id, "customer4"))
            await world.chain.deposit(address, "BTC", ONE)
            await world.pass_blocks(NEEDED)
            return transaction
    finally:
        await engine.dispose()


async def second_life(settings: Settings, database: str, clock: FakeClock, transaction: str) -> None:
    """The restored exchange, which knows nothing of its second withdrawal and its late account."""
    engine = engine_for(database)
    try:
        async with open_store(settings, clock=clock) as store:
            world = World(store, engine, SimulatedChain(engine, clock, block_ms=BLOCK_MS), clock)
            world.names = 100
            before = world.held()
            number = await world.ask(3 * ONE)
            assert number == 2, "the number is given again"
            await world.pass_blocks(NEEDED)
            assert world.kinds() == [IncidentKind.UNKNOWN_PAYMENT, IncidentKind.DEPOSIT_UNCLAIMED]
            assert world.status(number) is WithdrawalStatus.SUBMITTED
            assert world.deposit_status(transaction) is DepositStatus.COMPLETED, "what came in is found again"
            assert world.held() == before + 4 * ONE
            stranger = (await world.done(OpenAccount("somebody else", 5)))[0]
            assert isinstance(stranger, AccountOpened)
            await world.pass_blocks()
            assert world.held(stranger.account_id) == 0, "the number is given again, the address is not"
            for incident in world.incidents.standing():
                await world.incidents.resolve(incident.incident_id, "booked by hand")
            await world.pass_blocks(NEEDED + 1)
            assert world.status(number) is WithdrawalStatus.SUCCEEDED
            paid = [row for row in await world.chain.transactions() if row.key]
            assert sorted(row.amount for row in paid) == [ONE, 2 * ONE, 3 * ONE]
    finally:
        await engine.dispose()


@pytest.mark.spec("CASH-017")
async def test_a_payment_that_the_exchange_had_not_come_to_is_taken_over(world: World) -> None:
    """The backup was made after the request and before the payment: what was paid must not be cancelled."""
    numbers = [await world.ask(is_confirmed=False), await world.ask(), await world.ask(), await world.ask()]
    await world.advance(numbers[2], WithdrawalStatus.WAITING_FOR_APPROVAL)
    await world.advance(numbers[3], WithdrawalStatus.SUSPECTED)
    for number in numbers:
        await world.chain.send(payment_of(world.withdrawal(number), "BTC"))
    await world.cashier.round()
    assert [world.status(number) for number in numbers] == [WithdrawalStatus.PROCESSING] * 4
    assert world.kinds() == [IncidentKind.UNORDERED_PAYMENT] * 4
    await world.pass_blocks(NEEDED + 1)
    assert [world.status(number) for number in numbers] == [WithdrawalStatus.SUCCEEDED] * 4
    assert await world.sent() == dict.fromkeys(numbers, 1)
    await world.check_books()


@pytest.mark.spec("CASH-017")
async def test_a_cursor_that_is_ahead_of_the_journal_is_not_believed(world: World) -> None:
    transaction = await world.pay_in()
    await world.cashier.round()
    late = World(world.store, world.engine, world.chain, world.clock)
    connection = await connect(world.store.url)
    try:
        await connection.execute("UPDATE custody_cursors SET cursor = '1000000:1000000', seq = seq + 1000000")
    finally:
        await connection.close()
    await late.pass_blocks(NEEDED)
    assert late.deposit_status(transaction) is DepositStatus.COMPLETED
    assert late.held(ALICE) == 10**10 + ONE - FEE
