import uuid
from typing import Any

import pytest

from tests.contract.documents import conforms
from tests.venue import PAIR, SPOT, Client, Venue

# What the seed's schema and its example name.
ORDER = {
    "id", "pair", "price", "price_orig", "qty_orig", "qty_orig_usd", "qty_remaining", "qty_filled", "side", "status",
    "time", "time_in_force", "type", "oco", "icebergs", "trigger_price", "trigger_event", "close_on_trigger",
    "reduce_only", "post_only", "hidden", "fills", "leverage", "customer_id",
}  # fmt: skip
BALANCE = {"free", "locked", "withdrawn", "pnl", "margin", "fees"}
POSITION = {"size", "free", "locked", "realized", "funding", "fees", "fills", "stats"}
STATS = {
    "size", "notional", "margin", "pnl", "upnl", "rpnl", "equity", "roe", "mark", "avg_entry", "leverage", "lp",
    "bankrupt", "direction",
}  # fmt: skip


def refusal(venue: Venue, answer: Any) -> tuple[str, str | None]:
    """The reject and the field of a refusal."""
    result = conforms(venue, answer)
    assert answer.status_code == 503, answer.text
    assert answer.json()["msg"]
    return result["reject"], result["field"]


@pytest.mark.spec("REST-001")
def test_an_order_is_answered_with_every_field(venue: Venue, alice: Client, bob: Client) -> None:
    resting = conforms(venue, bob.order(side="SELL", price=60_000, qty=0.002))
    assert resting["order"].keys() >= ORDER
    assert resting["order"]["status"] == "ACTIVE"
    result = conforms(venue, alice.order(price=60_000, qty=0.003, leverage=10))
    assert result.keys() == {"order", "balances", "positions", "position"}
    order = result["order"]
    assert order.keys() >= ORDER
    assert str(uuid.UUID(order["customer_id"])) == order["customer_id"]
    assert len(order["id"]) == 32
    assert order["id"] != resting["order"]["id"]
    expected = {
        "pair": PAIR, "price": 60_000, "price_orig": 60_000, "qty_orig": 0.003, "qty_orig_usd": 180, "side": "BUY",
        "qty_remaining": 0.001, "qty_filled": 0.002, "status": "ACTIVE", "time": venue.clock.now_ms, "type": "LIMIT",
        "time_in_force": "GTC", "oco": None, "icebergs": 0, "trigger_price": None, "trigger_event": None,
        "close_on_trigger": False, "reduce_only": False, "post_only": False, "hidden": False, "leverage": 1,
    }  # fmt: skip
    assert {name: order[name] for name in expected} == expected
    assert [(fill["qty"], fill["price"], fill["pair"]) for fill in order["fills"]] == [(0.002, 60_000, PAIR)]
    assert result["balances"]["USD"].keys() >= BALANCE
    position = result["position"]
    assert position == result["positions"][PAIR]
    assert position.keys() >= POSITION
    assert position["stats"].keys() >= STATS
    assert position["size"] == position["stats"]["size"] == 0.002
    stats = {"notional": 120, "mark": 60_000, "avg_entry": 60_000, "upnl": 0, "direction": "BUY"}
    assert {name: position["stats"][name] for name in stats} == stats
    short = conforms(venue, bob.get("/position", pair=PAIR))
    assert short["size"] == -0.002
    assert short["stats"]["direction"] == "SELL"
    alice.cancel_all()


@pytest.mark.spec("REST-002")
def test_without_a_price_it_is_a_market_order(venue: Venue, alice: Client, bob: Client) -> None:
    bob.order(side="SELL", price=60_001, qty=0.001)
    order = conforms(venue, alice.order(price=None, qty=0.002))["order"]
    assert (order["type"], order["status"], order["qty_filled"]) == ("MARKET", "CANCELLED", 0.001)
    assert order["price_orig"] is None
    assert order["fills"][0]["price"] == 60_001
    assert order["fills"][0]["type"] == "MARKET"


