"""The exchange as a whole, and one's own account, as Everstrike's surface shows them."""

from typing import Any

import pytest

from app.auth import Scope
from exchange.commands import AmendAsset, Deposit, SetMarketStatus, SetVenueStatus, Withdraw
from exchange.instrument import Asset, MarketStatus
from exchange.limits import MONEY_SCALE
from tests.contract.documents import conforms
from tests.venue import BTC, PAIR, PRICE, SPOT, USD, Client, Venue


def read(venue: Venue, path: str, **query: object) -> Any:
    """Read without a key."""
    answer = venue.http.get(venue.url + path, params={name: str(value) for name, value in query.items()}, timeout=30)
    return conforms(venue, answer)


@pytest.mark.spec("REST-047")
def test_assets_say_what_it_costs_to_move_them(venue: Venue) -> None:
    found = read(venue, "/assets")
    assert found.keys() >= {"USD", "USDT", "BTC", "ETH"}
    before = venue.call(lambda: venue.store.exchange.state.assets[BTC])
    venue.submit(AmendAsset(Asset(BTC, "BTC", 50_000, 100_000, 10 * MONEY_SCALE, 0, 1_000, 5 * MONEY_SCALE)))
    assert read(venue, "/assets")["BTC"] == {
        "key": "BTC",
        "precision": 8,
        "fees": {"withdrawal": 0.0005, "deposit": 0},
        "min_withdrawal": 0.001,
        "max_withdrawal_day": 10,
        "approval_above": 5,
        "min_deposit": 0.00001,
    }
    venue.submit(AmendAsset(before))
    assert read(venue, "/assets") == found


@pytest.mark.spec("REST-048")
def test_globals_count_the_exchange(venue: Venue) -> None:
    venue.price(PRICE)
    alone, other = venue.client("counted"), venue.client("counted's other side")
    before = read(venue, "/globals")
    other.order(side="SELL", price=60_000, qty=0.004)
    alone.order(price=60_000, qty=0.003)
    other.order(pair=SPOT, side="SELL", price=60_000, qty=0.001)
    alone.order(pair=SPOT, price=60_000, qty=0.001)
    after = read(venue, "/globals")
    assert after["accounts"] == before["accounts"] >= 2
    assert after["active_orders"] == before["active_orders"] + 1
    assert after["trades"] == before["trades"] + 2
    assert after["quote_volume"]["USD"] - before["quote_volume"].get("USD", 0) == pytest.approx(240)
    assert after["open_interest"]["USD"] - before["open_interest"].get("USD", 0) == pytest.approx(180)
    assert (after["pairs"], after["time"]) == (len(read(venue, "/pairs")), venue.clock.now_ms)
    other.cancel_all()


@pytest.mark.spec("REST-049")
def test_status_says_how_the_exchange_is(venue: Venue) -> None:
    found = read(venue, "/status")
    assert (found["status"], found["maintenance"]) == ("ONLINE", [])
    assert found["engine"]["is_ready"] is True
    assert found["engine"]["seq"] >= found["records"]["seq"] > 0
    assert found["uptime"] == found["time"] - found["start_time"] >= 0
    venue.submit(SetMarketStatus(1, MarketStatus.CANCEL_ONLY))
    assert read(venue, "/status")["maintenance"] == [{"pair": PAIR, "status": "CANCEL_ONLY"}]
    assert read(venue, "/globals")["pairs_trading"] == read(venue, "/globals")["pairs"] - 1
    venue.submit(SetVenueStatus(MarketStatus.REDUCE_ONLY))
    found = read(venue, "/status")
    assert found["status"] == "RESTRICTED"
    assert found["maintenance"] == [{"pair": None, "status": "REDUCE_ONLY"}, {"pair": PAIR, "status": "CANCEL_ONLY"}]
    venue.submit(SetVenueStatus(MarketStatus.TRADING))
    venue.submit(SetMarketStatus(1, MarketStatus.TRADING))
    assert read(venue, "/status")["status"] == "ONLINE"


