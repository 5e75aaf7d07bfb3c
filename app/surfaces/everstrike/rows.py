"""The table of addresses: each row's method, access, handler and description, and how a row becomes a route."""

import logging
from enum import Enum
from typing import Final, NamedTuple

from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send
from sqlalchemy.exc import SQLAlchemyError

from app.door import Handler, Request, send_answer
from app.faults import Unavailable
from app.journal import UNREACHABLE
from app.problems import Problem
from app.surfaces.everstrike.answers import failure, problem
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.reading import Reading
from app.surfaces.everstrike.schemas import ORDER_PARAMETERS
from app.surfaces.everstrike.trading import Trading

_log = logging.getLogger(__name__)


class Access(Enum):
    """Who may knock at an address, and with what."""

    PUBLIC = 0
    KEY = 1  # x-api-key; a signature is ignored
    KEYED_POST = 2  # x-api-key; a signature is checked where there is one
    SIGNED = 3  # x-api-key and x-signature


class Row(NamedTuple):
    """An address. `needed` are the parameters that must be there, `optional` the others."""

    method: str
    path: str
    access: Access
    handler: Handler
    result: str
    summary: str
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_LIST: Final = ("pair", "start", "end", "limit")
_ORDER_NEEDED: Final = ("pair", "qty", "side", "timestamp")
_TIME: Final = ("timestamp", "recv_window")


def rows(desk: Desk) -> list[Row]:
    """Every address of the surface."""
    trading = Trading(desk)
    reading = Reading(desk)
    order_optional = tuple(name for name in ORDER_PARAMETERS if name not in _ORDER_NEEDED)
    signed, keyed, key, public = Access.SIGNED, Access.KEYED_POST, Access.KEY, Access.PUBLIC
    margin = ("pair", "qty")
    return [
        Row("POST", "/auth/order", signed, trading.place, "order_and_account", "Place an order", _ORDER_NEEDED, order_optional),
        Row("POST", "/auth/order/bulk", signed, trading.place_bulk, "orders_and_account", "Place 1 to 50 orders of one market, all or none", ("orders",), _TIME),
        Row("POST", "/auth/cancel", signed, trading.cancel, "order", "Cancel an order", (), ("id", "client_order_id", *_TIME)),
        Row("POST", "/auth/cancel/bulk", signed, trading.cancel_bulk, "orders", "Cancel the named orders, or all", (), ("ids", *_TIME)),
        Row("POST", "/auth/close", signed, trading.close, "order_and_account", "Close a position", ("pair", "timestamp"), ("qty", "price", "recv_window", "client_order_id")),
        Row("POST", "/leverage", keyed, trading.set_leverage, "account", "Set the leverage of a market (isolated margin)", ("pair", "leverage"), _TIME),
        Row("POST", "/fund", keyed, trading.fund, "account", "Add margin to a position (isolated margin)", margin, _TIME),
        Row("POST", "/draw", keyed, trading.draw, "account", "Take margin out of a position (isolated margin)", margin, _TIME),
        Row("GET", "/order", key, reading.order, "order", "One order", ("id",)),
        Row("GET", "/orders", key, reading.orders, "orders", "Orders in every state", (), _LIST),
        Row("GET", "/active_orders", key, reading.active_orders, "orders", "Open orders", (), _LIST),
        Row("GET", "/account", key, reading.account, "account", "Balances and positions"),
        Row("GET", "/balances", key, reading.balances, "balances", "Balances"),
        Row("GET", "/position", key, reading.position, "position", "One position", ("pair",)),
        Row("GET", "/active_positions", key, reading.active_positions, "positions", "Open positions"),
        Row("GET", "/fills", key, reading.fills, "fills", "Fills", (), _LIST),
        Row("GET", "/pairs", public, reading.all_pairs, "pairs", "Every market's terms"),
        Row("GET", "/depth", public, reading.depth, "depth", "The order book by price", ("pair",), ("limit",)),
        Row("GET", "/trades", public, reading.trades, "trades", "Trades of a market", ("pair",), ("start", "end", "limit")),
        Row("GET", "/time", public, reading.time, "time", "The exchange's clock"),
        Row("GET", "/ping", public, reading.ping, "nothing", "Whether the exchange answers"),
    ]  # fmt: skip


def route(row: Row) -> ASGIRouteHandler:
    """The route of a row."""
    method, handler = row.method, row.handler

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] != method:  # type: ignore[typeddict-item]
                answer = failure(405, f"This address takes {method} only.", headers=((b"allow", method.encode()),))
            else:
                answer = await handler(Request(scope), receive)
        except (Problem, Unavailable) as fault:
            answer = problem(fault)
        except (SQLAlchemyError, *UNREACHABLE) as fault:
            _log.warning("the database cannot be read: %r", fault)
            answer = problem(Unavailable("The records cannot be read now."))
        await send_answer(send, answer)

    return ASGIRouteHandler(row.path, name=f"{method} {row.path}", copy_scope=False)(handle)
