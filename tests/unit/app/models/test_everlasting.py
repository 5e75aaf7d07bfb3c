"""The everlasting option: weights, moving strikes, derivatives, and what holds for every option."""

import random
from collections.abc import Iterator
from math import exp, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.black_scholes import black_scholes
from app.models.everlasting import (
    HOURS_PER_YEAR,
    PHI,
    STRIKE_ALPHA,
    Basket,
    Valuation,
    closed_form,
    hourly_points,
    quick_points,
    weights,
)
from app.models.quadrature import geometric_rule

EXACT = Basket(hourly_points())
QUICK = Basket(quick_points())
FIXED = Basket(hourly_points(), alpha=0)
MULTIPLIERS = (0.9, 0.95, 0.97, 0.99, 1.0, 1.01, 1.03, 1.05, 1.1)
EMAS = (0.8, 0.9, 0.97, 0.995, 1.0, 1.003, 1.02, 1.12)

spots = st.floats(0.01, 1e6)
strikes = st.floats(0.5, 2.0)
multipliers = st.sampled_from(MULTIPLIERS)
volatilities = st.floats(0.1, 5.0)


def value(
    basket: Basket, *, strike: float, volatility: float = 0.6, spot: float = 60_000, multiplier: float = 1
) -> Valuation:
    return basket.value(spot=spot, strike=strike, multiplier=multiplier, volatility=volatility)


def test_the_basket_holds_all_weight_and_ends_after_eleven_hours() -> None:
    """MOD-001."""
    for points in (hourly_points(), quick_points()):
        assert sum(weight for _, weight in points) == pytest.approx(1, abs=1e-12)
        assert sum(hours * weight for hours, weight in points) == pytest.approx(11, abs=1e-6)
    assert [weight for _, weight in hourly_points()[:3]] == pytest.approx([1 / 11, 10 / 121, 100 / 1331])
    assert (len(hourly_points()), len(quick_points())) == (218, 56)


def test_a_strike_that_stays_is_a_sum_of_black_scholes() -> None:
    """MOD-002: against the formula as it is written."""
    for strike in (57_000, 59_400, 60_600, 63_000):
        for is_call in (True, False):
            total = sum(
                weight * black_scholes(is_call=is_call, spot=60_000, strike=strike, volatility=0.6, years=i / 8760)
                for i, weight in enumerate(weights(PHI, 218), 1)
            )
            found = value(FIXED, strike=strike)
            assert found.call if is_call else found.put == pytest.approx(total, abs=1e-3)


def test_more_fundings_in_a_period_approach_the_closed_form() -> None:
    """MOD-003: the error falls with their number."""
    years = 10 / HOURS_PER_YEAR
    form = closed_form(is_call=True, spot=60_000, strike=60_600, volatility=0.6, years=years)
    errors = []
    for fundings in (10, 100, 1_000):
        points = [(hours * 10 / fundings, weight) for hours, weight in hourly_points(1 / fundings)]
        errors.append(abs(value(Basket(points, alpha=0), strike=60_600).call - form))
    assert errors[1] < errors[0] / 5 and errors[2] < errors[1] / 5
    assert errors[2] < 0.25


def test_moving_strikes_are_pinned() -> None:
    """MOD-004."""
    pins = {57_000: (2480.3447, 25.7992), 60_000: (403.2745, 403.2745), 63_000: (28.4697, 2483.0152)}
    for strike, (call, put) in pins.items():
        found = value(EXACT, strike=strike)
        assert (found.call, found.put) == pytest.approx((call, put), abs=1e-4)
        assert found.call - found.put == pytest.approx(-(strike - 60_000) * 9 / 11, abs=1e-4)
        assert EXACT.forward(60_000, strike, 1) == pytest.approx(-(strike - 60_000) * 9 / 11, abs=1e-4)


def simulated(strike: float, multiplier: float, volatility: float, pairs: int) -> tuple[list[float], list[float]]:
    """Return what the basket's payoffs are worth on paths of the underlying, calls and puts, each with its mirror image."""
    source = random.Random(20_261_121)
    spot, hours = 60_000.0, 120
    step = volatility / sqrt(HOURS_PER_YEAR)
    shares = weights(PHI, hours)
    calls, puts = [], []
    for _ in range(pairs):
        draws = [source.gauss(0, 1) for _ in range(hours)]
        call = put = 0.0
        for sign in (1, -1):
            price, ema = spot, strike / multiplier
            for draw, share in zip(draws, shares, strict=True):
                price *= exp(sign * step * draw - step * step / 2)
                ema += STRIKE_ALPHA * (price - ema)
                call += share * max(0.0, price - multiplier * ema) / 2
                put += share * max(0.0, multiplier * ema - price) / 2
        calls.append(call)
        puts.append(put)
    return calls, puts


