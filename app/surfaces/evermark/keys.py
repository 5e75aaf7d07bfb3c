"""The rows of API keys: several for each account, each with scopes, addresses it may be used from, and an end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Annotated, Final, Literal, final

from msgspec import Meta

from app.auth import Scope
from app.clock import Clock
from app.identity import Identity, KeyInfo, NewKey, OwnerFrozen
from app.people.office import PeopleOffice
from app.people.refusals import Refusal, Refused
from app.surfaces.evermark.rows import END, Access, Done, Message, Nothing, Result, Row, Visit

KEYS_MAX: Final = 50
"""Keys in force of one account."""
NETWORKS_MAX: Final = 32
OVERLAP_S: Final = 3_600
OVERLAP_MAX_S: Final = 7 * 86_400
TIME_MAX_MS: Final = 10**14

ScopeName = Literal["read", "trade", "withdraw"]
Label = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*" + END)]
Network = Annotated[str, Meta(max_length=64, description="An IP address, or a network such as 203.0.113.0/24.")]
AccountId = Annotated[int, Meta(ge=1, le=2**53)]
ApiKey = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[0-9a-f]+" + END)]


class CreateKey(Message, frozen=True):
    """Ask for a key. Without `networks` it may be used from anywhere; without `expires_ms` it does not end."""

    account_id: AccountId
    label: Label = ""
    scopes: Annotated[tuple[ScopeName, ...], Meta(min_length=1, max_length=3)] = ("read", "trade")
    networks: Annotated[tuple[Network, ...], Meta(max_length=NETWORKS_MAX)] = ()
    expires_ms: Annotated[int, Meta(ge=1, le=TIME_MAX_MS)] | None = None


class RotateKey(Message, frozen=True):
    """Ask for another key in a key's place. The old one goes on for `overlap_s`."""

    api_key: ApiKey
    overlap_s: Annotated[int, Meta(ge=0, le=OVERLAP_MAX_S)] = OVERLAP_S


class NameKey(Message, frozen=True):
    """Name a key."""

    api_key: ApiKey


class KeySecret(Result, frozen=True):
    """A key and its secret, the only time that the secret is shown."""

    api_key: str
    secret_key: str


class KeyRow(Result, frozen=True):
    """A key, without its secret."""

    api_key: str
    account_id: int
    label: str
    scopes: list[str]
    networks: list[str]
    created_ms: int
    expires_ms: int | None
    is_in_force: bool


class KeyList(Result, frozen=True):
    """Keys that were not revoked, the oldest first."""

    keys: list[KeyRow]


