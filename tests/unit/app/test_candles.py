"""The worked numbers of docs/spec/charts.md."""

from datetime import UTC, datetime
from math import log, sqrt

import pytest

from app.candles import DAY_MS, HOUR_MS, INTERVALS, MINUTE_MS, SLOT_MS, WEEK_MS, filled, kept_from, open_of, tier_of
from app.db.rows import Basis, Candle
from app.statistics import LastTrade, Statistics

START_MS = 1_700_006_400_000
"""2023-11-15 00:00 UTC, a Wednesday."""


def told(statistics: Statistics, time_ms: int) -> list[Candle]:
    """A command was told at a time."""
    closed = statistics.advance(time_ms) if time_ms >= statistics.due_ms else []
    statistics.time_ms = time_ms
    return closed


def numbers(candle: Candle | None) -> tuple[int, ...]:
    assert candle is not None
    prices = (candle.open, candle.high, candle.low, candle.close)
    return (*prices, candle.volume, candle.turnover, candle.trades, candle.last_qty)


@pytest.mark.spec("CHART-001")
def test_a_candle_of_trades() -> None:
    statistics = Statistics()
    for second, price, qty in ((1, 100, 2), (20, 120, 3), (59, 90, 1)):
        told(statistics, START_MS + second * 1_000)
        statistics.series(Basis.LAST.value, 7).take(START_MS + second * 1_000, price, qty)
    assert numbers(statistics.running(Basis.LAST, 7, MINUTE_MS)) == (100, 120, 90, 90, 6, 650, 3, 1)
    assert numbers(statistics.running(Basis.LAST, 7, SLOT_MS)) == (90, 90, 90, 90, 1, 90, 1, 1)
    assert statistics.last_trade(7) == LastTrade(90, 1, 120)
    (minute,) = told(statistics, START_MS + MINUTE_MS)
    assert numbers(minute) == (100, 120, 90, 90, 6, 650, 3, 1)
    assert numbers(statistics.running(Basis.LAST, 7, MINUTE_MS)) == (90, 90, 90, 90, 0, 0, 0, 1)
    assert numbers(statistics.running(Basis.LAST, 7, 5 * MINUTE_MS)) == (100, 120, 90, 90, 6, 650, 3, 1)
    assert list(INTERVALS) == ["15s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "24h", "7d"]


@pytest.mark.spec("CHART-002")
def test_a_candle_of_the_mark_opens_where_it_stood() -> None:
    statistics = Statistics()
    for time_ms, price in ((START_MS, 100), (START_MS + 90_000, 110)):
        told(statistics, time_ms)
        statistics.series(Basis.MARK.value, 7).take(time_ms, price, 0)
    assert numbers(statistics.running(Basis.MARK, 7, MINUTE_MS)) == (100, 110, 100, 110, 0, 0, 0, 0)
    assert statistics.last_trade(7) is None


@pytest.mark.spec("CHART-003")
def test_gaps_are_flat_and_the_beginning_is_empty() -> None:
    candle = Candle(0, 7, MINUTE_MS, START_MS, 100, 120, 90, 95, 6, 650, 3, 1)
    times = range(START_MS - MINUTE_MS, START_MS + 3 * MINUTE_MS, MINUTE_MS)
    rows = filled([candle], None, interval_ms=MINUTE_MS, times=times)
    assert rows[0] is candle
    assert [row.open_ms for row in rows] == [START_MS, START_MS + MINUTE_MS, START_MS + 2 * MINUTE_MS]
    assert [numbers(row) for row in rows[1:]] == [(95, 95, 95, 95, 0, 0, 0, 1)] * 2
    assert filled([], None, interval_ms=MINUTE_MS, times=times) == []
    assert len(filled([], candle, interval_ms=MINUTE_MS, times=times)) == 4


@pytest.mark.spec("CHART-004")
def test_when_intervals_begin() -> None:
    monday_ms = int(datetime(2023, 11, 13, tzinfo=UTC).timestamp() * 1_000)
    assert open_of(START_MS, WEEK_MS) == monday_ms == open_of(monday_ms, WEEK_MS)
    assert open_of(monday_ms - 1, WEEK_MS) == monday_ms - WEEK_MS
    assert open_of(START_MS + DAY_MS - 1, DAY_MS) == START_MS
    assert open_of(START_MS + 5 * HOUR_MS, 4 * HOUR_MS) == START_MS + 4 * HOUR_MS
    assert [tier_of(interval_ms) for interval_ms in INTERVALS.values()] == [SLOT_MS, *[MINUTE_MS] * 5, *[HOUR_MS] * 6]
    assert kept_from(START_MS + 59_999) == START_MS - 2 * DAY_MS
    assert kept_from(0) == 0


@pytest.mark.spec("CHART-007")
def test_the_day_of_a_price_that_stands_still() -> None:
    statistics = Statistics()
    told(statistics, START_MS)
    statistics.series(Basis.LAST.value, 7).take(START_MS, 100, 5)
    assert statistics.day(Basis.LAST, 7) == (100, 100, 100, 100, 5, 500, 1)
    told(statistics, START_MS + 1_439 * MINUTE_MS)
    assert statistics.day(Basis.LAST, 7) == (100, 100, 100, 100, 5, 500, 1)
    told(statistics, START_MS + DAY_MS)
    assert statistics.day(Basis.LAST, 7) == (100, 100, 100, 100, 0, 0, 0)
    told(statistics, START_MS + 7 * DAY_MS)
    assert statistics.day(Basis.LAST, 7) == (100, 100, 100, 100, 0, 0, 0)
    assert statistics.day(Basis.MARK, 7) is None
    assert statistics.day(Basis.INDEX, 7) is None


@pytest.mark.spec("CHART-009")
def test_the_volatility_of_an_index_that_goes_up_and_down() -> None:
    statistics = Statistics()
    price = 10**12
    for hour in range(25):
        told(statistics, START_MS + hour * HOUR_MS)
        assert statistics.volatility(Basis.INDEX, 7) is None
        statistics.series(Basis.INDEX.value, 7).take(START_MS + hour * HOUR_MS, price * (101 if hour % 2 else 100), 0)
    told(statistics, START_MS + 25 * HOUR_MS)
    assert (
        statistics.volatility(Basis.INDEX, 7)
        == pytest.approx(log(1.01) * sqrt(8_760))
        == pytest.approx(0.9313, abs=5e-5)
    )
    # 311 hours later the first of its 24 moves is still among the 336, 24 later the last has gone.
    told(statistics, START_MS + (25 + 312) * HOUR_MS)
    assert statistics.volatility(Basis.INDEX, 7) == pytest.approx(log(1.01) * sqrt(8_760 * 24 / 336))
    told(statistics, START_MS + (25 + 313) * HOUR_MS)
    assert statistics.volatility(Basis.INDEX, 7) == pytest.approx(log(1.01) * sqrt(8_760 * 23 / 336))
    told(statistics, START_MS + (25 + 400) * HOUR_MS)
    assert statistics.volatility(Basis.INDEX, 7) == 0
    assert statistics.volatility(Basis.MARK, 7) is None
    assert statistics.volatility(Basis.INDEX, 8) is None
