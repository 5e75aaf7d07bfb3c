"""What options are worth at once and must be backed with, in cents: 1 USD is 100 price units of 10^6 money."""

import pytest

from risk.margin import PPM
from risk.option import (
    intrinsic,
    option_fee,
    option_index,
    option_requirement,
    short_unit_initial,
    short_unit_maintenance,
)

CENT = 10**6
RATES = (60_000, 40_000, 20_000)
USD = 10**8


def usd(unit: int) -> float:
    """Dollars of a price at 10^-6 of a cent."""
    return unit / (100 * PPM)


@pytest.mark.parametrize(
    "strike,mark,initial,maintenance",
    [(61_000, 300, 2_900, 1_500), (65_000, 20, 2_420, 1_220), (55_000, 6_000, 9_600, 7_200)],
)
def test_short_call(strike: int, mark: int, initial: int, maintenance: int) -> None:
    """OPM-001."""
    unit = short_unit_initial(mark * 100, 6_000_000, strike * 100, RATES, is_call=True)
    assert usd(unit) == initial
    assert usd(short_unit_maintenance(mark * 100, 6_000_000, 20_000, is_call=True)) == maintenance


def test_short_put() -> None:
    """OPM-002."""
    assert usd(short_unit_initial(30_000, 6_000_000, 5_900_000, RATES, is_call=False)) == 2_900
    assert usd(short_unit_maintenance(30_000, 6_000_000, 20_000, is_call=False)) == 1_500
    assert usd(short_unit_maintenance(20_000, 10_000, 20_000, is_call=False)) == 204
    # at least the maintenance: 4% of 100 + 200 = 204 = 2% of 200 + 200; a dearer put needs its maintenance
    assert usd(short_unit_initial(40_000, 10_000, 1_000, RATES, is_call=False)) == 408


def test_requirement_is_one_ceiling() -> None:
    """OPM-003, OPM-004: q unit + funding + r (qU)^2."""
    long_initial = option_requirement(CENT, 30_000 * PPM, 30 * USD * 10**12, 0, 0)
    assert long_initial == 330 * USD
    assert option_requirement(CENT, 30_000 * 500_000, 30 * USD * 10**12, 0, 0) == 180 * USD
    size = 60_000 * USD
    with_slope = option_requirement(CENT, 0, 0, 1_000 * size, size)
    assert with_slope == 3_600 * USD
    assert option_requirement(CENT, 0, 0, 1_000 * 10_000_000 * USD, size) == size
    assert option_requirement(1, 1, 0, 0, 0) == 1  # up


def test_intrinsic_and_index() -> None:
    """OPM-005."""
    assert intrinsic(60_000, 57_000, is_call=True) == 3_000
    assert intrinsic(60_000, 57_000, is_call=False) == 0
    assert intrinsic(60_000, 63_000, is_call=False) == 3_000
    assert option_index(6_000_000, 5_700_000, 500, is_call=True) == 300_000
    assert option_index(6_000_000, 6_300_000, 500, is_call=True) == 3_000
    assert option_index(1, 5, 500, is_call=True) == 1


@pytest.mark.parametrize("mark,fee", [(10, 125), (100, 1_250), (1_000, 1_800)])
def test_fee_is_capped(mark: int, fee: int) -> None:
    """OPM-006."""
    assert option_fee(CENT, 6_000_000, mark * 100, 300, 125_000) == fee * CENT
    assert option_fee(CENT, 6_000_000, mark * 100, -300, 125_000) == -fee * CENT
