"""One venue's prices, for as long as they are wanted: streamed where that works, polled where it does not.

Two tasks share the work. One keeps a WebSocket open and begins again, later each time, when it ends. The other looks every
few seconds which pairs have not been heard of, and asks for those by REST: quiet pairs, pairs beyond what a venue streams,
and all of them while the WebSocket is away.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, final

import msgspec

from app.clock import Clock
from app.feeds.backoff import Backoff
from app.feeds.board import Board, Quote
from app.feeds.health import DOWN, POLLING, STARTING, STREAMING, UNCONVERTED, UNLISTED, SourceHealth
from app.feeds.sources import Venue
from app.feeds.venues import Markets, Session, VenueFault
from exchange.limits import SOURCE_AGE_MAX_MS


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast and how patient. Units: ms."""

    quiet_ms: int = 4_000
    """A pair not heard of for so long is asked for."""
    poll_ms: int = 3_000
    timeout_ms: int = 5_000
    stall_ms: int = 30_000
    """A stream without a price for so long is begun again."""
    steady_ms: int = 60_000
    """A stream that held so long is forgiven the failures before it."""
    markets_ms: int = 3_600_000
    """How long the venue's list of pairs is good for."""
    backoff_ms: int = 500
    backoff_max_ms: int = 60_000


USUAL: Final = Pace()


