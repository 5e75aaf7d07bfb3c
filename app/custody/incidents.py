"""What does not fit between the custody and the exchange: written down, said aloud, and left to a person.

Some of them close the counter: nothing is paid out any more until an operator has looked at each and resolved it. What the
operator does about the money are ordinary entries (`evermark deposit`, `evermark withdraw`); resolving only says that it was done.
"""

import logging
from enum import Enum
from typing import Any, Final, final

import msgspec
from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import Clock
from app.db.tables import custody_incidents

_log = logging.getLogger(__name__)


class IncidentKind(Enum):
    """What does not fit. Each value reads as a sentence."""

    UNKNOWN_PAYMENT = "The custody has a payment that this exchange never ordered."
    UNORDERED_PAYMENT = "The custody has a payment that this exchange had not come to yet."
    PAID_AFTER_END = "The custody pays a withdrawal whose amount was given back."
    PAYMENT_GONE = "A payment that had arrived is gone."
    PAYMENT_DIFFERS = "The custody has another payment under this one's key."
    PAYMENT_REFUSED = "The exchange does not take what the custody says of a payment."
    CREDIT_GONE = "A deposit that was credited has lost its confirmations."
    DEPOSIT_DIFFERS = "A deposit is not what it was when it was seen first."
    DEPOSIT_REFUSED = "The exchange does not take this deposit."
    DEPOSIT_UNCLAIMED = "A deposit belongs to no account or is of no listed asset."

    @property
    def is_closing(self) -> bool:
        """Nothing may be paid out while one of these stands."""
        return self not in (IncidentKind.DEPOSIT_REFUSED, IncidentKind.DEPOSIT_UNCLAIMED)


class Incident(msgspec.Struct, frozen=True):
    """One of them. `resolved_ms` 0: it stands."""

    incident_id: int
    kind: IncidentKind
    subject: str
    detail: str
    opened_ms: int
    resolved_ms: int
    reason: str


class NoIncident(ValueError):
    """No such incident stands."""


NOT_READ: Final = "The incidents have not been read yet."


@final
class Incidents:
    """Those of one custody. Each is written once for its kind and subject, also when it is met again."""

    def __init__(self, engine: AsyncEngine, custody: str, clock: Clock) -> None:
        self._engine = engine
        self._custody = custody
        self._clock = clock
        self._known: dict[tuple[IncidentKind, str], Incident] = {}
        self._is_read = False

    async def load(self) -> None:
        """Read them. Raises: what the database raises."""
        query = select(custody_incidents).where(custody_incidents.c.custody == self._custody)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query.order_by(custody_incidents.c.incident_id))).all()
        found = [_incident(row) for row in rows]
        self._known = {(incident.kind, incident.subject): incident for incident in found}
        self._is_read = True

    @property
    def closed(self) -> str | None:
        """Why nothing may be paid out, if that is so."""
        if not self._is_read:
            return NOT_READ
        standing = [incident for incident in self.standing() if incident.kind.is_closing]
        return f"{standing[0].kind.value} ({standing[0].subject})" if standing else None

    def standing(self) -> list[Incident]:
        """Those that nobody has resolved, the oldest first."""
        return [incident for incident in self._known.values() if not incident.resolved_ms]

    async def open(self, kind: IncidentKind, subject: str, detail: str) -> None:
        """Write one down, unless it is there, resolved or not. Raises: what the database raises."""
        if (kind, subject) in self._known:
            return
        values = {"custody": self._custody, "kind": kind.name, "subject": subject, "detail": detail}
        row = insert(custody_incidents).values(opened_ms=self._clock(), **values)
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_nothing())
        await self.load()
        _log.critical("%s %s: %s", kind.value, subject, detail)

    async def resolve(self, incident_id: int, reason: str) -> Incident:
        """Let one stand no more. Raises: NoIncident; what the database raises."""
        standing = (custody_incidents.c.custody == self._custody) & custody_incidents.c.resolved_ms.is_(None)
        change = update(custody_incidents).where(standing, custody_incidents.c.incident_id == incident_id)
        async with self._engine.begin() as connection:
            done = await connection.execute(change.values(resolved_ms=self._clock(), reason=reason))
        if done.rowcount != 1:
            raise NoIncident(f"No incident {incident_id} stands.")
        await self.load()
        return next(incident for incident in self._known.values() if incident.incident_id == incident_id)


def _incident(row: Row[Any]) -> Incident:
    kind = IncidentKind[row.kind]
    times = (row.opened_ms, row.resolved_ms or 0)
    return Incident(row.incident_id, kind, row.subject, row.detail, *times, row.reason or "")
