"""An exchange read from a snapshot goes on as the one it was made from, and so does one of which nobody asked anything."""

import pytest

from engine.order import Side
from exchange import margins
from exchange.audit import audit
from exchange.commands import (
    AmendOrder,
    CancelOrder,
    Command,
    Deposit,
    ListMarket,
    MoveMargin,
    OpenAccount,
    PlaceOrder,
    SetLeverage,
    SetMarginMode,
    SetRulesVersion,
    Tick,
    UpdateIndexPrice,
    Withdraw,
)
from exchange.events import CancelReason, Event, LiquidationStarted, OrderCancelled
from exchange.exchange import Exchange
from exchange.limits import RULES_LATEST
from exchange.snapshot import decode, encode
from tests.support.options import BTC_PUT, PUT
from tests.support.world import PERP, RICH, USD, USD_UNIT, World, opening

BTC_LOTS = 10_000
KIN = 77
"""An owner of several accounts."""


def recovered(world: World) -> Exchange:
    """Return what a start would go on with."""
    twin = decode(encode(world.exchange))
    twin.time_ms = world.exchange.time_ms
    return twin


def order(account_id: int, side: Side, lots: int, price: int, *, reduce_only: bool = False) -> PlaceOrder:
    return PlaceOrder(account_id, PERP, side, lots, price * 100, reduce_only=reduce_only)


def both(world: World, twin: Exchange, command: Command) -> list[Event]:
    """Tell both a command, and return what both say."""
    events = world.do(command)
    assert twin.apply(command, world.time_ms) == events
    assert twin.state_hash() == world.exchange.state_hash()
    return events


def family(world: World, *usd: int) -> list[int]:
    """Open accounts of one owner."""
    found = []
    for amount in usd:
        account_id = world.exchange.state.next_account_id
        world.do(OpenAccount(f"kin {account_id}", KIN))
        world.do(Deposit(f"usd {account_id}", account_id, USD, amount * USD_UNIT))
        found.append(account_id)
    return found


def test_accounts_of_an_owner_are_shed_by_their_ids() -> None:
    """LAW-013: two accounts of 2,500 USD carry a buy of 0.4 BTC each, 24,000 x (1% + 4.72%) = 1,372.80, not both beside the third's
    long of 60,000, x 11.72%: 2,812.80. The first by id loses it, 24,000 x 9.36% = 2,246.40 are left to the second, though a test order
    had made the exchange know the second one here before.
    """
    world = opening()
    first, second, third = family(world, 2_500, 2_500, 100_000)
    world.exchange.check(order(second, Side.BUY, 1, 59_000), world.time_ms)
    world.do(order(first, Side.BUY, 4_000, 59_000))
    world.do(order(second, Side.BUY, 4_000, 59_000))
    world.do(order(RICH, Side.SELL, BTC_LOTS, 60_000))
    twin = recovered(world)
    events = both(world, twin, order(third, Side.BUY, BTC_LOTS, 60_000))
    shed = [event.account_id for event in events if isinstance(event, OrderCancelled)]
    assert shed == [first]
    assert audit(world.exchange) == []


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_reduce_only_order_that_goes_can_make_the_others_dearer(is_cancelled: bool) -> None:
    """LAW-013 WAT-004: a long of 1, reduce-only sells of 1 at 60,500 and at 61,500, a sell of 2 at 61,700. The 2 that open count at
    the mean price: 122,700 need 120,000 x 13.27% = 15,924 of 15,942; without the first order 123,266.67 need 15,992.
    """
    world = opening()
    world.do(SetRulesVersion(RULES_LATEST))
    (account_id,) = family(world, 16_060)
    world.do(order(RICH, Side.SELL, BTC_LOTS, 60_000))
    world.do(order(account_id, Side.BUY, BTC_LOTS, 60_000))
    world.do(order(account_id, Side.SELL, BTC_LOTS, 60_500, reduce_only=True))
    world.do(order(account_id, Side.SELL, BTC_LOTS, 61_500, reduce_only=True))
    world.do(order(account_id, Side.SELL, 2 * BTC_LOTS, 61_700))
    world.do(Withdraw("what the taker's fee held", account_id, USD, 100 * USD_UNIT))
    world.move_index(1, 60_000_00)
    account = world.exchange.state.accounts[account_id]
    assert margins.available(account, USD) == 18 * USD_UNIT
    cheap = min(account.holdings[PERP].orders)
    world.do(CancelOrder(account_id, cheap) if is_cancelled else AmendOrder(account_id, cheap, qty=1))
    assert margins.available(account, USD) < 0
    assert audit(world.exchange) == []
    twin = recovered(world)
    world.time_ms += 1_000
    both(world, twin, UpdateIndexPrice(1, 1, 60_000_00, world.time_ms))
    events = both(world, twin, Tick())
    assert [event.reason for event in events if isinstance(event, OrderCancelled)] == [CancelReason.MARGIN]


