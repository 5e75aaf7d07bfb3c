"""A local order book that is the exchange's, or says that it is not.

Each message of the category `book` names the message before it and has a checksum over the best 25 prices of each side. The book holds to both:
after every message that `apply` takes, no message is missing and the best prices are those of the exchange.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Final, Literal, final
from zlib import crc32

import msgspec

from evermark_client.errors import BookBroken
from evermark_client.models import Level

CHECKSUM_LEVELS: Final = 25


class BookMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a message of the category `book` says."""

    type: Literal["snapshot", "delta"]
    seq: int
    checksum: int
    bids: list[Level]
    asks: list[Level]
    prev_seq: int | None = None


@final
class _Ladder:
    """A side: prices in order, the best first, and their quantities, as whole units."""

    __slots__ = ("_keys", "_qtys", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[int] = []
        self._qtys: dict[int, int] = {}

    def set(self, price: int, qty: int) -> None:
        """Show a quantity at a price; 0 shows none."""
        key = self._sign * price
        if qty:
            if key not in self._qtys:
                insort(self._keys, key)
            self._qtys[key] = qty
        elif self._qtys.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self._sign * key, self._qtys[key]) for key in self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@final
class LocalBook:
    """A market's book as of the command `seq`. `is_whole` is false before the first snapshot and after a break."""

    def __init__(self, pair: str, *, price_decimals: int, qty_decimals: int) -> None:
        self.pair = pair
        self.seq = 0
        self.is_whole = False
        self.messages = 0
        """How many messages it has held against the exchange's checksum."""
        self._price_decimals = price_decimals
        self._qty_decimals = qty_decimals
        self._bids = _Ladder(-1)
        self._asks = _Ladder(1)

    def apply(self, message: BookMessage) -> None:
        """Go on by a message. Raises: BookBroken, after which only a snapshot makes the book whole again."""
        if message.type == "snapshot":
            self._bids, self._asks = _Ladder(-1), _Ladder(1)
        elif not self.is_whole:
            raise BookBroken(f"{self.pair}: a delta before any snapshot")
        elif message.prev_seq != self.seq:
            self.is_whole = False
            raise BookBroken(f"{self.pair}: a delta behind {message.prev_seq}, and the book is at {self.seq}")
        self.is_whole = False
        for ladder, levels in ((self._bids, message.bids), (self._asks, message.asks)):
            for level in levels:
                ladder.set(self._units(level.price, self._price_decimals), self._units(level.qty, self._qty_decimals))
        self.seq = message.seq
        found = self.checksum()
        if found != message.checksum:
            raise BookBroken(f"{self.pair}: the checksum at {self.seq} is {found}, and should be {message.checksum}")
        self.messages += 1
        self.is_whole = True

    def checksum(self) -> int:
        """The CRC-32 over the best 25 prices of each side."""
        levels = (*islice(self._bids, CHECKSUM_LEVELS), *islice(self._asks, CHECKSUM_LEVELS))
        return crc32(":".join(f"{price}:{qty}" for price, qty in levels).encode())

    def bids(self, most: int | None = None) -> list[Level]:
        """What is bid, the highest price first."""
        return self._levels(self._bids, most)

    def asks(self, most: int | None = None) -> list[Level]:
        """What is asked, the lowest price first."""
        return self._levels(self._asks, most)

    @property
    def best_bid(self) -> Level | None:
        """The highest price that is bid."""
        return next(iter(self.bids(1)), None)

    @property
    def best_ask(self) -> Level | None:
        """The lowest price that is asked."""
        return next(iter(self.asks(1)), None)

    def _levels(self, ladder: _Ladder, most: int | None) -> list[Level]:
        if not self.is_whole:
            raise BookBroken(f"{self.pair}: there is no whole book now")
        return [
            Level(price=Decimal(price).scaleb(-self._price_decimals), qty=Decimal(qty).scaleb(-self._qty_decimals))
            for price, qty in islice(ladder, most)
        ]

    def _units(self, value: Decimal, decimals: int) -> int:
        units = value.scaleb(decimals)
        if units != int(units):
            raise BookBroken(f"{self.pair}: {value} has more than {decimals} decimals")
        return int(units)
