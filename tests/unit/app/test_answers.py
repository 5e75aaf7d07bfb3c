"""Everstrike's words for what the core says, without a server."""

from typing import Any

import msgspec
import pytest

from app.door import Answer
from app.faults import Halted, JournalUnavailable, Overloaded
from app.problems import Denial, Denied, Malformed
from app.surfaces.everstrike import answers, ids
from app.surfaces.everstrike.pairs import Pair
from engine.order import OrderStatus, Side
from exchange.commands import PlaceOrder
from exchange.events import (
    CancelReason,
    CommandRejected,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderReduced,
    OrderRepeated,
    OrderTriggered,
    Traded,
)
from exchange.rejects import Reject
from tests.unit.app.test_wire import BTC

PAIR = Pair(7, BTC, {1: "USD", 2: "BTC"})
ASK = PlaceOrder(account_id=5, market_id=7, side=Side.BUY, qty=100, price=6_000_000)


def traded(taker_leaves: int, *, maker: int = 1, taker: int = 2, qty: int = 40) -> Traded:
    return Traded(9, 7, 6_000_000, qty, 1, maker, 4, 0, 0, 0, taker, 5, taker_leaves, 720, 0)


def body(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(answer.body)
    return found


@pytest.mark.parametrize(
    "events, status, filled, leaves",
    [
        ([OrderAccepted(2, ASK, 100, 6_000_000, OrderStatus.ACTIVE)], OrderStatus.ACTIVE, 0, 100),
        ([OrderAccepted(2, ASK, 100, 6_000_000, OrderStatus.ACTIVE), traded(60)], OrderStatus.ACTIVE, 40, 60),
        (
            [OrderAccepted(2, ASK, 100, 6_000_000, OrderStatus.ACTIVE), traded(60), traded(0, qty=60)],
            OrderStatus.COMPLETED,
            100,
            0,
        ),
        (
            [
                OrderAccepted(2, ASK, 100, 6_000_000, OrderStatus.ACTIVE),
                traded(60),
                OrderCancelled(2, 5, 7, 60, CancelReason.IMMEDIATE),
            ],
            OrderStatus.CANCELLED,
            40,
            60,
        ),
        (
            [
                OrderAccepted(2, ASK, 100, 6_000_000, OrderStatus.ACTIVE),
                OrderReduced(2, 5, 7, 30, CancelReason.SELF_MATCH),
                OrderCancelled(99, 5, 7, 60, CancelReason.SELF_MATCH),
            ],
            OrderStatus.ACTIVE,
            0,
            30,
        ),
        (
            [OrderAccepted(2, ASK, 100, 0, OrderStatus.UNTRIGGERED), OrderTriggered(2, 5, 7, 80, 6_100_000)],
            OrderStatus.ACTIVE,
            0,
            80,
        ),
        ([OrderRepeated(2, ASK, 100, 6_000_000, 30, OrderStatus.CANCELLED)], OrderStatus.CANCELLED, 30, 70),
    ],
)
def test_an_order_after_its_events(events: list[Event], status: OrderStatus, filled: int, leaves: int) -> None:
    (order,) = answers.placed(events)
    assert (order.order_id, order.status, order.filled, order.leaves) == (2, status, filled, leaves)


def test_a_batch_whose_orders_meet_gives_both_sides() -> None:
    events: list[Event] = [
        OrderAccepted(1, ASK, 40, 6_000_000, OrderStatus.ACTIVE),
        OrderAccepted(2, ASK, 100, 6_000_000, OrderStatus.ACTIVE),
        traded(60),
    ]
    maker, taker = answers.placed(events)
    assert (maker.status, maker.fills[0][1]) == (OrderStatus.COMPLETED, True)
    assert (taker.status, taker.fills[0][1]) == (OrderStatus.ACTIVE, False)


@pytest.mark.spec("REST-004")
def test_refusals_use_this_surfaces_names() -> None:
    for reject, field in (
        (Reject.UNKNOWN_MARKET, "pair"),
        (Reject.ORDER_NOT_FOUND, "id"),
        (Reject.INVALID_AMOUNT, "qty"),
        (Reject.INVALID_PRICE, "price"),
        (Reject.INSUFFICIENT_BALANCE, None),
    ):
        answer = answers.refused(CommandRejected(reject, reject.field))
        assert answer.status == 503
        assert body(answer) == {
            "code": 503,
            "msg": reject.value,
            "result": {"reject": reject.name, "field": field},
        }
    batch = answers.refused_in_batch(CommandRejected(Reject.INVALID_QTY, "qty", 3))
    assert body(batch)["result"] == {"reject": "INVALID_QTY", "field": "orders[3][qty]"}


@pytest.mark.spec("REST-021")
@pytest.mark.parametrize(
    "fault, is_unknown, retry",
    [
        (JournalUnavailable("It is away.", is_unknown=True), True, b"1"),
        (JournalUnavailable("It is away.", is_unknown=False), False, b"1"),
        (Overloaded("Too many."), False, b"1"),
        (Halted(7, "it broke"), False, b"30"),
        (Halted(7, "it broke", is_unknown=True), True, b"30"),
    ],
)
def test_faults_say_whether_the_outcome_is_known(fault: Any, is_unknown: bool, retry: bytes) -> None:
    answer = answers.problem(fault)
    assert answer.status == 503
    assert dict(answer.headers)[b"retry-after"] == retry
    reject = "OVERLOADED" if isinstance(fault, Overloaded) else "UNAVAILABLE"
    assert body(answer)["result"] == {"reject": reject, "field": None, "is_outcome_unknown": is_unknown}
    assert ("ask GET /order by client_order_id" in body(answer)["msg"]) == is_unknown


@pytest.mark.spec("AUTH-007")
def test_each_denial_has_its_status() -> None:
    statuses = {denial: answers.problem(Denied(denial)).status for denial in Denial}
    assert statuses.keys() == set(Denial)
    assert set(statuses.values()) == {401, 403, 408, 413, 429}
    late = answers.problem(Denied(Denial.TIMESTAMP_OLD))
    assert (late.status, body(late)["code"], body(late)["result"]) == (408, 414, None)
    hasty = answers.problem(Denied(Denial.RATE, 0.043))
    assert body(hasty)["msg"] == "You have done that too much recently. Care to try again in 0.043 seconds?"
    assert dict(answers.problem(Denied(Denial.RATE, 1.2)).headers)[b"retry-after"] == b"2"


def test_what_is_malformed_names_the_field() -> None:
    answer = answers.problem(Malformed("qty", "qty must be a decimal number.", "INVALID_QTY"))
    assert answer.status == 503
    assert body(answer)["result"] == {"reject": "INVALID_QTY", "field": "qty"}


def test_ids_say_what_they_are() -> None:
    text = ids.encode(ids.ORDER, 255)
    assert text == "000000010000000000000000000000ff"
    assert ids.decode(ids.ORDER, text) == 255
    assert ids.decode(ids.ORDER, text.upper()) == 255
    for wrong in ("", "1", ids.encode(ids.TRADE, 255), ids.NO_ORDER, "0x" + "0" * 30, "f" * 32, text + "0", " " * 32):
        assert ids.decode(ids.ORDER, wrong) is None


def test_a_market_order_has_no_original_price() -> None:
    market = PlaceOrder(5, 7, Side.SELL, 100)
    events: list[Event] = [OrderAccepted(2, market, 100, 5_820_000, OrderStatus.ACTIVE)]
    order = answers.order_of_placed(answers.placed(events)[0], PAIR, "me", 100, 1)
    assert (order["type"], order["price"], order["price_orig"], order["side"]) == ("MARKET", 58_200, None, "SELL")


@pytest.mark.spec("REST-022")
@pytest.mark.parametrize("qty, is_close, original", [(100, False, 0.01), (100, True, 0.01), (0, True, 0.006)])
def test_the_original_quantity_stays_when_the_order_shrinks(qty: int, is_close: bool, original: float) -> None:
    request = PlaceOrder(5, 7, Side.SELL, qty, 6_000_000, reduce_only=True, is_close=is_close)
    accepted = OrderAccepted(2, request, 60, 6_000_000, OrderStatus.ACTIVE)
    order = answers.order_of_placed(answers.placed([accepted])[0], PAIR, "me", 100, 1)
    assert (order["qty_orig"], order["qty_orig_usd"], order["qty_remaining"]) == (original, original * 60_000, 0.006)
