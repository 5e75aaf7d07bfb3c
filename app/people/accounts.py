"""Whose accounts: an owner's, in the order in which they were opened, with the names that the owner gave them."""

from collections.abc import Awaitable, Callable
from typing import Final, final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import Clock
from app.db.tables import sub_accounts
from app.people.refusals import Refusal, Refused
from app.rate import Bucket, Table, fill_ms
from exchange import views
from exchange.commands import Command, OpenAccount
from exchange.events import AccountOpened, CommandRejected, Event
from exchange.exchange import Exchange

FIRST: Final = "main"
TRANSFERS_BURST: Final = 100
TRANSFERS_PER_S: Final = 1_000 / 86_400
"""An owner's transfers between own accounts, in the long run: the exchange remembers the name of each for ever."""


@final
class Accounts:
    """Knows every owner's accounts, by what the exchange says of them."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        submit: Callable[[Command], Awaitable[list[Event]]],
        exchange: Callable[[], Exchange],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._submit = submit
        self._exchange = exchange
        self._of: dict[int, dict[int, None]] = {}
        self._labels: dict[int, str] = {}
        span_ms = fill_ms(per_second=TRANSFERS_PER_S, burst=TRANSFERS_BURST)
        self._transfers: Table[Bucket] = Table(_transfers, span_ms=span_ms)

    async def load(self) -> None:
        """Read the names, and who has what."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(sub_accounts))).all()
        self._labels = {row.account_id: row.label for row in rows}
        for account in views.accounts(self._exchange()):
            self._of.setdefault(account.owner_id, {})[account.account_id] = None

    def tell(self, _seq: int, _time_ms: int, command: Command, events: list[Event]) -> None:
        """Take in a new account. The sequencer's listener."""
        if type(command) is OpenAccount and events and type(events[0]) is AccountOpened:
            self._of.setdefault(events[0].owner_id, {})[events[0].account_id] = None

    def of(self, owner_id: int) -> list[int]:
        """An owner's accounts."""
        return list(self._of.get(owner_id, ()))

    def label(self, account_id: int) -> str:
        """What its owner calls it."""
        return self._labels.get(account_id, "")

    def need(self, owner_id: int, account_id: int, field: str = "account_id") -> int:
        """The account, if it is this owner's. Raises: Refused, the same for one that is not there."""
        if account_id not in self._of.get(owner_id, ()):
            raise Refused(Refusal.NOT_ADMITTED, field)
        return account_id

    def charge_transfer(self, owner_id: int) -> None:
        """Count a transfer. Raises: Refused, where an owner has asked for too many."""
        now_ms = self._clock()
        wait_ms = self._transfers.find(owner_id, now_ms).take(now_ms)
        if wait_ms:
            raise Refused(Refusal.TOO_OFTEN, retry_s=wait_ms / 1000)

    async def open_first(self, owner_id: int) -> None:
        """Have at least one account. A start in the middle of a sign-up left none."""
        if not self._of.get(owner_id):
            await self.open(owner_id, "first", FIRST)

    async def open(self, owner_id: int, name: str, label: str) -> int:
        """Open an account; the same name again gives the same account. Raises: Refused; Unavailable."""
        first = (await self._submit(OpenAccount(f"account {owner_id} {name}", owner_id)))[0]
        if isinstance(first, CommandRejected):
            raise Refused(Refusal.TOO_MANY)
        assert isinstance(first, AccountOpened), first
        if not first.is_repeat or first.account_id not in self._labels:
            await self._name(first.account_id, owner_id, label)
        return first.account_id

    async def _name(self, account_id: int, owner_id: int, label: str) -> None:
        values = {"account_id": account_id, "owner_id": owner_id, "label": label, "created_ms": self._clock()}
        async with self._engine.begin() as connection:
            await connection.execute(insert(sub_accounts).values(values).on_conflict_do_nothing())
        self._labels[account_id] = label


def _transfers() -> Bucket:
    return Bucket(per_second=TRANSFERS_PER_S, burst=TRANSFERS_BURST)
