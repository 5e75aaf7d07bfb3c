"""What a client of the stream may cost: connections, messages, frames, silence, and reading slowly."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from app.db.embedded import EmbeddedServer
from app.stream.client import Client as StreamClient
from tests.contract.conftest import own_settings
from tests.support.streams import credentials, listening
from tests.venue import PAIR, PRICE, SPOT, Client, Venue, running_venue

DEFAULTS: Final = {"stream_connections": 10, "stream_messages_per_s": 20}


@pytest.fixture(scope="module")
def strict(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """An exchange with the stream's limits as they are documented."""
    settings = own_settings(postgres, tmp_path_factory.mktemp("strict"), "strict")
    with running_venue(settings, limits=DEFAULTS) as running:
        yield running


@pytest.fixture(scope="module")
def owner(strict: Venue) -> Client:
    return strict.client("owner")


def gone(venue: Venue) -> None:
    """Wait until nobody is connected, and let the tokens that were taken grow back."""
    deadline = time.monotonic() + 60
    while venue.call(lambda: len(venue.stream.hub.clients)):
        assert time.monotonic() < deadline, "somebody stays"
        time.sleep(0.01)
    venue.price(PRICE)


@pytest.mark.spec("STREAM-004")
def test_ten_public_categories(strict: Venue) -> None:
    gone(strict)
    with listening(strict.url) as client:
        for category in ("depth", "trades", "match", "index"):
            client.ask("sub", f"{SPOT}:{category}")
        refused = client.ask("sub_pair", PAIR)
        assert refused["result"]["reject"] == "TOO_MANY_CATEGORIES"
        assert len(client.ask("subscriptions")["result"]) == 4
        client.ask("unsub", f"{SPOT}:index")
        assert client.ask("sub_pair", PAIR)["category"] == "subscribed"
        assert client.ask("sub", f"{SPOT}:index")["category"] == "error"
        assert client.ask("sub", f"{SPOT}:depth")["category"] == "subscribed"


@pytest.mark.spec("STREAM-005")
def test_ten_connections_of_an_address_and_of_an_account(strict: Venue, owner: Client) -> None:
    gone(strict)
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(listening(strict.url))
        with pytest.raises(InvalidStatus) as refused, listening(strict.url):
            pass
        assert refused.value.response.status_code == 429
        assert b'"code":429' in (refused.value.response.body or b"")
    gone(strict)
    with ExitStack() as stack:
        client = stack.enter_context(listening(strict.url, source_address=("127.0.0.2", 0)))
        client.ask("auth_api", owner.api_key)
        for number in range(9):
            client = stack.enter_context(listening(strict.url, source_address=("127.0.0.2", 0)))
            assert client.ask("auth_api", owner.api_key)["category"] == "authenticated", number
        other = stack.enter_context(listening(strict.url))
        assert other.ask("auth_api", owner.api_key)["result"]["reject"] == "TOO_MANY_CONNECTIONS"
        assert client.ask("auth_api", owner.api_key)["category"] == "authenticated"


@pytest.mark.spec("STREAM-006")
def test_twenty_messages_a_second(strict: Venue) -> None:
    gone(strict)
    with listening(strict.url, source_address=("127.0.0.6", 0)) as client:
        for _ in range(60):
            client.say("status")
        answers = [client.next() for _ in range(60)]
        refused = [answer for answer in answers if answer["category"] == "error"]
        assert len(refused) == 40
        assert {answer["code"] for answer in refused} == {429}
        assert "Care to try again in 0.0" in refused[0]["msg"]
    with listening(strict.url, source_address=("127.0.0.7", 0)) as client:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(5_000):
                client.say("status")
        code, reason = client.closing()
        assert (code, reason) == (1008, "You send more messages than you may, and do not slow down.")


@pytest.mark.spec("STREAM-006")
def test_an_account_has_the_limit_too(strict: Venue, owner: Client) -> None:
    gone(strict)
    with ExitStack() as stack:
        both = [
            stack.enter_context(listening(strict.url, source_address=(f"127.0.2.{number}", 0))) for number in range(3)
        ]
        for client in both:
            client.ask("auth_api", owner.api_key)
        for _ in range(15):
            for client in both:
                client.say("status")
        answers = [client.next()["category"] for client in both for _ in range(15)]
        assert (answers.count("ok"), answers.count("error")) == (20, 25)