@final
class Keys:
    """The handlers."""

    def __init__(self, office: PeopleOffice, identity: Identity, clock: Clock) -> None:
        self._accounts = office.accounts
        self._sessions = office.register.sessions
        self._identity = identity
        self._clock = clock
        self._turns: dict[int, asyncio.Lock] = {}

    async def listed(self, visit: Visit, _asked: Nothing) -> KeyList:
        """GET /v1/keys."""
        now_ms = self._clock()
        return KeyList([_row(key, now_ms) for key in await self._of(visit.owner_id)])

    async def create(self, visit: Visit, asked: CreateKey) -> KeySecret:
        """POST /v1/keys."""
        account_id = self._accounts.need(visit.owner_id, asked.account_id)
        networks = _networks(asked.networks)
        if asked.expires_ms is not None and asked.expires_ms <= self._clock():
            raise Refused(Refusal.INVALID_EXPIRY, "expires_ms")
        scopes = Scope(0)
        for name in asked.scopes:
            scopes |= Scope[name.upper()]
        async with self._turn(visit):
            await self._check_room(visit.owner_id, account_id)
            new = await self._identity.create_key(
                visit.owner_id,
                account_id,
                label=asked.label,
                scopes=scopes,
                networks=networks,
                expires_at_ms=asked.expires_ms or 0,
            )
        return await self._hand_over(visit, new)

    async def rotate(self, visit: Visit, asked: RotateKey) -> KeySecret:
        """POST /v1/keys/rotate."""
        old = await self._need(visit.owner_id, asked.api_key)
        now_ms = self._clock()
        if 0 < old.expires_at_ms <= now_ms:
            raise Refused(Refusal.NOT_ADMITTED, "api_key")
        async with self._turn(visit):
            await self._check_room(visit.owner_id, old.account_id)
            new = await self._identity.create_key(
                old.owner_id,
                old.account_id,
                label=old.label,
                scopes=old.scopes,
                networks=old.networks,
                expires_at_ms=old.expires_at_ms,
            )
        made = await self._hand_over(visit, new)
        await self._identity.expire_key(old.api_key, now_ms + asked.overlap_s * 1000)
        return made

    async def revoke(self, visit: Visit, asked: NameKey) -> Done:
        """DELETE /v1/keys."""
        await self._need(visit.owner_id, asked.api_key)
        await self._identity.revoke_key(asked.api_key)
        return Done()

    @asynccontextmanager
    async def _turn(self, visit: Visit) -> AsyncIterator[None]:
        """One key of an owner after the other: many at once must not be more than there may be. Raises: Refused."""
        async with self._turns.setdefault(visit.owner_id, asyncio.Lock()):
            try:
                yield
            except OwnerFrozen:
                raise Refused(Refusal.BAD_TOKEN) from None  # the session has ended with all else

    async def _hand_over(self, visit: Visit, new: NewKey) -> KeySecret:
        """Give the key out, unless the session ended while it was made: what ends a session must leave nothing of it. Raises: Refused."""
        try:
            self._sessions.check_still(visit.session)
        except Refused:
            await self._identity.revoke_key(new.api_key)
            raise
        return KeySecret(new.api_key, new.secret)

    async def _of(self, owner_id: int) -> list[KeyInfo]:
        return [key for key in await self._identity.keys(owner_id=owner_id) if not key.revoked_ms]

    async def _need(self, owner_id: int, api_key: str) -> KeyInfo:
        """A key of this owner. Raises: Refused, the same for one that is somebody else's."""
        for key in await self._of(owner_id):
            if key.api_key == api_key:
                return key
        raise Refused(Refusal.NOT_ADMITTED, "api_key")

    async def _check_room(self, owner_id: int, account_id: int) -> None:
        now_ms = self._clock()
        held = [key for key in await self._of(owner_id) if key.account_id == account_id and _is_in_force(key, now_ms)]
        if len(held) >= KEYS_MAX:
            raise Refused(Refusal.TOO_MANY, "account_id")


def rows(office: PeopleOffice, identity: Identity, clock: Clock) -> list[Row]:
    """The addresses."""
    does = Keys(office, identity, clock)
    up = Access.STEPPED_UP
    return [
        Row("GET", "/v1/keys", Access.BEARER, does.listed, Nothing, KeyList, "API keys"),
        Row("POST", "/v1/keys", up, does.create, CreateKey, KeySecret, "Make an API key"),
        Row("DELETE", "/v1/keys", Access.BEARER, does.revoke, NameKey, Done, "End an API key at once"),
        Row("POST", "/v1/keys/rotate", up, does.rotate, RotateKey, KeySecret, "Make a key in a key's place"),
    ]


def _networks(names: tuple[str, ...]) -> list[str]:
    """The networks as they are written. Raises: Refused."""
    try:
        return [str(ip_network(name)) for name in names]
    except ValueError:
        raise Refused(Refusal.INVALID_NETWORK, "networks") from None


def _is_in_force(key: KeyInfo, now_ms: int) -> bool:
    return not 0 < key.expires_at_ms <= now_ms


def _row(key: KeyInfo, now_ms: int) -> KeyRow:
    return KeyRow(
        key.api_key,
        key.account_id,
        key.label,
        [str(scope.name).lower() for scope in key.scopes],
        list(key.networks),
        key.created_ms,
        key.expires_at_ms or None,
        _is_in_force(key, now_ms),
    )
