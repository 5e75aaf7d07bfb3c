"""Signed, matched, margin-checked, durable orders over HTTP, beside a no-op handler of the same framework and server.

    python -m bench.http [seconds of a round] [rounds]

The exchange is the real one in its own process, with its embedded PostgreSQL. Both sides get the same bytes from the same
client in a third process; bodies are signed before each round. The ratio is what counts: absolutes are this machine's.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import psutil
import uvloop

from app import compiled, control
from app.auth import sign
from bench import report

CONNECTIONS: Final = 32
ACCOUNTS: Final = 16
TARGET: Final = 0.3
PAIR: Final = "USD_BTC_PERP"
QTY: Final = "0.0001"
START_S: Final = 60.0
ORDERS_PER_S_MAX: Final = 15_000
"""Bodies made for each second of a round; a faster server ends its round early."""
SERVER: Final = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")

UNLIMITED: Final = {
    "EVERMARK_IP_REQUESTS_PER_S": "1000000",
    "EVERMARK_IP_BURST": "1000000",
    "EVERMARK_KEY_REQUESTS_PER_S": "1000000",
    "EVERMARK_KEY_BURST": "1000000",
    "EVERMARK_ACCOUNT_ORDERS_PER_MIN": "10000000",
    "EVERMARK_ACCOUNT_CANCELS_PER_MIN": "10000000",
}
"""Limits as high as they go: what they cost counts, what they refuse does not."""

Round = dict[str, Any]


def main() -> int:
    """Measure, print, append to the results file; fail below the target."""
    if sys.argv[1:2] == ["client"]:
        print(json.dumps(uvloop.run(client(json.loads(sys.stdin.read())))))
        return 0
    compiled.use()  # as the server does: the conditions say which core it runs
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    conditions = {
        **report.conditions(),
        "connections": CONNECTIONS,
        "seconds": seconds,
        "rounds": rounds,
    }
    report.heading("Orders over HTTP beside a no-op handler", conditions)
    with tempfile.TemporaryDirectory(prefix="evermark-bench-") as folder:
        data_dir = Path(folder)
        with exchange(data_dir) as (port, server), noop() as (noop_port, noop_server):
            keys = open_accounts(data_dir)
            price = mark_price(port, keys[0])
            spec = {"port": port, "seconds": seconds, "keys": keys, "price": price}
            measure({**spec, "seconds": 1.0}, server, data_dir)  # warm up
            measure({**spec, "seconds": 1.0, "port": noop_port}, noop_server, data_dir)
            plain, orders = [], []
            for _ in range(rounds):
                plain.append(measure({**spec, "port": noop_port}, noop_server, data_dir))
                orders.append(measure(spec, server, data_dir))
    return summary(conditions, plain, orders)


def summary(conditions: dict[str, report.Value], plain: list[Round], orders: list[Round]) -> int:
    """Print both sides and their ratio, and write them down."""
    columns = ("side", "requests/s", "p50 ms", "p99 ms", "refused", "server CPU", "PostgreSQL CPU", "client CPU")
    report.table(columns, [line("no-op", one) for one in plain] + [line("orders", one) for one in orders])
    noop_rate = statistics.median(one["rate"] for one in plain)
    rate = statistics.median(one["rate"] for one in orders)
    ratio = rate / noop_rate
    effort = statistics.median(one["rate"] / one["server_cpu"] for one in orders)
    noop_effort = statistics.median(one["rate"] / one["server_cpu"] for one in plain)
    print()
    print(report.is_met("orders / no-op", ratio, TARGET))
    print(f"  the same for each second of the server's processor time: {effort / noop_effort:.2f}")
    report.append(
        "http",
        conditions,
        {
            "noop_per_s": round(noop_rate),
            "orders_per_s": round(rate),
            "ratio": round(ratio, 3),
            "ratio_by_cpu": round(effort / noop_effort, 3),
            "p99_ms": round(statistics.median(one["p99_ms"] for one in orders), 2),
            "filled_share": round(statistics.median(one["filled"] for one in orders), 3),
            "server_cpu": round(statistics.median(one["server_cpu"] for one in orders), 2),
            "postgres_cpu": round(statistics.median(one["postgres_cpu"] for one in orders), 2),
        },
    )
    return 0 if ratio >= TARGET else 1


def line(side: str, one: Round) -> tuple[report.Value, ...]:
    """A row of the table."""
    cpus = (one["server_cpu"], one["postgres_cpu"], one["client_cpu"])
    return (side, round(one["rate"]), one["p50_ms"], one["p99_ms"], one["refused"], *cpus)


def measure(spec: Round, server: psutil.Process, data_dir: Path) -> Round:
    """Run the client once, and say how much of a processor each side had."""
    before = cpu(server, data_dir)
    done = subprocess.run(
        [sys.executable, "-m", "bench.http", "client"],
        input=json.dumps(spec),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    result: Round = json.loads(done.stdout)
    after = cpu(server, data_dir)
    result["server_cpu"] = (after[0] - before[0]) / result["seconds"]
    result["postgres_cpu"] = (after[1] - before[1]) / result["seconds"]
    return result


def cpu(server: psutil.Process, data_dir: Path) -> tuple[float, float]:
    """Seconds of processor time of a server, and of the PostgreSQL that keeps its files in `data_dir`."""
    own = server.cpu_times()
    database = 0.0
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and any(str(data_dir) in word for word in process.info["cmdline"] or ()):
            for one in (process, *process.children()):
                times = one.cpu_times()
                database += times.user + times.system
    return own.user + own.system, database


# --- the two sides ---------------------------------------------------------------------------------------------------


@contextmanager
def exchange(data_dir: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The exchange as `evermark run` starts it, with limits that nobody reaches."""
    port = free_port()
    settings = {
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        **UNLIMITED,
    }
    command = [sys.executable, "-m", "app.cli", "run", "--no-demo"]
    with running(command, {**os.environ, **settings}, port, "/ping") as process:
        yield port, process


