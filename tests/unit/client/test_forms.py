import base64
import hashlib
import hmac
from decimal import Decimal

import pytest

from evermark_client import AsyncClient, Client, calls
from evermark_client.calls import Access, Call
from evermark_client.forms import Clock, encode, pairs_of, sign, text_of
from evermark_client.wire import prepare


@pytest.mark.spec("CLT-004")
@pytest.mark.parametrize(
    "value, text",
    [
        (0.1, "0.1"),
        ("0.1", "0.1"),
        (Decimal("0.10"), "0.10"),
        (1, "1"),
        (1e-7, "0.0000001"),
        (Decimal("1E+3"), "1000"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_numbers_keep_their_digits(value: object, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.spec("CLT-004")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")])
def test_what_is_not_finite_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is no number"):
        pairs_of({"price": value})


@pytest.mark.spec("CLT-004")
def test_numbers_are_decoded_exactly() -> None:
    balances = calls.BALANCES(
        b'{"USD":{"free":0.1,"locked":1e-8,"withdrawn":0.0,"pnl":-99998.68549774,"margin":0.0,"fees":1}}'
    )
    usd = balances["USD"]
    assert (usd.free, usd.locked, usd.pnl) == (Decimal("0.1"), Decimal("0.00000001"), Decimal("-99998.68549774"))


@pytest.mark.spec("CLT-005")
def test_a_body_is_signed_as_it_is_sent() -> None:
    body = b"pair=USD_BTC_PERP&qty=0.001&timestamp=1700000000000"
    expected = base64.b64encode(hmac.new(b"secret", body, hashlib.sha256).digest()).decode()
    assert sign("secret", body) == expected
    ready = prepare(calls.place("USD_BTC_PERP", "BUY", 0.1, None, {"post_only": True}), "key", "secret", Clock())
    assert ready.headers["x-signature"] == sign("secret", ready.body)
    assert ready.body.startswith(b"pair=USD_BTC_PERP&side=BUY&qty=0.1&post_only=true&client_order_id=")
    assert b"price" not in ready.body


@pytest.mark.spec("CLT-005")
def test_no_two_timestamps_are_the_same() -> None:
    clock = Clock()
    stamps = [clock.stamp() for _ in range(10_000)]
    assert len(set(stamps)) == len(stamps)
    assert stamps == sorted(stamps, key=Decimal)


@pytest.mark.spec("CLT-006")
def test_forms_have_brackets() -> None:
    fields = {"orders": [{"pair": "A", "qty": 0.5}, {"pair": "B", "price": None}], "ids": ["x", "y"], "asset": None}
    assert pairs_of(fields) == [
        ("orders[0][pair]", "A"),
        ("orders[0][qty]", "0.5"),
        ("orders[1][pair]", "B"),
        ("ids[0]", "x"),
        ("ids[1]", "y"),
    ]
    assert encode([("oco", "a b&"), ("side", "BUY")]) == b"oco=a+b%26&side=BUY"


@pytest.mark.spec("CLT-006")
@pytest.mark.parametrize("names", [{}, {"order_id": "a", "client_order_id": "b"}])
def test_an_order_is_named_in_one_way(names: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="one of them only"):
        calls.cancel(names.get("order_id"), names.get("client_order_id"))


@pytest.mark.spec("CLT-007")
def test_the_secret_is_nowhere_to_be_seen() -> None:
    secret = "5e3c1e7"
    client, other = Client("http://127.0.0.1:1", "key", secret), AsyncClient("http://127.0.0.1:1", "key", secret)
    ready = prepare(calls.place("USD_BTC_PERP", "BUY", 1, 1, {}), "key", secret, Clock())
    with client, pytest.raises(ValueError, match="needs the secret key") as fault:
        prepare(calls.place("USD_BTC_PERP", "BUY", 1, 1, {}), "key", "", Clock())
    for seen in (client, other, ready, client.stream(), other.stream(), fault.value):
        assert secret not in repr(seen)


def test_a_read_of_the_account_needs_a_key() -> None:
    with pytest.raises(ValueError, match="needs an API key"):
        prepare(Call("GET", "/account", Access.KEY, calls.ACCOUNT), "", "", Clock())
