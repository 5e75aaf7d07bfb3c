"""The Python client and its examples, as their users run them: against `evermark run`."""

import asyncio
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evermark_client import AsyncClient, Client, Refused
from evermark_client.events import BookChanged, OrderChanged
from tests.e2e.documents import program_of
from tests.support.program import DEADLINE_S, ROOT

EXAMPLES = ROOT / "client" / "examples"
PAIR = "USD_BTC_PERP"
Demo = dict[str, Any]


def keys_of(demo: Demo, account: int) -> tuple[str, str, str]:
    found = demo["accounts"][account]
    return demo["url"], found["api_key"], found["secret_key"]


def run_example(demo: Demo, path: Path) -> str:
    names = ("EVERMARK_URL", "EVERMARK_KEY", "EVERMARK_SECRET")
    done = subprocess.run(
        [sys.executable, str(path)],
        env={**os.environ, **dict(zip(names, keys_of(demo, 0), strict=True))},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.spec("CLT-050")
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_runs(demo: Demo, path: Path) -> None:
    said = run_example(demo, path)
    expected = {
        "first_order": ("placed ACTIVE 0.001 at", "amended to 0.002", "open orders: True", "cancelled: Cancelled on"),
        "watch_book": ("10 bids at seq", "messages without a gap up to seq"),
        "follow_account": ("answered: ACTIVE", "order_added: SELL 0.0 of 0.01", "balance: ", "order_cancelled"),
    }[path.stem]
    for words in expected:
        assert words in said


@pytest.mark.spec("CLT-001")
def test_sync_and_async_do_the_same(demo: Demo) -> None:
    with Client(*keys_of(demo, 0)) as client:
        mark = client.ticker(PAIR).mark_price
        assert mark is not None
        order = client.place_order(PAIR, "BUY", Decimal("0.001"), round(mark * 99 / 100)).order
        assert (order.status, order.qty_remaining) == ("ACTIVE", Decimal("0.001"))

    async def go_on() -> None:
        async with AsyncClient(*keys_of(demo, 0)) as same:
            assert await same.order(order.id) == order
            assert (await same.cancel_order(order.id)).status == "CANCELLED"
            assert await same.active_orders() == []
            with pytest.raises(Refused) as refusal:
                await same.cancel_order(order.id)
            assert refusal.value.reject == "ORDER_NOT_FOUND"

    asyncio.run(go_on())


@pytest.mark.spec("CLT-030", "CLT-040")
async def test_a_stream_tells_of_the_book_and_the_account(demo: Demo) -> None:
    async with AsyncClient(*keys_of(demo, 1)) as client, client.stream() as stream:
        book = await stream.book(PAIR)
        mark = (await client.ticker(PAIR)).mark_price
        assert mark is not None
        placed = await stream.place_order(PAIR, "BUY", "0.003", round(mark * 98 / 100))
        heard = {"book": False, "order": False}
        while not all(heard.values()):
            event = await stream.next(DEADLINE_S)
            if isinstance(event, OrderChanged):
                assert event.order == placed.order
                heard["order"] = True
            elif isinstance(event, BookChanged):
                heard["book"] = book.best_bid is not None and book.best_bid.qty == Decimal("0.003")
        assert (await stream.cancel_all())[0].id == placed.order.id


@pytest.mark.spec("CLT-051")
def test_the_documents_code_runs(demo: Demo, tmp_path: Path) -> None:
    path = tmp_path / "python.py"
    path.write_text(program_of("docs/api/python.md", demo, 1), "utf-8")
    said = run_example(demo, path)
    for words in ("ACTIVE", "0.002", "Cancelled on request.", "OUTSIDE_TRADING_RANGE price", "order_added True"):
        assert words in said
