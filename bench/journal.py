"""Durable commands a second: the sequencer's group commit beside one plain asyncpg insert for each command.

Both write to the same embedded PostgreSQL, fsync and synchronous_commit on, in turns; medians count. The command is the cheapest
there is (a cancel of an unknown order), so that sequencer, journal and database are what is measured. Run: python -m bench.journal
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from app.db.connect import Connection, connect
from app.db.embedded import EmbeddedServer
from app.settings import Settings
from app.store import Store, open_store
from bench import report
from exchange.commands import CancelOrder, OpenAccount, encode_commands

ROUNDS: Final = 5
SECONDS: Final = 1.0
SUBMITTERS: Final = (1, 8, 32, 128, 512)
CONNECTIONS: Final = 8
COMMAND: Final = CancelOrder(1, 10**9)
TARGET_OF_PLAIN: Final = 2.0
"""What group commit is for, at 32 submitters: at least twice the commands of plain inserts over a pool."""

Act = Callable[[], Awaitable[object]]


class Figures(NamedTuple):
    """One round: commands a second, ms until the answer at the median and for one in twenty, commands of a row."""

    per_s: float
    p50_ms: float
    p95_ms: float
    batch: float


async def drive(acts: list[Act]) -> tuple[float, list[float]]:
    """Let each submitter act, wait for the answer and act again. Gives the seconds and every waiting time in ms."""
    waits: list[float] = []
    clock = time.perf_counter
    end = clock() + SECONDS

    async def submitter(act: Act) -> None:
        while (start := clock()) < end:
            await act()
            waits.append((clock() - start) * 1_000)

    start = clock()
    await asyncio.gather(*[submitter(act) for act in acts])
    return clock() - start, waits


def figures(seconds: float, waits: list[float], rows: int) -> Figures:
    """Sum a round up."""
    waits.sort()
    count = len(waits)
    return Figures(count / seconds, waits[count // 2], waits[count * 95 // 100], count / rows)


async def grouped(store: Store, admin: Connection, submitters: int) -> Figures:
    """Commands through the sequencer."""

    async def act() -> None:
        await store.sequencer.submit(COMMAND)

    before = store.sequencer.seq
    seconds, waits = await drive([act] * submitters)
    rows: int = await admin.fetchval("SELECT count(*) FROM journal WHERE first_seq > $1", before)
    return figures(seconds, waits, rows)


async def plain(connections: list[Connection], submitters: int) -> Figures:
    """One committed row for each command, over as many connections as are given."""
    records = encode_commands([COMMAND])
    inserts = [await each.prepare("INSERT INTO plain (time_ms, records) VALUES ($1, $2)") for each in connections]
    free: asyncio.LifoQueue[int] = asyncio.LifoQueue()
    for place in range(len(connections)):
        free.put_nowait(place)

    async def act() -> None:
        place = await free.get()
        await inserts[place].fetch(time.time_ns() // 1_000_000, records)
        free.put_nowait(place)

    seconds, waits = await drive([act] * submitters)
    return figures(seconds, waits, len(waits))


def median(rounds: list[Figures]) -> Figures:
    """The middle of each figure."""
    return Figures(*[statistics.median(values) for values in zip(*rounds, strict=True)])


async def measure(data_dir: Path) -> dict[str, Figures]:
    """Every case once a round, so that a disturbance does not hit one case alone."""
    found: dict[str, list[Figures]] = {}
    async with open_store(Settings(data_dir=data_dir, demo=False)) as store:
        await store.sequencer.submit(OpenAccount("bench", 1))
        admin = await connect(store.url)
        await admin.execute("CREATE TABLE plain (seq BIGSERIAL PRIMARY KEY, time_ms BIGINT, records BYTEA)")
        pool = [await connect(store.url) for _ in range(CONNECTIONS)]
        for _ in range(ROUNDS):
            for submitters in SUBMITTERS:
                found.setdefault(f"group commit {submitters}", []).append(await grouped(store, admin, submitters))
            found.setdefault("plain insert 1", []).append(await plain(pool[:1], 1))
            found.setdefault("plain insert 32", []).append(await plain(pool, 32))
        for connection in (admin, *pool):
            await connection.close()
    return {name: median(rounds) for name, rounds in found.items()}


def main() -> bool:
    """Run, print, append to the results file. Tells whether the target was met."""
    given = {
        **report.conditions(),
        "rounds": ROUNDS,
        "seconds": SECONDS,
        "database": "embedded PostgreSQL on the same machine, Unix socket, fsync on",
        "loop": "uvloop",
    }
    report.heading("Journal: durable commands a second", given)
    folder = Path(tempfile.mkdtemp(prefix="evermark-bench-"))
    try:
        found = uvloop.run(measure(folder))
    finally:
        EmbeddedServer(folder).stop_blocking()
        shutil.rmtree(folder, ignore_errors=True)
    rows: list[list[report.Value]] = []
    results: dict[str, report.Value] = {}
    for name, figure in found.items():
        way, _, submitters = name.rpartition(" ")
        rows.append([way, int(submitters), round(figure.per_s), figure.p50_ms, figure.p95_ms, figure.batch])
        key = name.replace(" ", "_")
        results |= {f"{key}_per_s": round(figure.per_s), f"{key}_p50_ms": round(figure.p50_ms, 3)}
        results[f"{key}_p95_ms"] = round(figure.p95_ms, 3)
    report.table(("way", "submitters", "commands/s", "p50 ms", "p95 ms", "commands a row"), rows)
    ratio = found["group commit 32"].per_s / found["plain insert 32"].per_s
    print(f"\n{report.is_met('group commit / plain inserts, 32 submitters', ratio, TARGET_OF_PLAIN)}")
    print(f"  (plain inserts of 32 submitters share {CONNECTIONS} connections)")
    report.append("journal", given, {**results, "of_plain": round(ratio, 2)})
    return ratio >= TARGET_OF_PLAIN


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
