"""The GET rows of charts: /ticker and /ohlcv."""

from collections.abc import Iterable
from typing import Final, TypeVar, final

import msgspec
from litestar.types import Receive

from app import forms, wire
from app.candles import SLOT_MS, filled, kept_from, open_of
from app.db.rows import Basis, Candle
from app.door import Answer, Request
from app.problems import Malformed
from app.surfaces.everstrike.answers import Json, success
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.kept import Kept
from app.surfaces.everstrike.pairs import Pair
from app.surfaces.everstrike.reading import limit_of
from app.surfaces.everstrike.tickers import BASES, INTERVAL_WORDS, Tickers, candle_json, subject_of

T = TypeVar("T")

CANDLES: Final = 250
DEFAULT_INTERVAL: Final = "5m"
DEFAULT_BASIS: Final = "last"

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


@final
class Charts:
    """The handlers."""

    __slots__ = ("_all", "_desk", "_tickers")

    def __init__(self, desk: Desk) -> None:
        self._all = Kept()
        self._desk = desk
        self._tickers = Tickers(desk)

    async def ticker(self, request: Request, _receive: Receive) -> Answer:
        """GET /ticker: of one pair or of all, in the envelope and, as Everstrike's own client reads it, beside it."""
        desk = self._desk
        name = forms.decode_query(request.query).get("pair")
        if name:
            return self._tickers_of([desk.pairs.need(name)])
        return self._all.answer(desk.sequencer.seq, lambda: self._tickers_of(desk.pairs.all()))

    def _tickers_of(self, pairs: Iterable[Pair]) -> Answer:
        found = {pair.name: msgspec.Raw(_encode(self._tickers.ticker(pair))) for pair in pairs}
        return Answer(_encode({"code": 200, "msg": None, "result": found, **found}))

    async def ohlcv(self, request: Request, _receive: Receive) -> Answer:
        """GET /ohlcv: oldest first, gaps filled flat, up to the running candle."""
        desk = self._desk
        query = forms.decode_query(request.query)
        pair = desk.pairs.need(forms.needed(query, "pair"))
        interval_ms = chosen(query, "interval", INTERVAL_WORDS, DEFAULT_INTERVAL)
        basis = chosen(query, "basis", BASES, DEFAULT_BASIS)
        queries = desk.queries
        times = times_of(query, interval_ms, queries.statistics.time_ms)
        subject = subject_of(pair, basis)
        rows: list[Json] = []
        if subject is not None and times:
            found = await self._candles(subject, interval_ms, times)
            if not found and query.get("start") and not query.get("end"):
                # Whoever pages forward begins where there is something.
                first_ms = await queries.first_candle_ms(subject[1], subject[0], interval_ms)
                if first_ms is not None and first_ms > times[-1]:
                    times = times_of({**query, "start": str(first_ms)}, interval_ms, queries.statistics.time_ms)
                    found = await self._candles(subject, interval_ms, times)
            rows = [candle_json(candle, pair) for candle in found]
        return success(rows)

    async def _candles(self, subject: tuple[Basis, int], interval_ms: int, times: range) -> list[Candle]:
        basis, subject_id = subject  # an option's index is its own
        queries = self._desk.queries
        candles = await queries.candles(
            subject_id, basis=basis, interval_ms=interval_ms, start_ms=times[0], end_ms=times[-1]
        )
        before = None
        if not candles or candles[0].open_ms > times[0]:
            before = await queries.candle_before(subject_id, basis, times[0])
        return filled(candles, before, interval_ms=interval_ms, times=times)


def times_of(query: dict[str, str], interval_ms: int, now_ms: int) -> range:
    """When the candles begin that are asked for: those that `start` and `end` lie in and those between.

    With more than `limit` of them it is the last ones, but the first ones where only `start` is given. Raises: Malformed.
    """
    kept_ms = kept_from(now_ms) if interval_ms == SLOT_MS else 0
    limit = limit_of(query, CANDLES)
    start, end = query.get("start"), query.get("end")
    last_ms = open_of(min(wire.time_ms(end, "end"), now_ms) if end else now_ms, interval_ms)
    first_ms = last_ms - (limit - 1) * interval_ms
    if start:
        start_ms = max(open_of(wire.time_ms(start, "start"), interval_ms), kept_ms)
        if end:
            first_ms = max(first_ms, start_ms)
        else:
            first_ms = start_ms
            last_ms = min(last_ms, start_ms + (limit - 1) * interval_ms)
    return range(max(first_ms, kept_ms), last_ms + 1, interval_ms)


def chosen(query: dict[str, str], name: str, words: dict[str, T], default: str) -> T:
    """What a word of a parameter means. Raises: Malformed."""
    found = words.get(query.get(name) or default)
    if found is None:
        raise Malformed(name, f"{name} must be one of {', '.join(words)}.")
    return found
