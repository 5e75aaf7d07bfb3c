"""A client's WebSocket, on the server's own protocol, with what that leaves open: bounds, and writes that nobody awaits.

Frames go from the hub straight into the transport: no task and no queue for each client stand in between. A reader too slow
for its transport is known by the transport's own pause.
"""

import contextlib
from asyncio import BaseTransport
from collections.abc import Callable
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

from app.stream.frames import GOING_AWAY

EXTENSION: Final = "evermark.socket"
"""Under this name among the scope's extensions the application finds its socket."""
MESSAGE_MAX: Final = 65_536
"""Bytes of a message from a client; 1009 beyond."""
FRAGMENTS_MAX: Final = 256
"""Parts of a message from a client."""
UNREAD_MAX: Final = 65_536
"""Bytes that may wait for a client in the transport before it counts as slow."""
UNREAD_LOW: Final = 16_384
"""With so few it is quick again."""
PONGS_MAX: Final = 4 * UNREAD_MAX
"""Bytes waiting in all at which a client that goes on to ask for pongs is let go."""
CLOSE_S: Final = 5.0
"""How long a client has to take our goodbye."""
LEAVE_S: Final = 1.0
"""How long it has when we stop."""
STOPPING: Final = "The exchange is stopping."
PING_S: Final = 20.0
"""How often a client is asked whether it is there, and how long it has to say so."""


class Socket(WebSocketsSansIOProtocol):
    """A client's connection. `is_slow` while it does not take what it is sent; `on_quick` is called when it does again."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: Any | None = None,
        *,
        client: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._asker = client
        """Who asked for the upgrade, where that is not the peer."""
        self.is_slow = False
        self.on_quick: Callable[[], None] | None = None
        self.close_timeout = CLOSE_S

    @property
    def is_over(self) -> bool:
        """Nothing more can be sent."""
        return self.close_sent or self.disconnected or self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send whole frames, now or as soon as the client takes them. Nothing happens when it has gone."""
        if not (self.close_sent or self.disconnected or self.transport.is_closing()):
            self.transport.write(data)

    def end(self, code: int, reason: str) -> None:
        """Say goodbye, and let go of the client when it answers or its time is over. `reason`: at most 123 bytes."""
        if self.is_over:
            return
        self.stop_keepalive()
        self._say_goodbye(code, reason)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def _say_goodbye(self, code: int, reason: str) -> None:
        with contextlib.suppress(InvalidState):
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True

    # --- what the server calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        """Take the connection over."""
        super().connection_made(transport)
        self.client = self._asker or self.client
        self.transport.set_write_buffer_limits(high=UNREAD_MAX, low=UNREAD_LOW)

    def handle_connect(self, event: Request) -> None:
        """Hand the application its socket."""
        super().handle_connect(event)
        if not self.handshake_complete:
            self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]

    def pause_writing(self) -> None:
        """The client does not keep up."""
        super().pause_writing()
        self.is_slow = True

    def resume_writing(self) -> None:
        """The client has kept up again."""
        super().resume_writing()
        self.is_slow = False
        if self.on_quick is not None and not self.is_over:
            self.on_quick()

    def handle_cont(self, event: Frame) -> None:
        """Take a part of a message. Empty ones cost us something too."""
        if len(self.frames) >= FRAGMENTS_MAX:
            self.end(1009, f"A message has more than {FRAGMENTS_MAX} parts.")
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer, unless the client never takes the answers."""
        if self.transport.get_write_buffer_size() > PONGS_MAX:
            self.transport.abort()
            return
        super().handle_ping()

    def shutdown(self) -> None:
        """The server stops: tell the client why, and give it a moment to take what is on its way."""
        if not self.handshake_complete:
            super().shutdown()
            return
        self.stop_keepalive()
        if not self.is_over:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY, "reason": STOPPING})
            self._say_goodbye(GOING_AWAY, STOPPING)
        self.transport.close()
        self.loop.call_later(LEAVE_S, self.transport.abort)


WEBSOCKET: Final[dict[str, Any]] = {
    "ws": Socket,
    "ws_max_size": MESSAGE_MAX,
    "ws_ping_interval": PING_S,
    "ws_ping_timeout": PING_S,
    "ws_per_message_deflate": False,
}
"""What the server has to be told about WebSockets."""
