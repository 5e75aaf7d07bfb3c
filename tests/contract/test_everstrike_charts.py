from collections.abc import Iterator
from typing import Any

import pytest

from app.candles import INTERVALS
from app.surfaces.everstrike.tickers import INTERVAL_WORDS, TICKER_FIELDS
from tests.contract.documents import conforms
from tests.venue import INDEX_BTC, PAIR, PRICE, SPOT, Client, Venue

MINUTE_MS = 60_000
OPTION = "USD_BTCCALL_PERP"
DOCUMENTED = (
    "price_change", "price_change_percent", "last_price", "prev_last_price", "last_qty", "open_price", "open_price_mark",
    "close_price", "high_price", "high_price_mark", "low_price", "low_price_mark", "min_price", "max_price", "mark_price",
    "index_price", "fair_price", "volatility", "black_scholes", "underlying_price", "strike", "otm_amount",
)  # fmt: skip
READ_BY_THE_CLIENT = (
    "bid_price", "bid_qty", "ask_price", "ask_qty", "base_volume", "quote_volume", "close_time", "adjusted_price", "call", "put",
)  # fmt: skip


def read(venue: Venue, path: str, **query: object) -> Any:
    """Read without a key."""
    params = {name: str(value) for name, value in query.items()}
    return conforms(venue, venue.http.get(venue.url + path, params=params, timeout=30))


def trade(venue: Venue, buyer: Client, seller: Client, price: float, qty: float = 0.001, pair: str = PAIR) -> None:
    assert seller.order(pair=pair, side="SELL", price=price, qty=qty).status_code == 200
    conforms(venue, buyer.order(pair=pair, price=price, qty=qty))


@pytest.fixture
def minute(venue: Venue) -> Iterator[int]:
    """A fresh quarter of an hour, with the price where it was at first."""
    venue.clock.now_ms += 900_000 - venue.clock.now_ms % 900_000
    venue.price(PRICE)
    yield venue.clock.now_ms - venue.clock.now_ms % MINUTE_MS
    venue.price(PRICE)


@pytest.mark.spec("CHART-010")
def test_a_ticker_has_every_field(venue: Venue, alice: Client, bob: Client, minute: int) -> None:
    venue.clock.now_ms += 25 * 3_600_000  # what other tests did is a day ago
    venue.price(PRICE)
    for price, qty in ((60_000, 0.002), (60_600, 0.003), (59_400, 0.001)):
        trade(venue, alice, bob, price, qty)
    conforms(venue, alice.order(price=59_000, qty=0.004))
    conforms(venue, bob.order(side="SELL", price=61_000, qty=0.005))
    ticker = read(venue, "/ticker", pair=PAIR)[PAIR]
    assert tuple(ticker) == TICKER_FIELDS
    assert TICKER_FIELDS[: len(DOCUMENTED) + len(READ_BY_THE_CLIENT)] == (*DOCUMENTED, *READ_BY_THE_CLIENT)
    assert (ticker["last_price"], ticker["prev_last_price"], ticker["last_qty"]) == (59_400, 60_600, 0.001)
    assert (ticker["high_price"], ticker["low_price"], ticker["close_price"]) == (60_600, 59_400, 59_400)
    assert ticker["price_change"] == round(59_400 - ticker["open_price"], 8)
    assert ticker["price_change_percent"] == pytest.approx(
        ticker["price_change"] / ticker["open_price"] * 100, abs=1e-8
    )
    assert (ticker["base_volume"], ticker["quote_volume"], ticker["trades"]) == (0.006, 361.2, 3)
    assert (ticker["bid_price"], ticker["bid_qty"]) == (59_000, 0.004)
    assert (ticker["ask_price"], ticker["ask_qty"]) == (61_000, 0.005)
    assert ticker["mark_price"] == ticker["adjusted_price"]
    assert ticker["low_price_mark"] <= ticker["mark_price"] <= ticker["high_price_mark"]
    assert (ticker["index_price"], ticker["underlying_price"]) == (PRICE, PRICE)
    assert ticker["min_price"] < ticker["mark_price"] < ticker["max_price"]
    now_ms = venue.clock.now_ms
    assert ticker["close_time"] == now_ms
    assert ticker["open_time"] == now_ms - now_ms % MINUTE_MS - 1_439 * MINUTE_MS
    assert ticker["next_funding_time"] == now_ms - now_ms % 3_600_000 + 3_600_000
    hours = read(venue, "/funding", pair=PAIR, limit=1)
    assert ticker["funding_rate"] == hours[0]["rate"]
    pair = read(venue, "/pairs")[PAIR]
    for name in ("predicted_funding_rate", "open_interest", "mark_price", "strike", "delta"):
        assert ticker[name] == pair[name]
    assert (ticker["call"], ticker["put"], ticker["strike"]) == (False, False, None)
    alice.cancel_all()
    bob.cancel_all()


