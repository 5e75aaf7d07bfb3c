"""Limits over HTTP, as a client meets them. The clock stands: a token that is gone stays gone until the test moves it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.connections import Connection
from app.db.embedded import EmbeddedServer
from app.limits import AddressLimits
from tests.contract.conftest import own_settings
from tests.contract.documents import conforms
from tests.venue import PAIR, Client, Venue, running_venue

KEY_BURST = 200
"""Enough for an account's orders, and less than them and its cancels."""
WORDS = "You have done that too much recently. Care to try again in {:.3f} seconds?"


@pytest.fixture(scope="module")
def limited(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """60 orders and 4 cancels a minute for an account; 200 requests at once for a key, of which one grows in a second."""
    settings = own_settings(postgres, tmp_path_factory.mktemp("limited"), "limited")
    limits = {
        "account_orders_per_min": 60,
        "account_cancels_per_min": 4,
        "key_requests_per_s": 1,
        "key_burst": KEY_BURST,
    }
    with running_venue(settings, limits=limits) as venue:
        yield venue


def bulk(client: Client, count: int, **more: object) -> requests.Response:
    orders = {
        f"orders[{index}][{name}]": value
        for index in range(count)
        for name, value in {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 59_000, **more}.items()
    }
    return client.send("/auth/order/bulk", **orders)


def too_much(venue: Venue, answer: requests.Response, wait_s: float) -> None:
    """Check that an answer asks to wait for so long, as documented."""
    assert answer.status_code == 429, answer.text
    assert conforms(venue, answer) is None
    assert answer.json() == {"code": 429, "msg": WORDS.format(wait_s), "result": None}
    assert answer.headers["retry-after"] == str(max(1, -int(-wait_s // 1)))


@pytest.mark.spec("LIM-008", "LIM-011")
def test_an_account_orders_so_much(limited: Venue) -> None:
    ann = limited.client("ann")
    other_key = limited.key(ann.account_id)
    assert bulk(ann, 40).status_code == 200
    before = limited.state_hash()
    too_much(limited, bulk(ann, 50), 30.0)
    too_much(limited, bulk(other_key, 21), 1.0)
    assert limited.state_hash() == before
    assert bulk(other_key, 17).status_code == 200
    assert ann.order(is_test=True).status_code == 200
    ids = [order["id"] for order in conforms(limited, ann.get("/active_orders"))]
    assert len(ids) == 57
    assert ann.order().status_code == 200
    assert ann.order(price=1).status_code == 503  # refused by the core, and counted: it came that far
    before = limited.state_hash()
    for hasty in (ann, other_key):
        too_much(limited, hasty.order(), 1.0)
        too_much(limited, hasty.order(is_test=True), 1.0)
        too_much(limited, hasty.send("/auth/close", pair=PAIR), 1.0)
        too_much(limited, hasty.send("/auth/amend", id=ids[0], price=59_001), 1.0)
        too_much(limited, bulk(hasty, 2), 2.0)
    body = f"pair={PAIR}&side=BUY&qty=0.001&price=59000&timestamp={limited.stamp()}"
    too_much(limited, ann.post("/auth/order", body), 1.0)
    assert limited.state_hash() == before
    assert ann.get("/account").status_code == 200
    assert limited.client("ben").order().status_code == 200
    assert ann.send("/auth/cancel", id=ids[0]).status_code == 200
    limited.clock.now_ms += 1_000
    assert ann.post("/auth/order", body).status_code == 401
    assert ann.order().status_code == 200
    too_much(limited, ann.order(), 1.0)


@pytest.mark.spec("LIM-007", "LIM-009")
def test_no_number_of_orders_and_reads_keeps_anybody_from_cancelling(limited: Venue) -> None:
    cleo = limited.client("cleo")
    made = [conforms(limited, cleo.order(client_order_id=f"cleo-{number}"))["order"] for number in range(3)]
    assert bulk(cleo, 50).status_code == 200
    statuses = [cleo.get("/account").status_code for _ in range(KEY_BURST - 4)]
    assert statuses == [200] * (KEY_BURST - 4)
    too_much(limited, cleo.get("/account"), 1.0)
    too_much(limited, cleo.order(), 1.0)
    assert conforms(limited, cleo.send("/auth/cancel", id=made[0]["id"]))["id"] == made[0]["id"]
    assert conforms(limited, cleo.send("/auth/cancel", client_order_id="cleo-1"))["id"] == made[1]["id"]
    assert cleo.send("/auth/cancel_all_after", timeout=60_000).status_code == 200
    assert len(conforms(limited, cleo.send("/auth/cancel/bulk"))) == 51
    too_much(limited, cleo.send("/auth/cancel/bulk"), 15.0)
    too_much(limited, cleo.send("/auth/cancel", id=made[2]["id"]), 15.0)
    limited.clock.now_ms += 15_000
    assert cleo.send("/auth/cancel/bulk").status_code == 200
    assert cleo.order().status_code == 200


@pytest.mark.spec("LIM-010")
def test_a_stranger_cannot_use_up_an_accounts_orders(limited: Venue) -> None:
    dan = limited.client("dan")
    for number in range(61):
        answer = dan.post("/auth/order", f"pair={PAIR}&timestamp={limited.stamp()}&n={number}", x_signature="wrong")
        assert answer.status_code == 401
    for number in range(5):
        answer = dan.post("/auth/cancel", f"id={number}&timestamp={limited.stamp()}", x_signature="wrong")
        assert answer.status_code == 401
    assert dan.order().status_code == 200
    assert dan.send("/auth/cancel/bulk").status_code == 200


@pytest.mark.spec("LIM-001", "LIM-002")
def test_an_address_is_told_in_the_same_words(postgres: EmbeddedServer, tmp_path: Path) -> None:
    settings = own_settings(postgres, tmp_path, "crowded")

    class Limited(Connection):
        limits: AddressLimits | None = None

    with running_venue(settings, protocol=Limited) as venue:
        conforms(venue, requests.get(f"{venue.url}/ping", timeout=30))  # the document is read without a limit
        eve = venue.client("eve")
        placed = conforms(venue, eve.order())["order"]
        Limited.limits = AddressLimits(venue.clock, per_second=20, burst=3)
        venue.http = requests.Session()  # connections that are there already have no limits
        answers: list[Any] = [eve.get("/account"), requests.get(f"{venue.url}/ping", timeout=30), eve.order()]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        before = venue.state_hash()
        too_much(venue, requests.get(f"{venue.url}/ping", timeout=30), 0.05)
        too_much(venue, eve.get("/account"), 0.05)
        too_much(venue, eve.order(), 0.05)
        assert requests.get(f"{venue.url}/nothing", timeout=30).status_code == 429
        assert venue.state_hash() == before
        assert eve.send("/auth/cancel", id=placed["id"]).status_code == 200
        assert eve.send("/auth/cancel/bulk").status_code == 200
