"""A signed request cannot be played again, not even across a crash that takes the memory of signatures with it."""

import json
import signal
import time

import pytest
import requests

from app.auth import sign
from tests.support.program import DEADLINE_S, made_data_dir, running


@pytest.mark.spec("AUTH-005", "AUTH-006")
def test_a_request_from_before_a_crash_is_refused_after_it() -> None:
    with made_data_dir() as path:
        with running(path, EVERMARK_FEED="synthetic") as program:
            demo = json.loads((path / "demo.json").read_text("utf-8"))
            account = demo["accounts"][0]
            key = {"x-api-key": account["api_key"]}
            # Ahead of every command that the journal will hold when the process is killed.
            made_ms = time.time_ns() // 1_000_000 + 950
            body = f"pair=USD_BTC_PERP&side=BUY&qty=0.001&price=50000&timestamp={made_ms}".encode()
            headers = {
                **key,
                "x-signature": sign(account["secret_key"].encode(), body).decode(),
                "content-type": "application/x-www-form-urlencoded",
            }
            first = requests.post(f"{demo['url']}/auth/order", data=body, headers=headers, timeout=DEADLINE_S)
            assert first.status_code == 200, first.text
            again = requests.post(f"{demo['url']}/auth/order", data=body, headers=headers, timeout=DEADLINE_S)
            assert again.status_code == 401, again.text
            program.stop(signal.SIGKILL)
        with running(path, EVERMARK_FEED="synthetic"):
            url = json.loads((path / "demo.json").read_text("utf-8"))["url"]
            late = requests.post(f"{url}/auth/order", data=body, headers=headers, timeout=DEADLINE_S)
            assert (late.status_code, late.json()["code"]) == (408, 414), late.text
            orders = requests.get(f"{url}/active_orders", headers=key, timeout=DEADLINE_S).json()["result"]
            assert [order["id"] for order in orders] == [first.json()["result"]["order"]["id"]]
