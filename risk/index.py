"""The index price from the observations of its sources."""

from typing import Final

from risk.fixed import div_half_up

PAIR_GAP_DIVISOR: Final = 200
"""Two sources agree when they are within 1/200 (0.5%) of the lower one."""


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


def average(selected: list[tuple[int, int]]) -> int:
    """Return the mean of the selected prices. Rounds: half up. Requires: at least one."""
    total = 0
    for price, _ in selected:
        total += price
    return div_half_up(total, len(selected))
