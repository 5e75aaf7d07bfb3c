import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from app.db.connect import Connection, connect
from app.faults import Halted, JournalUnavailable, Overloaded, Stopped
from app.journal import EMPTY, read
from app.recovery import replay_to, verify
from app.sequencer import Unencodable
from app.settings import Settings
from app.store import Store, open_store
from engine.order import Side
from exchange import orders, views
from exchange.audit import audit
from exchange.commands import (
    AmendOrder,
    CancelOrder,
    CancelOrders,
    Command,
    Deposit,
    PlaceBatch,
    PlaceOrder,
    SkipCommand,
    Tick,
    UpdateIndexPrice,
)
from exchange.events import CommandRejected, Event, OrderAccepted, Traded
from exchange.exchange import Exchange
from exchange.state import State
from tests.proxy import Proxy
from tests.small import HOLDERS, NOW_MS, OPENED_SEQ, PERP, PRICE, USD, FakeClock, opening, order, stream
from tests.waiting import until, until_async

LOCK = "LOCK TABLE journal IN ACCESS EXCLUSIVE MODE"
BLOCKED = (
    "SELECT (SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
    " FROM pg_stat_clear_snapshot()"
)
KILL = f"SELECT pg_terminate_backend(pid) {HOLDERS}"


@asynccontextmanager
async def trading(settings: Settings, clock: FakeClock) -> AsyncIterator[Store]:
    """A store ready to trade, at OPENED_SEQ (17)."""
    async with open_store(settings, clock=clock) as store:
        if store.start_seq == 0:
            for command in opening(clock()):
                await store.sequencer.submit(command)
        yield store


@pytest.fixture
async def admin(database: str) -> AsyncIterator[Connection]:
    connection = await connect(database)
    yield connection
    await connection.close()


async def rows(connection: Connection) -> list[tuple[int, int, list[Command]]]:
    return [(batch.first_seq, batch.time_ms, batch.commands) async for batch in read(connection, EMPTY)]


@pytest.mark.spec("SEQ-001")
async def test_seqs_have_no_gap_and_time_never_goes_back(settings: Settings, admin: Connection) -> None:
    clock = FakeClock()
    async with trading(settings, clock) as store:
        for now_ms in (NOW_MS + 5, NOW_MS + 3, NOW_MS - 60_000, NOW_MS + 7):
            clock.now_ms = now_ms
            await store.sequencer.submit(order())
        found = await rows(admin)
        seqs = [first_seq + place for first_seq, _, commands in found for place in range(len(commands))]
        assert seqs == list(range(1, store.sequencer.seq + 1))
        assert [time_ms - NOW_MS for _, time_ms, _ in found[-4:]] == [5, 5, 5, 7]


@pytest.mark.spec("SEQ-011")
async def test_a_clock_behind_the_journal_is_said_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    async with trading(settings, clock) as store:
        behind = []
        for now_ms in (NOW_MS, NOW_MS - 1_000, NOW_MS - 60_000, NOW_MS - 30_000, NOW_MS + 1, NOW_MS - 5_000):
            clock.now_ms = now_ms
            await store.sequencer.submit(order())
            behind.append(store.sequencer.behind_ms)
        assert behind == [0, 0, 60_000, 30_000, 0, 5_001]
    assert [record.message for record in caplog.records if "clock" in record.message] == [
        "the clock is 60000 ms behind the journal: time stands still until it has caught up",
        "the clock has caught up with the journal",
        "the clock is 5001 ms behind the journal: time stands still until it has caught up",
    ]


@pytest.mark.spec("SEQ-002")
async def test_a_tick_comes_first_when_it_is_due(settings: Settings, admin: Connection) -> None:
    clock = FakeClock()
    async with trading(settings, clock) as store:
        due_ms = store.exchange.next_due_ms
        for now_ms in (due_ms - 1, due_ms, due_ms + 10):
            clock.now_ms = now_ms
            await store.sequencer.submit(order())
        clock.now_ms = store.exchange.next_due_ms + 10_000
        await store.sequencer.submit(Tick())
        kinds = [[type(command) for command in commands] for _, _, commands in (await rows(admin))[-4:]]
        assert kinds == [[PlaceOrder], [Tick, PlaceOrder], [PlaceOrder], [Tick]]