@pytest.mark.spec("CHART-010")
def test_a_ticker_stands_in_the_envelope_and_beside_it(venue: Venue) -> None:
    answer = venue.http.get(f"{venue.url}/ticker", timeout=30)
    result = conforms(venue, answer)
    body = answer.json()
    assert (body["code"], body["msg"]) == (200, None)
    assert {name: entry for name, entry in body.items() if name not in ("code", "msg", "result")} == result
    assert list(result) == list(read(venue, "/pairs"))
    one = venue.http.get(f"{venue.url}/ticker", params={"pair": SPOT}, timeout=30).json()
    assert list(one) == ["code", "msg", "result", SPOT]
    wrong = venue.http.get(f"{venue.url}/ticker", params={"pair": "NOPE"}, timeout=30)
    assert conforms(venue, wrong) == {"reject": "UNKNOWN_MARKET", "field": "pair"}


@pytest.mark.spec("LIM-019")
def test_what_is_made_once_is_made_anew_when_something_changed(venue: Venue, alice: Client) -> None:
    def said() -> tuple[object, object]:
        return read(venue, "/ticker")[PAIR]["bid_price"], read(venue, "/pairs")[PAIR]["max_price"]

    before = said()
    assert said() == before
    assert alice.order(price=59_100, qty=0.004).status_code == 200
    assert said() == (59_100, before[1])
    alice.cancel_all()
    assert said() == before
    venue.price(PRICE + 100)
    assert said()[1] != before[1]
    venue.price(PRICE)


@pytest.mark.spec("CHART-010")
def test_tickers_of_options_and_spot(venue: Venue, alice: Client, bob: Client, minute: int) -> None:
    trade(venue, alice, bob, 60_000, pair=SPOT)
    tickers = read(venue, "/ticker")
    option = tickers[OPTION]
    described = read(venue, "/pairs")[OPTION]
    for name in (
        "strike", "otm_amount", "volatility", "black_scholes", "model_price", "delta", "gamma", "vega", "theta", "drift",
        "index_price", "underlying_price", "mark_price",
    ):  # fmt: skip
        assert option[name] is not None
        assert option[name] == described[name], name
    assert (option["call"], option["put"], tickers["USD_BTCPUT_PERP"]["put"]) == (True, False, True)
    spot = tickers[SPOT]
    assert (spot["mark_price"], spot["high_price_mark"], spot["next_funding_time"], spot["delta"]) == (None,) * 4
    assert (spot["last_price"], spot["index_price"], spot["adjusted_price"]) == (60_000, PRICE, PRICE)
    quiet = tickers["BTC_USDT"]
    assert (quiet["last_price"], quiet["price_change"], quiet["open_price"], quiet["base_volume"]) == (
        None,
        None,
        None,
        0,
    )


@pytest.mark.spec("CHART-001", "CHART-003", "CHART-005", "CHART-011")
def test_candles_of_trades(venue: Venue, alice: Client, bob: Client, minute: int) -> None:
    for price, qty in ((60_000, 0.002), (60_600, 0.003), (59_400, 0.001)):
        trade(venue, alice, bob, price, qty)
    for _ in range(2):
        venue.clock.now_ms += MINUTE_MS
        venue.price(PRICE)
    for _ in range(2):  # before and after it is written
        rows = read(venue, "/ohlcv", pair=PAIR, interval="1m", start=minute)
        assert rows == [
            {
                "open": 60_000, "high": 60_600, "low": 59_400, "close": 59_400, "base_volume": 0.006, "quote_volume": 361.2,
                "open_time": minute, "close_time": minute + MINUTE_MS, "trades": 3, "last_price": 59_400, "last_qty": 0.001,
            },
            *(
                {
                    "open": 59_400, "high": 59_400, "low": 59_400, "close": 59_400, "base_volume": 0, "quote_volume": 0,
                    "open_time": minute + later * MINUTE_MS, "close_time": minute + (later + 1) * MINUTE_MS, "trades": 0,
                    "last_price": 59_400, "last_qty": 0.001,
                }
                for later in (1, 2)
            ),
        ]  # fmt: skip
        five = read(venue, "/ohlcv", pair=PAIR, limit=1)
        assert five == [{**rows[0], "close_time": minute + 5 * MINUTE_MS}]
        venue.run(venue.store.projector.settle())


@pytest.mark.spec("CHART-002", "CHART-011")
def test_candles_of_the_mark_and_the_index(venue: Venue, minute: int) -> None:
    venue.clock.now_ms = minute + MINUTE_MS + 30_000
    venue.price(PRICE + 10)
    for basis in ("mark", "index"):
        before, now = read(venue, "/ohlcv", pair=PAIR, interval="1m", basis=basis, start=minute)
        assert (before["close"], now["open"], now["low"], now["trades"]) == (PRICE, PRICE, PRICE, 0)
        assert (now["high"], now["close"]) == (PRICE + 10, PRICE + 10)
    own = read(venue, "/ohlcv", pair="USD_BTCCALL90_PERP", interval="1m", basis="index", start=minute)
    ticker = read(venue, "/ticker", pair="USD_BTCCALL90_PERP")["USD_BTCCALL90_PERP"]
    assert own[-1]["close"] == ticker["index_price"] < 7_000
    assert read(venue, "/ohlcv", pair=SPOT, basis="mark") == []
    assert read(venue, "/ohlcv", pair="BTC_USDT", basis="index") == []
    assert read(venue, "/ohlcv", pair="BTC_USDT") == []
    assert read(venue, "/ohlcv", pair=SPOT, basis="index", limit=1)[0]["close"] == PRICE + 10


