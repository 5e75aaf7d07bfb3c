"""What is ours among the POSTs: amend, the margin mode, the dead man's switch; client ids, self-match and trailing stops on the way."""

from typing import Any

import pytest

from exchange.commands import Deposit, Tick
from exchange.limits import MONEY_SCALE
from tests.contract.documents import conforms
from tests.venue import PAIR, PRICE, SPOT, USD, Client, Venue


@pytest.fixture(scope="module")
def gina(venue: Venue) -> Client:
    return venue.client("gina")


@pytest.fixture(scope="module")
def hugo(venue: Venue) -> Client:
    return venue.client("hugo")


def amend(venue: Venue, client: Client, **fields: object) -> Any:
    return conforms(venue, client.send("/auth/amend", **fields))


@pytest.mark.spec("REST-040")
def test_a_smaller_quantity_keeps_its_place(venue: Venue, gina: Client, hugo: Client) -> None:
    first = conforms(venue, gina.order(side="SELL", price=60_100, qty=0.004))["order"]
    conforms(venue, hugo.order(side="SELL", price=60_100, qty=0.004, client_order_id="h1"))
    found = amend(venue, gina, id=first["id"], qty=0.003)
    assert found.keys() == {"order", "balances", "positions", "position"}
    order = found["order"]
    assert (order["id"], order["qty_orig"], order["qty_remaining"], order["qty_filled"]) == (
        first["id"],
        0.003,
        0.003,
        0,
    )
    # More goes behind: the other seller is first now.
    assert amend(venue, hugo, client_order_id="h1", qty=0.005)["order"]["qty_remaining"] == 0.005
    taker = venue.client("taker of an amended order")
    conforms(venue, taker.order(price=60_100, qty=0.003))
    assert conforms(venue, gina.get("/order", id=first["id"]))["status"] == "COMPLETED"
    assert conforms(venue, hugo.get("/order", client_order_id="h1"))["qty_filled"] == 0
    hugo.cancel_all()


@pytest.mark.spec("REST-040", "REST-041")
def test_an_amended_order_shows_what_was_asked_for_last(venue: Venue, gina: Client) -> None:
    order_id = conforms(venue, gina.order(price=59_000, qty=0.002, client_order_id="asked"))["order"]["id"]
    order = amend(venue, gina, id=order_id, qty=0.006, price=58_900.5)["order"]
    assert (order["price"], order["price_orig"], order["qty_orig"]) == (58_900.5, 58_900.5, 0.006)
    repeated = conforms(venue, gina.order(price=59_000, qty=0.002, client_order_id="asked"))["order"]
    for _ in range(2):
        shown = [
            conforms(venue, gina.get("/order", id=order_id)),
            *conforms(venue, gina.get("/active_orders", limit=1)),
        ]
        shown += conforms(venue, gina.get("/orders", limit=1))
        assert shown == [order, order, order]
        venue.run(venue.store.projector.settle())
    assert {name: repeated[name] for name in ("id", "price", "qty_orig", "qty_remaining")} == {
        name: order[name] for name in ("id", "price", "qty_orig", "qty_remaining")
    }
    gina.cancel_all()
    assert conforms(venue, gina.get("/order", id=order_id))["qty_orig"] == 0.006


@pytest.mark.spec("REST-040")
def test_an_amendment_that_crosses_trades_at_once(venue: Venue, gina: Client, hugo: Client) -> None:
    conforms(venue, hugo.order(side="SELL", price=60_200, qty=0.002))
    order_id = conforms(venue, gina.order(price=59_500, qty=0.005))["order"]["id"]
    found = amend(venue, gina, id=order_id, price=60_200)
    order = found["order"]
    assert (order["status"], order["qty_filled"], order["qty_remaining"]) == ("ACTIVE", 0.002, 0.003)
    assert [(fill["price"], fill["qty"], fill["is_buyer_maker"]) for fill in order["fills"]] == [(60_200, 0.002, False)]
    assert found["position"] == conforms(venue, gina.get("/active_positions"))[PAIR]
    gina.cancel_all()


@pytest.mark.spec("REST-040")
@pytest.mark.parametrize(
    "fields, reject, field",
    [
        ({}, "MISSING_FIELD", "qty"),
        ({"qty": 0.00015}, "INVALID_QTY", "qty"),
        ({"price": 59_000.01}, "INVALID_PRICE", "price"),
        ({"price": 50_000}, "OUTSIDE_TRADING_RANGE", "price"),
        ({"price": 59_000}, "NOT_AMENDABLE", "qty"),
        ({"trigger_price": 61_000}, "INVALID_TRIGGER", "trigger_price"),
        ({"qty": 100}, "INSUFFICIENT_BALANCE", None),
    ],
)
def test_an_amendment_is_refused_like_an_order(
    venue: Venue, gina: Client, fields: dict[str, object], reject: str, field: str | None
) -> None:
    order = conforms(venue, gina.order(price=59_000, qty=0.001))["order"]
    if reject == "OUTSIDE_TRADING_RANGE":
        fields = {"price": 70_000}
    before = venue.state_hash()
    answer = gina.send("/auth/amend", id=order["id"], **fields)
    assert answer.status_code == 503
    assert conforms(venue, answer) == {"reject": reject, "field": field}
    assert venue.state_hash() == before
    gina.cancel_all()


