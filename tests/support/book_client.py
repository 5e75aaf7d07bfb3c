"""A book kept from the stream, written from docs/api/streams.md alone: it believes nothing that it cannot check."""

from enum import Enum, auto
from typing import Any, Final, final
from zlib import crc32

BEST: Final = 25

Level = tuple[int, int]
"""A price and a quantity, in units."""


class Wrong(AssertionError):
    """What was told cannot be: the checksum does not fit, or the book is crossed."""


class Step(Enum):
    """What became of a message."""

    APPLIED = auto()
    GAP = auto()
    """Something before it is missing: subscribe again."""
    IGNORED = auto()
    """There is a gap, and no snapshot yet."""


def fingerprint(sign: int, price: int, qty: int) -> int:
    """One level's part of a book's fingerprint: the parts of all levels, xored, stand for the whole book."""
    return hash((sign, price, qty))


@final
class BookClient:
    """The book of one pair. `price_decimals` and `qty_decimals` are quote_precision and base_precision of GET /pairs."""

    def __init__(self, price_decimals: int, qty_decimals: int) -> None:
        self._price_scale = 10.0**price_decimals
        self._qty_scale = 10.0**qty_decimals
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self.seq: int | None = None
        """As of which command the book is; None while there is a gap."""
        self.fingerprint = 0

    def lose(self) -> None:
        """Forget all: the connection is gone."""
        self.seq = None

    def take(self, result: dict[str, Any]) -> Step:
        """Apply a message of the category `book`. Raises: Wrong."""
        if result["type"] == "snapshot":
            self._bids, self._asks = {}, {}
            self.fingerprint = 0
        elif self.seq is None:
            return Step.IGNORED
        elif result["prev_seq"] != self.seq:
            self.seq = None
            return Step.GAP
        for sign, side, levels in ((1, self._bids, result["bids"]), (-1, self._asks, result["asks"])):
            for level in levels:
                self._set(sign, side, round(level["price"] * self._price_scale), round(level["qty"] * self._qty_scale))
        self.seq = result["seq"]
        self._check(result["checksum"])
        return Step.APPLIED

    def bids(self) -> list[Level]:
        """Best first."""
        return sorted(self._bids.items(), reverse=True)

    def asks(self) -> list[Level]:
        """Best first."""
        return sorted(self._asks.items())

    def _set(self, sign: int, side: dict[int, int], price: int, qty: int) -> None:
        before = side.pop(price, 0)
        if before:
            self.fingerprint ^= fingerprint(sign, price, before)
        if qty:
            side[price] = qty
            self.fingerprint ^= fingerprint(sign, price, qty)
        elif not before:
            raise Wrong(f"the price {price} is gone, and never was")

    def _check(self, checksum: int) -> None:
        bids, asks = self.bids()[:BEST], self.asks()[:BEST]
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise Wrong(f"crossed: {bids[0]} {asks[0]}")
        if crc32(":".join(f"{price}:{qty}" for price, qty in (*bids, *asks)).encode()) != checksum:
            raise Wrong(f"the checksum of {self.seq} does not fit")
