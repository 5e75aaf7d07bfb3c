"""Candles, the last 24 hours and volatility, kept as prices come, beside their naive twins."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.candles import DAY_MS, HOUR_MS, INTERVALS, MINUTE_MS, SLOT_MS, filled, grouped, open_of, tier_of
from app.db.rows import Basis, Candle
from app.statistics import Statistics
from tests.property import naive_candles as naive
from tests.property.naive_candles import Price

MONDAY_MS = 1_699_833_600_000
"""2023-11-13 00:00 UTC."""
STEPS = (0, 1, 900, SLOT_MS - 1, SLOT_MS, 40_000, MINUTE_MS, 7 * MINUTE_MS, HOUR_MS, 5 * HOUR_MS, 26 * HOUR_MS)
STARTS = (MONDAY_MS - 1, MONDAY_MS, MONDAY_MS + 3 * DAY_MS + 12_345)


@st.composite
def histories(draw: Any, is_traded: bool) -> list[Price]:
    """Prices with all kinds of gaps, often right at the boundaries."""
    time_ms = draw(st.sampled_from(STARTS))
    rows = []
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=25)):
        time_ms += step
        if draw(st.booleans()):
            time_ms = open_of(time_ms, draw(st.sampled_from((SLOT_MS, MINUTE_MS, HOUR_MS)))) + SLOT_MS * 240
        rows.append(Price(time_ms, draw(st.integers(1, 50)), draw(st.integers(1, 9)) if is_traded else 0))
    return rows


def play(rows: list[Price], basis: Basis, end_ms: int) -> tuple[Statistics, list[Candle]]:
    """What the projector does with prices; gives what it wrote."""
    statistics, written = Statistics(), []
    for row in [*rows, None]:
        time_ms = end_ms if row is None else row.time_ms
        if time_ms >= statistics.due_ms:
            written += statistics.advance(time_ms)
        statistics.time_ms = time_ms
        if row is not None:
            slot = statistics.series(basis.value, 1).take(row.time_ms, row.price, row.qty)
            if not written or written[-1] is not slot:
                written.append(slot)
    return statistics, written


def same(found: Candle | None) -> Candle | None:
    """As the twin says it."""
    if found is not None:
        found.basis = 0
    return found


@pytest.mark.spec("CHART-001", "CHART-002", "CHART-003", "CHART-004")
@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.data(), st.sampled_from((0, 20_000, 3 * HOUR_MS)))
def test_candles_are_those_of_the_naive_twin(is_traded: bool, data: Any, later_ms: int) -> None:
    rows = data.draw(histories(is_traded))
    basis = Basis.LAST if is_traded else Basis.MARK
    end_ms = rows[-1].time_ms + later_ms
    statistics, written = play(rows, basis, end_ms)
    for interval_ms in INTERVALS.values():
        tier_ms = tier_of(interval_ms)
        stored = {candle.open_ms: candle for candle in written if candle.interval_ms == tier_ms}
        for candle in statistics.tail(basis, 1, tier_ms):
            stored[candle.open_ms] = candle
        times = range(open_of(rows[0].time_ms, interval_ms), open_of(end_ms, interval_ms) + 1, interval_ms)
        short = [stored[open_ms] for open_ms in sorted(stored)]
        found = filled(grouped(short, interval_ms), None, interval_ms=interval_ms, times=times)
        if len(times) < 2_000:
            expected = naive.candles(rows, interval_ms, rows[0].time_ms, end_ms)
            assert [same(candle) for candle in found] == expected
        if interval_ms <= HOUR_MS:
            running = same(statistics.running(basis, 1, interval_ms))
            assert running == naive.candle_at(rows, naive.begun(end_ms, interval_ms), interval_ms)


@pytest.mark.spec("CHART-007", "CHART-008")
@pytest.mark.parametrize("is_traded", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_the_day_is_that_of_the_naive_twin(seed: int, is_traded: bool) -> None:
    dice = Random(seed)
    basis = Basis.LAST if is_traded else Basis.MARK
    rows: list[Price] = []
    statistics = Statistics()
    time_ms = MONDAY_MS + 12_345
    for _ in range(120):
        time_ms += dice.choice((500, 20_000, 61_000, 600_000, 2 * HOUR_MS, 23 * HOUR_MS + 59 * MINUTE_MS, 30 * HOUR_MS))
        price = Price(time_ms, 1_000 + dice.randint(-300, 300), dice.randint(1, 9) if is_traded else 0)
        rows.append(price)
        for is_price, later_ms in ((True, 0), (False, dice.choice((0, 15_000, HOUR_MS, DAY_MS - 1_000, DAY_MS)))):
            time_ms += later_ms
            if time_ms >= statistics.due_ms:
                statistics.advance(time_ms)
            statistics.time_ms = time_ms
            if is_price:
                statistics.series(basis.value, 1).take(*price)
            day = statistics.day(basis, 1)
            assert (None if day is None else tuple(day)) == naive.day(rows[-60:], time_ms)
    if is_traded:
        last = statistics.last_trade(1)
        assert last is not None
        assert tuple(last) == (rows[-1].price, rows[-1].qty, rows[-2].price)


@pytest.mark.spec("CHART-009")
@pytest.mark.parametrize("seed", range(4))
def test_volatility_is_that_of_the_naive_twin(seed: int) -> None:
    dice = Random(seed)
    statistics, rows, found = Statistics(), [], []
    time_ms = MONDAY_MS
    for _ in range(600):
        time_ms += dice.choice((600_000, HOUR_MS, 2 * HOUR_MS, 9 * HOUR_MS))
        if time_ms >= statistics.due_ms:
            statistics.advance(time_ms)
        price = Price(time_ms, 1_000 + dice.randint(-300, 300), 0)
        rows.append(price)
        statistics.series(Basis.INDEX.value, 1).take(*price)
        if dice.random() < 0.1:
            value = statistics.volatility(Basis.INDEX, 1)
            assert value == pytest.approx(naive.volatility(rows[-2_500:], time_ms))
            found.append(value)
    assert None in found
    assert sum(value is not None for value in found) > 20
