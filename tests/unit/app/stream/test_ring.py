"""What is kept for clients that come back."""

import pytest

from app.stream.ring import ENTRIES_MAX, KEEP_S, NEVER, RETURN_S, SIZE_MAX, TOTAL_MAX, Entry, Ring


def entries(seq: int, count: int = 1, size: int = 10) -> list[Entry]:
    return [Entry(seq, index, "order_added", bytes(size)) for index in range(count)]


def places(found: list[Entry] | None) -> list[tuple[int, int]] | None:
    return None if found is None else [(entry.seq, entry.index) for entry in found]


@pytest.mark.spec("STREAM-050", "STREAM-051")
def test_what_comes_after_a_place() -> None:
    ring = Ring()
    ring.join(1, 10)
    ring.add(1, entries(12, 3))
    ring.add(1, entries(15, 1))
    assert places(ring.after(1, 10)) == [(12, 0), (12, 1), (12, 2), (15, 0)]
    assert places(ring.after(1, 12, 1)) == [(12, 2), (15, 0)]
    assert places(ring.after(1, 12)) == [(15, 0)]
    assert places(ring.after(1, 15)) == []
    assert ring.after(1, 9) is None
    assert ring.after(1, 10, 5) is None
    assert ring.after(2, 10) is None
    assert ring.from_seq(1) == 10


@pytest.mark.spec("STREAM-052")
def test_the_oldest_go_when_there_are_too_many() -> None:
    ring = Ring()
    ring.join(1, 0)
    for seq in range(1, ENTRIES_MAX + 1):
        ring.add(1, entries(seq))
    assert places(ring.after(1, 0)) is not None
    ring.add(1, entries(ENTRIES_MAX + 1, 2))
    assert ring.after(1, 1, NEVER) is None
    assert ring.after(1, 2, 0) == ring.after(1, 2)
    assert len(ring.after(1, 2) or []) == ENTRIES_MAX
    ring.add(1, entries(ENTRIES_MAX + 2, 1, SIZE_MAX - 5))
    assert places(ring.after(1, ENTRIES_MAX + 1)) == [(ENTRIES_MAX + 2, 0)]
    assert ring.after(1, ENTRIES_MAX + 1, 0) is None


@pytest.mark.spec("STREAM-052")
def test_all_accounts_together_have_a_bound() -> None:
    ring = Ring()
    size = SIZE_MAX - 1_000
    for account_id in range(1, TOTAL_MAX // size + 2):
        ring.join(account_id, 0)
        ring.add(account_id, entries(1, 1, size))
        if account_id % 2:
            ring.leave(account_id, float(account_id))
    assert ring.size <= TOTAL_MAX
    assert 1 not in ring
    assert 2 in ring
    followed = [account_id for account_id in range(1, 99) if account_id in ring]
    assert ring.size == sum(len(entry.frame) for one in followed for entry in ring.after(one, 1, -1) or [])


@pytest.mark.spec("STREAM-052", "STREAM-053")
def test_nobody_is_followed_for_ever() -> None:
    ring = Ring()
    ring.join(1, 0)
    ring.join(1, 0)
    ring.follow(2, 0)
    ring.wait_for_return(1_000.0)
    ring.drop_old(1_000.0 + RETURN_S - 1)
    assert 2 in ring
    ring.drop_old(1_000.0 + RETURN_S + 1)
    assert 2 not in ring
    ring.leave(1, 2_000.0)
    ring.drop_old(2_000.0 + 2 * KEEP_S)
    assert 1 in ring, "one client is still there"
    ring.leave(1, 3_000.0)
    ring.drop_old(3_000.0 + KEEP_S)
    assert 1 in ring
    ring.drop_old(3_000.0 + KEEP_S + 1)
    assert len(ring) == 0
    ring.leave(1, 3_000.0)
    assert ring.size == 0


@pytest.mark.spec("STREAM-046", "STREAM-051")
def test_extra_categories_are_there_from_when_somebody_wanted_them() -> None:
    ring = Ring()
    ring.join(1, 0)
    assert not ring.has_extras(1)
    ring.add(1, entries(5))
    ring.want_extras(1, 7)
    ring.want_extras(1, 9)
    assert ring.has_extras(1)
    assert places(ring.after(1, 3)) == [(5, 0)]
    assert ring.after(1, 6, with_extras=True) is None
    assert places(ring.after(1, 7, with_extras=True)) == []
    assert ring.from_seq(1) == 7


@pytest.mark.spec("STREAM-073")
def test_what_was_missed_ends_all_tails() -> None:
    ring = Ring()
    ring.join(1, 0)
    ring.want_extras(1, 0)
    ring.add(1, entries(5))
    ring.start_again(8)
    assert ring.after(1, 5) is None
    assert places(ring.after(1, 8, with_extras=True)) == []
    assert ring.size == 0
    ring.leave(1, 0.0)
    ring.drop_old(KEEP_S + 1)
    assert 1 not in ring
