"""Which web pages may ask, without a server."""

from typing import Any

import pytest

from app.cors import Cors

PAGE = b"https://trade.example"


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def ask(
    origins: tuple[str, ...], *headers: tuple[bytes, bytes], method: str = "GET"
) -> tuple[int, dict[bytes, bytes]]:
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b"{}"})

    async def send(message: Any) -> None:
        sent.append(message)

    await Cors(app, origins)({"type": "http", "method": method, "headers": headers}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.spec("PEO-095")
async def test_a_page_of_the_list_may_ask() -> None:
    status, headers = await ask(("https://trade.example",), (b"origin", PAGE))
    assert (status, headers[b"access-control-allow-origin"], headers[b"vary"]) == (200, PAGE, b"origin")
    assert b"access-control-allow-credentials" not in headers
    question = (b"access-control-request-method", b"DELETE")
    status, headers = await ask(("https://trade.example",), (b"origin", PAGE), question, method="OPTIONS")
    assert status == 204
    assert b"DELETE" in headers[b"access-control-allow-methods"]
    assert b"authorization" in headers[b"access-control-allow-headers"]


@pytest.mark.spec("PEO-095")
@pytest.mark.parametrize("origin", [b"https://evil.example", b"https://trade.example.evil.example", b"null", b""])
async def test_no_other_page_may(origin: bytes) -> None:
    for method in ("GET", "OPTIONS"):
        question = (b"access-control-request-method", b"GET")
        _, headers = await ask(("https://trade.example",), (b"origin", origin), question, method=method)
        assert not [name for name in headers if name.startswith(b"access-control")]


@pytest.mark.spec("PEO-095")
async def test_any_page_may_where_the_setting_says_so() -> None:
    _, headers = await ask(("*",), (b"origin", b"https://anything.example"))
    assert headers[b"access-control-allow-origin"] == b"*"
