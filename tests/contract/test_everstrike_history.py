"""Lists of the past: orders by how they ended, triggers, positions that were closed; and paging backwards."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.db.embedded import EmbeddedServer
from app.db.rows import Ending
from exchange.commands import Deposit
from exchange.limits import MONEY_SCALE
from tests.contract.conftest import own_venue
from tests.contract.documents import conforms
from tests.venue import PAIR, PRICE, SPOT, USD, Client, Venue

LISTS = ("/orders", "/active_orders", "/completed_orders", "/cancelled_orders", "/filled_orders", "/triggers", "/fills")


@pytest.fixture(scope="module")
def olga(venue: Venue) -> Client:
    """Somebody with a past."""
    return venue.client("olga")


@pytest.fixture(scope="module")
def past(venue: Venue, olga: Client) -> dict[str, str]:
    """One order of each fate: its name by its id."""
    venue.price(PRICE)
    other = venue.client("olga's other side")

    def place(client: Client, **fields: object) -> str:
        found: str = conforms(venue, client.order(**fields))["order"]["id"]
        return found

    place(other, side="SELL", price=60_000, qty=0.005)
    named = {"whole": place(olga, price=60_000, qty=0.003)}
    named["part, then cancelled"] = place(olga, price=60_000, qty=0.004, time_in_force="IOC")
    named["open"] = place(olga, price=59_000, qty=0.001)
    named["part, open"] = place(olga, side="SELL", price=60_100, qty=0.003)
    place(other, price=60_100, qty=0.001)
    named["cancelled"] = place(olga, price=58_900, qty=0.001)
    conforms(venue, olga.send("/auth/cancel", id=named["cancelled"]))
    named["waiting"] = place(olga, side="SELL", price=None, qty=0.001, trigger_price=59_500)
    named["spot"] = place(olga, pair=SPOT, price=59_000, qty=0.001, time_in_force="IOC")
    named["refused trigger"] = place(olga, side="SELL", price=None, qty=0.001, trigger_price=59_900, reduce_only="true")
    place(other, price=59_950, qty=0.004)
    assert conforms(venue, olga.send("/auth/close", pair=PAIR))["position"]["size"] == 0
    venue.price(59_890)
    venue.price(PRICE)
    return {order_id: name for name, order_id in named.items()}


def names(venue: Venue, olga: Client, past: dict[str, str], path: str, **query: object) -> list[str]:
    return [past[row["id"]] for row in conforms(venue, olga.get(path, **query)) if row["id"] in past]


@pytest.mark.spec("REST-044")
def test_each_order_is_in_the_lists_of_its_fate(venue: Venue, olga: Client, past: dict[str, str]) -> None:
    expected = {
        "/completed_orders": {"whole"},
        "/cancelled_orders": {"part, then cancelled", "cancelled", "spot", "refused trigger"},
        "/filled_orders": {"whole", "part, then cancelled", "part, open"},
        "/triggers": {"waiting", "refused trigger"},
    }
    for _ in range(2):
        for path, wanted in expected.items():
            rows = conforms(venue, olga.get(path))
            assert {past[row["id"]] for row in rows if row["id"] in past} == wanted, path
            assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)
            assert names(venue, olga, past, path, pair=SPOT) == (["spot"] if path == "/cancelled_orders" else [])
            assert conforms(venue, olga.get(path, limit=1)) == rows[:1]
        venue.run(venue.store.projector.settle())


@pytest.mark.spec("REST-044")
def test_a_refused_trigger_says_why(venue: Venue, olga: Client, past: dict[str, str]) -> None:
    rows = {past[row["id"]]: row for row in conforms(venue, olga.get("/triggers")) if row["id"] in past}
    assert rows["refused trigger"]["status"] == "CANCELLED"
    assert rows["refused trigger"]["msg"] == "Order was rejected: There is no position to reduce."
    assert (rows["waiting"]["status"], rows["waiting"]["msg"]) == ("UNTRIGGERED", None)


@pytest.mark.spec("REST-015", "REST-044", "REST-045")
@pytest.mark.parametrize("path", [*LISTS, "/completed_positions"])
@pytest.mark.parametrize(
    "query, field",
    [
        ({"limit": 0}, "limit"),
        ({"start": "1e400"}, "start"),
        ({"end": -1}, "end"),
        ({"pair": "USD_NOPE_PERP"}, "pair"),
        ({"before": "x"}, "before"),
        ({"before": "x", "end": 1}, "before"),
    ],
)
def test_a_list_refuses_what_it_cannot_mean(
    venue: Venue, olga: Client, path: str, query: dict[str, Any], field: str
) -> None:
    answer = olga.get(path, **query)
    assert answer.status_code == 503
    assert conforms(venue, answer)["field"] == field


@pytest.fixture(scope="module")
def pages(venue: Venue) -> Client:
    """Somebody with much of everything, several of it in one millisecond."""
    client, other = venue.client("pages"), venue.client("pages' other side")
    for step in range(4):
        venue.price(PRICE)
        for number in range(5):
            assert other.order(side="SELL", price=60_010, qty=0.001).status_code == 200
            assert client.order(price=60_010, qty=0.001, client_order_id=f"b{step}-{number}").status_code == 200
            assert client.order(side="SELL", price=None, qty=0.001, trigger_price=58_000).status_code == 200
            assert client.order(price=58_800, qty=0.001).status_code == 200
        if step < 3:
            conforms(venue, client.send("/auth/cancel/bulk"))
        assert other.order(price=60_000, qty=0.005).status_code == 200
        assert client.send("/auth/close", pair=PAIR, price=60_000).status_code == 200
    return client


def one_by_end(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How Everstrike's market maker asks for the page before: by the oldest row's time."""
    return {"end": min(row["time"] for row in rows)}


