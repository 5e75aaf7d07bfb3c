import asyncio
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.auth import SEEN_SPAN_MS, Scope, sign
from app.forms import BODY_MAX
from app.rate import Bucket
from app.surfaces.everstrike.described import WORDS
from exchange.commands import Tick
from tests.contract.documents import conforms, document
from tests.venue import PAIR, PRICE, Client, Venue
from tests.waiting import until

BODY = f"pair={PAIR}&side=BUY&qty=0.001&price=59000"


def failed(venue: Venue, answer: Any, status: int, code: int = 0) -> str:
    """Check an answer of the envelope; give its msg."""
    assert answer.status_code == status, answer.text
    conforms(venue, answer)
    body = answer.json()
    assert body["code"] == (code or status)
    msg: str = body["msg"]
    return msg


@pytest.mark.spec("AUTH-001", "AUTH-002")
@pytest.mark.parametrize(
    "path", ["/auth/order", "/auth/cancel", "/auth/cancel/bulk", "/auth/close", "/auth/order/bulk"]
)
def test_signed_addresses_need_key_and_signature(venue: Venue, carl: Client, path: str) -> None:
    before = venue.state_hash()
    body = f"{BODY}&timestamp={venue.stamp()}"
    assert failed(venue, carl.post(path, body, x_api_key=""), 401) == "The x-api-key header is missing."
    assert "unknown" in failed(venue, carl.post(path, body, x_api_key="nobody"), 401)
    assert failed(venue, carl.post(path, body, x_signature=""), 401) == "The x-signature header is missing."
    wrong = sign(b"another secret", body.encode()).decode()
    assert "does not match" in failed(venue, carl.post(path, body, x_signature=wrong), 401)
    other = sign(carl.secret.encode(), (body + "0").encode()).decode()
    assert "does not match" in failed(venue, carl.post(path, body, x_signature=other), 401)
    assert venue.state_hash() == before


@pytest.mark.spec("AUTH-002", "AUTH-003")
def test_keys_end_are_narrow_and_are_at_home_somewhere(venue: Venue, carl: Client) -> None:
    account_id = carl.account_id
    expired = venue.key(account_id, expires_at_ms=venue.clock.now_ms)
    failed(venue, expired.order(), 401)
    failed(venue, expired.get("/account"), 401)
    reader = venue.key(account_id, scopes=Scope.READ)
    assert "scope" in failed(venue, reader.order(), 403)
    assert "scope" in failed(venue, reader.post("/leverage", f"pair={PAIR}&leverage=2", x_signature=""), 403)
    assert reader.get("/account").status_code == 200
    trader = venue.key(account_id, scopes=Scope.TRADE)
    assert "scope" in failed(venue, trader.get("/account"), 403)
    elsewhere = venue.key(account_id, networks=("10.0.0.0/8",))
    assert "address" in failed(venue, elsewhere.get("/account"), 403)
    assert venue.key(account_id, networks=("127.0.0.0/8",)).get("/account").status_code == 200
    gone = venue.key(account_id)
    assert gone.get("/account").status_code == 200
    assert venue.run(venue.store.identity.revoke_key(gone.api_key))
    failed(venue, gone.get("/account"), 401)


@pytest.mark.spec("AUTH-002", "KEY-002")
@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_key_that_ends_while_its_body_is_on_the_way_does_nothing(venue: Venue, carl: Client, end: str) -> None:
    going = venue.key(carl.account_id, expires_at_ms=venue.clock.now_ms + 500 if end == "expired" else 0)
    body = f"{BODY}&timestamp={venue.stamp()}".encode()
    before = carl.get("/active_orders").json()
    connection = http.client.HTTPConnection(urlsplit(venue.url).netloc, timeout=30)
    connection.putrequest("POST", "/auth/order")
    connection.putheader("x-api-key", going.api_key)
    connection.putheader("x-signature", sign(going.secret.encode(), body).decode())
    connection.putheader("content-length", str(len(body)))
    connection.endheaders(body[:10])
    key = venue.store.identity.find(going.api_key)
    assert key is not None
    asyncio.run(until(lambda: key.bucket._full_at_ms > 0))  # let in, and waiting for the rest
    if end == "revoked":
        assert venue.run(venue.store.identity.revoke_key(going.api_key))
    else:
        venue.clock.now_ms += 500
        venue.submit(Tick())  # what is due, or the bell would make it so under a later test
    connection.send(body[10:])
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (401, 401)
    connection.close()
    assert carl.get("/active_orders").json() == before


