"""What operators do over HTTP: the same requests as over the socket, each behind a scope of its token, and in the same log."""

import contextlib
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from litestar.types import Receive, Send
from sqlalchemy.exc import SQLAlchemyError

from app import control, forms
from app import user_requests as users
from app.callers import HTTP, Caller, caller
from app.control import Refused
from app.custody import requests as funds
from app.door import Answer, Application, Headers, Request, read_body, send_answer
from app.faults import JournalUnavailable, Unavailable
from app.journal import UNREACHABLE
from app.operators import Operated
from app.problems import Denied, Malformed, Problem
from app.tokens import Duty, OperatorKey, Tokens

PREFIX: Final = "/admin"
REFUSED: Final = HTTPStatus.UNPROCESSABLE_ENTITY
CHALLENGE: Final[Headers] = ((b"www-authenticate", b"Bearer"),)
NO_TOKEN: Final = "This needs an operator's token: Authorization: Bearer evop_..."

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Route(NamedTuple):
    """An address: what is asked there, and what for its token must be."""

    method: str
    path: str
    duty: Duty
    asks: type[Any]


ROUTES: Final = (
    Route("GET", "/status", Duty.READ, control.Status),
    Route("GET", "/accounts", Duty.READ, control.Accounts),
    Route("POST", "/accounts", Duty.USERS, control.OpenAccount),
    Route("POST", "/accounts/mode", Duty.USERS, control.SetMode),
    Route("GET", "/keys", Duty.READ, control.Keys),
    Route("POST", "/keys", Duty.USERS, control.CreateKey),
    Route("POST", "/keys/revoke", Duty.USERS, control.RevokeKey),
    Route("POST", "/credit", Duty.MONEY, control.Deposit),
    Route("POST", "/debit", Duty.MONEY, control.Withdraw),
    Route("GET", "/markets", Duty.READ, control.Markets),
    Route("POST", "/markets/status", Duty.MARKETS, control.SetMarket),
    Route("POST", "/markets/amend", Duty.MARKETS, control.AmendMarket),
    Route("GET", "/venue", Duty.READ, control.Venue),
    Route("POST", "/venue", Duty.VENUE, control.SetVenue),
    Route("POST", "/skip", Duty.VENUE, control.Skip),
    Route("GET", "/insurance", Duty.READ, control.Insurance),
    Route("POST", "/providers", Duty.MARKETS, control.SetProvider),
    Route("GET", "/funding", Duty.READ, control.Funding),
    Route("GET", "/liquidations", Duty.READ, control.Liquidations),
    Route("GET", "/withdrawals", Duty.READ, funds.Withdrawals),
    Route("POST", "/withdrawals", Duty.MONEY, funds.MoveWithdrawal),
    Route("GET", "/deposits", Duty.READ, funds.Deposits),
    Route("GET", "/assets", Duty.READ, funds.Assets),
    Route("POST", "/assets/amend", Duty.MARKETS, funds.AmendAsset),
    Route("GET", "/custody", Duty.READ, funds.Custody),
    Route("POST", "/custody/resolve", Duty.MONEY, funds.Resolve),
    Route("GET", "/deposit_address", Duty.READ, funds.DepositAddress),
    Route("GET", "/users", Duty.READ, users.Users),
    Route("POST", "/users/level", Duty.USERS, users.SetLevel),
    Route("POST", "/users/freeze", Duty.USERS, users.FreezeUser),
    Route("POST", "/users/unfreeze", Duty.USERS, users.UnfreezeUser),
    Route("POST", "/users/reset_totp", Duty.USERS, users.ResetTotp),
    Route("POST", "/sources/mute", Duty.MARKETS, users.MuteSource),
    Route("GET", "/operators", Duty.READ, control.Operators),
    Route("GET", "/audit", Duty.READ, control.Audit),
)
SOCKET_ONLY: Final = (
    control.CreateOperator,
    control.RevokeOperator,
    funds.ChainDeposit,
    funds.ChainList,
    funds.ChainMine,
    funds.ChainLose,
    funds.ChainRevive,
    funds.ChainReorganise,
    funds.ChainPlan,
)
"""What only the exchange's own machine may ask: who makes operators could make itself any, and the simulated world is a rehearsal's."""


