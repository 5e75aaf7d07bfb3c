"""Everything about people in one place, at work while the block lasts.

people = PeopleOffice(store, settings, clock)
async with people:
...
"""

from types import TracebackType
from typing import Final, final

from app.clock import Clock
from app.db.connect import engine_for
from app.people.accounts import Accounts
from app.people.mailer import choose_mailer
from app.people.register import Register
from app.settings import Settings
from app.store import Store

CONNECTIONS_MAX: Final = 5
TIMEOUT_S: Final = 15.0


@final
class PeopleOffice:
    """Who is who, and what is told to whom."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._engine = engine_for(store.url, connections_max=CONNECTIONS_MAX, command_timeout_s=TIMEOUT_S)
        self._store = store
        self.settings = settings
        self.mailer = choose_mailer(settings)
        self.register = Register(self._engine, store.vault, store.identity, settings, clock, self.mailer)
        self.accounts = Accounts(self._engine, clock, store.sequencer.submit, lambda: store.exchange)

    def customer_id(self, owner_id: int) -> str:
        """What surfaces call an owner."""
        user = self._store.identity.user(owner_id)
        return "" if user is None else user.customer_id

    async def __aenter__(self) -> None:
        await self.register.load()
        await self.accounts.load()
        self._store.listeners.add(self.accounts.tell)
        self.mailer.start()

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.register.close()
        await self.mailer.stop()
        await self._engine.dispose()
