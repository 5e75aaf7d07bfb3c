"""Whose turn it is to be deleveraged, and who bears how much of a loss that is left."""

from typing import Final, final

from risk.fixed import div_up

LIGHTS: Final = 5


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
    """Return how many of its 5 lights each position has lit, from their lots in the order of deleveraging.

    All of them for who goes first; for the others the fifth of all lots that their last lot falls in, counted from the end.

        lights = 6 - ceil(5 x cumulated / total)

    Source: BitMEX's fifths; more lights are sooner, as on BitMEX and Bybit.
    """
    total = sum(lots)
    found: list[int] = []
    cumulated = 0
    for held in lots:
        cumulated += held
        found.append(LIGHTS + 1 - div_up(LIGHTS * cumulated, total) if found else LIGHTS)
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
