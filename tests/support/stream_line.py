"""A line before the stream that leaves messages out, holds them back, breaks, and at times takes nothing for so long that the
exchange cannot send any more.
"""

import asyncio
import random
import socket
from collections import Counter
from enum import Enum
from typing import Any, Final, final

import msgspec

from bench.stream_client import asking, frames
from tests.proxy import Line

READ_MAX: Final = 65_536
DELAY_S: Final = (0.02, 0.5)
STALL_S: Final = 1.0
STALL_ASKS: Final = 800
"""More than what a system keeps for a connection."""
TAKES: Final = 16_384
"""Bytes that the line's own end takes ahead."""
_TEXT: Final = 0x81
_told = msgspec.json.Decoder(dict[str, Any]).decode


class Fate(Enum):
    """What becomes of a message, as the line decides."""

    PASSES = 0
    LEFT_OUT = 1
    """Deltas of a book only."""
    DELAYED = 2
    """It and all behind it come later."""
    CUT = 3
    """A part of it arrives, and the connection ends."""
    STALLED = 4
    """The exchange is asked for the books again and again, and nothing is taken for a while."""


class Sight(Enum):
    """What the client behind the line can know of a pair's book."""

    WHOLE = 0
    TORN = 1
    """A delta was left out, and nothing has come since."""
    NOTICED = 2
    """A delta has come that does not fit: the client is to ask for a snapshot."""


@final
class StreamLine(Line):
    """Stands before a server. `weights` may be changed while it works; it counts what it did, and what must be noticed."""

    def __init__(self, port: int, dice: random.Random, weights: dict[Fate, int], *, stall_every: int) -> None:
        super().__init__(port)
        self.met: Counter[Fate] = Counter()
        self.gaps = 0
        """Deltas that came behind one that was left out."""
        self.weights = weights
        self.stall_every = stall_every
        """Each so many messages the line stalls; 0 for never."""
        self._dice = dice

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = socket.socket()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TAKES)
        far.setblocking(False)
        await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", self._target))
        far_reader, far_writer = await asyncio.open_connection(sock=far, limit=TAKES)
        try:
            questions = asyncio.ensure_future(_copy(reader, far_writer))
            try:
                await self._answer(far_reader, writer, far_writer)
            finally:
                questions.cancel()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            far_writer.close()

    async def _answer(
        self, far: asyncio.StreamReader, near: asyncio.StreamWriter, questions: asyncio.StreamWriter
    ) -> None:
        """Carry what the server says until that, or the line, ends."""
        near.write(await far.readuntil(b"\r\n\r\n"))
        sights: dict[str, Sight] = {}
        rest = b""
        while data := await far.read(READ_MAX):
            data = rest + data
            found, end = frames(data)
            rest, at = data[end:], 0
            for first, payload in found:
                head = 2 if len(payload) < 126 else 4 if len(payload) <= 65_535 else 10
                whole = data[at : at + head + len(payload)]
                at += len(whole)
                if not await self._carry(first, whole, payload, near, sights):
                    return
                if self.stall_every and sum(self.met.values()) % self.stall_every == 0 and sights:
                    await self._stall(questions, list(sights))
            await near.drain()

    async def _stall(self, questions: asyncio.StreamWriter, pairs: list[str]) -> None:
        """Ask for more than fits, and take nothing. The client hears of what it did not ask for."""
        self.met[Fate.STALLED] += 1
        for number in range(STALL_ASKS):
            questions.write(asking(pairs[number % len(pairs)], "book"))
        await questions.drain()
        await asyncio.sleep(STALL_S)

    async def _carry(
        self, first: int, whole: bytes, payload: bytes, near: asyncio.StreamWriter, sights: dict[str, Sight]
    ) -> bool:
        """Let one message meet its fate; False when that is the end of the line."""
        fate = self._dice.choices(list(self.weights), list(self.weights.values()))[0]
        told = _told(payload) if first == _TEXT else {}
        kind = told["result"]["type"] if told.get("category") == "book" else None
        if fate is Fate.LEFT_OUT and kind != "delta":
            fate = Fate.PASSES
        self.met[fate] += 1
        if fate is Fate.CUT:
            near.write(whole[: self._dice.randrange(1, len(whole))])
            return False
        if fate is Fate.DELAYED:
            await asyncio.sleep(self._dice.uniform(*DELAY_S))
        if kind is not None:
            self._see(kind, told["pair"], sights, is_left_out=fate is Fate.LEFT_OUT)
        if fate is not Fate.LEFT_OUT:
            near.write(whole)
        return True

    def _see(self, kind: str, pair: str, sights: dict[str, Sight], *, is_left_out: bool) -> None:
        """Follow what the client can know."""
        sight = sights.get(pair, Sight.WHOLE)
        if kind == "snapshot":
            sights[pair] = Sight.WHOLE
        elif is_left_out and sight is Sight.WHOLE:
            sights[pair] = Sight.TORN
        elif not is_left_out and sight is Sight.TORN:
            sights[pair] = Sight.NOTICED
            self.gaps += 1


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_MAX):
        writer.write(data)
        await writer.drain()
    writer.close()