@pytest.mark.spec("REST-040")
def test_only_an_open_order_of_ones_own_can_be_amended(venue: Venue, gina: Client, hugo: Client) -> None:
    order_id = conforms(venue, gina.order(price=59_000, qty=0.001))["order"]["id"]
    for client, fields, field in (
        (hugo, {"id": order_id}, "id"),
        (gina, {"id": "f" * 32}, "id"),
        (gina, {"client_order_id": "never"}, "client_order_id"),
    ):
        found = conforms(venue, client.send("/auth/amend", qty=0.002, **fields))
        assert found == {"reject": "ORDER_NOT_FOUND", "field": field}
    assert conforms(venue, gina.send("/auth/amend", qty=0.002)) == {"reject": "MISSING_FIELD", "field": "id"}
    gina.cancel_all()
    assert gina.send("/auth/amend", id=order_id, qty=0.002).status_code == 503
    body = f"id={order_id}&qty=0.002&timestamp={venue.stamp()}"
    assert gina.post("/auth/amend", body, x_signature="").status_code == 401
    assert conforms(venue, gina.post("/auth/amend", f"id={order_id}&qty=0.002"))["field"] == "timestamp"


def stands(venue: Venue, client: Client, order_id: str) -> list[float]:
    """Where a trailing stop would fire, in every answer that has it."""
    rows = [conforms(venue, client.get("/order", id=order_id))]
    for path in ("/active_orders", "/orders", "/triggers"):
        rows += [row for row in conforms(venue, client.get(path)) if row["id"] == order_id]
    return [row["trigger_price"] for row in rows]


@pytest.mark.spec("REST-041")
def test_a_trailing_stop_follows_and_fires(venue: Venue, gina: Client, hugo: Client) -> None:
    venue.price(PRICE)
    conforms(venue, hugo.order(side="SELL", price=60_000, qty=0.01))
    conforms(venue, gina.order(price=60_000, qty=0.01))
    stop = {"side": "SELL", "price": None, "qty": 0.01, "reduce_only": "true"}
    order = conforms(venue, gina.order(**stop, trail=300, client_order_id="trail"))["order"]
    assert (order["status"], order["type"], order["trail"], order["trail_percent"]) == (
        "UNTRIGGERED",
        "MARKET",
        300,
        None,
    )
    assert (order["trigger_event"], order["trigger_direction"]) == ("MARK_PRICE", "AUTO")
    venue.price(PRICE)
    other = conforms(venue, gina.order(**stop, trail_percent=2.5))["order"]
    venue.price(PRICE)
    assert stands(venue, gina, order["id"]) == [59_700] * 4
    assert stands(venue, gina, other["id"]) == [58_500] * 4
    assert (other["trail"], other["trail_percent"]) == (None, 2.5)
    conforms(venue, gina.send("/auth/cancel", id=other["id"]))
    bought = conforms(venue, hugo.order(side="BUY", price=None, qty=0.01, trail=450))["order"]
    venue.price(PRICE)
    assert stands(venue, hugo, bought["id"]) == [60_450] * 4
    conforms(venue, hugo.send("/auth/cancel", id=bought["id"]))
    venue.price(60_500)
    assert stands(venue, gina, order["id"]) == [60_200] * 4
    conforms(venue, hugo.order(price=60_150, qty=0.05))
    venue.price(60_250)
    assert conforms(venue, gina.get("/order", id=order["id"]))["status"] == "UNTRIGGERED"
    venue.price(60_200)  # 300 below the best mark that it saw
    done = conforms(venue, gina.get("/order", client_order_id="trail"))
    assert (done["status"], [fill["price"] for fill in done["fills"]]) == ("COMPLETED", [60_150])
    listed = conforms(venue, gina.get("/triggers", pair=PAIR, limit=2))
    assert [(row["id"], row["status"]) for row in listed] == [(order["id"], "COMPLETED"), (other["id"], "CANCELLED")]
    hugo.cancel_all()
    venue.price(PRICE)


@pytest.mark.spec("REST-041")
def test_a_trigger_can_be_moved(venue: Venue, gina: Client) -> None:
    order = conforms(venue, gina.order(side="BUY", price=None, qty=0.001, trigger_price=60_900))["order"]
    moved = amend(venue, gina, id=order["id"], trigger_price=60_800, qty=0.002)["order"]
    assert (moved["status"], moved["trigger_price"], moved["qty_orig"]) == ("UNTRIGGERED", 60_800, 0.002)
    assert conforms(venue, gina.get("/triggers", limit=1)) == conforms(venue, gina.get("/active_orders", limit=1))
    gina.cancel_all()


