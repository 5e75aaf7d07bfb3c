"""A row as an ASGI application, without a server: what it does when its handler does not answer."""

import json
import logging
from typing import Any

import pytest
from litestar.types import Receive

from app.door import Answer, Request, Shortcut
from app.faults import JournalUnavailable, Overloaded
from app.problems import Denial, Denied
from app.surfaces.everstrike.rows import Access, Row, application

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/x",
    "headers": [],
    "query_string": b"",
    "client": None,
}


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def answer_of(error: Exception | None, method: str = "GET", *, of: str = "GET") -> tuple[int, Any]:
    async def handler(_request: Request, _receive: Receive) -> Answer:
        if error is not None:
            raise error
        return Answer(b"{}")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    handle = application(Row(of, "/x", Access.PUBLIC, handler, "nothing"), lambda _signature: None)
    await handle({**SCOPE, "method": method}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    length = dict(sent[0]["headers"])[b"content-length"]
    assert int(length) == len(sent[1]["body"])
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.spec("REST-017")
async def test_what_nobody_foresaw_is_a_500_in_the_envelope_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        status, body = await answer_of(ZeroDivisionError("oh"))
    assert status == 500
    assert body == {"code": 500, "msg": "Something went wrong on our side.", "result": None}
    assert "oh" in caplog.text
    assert "oh" not in str(body)


@pytest.mark.spec("REST-021")
@pytest.mark.parametrize("error", [ConnectionResetError("the database"), TimeoutError(), Overloaded("Too many.")])
async def test_the_world_is_a_503(error: Exception) -> None:
    status, body = await answer_of(error)
    assert status == 503
    assert body["result"]["reject"] == ("OVERLOADED" if isinstance(error, Overloaded) else "UNAVAILABLE")
    assert "the database" not in str(body)


@pytest.mark.parametrize("method, is_unknown", [("GET", False), ("POST", True)])
async def test_a_fault_after_a_command_is_never_said_to_be_a_refusal(method: str, is_unknown: bool) -> None:
    """A cancel is done, and then its order cannot be read."""
    _, body = await answer_of(ConnectionResetError("the database"), method, of=method)
    assert body["result"]["is_outcome_unknown"] is is_unknown


@pytest.mark.spec("AUTH-005")
@pytest.mark.parametrize(
    "error, method, is_forgotten",
    [
        (Overloaded("Too many."), "POST", True),
        (Overloaded("Too many."), "GET", False),  # checked nothing: the signature could be that of another's command
        (JournalUnavailable("It is away.", is_unknown=False), "POST", True),
        (JournalUnavailable("It is away.", is_unknown=True), "POST", False),
        (ConnectionResetError("the records, after the command was executed"), "POST", False),
        (Denied(Denial.SEEN), "POST", False),
        (None, "POST", False),
    ],
)
async def test_the_signature_of_a_command_that_was_not_taken_is_forgotten(
    error: Exception | None, method: str, is_forgotten: bool
) -> None:
    forgotten: list[bytes] = []

    async def handler(_request: Request, _receive: Receive) -> Answer:
        if error is not None:
            raise error
        return Answer(b"{}")

    async def send(_message: Any) -> None:
        pass

    handle = application(Row(method, "/x", Access.PUBLIC, handler, "nothing"), forgotten.append)
    await handle({**SCOPE, "method": method, "headers": [(b"x-signature", b"one")]}, receive, send)
    assert forgotten == ([b"one"] if is_forgotten else [])


async def test_another_method_is_a_405() -> None:
    assert (await answer_of(None, "POST"))[0] == 405
    assert (await answer_of(None))[0] == 200


async def test_the_shortcut_takes_whole_paths_and_sockets() -> None:
    taken = []

    def app_of(name: str) -> Any:
        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            taken.append(name)

        return app

    shortcut = Shortcut({"/x": app_of("row")}, app_of("framework"), app_of("stream"))
    for scope in ({"type": "http", "path": "/x"}, {"type": "http", "path": "/x/"}, {"type": "websocket", "path": "/x"}):
        await shortcut(scope, receive, receive)  # type: ignore[arg-type]  # never sent to
    assert taken == ["row", "framework", "stream"]