def test_nothing_stays_of_who_has_gone(strict: Venue, owner: Client) -> None:
    """Whatever way they go: closed, aborted in the middle of a frame, or right after the upgrade."""
    gone(strict)
    for number in range(30):
        with listening(strict.url, source_address=(f"127.0.1.{number}", 0)) as client:
            client.say("sub_pair", PAIR)
            client.say("sub", f"{PAIR}:ohlcv:1m:mark")
            client.say("auth_api", owner.api_key)
            if number % 3 == 0:
                client.ask("status")
            if number % 3 == 1:
                client.socket.socket.sendall(b"\x81\xfe\x01")
                client.socket.socket.shutdown(socket.SHUT_RDWR)
    gone(strict)
    hub, stream = strict.stream.hub, strict.stream

    def left() -> list[int]:
        return [len(hub._channels), len(hub._dirty), len(hub._watchers), len(hub._entries), len(stream._connections)]

    assert strict.call(left) == [0, 0, 0, 0, 0]
    assert owner.account_id in hub.ring


@pytest.mark.spec("STREAM-007")
def test_who_wants_nothing_is_let_go(strict: Venue, owner: Client) -> None:
    gone(strict)
    hub = strict.stream.hub
    assert hub.idle_s == 30
    hub.idle_s = 0.2
    try:
        with listening(strict.url) as idle, listening(strict.url) as busy, listening(strict.url) as known:
            busy.ask("sub", f"{PAIR}:depth")
            known.ask("auth_api", owner.api_key)
            assert idle.closing() == (1008, "There was no subscription and no API key for 30 seconds.")
            assert busy.ask("unsub_all")["category"] == "unsubscribed"
            assert busy.closing()[0] == 1008
            assert known.ask("status")["category"] == "ok"
    finally:
        hub.idle_s = 30.0


@pytest.mark.spec("STREAM-008")
@pytest.mark.parametrize(
    "frames, code",
    [
        ([Frame(Opcode.TEXT, b'{"op":"status","content":"' + b"x" * 65_520 + b'"}')], 1009),
        ([Frame(Opcode.TEXT, b"x" * 65_536, fin=False), Frame(Opcode.CONT, b"x")], 1009),
        ([Frame(Opcode.TEXT, b"", fin=False), *[Frame(Opcode.CONT, b"", fin=False)] * 256], 1009),
        ([Frame(Opcode.TEXT, b"\xff")], 1007),
        ([Frame(Opcode.CONT, b"x")], 1002),
        ([Frame(Opcode.TEXT, b"x", rsv1=True)], 1002),
        ([Frame(Opcode.PING, b"x", fin=False)], 1002),
    ],
)
def test_frames_that_no_client_sends(strict: Venue, frames: list[Frame], code: int) -> None:
    gone(strict)
    with listening(strict.url) as client:
        with client.socket.protocol_mutex:
            data = b"".join(_serialized(frame) for frame in frames)
            client.socket.socket.sendall(data)
        assert client.closing()[0] == code
    with listening(strict.url) as client:
        assert client.ask("status")["category"] == "ok"


def _serialized(frame: Frame) -> bytes:
    """A frame as it is, without the library's own checks."""
    head = bytes([frame.fin << 7 | frame.rsv1 << 6 | frame.opcode])
    size = len(frame.data)
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + bytes(4) + bytes(frame.data)


@pytest.mark.spec("STREAM-008")
def test_bytes_that_are_no_frames(strict: Venue) -> None:
    gone(strict)
    with listening(strict.url) as client:
        client.socket.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.closing()[0] == 1002


@pytest.mark.spec("STREAM-009")
def test_a_ping_is_answered(strict: Venue) -> None:
    gone(strict)
    with listening(strict.url) as client:
        assert client.socket.ping(b"still there?").wait(10)


@pytest.mark.spec("STREAM-063")
def test_orders_have_the_limits_of_rest(strict: Venue, owner: Client) -> None:
    gone(strict)
    order = {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 59_000, "is_test": True}
    with listening(strict.url, source_address=("127.0.0.8", 0)) as client:
        assert client.ask("auth", credentials(strict, owner))["category"] == "authenticated"
        for number in range(60):
            client.say("order", order, id=number)
        answers = [client.hear("response") for _ in range(60)]
        assert [(answer["code"], answer["id"]) for answer in answers] == [(200, number) for number in range(60)]
        bulk = {"orders": [order] * 51}
        assert client.ask("order_bulk", bulk)["result"]["reject"] == "INVALID_BATCH"
    poor = strict.key(owner.account_id)

    def empty() -> None:
        key = strict.store.identity.find(poor.api_key)
        assert key is not None
        while not key.bucket.take(strict.clock.now_ms, 10_000):
            pass
        while not key.bucket.take(strict.clock.now_ms):
            pass

    with listening(strict.url, source_address=("127.0.0.9", 0)) as client:
        client.ask("auth", credentials(strict, poor))
        strict.call(empty)
        refused = client.ask("order", order, id="late")
        assert (refused["code"], refused["id"]) == (429, "late")


