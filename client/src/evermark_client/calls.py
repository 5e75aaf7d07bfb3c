"""Every request that the client can make, as a value: which row it asks, with which fields, and what is safe when no answer comes.

The sync and the async client share all of this; they differ only in how bytes travel.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar, cast

import msgspec

from evermark_client import models
from evermark_client.forms import Number, text_of
from evermark_client.models import SelfMatch, Side, TimeInForce, TriggerDirection, TriggerEvent

T = TypeVar("T")
Decode: TypeAlias = Callable[[bytes | memoryview], T]


class Access(Enum):
    """What a row asks for."""

    PUBLIC = "nothing"
    KEY = "the key"
    SIGNED = "the key, a timestamp and a signature over the body"
    SIGNED_QUERY = "the key, a timestamp and a signature over the query"


@dataclass(frozen=True)
class Asking(Generic[T]):
    """How to learn from an order what became of a request that had no answer."""

    by: Mapping[str, str]
    """Its `id` or `client_order_id`."""
    is_done: Callable[[models.Order], bool]
    """Whether the order shows that the request was executed."""
    answer: Callable[[models.Order, models.Account], T]


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request. `result` decodes the answer's result.

    Where no answer comes: with `asking` the order is asked for, and the request sent again while the order does not show it; without it
    the request is sent again, unless `is_once`: a second one would do it twice.
    """

    method: str
    path: str
    access: Access
    result: Decode[T]
    fields: Mapping[str, object] = field(default_factory=dict)
    is_once: bool = False
    asking: Asking[T] | None = None

    @property
    def client_order_id(self) -> str | None:
        """The order's id, where the request names one of the caller's."""
        return self.asking.by.get("client_order_id") if self.asking else None


class OrderOptions(TypedDict, total=False):
    """What an order may have beyond pair, side, quantity and price."""

    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool
    hidden: bool
    icebergs: int
    oco: str
    trigger_price: Number
    trigger_event: TriggerEvent
    trigger_direction: TriggerDirection
    close_on_trigger: bool
    trail: Number
    trail_percent: Number
    leverage: Number
    self_match: SelfMatch
    client_order_id: str
    is_test: bool
    recv_window: int


class NewOrder(OrderOptions, total=False):
    """An order of a bulk. `price` left out: a market order."""

    pair: str
    side: Side
    qty: Number
    price: Number


class Page(TypedDict, total=False):
    """Which rows of a list: 100, or up to 1,000 by `limit`; times in milliseconds; `before` is the id of the page's last row, with `end` its time."""

    pair: str
    start: int
    end: int
    limit: int
    before: str


def _decoder(kind: Any) -> Decode[Any]:
    return cast(Decode[Any], msgspec.json.Decoder(kind).decode)


ACCOUNT: Decode[models.Account] = _decoder(models.Account)
ORDER: Decode[models.Order] = _decoder(models.Order)
ORDERS: Decode[list[models.Order]] = _decoder(list[models.Order])
ORDER_ANSWER: Decode[models.OrderAnswer] = _decoder(models.OrderAnswer)
ORDERS_ANSWER: Decode[models.OrdersAnswer] = _decoder(models.OrdersAnswer)
MODE_ANSWER: Decode[models.ModeAnswer] = _decoder(models.ModeAnswer)
TIMER: Decode[models.Timer] = _decoder(models.Timer)
BALANCES: Decode[dict[str, models.Balance]] = _decoder(dict[str, models.Balance])
POSITION: Decode[models.Position | None] = _decoder(models.Position | None)
POSITIONS: Decode[dict[str, models.Position]] = _decoder(dict[str, models.Position])
CLOSED: Decode[list[dict[str, models.ClosedPosition]]] = _decoder(list[dict[str, models.ClosedPosition]])
FILLS: Decode[list[models.Fill]] = _decoder(list[models.Fill])
TRADES: Decode[list[models.Trade]] = _decoder(list[models.Trade])
PAIRS: Decode[dict[str, models.Pair]] = _decoder(dict[str, models.Pair])
DEPTH: Decode[models.Depth] = _decoder(models.Depth)
TICKERS: Decode[dict[str, models.Ticker]] = _decoder(dict[str, models.Ticker])
CANDLES: Decode[list[models.Candle]] = _decoder(list[models.Candle])
FUNDING: Decode[list[models.Funding]] = _decoder(list[models.Funding])
FUNDING_PAYMENTS: Decode[list[models.FundingPayment]] = _decoder(list[models.FundingPayment])
LIQUIDATIONS: Decode[list[models.Liquidation]] = _decoder(list[models.Liquidation])
DEPOSITS: Decode[list[models.Deposit]] = _decoder(list[models.Deposit])
WITHDRAWALS: Decode[list[models.Withdrawal]] = _decoder(list[models.Withdrawal])
WITHDRAWAL: Decode[models.Withdrawal] = _decoder(models.Withdrawal)
DEPOSIT_ADDRESS: Decode[models.DepositAddress] = _decoder(models.DepositAddress)
ASSETS: Decode[dict[str, models.Asset]] = _decoder(dict[str, models.Asset])
GLOBALS: Decode[models.Globals] = _decoder(models.Globals)
STATUS: Decode[models.Status] = _decoder(models.Status)
VAULT: Decode[models.Vault] = _decoder(models.Vault)
PERSONAL: Decode[models.Personal] = _decoder(models.Personal)
LIABILITIES: Decode[models.Liabilities] = _decoder(models.Liabilities)
CLAIM_PATH: Decode[models.ClaimPath] = _decoder(models.ClaimPath)
TIME: Decode[int] = _decoder(int)
NOTHING: Decode[dict[str, Any]] = _decoder(dict[str, Any])


