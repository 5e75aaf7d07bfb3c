"""The feed of what is computed from the exchange itself, with exp, log and erf: model values of options, derived indices.

It reads the running exchange and answers with commands, once a second, as any feed does. What it keeps (the volatility of each
strike, the variances, the smoothed volatility index) comes back after a start from the exchange's state and the stored candles.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, final

from app.db.queries import Queries
from app.db.rows import Basis
from app.feeds.derived import VARIANCE, Derived, DerivedIndices, find
from app.feeds.option_models import OptionModels
from app.models.realised import SLOT_MS, SLOTS, RealisedVariance
from exchange import views
from exchange.commands import UpdateIndexPrice, UpdateOptionModels
from exchange.exchange import Exchange
from exchange.instrument import InstrumentKind
from exchange.limits import OPTION_MODELS_MAX, SOURCE_AGE_MAX_MS
from exchange.views import MarketView

ASSUMED_VARIANCE: Final = 0.36
"""60% volatility, until an index has moved for 24 hours under our eyes."""
OPTIONS: Final = (InstrumentKind.CALL, InstrumentKind.PUT)

Computed: TypeAlias = UpdateIndexPrice | UpdateOptionModels


@final
class ModelFeed:
    """Computes once a second. `exchange` gives the exchange as it is now: a fault may have replaced it."""

    def __init__(self, exchange: Callable[[], Exchange]) -> None:
        self._exchange = exchange
        self._second = -1
        self._realised: dict[int, RealisedVariance] = {}
        self._models = OptionModels()
        self._derived = DerivedIndices()

    async def recall(self, queries: Queries, time_ms: int) -> None:
        """Learn from the stored candles how the underlying indices moved in the last 24 hours."""
        exchange = self._exchange()
        for index_id in underlying_ids(option_views(exchange), derived_indices(exchange)):
            candles = await queries.candles(
                index_id,
                basis=Basis.INDEX,
                interval_ms=SLOT_MS,
                start_ms=time_ms - (SLOTS + 1) * SLOT_MS,
                end_ms=time_ms,
            )
            realised = self._realised[index_id] = RealisedVariance(ASSUMED_VARIANCE)
            realised.recall((candle.open_ms, float(candle.close)) for candle in candles)

    def take(self, time_ms: int) -> list[Computed]:
        """Return observations of the derived indices and the models of all options, unless this second was taken before."""
        second = time_ms // 1_000
        if second <= self._second:
            return []
        exchange = self._exchange()
        options = option_views(exchange)
        derived = derived_indices(exchange)
        variances = self._variances(exchange, underlying_ids(options, derived), time_ms)
        if variances:  # a second without a fresh index may still get one
            self._second = second
        computed: list[Computed] = [*self._derived.observe(derived, options, variances, time_ms)]
        models = self._models.make(options, variances, time_ms)
        for at in range(0, len(models), OPTION_MODELS_MAX):
            computed.append(UpdateOptionModels(models[at : at + OPTION_MODELS_MAX], time_ms))
        return computed

    def _variances(self, exchange: Exchange, index_ids: Sequence[int], time_ms: int) -> dict[int, float]:
        """Take the indices' prices, and return the variance of each that is fresh."""
        found = {}
        for index_id in index_ids:
            index = exchange.state.indices.get(index_id)
            if index is None or index.price <= 0 or time_ms - index.computed_ms > SOURCE_AGE_MAX_MS:
                continue
            realised = self._realised.get(index_id)
            if realised is None:
                realised = self._realised[index_id] = RealisedVariance(ASSUMED_VARIANCE)
            realised.observe(index.computed_ms, float(index.price))
            found[index_id] = realised.variance
        return found


def option_views(exchange: Exchange) -> list[MarketView]:
    """List the options."""
    return [
        view
        for market_id, market in exchange.state.markets.items()
        if market.instrument.kind in OPTIONS and (view := views.market(exchange, market_id)) is not None
    ]


def derived_indices(exchange: Exchange) -> list[Derived]:
    """List the derived indices."""
    return find([(index.terms, index.price) for index in exchange.state.indices.values()])


def underlying_ids(options: Sequence[MarketView], derived: Sequence[Derived]) -> list[int]:
    """List the indices whose variance is needed."""
    return sorted(
        {view.instrument.index_id for view in options}
        | {index.underlying_id for index in derived if index.prefix == VARIANCE}
    )