@pytest.mark.spec("REST-003")
def test_a_test_order_is_checked_and_does_nothing(venue: Venue, alice: Client) -> None:
    before = venue.state_hash()
    order = conforms(venue, alice.order(is_test="true"))["order"]
    assert order["id"] == "0" * 32
    assert refusal(venue, alice.order(is_test="True", price=10_000_000, side="BUY")) == (
        "OUTSIDE_TRADING_RANGE",
        "price",
    )
    assert refusal(venue, alice.order(is_test="true", qty=100))[0] == "INSUFFICIENT_BALANCE"
    assert venue.state_hash() == before


@pytest.mark.spec("REST-003")
def test_a_test_says_what_the_order_would_be(venue: Venue) -> None:
    """A market order up to the edge, a close no larger than the position, a trailing stop that waits."""
    alice, bob = venue.client("tester"), venue.client("tester's other side")
    bob.order(side="SELL", price=60_000, qty=0.003)
    conforms(venue, alice.order(price=60_000, qty=0.003))
    larger = conforms(venue, alice.send("/auth/close", pair=PAIR, qty=1, is_test="true"))["order"]
    assert (larger["qty_orig"], larger["qty_remaining"]) == (1, 0.003)
    alike = ("price", "qty_orig", "qty_orig_usd", "type", "price_orig")
    for path, fields in (
        ("/auth/order", {"pair": PAIR, "side": "BUY", "qty": 0.002}),
        ("/auth/order", {"pair": PAIR, "side": "SELL", "qty": 0.002, "trail": 300}),
        ("/auth/close", {"pair": PAIR}),
    ):
        tested = conforms(venue, alice.send(path, **fields, is_test="true"))["order"]
        bob.order(side="SELL" if fields.get("side") == "BUY" else "BUY", price=60_000, qty=0.005)
        placed = conforms(venue, alice.send(path, **fields))["order"]
        assert {name: tested[name] for name in alike} == {name: placed[name] for name in alike}, fields
        assert tested["qty_remaining"] == tested["qty_orig"]
        assert tested["status"] == ("UNTRIGGERED" if "trail" in fields else "ACTIVE")
        bob.cancel_all()
        alice.cancel_all()
    assert conforms(venue, alice.get("/active_positions")) == {}


@pytest.mark.spec("REST-003")
def test_tests_of_a_batch_and_of_a_close_do_nothing_either(venue: Venue, carl: Client) -> None:
    before = venue.state_hash()
    order = f"orders[{{0}}][pair]={PAIR}&orders[{{0}}][side]=BUY&orders[{{0}}][qty]={{1}}&orders[{{0}}][price]=58500"
    test = "orders[{0}][is_test]=true"
    one, two, large = order.format(0, 0.001), order.format(1, 0.001), order.format(1, 100)
    both = f"{test.format(0)}&{test.format(1)}"
    for flags in (both, "is_test=True"):
        result = conforms(venue, carl.post("/auth/order/bulk", f"{one}&{two}&{flags}&timestamp={venue.stamp()}"))
        assert [row["id"] for row in result["orders"]] == ["0" * 32] * 2
    refused = carl.post("/auth/order/bulk", f"{one}&{large}&{both}&timestamp={venue.stamp()}")
    assert refusal(venue, refused)[0] == "INSUFFICIENT_BALANCE"
    mixed = carl.post("/auth/order/bulk", f"{one}&{two}&{test.format(1)}&timestamp={venue.stamp()}")
    assert refusal(venue, mixed) == ("INVALID_BATCH", "orders[1][is_test]")
    assert refusal(venue, carl.send("/auth/close", pair=PAIR, is_test="true")) == ("NO_POSITION", "reduce_only")
    assert venue.state_hash() == before


