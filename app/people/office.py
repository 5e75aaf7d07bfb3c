"""Everything about people in one place, at work while the block lasts.

people = PeopleOffice(store, settings, clock, counter, value)
async with people:
...
"""

from types import TracebackType
from typing import Final, final

from app.clock import Clock
from app.custody.counter import Counter
from app.db.connect import engine_for
from app.people.accounts import Accounts
from app.people.addresses import Addresses
from app.people.levels import load
from app.people.mailer import choose_mailer
from app.people.notices import Notices
from app.people.register import Register
from app.people.signups import SignUps
from app.people.withdrawals import Value, Withdrawals
from app.settings import Settings
from app.store import Store

CONNECTIONS_MAX: Final = 5
TIMEOUT_S: Final = 15.0


@final
class PeopleOffice:
    """Who is who, what each may, and what is told to whom."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, counter: Counter, value: Value) -> None:
        """Furnish it. `value` says what an amount of an asset is worth in USD."""
        self._engine = engine_for(store.url, connections_max=CONNECTIONS_MAX, command_timeout_s=TIMEOUT_S)
        self._store = store
        self._counter = counter
        self.mailer = choose_mailer(settings)
        self.register = Register(self._engine, store.vault, store.identity, settings, clock, self.mailer)
        self.sign_ups = SignUps(self._engine, self.register, clock, is_open=settings.signup)
        self.accounts = Accounts(self._engine, clock, store.sequencer.submit, lambda: store.exchange)
        self.addresses = Addresses(self._engine, clock, wait_s=settings.address_wait_s)
        self.withdrawals = Withdrawals(
            self.register,
            self.addresses,
            load(settings.levels),
            lambda: store.exchange,
            value,
            clock,
            by_mail=settings.withdrawal_confirmation == "email",
        )
        self.notices = Notices(self._engine, self.register, self.accounts, lambda: store.exchange, clock)

    def customer_id(self, owner_id: int) -> str:
        """What surfaces call an owner."""
        user = self._store.identity.user(owner_id)
        return "" if user is None else user.customer_id

    async def __aenter__(self) -> None:
        await self.register.load()
        await self.accounts.load()
        self._counter.gate = self.withdrawals
        for listener in (self.accounts.tell, self.withdrawals.tell, self.notices.tell):
            self._store.listeners.add(listener)
        self.mailer.start()
        await self.notices.start()

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.notices.stop()
        await self.withdrawals.close()
        await self.register.close()
        await self.mailer.stop()
        await self._engine.dispose()
