"""The table of addresses for people: JSON in, JSON out, a row for each method of each path, and how they become routes.

What goes in and comes out are messages (msgspec): they check the request and describe themselves in the OpenAPI document.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple, final

import msgspec
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send
from sqlalchemy.exc import SQLAlchemyError

from app import forms
from app.door import Answer, Application, Headers, Request, read_body, send_answer
from app.faults import JournalUnavailable, Overloaded, Unavailable
from app.journal import UNREACHABLE
from app.people.refusals import Refusal, Refused
from app.people.register import Register, Visitor
from app.people.sessions import Session
from app.problems import Denial, Denied, Malformed, NotFound, Problem
from exchange.events import CommandRejected
from exchange.rejects import Reject

_log = logging.getLogger(__name__)

TOO_LARGE: Final = 413
END: Final = r"$(?!\n)"
"""The end of a text in a pattern: to Python, and so to msgspec, a `$` alone is also the place before a last line feed."""
REJECTED: Final = 422


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked: the JSON of a body, or a query."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # many of them hold secrets


class Result(msgspec.Struct, frozen=True):
    """What is answered."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Nothing(Message, frozen=True):
    """A request that says nothing more than its address."""


class Done(Result, frozen=True):
    """It was done."""

    done: bool = True


class Access(Enum):
    """Who may knock."""

    PUBLIC = 0
    BEARER = 1  # with an access token
    STEPPED_UP = 2  # and a fresh code given in its session


@final
class Visit:
    """A request as its handler sees it."""

    __slots__ = ("_session", "visitor")

    def __init__(self, visitor: Visitor, session: Session | None) -> None:
        self.visitor = visitor
        self._session = session

    @property
    def session(self) -> Session:
        """Whose it is. Requires: the row is not public."""
        assert self._session is not None, "a public address has no session"
        return self._session

    @property
    def owner_id(self) -> int:
        """The owner whose it is."""
        return self.session.owner_id


class Rejection(Problem):
    """The core refused a command."""

    def __init__(self, event: CommandRejected) -> None:
        super().__init__(event.reject.value)
        self.reject: Reject = event.reject
        self.field = event.field


class Row(NamedTuple):
    """An address. `asks` is what it takes, `result` what it gives."""

    method: str
    path: str
    access: Access
    handler: Callable[[Visit, Any], Awaitable[Result]]
    asks: type[Message]
    result: type[Result]
    summary: str


def applications(rows: Iterable[Row], register: Register) -> dict[str, Application]:
    """An ASGI application for each path."""
    by_path: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_path.setdefault(row.path, {})[row.method] = row
    return {path: _application(methods, register) for path, methods in by_path.items()}


def route(path: str, methods: Iterable[str], handle: Application) -> ASGIRouteHandler:
    """A path's place among the framework's routes."""

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        await handle(scope, receive, send)

    return ASGIRouteHandler(path, name=f"{'/'.join(methods)} {path}", copy_scope=False)(routed)


def _application(methods: Mapping[str, Row], register: Register) -> Application:
    decoders = {row.method: msgspec.json.Decoder(row.asks) for row in methods.values()}
    allowed = ", ".join(methods)

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        method: str = scope["method"]  # type: ignore[typeddict-item]
        row = methods.get(method)
        if row is None:
            words = f"This address takes {allowed} only."
            answer = failure(405, words, headers=((b"allow", allowed.encode()),))
        else:
            answer = await _answer(row, decoders[method], register, scope, receive)
        await send_answer(send, answer)

    return handle


