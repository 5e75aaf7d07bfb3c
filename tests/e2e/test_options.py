"""Options on the real program: prices without any quote, a trade, a kill, and everything there again."""

import asyncio
import json
import re
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from app.auth import sign
from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from tests.support.program import DEADLINE_S, evermark, made_data_dir, running, seq_of

CALL = "USD_BTCCALL_PERP"
QTY = 0.1


class Demo:
    """The exchange as its demo accounts see it."""

    def __init__(self, data_dir: Path) -> None:
        found = json.loads((data_dir / "demo.json").read_text("utf-8"))
        self.url = found["url"]
        self.accounts = found["accounts"]

    def pairs(self) -> dict[str, Any]:
        result: dict[str, Any] = requests.get(f"{self.url}/pairs", timeout=DEADLINE_S).json()["result"]
        return result

    def get(self, account: int, path: str, **query: str) -> Any:
        headers = {"x-api-key": self.accounts[account]["api_key"]}
        return requests.get(self.url + path, params=query, headers=headers, timeout=DEADLINE_S).json()["result"]

    def order(self, account: int, **fields: object) -> dict[str, Any]:
        body = urlencode({**fields, "timestamp": time.time() * 1_000}).encode()
        headers = {
            "x-api-key": self.accounts[account]["api_key"],
            "x-signature": sign(self.accounts[account]["secret_key"].encode(), body).decode(),
            "content-type": "application/x-www-form-urlencoded",
        }
        answer = requests.post(f"{self.url}/auth/order", body, headers=headers, timeout=DEADLINE_S)
        assert answer.status_code == 200, answer.text
        order: dict[str, Any] = answer.json()["result"]["order"]
        return order

    def position(self, account: int) -> tuple[float, float, float]:
        found = self.get(account, "/position", pair=CALL)
        return found["size"], found["stats"]["notional_entry"], found["fees"]


def are_alive(pairs: dict[str, Any]) -> bool:
    """Whether every option has a price of its model's, and every derived index one of its own."""
    options = [pair for pair in pairs.values() if pair["strike_multiplier"]]
    assert len(options) == 36
    return pairs["USD_PVARBTC_PERP"]["mark_price"] is not None and all(
        pair["mark_price"] and pair["model_price"] and pair["predicted_funding_rate"] is not None for pair in options
    )


async def rows_of(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = await connect(EmbeddedServer(data_dir).url())
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


@pytest.mark.spec("RUN-014")
def test_an_option_is_traded_and_survives_a_kill() -> None:
    with made_data_dir() as data_dir:
        with running(data_dir, EVERMARK_FEED="synthetic") as program:
            demo = Demo(data_dir)
            wait_for(lambda: are_alive(demo.pairs()))
            call = demo.pairs()[CALL]
            assert call["black_scholes"] > 0
            assert abs(call["model_price"] - call["mark_price"]) <= call["underlying_price"] * 0.01
            price = call["mark_price"]
            demo.order(1, pair=CALL, side="SELL", qty=QTY, price=price)
            bought = demo.order(0, pair=CALL, side="BUY", qty=QTY, price=price)
            assert (bought["status"], bought["fills"][0]["price"]) == ("COMPLETED", price)
            held = [demo.position(account) for account in (0, 1)]
            assert [size for size, _, _ in held] == [QTY, -QTY]
            assert held[0][1] == pytest.approx(price * QTY)
            seq = seq_of(data_dir)
            past = evermark(data_dir, "replay", "--to", str(seq))
            program.stop(signal.SIGKILL)
        with running(data_dir, EVERMARK_FEED="synthetic"):
            demo = Demo(data_dir)
            assert [demo.position(account) for account in (0, 1)] == held
            assert demo.get(0, "/fills", pair=CALL)[0]["price"] == price
            again = evermark(data_dir, "replay", "--to", str(seq))
            assert re.findall("[0-9a-f]{64}", again) == re.findall("[0-9a-f]{64}", past)
            assert "conservation hold" in evermark(data_dir, "verify")
            wait_for(lambda: are_alive(demo.pairs()))
            fills = "SELECT account_id, sign, qty FROM fills WHERE market_id = 45 ORDER BY account_id"
            wait_for(lambda: asyncio.run(rows_of(data_dir, fills)) == [(1, 1, 1_000), (2, -1, 1_000)])
            fees = "SELECT count(*) FROM ledger_entries WHERE market_id = 45"
            assert asyncio.run(rows_of(data_dir, fees)) == [(1,)]
