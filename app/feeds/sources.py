"""Which venue's pair is a source of which index: the checked-in table, or an operator's own."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from app.faults import Fault
from exchange.instrument import IndexTerms
from exchange.limits import SOURCES_MAX, WEIGHT_MAX

SOURCES_FILE: Final = Path(__file__).with_name("sources.toml")
VENUES: Final = (
    "binance",
    "coinbase",
    "kraken",
    "bitfinex",
    "kucoin",
    "htx",
    "gate",
    "bitget",
    "okx",
    "cryptocom",
)
DOLLAR: Final = "USD"
TETHER: Final = "USDT"
RATE_INDEX: Final = "USDT_USD"
RATE_PAIR: Final = "USDT/USD"


class SourcesInvalid(Fault):
    """The table of sources cannot be meant. Says in which row."""

    def __init__(self, row: str, why: str) -> None:
        super().__init__(f"table of price sources: {row}: {why}")


class Line(msgspec.Struct, frozen=True):
    """One source of one index. `is_converted`: the pair is in USDT and the index in USD."""

    index_id: int
    price_decimals: int
    source_id: int
    pair: str
    is_converted: bool
    is_rate: bool  # what USDT is worth in USD
    weight: int = 1


class Venue(msgspec.Struct, frozen=True):
    """One venue with the indices it is a source of. `rest` and `ws` stand in for its own addresses, where they are given."""

    name: str
    source_id: int
    lines: tuple[Line, ...]
    rest: str = ""
    ws: str = ""

    @property
    def pairs(self) -> list[str]:
        """Every pair once, in the table's order."""
        return list(dict.fromkeys(line.pair for line in self.lines))


class _VenueRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: int
    quotes: tuple[str, ...]
    weight: int = 1
    rest: str = ""
    ws: str = ""


class _IndexRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    only: tuple[str, ...] = ()  # empty: every venue
    pairs: dict[str, str] = {}  # by venue, where it is not the usual one
    weights: dict[str, int] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    venues: dict[str, _VenueRow]
    indices: dict[str, _IndexRow] = {}


def load_sources(indices: Sequence[IndexTerms], path: Path | None = None) -> list[Venue]:
    """Read and check the table.

    Raises: SourcesInvalid, naming the row.
    """
    path = path or SOURCES_FILE
    try:
        file = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SourcesInvalid(path.name, str(error)) from error
    _check(file, {terms.symbol for terms in indices})
    return [
        Venue(name, row.id, tuple(_lines(name, row, file.indices, indices)), row.rest, row.ws)
        for name, row in file.venues.items()
    ]


def weights_of(venues: Sequence[Venue]) -> dict[int, tuple[tuple[int, int], ...]]:
    """Return by index id the weights that are not 1, as the core's index terms have them."""
    weights: dict[int, tuple[tuple[int, int], ...]] = {}
    for venue in venues:
        for line in venue.lines:
            if line.weight != 1:
                weights[line.index_id] = (*weights.get(line.index_id, ()), (line.source_id, line.weight))
    return weights


def _check(file: _File, symbols: set[str]) -> None:
    ids = [row.id for row in file.venues.values()]
    if len(set(ids)) != len(ids) or min(ids, default=1) < 1:
        raise SourcesInvalid("venues", "ids begin at 1, and none stands twice")
    if len(ids) > SOURCES_MAX:
        raise SourcesInvalid("venues", f"an index has at most {SOURCES_MAX} sources")
    for name, venue in file.venues.items():
        if name not in VENUES:
            raise SourcesInvalid(name, f"the venues are {', '.join(VENUES)}")
        _check_weight(name, venue.weight)
        for address, schemes in ((venue.rest, ("http://", "https://")), (venue.ws, ("ws://", "wss://"))):
            if address and not address.startswith(schemes):
                raise SourcesInvalid(name, f"{address!r} must begin with {' or '.join(schemes)}")
    for symbol, index in file.indices.items():
        if symbol not in symbols:
            raise SourcesInvalid(symbol, "there is no such index")
        for name in (*index.only, *index.pairs, *index.weights):
            if name not in file.venues:
                raise SourcesInvalid(symbol, f"the venue {name} is not in the table")
        for weight in index.weights.values():
            _check_weight(symbol, weight)


def _check_weight(row: str, weight: int) -> None:
    if not 0 <= weight <= WEIGHT_MAX:
        raise SourcesInvalid(row, f"a weight is between 0 and {WEIGHT_MAX}")


def _lines(name: str, venue: _VenueRow, rows: Mapping[str, _IndexRow], indices: Sequence[IndexTerms]) -> list[Line]:
    lines = []
    for terms in indices:
        row = rows.get(terms.symbol, _IndexRow())
        weight = row.weights.get(name, venue.weight)
        pair = row.pairs.get(name) or _usual_pair(terms.symbol, venue.quotes)
        if not pair or not weight or (row.only and name not in row.only):
            continue
        base, _, quote = pair.partition("/")
        wanted = terms.symbol.rpartition("_")[2]
        is_converted = (wanted, quote) == (DOLLAR, TETHER)
        if not base or not (quote == wanted or is_converted):
            raise SourcesInvalid(terms.symbol, f"{pair} at {name} is no price in {wanted}")
        is_rate = pair == RATE_PAIR and terms.symbol == RATE_INDEX
        lines.append(
            Line(terms.index_id, terms.price_decimals, venue.id, pair, is_converted, is_rate, weight),
        )
    return lines


def _usual_pair(symbol: str, quotes: tuple[str, ...]) -> str:
    """Return the pair for an index: in its own quote where the venue has that, else a USD index's in USDT."""
    base, _, quote = symbol.rpartition("_")
    if quote in quotes:
        return f"{base}/{quote}"
    return f"{base}/{TETHER}" if quote == DOLLAR and TETHER in quotes and base != TETHER else ""
