"""The ASGI side of a surface: bounded bodies in, one answer out, and nothing else in between.

Handlers are raw ASGI behind Litestar's router: its request object and its injection cost more than an order does. What they
skip is done here: the limit of a body, and the methods of a path.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, final

from litestar.types import Receive, Send

from app.forms import BODY_MAX, Form
from app.problems import Denial, Denied, Malformed
from app.stamps import HEADER, Lives, Stamps, Tell, call_it, current

Header = tuple[bytes, bytes]
Headers = tuple[Header, ...]

OTHER: Final = "other"
"""What all addresses count as that are none of ours."""
JSON: Final[Header] = (b"content-type", b"application/json")


@final
class Request:
    """What a handler needs of a request: one scan of its headers. `length` is what it announces, 0 for nothing.

    `form` is there instead of a body when the request came over a socket whose owner proved to have the key's secret.
    """

    __slots__ = ("address", "api_key", "form", "length", "query", "signature")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.form: Form | None = None
        self.length = 0
        self.api_key = b""
        self.signature = b""
        self.query: bytes = scope["query_string"]
        client = scope["client"]
        self.address: str = client[0] if client else ""
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                self.api_key = value
            elif name == b"x-signature":
                self.signature = value
            elif name == b"content-length":
                self.length = int(value)
            elif name == HEADER:
                call_it(value)

    @classmethod
    def of_socket(cls, api_key: str, address: str, form: Form) -> "Request":
        """A request that came over such a socket."""
        request = cls({"query_string": b"", "client": (address, 0), "headers": ((b"x-api-key", api_key.encode()),)})
        request.form = form
        return request


@final
class Answer:
    """A whole answer: status, JSON bytes, and headers beyond type and length."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: bytes, status: int = 200, headers: Headers = ()) -> None:
        self.body = body
        self.status = status
        self.headers = headers


Handler = Callable[[Request, Receive], Awaitable[Answer]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


@final
class Shortcut:
    """Straight to the handler where the whole path is known; everything else goes the framework's way.

    The way through the router costs as much as checking the signature and decoding the form.
    """

    __slots__ = ("_handlers", "_otherwise", "_stream")

    def __init__(self, handlers: Mapping[str, Application], otherwise: Application, stream: Application) -> None:
        self._handlers = handlers
        self._otherwise = otherwise
        self._stream = stream

    def __call__(self, scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
        """Hand the request on; what comes back is the handler's own coroutine."""
        kind = scope["type"]
        handler = self._handlers.get(scope["path"]) if kind == "http" else None
        if kind == "websocket":
            handler = self._stream
        return (handler or self._otherwise)(scope, receive, send)


async def read_body(request: Request, receive: Receive) -> bytes:
    """Read a body of at most `BODY_MAX` bytes. One that says it is longer is not read at all.

    Raises: Denied, Malformed.
    """
    if request.length > BODY_MAX:
        raise Denied(Denial.TOO_LARGE)
    message: Any = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        _check_arrived(message)
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > BODY_MAX:
            raise Denied(Denial.TOO_LARGE)
        parts.append(part)
    _check_arrived(message)
    return b"".join(parts)


def _check_arrived(message: Mapping[str, Any]) -> None:
    """Refuse what is left of a request whose client went away: an unsigned one could still be read as whole."""
    if message["type"] == "http.disconnect":
        raise Malformed("body", "The body ended early.")


def attended(path: str, handle: Application, lives: Lives) -> Application:
    """An application whose requests have their names and whose lives are counted when `send_answer` has sent their answers.

    Not a coroutine around the handler's: that costs an order as much as all the counting.
    """
    answers = lives.of(path)

    def end(stamps: Stamps) -> None:
        status = stamps.status
        answers[status] = answers.get(status, 0) + 1
        lives.end(stamps)

    def attend(scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
        stamps = Stamps()
        trace = lives.trace
        stamps.tell = end if trace is None else both(end, partial(trace, scope, path))
        current.set(stamps)
        return handle(scope, receive, send)

    return attend


def both(first: Tell, second: Tell) -> Tell:
    """Tell the one, then the other."""

    def tell(stamps: Stamps) -> None:
        first(stamps)
        second(stamps)

    return tell


def attended_other(handle: Application, lives: Lives) -> Application:
    """The same for an application whose answers are another's: the framework's."""
    answers = lives.of(OTHER)

    async def attend(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await handle(scope, receive, send)
            return
        stamps = Stamps()
        current.set(stamps)
        Request(scope)  # for its name

        async def pass_on(message: Any) -> None:
            if message["type"] == "http.response.start":
                status = stamps.status = message["status"]
                answers[status] = answers.get(status, 0) + 1
                message["headers"] = [*message["headers"], (HEADER, stamps.request_id)]
            await send(message)

        await handle(scope, receive, pass_on)
        lives.end(stamps)

    return attend


async def send_answer(send: Send, answer: Answer, content: Header = JSON) -> None:
    """Send an answer, with its request's name where it has one, and tell who counts the request that it is out."""
    headers = [content, (b"content-length", b"%d" % len(answer.body)), *answer.headers]
    stamps = current.get()
    if stamps is not None:
        stamps.status = answer.status
        headers.append((HEADER, stamps.request_id))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
    if stamps is not None and stamps.tell is not None:
        stamps.tell(stamps)
