"""What people are told without asking: rows, stream and mail."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from app.db.embedded import EmbeddedServer
from app.people.notices import Kind
from app.stream import messages
from exchange import views
from exchange.commands import AdvanceWithdrawal, RequestWithdrawal, WithdrawalStatus
from exchange.events import WithdrawalRequested
from exchange.limits import MONEY_SCALE
from tests.contract.people_world import Human, PeopleVenue, people_venue
from tests.support.streams import listening
from tests.venue import BTC

CALL = "USD_BTCCALL_PERP"
HOUR_MS = 3_600_000
FEE = 1.8
"""Of 0.1 BTC at 60,000, as a taker: 300 ppm."""


@pytest.fixture(scope="module")
def world(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleVenue]:
    with people_venue(postgres, tmp_path_factory.mktemp("notices"), "people_notices") as running:
        yield running


@pytest.fixture(scope="module")
def unpaid(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleVenue]:
    """An exchange without a custody: a withdrawal goes only where a test lets it go."""
    with people_venue(postgres, tmp_path_factory.mktemp("unpaid"), "people_unpaid", custody="none") as running:
        yield running


def holder(world: PeopleVenue, name: str, usd: str) -> Human:
    """Somebody with 0.1 BTC bought at 60,000, and nothing else in the book."""
    human = world.human(name)
    world.fund_exactly(human, usd)
    world.step_up(human)
    world.price()
    seller = world.venue.client(f"seller to {name}")
    assert seller.order(side="SELL", qty=0.1, price=60_000).status_code == 200
    bought = human.key().order(qty=0.1, price=60_000)
    assert bought.json()["result"]["order"]["status"] == "COMPLETED", bought.text
    return human


@pytest.mark.spec("PEO-080", "PEO-082")
def test_a_liquidation_that_draws_near_is_told_once(world: PeopleVenue) -> None:
    ada = holder(world, "ada", "101.8")
    steps = ((60_000, 0), (59_600, 0), (59_590, 1), (59_580, 1), (59_600, 1), (59_590, 1), (59_750, 1), (59_590, 2))
    for price, count in steps:
        world.venue.price(price)
        position = world.venue.call(lambda: views.positions(world.venue.store.exchange, ada.account_id)[0])
        assert position.mark_price == price * 100
        ada.take(ada.post("/v1/login", email=ada.email, password=ada.password))
        world.look()
        world.settle_notices()
        assert len(world.told(ada, Kind.LIQUIDATION_NEAR)) == count, price
    world.post.wait(ada.email, 2, "A liquidation is near")
    world.venue.price(60_000)


@pytest.mark.spec("PEO-080")
def test_a_liquidation_is_told(world: PeopleVenue) -> None:
    bea = holder(world, "bea", "101.8")
    with listening(world.venue.url) as listener:
        world.step_up(bea)
        key = bea.key(scopes=["read"])
        listener.ask("auth_api", {"api_key": key.api_key, "categories": [messages.NOTICE]})
        silent = world.venue.key(bea.account_id)
        with listening(world.venue.url) as other:
            other.ask("auth_api", silent.api_key)
            world.venue.price(59_400)
            told = listener.hear(messages.NOTICE)
            assert told["result"]["kind"] in (Kind.LIQUIDATION.value, Kind.LIQUIDATION_NEAR.value)
            world.wait_for_notice(bea, Kind.LIQUIDATION)
            assert messages.NOTICE not in {message["category"] for message in other.heard}
    world.post.wait(bea.email, 1, "is being liquidated")
    world.venue.price(60_000)


@pytest.mark.spec("PEO-080", "PEO-083")
def test_funding_is_told_in_the_last_ten_minutes_of_its_hour(world: PeopleVenue) -> None:
    cy = world.human("cy", usd=100_000)
    world.step_up(cy)
    clock = world.venue.clock
    clock.now_ms += HOUR_MS - clock.now_ms % HOUR_MS + 30_000
    for _ in range(3):
        world.price()
    # Who holds a call pays for it each hour.
    price = requests.get(f"{world.venue.url}/pairs", timeout=30).json()["result"][CALL]["mark_price"]
    writer = world.venue.client("writer for cy")
    assert writer.order(pair=CALL, side="SELL", price=price, qty=1).status_code == 200
    cy.take(cy.post("/v1/login", email=cy.email, password=cy.password))
    world.step_up(cy)
    bought = cy.key().order(pair=CALL, price=price, qty=1)
    assert bought.json()["result"]["order"]["status"] == "COMPLETED", bought.text
    cy.take(cy.post("/v1/login", email=cy.email, password=cy.password))
    due_ms = clock.now_ms - clock.now_ms % HOUR_MS + HOUR_MS
    clock.now_ms = due_ms - 600_001
    cy.take(cy.post("/v1/login", email=cy.email, password=cy.password))
    world.look()
    world.settle_notices()
    assert not world.told(cy, Kind.FUNDING_DUE)
    clock.now_ms = due_ms - 600_000
    world.look()
    notice = world.wait_for_notice(cy, Kind.FUNDING_DUE)
    assert f"the position in {CALL} pays about " in notice["words"]
    world.look()
    world.settle_notices()
    assert len(world.told(cy, Kind.FUNDING_DUE)) == 1
    assert not [mail for mail in world.post.mails(cy.email) if "Funding" in mail["Subject"]]


def withdraw(world: PeopleVenue, human: Human) -> Any:
    """A withdrawal of 0.01 BTC, asked for and confirmed."""
    to = world.listed_address(human)
    world.price()
    asked = {"account_id": human.account_id, "address_id": to, "amount": "0.01"}
    made = human.result("POST", "/v1/withdrawals", name="rent", **asked)
    code = world.code(human, "code for a withdrawal")
    human.result("POST", "/v1/withdrawals/confirm", withdrawal_id=made["withdrawal_id"], code=code)
    return made


@pytest.mark.spec("PEO-081")
def test_what_becomes_of_a_withdrawal_is_told(world: PeopleVenue) -> None:
    dot = world.human("dot", btc=1)
    made = withdraw(world, dot)
    notice = world.wait_for_notice(dot, Kind.WITHDRAWAL)
    assert notice["words"].startswith(
        f"Withdrawal {made['withdrawal_id']}: 0.01 BTC to {made['address']} is on its way"
    )
    world.post.wait(dot.email, 1, "A withdrawal moved")


@pytest.mark.spec("PEO-081")
@pytest.mark.parametrize(
    "status, words", [("SUCCEEDED", "has arrived"), ("FAILED", "failed"), ("REJECTED", "was rejected")]
)
def test_how_a_withdrawal_ended_is_told(unpaid: PeopleVenue, status: str, words: str) -> None:
    human = unpaid.human(f"one-who-{status.lower()}", btc=1)
    asked = RequestWithdrawal("rent", human.account_id, BTC, MONEY_SCALE // 100, unpaid.address(), is_confirmed=True)
    made = unpaid.venue.submit(asked)[0]
    assert isinstance(made, WithdrawalRequested)
    for step in ("REJECTED",) if status == "REJECTED" else ("PROCESSING", status):
        unpaid.venue.submit(AdvanceWithdrawal(made.withdrawal_id, WithdrawalStatus[step]))
    found = unpaid.wait_for_notice(human, Kind.WITHDRAWAL, 1 if status == "REJECTED" else 2)["words"]
    assert found.startswith(f"Withdrawal {made.withdrawal_id}: 0.01 BTC to {asked.address} ")
    assert words in found


@pytest.mark.spec("PEO-084")
def test_notices_are_their_owners(world: PeopleVenue) -> None:
    mallory = world.human("mallory")
    eva = world.human("eva", btc=1)
    withdraw(world, eva)
    notice = world.wait_for_notice(eva, Kind.WITHDRAWAL)
    mallory.take(mallory.post("/v1/login", email=mallory.email, password=eva.password))
    assert mallory.result("GET", "/v1/notices")["notices"] == []
    assert mallory.result("POST", "/v1/notices/read", up_to=2**53)["marked"] == 0
    assert eva.result("GET", "/v1/notices")["notices"][-1]["read_ms"] is None
    assert eva.result("POST", "/v1/notices/read", up_to=notice["notice_id"])["marked"] >= 1
    assert eva.result("GET", "/v1/notices", before=notice["notice_id"] + 1)["notices"][0]["read_ms"] is not None
    assert eva.result("GET", "/v1/notices", before=1)["notices"] == []
