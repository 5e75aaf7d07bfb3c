"""What a person's withdrawal must pass before the core sees it, and the owner's word after: list, level, code by mail.

It stands in app/custody/counter.py's gate, so that it holds for whichever door the request came through.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import final

from sqlalchemy.exc import SQLAlchemyError

from app.clock import Clock
from app.custody.counter import Standing
from app.journal import UNREACHABLE
from app.people.addresses import Addresses
from app.people.codes import Codes, Purpose
from app.people.levels import Level
from app.people.refusals import Refusal, Refused
from app.people.register import Register, Visitor
from app.wire import amount
from exchange import views
from exchange.commands import Command, RequestWithdrawal, WithdrawalStatus
from exchange.events import Event, WithdrawalRequested
from exchange.exchange import Exchange

Value = Callable[[str, int], object]
"""What an amount of an asset is worth in USD: a decimal number, or None where there is no price."""

_log = logging.getLogger(__name__)


@final
class Withdrawals:
    """The gate, and the codes."""

    def __init__(
        self,
        register: Register,
        addresses: Addresses,
        levels: tuple[Level, ...],
        exchange: Callable[[], Exchange],
        value: Value,
        clock: Clock,
        *,
        by_mail: bool,
    ) -> None:
        """Stand at the gate. `by_mail`: a withdrawal needs its owner's word by a code that was mailed."""
        self._register = register
        self._addresses = addresses
        self._levels = levels
        self._exchange = exchange
        self._value = value
        self._clock = clock
        self._by_mail = by_mail
        self._turns: dict[int, asyncio.Lock] = {}
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def _codes(self) -> Codes:
        return self._register.codes

    def level_of(self, owner_id: int) -> Level | None:
        """The level of an owner; None for one who does not log in. One above the table has the highest."""
        person = self._register.find(owner_id)
        return None if person is None else self._levels[min(person.level, len(self._levels) - 1)]

    def standing(self, owner_id: int) -> Standing | None:
        """Who an owner is, and what is left of the level's day: nothing where what left today has no price. None for one who does not log in."""
        person, level = self._register.find(owner_id), self.level_of(owner_id)
        if person is None or level is None:
            return None
        if not level.usd_per_day:
            return Standing(person.email, level.name, None)
        try:
            left = max(Decimal(0), level.usd_per_day - self.used_today(owner_id))
        except Refused:
            left = Decimal(0)
        return Standing(person.email, level.name, left)

    @asynccontextmanager
    async def turn(self, owner_id: int, symbol: str, network: str, address: str, units: int) -> AsyncIterator[None]:
        """Let an owner's withdrawal pass; until the block ends no other of the owner's does, so that no limit is passed by two at once.

        Raises: Refused.
        """
        person = self._register.find(owner_id)
        if person is None:
            yield  # an operator's user: the asset's own limits
            return
        lock = self._turns.setdefault(owner_id, asyncio.Lock())
        async with lock:
            if person.has_allow_list:
                await self._addresses.check(owner_id, symbol, network, address)
            self._check_level(owner_id, symbol, units)
            yield

    def used_today(self, owner_id: int) -> Decimal:
        """What an owner has asked for today, in USD. Raises: Refused where something of it has no price."""
        exchange, now_ms = self._exchange(), self._clock()
        total = Decimal(0)
        for asset in views.assets(exchange):
            units = views.withdrawn_today(exchange, owner_id, asset.asset_id, now_ms)
            if units:
                total += self._usd(asset.symbol, units)
        return total

    def _check_level(self, owner_id: int, symbol: str, units: int) -> None:
        level = self.level_of(owner_id)
        if level is None or not level.usd_per_day:
            return
        if self.used_today(owner_id) + self._usd(symbol, units) > level.usd_per_day:
            raise Refused(Refusal.LEVEL_LIMIT, "amount")

    def _usd(self, symbol: str, units: int) -> Decimal:
        found = self._value(symbol, units)
        if found is None:
            raise Refused(Refusal.NO_VALUE, "asset")
        return Decimal(str(found))

    # --- the owner's word --------------------------------------------------------------------------------------------

    def tell(self, _seq: int, _time_ms: int, command: Command, events: list[Event]) -> None:
        """Send a code for a new withdrawal that waits for its owner. The sequencer's listener."""
        if type(command) is not RequestWithdrawal:
            return
        first = events[0] if events else None
        if self._by_mail and type(first) is WithdrawalRequested and not first.is_repeat:
            if first.status is not WithdrawalStatus.PREPARED:
                return
            task = asyncio.get_running_loop().create_task(self._send_quietly(first.withdrawal_id))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Finish what is being sent."""
        if self._sending:
            await asyncio.wait(self._sending)

    async def send_code(self, owner_id: int, withdrawal_id: int) -> None:
        """Mail a new code for a withdrawal that waits for its owner. Raises: Refused."""
        self._need_waiting(owner_id, withdrawal_id)
        await self._send(withdrawal_id)

    async def take_code(self, owner_id: int, withdrawal_id: int, code: str, visitor: Visitor) -> None:
        """Take its code. Raises: Refused."""
        self._need_waiting(owner_id, withdrawal_id)
        person = self._register.find(owner_id)
        assert person is not None, "a session is somebody's"
        await self._register.take_mailed(person, Purpose.WITHDRAWAL, code, visitor, str(withdrawal_id))

    def _need_waiting(self, owner_id: int, withdrawal_id: int) -> None:
        """Check that this owner's withdrawal waits for a code. Raises: Refused, the same for one that is not there."""
        exchange = self._exchange()
        found = views.withdrawal(exchange, withdrawal_id)
        account = None if found is None else views.account(exchange, found.account_id)
        is_waiting = found is not None and found.status is WithdrawalStatus.PREPARED
        if not (self._by_mail and is_waiting and account is not None and account.owner_id == owner_id):
            raise Refused(Refusal.NOT_ADMITTED, "withdrawal_id")

    async def _send_quietly(self, withdrawal_id: int) -> None:
        try:
            await self._send(withdrawal_id)
        except (Refused, SQLAlchemyError, *UNREACHABLE) as fault:
            # The owner may ask for another one.
            _log.warning("no code was sent for withdrawal %d: %s", withdrawal_id, type(fault).__name__)

    async def _send(self, withdrawal_id: int) -> None:
        exchange = self._exchange()
        found = views.withdrawal(exchange, withdrawal_id)
        account = None if found is None else views.account(exchange, found.account_id)
        person = None if account is None else self._register.find(account.owner_id)
        if found is None or person is None:
            return
        asset = views.asset(exchange, found.asset_id)
        assert asset is not None, "it was withdrawn"
        words = f"You asked for {amount(found.amount)} {asset.symbol} to be sent to {found.address}."
        await self._codes.send(person.owner_id, person.email, Purpose.WITHDRAWAL, str(withdrawal_id), words)
