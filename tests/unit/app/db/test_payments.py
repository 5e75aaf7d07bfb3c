"""Deposits and withdrawals as tables."""

import pytest

from app.db.rows import StoredDeposit, StoredWithdrawal
from app.settings import Settings
from app.store import Store, open_store, rebuild
from exchange import views
from exchange.commands import (
    AdvanceWithdrawal,
    Command,
    RecordDeposit,
    RequestWithdrawal,
    SettleDeposit,
    WithdrawalStatus,
)
from exchange.events import CommandRejected, DepositStatus
from tests.small import BTC, USD, FakeClock, opening

ALICE, BOB = 1, 2
ONE = 10**8


async def tell(store: Store, clock: FakeClock, *commands: Command, step_ms: int = 1_000) -> None:
    for command in commands:
        clock.now_ms += step_ms
        events = await store.sequencer.submit(command)
        assert not isinstance(events[0], CommandRejected), events


def deposit(number: int, account_id: int = ALICE, asset_id: int = BTC) -> RecordDeposit:
    return RecordDeposit(f"BTC{number:x}", account_id, asset_id, number * ONE, "to", f"{number:x}", "from")


def request(name: str, account_id: int = ALICE, asset_id: int = USD) -> RequestWithdrawal:
    return RequestWithdrawal(name, account_id, asset_id, ONE, "there", "somewhere", True)


def advance(withdrawal_id: int, status: WithdrawalStatus, transaction: str = "", note: str = "") -> AdvanceWithdrawal:
    return AdvanceWithdrawal(withdrawal_id, status, transaction, note)


def check_against_core(store: Store, deposits: list[StoredDeposit], withdrawals: list[StoredWithdrawal]) -> None:
    exchange = store.exchange
    assert len(deposits) == len(views.deposits(exchange, all=True))
    for row in deposits:
        seen = views.deposit(exchange, row.reference)
        assert seen is not None
        for name in StoredDeposit.__struct_fields__[:11]:
            assert getattr(row, name) == getattr(seen, name), name
        assert (row.created_ms, row.updated_ms) == (seen.recorded_ms, seen.changed_ms)
    assert len(withdrawals) == len(views.withdrawals(exchange, all=True))
    for paid in withdrawals:
        held = views.withdrawal(exchange, paid.withdrawal_id)
        assert held is not None
        for name in StoredWithdrawal.__struct_fields__[:11]:
            assert getattr(paid, name) == getattr(held, name), name
        assert paid.created_ms == held.requested_ms


async def live(store: Store, clock: FakeClock) -> None:
    """A bit of everything."""
    await tell(store, clock, deposit(1), deposit(2), deposit(3, BOB), deposit(1))
    await tell(store, clock, SettleDeposit("BTC1", True), SettleDeposit("BTC2", False, "gone"))
    await tell(store, clock, request("a"), request("b", BOB), request("c"), request("a"))
    await tell(store, clock, advance(1, WithdrawalStatus.PROCESSING), advance(2, WithdrawalStatus.CANCELLED))
    await tell(store, clock, advance(1, WithdrawalStatus.PROCESSING, "f00d"))


@pytest.mark.spec("PAY-001", "PAY-003")
async def test_rows_are_what_the_core_has(settings: Settings) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await tell(store, clock, *opening(), step_ms=0)
        await live(store, clock)
        check_against_core(store, await store.queries.deposits(), await store.queries.withdrawals())
        await store.projector.settle()
        check_against_core(store, await store.queries.deposits(), await store.queries.withdrawals())
    async with open_store(settings, clock=clock) as store:  # what began before goes on after
        await tell(store, clock, SettleDeposit("BTC2", True), SettleDeposit("BTC3", True))
        await tell(
            store,
            clock,
            advance(1, WithdrawalStatus.SUCCEEDED, "f00d"),
            advance(3, WithdrawalStatus.REJECTED, "", "no"),
        )
        await store.projector.settle()
        deposits, withdrawals = await store.queries.deposits(), await store.queries.withdrawals()
        check_against_core(store, deposits, withdrawals)
        assert {row.status for row in deposits} == {DepositStatus.COMPLETED}
        assert [row.note for row in withdrawals] == ["no", "", ""]
    assert await rebuild(settings) > 0
    async with open_store(settings, clock=clock) as store:
        assert await store.queries.deposits() == deposits
        assert await store.queries.withdrawals() == withdrawals


@pytest.mark.spec("PAY-002")
@pytest.mark.parametrize("is_written", [False, True])
async def test_lists_choose(settings: Settings, is_written: bool) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await tell(store, clock, *opening(), step_ms=0)
        await live(store, clock)
        if is_written:
            await store.projector.settle()
        queries = store.queries
        seen = await queries.deposits()
        assert [row.deposit_id for row in seen] == [3, 2, 1]
        assert [row.deposit_id for row in await queries.deposits(ALICE)] == [2, 1]
        assert [row.deposit_id for row in await queries.deposits(limit=2)] == [3, 2]
        assert await queries.deposits(ALICE, asset_id=USD) == []
        second_ms = seen[1].created_ms
        assert [row.deposit_id for row in await queries.deposits(start_ms=second_ms)] == [3, 2]
        assert [row.deposit_id for row in await queries.deposits(end_ms=second_ms)] == [2, 1]
        asked = await queries.withdrawals()
        assert [row.withdrawal_id for row in asked] == [3, 2, 1]
        assert [row.withdrawal_id for row in await queries.withdrawals(BOB)] == [2]
        first_ms = asked[2].created_ms
        assert [row.transaction for row in await queries.withdrawals(start_ms=first_ms, end_ms=first_ms)] == ["f00d"]