@pytest.mark.spec("REST-041")
@pytest.mark.parametrize(
    "mode, taker, maker",
    [
        ("CANCEL_TAKER", ("CANCELLED", 0.002), ("ACTIVE", 0.001)),
        ("CANCEL_MAKER", ("ACTIVE", 0.002), ("CANCELLED", 0.001)),
        ("CANCEL_BOTH", ("CANCELLED", 0.002), ("CANCELLED", 0.001)),
        ("DECREMENT", ("ACTIVE", 0.001), ("CANCELLED", 0.001)),
    ],
)
def test_an_order_meets_one_of_ones_own(
    venue: Venue, gina: Client, mode: str, taker: tuple[str, float], maker: tuple[str, float]
) -> None:
    resting = conforms(venue, gina.order(side="SELL", price=60_300, qty=0.001))["order"]["id"]
    order = conforms(venue, gina.order(price=60_300, qty=0.002, self_match=mode))["order"]
    assert (order["self_match"], order["fills"]) == (mode, [])
    for order_id, expected in ((order["id"], taker), (resting, maker)):
        found = conforms(venue, gina.get("/order", id=order_id))
        assert (found["status"], found["qty_remaining"], found["qty_filled"]) == (*expected, 0)
    gina.cancel_all()


@pytest.mark.spec("REST-042")
def test_the_margin_mode_changes_on_an_empty_account(venue: Venue) -> None:
    client, other = venue.client("mode"), venue.client("mode's other side")
    assert conforms(venue, client.get("/personal"))["margin_mode"] == "CROSS"
    found = conforms(venue, client.send("/auth/margin_mode", margin_mode="ISOLATED"))
    assert (found["margin_mode"], found["positions"]) == ("ISOLATED", {})
    assert found["balances"] == conforms(venue, client.get("/balances"))
    assert conforms(venue, client.get("/personal"))["margin_mode"] == "ISOLATED"
    assert conforms(venue, client.order(price=59_000, leverage=5))["order"]["leverage"] == 5
    answer = client.send("/auth/margin_mode", margin_mode="CROSS")
    assert conforms(venue, answer) == {"reject": "HAS_OPEN_ORDERS", "field": None}
    client.cancel_all()
    other.order(side="SELL", price=60_000, qty=0.001)
    client.order(price=60_000, qty=0.001)
    assert conforms(venue, client.send("/auth/margin_mode", margin_mode="CROSS"))["reject"] == "HAS_POSITIONS"
    for wrong in ("cross", "PORTFOLIO"):
        assert conforms(venue, client.send("/auth/margin_mode", margin_mode=wrong))["field"] == "margin_mode"
    assert conforms(venue, client.send("/auth/margin_mode"))["reject"] == "MISSING_FIELD"


@pytest.mark.spec("REST-043")
def test_whoever_falls_silent_loses_its_orders(venue: Venue) -> None:
    client = venue.client("dead man")
    conforms(venue, client.order(price=59_000))
    conforms(venue, client.order(pair=SPOT, price=59_000, qty=0.001))
    waiting = conforms(venue, client.order(price=None, qty=0.001, trigger_price=60_900))["order"]["id"]
    timer = conforms(venue, client.send("/auth/cancel_all_after", timeout=5_000))
    assert timer["cancel_time"] == timer["time"] + 5_000
    assert conforms(venue, client.get("/personal"))["cancel_time"] == timer["cancel_time"]
    venue.clock.now_ms += 4_000
    again = conforms(venue, client.send("/auth/cancel_all_after", timeout=5_000))
    assert again["cancel_time"] == timer["cancel_time"] + 4_000
    venue.clock.now_ms += 4_999
    venue.submit(Tick())
    assert len(conforms(venue, client.get("/active_orders"))) == 3
    venue.clock.now_ms += 1
    venue.submit(Tick())
    assert conforms(venue, client.get("/active_orders")) == []
    rows = conforms(venue, client.get("/cancelled_orders"))
    assert len(rows) == 3
    assert {row["msg"] for row in rows} == {"Cancelled because the account was silent for longer than it had said."}
    assert waiting in {row["id"] for row in rows}
    assert conforms(venue, client.get("/personal"))["cancel_time"] is None
    venue.price(PRICE)


@pytest.mark.spec("REST-043")
def test_the_switch_can_be_called_off(venue: Venue) -> None:
    client = venue.client("living man")
    conforms(venue, client.order(price=59_000))
    conforms(venue, client.send("/auth/cancel_all_after", timeout=1_000))
    assert conforms(venue, client.send("/auth/cancel_all_after", timeout=0))["cancel_time"] is None
    venue.clock.now_ms += 2_000
    venue.submit(Tick())
    assert len(conforms(venue, client.get("/active_orders"))) == 1
    for timeout, reject in ((999, "INVALID_TIMEOUT"), (86_400_001, "INVALID_FORM"), ("soon", "INVALID_FORM")):
        found = conforms(venue, client.send("/auth/cancel_all_after", timeout=timeout))
        assert found == {"reject": reject, "field": "timeout"}
    client.cancel_all()
    venue.submit(Deposit("living man's last", client.account_id, USD, MONEY_SCALE))
