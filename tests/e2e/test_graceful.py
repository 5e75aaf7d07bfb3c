"""A stop under load: whoever was taken is answered, and whoever was not answered was not taken."""

import json
import signal
import threading
import time
from http.client import HTTPException
from pathlib import Path

from app import demo
from tests.e2e.test_kill import Client
from tests.e2e.test_people import url_of
from tests.e2e.test_restore import price_of
from tests.support.program import DEADLINE_S, running

WORKERS = 8
ENOUGH = 200


class Trader:
    """Sends orders until the door is shut, and keeps what became of each."""

    def __init__(self, number: int, url: str, account: demo.DemoAccount) -> None:
        self.taken: list[str] = []
        self.refused: list[str] = []
        self.unanswered: list[str] = []
        keys = {"api_key": account.api_key, "secret_key": account.secret_key}
        self._client = Client(url, keys)
        self._price = price_of(self._client)
        self._number = number
        self.thread = threading.Thread(target=self._trade)

    def _trade(self) -> None:
        for count in range(100_000):
            name = f"g{self._number}-{count}"
            try:
                status, _ = self._client.order(name, ("BUY", "SELL")[count % 2], price=self._price)
            except (OSError, HTTPException, json.JSONDecodeError):
                self.unanswered.append(name)
                return
            (self.taken if status == 200 else self.refused).append(name)


def test_a_stop_answers_what_was_taken(data_dir: Path) -> None:
    """OPS-022."""
    with running(data_dir, EVERMARK_FEED="synthetic", EVERMARK_ACCOUNT_ORDERS_PER_MIN="1000000") as program:
        url = url_of(program)
        found = demo.read(data_dir)
        assert found is not None
        traders = [Trader(number, url, found.accounts[0]) for number in range(WORKERS)]
        for trader in traders:
            trader.thread.start()
        deadline = time.monotonic() + DEADLINE_S
        while sum(len(trader.taken) for trader in traders) < ENOUGH:
            assert time.monotonic() < deadline, program.log
            time.sleep(0.01)
        assert program.stop(signal.SIGTERM) == 0, program.log
        for trader in traders:
            trader.thread.join(DEADLINE_S)
            assert not trader.thread.is_alive()
        assert "Traceback" not in program.log
    with running(data_dir, EVERMARK_FEED="synthetic") as again:
        client = Client(
            url_of(again), {"api_key": found.accounts[0].api_key, "secret_key": found.accounts[0].secret_key}
        )
        for trader in traders:
            there = [client.get(f"/order?client_order_id={name}")["code"] for name in trader.taken]
            assert there == [200] * len(trader.taken)
            for name in (*trader.refused, *trader.unanswered):
                answer = client.get(f"/order?client_order_id={name}")
                assert "ORDER_NOT_FOUND" in str(answer), (name, answer)
    assert all(trader.unanswered for trader in traders)  # the door was shut before them