@pytest.mark.spec("REST-004")
@pytest.mark.parametrize(
    "fields, reject, field",
    [
        ({"qty": 1000}, "INVALID_QTY", "qty"),
        ({"qty": 0.00005}, "INVALID_QTY", "qty"),
        ({"price": 59_000.05}, "INVALID_PRICE", "price"),
        ({"price": 70_000}, "OUTSIDE_TRADING_RANGE", "price"),
        ({"qty": 50}, "INSUFFICIENT_BALANCE", None),
        ({"post_only": "true", "time_in_force": "IOC"}, "INVALID_POST_ONLY", "post_only"),
        ({"time_in_force": "FOK"}, "CANNOT_FILL", "time_in_force"),
        ({"time_in_force": "GTX"}, "INVALID_TIME_IN_FORCE", "time_in_force"),
        ({"side": "buy"}, "INVALID_SIDE", "side"),
        ({"icebergs": 1000}, "INVALID_ICEBERGS", "icebergs"),
        ({"icebergs": 2.5}, "INVALID_ICEBERGS", "icebergs"),
        ({"oco": "toolong"}, "INVALID_OCO", "oco"),
        ({"trigger_price": 61_000, "trigger_event": "FAIR_PRICE"}, "INVALID_TRIGGER", "trigger_event"),
        ({"trigger_price": 0}, "INVALID_TRIGGER", "trigger_price"),
        ({"pair": "USD_NOPE_PERP"}, "UNKNOWN_MARKET", "pair"),
        ({"pair": SPOT, "qty": 0.001, "reduce_only": "true"}, "NOT_ON_SPOT", "reduce_only"),
        (
            {"pair": SPOT, "qty": 0.001, "trigger_price": 59_000, "close_on_trigger": "true"},
            "NOT_ON_SPOT",
            "close_on_trigger",
        ),
        ({"reduce_only": "true"}, "NO_POSITION", "reduce_only"),
        ({"hidden": "yes"}, "INVALID_FORM", "hidden"),
        ({"pair": None}, "MISSING_FIELD", "pair"),
        ({"qty": None}, "MISSING_FIELD", "qty"),
        ({"side": None}, "MISSING_FIELD", "side"),
        ({"timestamp": None}, "MISSING_FIELD", "timestamp"),
        ({"timestamp": "now"}, "INVALID_FORM", "timestamp"),
        ({"recv_window": "-1"}, "INVALID_FORM", "recv_window"),
        ({"client_order_id": "x" * 65}, "INVALID_CLIENT_ORDER_ID", "client_order_id"),
        ({"client_order_id": "a\x00"}, "INVALID_CLIENT_ORDER_ID", "client_order_id"),
        ({"self_match": "MAYBE"}, "INVALID_SELF_MATCH", "self_match"),
    ],
)
def test_a_refusal_names_the_reject_and_the_field(
    venue: Venue, carl: Client, fields: dict[str, Any], reject: str, field: str | None
) -> None:
    before = venue.state_hash()
    timed = {"timestamp": venue.stamp(), **fields}
    body = {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 59_000, **timed}
    answer = carl.send("/auth/order", **body) if "timestamp" not in fields else without_stamp(carl, body)
    assert refusal(venue, answer) == (reject, field)
    assert venue.state_hash() == before


def without_stamp(client: Client, body: dict[str, Any]) -> Any:
    """Send a body as it is: `send` would add a timestamp."""
    text = "&".join(f"{name}={value}" for name, value in body.items() if value is not None)
    return client.post("/auth/order", text)


@pytest.mark.spec("REST-004")
def test_clients_find_the_words_that_they_look_for(venue: Venue, carl: Client) -> None:
    poor = carl.order(qty=50).json()["msg"]
    assert "Your request was rejected due to insufficient balance." in poor
    unknown = carl.send("/auth/cancel", id=f"{1:08x}{999_999:024x}").json()["msg"]
    assert "The order was not found" in unknown


