"""Options, funding and liquidations as Everstrike's surface shows them."""

from typing import Any

import pytest

from app.surfaces.everstrike.answers import CANCEL_WORDS
from exchange import views
from exchange.commands import Deposit
from exchange.events import CancelReason
from exchange.limits import HOUR_MS, MONEY_SCALE
from tests.contract.documents import conforms
from tests.venue import OPTION, PAIR, PRICE, SPOT, USD, Client, Venue

CALL = "USD_BTCCALL_PERP"
OPTION_FIELDS = (
    "strike",
    "otm_amount",
    "model_price",
    "volatility",
    "black_scholes",
    "delta",
    "gamma",
    "vega",
    "theta",
)


@pytest.fixture(scope="module")
def writer(venue: Venue) -> Client:
    return venue.client("writer")


@pytest.fixture(scope="module")
def holder(venue: Venue) -> Client:
    return venue.client("holder")


def read(venue: Venue, path: str, **query: object) -> Any:
    """Read without a key."""
    answer = venue.http.get(venue.url + path, params={name: str(value) for name, value in query.items()}, timeout=30)
    return conforms(venue, answer)


def mark(venue: Venue) -> float:
    """The option's mark, which is a whole number of ticks."""
    found: float = read(venue, "/pairs")[CALL]["mark_price"]
    return found


@pytest.mark.spec("REST-025")
def test_an_option_says_all_about_itself(venue: Venue) -> None:
    pairs = read(venue, "/pairs")
    call, put, deep = pairs[CALL], pairs["USD_BTCPUT_PERP"], pairs["USD_BTCCALL90_PERP"]
    assert (call["type"], put["type"]) == ("PERPETUAL_CALL", "PERPETUAL_PUT")
    assert (call["underlying_price"], call["strike"], deep["strike"]) == (PRICE, PRICE, PRICE * 0.9)
    assert (call["index_price"], deep["index_price"]) == (PRICE * 0.0005, PRICE * 0.1)
    assert pairs["USD_BTCCALL10_PERP"]["otm_amount"] == PRICE * 0.1
    assert call["min_price"] < call["mark_price"] < call["max_price"]
    assert call["volatility"] == 0.6
    assert 0.4 < call["delta"] < 0.6
    assert put["delta"] < 0
    assert call["model_price"] == pytest.approx(call["mark_price"], rel=0.01)
    assert call["predicted_funding_rate"] > 0
    assert (call["strike_multiplier"], deep["strike_multiplier"]) == (1, 0.9)
    assert (call["funding_period"], call["max_funding_rate"]) == (10, 0.1)
    for other in (PAIR, SPOT):
        assert [pairs[other][field] for field in OPTION_FIELDS] == [None] * len(OPTION_FIELDS)
    assert (pairs[PAIR]["mark_price"], pairs[PAIR]["predicted_funding_rate"]) == (PRICE, 0)
    assert pairs[SPOT]["predicted_funding_rate"] is None
    assert pairs["USD_BTC_20261225"]["type"] == "DATED_FUTURE"


@pytest.mark.spec("REST-026")
def test_the_order_of_the_documents_is_taken(venue: Venue, holder: Client) -> None:
    order = conforms(venue, holder.order(pair=CALL, price=1, qty=0.001))["order"]
    assert (order["status"], order["price"], order["is_liquidation"]) == ("ACTIVE", 1, False)
    holder.cancel_all()