def public(path: str, result: Decode[T], **fields: object) -> Call[T]:
    """A read that needs no key."""
    return Call("GET", path, Access.PUBLIC, result, fields)


def keyed(path: str, result: Decode[T], **fields: object) -> Call[T]:
    """A read of the account."""
    return Call("GET", path, Access.KEY, result, fields)


def signed(path: str, result: Decode[T], **fields: object) -> Call[T]:
    """What changes something, and changes nothing more when it is sent again."""
    return Call("POST", path, Access.SIGNED, result, fields)


def once(path: str, result: Decode[T], **fields: object) -> Call[T]:
    """What changes something each time that it is sent."""
    return Call("POST", path, Access.SIGNED, result, fields, is_once=True)


def new_id() -> str:
    """A client order id that nobody has used."""
    return uuid.uuid4().hex


def place(
    pair: str, side: Side, qty: Number, price: Number | None, options: Mapping[str, object]
) -> Call[models.OrderAnswer]:
    """POST /auth/order, with a client order id whether the caller gave one or not."""
    fields = {"pair": pair, "side": side, "qty": qty, "price": price, **options}
    return _named("/auth/order", fields)


def close(
    pair: str, qty: Number | None, price: Number | None, client_order_id: str | None, is_test: bool | None
) -> Call[models.OrderAnswer]:
    """POST /auth/close, with a client order id as well."""
    fields = {"pair": pair, "qty": qty, "price": price, "is_test": is_test, "client_order_id": client_order_id}
    return _named("/auth/close", fields)


def _named(path: str, fields: Mapping[str, object]) -> Call[models.OrderAnswer]:
    """A request for an order that can be asked for by the client's name for it."""
    name = str(fields.get("client_order_id") or new_id())
    # A test leaves no order behind.
    asking = None if fields.get("is_test") else Asking({"client_order_id": name}, _exists, order_answer)
    return Call("POST", path, Access.SIGNED, ORDER_ANSWER, {**fields, "client_order_id": name}, asking=asking)


def place_bulk(orders: Sequence[NewOrder], is_test: bool | None) -> Call[models.OrdersAnswer]:
    """POST /auth/order/bulk. All have ids: sent again, they are answered with the first ones."""
    named = [{**order, "client_order_id": order.get("client_order_id") or new_id()} for order in orders]
    return signed("/auth/order/bulk", ORDERS_ANSWER, orders=named, is_test=is_test)


def cancel(order_id: str | None, client_order_id: str | None) -> Call[models.Order]:
    """POST /auth/cancel. An order that is no longer open was cancelled, or ended before."""
    by = reference(order_id, client_order_id)
    asking = Asking(by, lambda order: not order.is_open, lambda order, _: order)
    return Call("POST", "/auth/cancel", Access.SIGNED, ORDER, by, asking=asking)


def amend(
    order_id: str | None,
    client_order_id: str | None,
    qty: Number | None,
    price: Number | None,
    trigger_price: Number | None,
) -> Call[models.OrderAnswer]:
    """POST /auth/amend. It says how the order is to be: an order that is so was amended."""
    by = reference(order_id, client_order_id)
    wanted = {"qty_orig": qty, "price": price, "trigger_price": trigger_price}

    def is_done(order: models.Order) -> bool:
        return all(value is None or getattr(order, name) == Decimal(text_of(value)) for name, value in wanted.items())

    fields = {**by, "qty": qty, "price": price, "trigger_price": trigger_price}
    asking = Asking(by, is_done, order_answer)
    return Call("POST", "/auth/amend", Access.SIGNED, ORDER_ANSWER, fields, asking=asking)


def find(by: Mapping[str, str]) -> Call[models.Order]:
    """GET /order."""
    return keyed("/order", ORDER, **by)


def order_answer(order: models.Order, account: models.Account) -> models.OrderAnswer:
    """What POST /auth/order would have answered, had its answer come."""
    return models.OrderAnswer(
        order=order,
        balances=account.balances,
        positions=account.positions,
        position=account.positions.get(order.pair),
    )


def _exists(_: models.Order) -> bool:
    return True


def reference(order_id: str | None, client_order_id: str | None) -> dict[str, str]:
    """Name an order in one of two ways."""
    if (order_id is None) == (client_order_id is None):
        raise ValueError("an order is named by its id or by its client_order_id, and by one of them only")
    return {"id": order_id} if order_id is not None else {"client_order_id": str(client_order_id)}


def withdraw(
    asset: str, qty: Number, address: str, network: str | None, client_withdrawal_id: str | None
) -> Call[models.Withdrawal]:
    """POST /auth/withdraw, named by the client: sent again it is answered with the first one."""
    return signed(
        "/auth/withdraw",
        WITHDRAWAL,
        asset=asset,
        qty=qty,
        address=address,
        network=network,
        client_withdrawal_id=client_withdrawal_id or new_id(),
    )