@pytest.mark.spec("REST-005")
def test_every_parameter_comes_back(venue: Venue, carl: Client) -> None:
    order = conforms(
        venue,
        carl.order(
            qty="0.01", price="59000.10", time_in_force="DAY", post_only="True", icebergs=5, oco="pair1",
            client_order_id="mine 1", self_match="CANCEL_BOTH", recv_window=5000, ks="false", stopPrice="1",
        ),
    )["order"]  # fmt: skip
    expected = {
        "price": 59_000.1, "time_in_force": "DAY", "post_only": True, "icebergs": 5, "oco": "pair1",
        "client_order_id": "mine 1", "hidden": False,
    }  # fmt: skip
    assert {name: order[name] for name in expected} == expected
    hidden = conforms(venue, carl.order(hidden="true"))["order"]
    assert hidden["hidden"] is True
    stop = conforms(
        venue,
        carl.order(side="SELL", price=None, trigger_price=59_000, trigger_event="LAST_PRICE", reduce_only="false"),
    )["order"]
    assert (stop["status"], stop["trigger_price"], stop["trigger_event"]) == ("UNTRIGGERED", 59_000, "LAST_PRICE")
    default = conforms(venue, carl.order(side="SELL", price=None, trigger_price=59_500))["order"]
    assert default["trigger_event"] == "MARK_PRICE"
    active = conforms(venue, carl.get("/active_orders"))
    assert {row["id"] for row in active} == {order["id"], hidden["id"], stop["id"], default["id"]}
    levels = conforms(venue, venue.http.get(f"{venue.url}/depth", params={"pair": PAIR}))["bids"]
    assert levels == [{"price": 59_000.1, "qty": 0.002}]
    carl.cancel_all()
    assert conforms(venue, carl.get("/active_orders")) == []


@pytest.mark.spec("REST-006")
def test_a_client_order_id_makes_a_retry_safe(venue: Venue, carl: Client) -> None:
    first = conforms(venue, carl.order(client_order_id="retry"))["order"]
    again = conforms(venue, carl.order(client_order_id="retry"))["order"]
    assert again["id"] == first["id"]
    assert len(conforms(venue, carl.get("/active_orders"))) == 1
    gone = conforms(venue, carl.send("/auth/cancel", client_order_id="retry"))
    assert (gone["id"], gone["status"]) == (first["id"], "CANCELLED")


@pytest.mark.spec("REST-024")
def test_an_order_can_be_asked_for_by_its_client_order_id(venue: Venue, carl: Client, alice: Client) -> None:
    first = conforms(venue, carl.order(client_order_id="which one"))["order"]
    assert conforms(venue, carl.get("/order", client_order_id="which one")) == first
    gone = conforms(venue, carl.send("/auth/cancel", id=first["id"]))
    assert conforms(venue, carl.get("/order", client_order_id="which one")) == gone
    venue.run(venue.store.projector.settle())  # from memory before, from the records now
    assert conforms(venue, carl.get("/order", client_order_id="which one")) == gone
    missing = ("ORDER_NOT_FOUND", "client_order_id")
    assert refusal(venue, alice.get("/order", client_order_id="which one")) == missing
    assert refusal(venue, carl.get("/order", client_order_id="never sent")) == missing
    assert refusal(venue, carl.get("/order", client_order_id="x" * 65))[0] == "INVALID_CLIENT_ORDER_ID"
    assert refusal(venue, carl.get("/order")) == ("MISSING_FIELD", "id")


