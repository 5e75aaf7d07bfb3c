"""From what a venue says to an observation."""

import pytest

from app.feeds.board import FINE, SCALE, Board, Quote, price_of
from app.feeds.sources import Line, Venue
from app.problems import Malformed
from app.wire import nearest

BTC, RATE, PLAIN = 1, 5, 33
NOW = 1_000_000_000


def line(index_id: int, source_id: int, pair: str, *, decimals: int = 2) -> Line:
    return Line(index_id, decimals, source_id, pair, index_id == BTC and pair == "BTC/USDT", index_id == RATE)


def board(*lines: Line) -> Board:
    return Board([Venue("okx", 1, lines)])


def put(on: Board, source_id: int, pair: str, last: str, *, at: int = NOW, now: int | None = None) -> str:
    return on.put(source_id, Quote(pair, last), observed_ms=at, now_ms=at if now is None else now)


def seen(on: Board, now: int = NOW) -> list[tuple[int, int, int]]:
    return [(one.index_id, one.source_id, one.price) for one in on.take(now)]


@pytest.mark.parametrize(
    "last, bid, ask, price",
    [
        ("65000", "65010", "65012", 65_010),
        ("65020", "65010", "65012", 65_012),
        ("65011", "65010", "65012", 65_011),
        ("65000", "", "", 65_000),
        ("65000", "65010", "", 65_000),
        ("65000", "", "64000", 65_000),
        ("65000", "0", "64000", 65_000),
        ("65000", "NaN", "64000", 65_000),
        ("65000", "65012", "65010", 65_000),
        ("65000", "65010", "65010", 65_010),
    ],
)
def test_the_last_trade_is_moved_into_the_spread(last: str, bid: str, ask: str, price: int) -> None:
    """FEED-016."""
    assert price_of(Quote("BTC/USD", last, bid, ask)) == price * SCALE


@pytest.mark.parametrize(
    "text, decimals, units",
    [
        ("65000.125", 2, 6_500_013),
        ("64999.994999", 2, 6_499_999),
        ("65000.1", 2, 6_500_010),
        ("0.1", 2, 10),
        ("1e-05", 6, 10),
        ("6.5E4", 2, 6_500_000),
        ("0.30000000000000004", 2, 30),
        ("100000000", 2, 10_000_000_000),
    ],
)
def test_text_becomes_whole_price_units(text: str, decimals: int, units: int) -> None:
    """FEED-017."""
    on = board(line(BTC, 1, "BTC/USD", decimals=decimals))
    assert put(on, 1, "BTC/USD", text) == ""
    assert seen(on) == [(BTC, 1, units)]


@pytest.mark.parametrize(
    "text",
    ["NaN", "nan", "Infinity", "-inf", "", "None", "65,000", "0", "0.0", "-1", "1e-20", "100000001", "1e30", "1" * 41],
)
def test_a_price_that_cannot_be_meant_is_dropped(text: str) -> None:
    """FEED-018."""
    on = board(line(BTC, 1, "BTC/USD"))
    assert put(on, 1, "BTC/USD", text) != ""
    assert seen(on) == []


@pytest.mark.parametrize("text", ["1e-11", "100000000.1", "0", "-1", "x"])
def test_nearest_has_bounds(text: str) -> None:
    """FEED-018."""
    assert nearest("1e-10", "price", FINE) == 1
    assert nearest("0.00000000025", "price", FINE) == 2  # halves to even
    with pytest.raises(Malformed):
        nearest(text, "price", FINE)


def test_a_jump_is_believed_after_a_minute() -> None:
    """FEED-018: no source locks itself out for ever."""
    on = board(line(BTC, 1, "BTC/USD"))
    assert put(on, 1, "BTC/USD", "60000") == ""
    for text in ("120001", "29999"):
        assert "half and double" in put(on, 1, "BTC/USD", text, at=NOW + 60_000)
    assert put(on, 1, "BTC/USD", "29999", at=NOW + 60_001) == ""
    assert seen(on, NOW + 60_001) == [(BTC, 1, 2_999_900)]


