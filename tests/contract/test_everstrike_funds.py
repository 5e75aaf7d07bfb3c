"""Money in and out over HTTP."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.auth import Scope, sign
from app.custody.simulated import SimulatedChain, make_address
from app.db.connect import engine_for
from exchange.commands import AmendAsset
from exchange.instrument import Asset
from exchange.limits import ADDRESS_LENGTH_MAX
from tests.contract.documents import conforms
from tests.contract.test_everstrike_orders import refusal
from tests.venue import BTC, DEADLINE_S, PRICE, Client, Venue

WITHDRAWAL = {"id", "asset", "qty", "net", "fee", "address", "status", "time", "transaction", "customer_id"}
DEPOSIT = {
    "address", "customer_id", "asset", "time", "qty", "net", "status", "id", "qty_usd", "net_usd", "transaction",
}  # fmt: skip
ALL = Scope.READ | Scope.TRADE | Scope.WITHDRAW
BLOCK_MS = 2_000


@pytest.fixture(scope="module")
def fred(venue: Venue) -> Client:
    """Somebody who moves money."""
    return venue.key(venue.account("fred"), scopes=ALL)


@pytest.fixture(scope="module")
def gina(venue: Venue) -> Client:
    """Somebody else who does."""
    return venue.key(venue.account("gina"), scopes=ALL)


@pytest.fixture
def chain(venue: Venue) -> Iterator[SimulatedChain]:
    """The venue's chain, from outside."""

    async def opened() -> SimulatedChain:
        return SimulatedChain(engine_for(venue.store.url), venue.clock, block_ms=BLOCK_MS)

    found = venue.run(opened())
    yield found
    venue.run(found._engine.dispose())