@pytest.mark.spec("CHART-011", "CHART-004")
def test_which_candles_are_given(venue: Venue, minute: int) -> None:
    def opened(**query: object) -> list[int]:
        rows = read(venue, "/ohlcv", pair=PAIR, basis="mark", interval="1m", **query)
        return [(row["open_time"] - minute) // MINUTE_MS for row in rows]

    venue.clock.now_ms += 9 * MINUTE_MS
    venue.price(PRICE)
    at = [minute + number * MINUTE_MS for number in range(11)]
    assert opened(limit=3) == [7, 8, 9]
    assert opened(start=at[2] + 59_999) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert opened(start=at[2], limit=2) == [2, 3]
    assert opened(start=at[2], end=at[5] + 1) == [2, 3, 4, 5]
    assert opened(start=at[2], end=at[5], limit=2) == [4, 5]
    assert opened(end=at[5], limit=2) == [4, 5]
    assert opened(start=at[8], end=10**14) == [8, 9]
    assert opened(start=at[10]) == []
    assert opened(start=0, end=1) == []
    # Forward from the beginning of time: from the first candle to the running one, none left out.
    pages = [opened(start=0, limit=700)]
    while len(pages[-1]) == 700:
        pages.append(opened(start=minute + (pages[-1][-1] + 1) * MINUTE_MS, limit=700))
    everything = [number for page in pages for number in page]
    assert everything == list(range(everything[0], 10))
    assert opened(end=minute + (everything[0] - 1) * MINUTE_MS) == []
    slots = read(venue, "/ohlcv", pair=PAIR, basis="mark", interval="15s", start=0, limit=1)
    assert slots[0]["open_time"] <= minute
    assert opened(start=10**14) == []
    assert opened(end=0) == []
    assert opened(start=at[5], end=at[2]) == []
    for name, interval_ms in INTERVALS.items():
        (row,) = read(venue, "/ohlcv", pair=PAIR, basis="index", interval=name, limit=1)
        assert row["close_time"] - row["open_time"] == interval_ms
        assert row["open_time"] <= venue.clock.now_ms < row["close_time"]
    week = read(venue, "/ohlcv", pair=PAIR, basis="index", interval="7d", limit=1)[0]
    assert week["open_time"] % 604_800_000 == 4 * 86_400_000
    assert INTERVAL_WORDS["240min"] == INTERVALS["4h"]
    for alias, name in (("1min", "1m"), ("60min", "1h"), ("360min", "6h")):
        assert read(venue, "/ohlcv", pair=PAIR, interval=alias) == read(venue, "/ohlcv", pair=PAIR, interval=name)


@pytest.mark.spec("CHART-011")
@pytest.mark.parametrize(
    "query, field",
    [
        ({}, "pair"),
        ({"pair": "NOPE"}, "pair"),
        ({"pair": PAIR, "interval": "2m"}, "interval"),
        ({"pair": PAIR, "basis": "fair"}, "basis"),
        ({"pair": PAIR, "limit": 0}, "limit"),
        ({"pair": PAIR, "limit": 1_001}, "limit"),
        ({"pair": PAIR, "start": "soon"}, "start"),
        ({"pair": PAIR, "end": -1}, "end"),
    ],
)
def test_what_candles_cannot_be(venue: Venue, query: dict[str, object], field: str) -> None:
    assert read(venue, "/ohlcv", **query)["field"] == field


@pytest.mark.spec("CHART-009", "CHART-010")
def test_the_volatility_of_a_future(venue: Venue, minute: int) -> None:
    venue.clock.now_ms += 337 * 3_600_000  # forget what other tests did
    venue.price(PRICE, INDEX_BTC)
    assert read(venue, "/ticker", pair=PAIR)[PAIR]["volatility"] >= 0
    for hour in range(24):
        venue.clock.now_ms += 3_599_000
        venue.price(PRICE * 101 // 100 if hour % 2 == 0 else PRICE, INDEX_BTC)
    venue.clock.now_ms += 3_599_000
    venue.price(PRICE, INDEX_BTC)
    # 24 moves of ln(1.01) among 336 hours: sqrt(8,760 / 336 x 24) x 0.00995033
    assert read(venue, "/ticker", pair=PAIR)[PAIR]["volatility"] == pytest.approx(0.2489, abs=2e-6)
    assert read(venue, "/ticker", pair=SPOT)[SPOT]["volatility"] == pytest.approx(0.2489, abs=2e-6)
