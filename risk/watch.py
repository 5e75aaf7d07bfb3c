"""Which scopes a price move can hurt, found without looking at the others.

Each scope with something at stake is armed in every market that it stands in with the prices up to which it is certainly
safe. A move wakes those whose price it passes and nobody else; who is woken is tested exactly and armed anew.
"""

from typing import final

from sortedcontainers import SortedList


@final
class Watch:
    """One market's alarms: `low` are (price, account id) that wake below the price, `high` above it, `underlying` when the
    underlying's index is above it.
    """

    __slots__ = ("high", "low", "underlying")

    def __init__(self) -> None:
        self.low: SortedList[tuple[int, int]] = SortedList()
        self.high: SortedList[tuple[int, int]] = SortedList()
        self.underlying: SortedList[tuple[int, int]] = SortedList()

    def woken(self, mark: int, underlying: int) -> list[int]:
        """List the accounts whose alarm the prices have passed, by alarm; they stay armed. Cost: O(log n + woken)."""
        found: list[int] = []
        for _, account_id in self.low.irange(minimum=(mark + 1, -1)):
            found.append(account_id)
        for _, account_id in self.high.irange(maximum=(mark, -1)):
            found.append(account_id)
        for _, account_id in self.underlying.irange(maximum=(underlying, -1)):
            found.append(account_id)
        return found

    def move_low(self, account_id: int, old: int, new: int) -> None:
        """Set the price below which an account is woken, from `old`; 0 is none."""
        _move(self.low, account_id, old, new)

    def move_high(self, account_id: int, old: int, new: int) -> None:
        """Set the price above which an account is woken, from `old`; 0 is none."""
        _move(self.high, account_id, old, new)

    def move_underlying(self, account_id: int, old: int, new: int) -> None:
        """Set the underlying's price above which an account is woken, from `old`; 0 is none."""
        _move(self.underlying, account_id, old, new)


def _move(alarms: "SortedList[tuple[int, int]]", account_id: int, old: int, new: int) -> None:
    if old:
        alarms.remove((old, account_id))
    if new:
        alarms.add((new, account_id))
