"""The real program killed while a client listens: what the client missed comes when it is back, and all of it is the account."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from app.db.embedded import EmbeddedServer
from tests.e2e.test_kill import Client, Venue
from tests.support.streams import Message, listening

ENDS = ("COMPLETED", "CANCELLED")


def trade(client: Client, price: str, sent: list[int], enough: threading.Event) -> None:
    """Send orders on both sides until the line goes dead."""
    with contextlib.suppress(OSError, HTTPException, ValueError):
        while True:
            side = "BUY" if len(sent) % 3 else "SELL"
            client.order(f"again {len(sent)}", side, price=price)
            sent.append(1)
            if len(sent) == 60:
                enough.set()


def open_orders(told: list[Message]) -> dict[str, Any]:
    """What messages say is open."""
    found: dict[str, Any] = {}
    for message in told:
        order = message["result"].get("order") if isinstance(message["result"], dict) else None
        if order is not None:
            found[order["id"]] = order
            if order["status"] in ENDS:
                del found[order["id"]]
    return found


@pytest.mark.spec("STREAM-050", "STREAM-053")
def test_a_client_that_was_there_when_it_was_killed() -> None:
    folder = Path(tempfile.mkdtemp(prefix="evermark-again-"))
    venue = Venue(folder)
    program: subprocess.Popen[bytes] | None = None
    try:
        program = venue.start()
        url = str(venue.demo["url"])
        accounts = venue.demo["accounts"]
        assert isinstance(accounts, list)
        key = accounts[0]["api_key"]
        sent: list[int] = []
        enough = threading.Event()
        trader = threading.Thread(target=trade, args=(venue.client(0), venue.price(), sent, enough))
        with listening(url) as client:
            first = client.ask("auth_api", key)["result"]["seq"]
            trader.start()
            assert enough.wait(60)
            os.kill(program.pid, signal.SIGKILL)
            program.wait(30)
            with contextlib.suppress(ConnectionClosed):
                while True:
                    client.next()
            seen = [message for message in client.heard if "seq" in message]
        trader.join(30)
        program = venue.start()
        last = seen[-1]
        url = str(venue.demo["url"])
        with listening(url) as client:
            client.ask("auth_api", {"api_key": key, "since": last["seq"], "index": last["index"]})
            missed = [message for message in client.rest() if "seq" in message]
            assert all(message["category"] != "error" for message in client.heard)
        with listening(url) as client:
            client.ask("auth_api", {"api_key": key, "since": first})
            everything = [message for message in client.rest() if "seq" in message]
        places = [(message["seq"], message["index"]) for message in everything]
        assert places == sorted(set(places))
        assert everything == seen + missed
        active = venue.client(0).get("/active_orders")["result"]
        assert isinstance(active, list)
        assert {order["id"]: (order["qty_remaining"], order["price"]) for order in active} == {
            order_id: (order["qty_remaining"], order["price"]) for order_id, order in open_orders(everything).items()
        }
        assert len(everything) >= 60
    finally:
        if program is not None:
            program.terminate()
            program.wait(60)
        EmbeddedServer(venue.data).stop_blocking()
        shutil.rmtree(folder, ignore_errors=True)
