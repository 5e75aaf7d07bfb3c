"""The volatility at which the model gives a price."""

from typing import Final

from app.models.everlasting import Basket

FLOOR: Final = 0.1
CAP: Final = 5.0
ROUNDS_MAX: Final = 60
WIDTH_MIN: Final = 1e-7


def implied_volatility(
    basket: Basket,
    *,
    price: float,
    is_call: bool,
    spot: float,
    strike: float,
    multiplier: float,
    guess: float,
    precision: float,
) -> float:
    """Return the volatility, between the floor and the cap, at which the basket is worth `price`, to `precision`.

    A price below the value at the floor gives the floor, one above that at the cap the cap. Newton's steps where they stay
    between what is known to be too low and too high, halving where they do not.

    Requires: all numbers above 0. Cost: one valuation a step, 2 or 3 from a good guess.
    """
    call = price if is_call else price + basket.forward(spot, strike, multiplier)
    low, high = FLOOR, CAP
    volatility = min(max(guess, FLOOR), CAP)
    for _ in range(ROUNDS_MAX):
        found = basket.value(spot=spot, strike=strike, multiplier=multiplier, volatility=volatility)
        excess = found.call - call
        if excess > 0:
            high = volatility
        else:
            low = volatility
        if abs(excess) <= precision or high - low < WIDTH_MIN:
            break
        volatility = _next(volatility, excess, found.vega, low, high)
    return volatility


def _next(volatility: float, excess: float, vega: float, low: float, high: float) -> float:
    """Return where to look next: Newton's guess, a bound that is not tried yet, or the middle."""
    if vega > 0:
        guess = volatility - excess / vega
        if low < guess < high:
            return guess
        # A bound that is still the floor or the cap was never looked at, or is where the search stands.
        if guess <= low == FLOOR and volatility != FLOOR:
            return FLOOR
        if guess >= high == CAP and volatility != CAP:
            return CAP
    return (low + high) / 2
