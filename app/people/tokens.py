"""Tokens: short-lived signed ones that say who it is, and random ones that are kept as hashes."""

import hashlib
import secrets
from typing import Final, NamedTuple, final

import jwt
from jwt.types import Options

from app.clock import Clock
from app.people.refusals import Refusal, Refused

ACCESS_S: Final = 600
CHALLENGE_S: Final = 300
ALGORITHM: Final = "HS256"
ISSUER: Final = "evermark"
ACCESS: Final = "access"
CHALLENGE: Final = "challenge"
REFRESH_BYTES: Final = 32
_CLAIMS: Final = ("iss", "aud", "sub", "jti", "iat", "exp")


class Bearer(NamedTuple):
    """What an access token says."""

    owner_id: int
    session_id: str


class Challenge(NamedTuple):
    """What somebody gets who knew the password and owes a second factor."""

    owner_id: int
    password_ms: int


@final
class Tokens:
    """Makes and reads signed tokens. Their times are held against the exchange's clock."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def access(self, bearer: Bearer) -> str:
        """An access token."""
        return self._make(ACCESS, bearer.owner_id, ACCESS_S, {"sid": bearer.session_id})

    def challenge(self, challenge: Challenge) -> str:
        """A token for the second step of a log-in."""
        return self._make(CHALLENGE, challenge.owner_id, CHALLENGE_S, {"pwd": challenge.password_ms})

    def read_access(self, token: str) -> Bearer:
        """Read an access token. Raises: Refused."""
        claims = self._read(token, ACCESS)
        session_id = None if claims is None else claims.get("sid")
        if claims is None or not isinstance(session_id, str):
            raise Refused(Refusal.BAD_TOKEN)
        return Bearer(int(str(claims["sub"])), session_id)

    def read_challenge(self, token: str) -> Challenge:
        """Read a challenge. Raises: Refused."""
        claims = self._read(token, CHALLENGE)
        password_ms = None if claims is None else claims.get("pwd")
        if claims is None or not isinstance(password_ms, int):
            raise Refused(Refusal.BAD_TOKEN, "challenge")
        return Challenge(int(str(claims["sub"])), password_ms)

    def _make(self, use: str, owner_id: int, lifetime_s: int, more: dict[str, object]) -> str:
        now_s = self._clock() // 1000
        claims = {
            "iss": ISSUER,
            "aud": use,
            "sub": str(owner_id),
            "jti": secrets.token_hex(16),
            "iat": now_s,
            "exp": now_s + lifetime_s,
            **more,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def _read(self, token: str, use: str) -> dict[str, object] | None:
        # The library holds times against the machine's clock: that is done here, against ours.
        options: Options = {"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            claims: dict[str, object] = jwt.decode(
                token, self._key, algorithms=[ALGORITHM], audience=use, issuer=ISSUER, options=options
            )
        except (jwt.PyJWTError, ValueError):
            return None
        expiry, subject = claims["exp"], claims["sub"]
        if not isinstance(expiry, int) or expiry * 1000 <= self._clock():
            return None
        return claims if isinstance(subject, str) and subject.isdecimal() else None


def make_refresh() -> tuple[str, bytes]:
    """A refresh token, and the hash that is kept of it."""
    token = secrets.token_urlsafe(REFRESH_BYTES)
    return token, hash_of(token)


def hash_of(token: str) -> bytes:
    """What is kept of a random token. It has 256 bits: nobody tries them, salted or not."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
