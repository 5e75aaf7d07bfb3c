from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import forms
from app.problems import Malformed


@pytest.mark.spec("FORM-001")
@pytest.mark.parametrize(
    "body",
    [
        b"pair=USD_BTC_PERP&side=BUY&oco=a+b&post_only=True&timestamp=1700000000000.1233",
        b"pair=USD_BTC_PERP&side=BUY&oco=a%20b&post_only=true&timestamp=1700000000000.1233",
        b"pair=USD%5FBTC%5FPERP&side=BUY&oco=a%20b&post_only=TRUE&timestamp=1700000000000.1233",
    ],
)
def test_flat_bodies_of_three_encoders(body: bytes) -> None:
    form = forms.decode(body)
    assert form.fields["pair"] == "USD_BTC_PERP"
    assert form.fields["oco"] == "a b"
    assert form.fields["timestamp"] == "1700000000000.1233"
    assert forms.flag(form.fields, "post_only") is True


@pytest.mark.spec("FORM-002")
@pytest.mark.parametrize(
    "body",
    [
        b"orders%5B0%5D%5Bpair%5D=P&orders%5B0%5D%5Bqty%5D=1&orders%5B1%5D%5Bpair%5D=P&orders%5B1%5D%5Bqty%5D=2&timestamp=5",
        b"orders[0][pair]=P&orders[0][qty]=1&orders[1][pair]=P&orders[1][qty]=2&timestamp=5",
        b"timestamp=5&orders[1][qty]=2&orders[0][qty]=1&orders[1][pair]=P&orders[0][pair]=P",
    ],
)
def test_nested_orders(body: bytes) -> None:
    form = forms.decode(body)
    assert form.orders == {0: {"pair": "P", "qty": "1"}, 1: {"pair": "P", "qty": "2"}}
    assert form.fields["timestamp"] == "5"


@pytest.mark.spec("FORM-003")
@pytest.mark.parametrize(
    "body, ids",
    [
        (b"ids%5B0%5D=a&ids%5B1%5D=b", ["a", "b"]),
        (b"ids[0]=a&ids[1]=b", ["a", "b"]),
        (b"ids[]=a&ids[]=b", ["a", "b"]),
        (b"ids%5B%5D=a&ids%5B%5D=b", ["a", "b"]),
        (b"ids=a&ids=b", ["a", "b"]),
        (b"ids=a", ["a"]),
        (b"", None),
        (b"timestamp=1", None),
        (b"ids=", None),
        (b"ids=null", None),
        (b"ids[]=", None),
        (b"ids%5B%5D", None),
        (b"ids[0]=null", [""]),
        (b"ids[0]=", [""]),
    ],
)
def test_ids_in_every_style(body: bytes, ids: list[str] | None) -> None:
    assert forms.decode(body).ids == ids


@pytest.mark.spec("FORM-004")
@pytest.mark.parametrize("body", [b"price=", b"price=null", b"price", b"other=1", b"", b"&&"])
def test_null_and_empty_are_absent(body: bytes) -> None:
    fields = forms.decode(body).fields
    assert not fields.get("price")
    with pytest.raises(Malformed, match="price is missing"):
        forms.needed(fields, "price")


@pytest.mark.spec("FORM-005")
@pytest.mark.parametrize(
    "body, field",
    [
        (b"qty=1&qty=1", "qty"),
        (b"qty=1&qty=2", "qty"),
        (b"qty=&qty=2", "qty"),
        (b"qty=1&%71ty=2", "qty"),
        (b"ks=1&ks=2", "ks"),
        (b"orders[0][qty]=1&orders[0][qty]=2", "qty"),
        (b"ids[0]=a&ids[0]=b", "ids[0]"),
    ],
)
def test_only_ids_may_repeat(body: bytes, field: str) -> None:
    with pytest.raises(Malformed, match="more than once") as caught:
        forms.decode(body)
    assert caught.value.field == field


@pytest.mark.spec("FORM-006")
def test_unknown_keys_are_ignored() -> None:
    form = forms.decode(b"pair=P&ks=false&stopPrice=1&a[b][c]=2&orders[x][y]=3&%F0%9F%98%80=4")
    assert form.fields["pair"] == "P"
    assert form.orders == {}


@pytest.mark.spec("FORM-007")
@pytest.mark.parametrize(
    "body",
    [
        b"\xff=1",
        b"a=\xff",
        b"a=%ff",
        b"a%ff=1",
        b"&".join(b"k%d=1" % i for i in range(forms.KEYS_MAX + 1)),
        b"a=" + b"1" * (forms.VALUE_MAX + 1),
        b"a" * (forms.NAME_MAX + 1) + b"[0]=1",
    ],
)
def test_bounds(body: bytes) -> None:
    with pytest.raises(Malformed):
        forms.decode(body)


@pytest.mark.parametrize("text", ["yes", "1", "0", "on", "Wahr"])
def test_other_booleans_are_refused(text: str) -> None:
    with pytest.raises(Malformed, match="must be true or false"):
        forms.flag({"hidden": text}, "hidden")


@pytest.mark.parametrize("text", ["toolong", "a\x00", "é", "a\nb"])
def test_words_are_short_and_printable(text: str) -> None:
    with pytest.raises(Malformed):
        forms.word({"oco": text}, "oco", most=5)


@pytest.mark.spec("FORM-001")
@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,20}", fullmatch=True).filter(lambda name: name != "ids"),
        st.text(max_size=60).filter(lambda value: value not in ("", "null")),
        max_size=10,
    )
)
def test_what_urlencode_writes_is_read_back(payload: dict[str, str]) -> None:
    try:
        body = urlencode(payload).encode()
    except UnicodeEncodeError:
        return
    assert forms.decode(body).fields == payload


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with suppress(Malformed):
        assert len(forms.decode(body).fields) <= body.count(b"&") + 1
