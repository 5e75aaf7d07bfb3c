"""The WebSocket at the root: who may connect, what clients may ask, and the answers.

A message is `{"op": ..., "content": ...}`. What is wrong with one is answered by the category `error`, with the code and the words that
REST has for it.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, final

import msgspec
from litestar.types import Receive, Send

from app import wire
from app.auth import Key, Scope, need
from app.clock import Clock
from app.faults import Unavailable
from app.forms import Form
from app.limits import name_of
from app.problems import Denial, Denied, Malformed, Problem
from app.rate import Bucket, Table, fill_ms
from app.stream import messages
from app.stream.client import Client
from app.stream.entry import Entry, form_of
from app.stream.frames import POLICY
from app.stream.hub import Hub
from app.stream.messages import answered, message
from app.stream.ring import NEVER
from app.stream.socket import EXTENSION, Socket
from app.stream.topics import Topic
from app.surfaces.everstrike.answers import failure, problem
from app.surfaces.everstrike.desk import Desk

PATH: Final = "/"
CONTENT_WORDS: Final = "content must not be empty."
MESSAGE_WORDS: Final = 'A message must be JSON: {"op": ..., "content": ...}.'

_log = logging.getLogger(__name__)


class Told(msgspec.Struct):
    """A message of a client. `id` is its own word for it, which comes back with the answer."""

    op: str
    content: msgspec.Raw = msgspec.Raw()
    id: str | int | None = None


class Credentials(msgspec.Struct):
    """What may stand in place of the bare key: from where to resume, and which private categories beside the documented ones."""

    api_key: str
    since: int | None = None
    index: int | None = None
    categories: list[str] = []


class Signed(msgspec.Struct):
    """What proves that a client has its key's secret: the signature of `timestamp=...`, as REST signs a body."""

    api_key: str
    timestamp: msgspec.Raw
    signature: str
    since: int | None = None
    index: int | None = None
    categories: list[str] = []


_told = msgspec.json.Decoder(Told).decode
_word = msgspec.json.Decoder(str).decode
_signed = msgspec.json.Decoder(Signed).decode
_credentials = msgspec.json.Decoder(str | Credentials).decode

Operation = Callable[[Client, Told], None]


