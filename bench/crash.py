"""A crash rehearsed on the running server: -40% in an hour, its clock at 60 times, thousands of leveraged accounts.

    python -m bench.crash [--accounts 10000] [--rate 60] [--seed 1]

Accounts, money and keys come through the operator's socket, positions through signed REST orders against makers that quote; then the
server is started again on the same journal with a fast clock and the recorded crash as its feed, while the makers quote on. What
happened is read from the journal afterwards: `bench/crash_story.py`.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from app import compiled, control
from bench import report
from bench.crash_doors import (
    FUND_USD,
    PROVIDER_USD,
    PROVIDERS,
    Clock,
    Line,
    Trader,
    keep_quoting,
    open_positions,
    open_traders,
)
from bench.crash_story import tell
from bench.http import UNLIMITED, cpu, free_port, running

ROOT: Final = Path(__file__).parent.parent
REPORTS: Final = ROOT / "docs" / "reports"
INDICES: Final = ("BTC_USD", "ETH_USD")
PATH_S: Final = 300 + 3_600
"""The recording: calm, then the hour of the fall."""
AFTER_S: Final = 120
PAUSE_S: Final = 0.2
"""Between two quotes of a maker."""


def main() -> int:
    """Rehearse, read the journal, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=60, help="seconds of the exchange in one of the wall")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=REPORTS)
    given = parser.parse_args()
    compiled.use()  # as the server does: the conditions say which core it runs
    conditions: dict[str, report.Value] = {
        **report.conditions(),
        "accounts": given.accounts,
        "clock_rate": given.rate,
        "fund_usd": int(FUND_USD),
        "providers": f"{PROVIDERS} with {PROVIDER_USD} USD each",
        "seed": given.seed,
    }
    report.heading("A crash on the running server", conditions)
    with tempfile.TemporaryDirectory(prefix="evermark-crash-") as folder:
        data_dir = Path(folder)
        paths = {name: recording(data_dir, given.seed, drop) for name, drop in (("calm", 0), ("crash", 40))}
        begun = time.monotonic()
        with exchange(data_dir, paths["calm"], 1) as (port, _):
            makers, traders = open_traders(data_dir, given.accounts, given.seed)
            print(f"  {len(traders):,} accounts and {len(makers)} makers opened in {time.monotonic() - begun:.0f} s")
            counts = asyncio.run(open_positions(port, makers, traders))
            print(f"  positions: {counts['opened']:,} opened, {counts['failed']:,} not; {counts['quoted']:,} quotes")
            conditions["positions"] = counts["opened"]
            loaded_seq = control.ask(data_dir, control.Status(), control.StatusRow).seq
        with exchange(data_dir, paths["crash"], given.rate) as (port, server):
            before = cpu(server, data_dir)
            begun = time.monotonic()
            quoted = asyncio.run(live_through(port, makers, given.rate))
            seconds = time.monotonic() - begun
            after = cpu(server, data_dir)
        conditions["load_after_crash"] = round(os.getloadavg()[0], 1)
        conditions["quotes_in_crash"] = quoted["quoted"]
        conditions["server_cpu"] = round((after[0] - before[0]) / seconds, 2)
        conditions["postgres_cpu"] = round((after[1] - before[1]) / seconds, 2)
        print(
            f"  the crash took {seconds:.0f} s; makers quoted {quoted['quoted']:,} times, {quoted['refused']:,} refused"
        )
        story = asyncio.run(tell(data_dir, len(makers) + PROVIDERS, loaded_seq))
    story.write(given.out, conditions)
    report.append("crash", conditions, story.figures())
    return 0


def recording(data_dir: Path, seed: int, drop: int) -> Path:
    """Write a recording of prices that fall by so many percent."""
    path = data_dir / f"fall-{drop}.csv"
    indices = [word for name in INDICES for word in ("--index", name)]
    command = [sys.executable, "-m", "app.feeds.crash", "--seed", str(seed), "--drop", str(drop), *indices]
    with path.open("wb") as file:
        subprocess.run(command, cwd=ROOT, stdout=file, check=True)
    return path


@contextmanager
def exchange(data_dir: Path, prices: Path, rate: int) -> Iterator[tuple[int, psutil.Process]]:
    """The exchange as `evermark run` starts it, on recorded prices, with limits that nobody reaches."""
    port = free_port()
    settings = {
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        **UNLIMITED,
        "EVERMARK_FEED": "file",
        "EVERMARK_FEED_PATH": str(prices),
        "EVERMARK_CLOCK_RATE": str(rate),
        "EVERMARK_INSURANCE_SEED": FUND_USD,
    }
    command = [sys.executable, "-m", "app.cli", "run", "--no-demo"]
    with running(command, {**os.environ, **settings}, port, "/ping") as process:
        yield port, process


async def live_through(port: int, makers: list[Trader], rate: int) -> dict[str, int]:
    """Quote until the recording is over and a little later, by the exchange's clock."""
    clock = Clock(rate)
    line = await Line.open(port)
    await clock.sync(line)
    end_ms = clock.now_ms() + (PATH_S + AFTER_S) * 1_000
    counts = {"quoted": 0, "refused": 0, "shy": 0}
    quoting = [asyncio.create_task(keep_quoting(port, maker, clock, PAUSE_S, counts)) for maker in makers]
    try:
        while clock.now_ms() < end_ms:
            await asyncio.sleep(0.25)
            await clock.sync(line)
            for task in quoting:
                if task.done():
                    task.result()
    finally:
        for task in quoting:
            task.cancel()
        await asyncio.gather(*quoting, return_exceptions=True)
        line.close()
    return counts


if __name__ == "__main__":
    sys.exit(main())