@contextmanager
def noop() -> Iterator[tuple[int, psutil.Process]]:
    """A handler that does nothing, on the same framework, server and settings."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.noop:app", "--port", str(port), *SERVER]
    with running(command, dict(os.environ), port, "/ping") as process:
        yield port, process


@contextmanager
def running(command: list[str], environment: dict[str, str], port: int, path: str) -> Iterator[psutil.Process]:
    """A server in its own process, from its first answer on."""
    with (
        tempfile.TemporaryFile() as log,  # a pipe that nobody reads would fill, and the server wait for it
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + START_S
            while not answers(port, path):
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    log.seek(0)
                    raise SystemExit(log.read().decode())
                time.sleep(0.05)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(START_S)


def answers(port: int, path: str) -> bool:
    """Whether a server answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line_:
            line_.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
            return b" 200 " in line_.recv(4096)
    except OSError:
        return False


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def open_accounts(data_dir: Path) -> list[tuple[str, str]]:
    """Accounts with money, through the operator's socket; their keys."""
    keys = []
    for number in range(ACCOUNTS):
        account = control.ask(data_dir, control.OpenAccount(f"bench {number}"), control.AccountRow)
        control.ask(
            data_dir,
            control.Deposit(account.account_id, "USD", "5000000", f"bench {number}"),
            control.Balance,
        )
        key = control.ask(data_dir, control.CreateKey(account.account_id), control.NewKey)
        keys.append((key.api_key, key.secret_key))
    return keys


def mark_price(port: int, key: tuple[str, str]) -> str:
    """The mark, to a whole unit: a price at which orders are taken."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line_:
        head = f"GET /position?pair={PAIR} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key[0]}\r\nconnection: close"
        line_.sendall(f"{head}\r\n\r\n".encode())
        text = b""
        while part := line_.recv(65_536):
            text += part
    return str(int(json.loads(text.partition(b"\r\n\r\n")[2])["result"]["stats"]["mark"]))


# --- the client ------------------------------------------------------------------------------------------------------


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is there."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self.requests = requests
        self.done = done
        self.transport: asyncio.Transport | None = None
        self.delays: list[float] = []
        self.refused = 0
        self.filled = 0
        self.sent_at = 0.0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop has transports of its own
        self.send()

    def send(self) -> None:
        """Send one more, unless all were sent."""
        assert self.transport is not None
        request = next(self.requests, None)
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take in an answer, whole or in parts."""
        if self.buffer:
            data = self.buffer + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.buffer = data
            return
        at = data.find(b"content-length: ")
        length = int(data[at + 16 : data.find(b"\r", at)])
        if len(data) < end + 4 + length:
            self.buffer = data
            return
        self.buffer = b""
        self.delays.append(time.perf_counter() - self.sent_at)
        if not data.startswith(b"HTTP/1.1 200"):
            self.refused += 1
        elif b'"status":"COMPLETED"' in data:
            self.filled += 1
        self.send()


async def client(spec: Round) -> Round:
    """One round: sign, connect, send until the time is over."""
    bodies = list(signed(spec))
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    requests = iter(bodies)
    cpu_before = time.process_time()
    start = time.perf_counter()
    connections = [
        (await loop.create_connection(lambda: Connection(requests, done), "127.0.0.1", spec["port"]))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.wait([done], timeout=spec["seconds"])
    seconds = time.perf_counter() - start
    delays = sorted(delay for connection in connections for delay in connection.delays)
    refused = sum(connection.refused for connection in connections)
    for connection in connections:
        assert connection.transport is not None
        connection.transport.close()
    return {
        "rate": (len(delays) - refused) / seconds,
        "seconds": seconds,
        "refused": refused,
        "filled": sum(connection.filled for connection in connections) / max(1, len(delays)),
        "p50_ms": 1_000 * delays[len(delays) // 2],
        "p99_ms": 1_000 * delays[len(delays) * 99 // 100],
        "client_cpu": (time.process_time() - cpu_before) / seconds,
    }


def signed(spec: Round) -> Iterator[bytes]:
    """Whole requests: half of the accounts sell what the other half buys, at one price."""
    now_ms = time.time_ns() // 1_000_000
    keys: list[tuple[str, str]] = spec["keys"]
    for number in range(int(spec["seconds"] * ORDERS_PER_S_MAX)):
        api_key, secret = keys[number % len(keys)]
        side = "BUY" if number % 2 else "SELL"
        stamp = f"{now_ms}.{number:06d}"
        body = f"pair={PAIR}&side={side}&price={spec['price']}&qty={QTY}&timestamp={stamp}".encode()
        yield (
            b"POST /auth/order HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n"
            b"x-api-key: %b\r\nx-signature: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (api_key.encode(), sign(secret.encode(), body), len(body), body)
        )


if __name__ == "__main__":
    sys.exit(main())