def one_by_key(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Ours: by the last row's time and id."""
    return {"end": rows[-1]["time"], "before": rows[-1]["id"]}


def unwrapped(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Positions without the map of one pair around each."""
    return [row if "id" in row else next(iter(row.values())) for row in rows]


@pytest.mark.spec("REST-045")
@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("path", [*LISTS, "/completed_positions"])
@pytest.mark.parametrize("further, limit", [(one_by_end, 25), (one_by_key, 1), (one_by_key, 4)])
def test_paging_backwards_finds_everything(
    venue: Venue,
    pages: Client,
    path: str,
    further: Callable[[list[dict[str, Any]]], dict[str, Any]],
    limit: int,
    is_written: bool,
) -> None:
    if is_written:
        venue.run(venue.store.projector.settle())
    everything = unwrapped(conforms(venue, pages.get(path, limit=1_000)))
    assert len(everything) > (3 if path in ("/completed_positions", "/active_orders") else 10)
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {}
    while True:
        rows = unwrapped(conforms(venue, pages.get(path, limit=limit, **query)))
        found += [row for row in rows if row not in found] if further is one_by_end else rows
        if len(rows) < limit:
            break
        query = further(rows)
    assert found == everything


@pytest.fixture(scope="module")
def quiet(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """An exchange on which nobody else trades."""
    with own_venue(postgres, tmp_path_factory, "quiet") as running:
        yield running


@pytest.mark.spec("REST-046")
def test_a_closed_position_says_how_it_went(quiet: Venue) -> None:
    client, other = quiet.client("closer"), quiet.client("closer's other side")
    quiet.price(PRICE)
    opened_ms = quiet.clock.now_ms
    for side, price, qty in (("BUY", 60_000, 0.02), ("BUY", 60_300, 0.01)):
        other.order(side="SELL", price=price, qty=qty)
        conforms(quiet, client.order(side=side, price=price, qty=qty))
    assert conforms(quiet, client.get("/completed_positions")) == []
    quiet.clock.now_ms += 5_000
    other.order(side="BUY", price=60_600, qty=0.01)
    conforms(quiet, client.send("/auth/close", pair=PAIR, qty=0.01))
    assert conforms(quiet, client.get("/completed_positions")) == []
    before = conforms(quiet, client.get("/position", pair=PAIR))
    quiet.price(PRICE)
    closed_ms = quiet.clock.now_ms
    other.order(side="BUY", price=59_850, qty=0.05)
    conforms(quiet, client.order(side="SELL", price=59_850, qty=0.05))  # 0.02 to close, 0.03 to turn
    (row,) = conforms(quiet, client.get("/completed_positions"))
    (pair,) = row
    closed = row[pair]
    assert (pair, closed["pair"], closed["reason"]) == (PAIR, PAIR, "TRADE")
    assert (closed["size"], closed["time_open"], closed["time"]) == (0.03, opened_ms, closed_ms)
    # In: 0.02 x 60,000 + 0.01 x 60,300; out: 0.01 x 60,600 + 0.02 x 59,850.
    stats = closed["stats"]
    assert (stats["notional_entry"], stats["notional"], stats["direction"]) == (1_803, 1_803, "BUY")
    assert (stats["avg_entry"], stats["avg_exit"]) == (60_100, 60_100)
    assert (closed["realized"], stats["pnl"], stats["rpnl"]) == (0, 0, 0)
    # Taker's fees of 0.03%: of both lots in, of one out before, and 0.02 / 0.05 of the last.
    assert closed["fees"] == pytest.approx(before["fees"] + 0.05 * 59_850 * 0.0003 * 0.4, abs=1e-8)
    assert before["fees"] == pytest.approx((1_803 + 606) * 0.0003, abs=1e-8)
    turned = conforms(quiet, client.get("/position", pair=PAIR))
    assert turned["size"] == -0.03
    (mirror,) = conforms(quiet, other.get("/completed_positions", pair=PAIR))
    assert (mirror[PAIR]["size"], mirror[PAIR]["stats"]["direction"], mirror[PAIR]["fees"]) == (-0.03, "SELL", 0)
    written = conforms(quiet, client.get("/completed_positions"))
    quiet.run(quiet.store.projector.settle())
    assert conforms(quiet, client.get("/completed_positions")) == written
    assert conforms(quiet, client.get("/completed_positions", pair=SPOT)) == []
    assert conforms(quiet, client.get("/completed_positions", end=closed_ms - 1)) == []


@pytest.mark.spec("REST-046")
def test_a_liquidated_position_is_closed_too(quiet: Venue) -> None:
    quiet.price(PRICE)
    quiet.submit(Deposit("insurance of a closed position", 0, USD, 50_000 * MONEY_SCALE))
    poor, other = quiet.client("poor closer", usd=4_500, btc=0), quiet.client("poor closer's other side")
    for client, side in ((other, "SELL"), (poor, "BUY")):
        assert client.order(side=side, price=60_000, qty=1).status_code == 200
    assert other.order(side="BUY", price=57_000, qty=1).status_code == 200
    for price in (57_500, 56_500, 55_500, *[55_000] * 20, *[54_600] * 20):
        quiet.price(price)
        if not conforms(quiet, poor.get("/active_positions")):
            break
    (row,) = conforms(quiet, poor.get("/completed_positions"))
    closed = row[PAIR]
    assert closed["reason"] in {ending.name for ending in Ending} - {"TRADE", "SETTLEMENT"}
    assert (closed["size"], closed["stats"]["notional_entry"]) == (1, 60_000)
    assert closed["realized"] == pytest.approx(closed["stats"]["notional"] - 60_000, abs=1e-8)
    balance = conforms(quiet, poor.get("/balances"))["USD"]
    assert balance["free"] == pytest.approx(4_500 + closed["realized"] - closed["fees"], abs=1e-8)
    other.cancel_all()
    quiet.price(PRICE)
