"""Bounds of the core: what happens at them."""

from engine.order import Side, TimeInForce
from exchange.commands import AmendOrder, CancelOrders, PlaceBatch, PlaceOrder, Tick
from exchange.events import (
    CommandRejected,
    Event,
    OrderRepeated,
    OrderTriggered,
    Ticked,
    decode_events,
    encode_events,
)
from exchange.limits import BATCH_ORDERS_MAX, CLIENT_ORDER_IDS_KEPT, OPEN_ORDERS_MAX, TRIGGERS_PER_COMMAND_MAX
from exchange.rejects import Reject
from exchange.snapshot import decode, encode, hash_of
from tests.support.world import PERP, REGULAR, RICH, SECOND, opening


def triggered(events: list[Event]) -> list[int]:
    return [event.order_id for event in events if isinstance(event, OrderTriggered)]


def test_triggers_beyond_the_bound_are_due_at_once() -> None:
    """TRG-011"""
    world = opening()
    wanted = 2 * TRIGGERS_PER_COMMAND_MAX + 50
    for number in range(wanted):
        account_id = RICH if number % 2 else SECOND
        world.do(PlaceOrder(account_id, PERP, Side.BUY, 20, 5_000_000, trigger_price=6_100_000))
    first = world.move_index(1, 6_100_000)
    assert len(triggered(first)) == TRIGGERS_PER_COMMAND_MAX
    assert first[-1] == Ticked(has_more=True)
    assert world.exchange.next_due_ms == world.time_ms
    before = world.exchange.state_hash()
    waiting = TRIGGERS_PER_COMMAND_MAX + 1
    for refused in (
        AmendOrder(SECOND, waiting, qty=30),
        AmendOrder(RICH, 1, price=10),
        PlaceOrder(RICH, PERP, Side.BUY, 0),
    ):
        assert isinstance(world.do(refused)[0], CommandRejected)
    assert world.exchange.state_hash() == before
    second, third = world.do(Tick()), world.do(Tick())
    assert triggered(first) + triggered(second) + triggered(third) == list(range(1, wanted + 1))
    assert third[-1] == Ticked(has_more=False)
    assert world.exchange.next_due_ms == world.time_ms + 1_000


def test_triggers_in_their_turn_survive_a_snapshot_and_can_be_cancelled() -> None:
    """TRG-012"""
    world = opening()
    count = TRIGGERS_PER_COMMAND_MAX + 3
    for _ in range(count):
        world.do(PlaceOrder(RICH, PERP, Side.BUY, 20, 5_000_000, trigger_price=6_100_000))
    world.move_index(1, 6_100_000)
    assert len(world.do(CancelOrders(RICH, (count - 1,)))) == 1
    twin = decode(encode(world.exchange))
    assert encode(twin) == encode(world.exchange)
    assert hash_of(encode(twin)) == twin.state_hash()
    events = world.do(Tick())
    assert twin.apply(Tick(), world.time_ms) == events
    assert triggered(events) == [count - 2, count]
    assert decode_events(encode_events(events)) == events


def test_open_orders_of_one_account_in_one_market() -> None:
    """ORD-017"""
    world = opening()
    for _ in range(OPEN_ORDERS_MAX):
        world.do(PlaceOrder(RICH, PERP, Side.BUY, 20, 100_000))
    assert world.do(PlaceOrder(RICH, PERP, Side.BUY, 20, 100_000)) == [CommandRejected(Reject.TOO_MANY_ORDERS)]
    batch = PlaceBatch(RICH, PERP, (PlaceOrder(RICH, PERP, Side.BUY, 20, 100_000),))
    assert world.do(batch) == [CommandRejected(Reject.TOO_MANY_ORDERS)]
    assert not isinstance(world.do(PlaceOrder(SECOND, PERP, Side.BUY, 20, 100_000))[0], CommandRejected)
    assert len(world.do(CancelOrders(RICH))) == OPEN_ORDERS_MAX


def test_a_batch_has_its_size() -> None:
    """BAT-006"""
    world = opening()
    order = PlaceOrder(REGULAR, PERP, Side.BUY, 20, 100_000)
    refused = [CommandRejected(Reject.INVALID_BATCH, "orders")]
    assert world.do(PlaceBatch(REGULAR, PERP, ())) == refused
    assert world.do(PlaceBatch(REGULAR, PERP, (order,) * (BATCH_ORDERS_MAX + 1))) == refused
    assert len(world.do(PlaceBatch(REGULAR, PERP, (order,) * BATCH_ORDERS_MAX))) == BATCH_ORDERS_MAX
    other = PlaceOrder(SECOND, PERP, Side.BUY, 20, 100_000)
    assert world.do(PlaceBatch(REGULAR, PERP, (order, other))) == [CommandRejected(Reject.INVALID_BATCH, "orders", 1)]


def test_the_last_ten_thousand_client_order_ids_are_remembered() -> None:
    """ORD-018"""
    world = opening()

    def place(name: str) -> list[Event]:
        order = PlaceOrder(REGULAR, PERP, Side.BUY, 20, 100_000, time_in_force=TimeInForce.IOC, client_order_id=name)
        return world.do(order)

    for number in range(CLIENT_ORDER_IDS_KEPT + 1):
        assert not isinstance(place(f"order {number}")[0], OrderRepeated)
    assert isinstance(place("order 1")[0], OrderRepeated)
    assert isinstance(place(f"order {CLIENT_ORDER_IDS_KEPT}")[0], OrderRepeated)
    assert not isinstance(place("order 0")[0], OrderRepeated)
