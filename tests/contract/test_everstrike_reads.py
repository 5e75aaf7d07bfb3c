from typing import Any

import pytest

from tests.contract.documents import conforms
from tests.venue import PAIR, PRICE, SPOT, Client, Venue


def public(venue: Venue, path: str, **query: object) -> Any:
    """Read without a key."""
    return venue.http.get(venue.url + path, params={name: str(value) for name, value in query.items()}, timeout=30)


@pytest.mark.spec("REST-013")
def test_an_account_in_every_view(venue: Venue, alice: Client, bob: Client) -> None:
    bob.order(side="SELL", price=60_000, qty=0.003)
    alice.order(price=60_000, qty=0.003)
    account = conforms(venue, alice.get("/account"))
    assert account["balances"] == conforms(venue, alice.get("/balances"))
    assert account["positions"] == conforms(venue, alice.get("/active_positions"))
    alone = conforms(venue, alice.get("/position", pair=PAIR))
    assert alone["stats"].pop("adl") in range(1, 6)
    assert account["positions"][PAIR]["stats"].pop("adl") is None
    assert account["positions"][PAIR] == alone
    assert conforms(venue, alice.get("/position", pair=SPOT)) is None
    flat = conforms(venue, alice.get("/position", pair="USD_ETH_PERP"))
    assert (flat["size"], flat["stats"]["direction"]) == (0, None)


@pytest.mark.spec("REST-014")
def test_an_order_is_found_open_and_closed_with_its_fills(venue: Venue, alice: Client, bob: Client) -> None:
    order_id = conforms(venue, bob.order(side="SELL", price=60_010, qty=0.003))["order"]["id"]
    conforms(venue, alice.order(price=60_010, qty=0.001))
    part = conforms(venue, bob.get("/order", id=order_id))
    assert (part["status"], part["qty_filled"], part["qty_remaining"]) == ("ACTIVE", 0.001, 0.002)
    assert [fill["qty"] for fill in part["fills"]] == [0.001]
    conforms(venue, alice.order(price=60_010, qty=0.002))
    whole = conforms(venue, bob.get("/order", id=order_id))
    assert (whole["status"], whole["qty_filled"], whole["qty_remaining"]) == ("COMPLETED", 0.003, 0)
    assert [fill["qty"] for fill in whole["fills"]] == [0.002, 0.001]
    assert {fill["order_id"] for fill in whole["fills"]} == {order_id}
    for wrong in (f"{1:08x}{10**9:024x}", "f" * 32, "1", "0" * 32, "\u0661" * 32):
        answer = bob.get("/order", id=wrong)
        assert conforms(venue, answer) == {"reject": "ORDER_NOT_FOUND", "field": "id"}
    assert alice.get("/order", id=order_id).status_code == 503
    assert conforms(venue, bob.get("/order")) == {"reject": "MISSING_FIELD", "field": "id"}


@pytest.mark.spec("REST-014")
def test_what_was_done_can_be_read_at_once_and_after_it_is_written(venue: Venue, alice: Client, bob: Client) -> None:
    bob.order(side="SELL", price=60_020, qty=0.001)
    taker = conforms(venue, alice.order(price=60_020, qty=0.001))["order"]
    before = [conforms(venue, alice.get(path, pair=PAIR, limit=5)) for path in ("/orders", "/fills")]
    assert before[0][0] == {**taker, "fills": []}
    assert before[1][0] == taker["fills"][0]
    venue.run(venue.store.projector.settle())
    assert [conforms(venue, alice.get(path, pair=PAIR, limit=5)) for path in ("/orders", "/fills")] == before


@pytest.mark.spec("REST-015")
def test_lists_can_be_narrowed(venue: Venue, erin: Client) -> None:
    times = []
    for price in (58_500, 58_600, 58_700):
        venue.price(PRICE)
        conforms(venue, erin.order(price=price))
        times.append(venue.clock.now_ms)
    conforms(venue, erin.order(pair=SPOT, price=59_000))
    for path in ("/active_orders", "/orders"):
        assert len(conforms(venue, erin.get(path))) == 4
        assert [row["price"] for row in conforms(venue, erin.get(path, pair=PAIR))] == [58_700, 58_600, 58_500]
        assert [row["price"] for row in conforms(venue, erin.get(path, pair=PAIR, limit=2))] == [58_700, 58_600]
        assert [row["price"] for row in conforms(venue, erin.get(path, end=times[1]))] == [58_600, 58_500]
        assert [row["price"] for row in conforms(venue, erin.get(path, pair=PAIR, start=times[1]))] == [58_700, 58_600]
    conforms(venue, erin.order(price=60_000, time_in_force="IOC"))
    assert len(conforms(venue, erin.get("/active_orders"))) == 4
    assert conforms(venue, erin.get("/orders"))[0]["status"] == "CANCELLED"
    erin.cancel_all()