@pytest.mark.spec("REST-007")
def test_bulk_orders_all_or_none(venue: Venue, carl: Client) -> None:
    stamp = venue.stamp()
    one = "orders%5B0%5D%5Bpair%5D=USD_BTC_PERP&orders%5B0%5D%5Bside%5D=BUY&orders%5B0%5D%5Bqty%5D=0.30000000000000004"
    one += "&orders%5B0%5D%5Bprice%5D=58500&orders%5B0%5D%5Bks%5D=false&orders%5B0%5D%5Breduce_only%5D=false"
    two = "orders[1][pair]=USD_BTC_PERP&orders[1][side]=SELL&orders[1][qty]=0.1&orders[1][price]=61500"
    result = conforms(venue, carl.post("/auth/order/bulk", f"{one}&{two}&timestamp={stamp}&recv_window=5000"))
    assert [(row["side"], row["qty_orig"], row["status"]) for row in result["orders"]] == [
        ("BUY", 0.3, "ACTIVE"),
        ("SELL", 0.1, "ACTIVE"),
    ]
    assert result["balances"]["USD"]["locked"] > 0
    inside = f"orders[0][timestamp]={venue.stamp()}&orders[1][timestamp]={venue.stamp()}"
    assert len(conforms(venue, carl.post("/auth/order/bulk", f"{one}&{two}&{inside}"))["orders"]) == 2
    assert len(conforms(venue, carl.get("/active_orders"))) == 4
    carl.cancel_all()


@pytest.mark.spec("REST-007")
@pytest.mark.parametrize(
    "second, reject, field",
    [
        ("side=SELL&qty=1000&price=61500", "INVALID_QTY", "orders[1][qty]"),
        ("side=SELL&qty=x&price=61500", "INVALID_QTY", "orders[1][qty]"),
        ("side=SELL&qty=0.1", "INVALID_BATCH", "orders"),
        ("side=SELL&qty=0.1&price=61500&reduce_only=true", "INVALID_BATCH", "orders[1][reduce_only]"),
        ("side=SELL&qty=0.1&price=61500&pair=BTC_USD", "INVALID_BATCH", "orders[1][pair]"),
        ("qty=0.1&price=61500", "MISSING_FIELD", "orders[1][side]"),
    ],
)
def test_one_bad_order_refuses_the_batch(venue: Venue, carl: Client, second: str, reject: str, field: str) -> None:
    before = venue.state_hash()
    fields = [f"orders[1][{pair.partition('=')[0]}]={pair.partition('=')[2]}" for pair in second.split("&")]
    if "pair=" not in second:
        fields.append(f"orders[1][pair]={PAIR}")
    first = f"orders[0][pair]={PAIR}&orders[0][side]=BUY&orders[0][qty]=0.1&orders[0][price]=58500"
    body = f"{first}&{'&'.join(fields)}&timestamp={venue.stamp()}"
    assert refusal(venue, carl.post("/auth/order/bulk", body)) == (reject, field)
    assert venue.state_hash() == before


@pytest.mark.spec("REST-007")
def test_a_batch_has_1_to_50_orders_and_a_time(venue: Venue, carl: Client) -> None:
    stamp = venue.stamp()
    many = "&".join(
        f"orders[{i}][pair]={PAIR}&orders[{i}][side]=BUY&orders[{i}][qty]=0.001&orders[{i}][price]=58500"
        for i in range(51)
    )
    assert refusal(venue, carl.post("/auth/order/bulk", f"{many}&timestamp={stamp}")) == ("INVALID_BATCH", "orders")
    assert refusal(venue, carl.post("/auth/order/bulk", f"timestamp={stamp}1")) == ("MISSING_FIELD", "orders")
    assert refusal(venue, carl.post("/auth/order/bulk", many)) == ("MISSING_FIELD", "timestamp")
    old = f"orders[0][timestamp]={venue.clock.now_ms - 20_000}"
    fields = f"orders[0][pair]={PAIR}&orders[0][side]=BUY&orders[0][qty]=0.001&orders[0][price]=58500"
    assert carl.post("/auth/order/bulk", f"{fields}&{old}").status_code == 408


