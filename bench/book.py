"""The book alone, beside lightmatchingengine from PyPI, on the same stream: no accounts, no money, no journal.

Both get their operations in the same form, report every trade to the caller and keep the resting orders by id. Rounds
are interleaved, each on a fresh book filled untimed; medians count.
"""

import gc
import statistics
import sys
import time

from lightmatchingengine.lightmatchingengine import LightMatchingEngine

from bench import order_stream, report
from bench.order_stream import CANCEL, Operation
from engine.book import Book
from engine.matching import cross
from engine.order import Order, SelfMatch

ROUNDS = 7
OPERATIONS = 40_000
SHAPES = ((1_000, 5), (1_000, 20), (20_000, 20), (20_000, 200))
"""Resting orders, and how many ticks from the touch an add lies on average: few full prices, or many thin ones."""
TARGET = 2.0
MARKET = "market"


def run_ours(book: Book, operations: list[Operation]) -> int:
    """Play a stream; count the trades."""
    trades = 0
    resting = book.orders
    mode = SelfMatch.CANCEL_TAKER
    for kind, number, sign, price, qty in operations:
        if kind == CANCEL:
            book.remove(resting[number])
            continue
        order = Order(number, number, number, sign, price, qty, 0, False, False, mode, None)
        log: list[tuple[int, int, int, int]] = []
        cross(book, order, log)
        if order.leaves:
            book.rest(order)
        trades += len(log)
    return trades


def run_theirs(engine: LightMatchingEngine, operations: list[Operation]) -> int:
    """Play a stream; count the passive trades, to which theirs adds one of the taker's for each price."""
    trades = 0
    for kind, number, sign, price, qty in operations:
        if kind == CANCEL:
            engine.cancel_order(number, MARKET)
            continue
        order, found = engine.add_order(MARKET, price, qty, 1 if sign > 0 else 2)
        for trade in found:
            if trade.order_id != order.order_id:
                trades += 1
    return trades


def timed_ours(given: order_stream.Stream) -> tuple[float, int, int]:
    """One round: seconds, trades, orders left."""
    book = Book()
    run_ours(book, given.filling)
    gc.collect()
    start = time.perf_counter()
    trades = run_ours(book, given.mixed)
    return time.perf_counter() - start, trades, len(book.orders)


def timed_theirs(given: order_stream.Stream) -> tuple[float, int, int]:
    """One round: seconds, trades, orders left."""
    engine = LightMatchingEngine()
    run_theirs(engine, given.filling)
    gc.collect()
    start = time.perf_counter()
    trades = run_theirs(engine, given.mixed)
    seconds = time.perf_counter() - start
    sides = engine.order_books[MARKET]
    left = sum(len(queue) for side in (sides.bids, sides.asks) for queue in side.values())
    return seconds, trades, left


def measure(resting: int, spread_ticks: int, *, rounds: int, operations: int) -> dict[str, report.Value]:
    """Interleave rounds of both on one stream. Both must end with the same trades and the same orders."""
    given = order_stream.make(resting=resting, operations=operations, spread_ticks=spread_ticks)
    ours, theirs = [], []
    trades = 0
    for _ in range(rounds):
        seconds, trades, left = timed_ours(given)
        ours.append(operations / seconds)
        seconds, their_trades, their_left = timed_theirs(given)
        theirs.append(operations / seconds)
        assert (trades, left) == (their_trades, their_left), "the two books do not agree"
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return {
        "resting": given.resting,
        "levels": given.levels,
        "operations": operations,
        "rounds": rounds,
        "trades": trades,
        "ours_per_s": round(statistics.median(ours)),
        "theirs_per_s": round(statistics.median(theirs)),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_min": round(min(ratios), 2),
        "ratio_max": round(max(ratios), 2),
    }


def main(*, rounds: int = ROUNDS, operations: int = OPERATIONS, is_recorded: bool = True) -> bool:
    """Run, print, append to the results file. Tells whether the target was met by every shape of book."""
    given = report.conditions()
    report.heading("Book alone, beside lightmatchingengine 2019.1.4", given)
    print("  stream: 60% adds near the touch, 30% cancels, 10% marketable; operations a second, medians")
    results = [measure(resting, spread_ticks, rounds=rounds, operations=operations) for resting, spread_ticks in SHAPES]
    report.table(list(results[0]), [list(result.values()) for result in results])
    print()
    is_met = True
    for result in results:
        ratio = float(result["ratio"])
        is_met = is_met and ratio >= TARGET
        print(report.is_met(f"ratio at {result['resting']:,} resting, {result['levels']:,} levels", ratio, TARGET))
        if is_recorded:
            report.append("book", given, result)
    return is_met


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
