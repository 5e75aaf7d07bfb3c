"""The dead man's switch: when a tick is due, in what order orders go, and how many at once."""

import pytest

from engine.order import Side, TimeInForce
from exchange import views
from exchange.audit import audit
from exchange.commands import CancelAllAfter, CancelOrder, PlaceOrder, Tick, UpdateIndexPrice
from exchange.events import (
    CancelAllAfterSet,
    CancelReason,
    Event,
    OrderAccepted,
    OrderCancelled,
    Ticked,
    Traded,
)
from exchange.limits import DEAD_MEN_ORDERS_PER_TICK_MAX, OPEN_ORDERS_MAX
from exchange.snapshot import decode, encode
from tests.support.ladder import person
from tests.support.world import (
    ETHP,
    PERP,
    POOR,
    REGULAR,
    RICH,
    SECOND,
    SIBLING,
    SPOT,
    World,
    opening,
)


def gone(events: list[Event]) -> list[int]:
    """List the orders that went with their account."""
    return [e.order_id for e in events if isinstance(e, OrderCancelled) and e.reason is CancelReason.DEAD_MAN]


def fired(events: list[Event]) -> list[int]:
    """List the accounts whose time had come."""
    return [e.account_id for e in events if isinstance(e, CancelAllAfterSet) and e.is_fired]


def buy(world: World, account_id: int, market_id: int = PERP, price: int = 5_900_000) -> int:
    (accepted,) = world.do(PlaceOrder(account_id, market_id, Side.BUY, 10, price))
    assert isinstance(accepted, OrderAccepted)
    return accepted.order_id


def test_what_is_answered() -> None:
    """DMS-001 DMS-002"""
    world = opening()
    assert world.do(CancelAllAfter(REGULAR, 5_000)) == [CancelAllAfterSet(REGULAR, world.time_ms + 5_000)]
    view = views.account(world.exchange, REGULAR)
    assert view is not None
    assert view.cancel_all_ms == world.time_ms + 5_000
    assert world.do(CancelAllAfter(REGULAR, 0)) == [CancelAllAfterSet(REGULAR, 0)]
    view = views.account(world.exchange, REGULAR)
    assert view is not None
    assert view.cancel_all_ms == 0
    world.do(CancelAllAfter(REGULAR, 1_000))
    assert world.do(Tick(), 1_000)[0] == CancelAllAfterSet(REGULAR, 0, True)


def test_orders_go_by_id_whatever_their_market() -> None:
    """DMS-001"""
    world = opening()
    mine = [
        buy(world, REGULAR, ETHP, 290_000),
        buy(world, REGULAR),
        buy(world, REGULAR, SPOT),
        buy(world, REGULAR, ETHP, 291_000),
    ]
    (waiting,) = world.do(PlaceOrder(REGULAR, PERP, Side.SELL, 10, trigger_price=5_000_000))
    assert isinstance(waiting, OrderAccepted)
    world.do(CancelAllAfter(REGULAR, 1_000))
    assert gone(world.do(Tick(), 1_000)) == [*mine, waiting.order_id]
    assert views.orders(world.exchange, REGULAR) == []
    assert audit(world.exchange) == []


def test_a_tick_is_due_at_the_first_of_the_times() -> None:
    """DMS-004"""
    world = opening()
    start = world.time_ms
    assert start % 1_000 == 0
    world.do(CancelAllAfter(REGULAR, 1_750))
    world.do(CancelAllAfter(SECOND, 1_250))
    assert world.exchange.next_due_ms == start + 1_000
    world.do(Tick(), 1_000)
    assert world.exchange.next_due_ms == start + 1_250
    assert fired(world.do(Tick(), 250)) == [SECOND]
    assert world.exchange.next_due_ms == start + 1_750
    world.do(CancelAllAfter(REGULAR, 0))
    assert world.exchange.next_due_ms == start + 2_000


def test_a_later_time_and_one_called_off_leave_the_first() -> None:
    """DMS-004"""
    world = opening()
    start = world.time_ms
    world.do(Tick(), 1_000)
    world.do(CancelAllAfter(POOR, 1_100))
    world.do(CancelAllAfter(SECOND, 1_250))
    world.do(CancelAllAfter(RICH, 1_750))
    world.do(CancelAllAfter(POOR, 0))
    world.do(Tick(), 1_000)
    assert start + 2_000 < world.exchange.next_due_ms <= start + 2_250
    world.time_ms = world.exchange.next_due_ms
    while not fired(events := world.do(Tick())):
        world.time_ms = world.exchange.next_due_ms
    assert (fired(events), world.time_ms) == ([SECOND], start + 2_250)
    assert audit(world.exchange) == []


