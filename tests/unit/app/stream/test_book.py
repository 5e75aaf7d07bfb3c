"""Deltas of a book: whatever changes between two looks, the client has the same book, and can tell that it has."""

import json
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stream.book import Levels, Told, changed, checksum
from app.stream.frames import frame
from app.surfaces.everstrike.pairs import Pair
from exchange.instrument import InstrumentKind
from tests.small import BTC, USD, _instrument

PAIR = Pair(1, _instrument(InstrumentKind.FUTURE), {USD: "USD", BTC: "BTC"})

prices = st.integers(1, 60)
side = st.dictionaries(prices, st.integers(1, 9), max_size=12)
books = st.lists(st.tuples(side, side), min_size=2, max_size=8)


def levels(side: dict[int, int], *, is_bid: bool) -> Levels:
    return sorted(side.items(), reverse=is_bid)


def payload(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data[{126: 4, 127: 10}.get(data[1], 2) :])
    return found


@pytest.mark.spec("STREAM-030", "STREAM-032")
@given(books)
def test_snapshot_and_deltas_are_the_book(history: list[tuple[dict[int, int], dict[int, int]]]) -> None:
    looks = [(levels(bids, is_bid=True), levels(asks, is_bid=False)) for bids, asks in history]
    told = Told(PAIR, 1, *looks[0])
    first = payload(told.snapshot())["result"]
    known = {name: {level["price"]: level["qty"] for level in first[name]} for name in ("bids", "asks")}
    seq = first["seq"]
    for number, look in enumerate(looks[1:], 2):
        data = told.go_on(number, *look)
        if data is not None:
            delta = payload(data)["result"]
            assert delta["prev_seq"] == seq
            seq = delta["seq"]
            assert delta["checksum"] == checksum(*look)
            for name, kept in known.items():
                for level in delta[name]:
                    if level["qty"]:
                        kept[level["price"]] = level["qty"]
                    else:
                        del kept[level["price"]]
        for name, side in zip(("bids", "asks"), look, strict=True):
            assert known[name] == {price / 100: qty / 10_000 for price, qty in side}
        again = payload(told.snapshot())["result"]
        assert again["seq"] == seq
        assert {level["price"]: level["qty"] for level in again["bids"]} == known["bids"]


def test_what_did_not_change_is_not_told() -> None:
    assert changed([(3, 1), (2, 5)], [(3, 1), (2, 5)]) == []
    assert changed([(3, 1), (2, 5)], [(4, 1), (2, 6)]) == [(3, 0), (4, 1), (2, 6)]
    assert Told(PAIR, 1, [(3, 1)], []).go_on(2, [(3, 1)], []) is None


@pytest.mark.spec("STREAM-031")
def test_the_checksum_of_the_best_levels() -> None:
    bids, asks = [(6_000_000, 3), (5_999_950, 10_000)], [(6_000_050, 20)]
    assert checksum(bids, asks) == crc32(b"6000000:3:5999950:10000:6000050:20") == 2_298_095_944
    deep = [(100 - number, 1) for number in range(40)]
    assert checksum(deep, asks) == checksum(deep[:25], asks)
    assert checksum([], []) == 0


@pytest.mark.parametrize("size, head", [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_frames_say_how_long_they_are(size: int, head: int) -> None:
    data = frame(bytes(size))
    assert (len(data), data[0]) == (head + size, 0x81)
    length = data[1] if head == 2 else int.from_bytes(data[2:head], "big")
    assert length == size
