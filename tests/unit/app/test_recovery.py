import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from app import snapshots
from app.db.connect import Connection, connect
from app.faults import JournalDamaged
from app.journal import EMPTY, Head, head_of, read
from app.recovery import replay_to, verify
from app.settings import Settings
from app.store import Store, open_store
from exchange.exchange import Exchange
from exchange.snapshot import decode, encode
from tests.small import OPENED_SEQ, FakeClock, opening, order, stream
from tests.waiting import until_async


@pytest.fixture
async def admin(database: str) -> AsyncIterator[Connection]:
    connection = await connect(database)
    yield connection
    await connection.close()


async def trade(store: Store, clock: FakeClock, seed: int, count: int) -> None:
    """Send a stream in groups, the clock going on between them."""
    commands = list(stream(seed, count))
    for start in range(0, count, 20):
        clock.now_ms += 300
        await asyncio.gather(*[store.sequencer.submit(command) for command in commands[start : start + 20]])


@asynccontextmanager
async def traded(settings: Settings, count: int = 400) -> AsyncIterator[Store]:
    """A store with some trading behind it."""
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        for command in opening():
            await store.sequencer.submit(command)
        await trade(store, clock, 1, count)
        yield store


async def without_snapshots(admin: Connection) -> bytes:
    """The hash that a replay of everything gives."""
    exchange = Exchange()
    async for batch in read(admin, EMPTY):
        for command in batch.commands:
            exchange.apply(command, batch.time_ms)
    return exchange.state_hash()


async def seqs(admin: Connection) -> list[int]:
    return [row["seq"] for row in await admin.fetch("SELECT seq FROM snapshots ORDER BY seq")]


@pytest.mark.spec("REC-001")
async def test_snapshot_and_tail_give_the_state_of_a_full_replay(settings: Settings, admin: Connection) -> None:
    async with traded(settings) as store:
        first = store.exchange.state_hash()
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        assert store.snapshot_seq == store.start_seq
        assert store.exchange.time_ms == store.start_ms > 0
        assert store.exchange.state_hash() == first
        await trade(store, clock, 2, 200)
        second, seq = store.exchange.state_hash(), store.sequencer.seq
    await admin.execute("DELETE FROM snapshots WHERE seq = $1", seq)
    async with open_store(settings, clock=clock) as store:
        assert 0 < store.snapshot_seq < store.start_seq == seq
        assert store.exchange.state_hash() == second == await without_snapshots(admin)
    await admin.execute("DELETE FROM snapshots")
    async with open_store(settings, clock=clock) as store:
        assert store.snapshot_seq == 0
        assert store.exchange.state_hash() == second


@pytest.mark.spec("REC-001")
async def test_what_was_left_goes_on(settings: Settings) -> None:
    """Ids go on where they stopped, and an order placed before the stop trades after it."""
    async with traded(settings, 0) as store:
        await store.sequencer.submit(order(name="resting"))
    async with open_store(settings, clock=FakeClock()) as store:
        events = await store.sequencer.submit(order(name="resting"))
        assert type(events[0]).__name__ == "OrderRepeated"
        assert store.start_seq == OPENED_SEQ + 1


BAD = {
    "bytes flipped": "UPDATE snapshot_chunks SET body = set_byte(body, 20, 255 - get_byte(body, 20)) WHERE seq = $1",
    "chunk lost": "DELETE FROM snapshot_chunks WHERE seq = $1",
    "state hash flipped": "UPDATE snapshots SET state_hash = set_bit(state_hash, 7, 1 - get_bit(state_hash, 7)) WHERE seq = $1",
    "body hash flipped": "UPDATE snapshots SET body_hash = set_bit(body_hash, 7, 1 - get_bit(body_hash, 7)) WHERE seq = $1",
    "of another journal": "UPDATE snapshots SET journal_hash = sha256('other') WHERE seq = $1",
    "of another time": "UPDATE snapshots SET time_ms = time_ms + 1 WHERE seq = $1",
    "format unknown": "UPDATE snapshots SET format = 99 WHERE seq = $1",
}


