"""Log-ins: who is in, from where, and the refresh tokens that keep them in.

A refresh token is good once and gives the next one. One that comes a second time was stolen, by whoever came first or by whoever
comes now: the session ends, and with it every token of it.
"""

import secrets
from enum import Enum
from typing import Any, Final, NamedTuple, final

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.clock import Clock
from app.db.tables import refresh_tokens, sessions
from app.limits import name_of
from app.people.refusals import Refusal, Refused
from app.people.tokens import Bearer, hash_of, make_refresh
from app.rate import Bucket, Table, fill_ms

REFRESH_MS: Final = 7 * 86_400_000
"""How long a session lasts that nobody uses."""
STEP_UP_MS: Final = 300_000
DAY_MS: Final = 86_400_000
SESSIONS_MAX: Final = 50
"""Of one person; one more ends the one that was used least lately."""
REFRESHES_BURST: Final = 60
REFRESHES_PER_S: Final = 1 / 60
"""Of one session: each leaves a row until the session ends. A tenth of that is needed."""
AGENT_MAX: Final = 200
PLACES_MAX: Final = 50
"""Places of one person that are remembered."""
KEPT_MS: Final = 90 * DAY_MS
"""How long an ended session is still shown to operators."""


class Ending(Enum):
    """Why a session ended."""

    LOGGED_OUT = "logged_out"
    REVOKED = "revoked"
    PASSWORD = "password"
    REUSED = "reused"
    CROWDED = "crowded"
    FROZEN = "frozen"
    FACTOR = "factor"  # an operator turned the second factor off


@final
class Session:
    """A log-in that is in force."""

    __slots__ = ("address", "agent", "created_ms", "expires_ms", "owner_id", "session_id", "step_up_ms", "used_ms")

    def __init__(self, row: Row[Any]) -> None:
        self.session_id: str = row.session_id
        self.owner_id: int = row.owner_id
        self.address: str = row.address
        self.agent: str = row.agent
        self.created_ms: int = row.created_ms
        self.used_ms: int = row.used_ms
        self.expires_ms: int = row.expires_ms
        self.step_up_ms: int = row.step_up_ms


class Opened(NamedTuple):
    """A session and its refresh token, the only time that the token is seen."""

    session: Session
    refresh_token: str


class Reuse(NamedTuple):
    """A refresh token came a second time: this session ended by it."""

    owner_id: int
    session_id: str


