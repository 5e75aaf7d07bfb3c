"""Delays between attempts."""

from app.feeds.backoff import Backoff


def test_delays_double_up_to_a_cap_and_half_of_each_is_chance() -> None:
    """FEED-026."""
    backoff = Backoff("1 kraken stream", base_ms=500, cap_ms=60_000)
    delays = [backoff.next_ms() for _ in range(10)]
    wholes = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]
    assert all(whole // 2 <= delay <= whole for delay, whole in zip(delays, wholes, strict=True))
    assert delays[8] != delays[9]


def test_the_seed_decides() -> None:
    """FEED-026."""
    first, same, other = (Backoff(seed, base_ms=500, cap_ms=60_000) for seed in ("1 okx", "1 okx", "1 gate"))
    delays = [first.next_ms() for _ in range(8)]
    assert delays == [same.next_ms() for _ in range(8)]
    assert delays != [other.next_ms() for _ in range(8)]


def test_a_reset_begins_again() -> None:
    """FEED-026."""
    backoff = Backoff("x", base_ms=500, cap_ms=60_000)
    for _ in range(6):
        backoff.next_ms()
    backoff.reset()
    assert backoff.next_ms() <= 500


def test_what_a_venue_asks_for_is_granted_within_bounds() -> None:
    """FEED-026."""
    backoff = Backoff("x", base_ms=500, cap_ms=60_000)
    assert backoff.next_ms(least_ms=7_000) == 7_000
    assert backoff.next_ms(least_ms=10**9) == 600_000
