"""Passwords as Argon2id, made and checked in two threads, so that neither the loop nor the memory feels it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from app.faults import Overloaded
from app.people.refusals import Refusal, Refused

LENGTH_MIN: Final = 10
LENGTH_MAX: Final = 128
NAME_MIN: Final = 4
"""A shorter name may stand in a password by chance."""
THREADS: Final = 2
WAITING_MAX: Final = 64
"""Who comes when so many wait is told to come again."""
WAITING_OF_PLACE_MAX: Final = 16
"""The same for so many from one IP address: one client must not keep all others waiting."""

T = TypeVar("T")


@final
class Passwords:
    """Makes and checks hashes. A hash says itself how it was made."""

    def __init__(self, *, memory_kib: int, passes: int) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._waiting = 0
        self._waiting_of: dict[str, int] = {}
        self._nobodys = self._hasher.hash("the password of nobody")

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def make(self, password: str, place: str = "") -> str:
        """Hash a password for somebody at a place. Raises: Overloaded."""
        return await self._later(place, self._hasher.hash, password)

    async def check(self, password: str, hashed: str | None, place: str) -> bool:
        """Tell whether it is the password. Without a hash it takes as long, and it never is.

        Raises: Overloaded.
        """
        is_right = await self._later(place, self._verify, password, hashed or self._nobodys)
        return is_right and hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Tell whether a hash was made with other parameters than those of now."""
        return self._hasher.check_needs_rehash(hashed)

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _later(self, place: str, work: Callable[..., T], *arguments: str) -> T:
        of_place = self._waiting_of.get(place, 0)
        if self._waiting >= WAITING_MAX or (place and of_place >= WAITING_OF_PLACE_MAX):
            raise Overloaded("Too many people log in at this moment.")
        self._waiting += 1
        self._waiting_of[place] = of_place + 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._waiting -= 1
            self._waiting_of[place] -= 1
            if not self._waiting_of[place]:
                del self._waiting_of[place]


def check_strength(password: str, email: str) -> None:
    """Refuse a password that is soon guessed. Raises: Refused."""
    name = email.partition("@")[0]
    is_named = password.lower() in email or (len(name) >= NAME_MIN and name in password.lower())
    if is_named or not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise Refused(Refusal.WEAK_PASSWORD, "password")
