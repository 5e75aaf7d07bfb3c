"""A venue on loopback: a real HTTP and WebSocket server that answers in the venue's shapes, and misbehaves when told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from app.clock import wall_clock
from app.feeds.sources import Line, Venue
from tests.support.venue_shapes import SHAPES, Said

DOLLARS = frozenset({"coinbase", "kraken", "bitfinex", "cryptocom"})
"""The venues that trade against USD."""


def prices_of(name: str) -> dict[str, Said]:
    """What a venue says at first."""
    if name in DOLLARS:
        return {
            "BTC/USD": Said("65000.15", "65000.1", "65000.2"),
            "LINK/USD": Said("11.2345", "11.234", "11.235"),
            "USDT/USD": Said("0.9998", "0.9997", "0.9999"),
        }
    return {"BTC/USDT": Said("65010.15", "65010.1", "65010.2"), "LINK/USDT": Said("11.2365", "11.236", "11.237")}


class VenueServer:
    """One venue. Change its fields to change what it does from then on."""

    def __init__(self, name: str, prices: dict[str, Said]) -> None:
        self.name = name
        self.shape = SHAPES[name]()
        self.prices = prices
        self.port = 0
        self.is_streaming = True
        """Whether it takes WebSockets."""
        self.rest_status = 200
        self.rest_headers: dict[str, str] = {}
        self.rest_body: str | None = None
        """Said instead of the right answer."""
        self.rest_delay_s = 0.0
        self.failing = ""
        """The one kind of question that it fails on: markets, tickers."""
        self.late_ms = 0
        """How old what it streams says that it is."""
        self.asked: list[str] = []
        self.heard: list[object] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.accepted = 0
        self._names: dict[web.WebSocketResponse, list[str]] = {}

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def venue(self, *pairs: str) -> Venue:
        """This venue as a source of pairs (or all that it trades), each an index of its own at eight decimals."""
        lines = [
            Line(at, 8, 1, pair, is_converted=False, is_rate=False) for at, pair in enumerate(pairs or self.prices, 1)
        ]
        return Venue(self.name, 1, tuple(lines), self.rest, self.ws)

    async def push(self, *pairs: str) -> None:
        """Stream what is said of these pairs, or of all, to everybody who asked for them."""
        names = {self.shape.name(pair): said for pair, said in self.prices.items() if not pairs or pair in pairs}
        for socket in list(self.sockets):
            for name in self._names[socket]:
                key = next((known for known in names if known.replace("/", "") == name.replace("/", "")), None)
                if key is not None and not socket.closed:
                    message = self.shape.pushed(name, names[key], wall_clock() - self.late_ms)
                    await self._send(socket, self.shape.coded(message))

    async def say(self, text: str) -> None:
        """Stream these very characters to everybody."""
        for socket in list(self.sockets):
            await socket.send_str(text)

    async def hang_up(self) -> None:
        """Close every WebSocket."""
        for socket in list(self.sockets):
            await socket.close(code=1001)

    async def cut(self) -> None:
        """Break every WebSocket's connection without a word."""
        for socket in list(self.sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    async def _send(self, socket: web.WebSocketResponse, coded: str | bytes) -> None:
        if isinstance(coded, bytes):
            await socket.send_bytes(coded)
        else:
            await socket.send_str(coded)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._stream(request)
        self.asked.append(request.path_qs)
        await asyncio.sleep(self.rest_delay_s)
        if self.rest_status != 200 or self.rest_body is not None:
            body = self.rest_body if self.rest_body is not None else '{"error": "no"}'
            return web.Response(status=self.rest_status, headers=self.rest_headers, text=body)
        kind = next((kind for path, kind in self.shape.routes if request.path.startswith(path)), "")
        if kind == self.failing:
            return web.Response(status=500, text="this one fails")
        if kind == "markets":
            return web.json_response(self.shape.markets(self.prices))
        if kind == "tickers":
            return web.json_response(self.shape.tickers(self.prices, dict(request.query)))
        if kind == "margins":
            return web.json_response(self.shape.margins())  # type: ignore[attr-defined]
        if kind == "bullet":
            return web.json_response(self.shape.bullet(self.ws))  # type: ignore[attr-defined]
        return web.Response(status=404, text="there is nothing here")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if not self.is_streaming or not request.path.startswith(self.shape.socket):
            return web.Response(status=503, text="no sockets today")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.accepted += 1
        self._names[socket] = []
        self.sockets.append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._hear(socket, message.data)
        finally:
            self.sockets.remove(socket)
        return socket

    async def _hear(self, socket: web.WebSocketResponse, text: str) -> None:
        if text == "ping":
            await socket.send_str("pong")
            return
        message = json.loads(text)
        self.heard.append(message)
        names = self.shape.wanted(message)
        for reply in self.shape.acknowledged(message):
            await self._send(socket, self.shape.coded(reply))
        self._names[socket] += names
        if names:
            await self.push()


@asynccontextmanager
async def venue_server(name: str) -> AsyncIterator[VenueServer]:
    """A venue that answers while the block lasts."""
    server = VenueServer(name, prices_of(name))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
