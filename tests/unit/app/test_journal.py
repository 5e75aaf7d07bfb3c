import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.db.connect import Connection, connect
from app.faults import JournalDamaged, JournalUnavailable, WriterPresent
from app.journal import EMPTY, GENESIS, LOCK_KEY, Batch, Journal, chain_hash, head_of, read, skipped_seqs
from exchange.commands import Command, SkipCommand, Tick, encode_commands
from tests.proxy import Proxy
from tests.small import HOLDERS, NOW_MS, opening, order
from tests.waiting import until_async

FULL_DISK = """
CREATE TABLE disk AS SELECT true AS is_full;
CREATE FUNCTION write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT is_full FROM disk) THEN RAISE EXCEPTION 'no space left'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER write BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION write();
"""


async def open_journal(url: str, *, timeout_ms: int = 5_000) -> Journal:
    journal = Journal(url, timeout_ms=timeout_ms)
    await journal.open(lock_timeout_ms=5_000)
    journal.head = await head_of(journal.connection)
    await journal.prepare()
    return journal


async def everything(connection: Connection) -> list[Batch]:
    return [batch async for batch in read(connection, EMPTY)]


@pytest.fixture
async def journal(database: str) -> AsyncIterator[Journal]:
    journal = await open_journal(database)
    yield journal
    await journal.close()


@pytest.fixture
async def admin(database: str) -> AsyncIterator[Connection]:
    connection = await connect(database)
    yield connection
    await connection.close()


async def fill(journal: Journal, rows: int = 5) -> None:
    for number in range(rows):
        await journal.append([order(name=f"{number}-{part}") for part in range(3)], NOW_MS + number)


@pytest.mark.spec("JRN-001")
def test_the_hash_covers_everything() -> None:
    given = {"first_seq": 1, "count": 1, "time_ms": NOW_MS, "records": encode_commands([Tick()])}
    link = chain_hash(GENESIS, **given)  # type: ignore[arg-type]
    assert link.hex() == "e424a790ec3816e03d621ed3f89aeedcb0795f0bd8c01a61e24b3d7fdbe7bc42"
    others = [
        chain_hash(b"\1" + GENESIS[1:], **given),  # type: ignore[arg-type]
        *(chain_hash(GENESIS, **{**given, name: 2}) for name in ("first_seq", "count", "time_ms")),  # type: ignore[arg-type]
        chain_hash(GENESIS, **{**given, "records": b"\x90"}),  # type: ignore[arg-type]
    ]
    assert len({link, *others}) == 6


async def test_what_is_appended_is_read_again(journal: Journal, admin: Connection) -> None:
    commands: list[list[Command]] = [opening(), [order(name="a")], [order(name="b"), Tick()]]
    firsts = [await journal.append(batch, NOW_MS + number) for number, batch in enumerate(commands)]
    found = await everything(admin)
    assert firsts == [1, 1 + len(commands[0]), 2 + len(commands[0])]
    assert [batch.commands for batch in found] == commands
    assert [batch.time_ms for batch in found] == [NOW_MS, NOW_MS + 1, NOW_MS + 2]
    assert found[-1].head == journal.head == await head_of(admin)


async def test_reading_goes_on_from_a_head(journal: Journal, admin: Connection) -> None:
    await fill(journal)
    whole = await everything(admin)
    assert [batch async for batch in read(admin, whole[1].head)] == whole[2:]


@pytest.mark.spec("JRN-003")
async def test_a_missing_row_is_found(journal: Journal, admin: Connection) -> None:
    await fill(journal)
    await admin.execute("DELETE FROM journal WHERE first_seq = 7")
    with pytest.raises(JournalDamaged, match="at seq 7: sequence: a row is missing: the next one begins at 10") as said:
        await everything(admin)
    assert (said.value.seq, said.value.check) == (7, "sequence")


@pytest.mark.spec("JRN-003")
async def test_a_missing_first_row_is_found(journal: Journal, admin: Connection) -> None:
    await fill(journal)
    await admin.execute("DELETE FROM journal WHERE first_seq = 1")
    with pytest.raises(JournalDamaged, match="at seq 1: sequence"):
        await everything(admin)


