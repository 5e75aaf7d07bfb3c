import time

import pytest

from app.clock import FastClock, clock_of, wall_clock
from app.faults import SettingsInvalid
from app.settings import from_environment


@pytest.mark.spec("SIM-007")
def test_a_fast_clock_begins_now_and_runs_so_many_times_as_fast() -> None:
    before_ms, before_ns = wall_clock(), time.monotonic_ns()
    clock = FastClock(60)
    after_start_ns = time.monotonic_ns()
    first_ms = clock()
    while clock() < first_ms + 60:  # a millisecond of the machine's
        assert time.monotonic_ns() - before_ns < 10**10
    inside_ns = time.monotonic_ns()
    last_ms = clock()
    outside_ns = time.monotonic_ns()
    assert first_ms >= before_ms
    assert (inside_ns - after_start_ns) * 60 // 10**6 <= last_ms - before_ms + 60
    assert last_ms - wall_clock() <= (outside_ns - before_ns) * 60 // 10**6


@pytest.mark.spec("SIM-007")
def test_a_rate_of_one_is_the_machines_clock() -> None:
    assert clock_of(1) is wall_clock
    assert isinstance(clock_of(2), FastClock)
    assert from_environment({"EVERMARK_CLOCK_RATE": "60"}).clock_rate == 60
    for rate in ("0", "-1", "1001", "1.5"):
        with pytest.raises(SettingsInvalid, match="EVERMARK_CLOCK_RATE"):
            from_environment({"EVERMARK_CLOCK_RATE": rate})
