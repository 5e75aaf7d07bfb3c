import pytest
from msgspec.structs import replace

from app.surfaces.everstrike.lights import Lights
from tests.support.markets import LONG, OTHER, SHORT, Venue
from tests.support.world import BTC_PERP

FLAT = replace(BTC_PERP, initial_slope_ppb=0, maintenance_slope_ppb=0, taker_fee_ppm=0)


class Steady:
    """Advances as it is told, and by so much whenever it is asked."""

    def __init__(self, step_ms: int = 0) -> None:
        self.now_ms = 0
        self.step_ms = step_ms

    def __call__(self) -> int:
        self.now_ms += self.step_ms
        return self.now_ms


@pytest.mark.spec("REST-031")
def test_lights_are_kept_for_a_second() -> None:
    venue = Venue(FLAT)
    venue.trade(100)
    steady = Steady()
    lights = Lights(steady)
    assert lights.of(venue.exchange, 1, LONG) == 5
    assert lights.of(venue.exchange, 1, OTHER) is None
    venue.exchange.state.markets[1].holdings[SHORT].position.qty = 0
    steady.now_ms = 999
    assert lights.of(venue.exchange, 1, SHORT) == 5
    steady.now_ms = 1_000
    assert lights.of(venue.exchange, 1, SHORT) is None


def test_dear_lights_are_kept_for_longer() -> None:
    venue = Venue(FLAT)
    venue.trade(100)
    steady = Steady(step_ms=100)
    lights = Lights(steady)
    assert lights.of(venue.exchange, 1, LONG) == 5  # took 100 ms, until 200
    venue.exchange.state.markets[1].holdings[LONG].position.qty = 0
    steady.now_ms = 200 + 50 * 100 - 101
    assert lights.of(venue.exchange, 1, LONG) == 5
    assert lights.of(venue.exchange, 1, LONG) is None
