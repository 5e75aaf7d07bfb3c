"""Brackets: cumulative deductions, and the mean rate of a size."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from risk.brackets import PPM_TO_RATE, tier_rate, tiered_requirement, tiers
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


@given(
    st.integers(1, 3 * 10**14), st.integers(0, 3 * 10**14), st.integers(0, 2_000), st.sampled_from((0, RATE_SCALE // 3))
)
def test_a_requirement_is_rounded_once(size: int, notional: int, slope_ppb: int, floor_rate: int) -> None:
    """BRK-002: 60,000 at (60,000 x 0.5% - 50)/60,000 is 250 to the unit, though the rate has no end."""
    schedule = tiers(ROWS)
    assert tiered_requirement(schedule, 60_000 * USD, 0, 0, 60_000 * USD) == 250 * USD
    assert tiered_requirement(schedule, 1_000 * USD, 0, 0, 0) == 4 * USD
    tier = next((tier for tier in schedule if size <= tier.notional_max), schedule[-1])
    rate = Fraction(size * tier.rate - tier.deduction, size) + slope_ppb * size
    exact = notional * min(Fraction(1), max(Fraction(floor_rate), rate) / RATE_SCALE)
    assert 0 <= tiered_requirement(schedule, notional, 0, slope_ppb, size, floor_rate) - exact < 1
