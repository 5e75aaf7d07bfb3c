"""A market's book as the stream tells it: a snapshot with a checksum, then what changed of it.

The checksum is the CRC-32 (as zlib computes it) of the text that the best 25 levels of each side make: first the bids, then the asks, best
first, each level as its price and its quantity, all of them joined with `:`. Prices and quantities are integers here: price units and
lots, which is the number shown without its decimal point, at the market's number of decimals.
"""

from typing import Final, final
from zlib import crc32

from app.stream import messages
from app.surfaces.everstrike.answers import Json
from app.surfaces.everstrike.pairs import Pair

LEVELS_MAX: Final = 1_000
"""Prices of a side that the book has."""
CHECKSUM_LEVELS: Final = 25

Levels = list[tuple[int, int]]
"""(price, displayed quantity), best first."""


def checksum(bids: Levels, asks: Levels) -> int:
    """The checksum of a book."""
    parts = [f"{price}:{qty}" for price, qty in (*bids[:CHECKSUM_LEVELS], *asks[:CHECKSUM_LEVELS])]
    return crc32(":".join(parts).encode())


def levels_json(levels: Levels, pair: Pair) -> list[Json]:
    """Levels as the wire has them. Prices and quantities have at most 15 digits: a quotient is exact."""
    whole, lot = pair.price_units_in_one, pair.lots_in_one
    return [{"price": price / whole, "qty": qty / lot} for price, qty in levels]


def changed(before: Levels, after: Levels) -> Levels:
    """The levels that are new, have another quantity, or (0) are gone: those gone first."""
    if before == after:
        return []
    known = dict(before)
    found = [level for level in after if known.pop(level[0], 0) != level[1]]
    return [*((price, 0) for price in known), *found]


@final
class Told:
    """The book as subscribers know it, and as of which command."""

    __slots__ = ("_pair", "_snapshot", "asks", "bids", "seq")

    def __init__(self, pair: Pair, seq: int, bids: Levels, asks: Levels) -> None:
        self._pair = pair
        self._snapshot: bytes | None = None
        self.seq = seq
        self.bids = bids
        self.asks = asks

    def snapshot(self) -> bytes:
        """All of it. Made once, however many ask."""
        if self._snapshot is None:
            result = {
                "type": "snapshot",
                "seq": self.seq,
                "bids": levels_json(self.bids, self._pair),
                "asks": levels_json(self.asks, self._pair),
                "checksum": checksum(self.bids, self.asks),
            }
            self._snapshot = messages.message(messages.BOOK, self._pair.name, result)
        return self._snapshot

    def go_on(self, seq: int, bids: Levels, asks: Levels) -> bytes | None:
        """What changed up to a later command; None when nothing did."""
        gone_bids, gone_asks = changed(self.bids, bids), changed(self.asks, asks)
        if not gone_bids and not gone_asks:
            return None
        result = {
            "type": "delta",
            "prev_seq": self.seq,
            "seq": seq,
            "bids": levels_json(gone_bids, self._pair),
            "asks": levels_json(gone_asks, self._pair),
            "checksum": checksum(bids, asks),
        }
        self.seq, self.bids, self.asks = seq, bids, asks
        self._snapshot = None
        return messages.message(messages.BOOK, self._pair.name, result)
