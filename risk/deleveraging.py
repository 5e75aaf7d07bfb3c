"""Whose turn it is to be deleveraged, and who bears how much of a loss that is left."""

from typing import final


@final
class Rank:
    """A position's place in the order of deleveraging: the one that sorts first goes first.

    Winners by pnl% x leverage, then the others by pnl% / leverage, the highest first; the lower account id among equals.

        pnl% = upnl / |entry|, leverage = notional / equity

    Units: money; each product is kept as a fraction and compared by cross-multiplication. An equity below zero counts as
    zero. Source: rules, section 6, after BitMEX.
    """

    __slots__ = ("account_id", "divisor", "is_winner", "score")

    def __init__(self, account_id: int, upnl: int, entry_notional: int, notional: int, equity: int) -> None:
        equity = max(0, equity)
        self.account_id: int = account_id
        self.is_winner: bool = upnl > 0
        self.score: int = upnl * (notional if upnl > 0 else equity)
        self.divisor: int = abs(entry_notional) * (equity if upnl > 0 else notional)

    def __lt__(self, other: "Rank") -> bool:
        if self.is_winner != other.is_winner:
            return self.is_winner
        left = self.score * other.divisor
        right = other.score * self.divisor
        return left > right or (left == right and self.account_id < other.account_id)


def lights(lots: list[int]) -> list[int]:
    """Return each position's light, 1 (goes first) to 5, from their lots in the order of deleveraging.

    The fifth of all lots that a position's last lot falls in: ceil(5 x cumulated / total). Source: BitMEX.
    """
    total = sum(lots)
    found: list[int] = []
    before = 0
    for held in lots:
        before += held
        found.append(-(-5 * before // total))
    return found


def shares(amount: int, limits: list[int]) -> list[int]:
    """Divide an amount in proportion to the limits: nobody bears more than their own, together they bear all of it.

    Rounds: down; the units that are left go one each to the first with room. Requires: 0 <= amount <= sum(limits).
    """
    total = sum(limits)
    found = [limit * amount // total if total else 0 for limit in limits]
    left = amount - sum(found)
    for at, limit in enumerate(limits):
        if left == 0:
            break
        if found[at] < limit:
            found[at] += 1
            left -= 1
    return found