@pytest.mark.spec("REST-015")
@pytest.mark.parametrize("path", ["/orders", "/active_orders", "/fills"])
@pytest.mark.parametrize(
    "query, field",
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"start": "1e400"}, "start"),
        ({"end": -1}, "end"),
        ({"end": "9" * 30}, "end"),
        ({"pair": "USD_NOPE_PERP"}, "pair"),
    ],
)
def test_a_list_refuses_what_it_cannot_mean(
    venue: Venue, alice: Client, path: str, query: dict[str, Any], field: str
) -> None:
    answer = alice.get(path, **query)
    assert answer.status_code == 503
    assert conforms(venue, answer)["field"] == field
    if field == "limit":
        assert answer.json()["msg"] == "limit must be a whole number from 1 to 1000."


@pytest.mark.spec("REST-016")
def test_pairs_say_what_an_order_must_be(venue: Venue) -> None:
    pairs = conforms(venue, public(venue, "/pairs"))
    assert pairs.keys() >= {PAIR, SPOT, "USD_ETH_PERP", "BTC_USDT"}
    assert all(pair["key"] == name for name, pair in pairs.items())
    perp = pairs[PAIR]
    assert (perp["base"], perp["quote"], perp["status"], perp["symbol"]) == ("BTC", "USD", "TRADING", "BTC/USD")
    filters = {row["filter_type"]: row for row in perp["filters"]}
    assert filters["PRICE_FILTER"]["tick_size"] == filters["PRICE_FILTER"]["display"] == 0.1
    assert filters["LOT_SIZE"] == {"filter_type": "LOT_SIZE", "min_qty": 0.0001, "max_qty": 150, "tick_size": 0.0001}
    assert filters["MIN_NOTIONAL"]["min_notional"] == 1
    assert (perp["max_leverage"], perp["taker_fee"], perp["initial_margin"]) == (100, 0.0003, 0.01)
    assert (pairs[SPOT]["type"], perp["type"]) == ("SPOT", "PERPETUAL_FUTURE")


@pytest.mark.spec("REST-016")
def test_depth_is_sorted_summed_and_cut(venue: Venue, erin: Client) -> None:
    for side, price, qty in (
        ("BUY", 58_500, 0.001), ("BUY", 58_600, 0.002), ("BUY", 58_600, 0.003), ("SELL", 61_600, 0.001),
        ("SELL", 61_500, 0.002),
    ):  # fmt: skip
        conforms(venue, erin.order(side=side, price=price, qty=qty))
    conforms(venue, erin.order(price=58_650, hidden="true"))
    depth = conforms(venue, public(venue, "/depth", pair=PAIR))
    assert depth["bids"] == [{"price": 58_600, "qty": 0.005}, {"price": 58_500, "qty": 0.001}]
    assert depth["asks"] == [{"price": 61_500, "qty": 0.002}, {"price": 61_600, "qty": 0.001}]
    best = conforms(venue, public(venue, "/depth", pair=PAIR, limit=1))
    assert best == {side: rows[:1] for side, rows in depth.items()}
    erin.cancel_all()


@pytest.mark.spec("REST-016")
def test_trades_are_the_newest_first(venue: Venue, alice: Client, bob: Client) -> None:
    for price in (60_030, 60_040):
        bob.order(side="SELL", price=price, qty=0.001)
        alice.order(price=price, qty=0.001)
    rows = conforms(venue, public(venue, "/trades", pair=PAIR, limit=2))
    assert [(row["price"], row["qty"], row["is_buyer_maker"]) for row in rows] == [
        (60_040, 0.001, False),
        (60_030, 0.001, False),
    ]
    assert conforms(venue, public(venue, "/trades")) == {"reject": "MISSING_FIELD", "field": "pair"}
    assert conforms(venue, public(venue, "/depth", pair="x")) == {"reject": "UNKNOWN_MARKET", "field": "pair"}


@pytest.mark.spec("REST-016")
def test_time_and_ping(venue: Venue) -> None:
    assert conforms(venue, public(venue, "/time")) == venue.clock.now_ms
    assert conforms(venue, public(venue, "/ping")) == {}
