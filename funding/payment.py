"""Who pays how much: dues, what a payer can give, what a receiver gets. Units: money, 10^-12 of it for a lot."""

from funding.premium import SCALE
from risk.fixed import div_up


def due(qty: int, lot_e12: int) -> int:
    """Return what a position (signed lots) owes for an hour; negative is what it is owed.

    Rounds: up, so what is owed to it down.
    """
    return div_up(qty * lot_e12, SCALE)


def from_isolated(owed: int, free: int, margin: int, unrealized: int) -> tuple[int, int]:
    """Return what an isolated position pays out of the free balance, and then out of its margin.

    The margin gives no more than keeps the position's equity and the margin itself at zero or above.
    """
    from_balance = min(owed, max(0, free))
    from_margin = min(owed - from_balance, max(0, min(margin, margin + unrealized)))
    return from_balance, from_margin


def share(owed: int, collected: int, owed_to_all: int) -> int:
    """Return what a receiver gets: all that it is owed, or its part of what there is. Rounds: down."""
    return owed if collected >= owed_to_all else owed * collected // owed_to_all
