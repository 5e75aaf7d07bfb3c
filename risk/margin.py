"""What a position or an order must be backed with.

Rates are scaled to 10^17, so that one ceiling ends each requirement: 10^12 for the rates and |funding rate|, and 10^5
more because a slope of parts per 10^9 for each USD meets an entry notional in 10^-8 USD.
"""

from typing import Final

PPM: Final = 10**6
RATE_SCALE: Final = 10**17
PPM_TO_RATE: Final = RATE_SCALE // PPM
FUNDING_TO_RATE: Final = RATE_SCALE // 10**12
LEVERAGE_SCALE: Final = 100
"""Leverages are in hundredths."""


def leverage_rate(leverage_e2: int) -> int:
    """The initial rate 1/L. Rounds: up. Requires: leverage_e2 > 0."""
    return -(-RATE_SCALE * LEVERAGE_SCALE // leverage_e2)


def requirement(notional: int, rate: int, slope_ppb: int, entry_notional: int, floor_rate: int = 0) -> int:
    """Return N x min(1, max(floor, rate + slope x E)).

    Units: money; `rate` and `floor_rate` at 10^17; `slope_ppb` in 10^-9 for each unit of the quote.
    Rounds: up, once.
    """
    total = rate + slope_ppb * entry_notional
    if total < floor_rate:
        total = floor_rate
    if total > RATE_SCALE:
        total = RATE_SCALE
    return -(-notional * total // RATE_SCALE)


def fee(notional: int, rate_ppm: int) -> int:
    """Return the fee on a notional; a negative rate gives a rebate (negative).

    Rounds: fees up, rebates down.
    """
    return -(-notional * rate_ppm // PPM)


def fee_for_each_lot(price: int, unit_value: int, rate_ppm: int) -> int:
    """Return what one lot's fee can be at the most; a rebate counts as nothing.

    However an order's fills are cut, the sum of their fees is at most this for each lot, because each fill's fee is a
    ceiling of a multiple of it. Rounds: up.
    """
    return -(-price * unit_value * rate_ppm // PPM) if rate_ppm > 0 else 0
