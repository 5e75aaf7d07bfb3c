"""At which price a position fails. For display: the engine tests equity, never these prices."""

from risk.margin import RATE_SCALE


def failing_price(qty: int, entry_notional: int, backing: int, unit_value: int, rate: int) -> int:
    """Return the price at which equity equals `rate` of the notional; 0 when there is none.

        p = (e q - s M) / (q (1 - s r))

    with e q the entry notional and M the `backing`: the isolated margin, or under cross the balance with the other
    positions' unrealized pnl less their requirements. `rate` is the maintenance rate with its slope for the liquidation
    price, 0 for the bankruptcy price.

    Units: signed lots and money, price units, rate at 10^17.
    Rounds: to the solvent side, up for a long, down for a short. Source: rules, section 6.
    """
    if qty == 0:
        return 0
    if qty > 0:
        numerator = (entry_notional - backing) * RATE_SCALE
        divisor = qty * unit_value * (RATE_SCALE - rate)
        return -(-numerator // divisor) if numerator > 0 and divisor > 0 else 0
    numerator = (-entry_notional + backing) * RATE_SCALE
    divisor = -qty * unit_value * (RATE_SCALE + rate)
    return numerator // divisor if numerator > 0 else 0