def applications(operated: Operated) -> dict[str, Application]:
    """An ASGI application for each address."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        by_path.setdefault(PREFIX + route.path, {})[route.method] = route
    return {path: _application(methods, operated) for path, methods in by_path.items()}


def token_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The token that a request carries, empty for none."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else ""
    return ""


def turned_away(key: OperatorKey | None, duty: Duty) -> Answer | None:
    """What somebody is answered who may not do this."""
    if key is None:
        return failure(HTTPStatus.UNAUTHORIZED, NO_TOKEN, headers=CHALLENGE)
    if not key.duties & duty:
        return failure(HTTPStatus.FORBIDDEN, said_of(duty))
    return None


def said_of(duty: Duty) -> str:
    """What a token is told that is not for this."""
    return f"The token lacks the scope {' or '.join(str(one.name).lower() for one in duty)}."


def admitted(tokens: Tokens, headers: Iterable[tuple[bytes, bytes]]) -> OperatorKey | None:
    """Whose token a request carries."""
    token = token_of(headers)
    return tokens.find(token) if token else None


def _application(methods: Mapping[str, Route], operated: Operated) -> Application:
    allowed = ", ".join(methods)

    async def handle(scope: Any, receive: Receive, send: Send) -> None:
        route = methods.get(scope["method"])
        if route is None:
            words = f"This address takes {allowed} only."
            answer = failure(HTTPStatus.METHOD_NOT_ALLOWED, words, headers=((b"allow", allowed.encode()),))
        else:
            answer = await _answer(route, operated, scope, receive)
        await send_answer(send, answer)

    return handle


async def _answer(route: Route, operated: Operated, scope: Any, receive: Receive) -> Answer:
    request = Request(scope)
    key = admitted(operated.tokens, scope["headers"])
    refusal = turned_away(key, route.duty)
    if key is None or refusal is not None:
        assert refusal is not None
        if key is not None and route.method != "GET":  # whoever tries more than the token is for may have found it
            caller.set(Caller(key.name, HTTP, request.address))
            with contextlib.suppress(JournalUnavailable):  # nothing was done
                await operated.ask.turn_away(route.asks, said_of(route.duty))
        return refusal
    try:
        asked = await _asked(route, request, receive)
        if operated.tokens.find(token_of(scope["headers"])) is not key:  # the body may have taken its time
            return failure(HTTPStatus.UNAUTHORIZED, NO_TOKEN, headers=CHALLENGE)
        caller.set(Caller(key.name, HTTP, request.address))
        result = await operated.ask(asked)
    except msgspec.MsgspecError as error:
        return failure(HTTPStatus.BAD_REQUEST, str(error))
    except Malformed as fault:
        return failure(HTTPStatus.BAD_REQUEST, fault.msg)
    except Denied as fault:
        return failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(fault))
    except Problem as fault:
        return failure(HTTPStatus.BAD_REQUEST, str(fault))
    except Refused as refused:
        return failure(REFUSED, str(refused))
    except Unavailable as fault:
        return unavailable(fault)
    except (SQLAlchemyError, *UNREACHABLE) as error:
        _log.warning("the database cannot be asked: %s", type(error).__name__)  # its words may repeat what was written
        return unavailable(JournalUnavailable("The records cannot be reached now.", is_unknown=route.method != "GET"))
    except Exception:
        _log.exception("%s %s failed", route.method, route.path)
        return failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side. The outcome is unknown.")
    return success(result)


async def _asked(route: Route, request: Request, receive: Receive) -> Any:
    """What is asked. Raises: msgspec.MsgspecError, Problem."""
    if route.method == "GET":
        return msgspec.convert(forms.decode_query(request.query), route.asks, strict=False)
    return msgspec.json.decode(await read_body(request, receive) or b"{}", type=route.asks)


def success(result: object) -> Answer:
    """The envelope around a result."""
    return Answer(_encode({"code": 200, "msg": None, "result": result}))


def failure(status: int, msg: str, result: object = None, headers: Headers = ()) -> Answer:
    """The envelope around a reason."""
    return Answer(_encode({"code": int(status), "msg": msg, "result": result}), int(status), headers)


def unavailable(fault: Unavailable) -> Answer:
    """The answer when something is away."""
    retry = ((b"retry-after", b"%d" % fault.retry_s),)
    return failure(HTTPStatus.SERVICE_UNAVAILABLE, str(fault), {"is_outcome_unknown": fault.is_unknown}, retry)
