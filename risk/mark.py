"""The mark price: what the book says is fair, how far from the index that may carry, and the methods of making it."""

from typing import Final

from risk.fixed import div_half_up, div_up
from risk.index import EMA_SCALE
from risk.margin import PPM

MARK_EMA_LENGTH: Final = 61
"""The EMA60 of fair - base in steps of 1 s: alpha = 2 / (60 + 1)."""
NEAR_DIVISOR: Final = 10
"""A side's best price is the first at which 1/10 of the impact depth is displayed: one lot does not set it."""
OPTION_FALL_PPM: Final = 30_000
"""An option's mark is at most 3% of the underlying below its index."""
OPTION_RISE_PPM: Final = 50_000
"""An option's mark is at most 5% of the underlying above its index."""
OPTION_MODEL_PPM: Final = 10_000
"""An option's mark stays within 1% of the underlying of a fresh model value."""
RATE_E12: Final = 10**12


def fair_bid(best: int, impact_value: int, impact_qty: int, margin_ppm: int) -> int:
    """Return max(impact bid, (1 - m) best bid). Rounds: each down, away from the other side."""
    return max(impact_value // impact_qty, best * (PPM - margin_ppm) // PPM)


def fair_ask(best: int, impact_value: int, impact_qty: int, margin_ppm: int) -> int:
    """Return min(impact ask, (1 + m) best ask). Rounds: each up, away from the other side."""
    return min(div_up(impact_value, impact_qty), div_up(best * (PPM + margin_ppm), PPM))


def basis_e9(bid: int, ask: int, base: int) -> int:
    """Return fair - base with fair the mid of the fair bid and ask: exact. Units: 10^-9 of a price unit."""
    return (bid + ask - 2 * base) * (EMA_SCALE // 2)


def with_basis(base: int, ema: int) -> int:
    """Return the base with the EMA of the basis on it. Rounds: half up."""
    return base + div_half_up(ema, EMA_SCALE)


def with_funding(index: int, rate_e12: int, left_ms: int, interval_ms: int) -> int:
    """Return I (1 + FR t/T), t of T left until the next funding. Rounds: half up."""
    return index + div_half_up(index * rate_e12 * left_ms, RATE_E12 * interval_ms)


def median(first: int, second: int, third: int) -> int:
    """Return the middle one of three prices."""
    return max(min(first, second), min(max(first, second), third))


def clamp(price: int, low: int, high: int) -> int:
    """Return the price in the range that is nearest; the low end where the range is empty."""
    return max(low, min(price, high))


def clamp_future(price: int, index: int, clamp_ppm: int) -> int:
    """Keep a future's mark within I (1 +- z), z = 0 for no bound; at least 1. Rounds: the bounds into the range."""
    if clamp_ppm:
        price = clamp(price, div_up(index * (PPM - clamp_ppm), PPM), index * (PPM + clamp_ppm) // PPM)
    return max(1, price)


def clamp_option(price: int, index: int, underlying: int, ceiling: int, model: int) -> int:
    """Keep an option's mark within what it can be worth: near its index, and near a fresh model value (0: none).

        [max(1, I - 3% U), min(I + 5% U, ceiling)], within it model +- 1% U

    `ceiling` is U for a call, K for a put. Where both ranges cannot be kept the index's is. Rounds: the bounds into the
    range. Source: rules, section 3.
    """
    if model:
        reach = underlying * OPTION_MODEL_PPM // PPM
        price = clamp(price, model - reach, model + reach)
    low = max(1, index - underlying * OPTION_FALL_PPM // PPM)
    high = min(index + underlying * OPTION_RISE_PPM // PPM, ceiling)
    return clamp(price, low, high)