@pytest.mark.spec("AUTH-004")
def test_late_and_early_requests_are_refused(venue: Venue, carl: Client) -> None:
    now_ms = venue.clock.now_ms
    assert failed(venue, carl.order(timestamp=now_ms - 15_000), 408, 414) == "The timestamp is too old."
    assert failed(venue, carl.order(timestamp=now_ms - 101, recv_window=100), 408, 414) == "The timestamp is too old."
    assert "ahead" in failed(venue, carl.order(timestamp=now_ms + 1_001), 408, 414)
    assert carl.order(timestamp=now_ms - 14_999).status_code == 200 or venue.store.start_ms
    assert carl.order(timestamp=now_ms + 1_000).status_code == 200
    carl.cancel_all()


@pytest.mark.spec("AUTH-005")
def test_a_signed_request_is_taken_once(venue: Venue, carl: Client) -> None:
    body = f"{BODY}&timestamp={venue.stamp()}"
    assert carl.post("/auth/order", body).status_code == 200
    before = venue.state_hash()
    assert "before" in failed(venue, carl.post("/auth/order", body), 401)
    assert venue.state_hash() == before
    carl.cancel_all()


@pytest.mark.spec("AUTH-008")
def test_a_signature_on_a_read_is_ignored(venue: Venue, carl: Client) -> None:
    answer = venue.http.get(
        f"{venue.url}/account", headers={"x-api-key": carl.api_key, "x-signature": "anything"}, timeout=30
    )
    assert answer.status_code == 200
    assert venue.http.get(f"{venue.url}/account", timeout=30).status_code == 401


@pytest.mark.spec("AUTH-007")
def test_too_many_requests_wait(venue: Venue, carl: Client) -> None:
    hasty = venue.key(carl.account_id)
    key = venue.store.identity.find(hasty.api_key)
    assert key is not None
    key.bucket = Bucket(per_second=20, burst=3)
    assert [hasty.get("/account").status_code for _ in range(3)] == [200, 200, 200]
    answer = hasty.get("/account")
    msg = failed(venue, answer, 429)
    assert msg == "You have done that too much recently. Care to try again in 0.050 seconds?"
    assert answer.headers["retry-after"] == "1"
    failed(venue, hasty.order(), 429)
    venue.clock.now_ms += 50
    assert hasty.get("/account").status_code == 200


@pytest.mark.spec("FORM-007")
def test_a_large_body_is_refused_before_it_is_read(venue: Venue, carl: Client) -> None:
    answer = carl.post("/auth/order", "a=" + "1" * 1_000_000)
    failed(venue, answer, 413)
    address = urlsplit(venue.url).netloc
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.putrequest("POST", "/auth/order")
    connection.putheader("x-api-key", carl.api_key)
    connection.putheader("content-length", str(BODY_MAX + 1))
    connection.endheaders()  # the body never comes, and the answer does
    early = connection.getresponse()
    assert early.status == 413
    connection.close()


@pytest.mark.spec("FORM-007")
def test_a_large_body_of_unknown_length_is_cut_off(venue: Venue, carl: Client) -> None:
    address = urlsplit(venue.url).netloc
    connection = http.client.HTTPConnection(address, timeout=30)
    chunks = (b"a" * 10_000 for _ in range(20))
    connection.request("POST", "/auth/order", body=chunks, headers={"x-api-key": carl.api_key}, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["code"] == 413
    connection.close()


@pytest.mark.spec("REST-017")
@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/nothing", 404),
        ("POST", "/auth/nothing", 404),
        ("GET", "/auth/order", 405),
        ("POST", "/account", 405),
        ("DELETE", "/auth/order", 405),
        ("PUT", "/pairs", 405),
        ("OPTIONS", "/auth/order", 405),
    ],
)
def test_the_envelope_is_everywhere(venue: Venue, method: str, path: str, status: int) -> None:
    answer = venue.http.request(method, venue.url + path, timeout=30)
    assert answer.status_code == status
    assert answer.json().keys() == {"code", "msg", "result"}
    assert answer.json()["code"] == status
    if status == 405:
        assert answer.headers["allow"] in ("GET", "POST")


