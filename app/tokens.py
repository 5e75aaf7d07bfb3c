"""Operators' tokens for the admin surface: kept as hashes, found in memory."""

import hashlib
import secrets
from collections.abc import Iterable
from enum import IntFlag
from typing import Final, final

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import Clock
from app.db.tables import operators

PREFIX: Final = "evop_"
"""What a token begins with: whoever searches logs or a repository for lost secrets finds it."""
TOKEN_BYTES: Final = 32
NAME_MAX: Final = 64


class Duty(IntFlag):
    """What an operator may do. Who may not read may not see what a change answers beyond its own outcome."""

    READ = 1
    MARKETS = 2
    """Markets, assets and their terms; halts of one market."""
    MONEY = 4
    """Credits, debits, withdrawals, custody, the insurance fund."""
    USERS = 8
    """Accounts and API keys."""
    VENUE = 16
    """Halts of all markets, and passing over a command that halted the exchange."""
    METRICS = 32
    """Only /metrics: for the program that collects them."""


class OperatorKey(msgspec.Struct, frozen=True):
    """An operator in force or a former one, without the token."""

    name: str
    duties: Duty
    created_ms: int
    revoked_ms: int = 0


class NameUsed(ValueError):
    """An operator of this name is in force."""


@final
class Tokens:
    """Who may use the admin surface."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._keys: dict[bytes, OperatorKey] = {}

    async def load(self) -> None:
        """Read those in force."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(operators).where(operators.c.revoked_ms.is_(None)))).all()
        self._keys = {row.token_hash: OperatorKey(row.name, duties_of(row.scopes), row.created_ms) for row in rows}

    def find(self, token: str) -> OperatorKey | None:
        """The operator of a token. A guess cannot be bettered by timing: what is compared is its hash."""
        return self._keys.get(_hash(token))

    async def create(self, name: str, duties: Duty) -> str:
        """Make an operator; gives the token, the only time that it is seen.

        Raises: ValueError for a name or duties that cannot be; NameUsed.
        """
        if not name.strip() or len(name) > NAME_MAX or not name.isprintable():
            raise ValueError(f"An operator needs a name of at most {NAME_MAX} printable characters.")
        if not duties:
            raise ValueError("An operator needs a scope.")
        if any(key.name == name for key in self._keys.values()):
            raise NameUsed(f"There is an operator {name!r} in force.")
        token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        key = OperatorKey(name, duties, self._clock())
        values = {
            "name": name,
            "token_hash": _hash(token),
            "scopes": names_of(duties),
            "created_ms": key.created_ms,
        }
        async with self._engine.begin() as connection:
            await connection.execute(insert(operators).values(values))
        self._keys[_hash(token)] = key
        return token

    async def revoke(self, name: str) -> bool:
        """End an operator's token at once. False when none of this name is in force."""
        for token_hash, key in list(self._keys.items()):
            if key.name == name:
                del self._keys[token_hash]
        in_force = (operators.c.name == name) & operators.c.revoked_ms.is_(None)
        async with self._engine.begin() as connection:
            ended = await connection.execute(update(operators).where(in_force).values(revoked_ms=self._clock()))
        return ended.rowcount > 0

    async def all(self) -> list[OperatorKey]:
        """Everybody there is and was, in the order of coming."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(operators).order_by(operators.c.operator_id))).all()
        return [OperatorKey(row.name, duties_of(row.scopes), row.created_ms, row.revoked_ms or 0) for row in rows]


def names_of(duties: Duty) -> list[str]:
    """Scopes as words."""
    return [str(duty.name).lower() for duty in duties]


def duties_of(names: Iterable[str]) -> Duty:
    """Scopes of words. Raises: ValueError."""
    duties = Duty(0)
    for name in names:
        if name.upper() not in Duty.__members__:
            raise ValueError(f"There is no scope {name!r}: choose from {', '.join(Duty.__members__).lower()}.")
        duties |= Duty[name.upper()]
    return duties


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