@pytest.fixture
def fees(venue: Venue) -> Iterator[None]:
    """Fees and bounds for bitcoin."""
    unit = 10**8
    venue.submit(
        AmendAsset(
            Asset(BTC, "BTC", withdrawal_fee=unit // 1000, withdrawal_min=unit // 100, withdrawal_day_max=4 * unit)
        )
    )
    yield
    venue.submit(AmendAsset(Asset(BTC, "BTC")))


def listed(client: Client, path: str, number: str) -> dict[str, Any]:
    """An entry of a list by its id; empty when it is not there."""
    rows: list[dict[str, Any]] = conforms(client.venue, client.get(path))
    return next((row for row in rows if row["id"] == number), {})


def wait_for(
    client: Client, path: str, number: str, status: str, chain: SimulatedChain | None = None
) -> dict[str, Any]:
    """An entry when it has this status; blocks come meanwhile, if a chain is given."""
    deadline = time.monotonic() + DEADLINE_S
    while (found := listed(client, path, number)).get("status") != status:
        assert time.monotonic() < deadline, found
        if chain is not None:
            client.venue.run(chain.mine(1))
        time.sleep(0.02)
    return found


def withdraw(client: Client, **fields: Any) -> Any:
    """Ask for a withdrawal of a tenth of a bitcoin to somewhere outside."""
    return client.send("/auth/withdraw", **{"asset": "BTC", "qty": 0.1, "address": make_address(), **fields})


def held(client: Client) -> tuple[float, float]:
    balances = conforms(client.venue, client.get("/balances"))
    return balances["BTC"]["free"], balances["BTC"]["withdrawn"]


@pytest.mark.spec("FUNDS-001", "FUNDS-010")
def test_a_withdrawal_goes_out(venue: Venue, fred: Client, chain: SimulatedChain, fees: None) -> None:
    free, _ = held(fred)
    venue.run(chain.go_away(True))  # so that it stays where it is
    address = make_address()
    asked = conforms(venue, withdraw(fred, qty=0.5, address=address))
    assert asked.keys() >= WITHDRAWAL
    assert (asked["qty"], asked["fee"], asked["net"]) == (0.5, 0.001, 0.499)
    assert (asked["qty_usd"], asked["net_usd"]) == (0.5 * PRICE, 0.499 * PRICE)
    assert (asked["asset"], asked["address"], asked["network"]) == ("BTC", address, "simulated")
    assert (asked["status"], asked["transaction"], asked["time"]) == ("SUBMITTED", None, venue.clock.now_ms)
    assert len(asked["id"]) == 32
    assert held(fred) == (free - 0.5, 0.5)
    assert listed(fred, "/withdrawals", asked["id"]) == asked
    venue.run(chain.go_away(False))
    wait_for(fred, "/withdrawals", asked["id"], "PROCESSING")
    done = wait_for(fred, "/withdrawals", asked["id"], "SUCCEEDED", chain)
    [paid] = [row for row in venue.run(chain.transactions()) if row.address == address]
    assert done["transaction"] == {"hash": paid.transaction}
    assert paid.amount == 49_900_000
    assert held(fred) == (free - 0.5, 0)


@pytest.mark.spec("FUNDS-002")
def test_it_needs_the_scope_and_a_signature(venue: Venue, fred: Client, chain: SimulatedChain) -> None:
    trader = venue.key(fred.account_id)
    answer = withdraw(trader)
    assert (answer.status_code, answer.json()["code"]) == (403, 403)
    assert conforms(venue, answer) is None
    body = f"asset=BTC&qty=0.1&address={make_address()}&timestamp={venue.stamp()}"
    assert fred.post("/auth/withdraw", body, x_signature="").status_code == 401
    assert fred.post("/auth/withdraw", body, x_signature="AAAA").status_code == 401
    assert refusal(venue, withdraw(fred, timestamp="")) == ("MISSING_FIELD", "timestamp")
    assert withdraw(fred, timestamp=venue.clock.now_ms - 15_000).status_code == 408
    taken = conforms(venue, fred.post("/auth/withdraw", body))
    assert fred.post("/auth/withdraw", body).status_code == 401
    cancelled = trader.send("/auth/withdraw/cancel", id="0" * 32)
    assert cancelled.status_code == 403
    wait_for(fred, "/withdrawals", taken["id"], "SUCCEEDED", chain)


@pytest.mark.spec("FUNDS-003")
def test_what_cannot_be_is_refused(venue: Venue, fred: Client, fees: None) -> None:
    before = venue.state_hash()
    good = make_address()
    slip = good[:-1] + ("0" if good[-1] != "0" else "1")
    for fields, expected in (
        ({"asset": "XYZ"}, ("UNKNOWN_ASSET", "asset")),
        ({"asset": ""}, ("MISSING_FIELD", "asset")),
        ({"qty": "-1"}, ("INVALID_AMOUNT", "qty")),
        ({"qty": "0"}, ("INVALID_AMOUNT", "qty")),
        ({"qty": "a lot"}, ("INVALID_AMOUNT", "qty")),
        ({"qty": "NaN"}, ("INVALID_AMOUNT", "qty")),
        ({"qty": ""}, ("MISSING_FIELD", "qty")),
        ({"qty": "0.123456789"}, ("INVALID_AMOUNT", "qty")),
        ({"qty": "1e99"}, ("INVALID_AMOUNT", "qty")),
        ({"qty": "10000000001"}, ("INVALID_AMOUNT", "qty")),
        ({"qty": "3.99999999", "asset": "ETH"}, ("INSUFFICIENT_BALANCE", None)),
        ({"address": ""}, ("MISSING_FIELD", "address")),
        ({"address": slip}, ("INVALID_ADDRESS", "address")),
        ({"address": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"}, ("INVALID_ADDRESS", "address")),
        ({"address": "x" * (ADDRESS_LENGTH_MAX + 1)}, ("INVALID_FORM", "address")),
        ({"network": "elsewhere"}, ("UNKNOWN_NETWORK", "network")),
        ({"client_withdrawal_id": "n" * 65}, ("INVALID_FORM", "client_withdrawal_id")),
        ({"qty": "0.001"}, ("WITHDRAWAL_TOO_SMALL", "qty")),
        ({"qty": "0.00999999"}, ("WITHDRAWAL_TOO_SMALL", "qty")),
        ({"qty": "4.00000001"}, ("WITHDRAWAL_LIMIT", "qty")),
    ):
        said = refusal(venue, withdraw(fred, **{"address": good, **fields}))
        assert said[0] == expected[0] and expected[1] in (said[1], None), (fields, said)
    assert venue.state_hash() == before


@pytest.mark.spec("FUNDS-004", "FUNDS-009")
def test_a_name_of_ones_own_asks_once(venue: Venue, fred: Client, gina: Client, chain: SimulatedChain) -> None:
    free, _ = held(fred)
    first = conforms(venue, withdraw(fred, client_withdrawal_id="rent"))
    again = conforms(venue, withdraw(fred, client_withdrawal_id="rent", qty=5))
    assert (again["id"], again["qty"]) == (first["id"], 0.1)
    other = conforms(venue, withdraw(gina, client_withdrawal_id="rent"))
    assert other["id"] != first["id"]
    wait_for(fred, "/withdrawals", first["id"], "PROCESSING")
    wait_for(fred, "/withdrawals", first["id"], "SUCCEEDED", chain)
    assert conforms(venue, withdraw(fred, client_withdrawal_id="rent"))["status"] == "SUCCEEDED"
    assert held(fred)[0] == pytest.approx(free - 0.1, abs=1e-9)


@pytest.mark.spec("FUNDS-005")
def test_it_can_be_cancelled_in_time(venue: Venue, fred: Client, gina: Client, chain: SimulatedChain) -> None:
    free, _ = held(fred)
    venue.run(chain.go_away(True))
    try:
        asked = conforms(venue, withdraw(fred))
        assert refusal(venue, gina.send("/auth/withdraw/cancel", id=asked["id"])) == ("WITHDRAWAL_NOT_FOUND", "id")
        for _ in range(2):
            done = conforms(venue, fred.send("/auth/withdraw/cancel", id=asked["id"]))
            assert (done["status"], done["id"], done["msg"]) == ("CANCELLED", asked["id"], "Cancelled on request.")
        assert held(fred)[0] == free
    finally:
        venue.run(chain.go_away(False))
    going = conforms(venue, withdraw(fred))
    wait_for(fred, "/withdrawals", going["id"], "PROCESSING")
    said = refusal(venue, fred.send("/auth/withdraw/cancel", id=going["id"]))
    assert said[0] == "INVALID_TRANSITION"
    for wrong in ("0" * 32, "f" * 32, "nothing", "5"):
        assert refusal(venue, fred.send("/auth/withdraw/cancel", id=wrong))[0] == "WITHDRAWAL_NOT_FOUND"
    assert refusal(venue, fred.send("/auth/withdraw/cancel")) == ("MISSING_FIELD", "id")


@pytest.mark.spec("AUTH-005", "AUTH-008")
def test_a_read_that_is_refused_lets_no_signed_request_come_again(
    venue: Venue, fred: Client, chain: SimulatedChain
) -> None:
    body = f"asset=BTC&qty=0.01&address={make_address()}&timestamp={venue.stamp()}"
    assert fred.post("/auth/withdraw", body).status_code == 200
    newcomer = venue.key(venue.account("newcomer"), scopes=ALL)  # whose address nobody has asked the custody for
    signature = sign(fred.secret.encode(), body.encode()).decode()
    headers = {"x-api-key": newcomer.api_key, "x-signature": signature}
    venue.run(chain.go_away(True))
    try:
        assert venue.http.get(f"{venue.url}/v1/deposit_address?asset=BTC", headers=headers).status_code == 503
    finally:
        venue.run(chain.go_away(False))
    assert fred.post("/auth/withdraw", body).status_code == 401


@pytest.mark.spec("FUNDS-006", "FUNDS-007", "FUNDS-010")
def test_a_deposit_comes_in(venue: Venue, fred: Client, gina: Client, chain: SimulatedChain) -> None:
    free, _ = held(gina)
    where = conforms(venue, gina.get("/v1/deposit_address", asset="btc"))
    assert where == conforms(venue, gina.get("/v1/deposit_address", asset="BTC", network="simulated"))
    assert where["address"] != conforms(venue, fred.get("/v1/deposit_address", asset="BTC"))["address"]
    assert refusal(venue, gina.get("/v1/deposit_address", asset="XYZ")) == ("UNKNOWN_ASSET", "asset")
    assert refusal(venue, gina.get("/v1/deposit_address", asset="BTC", network="x")) == ("UNKNOWN_NETWORK", "network")
    transaction = venue.run(chain.deposit(where["address"], "BTC", 50_000_000, source="somewhere"))
    number = f"BTC{transaction}"
    seen = wait_for(gina, "/deposits", number, "PENDING")
    assert seen.keys() >= DEPOSIT
    assert (seen["qty"], seen["qty_usd"], seen["address"]) == (0.5, 0.5 * PRICE, where["address"])
    assert seen["transaction"] == {"hash": transaction, "from": "somewhere"}
    assert held(gina)[0] == free
    venue.run(chain.mine(3))
    wait_for(gina, "/deposits", number, "COMPLETED")
    assert held(gina)[0] == free + 0.5
    assert listed(fred, "/deposits", number) == {}
    odd = venue.run(chain.deposit(where["address"], "USDT", 1))
    assert wait_for(gina, "/deposits", f"USDT{odd}", "PENDING")["qty_usd"] is None, "no index of it here"


@pytest.mark.spec("FUNDS-008")
def test_lists_choose(venue: Venue, chain: SimulatedChain) -> None:
    harry = venue.key(venue.account("harry", usd=100), scopes=ALL)
    venue.run(chain.go_away(True))
    try:
        rows = []
        for asset in ("BTC", "USD", "BTC"):
            venue.clock.now_ms += 1_000
            rows.append(conforms(venue, withdraw(harry, asset=asset, qty=1)))
        every = conforms(venue, harry.get("/withdrawals"))
        assert [row["id"] for row in every] == [row["id"] for row in reversed(rows)]
        assert conforms(venue, harry.get("/withdrawals", asset="USD")) == [every[1]]
        assert conforms(venue, harry.get("/withdrawals", limit=1)) == every[:1]
        middle = every[1]["time"]
        assert conforms(venue, harry.get("/withdrawals", start=middle)) == every[:2]
        assert conforms(venue, harry.get("/withdrawals", end=middle)) == every[1:]
        assert conforms(venue, harry.get("/deposits")) == []
        assert refusal(venue, harry.get("/withdrawals", asset="XYZ")) == ("UNKNOWN_ASSET", "asset")
        assert refusal(venue, harry.get("/deposits", limit=0))[1] == "limit"
    finally:
        venue.run(chain.go_away(False))