@pytest.mark.spec("SEQ-003")
async def test_what_waits_is_one_batch_up_to_a_bound(settings: Settings, admin: Connection) -> None:
    clock = FakeClock()
    async with trading(replace(settings, batch_max=8), clock) as store:
        await asyncio.gather(*[store.sequencer.submit(order(qty=number)) for number in range(1, 21)])
        assert [len(commands) for _, _, commands in (await rows(admin))[-3:]] == [8, 8, 4]


@pytest.mark.spec("SEQ-003")
async def test_while_one_batch_is_made_durable_the_next_gathers(settings: Settings, admin: Connection) -> None:
    async with trading(settings, FakeClock()) as store:
        async with admin.transaction():
            await admin.execute(LOCK)
            first = store.sequencer.submit(order(name="first"))
            await until_async(lambda: admin.fetchval(BLOCKED))
            others = [store.sequencer.submit(order(name=f"other-{number}")) for number in range(5)]
            assert not first.done()
        await asyncio.gather(first, *others)
        assert [len(commands) for _, _, commands in (await rows(admin))[-2:]] == [1, 5]


@pytest.mark.spec("SEQ-004")
async def test_a_reply_sees_the_state_right_after_its_command(settings: Settings) -> None:
    async with trading(settings, FakeClock()) as store:

        def open_qtys(_: list[Event], exchange: Exchange) -> list[int]:
            return [view.leaves for view in views.orders(exchange, 1)]

        answers = await asyncio.gather(*[store.sequencer.submit(order(qty=qty), open_qtys) for qty in (5, 6, 7)])
        assert answers == [[5], [5, 6], [5, 6, 7]]


@pytest.mark.spec("SEQ-004")
async def test_a_reply_that_fails_is_its_callers_business(settings: Settings) -> None:
    async with trading(settings, FakeClock()) as store:

        def fails(_: list[Event], __: Exchange) -> None:
            raise LookupError("mine")

        bad, good = await asyncio.gather(
            store.sequencer.submit(order(), fails), store.sequencer.submit(order()), return_exceptions=True
        )
        assert isinstance(bad, LookupError)
        assert isinstance(good, list)
        assert len(views.orders(store.exchange, 1)) == 2


@pytest.mark.spec("JRN-002")
async def test_nothing_is_acknowledged_before_it_is_durable(settings: Settings, admin: Connection) -> None:
    async with trading(settings, FakeClock()) as store:
        async with admin.transaction():
            await admin.execute(LOCK)
            answer = store.sequencer.submit(order())
            await until_async(lambda: admin.fetchval(BLOCKED))
            assert not answer.done()
            assert views.orders(store.exchange, 1) == []
        await answer
        assert len(views.orders(store.exchange, 1)) == 1


@pytest.mark.spec("SEQ-005")
async def test_a_full_queue_refuses(settings: Settings, admin: Connection) -> None:
    async with trading(replace(settings, queue_max=3), FakeClock()) as store:
        async with admin.transaction():
            await admin.execute(LOCK)
            answers = [store.sequencer.submit(order())]
            await until_async(lambda: admin.fetchval(BLOCKED))
            answers += [store.sequencer.submit(order()) for _ in range(3)]
            with pytest.raises(Overloaded):
                store.sequencer.submit(order())
        await asyncio.gather(*answers)
        await store.sequencer.submit(order())
        assert len(views.orders(store.exchange, 1)) == 5


