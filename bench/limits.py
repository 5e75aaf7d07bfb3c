"""What the limits cost a request: each part in a loop of its own, and signed orders over HTTP with and without all of them.

    python -m bench.limits [seconds of a round] [rounds]

Both sides are the real exchange in its own process, with limits that nobody reaches; on one side the calls are taken out. The
processor time that the server spends on an order is compared, round by round in turns.
"""

import os
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psutil

from app.clock import steady_clock
from app.limits import AccountLimits, AddressLimits
from app.waiting import Entry, Waiting
from bench import report
from bench.http import UNLIMITED, Round, exchange, free_port, mark_price, measure, open_accounts, running
from engine.order import Side
from exchange.commands import PlaceOrder

CALLS: Final = 200_000
ADDRESSES: Final = 50_000
IDLE_S: Final = 5.0
BATCH: Final = 32
"""Commands of one group commit with as many clients."""


def main() -> int:
    """Measure, print, append to the results file."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    conditions = {
        **report.conditions(),
        "seconds": seconds,
        "rounds": rounds,
        "load_before": round(os.getloadavg()[0], 1),
    }
    report.heading("What the limits cost a request", conditions)
    parts = measure_parts()
    report.table(("part", "ns"), [(name, round(cost)) for name, cost in parts.items()])
    with ExitStack() as stack:
        sides = {name: stack.enter_context(side(name)) for name in ("with", "without")}
        for one in sides.values():
            one.measure(1.0)  # warm up
        idle = idle_shares(list(sides.values()))
        cost: dict[str, list[float]] = {name: [] for name in sides}
        rows: list[tuple[report.Value, ...]] = []
        for number in range(rounds):
            for name in sorted(sides, reverse=number % 2 == 0):
                found = sides[name].measure(seconds)
                # What a server does each second whether anybody asks or not is no cost of an order.
                cost[name].append(1e6 * (found["server_cpu"] - idle[sides[name]]) / found["rate"])
                rows.append((name, round(cost[name][-1], 1), round(found["rate"])))
    report.table(("side", "server us an order", "orders/s"), sorted(rows))
    # What else the machine does only adds to a round: the cheap quarter of each side is compared.
    least = {name: statistics.quantiles(costs, n=4)[0] for name, costs in cost.items()}
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


def loop(call: Callable[[], object], count: int = CALLS) -> float:
    """Nanoseconds of one call, the least of three rounds."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter_ns()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter_ns() - start) / count)
    return best


# --- both sides ------------------------------------------------------------------------------------------------------


class Server:
    """A server, and what its client needs to know."""

    def __init__(self, server: psutil.Process, data_dir: Path, spec: Round) -> None:
        self._process = server
        self.data_dir = data_dir
        self.spec = spec

    def measure(self, seconds: float) -> Round:
        """Orders for some seconds."""
        return measure({**self.spec, "seconds": seconds}, self._process, self.data_dir)

    def busy_s(self) -> float:
        """The server's processor time so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)


def idle_shares(sides: list[Server]) -> dict[Server, float]:
    """How much of a processor each server has while nobody asks."""
    before = {one: one.busy_s() for one in sides}
    time.sleep(IDLE_S)
    return {one: (one.busy_s() - before[one]) / IDLE_S for one in sides}


@contextmanager
def side(name: str) -> Iterator[Server]:
    """A server with or without limits."""
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"evermark-{name}-")))
        port, server = stack.enter_context(exchange(data_dir) if name == "with" else exchange_without(data_dir))
        keys = open_accounts(data_dir)
        price = mark_price(port, keys[0])
        yield Server(server, data_dir, {"port": port, "keys": keys, "price": price})


@contextmanager
def exchange_without(data_dir: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The exchange without the calls that limit anybody."""
    port = free_port()
    settings = {"DATA_DIR": str(data_dir), "PORT": str(port), **UNLIMITED}
    command = [sys.executable, "-m", "bench.unlimited", "run", "--no-demo"]
    with running(command, {**os.environ, **settings}, port, "/ping") as process:
        yield port, process


if __name__ == "__main__":
    sys.exit(main())
