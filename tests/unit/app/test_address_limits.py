"""Real sockets against the real server: what one address may send, and that nothing behind the door hears of the rest."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from app.connections import Connection
from app.limits import REFUSALS_BURST, TIRED_S, AddressLimits
from tests.small import FakeClock
from tests.waiting import until

GET = b"GET %b HTTP/1.1\r\nhost: x\r\n%b\r\n"
UPGRADE = (
    b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
MSG = "You have done that too much recently. Care to try again in 0.050 seconds?"

Answer = tuple[int, dict[bytes, bytes], bytes]


class Server:
    """A server behind limits, the clock that they go by, and what came through."""

    def __init__(self, *, burst: int, connections_max: int = 1_000) -> None:
        self.clock = FakeClock()
        self.limits = AddressLimits(self.clock, per_second=20, burst=burst, connections_max=connections_max)
        self.heard: list[str] = []
        self.port = 0
        self._lines: list[asyncio.StreamWriter] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """Note the path, and take a WebSocket or answer."""
        self.heard.append(scope["path"])
        await receive()
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await receive()
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._lines.append(writer)
        return reader, writer

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Server"]:
        """Listen while the block lasts."""
        protocol = type("Limited", (Connection,), {"limits": self.limits})
        config = uvicorn.Config(
            self.app,
            port=0,
            http=protocol,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
            ws="websockets-sansio",
        )
        server = uvicorn.Server(config)
        task = asyncio.ensure_future(server.serve())
        try:
            await until(lambda: server.started)
            self.port = server.servers[0].sockets[0].getsockname()[1]
            yield self
        finally:
            for writer in self._lines:
                writer.close()
            server.should_exit = True
            await task


async def read(reader: asyncio.StreamReader) -> Answer:
    """One answer."""
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in lines[1:-2])
    return int(lines[0][9:12]), headers, await reader.readexactly(int(headers.get(b"content-length", b"0")))


async def ask(server: Server, path: bytes = b"/", more: bytes = b"") -> Answer:
    """One request on a connection of its own."""
    reader, writer = await server.open()
    writer.write(GET % (path, more))
    return await read(reader)


@pytest.mark.spec("LIM-001")
async def test_a_request_without_a_token_is_answered_and_not_heard() -> None:
    async with Server(burst=2).serving() as server:
        assert [(await ask(server, b"/a"))[0], (await ask(server, b"/b"))[0]] == [200, 200]
        status, headers, body = await ask(server, b"/c")
        assert status == 429
        assert (headers[b"retry-after"], headers[b"content-type"]) == (b"1", b"application/json")
        assert json.loads(body) == {"code": 429, "msg": MSG, "result": None}
        server.clock.now_ms += 50
        assert (await ask(server, b"/d"))[0] == 200
        assert server.heard == ["/a", "/b", "/d"]


@pytest.mark.spec("LIM-001")
async def test_refusals_keep_their_place_on_the_connection() -> None:
    """Bodies of refused requests are not taken for requests, and the connection goes on."""
    async with Server(burst=2).serving() as server:
        reader, writer = await server.open()
        post = b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 27\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n"
        writer.write(GET % (b"/1", b"") + GET % (b"/2", b"") + post + GET % (b"/4", b""))
        assert [(await read(reader))[0] for _ in range(4)] == [200, 200, 429, 429]
        server.clock.now_ms += 50
        writer.write(GET % (b"/5", b""))
        assert (await read(reader))[0] == 200
        assert server.heard == ["/1", "/2", "/5"]


@pytest.mark.spec("LIM-001")
async def test_an_upgrade_is_a_request() -> None:
    async with Server(burst=1).serving() as server:
        assert (await ask(server, b"/", UPGRADE))[0] == 101
        reader, writer = await server.open()
        writer.write(GET % (b"/again", UPGRADE))
        status, headers, body = await read(reader)
        assert (status, headers[b"retry-after"], json.loads(body)["msg"]) == (429, b"1", MSG)
        assert await reader.read() == b""
        assert server.heard == ["/"]


@pytest.mark.spec("LIM-002")
async def test_other_requests_leave_the_cancels_theirs() -> None:
    async with Server(burst=2).serving() as server:
        assert [(await ask(server, b"/auth/order"))[0] for _ in range(5)] == [200, 200, 429, 429, 429]
        assert [(await ask(server, b"/auth/cancel"))[0] for _ in range(3)] == [200, 200, 429]


@pytest.mark.spec("LIM-005")
async def test_a_flood_waits_for_its_refusals() -> None:
    async with Server(burst=1).serving() as server:
        reader, writer = await server.open()
        writer.write(GET % (b"/", b""))
        assert (await read(reader))[0] == 200
        for _ in range(REFUSALS_BURST // 50):
            writer.write(GET % (b"/", b"") * 50)
            assert [(await read(reader))[0] for _ in range(50)] == [429] * 50
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        writer.write(GET % (b"/", b""))
        assert (await read(reader))[0] == 429
        assert loop.time() - start_s >= 0.9 * TIRED_S


@pytest.mark.spec("LIM-006")
async def test_an_address_has_so_many_connections() -> None:
    async with Server(burst=100, connections_max=2).serving() as server:
        lines = [await server.open() for _ in range(2)]
        for reader, writer in lines:
            writer.write(GET % (b"/", b""))
            assert (await read(reader))[0] == 200
        reader, _ = await server.open()
        assert await closed(reader)
        lines[0][1].close()
        await until(lambda: server.limits._connections == {"127.0.0.1": 1})
        reader, writer = await server.open()
        writer.write(GET % (b"/", UPGRADE))
        assert (await read(reader))[0] == 101
        assert server.limits._connections == {"127.0.0.1": 1}
        assert (await ask(server))[0] == 200


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other side closes without a word."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True