@pytest.mark.spec("LIM-012", "LIM-017")
async def test_a_full_queue_has_room_for_what_reduces_and_for_the_exchange_itself(
    settings: Settings, admin: Connection
) -> None:
    reduce = PlaceOrder(2, PERP, Side.SELL, 1, reduce_only=True)
    small = replace(settings, queue_max=3, queue_reserve=2)
    async with trading(small, FakeClock()) as store:
        submit = store.sequencer.submit
        async with admin.transaction():
            await admin.execute(LOCK)
            answers = [submit(order(name="0"))]
            await until_async(lambda: admin.fetchval(BLOCKED))
            answers += [submit(order(name=name)) for name in "123"]
            for refused in (order(name="refused"), PlaceBatch(2, PERP, (order(2, name="too"),)), AmendOrder(1, 1, 5)):
                with pytest.raises(Overloaded):
                    submit(refused)
            answers += [submit(CancelOrders(3)), submit(reduce)]
            for late in (CancelOrder(3, 1), reduce, order()):
                with pytest.raises(Overloaded):
                    submit(late)
            answers += [submit(Tick()), submit(UpdateIndexPrice(1, 1, PRICE, NOW_MS))]
            with pytest.raises(Overloaded):
                submit(Tick())
            assert store.sequencer.waiting == 7
        await asyncio.gather(*answers)
        found = [command for _, _, commands in await rows(admin) for command in commands][OPENED_SEQ:]
        names = [command.client_order_id for command in found if isinstance(command, PlaceOrder)]
        assert names == ["0", "1", "2", "3", ""]
        assert len(found) == 8
        assert store.sequencer.waiting == 0
        await submit(order(name="again"))


@pytest.mark.spec("LIM-013", "LIM-014", "LIM-015", "LIM-017")
@pytest.mark.parametrize("batch_max", [2, 100])
async def test_under_overload_cancels_go_first_but_never_past_their_own_orders(
    settings: Settings, admin: Connection, batch_max: int
) -> None:
    """A cancel by name that came right after its order finds it, in a queue of other people's."""
    came: list[Command] = [
        order(1, name="a1"),
        order(2, name="b1"),
        order(2, name="b2"),
        CancelOrder(1, 0, "a1"),
        CancelOrders(3),
    ]
    first, b1, b2, cancel, other = came
    async with trading(replace(settings, batch_max=batch_max), FakeClock()) as store:
        async with admin.transaction():
            await admin.execute(LOCK)
            answers = [store.sequencer.submit(Tick())]
            await until_async(lambda: admin.fetchval(BLOCKED))
            answers += [store.sequencer.submit(command) for command in came]
        await asyncio.gather(*answers)
        found = [command for _, _, commands in await rows(admin) for command in commands][OPENED_SEQ + 1 :]
        assert found == (came if batch_max == 100 else [other, first, cancel, b1, b2])
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == []
        assert len(views.orders(store.exchange, 2)) == 2
        live_hash, seq = store.exchange.state_hash(), store.sequencer.seq
    assert (await replay_to(admin, seq)).exchange.state_hash() == live_hash


async def test_a_caller_who_has_gone_is_not_served(settings: Settings, admin: Connection) -> None:
    async with trading(settings, FakeClock()) as store:
        async with admin.transaction():
            await admin.execute(LOCK)
            first = store.sequencer.submit(order())
            await until_async(lambda: admin.fetchval(BLOCKED))
            second, third = store.sequencer.submit(order(name="gone")), store.sequencer.submit(order(name="here"))
            second.cancel()
        await asyncio.gather(first, third)
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == ["", "here"]


