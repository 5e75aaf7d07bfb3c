"""The index price from the observations of its sources, its slow average, and the strikes that hang on that."""

from typing import Final

from risk.fixed import div_half_up
from risk.margin import PPM

PAIR_GAP_DIVISOR: Final = 200
"""Two sources agree when they are within 1/200 (0.5%) of the lower one."""
EMA_SCALE: Final = 10**9
"""EMAs are kept at 10^-9 of a price unit and rounded only when read."""
STRIKE_EMA_LENGTH: Final = 72_001
"""The EMA of 100 hours in steps of 5 s: alpha = 2 / (72,000 + 1)."""


def select(prices: list[tuple[int, int]], is_single_allowed: bool) -> list[tuple[int, int]]:
    """Return the (price, source id) pairs that make the index; empty means hold the last one.

    Three or more: the k = max(1, (n + 2) // 4) nearest the median, with all that tie for the last place. Two: both, if
    they agree. One: only where the index allows it. Source: rules, section 3 (Everstrike: "75% dropped").
    """
    count = len(prices)
    if count == 0 or (count == 1 and not is_single_allowed):
        return []
    ordered = sorted(prices)
    if count == 1:
        return ordered
    if count == 2:
        low, high = ordered[0][0], ordered[1][0]
        return ordered if (high - low) * PAIR_GAP_DIVISOR <= low else []
    median_twice = ordered[count // 2][0] + ordered[(count - 1) // 2][0]
    distances = sorted([abs(2 * price - median_twice) for price, _ in ordered])
    farthest = distances[max(1, (count + 2) // 4) - 1]
    return [(price, source) for price, source in ordered if abs(2 * price - median_twice) <= farthest]


def average(selected: list[tuple[int, int]], weights: dict[int, int]) -> int:
    """Return the mean of the selected prices by the weights of their sources; a source that has none weighs 1.

    Rounds: half up. Requires: at least one, all weights above 0.
    """
    total = 0
    whole = 0
    for price, source_id in selected:
        weight = weights.get(source_id, 1)
        total += price * weight
        whole += weight
    return div_half_up(total, whole)


def next_ema(ema: int, sample_e9: int, length: int) -> int:
    """Return the EMA after one more sample: ema + 2 (sample - ema) / length. Units: 10^-9 of a price unit.

    Rounds: the step down, so that the EMA stops within `length` / 2 of its own units of a constant sample.
    """
    return ema + 2 * (sample_e9 - ema) // length


def strike_price(ema: int, multiplier_ppm: int, tick: int) -> int:
    """Return the strike that the index's EMA gives: multiplier x EMA. Rounds: half up to a tick; at least a tick."""
    return max(tick, div_half_up(ema * multiplier_ppm, EMA_SCALE * PPM * tick) * tick)