def test_a_dead_order_meets_nobody() -> None:
    """DMS-004: whoever comes when the time has come finds the tick before it, and no order."""
    world = opening()
    buy(world, REGULAR, PERP, 6_000_000)
    world.do(CancelAllAfter(REGULAR, 1_001))
    world.do(Tick(), 1_000)
    world.time_ms += 1
    assert world.exchange.next_due_ms == world.time_ms
    world.do(Tick())
    events = world.do(PlaceOrder(RICH, PERP, Side.SELL, 10, 6_000_000, TimeInForce.IOC))
    assert not [event for event in events if isinstance(event, Traded)]


def test_a_restarted_timer_does_not_fire_at_its_old_time() -> None:
    """DMS-002: the tick that was due at the old time does nothing to it, and the next is due at the new one."""
    world = opening()
    order_id = buy(world, REGULAR)
    start = world.time_ms
    world.do(CancelAllAfter(REGULAR, 1_500))
    world.do(Tick(), 1_000)
    world.do(CancelAllAfter(REGULAR, 1_500))
    assert gone(world.do(Tick(), 500)) == []
    assert world.exchange.next_due_ms == start + 2_000
    world.do(Tick(), 500)
    assert world.exchange.next_due_ms == start + 2_500
    assert gone(world.do(Tick(), 500)) == [order_id]


def test_a_bound_leaves_the_rest_for_the_next_tick() -> None:
    """DMS-006: 51 accounts of 400 orders: the first fifty go with the first tick, the last one's with the next."""
    markets = (PERP, ETHP)
    accounts = DEAD_MEN_ORDERS_PER_TICK_MAX // (OPEN_ORDERS_MAX * len(markets)) + 1
    world, people = crowd(accounts)
    for account_id in people:
        for market_id in markets:
            for number in range(OPEN_ORDERS_MAX):
                buy(world, account_id, market_id, 5_900_000 - 50 * number if market_id == PERP else 290_000)
    due_ms = world.time_ms + 5_000
    for account_id in reversed(people):  # the highest account id is the first to fall silent
        world.do(CancelAllAfter(account_id, due_ms - world.time_ms))
        world.time_ms += 1
        due_ms += 1
    world.time_ms = due_ms
    index_price = world.exchange.state.indices[1].price
    world.do(UpdateIndexPrice(1, 1, index_price + 50, world.time_ms))
    first = world.do(Tick())
    assert len(gone(first)) == DEAD_MEN_ORDERS_PER_TICK_MAX
    assert fired(first) == people[:0:-1]
    assert first[-1] == Ticked(has_more=True)
    assert world.exchange.state.indices[1].price == index_price, "nothing else happens"
    assert world.exchange.next_due_ms <= world.time_ms
    assert audit(world.exchange) == []
    twin = decode(encode(world.exchange))
    second = world.do(Tick())
    assert len(gone(second)) == OPEN_ORDERS_MAX * len(markets)
    assert fired(second) == people[:1]
    assert world.exchange.state.indices[1].price == index_price + 50
    assert twin.apply(Tick(), world.time_ms) == second
    assert world.exchange.next_due_ms > world.time_ms


def crowd(count: int) -> tuple[World, list[int]]:
    """Return a world with so many more people."""
    world = opening()
    return world, [person(world, 10_000_000) for _ in range(count)]


def test_timers_survive_a_snapshot() -> None:
    """DMS-007"""
    world = opening()
    mine, others = buy(world, REGULAR), buy(world, SECOND)
    world.do(CancelAllAfter(SECOND, 1_400))
    world.do(CancelAllAfter(REGULAR, 1_200))
    world.do(CancelAllAfter(REGULAR, 1_300))  # a tick is due at the old time all the same
    twin = decode(encode(world.exchange))
    assert twin.state_hash() == world.exchange.state_hash()
    assert twin.next_due_ms == world.exchange.next_due_ms
    world.do(Tick(), 1_000)
    twin.apply(Tick(), world.time_ms)
    assert twin.next_due_ms == world.exchange.next_due_ms
    world.time_ms += 400
    events = world.do(Tick())
    assert gone(events) == [mine, others]
    assert fired(events) == [REGULAR, SECOND]
    assert twin.apply(Tick(), world.time_ms) == events
    assert twin.state_hash() == world.exchange.state_hash()


@pytest.mark.parametrize("other", [SIBLING, POOR])
def test_other_accounts_keep_their_orders(other: int) -> None:
    """DMS-008"""
    world = opening()
    mine, theirs = buy(world, REGULAR), buy(world, other)
    world.do(CancelAllAfter(REGULAR, 1_000))
    assert gone(world.do(Tick(), 1_000)) == [mine]
    assert world.do(CancelOrder(other, theirs)) != []
