"""The table of addresses: each row's method, access, handler and description, and how a row becomes a route."""

import logging
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send
from sqlalchemy.exc import SQLAlchemyError

from app.door import Application, Handler, Request, send_answer
from app.faults import JournalUnavailable, Unavailable
from app.journal import UNREACHABLE
from app.problems import Problem
from app.surfaces.everstrike.amending import Amending
from app.surfaces.everstrike.answers import failure, problem
from app.surfaces.everstrike.charts import Charts
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.funds import Funds
from app.surfaces.everstrike.history import History
from app.surfaces.everstrike.reading import Reading
from app.surfaces.everstrike.schemas import ORDER_PARAMETERS
from app.surfaces.everstrike.trading import Trading
from app.surfaces.everstrike.venue import Venue

_log = logging.getLogger(__name__)


class Access(Enum):
    """Who may knock at an address, and with what."""

    PUBLIC = 0
    KEY = 1  # x-api-key; a signature is ignored
    KEYED_POST = 2  # x-api-key; a signature is checked where there is one
    SIGNED = 3  # x-api-key and x-signature


class Row(NamedTuple):
    """An address. `result` names a schema; `needed` are the parameters that must be there, `optional` the others."""

    method: str
    path: str
    access: Access
    handler: Handler
    result: str
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_LIST: Final = ("pair", "start", "end", "limit")
_PAGES: Final = (*_LIST, "before")
_ORDER_NEEDED: Final = ("pair", "qty", "side", "timestamp")
_ORDER_MORE: Final = tuple(name for name in ORDER_PARAMETERS if name not in _ORDER_NEEDED)
_TIME: Final = ("timestamp", "recv_window")
_MARGIN: Final = ("pair", "qty")


def rows(desk: Desk) -> list[Row]:
    """Every address of the surface."""
    return [
        *_trading(Trading(desk)),
        *_reading(Reading(desk)),
        *_charts(Charts(desk)),
        *_funds(Funds(desk)),
        *_amending(Amending(desk)),
        *_history(History(desk)),
        *_venue(Venue(desk)),
    ]


def _trading(handlers: Trading) -> list[Row]:
    signed, keyed = Access.SIGNED, Access.KEYED_POST
    close = ("qty", "price", "is_test", "recv_window", "client_order_id")
    return [
        Row("POST", "/auth/order", signed, handlers.place, "order_and_account", _ORDER_NEEDED, _ORDER_MORE),
        Row(
            "POST",
            "/auth/order/bulk",
            signed,
            handlers.place_bulk,
            "orders_and_account",
            ("orders",),
            (*_TIME, "is_test"),
        ),
        Row("POST", "/auth/cancel", signed, handlers.cancel, "order", (), ("id", "client_order_id", *_TIME)),
        Row("POST", "/auth/cancel/bulk", signed, handlers.cancel_bulk, "orders", (), ("ids", *_TIME)),
        Row("POST", "/auth/close", signed, handlers.close, "order_and_account", ("pair", "timestamp"), close),
        Row("POST", "/leverage", keyed, handlers.set_leverage, "account", ("pair", "leverage"), _TIME),
        Row("POST", "/fund", keyed, handlers.fund, "account", _MARGIN, _TIME),
        Row("POST", "/draw", keyed, handlers.draw, "account", _MARGIN, _TIME),
    ]


def _reading(handlers: Reading) -> list[Row]:
    key, public = Access.KEY, Access.PUBLIC
    return [
        Row("GET", "/order", key, handlers.order, "order", (), ("id", "client_order_id")),
        Row("GET", "/active_orders", key, handlers.active_orders, "orders", (), _PAGES),
        Row("GET", "/account", key, handlers.account, "account"),
        Row("GET", "/balances", key, handlers.balances, "balances"),
        Row("GET", "/position", key, handlers.position, "position", ("pair",)),
        Row("GET", "/active_positions", key, handlers.active_positions, "positions"),
        Row("GET", "/fills", key, handlers.fills, "fills", (), _PAGES),
        Row("GET", "/pairs", public, handlers.all_pairs, "pairs"),
        Row("GET", "/depth", public, handlers.depth, "depth", ("pair",), ("limit",)),
        Row("GET", "/trades", public, handlers.trades, "trades", ("pair",), _PAGES[1:]),
        Row("GET", "/funding", public, handlers.funding, "funding", (), _PAGES),
        Row("GET", "/v1/funding_payments", key, handlers.funding_payments, "funding_payments", (), _PAGES),
        Row("GET", "/v1/liquidations", public, handlers.liquidations, "liquidations", (), _PAGES),
        Row("GET", "/time", public, handlers.time, "time"),
        Row("GET", "/ping", public, handlers.ping, "nothing"),
    ]