def test_a_short_option_grows_with_the_square_of_what_it_is_on() -> None:
    """WAT-005: short puts on 10 BTC, 600,000 at 60,000: 32% and the mark are maintenance, 59% of 1,140,000 at 114,000: 672,600."""
    world = opening()
    world.do(SetRulesVersion(RULES_LATEST))
    world.do(ListMarket(PUT, BTC_PUT))
    (account_id,) = family(world, 600_000)
    world.move_index(1, 60_000_00)
    world.do(PlaceOrder(RICH, PUT, Side.BUY, 10 * BTC_LOTS, 30_00))
    world.do(PlaceOrder(account_id, PUT, Side.SELL, 10 * BTC_LOTS, 30_00))
    world.move_index(1, 60_000_00)
    events = world.move_index(1, 114_000_00)
    assert [event.account_id for event in events if isinstance(event, LiquidationStarted)] == [account_id]


def test_an_order_makes_the_position_beside_it_dearer() -> None:
    """WAT-006: a short of 10 and a sell of 1 at 60,000 need 660,000 x 67%, 36,470 less than there is; at 62,000 a short's loss of 20,000
    and an order's of 2,000 later 682,000 x 67%: 270 more than there is.
    """
    world = opening()
    world.do(SetRulesVersion(RULES_LATEST))
    (account_id,) = family(world, 442_200 + 36_470)
    world.do(order(account_id, Side.SELL, 10 * BTC_LOTS, 60_000))
    world.do(order(RICH, Side.BUY, 10 * BTC_LOTS, 60_000))
    world.do(order(account_id, Side.SELL, BTC_LOTS, 60_000))
    world.move_index(1, 60_000_00)
    assert margins.available(world.exchange.state.accounts[account_id], USD) == 36_470 * USD_UNIT
    events = world.move_index(1, 62_000_00)
    assert [event.account_id for event in events if isinstance(event, OrderCancelled)] == [account_id]


def test_an_order_of_an_isolated_account_makes_its_position_dearer() -> None:
    """WAT-007: a long of 10 and a buy of 1 at 60,000: 660,000 x 67% - 600,000 x 61% = 76,200, 2,300 less than is free; at 62,000
    682,000 x 67% - 620,000 x 61% = 78,740: 240 more.
    """
    world = opening()
    world.do(SetRulesVersion(RULES_LATEST))
    (account_id,) = family(world, 366_000 + 100_000 + 76_200 + 2_300)
    world.do(SetMarginMode(account_id, True))
    world.do(SetLeverage(account_id, PERP, 10_000))
    world.do(order(account_id, Side.BUY, 10 * BTC_LOTS, 60_000))
    world.do(order(RICH, Side.SELL, 10 * BTC_LOTS, 60_000))
    world.do(MoveMargin(account_id, PERP, 100_000 * USD_UNIT))
    world.do(order(account_id, Side.BUY, BTC_LOTS, 60_000))
    world.move_index(1, 60_000_00)
    assert margins.available(world.exchange.state.accounts[account_id], USD) == 2_300 * USD_UNIT
    events = world.move_index(1, 62_000_00)
    assert [event.account_id for event in events if isinstance(event, OrderCancelled)] == [account_id]
