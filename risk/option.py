"""Options: what one is worth at once, its own index, what a position in it must be backed with."""

from risk.fixed import div_half_up
from risk.margin import FUNDING_TO_RATE, PPM, PPM_TO_RATE, RATE_SCALE


def intrinsic(underlying: int, strike: int, *, is_call: bool) -> int:
    """Return max(0, U - K) of a call, max(0, K - U) of a put."""
    return max(0, underlying - strike if is_call else strike - underlying)


def option_index(underlying: int, strike: int, floor_ppm: int, *, is_call: bool) -> int:
    """Return an option's own index: its intrinsic value, at least a part of the underlying, at least 1.

    Rounds: the floor to the nearest. Source: rules, section 3.
    """
    return max(1, intrinsic(underlying, strike, is_call=is_call), div_half_up(underlying * floor_ppm, PPM))


def short_unit_maintenance(mark: int, underlying: int, rate_ppm: int, *, is_call: bool) -> int:
    """Return a short option's maintenance margin for one unit: 0.02 U + mark; a put's max(0.02 U, 0.02 mark) + mark.

    Units: 10^-6 of a price unit. Source: rules, section 5.
    """
    base = underlying if is_call else max(underlying, mark)
    return base * rate_ppm + mark * PPM


def short_unit_initial(
    mark: int, underlying: int, strike: int, rates_ppm: tuple[int, int, int], *, is_call: bool
) -> int:
    """Return a short option's initial margin for one unit: max(0.06 U - OTM, 0.04 U) + mark; a put's at least its maintenance.

    `rates_ppm` are the initial rate, its least, the maintenance rate. Units: 10^-6 of a price unit. Source: rules, section 5.
    """
    initial_ppm, least_ppm, maintenance_ppm = rates_ppm
    out_of_the_money = intrinsic(strike, underlying, is_call=is_call)
    needed = max(underlying * initial_ppm - out_of_the_money * PPM, underlying * least_ppm) + mark * PPM
    if is_call:
        return needed
    return max(needed, short_unit_maintenance(mark, underlying, maintenance_ppm, is_call=False))


def option_requirement(lots_value: int, unit: int, funding_e12: int, slope_rate: int, underlying_notional: int) -> int:
    """Return q x unit + |funding per hour| + slope rate x q U.

    Units: `lots_value` is lots x unit value, `unit` 10^-6 of a price unit, `funding_e12` money at 10^-12 for all lots,
    `slope_rate` at 10^17. Rounds: up, once.
    """
    total = lots_value * unit * PPM_TO_RATE
    total += funding_e12 * FUNDING_TO_RATE
    if slope_rate:
        total += min(slope_rate, RATE_SCALE) * underlying_notional
    return -(-total // RATE_SCALE)


def option_fee(lots_value: int, underlying: int, mark: int, rate_ppm: int, cap_ppm: int) -> int:
    """Return q min(rate U, cap x mark); a negative rate gives a rebate, cut likewise.

    Rounds: fees up, rebates down. Source: rules, section 5.
    """
    each = min(abs(rate_ppm) * underlying, cap_ppm * mark)
    return -(-lots_value * (each if rate_ppm > 0 else -each) // PPM)
