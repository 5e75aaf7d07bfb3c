"""Candles and statistics the long way: from every price there ever was, each time anew."""

from bisect import bisect_left
from itertools import pairwise
from math import log, sqrt
from typing import NamedTuple

from app.db.rows import Candle

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


class Price(NamedTuple):
    """A price, and how much was traded at it (0: it is one of those that are always in force)."""

    time_ms: int
    price: int
    qty: int


def begun(time_ms: int, interval_ms: int) -> int:
    """When the interval began that a time lies in: 1970-01-05 was a Monday."""
    if interval_ms == WEEK_MS:
        return (time_ms - 4 * DAY_MS) // WEEK_MS * WEEK_MS + 4 * DAY_MS
    return time_ms // interval_ms * interval_ms


def candle_at(prices: list[Price], open_ms: int, interval_ms: int) -> Candle | None:
    """The candle begun then, flat where nothing happened in it; None where nothing had happened yet."""
    first, end = (bisect_left(prices, (time_ms,)) for time_ms in (open_ms, open_ms + interval_ms))
    inside = prices[first:end]
    seen = [row.price for row in inside]
    if first and not any(row.qty for row in inside):
        seen.insert(0, prices[first - 1].price)
    if not seen:
        return None
    return Candle(
        0,
        1,
        interval_ms,
        open_ms,
        seen[0],
        max(seen),
        min(seen),
        seen[-1],
        sum(row.qty for row in inside),
        sum(row.qty * row.price for row in inside),
        sum(row.qty > 0 for row in inside),
        next((row.qty for row in reversed(prices[:end]) if row.qty), 0),
    )


def candles(prices: list[Price], interval_ms: int, first_ms: int, last_ms: int) -> list[Candle]:
    """The candles that two times lie in and those between, gaps filled."""
    found = []
    open_ms = begun(first_ms, interval_ms)
    while open_ms <= last_ms:
        candle = candle_at(prices, open_ms, interval_ms)
        if candle is not None:
            found.append(candle)
        open_ms += interval_ms
    return found


def day(prices: list[Price], now_ms: int) -> tuple[int, ...] | None:
    """The 1,440 minutes up to the running one, gaps filled flat, as one candle."""
    running_ms = begun(now_ms, MINUTE_MS)
    minutes = candles(prices, MINUTE_MS, running_ms - 1_439 * MINUTE_MS, running_ms)
    if not minutes:
        return None
    return (
        minutes[0].open,
        max(minute.high for minute in minutes),
        min(minute.low for minute in minutes),
        minutes[-1].close,
        sum(minute.volume for minute in minutes),
        sum(minute.turnover for minute in minutes),
        sum(minute.trades for minute in minutes),
    )


def volatility(prices: list[Price], now_ms: int) -> float | None:
    """From the hours that closed, at most 337 of them."""
    running_ms = begun(now_ms, HOUR_MS)
    closes = [row.close for row in candles(prices, HOUR_MS, running_ms - 337 * HOUR_MS, running_ms - HOUR_MS)]
    moves = [log(after / before) for before, after in pairwise(closes)]
    return sqrt(8_760 / len(moves) * sum(move**2 for move in moves)) if len(moves) >= 24 else None
