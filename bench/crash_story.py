"""The rehearsed crash, inside: the journal read again, second by second, and the report made of it.

The time of ticks is measured here, while the same commands are applied to the same core once more; how late they came in the running
server, the journal itself tells.
"""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.db.connect import connect
from app.journal import EMPTY, read
from app.settings import Settings
from app.store import database_url
from bench import report, svg
from exchange import margins
from exchange.audit import audit
from exchange.commands import Command, Tick
from exchange.events import (
    Event,
    LiquidationStarted,
    LossSocialised,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
)
from exchange.exchange import Exchange
from exchange.limits import FUND_ACCOUNT_ID

USD: Final = 10**8
BTC_MARKET: Final = 1
BTC_INDEX: Final = 1
AUDIT_EVERY: Final = 1_000
MINUTE_MS: Final = 60_000
STEP_MINUTES: Final = 5


@dataclass
class Minute:
    """What happened in a minute of the exchange. Units: USD."""

    mark: float = 0.0
    started: int = 0
    sliced: float = 0.0
    by_providers: float = 0.0
    by_fund: float = 0.0
    deleveraged: float = 0.0
    socialised: float = 0.0
    deleveragings: int = 0
    fund: float = 0.0
    holders: int = 0
    ticks: int = 0
    tick_s: float = 0.0
    tick_worst_s: float = 0.0
    gap_worst_ms: int = 0
    commands: int = 0


