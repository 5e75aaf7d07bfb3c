"""The newest price of each source, and what it means for the indices. Integers only.

A source's price is its last trade, moved into its own spread where that is known: a quiet pair's last trade may be old, its
bid and ask are not. A USD index's pair in USDT counts at what USDT is worth in USD, the median of the sources of USDT/USD.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, final

from app.feeds.sources import Line, Venue
from app.problems import Malformed
from app.wire import nearest
from exchange.limits import PRICE_MAX, SOURCE_AGE_MAX_MS

FINE: Final = 10
"""Decimals of a price on the board: finer than any index."""
SCALE: Final = 10**FINE
RATE_SOURCES_MIN: Final = 2
"""One venue alone does not say what USDT is worth: the prices of six others hang on it."""
JUMP_WINDOW_MS: Final = 60_000
"""For so long a price may not be beyond half and double of the same source's last one."""
_POWERS: Final[tuple[int, ...]] = tuple(10**k for k in range(2 * FINE + 1))


class Quote(NamedTuple):
    """What a venue says of a pair, as text; empty where it says nothing. `stamp_ms` is when it says that it said so, or 0."""

    pair: str
    last: str
    bid: str = ""
    ask: str = ""
    stamp_ms: int = 0


class Observation(NamedTuple):
    """A source's price of an index, at the index's scale."""

    index_id: int
    source_id: int
    price: int
    time_ms: int


class _Price(NamedTuple):
    fine: int
    time_ms: int


def price_of(quote: Quote) -> int:
    """Return the quote's price at `FINE` decimals: the last trade, moved to the nearer of bid and ask when it is not between.

    Raises: Malformed.
    """
    last = nearest(quote.last, "last", FINE)
    try:
        bid, ask = nearest(quote.bid, "bid", FINE), nearest(quote.ask, "ask", FINE)
    except Malformed:
        return last
    return min(max(last, bid), ask) if bid <= ask else last


@final
class Board:
    """The newest prices of venues, and the observations that they are."""

    def __init__(self, venues: Sequence[Venue]) -> None:
        self._lines: list[Line] = [line for venue in venues for line in venue.lines]
        self._prices: dict[tuple[int, str], _Price] = {}
        self._given_ms: dict[tuple[int, int], int] = {}

    def put(self, source_id: int, quote: Quote, *, observed_ms: int, now_ms: int) -> str:
        """Take a quote; returns why not, or nothing. An older one than is here is passed over."""
        try:
            fine = price_of(quote)
        except Malformed as error:
            return str(error)
        time_ms = min(observed_ms, now_ms)
        if quote.stamp_ms > 0:
            time_ms = min(time_ms, quote.stamp_ms)
        if now_ms - time_ms > SOURCE_AGE_MAX_MS:
            return f"it is {now_ms - time_ms} ms old"
        known = self._prices.get((source_id, quote.pair))
        if known is not None:
            if time_ms < known.time_ms:
                return ""
            if time_ms - known.time_ms <= JUMP_WINDOW_MS and not known.fine <= 2 * fine <= 4 * known.fine:
                return "it is beyond half and double of the last one"
        self._prices[source_id, quote.pair] = _Price(fine, time_ms)
        return ""

    def age_ms(self, source_id: int, pair: str, now_ms: int) -> int | None:
        """Return how old the newest price of a pair is."""
        known = self._prices.get((source_id, pair))
        return None if known is None else max(0, now_ms - known.time_ms)

    def fresh(self, source_id: int, now_ms: int) -> int:
        """Count the indices for which a source gave a price that still counts."""
        return sum(
            given == source_id and now_ms - time_ms <= SOURCE_AGE_MAX_MS
            for (_, given), time_ms in self._given_ms.items()
        )

    def rate(self, now_ms: int) -> int | None:
        """Return what one USDT is worth in USD, at `FINE` decimals; nothing without enough fresh sources."""
        rates = []
        for line in self._lines:
            known = self._prices.get((line.source_id, line.pair)) if line.is_rate else None
            if known is not None and now_ms - known.time_ms <= SOURCE_AGE_MAX_MS:
                rates.append(known.fine)
        if len(rates) < RATE_SOURCES_MIN:
            return None
        rates.sort()
        return (rates[len(rates) // 2] + rates[(len(rates) - 1) // 2]) // 2

    def take(self, now_ms: int) -> list[Observation]:
        """Return each source's price that is newer than what it gave last and still counts."""
        rate = self.rate(now_ms)
        taken = []
        for line in self._lines:
            known = self._prices.get((line.source_id, line.pair))
            key = (line.index_id, line.source_id)
            if known is None or known.time_ms <= self._given_ms.get(key, -1):
                continue
            if now_ms - known.time_ms > SOURCE_AGE_MAX_MS or (line.is_converted and rate is None):
                continue
            price = _at_scale(known.fine, rate if line.is_converted else None, line.price_decimals)
            if 0 < price <= PRICE_MAX:
                self._given_ms[key] = known.time_ms
                taken.append(Observation(line.index_id, line.source_id, price, known.time_ms))
        return taken


def _at_scale(fine: int, rate: int | None, decimals: int) -> int:
    """Return a fine price, times the rate if there is one, at an index's scale. Rounds: half up."""
    numerator, places = (fine, FINE - decimals) if rate is None else (fine * rate, 2 * FINE - decimals)
    divisor = _POWERS[places]
    return (2 * numerator + divisor) // (2 * divisor)
