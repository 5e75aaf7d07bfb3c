"""A market's book told to 1,000 WebSocket subscribers: from the commit to the last of them, and what each costs.

    python -m bench.stream [seconds of a round] [rounds]

The exchange is the real one in its own process, with its embedded PostgreSQL; it notes when each commit was durable. All
subscribers are in a second process, which notes when it has a whole message; the orders come from this one. Both clocks are the
machine's. Each round is played without and with one reader that never reads: the ratio says whether it hurts the others.
"""

import asyncio
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from app import compiled
from bench import report
from bench.crash_doors import Line
from bench.http import PAIR, UNLIMITED, cpu, free_port, mark_price, open_accounts, running

SUBSCRIBERS: Final = 1_000
CHANGES_PER_S: Final = 10
LEVELS: Final = 50
"""Prices of each side that rest in the book."""
LIVE: Final = 5
"""Orders that come and go among them."""
TARGET_MS: Final = 50.0
KINDS: Final = {
    "depth": ("depth", False, False),
    "depth, and a slow reader": ("depth", False, True),
    "depth, changes at random": ("depth", True, False),
    "book": ("book", False, False),
    "book, and a slow reader": ("book", False, True),
}
"""What is measured: the category, whether changes come at random times, whether somebody never reads."""

Round = dict[str, Any]


def main() -> int:
    """Measure, print, append to the results file; fail below the target."""
    compiled.use()  # as the server does: the conditions say which core it runs
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 12.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    conditions: dict[str, report.Value] = {
        **report.conditions(),
        "subscribers": SUBSCRIBERS,
        "changes_per_s": CHANGES_PER_S,
        "levels": LEVELS,
        "seconds": seconds,
        "rounds": rounds,
        "is_realtime": os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR),  # before whatever else runs
    }
    report.heading("A market's book told to a thousand subscribers", conditions)
    with tempfile.TemporaryDirectory(prefix="evermark-bench-") as folder:
        data_dir = Path(folder)
        with exchange(data_dir) as (port, server):
            driver = Driver(port, open_accounts(data_dir)[0])
            asyncio.run(driver.fill())
            kib = play(driver, server, data_dir, "depth", seconds=2.0)[
                "kib"
            ]  # later rounds use again what this one took
            found: dict[str, list[Round]] = {name: [] for name in KINDS}
            for number in range(rounds):
                names = list(KINDS)
                for name in names if number % 2 == 0 else reversed(names):
                    category, is_random, is_slow = KINDS[name]
                    found[name].append(
                        play(driver, server, data_dir, category, seconds=seconds, is_random=is_random, is_slow=is_slow)
                    )
    return summary(conditions, found, kib)


def summary(conditions: dict[str, report.Value], found: dict[str, list[Round]], kib: float) -> int:
    """Print what each kind came to, and the ratio of those with a slow reader; write it down."""
    columns = (
        "told",
        "changes",
        "last p50 ms",
        "last p95 ms",
        "last p99 ms",
        "middle p50 ms",
        "server CPU",
        "client CPU",
    )
    report.table(columns, [line(name, ones) for name, ones in found.items()])
    results: dict[str, report.Value] = {}
    for name, ones in found.items():
        word = name.replace(", and a", "").replace(", changes at", "").replace(" ", "_")
        lasts = sorted(last for one in ones for last in one["lasts_ms"])
        results[f"{word}_p50_ms"] = round(part(lasts, 0.5), 2)
        results[f"{word}_p95_ms"] = round(part(lasts, 0.95), 2)
    for category in ("depth", "book"):
        pairs = list(zip(found[category], found[f"{category}, and a slow reader"], strict=True))
        ratios = [part(sorted(with_["lasts_ms"]), 0.5) / part(sorted(one["lasts_ms"]), 0.5) for one, with_ in pairs]
        ratios_95 = [
            part(sorted(with_["lasts_ms"]), 0.95) / part(sorted(one["lasts_ms"]), 0.95) for one, with_ in pairs
        ]
        told, all_ = (sum(with_[name] for _, with_ in pairs) for name in ("slow_told", "changes"))
        results[f"{category}_slow_ratio_p50"] = round(statistics.median(ratios), 3)
        results[f"{category}_slow_ratio_p95"] = round(statistics.median(ratios_95), 3)
        print(f"\n  {category}, with a slow reader / without: p50 {statistics.median(ratios):.2f}, "
              f"p95 {statistics.median(ratios_95):.2f}; it was told of {told} changes of {all_}")  # fmt: skip
    results["kib_each"] = round(kib, 1)
    results["missed"] = sum(one["missed"] for ones in found.values() for one in ones)
    p95 = results["depth_p95_ms"]
    assert isinstance(p95, float)
    print(f"\n  memory of the server for each connection: {kib:.1f} KiB")
    print(f"  messages that did not come: {results['missed']}")
    print(f"  depth, commit to the last subscriber, p95: {p95:.1f} ms (target {TARGET_MS:.0f}: "
          f"{'met' if p95 < TARGET_MS else 'MISSED'})")  # fmt: skip
    report.append("stream", conditions, {**results, "load_after": round(os.getloadavg()[0], 1)})
    return 0 if p95 < TARGET_MS and not results["missed"] else 1


