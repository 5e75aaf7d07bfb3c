"""Funding: samples, the predicted payment, and each hour's settlement."""

from exchange.audit import audit
from exchange.events import FundingPaid, FundingSettled
from tests.support.markets import BASIS_PERP, HOUR_STARTS_MS, Venue, only


def test_an_hour_is_settled_once() -> None:
    """FND-001."""
    venue = Venue(BASIS_PERP)
    venue.trade(10_000)
    venue.quote(60_590_00, 60_610_00)
    events = []
    while venue.time_ms < HOUR_STARTS_MS + 5_000:
        events += venue.second()
    settled = only(FundingSettled, events)
    assert len(settled) == 1
    assert len(only(FundingPaid, events)) == 2
    assert audit(venue.exchange) == []
