"""The everlasting option: worth a basket of dated ones, since its funding buys or sells a share of it each hour.

Who holds one pays (mark - payoff) / F an hour. That is the same as a basket in which the option that ends i hours from now
weighs w_i = phi/(1+phi) (1+phi)^-(i-1), phi = 1/F: each hour the first one pays off, the rest moves up, and the fee
restores the basket. Source: White and Bankman-Fried, Everlasting Options, 2021.
"""

from collections.abc import Sequence
from math import erfc, exp, log, pi, pow, sqrt
from typing import Final, NamedTuple, final

from app.models.black_scholes import SQRT_HALF
from app.models.quadrature import geometric_rule

HOURS_PER_YEAR: Final = 8_760.0
FUNDING_PERIOD_H: Final = 10
PHI: Final = 1 / FUNDING_PERIOD_H
STRIKE_ALPHA: Final = 2 / 101
"""What a strike moves in an hour of its way to the multiple of the index: an EMA of 100 hours."""
TAIL: Final = 1e-9
"""Options that weigh less than this together are left out."""
EXACT_HOURS: Final = 48
TAIL_POINTS: Final = 8
"""Points that stand for all hours after the exact ones."""
ROOT_TWO_PI: Final = sqrt(2 * pi)


class Valuation(NamedTuple):
    """An everlasting call and put of one strike, and how they change.

    `delta` is for one unit of the underlying's price, `gamma` the change of either delta, `vega` the change of either value for
    a volatility higher by 1 (100 points).
    """

    call: float
    put: float
    call_delta: float
    put_delta: float
    gamma: float
    vega: float


def weights(phi: float, count: int) -> list[float]:
    """Return the weights of the options that end after 1 to `count` fundings."""
    return [phi / (1 + phi) * pow(1 + phi, 1 - i) for i in range(1, count + 1)]


def hourly_points(phi: float = PHI) -> list[tuple[float, float]]:
    """Return (hours, weight) of each option of the basket, up to a tail that weighs less than 10^-9 and goes to the last one."""
    count = 1
    while pow(1 + phi, -count) >= TAIL:
        count += 1
    found = weights(phi, count)
    found[-1] += pow(1 + phi, -count)
    return [(float(i), weight) for i, weight in enumerate(found, 1)]


def quick_points(phi: float = PHI) -> list[tuple[float, float]]:
    """Return points that stand for `hourly_points`: two days of them exactly, and Gauss points for what follows.

    A quarter of the work. Values agree with the whole sum to 2 x 10^-7 of the underlying at 10% volatility, to 2 x 10^-8 from 20% on.
    """
    tail = pow(1 + phi, -EXACT_HOURS)
    exact = [(float(i), weight) for i, weight in enumerate(weights(phi, EXACT_HOURS), 1)]
    rest = geometric_rule(TAIL_POINTS, 1 / (1 + phi))
    return exact + [(EXACT_HOURS + 1 + hours, weight * tail) for hours, weight in rest]


@final
class Basket:
    """The dated options that one everlasting option is worth.

    A strike that follows multiplier x EMA of the index moves: with b = 1 - alpha, the one of hour t is expected at
    K_t = mS + (K - mS) b^t, and since it follows the index, only (1 - b^2t)/(1 - b^2) hours of variance stand between the two, not t.
    So the option of hour t is one to exchange K_t for S (Margrabe): Black-Scholes with strike K_t and that variance. `alpha` 0 is a
    strike that stays.
    """

    def __init__(self, points: Sequence[tuple[float, float]], alpha: float = STRIKE_ALPHA) -> None:
        keep = 1 - alpha
        self._terms = tuple(
            (weight, pow(keep, hours), sqrt(_variance_hours(hours, keep) / HOURS_PER_YEAR)) for hours, weight in points
        )
        self._stay = sum(weight * pull for weight, pull, _ in self._terms)

    def forward(self, spot: float, strike: float, multiplier: float) -> float:
        """Return call - put: the underlying less the strike that the basket expects."""
        target = multiplier * spot
        return spot - target - (strike - target) * self._stay

    def value(self, *, spot: float, strike: float, multiplier: float, volatility: float) -> Valuation:
        """Return the values of a call and a put, and how they change.

        Units: any price; volatility for a year. Requires: all four above 0.
        """
        target = multiplier * spot
        gap = strike - target
        call = delta = gamma = vega = 0.0
        for weight, pull, root in self._terms:
            path = target + gap * pull
            deviation = volatility * root
            upper = log(spot / path) / deviation + deviation / 2
            above = 0.5 * erfc(-upper * SQRT_HALF)
            below = 0.5 * erfc((deviation - upper) * SQRT_HALF)
            call += weight * (spot * above - path * below)
            delta += weight * (above - multiplier * (1 - pull) * below)
            density = weight * exp(-upper * upper / 2)
            own = strike * pull / path  # the part of the strike that does not move with the underlying
            gamma += density * own * own / deviation
            vega += density * root
        put = call - self.forward(spot, strike, multiplier)
        return Valuation(
            call=max(0.0, call),
            put=max(0.0, put),
            call_delta=delta,
            put_delta=delta - 1 + multiplier * (1 - self._stay),
            gamma=gamma / (ROOT_TWO_PI * spot),
            vega=spot * vega / ROOT_TWO_PI,
        )


def _variance_hours(hours: float, keep: float) -> float:
    """Return the hours of the underlying's variance between it and its strike after `hours`."""
    return hours if keep == 1 else (1 - pow(keep, 2 * hours)) / (1 - keep * keep)


def closed_form(
    *, is_call: bool, spot: float, strike: float, volatility: float, years: float, rate: float = 0.0
) -> float:
    """Return the value under funding that never pauses, with a strike that stays; `years` is the funding period.

        p, q = the roots of  v^2/2 x (x - 1) + r x - (r + 1/T) = 0,  p > 0 > q
        S >= K:  call = S - K/(1 + rT) + A (S/K)^q,   A = K (1 - p rT/(1 + rT)) / (p - q)
        S <  K:  call = B (S/K)^p,                    B = A + K rT/(1 + rT)
        put = call - S + K/(1 + rT)

    Without interest it is (K/u) (S/K)^((1-u)/2) above the intrinsic value, u = sqrt(1 + 8/(v^2 T)).
    Source: Deri protocol, whitepaper; Paradex, option pricing. Requires: spot, strike, volatility and years above 0.
    """
    variance = volatility * volatility
    half = 0.5 - rate / variance
    root = sqrt(half * half + 2 * (rate + 1 / years) / variance)
    high, low = half + root, half - root
    cost = rate * years / (1 + rate * years)
    above = strike * (1 - high * cost) / (high - low)
    if spot >= strike:
        call = spot - strike * (1 - cost) + above * pow(spot / strike, low)
    else:
        call = (above + strike * cost) * pow(spot / strike, high)
    return call if is_call else call - spot + strike * (1 - cost)