@pytest.mark.spec("JRN-004")
@pytest.mark.parametrize("column", ["records", "hash"])
async def test_a_flipped_bit_is_found(journal: Journal, admin: Connection, column: str) -> None:
    await fill(journal)
    await admin.execute(
        f"UPDATE journal SET {column} = set_bit({column}, 9, 1 - get_bit({column}, 9)) WHERE first_seq = 4"
    )
    with pytest.raises(JournalDamaged, match="at seq 4: hash"):
        await everything(admin)


@pytest.mark.spec("JRN-004")
@pytest.mark.parametrize("change", ["count = 2", "time_ms = time_ms + 1"])
async def test_a_changed_number_is_found(journal: Journal, admin: Connection, change: str) -> None:
    await fill(journal)
    await admin.execute(f"UPDATE journal SET {change} WHERE first_seq = 4")
    with pytest.raises(JournalDamaged, match="at seq 4: hash"):
        await everything(admin)


async def put(
    admin: Connection, *, count: int, time_ms: int, commands: list[Command], skipped: int | None = None
) -> None:
    """Append a row whose hash is right, as somebody would who knows how."""
    head = await head_of(admin)
    records = encode_commands(commands)
    link = chain_hash(head.hash, first_seq=head.seq + 1, count=count, time_ms=time_ms, records=records)
    await admin.execute(
        "INSERT INTO journal VALUES ($1, $2, $3, $4, $5, $6)", head.seq + 1, count, time_ms, records, link, skipped
    )


@pytest.mark.spec("JRN-005")
async def test_a_wrong_count_with_a_right_hash_is_found(journal: Journal, admin: Connection) -> None:
    await fill(journal)
    await put(admin, count=3, time_ms=NOW_MS + 9, commands=[Tick(), Tick()])
    with pytest.raises(JournalDamaged, match="at seq 16: count: the row says 3 commands and holds 2"):
        await everything(admin)


@pytest.mark.spec("JRN-005")
async def test_time_that_goes_back_is_found(journal: Journal, admin: Connection) -> None:
    await fill(journal)
    await put(admin, count=1, time_ms=NOW_MS, commands=[Tick()])
    with pytest.raises(JournalDamaged, match="at seq 16: time"):
        await everything(admin)


@pytest.mark.spec("JRN-005")
async def test_records_that_are_no_commands_are_found(journal: Journal, admin: Connection) -> None:
    await fill(journal)
    head = journal.head
    link = chain_hash(head.hash, first_seq=16, count=1, time_ms=head.time_ms, records=b"\x91\x91\xcc\xfa")
    await admin.execute("INSERT INTO journal VALUES (16, 1, $1, $2, $3)", head.time_ms, b"\x91\x91\xcc\xfa", link)
    with pytest.raises(JournalDamaged, match="at seq 16: records"):
        await everything(admin)


@pytest.mark.spec("JRN-005")
@pytest.mark.parametrize(
    "commands, skipped",
    [
        ([SkipCommand(3, "a bug")], None),
        ([SkipCommand(3, "a bug")], 4),
        ([Tick()], 3),
        ([Tick(), SkipCommand(3, "")], 3),
    ],
)
async def test_a_skip_that_the_column_does_not_repeat_is_found(
    journal: Journal, admin: Connection, commands: list[Command], skipped: int | None
) -> None:
    await fill(journal)
    await put(admin, count=len(commands), time_ms=NOW_MS + 9, commands=commands, skipped=skipped)
    with pytest.raises(JournalDamaged, match="at seq 16: skip"):
        await everything(admin)


async def test_skips_are_known_before_they_are_reached(journal: Journal, admin: Connection) -> None:
    await fill(journal)
    await journal.append([SkipCommand(3, "a bug")], NOW_MS + 9)
    assert await skipped_seqs(admin) == {3}
    assert (await everything(admin))[-1].commands == [SkipCommand(3, "a bug")]


@pytest.mark.spec("JRN-006")
async def test_the_lock_refuses_a_second_writer(journal: Journal, database: str) -> None:
    second = Journal(database)
    with pytest.raises(WriterPresent):
        await second.open(lock_timeout_ms=50)
    await second.close()
    await journal.close()
    await second.open(lock_timeout_ms=5_000)
    await second.close()


