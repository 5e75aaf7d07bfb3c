import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rate import Bucket, Table, fill_ms


def make() -> Bucket:
    return Bucket(per_second=10, burst=2)


SPAN_MS = fill_ms(per_second=10, burst=2)


def test_a_bucket_fills_in_its_time() -> None:
    assert SPAN_MS == 200
    bucket = make()
    assert [bucket.take(1_000, 2), bucket.take(1_000)] == [0, 100]
    assert bucket.take(1_000 + SPAN_MS, 2) == 0


@pytest.mark.spec("LIM-004")
def test_a_name_keeps_its_bucket_however_many_others_come() -> None:
    table = Table(make, span_ms=SPAN_MS, names_max=100)
    table.find("victim", 0.0).take(0.0, 2)
    for number in range(10_000):
        table.find(f"other-{number}", 0.0)
    assert len(table) == 100
    assert table.find("victim", 0.0).take(0.0) > 0
    assert table.find("victim", 99.0).take(99.0) > 0


@pytest.mark.spec("LIM-004")
def test_names_without_room_share_one_entry_until_there_is_room() -> None:
    table = Table(make, span_ms=SPAN_MS, names_max=3)
    known = [table.find(name, 0.0) for name in "abc"]
    assert table.find("d", 0.0) is table.find("e", 0.0) is table.crowd
    assert [table.find(name, 150.0) for name in "abc"] == known
    # At the first turn everybody is older; at the second those who did not come are forgotten.
    assert table.find("d", SPAN_MS) is table.crowd
    assert table.find("a", SPAN_MS) is known[0]
    assert table.find("d", 2 * SPAN_MS) is not table.crowd
    assert table.find("a", 2 * SPAN_MS) is known[0]
    assert table.find("b", 2 * SPAN_MS) is not known[1]
    assert len(table) == 3


@pytest.mark.spec("LIM-004")
@given(
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 11), st.integers(1, 2)), max_size=200),
    st.integers(12, 20),
)
def test_forgetting_makes_no_difference(asked: list[tuple[int, int, int]], names_max: int) -> None:
    """Beside a table that never forgets: the same waits, as long as there is room."""
    table = Table(make, span_ms=SPAN_MS, names_max=names_max)
    naive: dict[int, Bucket] = {}
    now_ms = 0
    for pause_ms, name, tokens in asked:
        now_ms += pause_ms
        expected = naive.setdefault(name, make()).take(now_ms, tokens)
        assert table.find(name, now_ms).take(now_ms, tokens) == expected
        assert len(table) <= names_max


@pytest.mark.spec("LIM-004")
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 1_000)), max_size=300))
def test_memory_is_bounded(asked: list[tuple[int, int]]) -> None:
    table = Table(make, span_ms=SPAN_MS, names_max=5)
    now_ms = 0
    for pause_ms, name in asked:
        now_ms += pause_ms
        table.find(name, now_ms)
        assert len(table) <= 5
