"""At which price a position fails (for display: the engine tests equity, never a price), and how much of it goes when."""

from risk.fixed import div_up
from risk.margin import PPM, RATE_SCALE


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


def slice_lots(held: int, part_ppm: int, value_min: int, lot_value: int) -> int:
    """Return how many lots of a position one slice closes: a part of it, at least a value, at least one, at most all.

    Rounds: up. Source: rules, section 6.
    """
    return min(held, max(1, div_up(held * part_ppm, PPM), div_up(value_min, lot_value)))


def equity_share(equity: int, maintenance: int, total: int) -> int:
    """Return the part of a scope's equity that one of its positions carries: E MM_i // sum MM.

    Rounds: down; the last position carries the rest. Source: rules, section 6.
    """
    return equity * maintenance // total


def bankruptcy_value(qty: int, mark_value: int, equity: int) -> int:
    """Return what a position trades for when it gives up the equity that it carries: |q| mark - s E.

    Units: signed lots, money. A long gets it, a short pays it; it is below zero where the loss is larger than the position.
    """
    return qty * mark_value - equity if qty > 0 else -qty * mark_value + equity


def part_of_value(qty: int, value: int, lots: int) -> int:
    """Return what some lots of a position trade for when all of it trades for `value`.

    Rounds: for the one that closes, a long up, a short down.
    """
    held = abs(qty)
    return div_up(value * lots, held) if qty > 0 else value * lots // held


def bankruptcy_limit(qty: int, value: int, unit_value: int, tick: int) -> int:
    """Return the price of a limit order at which a position trades for `value` or better; 0 when a short has none.

    Rounds: to a tick on the solvent side, up for a long, at least one, down for a short.
    """
    divisor = abs(qty) * unit_value * tick
    if qty > 0:
        return max(1, div_up(value, divisor)) * tick
    return max(0, value // divisor) * tick


def liquidation_fee(filled_value: int, surplus: int, rate_ppm: int) -> int:
    """Return the fee on what a slice filled: a part of the value, at most half of what it brought above bankruptcy.

    With half of the surplus left to the account the ratio of its equity to its maintenance margin never falls.
    Rounds: down. Source: rules, section 6.
    """
    return max(0, min(filled_value * rate_ppm // PPM, surplus // 2))