def line(name: str, ones: list[Round]) -> tuple[report.Value, ...]:
    """A row of the table: all rounds together."""
    lasts = sorted(last for one in ones for last in one["lasts_ms"])
    middles = sorted(middle for one in ones for middle in one["middles_ms"])
    cpus = (statistics.median(one[name] for one in ones) for name in ("server_cpu", "cpu"))
    return (
        name,
        len(lasts),
        *(part(lasts, share) for share in (0.5, 0.95, 0.99)),
        part(middles, 0.5),
        *cpus,
    )


def part(ordered: list[float], share: float) -> float:
    """The smallest value that a share of all does not pass."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


# --- the exchange and its orders ---------------------------------------------------------------------------------------


@contextmanager
def exchange(data_dir: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The exchange as `evermark run` starts it, with limits that nobody reaches."""
    port = free_port()
    many = ("EVERMARK_IP_CONNECTIONS", "EVERMARK_STREAM_CONNECTIONS", "EVERMARK_STREAM_MESSAGES_PER_S")
    settings = {
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "BENCH_COMMITS": str(data_dir / "commits"),
        **UNLIMITED,
        **dict.fromkeys(many, "1000000"),
    }
    command = [sys.executable, "-m", "bench.stream_notes", "run", "--no-demo"]
    with running(command, {**os.environ, **settings}, port, "/ping") as process:
        yield port, process


class Driver:
    """Somebody who changes the book."""

    def __init__(self, port: int, key: tuple[str, str]) -> None:
        self.port = port
        self._api_key, self._secret = key[0], key[1].encode()
        self._mark = int(mark_price(port, key))
        self._random = random.Random(1)
        self._count = 0

    async def fill(self) -> None:
        """Rest orders at some prices of each side."""
        line_ = await Line.open(self.port)
        for number in range(1, LEVELS + 1):
            for side, sign in (("BUY", -1), ("SELL", 1)):
                await self._post(line_, "order", pair=PAIR, side=side, price=self._mark + sign * number, qty="0.5")
        line_.close()

    async def change(self, seconds: float, *, is_random: bool) -> None:
        """Place an order among those, cancel the oldest, and so on: the book never is again what it was."""
        line_ = await Line.open(self.port)
        due_s = time.monotonic()
        end_s = due_s + seconds
        placed: deque[str] = deque()
        while due_s < end_s or placed:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            if len(placed) < LIVE and due_s < end_s:
                side, sign = self._random.choice((("BUY", -1), ("SELL", 1)))
                price = self._mark + sign * (self._random.randrange(1, LEVELS // 2) + 0.5)
                qty = f"0.{1 + self._count % 9_999:04d}"
                done = await self._post(line_, "order", pair=PAIR, side=side, price=price, qty=qty)
                placed.append(done["order"]["id"])
            else:
                await self._post(line_, "cancel", id=placed.popleft())
            due_s += self._random.expovariate(CHANGES_PER_S) if is_random else 1 / CHANGES_PER_S
        line_.close()

    async def _post(self, line_: Line, path: str, **fields: object) -> dict[str, Any]:
        self._count += 1
        fields["timestamp"] = f"{time.time_ns() // 1_000_000}.{self._count:06d}"
        status, answer = await line_.post(f"/auth/{path}", self._api_key, self._secret, fields)
        if status != 200:
            raise SystemExit(f"{path} was refused: {answer}")
        result: dict[str, Any] = answer["result"]
        return result


def play(
    driver: Driver,
    server: psutil.Process,
    data_dir: Path,
    category: str,
    *,
    seconds: float,
    is_random: bool = False,
    is_slow: bool = False,
) -> Round:
    """One round: connect everybody, change the book, ask what each was told."""
    notes = data_dir / "commits"
    before = server.memory_full_info().uss
    spec = {"port": driver.port, "pair": PAIR, "category": category, "subscribers": SUBSCRIBERS, "slow": is_slow}
    with subprocess.Popen(
        [sys.executable, "-m", "bench.stream_client"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        say, hear = talk(client)
        say(spec)
        if hear() != "ready\n":
            raise SystemExit("The subscribers could not connect.")
        kib = (server.memory_full_info().uss - before) / 1_024 / SUBSCRIBERS
        at, cpu_before, start_s = notes.stat().st_size, cpu(server, data_dir), time.monotonic()
        asyncio.run(driver.change(seconds, is_random=is_random))
        passed_s, cpu_after = time.monotonic() - start_s, cpu(server, data_dir)
        time.sleep(1.0)  # for what is still on its way: nobody may be told later than this
        with notes.open("rb") as file:
            file.seek(at)
            commits = [tuple(map(int, words.split())) for words in file]
        say(commits)
        found: Round = json.loads(hear())
    found["changes"] = len(commits)
    found["kib"] = kib
    found["server_cpu"] = (cpu_after[0] - cpu_before[0]) / passed_s
    return found


def talk(process: "subprocess.Popen[str]") -> tuple[Callable[[object], None], Callable[[], str]]:
    """How to ask a process and to hear it, by lines."""
    assert process.stdin is not None and process.stdout is not None
    put, get = process.stdin, process.stdout

    def say(question: object) -> None:
        put.write(json.dumps(question) + "\n")
        put.flush()

    return say, get.readline


if __name__ == "__main__":
    sys.exit(main())
