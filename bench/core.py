"""The core alone: `Exchange.apply` with margin, positions, fees and events, beside the bare book on the same stream.

Each round runs in a process of its own, once interpreted and once compiled in turn, and times both by the processor
time that they took; medians count. No journal, no HTTP.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from app import compiled
from bench import order_stream, report

ROUNDS = 5
OPERATIONS = 60_000
RESTING = 1_000
SPREAD_TICKS = 20
ACCOUNTS = 1_000
MARK_EVERY = 20_000
"""Commands between two moves of the mark: it moves once a second, so this is a slow exchange."""
TARGET_OF_BOOK = 0.1
TARGET_OF_INTERPRETED = 2.5
AIM_PER_S = {"interpreted": 190_000, "compiled": 500_000}


def child() -> None:
    """One round in this process: print operations a second of the bare book and of the whole core, and the hash."""
    from bench.book import run_ours
    from bench.core_stream import commands, listed
    from engine.book import Book

    given = order_stream.make(resting=RESTING, operations=OPERATIONS, spread_ticks=SPREAD_TICKS)
    book = Book()
    run_ours(book, given.filling)
    gc.collect()
    start = time.process_time()
    trades = run_ours(book, given.mixed)
    book_seconds = time.process_time() - start
    exchange, time_ms = listed(ACCOUNTS)
    for command in commands(given.filling, ACCOUNTS, MARK_EVERY, time_ms):
        exchange.apply(command, time_ms)
    mixed = commands(given.mixed, ACCOUNTS, MARK_EVERY, time_ms)
    gc.collect()
    start = time.process_time()
    events = 0
    for command in mixed:
        events += len(exchange.apply(command, time_ms))
    seconds = time.process_time() - start
    found = {
        "book_per_s": OPERATIONS / book_seconds,
        "apply_per_s": len(mixed) / seconds,
        "events": events,
        "trades": trades,
        "core_trades": exchange.state.next_trade_id - 1,
        "hash": exchange.state_hash().hex(),
    }
    print(json.dumps(found))


def run_child(*, is_compiled: bool) -> dict[str, float]:
    """Run one round in a fresh process."""
    environment = {**os.environ, "EVERMARK_COMPILED": "1" if is_compiled else "0"}
    root = Path(__file__).parent.parent
    program = [sys.executable, "-c", "from app import compiled; compiled.use(); from bench.core import child; child()"]
    done = subprocess.run(program, env=environment, cwd=root, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main(*, rounds: int = ROUNDS, is_recorded: bool = True) -> bool:
    """Run, print, append to the results file. Tells whether the targets were met."""
    given = {name: value for name, value in report.conditions().items() if name != "core"}
    report.heading("Core alone: apply with everything on, beside the bare book", given)
    print(f"  {ACCOUNTS:,} cross accounts, {RESTING:,} resting orders, mark moved every {MARK_EVERY:,} commands")
    kinds = ["interpreted", "compiled"] if compiled.is_fresh() else ["interpreted"]
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            found[kind].append(run_child(is_compiled=kind == "compiled"))
    assert len({result["hash"] for results in found.values() for result in results}) == 1, "the builds do not agree"
    is_met = True
    medians: dict[str, float] = {}
    for kind, results in found.items():
        medians[kind] = statistics.median(result["apply_per_s"] for result in results)
        book = statistics.median(result["book_per_s"] for result in results)
        ratio = statistics.median(result["apply_per_s"] / result["book_per_s"] for result in results)
        print(f"\n  {kind}: apply {medians[kind]:,.0f}/s, bare book {book:,.0f}/s (aim {AIM_PER_S[kind]:,}/s)")
        is_met = is_met and (kind == "compiled" or ratio >= TARGET_OF_BOOK)
        print(report.is_met(f"apply / bare book, {kind}", ratio, TARGET_OF_BOOK))
        if is_recorded:
            row: dict[str, report.Value] = {
                "core": kind,
                "rounds": rounds,
                "apply_per_s": round(medians[kind]),
                "book_per_s": round(book),
                "ratio": round(ratio, 3),
            }
            report.append("core", given, row)
    if "compiled" in medians:
        ratio = medians["compiled"] / medians["interpreted"]
        is_met = is_met and ratio >= TARGET_OF_INTERPRETED
        print(report.is_met("compiled / interpreted", ratio, TARGET_OF_INTERPRETED))
    else:
        print("\n  no compiled core for these sources: make compile")
    return is_met


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