@pytest.mark.parametrize("strike, multiplier, volatility", [(57_000, 1, 0.6), (60_000, 1, 0.6), (63_000, 1.05, 2.0)])
def test_moving_strikes_agree_with_simulated_paths(strike: float, multiplier: float, volatility: float) -> None:
    """MOD-005: and are told apart from strikes that stay."""
    calls, puts = simulated(strike, multiplier, volatility, pairs=1_500)
    found = value(EXACT, strike=strike, multiplier=multiplier, volatility=volatility)
    for paths, model in ((calls, found.call), (puts, found.put)):
        mean = sum(paths) / len(paths)
        error = sqrt(sum((path - mean) ** 2 for path in paths)) / len(paths)
        assert abs(model - mean) < 4 * error
    if strike == 57_000:
        assert value(FIXED, strike=strike).call - sum(calls) / len(calls) > 500


def grid(volatility: float) -> Iterator[tuple[Valuation, Valuation]]:
    for multiplier in MULTIPLIERS:
        for ema in EMAS:
            inputs = {"spot": 1.0, "strike": multiplier * ema, "multiplier": multiplier, "volatility": volatility}
            yield EXACT.value(**inputs), QUICK.value(**inputs)


@pytest.mark.parametrize("volatility, bound", [(0.1, 2e-7), (0.2, 2e-8), (0.3, 2e-8), (0.6, 2e-8), (5.0, 2e-8)])
def test_few_points_stand_for_all_hours(volatility: float, bound: float) -> None:
    """MOD-006."""
    for exact, quick in grid(volatility):
        assert abs(exact.call - quick.call) < bound and abs(exact.put - quick.put) < bound
        assert abs(exact.call_delta - quick.call_delta) < 1e-4
        assert abs(exact.vega - quick.vega) < 1e-5


def test_the_rule_is_exact_for_polynomials() -> None:
    """MOD-006: sum (1-c) c^k k^n for n < 2 x 4, c = 1/2: 1, 1, 3, 13, 75, 541, 4683, 47293."""
    rule = geometric_rule(4, 0.5)
    moments = [sum(weight * point**n for point, weight in rule) for n in range(8)]
    assert moments == pytest.approx([1, 1, 3, 13, 75, 541, 4683, 47293], rel=1e-9)


def test_derivatives_are_pinned() -> None:
    """MOD-007."""
    found = value(EXACT, strike=60_000)
    assert found.call_delta == pytest.approx(0.41323772, abs=1e-7)
    assert found.put_delta == pytest.approx(-0.40494410, abs=1e-7)
    assert found.gamma == pytest.approx(0.00036605, abs=1e-8)
    assert found.vega == pytest.approx(672.1014, abs=1e-3)


@pytest.mark.parametrize("basket", [EXACT, QUICK, FIXED], ids=["exact", "quick", "fixed"])
@pytest.mark.parametrize("multiplier, strike", [(0.9, 54_000), (1.0, 58_500), (1.0, 60_000), (1.05, 61_000)])
def test_derivatives_are_those_of_the_value(basket: Basket, multiplier: float, strike: float) -> None:
    """MOD-007: against differences."""
    at = value(basket, strike=strike, multiplier=multiplier)
    step = 5.0
    up, down = (value(basket, strike=strike, multiplier=multiplier, spot=60_000 + move) for move in (step, -step))
    assert at.call_delta == pytest.approx((up.call - down.call) / (2 * step), abs=1e-5)
    assert at.put_delta == pytest.approx((up.put - down.put) / (2 * step), abs=1e-5)
    assert at.gamma == pytest.approx((up.call_delta - down.call_delta) / (2 * step), rel=1e-3)
    dear, cheap = (value(basket, strike=strike, multiplier=multiplier, volatility=0.6 + move) for move in (1e-4, -1e-4))
    assert at.vega == pytest.approx((dear.call - cheap.call) / 2e-4, rel=1e-4, abs=1e-3)


@given(spots, strikes, multipliers, volatilities)
def test_what_holds_for_every_option(spot: float, moneyness: float, multiplier: float, volatility: float) -> None:
    """MOD-008."""
    strike = spot * moneyness
    slack = 1e-9 * spot
    inputs = {"spot": spot, "strike": strike, "multiplier": multiplier, "volatility": volatility}
    found = QUICK.value(**inputs)
    forward = QUICK.forward(spot, strike, multiplier)
    assert found.call >= max(0.0, forward) - slack and found.put >= max(0.0, -forward) - slack
    assert found.call <= spot + slack
    dearer = QUICK.value(**{**inputs, "volatility": volatility * 1.1})
    assert dearer.call >= found.call - slack and dearer.put >= found.put - slack
    higher = QUICK.value(**{**inputs, "strike": strike * 1.01})
    assert higher.call <= found.call + slack and higher.put >= found.put - slack
    double = QUICK.value(**{**inputs, "spot": 2 * spot, "strike": 2 * strike})
    assert double.call == pytest.approx(2 * found.call, rel=1e-9, abs=slack)
    assert double.call_delta == pytest.approx(found.call_delta, rel=1e-6, abs=1e-9)
