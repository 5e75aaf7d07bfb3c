"""The API fuzzed from its own document: every answer is one that the document lists, and none is a 500."""

from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from requests.auth import AuthBase
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.auth import Scope, sign
from app.custody.simulated import make_address
from app.surfaces.evermark.liabilities import SIGNED_PREFIX
from app.surfaces.everstrike.described import PARAMETERS
from tests.contract.documents import conforms, document
from tests.venue import PAIR, Client, Venue

# A refusal is a 503 here, so "no answer above 499" is not asked; that a 503 has the refusal's shape is.
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = {GenerationMode.POSITIVE: 40, GenerationMode.NEGATIVE: 20}
TRIES = 5
"""How often more is tried where nothing was done yet."""
JUNK = ["", "x=1", "pair=&pair=", "a[0][b]=%00&%ff=%zz", "&" * 5_000, "x" * 20_000]
HOLDERS = ("/fund", "/draw", "/auth/close")
"""Rows for somebody who has an isolated position, and margin in it to move."""
BEGINNERS = ("/auth/margin_mode", "/auth/order/bulk")
"""Rows for somebody who has no position and no order yet."""
ID_ROWS = ("/order", "/auth/cancel", "/auth/amend", "/auth/withdraw/cancel")
"""Rows about one thing that must be there."""
NOT_IN_A_BATCH = ("reduce_only", "oco", "is_test")
NEVER_DONE = ("/v1/liabilities", "/v1/liabilities/path")
"""Rows that this exchange, which has published nothing, refuses."""
OPERATIONS = [
    ("POST", "/auth/order"),
    ("POST", "/auth/order/bulk"),
    ("POST", "/auth/cancel"),
    ("POST", "/auth/cancel/bulk"),
    ("POST", "/auth/close"),
    ("POST", "/leverage"),
    ("POST", "/fund"),
    ("POST", "/draw"),
    ("POST", "/auth/amend"),
    ("POST", "/auth/margin_mode"),
    ("POST", "/auth/cancel_all_after"),
    ("POST", "/auth/withdraw"),
    ("POST", "/auth/withdraw/cancel"),
    ("GET", "/order"),
    ("GET", "/orders"),
    ("GET", "/active_orders"),
    ("GET", "/completed_orders"),
    ("GET", "/cancelled_orders"),
    ("GET", "/filled_orders"),
    ("GET", "/triggers"),
    ("GET", "/completed_positions"),
    ("GET", "/personal"),
    ("GET", "/account"),
    ("GET", "/balances"),
    ("GET", "/position"),
    ("GET", "/active_positions"),
    ("GET", "/fills"),
    ("GET", "/deposits"),
    ("GET", "/withdrawals"),
    ("GET", "/v1/deposit_address"),
    ("GET", "/assets"),
    ("GET", "/globals"),
    ("GET", "/status"),
    ("GET", "/vault"),
    ("GET", "/ticker"),
    ("GET", "/ohlcv"),
    ("GET", "/pairs"),
    ("GET", "/depth"),
    ("GET", "/trades"),
    ("GET", "/funding"),
    ("GET", "/v1/funding_payments"),
    ("GET", "/v1/liquidations"),
    ("GET", "/time"),
    ("GET", "/ping"),
    ("GET", "/v1/liabilities"),
    ("GET", "/v1/liabilities/path"),
]


