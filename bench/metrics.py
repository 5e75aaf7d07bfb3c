"""What names and measures cost an order: each part in a loop of its own, and signed orders over HTTP with and without all of them.

    python -m bench.metrics [seconds of a round] [rounds]

Both sides are the real exchange in its own process; on one side requests have no stamps and nothing is counted. The processor
time that the server spends on an order is compared, round by round in turns. On a machine that has other work that is noisy: so
the same is done within one process too, some hundred orders with and some hundred without by turns, without the server's own part
(sockets and HTTP), which makes the share larger than it is. What one look at /metrics costs is printed too.
"""

import asyncio
import dataclasses
import inspect
import statistics
import sys
import tempfile
import time
from typing import Any, Final

import requests
import uvloop

from app import control
from app.auth import sign
from app.histogram import Histogram
from app.main import create_app
from app.settings import from_environment
from app.stamps import HEADER, Lives, Stamps, current
from app.store import Store
from bench import report
from bench.http import (
    ACCOUNTS,
    CONNECTIONS,
    PAIR,
    QTY,
    UNLIMITED,
)
from bench.sides import Server, both, in_turns, loop
from exchange import views
from exchange.commands import Deposit, OpenAccount
from exchange.events import AccountOpened
from exchange.limits import MONEY_SCALE

TARGET: Final = 1.03
LOOKS: Final = 20
PATH: Final = "/auth/order"
WARM: Final = 2_048
CHUNK: Final = 64
CHUNKS: Final = 500


def main() -> int:
    """Measure, print, append to the results file; fail when the share within one process is above the target."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    conditions = {**report.conditions(), "seconds": seconds, "rounds": rounds}
    report.heading("What names and measures cost an order", conditions)
    parts = measure_parts()
    inside, inside_us = uvloop.run(in_process())
    print(f"\n  within one process, an order with / without: {inside:.3f} of {inside_us:.0f} us (target {TARGET:.2f})")
    report.table(("part", "ns"), [(name, round(cost)) for name, cost in parts.items()])
    with both("bench.unmeasured") as sides:
        look_ms = look(sides["with"])
        found = in_turns(sides, seconds, rounds)
    cost = {name: [us for us, _ in results] for name, results in found.items()}
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
            "inside_ratio": round(inside, 4),
            "inside_without_us": round(inside_us, 1),
            "parts_share": round(share, 4),
            "look_ms": round(look_ms, 2),
        },
    )
    return 0 if inside <= TARGET else 1


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


# --- within one process ----------------------------------------------------------------------------------------------


async def in_process() -> tuple[float, float]:
    """How much more processor time an order takes with names and measures, and how much it takes without, in microseconds."""
    with tempfile.TemporaryDirectory(prefix="evermark-metrics-") as folder:
        app = create_app(dataclasses.replace(from_environment({**UNLIMITED, "DATA_DIR": folder}), demo=False))
        async with app.lifespan():
            handlers = app.asgi_handler._handlers  # type: ignore[attr-defined]
            attended = handlers[PATH]
            sides = (attended, inspect.getclosurevars(attended).nonlocals["handle"])
            orders = Orders(app.state.store)
            await orders.prepare()
            for one in sides:
                await orders.send(one, WARM)
            spans: tuple[list[float], list[float]] = ([], [])
            for number in range(CHUNKS):
                order = (0, 1) if number % 2 else (1, 0)
                for place in order:
                    spans[place].append(await orders.send(sides[place], CHUNK))
    # The quick ones of each side: other work on the machine only ever makes them slower.
    with_s, without_s = (statistics.quantiles(found, n=10)[0] for found in spans)
    return with_s / without_s, 1e6 * without_s / CHUNK


class Orders:
    """Signed orders of some accounts, that meet each other at the mark."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: list[tuple[bytes, bytes]] = []
        self._price = 0
        self._count = 0

    async def prepare(self) -> None:
        """Open accounts with money in them."""
        identity, submit = self._store.identity, self._store.sequencer.submit
        for number in range(ACCOUNTS):
            user = await identity.create_user(f"bench {number}")
            opened = (await submit(OpenAccount(f"bench {number}", user.owner_id)))[0]
            assert isinstance(opened, AccountOpened)
            await submit(Deposit(f"bench {number}", opened.account_id, 1, 5_000_000 * MONEY_SCALE))
            key = await identity.create_key(user.owner_id, opened.account_id)
            self._keys.append((key.api_key.encode(), key.secret.encode()))
        market = views.market(self._store.exchange, 1)
        assert market is not None
        self._price = market.mark_price // 10**market.instrument.price_decimals

    async def send(self, handle: Any, count: int) -> float:
        """Processor time of so many orders, as many at a time as the benchmark of orders has connections."""
        requests_ = [self._signed() for _ in range(count)]
        before = time.process_time()
        for start in range(0, count, CONNECTIONS):
            await asyncio.gather(*[_call(handle, *one) for one in requests_[start : start + CONNECTIONS]])
        return time.process_time() - before

    def _signed(self) -> tuple[dict[str, Any], bytes]:
        number = self._count = self._count + 1
        api_key, secret = self._keys[number % ACCOUNTS]
        side_ = "BUY" if number % 2 else "SELL"
        stamp = f"{time.time_ns() // 1_000_000}.{number:06d}"
        body = f"pair={PAIR}&side={side_}&price={self._price}&qty={QTY}&timestamp={stamp}".encode()
        headers = [
            (b"host", b"localhost"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"x-api-key", api_key),
            (b"x-signature", sign(secret, body)),
            (b"content-length", b"%d" % len(body)),
        ]
        scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "client": ("127.0.0.1", 1)}
        return {**scope, "headers": headers}, body


async def _call(handle: Any, scope: dict[str, Any], body: bytes) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert message.get("status", 200) == 200, message

    # As the server does: each request in a task, and so in a context, of its own.
    await asyncio.get_running_loop().create_task(handle(scope, receive, send))


# --- two servers -----------------------------------------------------------------------------------------------------


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
