"""One account's position in one market."""

from typing import final

from risk.fixed import div_to_zero


@final
class OwnerNotional:
    """The size of all of an owner's positions in one market, which the margin slope looks at: entry notionals, and lots.

    `resting` is what the owner's orders would add, a sum that others make; -1 when it must be made anew.
    """

    __slots__ = ("lots", "resting", "value")

    def __init__(self) -> None:
        self.value: int = 0
        self.lots: int = 0
        self.resting: int = 0


@final
class Position:
    """A position. `qty` is signed lots, + is long; `entry_notional` its cost with the same sign, never an average.

    `margin` is the margin assigned to an isolated position, 0 under cross. `realized_pnl`, `fees` and `funding` add up
    over the position's life in this market. Units: money.
    """

    __slots__ = ("entry_notional", "fees", "funding", "leverage_e2", "margin", "owner", "qty", "realized_pnl")

    def __init__(self, owner: OwnerNotional) -> None:
        self.owner: OwnerNotional = owner
        self.qty: int = 0
        self.entry_notional: int = 0
        self.margin: int = 0
        self.leverage_e2: int = 100
        self.realized_pnl: int = 0
        self.fees: int = 0
        self.funding: int = 0

    def unrealized(self, mark: int, unit_value: int) -> int:
        """Return qty x mark x unit_value - entry_notional: exact."""
        return self.qty * mark * unit_value - self.entry_notional

    def fill(self, sign: int, qty: int, price: int, unit_value: int) -> int:
        """Trade `qty` lots at `price` and return the realized pnl."""
        return self.trade(sign, qty, qty * price * unit_value)

    def trade(self, sign: int, qty: int, value: int) -> int:
        """Trade `qty` lots for `value` (money, may be negative where a loss is taken over) and return the realized pnl.

        A close divides the entry notional once, the remainder stays with the position; a flip is a close, then an
        opening. Rounds: the released entry notional towards zero, the closed part of the value down.
        """
        owner = self.owner
        if self.qty * sign >= 0:
            before = abs(self.entry_notional)
            self.qty += sign * qty
            self.entry_notional += sign * value
            owner.lots += qty
            owner.value += abs(self.entry_notional) - before
            return 0
        return self._close(sign, qty, value)

    def _close(self, sign: int, qty: int, value: int) -> int:
        owner = self.owner
        held = -self.qty * sign
        closed = min(held, qty)
        closed_value = value * closed // qty  # exact where value is qty x price x unit_value
        before = self.entry_notional
        released = div_to_zero(before * closed, held)
        realized = -sign * closed_value - released
        self.qty += sign * qty
        self.entry_notional = before - released + sign * (value - closed_value)
        self.realized_pnl += realized
        owner.lots += abs(self.qty) - held
        owner.value += abs(self.entry_notional) - abs(before)
        return realized
