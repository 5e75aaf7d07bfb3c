"""What the limits cost a request: each part in a loop of its own, and signed orders over HTTP with and without all of them.

    python -m bench.limits [seconds of a round] [rounds]

Both sides are the real exchange in its own process, with limits that nobody reaches; on one side the calls are taken out. The
processor time that the server spends on an order is compared, round by round in turns.
"""

import statistics
import sys
from collections import deque
from typing import Final

from app.clock import steady_clock
from app.limits import AccountLimits, AddressLimits
from app.waiting import Entry, Waiting
from bench import report
from bench.sides import CALLS, both, in_turns, loop
from engine.order import Side
from exchange.commands import PlaceOrder

ADDRESSES: Final = 50_000
BATCH: Final = 32
"""Commands of one group commit with as many clients."""


def main() -> int:
    """Measure, print, append to the results file."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    conditions = {**report.conditions(), "seconds": seconds, "rounds": rounds}
    report.heading("What the limits cost a request", conditions)
    parts = measure_parts()
    report.table(("part", "ns"), [(name, round(cost)) for name, cost in parts.items()])
    with both("bench.unlimited") as sides:
        found = in_turns(sides, seconds, rounds)
    rows = [(name, round(us, 1), round(rate)) for name, results in found.items() for us, rate in results]
    report.table(("side", "server us an order", "orders/s"), rows)
    # What else the machine does only adds to a round: the cheap quarter of each side is compared.
    least = {name: statistics.quantiles((us for us, _ in results), n=4)[0] for name, results in found.items()}
    ratio = least["with"] / least["without"]
    print(f"\n  an order with limits / without: {ratio:.3f} of the server's processor time")
    report.append(
        "limits",
        conditions,
        {
            **{f"{name}_ns": round(ns) for name, ns in parts.items()},
            "with_us": round(least["with"], 1),
            "without_us": round(least["without"], 1),
            "ratio": round(ratio, 3),
        },
    )
    return 0


# --- parts -----------------------------------------------------------------------------------------------------------


def measure_parts() -> dict[str, float]:
    """Nanoseconds of each call that a request makes."""
    million = 1_000_000
    addresses = AddressLimits(steady_clock, per_second=million, burst=million)
    names = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(ADDRESSES)]
    for name in names:
        addresses.take(name, b"/auth/order")
    accounts = AccountLimits(steady_clock, orders_per_min=10 * million, cancels_per_min=10 * million)
    order = PlaceOrder(1, 1, Side.BUY, 1, 1)
    entries: list[Entry] = [
        (PlaceOrder(number % 16 + 1, 1, Side.BUY, 1, 1), None, None, None) for number in range(BATCH)
    ]
    lanes = Waiting(1_000)
    plain: deque[Entry] = deque()

    def through_lanes() -> None:
        for entry in entries:
            lanes.add(entry)
        lanes.take()

    def through_a_queue() -> None:
        for entry in entries:
            plain.append(entry)
        batch: list[Entry] = []
        while plain and len(batch) < 1_000:
            entry = plain.popleft()
            future = entry[2]
            if future is None or not future.done():
                batch.append(entry)

    return {
        "address": loop(lambda: addresses.take(names[77], b"/auth/order")),
        "account": loop(lambda: accounts.charge(order)),
        "lanes": loop(through_lanes, CALLS // BATCH) / BATCH,
        "one_queue": loop(through_a_queue, CALLS // BATCH) / BATCH,
    }


if __name__ == "__main__":
    sys.exit(main())
