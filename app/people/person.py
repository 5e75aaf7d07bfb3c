"""Somebody who logs in."""

from typing import final


@final
class Person:
    """A row of `people`, as it is now. Its secrets are in the clear here, and only here: it does not print them."""

    __slots__ = (
        "created_ms",
        "email",
        "has_allow_list",
        "level",
        "owner_id",
        "password_hash",
        "password_ms",
        "totp_pending",
        "totp_secret",
        "totp_step",
    )

    def __init__(self, *, owner_id: int, email: str, password_hash: str, now_ms: int) -> None:
        self.owner_id = owner_id
        self.email = email
        self.password_hash = password_hash
        self.password_ms = now_ms
        self.level = 0
        self.has_allow_list = True
        self.totp_secret: str | None = None
        self.totp_pending: str | None = None
        self.totp_step = 0
        self.created_ms = now_ms

    def __repr__(self) -> str:
        return f"Person({self.owner_id})"
