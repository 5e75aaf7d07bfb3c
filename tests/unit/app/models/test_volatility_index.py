"""The volatility index."""

import pytest

from app.models.volatility_index import Smoothed, average_rate


def test_the_sample_is_an_average_of_what_longs_pay() -> None:
    """MOD-040."""
    assert average_rate([0.1, 0.01, 0.01, 0.0, -0.05, 0.0]) == pytest.approx(2)


def test_too_few_options_hold_it() -> None:
    """MOD-041."""
    assert average_rate([0.1] * 5) is None
    assert average_rate([0.1] * 6) == pytest.approx(10)


def test_it_is_smoothed() -> None:
    """MOD-042."""
    smoothed = Smoothed()
    assert smoothed.take(2) == 2
    assert smoothed.take(8) == pytest.approx(2.19672, abs=1e-5)
    later = [smoothed.take(8) for _ in range(59)]
    assert later[-1] == pytest.approx(8 - 6 * (59 / 61) ** 60, abs=1e-9)


def test_it_has_a_floor_and_gets_off_it() -> None:
    """MOD-042: the floor is shown, not remembered."""
    smoothed = Smoothed()
    assert smoothed.take(0) == 0.01
    assert smoothed.take(6.1) == pytest.approx(0.2)


def test_it_goes_on_where_it_was_told_to() -> None:
    """MOD-043."""
    assert Smoothed(2.0).take(8) == pytest.approx(2.19672, abs=1e-5)
