"""What a stranger may cost before anybody has looked at a key: bytes, requests and time of one connection.

The server's own parser keeps headers of any size and waits for them for as long as it takes.
"""

import asyncio
import resource
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast, final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.limits import TIRED_S, AddressLimits, name_of
from app.problems import Denial
from app.proxies import Proxies

HEAD_MAX: Final = 65_536
"""Bytes of a request that are not its body: request line, headers, what frames chunks, trailers."""
PIPELINE_MAX: Final = 128
"""Requests that may wait behind another one of their connection."""
CONNECTIONS_MAX: Final = 4_096
FILES_KEPT: Final = 128
"""Open files that are left for the database, the log and the rest."""
PATIENCE_S: Final = 15.0
"""A connection that owes us something at two looks so far apart is closed."""


def room() -> int:
    """How many connections there may be: as many open files as the system lets us have, and no more than our own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + FILES_KEPT
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft) - FILES_KEPT)


@final
class TooMany:
    """Answers a request that its address had no token for: an application that reads nothing of it."""

    def __init__(self, wait_ms: float, *, is_tired: bool) -> None:
        self._wait_ms = wait_ms
        self._is_tired = is_tired

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Answer at once, or after a pause where there were many refusals before: they cost us as well."""
        if self._is_tired:
            await asyncio.sleep(TIRED_S)
        body, retry_s = refusal(self._wait_ms)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"retry-after", b"%d" % retry_s),
        ]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def refusal(wait_ms: float) -> tuple[bytes, int]:
    """The body that says how long to wait, and the same in whole seconds."""
    msg = f"{Denial.RATE.value} Care to try again in {wait_ms / 1_000:.3f} seconds?"
    return b'{"code":429,"msg":"%b","result":null}' % msg.encode(), max(1, -int(-wait_ms // 1_000))


class Connection(HttpToolsProtocol):
    """A client's connection. Cost: a comparison or two for each request, one timer for each connection."""

    patience_s = PATIENCE_S
    connections_max = CONNECTIONS_MAX
    limits: AddressLimits | None = None
    """What one address may send; None for no limit."""
    proxies = Proxies(())
    """The peers that say for whom they ask."""
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # none before the first request

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_bytes = 0
        self._counted: object = self
        self._owed: object = None
        """The request that was owed at the last look; the connection itself when it owed none."""
        self._look: TimerHandle | None = None
        self._name = ""
        """The address, as far as limits go: the peer's, or that of the last request through a proxy."""
        self._is_proxy = False
        self._is_counted = False
        self._wait_ms = 0.0
        """How long the last request would have had to wait for a token."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in the base class
        """Take the connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            transport.abort()
            return
        peer = self.client[0] if self.client else ""
        self._is_proxy = self.proxies.trust(peer)
        if self.limits is not None and not self._is_proxy:
            self._name = name_of(peer)
            self._is_counted = self.limits.arrive(self._name)
            if not self._is_counted:
                transport.abort()
                return
        self._owed = self
        self._look = self.loop.call_later(self.patience_s, self._look_after)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._leave()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on, and look after it no more."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._leave()
        if self._wait_ms:
            self._refuse_upgrade()
        else:
            if self._is_proxy:
                protocol = cast(Callable[..., asyncio.Protocol], self.ws_protocol_class)
                self.ws_protocol_class = partial(protocol, client=self.scope["client"])  # type: ignore[assignment]
            super().handle_websocket_upgrade()

    def on_headers_complete(self) -> None:
        """Let a request in whose address has a token for it; nothing was done with its path, headers or body yet."""
        if self._is_proxy and self.client is not None:
            address = self.proxies.client_of(self.client[0], self.headers)
            self.scope["client"] = (address, 0)
            self._name = name_of(address)
        limits = self.limits
        if limits is not None:
            self._wait_ms = limits.take(self._name, self.url)
            if self._wait_ms:
                app = self.app
                self.app = TooMany(self._wait_ms, is_tired=limits.is_tired(self._name))
                super().on_headers_complete()
                self.app = app
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, which has a limit of its own."""
        self._head_bytes -= len(body)
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as long as it is not too much."""
        super().data_received(data)
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope or cycle.more_body:
            self._count(len(data))
        if len(self.pipeline) > PIPELINE_MAX:
            self.transport.abort()

    def _leave(self) -> None:
        if self._is_counted and self.limits is not None:
            self._is_counted = False
            self.limits.leave(self._name)

    def _refuse_upgrade(self) -> None:
        """Answer what would have become a WebSocket. Nothing else can come of the connection."""
        body, retry_s = refusal(self._wait_ms)
        self.transport.write(
            b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"retry-after: %d\r\nconnection: close\r\n\r\n%b" % (len(body), retry_s, body)
        )
        self.transport.close()

    def _count(self, size: int) -> None:
        """Count what came of a request that is not whole yet. Its first part may have come behind others and is free."""
        if self._counted is not self.scope:
            self._counted = self.scope
            self._head_bytes = 0
            return
        self._head_bytes += size
        if self._head_bytes > HEAD_MAX:
            self.transport.abort()

    def _look_after(self) -> None:
        """Close a connection that owed at the last look what it owes now."""
        owed = self._owing()
        if owed is not self and owed is self._owed:
            self.transport.abort()
            return
        self._owed = owed
        self._look = self.loop.call_later(self.patience_s, self._look_after)

    def _owing(self) -> object:
        """What the client has to send or to take before anything goes on: a request; itself when it is our turn."""
        cycle = self.cycle
        if self.flow.write_paused:
            return self.scope
        if self.flow.read_paused:
            return self
        if cycle is None or cycle.scope is not self.scope or cycle.more_body:
            return self.scope
        # Between two requests the server has a timer of its own, but any byte stops that.
        return self.scope if cycle.response_complete and self.timeout_keep_alive_task is None else self
