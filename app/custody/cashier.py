"""The cashier: one task that moves what is due between the custody and the exchange, in steps that may each be the last.

A crash between any two steps loses nothing and doubles nothing:

- Out: PROCESSING is in the journal before a payment is sent, so its amount cannot come back to the account meanwhile. After a start
  everything that is PROCESSING is sent again, under the same key; the custody pays a key once. What became of it only the
  custody says: SUCCEEDED with enough confirmations, FAILED when it will never be paid.
- In: a deposit is recorded under its own name when it is seen, and credited with enough confirmations; the core does either once.
- The cursor moves after all that it passes is in the journal.

What does not fit is an incident (app/custody/incidents.py). While a closing one stands, and before the custody has been heard
once since the start, nothing is sent.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.custody.base import Custody, CustodyUnavailable, PaymentDiffers, PaymentRefused, SeenDeposit, SeenPayment
from app.custody.incidents import IncidentKind, Incidents
from app.custody.names import account_of, key_of, payment_of, reference_of
from app.db.tables import custody_cursors
from app.faults import Unavailable
from app.journal import UNREACHABLE
from app.sequencer import Unencodable
from exchange import views
from exchange.commands import AdvanceWithdrawal, Command, RecordDeposit, SettleDeposit, WithdrawalStatus
from exchange.events import (
    CommandRejected,
    DepositStatus,
    Event,
    WithdrawalAdvanced,
    WithdrawalRequested,
)
from exchange.exchange import Exchange
from exchange.instrument import Asset
from exchange.limits import NOTE_LENGTH_MAX
from exchange.payment_views import DepositView, WithdrawalView

INTERVAL_S: Final = 0.5
"""How often the custody is asked."""
NOT_HEARD: Final = "The custody has not been heard since the start."
_PREPARED: Final = WithdrawalStatus.PREPARED
_SUBMITTED: Final = WithdrawalStatus.SUBMITTED
_WAITING: Final = WithdrawalStatus.WAITING_FOR_APPROVAL
_PROCESSING: Final = WithdrawalStatus.PROCESSING
TO_PROCESSING: Final = {
    _PREPARED: (_SUBMITTED, _WAITING, _PROCESSING),
    _SUBMITTED: (_WAITING, _PROCESSING),
    WithdrawalStatus.SUSPECTED: (_WAITING, _PROCESSING),
    _WAITING: (_PROCESSING,),
}
"""Steps to PROCESSING for a withdrawal that the custody has paid already."""

_log = logging.getLogger(__name__)

Submit = Callable[[Command], Awaitable[list[Event]]]


@final
class Cashier:
    """Moves money. Its faults are waited out; a bug of ours ends it, and `trouble` says so."""

    def __init__(
        self,
        submit: Submit,
        exchange: Callable[[], Exchange],
        custody: Custody,
        incidents: Incidents,
        engine: AsyncEngine,
        *,
        customer_of: Callable[[int], str | None],
        confirmations: Mapping[str, int],
        seq: Callable[[], int],
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Take the place behind the counter.

        `customer_of` gives an owner's customer id. `confirmations` are those that an asset needs, "" for all others. `seq` is that of
        the journal's last command. The custody is asked every `interval_s`, and when a withdrawal moves.
        """
        self._submit = submit
        self._exchange = exchange
        self._custody = custody
        self._incidents = incidents
        self._engine = engine
        self._customer_of = customer_of
        self._confirmations = confirmations
        self._seq = seq
        self._interval_s = interval_s
        self._cursor: str | None = None
        self._sent: set[int] = set()
        self._is_heard = False
        self._fault: str | None = None
        self._failure: BaseException | None = None
        self._wakeup = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- life --------------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> str | None:
        """Why nothing is paid out, if that is so."""
        if self._failure is not None:
            return f"The cashier has stopped on a fault of ours: {self._failure!r}"
        return self._incidents.closed

    @property
    def trouble(self) -> str | None:
        """What keeps it from its work now, in words for an operator."""
        return self.closed or self._fault or (None if self._is_heard else NOT_HEARD)

    def start(self) -> None:
        """Begin. Requires: a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="cashier")

    async def stop(self) -> None:
        """End between two awaits, wherever that is: any of them may be the last."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def tell(self, _seq: int, _time_ms: int, _command: Command, events: list[Event]) -> None:
        """Look at once where a withdrawal moved. The sequencer's listener."""
        if events and isinstance(events[0], WithdrawalRequested | WithdrawalAdvanced):
            self._wakeup.set()

    async def _run(self) -> None:
        while True:
            try:
                await self.round()
                self._note_fault(None)
            except (CustodyUnavailable, Unavailable, SQLAlchemyError, *UNREACHABLE) as fault:
                self._note_fault(str(fault) or repr(fault))
            except Exception as error:
                self._failure = error
                _log.critical("the cashier has stopped: nothing is paid and nothing credited", exc_info=error)
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wakeup.wait(), self._interval_s)
            self._wakeup.clear()

    def _note_fault(self, fault: str | None) -> None:
        if fault is not None and self._fault is None:
            _log.warning("the cashier waits: %s", fault)
        elif fault is None and self._fault is not None:
            _log.warning("the cashier goes on")
        self._fault = fault

    async def round(self) -> None:
        """Do all that is due, once.

        Raises: CustodyUnavailable, Unavailable, and what the database raises; then the next round goes on.
        """
        if self._cursor is None:
            await self._incidents.load()
            self._cursor = await self._stored_cursor()
        await self._take_in()
        await self._pay_out()

    # --- what the custody tells --------------------------------------------------------------------------------------

    async def _take_in(self) -> None:
        is_more = True
        while is_more:
            cursor = self._cursor or ""
            changes = await self._custody.changes(cursor)
            for payment in changes.payments:
                await self._follow(payment)
            for deposit in changes.deposits:
                await self._credit(deposit)
            if changes.cursor != cursor:
                await self._store_cursor(changes.cursor)
            is_more = changes.is_more
        self._is_heard = True

    async def _follow(self, seen: SeenPayment) -> None:
        """Let a withdrawal stand where its payment stands."""
        payment = seen.payment
        found = views.withdrawal(self._exchange(), payment.withdrawal_id)
        if found is None or key_of(found, self._symbol(found.asset_id)) != payment.key:
            await self._incidents.open(IncidentKind.UNKNOWN_PAYMENT, payment.key, _words(seen))
            return
        if payment_of(found, self._symbol(found.asset_id)) != payment:
            await self._incidents.open(IncidentKind.PAYMENT_DIFFERS, payment.key, _words(seen))
            return
        if found.status in TO_PROCESSING:
            await self._incidents.open(IncidentKind.UNORDERED_PAYMENT, payment.key, _words(seen))
            for status in TO_PROCESSING[found.status]:
                await self._advance(found, status)
        elif found.status is WithdrawalStatus.SUCCEEDED:
            if seen.is_failed:
                await self._incidents.open(IncidentKind.PAYMENT_GONE, payment.key, _words(seen))
            return
        elif found.status is not _PROCESSING:
            if not seen.is_failed:
                await self._incidents.open(IncidentKind.PAID_AFTER_END, payment.key, _words(seen))
            return
        await self._follow_processing(found, seen)

    async def _follow_processing(self, found: WithdrawalView, seen: SeenPayment) -> None:
        self._sent.add(found.withdrawal_id)
        refusal = None
        if seen.is_failed:
            note = seen.note or "The payment failed."
            refusal = await self._advance(found, WithdrawalStatus.FAILED, seen.transaction, note)
        elif seen.confirmations >= self._needed(seen.payment.asset):
            refusal = await self._advance(found, WithdrawalStatus.SUCCEEDED, seen.transaction)
        elif seen.transaction and seen.transaction != found.transaction:
            refusal = await self._advance(found, _PROCESSING, seen.transaction)
        if refusal is not None:  # the cursor passes it: it would be forgotten
            await self._incidents.open(IncidentKind.PAYMENT_REFUSED, seen.payment.key, f"{refusal} {_words(seen)}")

    async def _credit(self, seen: SeenDeposit) -> None:
        """Let a deposit stand where the chain has it."""
        reference = reference_of(seen)
        account_id = self._account(seen.holder)
        asset = self._asset(seen.asset)
        if account_id is None or asset is None:
            await self._incidents.open(IncidentKind.DEPOSIT_UNCLAIMED, reference, _words(seen))
            return
        found = views.deposit(self._exchange(), reference)
        if found is None:
            if not seen.is_gone:
                found = await self._record(seen, reference, account_id, asset)
            if found is None:
                return
        if (found.account_id, found.asset_id, found.amount) != (account_id, asset.asset_id, seen.amount):
            await self._incidents.open(IncidentKind.DEPOSIT_DIFFERS, reference, _words(seen))
        elif found.status is DepositStatus.COMPLETED:
            if seen.is_gone or not seen.confirmations:
                await self._incidents.open(IncidentKind.CREDIT_GONE, reference, _words(seen))
        elif seen.is_gone:
            if found.status is DepositStatus.PENDING:
                await self._command(SettleDeposit(reference, False, "The chain no longer has it."))
        elif seen.confirmations >= self._needed(seen.asset) and _is_creditable(found, asset):
            await self._command(SettleDeposit(reference, True))

    async def _record(self, seen: SeenDeposit, reference: str, account_id: int, asset: Asset) -> DepositView | None:
        what = (reference, account_id, asset.asset_id, seen.amount, seen.address, seen.transaction, seen.source)
        try:
            refusal = await self._command(RecordDeposit(*what))
        except Unencodable as error:
            refusal = str(error)
        if refusal is not None:
            await self._incidents.open(IncidentKind.DEPOSIT_REFUSED, reference, f"{refusal} {_words(seen)}")
        return views.deposit(self._exchange(), reference)

    # --- what the exchange tells -------------------------------------------------------------------------------------

    async def _pay_out(self) -> None:
        for found in views.withdrawals(self._exchange()):
            if found.status is _SUBMITTED and found.needs_approval:
                await self._advance(found, _WAITING)
            elif self.closed is not None:
                continue
            elif found.status is _SUBMITTED:
                await self._begin(found)
            elif found.status is _PROCESSING and found.withdrawal_id not in self._sent:
                await self._send(found)

    async def _begin(self, found: WithdrawalView) -> None:
        """Take a withdrawal from its owner's hands, unless the custody could not pay it; then pay it."""
        asset = self._symbol(found.asset_id)
        if found.network not in self._custody.networks(asset):
            reason: str | None = f"The custody does not pay {asset} over this network."
        else:
            reason = self._custody.check_address(asset, found.network, found.address)
        if reason is not None:
            await self._advance(found, WithdrawalStatus.REJECTED, note=reason)
        elif await self._advance(found, _PROCESSING) is None:
            await self._send(found)

    async def _send(self, found: WithdrawalView) -> None:
        """Pay. Requires: that it is PROCESSING is in the journal."""
        payment = payment_of(found, self._symbol(found.asset_id))
        try:
            await self._custody.send(payment)
        except PaymentRefused as refusal:
            await self._advance(found, WithdrawalStatus.FAILED, note=str(refusal))
        except PaymentDiffers as difference:
            await self._incidents.open(IncidentKind.PAYMENT_DIFFERS, payment.key, str(difference))
        else:
            self._sent.add(found.withdrawal_id)

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _advance(
        self, found: WithdrawalView, status: WithdrawalStatus, transaction: str = "", note: str = ""
    ) -> str | None:
        """Let a withdrawal stand elsewhere; gives the reason if it does not."""
        words = _line(note)[:NOTE_LENGTH_MAX]
        return await self._command(AdvanceWithdrawal(found.withdrawal_id, status, transaction, words))

    async def _command(self, command: Command) -> str | None:
        """Have a command done; gives the reason if it was refused. Raises: Unavailable, Unencodable."""
        events = await self._submit(command)
        first = events[0]
        if isinstance(first, CommandRejected):
            _log.warning("%r was refused: %s", command, first.reject.value)
            return first.reject.value
        return None

    def _needed(self, asset: str) -> int:
        return self._confirmations.get(asset, self._confirmations[""])

    def _symbol(self, asset_id: int) -> str:
        return next(asset.symbol for asset in views.assets(self._exchange()) if asset.asset_id == asset_id)

    def _asset(self, symbol: str) -> Asset | None:
        return next((asset for asset in views.assets(self._exchange()) if asset.symbol == symbol), None)

    def _account(self, holder: str) -> int | None:
        """The account that a holder names, if it is that customer's here too."""
        named = account_of(holder)
        if named is None:
            return None
        account_id, customer_id = named
        account = views.account(self._exchange(), account_id)
        if account is None or self._customer_of(account.owner_id) != customer_id:
            return None
        return account_id

    async def _stored_cursor(self) -> str:
        """Where to go on; from the beginning when the journal lost commands that the cursor counts on."""
        query = select(custody_cursors).where(custody_cursors.c.custody == self._custody.name)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is not None and row.seq > self._seq():
            _log.critical("the journal ends before seq %d, with which the custody's cursor was kept", row.seq)
        return "" if row is None or row.seq > self._seq() else row.cursor

    async def _store_cursor(self, cursor: str) -> None:
        row = insert(custody_cursors).values(custody=self._custody.name, cursor=cursor, seq=self._seq())
        new = {"cursor": row.excluded.cursor, "seq": row.excluded.seq}
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["custody"], set_=new))
        self._cursor = cursor


def _is_creditable(found: DepositView, asset: Asset) -> bool:
    """Whether it is worth saying that a deposit has come: one that failed for being small is small still."""
    is_small = found.amount < asset.deposit_min or found.amount <= asset.deposit_fee
    return found.status is DepositStatus.PENDING or not is_small


def _line(text: str) -> str:
    """A text of the custody's as the core takes it: what cannot be shown, like the end of a line, becomes a space."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _words(seen: SeenPayment | SeenDeposit) -> str:
    if isinstance(seen, SeenPayment):
        paid = seen.payment
        state = "failed" if seen.is_failed else f"{seen.confirmations} confirmations"
        return f"withdrawal {paid.withdrawal_id}: {paid.amount} of {paid.asset} to {paid.address} in {seen.transaction}, {state}"
    state = "gone" if seen.is_gone else f"{seen.confirmations} confirmations"
    return f"{seen.amount} of {seen.asset} for {seen.holder} in {seen.transaction}, {state}"
