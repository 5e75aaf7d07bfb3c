"""The second factor: codes by the clock (TOTP), each good once, and recovery codes for when the device is gone."""

import hmac
import secrets
from base64 import b32encode
from typing import Final, final

import pyotp
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import Clock
from app.db.secrets import Vault
from app.db.tables import people, recovery_codes
from app.identity import AlsoWrite
from app.people.person import Person
from app.people.refusals import Refusal, Refused

STEP_MS: Final = 30_000
DRIFT: Final = 1
"""How many steps a device's clock may be off."""
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
ISSUER: Final = "Evermark"


@final
class Factors:
    """Sets the second factor up, and takes its codes."""

    def __init__(self, engine: AsyncEngine, vault: Vault, clock: Clock) -> None:
        self._engine = engine
        self._vault = vault
        self._key = vault.derive("recovery codes")
        self._clock = clock

    def unlock(self, owner_id: int, locked: bytes | None) -> str | None:
        """A secret as it is in the database. Raises: KeyUndecryptable."""
        return None if locked is None else self._vault.unlock(locked, _name(owner_id)).decode()

    async def prepare(self, person: Person) -> tuple[str, str]:
        """A new secret that counts once it is confirmed, and the URI that devices read as a picture."""
        if person.totp_secret is not None:
            raise Refused(Refusal.TOTP_ON)
        secret = pyotp.random_base32()
        locked = self._vault.lock(secret.encode(), _name(person.owner_id))
        mine = people.c.owner_id == person.owner_id
        async with self._engine.begin() as connection:
            await connection.execute(update(people).where(mine).values(totp_pending=locked))
        person.totp_pending = secret
        return secret, pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=ISSUER)

    async def confirm(self, person: Person, code: str) -> list[str]:
        """Turn it on with a first code; gives the recovery codes, the only time that they are seen. Raises: Refused."""
        secret = person.totp_pending
        if person.totp_secret is not None:
            raise Refused(Refusal.TOTP_ON)
        step = None if secret is None else self._step_of(secret, code)
        if secret is None or step is None:
            raise Refused(Refusal.BAD_CODE, "code")
        mine = (people.c.owner_id == person.owner_id) & people.c.totp_secret.is_(None)
        locked = self._vault.lock(secret.encode(), _name(person.owner_id))
        values = {"totp_secret": locked, "totp_pending": None, "totp_step": step}
        codes = [b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
        rows = [{"owner_id": person.owner_id, "code_hash": self._digest(person.owner_id, code)} for code in codes]
        async with self._engine.begin() as connection:
            # The database decides between two that come at once.
            if (await connection.execute(update(people).where(mine).values(values))).rowcount != 1:
                raise Refused(Refusal.TOTP_ON)
            await connection.execute(delete(recovery_codes).where(recovery_codes.c.owner_id == person.owner_id))
            await connection.execute(insert(recovery_codes), rows)
        person.totp_secret, person.totp_pending, person.totp_step = secret, None, step
        return codes

    async def turn_off(self, person: Person, *, also: AlsoWrite | None = None) -> None:
        """Go on without a second factor, and with what `also` writes, both or neither."""
        mine = people.c.owner_id == person.owner_id
        async with self._engine.begin() as connection:
            await connection.execute(update(people).where(mine).values(totp_secret=None, totp_pending=None))
            await connection.execute(delete(recovery_codes).where(recovery_codes.c.owner_id == person.owner_id))
            if also is not None:
                await also(connection, person.owner_id)
        person.totp_secret = person.totp_pending = None

    async def take(self, person: Person, code: str) -> None:
        """Take a code of the device or a recovery code, each once. Raises: Refused."""
        secret = person.totp_secret
        if secret is None:
            raise Refused(Refusal.TOTP_OFF)
        is_taken = await (
            self._take_step(person, secret, code) if code.isdigit() else self._take_recovery(person, code)
        )
        if not is_taken:
            raise Refused(Refusal.BAD_CODE, "code")

    async def _take_step(self, person: Person, secret: str, code: str) -> bool:
        step = self._step_of(secret, code)
        if step is None or step <= person.totp_step:
            return False
        # The database decides between two that come at once.
        later = (people.c.owner_id == person.owner_id) & (people.c.totp_step < step)
        async with self._engine.begin() as connection:
            taken = await connection.execute(update(people).where(later).values(totp_step=step))
        person.totp_step = max(step, person.totp_step)
        return taken.rowcount == 1

    async def _take_recovery(self, person: Person, code: str) -> bool:
        plain = code.strip().lower().replace("-", "").replace(" ", "")
        table = recovery_codes.c
        mine = (table.owner_id == person.owner_id) & (table.code_hash == self._digest(person.owner_id, plain))
        async with self._engine.begin() as connection:
            used = update(recovery_codes).where(mine, table.used_ms.is_(None)).values(used_ms=self._clock())
            return (await connection.execute(used)).rowcount == 1

    def _step_of(self, secret: str, code: str) -> int | None:
        """The step that a code is of; None: of none near."""
        now = self._clock() // STEP_MS
        generator = pyotp.TOTP(secret)
        found = None
        for step in range(now - DRIFT, now + DRIFT + 1):
            if hmac.compare_digest(generator.generate_otp(step).encode(), code.encode("utf-8", "replace")):
                found = step
        return found

    def _digest(self, owner_id: int, code: str) -> bytes:
        return hmac.digest(self._key, f"{owner_id} {code}".encode("utf-8", "replace"), "sha256")


def _name(owner_id: int) -> str:
    return f"second factor of owner {owner_id}"
