"""Users and API keys: primary data, kept in tables, read from memory.

The core knows owners and accounts by number only. A secret is decrypted once, at the start or when it is made, and is
never logged, printed or sent to the database in the clear.
"""

import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_network
from typing import Any, Final, final

import msgspec
from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.auth import Key, Scope
from app.clock import Clock, wall_clock
from app.db.secrets import Vault
from app.db.tables import api_keys, users
from app.rate import Bucket

SECRET_BYTES: Final = 32
KEY_ID_BYTES: Final = 16

AlsoWrite = Callable[[AsyncConnection, int], Awaitable[None]]


class NameTaken(ValueError):
    """A user of this name is there already."""


class OwnerFrozen(ValueError):
    """The owner is frozen: there is no key to be had."""


class User(msgspec.Struct, frozen=True):
    """Somebody who owns accounts. Surfaces show the `customer_id`. `frozen_ms` 0: not frozen."""

    owner_id: int
    customer_id: str
    name: str
    created_ms: int
    frozen_ms: int = 0


class KeyInfo(msgspec.Struct, frozen=True):
    """An API key for a list: everything but its secret."""

    api_key: str
    owner_id: int
    account_id: int
    label: str
    scopes: Scope
    networks: tuple[str, ...]
    created_ms: int
    expires_at_ms: int
    revoked_ms: int


class NewKey(msgspec.Struct, frozen=True):
    """A key and its secret, the only time that the secret is seen."""

    api_key: str
    secret: str

    def __repr__(self) -> str:
        return f"NewKey({self.api_key}, ...)"


