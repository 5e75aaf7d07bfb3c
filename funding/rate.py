"""What an hour's mean premium makes a lot pay. Positive: longs pay."""

from typing import Final

from funding.premium import SCALE, clamp
from risk.fixed import div_to_zero

PPM: Final = 10**6
PPM_TO_SCALE: Final = SCALE // PPM


def hourly_rate(premium: int, clamp_ppm: int, period_h: int, interest_ppm: int = 0, interest_clamp_ppm: int = 0) -> int:
    """Return the rate for one hour of a premium that is paid in full over a period.

        F = P + clamp(r - P, -c, +c),  rate = clamp(F, -d, +d) x 1 h / period

    r is the interest for a period and c its clamp, both 0 for none. Units: 10^-12. Rounds: towards zero.
    Source: rules, section 4; the interest as on BitMEX.
    """
    drawn = premium + clamp(interest_ppm * PPM_TO_SCALE - premium, interest_clamp_ppm * PPM_TO_SCALE)
    return div_to_zero(clamp(drawn, clamp_ppm * PPM_TO_SCALE), period_h)


def hourly_time_value(time_value: int, mark: int, clamp_ppm: int, period_h: int) -> int:
    """Return what one hour of holding an option costs: mean(mark - intrinsic) / period, within +- clamp x mark / period.

    Units: price units at 10^-12. Rounds: towards zero.
    """
    return div_to_zero(clamp(time_value, mark * clamp_ppm * PPM_TO_SCALE), period_h)


def part_of_mark(lot_e12: int, mark_value: int) -> int:
    """Return a lot's payment as a rate of its value at the mark. Units: 10^-12. Rounds: towards zero."""
    return div_to_zero(lot_e12, mark_value) if mark_value else 0
