"""Everybody who logs in, and every way in: log-in, second factor, refresh, a new password. Who comes new: app/people/signups.py.

Nothing that is asked from outside says whether an e-mail address is known: not the answer, not the time it takes.
"""

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from typing import Any, Final, NamedTuple, final

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.clock import Clock
from app.db.secrets import Vault
from app.db.tables import people
from app.identity import Identity, NameTaken
from app.journal import UNREACHABLE
from app.limits import name_of
from app.people.codes import BEWARE, Codes, Purpose, buckets
from app.people.factors import Factors
from app.people.lockouts import Lockouts
from app.people.mailer import Mail, Mailer
from app.people.passwords import Passwords, check_strength
from app.people.person import Person
from app.people.refusals import Refusal, Refused
from app.people.sessions import Ending, Opened, Reuse, Session, Sessions
from app.people.tokens import Challenge, Tokens
from app.rate import Bucket, Table
from app.settings import Settings

STOLEN_SUBJECT: Final = "A log-in was ended"
STOLEN_TEXT: Final = (
    "A refresh token of yours was used twice, which means that somebody copied it. The log-in that it belonged to was ended. "
    "If you do not know how this could come about, change your password and end your other sessions."
)
CHANGED_SUBJECT: Final = "Your password was changed"
CHANGED_TEXT: Final = (
    "Your password was changed, and your other sessions were ended. If this was not you, ask for a new one at once."
)

LOGINS_PER_HOUR: Final = 200
"""Of one name (see `_guesser`): those that succeed are work too, and each leaves a row."""
TOTP_ON_SUBJECT: Final = "Your second factor is on"
TOTP_OFF_SUBJECT: Final = "Your second factor is off"
TOTP_RESET_TEXT: Final = (
    "The exchange turned your second factor off, because it was asked to, and ended your sessions. Log in with your password, "
    "and set a second factor up anew. If this was not you, tell the exchange at once."
)
FROZEN_SUBJECT: Final = "Your account is frozen"
FROZEN_TEXT: Final = (
    "Somebody asked for a new password for your account. It is frozen: until the exchange lifts this, nobody gets in and no "
    "password can be set. Ask the exchange."
)
PASSWORD_BYTES: Final = 32
"""Of a password that nobody knows."""

_log = logging.getLogger(__name__)


class Visitor(NamedTuple):
    """Where somebody knocks from, and with what program."""

    address: str
    agent: str


