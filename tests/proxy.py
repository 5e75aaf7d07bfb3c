"""Wires that fail: between client and database, and between client and exchange."""

import asyncio
import contextlib
import random
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, quote, urlsplit

_SOCKET = ".s.PGSQL.5432"


class Proxy:
    """Stands before a server's Unix socket. `url` leads through it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = f"{parse_qs(parts.query)['host'][0]}/{_SOCKET}"
        self._folder = Path(tempfile.mkdtemp(prefix="proxy-"))
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path}?host={quote(str(self._folder), safe='')}"
        self.keeps_answers = False
        """Questions reach the server, answers do not come back."""
        self.keeps_answers_from = b""
        """The question from which on answers do not come back."""
        self.bytes_left: int | None = None
        """So many bytes pass, either way; in the middle of the next one every connection is cut."""
        self.is_cut = False
        """Nobody gets through, new connections included."""
        self.is_silent = False
        """The server is not told that a client has gone."""
        self._server: asyncio.Server | None = None
        self._near: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_unix_server(self._serve, self._folder / _SOCKET)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        shutil.rmtree(self._folder)

    def cut(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def lose(self) -> None:
        """Close every connection on the client's side; on the server's they stay open and silent."""
        self.is_silent = True
        for writer in self._near:
            writer.close()
        self._near.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_unix_connection(self._target)
        self._near.add(writer)
        self._writers |= {writer, far_writer}
        self._start(self._copy(reader, far_writer, are_answers=False))
        self._start(self._copy(far_reader, writer, are_answers=True))

    def _start(self, copying: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(copying)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, are_answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if not are_answers and self.keeps_answers_from and self.keeps_answers_from in data:
                    self.keeps_answers = True
                if self.bytes_left is not None:
                    data, whole = data[: self.bytes_left], len(data)
                    self.bytes_left -= len(data)
                    if len(data) < whole:
                        writer.write(data)
                        self.bytes_left = None
                        self.cut()
                        return
                if not (are_answers and self.keeps_answers):
                    writer.write(data)
                    await writer.drain()
        if are_answers or not self.is_silent:
            writer.close()


class Fate(Enum):
    """What becomes of a request, as the line decides."""

    PASSES = 0
    LOST = 1
    """It never arrives, and the line is cut."""
    CUT = 2
    """A part of it arrives, and the line is cut."""
    UNHEARD = 3
    """It arrives, and the line is cut at once."""
    ANSWER_LOST = 4
    """It is answered, and the line is cut instead."""
    ANSWER_CUT = 5
    """A part of the answer comes back, and the line is cut."""
    SILENCE = 6
    """It is answered, and nothing comes back, ever."""


FATES: Final = {
    Fate.PASSES: 60,
    Fate.LOST: 6,
    Fate.CUT: 8,
    Fate.UNHEARD: 8,
    Fate.ANSWER_LOST: 12,
    Fate.ANSWER_CUT: 5,
    Fate.SILENCE: 1,
}
"""Of 100 requests."""


class Line(ABC):
    """Stands before a server on a port of its own while the block lasts. What becomes of a connection is for those made of it."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What it does with a connection."""


class LossyLine(Line):
    """Stands before an HTTP server and loses requests and answers as the dice say. One request at a time on a connection."""

    def __init__(self, port: int, dice: random.Random, weights: dict[Fate, int]) -> None:
        super().__init__(port)
        self.met: Counter[Fate] = Counter()
        """How many requests met which fate."""
        self._dice = dice
        self._fates = list(weights)
        self._weights = list(weights.values())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_writer: asyncio.StreamWriter | None = None
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            while await self._carry(await http_message(reader), far_reader, far_writer, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            for one in (writer, far_writer):
                if one is not None:
                    one.close()

    async def _carry(
        self, request: bytes, answers: asyncio.StreamReader, far: asyncio.StreamWriter, near: asyncio.StreamWriter
    ) -> bool:
        """Let one request meet its fate; False when that is the end of the line."""
        fate = self._dice.choices(self._fates, self._weights)[0]
        self.met[fate] += 1
        if fate is Fate.LOST:
            return False
        far.write(request[: self._dice.randrange(1, len(request))] if fate is Fate.CUT else request)
        await far.drain()
        if fate in (Fate.CUT, Fate.UNHEARD):
            return False
        answer = await http_message(answers)
        if fate is Fate.SILENCE:
            return True
        if fate is Fate.ANSWER_CUT:
            near.write(answer[: self._dice.randrange(1, len(answer))])
            await near.drain()
        if fate is not Fate.PASSES:
            return False
        near.write(answer)
        await near.drain()
        return True


async def http_message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer with a length. Raises: IncompleteReadError where it ends early."""
    head = await reader.readuntil(b"\r\n\r\n")
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length: ")
    if at < 0:
        return head
    length = int(lowered[at + 18 : lowered.find(b"\r\n", at + 2)])
    return head + await reader.readexactly(length)