@pytest.mark.spec("REC-002")
@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
async def test_a_bad_snapshot_is_passed_over(
    settings: Settings, admin: Connection, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    async with traded(settings, 40) as store:
        older = store.sequencer.seq
    async with open_store(settings, clock=FakeClock()) as store:
        await store.sequencer.submit(order())
        live_hash, newer = store.exchange.state_hash(), store.sequencer.seq
    assert await seqs(admin) == [older, newer]
    await admin.execute(change, newer)
    async with open_store(settings, clock=FakeClock()) as store:
        assert store.snapshot_seq == older
        assert store.exchange.state_hash() == live_hash
    assert f"snapshot {newer} is passed over" in caplog.text


@pytest.mark.spec("REC-002")
async def test_bytes_that_decode_to_another_state_are_passed_over(settings: Settings, admin: Connection) -> None:
    async with traded(settings, 40) as store:
        live_hash, seq = store.exchange.state_hash(), store.sequencer.seq
    foreign = encode(Exchange())
    await admin.execute("DELETE FROM snapshot_chunks")
    await admin.execute('INSERT INTO snapshot_chunks (seq, "index", body) VALUES ($1, 0, $2)', seq, foreign)
    await admin.execute("UPDATE snapshots SET size = $1, body_hash = sha256($2)", len(foreign), foreign)
    async with open_store(settings, clock=FakeClock()) as store:
        assert store.snapshot_seq == 0
        assert store.exchange.state_hash() == live_hash


@pytest.mark.spec("REC-003")
async def test_snapshots_come_every_so_many_commands_and_old_ones_go(settings: Settings, admin: Connection) -> None:
    seen: list[int] = []
    async with traded(replace(settings, snapshot_every=50, snapshots_kept=2), 0) as store:

        async def newest() -> bool:
            await store.sequencer.submit(order())
            await store.projector.settle()
            seen.extend(seq for seq in await seqs(admin) if seq not in seen)
            return len(seen) >= 6

        await until_async(newest, within_s=60)
        assert len(await seqs(admin)) <= 3
    assert all(later - earlier >= 50 for earlier, later in itertools.pairwise(seen))
    assert await seqs(admin) == sorted({*seen, store.sequencer.seq})[-2:]


@pytest.mark.spec("REC-003")
async def test_no_snapshot_that_the_projector_needs_is_pruned(settings: Settings, admin: Connection) -> None:
    exchange = Exchange()
    for seq in (10, 20, 30, 40, 50):
        await snapshots.store(admin, *snapshots.take(exchange, Head(seq, 0, bytes(32))))
    await admin.execute("INSERT INTO projector VALUES ('main', 25, 0)")
    await snapshots.prune(admin, kept=2)
    assert await seqs(admin) == [20, 30, 40, 50]
    await admin.execute("UPDATE projector SET seq = 50")
    await snapshots.prune(admin, kept=2)
    assert await seqs(admin) == [40, 50]


async def test_a_snapshot_of_many_chunks(
    settings: Settings, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "CHUNK_BYTES", 512)
    async with traded(settings) as store:
        live_hash, seq = store.exchange.state_hash(), store.sequencer.seq
    assert await admin.fetchval("SELECT count(*) FROM snapshot_chunks WHERE seq = $1", seq) > 5
    async with open_store(settings, clock=FakeClock()) as store:
        assert store.snapshot_seq == seq
        assert store.exchange.state_hash() == live_hash
        assert decode(encode(store.exchange)).state_hash() == live_hash


@pytest.mark.spec("JRN-003")
async def test_a_damaged_journal_refuses_to_start_and_says_where(settings: Settings, admin: Connection) -> None:
    async with traded(settings, 60):
        pass
    await admin.execute("DELETE FROM snapshots")
    await admin.execute(f"DELETE FROM journal WHERE first_seq = {OPENED_SEQ}")
    with pytest.raises(JournalDamaged, match=f"at seq {OPENED_SEQ}: sequence"):
        async with open_store(settings):
            pass


@pytest.mark.spec("JRN-011")
async def test_a_journal_that_lost_its_end_is_damaged(settings: Settings, admin: Connection) -> None:
    async with traded(settings, 60) as store:
        seq = store.sequencer.seq
    await admin.execute("DELETE FROM journal WHERE first_seq > $1", OPENED_SEQ)
    with pytest.raises(JournalDamaged, match=f"at seq {OPENED_SEQ + 1}: end: .* before snapshot {seq} was taken"):
        async with open_store(settings):
            pass
    await admin.execute("DELETE FROM snapshots")
    with pytest.raises(JournalDamaged, match=f"end: .* before seq {seq}, which the projections hold"):
        async with open_store(settings):
            pass


@pytest.mark.spec("REC-004")
async def test_verify_finds_nothing_where_nothing_is_wrong(settings: Settings, admin: Connection) -> None:
    async with traded(settings) as store:
        live_hash, seq = store.exchange.state_hash(), store.sequencer.seq
    steps: list[tuple[int, int]] = []
    report = await verify(admin, lambda done, whole: steps.append((done, whole)))
    assert (report.seq, report.snapshots, report.state_hash, report.problems) == (seq, 1, live_hash, [])
    assert report.rows == len(steps)
    assert steps[-1] == (seq, seq)


@pytest.mark.spec("REC-004")
@pytest.mark.parametrize(
    "change, problem",
    [
        ("UPDATE journal SET records = records || '\\x00' WHERE first_seq = 5", "damaged at seq 5: hash"),
        ("DELETE FROM journal WHERE first_seq = 5", "damaged at seq 5: sequence"),
        ("UPDATE snapshots SET state_hash = sha256('x')", "its hash is not that of the replayed state"),
        ("UPDATE snapshot_chunks SET body = set_byte(body, 3, 255 - get_byte(body, 3))", "its bytes are damaged"),
        ("UPDATE snapshots SET journal_hash = sha256('x')", "it does not belong to this journal"),
    ],
)
async def test_verify_finds_what_is_wrong(settings: Settings, admin: Connection, change: str, problem: str) -> None:
    async with traded(settings, 60):
        pass
    await admin.execute(change)
    problems = (await verify(admin)).problems
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.spec("REC-004")
async def test_verify_passes_over_a_snapshot_of_an_older_format(settings: Settings, admin: Connection) -> None:
    """A program of before wrote it, with the hash that it had then."""
    async with traded(settings, 60):
        pass
    older = snapshots.FORMAT - 1
    await admin.execute(f"UPDATE snapshots SET format = {older}, state_hash = sha256('x')")
    report = await verify(admin)
    assert (report.snapshots, report.older, report.problems) == (0, 1, [])


@pytest.mark.spec("REC-004")
async def test_verify_finds_a_snapshot_that_no_row_ends_with(settings: Settings, admin: Connection) -> None:
    async with traded(settings, 60):
        pass
    await snapshots.store(admin, *snapshots.take(Exchange(), Head(3_000, 0, bytes(32))))
    assert (await verify(admin)).problems == ["snapshot 3000: no row of the journal ends there"]


@pytest.mark.spec("REC-004")
async def test_verify_finds_a_journal_that_lost_its_end(settings: Settings, admin: Connection) -> None:
    async with traded(settings, 60) as store:
        seq = store.sequencer.seq
    await admin.execute("DELETE FROM snapshots")
    await admin.execute("DELETE FROM journal WHERE first_seq = (SELECT max(first_seq) FROM journal)")
    assert (await verify(admin)).problems == [f"the journal ends before seq {seq}, which the projections hold"]
    with pytest.raises(JournalDamaged, match=f"before seq {seq}, which the projections hold"):
        async with open_store(settings):
            pass


@pytest.mark.spec("REC-005")
async def test_any_point_of_the_past_can_be_seen(settings: Settings, admin: Connection) -> None:
    hashes: list[tuple[int, bytes]] = []
    async with open_store(settings, clock=FakeClock()) as store:
        store.listeners.add(lambda seq, *_: hashes.append((seq, store.exchange.state_hash())))
        for command in opening():
            await store.sequencer.submit(command)
        await asyncio.gather(*[store.sequencer.submit(command) for command in stream(3, 60)])
    for seq, state_hash in hashes:
        found = await replay_to(admin, seq)
        assert (found.seq, found.exchange.state_hash()) == (seq, state_hash)
    whole = await replay_to(admin, 10**9)
    assert whole.exchange.time_ms == whole.end.time_ms > 0
    assert (whole.seq, whole.exchange.state_hash()) == hashes[-1]
    assert whole.end == await head_of(admin)
    assert (await replay_to(admin, 0)).exchange.state_hash() == Exchange().state_hash()
