"""What operators see of users and do about them: levels, an end to all that somebody can come in with, lost second factors."""

from typing import Final, final

from app import user_requests as asks
from app.control import Refused
from app.feeds.mutes import Muting
from app.identity import User
from app.people.levels import Level
from app.people.register import Register
from app.store import Store
from exchange import views

LIMIT_MAX: Final = 1_000


@final
class UserDesk:
    """Reads and changes for the operator."""

    def __init__(self, store: Store, register: Register, levels: tuple[Level, ...], feed: Muting) -> None:
        self._store = store
        self._register = register
        self._levels = levels
        self._feed = feed

    async def __call__(self, request: asks.UserRequest) -> object:
        """Do what is asked. Raises: Refused."""
        if isinstance(request, asks.Users):
            return await self._users(request)
        if isinstance(request, asks.MuteSource):
            return self._mute(request)
        self._need(request.owner_id)
        if isinstance(request, asks.SetLevel):
            await self._set_level(request)
        elif isinstance(request, asks.FreezeUser):
            await self._register.freeze(request.owner_id)
        elif isinstance(request, asks.UnfreezeUser):
            await self._unfreeze(request.owner_id)
        else:
            await self._reset_totp(request)
        return await self._row(self._need(request.owner_id))

    async def _users(self, request: asks.Users) -> list[asks.UserRow]:
        if not 1 <= request.limit <= LIMIT_MAX:
            raise Refused(f"The number of rows must be between 1 and {LIMIT_MAX}.")
        if request.owner_id:
            return [await self._row(self._need(request.owner_id))]
        found = self._store.identity.users()
        if request.email:
            named = {person.owner_id for person in self._register.everybody() if person.email == request.email.lower()}
            found = [user for user in found if user.owner_id in named]
        found = [user for user in found if user.owner_id > request.after]
        return [await self._row(user) for user in found[: request.limit]]

    def _need(self, owner_id: int) -> User:
        user = self._store.identity.user(owner_id)
        if user is None:
            raise Refused(f"There is no user {owner_id}.")
        return user

    async def _row(self, user: User) -> asks.UserRow:
        owner_id = user.owner_id
        person = self._register.find(owner_id)
        keys = [key for key in await self._store.identity.keys(owner_id=owner_id) if not key.revoked_ms]
        accounts = [one.account_id for one in views.accounts(self._store.exchange) if one.owner_id == owner_id]
        return asks.UserRow(
            owner_id,
            user.customer_id,
            user.name,
            "" if person is None else person.email,
            "" if person is None else self._levels[min(person.level, len(self._levels) - 1)].name,
            person is not None and person.totp_secret is not None,
            len(self._register.sessions.of(owner_id)),
            len(keys),
            tuple(accounts),
            user.created_ms,
            user.frozen_ms,
        )

    async def _set_level(self, request: asks.SetLevel) -> None:
        names = [level.name for level in self._levels]
        if request.level not in names:
            raise Refused(f"There is no level {request.level!r}: choose from {', '.join(names)}.")
        if self._register.find(request.owner_id) is None:
            raise Refused(f"User {request.owner_id} does not log in and has no level.")
        await self._register.set_level(request.owner_id, names.index(request.level))

    async def _unfreeze(self, owner_id: int) -> None:
        if not self._store.identity.is_frozen(owner_id):
            raise Refused(f"User {owner_id} is not frozen.")
        await self._register.unfreeze(owner_id)

    async def _reset_totp(self, request: asks.ResetTotp) -> None:
        if not request.reason.strip():
            raise Refused("To turn off a second factor needs a reason.")
        person = self._register.find(request.owner_id)
        if person is None or person.totp_secret is None:
            raise Refused(f"User {request.owner_id} has no second factor.")
        await self._register.reset_totp(person)

    def _mute(self, request: asks.MuteSource) -> asks.MutedRow:
        if request.source_id <= 0:
            raise Refused("A source has a number above 0.")
        known = [row.source_id for row in self._feed.health()]
        if known and request.source_id not in known:
            raise Refused(f"There is no source {request.source_id}: evermark status has the numbers.")
        self._feed.mute(request.source_id, is_muted=request.is_muted)
        return asks.MutedRow(self._feed.muted)
