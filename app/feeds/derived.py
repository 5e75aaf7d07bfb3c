"""Indices that are made of the exchange's own markets: the volatility index and the index of the variance swap.

Such an index has one source, ourselves. Its name says what it is made of: PVIXBTC from the options on BTC_USD, PVARBTC from the
index BTC_USD.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, final

from app.models.realised import variance_points
from app.models.volatility_index import Smoothed, average_rate
from exchange import views
from exchange.commands import UpdateIndexPrice
from exchange.exchange import Exchange
from exchange.instrument import IndexTerms
from exchange.limits import PRICE_MAX
from exchange.views import MarketView

VOLATILITY: Final = "PVIX"
VARIANCE: Final = "PVAR"
SOURCE_ID: Final = 1
E12: Final = 10**12


class Derived(NamedTuple):
    """A derived index. `price` is what it stands at, in price units, 0 before its first."""

    index_id: int
    prefix: str
    underlying_id: int
    price_decimals: int
    price: int


def is_derived(terms: IndexTerms) -> bool:
    """Tell whether an index is made here: no feed of outside prices observes it."""
    return terms.symbol.startswith((VOLATILITY, VARIANCE))


def fresh_outside(exchange: Exchange) -> dict[str, bool]:
    """Tell of each index of outside prices, by symbol, whether its price is young enough to open positions with.

    A derived one may have no price and nothing be wrong: PVIX has none while no option pays funding.
    """
    return {terms.symbol: is_fresh for terms, is_fresh in views.fresh_indices(exchange) if not is_derived(terms)}


def find(indices: Sequence[tuple[IndexTerms, int]]) -> list[Derived]:
    """Return the derived ones of these indices, each given with its price; one without its underlying index is left out."""
    ids = {terms.symbol: terms.index_id for terms, _ in indices}
    found = []
    for terms, price in indices:
        if is_derived(terms):
            prefix = VOLATILITY if terms.symbol.startswith(VOLATILITY) else VARIANCE
            underlying_id = ids.get(terms.symbol.removeprefix(prefix).removesuffix("_USD") + "_USD")
            if underlying_id is not None:
                found.append(Derived(terms.index_id, prefix, underlying_id, terms.price_decimals, price))
    return found


@final
class DerivedIndices:
    """Observes them. The EMA of a volatility index goes on where the exchange stands."""

    def __init__(self) -> None:
        self._smoothed: dict[int, Smoothed] = {}

    def observe(
        self,
        indices: Sequence[Derived],
        options: Sequence[MarketView],
        variances: Mapping[int, float],
        time_ms: int,
    ) -> list[UpdateIndexPrice]:
        """Return an observation of each index that has something to be made of; the others hold.

        `variances` are the realised ones by index id, of the indices that are fresh.
        """
        observed = []
        for index in indices:
            points = self._points(index, options, variances)
            if points is not None:
                price = min(max(1, round(points * 10.0**index.price_decimals)), PRICE_MAX)
                observed.append(UpdateIndexPrice(index.index_id, SOURCE_ID, price, time_ms))
        return observed

    def _points(self, index: Derived, options: Sequence[MarketView], variances: Mapping[int, float]) -> float | None:
        if index.prefix == VARIANCE:
            variance = variances.get(index.underlying_id)
            return None if variance is None else variance_points(variance)
        sample = average_rate(rates(options, index.underlying_id))
        if sample is None:
            return None
        smoothed = self._smoothed.get(index.index_id)
        if smoothed is None:
            start = index.price / 10.0**index.price_decimals if index.price else None
            smoothed = self._smoothed[index.index_id] = Smoothed(start)
        return smoothed.take(sample)


def rates(options: Sequence[MarketView], underlying_id: int) -> list[float]:
    """Return the hourly funding rates of the options on an index that have a two-sided book and a mark."""
    return [
        view.funding_rate_e12 / E12
        for view in options
        if view.instrument.index_id == underlying_id and view.fair_price > 0 and view.mark_price > 0
    ]
