"""Everybody who logs in, and every way in: sign-up, log-in, second factor, refresh, a new password.

Nothing that is asked from outside says whether an e-mail address is known: not the answer, not the time it takes.
"""

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from typing import Any, Final, NamedTuple, final

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.clock import Clock
from app.db.secrets import Vault
from app.db.tables import people, signups
from app.identity import Identity, NameTaken
from app.journal import UNREACHABLE
from app.limits import name_of
from app.people.codes import ATTEMPTS_MAX, BEWARE, LIFETIME_MS, Codes, Purpose, buckets, make_code
from app.people.factors import Factors
from app.people.lockouts import Lockouts
from app.people.mailer import Mail, Mailer
from app.people.passwords import Passwords, check_strength
from app.people.person import Person
from app.people.refusals import Refusal, Refused
from app.people.sessions import Ending, Opened, Reuse, Session, Sessions
from app.people.tokens import Challenge, Tokens
from app.settings import Settings

SIGNUP_SUBJECT: Final = "Your code to open an account"
KNOWN_SUBJECT: Final = "You have an account already"
KNOWN_TEXT: Final = (
    "Somebody asked to open an account with this e-mail address. It has one already; nothing was changed."
)
STOLEN_SUBJECT: Final = "A log-in was ended"
STOLEN_TEXT: Final = (
    "A refresh token of yours was used twice, which means that somebody copied it. The log-in that it belonged to was ended. "
    "If you do not know how this could come about, change your password and end your other sessions."
)
CHANGED_SUBJECT: Final = "Your password was changed"
CHANGED_TEXT: Final = (
    "Your password was changed, and your other sessions were ended. If this was not you, ask for a new one at once."
)