@pytest.mark.spec("REST-050")
def test_the_vault_is_the_insurance_fund(venue: Venue) -> None:
    before = read(venue, "/vault")
    venue.submit(Deposit("a fund's test", 0, USD, 3_000 * MONEY_SCALE))
    venue.run(venue.store.projector.settle())
    venue.submit(Withdraw("a fund's test, back", 0, USD, 1_000 * MONEY_SCALE))
    after = read(venue, "/vault")
    assert after["usd_supply"] - before["usd_supply"] == 2_000
    assert after["equity"] - before["equity"] == 2_000
    assert after["earnings"]["total"] == pytest.approx(before["earnings"]["total"], abs=1e-8)
    assert after["redemption_rate"] == pytest.approx(1 + after["earnings"]["total"] / after["usd_supply"], abs=1e-8)
    assert read(venue, "/globals")["insurance_fund"]["USD"] == after["equity"]


@pytest.mark.spec("REST-051")
def test_personal_says_who_one_is_and_what_one_did(venue: Venue) -> None:
    venue.price(PRICE)
    born_ms = venue.clock.now_ms
    client, other = venue.client("person"), venue.client("person's other side")
    found = conforms(venue, client.get("/personal"))
    actions = found["actions"]
    assert actions == {
        "latest_deposit": born_ms,
        "latest_withdrawal": None,
        "latest_order": None,
        "latest_trade": None,
        "latest_cancellation": None,
        "creation_time": born_ms,
    }
    assert found["balances"] == conforms(venue, client.get("/balances"))
    assert (found["email"], found["verification_level"], found["margin_mode"]) == (None, "UNVERIFIED", "CROSS")
    times = []
    for step in range(4):
        venue.clock.now_ms += 1_000
        times.append(venue.clock.now_ms)
        if step == 0:
            client.order(price=59_000)
        elif step == 1:
            other.order(side="SELL", price=60_000, qty=0.001)
            client.order(price=60_000, qty=0.001)
        elif step == 2:
            client.cancel_all()
        else:
            venue.submit(Withdraw("person's withdrawal", client.account_id, USD, MONEY_SCALE))
    for _ in range(2):
        actions = conforms(venue, client.get("/personal"))["actions"]
        assert actions == {
            "latest_deposit": born_ms,
            "latest_withdrawal": times[3],
            "latest_order": times[1],
            "latest_trade": times[1],
            "latest_cancellation": times[2],
            "creation_time": born_ms,
        }
        venue.run(venue.store.projector.settle())


@pytest.mark.spec("REST-051")
def test_permissions_are_the_keys_own(venue: Venue) -> None:
    account_id = venue.account("allowed")

    def permissions(scopes: Scope) -> dict[str, bool]:
        client: Client = venue.key(account_id, scopes=scopes)
        found: dict[str, bool] = conforms(venue, client.get("/personal"))["permissions"]
        return found

    every = permissions(Scope.READ | Scope.TRADE | Scope.WITHDRAW)
    assert (every["trading_enabled"], every["withdraw_enabled"], every["login_enabled"]) == (True, True, False)
    few = permissions(Scope.READ)
    assert (few["trading_enabled"], few["withdraw_enabled"], few["api_enabled"]) == (False, False, True)
    assert venue.key(account_id, scopes=Scope.TRADE).get("/personal").status_code == 403


@pytest.mark.spec("REST-051")
def test_the_allowance_is_what_is_left_of_the_day(venue: Venue) -> None:
    client = venue.client("allowance")
    assert conforms(venue, client.get("/personal"))["withdrawal_allowance"] is None
    before = venue.call(lambda: venue.store.exchange.state.assets[USD])
    venue.submit(AmendAsset(Asset(USD, "USD", withdrawal_day_max=5_000 * MONEY_SCALE)))
    assert conforms(venue, client.get("/personal"))["withdrawal_allowance"] == 5_000
    venue.submit(AmendAsset(before))
