"""For how long a name is locked."""

import pytest

from app.people.lockouts import FREE, FREE_OF_ADDRESS, LONGEST_MS, Lockouts, lock_ms
from app.people.refusals import Refusal, Refused
from tests.support.people_clock import Standing


@pytest.mark.spec("PEO-020")
def test_each_failure_locks_for_twice_as_long_up_to_an_hour() -> None:
    spans = [lock_ms(failures, FREE) // 1000 for failures in range(1, 15)]
    assert spans == [0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]
    assert lock_ms(10**9, FREE) == LONGEST_MS


@pytest.mark.spec("PEO-022", "PEO-023")
async def test_names_do_not_stand_in_the_database(database: str) -> None:
    clock = Standing()
    async with clock.lockouts(database) as lockouts:
        for _ in range(FREE):
            await lockouts.begin("zoe@example.org", "192.0.2.1")
        await refuse(lockouts, "zoe@example.org", "198.51.100.7")
    async with clock.lockouts(database) as again:
        await refuse(again, "zoe@example.org", "192.0.2.1")
        await again.begin("other@example.org", "192.0.2.1")
        clock.now_ms += 30_000
        await again.clear("zoe@example.org", "192.0.2.1")
        await again.begin("zoe@example.org", "192.0.2.1")
    rows = await clock.rows(database)
    assert len(rows) == 3
    for row in rows:
        assert len(row.name_hash) == 32
        assert b"zoe" not in row.name_hash


@pytest.mark.spec("PEO-022")
async def test_an_ipv6_network_counts_as_one(database: str) -> None:
    clock = Standing()
    async with clock.lockouts(database) as lockouts:
        for count in range(FREE_OF_ADDRESS):
            await lockouts.begin(f"a{count}@example.org", f"2001:db8:1:2::{count:x}")
        await refuse(lockouts, "fresh@example.org", "2001:db8:1:2:ffff::1")
        await lockouts.begin("fresh@example.org", "2001:db8:1:3::1")


@pytest.mark.spec("PEO-020")
async def test_a_day_without_an_attempt_begins_anew(database: str) -> None:
    clock = Standing()
    async with clock.lockouts(database) as lockouts:
        for _ in range(FREE - 1):
            await lockouts.begin("zoe@example.org", "192.0.2.1")
        clock.now_ms += 86_400_001
        for _ in range(FREE):
            await lockouts.begin("zoe@example.org", "192.0.2.1")
        await refuse(lockouts, "zoe@example.org", "192.0.2.1")


@pytest.mark.spec("PEO-023")
async def test_a_flood_of_names_is_forgotten_but_for_those_that_are_locked(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.people.lockouts.NAMES_MAX", 10)
    clock = Standing()
    async with clock.lockouts(database) as lockouts:
        for _ in range(FREE):
            await lockouts.begin("zoe@example.org", "192.0.2.1")
        for count in range(40):
            await lockouts.begin(f"a{count}@example.org", f"198.51.100.{count}")
        await refuse(lockouts, "zoe@example.org", "192.0.2.2")
    assert len(await clock.rows(database)) <= 11


async def refuse(lockouts: Lockouts, email: str, address: str) -> None:
    with pytest.raises(Refused) as caught:
        await lockouts.begin(email, address)
    assert caught.value.refusal is Refusal.LOCKED
