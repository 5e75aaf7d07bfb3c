"""What operators can ask and order about users and about sources of prices, and what they are told. Messages of app/control.py."""

from typing import TypeAlias

import msgspec


class _Request(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    pass


class Users(_Request, frozen=True, tag="users"):
    """Everybody by number, behind `after`; or one, by number or by e-mail address."""

    owner_id: int = 0
    email: str = ""
    after: int = 0
    limit: int = 100


class SetLevel(_Request, frozen=True, tag="set_level"):
    """Verify somebody to a level: what may be withdrawn in a day."""

    owner_id: int
    level: str


class FreezeUser(_Request, frozen=True, tag="freeze_user"):
    """End all of somebody's log-ins and API keys at once, and let nobody in that name in until it is lifted."""

    owner_id: int


class UnfreezeUser(_Request, frozen=True, tag="unfreeze_user"):
    """Let somebody in again: with a new password, for which a code comes by mail. Keys are made anew."""

    owner_id: int


class ResetTotp(_Request, frozen=True, tag="reset_totp"):
    """Turn off a second factor that was lost, and end the log-ins. The owner is told by mail."""

    owner_id: int
    reason: str


class MuteSource(_Request, frozen=True, tag="mute_source"):
    """Listen to a source of prices no more, until it is said otherwise or the exchange starts again."""

    source_id: int
    is_muted: bool


UserRequest: TypeAlias = Users | SetLevel | FreezeUser | UnfreezeUser | ResetTotp | MuteSource


class UserRow(msgspec.Struct, frozen=True):
    """Somebody. `email` and `level` are empty for who does not log in; `keys` and `sessions` are those in force; `frozen_ms` 0: not frozen."""

    owner_id: int
    customer_id: str
    name: str
    email: str
    level: str
    has_totp: bool
    sessions: int
    keys: int
    accounts: tuple[int, ...]
    created_ms: int
    frozen_ms: int = 0


class MutedRow(msgspec.Struct, frozen=True):
    """The sources that are not listened to."""

    muted: tuple[int, ...]
