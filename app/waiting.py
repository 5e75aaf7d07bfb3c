"""What waits for the sequencer: who may still come when many wait, and who goes first.

As long as all that waits fits in one batch, it goes in the order in which it came. Beyond that, cancels, orders that only
reduce and the exchange's own commands take the express lane past other accounts' orders. No command ever passes another
one of its own account: a cancel whose account has something in the lane of the others goes right behind that, in front of
whatever came after it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, Final, TypeAlias, TypeVar, final

from app.stamps import Stamps
from exchange.commands import (
    AdvanceWithdrawal,
    AmendAsset,
    AmendMarket,
    AmendOrder,
    CancelAllAfter,
    CancelOrder,
    CancelOrders,
    Command,
    Deposit,
    ListAsset,
    ListIndex,
    ListMarket,
    MoveMargin,
    OpenAccount,
    PlaceBatch,
    PlaceOrder,
    RecordDeposit,
    RequestWithdrawal,
    SetLeverage,
    SetLiquidityProvider,
    SetMarginMode,
    SetMarketStatus,
    SetRulesVersion,
    SettleDeposit,
    SetVenueStatus,
    SkipCommand,
    Tick,
    TransferFunds,
    UpdateIndexPrice,
    UpdateOptionModels,
    Withdraw,
)
from exchange.events import Event
from exchange.exchange import Exchange

T = TypeVar("T")
Reply: TypeAlias = Callable[[list[Event], Exchange], T]
Entry: TypeAlias = "tuple[Command, Reply[Any] | None, asyncio.Future[Any] | None, Stamps | None]"
"""A command that waits, with the caller's reply (None: the events themselves), future (None: nobody asks) and request (None: there is none)."""


class Urgency(IntEnum):
    """Who has room for longer, and goes first when not all can go."""

    ORDINARY = 0
    REDUCING = 1
    """Takes risk or load off the exchange."""
    OWN = 2
    """The exchange's own: time, prices, operators, custody."""


URGENCIES: Final[dict[type[Command], Urgency]] = {
    PlaceOrder: Urgency.ORDINARY,  # those that only reduce: see urgency_of
    PlaceBatch: Urgency.ORDINARY,
    AmendOrder: Urgency.ORDINARY,
    SetLeverage: Urgency.ORDINARY,
    SetMarginMode: Urgency.ORDINARY,
    MoveMargin: Urgency.ORDINARY,  # what adds margin: see urgency_of
    RequestWithdrawal: Urgency.ORDINARY,
    TransferFunds: Urgency.ORDINARY,
    OpenAccount: Urgency.ORDINARY,
    CancelOrder: Urgency.REDUCING,
    CancelOrders: Urgency.REDUCING,
    CancelAllAfter: Urgency.REDUCING,
    Tick: Urgency.OWN,
    UpdateIndexPrice: Urgency.OWN,
    UpdateOptionModels: Urgency.OWN,
    SkipCommand: Urgency.OWN,
    ListAsset: Urgency.OWN,
    ListIndex: Urgency.OWN,
    ListMarket: Urgency.OWN,
    AmendAsset: Urgency.OWN,
    AmendMarket: Urgency.OWN,
    SetMarketStatus: Urgency.OWN,
    SetVenueStatus: Urgency.OWN,
    SetRulesVersion: Urgency.OWN,
    SetLiquidityProvider: Urgency.OWN,
    Deposit: Urgency.OWN,
    Withdraw: Urgency.OWN,
    AdvanceWithdrawal: Urgency.OWN,  # what a user cancels: see urgency_of
    RecordDeposit: Urgency.OWN,
    SettleDeposit: Urgency.OWN,
}


def urgency_of(command: Command) -> Urgency:
    """How urgent a command is."""
    if isinstance(command, PlaceOrder):
        return Urgency.REDUCING if command.reduce_only or command.is_close else Urgency.ORDINARY
    if isinstance(command, MoveMargin) and command.amount > 0:
        return Urgency.REDUCING
    if isinstance(command, AdvanceWithdrawal) and command.account_id:
        return Urgency.ORDINARY
    return URGENCIES[type(command)]


_OWN: Final = 0
_NOBODY: Final = (-1,)
"""Whose the opening of an account is: nobody can have sent anything before it."""


def owners_of(command: Command) -> tuple[int, ...]:
    """The accounts that a command belongs to; account 0 stands for the exchange itself."""
    if isinstance(command, TransferFunds):
        return command.from_account_id, command.to_account_id
    if isinstance(command, OpenAccount):
        return _NOBODY
    return (getattr(command, "account_id", _OWN),)


@final
class _Slot:
    """A place in the lane of all; `followers` are urgent commands of the same accounts that came later."""

    __slots__ = ("account_ids", "entry", "followers")

    def __init__(self, entry: Entry, account_ids: tuple[int, ...]) -> None:
        self.entry = entry
        self.account_ids = account_ids
        self.followers: list[Entry] | None = None


@final
class Waiting:
    """The two lanes. `batch_max` is how many leave at once. Cost: O(1) for each command that comes or goes."""

    __slots__ = ("_batch_max", "_count", "_express", "_last", "_slots")

    def __init__(self, batch_max: int) -> None:
        self._batch_max = batch_max
        self._count = 0
        self._express: deque[Entry] = deque()
        self._slots: deque[_Slot] = deque()
        self._last: dict[int, _Slot] = {}
        """The last slot of each account that has one."""

    def __len__(self) -> int:
        return self._count

    def add(self, entry: Entry) -> None:
        """Let a command wait."""
        command = entry[0]
        account_ids = owners_of(command)
        if self._count >= self._batch_max and urgency_of(command) is not Urgency.ORDINARY:
            slot = self._last.get(account_ids[0])  # only a transfer has two, and none is urgent
            if slot is None:
                self._express.append(entry)
            elif slot.followers is None:
                slot.followers = [entry]
            else:
                slot.followers.append(entry)
        else:
            slot = _Slot(entry, account_ids)
            self._slots.append(slot)
            for account_id in account_ids:
                self._last[account_id] = slot
        self._count += 1

    def take(self) -> list[Entry]:
        """The next batch, without callers who have gone."""
        most = self._batch_max
        batch: list[Entry] = []
        express, slots, last = self._express, self._slots, self._last
        while len(batch) < most:
            if express:
                entry = express.popleft()
            elif slots:
                slot = slots.popleft()
                entry = slot.entry
                for account_id in slot.account_ids:
                    if last.get(account_id) is slot:
                        del last[account_id]
                if slot.followers is not None:
                    express.extend(slot.followers)  # the lane is empty: they are next
            else:
                break
            self._count -= 1
            future = entry[2]
            if future is None or not future.done():
                batch.append(entry)
        return batch

    def put_back(self, entries: list[Entry]) -> None:
        """Let commands that were taken wait again, before all others."""
        self._express.extendleft(reversed(entries))
        self._count += len(entries)

    def drain(self) -> Iterable[Entry]:
        """All that waits, in no particular order; nothing does afterwards."""
        entries = list(self._express)
        for slot in self._slots:
            entries.append(slot.entry)
            entries.extend(slot.followers or ())
        self._express.clear()
        self._slots.clear()
        self._last.clear()
        self._count = 0
        return entries