TOTP_ON_SUBJECT: Final = "Your second factor is on"
TOTP_OFF_SUBJECT: Final = "Your second factor is off"

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
        self._is_signup_open = settings.signup
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
        self._people: dict[int, Person] = {}
        self._by_email: dict[str, Person] = {}
        self._behind: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Read everybody. Raises: KeyUndecryptable."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(signups).where(signups.c.expires_ms < self._clock()))
            for row in (await connection.execute(select(people))).all():
                self._keep(self._person(row))
        await self.lockouts.load()
        await self.sessions.load()
        await self.codes.prune()

    async def close(self) -> None:
        """Finish what is done behind."""
        if self._behind:
            await asyncio.wait(self._behind)
        self.passwords.close()

    def find(self, owner_id: int) -> Person | None:
        """Somebody by the owner's number; None for an owner who does not log in."""
        return self._people.get(owner_id)

    def everybody(self) -> list[Person]:
        """Everybody who logs in."""
        return list(self._people.values())

    # --- sign-up -----------------------------------------------------------------------------------------------------

    async def sign_up(self, email: str, password: str, visitor: Visitor) -> str:
        """Send a code to an address; gives the sign-up's id. Who has an account is told so by mail, and nobody else is.

        Raises: Refused, Overloaded.
        """
        if not self._is_signup_open:
            raise Refused(Refusal.SIGNUP_CLOSED)
        if not self.mailer.is_open:
            raise Refused(Refusal.NO_MAIL)
        check_strength(password, email)
        self._charge(visitor)
        signup_id, code = secrets.token_hex(16), make_code()
        is_known = email in self._by_email
        values = {
            "signup_id": signup_id,
            "email": email,
            "password_hash": await self.passwords.make(password),
            # Nobody knows the code of a sign-up for somebody who is there.
            "code_hash": self.codes.digest(signup_id, secrets.token_hex(16) if is_known else code),
            "attempts": 0,
            "created_ms": self._clock(),
            "expires_ms": self._clock() + LIFETIME_MS,
        }
        async with self._engine.begin() as connection:
            await connection.execute(delete(signups).where(signups.c.expires_ms < self._clock()))
            await connection.execute(insert(signups).values(values))
        if is_known:
            self.mailer.post(Mail(email, KNOWN_SUBJECT, KNOWN_TEXT))
        else:
            minutes = LIFETIME_MS // 60_000
            self.mailer.post(Mail(email, SIGNUP_SUBJECT, f"Code: {code}\n\nIt is good once, for {minutes} minutes."))
        return signup_id

    async def confirm(self, signup_id: str, code: str) -> Person:
        """Make somebody of a sign-up. Raises: Refused."""
        guess = (
            update(signups)
            .where(signups.c.signup_id == signup_id, signups.c.expires_ms > self._clock())
            .where(signups.c.attempts < ATTEMPTS_MAX)
            .values(attempts=signups.c.attempts + 1)
            .returning(signups)
        )
        async with self._engine.begin() as connection:
            row = (await connection.execute(guess)).one_or_none()
        expected = b"" if row is None else row.code_hash
        if row is None or not secrets.compare_digest(self.codes.digest(signup_id, code), expected):
            raise Refused(Refusal.BAD_CODE, "code")
        async with self._engine.begin() as connection:
            taken = await connection.execute(delete(signups).where(signups.c.signup_id == signup_id))
        if taken.rowcount != 1:
            raise Refused(Refusal.BAD_CODE, "code")
        return await self.admit(row.email, row.password_hash)

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
        await self.lockouts.begin(email, visitor.address)
        person = self._by_email.get(email)
        if not await self.passwords.check(password, None if person is None else person.password_hash) or person is None:
            raise Refused(Refusal.BAD_LOGIN)
        if person.totp_secret is not None:
            return self.tokens.challenge(Challenge(person.owner_id, person.password_ms))
        if self.passwords.is_outdated(person.password_hash):
            await self._set_password(person, password, is_new=False)
        await self.lockouts.clear(email, visitor.address)
        return await self.sessions.open(person.owner_id, *visitor)

    async def log_in_further(self, challenge: str, code: str, visitor: Visitor) -> Opened:
        """Check the second factor. Raises: Refused."""
        found = self.tokens.read_challenge(challenge)
        person = self._people.get(found.owner_id)
        if person is None or person.password_ms != found.password_ms or person.totp_secret is None:
            raise Refused(Refusal.BAD_TOKEN, "challenge")
        await self.lockouts.begin(person.email, visitor.address)
        await self.factors.take(person, code)
        await self.lockouts.clear(person.email, visitor.address)
        return await self.sessions.open(person.owner_id, *visitor)

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
        await self.lockouts.begin(person.email, visitor.address)
        if person.totp_secret is not None:
            await self.factors.take(person, code)
        else:
            await self.codes.take(person.owner_id, Purpose.STEP_UP, code)
        await self.lockouts.clear(person.email, visitor.address)
        return await self.sessions.step_up(session)

    async def confirm_totp(self, session: Session, code: str, visitor: Visitor) -> list[str]:
        """Turn the second factor on; gives the recovery codes. Raises: Refused."""
        person = self._people[session.owner_id]
        await self.lockouts.begin(person.email, visitor.address)
        codes = await self.factors.confirm(person, code)
        await self.lockouts.clear(person.email, visitor.address)
        self.mailer.post(Mail(person.email, TOTP_ON_SUBJECT, BEWARE))
        return codes

    async def turn_totp_off(self, session: Session, code: str, visitor: Visitor) -> None:
        """Turn the second factor off with a code of it. Raises: Refused."""
        person = self._people[session.owner_id]
        await self.lockouts.begin(person.email, visitor.address)
        await self.factors.take(person, code)
        await self.lockouts.clear(person.email, visitor.address)
        await self.factors.turn_off(person)
        self.mailer.post(Mail(person.email, TOTP_OFF_SUBJECT, BEWARE))

    async def change_password(self, session: Session, old: str, new: str, visitor: Visitor) -> None:
        """Set another password; all other sessions end. Raises: Refused, Overloaded."""
        person = self._people[session.owner_id]
        check_strength(new, person.email)
        await self.lockouts.begin(person.email, visitor.address)
        if not await self.passwords.check(old, person.password_hash):
            raise Refused(Refusal.BAD_LOGIN, "password")
        await self.lockouts.clear(person.email, visitor.address)
        await self._set_password(person, new)
        await self.sessions.end_all(person.owner_id, Ending.PASSWORD, but=session.session_id)
        self.mailer.post(Mail(person.email, CHANGED_SUBJECT, CHANGED_TEXT))

    def forget_password(self, email: str, visitor: Visitor) -> None:
        """Mail a code to an address that is known. What there is to do is done behind, so that the answer tells nothing.

        Raises: Refused.
        """
        if not self.mailer.is_open:
            raise Refused(Refusal.NO_MAIL)
        self._charge(visitor)
        person = self._by_email.get(email)
        if person is not None:
            self._do_behind(self._send_reset(person))

    async def reset_password(self, email: str, code: str, new: str, visitor: Visitor) -> None:
        """Set a password with a code that was mailed; every session ends, a second factor stays. Raises: Refused, Overloaded."""
        check_strength(new, email)
        await self.lockouts.begin(email, visitor.address)
        hashed = await self.passwords.make(new)
        person = self._by_email.get(email)
        # Who is not there has the number of nobody: the same question to the database.
        await self.codes.take(0 if person is None else person.owner_id, Purpose.RESET, code)
        assert person is not None, "nobody has no codes"
        await self.lockouts.clear(email, visitor.address)
        await self._store_password(person, hashed)
        await self.sessions.end_all(person.owner_id, Ending.PASSWORD)
        self.mailer.post(Mail(person.email, CHANGED_SUBJECT, CHANGED_TEXT))

    async def replace_password(self, person: Person, password: str) -> None:
        """Set a password without asking for the old one, and end every session. For an operator."""
        await self._set_password(person, password)
        await self.sessions.end_all(person.owner_id, Ending.PASSWORD)

    async def set_level(self, owner_id: int, level: int) -> None:
        """Set the level to which somebody is verified. For an operator."""
        await self._write(owner_id, level=level)
        self._people[owner_id].level = level

    async def _send_reset(self, person: Person) -> None:
        try:
            await self.codes.send(person.owner_id, person.email, Purpose.RESET)
        except Refused:
            return  # too many: whoever asks must not learn that there is somebody
        except (SQLAlchemyError, *UNREACHABLE) as fault:
            _log.warning("no code was sent: %s", type(fault).__name__)

    async def _set_password(self, person: Person, password: str, *, is_new: bool = True) -> None:
        await self._store_password(person, await self.passwords.make(password), is_new=is_new)

    async def _store_password(self, person: Person, hashed: str, *, is_new: bool = True) -> None:
        set_ms = self._clock() if is_new else person.password_ms
        await self._write(person.owner_id, password_hash=hashed, password_ms=set_ms)
        person.password_hash, person.password_ms = hashed, set_ms

    async def _write(self, owner_id: int, **values: str | int) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(update(people).where(people.c.owner_id == owner_id).values(values))

    def _charge(self, visitor: Visitor) -> None:
        """Take what a mail to a stranger costs an address. Raises: Refused."""
        now_ms = self._clock()
        wait_ms = self._knocks.find(name_of(visitor.address), now_ms).take(now_ms)
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
