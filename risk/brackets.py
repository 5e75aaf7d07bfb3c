"""Margin rates by size: brackets with cumulative deductions, as Binance and Bybit have them."""

from typing import Final, final

from risk.fixed import div_up
from risk.margin import RATE_SCALE

PPM_TO_RATE: Final = 10**11


@final
class Tier:
    """The rate (at 10^17) for entry notionals up to `notional_max`, and the deduction (money at 10^17) that makes the
    requirement continuous: D_k = D_(k-1) + cap_(k-1) x (r_k - r_(k-1)).
    """

    __slots__ = ("deduction", "notional_max", "rate")

    def __init__(self, notional_max: int, rate: int, deduction: int) -> None:
        self.notional_max: int = notional_max
        self.rate: int = rate
        self.deduction: int = deduction


def tiers(rows: list[tuple[int, int]]) -> list[Tier]:
    """Return the schedule of (cap in money, rate in ppm) rows. Requires: caps and rates rise."""
    found: list[Tier] = []
    for notional_max, rate_ppm in rows:
        rate = rate_ppm * PPM_TO_RATE
        deduction = 0
        if found:
            last = found[-1]
            deduction = last.deduction + last.notional_max * (rate - last.rate)
        found.append(Tier(notional_max, rate, deduction))
    return found


def tier_of(schedule: list[Tier], entry_notional: int) -> Tier:
    """Return the tier that a size falls into, beyond the last cap the last one."""
    for tier in schedule:
        if entry_notional <= tier.notional_max:
            return tier
    return schedule[-1]


def tier_rate(schedule: list[Tier], entry_notional: int) -> int:
    """Return the mean rate (at 10^17) of a size: (E r_k - D_k)/E with k the tier that E falls into.

    Rounds: up.
    """
    if entry_notional <= 0:
        return schedule[0].rate
    tier = tier_of(schedule, entry_notional)
    return div_up(entry_notional * tier.rate - tier.deduction, entry_notional)


def tiered_requirement(
    schedule: list[Tier], notional: int, rate: int, slope_ppb: int, entry_notional: int, floor_rate: int = 0
) -> int:
    """Return N x min(1, max(floor, rate + slope x E + (E r_k - D_k)/E)), as `risk.margin.requirement` with a mean rate more.

    Rounds: up, once.
    """
    tier = tier_of(schedule, entry_notional)
    size = max(1, entry_notional)
    total = (rate + slope_ppb * entry_notional + tier.rate) * size - tier.deduction
    total = min(max(total, floor_rate * size), RATE_SCALE * size)
    return div_up(notional * total, RATE_SCALE * size)
