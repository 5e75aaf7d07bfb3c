"""How often somebody may guess. Names are of whoever guesses at what, and IP addresses.

An attempt counts when it begins, so that many at once are no more than many one after the other; a success takes it back.
Every failure beyond those that are free locks the name, each time for twice as long.

A lock must not be a weapon: whoever knows an e-mail address could keep its owner out for ever. So strangers have one name for all
of them, and the owner at a place where a log-in succeeded before has another, as has whoever is in already (app/people/register.py).
"""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, final

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import Clock
from app.db.tables import lockouts
from app.faults import Overloaded
from app.limits import name_of
from app.people.refusals import Refusal, Refused

FREE: Final = 5
FREE_OF_ADDRESS: Final = 50
"""Behind one IP address there may be many people."""
FIRST_MS: Final = 30_000
LONGEST_MS: Final = 3_600_000
FORGOTTEN_MS: Final = 86_400_000
"""Without an attempt for this long a name begins anew."""
NAMES_MAX: Final = 200_000
"""More names than this are a flood: those that are not locked are forgotten."""


@final
class Entry:
    """What is known of a name."""

    __slots__ = ("changed_ms", "failures", "until_ms")

    def __init__(self, failures: int, until_ms: int, changed_ms: int) -> None:
        self.failures = failures
        self.until_ms = until_ms
        self.changed_ms = changed_ms


def lock_ms(failures: int, free: int) -> int:
    """Return for how long a name is locked after so many failures."""
    beyond = failures - free
    return 0 if beyond < 0 else min(LONGEST_MS, FIRST_MS << min(beyond, 20))


@final
class Lockouts:
    """Counts failures, in memory and in the database: a start does not forget them. Names are kept as keyed hashes."""

    def __init__(
        self, engine: AsyncEngine, key: bytes, clock: Clock, *, free_of_address: int = FREE_OF_ADDRESS
    ) -> None:
        """Begin to count. `free_of_address` is with how many failures an IP address is locked."""
        self._free_of_address = free_of_address
        self._engine = engine
        self._key = key
        self._clock = clock
        self._entries: dict[bytes, Entry] = {}

    async def load(self) -> None:
        """Read what is remembered, and forget what is old."""
        old = lockouts.c.changed_ms < self._clock() - FORGOTTEN_MS
        async with self._engine.begin() as connection:
            await connection.execute(delete(lockouts).where(old))
            rows = (await connection.execute(select(lockouts))).all()
        self._entries = {row.name_hash: Entry(row.failures, row.until_ms, row.changed_ms) for row in rows}

    async def begin(self, who: str, address: str) -> None:
        """Count an attempt; with nobody's name only the IP address's. Raises: Refused when one of the two is locked; then it does not count."""
        now_ms = self._clock()
        names = [(self._name(who), FREE)] if who else []
        names.append((self._place(address), self._free_of_address))
        for name, _ in names:
            entry = self._entries.get(name)
            if entry is not None and entry.until_ms > now_ms:
                raise Refused(Refusal.LOCKED, retry_s=(entry.until_ms - now_ms) / 1000)
        for name, free in names:
            entry = self._entries.get(name)
            if entry is None or entry.changed_ms < now_ms - FORGOTTEN_MS:
                entry = self._entries[name] = Entry(0, 0, now_ms)
            entry.failures += 1
            entry.until_ms = now_ms + lock_ms(entry.failures, free)
            entry.changed_ms = now_ms
        await self._store(*(name for name, _ in names))
        if len(self._entries) > NAMES_MAX:
            await self._forget(now_ms)

    async def _forget(self, now_ms: int) -> None:
        """Forget who is not locked, in memory and in the database."""
        self._entries = {name: entry for name, entry in self._entries.items() if entry.until_ms > now_ms}
        async with self._engine.begin() as connection:
            await connection.execute(delete(lockouts).where(lockouts.c.until_ms <= now_ms))

    @asynccontextmanager
    async def attempt(self, who: str, address: str) -> AsyncIterator[None]:
        """Count an attempt, unless nobody comes to look at it. Who lets somebody in for it calls `clear`. Raises: Refused."""
        await self.begin(who, address)
        try:
            yield
        except Overloaded:
            for name, free in ((self._name(who), FREE), (self._place(address), self._free_of_address)):
                self._take_back(name, free)
            await self._store(self._name(who), self._place(address))
            raise

    async def clear(self, who: str, address: str) -> None:
        """A whole success: the name begins anew, the IP address gets back the attempt.

        It gets back no more: else whoever has an account could guess at others' for ever.
        """
        name, place = self._name(who), self._place(address)
        self._entries.pop(name, None)
        self._take_back(place, self._free_of_address)
        async with self._engine.begin() as connection:
            await connection.execute(delete(lockouts).where(lockouts.c.name_hash == name))
        await self._store(place)

    def _take_back(self, name: bytes, free: int) -> None:
        """Give a name back one attempt."""
        entry = self._entries.get(name)
        if entry is not None:
            entry.failures = max(0, entry.failures - 1)
            if entry.failures < free:
                entry.until_ms = 0

    async def _store(self, *names: bytes) -> None:
        rows = []
        for name in names:
            entry = self._entries.get(name)
            if entry is not None:
                values = {"failures": entry.failures, "until_ms": entry.until_ms, "changed_ms": entry.changed_ms}
                rows.append({"name_hash": name, **values})
        if not rows:
            return
        written = insert(lockouts).values(sorted(rows, key=lambda row: str(row["name_hash"])))  # one order: no deadlock
        changed = {name: written.excluded[name] for name in ("failures", "until_ms", "changed_ms")}
        async with self._engine.begin() as connection:
            await connection.execute(written.on_conflict_do_update(index_elements=["name_hash"], set_=changed))

    def _name(self, who: str) -> bytes:
        return hmac.digest(self._key, who.encode("utf-8", "replace"), "sha256")

    def _place(self, address: str) -> bytes:
        return self._name(f"ip {name_of(address)}")