@pytest.mark.spec("REST-027", "REST-028", "REST-045")
def test_an_option_is_traded_and_pays_its_funding(venue: Venue, writer: Client, holder: Client) -> None:
    venue.price(PRICE)
    price = mark(venue)
    conforms(venue, writer.order(pair=CALL, side="SELL", price=price, qty=1))
    position = conforms(venue, holder.order(pair=CALL, price=price, qty=1))["position"]
    stats = position["stats"]
    assert (position["size"], stats["notional"], stats["upnl"], stats["adl"]) == (1, price, 0, None)
    # Half of the mark, and the running hour's funding.
    assert price * 0.5 <= stats["maintenance"] <= price * 0.61
    short = conforms(venue, writer.get("/position", pair=CALL))
    assert (short["size"], short["stats"]["direction"], short["stats"]["adl"]) == (-1, "SELL", 5)
    assert short["stats"]["lp"] > price
    # 2% of the underlying, the mark, the slope of 5e-7 of the size squared, and the hour's funding.
    least = PRICE * 0.02 + price + PRICE * PRICE * 5e-7
    assert least <= short["stats"]["maintenance"] <= least + price * 0.1
    venue.clock.now_ms += HOUR_MS
    venue.price(PRICE)
    (hour,) = read(venue, "/funding", pair=CALL, limit=1)
    assert hour["rate"] > 0
    paid, received = (
        conforms(venue, client.get("/v1/funding_payments", pair=CALL))[0]["amount"] for client in (holder, writer)
    )
    assert (paid < 0, received) == (True, pytest.approx(-paid, abs=1e-7))
    assert -paid == pytest.approx(hour["amount"], abs=1e-7)
    for client, amount in ((holder, paid), (writer, received)):
        assert conforms(venue, client.get("/position", pair=CALL))["funding"] == amount
    assert paged(venue, 1) == paged(venue, 3) == read(venue, "/funding", limit=1_000)
    before = read(venue, "/funding"), conforms(venue, holder.get("/v1/funding_payments"))
    venue.run(venue.store.projector.settle())
    assert (read(venue, "/funding"), conforms(venue, holder.get("/v1/funding_payments"))) == before


def paged(venue: Venue, limit: int) -> list[Any]:
    """All settled hours, page by page: every market's hour ends in the same millisecond."""
    rows: list[Any] = []
    query: dict[str, Any] = {"limit": limit}
    while page := read(venue, "/funding", **query):
        rows += page
        query.update(end=page[-1]["time"], before=page[-1]["id"])
    assert len({row["time"] for row in rows}) < len(rows), "some share their millisecond"
    return rows


@pytest.mark.spec("REST-029")
def test_a_liquidation_is_public_but_for_its_owner(venue: Venue, writer: Client) -> None:
    venue.price(PRICE)
    venue.submit(Deposit("insurance of a test", 0, USD, 10_000 * MONEY_SCALE))
    poor = venue.client("poor", usd=4_500, btc=0)
    for client, side, price in ((writer, "SELL", 60_000), (poor, "BUY", 60_000), (writer, "BUY", 57_000)):
        assert client.order(side=side, price=price, qty=1).status_code == 200
    before = read(venue, "/v1/liquidations")
    venue.price(57_500)
    rows = read(venue, "/v1/liquidations", pair=PAIR)
    assert before == []
    assert {row["side"] for row in rows} == {"SELL"}
    assert {row["type"] for row in rows} <= {"SLICE", "TAKEOVER", "DELEVERAGING"}
    assert "account" not in str(rows)
    own = [row for row in conforms(venue, poor.get("/orders")) if row["is_liquidation"]]
    fills = conforms(venue, poor.get("/fills"))
    first = fills[-1]["order_id"]
    assert own
    assert [fill["liquidation"] for fill in fills] == [fill["order_id"] != first for fill in fills]
    assert len([row for row in rows if row["type"] == "SLICE"]) == len(fills) - 1
    writer.cancel_all()
    venue.price(PRICE)


@pytest.mark.spec("REST-030")
def test_every_reason_has_words() -> None:
    assert set(CANCEL_WORDS) == set(CancelReason)


def test_the_option_is_the_one_that_the_tests_mean(venue: Venue) -> None:
    view = venue.call(lambda: views.market(venue.store.exchange, OPTION))
    assert view is not None
    assert view.instrument.symbol == CALL