@final
class Register:
    """The people, and the ways in."""

    def __init__(
        self, engine: AsyncEngine, vault: Vault, identity: Identity, settings: Settings, clock: Clock, mailer: Mailer
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._clock = clock
        self.mailer = mailer
        self.passwords = Passwords(memory_kib=settings.argon2_memory_kib, passes=settings.argon2_passes)
        self.tokens = Tokens(vault.derive("access tokens"), clock)
        self.lockouts = Lockouts(
            engine, vault.derive("lockouts"), clock, free_of_address=settings.login_failures_of_address
        )
        self.codes = Codes(engine, vault.derive("mail codes"), clock, mailer, per_hour=settings.mails_per_hour)
        self.sessions = Sessions(engine, clock, days=settings.session_days)
        self.factors = Factors(engine, vault, clock)
        self._knocks = buckets(settings.signups_per_hour)
        self._letters = buckets(settings.mails_per_hour)
        self._logins = buckets(LOGINS_PER_HOUR)
        self._people: dict[int, Person] = {}
        self._by_email: dict[str, Person] = {}
        self._behind: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Read everybody. Raises: KeyUndecryptable."""
        async with self._engine.begin() as connection:
            for row in (await connection.execute(select(people))).all():
                self._keep(self._person(row))
        await self.lockouts.load()
        await self.sessions.load()
        for owner_id in self._people:
            if self._identity.is_frozen(owner_id):  # a log-in under way when somebody was frozen and all stopped
                await self.sessions.end_all(owner_id, Ending.FROZEN)
        await self.codes.prune()

    async def close(self) -> None:
        """Finish what is done behind."""
        if self._behind:
            await asyncio.wait(self._behind)
        self.passwords.close()

    def find(self, owner_id: int) -> Person | None:
        """Somebody by the owner's number; None for an owner who does not log in."""
        return self._people.get(owner_id)

    def is_known(self, email: str) -> bool:
        """Whether somebody logs in with this address."""
        return email in self._by_email

    def everybody(self) -> list[Person]:
        """Everybody who logs in."""
        return list(self._people.values())

    # --- who comes new ------------------------------------------------------------------------------------------------

    async def admit(self, email: str, password_hash: str) -> Person:
        """Add a user who logs in. Raises: Refused when the name is somebody's."""
        made: list[Person] = []

        async def also(connection: AsyncConnection, owner_id: int) -> None:
            made.append(await self._insert(connection, owner_id, email, password_hash))

        try:
            await self._identity.create_user(email, also=also)
        except NameTaken:
            raise Refused(Refusal.EMAIL_TAKEN, "email") from None
        self._keep(made[0])
        return made[0]

    async def enrol(self, owner_id: int, email: str, password: str, *, has_allow_list: bool, level: int) -> Person:
        """Let a user log in who was there before."""
        hashed = await self.passwords.make(password)
        async with self._engine.begin() as connection:
            person = await self._insert(connection, owner_id, email, hashed, has_allow_list=has_allow_list, level=level)
        self._keep(person)
        return person

    async def _insert(
        self,
        connection: AsyncConnection,
        owner_id: int,
        email: str,
        password_hash: str,
        *,
        has_allow_list: bool = True,
        level: int = 0,
    ) -> Person:
        person = Person(owner_id=owner_id, email=email, password_hash=password_hash, now_ms=self._clock())
        person.has_allow_list, person.level = has_allow_list, level
        await connection.execute(
            insert(people).values(
                owner_id=owner_id,
                email=email,
                password_hash=password_hash,
                password_ms=person.password_ms,
                level=person.level,
                has_allow_list=has_allow_list,
                totp_step=0,
                created_ms=person.created_ms,
            )
        )
        return person

    # --- log-in ------------------------------------------------------------------------------------------------------

    async def log_in(self, email: str, password: str, visitor: Visitor) -> Opened | str:
        """Check a password; gives a session, or the challenge for whoever has a second factor.

        Raises: Refused, with the same words and after the same work whether the address is known or not; Overloaded.
        """
        person = self._by_email.get(email)
        who = self._guesser(f"email {email}", person, visitor)
        hashed, since_ms = (None, 0) if person is None else (person.password_hash, person.password_ms)
        self._take(self._logins, who)
        place = name_of(visitor.address)
        async with self.lockouts.attempt(who, visitor.address):
            if not await self.passwords.check(password, hashed, place) or person is None or hashed is None:
                raise Refused(Refusal.BAD_LOGIN)
        self._check_free(person)
        if person.totp_secret is not None:
            return self.tokens.challenge(Challenge(person.owner_id, since_ms))
        if self.passwords.is_outdated(hashed):
            await self._renew_hash(person, password, hashed)
        await self.lockouts.clear(who, visitor.address)
        return await self.open(person, since_ms, visitor)

    async def log_in_further(self, challenge: str, code: str, visitor: Visitor) -> Opened:
        """Check the second factor. Raises: Refused."""
        found = self.tokens.read_challenge(challenge)
        person = self._people.get(found.owner_id)
        if person is None or person.password_ms != found.password_ms or person.totp_secret is None:
            raise Refused(Refusal.BAD_TOKEN, "challenge")
        self._check_free(person)
        who = self._guesser(f"factor {person.owner_id}", person, visitor)
        await self.lockouts.begin(who, visitor.address)
        await self.factors.take(person, code)
        await self.lockouts.clear(who, visitor.address)
        await self.lockouts.clear(self._guesser(f"email {person.email}", person, visitor), visitor.address)
        return await self.open(person, found.password_ms, visitor)

    async def open(self, person: Person, since_ms: int, visitor: Visitor) -> Opened:
        """Let somebody in who knew the password that was set then. Raises: Refused when meanwhile another one was, or the person frozen."""
        opened = await self.sessions.open(person.owner_id, *visitor)
        if self._identity.is_frozen(person.owner_id):
            await self.sessions.end(opened.session.session_id, Ending.FROZEN)
            raise Refused(Refusal.FROZEN)
        if person.password_ms != since_ms:
            await self.sessions.end(opened.session.session_id, Ending.PASSWORD)
            raise Refused(Refusal.BAD_LOGIN)
        return opened

    def _check_free(self, person: Person) -> None:
        """Check that somebody is not frozen, who has shown to be the person: nobody else may learn it. Raises: Refused."""
        if self._identity.is_frozen(person.owner_id):
            raise Refused(Refusal.FROZEN)

    def _guesser(self, what: str, person: Person | None, visitor: Visitor) -> str:
        """Who guesses at something, as far as locks go: at a place that the person has come from somebody else than all strangers."""
        is_known = person is not None and self.sessions.is_known(person.owner_id, visitor.address)
        return f"{what} from {name_of(visitor.address)}" if is_known else what

    async def refresh(self, token: str, visitor: Visitor) -> Opened:
        """Change a refresh token for the next one. Raises: Refused."""
        opened = await self.sessions.refresh(token, visitor.address)
        if isinstance(opened, Reuse):
            person = self._people.get(opened.owner_id)
            if person is not None:
                self.mailer.post(Mail(person.email, STOLEN_SUBJECT, STOLEN_TEXT))
        if not isinstance(opened, Opened):
            raise Refused(Refusal.BAD_REFRESH, "refresh_token")
        return opened

    # --- what a person may be asked again ----------------------------------------------------------------------------

    async def send_step_up(self, person: Person) -> None:
        """Mail a code to whoever has no second factor. Raises: Refused."""
        if person.totp_secret is not None:
            raise Refused(Refusal.TOTP_ON)
        await self.codes.send(person.owner_id, person.email, Purpose.STEP_UP)

    async def step_up(self, session: Session, code: str, visitor: Visitor) -> int:
        """Take a fresh code; gives until when the session may do more. Raises: Refused."""
        person = self._people[session.owner_id]
        if person.totp_secret is not None:
            await self._take_factor(person, code, visitor)
        else:
            await self.take_mailed(person, Purpose.STEP_UP, code, visitor)
        return await self.sessions.step_up(session)

    async def take_mailed(
        self, person: Person, purpose: Purpose, code: str, visitor: Visitor, subject: str = ""
    ) -> None:
        """Take a code that was mailed to somebody who is in. Raises: Refused."""
        who = f"mailed {person.owner_id} inside"
        await self.lockouts.begin(who, visitor.address)
        await self.codes.take(person.owner_id, purpose, code, subject)
        await self.lockouts.clear(who, visitor.address)

    async def _take_factor(self, person: Person, code: str, visitor: Visitor) -> None:
        """Take a code of the second factor of somebody who is in. Raises: Refused."""
        who = f"factor {person.owner_id} inside"
        await self.lockouts.begin(who, visitor.address)
        await self.factors.take(person, code)
        await self.lockouts.clear(who, visitor.address)

    async def confirm_totp(self, session: Session, code: str, visitor: Visitor) -> list[str]:
        """Turn the second factor on; gives the recovery codes. Raises: Refused."""
        person = self._people[session.owner_id]
        who = f"factor {person.owner_id} inside"
        await self.lockouts.begin(who, visitor.address)
        self.charge_mail(person)
        codes = await self.factors.confirm(person, code)
        await self.lockouts.clear(who, visitor.address)
        self.mailer.post(Mail(person.email, TOTP_ON_SUBJECT, BEWARE))
        return codes

    async def turn_totp_off(self, session: Session, code: str, visitor: Visitor) -> None:
        """Turn the second factor off with a code of it. Raises: Refused."""
        person = self._people[session.owner_id]
        await self._take_factor(person, code, visitor)
        await self.factors.turn_off(person)
        self.mailer.post(Mail(person.email, TOTP_OFF_SUBJECT, BEWARE))

    async def change_password(self, session: Session, old: str, new: str, visitor: Visitor) -> None:
        """Set another password; all other sessions end. Raises: Refused, Overloaded."""
        person = self._people[session.owner_id]
        check_strength(new, person.email)
        # A name of its own: who knows the password could otherwise begin anew with guesses at the second factor.
        who, known = f"password {person.owner_id} inside", person.password_hash
        place = name_of(visitor.address)
        async with self.lockouts.attempt(who, visitor.address):
            if not await self.passwords.check(old, known, place):
                raise Refused(Refusal.BAD_LOGIN, "password")
        await self.lockouts.clear(who, visitor.address)
        self.charge_mail(person)
        hashed = await self.passwords.make(new, place)
        self.sessions.check_still(session)
        await self._set_password(person, hashed, known=known, but=session.session_id)
        self.mailer.post(Mail(person.email, CHANGED_SUBJECT, CHANGED_TEXT))

    def forget_password(self, email: str, visitor: Visitor) -> None:
        """Mail a code to an address that is known. What there is to do is done behind, so that the answer tells nothing.

        Raises: Refused.
        """
        if not self.mailer.is_open:
            raise Refused(Refusal.NO_MAIL)
        self.charge_stranger(visitor)
        person = self._by_email.get(email)
        if person is not None:
            self._do_behind(self._send_reset(person))

    async def reset_password(self, email: str, code: str, new: str, visitor: Visitor) -> Opened | str:
        """Set a password with a code that was mailed; every session ends, a second factor stays. Gives what a log-in gives: whoever
        guesses at the password must not keep its owner out.

        Raises: Refused, Overloaded.
        """
        check_strength(new, email)
        # The code cannot be guessed: no lock of the e-mail address stands in the owner's way.
        await self.lockouts.begin("", visitor.address)
        hashed = await self.passwords.make(new, name_of(visitor.address))
        person = self._by_email.get(email)
        # Who is not there has the number of nobody: the same question to the database.
        await self.codes.take(0 if person is None else person.owner_id, Purpose.RESET, code)
        assert person is not None, "nobody has no codes"
        self._check_free(person)
        await self.lockouts.clear("", visitor.address)
        set_ms = await self._set_password(person, hashed)
        self.sessions.remember(person.owner_id, visitor.address)  # the owner's, whoever locks strangers out
        self.mailer.post(Mail(person.email, CHANGED_SUBJECT, CHANGED_TEXT))
        if person.totp_secret is not None:
            return self.tokens.challenge(Challenge(person.owner_id, set_ms))
        return await self.open(person, set_ms, visitor)

    async def replace_password(self, person: Person, password: str) -> None:
        """Set a password without asking for the old one, and end every session. For an operator."""
        await self._set_password(person, await self.passwords.make(password))

    async def freeze(self, owner_id: int) -> None:
        """End all that somebody comes in with, and let nobody in until `unfreeze`. For an operator."""

        async def also(connection: AsyncConnection, owner_id: int) -> None:
            await self._write_ends(connection, owner_id, Ending.FROZEN)

        await self._identity.freeze(owner_id, also=also)
        await self.sessions.end_all(owner_id, Ending.FROZEN)

    async def unfreeze(self, owner_id: int) -> None:
        """Let somebody in again, with a new password only: others may know the old one. For an operator."""
        person = self.find(owner_id)
        if person is not None:
            await self.replace_password(person, secrets.token_urlsafe(PASSWORD_BYTES))
        await self._identity.unfreeze(owner_id)

    async def reset_totp(self, person: Person) -> None:
        """Turn off a second factor that was lost, end every session, and tell the owner. For an operator."""

        async def also(connection: AsyncConnection, owner_id: int) -> None:
            await self._write_ends(connection, owner_id, Ending.FACTOR)

        await self.factors.turn_off(person, also=also)
        await self.sessions.end_all(person.owner_id, Ending.FACTOR)
        self.mailer.post(Mail(person.email, TOTP_OFF_SUBJECT, TOTP_RESET_TEXT))

    async def _write_ends(self, connection: AsyncConnection, owner_id: int, ending: Ending, *, but: str = "") -> None:
        """Write that sessions have ended, but one if so wanted, and that no code counts that was mailed before."""
        await self.sessions.write_ends(connection, owner_id, ending, but=but)
        await self.codes.void(connection, owner_id)

    async def set_level(self, owner_id: int, level: int) -> None:
        """Set the level to which somebody is verified. For an operator."""
        await self._write(owner_id, level=level)
        self._people[owner_id].level = level

    async def _send_reset(self, person: Person) -> None:
        try:
            if self._identity.is_frozen(person.owner_id):
                self._take(self._letters, f"frozen {person.owner_id}")
                self.mailer.post(Mail(person.email, FROZEN_SUBJECT, FROZEN_TEXT))
                return
            await self.codes.send(person.owner_id, person.email, Purpose.RESET)
        except Refused:
            return  # too many: whoever asks must not learn that there is somebody
        except (SQLAlchemyError, *UNREACHABLE) as fault:
            _log.warning("no code was sent: %s", type(fault).__name__)

    async def _set_password(self, person: Person, hashed: str, *, known: str | None = None, but: str = "") -> int:
        """Set a password, and end what was opened with the one before, but one session if so wanted: all of it or nothing. Gives its time.

        `known` is the hash that the old password was checked against. Raises: Refused when another one was set meanwhile.
        """
        owner_id = person.owner_id
        set_ms = max(self._clock(), person.password_ms + 1)  # no two have the same: see open
        mine = people.c.owner_id == owner_id
        if known is not None:
            mine &= people.c.password_hash == known
        async with self._engine.begin() as connection:
            written = update(people).where(mine).values(password_hash=hashed, password_ms=set_ms)
            if (await connection.execute(written)).rowcount != 1:
                raise Refused(Refusal.BAD_LOGIN, "password")
            await self._write_ends(connection, owner_id, Ending.PASSWORD, but=but)
        person.password_hash, person.password_ms = hashed, set_ms
        await self.sessions.end_all(owner_id, Ending.PASSWORD, but=but)
        return set_ms

    async def _renew_hash(self, person: Person, password: str, known: str) -> None:
        """Keep a password with the parameters of now, unless another one was set meanwhile."""
        hashed = await self.passwords.make(password)
        mine = (people.c.owner_id == person.owner_id) & (people.c.password_hash == known)
        async with self._engine.begin() as connection:
            written = await connection.execute(update(people).where(mine).values(password_hash=hashed))
        if written.rowcount == 1:
            person.password_hash = hashed

    async def _write(self, owner_id: int, **values: str | int) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(update(people).where(people.c.owner_id == owner_id).values(values))

    def charge_stranger(self, visitor: Visitor) -> None:
        """Take what a mail that a stranger asks for costs an IP address. Raises: Refused."""
        self._take(self._knocks, name_of(visitor.address))

    def charge_mailbox(self, email: str) -> None:
        """Take what it costs a mailbox, whoever has it and from wherever it is asked for. Raises: Refused."""
        self._take(self._letters, email)

    def charge_mail(self, person: Person) -> None:
        """Take what something costs that somebody does who is in, and that a mail tells of: all wait for one mailer. Raises: Refused."""
        self._take(self._letters, f"owner {person.owner_id}")

    def _take(self, table: Table[Bucket], name: str) -> None:
        now_ms = self._clock()
        wait_ms = table.find(name, now_ms).take(now_ms)
        if wait_ms:
            raise Refused(Refusal.TOO_OFTEN, retry_s=wait_ms / 1000)

    def _do_behind(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    def _keep(self, person: Person) -> None:
        self._people[person.owner_id] = person
        self._by_email[person.email] = person

    def _person(self, row: Row[Any]) -> Person:
        person = Person(owner_id=row.owner_id, email=row.email, password_hash=row.password_hash, now_ms=row.created_ms)
        person.password_ms = row.password_ms
        person.level = row.level
        person.has_allow_list = row.has_allow_list
        person.totp_secret = self.factors.unlock(row.owner_id, row.totp_secret)
        person.totp_pending = self.factors.unlock(row.owner_id, row.totp_pending)
        person.totp_step = row.totp_step
        return person
