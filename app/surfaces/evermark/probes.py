"""What machines ask: does it live, is it ready, what does it measure."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.types import Receive, Send

from app.door import Answer, Application, Request, send_answer
from app.health import Health
from app.metrics import CONTENT_TYPE
from app.surfaces.evermark.admin import admitted, failure, turned_away
from app.tokens import Duty, Tokens

LIVE: Final = "/healthz"
READY: Final = "/readyz"
METRICS: Final = "/metrics"

_encode = msgspec.json.Encoder().encode


def applications(health: Health, text: Callable[[], bytes], tokens: Tokens, *, is_open: bool) -> dict[str, Application]:
    """An ASGI application for each of the three. `is_open`: /metrics needs no token."""

    async def live(scope: Any, _receive: Receive, send: Send) -> None:
        await send_answer(send, _only_get(scope) or _state("live", health.end))

    async def ready(scope: Any, _receive: Receive, send: Send) -> None:
        await send_answer(send, _only_get(scope) or _state("ready", health.trouble))

    async def metrics(scope: Any, _receive: Receive, send: Send) -> None:
        refusal = _only_get(scope)
        if refusal is None and not is_open:
            refusal = turned_away(admitted(tokens, scope["headers"]), Duty.METRICS | Duty.READ)
        if refusal is not None:
            await send_answer(send, refusal)
            return
        await send_answer(send, Answer(text()), CONTENT_TYPE)

    return {LIVE: live, READY: ready, METRICS: metrics}


def _only_get(scope: Any) -> Answer | None:
    Request(scope)  # for its name
    if scope["method"] == "GET":
        return None
    words = "This address takes GET only."
    return failure(HTTPStatus.METHOD_NOT_ALLOWED, words, headers=((b"allow", b"GET"),))


def _state(word: str, trouble: str | None) -> Answer:
    status = HTTPStatus.OK if trouble is None else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(_encode({word: trouble is None, "why": trouble}), int(status))