@final
class Reporter:
    """Puts one venue's prices on the board, and says how that goes."""

    def __init__(self, venue: Venue, board: Board, clock: Clock, *, seed: int, pace: Pace = USUAL) -> None:
        self._venue = venue
        self._board = board
        self._clock = clock
        self._pace = pace
        self._backoffs = [
            Backoff(f"{seed} {venue.name} {task}", base_ms=pace.backoff_ms, cap_ms=pace.backoff_max_ms)
            for task in ("stream", "poll")
        ]
        self._markets: Markets | None = None
        self._markets_ms = 0
        self._is_relisted = asyncio.Event()
        self._streamed_ms = self._polled_ms = -1
        self._prices = self._dropped = self._errors = 0
        self._last_error = ""

    async def run(self) -> None:
        """Report until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stream_on())
            tasks.create_task(self._poll_on())

    def health(self, now_ms: int) -> SourceHealth:
        """Return how the venue is as a source."""
        pairs = self._pairs
        heard_ms = max(self._streamed_ms, self._polled_ms)
        fresh = self._board.fresh(self._venue.source_id, now_ms)
        return SourceHealth(
            self._venue.source_id,
            self._venue.name,
            self._state(now_ms, fresh),
            len(pairs),
            fresh,
            max(0, now_ms - heard_ms) if heard_ms >= 0 else -1,
            self._prices,
            self._dropped,
            self._errors,
            self._last_error,
            () if self._markets is None else tuple(pair for pair in self._venue.pairs if pair not in self._markets),
        )

    @property
    def _pairs(self) -> list[str]:
        return [] if self._markets is None else [pair for pair in self._venue.pairs if pair in self._markets]

    def _state(self, now_ms: int, fresh: int) -> str:
        if self._markets is not None and not self._markets:
            return UNLISTED
        is_streaming = _counts(self._streamed_ms, now_ms)
        if is_streaming or _counts(self._polled_ms, now_ms):
            is_waiting = not fresh and self._board.rate(now_ms) is None
            return UNCONVERTED if is_waiting else STREAMING if is_streaming else POLLING
        return DOWN if self._errors or max(self._streamed_ms, self._polled_ms) >= 0 else STARTING

    # --- REST --------------------------------------------------------------------------------------------------------

    async def _poll_on(self) -> None:
        backoff = self._backoffs[1]
        while True:
            try:
                markets = await self._list()
                async with self._opened(markets) as session:
                    until_ms = self._clock() + self._pace.markets_ms
                    while self._clock() < until_ms:
                        await self._poll(session)
                        backoff.reset()
                        await asyncio.sleep(self._pace.poll_ms / 1_000)
            except VenueFault as fault:
                self._blame(fault)
                await asyncio.sleep(backoff.next_ms(least_ms=fault.retry_ms) / 1_000)

    async def _list(self) -> Markets:
        """Learn which of the pairs the venue trades; what it said last stands when it does not say. Raises: VenueFault."""
        known = self._markets
        if known is not None and self._clock() - self._markets_ms <= self._pace.markets_ms:
            return known
        try:
            async with self._opened() as session:
                markets = await session.load(self._venue.pairs)
        except VenueFault as fault:
            if known is None:
                raise
            self._blame(fault)
            markets = known
        if known is None or markets.keys() != known.keys():
            self._is_relisted.set()
        self._markets, self._markets_ms = markets, self._clock()
        return markets

    async def _poll(self, session: Session) -> None:
        """Ask for the pairs that have not been heard of. Raises: VenueFault."""
        now_ms = self._clock()
        quiet = [pair for pair in self._pairs if self._is_quiet(pair, now_ms)]
        if not quiet:
            return
        quotes = await session.poll(quiet)
        if self._put(quotes, now_ms):  # the time of the question: the answer may have been long on its way
            self._polled_ms = now_ms
        elif quotes:
            raise VenueFault(self._last_error)
        elif len(quiet) == len(self._pairs):
            raise VenueFault("the answer holds none of the prices")

    def _is_quiet(self, pair: str, now_ms: int) -> bool:
        age_ms = self._board.age_ms(self._venue.source_id, pair, now_ms)
        return age_ms is None or age_ms > self._pace.quiet_ms

    # --- WebSocket ---------------------------------------------------------------------------------------------------

    async def _stream_on(self) -> None:
        backoff = self._backoffs[0]
        while True:
            await self._is_relisted.wait()
            self._is_relisted.clear()
            if self._markets:
                began_ms = self._clock()
                try:
                    async with self._opened(self._markets) as session:
                        await self._stream(session)
                except VenueFault as fault:
                    self._blame(fault)
                    if self._clock() - began_ms >= self._pace.steady_ms:
                        backoff.reset()
                    await asyncio.sleep(backoff.next_ms(least_ms=fault.retry_ms) / 1_000)
                    self._is_relisted.set()

    async def _stream(self, session: Session) -> None:
        """Take what is streamed until the pairs change. Raises: VenueFault when the stream ends or falls silent."""
        pairs = self._pairs
        pumps = [asyncio.create_task(self._pump(session, channel, pairs)) for channel in session.channels(pairs)]
        relisted = asyncio.create_task(self._is_relisted.wait())
        began_ms = self._clock()
        try:
            while not relisted.done():
                await asyncio.wait(
                    [*pumps, relisted], timeout=self._pace.stall_ms / 4_000, return_when=asyncio.FIRST_COMPLETED
                )
                for pump in pumps:
                    if pump.cancelled():  # not by us: ccxt lets go of whoever waits when a connection ends
                        raise VenueFault("the connection ended")
                    if pump.done():
                        pump.result()
                if self._clock() - max(began_ms, self._streamed_ms) > self._pace.stall_ms:
                    raise VenueFault(f"the stream was silent for {self._pace.stall_ms} ms")
        finally:
            for task in (*pumps, relisted):
                task.cancel()
            await asyncio.gather(*pumps, relisted, return_exceptions=True)

    async def _pump(self, session: Session, channel: Sequence[str], pairs: Sequence[str]) -> None:
        while True:
            await session.watch(channel)
            now_ms = self._clock()
            if self._put(session.news(pairs), now_ms):
                self._streamed_ms = now_ms

    # --- both --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _opened(self, markets: Markets | None = None) -> AsyncIterator[Session]:
        session = Session(self._venue, timeout_ms=self._pace.timeout_ms, markets=markets)
        try:
            yield session
        finally:
            await session.close()

    def _put(self, quotes: Sequence[Quote], observed_ms: int) -> int:
        """Put quotes on the board; returns how many it took."""
        taken = 0
        for quote in quotes:
            why = self._board.put(self._venue.source_id, quote, observed_ms=observed_ms, now_ms=self._clock())
            if why:
                self._dropped += 1
                self._last_error = f"dropped {quote.pair}: {why}"
            else:
                taken += 1
        self._prices += taken
        return taken

    def _blame(self, fault: VenueFault) -> None:
        self._errors += 1
        self._last_error = str(fault)


def _counts(heard_ms: int, now_ms: int) -> bool:
    return heard_ms >= 0 and now_ms - heard_ms <= SOURCE_AGE_MAX_MS
