"""Web pages from elsewhere: which of them a browser lets ask this exchange. None, unless the settings name some."""

from typing import Any, Final, final

from litestar.types import Receive, Send

from app.door import Application

METHODS: Final = b"GET, POST, DELETE"
HEADERS: Final = b"authorization, content-type, x-api-key, x-signature, x-request-id"
EXPOSED: Final = b"retry-after, x-request-id"
MAX_AGE_S: Final = b"600"
ANY: Final = "*"


@final
class Cors:
    """Answers a browser's question before a request, and says in each answer who may read it.

    Nothing here is let in by a cookie, so that credentials are never allowed: whoever asks must hold a token or a key.
    """

    __slots__ = ("_app", "_is_any", "_origins")

    def __init__(self, app: Application, origins: tuple[str, ...]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._is_any = ANY in origins

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        origin, is_question = b"", False
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"origin":
                    origin = value
                elif name == b"access-control-request-method":
                    is_question = True
        if not origin or not (self._is_any or origin in self._origins):
            await self._app(scope, receive, send)
            return
        allowed = [(b"access-control-allow-origin", b"*" if self._is_any else origin), (b"vary", b"origin")]
        if is_question and scope["method"] == "OPTIONS":
            await _answer(send, allowed)
            return

        async def add(message: Any) -> None:
            if message["type"] == "http.response.start":
                shown = (b"access-control-expose-headers", EXPOSED)
                message = {**message, "headers": [*message.get("headers", ()), *allowed, shown]}
            await send(message)

        await self._app(scope, receive, add)


def allowing(app: Application, origins: tuple[str, ...]) -> Application:
    """The application, open to web pages of these origins; as it is where there are none."""
    return Cors(app, origins) if origins else app


async def _answer(send: Send, allowed: list[tuple[bytes, bytes]]) -> None:
    headers = [
        *allowed,
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", HEADERS),
        (b"access-control-max-age", MAX_AGE_S),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
