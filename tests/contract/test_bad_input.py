"""Bad input over real HTTP: a documented refusal that names the field, and a state that stays as it was."""

from itertools import product
from urllib.parse import quote

import pytest

from tests.contract.documents import conforms
from tests.venue import PAIR, SPOT, Client, Venue

BAD_NUMBERS = [
    "NaN", "nan", "Infinity", "-Infinity", "inf", "1e400", "-1e400", "1e-400", "-1", "-0.001", "0", "0.0", "-0", "0x10",
    "1_000", "1,5", "9" * 41, "9" * 200, "0." + "3" * 60, "1" + "0" * 39, "\u0661\u0662", "\uff11", "1\u066b5", "\u00b2",
    "1 ", " 1", "1\n", "1;2", "true", "[]", "{}", "1e", "e1", "--1", "+-1", ".", "1.2.3", "None", "undefined", "%",
]  # fmt: skip
FIELDS = {
    "qty": "INVALID_QTY",
    "price": "INVALID_PRICE",
    "trigger_price": "INVALID_TRIGGER",
    "leverage": "INVALID_LEVERAGE",
}
ORDER = {"pair": PAIR, "side": "BUY", "qty": "0.001", "price": "59000"}


def body_of(fields: dict[str, str], venue: Venue) -> str:
    """A form of these fields, every character of a value escaped that could be."""
    fields = {"timestamp": venue.stamp(), **fields}
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


@pytest.mark.spec("WIRE-002")
@pytest.mark.parametrize("field", FIELDS)
def test_bad_numbers(venue: Venue, carl: Client, field: str) -> None:
    before = venue.state_hash()
    for value in BAD_NUMBERS:
        answer = carl.post("/auth/order", body_of({**ORDER, field: value}, venue))
        assert answer.status_code == 503, (value, answer.text)
        assert conforms(venue, answer) == {"reject": FIELDS[field], "field": field}, value
        assert field in answer.json()["msg"]
    assert venue.state_hash() == before


@pytest.mark.spec("WIRE-002")
@pytest.mark.parametrize(
    "path, fields, field",
    [
        ("/fund", {"pair": PAIR}, "qty"),
        ("/draw", {"pair": PAIR}, "qty"),
        ("/leverage", {"pair": PAIR}, "leverage"),
        ("/auth/close", {"pair": PAIR}, "qty"),
        ("/auth/close", {"pair": PAIR, "qty": "0.001"}, "price"),
    ],
)
def test_bad_numbers_elsewhere(venue: Venue, ivy: Client, path: str, fields: dict[str, str], field: str) -> None:
    before = venue.state_hash()
    for value in BAD_NUMBERS:
        answer = ivy.post(path, body_of({**fields, field: value}, venue))
        assert answer.status_code == 503, (value, answer.text)
        assert conforms(venue, answer)["field"] == field
    assert venue.state_hash() == before


@pytest.mark.parametrize("field", ["timestamp", "recv_window", "icebergs"])
def test_bad_whole_numbers(venue: Venue, carl: Client, field: str) -> None:
    before = venue.state_hash()
    for value in BAD_NUMBERS:
        if value in ("0", "0.0", "-0", "1e-400") and field != "timestamp":
            continue
        answer = carl.post("/auth/order", body_of({**ORDER, field: value}, venue))
        assert answer.status_code in (408, 503), (value, answer.text)
        result = conforms(venue, answer)
        assert result is None or result["field"] == field
    assert venue.state_hash() == before


@pytest.mark.spec("FORM-005")
@pytest.mark.parametrize("field", ["pair", "side", "qty", "price", "timestamp", "oco", "nothing"])
def test_repeated_keys(venue: Venue, carl: Client, field: str) -> None:
    before = venue.state_hash()
    for again in (f"&{field}=1", f"&{field}=", f"&%{ord(field[0]):02x}{field[1:]}=1"):
        answer = carl.post("/auth/order", body_of({"oco": "a", "nothing": "b", **ORDER}, venue) + again)
        assert conforms(venue, answer) == {"reject": "INVALID_FORM", "field": field}
    assert venue.state_hash() == before


