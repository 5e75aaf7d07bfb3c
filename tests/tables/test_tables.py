"""Every table beside this file, scenario by scenario."""

from pathlib import Path

import pytest

from tests.support.tables import Scenario, read, run

SCENARIOS = [scenario for path in sorted(Path(__file__).parent.glob("*.txt")) for scenario in read(path)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_table(scenario: Scenario) -> None:
    run(scenario)
