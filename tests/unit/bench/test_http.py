import asyncio
from typing import Any

from app import forms
from app.auth import sign
from bench.http import Connection, signed

KEYS = [("k1", "s1"), ("k2", "s2")]
SPEC: dict[str, Any] = {"seconds": 0.01, "keys": KEYS, "price": "65000", "port": 1}


def test_requests_are_signed_and_each_is_another() -> None:
    requests = list(signed(SPEC))
    assert len(requests) == len(set(requests)) == 150
    secrets = dict(KEYS)
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        assert headers[b"x-signature"] == sign(secrets[headers[b"x-api-key"].decode()].encode(), body)
        assert int(headers[b"content-length"]) == len(body)
        assert forms.decode(body).fields["price"] == "65000"


class Wire:
    """What a connection writes to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


async def test_answers_are_counted_however_they_are_cut() -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    connection = Connection(iter([b"1", b"2", b"3"]), done)
    wire: Any = Wire()
    connection.connection_made(wire)
    body = b'{"status":"COMPLETED"}'
    good = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    bad = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"
    for data in (good[:10], good[10:45], good[45:], bad[:-1], bad[-1:]):
        connection.data_received(data)
    assert wire.written == [b"1", b"2", b"3"]
    assert not done.done()
    connection.data_received(good)
    assert done.done()
    assert (len(connection.delays), connection.refused, connection.filled) == (3, 1, 2)
