"""A client of the stream for tests: asks, and waits for the message that it means."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, final

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.venue import Client, Venue

WAIT_S: Final = 10.0

Message = dict[str, Any]


@final
class Listener:
    """A connection to the stream, in the test's thread. `heard` is every message so far, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[Message] = []

    def say(self, op: str, content: object = "empty", **more: object) -> None:
        """Send a message."""
        self.socket.send(json.dumps({"op": op, "content": content, **more}))

    def hear(self, category: str, when: Callable[[Message], bool] = lambda _: True) -> Message:
        """The next message of a category for which something holds. Raises: TimeoutError when it does not come."""
        while True:
            message = self.next()
            if message["category"] == category and when(message):
                return message

    def next(self, timeout_s: float = WAIT_S) -> Message:
        """The next message. Raises: TimeoutError."""
        message: Message = json.loads(self.socket.recv(timeout=timeout_s))
        self.heard.append(message)
        return message

    def ask(self, op: str, content: object = "empty", **more: object) -> Message:
        """Send a message and give what answers it: what comes in between is in `heard`."""
        self.say(op, content, **more)
        replies = ("subscribed", "unsubscribed", "subscriptions", "authenticated", "ok", "error", "response")
        while True:
            message = self.next()
            if message["category"] in replies:
                return message

    def rest(self) -> list[Message]:
        """Everything that is told up to now: an answer to a question after it marks the end."""
        start = len(self.heard)
        self.ask("status")
        return self.heard[start:-1]

    def closing(self) -> tuple[int, str]:
        """Wait for the goodbye: its code and reason."""
        goodbye = None
        try:
            while True:
                self.next()
        except ConnectionClosed as closed:
            goodbye = closed.rcvd
        assert goodbye is not None, "the connection ended without a goodbye"
        return goodbye.code, goodbye.reason


def credentials(venue: Venue, client: Client, **more: Any) -> dict[str, Any]:
    """What the operation `auth` needs."""
    timestamp = venue.stamp()
    digest = hmac.new(client.secret.encode(), f"timestamp={timestamp}".encode(), hashlib.sha256).digest()
    return {
        "api_key": client.api_key,
        "timestamp": timestamp,
        "signature": base64.b64encode(digest).decode(),
        **more,
    }


@contextmanager
def listening(url: str, **options: Any) -> Iterator[Listener]:
    """A connection to the stream of an exchange at this address."""
    with connect(url.replace("http", "ws", 1), compression=None, **options) as socket:
        yield Listener(socket)
