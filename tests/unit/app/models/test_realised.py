"""The variance of the last 24 hours."""

from math import exp, log

import pytest

from app.models.realised import SLOT_MS, SLOTS, RealisedVariance, variance_points

ASSUMED = 0.36
FIRST = 5_000_000
"""The slot in which it begins."""


def zigzag(slot: int) -> float:
    return 60_000 * exp(0.001 * (slot % 2))


def after(slots: int) -> RealisedVariance:
    """Watch a price that goes up and down in turn for so many slots that have ended."""
    realised = RealisedVariance(ASSUMED)
    for slot in range(FIRST, FIRST + slots + 1):
        for part in (0, SLOT_MS // 2, SLOT_MS - 1):
            realised.observe(slot * SLOT_MS + part, zigzag(slot) if part == SLOT_MS - 1 else 1.0)
    return realised


def test_variance_of_a_full_day() -> None:
    """MOD-030: only a slot's last price counts; older slots leave."""
    for slots in (SLOTS + 1, SLOTS + 2, 2 * SLOTS):
        assert after(slots).variance == pytest.approx(0.10512, rel=1e-9)


def test_a_day_that_is_not_full_is_filled_up() -> None:
    """MOD-031."""
    assert RealisedVariance(ASSUMED).variance == ASSUMED
    assert after(0).variance == ASSUMED
    assert after(1).variance == ASSUMED  # one price, no return
    assert after(145).variance == pytest.approx((0.10512 + ASSUMED) / 2, rel=1e-9)
    assert after(SLOTS).variance == pytest.approx((287 * 0.10512 + ASSUMED) / 288, rel=1e-9)


def test_a_slot_without_a_price_stood_still() -> None:
    """MOD-032: the return over the gap counts once, and the slots of the gap count as known."""
    realised = RealisedVariance(ASSUMED)
    realised.observe(FIRST * SLOT_MS, 100.0)
    realised.observe((FIRST + 1) * SLOT_MS, 100.0)
    realised.observe((FIRST + 11) * SLOT_MS, 110.0)
    realised.observe((FIRST + 12) * SLOT_MS, 110.0)
    expected = 365 * log(1.1) ** 2 + ASSUMED * (288 - 11) / 288
    assert realised.variance == pytest.approx(expected, rel=1e-9)
    realised.observe((FIRST + 10_000) * SLOT_MS, 110.0)
    assert realised.variance == pytest.approx(0, abs=1e-12)


def test_a_late_price_is_left_out() -> None:
    """MOD-032."""
    one, other = RealisedVariance(ASSUMED), RealisedVariance(ASSUMED)
    for slot in range(FIRST, FIRST + 5):
        for realised in (one, other):
            realised.observe(slot * SLOT_MS, zigzag(slot))
        other.observe((slot - 1) * SLOT_MS, 5.0)
    assert one.variance == other.variance != ASSUMED


def test_points() -> None:
    """MOD-033."""
    assert variance_points(0.36) == pytest.approx(3_600)
    assert variance_points(0.10512) == pytest.approx(1_051.2)
    assert variance_points(0.0) == 1
