"""The value of an option that ends at one time, by Black and Scholes, without interest."""

from math import erfc, log, sqrt
from typing import Final

SQRT_HALF: Final = sqrt(0.5)


def cumulative(x: float) -> float:
    """Return how likely a standard normal variable is below x."""
    return 0.5 * erfc(-x * SQRT_HALF)


def black_scholes(*, is_call: bool, spot: float, strike: float, volatility: float, years: float) -> float:
    """Return the value of a call or a put.

        d1 = ln(S/K)/s + s/2,  d2 = d1 - s,  s = volatility sqrt(T)
        call = S N(d1) - K N(d2),  put = K N(-d2) - S N(-d1)

    Units: any price; a year is 1. Requires: spot, strike, volatility and years above 0.
    """
    deviation = volatility * sqrt(years)
    upper = log(spot / strike) / deviation + deviation / 2
    lower = upper - deviation
    if is_call:
        return spot * cumulative(upper) - strike * cumulative(lower)
    return strike * cumulative(-lower) - spot * cumulative(-upper)
