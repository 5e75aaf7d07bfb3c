"""The benchmark of funding measures what it says."""

from bench.funding import House, plain
from exchange.events import FundingPaid, FundingSettled
from exchange.limits import HOUR_MS


def test_the_plain_loop_moves_what_the_exchange_moves() -> None:
    house = House(20)
    holdings = house.exchange.state.markets[1].holdings
    lots = [holding.position.qty for holding in holdings.values()]
    _, events = house.tick((house.time_ms // HOUR_MS + 1) * HOUR_MS)
    (settled,) = [event for event in events if isinstance(event, FundingSettled)]
    balances = [0] * len(lots)
    plain(lots, balances, settled.lot_e12)
    paid = {event.account_id: event.amount for event in events if isinstance(event, FundingPaid)}
    assert balances == [paid[account_id] for account_id in holdings]
    assert sum(amount < 0 for amount in balances) == 10
