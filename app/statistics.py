"""What prices did: the candles that run, the last 24 hours, the volatility of 14 days.

Fed with every price by the projector, in the order of the journal, and with the stored candles at a start: the projector's
checkpoint divides the two. Time is that of the last command.
"""

from array import array
from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from math import fsum, log, sqrt
from typing import Final, NamedTuple, final

from app.candles import HOUR_MS, MINUTE_MS, SLOT_MS, extend, flat, grouped, open_of, tier_of
from app.db.rows import Basis, Candle

DAY_MINUTES: Final = 1_440
"""The minutes of the 24 hours: the one that runs, and those before it."""
VOLATILITY_HOURS: Final = 14 * 24
VOLATILITY_HOURS_MIN: Final = 24
"""With less than this there is no volatility to speak of."""
YEAR_HOURS: Final = 8_760
RUNNING_MAX_MS: Final = HOUR_MS
"""The longest candle whose running one is in memory."""
RECENT_MINUTES: Final = 30

HAVE_DAY: Final = (Basis.LAST, Basis.MARK)
HAVE_VOLATILITY: Final = (Basis.LAST, Basis.INDEX)
LAST: Final = Basis.LAST.value


class Day(NamedTuple):
    """The last 24 hours: the 1,440 minute candles up to the running one, gaps filled flat, as one."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int


class LastTrade(NamedTuple):
    """The newest trade, and the price of the one before it (0: there was none)."""

    price: int
    qty: int
    price_before: int


@final
class Window:
    """The closed minutes of the last 24 hours. A minute is named by its number since the epoch.

    Cost: O(1) for a minute and for a reading, in the long run.
    """

    __slots__ = ("_counts", "_first", "_highs", "_last", "_lows", "_opens", "close", "trades", "turnover", "volume")

    def __init__(self) -> None:
        self.close = 0
        self.volume = 0
        self.turnover = 0
        self.trades = 0
        self._first = -1
        self._last = -1
        self._opens = array("q", bytes(8 * DAY_MINUTES))
        # Of the minutes that may still be the highest or lowest: a later one that is as high ends an earlier one's chance.
        self._highs: deque[tuple[int, int]] = deque()
        self._lows: deque[tuple[int, int]] = deque()
        self._counts: deque[tuple[int, int, int, int]] = deque()

    def add(self, number: int, open_: int, high: int, low: int, close: int) -> None:
        """Take in a minute that closed, later than those before it."""
        opens = self._opens
        if self._first < 0:
            self._first = number
        else:
            for gap in range(max(self._last + 1, number - DAY_MINUTES + 1), number):
                opens[gap % DAY_MINUTES] = self.close
        opens[number % DAY_MINUTES] = open_
        highs, lows = self._highs, self._lows
        while highs and highs[-1][1] <= high:
            highs.pop()
        highs.append((number, high))
        while lows and lows[-1][1] >= low:
            lows.pop()
        lows.append((number, low))
        self._last = number
        self.close = close

    def count(self, number: int, volume: int, turnover: int, trades: int) -> None:
        """Take in what was traded in a minute that closed."""
        self._counts.append((number, volume, turnover, trades))
        self.volume += volume
        self.turnover += turnover
        self.trades += trades

    def expire(self, first: int) -> None:
        """Forget what was before a minute."""
        for kept in (self._highs, self._lows):
            while kept and kept[0][0] < first:
                kept.popleft()
        counts = self._counts
        while counts and counts[0][0] < first:
            _, volume, turnover, trades = counts.popleft()
            self.volume -= volume
            self.turnover -= turnover
            self.trades -= trades

    def read(self, first: int) -> tuple[int, int, int] | None:
        """Open, high and low of the minutes from `first` on, gaps filled; None without any. Requires: expired up to there."""
        if self._last < 0:
            return None
        if self._last < first:
            return self.close, self.close, self.close
        opened = self._opens[max(first, self._first) % DAY_MINUTES]
        return opened, max(opened, self._highs[0][1]), min(opened, self._lows[0][1])


@final
class Volatility:
    """How much a price moves in a year's terms, from the last price of each hour; hours without one stood still.

        volatility = sqrt(8,760 / n sum r^2),  r the logarithm of an hour's last price over that of the hour before

    n is 336 hours, or as many as there are from 24 on.
    """

    __slots__ = ("_closes", "_hour", "_made_at", "_value")

    def __init__(self) -> None:
        self._closes: deque[int] = deque(maxlen=VOLATILITY_HOURS + 1)
        self._hour = -1
        self._made_at = -1
        self._value: float | None = None

    def add(self, hour: int, close: int) -> None:
        """Take in an hour that closed, by its number since the epoch, later than those before it."""
        if self._hour >= 0:
            gap = min(hour - self._hour - 1, VOLATILITY_HOURS + 1)
            self._closes.extend([self._closes[-1]] * gap)
        self._closes.append(close)
        self._hour = hour

    def value(self, hour: int) -> float | None:
        """The volatility while an hour runs; None where too little is known."""
        if hour != self._made_at:
            self._made_at = hour
            self._value = self._make(hour)
        return self._value

    def _make(self, hour: int) -> float | None:
        if self._hour < 0:
            return None
        still = hour - 1 - self._hour
        hours = min(VOLATILITY_HOURS, len(self._closes) - 1 + still)
        if hours < VOLATILITY_HOURS_MIN:
            return None
        moved = max(0, hours - still)
        closes = list(self._closes)[-moved - 1 :]
        squares = [log(after / before) ** 2 for before, after in pairwise(closes)]
        return sqrt(YEAR_HOURS / hours * fsum(squares))


@final
class Series:
    """One price: its running candles and what is kept of those that closed."""

    __slots__ = (
        "basis",
        "batch",
        "close",
        "close_before",
        "day",
        "hour",
        "last_qty",
        "minute",
        "recent",
        "slot",
        "subject_id",
        "volatility",
    )

    def __init__(self, basis: int, subject_id: int) -> None:
        self.basis = basis
        self.subject_id = subject_id
        self.close = 0
        self.close_before = 0
        self.last_qty = 0
        self.batch = -1
        """The projector's batch that has the running slot."""
        self.slot: Candle | None = None
        self.minute: Candle | None = None
        """The closed slots of the running minute."""
        self.hour: Candle | None = None
        """The closed minutes of the running hour."""
        self.recent: deque[Candle] = deque(maxlen=RECENT_MINUTES - 1)
        self.day = Window() if Basis(basis) in HAVE_DAY else None
        self.volatility = Volatility() if Basis(basis) in HAVE_VOLATILITY else None

    def take(self, time_ms: int, price: int, qty: int) -> Candle:
        """Count a price; `qty` 0: nobody traded at it. Gives the running slot. Requires: `advance` was told the time."""
        slot = self.slot
        if slot is None:
            first = price if qty else self.close or price
            slot = Candle(self.basis, self.subject_id, SLOT_MS, time_ms - time_ms % SLOT_MS, first, first, first, first)
            self.slot = slot
            self.batch = -1
        if price > slot.high:
            slot.high = price
        elif price < slot.low:
            slot.low = price
        slot.close = price
        if qty:
            slot.volume += qty
            slot.turnover += price * qty
            slot.trades += 1
            slot.last_qty = self.last_qty = qty
        self.close_before = self.close
        self.close = price
        return slot

    def advance(self, *, slot_ms: int, minute_ms: int, hour_ms: int, closed: list[Candle]) -> None:
        """Close what began before the times given, and add the minutes and hours among it to `closed`."""
        slot = self.slot
        if slot is not None and slot.open_ms < slot_ms:
            self.minute = _gathered(self.minute, slot, MINUTE_MS)
            self.slot = None
        minute = self.minute
        if minute is not None and minute.open_ms < minute_ms:
            self.minute = None
            self.hour = _gathered(self.hour, minute, HOUR_MS)
            self.recent.append(minute)
            if self.day is not None:
                number = minute.open_ms // MINUTE_MS
                self.day.add(number, minute.open, minute.high, minute.low, minute.close)
                if minute.trades:
                    self.day.count(number, minute.volume, minute.turnover, minute.trades)
            closed.append(minute)
        hour = self.hour
        if hour is not None and hour.open_ms < hour_ms:
            self.hour = None
            if self.volatility is not None:
                self.volatility.add(hour.open_ms // HOUR_MS, hour.close)
            closed.append(hour)

    def parts(self, tier_ms: int) -> list[Candle]:
        """What the running candle of a stored interval is made of."""
        found = [self.slot]
        if tier_ms >= MINUTE_MS:
            found.insert(0, self.minute)
        if tier_ms >= HOUR_MS:
            found.insert(0, self.hour)
        return [candle for candle in found if candle is not None]


@final
class Statistics:
    """Every price's series. `time_ms` is the time of the last command that was told."""

    __slots__ = ("_series", "due_ms", "funding_rates", "time_ms")

    def __init__(self) -> None:
        self.time_ms = 0
        self.due_ms = 0
        """From then on something is to be closed: call `advance` before anything else."""
        self.funding_rates: dict[int, int] = {}
        """Of the last settled hour, by market, at 10^-12."""
        self._series: dict[tuple[int, int], Series] = {}

    # --- for the projector -------------------------------------------------------------------------------------------

    def series(self, basis: int, subject_id: int) -> Series:
        """A price's series, a new one if nothing was heard of it yet."""
        found = self._series.get((basis, subject_id))
        if found is None:
            found = self._series[basis, subject_id] = Series(basis, subject_id)
        return found

    def advance(self, time_ms: int) -> list[Candle]:
        """Close the candles that ended before a time; gives the minutes and hours that did.

        Cost: O(series), once every 15 seconds.
        """
        slot_ms = open_of(time_ms, SLOT_MS)
        minute_ms = open_of(time_ms, MINUTE_MS)
        hour_ms = open_of(time_ms, HOUR_MS)
        first = minute_ms // MINUTE_MS - DAY_MINUTES + 1
        closed: list[Candle] = []
        for series in self._series.values():
            series.advance(slot_ms=slot_ms, minute_ms=minute_ms, hour_ms=hour_ms, closed=closed)
            if series.day is not None:
                series.day.expire(first)
        self.time_ms = time_ms
        self.due_ms = slot_ms + SLOT_MS
        return closed

    # --- for readers -------------------------------------------------------------------------------------------------

    @property
    def day_ms(self) -> int:
        """When the 24 hours began."""
        return (self.time_ms // MINUTE_MS - DAY_MINUTES + 1) * MINUTE_MS

    def last_trade(self, market_id: int) -> LastTrade | None:
        """The newest trade of a market; None before the first."""
        found = self._series.get((LAST, market_id))
        return LastTrade(found.close, found.last_qty, found.close_before) if found is not None and found.close else None

    def day(self, basis: Basis, subject_id: int) -> Day | None:
        """The last 24 hours of a market's trades or mark; None where there is no price yet."""
        series = self._series.get((basis.value, subject_id))
        if series is None or series.day is None:
            return None
        window = series.day
        first = self.day_ms // MINUTE_MS
        running = grouped(series.parts(MINUTE_MS), MINUTE_MS)
        closed = window.read(first)
        if closed is None:
            if not running:
                return None
            closed = running[0].open, running[0].high, running[0].low
        opened, high, low = closed
        volume, turnover, trades = window.volume, window.turnover, window.trades
        for candle in running:
            high, low = max(high, candle.high), min(low, candle.low)
            volume, turnover, trades = volume + candle.volume, turnover + candle.turnover, trades + candle.trades
        return Day(opened, high, low, series.close, volume, turnover, trades)

    def volatility(self, basis: Basis, subject_id: int) -> float | None:
        """The annualised volatility of 14 days, of an index or of a market's trades; None where too little is known."""
        series = self._series.get((basis.value, subject_id))
        if series is None or series.volatility is None:
            return None
        return series.volatility.value(self.time_ms // HOUR_MS)

    def running(self, basis: Basis, subject_id: int, interval_ms: int) -> Candle | None:
        """The running candle, flat where nothing happened in it yet; None where there is no price yet.

        Requires: the interval is an hour at most.
        """
        assert interval_ms <= RUNNING_MAX_MS, "longer candles are made of stored ones"
        series = self._series.get((basis.value, subject_id))
        if series is None or not series.close:
            return None
        open_ms = open_of(self.time_ms, interval_ms)
        tier_ms = tier_of(interval_ms)
        parts = series.parts(tier_ms)
        if tier_ms == MINUTE_MS:
            parts = [*(candle for candle in series.recent if candle.open_ms >= open_ms), *parts]
        found = grouped(parts, interval_ms)
        if found:
            return found[0]
        last = Candle(series.basis, subject_id, 0, 0, 0, 0, 0, series.close, last_qty=series.last_qty)
        return flat(last, interval_ms, open_ms)

    def tail(self, basis: Basis, subject_id: int, tier_ms: int) -> list[Candle]:
        """The running candle of a stored interval where something happened in it, else nothing."""
        series = self._series.get((basis.value, subject_id))
        return grouped(series.parts(tier_ms), tier_ms) if series is not None else []

    # --- for a start -------------------------------------------------------------------------------------------------

    def begin_at(self, time_ms: int) -> None:
        """Start at the time of a checkpoint: what comes next is the stored candles of before it."""
        self.time_ms = time_ms
        self.due_ms = open_of(time_ms, SLOT_MS) + SLOT_MS if time_ms else 0

    def recall_day(self, basis: int, subject_id: int, rows: Iterable[tuple[int, ...]]) -> None:
        """Take back closed minutes of the 24 hours and the newest before: (open_ms, open, high, low, close, volume, turnover,
        trades, last_qty), oldest first.
        """
        series = self.series(basis, subject_id)
        window = series.day
        for open_ms, open_, high, low, close, volume, turnover, trades, last_qty in rows:
            series.close, series.last_qty = close, last_qty
            if window is not None:
                number = open_ms // MINUTE_MS
                window.add(number, open_, high, low, close)
                if trades:
                    window.count(number, int(volume), int(turnover), trades)
        if window is not None:
            window.expire(self.day_ms // MINUTE_MS)

    def recall_minutes(self, minutes: Iterable[Candle]) -> None:
        """Take back the closed minutes of the running hour and of the last half hour, oldest first."""
        hour_ms = open_of(self.time_ms, HOUR_MS)
        for minute in minutes:
            series = self.series(minute.basis, minute.subject_id)
            series.recent.append(minute)
            if minute.open_ms >= hour_ms:
                series.hour = _gathered(series.hour, minute, HOUR_MS)

    def recall_slots(self, slots: Iterable[Candle]) -> None:
        """Take back the slots of the running minute, oldest first."""
        slot_ms = open_of(self.time_ms, SLOT_MS)
        for slot in slots:
            series = self.series(slot.basis, slot.subject_id)
            series.close = slot.close
            if slot.trades:
                series.last_qty = slot.last_qty
            if slot.open_ms >= slot_ms:
                series.slot = slot
            else:
                series.minute = _gathered(series.minute, slot, MINUTE_MS)

    def recall_hour(self, basis: int, subject_id: int, open_ms: int, close: int) -> None:
        """Take back a closed hour, later than those before it."""
        series = self.series(basis, subject_id)
        if series.volatility is not None:
            series.volatility.add(open_ms // HOUR_MS, close)


def _gathered(whole: Candle | None, part: Candle, interval_ms: int) -> Candle:
    """What has gathered of a longer candle, with one more part."""
    if whole is None:
        return grouped([part], interval_ms)[0]
    extend(whole, part)
    return whole
