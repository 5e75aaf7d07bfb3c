"""Somebody in a hurry presses Ctrl-C more than once."""

import signal
import time

import pytest

from tests.support.program import DEADLINE_S, evermark, made_data_dir, running


@pytest.mark.spec("CONN-006")
@pytest.mark.parametrize("gap_s", [0.0, 0.15])
def test_asking_twice_stops_as_cleanly_as_asking_once(gap_s: float) -> None:
    with made_data_dir() as path, running(path, EVERMARK_FEED="synthetic") as program:
        deadline = time.monotonic() + DEADLINE_S
        while program.process.poll() is None:
            assert time.monotonic() < deadline, program.log
            program.process.send_signal(signal.SIGINT)
            time.sleep(gap_s or 0.01)
        assert program.process.wait(DEADLINE_S) == 0, program.log
        assert "Traceback" not in program.log
        assert "Nothing to stop" in evermark(path, "stop-db")
