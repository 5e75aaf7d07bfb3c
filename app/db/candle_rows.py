"""Candles in the table: how the projector writes them, and what a start reads back."""

from itertools import groupby
from operator import itemgetter
from typing import Final

import msgspec

from app.candles import HOUR_MS, MINUTE_MS, SLOT_MS, open_of
from app.db.connect import Connection
from app.db.rows import Basis, Candle
from app.statistics import DAY_MINUTES, HAVE_DAY, RECENT_MINUTES, VOLATILITY_HOURS, Statistics

UPSERT: Final = (
    "INSERT INTO candles SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],"
    " $6::bigint[], $7::bigint[], $8::bigint[], $9::numeric[], $10::numeric[], $11::bigint[], $12::bigint[])"
    " ON CONFLICT (basis, subject_id, interval_ms, open_ms) DO UPDATE"
    " SET (high, low, close, volume, turnover, trades, last_qty) = (excluded.high, excluded.low, excluded.close,"
    " excluded.volume, excluded.turnover, excluded.trades, excluded.last_qty)"
)
# From a known time on: else the planner expects the years of longer candles before it, and reads the table.
FORGET: Final = f"DELETE FROM candles WHERE interval_ms = {SLOT_MS} AND open_ms >= $1 AND open_ms < $2"

# Each price that has candles, found by leaps in the primary key: there are years of rows and a few hundred prices.
_SUBJECTS: Final = """
WITH RECURSIVE found AS (
    (SELECT basis, subject_id FROM candles ORDER BY basis, subject_id LIMIT 1)
    UNION ALL
    SELECT further.* FROM found, LATERAL (
        SELECT basis, subject_id FROM candles WHERE (basis, subject_id) > (found.basis, found.subject_id)
        ORDER BY basis, subject_id LIMIT 1
    ) further
)
SELECT basis, subject_id FROM found
"""
_GIVEN: Final = "unnest($1::smallint[], $2::bigint[]) AS given (basis, subject_id)"
_OF_GIVEN: Final = "candles.basis = given.basis AND candles.subject_id = given.subject_id"
# Of a few hundred prices a short piece each: the limits make the planner go by the primary key.
_SOME: Final = f"FROM {_GIVEN}, LATERAL (SELECT * FROM candles WHERE {_OF_GIVEN} AND interval_ms = "
_PRICES: Final = "found.basis, found.subject_id, open_ms, open, high, low, close"
_NEWEST: Final = f"{_SOME} {MINUTE_MS} AND open_ms < $3 ORDER BY open_ms DESC LIMIT 1) found"
_MINUTES: Final = f"{_SOME} {MINUTE_MS} AND open_ms >= $3 ORDER BY open_ms LIMIT {DAY_MINUTES}) found"
_RECENT: Final = f"SELECT found.* {_SOME} $4 AND open_ms >= $3 ORDER BY open_ms LIMIT {2 * HOUR_MS // MINUTE_MS}) found"
_HOURS: Final = f"SELECT found.basis, found.subject_id, open_ms, close {_SOME} {HOUR_MS}"
_NEWEST_HOUR: Final = f"{_HOURS} AND open_ms < $3 ORDER BY open_ms DESC LIMIT 1) found"
_LATER_HOURS: Final = f"{_HOURS} AND open_ms >= $3 ORDER BY open_ms LIMIT {VOLATILITY_HOURS + 2}) found"
_TRADES: Final = (
    "SELECT market_id, found.price FROM unnest($1::bigint[]) AS given (market_id), LATERAL (SELECT price FROM trades"
    " WHERE trades.market_id = given.market_id ORDER BY time_ms DESC, seq DESC, index DESC OFFSET 1 LIMIT 1) found"
)
_RATES: Final = (
    "SELECT market_id, found.rate_e12 FROM unnest($1::bigint[]) AS given (market_id), LATERAL (SELECT rate_e12"
    " FROM funding_settlements AS settled WHERE settled.market_id = given.market_id"
    " ORDER BY time_ms DESC, seq DESC, index DESC LIMIT 1) found"
)


def columns_of(candles: list[Candle]) -> list[list[object]]:
    """The arguments of UPSERT. Requires: at least one candle."""
    return [list(column) for column in zip(*map(msgspec.structs.astuple, candles), strict=True)]


def candle_from(row: dict[str, object]) -> Candle:
    """A row of the table candles, whose sums come as decimals."""
    return Candle(**{name: int(value) for name, value in row.items()})  # type: ignore[call-overload]  # numbers all


async def restore(connection: Connection, time_ms: int) -> Statistics:
    """What prices did up to the checkpoint at this time, from what the projector wrote up to there."""
    statistics = Statistics()
    statistics.begin_at(time_ms)
    subjects = [tuple(row) for row in await connection.fetch(_SUBJECTS)]
    if not subjects:
        return statistics
    given = _columns(subjects)
    minute_ms = open_of(time_ms, MINUTE_MS)
    await _restore_days(connection, statistics, subjects, minute_ms)
    half_hour_ms = minute_ms - (RECENT_MINUTES - 1) * MINUTE_MS
    recent_ms = min(open_of(time_ms, HOUR_MS), half_hour_ms)
    rows = await connection.fetch(_RECENT, *given, recent_ms, MINUTE_MS)
    statistics.recall_minutes(candle_from(dict(row)) for row in rows)
    rows = await connection.fetch(_RECENT, *given, minute_ms, SLOT_MS)
    statistics.recall_slots(candle_from(dict(row)) for row in rows)
    hours_ms = open_of(time_ms, HOUR_MS) - (VOLATILITY_HOURS + 1) * HOUR_MS
    for query in (_NEWEST_HOUR, _LATER_HOURS):
        for row in await connection.fetch(query, *given, hours_ms):
            statistics.recall_hour(*row)
    markets = [subject_id for basis, subject_id in subjects if basis == Basis.LAST.value]
    for market_id, price in await connection.fetch(_TRADES, markets):
        statistics.series(Basis.LAST.value, market_id).close_before = price
    markets = [subject_id for basis, subject_id in subjects if basis == Basis.MARK.value]
    statistics.funding_rates.update(tuple(row) for row in await connection.fetch(_RATES, markets))
    return statistics


async def _restore_days(
    connection: Connection, statistics: Statistics, subjects: list[tuple[int, ...]], minute_ms: int
) -> None:
    """Take back the minutes of the 24 hours and, first, the newest one before them: what stood still has no more."""
    day_ms = minute_ms - (DAY_MINUTES - 1) * MINUTE_MS
    for basis in Basis:
        given = _columns([subject for subject in subjects if subject[0] == basis.value])
        # Sums come as decimals, which cost more than all the rest, and only trades have them.
        sums = "volume, turnover, trades, last_qty" if basis is Basis.LAST else "0, 0, 0, 0"
        has_day = basis in HAVE_DAY
        for some, from_ms in ((_NEWEST, day_ms if has_day else minute_ms), (_MINUTES, day_ms)):
            if has_day or some is _NEWEST:
                rows = await connection.fetch(f"SELECT {_PRICES}, {sums} {some}", *given, from_ms)
                for subject_id, group in groupby(rows, key=itemgetter(1)):
                    statistics.recall_day(basis.value, subject_id, [row[2:] for row in group])


def _columns(subjects: list[tuple[int, ...]]) -> tuple[list[int], list[int]]:
    return [basis for basis, _ in subjects], [subject_id for _, subject_id in subjects]