@final
class Sessions:
    """Every session in force, in memory as in the database."""

    def __init__(self, engine: AsyncEngine, clock: Clock, *, days: int) -> None:
        self._engine = engine
        self._clock = clock
        self._lifetime_ms = days * DAY_MS
        self._sessions: dict[str, Session] = {}
        self._places: dict[int, dict[str, None]] = {}
        """Where each person has logged in, the last place last."""
        span_ms = fill_ms(per_second=REFRESHES_PER_S, burst=REFRESHES_BURST)
        self._refreshes: Table[Bucket] = Table(_refreshes, span_ms=span_ms)

    async def load(self) -> None:
        """Read what is in force and who came from where, and forget what has long been over."""
        now_ms = self._clock()
        async with self._engine.begin() as connection:
            await connection.execute(delete(sessions).where(sessions.c.expires_ms < now_ms - KEPT_MS))
            in_force = sessions.c.ended_ms.is_(None) & (sessions.c.expires_ms > now_ms)
            query = select(sessions).where(in_force).order_by(sessions.c.created_ms, sessions.c.session_id)
            rows = (await connection.execute(query)).all()
            came_from = (sessions.c.owner_id, sessions.c.address)
            former = select(*came_from).group_by(*came_from).order_by(func.max(sessions.c.used_ms))
            places = (await connection.execute(former)).all()
        self._sessions = {row.session_id: Session(row) for row in rows}
        for place in places:
            self.remember(place.owner_id, place.address)

    def remember(self, owner_id: int, address: str) -> None:
        """Take a place as one that a person comes from."""
        places = self._places.setdefault(owner_id, {})
        name = name_of(address)
        places.pop(name, None)
        places[name] = None
        if len(places) > PLACES_MAX:
            del places[next(iter(places))]

    def is_known(self, owner_id: int, address: str) -> bool:
        """Whether a person has come from there."""
        return name_of(address) in self._places.get(owner_id, ())

    def find(self, bearer: Bearer) -> Session:
        """The session that an access token names. Raises: Refused when it is over."""
        session = self._sessions.get(bearer.session_id)
        if session is None or session.owner_id != bearer.owner_id or session.expires_ms <= self._clock():
            raise Refused(Refusal.BAD_TOKEN)
        return session

    def check_still(self, session: Session) -> None:
        """Check that a session is in force still. Raises: Refused."""
        if self._sessions.get(session.session_id) is not session:
            raise Refused(Refusal.BAD_TOKEN)

    def of(self, owner_id: int) -> list[Session]:
        """A person's sessions, the one used last first, and of those the newest."""
        now_ms = self._clock()
        found = [one for one in self._sessions.values() if one.owner_id == owner_id and one.expires_ms > now_ms]
        found.reverse()
        found.sort(key=lambda one: -one.used_ms)
        return found

    async def open(self, owner_id: int, address: str, agent: str) -> Opened:
        """Begin a session."""
        for crowded in self.of(owner_id)[SESSIONS_MAX - 1 :]:
            await self.end(crowded.session_id, Ending.CROWDED)
        now_ms = self._clock()
        token, token_hash = make_refresh()
        values = {
            "session_id": secrets.token_hex(16),
            "owner_id": owner_id,
            "address": address,
            "agent": _shown(agent),
            "created_ms": now_ms,
            "used_ms": now_ms,
            "expires_ms": now_ms + min(self._lifetime_ms, REFRESH_MS),
            "step_up_ms": 0,
        }
        async with self._engine.begin() as connection:
            row = (await connection.execute(insert(sessions).values(values).returning(sessions))).one()
            await connection.execute(
                insert(refresh_tokens).values(
                    token_hash=token_hash,
                    session_id=row.session_id,
                    created_ms=now_ms,
                    expires_ms=values["expires_ms"],
                )
            )
        session = self._sessions[row.session_id] = Session(row)
        self.remember(owner_id, address)
        return Opened(session, token)

    async def refresh(self, token: str, address: str) -> Opened | Reuse | None:
        """Change a refresh token for the next one. None: it is unknown, or its time is over. Raises: Refused when it comes too often."""
        now_ms = self._clock()
        old_hash = hash_of(token)
        new_token, new_hash = make_refresh()
        async with self._engine.begin() as connection:
            found = select(refresh_tokens).where(refresh_tokens.c.token_hash == old_hash).with_for_update()
            row = (await connection.execute(found)).one_or_none()
            session = None if row is None else self._sessions.get(row.session_id)
            if row is None or session is None:
                return None
            expires_ms = min(session.created_ms + self._lifetime_ms, now_ms + REFRESH_MS)
            if row.used_ms is None:
                if row.expires_ms <= now_ms or session.expires_ms <= now_ms:
                    return None
                wait_ms = self._refreshes.find(session.session_id, now_ms).take(now_ms)
                if wait_ms:
                    raise Refused(Refusal.TOO_OFTEN, retry_s=wait_ms / 1000)
                mine = refresh_tokens.c.token_hash == old_hash
                await connection.execute(update(refresh_tokens).where(mine).values(used_ms=now_ms))
                await connection.execute(
                    insert(refresh_tokens).values(
                        token_hash=new_hash, session_id=session.session_id, created_ms=now_ms, expires_ms=expires_ms
                    )
                )
                used = {"used_ms": now_ms, "address": address, "expires_ms": expires_ms}
                this = sessions.c.session_id == session.session_id
                await connection.execute(update(sessions).where(this).values(used))
        if row.used_ms is not None:
            await self.end(session.session_id, Ending.REUSED)
            return Reuse(session.owner_id, session.session_id)
        session.used_ms, session.address, session.expires_ms = now_ms, address, expires_ms
        return Opened(session, new_token)

    async def step_up(self, session: Session) -> int:
        """Let a session do what needs a fresh code, for a while; gives until when."""
        until_ms = self._clock() + STEP_UP_MS
        this = sessions.c.session_id == session.session_id
        async with self._engine.begin() as connection:
            await connection.execute(update(sessions).where(this).values(step_up_ms=until_ms))
        session.step_up_ms = until_ms
        return until_ms

    def is_stepped_up(self, session: Session) -> bool:
        """Whether a fresh code was given in it lately."""
        return session.step_up_ms > self._clock()

    async def end(self, session_id: str, ending: Ending) -> None:
        """End a session at once. What could not be written is not done: whoever asked for it may ask again."""
        ended = self._sessions.pop(session_id, None)
        try:
            async with self._engine.begin() as connection:
                await self._write_end(connection, sessions.c.session_id == session_id, ending)
        except BaseException:
            if ended is not None:
                self._sessions[session_id] = ended
            raise

    async def write_ends(self, connection: AsyncConnection, owner_id: int, ending: Ending, *, but: str = "") -> None:
        """Write that a person's sessions have ended, but one if so wanted. `end_all` then ends them here, and what was opened meanwhile."""
        await self._write_end(connection, (sessions.c.owner_id == owner_id) & (sessions.c.session_id != but), ending)

    async def _write_end(self, connection: AsyncConnection, which: ColumnElement[bool], ending: Ending) -> None:
        # Tokens first, as a refresh does: the other way round each could wait for the other.
        gone = refresh_tokens.c.session_id.in_(select(sessions.c.session_id).where(which))
        await connection.execute(delete(refresh_tokens).where(gone))
        ended = update(sessions).where(which, sessions.c.ended_ms.is_(None))
        await connection.execute(ended.values(ended_ms=self._clock(), ending=ending.value))

    async def end_all(self, owner_id: int, ending: Ending, *, but: str = "") -> int:
        """End all of a person's sessions, but one if so wanted; gives how many."""
        found = [one.session_id for one in self.of(owner_id) if one.session_id != but]
        for session_id in found:
            await self.end(session_id, ending)
        return len(found)


def _refreshes() -> Bucket:
    return Bucket(per_second=REFRESHES_PER_S, burst=REFRESHES_BURST)


def _shown(agent: str) -> str:
    """What a client says of itself, as far as it can be shown."""
    return "".join(letter for letter in agent[:AGENT_MAX] if letter.isprintable())
