"""The stream for coroutines: one task reads, answers go to those who wait for them, everything else to the iterator."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from evermark_client._async.orders import AsyncOrders
from evermark_client.book import LocalBook
from evermark_client.calls import Call
from evermark_client.errors import EvermarkError, NotTaken, OutcomeUnknown, Unreachable
from evermark_client.events import Event, Reconnected
from evermark_client.session import CONTROL, OPS, Reply, Session, refusal_of, result_of

if TYPE_CHECKING:
    from evermark_client._async.client import AsyncClient

T = TypeVar("T")
EVENTS_MAX: Final = 10_000
"""Events that may wait to be taken. Beyond that nothing is read, and in the end the exchange lets go of the connection."""
PAUSE_S: Final = 0.1
PAUSE_MAX_S: Final = 5.0
BROKEN: Final = (OSError, WebSocketException, TimeoutError)


class AsyncStream(AsyncOrders):
    """A connection to the stream that stands up again. Iterate over it for what happens.

    Orders go over it as well; when it breaks before their answer, they are settled over REST by their ids.
    """

    def __init__(self, client: "AsyncClient", url: str, session: Session, *, timeout_s: float) -> None:
        self._client = client
        self._url = url
        self._session = session
        self._timeout_s = timeout_s
        self._socket: ClientConnection | None = None
        self._events: asyncio.Queue[Event | EvermarkError] = asyncio.Queue(EVENTS_MAX)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._connect()
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hang up."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._socket is not None:
            await self._socket.close()
        self._break()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event. Raises: what the exchange refused the connection for."""
        event = await self._events.get()
        if isinstance(event, EvermarkError):
            self._events.put_nowait(event)  # whoever asks again is told again
            raise event
        return event

    async def next(self, timeout_s: float) -> Event:
        """The next event. Raises: TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await anext(self)

    async def subscribe(self, pair: str, category: str) -> None:
        """Hear of a category: depth, ticker, index, ohlcv (also `ohlcv:1m`, `ohlcv:1m:mark`), match, trades, liquidation.

        While the connection is broken it is noted for the next one. Raises: Refused.
        """
        topic = f"{pair}:{category}"
        try:
            await self._control(partial(self._session.subscribe, topic))
        except (Unreachable, OutcomeUnknown):
            pass  # the next connection begins with it
        except EvermarkError:
            self._session.forget(topic)
            raise

    async def unsubscribe(self, pair: str, category: str) -> None:
        """Hear of it no longer."""
        with contextlib.suppress(Unreachable, OutcomeUnknown):  # the next connection begins without it
            await self._control(partial(self._session.unsubscribe, f"{pair}:{category}"))

    async def book(self, pair: str) -> LocalBook:
        """Keep a local book. It is there after its first `BookChanged`, and the same object at each, and for whoever asks again."""
        known = self._session.books.get(pair)
        if known is not None:
            return known
        terms = (await self._client.pairs())[pair]
        book = LocalBook(pair, price_decimals=terms.quote_precision, qty_decimals=terms.base_precision)
        self._session.books[pair] = book
        await self.subscribe(pair, "book")
        return book

    async def call(self, call: Call[T]) -> T:
        """Send an order operation; settle it over REST when the connection breaks before its answer."""
        if call.path not in OPS:
            return await self._client.call(call)
        try:
            return result_of(call, await self._ask(self._session.command(call)))
        except NotTaken:
            return await self._client.call(call)
        except OutcomeUnknown:
            return await self._client.settle(call)

    async def _control(self, say: Callable[[], tuple[int, str]]) -> None:
        """Say something until it is taken. Raises: its refusal; Unreachable, OutcomeUnknown."""
        deadline = time.monotonic() + self._timeout_s
        pause = PAUSE_S
        while (reply := await self._ask(say())).code != 200:
            refusal = refusal_of(CONTROL, reply)
            if not isinstance(refusal, NotTaken) or time.monotonic() + pause > deadline:
                raise refusal
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_MAX_S)

    async def _ask(self, said: tuple[int, str]) -> Reply:
        """Say something and wait for its answer. Raises: Unreachable (not said), OutcomeUnknown (not answered)."""
        mark, text = said
        if self._socket is None:
            raise Unreachable("the stream is not connected")
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[mark] = answer
        try:
            await self._socket.send(text)
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except BROKEN as fault:
            raise OutcomeUnknown(f"the stream broke before the answer: {fault!r}") from fault
        finally:
            self._waiting.pop(mark, None)

    async def _connect(self) -> None:
        """Connect and say who we are. Raises: Unreachable, Denied and the like."""
        try:
            socket = await connect(self._url, compression=None, open_timeout=self._timeout_s)
        except (*BROKEN, InvalidHandshake) as fault:
            raise Unreachable(f"the stream cannot be reached: {fault!r}") from fault
        try:
            for _, text in self._session.opening():
                await socket.send(text)
        except BROKEN as fault:
            raise Unreachable(f"the stream broke at once: {fault!r}") from fault
        self._socket = socket

    async def _read(self) -> None:
        """Read, and connect again, until somebody hangs up or the exchange refuses us."""
        pause = PAUSE_S
        while True:
            socket = self._socket
            assert socket is not None
            try:
                async for data in socket:
                    pause = PAUSE_S
                    await self._heard(socket, data)
            except BROKEN:
                pass  # told by the reconnection
            except EvermarkError as refusal:
                self._break()
                await self._events.put(refusal)
                return
            self._break()
            while self._socket is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSE_MAX_S)
                with contextlib.suppress(Unreachable):
                    await self._connect()
            await self._events.put(Reconnected())

    async def _heard(self, socket: ClientConnection, data: str | bytes) -> None:
        heard = self._session.hear(data)
        for text in self._session.to_say:
            await socket.send(text)
        if isinstance(heard, Reply):
            await self._replied(socket, heard)
        elif heard is not None:
            await self._events.put(heard)

    async def _replied(self, socket: ClientConnection, reply: Reply) -> None:
        waiting = self._waiting.get(reply.mark)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)
            return
        text = self._session.again(reply)
        if text is not None:
            await asyncio.sleep(PAUSE_S)
            await socket.send(text)

    def _break(self) -> None:
        """The connection has gone, and every answer with it."""
        self._socket = None
        self._session.lost()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(OSError("the connection broke"))
