"""What follows from an option's strike and index: intrinsic value, index, drift, and what holding it costs."""

from app.models.everlasting import STRIKE_ALPHA


def intrinsic(*, is_call: bool, spot: float, strike: float) -> float:
    """Return the payoff at once."""
    return max(0.0, spot - strike if is_call else strike - spot)


def option_index(*, is_call: bool, spot: float, strike: float, floor: float) -> float:
    """Return the index of an option: its intrinsic value, at least `floor` (a part of the underlying)."""
    return max(intrinsic(is_call=is_call, spot=spot, strike=strike), floor * spot)


def drift(*, is_call: bool, spot: float, strike: float, multiplier: float, floor: float) -> float:
    """Return by which part the index changes in an hour in which the underlying stands still and the strike goes on.

        drift = (index(K + m dE) - index(K)) / index(K),  dE = alpha (S - E),  E = K/m

    Source: Everstrike, Drift; its formula is not printed, this one gives its examples. Requires: all above 0.
    """
    now = option_index(is_call=is_call, spot=spot, strike=strike, floor=floor)
    moved = strike + STRIKE_ALPHA * (multiplier * spot - strike)
    return option_index(is_call=is_call, spot=spot, strike=moved, floor=floor) / now - 1


def hourly_cost(*, value: float, payoff: float, index: float, period_h: int, is_premium_on_mark: bool = False) -> float:
    """Return the funding that one long option pays in an hour at this value; negative: it receives.

        (value - payoff) / period,  or by the switch  clamp((value - index)/index, -1, 1) value / period

    Source: the everlasting option's fee; Everstrike's printed variant. Requires: index above 0.
    """
    if is_premium_on_mark:
        return min(max((value - index) / index, -1.0), 1.0) * value / period_h
    return (value - payoff) / period_h
