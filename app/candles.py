"""Candles: their intervals, and how short ones make long ones.

Three intervals are stored: SLOT_MS for some days, MINUTE_MS and HOUR_MS for good. The others are made of them. Each begins at a
multiple of itself since the epoch, so days begin at 00:00 UTC; weeks begin on Monday 00:00 UTC.

A traded price opens an interval with its first trade. The mark and an index are always in force: they open it with the price at
which they entered it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from app.db.rows import Candle

SLOT_MS: Final = 15_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
WEEK_MS: Final = 604_800_000
MONDAY_MS: Final = 4 * DAY_MS
"""The first Monday of the epoch, which began on a Thursday."""
SLOTS_KEPT_MS: Final = 2 * DAY_MS
"""How long candles of SLOT_MS are kept, before the minute that runs."""

INTERVALS: Final = {
    "15s": SLOT_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "24h": DAY_MS,
    "7d": WEEK_MS,
}


def open_of(time_ms: int, interval_ms: int) -> int:
    """When the candle began that a time lies in."""
    offset_ms = MONDAY_MS if interval_ms == WEEK_MS else 0
    return time_ms - (time_ms - offset_ms) % interval_ms


def kept_from(time_ms: int) -> int:
    """From when on candles of SLOT_MS are kept; not from before the epoch."""
    return max(0, open_of(time_ms, MINUTE_MS) - SLOTS_KEPT_MS)


def tier_of(interval_ms: int) -> int:
    """The stored interval that candles of this one are made of."""
    if interval_ms < MINUTE_MS:
        return SLOT_MS
    return MINUTE_MS if interval_ms < HOUR_MS else HOUR_MS


def extend(candle: Candle, later: Candle) -> None:
    """Add a later part of its interval to a candle."""
    candle.high = max(candle.high, later.high)
    candle.low = min(candle.low, later.low)
    candle.close = later.close
    if later.trades:
        candle.volume += later.volume
        candle.turnover += later.turnover
        candle.trades += later.trades
        candle.last_qty = later.last_qty


def grouped(candles: Iterable[Candle], interval_ms: int) -> list[Candle]:
    """Longer candles made of short ones, which stand oldest first and stay as they are."""
    found: list[Candle] = []
    for candle in candles:
        open_ms = open_of(candle.open_ms, interval_ms)
        if found and found[-1].open_ms == open_ms:
            extend(found[-1], candle)
        else:
            found.append(msgspec.structs.replace(candle, interval_ms=interval_ms, open_ms=open_ms))
    return found


def flat(before: Candle, interval_ms: int, open_ms: int) -> Candle:
    """A candle in which nothing happened: it stands at the close of one before."""
    price = before.close
    return Candle(
        before.basis, before.subject_id, interval_ms, open_ms, price, price, price, price, last_qty=before.last_qty
    )


def filled(candles: Iterable[Candle], before: Candle | None, *, interval_ms: int, times: range) -> list[Candle]:
    """A candle for each of the `times`: flat ones where nothing happened, none where nothing had happened yet.

    `before` is a candle that ended before the first of them.
    """
    known = {candle.open_ms: candle for candle in candles}
    rows: list[Candle] = []
    for open_ms in times:
        candle = known.get(open_ms)
        if candle is not None:
            before = candle
            rows.append(candle)
        elif before is not None:
            rows.append(flat(before, interval_ms, open_ms))
    return rows