@pytest.mark.spec("STREAM-063")
def test_so_many_commands_may_wait(strict: Venue, owner: Client) -> None:
    """While the journal takes its time, what waits is bounded."""
    gone(strict)
    order = {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 59_000}
    messages = [json.dumps({"op": "order", "content": order, "id": number}).encode() for number in range(150)]
    with listening(strict.url, source_address=("127.0.0.10", 0)) as client:
        client.ask("auth", credentials(strict, owner))
        near = client.socket.socket.getsockname()
        found = strict.call(lambda: [item for item in strict.stream.hub.clients if item.socket.client == near])[0]

        def take() -> None:
            for message in messages:
                strict.stream._take(found, message)

        strict.call(take)
        answers = [client.hear("response") for _ in messages]
        refused = [answer for answer in answers if answer["code"] != 200]
        assert [answer["id"] for answer in refused] == list(range(100, 150))
        assert {answer["result"]["reject"] for answer in refused} == {"TOO_MANY_PENDING"}
        assert client.ask("cancel_bulk", {"ids": []})["code"] == 200


@pytest.mark.spec("STREAM-063")
@pytest.mark.parametrize("content", [1, {"pair": ["x"]}, ""])
def test_what_cannot_be_an_order_has_the_limit_of_messages(strict: Venue, content: object) -> None:
    """The clock stands: no token comes back. The client goes on to send orders."""
    gone(strict)
    client = strict.client(f"clumsy {content}")
    order = {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 59_000}
    with listening(strict.url, source_address=(f"127.0.0.{20 + len(str(content))}", 0)) as socket_:
        assert socket_.ask("auth", credentials(strict, client))["code"] == 200
        codes = [socket_.ask("order", content)["code"] for _ in range(25)]
        assert codes == [503] * 19 + [429] * 6
        assert socket_.ask("order", order)["code"] == 200


# --- slow readers ------------------------------------------------------------------------------------------------------