def test_half_and_double_themselves_are_believed() -> None:
    """FEED-018."""
    on = board(line(BTC, 1, "BTC/USD"))
    for at, text in enumerate(("60000", "120000", "60000", "30000")):
        assert put(on, 1, "BTC/USD", text, at=NOW + at) == ""


def test_an_old_price_is_dropped() -> None:
    """FEED-018."""
    on = board(line(BTC, 1, "BTC/USD"))
    assert put(on, 1, "BTC/USD", "60000", at=NOW - 10_000, now=NOW) == ""
    assert "10001 ms old" in put(on, 1, "BTC/USD", "60000", at=NOW - 10_001, now=NOW)
    stamped = Quote("BTC/USD", "60000", stamp_ms=NOW - 20_000)
    assert "20000 ms old" in on.put(1, stamped, observed_ms=NOW, now_ms=NOW)


def test_a_price_in_usdt_counts_at_what_usdt_is_worth() -> None:
    """FEED-019."""
    on = board(line(BTC, 1, "BTC/USDT"), line(PLAIN, 1, "BTC/USDT"), line(RATE, 2, "USDT/USD", decimals=4),
               line(RATE, 3, "USDT/USD", decimals=4), line(RATE, 4, "USDT/USD", decimals=4))  # fmt: skip
    put(on, 1, "BTC/USDT", "65000.15")
    put(on, 2, "USDT/USD", "0.9998")
    assert on.rate(NOW) is None
    assert seen(on) == [(PLAIN, 1, 6_500_015), (RATE, 2, 9_998)]
    put(on, 3, "USDT/USD", "0.9000")
    put(on, 4, "USDT/USD", "0.9999")
    assert on.rate(NOW) == 9_998 * 10 ** (FINE - 4)
    assert seen(on) == [(BTC, 1, 6_498_715), (RATE, 3, 9_000), (RATE, 4, 9_999)]


def test_two_sources_of_the_rate_give_their_mean() -> None:
    """FEED-019."""
    on = board(line(RATE, 2, "USDT/USD", decimals=4), line(RATE, 3, "USDT/USD", decimals=4))
    put(on, 2, "USDT/USD", "0.9998")
    put(on, 3, "USDT/USD", "1.0002")
    assert on.rate(NOW) == SCALE
    assert on.rate(NOW + 10_000) == SCALE
    assert on.rate(NOW + 10_001) is None


def test_an_observation_is_given_once_and_while_it_counts() -> None:
    """FEED-020."""
    on = board(line(BTC, 1, "BTC/USD"))
    put(on, 1, "BTC/USD", "60000")
    assert on.take(NOW)[0].time_ms == NOW
    assert seen(on) == []
    put(on, 1, "BTC/USD", "60000", at=NOW + 1)
    assert seen(on, NOW + 10_001) == [(BTC, 1, 6_000_000)]
    put(on, 1, "BTC/USD", "60001", at=NOW + 2)
    assert seen(on, NOW + 10_003) == []


def test_times_do_not_go_back() -> None:
    """FEED-020: an older price that arrives later is passed over, and one from the future is of now."""
    on = board(line(BTC, 1, "BTC/USD"))
    put(on, 1, "BTC/USD", "60000", at=NOW)
    assert put(on, 1, "BTC/USD", "59000", at=NOW - 1, now=NOW) == ""
    assert on.take(NOW) == [(BTC, 1, 6_000_000, NOW)]
    future = Quote("BTC/USD", "61000", stamp_ms=NOW + 90_000)
    assert on.put(1, future, observed_ms=NOW + 5, now_ms=NOW + 5) == ""
    assert on.take(NOW + 5) == [(BTC, 1, 6_100_000, NOW + 5)]


def test_fresh_counts_indices() -> None:
    """FEED-029."""
    on = board(line(BTC, 1, "BTC/USD"), line(PLAIN, 1, "BTC/USDT"))
    put(on, 1, "BTC/USD", "60000")
    assert on.fresh(1, NOW) == 0
    on.take(NOW)
    put(on, 1, "BTC/USDT", "60000", at=NOW + 5)
    on.take(NOW + 5)
    assert (on.fresh(1, NOW + 10_000), on.fresh(1, NOW + 10_005), on.fresh(1, NOW + 10_006)) == (2, 1, 0)
    assert on.fresh(2, NOW) == 0
