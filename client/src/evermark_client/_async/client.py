"""The client: sends calls and knows what to do when no answer comes."""

import asyncio
import time
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from evermark_client import calls
from evermark_client._async.rows import AsyncRows
from evermark_client.async_stream import AsyncStream
from evermark_client.calls import Call
from evermark_client.errors import Denied, NotTaken, OutcomeUnknown, Refused, Unreachable
from evermark_client.forms import Clock
from evermark_client.models import Order
from evermark_client.session import TOPICS_MAX, Session
from evermark_client.wire import lost, prepare, result_of

T = TypeVar("T")
PAUSE_S: Final = 0.05
PAUSE_MAX_S: Final = 2.0
CLOCK_ATTEMPTS: Final = 3
NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""What happens before the first byte is on its way."""


class AsyncClient(AsyncRows):
    """Evermark's REST API.

    What the exchange did not take is sent again until `deadline_s` have passed; what it may have taken is asked for by the order's id
    first. With a deadline of 0 nothing is tried twice. `transport` is httpx's, for proxies and the like.
    """

    def __init__(
        self,
        url: str,
        api_key: str = "",
        secret_key: str = "",
        *,
        timeout_s: float = 10.0,
        deadline_s: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._api_key = api_key
        self._secret_key = secret_key
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._clock = Clock()
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def call(self, call: Call[T]) -> T:
        """Send a call, as often as it is safe and there is time for it.

        Raises: Refused, Denied, NotTaken (nothing happened), OutcomeUnknown (something may have).
        """
        return await self._persist(call, time.monotonic() + self._deadline_s, is_unknown=False)

    async def settle(self, call: Call[T]) -> T:
        """Learn what became of a call that was sent elsewhere and had no answer, and send it where that is safe.

        Raises: as `call`; OutcomeUnknown at once where a second one would do it twice.
        """
        if call.is_once:
            raise OutcomeUnknown(f"{call.path} had no answer", call.client_order_id)
        deadline = time.monotonic() + self._deadline_s
        found = await self._found(call, deadline)
        if found is not None:
            return found
        return await self._persist(call, deadline, is_unknown=True)

    def stream(self, *, fills: bool = False, balances: bool = False, topics_max: int = TOPICS_MAX) -> AsyncStream:
        """The stream, with the account's own messages where the client has a key. `fills` and `balances` ask for those too.

        `topics_max`: how many public categories the exchange allows a connection, where the operator chose another number.
        """
        categories = (*(("fill_added",) if fills else ()), *(("balance_updated",) if balances else ()))
        session = Session(
            self._api_key, self._secret_key, categories=categories, clock=self._clock, topics_max=topics_max
        )
        url = str(self._http.base_url.copy_with(scheme={"http": "ws", "https": "wss"}[self._http.base_url.scheme]))
        return AsyncStream(self, url, session, timeout_s=self._timeout_s)

    async def _persist(self, call: Call[T], deadline: float, *, is_unknown: bool) -> T:
        clock_attempts = CLOCK_ATTEMPTS
        pause = PAUSE_S
        while True:
            wait = pause
            try:
                return await self._send(call)
            except Refused:
                # It may be refused because the first one was executed: a second one changes nothing, or finds nothing.
                if is_unknown:
                    found = await self._found(call, deadline)
                    if found is not None:
                        return found
                raise
            except Denied as fault:
                clock_attempts -= 1
                if fault.status != 408 or not clock_attempts or time.monotonic() + wait > deadline:
                    raise
                await self._set_clock()
            except NotTaken as fault:
                wait = max(wait, fault.retry_s)
                if time.monotonic() + wait > deadline:
                    if is_unknown:
                        raise OutcomeUnknown(str(fault), call.client_order_id, fault.retry_s) from fault
                    raise
            except OutcomeUnknown as fault:
                wait = max(wait, fault.retry_s)
                if call.is_once or time.monotonic() + wait > deadline:
                    raise
                is_unknown = True
            await asyncio.sleep(wait)
            pause = min(2 * pause, PAUSE_MAX_S)
            if is_unknown:
                found = await self._found(call, deadline)
                if found is not None:
                    return found

    async def _send(self, call: Call[T]) -> T:
        """Send a call once."""
        ready = prepare(call, self._api_key, self._secret_key, self._clock)
        url = httpx.URL(ready.path, query=ready.query) if ready.query else httpx.URL(ready.path)
        try:
            answer = await self._http.request(ready.method, url, content=ready.body or None, headers=ready.headers)
        except NOT_SENT as fault:
            raise Unreachable(f"{call.path}: {fault!r}") from fault
        except httpx.TransportError as fault:
            raise lost(call, f"{call.path}: {fault!r}") from fault
        return result_of(call, answer.status_code, answer.headers, answer.content)

    async def _found(self, call: Call[T], deadline: float) -> T | None:
        """The answer that the order gives, if it shows that the call was executed. Raises: OutcomeUnknown where it cannot be asked for."""
        asking = call.asking
        if asking is None:
            return None
        try:
            order = await self._persist(calls.find(asking.by), deadline, is_unknown=False)
            if not asking.is_done(order):
                return None
            account = await self._persist(calls.keyed("/account", calls.ACCOUNT), deadline, is_unknown=False)
        except Refused:
            return None
        except NotTaken as fault:
            raise OutcomeUnknown(str(fault), call.client_order_id, fault.retry_s) from fault
        return asking.answer(order, account)

    async def find_order(self, client_order_id: str) -> Order | None:
        """The order of this name, or None where there is none (yet: a request under way may still make it)."""
        try:
            return await self.order(client_order_id=client_order_id)
        except Refused as refusal:
            if refusal.reject != "ORDER_NOT_FOUND":
                raise
            return None

    async def _set_clock(self) -> None:
        self._clock.learn(await self._send(calls.public("/time", calls.TIME)))