@pytest.mark.spec("REST-017")
def test_a_slash_at_the_end_does_not_matter(venue: Venue, carl: Client) -> None:
    assert venue.http.get(f"{venue.url}/ping/", timeout=30).status_code == 200
    assert carl.get("/account/").status_code == 200
    assert carl.post("/auth/order/", "", x_signature="").status_code == 401


DOCUMENTED = {
    *(
        "/pairs",
        "/ticker",
        "/depth",
        "/trades",
        "/ohlcv",
        "/assets",
        "/time",
        "/ping",
        "/vault",
        "/funding",
        "/globals",
    ),
    *(
        "/status",
        "/personal",
        "/account",
        "/balances",
        "/position",
        "/active_positions",
        "/completed_positions",
        "/order",
    ),
    *("/orders", "/active_orders", "/completed_orders", "/cancelled_orders", "/filled_orders", "/triggers", "/fills"),
    *(
        "/deposits",
        "/withdrawals",
        "/auth/order",
        "/auth/order/bulk",
        "/auth/cancel",
        "/auth/cancel/bulk",
        "/auth/close",
    ),
    *("/auth/withdraw", "/leverage", "/draw", "/fund"),
}
"""Everstrike's rows."""


@pytest.mark.spec("REST-018")
def test_the_document_and_its_page(venue: Venue) -> None:
    found = document(venue.url)
    assert found["openapi"].startswith("3.1")
    assert found["paths"].keys() >= DOCUMENTED
    for path, methods in found["paths"].items():
        for operation in methods.values():
            assert {"200", "503"} <= operation["responses"].keys(), path
            if operation["security"]:
                assert {"401", "403", "429"} <= operation["responses"].keys(), path
    page = venue.http.get(f"{venue.url}/docs", timeout=30)
    assert page.status_code == 200
    assert all(path in page.text for path in found["paths"])
    assert "http://" not in page.text
    assert "https://" not in page.text


@pytest.mark.spec("REST-018")
def test_parameters_are_described_as_each_row_takes_them(venue: Venue) -> None:
    paths = document(venue.url)["paths"]

    def shown(path: str) -> dict[str, Any]:
        (operation,) = paths[path].values()
        body = operation.get("requestBody", {}).get("content", {})
        of_query = {entry["name"]: entry["schema"] for entry in operation.get("parameters", ())}
        return {**of_query, **(next(iter(body.values()))["schema"]["properties"] if body else {})}

    for path, words in WORDS.items():
        fields = shown(path)
        assert {name: fields[name]["description"] for name in words} == words, path
    limits = {path: shown(path)["limit"]["default"] for path in DOCUMENTED if "limit" in shown(path)}
    assert limits == {**dict.fromkeys(limits, 100), "/depth": 40, "/ohlcv": 250}
    assert len(limits) == 14


@pytest.mark.spec("AUTH-006")
def test_unsigned_posts_check_a_timestamp_that_is_there(venue: Venue, ivy: Client) -> None:
    old = venue.clock.now_ms - 20_000
    body = f"pair={PAIR}&leverage=2&timestamp={old}"
    assert ivy.post("/leverage", body, x_signature="").status_code == 408


@pytest.mark.spec("AUTH-010")
def test_a_bulk_of_nothing_closes_the_door_to_nobody(venue: Venue, carl: Client, dora: Client) -> None:
    """Its signature was remembered under the end of time, and with that forgotten no timestamp was new enough."""
    assert carl.post("/auth/order/bulk", "is_test=false").json()["result"] == {
        "reject": "MISSING_FIELD",
        "field": "orders",
    }
    for _ in range(3):
        assert dora.order(is_test=True).status_code == 200
        venue.clock.now_ms += SEEN_SPAN_MS
        venue.price(PRICE)
    assert dora.order(is_test=True).status_code == 200
