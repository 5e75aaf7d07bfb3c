"""A market of our own making: seeded random walks in integers, the same for the same seed."""

import random
from collections.abc import Mapping, Sequence
from typing import Final, final

from app.feeds.base import LocalFeed
from app.feeds.health import STREAMING, SourceHealth
from app.wire import MONEY_DECIMALS
from exchange.commands import UpdateIndexPrice
from exchange.instrument import IndexTerms

SOURCES: Final = 3
"""Sources of each index: the fewest from which the core drops the odd one out."""
STEP_PPM: Final = 180
"""Largest move of one second; a uniform step up to it has the variance of some 60% a year."""
STABLE_STEP_PPM: Final = 5
NOISE_PPM: Final = 20
"""How far a source may be from the walk."""
FINE: Final = 10**6
"""Walks move at 10^-6 of a price unit, so that cheap assets move at all."""
PPM: Final = 10**6
_POWERS: Final[tuple[int, ...]] = tuple(10**k for k in range(MONEY_DECIMALS + 1))


@final
class SyntheticFeed(LocalFeed):
    """Random walks around the start prices, one observation of each source a second.

    An index of a base in USDT is the base's walk in USD divided by that of USDT_USD: the same asset has one worth. A walk stays
    within half and double of its start, USDT within 1%. `prices` are the prices, where there are any, at which the walks go on.

    Units: price units of the index, by index id.
    """

    def __init__(
        self, indices: Sequence[IndexTerms], starts: Mapping[int, int], seed: int, *, prices: Mapping[int, int]
    ) -> None:
        self._random = random.Random(seed)
        self._second = -1
        self._takes = 0
        by_symbol = {terms.symbol: terms for terms in indices}
        self._tether = by_symbol.get("USDT_USD")
        self._walks: dict[int, int] = {}
        self._bounds: dict[int, tuple[int, int, int]] = {}
        self._quotients: list[tuple[IndexTerms, IndexTerms]] = []
        for terms in indices:
            dollars = by_symbol.get(terms.symbol.removesuffix("USDT") + "USD")
            if terms.symbol.endswith("_USDT") and dollars is not None and self._tether is not None:
                self._quotients.append((terms, dollars))
            else:
                self._begin(terms, starts[terms.index_id], prices.get(terms.index_id, 0))

    def _begin(self, terms: IndexTerms, start: int, price: int) -> None:
        middle = start * FINE
        walk = price * FINE if price > 0 else middle
        if terms is self._tether:
            low, high, step_ppm = middle - middle // 100, middle + middle // 100, STABLE_STEP_PPM
        else:
            low, high, step_ppm = middle // 2, middle * 2, STEP_PPM
        self._walks[terms.index_id] = walk
        self._bounds[terms.index_id] = (min(low, walk), max(high, walk), step_ppm)

    def take(self, time_ms: int) -> list[UpdateIndexPrice]:
        """Move each walk once and observe it, unless this second was taken before."""
        second = time_ms // 1_000
        if second <= self._second:
            return []
        self._second = second
        self._takes += 1
        observed = []
        for index_id in self._walks:
            price = self._step(index_id)
            observed += [self._observe(index_id, source_id, price, time_ms) for source_id in range(1, SOURCES + 1)]
        for terms, dollars in self._quotients:
            price = self._in_tether(terms, dollars)
            observed += [self._observe(terms.index_id, source, price, time_ms) for source in range(1, SOURCES + 1)]
        return observed

    def health(self) -> list[SourceHealth]:
        """Return its sources, which cannot fall ill."""
        count = len(self._walks) + len(self._quotients) if self._takes else 0
        return [
            SourceHealth(
                source_id,
                f"synthetic-{source_id}",
                STREAMING,
                pairs=len(self._walks) + len(self._quotients),
                fresh=count,
                age_ms=0 if count else -1,
                prices=count * self._takes,
            )
            for source_id in range(1, SOURCES + 1)
        ]

    def _step(self, index_id: int) -> int:
        low, high, step_ppm = self._bounds[index_id]
        walk = self._walks[index_id]
        walk += walk * self._random.randint(-step_ppm, step_ppm) // PPM
        walk = min(max(walk, low), high)
        self._walks[index_id] = walk
        return walk

    def _in_tether(self, terms: IndexTerms, dollars: IndexTerms) -> int:
        """Return a walk in USD as one in USDT, at the scale of the USDT index."""
        assert self._tether is not None
        tether = self._walks[self._tether.index_id]
        walk = self._walks[dollars.index_id] * FINE * _POWERS[self._tether.price_decimals] // tether
        return walk * _POWERS[terms.price_decimals] // _POWERS[dollars.price_decimals]

    def _observe(self, index_id: int, source_id: int, walk: int, time_ms: int) -> UpdateIndexPrice:
        noise = walk * self._random.randint(-NOISE_PPM, NOISE_PPM) // PPM
        return UpdateIndexPrice(index_id, source_id, max(1, (walk + noise + FINE // 2) // FINE), time_ms)