@pytest.mark.spec("JRN-007")
async def test_the_primary_key_refuses_a_second_writer(journal: Journal, database: str, admin: Connection) -> None:
    await fill(journal)
    # A second writer that got past the lock, by whatever mishap.
    await admin.execute(f"SELECT pg_terminate_backend(pid) {HOLDERS}")
    await until_async(lambda: admin.fetchval(f"SELECT count(*) = 0 {HOLDERS}"))
    second = await open_journal(database)
    first = await connect(database)
    statement = await first.prepare(
        "INSERT INTO journal (first_seq, count, time_ms, records, hash) VALUES ($1, 1, 0, '', '')"
    )
    await statement.fetch(journal.head.seq + 1)
    with pytest.raises(JournalUnavailable) as said:
        await second.append([Tick()], NOW_MS + 9)
    assert isinstance(said.value.__cause__, asyncpg.UniqueViolationError)
    await first.close()
    await second.close()


@pytest.mark.spec("JRN-008", "SEQ-011")
async def test_a_connection_killed_before_the_commit(
    journal: Journal, admin: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(journal)
    await admin.execute("BEGIN")
    await admin.execute("LOCK TABLE journal IN ACCESS EXCLUSIVE MODE")
    appending = asyncio.create_task(journal.append([Tick()], NOW_MS + 9))
    holder = f"SELECT pid {HOLDERS}"
    blocked = (
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    # Statistics are frozen within a transaction.
    await until_async(lambda: admin.fetchval(f"SELECT ({blocked}) FROM pg_stat_clear_snapshot()"))
    await admin.fetchval(f"SELECT pg_terminate_backend(({holder}))")
    with pytest.raises(JournalUnavailable) as said:
        await appending
    assert said.value.is_unknown
    assert str(said.value) == "The journal did not answer."
    assert any("terminating connection" in record.message for record in caplog.records)
    await admin.execute("ROLLBACK")
    assert await journal.resume() == []
    assert await journal.append([Tick()], NOW_MS + 10) == 16


@pytest.mark.spec("JRN-008")
async def test_a_commit_that_lands_while_its_answer_is_lost(database: str, admin: Connection) -> None:
    async with Proxy(database) as proxy:
        journal = await open_journal(proxy.url)
        await fill(journal)
        proxy.keeps_answers = True
        appending = asyncio.create_task(journal.append([order(name="lost")], NOW_MS + 9))
        await until_async(lambda: admin.fetchval("SELECT count(*) = 1 FROM journal WHERE first_seq = 16"))
        assert not appending.done()
        proxy.cut()
        proxy.keeps_answers = False
        with pytest.raises(JournalUnavailable) as said:
            await appending
        assert said.value.is_unknown
        assert journal.head.seq == 15
        landed = await journal.resume()
        assert [batch.commands for batch in landed] == [[order(name="lost")]]
        assert journal.head.seq == 16
        assert await journal.append([Tick()], NOW_MS + 10) == 17
        await everything(admin)
        await journal.close()


@pytest.mark.spec("JRN-008")
async def test_an_answer_that_takes_too_long(database: str, admin: Connection) -> None:
    journal = await open_journal(database, timeout_ms=200)
    await fill(journal)
    async with admin.transaction():
        await admin.execute("LOCK TABLE journal IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(JournalUnavailable) as said:
            await journal.append([Tick()], NOW_MS + 9)
    assert said.value.is_unknown
    assert len(await journal.resume()) in {0, 1}
    await journal.append([Tick()], NOW_MS + 10)
    await everything(admin)
    await journal.close()


async def test_after_a_failure_nothing_is_taken_until_it_has_resumed(journal: Journal, admin: Connection) -> None:
    await fill(journal)
    await admin.execute(f"SELECT pg_terminate_backend(pid) {HOLDERS}")
    with pytest.raises(JournalUnavailable):
        await journal.append([Tick()], NOW_MS + 9)
    with pytest.raises(JournalUnavailable) as said:
        await journal.append([Tick()], NOW_MS + 9)
    assert not said.value.is_unknown
    await journal.resume()
    await journal.append([Tick()], NOW_MS + 9)


async def test_a_database_that_takes_nothing_is_said_and_not_run_against(journal: Journal, admin: Connection) -> None:
    """OPS-025: the second refusal in a row is one, and the first batch that lands ends it."""
    await fill(journal)
    await admin.execute(FULL_DISK)
    found, spans_s = [], []
    for _ in range(4):
        with pytest.raises(JournalUnavailable):
            await journal.append([Tick()], NOW_MS + 9)
        found.append(journal.trouble)
        begun_s = time.monotonic()
        assert await journal.resume() == []
        spans_s.append(time.monotonic() - begun_s)
    assert found == [None, "no space left", "no space left", "no space left"]
    assert [span_s >= least_s for span_s, least_s in zip(spans_s, (0.0, 0.1, 0.2, 0.5), strict=True)] == [True] * 4
    await admin.execute("UPDATE disk SET is_full = false")
    await journal.append([Tick()], NOW_MS + 9)
    assert journal.trouble is None


async def test_resume_waits_until_nobody_else_has_the_lock(journal: Journal, database: str, admin: Connection) -> None:
    await fill(journal)
    await admin.execute(f"SELECT pg_terminate_backend(pid) {HOLDERS}")
    await admin.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    with pytest.raises(JournalUnavailable):
        await journal.append([Tick()], NOW_MS + 9)
    await put(admin, count=1, time_ms=NOW_MS + 9, commands=[order(name="theirs")])
    resuming = asyncio.create_task(journal.resume())
    waiting = "SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    await until_async(lambda: admin.fetchval(waiting))
    assert not resuming.done()
    await admin.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)
    assert [batch.commands for batch in await resuming] == [[order(name="theirs")]]


@pytest.mark.spec("JRN-009")
async def test_what_landed_must_fit(journal: Journal, admin: Connection) -> None:
    await fill(journal)
    await admin.execute(f"SELECT pg_terminate_backend(pid) {HOLDERS}")
    with pytest.raises(JournalUnavailable):
        await journal.append([Tick()], NOW_MS + 9)
    await admin.execute("INSERT INTO journal VALUES (16, 1, 0, '', '')")
    with pytest.raises(JournalDamaged, match="at seq 16: hash"):
        await journal.resume()


@pytest.mark.spec("JRN-008")
async def test_a_lost_session_that_still_waits_lets_go_of_the_lock(database: str, admin: Connection) -> None:
    async with Proxy(database) as proxy:
        journal = await open_journal(proxy.url)
        await fill(journal)
        # A row that is not committed yet: whoever inserts the same key waits, and nobody else.
        await admin.execute("BEGIN")
        await admin.execute("INSERT INTO journal VALUES (16, 1, 0, '', '')")
        appending = asyncio.create_task(journal.append([Tick()], NOW_MS + 9))
        blocked = "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        await until_async(lambda: admin.fetchval(blocked))
        proxy.cut()
        with pytest.raises(JournalUnavailable):
            await appending
        assert await asyncio.wait_for(journal.resume(), 10) == []
        await admin.execute("ROLLBACK")
        assert await journal.append([Tick()], NOW_MS + 10) == 16
        await journal.close()


@pytest.mark.spec("JRN-008")
async def test_a_session_lost_in_silence_lets_go_of_the_lock(database: str, admin: Connection) -> None:
    """As when a network fails without a word: the server believes in the idle session for as long as TCP does."""
    async with Proxy(database) as proxy:
        journal = await open_journal(proxy.url)
        await fill(journal)
        for _ in range(2):
            former = await admin.fetchval(f"SELECT pid {HOLDERS}")
            proxy.lose()
            with pytest.raises(JournalUnavailable):
                await journal.append([Tick()], NOW_MS + 9)
            assert await admin.fetchval(f"SELECT pid {HOLDERS}") == former
            await asyncio.wait_for(journal.resume(), 10)
            assert await admin.fetchval(f"SELECT pid {HOLDERS}") != former
            await journal.append([Tick()], NOW_MS + 10)
        await journal.close()


@pytest.mark.spec("JRN-012")
@pytest.mark.parametrize("given, found", [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
async def test_a_commit_means_durable(database: str, admin: Connection, given: str, found: str) -> None:
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = {given}")
    journal = await open_journal(database)
    assert await journal.connection.fetchval("SHOW synchronous_commit") == found
    await admin.execute(f"SELECT pg_terminate_backend(pid) {HOLDERS}")
    with pytest.raises(JournalUnavailable):
        await journal.append([Tick()], NOW_MS)
    await journal.resume()
    assert await journal.connection.fetchval("SHOW synchronous_commit") == found
    await journal.close()