@pytest.mark.spec("SEQ-009")
@pytest.mark.parametrize(
    "bad",
    [Deposit("much", 1, USD, 2**70), order(name="\ud800"), PlaceOrder(1, PERP, Side.BUY, 1, price=object())],  # type: ignore[arg-type]
)
async def test_what_cannot_be_written_down_is_refused_alone(settings: Settings, bad: Command) -> None:
    async with trading(settings, FakeClock()) as store:
        answers = await asyncio.gather(
            *[store.sequencer.submit(command) for command in (order(name="a"), bad, order(name="b"))],
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [list, Unencodable, list]
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == ["a", "b"]


@pytest.mark.spec("SEQ-008")
async def test_a_graceful_stop_answers_what_it_accepted(settings: Settings, admin: Connection) -> None:
    async with trading(settings, FakeClock()) as store:
        answers = [store.sequencer.submit(order()) for _ in range(50)]
        await store.sequencer.stop()
        assert all(isinstance(answer.result()[0], OrderAccepted) for answer in answers)
        with pytest.raises(Stopped):
            store.sequencer.submit(order())
    assert sum(len(commands) for _, _, commands in await rows(admin)) == OPENED_SEQ + 50


@pytest.mark.spec("SEQ-008")
async def test_a_stop_without_a_database_says_that_the_outcome_is_unknown(
    settings: Settings, database: str, admin: Connection
) -> None:
    async with Proxy(database) as proxy, trading(replace(settings, database_url=proxy.url), FakeClock()) as store:
        proxy.keeps_answers = True
        answer = store.sequencer.submit(order())
        await until_async(lambda: admin.fetchval("SELECT max(first_seq) = 18 FROM journal"))
        await store.sequencer.stop(timeout_s=0.1)
        assert isinstance(answer.exception(), JournalUnavailable)
        proxy.cut()
        proxy.keeps_answers = False
    found = await replay_to(admin, 18)
    assert len(views.orders(found.exchange, 1)) == 1


# --- the journal goes away -------------------------------------------------------------------------------------------


@pytest.mark.spec("JRN-010")
async def test_a_commit_whose_outcome_is_unknown(settings: Settings, database: str, admin: Connection) -> None:
    """It landed: refused to the caller, applied on return, once."""
    async with Proxy(database) as proxy, trading(replace(settings, database_url=proxy.url), FakeClock()) as store:
        proxy.keeps_answers = True
        lost = store.sequencer.submit(order(name="lost"))
        await until_async(lambda: admin.fetchval("SELECT max(first_seq) = 18 FROM journal"))
        waits = store.sequencer.submit(order(name="waits"))
        proxy.is_cut = True
        proxy.cut()
        with pytest.raises(JournalUnavailable) as unknown:
            await lost
        assert unknown.value.is_unknown
        with pytest.raises(JournalUnavailable) as not_taken:
            await waits
        assert not not_taken.value.is_unknown
        with pytest.raises(JournalUnavailable):
            store.sequencer.submit(order(name="refused"))
        assert views.orders(store.exchange, 1) == []
        proxy.keeps_answers = proxy.is_cut = False
        await until(lambda: store.sequencer.is_ready)
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == ["lost"]
        await store.sequencer.submit(order(name="next"))
        assert store.sequencer.seq == 19
        assert (await store.queries.order_by_client_id(1, "lost")) is not None
        live_hash = store.exchange.state_hash()
    assert (await replay_to(admin, 19)).exchange.state_hash() == live_hash


@pytest.mark.spec("JRN-010")
async def test_a_commit_that_fails(settings: Settings, admin: Connection) -> None:
    """It did not land: nothing happened, and work goes on."""
    async with trading(settings, FakeClock()) as store:
        await admin.execute("BEGIN")
        await admin.execute(LOCK)
        failed = store.sequencer.submit(order(name="failed"))
        await until_async(lambda: admin.fetchval(BLOCKED))
        await admin.execute(KILL)
        with pytest.raises(JournalUnavailable):
            await failed
        await admin.execute("ROLLBACK")
        await until(lambda: store.sequencer.is_ready)
        await store.sequencer.submit(order(name="next"))
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == ["next"]
        assert store.sequencer.seq == 18


@pytest.mark.spec("JRN-010")
async def test_connections_killed_again_and_again(settings: Settings, admin: Connection) -> None:
    """Every acknowledged order is there, none twice, and what was refused as unknown may be either."""
    acknowledged: list[str] = []
    unknown: list[str] = []
    async with trading(settings, FakeClock()) as store:

        async def trade(worker: int) -> None:
            for number in range(40):
                name = f"{worker}-{number}"
                try:
                    # An account has a bounded number of open orders.
                    await store.sequencer.submit(order(1 + worker % 3, name=name))
                    acknowledged.append(name)
                except JournalUnavailable as fault:
                    if fault.is_unknown:
                        unknown.append(name)
                    await until(lambda: store.sequencer.is_ready)

        trading_on = asyncio.gather(*[trade(worker) for worker in range(8)])
        for _ in range(5):
            before = len(acknowledged)
            await admin.execute(KILL)
            await until(lambda before=before: len(acknowledged) > before + 8 or trading_on.done())  # type: ignore[misc]
        await trading_on
        names = [
            view.request.client_order_id for account in (1, 2, 3) for view in views.orders(store.exchange, account)
        ]
        live_hash, seq = store.exchange.state_hash(), store.sequencer.seq
    assert len(names) == len(set(names))
    assert set(acknowledged) <= set(names) <= set(acknowledged) | set(unknown)
    assert unknown
    assert (await replay_to(admin, seq)).exchange.state_hash() == live_hash
    assert (await verify(admin)).problems == []


@pytest.mark.spec("JRN-009")
async def test_a_chain_that_does_not_fit_stops_for_a_person(settings: Settings, admin: Connection) -> None:
    async with trading(settings, FakeClock()) as store:
        await admin.execute("INSERT INTO journal VALUES (18, 1, 0, '', '')")
        with pytest.raises(JournalUnavailable):
            await store.sequencer.submit(order())
        await until(lambda: store.sequencer.halted is not None)
        with pytest.raises(Halted, match="seq 18"):
            store.sequencer.submit(order())
        with pytest.raises(ValueError, match="not halted by the command 18"):
            await store.sequencer.skip(18, "wishful thinking")
        assert views.account(store.exchange, 1) is not None


# --- a command that breaks a promise ---------------------------------------------------------------------------------

Place = Callable[[State, PlaceOrder, int, list[Event]], None]


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """A bug put into the core: an order of one of these names is placed, and then a promise breaks."""
    names: set[str] = set()
    place: Place = orders.place

    def breaks(state: State, command: PlaceOrder, time_ms: int, out: list[Event]) -> None:
        place(state, command, time_ms, out)
        assert command.client_order_id not in names, "the books do not balance"

    monkeypatch.setattr("exchange.orders.place", breaks)
    return names


@pytest.mark.spec("SEQ-006")
async def test_a_poisoned_command_leaves_the_exchange_read_only(settings: Settings, bug: set[str]) -> None:
    bug.add("poison")
    async with trading(settings, FakeClock()) as store:
        clean_hash = await store.sequencer.submit(order(name="a"), lambda _, exchange: exchange.state_hash())
        good, poisoned, after = await asyncio.gather(
            *[store.sequencer.submit(order(name=name)) for name in ("b", "poison", "c")], return_exceptions=True
        )
        assert isinstance(good, list)
        assert isinstance(poisoned, Halted)
        assert isinstance(after, Halted)
        await until(lambda: store.sequencer.halted is not None)
        with pytest.raises(Halted, match=r"seq 20 .*the books do not balance"):
            store.sequencer.submit(order(name="d"))
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == ["a", "b"]
        assert audit(store.exchange) == []
        assert store.exchange.state_hash() != clean_hash
    async with trading(settings, FakeClock()) as store:
        assert store.sequencer.halted is not None
        assert store.sequencer.halted.seq == 20
        with pytest.raises(Halted):
            store.sequencer.submit(order(name="d"))
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == ["a", "b"]


@pytest.mark.spec("SEQ-006")
async def test_a_fault_that_does_not_repeat_is_healed(settings: Settings, bug: set[str]) -> None:
    async with trading(settings, FakeClock()) as store:
        kept = store.exchange
        store.exchange.state.markets[PERP].book.bids = None  # type: ignore[assignment]  # a bit that fell over
        with pytest.raises(Halted):
            await store.sequencer.submit(order(name="a"))
        await until(lambda: store.sequencer.is_ready)
        assert store.exchange is not kept
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == ["a"]
        await store.sequencer.submit(order(name="b"))
        assert (await store.queries.order_by_client_id(1, "a")) is not None


@pytest.mark.spec("SEQ-007")
async def test_only_a_chained_skip_passes_a_poisoned_command(
    settings: Settings, admin: Connection, bug: set[str]
) -> None:
    bug.add("poison")
    told: list[int] = []
    async with trading(settings, FakeClock()) as store:
        store.listeners.add(lambda seq, *_: told.append(seq))
        batch = [store.sequencer.submit(order(name=name)) for name in ("a", "poison", "b")]
        await asyncio.gather(*batch, return_exceptions=True)
        await until(lambda: store.sequencer.halted is not None)
        with pytest.raises(ValueError, match="not halted by the command 18"):
            await store.sequencer.skip(18, "the wrong one")
        await store.sequencer.skip(19, "a bug in the core")
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == ["a", "b"]
        await store.sequencer.submit(order(name="c"))
        assert told == [18, 20, 21, 22]
        live_hash, seq = store.exchange.state_hash(), store.sequencer.seq
    assert (await rows(admin))[-2][2] == [SkipCommand(19, "a bug in the core")]
    # It stays skipped also when the bug is mended.
    bug.clear()
    await admin.execute("DELETE FROM snapshots")
    assert (await replay_to(admin, seq)).exchange.state_hash() == live_hash
    async with trading(settings, FakeClock()) as store:
        assert store.exchange.state_hash() == live_hash
        await store.sequencer.submit(order(name="d"))
    assert (await verify(admin)).problems == []


@pytest.mark.spec("SEQ-007")
async def test_two_poisoned_commands_take_two_skips(settings: Settings, bug: set[str]) -> None:
    bug |= {"first", "second"}
    async with trading(settings, FakeClock()) as store:
        batch = [store.sequencer.submit(order(name=name)) for name in ("first", "a", "second", "b")]
        await asyncio.gather(*batch, return_exceptions=True)
        await until(lambda: store.sequencer.halted is not None)
        with pytest.raises(Halted, match="seq 20"):
            await store.sequencer.skip(18, "a bug")
        await store.sequencer.skip(20, "the same bug")
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == ["a", "b"]


@pytest.mark.spec("SEQ-007")
async def test_a_skip_whose_outcome_is_unknown(
    settings: Settings, database: str, admin: Connection, bug: set[str]
) -> None:
    bug.add("poison")
    async with Proxy(database) as proxy, trading(replace(settings, database_url=proxy.url), FakeClock()) as store:
        with pytest.raises(Halted):
            await store.sequencer.submit(order(name="poison"))
        await until(lambda: store.sequencer.halted is not None)
        proxy.keeps_answers = True
        skipping = asyncio.ensure_future(store.sequencer.skip(18, "a bug"))
        await until_async(lambda: admin.fetchval("SELECT max(first_seq) = 19 FROM journal"))
        proxy.cut()
        proxy.keeps_answers = False
        with pytest.raises(JournalUnavailable):
            await skipping
        await until(lambda: store.sequencer.is_ready)
        await store.sequencer.submit(order(name="a"))
        assert store.sequencer.seq == 20


async def test_a_listener_that_fails_ends_the_sequencer_and_leaves_nobody_waiting(settings: Settings) -> None:
    async with trading(settings, FakeClock()) as store:

        def fails(*_: object) -> None:
            raise LookupError("ours")

        store.listeners.add(fails)
        answers = [store.sequencer.submit(order()) for _ in range(3)]
        assert all(
            isinstance(answer, JournalUnavailable) for answer in await asyncio.gather(*answers, return_exceptions=True)
        )
        assert isinstance(store.sequencer.failure, LookupError)
        with pytest.raises(Stopped):
            store.sequencer.submit(order())


async def test_a_day_of_trading_and_its_replay_end_in_the_same_state(settings: Settings, admin: Connection) -> None:
    clock = FakeClock()
    kinds: set[type] = set()
    async with trading(replace(settings, snapshot_every=300), clock) as store:
        for start in range(0, 1_500, 25):
            clock.now_ms += 700
            answers = await asyncio.gather(
                *[store.sequencer.submit(c) for c in list(stream(7, 1_500))[start : start + 25]]
            )
            kinds |= {type(event) for events in answers for event in events}
        live_hash, seq = store.exchange.state_hash(), store.sequencer.seq
        assert audit(store.exchange) == []
    assert {Traded, OrderAccepted, CommandRejected} <= kinds
    report = await verify(admin)
    assert (report.seq, report.state_hash, report.problems) == (seq, live_hash, [])
    assert report.snapshots >= 1
