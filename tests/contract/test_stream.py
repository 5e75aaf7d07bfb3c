"""The stream over a real socket: operations, public and private categories."""

from collections.abc import Iterator

import pytest

from tests.support.streams import Listener, listening
from tests.venue import PAIR, Client, Venue


@pytest.fixture
def listener(venue: Venue) -> Iterator[Listener]:
    with listening(venue.url) as found:
        yield found


def test_status_is_answered_by_ok(listener: Listener) -> None:
    answer = listener.ask("status")
    assert (answer["code"], answer["category"], answer["pair"]) == (200, "ok", None)


def test_depth_is_a_whole_book_in_both_shapes(listener: Listener, alice: Client) -> None:
    assert listener.ask("sub", f"{PAIR}:depth")["result"] == f"{PAIR}:depth"
    listener.hear("depth")
    alice.order(price=58_123, qty=0.002)
    told = listener.hear("depth", lambda message: {"price": 58_123, "qty": 0.002} in message["result"]["bids"])
    assert (told["code"], told["msg"], told["pair"]) == (200, "Order book changed!", PAIR)
    assert told["result"]["depth"] == {side: told["result"][side] for side in ("bids", "asks")}
    alice.cancel_all()
    listener.hear("depth", lambda message: {"price": 58_123, "qty": 0.002} not in message["result"]["bids"])


def test_trades_and_orders_of_the_account(listener: Listener, alice: Client, bob: Client) -> None:
    listener.ask("sub", f"{PAIR}:trades")
    assert listener.ask("auth_api", alice.api_key)["category"] == "authenticated"
    order = alice.order(price=60_000, qty=0.003).json()["result"]["order"]
    assert listener.hear("order_added")["result"]["order"]["id"] == order["id"]
    bob.order(side="SELL", price=60_000, qty=0.001)
    partly = listener.hear("order_partially_completed")
    assert partly["result"]["order"]["qty_remaining"] == 0.002
    assert partly["result"]["order"]["fills"][0]["qty"] == 0.001
    alice.cancel_all()
    gone = listener.hear("order_cancelled")
    assert gone["result"]["order"]["status"] == "CANCELLED"
    trades = [message["result"]["trades"] for message in listener.heard if message["category"] == "trades"]
    assert [(trade["qty"], trade["price"]) for trade in trades[0]] == [(0.001, 60_000)]
    for client in (alice, bob):
        client.send("/auth/close", pair=PAIR)
