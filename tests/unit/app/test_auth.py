import base64
import hashlib
import hmac
from ipaddress import ip_network

import pytest

from app.auth import AHEAD_MAX_MS, SEEN_SPAN_MS, WINDOW_MAX_MS, Guard, Key, Scope, Seen, need, sign
from app.problems import Denial, Denied
from app.rate import Bucket

NOW = 1_700_000_000_000
BODY = b"pair=USD_BTC_PERP&side=BUY&qty=0.001&timestamp=1700000000000.12"


class Ring:
    """Keys in a dictionary."""

    def __init__(self, *keys: Key) -> None:
        self.keys = {key.api_key: key for key in keys}

    def find(self, api_key: str) -> Key | None:
        return self.keys.get(api_key)


def make(
    networks: tuple[str, ...] = (), expires_at_ms: int = 0, scopes: Scope = Scope.READ | Scope.TRADE, burst: int = 10
) -> Key:
    return Key(
        api_key="abc",
        secret=b"top secret",
        account_id=1,
        owner_id=1,
        customer_id="5f9ca5f0-380e-11e9-bf51-91a076098e19",
        scopes=scopes,
        networks=tuple(ip_network(text) for text in networks),
        expires_at_ms=expires_at_ms,
        bucket=Bucket(per_second=10, burst=burst),
        cancels=Bucket(per_second=10, burst=burst),
    )


def guard(key: Key, now_ms: int = NOW, start_ms: int = 0) -> Guard:
    return Guard(Ring(key), lambda: now_ms, lambda: now_ms, start_ms)


@pytest.mark.spec("AUTH-001")
def test_a_signature_is_base64_of_hmac_sha256_over_the_raw_body() -> None:
    theirs = base64.b64encode(hmac.new(b"top secret", BODY, hashlib.sha256).digest())
    key = make()
    assert sign(key.secret, BODY) == theirs
    guard(key).verify(key, theirs, BODY)


@pytest.mark.spec("AUTH-001")
@pytest.mark.parametrize(
    "signature, denial",
    [
        (b"", Denial.NO_SIGNATURE),
        (b"x", Denial.SIGNATURE),
        (sign(b"top secret", BODY + b" "), Denial.SIGNATURE),
        (sign(b"other", BODY), Denial.SIGNATURE),
        (sign(b"top secret", BODY).rstrip(b"="), Denial.SIGNATURE),
        (sign(b"top secret", BODY).lower(), Denial.SIGNATURE),
        (b"\xff\xfe", Denial.SIGNATURE),
    ],
)
def test_other_signatures_are_refused(signature: bytes, denial: Denial) -> None:
    key = make()
    with pytest.raises(Denied) as caught:
        guard(key).verify(key, signature, BODY)
    assert caught.value.denial is denial


@pytest.mark.spec("AUTH-002")
@pytest.mark.parametrize(
    "key, api_key, address, denial",
    [
        (make(), b"", "127.0.0.1", Denial.NO_KEY),
        (make(), b"abd", "127.0.0.1", Denial.UNKNOWN_KEY),
        (make(), b"\xff", "127.0.0.1", Denial.UNKNOWN_KEY),
        (make(expires_at_ms=NOW), b"abc", "127.0.0.1", Denial.UNKNOWN_KEY),
        (make(networks=("10.0.0.0/8",)), b"abc", "127.0.0.1", Denial.ADDRESS),
        (make(networks=("10.0.0.0/8",)), b"abc", "", Denial.ADDRESS),
        (make(networks=("10.0.0.0/8",)), b"abc", "::1", Denial.ADDRESS),
    ],
)
def test_keys_that_stay_outside(key: Key, api_key: bytes, address: str, denial: Denial) -> None:
    with pytest.raises(Denied) as caught:
        guard(key).admit(api_key, address)
    assert caught.value.denial is denial


@pytest.mark.spec("AUTH-002")
@pytest.mark.parametrize(
    "key, address",
    [
        (make(), ""),
        (make(expires_at_ms=NOW + 1), "127.0.0.1"),
        (make(networks=("10.0.0.0/8", "192.168.1.7/32")), "192.168.1.7"),
        (make(networks=("10.0.0.0/8",)), "::ffff:10.1.2.3"),
        (make(networks=("2001:db8::/32",)), "2001:db8::1"),
    ],
)
def test_keys_that_come_in(key: Key, address: str) -> None:
    assert guard(key).admit(b"abc", address) is key


@pytest.mark.spec("AUTH-003")
def test_scopes() -> None:
    key = make(scopes=Scope.READ)
    need(key, Scope.READ)
    with pytest.raises(Denied) as caught:
        need(key, Scope.TRADE)
    assert caught.value.denial is Denial.SCOPE


@pytest.mark.spec("AUTH-004")
@pytest.mark.parametrize(
    "timestamp, recv_window, denial",
    [
        (NOW, None, None),
        (NOW - WINDOW_MAX_MS + 1, None, None),
        (NOW - WINDOW_MAX_MS, None, Denial.TIMESTAMP_OLD),
        (NOW - WINDOW_MAX_MS, 60_000, Denial.TIMESTAMP_OLD),
        (NOW - 5_000, 5_000, None),
        (NOW - 5_001, 5_000, Denial.TIMESTAMP_OLD),
        (NOW - 1, 0, Denial.TIMESTAMP_OLD),
        (NOW, 0, None),
        (NOW + AHEAD_MAX_MS, None, None),
        (NOW + AHEAD_MAX_MS + 1, None, Denial.TIMESTAMP_AHEAD),
        (NOW + 10**9, 10**9, Denial.TIMESTAMP_AHEAD),
        (0, None, Denial.TIMESTAMP_OLD),
    ],
)
def test_the_window(timestamp: int, recv_window: int | None, denial: Denial | None) -> None:
    door = guard(make())
    if denial is None:
        door.check_time(timestamp, recv_window)
        return
    with pytest.raises(Denied) as caught:
        door.check_time(timestamp, recv_window)
    assert caught.value.denial is denial


