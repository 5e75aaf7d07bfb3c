"""What names and measures cost an order: each part in a loop of its own, and signed orders over HTTP with and without all of them.

    python -m bench.metrics [seconds of a round] [rounds]

Both sides are the real exchange in its own process; on one side requests have no stamps and nothing is counted. The processor
time that the server spends on an order is compared, round by round in turns. What one look at /metrics costs is printed too.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import requests

from app import control
from app.histogram import Histogram
from app.stamps import HEADER, Lives, Stamps, current
from bench import report
from bench.http import UNLIMITED, exchange, free_port, mark_price, open_accounts, running
from bench.limits import Server, idle_shares, loop

TARGET: Final = 1.03
LOOKS: Final = 20


def main() -> int:
    """Measure, print, append to the results file; fail when the parts alone are above the target: the ratio is noisier than that."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    conditions = {
        **report.conditions(),
        "seconds": seconds,
        "rounds": rounds,
        "load_before": round(os.getloadavg()[0], 1),
    }
    report.heading("What names and measures cost an order", conditions)
    parts = measure_parts()
    report.table(("part", "ns"), [(name, round(cost)) for name, cost in parts.items()])
    with ExitStack() as stack:
        sides = {name: stack.enter_context(side(name)) for name in ("with", "without")}
        for one in sides.values():
            one.measure(1.0)  # warm up
        look_ms = look(sides["with"])
        idle = idle_shares(list(sides.values()))
        cost: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(rounds):
            for name in sorted(sides, reverse=number % 2 == 0):
                found = sides[name].measure(seconds)
                # What a server does each second whether anybody asks or not is no cost of an order.
                cost[name].append(1e6 * (found["server_cpu"] - idle[sides[name]]) / found["rate"])
    report.table(("side", "server us an order"), [(name, round(us, 1)) for name in cost for us in cost[name]])
    ratio = statistics.median(a / b for a, b in zip(cost["with"], cost["without"], strict=True))
    share = sum(parts.values()) / 1_000 / statistics.median(cost["without"])
    print(f"\n  an order with / without: {ratio:.3f} of the server's processor time (target {TARGET:.2f})")
    print(f"  the parts alone: {100 * share:.1f}% of an order without")
    print(f"  a look at /metrics: {look_ms:.1f} ms")
    report.append(
        "metrics",
        conditions,
        {
            **{f"{name}_ns": round(ns) for name, ns in parts.items()},
            "with_us": round(statistics.median(cost["with"]), 1),
            "without_us": round(statistics.median(cost["without"]), 1),
            "ratio": round(ratio, 3),
            "parts_share": round(share, 4),
            "look_ms": round(look_ms, 2),
        },
    )
    return 0 if 1 + share <= TARGET else 1


def measure_parts() -> dict[str, float]:
    """Nanoseconds of what is done for each order."""
    lives = Lives()
    stamps = Stamps()
    answers = lives.of("/auth/order")
    histogram = Histogram()

    def take_in() -> None:
        current.set(Stamps())

    def mark() -> None:
        found = current.get()
        assert found is not None
        found.queued_s = time.perf_counter()
        found.taken_s, found.durable_s, found.applied_s = 1.0, 2.0, time.perf_counter()

    def count() -> None:
        answers[200] = answers.get(200, 0) + 1
        lives.end(stamps)

    def name() -> None:
        found = current.get()
        assert found is not None
        found.status = 200
        headers.append((HEADER, found.request_id))
        headers.pop()

    take_in()
    headers: list[tuple[bytes, bytes]] = []
    return {
        "take_in": loop(take_in),
        "mark": loop(mark),
        "name": loop(name),
        "count": loop(count),
        "batch": loop(lambda: histogram.observe(0.001)) * 3 / 8,  # three for a batch, of some eight orders
    }


@contextmanager
def side(name: str) -> Iterator[Server]:
    """A server with or without measures."""
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"evermark-{name}-")))
        if name == "with":
            port, server = stack.enter_context(exchange(data_dir))
        else:
            port = free_port()
            environment = {**os.environ, "DATA_DIR": str(data_dir), "PORT": str(port), **UNLIMITED}
            command = [sys.executable, "-m", "bench.unmeasured", "run", "--no-demo"]
            server = stack.enter_context(running(command, environment, port, "/ping"))
        keys = open_accounts(data_dir)
        price = mark_price(port, keys[0])
        yield Server(server, data_dir, {"port": port, "keys": keys, "price": price})


def look(server: Server) -> float:
    """Milliseconds of one look at /metrics, the median of some."""
    made = control.ask(server.data_dir, control.CreateOperator("bench", ("metrics",)), control.NewOperator)
    url = f"http://127.0.0.1:{server.spec['port']}/metrics"
    spans = []
    for _ in range(LOOKS):
        start = time.perf_counter()
        answer = requests.get(url, headers={"authorization": f"Bearer {made.token}"}, timeout=30)
        spans.append(1_000 * (time.perf_counter() - start))
        assert answer.status_code == 200, answer.text
    return statistics.median(spans)


if __name__ == "__main__":
    sys.exit(main())