async def _answer(
    row: Row, decoder: "msgspec.json.Decoder[Message]", register: Register, scope: Scope, receive: Receive
) -> Answer:
    request = Request(scope)
    try:
        visit = _enter(row, register, request, scope)
        if row.method == "POST":
            asked = decoder.decode(await read_body(request, receive) or b"{}")
        else:
            asked = msgspec.convert(forms.decode_query(request.query), row.asks, strict=False)
        if row.access is not Access.PUBLIC:
            register.sessions.check_still(visit.session)  # the body may have taken its time
        return success(await row.handler(visit, asked))
    except msgspec.MsgspecError as error:
        return _malformed(error)
    except UnicodeDecodeError:
        return failure(400, "The body is not UTF-8.", "MALFORMED", "body")
    except Problem as fault:
        return problem(fault)
    except Unavailable as fault:
        return unavailable(fault)
    except (SQLAlchemyError, *UNREACHABLE) as fault:
        _log.warning("the database cannot be asked: %s", type(fault).__name__)  # it may repeat what was written
        return unavailable(JournalUnavailable("The records cannot be reached now.", is_unknown=row.method != "GET"))
    except Exception as error:
        # Without its words and the values in its frames: they may be secrets.
        _log.error("%s %s failed: %s", row.method, row.path, _place(error))
        return failure(500, "Something went wrong on our side.")


def _enter(row: Row, register: Register, request: Request, scope: Scope) -> Visit:
    """Let a request in. Raises: Refused."""
    authorization, agent = b"", b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"user-agent":
            agent = value
    visitor = Visitor(request.address, agent.decode("latin-1"))
    if row.access is Access.PUBLIC:
        return Visit(visitor, None)
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(Refusal.NO_TOKEN)
    session = register.sessions.find(register.tokens.read_access(token.strip()))
    if row.access is Access.STEPPED_UP and not register.sessions.is_stepped_up(session):
        raise Refused(Refusal.STEP_UP)
    return Visit(visitor, session)


def _place(error: BaseException) -> str:
    """What kind of error it is and where it came from."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = "" if last is None else f" at {last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
    return f"{type(error).__name__}{place}"


# --- answers ---------------------------------------------------------------------------------------------------------

STATUS_OF_DENIAL: Final = {Denial.TOO_LARGE: TOO_LARGE, Denial.RATE: 429}

_encode = msgspec.json.Encoder().encode


def success(result: Result) -> Answer:
    """The envelope around a result."""
    return Answer(_encode({"code": 200, "msg": None, "result": result}))


def failure(
    status: int,
    msg: str,
    reject: str = "",
    field: str = "",
    *,
    retry_s: float = 0.0,
    is_unknown: bool | None = None,
    headers: Headers = (),
) -> Answer:
    """The envelope around a reason."""
    result: dict[str, object] | None = {"reject": reject, "field": field or None} if reject else None
    if result is not None and is_unknown is not None:
        result["is_outcome_unknown"] = is_unknown
    if retry_s:
        headers = (*headers, (b"retry-after", b"%d" % max(1, -int(-retry_s // 1))))
    return Answer(_encode({"code": status, "msg": msg, "result": result}), status, headers)


def problem(fault: Problem) -> Answer:
    """The answer to whoever is turned away."""
    if isinstance(fault, Refused):
        return failure(fault.status, str(fault), fault.refusal.name, fault.field, retry_s=fault.retry_s)
    if isinstance(fault, Rejection):
        return failure(REJECTED, str(fault), fault.reject.name, fault.field)
    if isinstance(fault, Malformed):
        return failure(400, fault.msg, fault.code, fault.field)
    if isinstance(fault, NotFound):
        return failure(404, fault.msg, fault.code, fault.field)
    assert isinstance(fault, Denied), fault
    status = STATUS_OF_DENIAL.get(fault.denial, 401)
    return failure(status, fault.denial.value, fault.denial.name, retry_s=fault.retry_s)


def unavailable(fault: Unavailable) -> Answer:
    """The answer when something is away, or too much of something is there."""
    reject = "OVERLOADED" if isinstance(fault, Overloaded) else "UNAVAILABLE"
    words = f"{fault} The outcome is unknown." if fault.is_unknown else str(fault)
    return failure(503, words, reject, retry_s=fault.retry_s, is_unknown=fault.is_unknown)


def _malformed(error: msgspec.MsgspecError) -> Answer:
    """What is wrong with a message; never what it held."""
    words, _, place = str(error).partition(" - at `")
    field = place.rstrip("`").lstrip("$").lstrip(".") or "body"
    return failure(400, words, "MALFORMED", field)
