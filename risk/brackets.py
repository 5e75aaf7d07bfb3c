"""Margin rates by size: brackets with cumulative deductions, as Binance and Bybit have them."""

from typing import Final, final

from risk.fixed import div_up

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


def tier_rate(schedule: list[Tier], entry_notional: int) -> int:
    """Return the mean rate (at 10^17) of a size: (E r_k - D_k)/E with k the tier that E falls into.

    Beyond the last cap the last tier's rate goes on. Rounds: up.
    """
    if entry_notional <= 0:
        return schedule[0].rate
    tier = schedule[-1]
    for candidate in schedule:
        if entry_notional <= candidate.notional_max:
            tier = candidate
            break
    return div_up(entry_notional * tier.rate - tier.deduction, entry_notional)