@pytest.mark.spec("REST-008")
def test_cancels(venue: Venue, carl: Client, alice: Client) -> None:
    def placed() -> str:
        order_id: str = conforms(venue, carl.order())["order"]["id"]
        return order_id

    first = placed()
    result = conforms(venue, carl.post("/auth/cancel", f"id={first}"))  # the documents' example has no timestamp
    assert (result["id"], result["status"], result["qty_remaining"]) == (first, "CANCELLED", 0.001)
    assert result["msg"] == "Cancelled on request."
    assert refusal(venue, carl.send("/auth/cancel", id=first)) == ("ORDER_NOT_FOUND", "id")
    assert refusal(venue, carl.send("/auth/cancel", id="no id")) == ("ORDER_NOT_FOUND", "id")
    assert refusal(venue, carl.send("/auth/cancel")) == ("MISSING_FIELD", "id")
    mine = placed()
    assert refusal(venue, alice.send("/auth/cancel", id=mine)) == ("ORDER_NOT_FOUND", "id")
    assert conforms(venue, carl.get("/order", id=mine))["status"] == "ACTIVE"
    carl.cancel_all()


@pytest.mark.spec("REST-009")
@pytest.mark.parametrize("style", ["ids%5B{0}%5D={1}", "ids[{0}]={1}", "ids[]={1}", "ids={1}"])
def test_bulk_cancels_pass_over_what_is_not_open(venue: Venue, carl: Client, alice: Client, style: str) -> None:
    ids = [conforms(venue, carl.order())["order"]["id"] for _ in range(3)]
    foreign = conforms(venue, alice.order())["order"]["id"]
    carl.send("/auth/cancel", id=ids[0])
    named = [ids[0], ids[1], ids[1], foreign, "f" * 32, "what"]
    body = "&".join(style.format(index, name) for index, name in enumerate(named))
    result = conforms(venue, carl.post("/auth/cancel/bulk", f"{body}&timestamp={venue.stamp()}"))
    assert [row["id"] for row in result] == [ids[1]]
    assert [row["id"] for row in conforms(venue, carl.get("/active_orders"))] == [ids[2]]
    nothing = conforms(venue, carl.post("/auth/cancel/bulk", f"ids[0]=null&timestamp={venue.stamp()}"))
    assert nothing == []
    assert len(conforms(venue, carl.get("/active_orders"))) == 1
    assert [row["id"] for row in conforms(venue, carl.send("/auth/cancel/bulk"))] == [ids[2]]
    assert conforms(venue, alice.get("/order", id=foreign))["status"] == "ACTIVE"
    alice.cancel_all()


@pytest.mark.spec("REST-009")
def test_what_was_signed_for_another_address_does_not_cancel_everything(venue: Venue, carl: Client) -> None:
    kept = conforms(venue, carl.order(client_order_id="kept"))["order"]["id"]
    order = f"orders[0][pair]={PAIR}&orders[0][side]=BUY&orders[0][qty]=0.001&orders[0][price]=58500"
    bulk = f"{order}&orders[0][timestamp]={venue.stamp()}"
    assert len(conforms(venue, carl.post("/auth/order/bulk", bulk))["orders"]) == 1
    gone = conforms(venue, carl.order(client_order_id="gone"))["order"]["id"]
    other = conforms(venue, carl.order())["order"]["id"]
    for body, field in (
        (bulk, "orders"),
        (f"{order}&ids[0]={kept}", "orders"),
        (f"id={other}", "id"),
        ("client_order_id=gone", "client_order_id"),
    ):
        carl.post("/auth/cancel", body)  # where two of them are at home
        assert refusal(venue, carl.post("/auth/cancel/bulk", body)) == ("INVALID_FORM", field)
    active = {row["id"] for row in conforms(venue, carl.get("/active_orders"))}
    assert kept in active
    assert len(active) == 2
    assert not active & {gone, other}
    carl.cancel_all()


