"""Recorded prices played again: a CSV file with the columns time_ms, index, source and price."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, final

from app.feeds.base import FeedInvalid, LocalFeed
from app.problems import Malformed
from app.wire import steps, time_ms
from exchange.commands import UpdateIndexPrice
from exchange.instrument import IndexTerms
from exchange.limits import SOURCES_MAX

COLUMNS: Final = ["time_ms", "index", "source", "price"]


@final
class ReplayFeed(LocalFeed):
    """Plays a recording: its first row at the first call, each further row as much later as it was recorded.

    `index` is an index's symbol, `source` any name; an index's sources are numbered from 1 as they appear. After the last row it
    observes nothing more.
    """

    def __init__(self, observations: Sequence[UpdateIndexPrice]) -> None:
        self._observations = observations
        self._next = 0
        self._shift_ms: int | None = None

    @property
    def is_finished(self) -> bool:
        """Every row was given."""
        return self._next == len(self._observations)

    def take(self, time_ms: int) -> list[UpdateIndexPrice]:
        """Return the rows that are due, with their times moved to now."""
        if self.is_finished:
            return []
        if self._shift_ms is None:
            self._shift_ms = time_ms - self._observations[0].source_time_ms
        shift_ms = self._shift_ms
        due = []
        while not self.is_finished:
            row = self._observations[self._next]
            if row.source_time_ms + shift_ms > time_ms:
                break
            due.append(UpdateIndexPrice(row.index_id, row.source_id, row.price, row.source_time_ms + shift_ms))
            self._next += 1
        return due


def read_prices(path: Path, indices: Sequence[IndexTerms]) -> ReplayFeed:
    """Read a recording.

    Raises: FeedInvalid, naming file and line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return ReplayFeed(_parse(path.name, file, indices))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FeedInvalid(path.name, 0, str(error)) from error


def _parse(name: str, lines: Iterable[str], indices: Sequence[IndexTerms]) -> list[UpdateIndexPrice]:
    terms_of = {terms.symbol: terms for terms in indices}
    sources: dict[str, dict[str, int]] = {}
    rows = csv.reader(lines)
    if next(rows, []) != COLUMNS:
        raise FeedInvalid(name, 1, f"the first line must be {','.join(COLUMNS)}")
    observations: list[UpdateIndexPrice] = []
    for row in rows:
        line = rows.line_num
        if not row:
            continue
        if len(row) != len(COLUMNS):
            raise FeedInvalid(name, line, f"{len(COLUMNS)} columns are needed, not {len(row)}")
        terms = terms_of.get(row[1])
        if terms is None:
            raise FeedInvalid(name, line, f"no index is called {row[1]!r}")
        try:
            observed_ms, price = time_ms(row[0], "time_ms"), steps(row[3], "price", terms.price_decimals)
        except Malformed as error:
            raise FeedInvalid(name, line, str(error)) from error
        if observations and observed_ms < observations[-1].source_time_ms:
            raise FeedInvalid(name, line, "times must not go back")
        ids = sources.setdefault(terms.symbol, {})
        source_id = ids.setdefault(row[2], len(ids) + 1)
        if source_id > SOURCES_MAX:
            raise FeedInvalid(name, line, f"an index has at most {SOURCES_MAX} sources")
        observations.append(UpdateIndexPrice(terms.index_id, source_id, price, observed_ms))
    if not observations:
        raise FeedInvalid(name, 0, "it holds no prices")
    return observations
