"""Real sockets against the real server, with an application that answers as soon as it has the body."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from app.connections import CONNECTIONS_MAX, FILES_KEPT, HEAD_MAX, PIPELINE_MAX, Connection, room
from tests.waiting import until

DEADLINE_S = 20.0
LARGE = 4_000_000


class Patient(Connection):
    patience_s = 3_600.0
    connections_max = 3


class Hasty(Connection):
    patience_s = 0.2


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the size of the body, or, at /large, with a lot."""
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"x" * LARGE if scope["path"] == "/large" else b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(protocol: type[Connection]) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    server = uvicorn.Server(
        uvicorn.Config(echo, port=0, http=protocol, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    )
    task = asyncio.ensure_future(server.serve())
    try:
        await until(lambda: server.started)
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def ends(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the other side ends the connection."""
    found = bytearray()
    async with asyncio.timeout(DEADLINE_S):
        try:
            while part := await reader.read(65_536):
                found += part
        except ConnectionError:
            pass
    return bytes(found)


async def flood(writer: asyncio.StreamWriter, part: bytes, size_max: int) -> int:
    """Send a part again and again, until the other side ends the connection. Gives how much went away."""
    size = 0
    try:
        while size < size_max:
            writer.write(part)
            await writer.drain()
            size += len(part)
            await asyncio.sleep(0)
    except ConnectionError:
        return size
    raise AssertionError(f"{size} bytes were taken")


@pytest.mark.spec("CONN-001")
@pytest.mark.parametrize(
    "opening, part",
    [
        (b"GET / HTTP/1.1\r\n", b"x-some: " + b"y" * 1_000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\nx-some: ", b"y" * 1_000),
        (b"GET / HTTP/1.1\r\nx-some", b"y" * 1_000),
        (b"GET /", b"y" * 1_000),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x-some: " + b"y" * 1_000 + b"\r\n"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;", b"y" * 1_000),
    ],
    ids=["headers", "value", "name", "path", "trailers", "extension"],
)
async def test_a_head_has_an_end(opening: bytes, part: bytes) -> None:
    async with serving(Patient) as (_, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(opening)
        # What the sockets hold on the way is not in anybody's memory.
        await flood(writer, part, 60_000_000)
        writer.close()


@pytest.mark.spec("CONN-001")
async def test_a_large_head_and_a_large_body_come_in() -> None:
    async with serving(Patient) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            filler = b"y" * (HEAD_MAX - 1_000)
            head = b"POST / HTTP/1.1\r\nhost: x\r\nx-some: %b\r\ncontent-length: 300000\r\n\r\n"
            writer.write(head % filler + b"z" * 300_000)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(6) == b"300000"
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(30):
                writer.write(b"2710\r\n" + b"z" * 10_000 + b"\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(6) == b"300000"
        writer.close()


@pytest.mark.spec("CONN-002")
async def test_few_requests_wait_behind_one_of_their_connection() -> None:
    request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
    async with serving(Patient) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request * PIPELINE_MAX)
        for _ in range(PIPELINE_MAX):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(1)
        writer.write(request * 1_000)
        assert (await ends(reader)).count(b"HTTP/1.1") < PIPELINE_MAX
        writer.close()


@pytest.mark.spec("CONN-003")
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1\r\nhost: x\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\n",
    ],
    ids=["nothing", "line", "headers", "body", "after", "second"],
)
async def test_half_a_request_is_not_waited_for(sent: bytes) -> None:
    async with serving(Hasty) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await ends(reader)
        await until(lambda: not server.server_state.connections and not server.server_state.tasks)
        writer.close()


@pytest.mark.spec("CONN-003")
async def test_an_answer_that_nobody_takes_is_thrown_away() -> None:
    async with serving(Hasty) as (server, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n" * 20)
        await until(lambda: len(server.server_state.connections) == 1)
        await until(lambda: not server.server_state.connections and not server.server_state.tasks)
        writer.close()


@pytest.mark.spec("CONN-003")
async def test_who_goes_on_sending_requests_stays() -> None:
    async with serving(Hasty) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        loop = asyncio.get_running_loop()
        end_s = loop.time() + 6 * Hasty.patience_s
        while loop.time() < end_s:
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(1) == b"0"
        writer.close()


@pytest.mark.spec("CONN-004")
async def test_there_are_only_so_many_connections() -> None:
    async with serving(Patient) as (server, port):
        pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(Patient.connections_max)]
        await until(lambda: len(server.server_state.connections) == Patient.connections_max)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await ends(reader) == b""
        writer.close()
        pairs[0][1].close()
        await until(lambda: len(server.server_state.connections) == Patient.connections_max - 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for _, other in [*pairs, (reader, writer)]:
            other.close()


@pytest.mark.spec("CONN-004")
def test_files_are_left_for_the_database() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, before[1]), before[1]))
        found = room()
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert 0 < found <= min(CONNECTIONS_MAX, soft - FILES_KEPT)
        assert soft == min(CONNECTIONS_MAX + FILES_KEPT, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
