"""Brackets: cumulative deductions, and the mean rate of a size."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from risk.brackets import PPM_TO_RATE, tier_rate, tiers
from risk.margin import RATE_SCALE

USD = 10**8
ROWS = [(50_000 * USD, 4_000), (250_000 * USD, 5_000), (1_000_000 * USD, 10_000)]


def test_deductions() -> None:
    """BRK-001."""
    assert [tier.deduction // RATE_SCALE for tier in tiers(ROWS)] == [0, 50 * USD, 1_300 * USD]


def test_mean_rate() -> None:
    """BRK-002."""
    schedule = tiers(ROWS)
    assert tier_rate(schedule, 300_000 * USD) == -(-1_700 * RATE_SCALE // 300_000)
    assert tier_rate(schedule, 50_000 * USD) == 4_000 * PPM_TO_RATE
    assert tier_rate(schedule, 0) == 4_000 * PPM_TO_RATE
    assert tier_rate(schedule, 2_000_000 * USD) == -(-18_700 * RATE_SCALE // 2_000_000)


@given(st.integers(1, 3 * 10**14), st.integers(1, 10**12))
def test_requirement_never_falls_with_size(size: int, more: int) -> None:
    """BRK-002: E x rate(E) rises with E, and is Binance's N r - D."""
    schedule = tiers(ROWS)
    assert size * tier_rate(schedule, size) <= (size + more) * tier_rate(schedule, size + more) + size
    tier = next((tier for tier in schedule if size <= tier.notional_max), schedule[-1])
    exact = Fraction(size * tier.rate - tier.deduction, size)
    assert exact <= tier_rate(schedule, size) < exact + 1
