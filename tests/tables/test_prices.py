"""Every table of prices, scenario by scenario."""

from pathlib import Path

import pytest

from tests.support.price_tables import run
from tests.support.tables import Scenario, read

SCENARIOS = [scenario for path in sorted((Path(__file__).parent / "prices").glob("*.txt")) for scenario in read(path)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_prices(scenario: Scenario) -> None:
    run(scenario)