def _charts(handlers: Charts) -> list[Row]:
    public = Access.PUBLIC
    window = ("interval", "basis", "start", "end", "limit")
    return [
        Row("GET", "/ticker", public, handlers.ticker, "ticker", (), ("pair",)),
        Row("GET", "/ohlcv", public, handlers.ohlcv, "ohlcv", ("pair",), window),
    ]


def _funds(handlers: Funds) -> list[Row]:
    key, signed = Access.KEY, Access.SIGNED
    listed = ("asset", "start", "end", "limit")
    asked = ("network", "client_withdrawal_id", "recv_window")
    withdraw = ("asset", "qty", "address", "timestamp")
    return [
        Row("POST", "/auth/withdraw", signed, handlers.withdraw, "withdrawal", withdraw, asked),
        Row(
            "POST",
            "/auth/withdraw/cancel",
            signed,
            handlers.cancel,
            "withdrawal",
            ("id", "timestamp"),
            ("recv_window",),
        ),
        Row("GET", "/withdrawals", key, handlers.withdrawals, "withdrawals", (), listed),
        Row("GET", "/deposits", key, handlers.deposits, "deposits", (), listed),
        Row("GET", "/v1/deposit_address", key, handlers.address, "deposit_address", ("asset",), ("network",)),
    ]


def _amending(handlers: Amending) -> list[Row]:
    signed = Access.SIGNED
    changes = ("id", "client_order_id", "qty", "price", "trigger_price", "recv_window")
    return [
        Row("POST", "/auth/amend", signed, handlers.amend, "order_and_account", ("timestamp",), changes),
        Row(
            "POST",
            "/auth/margin_mode",
            signed,
            handlers.margin_mode,
            "mode_and_account",
            ("margin_mode", "timestamp"),
            ("recv_window",),
        ),
        Row(
            "POST",
            "/auth/cancel_all_after",
            signed,
            handlers.cancel_all_after,
            "timer",
            ("timeout", "timestamp"),
            ("recv_window",),
        ),
    ]


def _history(handlers: History) -> list[Row]:
    key = Access.KEY
    return [
        Row("GET", "/orders", key, handlers.orders, "orders", (), _PAGES),
        Row("GET", "/completed_orders", key, handlers.completed_orders, "orders", (), _PAGES),
        Row("GET", "/cancelled_orders", key, handlers.cancelled_orders, "orders", (), _PAGES),
        Row("GET", "/filled_orders", key, handlers.filled_orders, "orders", (), _PAGES),
        Row("GET", "/triggers", key, handlers.triggers, "orders", (), _PAGES),
        Row("GET", "/completed_positions", key, handlers.completed_positions, "closed_positions", (), _PAGES),
    ]


def _venue(handlers: Venue) -> list[Row]:
    public = Access.PUBLIC
    return [
        Row("GET", "/assets", public, handlers.assets, "assets"),
        Row("GET", "/globals", public, handlers.globals, "globals"),
        Row("GET", "/status", public, handlers.status, "status"),
        Row("GET", "/vault", public, handlers.vault, "vault"),
        Row("GET", "/personal", Access.KEY, handlers.personal, "personal"),
    ]


def application(row: Row, forget: Callable[[bytes], None]) -> Application:
    """The row as an ASGI application. `forget` gets the signature of a request whose command was not taken."""
    method, handler = row.method, row.handler

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            if scope["method"] != method:  # type: ignore[typeddict-item]
                answer = failure(405, f"This address takes {method} only.", headers=((b"allow", method.encode()),))
            else:
                answer = await handler(request, receive)
        except Problem as fault:
            answer = problem(fault)
        except Unavailable as fault:
            if not fault.is_unknown and method == "POST":  # a read's signature was not checked
                forget(request.signature)
            answer = problem(fault)
        except (SQLAlchemyError, *UNREACHABLE) as fault:
            _log.warning("the database cannot be read: %r", fault)
            # What was to be read may be what a command has just done: that is never answered like a refusal.
            answer = problem(JournalUnavailable("The records cannot be read now.", is_unknown=method == "POST"))
        except Exception:
            _log.exception("%s %s failed", method, row.path)
            answer = failure(500, "Something went wrong on our side.")
        await send_answer(send, answer)

    return handle


def route(row: Row, handle: Application) -> ASGIRouteHandler:
    """The row's place among the framework's routes."""

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        await handle(scope, receive, send)

    return ASGIRouteHandler(row.path, name=f"{row.method} {row.path}", copy_scope=False)(routed)
