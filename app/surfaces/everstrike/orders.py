"""Forms to commands, as Everstrike names the parameters."""

from collections.abc import Mapping
from typing import Final, TypeVar

from app import forms, wire
from app.forms import Form
from app.problems import Malformed
from app.surfaces.everstrike.pairs import Pair, Pairs
from engine.order import SelfMatch, Side, TimeInForce, TriggerDirection, TriggerEvent
from exchange.commands import PlaceBatch, PlaceOrder
from exchange.limits import BATCH_ORDERS_MAX, ICEBERGS_MAX, OCO_LENGTH_MAX, REFERENCE_LENGTH_MAX
from exchange.rejects import Reject

Member = TypeVar("Member")

SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
TIMES_IN_FORCE: Final = {member.name: member for member in TimeInForce}
TRIGGER_EVENTS: Final[dict[str, TriggerEvent]] = {
    member.name: member for member in TriggerEvent if member is not TriggerEvent.NONE
}
TRIGGER_DIRECTIONS: Final = {member.name: member for member in TriggerDirection}
SELF_MATCHES: Final = {member.name: member for member in SelfMatch}
PERCENT_TO_PPM_DECIMALS: Final = 4


def place(fields: dict[str, str], account_id: int, pairs: Pairs) -> tuple[PlaceOrder, Pair]:
    """The command of one order's parameters, and its pair.

    Raises: Malformed.
    """
    pair = pairs.need(forms.needed(fields, "pair"))
    terms = pair.instrument
    side = _member(fields, "side", SIDES, "INVALID_SIDE")
    if side is None:
        raise Malformed("side", "side is missing.", "MISSING_FIELD")
    qty = wire.lots(forms.needed(fields, "qty"), "qty", terms)
    text = fields.get("price")
    price = wire.price(text, "price", terms) if text else 0
    if price and len(fields) == 5 and "timestamp" in fields:
        # Nothing beyond these five: the plain order, and most of them.
        return PlaceOrder(account_id, pair.market_id, side, qty, price), pair
    if pair.is_spot:
        _check_spot(fields)
    get = fields.get
    trigger = get("trigger_price")
    trail = get("trail")
    trail_percent = get("trail_percent")
    event = _member(fields, "trigger_event", TRIGGER_EVENTS, "INVALID_TRIGGER")
    if event is None:
        event = TriggerEvent.NONE
        if trigger or trail or trail_percent:
            event = TriggerEvent.LAST_PRICE if pair.is_spot else TriggerEvent.MARK_PRICE
    return (
        PlaceOrder(
            account_id,
            pair.market_id,
            side,
            qty,
            price,
            _member(fields, "time_in_force", TIMES_IN_FORCE, "INVALID_TIME_IN_FORCE") or TimeInForce.GTC,
            forms.flag(fields, "post_only"),
            forms.flag(fields, "reduce_only"),
            forms.flag(fields, "hidden"),
            _icebergs(get("icebergs")),
            forms.word(fields, "oco", most=OCO_LENGTH_MAX, code="INVALID_OCO"),
            _member(fields, "self_match", SELF_MATCHES, "INVALID_SELF_MATCH") or SelfMatch.CANCEL_TAKER,
            forms.word(fields, "client_order_id", most=REFERENCE_LENGTH_MAX, code="INVALID_CLIENT_ORDER_ID"),
            _leverage(get("leverage")),
            wire.price(trigger, "trigger_price", terms, "INVALID_TRIGGER") if trigger else 0,
            event,
            _member(fields, "trigger_direction", TRIGGER_DIRECTIONS, "INVALID_TRIGGER") or TriggerDirection.AUTO,
            forms.flag(fields, "close_on_trigger"),
            wire.price(trail, "trail", terms, "INVALID_TRIGGER") if trail else 0,
            wire.steps(trail_percent, "trail_percent", PERCENT_TO_PPM_DECIMALS, code="INVALID_TRIGGER")
            if trail_percent
            else 0,
        ),
        pair,
    )


def batch(form: Form, account_id: int, pairs: Pairs) -> tuple[PlaceBatch, Pair]:
    """The command of a bulk order: 1 to 50 orders of one market.

    Raises: Malformed, naming the order by its index.
    """
    if not form.orders:
        raise Malformed("orders", "orders is missing.", "MISSING_FIELD")
    if len(form.orders) > BATCH_ORDERS_MAX:
        raise Malformed("orders", f"orders holds more than {BATCH_ORDERS_MAX} orders.", "INVALID_BATCH")
    placed = []
    first: Pair | None = None
    for index in sorted(form.orders):
        try:
            order, pair = place(form.orders[index], account_id, pairs)
        except Malformed as problem:
            raise Malformed(f"orders[{index}][{problem.field}]", problem.msg, problem.code) from None
        if first is None:
            first = pair
        elif pair is not first:
            raise Malformed(f"orders[{index}][pair]", "All orders of a batch must be of one market.", "INVALID_BATCH")
        if order.reduce_only:
            raise Malformed(f"orders[{index}][reduce_only]", "A batch takes no reduce-only order.", "INVALID_BATCH")
        placed.append(order)
    assert first is not None
    return PlaceBatch(account_id, first.market_id, tuple(placed)), first


def is_test_batch(form: Form) -> bool:
    """Whether a bulk order is to be checked only: each of its orders says so, or the body as a whole.

    Raises: Malformed when some are to be placed and some are not.
    """
    flags = {index: forms.flag(fields, "is_test") for index, fields in form.orders.items()}
    if forms.flag(form.fields, "is_test") or all(flags.values()):
        return True
    for index, is_test in flags.items():
        if is_test:
            raise Malformed(f"orders[{index}][is_test]", "All orders of a batch are tests, or none.", "INVALID_BATCH")
    return False


def close(fields: dict[str, str], account_id: int, pair: Pair, side: Side) -> PlaceOrder:
    """The command that closes a position, in part (qty) or whole, at the market or at a price.

    Raises: Malformed.
    """
    terms = pair.instrument
    qty = fields.get("qty")
    price = fields.get("price")
    return PlaceOrder(
        account_id,
        pair.market_id,
        side,
        wire.lots(qty, "qty", terms) if qty else 0,
        wire.price(price, "price", terms) if price else 0,
        reduce_only=True,
        client_order_id=forms.word(
            fields, "client_order_id", most=REFERENCE_LENGTH_MAX, code="INVALID_CLIENT_ORDER_ID"
        ),
        is_close=True,
    )


def _check_spot(fields: dict[str, str]) -> None:
    """Refuse what only goes with a position, by its name. Raises: Malformed."""
    for name in ("reduce_only", "close_on_trigger"):
        if forms.flag(fields, name):
            raise Malformed(name, Reject.NOT_ON_SPOT.value, Reject.NOT_ON_SPOT.name)


def _member(fields: dict[str, str], name: str, members: Mapping[str, Member], code: str) -> Member | None:
    """The member that a parameter names, None when it is absent. Raises: Malformed."""
    text = fields.get(name)
    if not text:
        return None
    member = members.get(text)
    if member is None:
        raise Malformed(name, f"{name} must be one of {', '.join(members)}.", code)
    return member


def _icebergs(text: str | None) -> int:
    if not text:
        return 0
    return wire.whole(text, "icebergs", most=ICEBERGS_MAX, code="INVALID_ICEBERGS")


def _leverage(text: str | None) -> int:
    return wire.hundredths(text, "leverage") if text else 0
