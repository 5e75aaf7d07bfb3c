"""What options cost to hold and to order, in a whole exchange."""

import pytest

from engine.order import Side
from exchange import margins, views
from exchange.audit import audit
from exchange.commands import AmendOrder, ListMarket, PlaceOrder, SetRulesVersion
from exchange.events import CommandRejected, Traded
from exchange.limits import RULES_LATEST
from exchange.rejects import Reject
from tests.support.options import BTC_CALL, CALL, price_options
from tests.support.world import ISOLATED, POOR, REGULAR, RICH, USD_UNIT, World, opening

ONE = 10_000
"""Lots in one unit of BTC."""


def trading() -> World:
    world = opening()
    world.do(ListMarket(CALL, BTC_CALL))
    price_options(world.exchange, strike=61_000_00, mark=300_00)
    return world


def reason(world: World, order: PlaceOrder | AmendOrder) -> Reject | None:
    events = world.do(order)
    return events[0].reject if isinstance(events[0], CommandRejected) else None


def test_positions() -> None:
    """OPM-001, OPM-003: a short of 1 and a long of 1 at 300."""
    world = trading()
    world.do(PlaceOrder(RICH, CALL, Side.SELL, ONE, 300_00))
    events = world.do(PlaceOrder(REGULAR, CALL, Side.BUY, ONE, 300_00))
    assert any(isinstance(event, Traded) for event in events)
    short = world.exchange.state.accounts[RICH].holdings[CALL]
    long = world.exchange.state.accounts[REGULAR].holdings[CALL]
    slope = 60_000 * 60_000 // 10**6  # of 1 BTC at 1e-6
    assert margins.position_margin(short, 0) == (2_900 + slope) * USD_UNIT
    assert margins.maintenance_margin(short) == (1_500 + slope // 2) * USD_UNIT
    assert margins.position_margin(long, 0) == 300 * USD_UNIT
    assert margins.maintenance_margin(long) == 150 * USD_UNIT
    long.market.set_funding(10**11, 30 * USD_UNIT * 10**12 // ONE)
    assert margins.position_margin(long, 0) == 330 * USD_UNIT
    assert margins.maintenance_margin(long) == 180 * USD_UNIT
    assert audit(world.exchange) == []


def test_orders_reserve_by_side() -> None:
    """OPM-010: POOR has 500 USD: it can buy 1 at 300 but not sell 1; a buy fee of 18 is the cap's 12.5% x 300 = 37.5 or less."""
    world = trading()
    assert reason(world, PlaceOrder(POOR, CALL, Side.SELL, ONE, 300_00)) is Reject.INSUFFICIENT_BALANCE
    assert reason(world, PlaceOrder(POOR, CALL, Side.BUY, ONE, 300_00)) is None
    holding = world.exchange.state.accounts[POOR].holdings[CALL]
    assert margins.order_margin(holding) == 300 * USD_UNIT  # resting: the maker's fee is 0
    assert reason(world, PlaceOrder(POOR, CALL, Side.BUY, ONE, 300_00)) is Reject.INSUFFICIENT_BALANCE


def test_a_buy_that_closes_a_short_needs_its_fee_alone() -> None:
    """OPM-010."""
    world = trading()
    world.do(PlaceOrder(RICH, CALL, Side.BUY, ONE, 300_00))
    world.do(PlaceOrder(REGULAR, CALL, Side.SELL, ONE, 300_00))
    holding = world.exchange.state.accounts[REGULAR].holdings[CALL]
    world.do(PlaceOrder(REGULAR, CALL, Side.BUY, ONE, 299_50))
    assert margins.order_margin(holding) == 0
    world.do(PlaceOrder(REGULAR, CALL, Side.BUY, ONE, 299_00))
    assert margins.order_margin(holding) == 0 or holding.orders  # beyond the position it would open a long
    assert audit(world.exchange) == []


def test_the_fee_is_on_the_underlying_and_capped() -> None:
    """OPM-006: 0.03% of 60,000 is 18; 12.5% of a mark of 10 is 1.25."""
    for mark, fee in ((300_00, 1_800), (10_00, 125)):
        world = trading()
        price_options(world.exchange, strike=61_000_00, mark=mark)
        world.do(PlaceOrder(RICH, CALL, Side.SELL, ONE, mark))
        events = world.do(PlaceOrder(REGULAR, CALL, Side.BUY, ONE, mark))
        traded = next(event for event in events if isinstance(event, Traded))
        assert (traded.taker_fee, traded.maker_fee) == (fee * USD_UNIT // 100, 0)


def test_liquidation_price_of_a_short() -> None:
    """OPM-007: without the slope (M + e - 0.02 U)/2: the view's price is where equity meets the requirement."""
    world = trading()
    world.do(PlaceOrder(RICH, CALL, Side.BUY, ONE, 300_00))
    world.do(PlaceOrder(ISOLATED, CALL, Side.SELL, ONE, 300_00))
    holding = world.exchange.state.accounts[ISOLATED].holdings[CALL]
    view = views.position(world.exchange, ISOLATED, CALL)
    assert view is not None
    # margin 2,900 + 3,600 of slope; maintenance slope 1,800: (6,500 + 300 - 1,200 - 1,800) / 2 = 1,900
    assert holding.position.margin == 6_500 * USD_UNIT
    assert view.liquidation_price == 1_900_00
    assert view.bankruptcy_price == 6_800_00
    holding.market.set_mark(1_900_00)
    assert margins.scope(holding)[0] == margins.scope(holding)[1]


def test_minimum_notional_is_on_the_underlying() -> None:
    """OPM-008: the seed's order: 0.001 at a price of 1."""
    world = trading()
    price_options(world.exchange, mark=2_00)
    assert reason(world, PlaceOrder(REGULAR, CALL, Side.BUY, 10, 1_00)) is None


@pytest.mark.parametrize("change", [AmendOrder(REGULAR, 1, qty=20), AmendOrder(REGULAR, 1, price=50)])
def test_an_amended_option_is_worth_what_it_is_on(change: AmendOrder) -> None:
    """OPM-008: under the first two rules it counted as a future, worth 0.0005 x 1 = 0.0005 USD."""
    outcomes = []
    for rules in (2, RULES_LATEST):
        world = trading()
        world.do(SetRulesVersion(rules))
        price_options(world.exchange, mark=2_00)
        world.do(PlaceOrder(REGULAR, CALL, Side.BUY, 10, 1_00))
        outcomes.append(reason(world, change))
    assert outcomes == [Reject.NOTIONAL_TOO_SMALL, None]


def test_trading_range() -> None:
    """OPM-009: marks of 400 and 2,000 on 60,000; the low edge is at least a tick."""
    world = trading()
    market = world.exchange.state.markets[CALL]
    for mark, low, high in ((400_00, 100_00, 700_00), (2_000_00, 1_500_00, 2_500_00), (100_00, 50, 400_00)):
        market.set_mark(mark)
        assert (market.range_low, market.range_high) == (low, high)