@final
class Application:
    """The ASGI application of the stream."""

    __slots__ = (
        "_accounts",
        "_addresses",
        "_categories_max",
        "_connections",
        "_connections_max",
        "_desk",
        "_entry",
        "_operations",
        "_steady_ms",
        "hub",
    )

    def __init__(
        self,
        hub: Hub,
        desk: Desk,
        entry: Entry,
        steady_ms: Clock,
        *,
        connections_max: int,
        messages_per_s: int,
        categories_max: int,
    ) -> None:
        self.hub = hub
        self._desk = desk
        self._entry = entry
        self._steady_ms = steady_ms
        self._connections_max = connections_max
        self._categories_max = categories_max
        self._connections: dict[str, int] = {}

        def make() -> Bucket:
            return Bucket(per_second=messages_per_s, burst=messages_per_s)

        span_ms = fill_ms(per_second=messages_per_s, burst=messages_per_s)
        self._addresses: Table[Bucket] = Table(make, span_ms=span_ms)
        self._accounts: Table[Bucket] = Table(make, span_ms=span_ms)
        self._operations: Mapping[str, Operation] = {
            "sub": self._sub,
            "sub_pair": self._sub_pair,
            "unsub": self._unsub,
            "unsub_pair": self._unsub_pair,
            "unsub_all": self._unsub_all,
            "subscriptions": self._subscriptions,
            "status": self._status,
            "auth_api": self._auth_api,
            "auth": self._auth,
        }

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve a client until it goes."""
        await receive()
        if scope["path"] != PATH:
            await send({"type": "websocket.close", "code": POLICY, "reason": ""})  # 403, as nothing was accepted
            return
        found = scope["extensions"].get(EXTENSION)
        assert isinstance(found, Socket), "the server has the stream's own protocol"
        address = scope["client"][0] if scope["client"] else ""
        name = name_of(address)
        if self._connections.get(name, 0) >= self._connections_max:
            await _turn_away(send, self._connections_max)
            return
        self._connections[name] = self._connections.get(name, 0) + 1
        client = Client(found, name, address, self.hub.now_s)
        try:
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
            self.hub.join(client)
            await self._serve(client, receive)
        finally:
            self.hub.leave(client)
            self._connections[name] -= 1
            if not self._connections[name]:
                del self._connections[name]

    async def _serve(self, client: Client, receive: Receive) -> None:
        while True:
            event: Any = await receive()
            if event["type"] == "websocket.disconnect":
                return
            data = event.get("text")
            self._take(client, event["bytes"] if data is None else data)

    def _take(self, client: Client, data: bytes | str) -> None:
        """Do what a message asks for, and answer."""
        told: Told | None = None
        category = messages.ERROR
        try:
            told = _told_in(data)
            if told is not None and told.op in self._entry and client.is_signed:
                category = messages.RESPONSE
                self._entry.check_room(client, told.op)
                self._entry.take(client, told.op, self._form(client, told), told.id)
                return
            self._knock(client)
            if told is None:
                raise Malformed("message", MESSAGE_WORDS, "INVALID_MESSAGE")
            _need_content(told)
            if told.op in self._entry:
                category = messages.RESPONSE
                raise Denied(Denial.NO_AUTH)
            operation = self._operations.get(told.op)
            if operation is None:
                raise Malformed(
                    "op", f"op must be one of {', '.join((*self._operations, *self._entry))}.", "UNKNOWN_OP"
                )
            operation(client, told)
            client.judge(200)
            return
        except (Problem, Unavailable) as fault:
            answer = problem(fault)
        except (
            RecursionError
        ):  # nested deeper than the decoder goes: a fault of the client's, and nothing to log for each
            answer = problem(Malformed("message", MESSAGE_WORDS, "INVALID_MESSAGE"))
        except Exception:
            _log.exception("a message of the stream failed")
            answer = failure(500, "Something went wrong on our side.")
        op, mark = (None, None) if told is None else (told.op, told.id)
        client.send(answered(category, answer, op, mark))
        client.judge(answer.status)

    def _knock(self, client: Client) -> None:
        """Take a token of the address's and one of the account's. Raises: Denied."""
        now_ms = self._steady_ms()
        wait_ms = self._addresses.find(client.name, now_ms).take(now_ms)
        if not wait_ms and client.key is not None:
            wait_ms = self._accounts.find(client.key.account_id, now_ms).take(now_ms)
        if wait_ms:
            raise Denied(Denial.RATE, wait_ms / 1_000)

    def _form(self, client: Client, told: Told) -> Form:
        """What an order's message holds. One that cannot be read never comes to the limits of orders: it has that of messages.

        Raises: Malformed, Denied.
        """
        try:
            _need_content(told)
            return form_of(told.content)
        except Malformed:
            self._knock(client)
            raise

    # --- subscriptions -----------------------------------------------------------------------------------------------

    def _sub(self, client: Client, told: Told) -> None:
        text = _text(told)
        if text in messages.EXTRAS:
            self.hub.add_extras(client, frozenset({text}))
            client.send(message(messages.SUBSCRIBED, None, text))
            return
        self._subscribe(client, [self._topic(text)], text)

    def _sub_pair(self, client: Client, told: Told) -> None:
        channel = self.hub.channel(_text(told))
        topics = [topic for category in messages.DOCUMENTED if (topic := channel.topic(category)) is not None]
        self._subscribe(client, topics, [topic.name for topic in topics])

    def _subscribe(self, client: Client, topics: list[Topic], result: object) -> None:
        added = sum(topic not in client.topics for topic in topics)
        if len(client.topics) + added > self._categories_max:
            most = self._categories_max
            raise Malformed("content", f"A client has at most {most} public categories.", "TOO_MANY_CATEGORIES")
        client.send(message(messages.SUBSCRIBED, topics[0].channel.pair.name, result))
        for topic in topics:
            self.hub.subscribe(client, topic)

    def _unsub(self, client: Client, told: Told) -> None:
        text = _text(told)
        if text in messages.EXTRAS:
            client.extras -= {text}
            client.send(message(messages.UNSUBSCRIBED, None, text))
            return
        topic = self._topic(text)
        self.hub.unsubscribe(client, topic)
        client.send(message(messages.UNSUBSCRIBED, topic.channel.pair.name, text))

    def _unsub_pair(self, client: Client, told: Told) -> None:
        channel = self.hub.channel(_text(told))
        found = [topic for topic in client.topics if topic.channel is channel]
        self._unsubscribe(client, found, channel.pair.name)

    def _unsub_all(self, client: Client, _told: Told) -> None:
        self._unsubscribe(client, list(client.topics), None)

    def _unsubscribe(self, client: Client, topics: list[Topic], pair: str | None) -> None:
        for topic in topics:
            self.hub.unsubscribe(client, topic)
        client.send(message(messages.UNSUBSCRIBED, pair, [topic.name for topic in topics]))

    def _subscriptions(self, client: Client, _told: Told) -> None:
        client.send(message(messages.SUBSCRIPTIONS, None, [topic.name for topic in client.topics]))

    def _topic(self, text: str) -> Topic:
        """The topic that `PAIR:category` names. Raises: Malformed."""
        name, _, category = text.partition(":")
        channel = self.hub.channel(name)
        topic = channel.topic(category)
        if topic is None:
            known = ", ".join(messages.PUBLIC)
            raise Malformed("content", f"content must be PAIR:category, with one of {known}.", "UNKNOWN_CATEGORY")
        return topic

    def _status(self, client: Client, _told: Told) -> None:
        result = {
            "time": self._desk.clock(),
            "seq": self.hub.place(),
            "authenticated": client.key is not None,
            "subscriptions": len(client.topics),
        }
        client.send(message(messages.OK, None, result))

    # --- who it is ---------------------------------------------------------------------------------------------------

    def _auth_api(self, client: Client, told: Told) -> None:
        try:
            content = _credentials(told.content)
        except msgspec.DecodeError:
            raise Malformed("content", "content must be an API key, or an object with api_key.") from None
        given = Credentials(content) if isinstance(content, str) else content
        key = self._desk.guard.admit(given.api_key.encode(), client.address)
        self._enter(client, key, given, is_signed=False)

    def _auth(self, client: Client, told: Told) -> None:
        """Let a client in that proves to have its key's secret: it may send orders as well."""
        try:
            given = _signed(told.content)
            stamp = bytes(given.timestamp)
            text = _word(stamp) if stamp[:1] == b'"' else stamp.decode()
        except msgspec.DecodeError:
            raise Malformed("content", "content must be an object with api_key, timestamp and signature.") from None
        guard = self._desk.guard
        key = guard.admit(given.api_key.encode(), client.address)
        signature = given.signature.encode()
        guard.verify(key, signature, f"timestamp={text}".encode())
        timestamp_ms = wire.time_ms(text, "timestamp")
        guard.check_time(timestamp_ms, None)
        guard.check_first(signature, timestamp_ms)
        self._enter(client, key, Credentials(given.api_key, given.since, given.index, given.categories), is_signed=True)

    def _enter(self, client: Client, key: Key, given: Credentials, *, is_signed: bool) -> None:
        """Let a client watch its account. Raises: Problem."""
        need(key, Scope.READ)
        wanted = frozenset(given.categories)
        if not wanted <= messages.EXTRAS:
            known = ", ".join(sorted(messages.EXTRAS))
            raise Malformed("categories", f"categories may hold {known}.", "UNKNOWN_CATEGORY")
        is_there = client.key is not None and client.key.account_id == key.account_id
        if not is_there and self.hub.watching(key.account_id) >= self._connections_max:
            words = f"An account has at most {self._connections_max} connections."
            raise Malformed("content", words, "TOO_MANY_CONNECTIONS")
        self.hub.attach(client, key)
        client.is_signed = is_signed
        self.hub.add_extras(client, wanted)
        result = {"seq": self._desk.sequencer.seq, "customer_id": key.customer_id, "may_trade": is_signed}
        client.send(message(messages.AUTHENTICATED, None, result))
        if given.since is not None:
            from_seq = self.hub.resume(client, given.since, NEVER if given.index is None else given.index)
            if from_seq is not None:
                words = f"Not all that happened after {given.since} is still there. Read the account anew."
                gap = {"reject": "GAP", "field": "since", "from_seq": from_seq}
                client.send(messages.fault(410, words, gap))


_EMPTY: Final = frozenset({b"", b'""', b"null", b"{}", b"[]"})


def _told_in(data: bytes | str) -> Told | None:
    """The message that a frame holds, if it holds one."""
    try:
        return _told(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _need_content(told: Told) -> None:
    if bytes(told.content) in _EMPTY:
        raise Malformed("content", CONTENT_WORDS, "MISSING_FIELD")


def _text(told: Told) -> str:
    """A content that is a text. Raises: Malformed."""
    try:
        return _word(told.content)
    except msgspec.DecodeError:
        raise Malformed("content", "content must be a text.") from None


async def _turn_away(send: Send, most: int) -> None:
    """Refuse the upgrade of an address that has too many connections."""
    answer = failure(429, f"An address has at most {most} connections.")
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "websocket.http.response.start", "status": 429, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body, "more_body": False})