@pytest.mark.spec("AUTH-005")
def test_a_signature_is_taken_once() -> None:
    door = guard(make())
    door.check_first(b"one", NOW)
    door.check_first(b"two", NOW)
    with pytest.raises(Denied) as caught:
        door.check_first(b"one", NOW)
    assert caught.value.denial is Denial.SEEN


@pytest.mark.spec("AUTH-005")
def test_a_signature_whose_command_was_not_taken_may_come_again() -> None:
    now = [NOW]
    door = Guard(Ring(), lambda: now[0], lambda: now[0], 0)
    door.check_first(b"one", NOW)
    door.forget(b"one")
    door.forget(b"never seen")
    door.check_first(b"one", NOW)
    now[0] += SEEN_SPAN_MS  # the sets have taken turns
    door.forget(b"one")
    door.check_first(b"one", NOW)
    with pytest.raises(Denied):
        door.check_first(b"one", NOW)


@pytest.mark.spec("AUTH-005")
def test_signatures_are_remembered_for_the_window_and_not_for_ever() -> None:
    seen = Seen()
    for late_ms in range(0, 10 * SEEN_SPAN_MS, 1_000):
        signature = b"%d" % late_ms
        assert seen.add(signature, NOW + late_ms, late_ms)
        known_ms = max(0, late_ms - SEEN_SPAN_MS + 1_000)
        assert not seen.add(b"%d" % known_ms, NOW + known_ms, late_ms)
    assert len(seen._older) + len(seen._younger) <= 2 * SEEN_SPAN_MS // 1_000


@pytest.mark.spec("AUTH-009")
def test_a_clock_that_is_set_back_stops_nobody_and_lets_nothing_come_twice() -> None:
    key = make(burst=3)
    wall, steady = [NOW], [0]
    door = Guard(Ring(key), lambda: wall[0], lambda: steady[0], 0)

    def send(signature: bytes, timestamp_ms: int) -> Denial | None:
        try:
            door.admit(b"abc", "127.0.0.1")
            door.check_time(timestamp_ms, None)
            door.check_first(signature, timestamp_ms)
        except Denied as denied:
            return denied.denial
        return None

    assert [send(b"%d" % i, NOW - 8_000 + i) for i in range(4)] == [None, None, None, Denial.RATE]
    wall[0] -= 10_000
    steady[0] += 1_000
    assert send(b"after", NOW - 10_000) is None
    # What was taken is known, or too old, for as long as the clock lets its timestamp in.
    for _ in range(40):
        wall[0] += 1_000
        steady[0] += 1_000
        again = send(b"1", NOW - 8_000 + 1)
        assert again in (Denial.SEEN, Denial.TIMESTAMP_OLD, Denial.TIMESTAMP_AHEAD)
        assert send(b"new at %d" % wall[0], wall[0]) is None


@pytest.mark.spec("AUTH-009")
@pytest.mark.parametrize("spans", [1, 2, 5])
def test_a_dropped_signature_is_not_taken_again(spans: int) -> None:
    wall, steady = [NOW], [0]
    door = Guard(Ring(), lambda: wall[0], lambda: steady[0], 0)
    steady[0] += SEEN_SPAN_MS
    door.check_first(b"one", NOW)
    for _ in range(2):  # the clock stands, as if it were set back again and again
        steady[0] += spans * SEEN_SPAN_MS
        door.check_time(NOW, None)
        with pytest.raises(Denied):
            door.check_first(b"one", NOW)


@pytest.mark.spec("AUTH-006")
def test_what_was_signed_before_the_start_is_refused() -> None:
    door = guard(make(), start_ms=NOW - 100)
    # Whoever was a second ahead of the last command had this timestamp.
    last_ms = NOW - 100 + AHEAD_MAX_MS
    door.check_time(last_ms + 1, None)
    for timestamp_ms in (last_ms, NOW - 100, NOW - 200):
        with pytest.raises(Denied) as caught:
            door.check_time(timestamp_ms, None)
        assert caught.value.denial is Denial.TIMESTAMP_OLD


@pytest.mark.spec("AUTH-007")
def test_a_key_that_knocks_too_often_waits() -> None:
    key = make(burst=3)
    door = guard(key)
    for _ in range(3):
        door.admit(b"abc", "127.0.0.1")
    with pytest.raises(Denied) as caught:
        door.admit(b"abc", "127.0.0.1")
    assert caught.value.denial is Denial.RATE
    assert caught.value.retry_s == pytest.approx(0.1)


@pytest.mark.spec("AUTH-007")
def test_tokens_grow_back_and_no_higher_than_the_burst() -> None:
    bucket = Bucket(per_second=10, burst=3)
    assert [bucket.take(1_000.0) for _ in range(4)] == [0, 0, 0, pytest.approx(100)]
    assert bucket.take(1_099.0) == pytest.approx(1)
    assert bucket.take(1_100.0) == 0
    assert [bucket.take(10**9) for _ in range(4)] == [0, 0, 0, pytest.approx(100)]