class Signature(AuthBase):
    """Signs a request's body as it goes out, or its query where that is what is signed."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        data = body.encode() if isinstance(body, str) else body
        if request.method == "GET":
            data = SIGNED_PREFIX + urlsplit(str(request.url)).query.encode()
        request.headers["x-api-key"] = self.client.api_key
        request.headers["x-signature"] = sign(self.client.secret.encode(), data).decode()
        return request


@pytest.fixture(scope="module")
def fuzzer(venue: Venue) -> Client:
    scopes = Scope.READ | Scope.TRADE | Scope.WITHDRAW
    return venue.key(venue.account("fuzzer", is_isolated=True), scopes=scopes)


@pytest.fixture(scope="module")
def api(venue: Venue) -> Any:
    return schemathesis.openapi.from_url(f"{venue.url}/docs/openapi.json")


@pytest.mark.spec("REST-020")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("method, path", OPERATIONS)
def test_every_answer_is_documented(
    venue: Venue, fuzzer: Client, api: Any, method: str, path: str, mode: GenerationMode
) -> None:
    """Requests as the document describes them, and requests that break it."""
    operation = document(venue.url)["paths"][path][method.lower()]
    if mode is GenerationMode.NEGATIVE and not operation.keys() & {"parameters", "requestBody"}:
        for query in JUNK:  # there is nothing else to break
            conforms(
                venue, requests.request(method, venue.url + path, params=query, auth=Signature(fuzzer), timeout=30)
            )
        return
    statuses = set()
    client = fuzzer
    if path in BEGINNERS + HOLDERS:
        client = venue.client(f"{path} {mode.value}", is_isolated=True)
    if path in HOLDERS:
        give_position(client)

    @settings(
        max_examples=(3 if path == "/auth/order" else 1) * EXAMPLES[mode],
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def fuzz(case: schemathesis.Case[Any]) -> None:
        if settle(case, venue, is_tame=mode is GenerationMode.POSITIVE) and path in ID_ROWS:
            fields: Any = case.query if method == "GET" else case.body
            fields.pop("client_order_id", None)
            fields["id"] = real_id(fuzzer, path)
        answer = case.call_and_validate(auth=Signature(client), checks=CHECKS)
        assert answer.status_code != 500
        statuses.add(answer.status_code)

    fuzz()
    assert statuses, "nothing was sent"
    if mode is GenerationMode.POSITIVE and path not in NEVER_DONE:
        for _ in range(TRIES):
            if 200 not in statuses:
                fuzz()
        assert 200 in statuses, "nothing came past the form"


def give_position(client: Client) -> None:
    """An isolated position, and margin in it that may be drawn."""
    seller = client.venue.client(f"seller to {client.account_id}", is_isolated=True)
    high = 61_500  # above everybody's bids
    assert seller.order(side="SELL", qty=0.5, price=high).status_code == 200
    assert conforms(client.venue, client.order(qty=0.5, price=high))["order"]["status"] == "COMPLETED"
    assert client.send("/fund", pair=PAIR, qty=100).status_code == 200


def real_id(client: Client, path: str) -> str:
    """The id of something that the row can change."""
    if path == "/auth/withdraw/cancel":
        answer = client.send("/auth/withdraw", asset="BTC", qty=0.001, address=make_address())
        return str(conforms(client.venue, answer)["id"])
    return str(conforms(client.venue, client.order(qty=0.001, price=58_500))["order"]["id"])


def test_every_operation_is_fuzzed(venue: Venue) -> None:
    """But those of people, which have tests of their own (test_people_fuzz.py, test_people_ends.py)."""
    paths = document(venue.url)["paths"]
    found = {(method.upper(), path): paths[path][method]["tags"] for path in paths for method in paths[path]}
    assert sorted(OPERATIONS) == sorted(name for name, tags in found.items() if tags != ["People"])


def settle(case: schemathesis.Case[Any], venue: Venue, *, is_tame: bool) -> bool:
    """Give a generated request a time in the window, and many of them values that a market could take: whether this one got them.

    Left alone, hardly one would come past the form: behind it lies more.
    """
    fields: Any = case.query if case.method == "GET" else case.body
    if not isinstance(fields, dict):
        return False
    is_tame = is_tame and len(repr(fields)) % 4 != 0
    orders = _orders(fields)
    for form in [fields, *orders]:
        if is_tame:
            _tame(form)
        if "timestamp" in form:
            form["timestamp"] = venue.stamp()
    for index, order in enumerate(orders):
        if is_tame:
            _tame_batch(order, orders[0])
            fields["timestamp"] = venue.stamp()
        fields.pop("orders", None)  # in the style that the description gives
        fields.update({f"orders[{index}][{name}]": value for name, value in order.items()})
    return is_tame


def _orders(body: dict[str, Any]) -> list[dict[str, Any]]:
    orders = body.get("orders")
    return [order for order in orders if isinstance(order, dict)] if isinstance(orders, list) else []


def _tame(fields: dict[str, Any]) -> None:
    """Values within bounds, at a tick and a lot; keys that no schema names fall away."""
    for name, value in list(fields.items()):
        if name == "pair":
            fields[name] = PAIR
        elif name == "qty":
            fields[name] = round(0.001 + abs(hash_of(value)) % 100 / 1000, 3)
        elif name in ("price", "trigger_price"):
            fields[name] = 58_500 + hash_of(value) % 3_000
        elif name in ("trail", "trail_percent", "leverage"):
            fields[name] = 1 + hash_of(value) % 50
        elif name == "asset":
            fields[name] = "BTC"
        elif name == "address":
            fields[name] = make_address()
        elif name == "recv_window":
            fields[name] = 5_000
        elif name in ("oco", "client_order_id", "client_withdrawal_id"):
            fields[name] = f"{hash_of(value) % 1_000}"
        elif name not in PARAMETERS:
            del fields[name]


def _tame_batch(order: dict[str, Any], first: dict[str, Any]) -> None:
    """All of one side, or they could meet, and nothing that a batch does not take."""
    order["side"] = first.get("side", "BUY")
    for name in NOT_IN_A_BATCH:
        order.pop(name, None)


def hash_of(value: object) -> int:
    """A number that depends on a value, the same in every run."""
    return crc32(repr(value).encode())
