"""What the model says about each option, from what the exchange shows: one volatility for each strike, one valuation for its call
and its put.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Final, NamedTuple, final

from app.models.black_scholes import black_scholes
from app.models.everlasting import FUNDING_PERIOD_H, HOURS_PER_YEAR, Basket, Valuation, quick_points
from app.models.implied import CAP, FLOOR, implied_volatility
from app.models.strikes import drift, hourly_cost, intrinsic, option_index
from exchange.commands import OptionModel
from exchange.instrument import InstrumentKind
from exchange.limits import PRICE_MAX
from exchange.views import MarketView

VOLATILITY_STEP_S: Final = 5
"""How often a strike's volatility moves. Strikes take turns, since finding what a book implies is most of the work."""
VOLATILITY_ALPHA: Final = 2 / 121
"""An EMA of ten minutes: slower than the mark's own, so that no quote of a minute moves the model."""
IMPLIED_SPREAD: Final = 2.0
"""What a book implies counts between half and double of the realised volatility."""
DATED_YEARS: Final = (FUNDING_PERIOD_H + 1) / HOURS_PER_YEAR
"""When the basket of an everlasting option ends on average."""
FAIR_PRECISION: Final = 0.5
"""A fair price is a whole number of price units."""
PPM: Final = 10**6
WHOLE_MAX: Final = 2**63 - 1
HOURS_PER_DAY: Final = 24

Strike = tuple[int, int]
"""An index's id and the multiplier in ppm: a call and a put share it."""


class _Terms(NamedTuple):
    """An option as the model sees it. Units: price units."""

    is_call: bool
    spot: float
    strike: float
    multiplier: float


@final
class OptionModels:
    """Keeps the volatility of each strike, and values options with it."""

    def __init__(self) -> None:
        self._basket = Basket(quick_points())
        self._volatilities: dict[Strike, float] = {}
        self._implied: dict[int, float] = {}

    def make(
        self, options: Sequence[MarketView], variances: Mapping[int, float], time_ms: int
    ) -> tuple[OptionModel, ...]:
        """Return the models of those options that have one.

        `variances` are the realised ones by index id, of the indices that are fresh: an option on another one has no model, nor has
        one without a strike.
        """
        by_strike: dict[Strike, list[MarketView]] = {}
        for view in options:
            index_id = view.instrument.index_id
            if index_id in variances and terms_of(view) is not None:
                by_strike.setdefault((index_id, view.instrument.strike_ppm), []).append(view)
        models: list[OptionModel] = []
        for turn, (key, views) in enumerate(by_strike.items(), time_ms // 1_000):
            realised = min(max(sqrt(max(0.0, variances[key[0]])), FLOOR), CAP)
            volatility = self._volatilities.get(key, 0.0)
            if not volatility or turn % VOLATILITY_STEP_S == 0:
                volatility = self._move_volatility(key, views, realised)
            valuations: dict[int, Valuation] = {}
            models += [model for view in views if (model := self._model(view, volatility, valuations)) is not None]
        return tuple(sorted(models, key=lambda model: model.market_id))

    def _move_volatility(self, key: Strike, views: list[MarketView], realised: float) -> float:
        """Let the volatility of a strike follow what its books imply, or what the index did."""
        implied = [found for view in views if (found := self._implied_by(view, realised)) is not None]
        target = sum(implied) / len(implied) if implied else realised
        target = min(max(target, realised / IMPLIED_SPREAD), realised * IMPLIED_SPREAD)
        before = self._volatilities.get(key) or stored_volatility(views) or target
        volatility = min(max(before + VOLATILITY_ALPHA * (target - before), FLOOR), CAP)
        self._volatilities[key] = volatility
        return volatility

    def _implied_by(self, view: MarketView, guess: float) -> float | None:
        """Return the volatility at which the model gives the fair price; None without one."""
        terms = terms_of(view)
        if terms is None or view.fair_price <= 0:
            return None
        try:
            found = implied_volatility(
                self._basket,
                price=float(view.fair_price),
                is_call=terms.is_call,
                spot=terms.spot,
                strike=terms.strike,
                multiplier=terms.multiplier,
                guess=self._implied.get(view.market_id, guess),
                precision=FAIR_PRECISION,
            )
        except (ArithmeticError, ValueError):
            return None
        self._implied[view.market_id] = found
        return found

    def _model(self, view: MarketView, volatility: float, valuations: dict[int, Valuation]) -> OptionModel | None:
        """Return an option's model; None where the numbers are beyond computing. `valuations` are this strike's, by strike price."""
        terms = terms_of(view)
        if terms is None:
            return None
        try:
            found = valuations.get(view.strike)
            if found is None:
                found = valuations[view.strike] = self._basket.value(
                    spot=terms.spot, strike=terms.strike, multiplier=terms.multiplier, volatility=volatility
                )
            return model_of(view, terms, volatility, found)
        except (ArithmeticError, ValueError):
            return None


def terms_of(view: MarketView) -> _Terms | None:
    """Return what the model needs of an option; None without an index price or a strike."""
    instrument = view.instrument
    if not 0 < view.underlying_price <= PRICE_MAX or not 0 < view.strike <= PRICE_MAX or instrument.strike_ppm <= 0:
        return None
    is_call = instrument.kind is InstrumentKind.CALL
    return _Terms(is_call, float(view.underlying_price), float(view.strike), instrument.strike_ppm / PPM)


def stored_volatility(views: Sequence[MarketView]) -> float:
    """Return the volatility of the last model that the exchange has of a strike, with which to go on after a start; 0: none."""
    known = [view.model.volatility_ppm for view in views if view.model is not None]
    return max(known, default=0) / PPM


def model_of(view: MarketView, terms: _Terms, volatility: float, valuation: Valuation) -> OptionModel:
    """Return a valuation in the units of the command.

    Raises: ValueError or OverflowError when a number is not finite.
    """
    instrument = view.instrument
    is_call, spot, strike = terms.is_call, terms.spot, terms.strike
    floor = instrument.intrinsic_floor_ppm / PPM
    scale = 10.0**instrument.price_decimals
    value = valuation.call if is_call else valuation.put
    # What a day of standing still costs in funding: an everlasting option does not decay, its holder pays.
    day = -HOURS_PER_DAY * hourly_cost(
        value=value,
        payoff=intrinsic(is_call=is_call, spot=spot, strike=strike),
        index=max(1.0, option_index(is_call=is_call, spot=spot, strike=strike, floor=floor)),
        period_h=instrument.funding_period_h,
        is_premium_on_mark=instrument.is_premium_on_mark,
    )
    dated = black_scholes(is_call=is_call, spot=spot, strike=strike, volatility=volatility, years=DATED_YEARS)
    moved = drift(is_call=is_call, spot=spot, strike=strike, multiplier=terms.multiplier, floor=max(floor, 1 / spot))
    return OptionModel(
        market_id=view.market_id,
        price=min(max(1, whole(value)), PRICE_MAX),
        volatility_ppm=whole(volatility * PPM),
        black_scholes=max(0, whole(dated)),
        delta_ppm=whole((valuation.call_delta if is_call else valuation.put_delta) * PPM),
        gamma_e12=whole(valuation.gamma * scale * 1e12),
        vega_e8=whole(valuation.vega / 100 / scale * 1e8),
        theta_e8=whole(day / scale * 1e8),
        drift_ppm=whole(moved * PPM),
    )


def whole(number: float) -> int:
    """Return the nearest integer that a journal can hold. Raises: ValueError or OverflowError when there is none."""
    return min(max(round(number), -WHOLE_MAX), WHOLE_MAX)
