"""Who is knocking: API keys, signatures over the raw body, scopes, addresses, timestamps and replays."""

import hmac
from binascii import b2a_base64
from collections.abc import Callable
from enum import IntFlag
from typing import Final, Protocol, final

from app.addresses import Network, address_in, is_inside
from app.problems import Denial, Denied
from app.rate import Bucket

AHEAD_MAX_MS: Final = 1_000
"""How far a client's clock may run ahead of ours."""
WINDOW_MAX_MS: Final = 15_000
SEEN_SPAN_MS: Final = WINDOW_MAX_MS + AHEAD_MAX_MS
"""A signature older than this is refused by its timestamp."""
SEEN_MAX: Final = 500_000
"""Signatures remembered in one span; more are refused like too high a rate."""
SEEN_RETRY_S: Final = 1.0


class Scope(IntFlag):
    """What a key may do."""

    READ = 1
    TRADE = 2
    WITHDRAW = 4


@final
class Key:
    """An API key, ready to check requests with. `networks` empty means from anywhere; `expires_at_ms` 0 means never.

    `cancels` is the bucket of requests to cancel, `bucket` that of all others.
    """

    __slots__ = (
        "account_id",
        "api_key",
        "bucket",
        "cancels",
        "customer_id",
        "expires_at_ms",
        "networks",
        "owner_id",
        "scopes",
        "secret",
    )

    def __init__(
        self,
        *,
        api_key: str,
        secret: bytes,
        account_id: int,
        owner_id: int,
        customer_id: str,
        scopes: Scope,
        networks: tuple[Network, ...],
        expires_at_ms: int,
        bucket: Bucket,
        cancels: Bucket,
    ) -> None:
        self.api_key = api_key
        self.secret = secret
        self.account_id = account_id
        self.owner_id = owner_id
        self.customer_id = customer_id
        self.scopes = scopes
        self.networks = networks
        self.expires_at_ms = expires_at_ms
        self.bucket = bucket
        self.cancels = cancels


class KeyRing(Protocol):
    """Where the keys are kept."""

    def find(self, api_key: str) -> Key | None:
        """The key, unless it is unknown or revoked."""


def sign(secret: bytes, body: bytes) -> bytes:
    """The x-signature of a body: base64 of HMAC-SHA256 over its bytes as sent."""
    return b2a_base64(hmac.digest(secret, body, "sha256"), newline=False)


@final
class Seen:
    """The signatures of the last window: two sets that take turns, so that memory is bounded.

    When a set is dropped, what was signed in its time is too old by the clock. Should the clock have been set back, it
    would not be: so timestamps up to the newest of the set are refused from then on.
    """

    __slots__ = ("_lost_ms", "_older", "_older_ms", "_turned_ms", "_younger", "_younger_ms")

    def __init__(self) -> None:
        self._younger: set[bytes] = set()
        self._older: set[bytes] = set()
        self._turned_ms = 0
        # The newest timestamp in each set, and of those that were dropped.
        self._younger_ms = 0
        self._older_ms = 0
        self._lost_ms = 0

    def add(self, signature: bytes, timestamp_ms: int, steady_ms: int) -> bool:
        """Remember a signature; False when it was there. `steady_ms` is a time of a clock that does not go back.

        Raises: Denied when there is no room for another one, or when it may have been there and was dropped.
        """
        since_ms = steady_ms - self._turned_ms
        if since_ms >= SEEN_SPAN_MS:
            self._turn(steady_ms, is_all=since_ms >= 2 * SEEN_SPAN_MS)
        if timestamp_ms <= self._lost_ms:
            raise Denied(Denial.TIMESTAMP_OLD)
        if signature in self._younger or signature in self._older:
            return False
        if len(self._younger) >= SEEN_MAX:
            raise Denied(Denial.RATE, SEEN_RETRY_S)
        self._younger.add(signature)
        if timestamp_ms > self._younger_ms:
            self._younger_ms = timestamp_ms
        return True

    def _turn(self, steady_ms: int, *, is_all: bool) -> None:
        """Drop the older set, or both."""
        self._lost_ms = max(self._lost_ms, self._older_ms, self._younger_ms if is_all else 0)
        self._older, self._older_ms = (set(), 0) if is_all else (self._younger, self._younger_ms)
        self._younger, self._younger_ms = set(), 0
        self._turned_ms = steady_ms

    def discard(self, signature: bytes) -> None:
        """Forget a signature, if it is there."""
        self._younger.discard(signature)
        self._older.discard(signature)


