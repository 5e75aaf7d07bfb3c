"""What resting orders reserve where reduce-only orders stand beside others."""

import pytest

from engine.order import Side
from exchange import margins
from exchange.audit import audit
from exchange.commands import PlaceOrder
from exchange.events import CommandRejected
from exchange.rejects import Reject
from tests.support.world import PERP, POOR, REGULAR, RICH, USD_UNIT, World, opening

ONE = 10_000
"""Lots in one unit of BTC."""


@pytest.fixture
def world() -> World:
    """REGULAR is long 1 BTC at 60,000: 60,000 x 7% = 4,200."""
    world = opening()
    world.do(PlaceOrder(RICH, PERP, Side.SELL, ONE, 60_000_00))
    world.do(PlaceOrder(REGULAR, PERP, Side.BUY, ONE, 60_000_00))
    return world


def sell(world: World, qty: int, price: int, *, reduce_only: bool = False, oco: str = "") -> None:
    world.do(PlaceOrder(REGULAR, PERP, Side.SELL, qty, price * 100, reduce_only=reduce_only, oco=oco))


def reserved(world: World) -> int:
    assert audit(world.exchange) == []
    return margins.order_margin(world.exchange.state.accounts[REGULAR].holdings[PERP])


def test_reduce_only_orders_beyond_the_position_count_no_size(world: World) -> None:
    """RED-006: of 4 on offer for 244,000, a mean of 61,000, 2 open: 120,000 x (1% + 1e-6 x 122,000) - 4,200."""
    sell(world, ONE, 61_000, reduce_only=True)
    sell(world, ONE, 62_000, reduce_only=True)
    assert reserved(world) == 0
    sell(world, 2 * ONE, 60_500)
    assert reserved(world) == 11_640 * USD_UNIT


def test_a_group_may_open_what_its_plain_order_does(world: World) -> None:
    """OCO-004: once the sell at 61,000 has closed the long the one at 63,000 opens: 60,000 x (1% + 6.2%) - 4,200."""
    sell(world, ONE, 62_000, reduce_only=True, oco="a")
    sell(world, ONE, 63_000, oco="a")
    assert reserved(world) == 0
    sell(world, ONE, 61_000, reduce_only=True)
    assert reserved(world) == 120 * USD_UNIT


def test_a_group_that_only_reduces_is_taken_below_initial_margin() -> None:
    """OCO-005: equity 78.2 of a long of 0.1 at 55,800 is below 89.28; two sells of 0.1 of which one can fill only close it."""
    world = opening()
    world.do(PlaceOrder(RICH, PERP, Side.SELL, ONE // 10, 60_000_00))
    world.do(PlaceOrder(POOR, PERP, Side.BUY, ONE // 10, 60_000_00))
    world.move_index(1, 55_800_00)

    def reject(price: int, oco: str) -> Reject | None:
        event = world.do(PlaceOrder(POOR, PERP, Side.SELL, ONE // 10, price * 100, oco=oco))[0]
        return event.reject if isinstance(event, CommandRejected) else None

    assert reject(55_900, "a") is None
    assert reject(56_500, "a") is None
    assert reject(56_500, "b") is Reject.BELOW_INITIAL_MARGIN
    assert reject(56_500, "") is Reject.BELOW_INITIAL_MARGIN
    assert audit(world.exchange) == []