@final
class Identity:
    """Who there is, and who may do what. `find` is what app/auth.py asks with every request."""

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        *,
        clock: Clock = wall_clock,
        per_second: float = 1_000_000.0,
        burst: int = 1_000_000,
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._keys: dict[str, Key] = {}
        self._users: dict[int, User] = {}

    async def load(self) -> None:
        """Read everybody and every key in force. Raises: KeyUndecryptable."""
        async with self._engine.connect() as connection:
            found = (await connection.execute(select(users))).all()
            self._users = {row.owner_id: _user(row) for row in found}
            rows = (await connection.execute(select(api_keys).where(api_keys.c.revoked_ms.is_(None)))).all()
        self._keys = {
            row.key_id: self._key(
                row.key_id,
                self._vault.unlock(row.secret, row.key_id),
                row.owner_id,
                row.account_id,
                _scopes(row.scopes),
                row.networks,
                row.expires_ms or 0,
            )
            for row in rows
        }

    def find(self, api_key: str) -> Key | None:
        """The key, unless it is unknown, revoked or expired. Cost: a look-up."""
        key = self._keys.get(api_key)
        if key is not None and 0 < key.expires_at_ms <= self._clock():
            return None
        return key

    def accounts(self) -> set[int]:
        """The accounts that have a key in force."""
        return {key.account_id for key in self._keys.values()}

    def user(self, owner_id: int) -> User | None:
        """Who owns accounts under this number."""
        return self._users.get(owner_id)

    def users(self) -> list[User]:
        """Everybody, in the order of coming."""
        return sorted(self._users.values(), key=lambda user: user.owner_id)

    def is_frozen(self, owner_id: int) -> bool:
        """Whether somebody gets in with nothing."""
        user = self._users.get(owner_id)
        return user is not None and user.frozen_ms > 0

    def user_named(self, name: str) -> User | None:
        """The user of a name."""
        return next((user for user in self._users.values() if user.name == name), None)

    async def create_user(self, name: str, *, also: AlsoWrite | None = None) -> User:
        """Add somebody, and what `also` writes for the owner's id, both or neither. Raises: NameTaken."""
        values = {"customer_id": uuid.uuid4(), "name": name, "created_ms": self._clock()}
        try:
            async with self._engine.begin() as connection:
                row = (await connection.execute(insert(users).values(values).returning(users))).one()
                if also is not None:
                    await also(connection, row.owner_id)
        except IntegrityError:
            raise NameTaken(f"There is a user {name!r} already.") from None
        user = self._users[row.owner_id] = _user(row)
        return user

    async def freeze(self, owner_id: int, *, also: AlsoWrite) -> None:
        """End all of somebody's keys, and make none until `unfreeze`; with what `also` writes, all or nothing."""
        was, now_ms = self._users[owner_id], self._clock()
        frozen = msgspec.structs.replace(was, frozen_ms=was.frozen_ms or now_ms)
        self._users[owner_id] = frozen  # before it is written: what is under way looks here at its end
        in_force = (api_keys.c.owner_id == owner_id) & api_keys.c.revoked_ms.is_(None)
        try:
            async with self._engine.begin() as connection:
                this = update(users).where(users.c.owner_id == owner_id)
                await connection.execute(this.values(frozen_ms=frozen.frozen_ms))
                await connection.execute(update(api_keys).where(in_force).values(revoked_ms=now_ms))
                await also(connection, owner_id)
        except BaseException:
            self._users[owner_id] = was
            raise
        for ended in [key.api_key for key in self._keys.values() if key.owner_id == owner_id]:
            del self._keys[ended]

    async def unfreeze(self, owner_id: int) -> None:
        """Let somebody have keys again. Those that ended stay ended."""
        async with self._engine.begin() as connection:
            await connection.execute(update(users).where(users.c.owner_id == owner_id).values(frozen_ms=None))
        self._users[owner_id] = msgspec.structs.replace(self._users[owner_id], frozen_ms=0)

    async def create_key(
        self,
        owner_id: int,
        account_id: int,
        *,
        label: str = "",
        scopes: Scope = Scope.READ | Scope.TRADE,
        networks: Sequence[str] = (),
        expires_at_ms: int = 0,
    ) -> NewKey:
        """Make a key for an account of this owner. `expires_at_ms` 0: never; no `networks`: from anywhere.

        Raises: ValueError for a network that is none, an owner who is not there, or no scope at all; OwnerFrozen.
        """
        if owner_id not in self._users:
            raise ValueError(f"There is no owner {owner_id}.")
        if not scopes:
            raise ValueError("A key needs a scope.")
        allowed = tuple(str(ip_network(network)) for network in networks)
        key_id, secret = secrets.token_hex(KEY_ID_BYTES), secrets.token_hex(SECRET_BYTES)
        values = {
            "key_id": key_id,
            "owner_id": owner_id,
            "account_id": account_id,
            "label": label,
            "secret": self._vault.lock(secret.encode(), key_id),
            "scopes": _names(scopes),
            "networks": list(allowed),
            "created_ms": self._clock(),
            "expires_ms": expires_at_ms or None,
        }
        # With its row locked: a freeze comes wholly before and is seen, or behind and ends this key with the others.
        owner = select(users.c.frozen_ms).where(users.c.owner_id == owner_id).with_for_update(read=True)
        async with self._engine.begin() as connection:
            frozen_ms = (await connection.execute(owner)).scalar_one()
            if frozen_ms is None:
                await connection.execute(insert(api_keys).values(values))
        if frozen_ms is not None or self.is_frozen(owner_id):
            raise OwnerFrozen(f"User {owner_id} is frozen.")
        self._keys[key_id] = self._key(key_id, secret.encode(), owner_id, account_id, scopes, allowed, expires_at_ms)
        return NewKey(key_id, secret)

    async def revoke_key(self, api_key: str) -> bool:
        """End a key at once, and for good. False when there is none in force."""
        self._keys.pop(api_key, None)
        in_force = (api_keys.c.key_id == api_key) & api_keys.c.revoked_ms.is_(None)
        async with self._engine.begin() as connection:
            ended = await connection.execute(update(api_keys).where(in_force).values(revoked_ms=self._clock()))
        return ended.rowcount == 1

    async def expire_key(self, api_key: str, at_ms: int) -> None:
        """Let a key end at a time, if it does not end before."""
        later = api_keys.c.expires_ms.is_(None) | (api_keys.c.expires_ms > at_ms)
        async with self._engine.begin() as connection:
            mine = (api_keys.c.key_id == api_key) & later
            await connection.execute(update(api_keys).where(mine).values(expires_ms=at_ms))
        key = self._keys.get(api_key)
        if key is not None and not 0 < key.expires_at_ms <= at_ms:
            key.expires_at_ms = at_ms

    async def keys(self, account_id: int = 0, *, owner_id: int = 0) -> list[KeyInfo]:
        """Keys, also those that ended, of one account or one owner, or of all."""
        query = select(api_keys).order_by(api_keys.c.created_ms, api_keys.c.key_id)
        if owner_id:
            query = query.where(api_keys.c.owner_id == owner_id)
        if account_id:
            query = query.where(api_keys.c.account_id == account_id)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return [
            KeyInfo(
                row.key_id,
                row.owner_id,
                row.account_id,
                row.label,
                _scopes(row.scopes),
                tuple(row.networks),
                row.created_ms,
                row.expires_ms or 0,
                row.revoked_ms or 0,
            )
            for row in rows
        ]

    def _key(
        self,
        key_id: str,
        secret: bytes,
        owner_id: int,
        account_id: int,
        scopes: Scope,
        networks: Iterable[str],
        expires_at_ms: int,
    ) -> Key:
        return Key(
            api_key=key_id,
            secret=secret,
            account_id=account_id,
            owner_id=owner_id,
            customer_id=self._users[owner_id].customer_id,
            scopes=scopes,
            networks=tuple(ip_network(network) for network in networks),
            expires_at_ms=expires_at_ms,
            bucket=Bucket(per_second=self._per_second, burst=self._burst),
            cancels=Bucket(per_second=self._per_second, burst=self._burst),
        )


def _user(row: Row[Any]) -> User:
    return User(row.owner_id, str(row.customer_id), row.name, row.created_ms, row.frozen_ms or 0)


def _names(scopes: Scope) -> list[str]:
    return [str(scope.name).lower() for scope in scopes]


def _scopes(names: Iterable[str]) -> Scope:
    scopes = Scope(0)
    for name in names:
        scopes |= Scope[name.upper()]
    return scopes
