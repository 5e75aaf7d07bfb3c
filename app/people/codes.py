"""Codes by mail: for one person and one purpose, soon over. Six digits, and only so many guesses, where somebody is logged in; too long to be
guessed where anybody may try: there a limit of guesses would let strangers use up the owner's code.
"""

import hmac
import secrets
from base64 import b32encode
from enum import Enum
from typing import Final, final

from sqlalchemy import ColumnElement, and_, delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.clock import Clock
from app.db.tables import mail_codes
from app.people.mailer import Mail, Mailer
from app.people.refusals import Refusal, Refused
from app.rate import Bucket, Table, fill_ms

DIGITS: Final = 6
LONG_BYTES: Final = 10
LONG_GROUP: Final = 4
"""A long code is shown in groups of so many letters."""
LIFETIME_MS: Final = 900_000
ATTEMPTS_MAX: Final = 5
KEPT_MS: Final = 86_400_000
HOUR_S: Final = 3_600


class Purpose(Enum):
    """What a code is good for. A code for one is none for another."""

    RESET = "reset"
    STEP_UP = "step_up"
    WITHDRAWAL = "withdrawal"


SUBJECTS: Final = {
    Purpose.RESET: "Your code for a new password",
    Purpose.STEP_UP: "Your code to confirm that it is you",
    Purpose.WITHDRAWAL: "Your code for a withdrawal",
}
BEWARE: Final = "If this was not you, change your password and end your other sessions."


def make_code() -> str:
    """A fresh code."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"


def make_long_code() -> str:
    """A fresh code of 80 random bits: 16 letters and digits."""
    return b32encode(secrets.token_bytes(LONG_BYTES)).decode().lower()


def in_groups(code: str) -> str:
    """A long code as people read it."""
    return "-".join(code[start : start + LONG_GROUP] for start in range(0, len(code), LONG_GROUP))


def as_made(code: str) -> str:
    """A long code as it was made, of what somebody typed."""
    return code.strip().lower().replace("-", "").replace(" ", "")


def buckets(per_hour: int) -> Table[Bucket]:
    """A bucket for each name, of so many tokens an hour."""
    per_second = per_hour / HOUR_S
    span_ms = fill_ms(per_second=per_second, burst=per_hour)
    return Table(lambda: Bucket(per_second=per_second, burst=per_hour), span_ms=span_ms)


@final
class Codes:
    """Makes codes, sends them, and takes each of them once. They are kept as keyed hashes."""

    def __init__(self, engine: AsyncEngine, key: bytes, clock: Clock, mailer: Mailer, *, per_hour: int) -> None:
        self._engine = engine
        self._key = key
        self._clock = clock
        self._mailer = mailer
        self._buckets = buckets(per_hour)

    async def prune(self) -> None:
        """Forget what has long been over."""
        old = mail_codes.c.expires_ms < self._clock() - KEPT_MS
        async with self._engine.begin() as connection:
            await connection.execute(delete(mail_codes).where(old))

    def digest(self, code_id: str, code: str) -> bytes:
        """What is kept of a code."""
        return hmac.digest(self._key, f"{code_id} {code}".encode("utf-8", "replace"), "sha256")

    async def send(self, owner_id: int, email: str, purpose: Purpose, subject: str = "", words: str = "") -> None:
        """Send a new code; one that was sent before for the same is none any more.

        Raises: Refused without mail, or when too many were asked for.
        """
        if not self._mailer.is_open:
            raise Refused(Refusal.NO_MAIL)
        now_ms = self._clock()
        # One for each purpose: a stranger may ask for some of them, and must not use up the others.
        wait_ms = self._buckets.find(f"{owner_id} {purpose.value}", now_ms).take(now_ms)
        if wait_ms:
            raise Refused(Refusal.TOO_OFTEN, retry_s=wait_ms / 1000)
        code = make_long_code() if purpose is Purpose.RESET else make_code()
        code_id = secrets.token_hex(16)
        async with self._engine.begin() as connection:
            await connection.execute(
                update(mail_codes).where(self._open(owner_id, purpose, subject)).values(used_ms=now_ms)
            )
            await connection.execute(
                insert(mail_codes).values(
                    code_id=code_id,
                    owner_id=owner_id,
                    purpose=purpose.value,
                    subject=subject,
                    code_hash=self.digest(code_id, code),
                    attempts=0,
                    created_ms=now_ms,
                    expires_ms=now_ms + LIFETIME_MS,
                )
            )
        minutes = LIFETIME_MS // 60_000
        shown = in_groups(code) if purpose is Purpose.RESET else code
        text = f"{words}\n\nCode: {shown}\n\nIt is good once, for {minutes} minutes. {BEWARE}".strip()
        self._mailer.post(Mail(email, SUBJECTS[purpose], text))

    async def take(self, owner_id: int, purpose: Purpose, code: str, subject: str = "") -> None:
        """Take a code, once. A guess counts before it is looked at. Raises: Refused."""
        now_ms = self._clock()
        is_open = and_(self._open(owner_id, purpose, subject), mail_codes.c.expires_ms > now_ms)
        if purpose is Purpose.RESET:
            code = as_made(code)
        else:
            is_open = and_(is_open, mail_codes.c.attempts < ATTEMPTS_MAX)
        guess = (
            update(mail_codes)
            .where(is_open)
            .values(attempts=mail_codes.c.attempts + 1)
            .returning(mail_codes.c.code_id, mail_codes.c.code_hash)
        )
        async with self._engine.begin() as connection:
            rows = (await connection.execute(guess)).all()
        for row in rows:
            if hmac.compare_digest(self.digest(row.code_id, code), row.code_hash):
                mine = (mail_codes.c.code_id == row.code_id) & mail_codes.c.used_ms.is_(None)
                async with self._engine.begin() as connection:
                    taken = await connection.execute(update(mail_codes).where(mine).values(used_ms=now_ms))
                if taken.rowcount == 1:
                    return
        raise Refused(Refusal.BAD_CODE, "code")

    async def void(self, connection: AsyncConnection, owner_id: int) -> None:
        """Let all codes of a person count no more."""
        table = mail_codes.c
        mine = (table.owner_id == owner_id) & table.used_ms.is_(None)
        await connection.execute(update(mail_codes).where(mine).values(used_ms=self._clock()))

    def _open(self, owner_id: int, purpose: Purpose, subject: str) -> ColumnElement[bool]:
        return and_(
            mail_codes.c.owner_id == owner_id,
            mail_codes.c.purpose == purpose.value,
            mail_codes.c.subject == subject,
            mail_codes.c.used_ms.is_(None),
        )