@pytest.mark.spec("FORM-004")
@pytest.mark.parametrize("field, value", list(product(["pair", "side", "qty", "timestamp"], ["", "null", None])))
def test_missing_fields(venue: Venue, carl: Client, field: str, value: str | None) -> None:
    before = venue.state_hash()
    fields = {"timestamp": venue.stamp(), **ORDER}
    del fields[field]
    body = "&".join(f"{name}={text}" for name, text in fields.items())
    if value is not None:
        body += f"&{field}={value}"
    answer = carl.post("/auth/order", body)
    assert conforms(venue, answer) == {"reject": "MISSING_FIELD", "field": field}
    assert venue.state_hash() == before


@pytest.mark.spec("FORM-007")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"&&&&",
        b"====",
        b"\x00\x01\x02",
        b"\xff\xfe\xfd",
        b"pair=%ff",
        b"pair=%",
        b"pair=%zz",
        b"a" * 60_000,
        b"&" * 60_000,
        b"=&" * 30_000,
        b"[" * 60_000,
        b"orders[0][orders][0][pair]=1",
        b"&".join(b"orders[%d][qty]=1" % i for i in range(1_000)),
        b"&".join(b"k%d=1" % i for i in range(3_000)),
        b'{"pair": "USD_BTC_PERP"}',
        b"ids[99999999999999999999]=1",
        b"__class__=1&self=2&fields=3",
    ],
)
@pytest.mark.parametrize(
    "path", ["/auth/order", "/auth/order/bulk", "/auth/close", "/auth/cancel", "/fund", "/leverage"]
)
def test_bodies_that_say_nothing(venue: Venue, carl: Client, path: str, body: bytes) -> None:
    before = venue.state_hash()
    answer = carl.post(path, body)
    conforms(venue, answer)
    assert answer.status_code == 503, answer.text
    assert venue.state_hash() == before


@pytest.mark.parametrize(
    "pair", ["", "usd_btc_perp", "USD_BTC_PERP ", "USD_BTC_PERP\x00", "../etc", "\u0661", "x" * 256, "1"]
)
def test_unknown_pairs(venue: Venue, carl: Client, pair: str) -> None:
    before = venue.state_hash()
    for answer in (
        carl.post("/auth/order", body_of({**ORDER, "pair": pair}, venue)),
        carl.post("/auth/close", body_of({"pair": pair}, venue)),
        carl.get("/position", pair=pair),
        venue.http.get(f"{venue.url}/depth", params={"pair": pair}, timeout=30),
        venue.http.get(f"{venue.url}/trades", params={"pair": pair}, timeout=30),
    ):
        assert answer.status_code == 503
        assert conforms(venue, answer) == {"reject": "UNKNOWN_MARKET" if pair else "MISSING_FIELD", "field": "pair"}
    assert venue.state_hash() == before


@pytest.mark.parametrize("path", ["/auth/order", "/auth/cancel/bulk", "/leverage"])
def test_a_body_of_a_megabyte(venue: Venue, carl: Client, path: str) -> None:
    before = venue.state_hash()
    assert carl.post(path, b"ids[]=" + b"a" * 1_048_576).status_code == 413
    assert venue.state_hash() == before


@pytest.mark.parametrize("query", ["limit=5&limit=6", "limit=%ff", "start=NaN", "&" * 5_000, "limit=-1", "limit=1e99"])
def test_bad_queries(venue: Venue, carl: Client, query: str) -> None:
    for path in ("/orders", "/active_orders", "/fills"):
        answer = venue.http.get(f"{venue.url}{path}?{query}", headers={"x-api-key": carl.api_key}, timeout=30)
        assert answer.status_code == 503, answer.text
        conforms(venue, answer)


@pytest.mark.spec("REST-011")
def test_a_leverage_on_spot_blames_the_pair(venue: Venue, ivy: Client) -> None:
    answer = ivy.post("/leverage", f"pair={SPOT}&leverage=5")
    assert conforms(venue, answer) == {"reject": "NOT_ON_SPOT", "field": "pair"}
    assert answer.status_code == 503