@final
class Guard:
    """Checks requests against the keys. `start_ms` is the journal's last time at the start.

    Timestamps are held against the wall clock. Spans are measured with the steady one, which nobody sets back.

    A signed request from before the start may have been executed by the process that went away, whose memory of
    signatures is gone with it. Its timestamp may have been ahead of the journal: up to there, timestamps are refused.
    """

    __slots__ = ("_clock_ms", "_keys", "_lost_ms", "_seen", "_steady_ms")

    def __init__(self, keys: KeyRing, clock_ms: Callable[[], int], steady_ms: Callable[[], int], start_ms: int) -> None:
        self._keys = keys
        self._clock_ms = clock_ms
        self._steady_ms = steady_ms
        self._lost_ms = start_ms + AHEAD_MAX_MS
        self._seen = Seen()

    def admit(self, api_key: bytes, address: str, *, is_cancel: bool = False) -> Key:
        """The key of a request, if it may knock now from there.

        Raises: Denied.
        """
        if not api_key:
            raise Denied(Denial.NO_KEY)
        key = self._keys.find(api_key.decode("latin-1"))
        if key is None or self._is_over(key):
            raise Denied(Denial.UNKNOWN_KEY)
        if key.networks and not is_inside(address_in(address), key.networks):
            raise Denied(Denial.ADDRESS)
        self.charge(key, is_cancel=is_cancel)
        return key

    def charge(self, key: Key, *, is_cancel: bool = False) -> None:
        """Take what a request costs its key. Raises: Denied."""
        bucket = key.cancels if is_cancel else key.bucket
        wait_ms = bucket.take(self._steady_ms())
        if wait_ms:
            raise Denied(Denial.RATE, wait_ms / 1000)

    def check_still(self, key: Key) -> None:
        """Check that an admitted key is in force still: its request may have taken its time.

        Raises: Denied.
        """
        if self._keys.find(key.api_key) is not key or self._is_over(key):
            raise Denied(Denial.UNKNOWN_KEY)

    def _is_over(self, key: Key) -> bool:
        return 0 < key.expires_at_ms <= self._clock_ms()

    def verify(self, key: Key, signature: bytes, body: bytes) -> None:
        """Check a signature over the raw body, in constant time.

        Raises: Denied.
        """
        if not signature:
            raise Denied(Denial.NO_SIGNATURE)
        if not hmac.compare_digest(sign(key.secret, body), signature):
            raise Denied(Denial.SIGNATURE)

    def check_time(self, timestamp_ms: int, recv_window_ms: int | None) -> None:
        """Check the time at which a request says it was made. `recv_window_ms` narrows the window.

        Raises: Denied.
        """
        late_ms = self._clock_ms() - timestamp_ms
        # 15 s or more after the timestamp is too late; a narrower window still takes its last millisecond.
        if late_ms >= WINDOW_MAX_MS or (recv_window_ms is not None and late_ms > recv_window_ms):
            raise Denied(Denial.TIMESTAMP_OLD)
        if late_ms < -AHEAD_MAX_MS:
            raise Denied(Denial.TIMESTAMP_AHEAD)
        if timestamp_ms <= self._lost_ms:
            raise Denied(Denial.TIMESTAMP_OLD)

    def check_first(self, signature: bytes, timestamp_ms: int) -> None:
        """Check that a signed request, whose time is in the window, comes for the first time.

        Raises: Denied.
        """
        if not self._seen.add(signature, timestamp_ms, self._steady_ms()):
            raise Denied(Denial.SEEN)

    def forget(self, signature: bytes) -> None:
        """Let a signed request come again whose command was not taken."""
        self._seen.discard(signature)


def need(key: Key, scope: Scope) -> None:
    """Refuse a key without the scope. Raises: Denied."""
    if not key.scopes & scope:
        raise Denied(Denial.SCOPE)