@pytest.mark.spec("REST-010")
def test_close_takes_the_position_away(venue: Venue, alice: Client, bob: Client, dora: Client) -> None:
    assert refusal(venue, dora.send("/auth/close", pair=PAIR)) == ("NO_POSITION", "reduce_only")
    bob.order(side="SELL", price=60_000, qty=0.004)
    conforms(venue, dora.order(price=60_000, qty=0.004))
    bob.order(side="BUY", price=59_990, qty=0.01)
    half = conforms(venue, dora.send("/auth/close", pair=PAIR, qty=0.001))
    assert (half["order"]["side"], half["order"]["reduce_only"], half["position"]["size"]) == ("SELL", True, 0.003)
    limit = conforms(venue, dora.send("/auth/close", pair=PAIR, qty=0.001, price=60_500))
    assert limit["order"]["status"] == "ACTIVE"
    dora.cancel_all()
    whole = conforms(venue, dora.send("/auth/close", pair=PAIR))
    assert (whole["order"]["status"], whole["order"]["qty_orig"]) == ("COMPLETED", 0.003)
    assert PAIR not in whole["positions"]
    assert whole["position"]["size"] == 0
    assert whole["position"]["stats"]["direction"] is None
    bob.cancel_all()


@pytest.mark.spec("REST-022")
def test_a_reduce_only_order_that_shrank_says_what_it_was(venue: Venue, bob: Client, dora: Client) -> None:
    bob.order(side="SELL", price=60_000, qty=0.004)
    conforms(venue, dora.order(price=60_000, qty=0.004))
    closing = {"side": "SELL", "price": 60_500, "reduce_only": "true"}
    placed = conforms(venue, dora.order(qty=0.004, **closing))["order"]
    assert (placed["qty_orig"], placed["qty_remaining"]) == (0.004, 0.004)
    bob.order(side="BUY", price=59_990, qty=0.003)
    conforms(venue, dora.order(side="SELL", price=59_990, qty=0.003))
    expected = (0.004, 240.0 + 2, 0.001)

    def told(order: Any) -> tuple[float, float, float]:
        return order["qty_orig"], order["qty_orig_usd"], order["qty_remaining"]

    assert told(conforms(venue, dora.get("/order", id=placed["id"]))) == expected
    (active,) = conforms(venue, dora.get("/active_orders"))
    assert told(active) == expected
    assert told(conforms(venue, dora.send("/auth/cancel", id=placed["id"]))) == expected
    assert told(conforms(venue, dora.get("/order", id=placed["id"]))) == expected
    conforms(venue, dora.send("/auth/close", pair=PAIR))
    bob.cancel_all()


@pytest.mark.spec("REST-011")
def test_isolated_margin_with_and_without_a_signature(venue: Venue, ivy: Client, bob: Client) -> None:
    assert refusal(venue, bob.send("/leverage", pair=PAIR, leverage=5)) == ("ONLY_ISOLATED", None)
    result = conforms(venue, ivy.post("/leverage", f"pair={PAIR}&leverage=5", x_signature=""))
    assert result.keys() == {"balances", "positions"}
    assert refusal(venue, ivy.send("/leverage", pair=PAIR, leverage=1000)) == ("INVALID_LEVERAGE", "leverage")
    assert refusal(venue, ivy.send("/leverage", pair=PAIR)) == ("MISSING_FIELD", "leverage")
    assert ivy.post("/leverage", f"pair={PAIR}&leverage=5", x_signature="bad").status_code == 401
    bob.order(side="SELL", price=60_000, qty=0.01)
    order = conforms(venue, ivy.order(price=60_000, qty=0.01))
    assert order["order"]["leverage"] == 5
    assert order["position"]["free"] == pytest.approx(120)
    assert order["position"]["stats"]["lp"] > 0
    funded = conforms(venue, ivy.send("/fund", pair=PAIR, qty=30))
    assert funded["positions"][PAIR]["free"] == pytest.approx(150)
    drawn = conforms(venue, ivy.post("/draw", f"pair={PAIR}&qty=10", x_signature=""))
    assert drawn["positions"][PAIR]["free"] == pytest.approx(140)
    assert refusal(venue, ivy.send("/draw", pair=PAIR, qty=139))[0] == "MARGIN_TOO_LOW"
    assert refusal(venue, ivy.send("/fund", pair=PAIR, qty="1e-9")) == ("INVALID_AMOUNT", "qty")


