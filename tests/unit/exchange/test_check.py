"""Exchange.check: all of an order's checks without any effect."""

import pytest

from engine.order import Side
from exchange.commands import (
    AmendOrder,
    CancelOrder,
    CancelOrders,
    Command,
    MoveMargin,
    PlaceBatch,
    PlaceOrder,
    SetLeverage,
    SkipCommand,
)
from exchange.events import CommandRejected, CommandSkipped, OrderAccepted
from exchange.rejects import Reject
from tests.support.world import ISOLATED, PERP, POOR, REGULAR, RICH, opening


@pytest.mark.parametrize(
    "command,reject",
    [
        (PlaceOrder(REGULAR, PERP, Side.BUY, 10_000, 5_900_000), None),
        (PlaceOrder(REGULAR, PERP, Side.BUY, 10_000, 5_900_000, trigger_price=6_100_000), None),
        (PlaceOrder(ISOLATED, PERP, Side.BUY, 1_000, 5_900_000, leverage_e2=1_000), None),
        (PlaceOrder(POOR, PERP, Side.BUY, 10_000, 5_900_000), Reject.INSUFFICIENT_BALANCE),
        (PlaceOrder(REGULAR, PERP, Side.BUY, 10_000, 5_900_001), Reject.INVALID_PRICE),
        (PlaceOrder(99, PERP, Side.BUY, 10_000, 5_900_000), Reject.UNKNOWN_ACCOUNT),
        (PlaceOrder(REGULAR, 99, Side.BUY, 10_000, 5_900_000), Reject.UNKNOWN_MARKET),
        (PlaceBatch(REGULAR, PERP, (PlaceOrder(REGULAR, PERP, Side.BUY, 10_000, 5_900_000),)), None),
        (PlaceBatch(POOR, PERP, (PlaceOrder(POOR, PERP, Side.BUY, 10_000, 5_900_000),)), Reject.INSUFFICIENT_BALANCE),
        (PlaceBatch(99, PERP, ()), Reject.UNKNOWN_ACCOUNT),
        (PlaceBatch(REGULAR, 99, ()), Reject.UNKNOWN_MARKET),
    ],
)
def test_check_says_what_apply_would_and_changes_nothing(
    command: PlaceOrder | PlaceBatch, reject: Reject | None
) -> None:
    """CHK-001"""
    world = opening()
    before = world.exchange.state_hash()
    expected = CommandRejected(reject, reject.field) if reject is not None else None
    assert world.exchange.check(command, world.time_ms) == expected
    assert world.exchange.state_hash() == before
    applied = world.do(command)
    assert applied == [expected] if expected else any(isinstance(event, OrderAccepted) for event in applied)


@pytest.mark.parametrize(
    "command",
    [
        PlaceBatch(99, PERP, ()),
        CancelOrder(99, 1),
        CancelOrders(99),
        AmendOrder(99, 1),
        SetLeverage(99, PERP, 100),
        MoveMargin(99, PERP, 5),
    ],
)
def test_unknown_account(command: Command) -> None:
    """CHK-002"""
    assert opening().do(command) == [CommandRejected(Reject.UNKNOWN_ACCOUNT, "account_id")]


@pytest.mark.parametrize(
    "command", [PlaceBatch(REGULAR, 99, ()), SetLeverage(ISOLATED, 99, 100), MoveMargin(ISOLATED, 99, 5)]
)
def test_unknown_market(command: Command) -> None:
    """CHK-002"""
    assert opening().do(command) == [CommandRejected(Reject.UNKNOWN_MARKET, "market_id")]


def test_more_ids_than_a_cancel_may_name() -> None:
    """CHK-003"""
    refused = opening().do(CancelOrders(REGULAR, tuple(range(1, 1_002))))
    assert refused == [CommandRejected(Reject.INVALID_BATCH, "ids")]


def test_a_skip_changes_nothing_in_the_core() -> None:
    """CHK-004"""
    world = opening()
    before = world.exchange.state_hash()
    assert world.do(SkipCommand(5, "broken")) == [CommandSkipped(5, "broken")]
    assert world.exchange.state_hash() == before


def test_time_never_goes_back() -> None:
    """CHK-005"""
    world = opening()
    with pytest.raises(AssertionError, match="time went back"):
        world.exchange.apply(CancelOrders(RICH), world.time_ms - 1)
