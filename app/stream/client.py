"""One client of the stream: what it subscribed to, who it is, and what waits for it while it reads slowly."""

from collections import deque
from typing import TYPE_CHECKING, Final, final

from app.auth import Key
from app.stream.frames import POLICY, TOO_SLOW
from app.stream.socket import Socket

if TYPE_CHECKING:
    from app.stream.topics import Topic

WAITING_MAX: Final = 1 << 20
"""Bytes of messages that must not be missed, waiting for a client that does not take them."""
REFUSED_MAX: Final = 100
"""So many messages in a row refused for their rate, and the client is let go."""
TOO_OFTEN: Final = 429
TOO_OFTEN_WORDS: Final = "You send more messages than you may, and do not slow down."
TOO_SLOW_WORDS: Final = "You read too slowly: messages that must not be missed no longer fit. Connect again and resume."


@final
class Client:
    """A connection. What can be missed is shown as it is when the client is ready for it; the rest waits in order.

    `since_s` is when it last began to have neither a subscription nor a key.
    """

    __slots__ = (
        "_size",
        "_waiting",
        "_stale",
        "address",
        "extras",
        "is_signed",
        "key",
        "name",
        "pending",
        "refused",
        "since_s",
        "socket",
        "topics",
    )

    def __init__(self, socket: Socket, name: str, address: str, now_s: float) -> None:
        self.socket = socket
        self.address = address
        self.name = name
        """Who counts as one address."""
        self.topics: dict[Topic, None] = {}
        self.key: Key | None = None
        self.is_signed = False
        """It proved that it has the key's secret."""
        self.extras: frozenset[str] = frozenset()
        """Private categories that it asked for beyond the documented ones."""
        self.pending = 0
        """Commands whose answer it waits for."""
        self.refused = 0
        """Messages in a row that were refused for their rate."""
        self.since_s = now_s
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._stale: dict[Topic, None] = {}
        socket.on_quick = self._catch_up

    def send(self, data: bytes) -> None:
        """Send what must not be missed. A client that lets too much of it wait is let go."""
        socket = self.socket
        if not (socket.is_slow or self._waiting):
            socket.write(data)
            return
        if socket.is_over:
            return
        self._size += len(data)
        if self._size > WAITING_MAX:
            self.end(TOO_SLOW, TOO_SLOW_WORDS)
            return
        self._waiting.append(data)

    def show(self, topic: "Topic", data: bytes) -> None:
        """Send what only counts until it changes again."""
        socket = self.socket
        if socket.is_slow or self._waiting:
            self._stale[topic] = None
        else:
            socket.write(data)

    def forget(self, topic: "Topic") -> None:
        """Do not catch up on a topic."""
        self._stale.pop(topic, None)

    def unread(self) -> int:
        """How many bytes wait for the client."""
        return self._size + self.socket.transport.get_write_buffer_size()

    def end(self, code: int, reason: str) -> None:
        """Say goodbye."""
        self.drop()
        self.socket.end(code, reason)

    def judge(self, status: int) -> None:
        """Take note of how a message of the client's was answered; let go of one that never slows down."""
        self.refused = self.refused + 1 if status == TOO_OFTEN else 0
        if self.refused > REFUSED_MAX:
            self.end(POLICY, TOO_OFTEN_WORDS)

    def drop(self) -> None:
        """Let go of what waits."""
        self._waiting.clear()
        self._stale.clear()
        self._size = 0

    def _catch_up(self) -> None:
        """Send what waited, as far as the client takes it."""
        socket, waiting = self.socket, self._waiting
        while waiting and not socket.is_slow:
            data = waiting.popleft()
            self._size -= len(data)
            socket.write(data)
        while self._stale and not socket.is_slow:
            topic = next(iter(self._stale))
            del self._stale[topic]
            shown = topic.now()
            if shown is not None:
                socket.write(shown)