@pytest.mark.spec("REST-023")
def test_an_order_shows_the_leverage_that_counts(venue: Venue, ivy: Client, carl: Client) -> None:
    far = {"price": 58_500, "qty": 0.001}
    for named in ("10", "1000000000000000", None):
        order = conforms(venue, carl.order(leverage=named, **far))["order"]
        assert order["leverage"] == 1  # cross margin knows none
        assert conforms(venue, carl.get("/order", id=order["id"]))["leverage"] == 1
    assert {row["leverage"] for row in conforms(venue, carl.send("/auth/cancel/bulk"))} == {1}

    def told(order: Any) -> tuple[float, float]:
        return order["leverage"], conforms(venue, ivy.get("/order", id=order["id"]))["leverage"]

    conforms(venue, ivy.send("/leverage", pair=PAIR, leverage=4))
    plain = conforms(venue, ivy.order(**far))["order"]
    assert told(plain) == (4, 4)
    tested = conforms(venue, ivy.order(leverage=3, is_test="true", **far))["order"]
    assert tested["leverage"] == 3
    named = conforms(venue, ivy.order(leverage=2, **far))["order"]
    assert told(named) == (2, 2)
    assert told(plain) == (4, 2)  # it is the market's, not the order's
    waiting = conforms(venue, ivy.order(leverage=8, trigger_price=61_000, price=61_000, qty=0.001))["order"]
    assert told(waiting) == (8, 8)
    assert told(named) == (2, 2)
    gone = conforms(venue, ivy.send("/auth/cancel", id=plain["id"]))
    assert told(gone) == (2, 2)
    assert {row["leverage"] for row in conforms(venue, ivy.get("/orders", pair=PAIR)) if row["id"] == gone["id"]} == {2}
    ivy.cancel_all()


@pytest.mark.spec("REST-023")
def test_a_leverage_on_spot_is_ignored_in_cross_margin_only(venue: Venue, carl: Client, ivy: Client) -> None:
    """Everstrike's own market maker names the same leverage with every order."""
    far = {"pair": SPOT, "price": 58_500, "qty": 0.001}
    order = conforms(venue, carl.order(leverage=10, **far))["order"]
    assert (order["status"], order["leverage"]) == ("ACTIVE", 1)
    fields = {"side": "BUY", "leverage": 10, **far}
    two = {f"orders[{index}][{name}]": value for index in (0, 1) for name, value in fields.items()}
    found = conforms(venue, carl.send("/auth/order/bulk", **two))["orders"]
    assert [(row["status"], row["leverage"]) for row in found] == [("ACTIVE", 1)] * 2
    assert len(conforms(venue, carl.send("/auth/cancel/bulk"))) == 3
    assert refusal(venue, ivy.order(leverage=10, **far)) == ("NOT_ON_SPOT", "leverage")
    assert refusal(venue, ivy.send("/auth/order/bulk", **two)) == ("NOT_ON_SPOT", "orders[0][leverage]")
    assert conforms(venue, ivy.order(leverage=1, is_test="true", **far))["order"]["leverage"] == 1
    assert refusal(venue, carl.send("/auth/close", pair=SPOT)) == ("NOT_ON_SPOT", "pair")


@pytest.mark.spec("REST-012")
def test_spot_has_balances_and_no_position(venue: Venue, alice: Client, bob: Client) -> None:
    bob.order(pair=SPOT, side="SELL", qty=0.001, price=60_000)
    result = conforms(venue, alice.order(pair=SPOT, qty=0.001, price=60_000))
    assert result["order"]["status"] == "COMPLETED"
    assert result["position"] is None
    assert result["balances"]["BTC"]["free"] == pytest.approx(10.001)
