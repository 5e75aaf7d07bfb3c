"""Subscribers of one market's stream, all in one process, for bench.stream: `python -m bench.stream_client`.

Asks by lines of JSON: first what to do; "ready" is said when everybody was told how things stand; then the commits, a list of (seq,
monotonic ns); the answer is what each took. A message counts as received when its last byte is.
"""

import asyncio
import json
import socket
import sys
import time
from array import array
from bisect import bisect_left
from functools import partial
from typing import Any, Final, cast, final

import uvloop

TOGETHER: Final = 50
"""Connections that are made at a time."""
SLOW_ASKS: Final = 1_500
"""How often the slow reader asks for everything, to fill what the system keeps for it."""
SETTLE_S: Final = 2.0
"""For what was asked before a round begins to be done."""
UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
)
_TEXT: Final = 0x81
_PING: Final = 0x89
_PONG: Final = 0x8A


def masked(first: int, payload: bytes) -> bytes:
    """A client's frame of at most 125 bytes. The mask is of zeros: nobody stands in between."""
    return bytes((first, 0x80 | len(payload))) + bytes(4) + payload


def asking(pair: str, category: str) -> bytes:
    """The message that subscribes."""
    return masked(_TEXT, json.dumps({"op": "sub", "content": f"{pair}:{category}"}).encode())


def frames(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """The whole frames at the beginning of some bytes, as (first byte, payload), and where they end."""
    found: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while at + 10 <= end or (at + 2 <= end and data[at + 1] < 126):
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        if start + size > end:
            break
        found.append((data[at], data[start : start + size]))
        at = start + size
    return found, at


def seq_of(payload: bytes) -> int | None:
    """As of which command a message of a book is."""
    at = payload.rfind(b'"seq":')
    if at < 0:
        return None
    start = end = at + 6
    while payload[end : end + 1].isdigit():
        end += 1
    return int(payload[start:end])


@final
class Subscriber(asyncio.Protocol):
    """Subscribes, and notes when it was told what."""

    def __init__(self, ask: bytes, ready: asyncio.Event) -> None:
        self.seqs = array("q")
        self.times = array("q")
        self._ask = ask
        self._ready = ready
        self._is_open = False
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop has transports of its own
        self._transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        """Note the messages that are whole."""
        now_ns = time.monotonic_ns()
        data = self._rest + data if self._rest else data
        if not self._is_open:
            head, mark, data = data.partition(b"\r\n\r\n")
            if not mark:
                self._rest = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._is_open = True
            self.write(self._ask)
        found, end = frames(data)
        self._rest = data[end:]
        for first, payload in found:
            seq = seq_of(payload) if first == _TEXT else None
            if seq is not None:
                self.seqs.append(seq)
                self.times.append(now_ns)
                self._ready.set()
            elif first == _PING:
                self.write(masked(_PONG, payload))

    def write(self, data: bytes) -> None:
        """Send."""
        assert self._transport is not None
        self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is to be let go."""
        assert self._is_open and self._ready.is_set(), exc

    def told_at(self, seq: int) -> int | None:
        """As of which command the message was that told it of a commit."""
        at = bisect_left(self.seqs, seq)
        return self.seqs[at] if at < len(self.seqs) else None

    def delay_ns(self, seq: int, since_ns: int) -> int | None:
        """How long after a commit it was told of it."""
        at = bisect_left(self.seqs, seq)
        return self.times[at] - since_ns if at < len(self.seqs) else None


@final
class SlowReader:
    """Subscribes, asks for so much that nothing more fits, and reads nothing until the end."""

    def __init__(self, port: int, pair: str, category: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(UPGRADE)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._socket.recv(1)
        for _ in range(SLOW_ASKS):
            self._socket.sendall(asking(pair, category))

    def told(self, seqs: set[int | None]) -> int:
        """Read what waits, and say of how many of these commands it was told."""
        self._socket.settimeout(1.0)
        data = b""
        try:
            while part := self._socket.recv(1 << 20):
                data += part
        except TimeoutError:
            pass
        heard = {seq_of(payload) for first, payload in frames(data)[0] if first == _TEXT}
        return len((seqs & heard) - {None})


async def main() -> None:
    """Do one round."""
    loop = asyncio.get_running_loop()
    spec: dict[str, Any] = json.loads(sys.stdin.readline())
    ask = asking(spec["pair"], spec["category"])
    everybody: list[tuple[Subscriber, asyncio.Event]] = []
    for start in range(0, spec["subscribers"], TOGETHER):
        ready = [asyncio.Event() for _ in range(min(TOGETHER, spec["subscribers"] - start))]
        making = [loop.create_connection(partial(Subscriber, ask, one), "127.0.0.1", spec["port"]) for one in ready]
        everybody += [(made[1], one) for made, one in zip(await asyncio.gather(*making), ready, strict=True)]
        await asyncio.gather(*(one.wait() for one in ready))
    slow = await asyncio.to_thread(SlowReader, spec["port"], spec["pair"], spec["category"]) if spec["slow"] else None
    await asyncio.sleep(SETTLE_S)
    print("ready", flush=True)
    cpu_s, start_s = time.process_time(), time.monotonic()
    commits: list[tuple[int, int]] = json.loads(await asyncio.to_thread(sys.stdin.readline))
    cpu = (time.process_time() - cpu_s) / (time.monotonic() - start_s)
    lasts, middles, missed = [], [], 0
    for seq, since_ns in commits:
        delays = sorted(delay for one, _ in everybody if (delay := one.delay_ns(seq, since_ns)) is not None)
        missed += len(everybody) - len(delays)
        if delays:
            lasts.append(delays[-1] / 1e6)
            middles.append(delays[len(delays) // 2] / 1e6)
    told = slow.told({everybody[0][0].told_at(seq) for seq, _ in commits}) if slow is not None else 0
    print(json.dumps({"lasts_ms": lasts, "middles_ms": middles, "missed": missed, "slow_told": told, "cpu": cpu}))


if __name__ == "__main__":
    uvloop.run(main())
