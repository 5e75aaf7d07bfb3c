"""Who comes new: a code goes to the e-mail address, and whoever says it is a person. Nobody learns whether an address is known."""

import secrets
from typing import Final, final

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import Clock
from app.db.tables import signups
from app.limits import name_of
from app.people.codes import ATTEMPTS_MAX, LIFETIME_MS, make_code
from app.people.mailer import Mail
from app.people.passwords import check_strength
from app.people.person import Person
from app.people.refusals import Refusal, Refused
from app.people.register import Register, Visitor

SIGNUP_SUBJECT: Final = "Your code to open an account"
KNOWN_SUBJECT: Final = "You have an account already"
KNOWN_TEXT: Final = (
    "Somebody asked to open an account with this e-mail address. It has one already; nothing was changed."
)


@final
class SignUps:
    """Takes sign-ups. `is_open`: people may sign up by themselves."""

    def __init__(self, engine: AsyncEngine, register: Register, clock: Clock, *, is_open: bool) -> None:
        self._engine = engine
        self._register = register
        self._clock = clock
        self._is_open = is_open

    async def ask(self, email: str, password: str, visitor: Visitor) -> str:
        """Send a code to an address; gives the sign-up's id. Who has an account is told so by mail, and nobody else is.

        Raises: Refused, Overloaded.
        """
        register = self._register
        if not self._is_open:
            raise Refused(Refusal.SIGNUP_CLOSED)
        if not register.mailer.is_open:
            raise Refused(Refusal.NO_MAIL)
        check_strength(password, email)
        register.charge_stranger(visitor)
        register.charge_mailbox(email)
        signup_id, code = secrets.token_hex(16), make_code()
        is_known = register.is_known(email)
        values = {
            "signup_id": signup_id,
            "email": email,
            "password_hash": await register.passwords.make(password, name_of(visitor.address)),
            # Nobody knows the code of a sign-up for somebody who is there.
            "code_hash": register.codes.digest(signup_id, secrets.token_hex(16) if is_known else code),
            "attempts": 0,
            "created_ms": self._clock(),
            "expires_ms": self._clock() + LIFETIME_MS,
        }
        async with self._engine.begin() as connection:
            await connection.execute(delete(signups).where(signups.c.expires_ms < self._clock()))
            await connection.execute(insert(signups).values(values))
        if is_known:
            register.mailer.post(Mail(email, KNOWN_SUBJECT, KNOWN_TEXT))
        else:
            minutes = LIFETIME_MS // 60_000
            register.mailer.post(
                Mail(email, SIGNUP_SUBJECT, f"Code: {code}\n\nIt is good once, for {minutes} minutes.")
            )
        return signup_id

    async def confirm(self, signup_id: str, code: str, visitor: Visitor) -> Person:
        """Make somebody of a sign-up. Raises: Refused."""
        register = self._register
        await register.lockouts.begin("", visitor.address)
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
        if row is None or not secrets.compare_digest(register.codes.digest(signup_id, code), expected):
            raise Refused(Refusal.BAD_CODE, "code")
        async with self._engine.begin() as connection:
            taken = await connection.execute(delete(signups).where(signups.c.signup_id == signup_id))
        if taken.rowcount != 1:
            raise Refused(Refusal.BAD_CODE, "code")
        await register.lockouts.clear("", visitor.address)
        return await register.admit(row.email, row.password_hash)
