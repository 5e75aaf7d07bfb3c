"""A wire between client and database that can be cut, or let the question through and keep the answer."""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
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
