"""The stream for programs without coroutines: it is read when somebody waits for an event or an answer."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import ClientConnection, connect

from evermark_client._sync.orders import Orders
from evermark_client.book import LocalBook
from evermark_client.calls import Call
from evermark_client.errors import EvermarkError, NotTaken, OutcomeUnknown, Unreachable
from evermark_client.events import Event, Reconnected
from evermark_client.session import CONTROL, OPS, Reply, Session, refusal_of, result_of

if TYPE_CHECKING:
    from evermark_client._sync.client import Client

T = TypeVar("T")
PAUSE_S: Final = 0.1
PAUSE_MAX_S: Final = 5.0
BROKEN: Final = (OSError, WebSocketException)


class Stream(Orders):
    """A connection to the stream that stands up again. Iterate over it for what happens; one thread at a time.

    Orders go over it as well; when it breaks before their answer, they are settled over REST by their ids.
    """

    def __init__(self, client: "Client", url: str, session: Session, *, timeout_s: float) -> None:
        self._client = client
        self._url = url
        self._session = session
        self._timeout_s = timeout_s
        self._socket: ClientConnection | None = None
        self._events: deque[Event] = deque()
        self._refusal: EvermarkError | None = None
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._break()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        """The next event, however long it takes. Raises: what the exchange refused the connection for."""
        while True:
            try:
                return self.next(self._timeout_s)
            except TimeoutError:
                pass  # nothing happened; the library's own pings ask whether the exchange is there

    def next(self, timeout_s: float) -> Event:
        """The next event. Raises: TimeoutError; later than asked for where a connection is just being made anew."""
        deadline = time.monotonic() + timeout_s
        while not self._events:
            if self._refusal is not None:
                raise self._refusal  # whoever asks again is told again
            self._pump(deadline)
        return self._events.popleft()

    def subscribe(self, pair: str, category: str) -> None:
        """Hear of a category: depth, ticker, index, ohlcv (also `ohlcv:1m`, `ohlcv:1m:mark`), match, trades, liquidation.

        While the connection is broken it is noted for the next one. Raises: Refused.
        """
        topic = f"{pair}:{category}"
        try:
            self._control(partial(self._session.subscribe, topic))
        except (Unreachable, OutcomeUnknown):
            pass  # the next connection begins with it
        except EvermarkError:
            self._session.forget(topic)
            raise

    def unsubscribe(self, pair: str, category: str) -> None:
        """Hear of it no longer."""
        with suppress(Unreachable, OutcomeUnknown):  # the next connection begins without it
            self._control(partial(self._session.unsubscribe, f"{pair}:{category}"))

    def book(self, pair: str) -> LocalBook:
        """Keep a local book. It is there after its first `BookChanged`, and the same object at each, and for whoever asks again."""
        known = self._session.books.get(pair)
        if known is not None:
            return known
        terms = self._client.pairs()[pair]
        book = LocalBook(pair, price_decimals=terms.quote_precision, qty_decimals=terms.base_precision)
        self._session.books[pair] = book
        self.subscribe(pair, "book")
        return book

    def call(self, call: Call[T]) -> T:
        """Send an order operation; settle it over REST when the connection breaks before its answer."""
        if call.path not in OPS:
            return self._client.call(call)
        try:
            return result_of(call, self._ask(self._session.command(call)))
        except NotTaken:
            return self._client.call(call)
        except OutcomeUnknown:
            return self._client.settle(call)

    def _control(self, say: Callable[[], tuple[int, str]]) -> None:
        """Say something until it is taken. Raises: its refusal; Unreachable, OutcomeUnknown."""
        deadline = time.monotonic() + self._timeout_s
        pause = PAUSE_S
        while (reply := self._ask(say())).code != 200:
            refusal = refusal_of(CONTROL, reply)
            if not isinstance(refusal, NotTaken) or time.monotonic() + pause > deadline:
                raise refusal
            time.sleep(pause)
            pause = min(2 * pause, PAUSE_MAX_S)

    def _ask(self, said: tuple[int, str]) -> Reply:
        """Say something and read until its answer. Raises: Unreachable (not said), OutcomeUnknown (not answered)."""
        mark, text = said
        socket = self._socket
        if socket is None:
            raise Unreachable("the stream is not connected")
        deadline = time.monotonic() + self._timeout_s
        try:
            socket.send(text)
            while True:
                reply = self._hear(socket, deadline)
                if reply is not None and reply.mark == mark:
                    return reply
        except TimeoutError as fault:
            raise OutcomeUnknown("the stream did not answer in time") from fault
        except BROKEN as fault:
            self._break()
            raise OutcomeUnknown(f"the stream broke before the answer: {fault!r}") from fault

    def _pump(self, deadline: float) -> None:
        """Read one message, or connect again. Raises: TimeoutError."""
        if self._socket is None:
            self._reconnect(deadline)
            return
        try:
            self._hear(self._socket, deadline)
        except TimeoutError:
            raise
        except BROKEN:
            self._break()

    def _hear(self, socket: ClientConnection, deadline: float) -> Reply | None:
        """Read one message: an event is kept, a reply is given. Raises: TimeoutError, or what broke."""
        heard = self._session.hear(socket.recv(timeout=max(0.0, deadline - time.monotonic())))
        for text in self._session.to_say:
            socket.send(text)
        if isinstance(heard, Reply):
            self._replied(socket, heard)
            return heard
        if heard is not None:
            self._events.append(heard)
        return None

    def _replied(self, socket: ClientConnection, reply: Reply) -> None:
        try:
            text = self._session.again(reply)
        except EvermarkError as refusal:
            self._refusal = refusal
            self._break()
            raise
        if text is not None:
            time.sleep(PAUSE_S)
            socket.send(text)

    def _connect(self) -> None:
        """Connect and say who we are. Raises: Unreachable."""
        try:
            socket = self._exits.enter_context(connect(self._url, compression=None, open_timeout=self._timeout_s))
            for _, text in self._session.opening():
                socket.send(text)
        except (*BROKEN, InvalidHandshake) as fault:
            self._exits.close()
            raise Unreachable(f"the stream cannot be reached: {fault!r}") from fault
        self._socket = socket

    def _reconnect(self, deadline: float) -> None:
        """Connect again. Raises: TimeoutError."""
        pause = PAUSE_S
        while self._socket is None:
            try:
                self._connect()
            except NotTaken:
                if time.monotonic() + pause > deadline:
                    raise TimeoutError("the stream cannot be reached") from None
                time.sleep(pause)
                pause = min(2 * pause, PAUSE_MAX_S)
        self._events.append(Reconnected())

    def _break(self) -> None:
        self._socket = None
        self._exits.close()
        self._session.lost()