class Sleeper:
    """A client that asks and does not read. Its own buffers are small."""

    def __init__(self, venue: Venue, *messages: str) -> None:
        host, port = venue.url.removeprefix("http://").split(":")
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.settimeout(20)
        self.socket.connect((host, int(port)))
        self.socket.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.socket.recv(1)
        for message in messages:
            self.socket.sendall(_serialized(Frame(Opcode.TEXT, message.encode())))

    def other_end(self, venue: Venue, topics: int) -> StreamClient:
        """What the exchange knows of it, once it has so many topics."""
        port = self.socket.getsockname()[1]
        deadline = time.monotonic() + 60
        while True:
            found = venue.call(
                lambda: [item for item in venue.stream.hub.clients if item.socket.client == ("127.0.0.1", port)]
            )
            if found and len(found[0].topics) == topics:
                return found[0]
            assert time.monotonic() < deadline, "it did not subscribe"
            time.sleep(0.01)

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Frames, to the end."""
        data = b""
        while True:
            while len(data) < 2 or len(data) < _size(data):
                part = self.socket.recv(65_536)
                if not part:
                    return
                data += part
            size = _size(data)
            start = {126: 4, 127: 10}.get(data[1], 2)
            yield data[0] & 15, data[start:size]
            data = data[size:]


def _size(data: bytes) -> int:
    """How long the frame is that begins here, as far as its head is there."""
    if data[1] == 126:
        return 4 + int.from_bytes(data[2:4], "big") if len(data) >= 4 else 4
    if data[1] == 127:
        return 10 + int.from_bytes(data[2:10], "big") if len(data) >= 10 else 10
    return 2 + data[1]


@pytest.mark.spec("STREAM-070", "STREAM-071", "STREAM-072")
def test_a_slow_reader_is_let_go_and_hurts_nobody(venue: Venue) -> None:
    maker, taker = venue.client("maker for the slow"), venue.client("taker for the slow")
    sleeper = Sleeper(
        venue,
        f'{{"op":"sub","content":"{PAIR}:match"}}',
        f'{{"op":"sub","content":"{PAIR}:depth"}}',
        f'{{"op":"auth_api","content":"{maker.api_key}"}}',
    )
    slow = sleeper.other_end(venue, 2)
    with listening(venue.url) as quick:
        quick.ask("sub", f"{PAIR}:depth")
        longest = 0.0
        number = 0
        deadline = time.monotonic() + 120
        while not slow.socket.is_over:
            assert time.monotonic() < deadline, "a client that never reads stays"
            number += 1
            orders = "&".join(
                f"orders[{place}][{name}]={value}"
                for place in range(50)
                for name, value in {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 58_000 + place}.items()
            )
            begun = time.monotonic()
            assert maker.post("/auth/order/bulk", f"{orders}&timestamp={venue.stamp()}").status_code == 200
            quick.hear("depth", lambda message: message["result"]["bids"][:1] == [{"price": 58_049, "qty": 0.001}])
            longest = max(longest, time.monotonic() - begun)
            maker.cancel_all()
            quick.hear("depth", lambda message: {"price": 58_049, "qty": 0.001} not in message["result"]["bids"])
            assert venue.call(slow.unread) <= 65_536 + (1 << 20) + 300_000
        assert longest < 5
    taker.cancel_all()
    *_, (opcode, goodbye) = sleeper.read()
    assert opcode == Opcode.CLOSE
    assert int.from_bytes(goodbye[:2], "big") == 1013
    assert goodbye[2:].startswith(b"You read too slowly")


@pytest.mark.spec("STREAM-033", "STREAM-071")
def test_who_was_slow_gets_the_book_anew(venue: Venue) -> None:
    makers = [venue.client(f"maker {number} of a long book") for number in range(5)]
    maker = makers[0]
    for start in range(0, 1_000, 50):
        maker = makers[start // 200]
        orders = "&".join(
            f"orders[{place}][{name}]={value}"
            for place in range(50)
            for name, value in {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 58_500 + start + place}.items()
        )
        assert maker.post("/auth/order/bulk", f"{orders}&timestamp={venue.stamp()}").status_code == 200
    sleeper = Sleeper(venue, *[f'{{"op":"sub","content":"{PAIR}:book"}}'] * 200)
    slow = sleeper.other_end(venue, 1)
    deadline = time.monotonic() + 60
    while not slow.socket.is_slow:
        assert time.monotonic() < deadline, "it never was slow"
        time.sleep(0.01)
    maker = venue.client("maker of more")
    makers.append(maker)
    for number in range(20):
        assert maker.order(price=59_600 + number, qty=0.001).status_code == 200
    found: list[dict[str, Any]] = []
    reader = threading.Thread(target=_read_book, args=(sleeper, found), daemon=True)
    reader.start()
    while not (found and found[-1]["type"] == "snapshot" and found[-1]["bids"][0]["price"] == 59_619):
        assert time.monotonic() < deadline + 20, "the book does not come"
        time.sleep(0.01)
    maker.order(price=59_700, qty=0.001)
    while found[-1]["type"] != "delta":
        assert time.monotonic() < deadline + 20, "no delta comes"
        time.sleep(0.01)
    assert found[-1]["prev_seq"] == found[-2]["seq"]
    assert {"price": 59_700, "qty": 0.001} in found[-1]["bids"]
    sleeper.socket.close()
    for maker in makers:
        maker.cancel_all()


def _read_book(sleeper: Sleeper, found: list[dict[str, Any]]) -> None:
    with contextlib.suppress(OSError):  # the test closes the socket
        for opcode, data in sleeper.read():
            message = json.loads(data) if opcode == Opcode.TEXT else {}
            if message.get("category") == "book":
                found.append(message["result"])


@pytest.mark.spec("STREAM-010", "STREAM-052", "STREAM-053")
def test_what_was_told_before_a_start_is_there_after_it(postgres: EmbeddedServer, tmp_path: Path) -> None:
    open_ended = ExitStack()
    settings = own_settings(postgres, tmp_path, "again")
    with running_venue(settings) as venue:
        client, other = venue.client("who comes back"), venue.client("the other")
        first = open_ended.enter_context(listening(venue.url))
        first.ask("auth_api", client.api_key)
        since = first.ask("status")["result"]["seq"]
        client.order(price=60_000, qty=0.003)
        other.order(side="SELL", price=60_000, qty=0.001)
        client.order(side="SELL", qty=0.001, price=59_000, trigger_price=59_900)
        told = first.rest()
        assert len(told) == 4
        api_key = client.api_key
        Sleeper(venue, *[f'{{"op":"sub","content":"{PAIR}:book"}}'] * 2_000).other_end(venue, 1)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5, "who does not read holds up the stop"
    with open_ended:
        assert first.closing() == (1012, "The exchange is stopping.")
    with running_venue(settings) as venue, listening(venue.url) as second:
        second.ask("auth_api", {"api_key": api_key, "since": since})
        assert second.rest() == told
    with running_venue(settings) as venue, listening(venue.url) as third:
        third.ask("auth_api", {"api_key": api_key, "since": told[1]["seq"]})
        assert third.rest() == [message for message in told if message["seq"] > told[1]["seq"]]
