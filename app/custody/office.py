"""Custody, cashier and counter of one exchange, put together; at work while the block lasts.

office = Office(store, settings, clock)
office.counter.closed
async with office:
...
"""

from types import TracebackType
from typing import Final, final

from app.clock import Clock
from app.custody.cashier import Cashier
from app.custody.choose import choose_custody
from app.custody.counter import Counter
from app.custody.incidents import Incidents
from app.db.connect import engine_for
from app.settings import Settings
from app.store import Store

CONNECTIONS_MAX: Final = 3
TIMEOUT_S: Final = 15.0


@final
class Office:
    """What there is to money in and out beside the exchange's own books."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._engine = engine_for(store.url, connections_max=CONNECTIONS_MAX, command_timeout_s=TIMEOUT_S)
        self._store = store
        self.custody = choose_custody(settings, self._engine, clock)
        self.incidents: Incidents | None = None
        self.cashier: Cashier | None = None
        if self.custody is not None:
            self.incidents = Incidents(self._engine, self.custody.name, clock)
            self.cashier = Cashier(
                store.sequencer.submit,
                lambda: store.exchange,
                self.custody,
                self.incidents,
                self._engine,
                customer_of=self._customer,
                confirmations=settings.confirmations,
                seq=lambda: store.sequencer.seq,
            )
        self.counter = Counter(
            lambda: store.exchange,
            self._customer,
            custody=self.custody,
            cashier=self.cashier,
            is_confirmed=settings.withdrawal_confirmation == "none",
        )

    async def __aenter__(self) -> None:
        if self.cashier is not None:
            self._store.listeners.add(self.cashier.tell)
            self.cashier.start()

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self.cashier is not None:
            await self.cashier.stop()
        await self._engine.dispose()

    def _customer(self, owner_id: int) -> str | None:
        user = self._store.identity.user(owner_id)
        return None if user is None else user.customer_id