@dataclass
class Story:
    """The crash, minute by minute, with what came before it."""

    minutes: list[Minute] = field(default_factory=list)
    tick_s: list[float] = field(default_factory=list)
    gaps_ms: list[int] = field(default_factory=list)
    """Between two ticks in the journal."""
    liquidated: set[int] = field(default_factory=set)
    """Accounts, each once however often it became unsafe again."""
    opened: int = 0
    start_price: float = 0.0
    low_price: float = 0.0
    fund_least: float = 0.0
    fund_first: float = 0.0
    audits: int = 0
    broken: list[str] = field(default_factory=list)
    hash: str = ""

    def figures(self) -> dict[str, report.Value]:
        """Return the totals."""
        gaps = sorted(self.gaps_ms) or [0]
        return {
            "mark_fell_percent": round(100 * (1 - self.low_price / self.start_price), 2) if self.start_price else 0.0,
            "accounts_liquidated": len(self.liquidated),
            "liquidations_begun": sum(one.started for one in self.minutes),
            "sliced_usd": round(sum(one.sliced for one in self.minutes)),
            "by_providers_usd": round(sum(one.by_providers for one in self.minutes)),
            "by_fund_usd": round(sum(one.by_fund for one in self.minutes)),
            "deleveraged_usd": round(sum(one.deleveraged for one in self.minutes)),
            "deleveragings": sum(one.deleveragings for one in self.minutes),
            "socialised_usd": round(sum(one.socialised for one in self.minutes), 2),
            "fund_first_usd": round(self.fund_first),
            "fund_least_usd": round(self.fund_least),
            "fund_last_usd": round(self.minutes[-1].fund) if self.minutes else 0,
            "open_first": self.opened,
            "open_last": self.minutes[-1].holders if self.minutes else 0,
            "ticks": len(self.tick_s),
            "tick_median_ms": round(1e3 * statistics.median(self.tick_s or [0.0]), 3),
            "tick_p99_ms": round(1e3 * sorted(self.tick_s or [0.0])[len(self.tick_s) * 99 // 100], 2),
            "tick_worst_ms": round(1e3 * max(self.tick_s or [0.0]), 2),
            "ticks_total_s": round(sum(self.tick_s), 2),
            "tick_gap_median_ms": gaps[len(gaps) // 2],
            "tick_gap_p99_ms": gaps[len(gaps) * 99 // 100],
            "tick_gap_worst_ms": gaps[-1],
            "recounts": self.audits,
            "laws_broken": len(self.broken),
        }

    def write(self, folder: Path, conditions: Mapping[str, report.Value]) -> None:
        """Print the totals; write the report and its plot."""
        folder.mkdir(parents=True, exist_ok=True)
        figures = self.figures()
        report.table(("figure", "value"), [[name, value] for name, value in figures.items()])
        (folder / "crash.svg").write_text(svg.panels(self._panels(), minutes=len(self.minutes)), "utf-8")
        (folder / "crash.md").write_text(self._page(conditions, figures), "utf-8")
        print(f"\n  written: {folder / 'crash.md'}")

    def _panels(self) -> list[svg.Panel]:
        minutes = self.minutes
        return [
            svg.Panel("BTC mark, USD", [("mark", [one.mark for one in minutes])]),
            svg.Panel("accounts with a position", [("open", [float(one.holders) for one in minutes])]),
            svg.Panel(
                "liquidations begun in the minute", [("begun", [float(one.started) for one in minutes])], is_bars=True
            ),
            svg.Panel(
                "closed in the minute, thousand USD",
                [
                    ("slices", [one.sliced / 1e3 for one in minutes]),
                    ("providers", [one.by_providers / 1e3 for one in minutes]),
                    ("fund", [one.by_fund / 1e3 for one in minutes]),
                    ("deleveraged", [one.deleveraged / 1e3 for one in minutes]),
                ],
                is_bars=True,
            ),
            svg.Panel("insurance fund, thousand USD", [("equity", [one.fund / 1e3 for one in minutes])]),
            svg.Panel(
                "time in a tick, ms",
                [
                    ("worst", [1e3 * one.tick_worst_s for one in minutes]),
                    ("mean", [1e3 * one.tick_s / max(1, one.ticks) for one in minutes]),
                ],
            ),
        ]

    def _page(self, conditions: Mapping[str, report.Value], figures: Mapping[str, report.Value]) -> str:
        lines = [
            "# A crash on the running server",
            "",
            "`make crash` (`python -m bench.crash`) made this page. Every account, deposit, key and margin mode came through the operator's",
            "socket, every position through a signed REST order against makers that quote over REST as well; then the server was started",
            "again on the same journal with its clock running fast and a recorded crash as its feed, and the makers quoted on. What",
            "happened is read from the journal; the time of ticks is measured while its commands are applied once more.",
            "",
            "![The crash, minute by minute](crash.svg)",
            "",
            "## Conditions",
            "",
            *[f"- {name}: {_plain(value)}" for name, value in conditions.items()],
            "",
            "## Totals",
            "",
            "| | |",
            "|---|---:|",
            *[f"| {name} | {_plain(value)} |" for name, value in figures.items()],
            "",
            f"Each {STEP_MINUTES} minutes of the exchange's time; amounts in USD at the mark or the bankruptcy price; `latest` is the longest time between "
            "two ticks, in the exchange's ms:",
            "",
            "| minute | mark | open | begun | slices | providers | fund takes | deleveraged | socialised | fund | ticks | ms a tick | worst ms | latest ms |",
            "|" + "---:|" * 14,
        ]
        for at in range(0, len(self.minutes), STEP_MINUTES):
            lines.append(self._row(at, self.minutes[at : at + STEP_MINUTES]))
        lines += ["", f"State hash at the end: `{self.hash}`.", ""]
        lines += [f"- BROKEN: {one}" for one in self.broken[:20]]
        return "\n".join(lines)

    def _row(self, at: int, some: list[Minute]) -> str:
        last = some[-1]
        ticks = sum(one.ticks for one in some)
        cells = [
            f"{at}",
            f"{last.mark:,.0f}",
            f"{last.holders:,}",
            f"{sum(one.started for one in some):,}",
            f"{sum(one.sliced for one in some):,.0f}",
            f"{sum(one.by_providers for one in some):,.0f}",
            f"{sum(one.by_fund for one in some):,.0f}",
            f"{sum(one.deleveraged for one in some):,.0f}",
            f"{sum(one.socialised for one in some):,.2f}",
            f"{last.fund:,.0f}",
            f"{ticks:,}",
            f"{1e3 * sum(one.tick_s for one in some) / max(1, ticks):.2f}",
            f"{1e3 * max(one.tick_worst_s for one in some):.2f}",
            f"{max(one.gap_worst_ms for one in some):,}",
        ]
        return "| " + " | ".join(cells) + " |"


def _plain(value: report.Value) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


async def tell(data_dir: Path, makers: int, after_seq: int) -> Story:
    """Read an exchange's journal from its beginning; the crash begins after a seq. Requires: the exchange has stopped.

    `makers` are the accounts after the traders' that are not counted.
    """
    async with database_url(Settings(data_dir=data_dir)) as url:
        connection = await connect(url)
        try:
            reader = Reader(makers)
            async for batch in read(connection, EMPTY):
                for seq, command in enumerate(batch.commands, batch.first_seq):
                    if seq == after_seq + 1:
                        reader.begin(batch.time_ms)
                    reader.take(command, batch.time_ms)
            return reader.end()
        finally:
            await connection.close()


class Reader:
    """Applies the journal's commands and notes what they did, from the restart with the fast clock on."""

    def __init__(self, makers: int) -> None:
        self.makers = makers
        self.exchange = Exchange()
        self.story = Story()
        self.count = 0
        self.start_ms = 0
        self.tick_ms = 0
        self.minute = Minute()

    def take(self, command: Command, time_ms: int) -> None:
        """Apply one command."""
        start = time.perf_counter()
        events = self.exchange.apply(command, time_ms)
        seconds = time.perf_counter() - start
        self.count += 1
        if self.count % AUDIT_EVERY == 0 or (self.start_ms and isinstance(command, Tick) and len(events) > 200):
            self._audit()
        if self.start_ms:
            self._note(command, events, seconds, time_ms)

    def begin(self, time_ms: int) -> None:
        """From here on it is the crash."""
        self.start_ms = self.tick_ms = time_ms
        story = self.story
        story.opened = self._holders()
        story.fund_first = story.fund_least = self._fund()
        story.start_price = story.low_price = self._mark()

    def _note(self, command: Command, events: list[Event], seconds: float, time_ms: int) -> None:
        story = self.story
        at = (time_ms - self.start_ms) // MINUTE_MS
        while len(story.minutes) <= at:
            self._close_minute()
            self.minute = Minute()
            story.minutes.append(self.minute)
        minute = self.minute
        minute.commands += 1
        if isinstance(command, Tick):
            story.tick_s.append(seconds)
            gap_ms = time_ms - self.tick_ms
            story.gaps_ms.append(gap_ms)
            minute.gap_worst_ms = max(minute.gap_worst_ms, gap_ms)
            self.tick_ms = time_ms
            minute.ticks += 1
            minute.tick_s += seconds
            minute.tick_worst_s = max(minute.tick_worst_s, seconds)
            story.low_price = min(story.low_price, self._mark())
            story.fund_least = min(story.fund_least, self._fund())
        markets = self.exchange.state.markets
        for event in events:
            if isinstance(event, LiquidationStarted) and event.account_id != FUND_ACCOUNT_ID:
                minute.started += 1
                story.liquidated.add(event.account_id)
            elif isinstance(event, Traded):
                if event.is_liquidation:
                    minute.sliced += event.qty * event.price * markets[event.market_id].unit_value / USD
            elif isinstance(event, PositionTakenOver):
                if event.taker_account_id == FUND_ACCOUNT_ID:
                    minute.by_fund += event.value / USD
                else:
                    minute.by_providers += event.value / USD
            elif isinstance(event, PositionDeleveraged):
                minute.deleveraged += event.value / USD
                minute.deleveragings += 1
            elif isinstance(event, LossSocialised):
                minute.socialised += event.loss / USD

    def _close_minute(self) -> None:
        minute = self.minute
        minute.mark = self._mark()
        minute.fund = self._fund()
        minute.holders = self._holders()

    def _mark(self) -> float:
        market = self.exchange.state.markets[BTC_MARKET]
        scale: int = 10**market.instrument.price_decimals
        return market.mark_price / scale

    def _fund(self) -> float:
        return margins.equity(self.exchange.state.accounts[FUND_ACCOUNT_ID], 1) / USD

    def _holders(self) -> int:
        """Count the traders with a position."""
        last_trader = len(self.exchange.state.accounts) - 1 - self.makers
        found = 0
        for account in self.exchange.state.accounts.values():
            if 0 < account.account_id <= last_trader:
                found += any(holding.position.qty for holding in account.holdings.values())
        return found

    def _audit(self) -> None:
        self.story.audits += 1
        self.story.broken += audit(self.exchange)

    def end(self) -> Story:
        """Count everything once more."""
        self._close_minute()
        self._audit()
        self.story.hash = self.exchange.state_hash().hex()
        return self.story
