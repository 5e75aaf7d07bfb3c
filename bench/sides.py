"""Two servers that differ in one thing, and what an order costs each, round by round in turns."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psutil

from bench.http import UNLIMITED, Round, exchange, free_port, mark_price, measure, open_accounts, running

CALLS: Final = 200_000
IDLE_S: Final = 5.0


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
def both(without: str) -> Iterator[dict[str, Server]]:
    """The exchange as it is, and as a module makes it that leaves something out; both warm."""
    with ExitStack() as stack:
        sides = {name: stack.enter_context(_side(without if name == "without" else "")) for name in ("with", "without")}
        for one in sides.values():
            one.measure(1.0)
        yield sides


@contextmanager
def _side(module: str) -> Iterator[Server]:
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evermark-bench-")))
        port, process = stack.enter_context(_changed(data_dir, module) if module else exchange(data_dir))
        keys = open_accounts(data_dir)
        price = mark_price(port, keys[0])
        yield Server(process, data_dir, {"port": port, "keys": keys, "price": price})


@contextmanager
def _changed(data_dir: Path, module: str) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    settings = {"DATA_DIR": str(data_dir), "PORT": str(port), **UNLIMITED}
    with running(
        [sys.executable, "-m", module, "run", "--no-demo"], {**os.environ, **settings}, port, "/ping"
    ) as process:
        yield port, process


def in_turns(sides: dict[str, Server], seconds: float, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Each side's rounds: microseconds of the server's processor for an order, and orders a second."""
    idle = idle_shares(list(sides.values()))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sorted(sides, reverse=number % 2 == 0):
            once = sides[name].measure(seconds)
            # What a server does each second whether anybody asks or not is no cost of an order.
            found[name].append((1e6 * (once["server_cpu"] - idle[sides[name]]) / once["rate"], once["rate"]))
    return found


def loop(call: Callable[[], object], count: int = CALLS) -> float:
    """Nanoseconds of one call, the least of three rounds."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter_ns()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter_ns() - start) / count)
    return best
