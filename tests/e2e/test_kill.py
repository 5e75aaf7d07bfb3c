"""The real program under load, killed with SIGKILL at random moments: what it acknowledged is there, once."""

import asyncio
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from app.auth import sign
from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from app.journal import EMPTY, read
from app.recovery import verify
from bench.http import UNLIMITED
from exchange.commands import PlaceOrder

ROOT = Path(__file__).parents[2]
WORKERS = 6
DEADLINE_S = 120


class Venue:
    """The program over one DATA_DIR, started again and again."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._log = folder / "log"
        self.demo: dict[str, object] = {}

    def start(self) -> subprocess.Popen[bytes]:
        """Start it and wait until it answers."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        settings = {
            "DATA_DIR": str(self.data),
            "PORT": "0",
            "EVERMARK_FEED": "synthetic",
            **UNLIMITED,
            "EVERMARK_SNAPSHOT_EVERY": "500",
        }
        output = self.data.with_suffix(".out")
        with self._log.open("ab") as log, output.open("wb") as out:
            program = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "run"], cwd=ROOT, env={**kept, **settings}, stdout=out, stderr=log
            )
        deadline = time.monotonic() + DEADLINE_S
        while not re.search(r"^curl .*\n", output.read_text("utf-8"), re.MULTILINE):
            assert program.poll() is None, self._log.read_text("utf-8")[-4_000:]
            assert time.monotonic() < deadline, self._log.read_text("utf-8")[-4_000:]
            time.sleep(0.02)
        self.demo = json.loads((self.data / "demo.json").read_text("utf-8"))
        return program

    def price(self) -> str:
        """The mark: orders on both sides trade there, so that an account never has too many open."""
        pairs = self.client(0).get("/pairs")["result"]
        assert isinstance(pairs, dict)
        return str(round(pairs["USD_BTC_PERP"]["mark_price"], 1))

    def client(self, account: int) -> "Client":
        """A connection with the keys of a demo account."""
        accounts = self.demo["accounts"]
        assert isinstance(accounts, list)
        return Client(str(self.demo["url"]), accounts[account])


class Client:
    """One connection of one trader."""

    def __init__(self, url: str, account: dict[str, str]) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=DEADLINE_S)
        self._key = account["api_key"]
        self._secret = account["secret_key"].encode()

    def order(self, name: str, side: str, qty: str = "0.001", price: str = "60000") -> tuple[int, dict[str, object]]:
        """Send a signed order. Raises: OSError, http.client.HTTPException when no whole answer comes."""
        fields = {"pair": "USD_BTC_PERP", "qty": qty, "price": price, "side": side, "client_order_id": name}
        body = urlencode({**fields, "timestamp": time.time_ns() // 1_000_000}).encode()
        headers = {
            "x-api-key": self._key,
            "x-signature": sign(self._secret, body).decode(),
            "content-type": "application/x-www-form-urlencoded",
        }
        self._connection.request("POST", "/auth/order", body, headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def get(self, path: str) -> dict[str, object]:
        """Read something of the account's own."""
        self._connection.request("GET", path, headers={"x-api-key": self._key})
        answer = json.loads(self._connection.getresponse().read())
        assert isinstance(answer, dict)
        return answer


class Load:
    """Traders who place orders as fast as they are answered, until the line goes dead."""

    def __init__(self, venue: Venue, round_number: int) -> None:
        self.acknowledged: dict[str, tuple[int, str]] = {}
        """Account and order id by client order id."""
        self.sent: set[str] = set()
        self._price = venue.price()
        self._threads = [
            threading.Thread(target=self._trade, args=(venue, round_number, worker)) for worker in range(WORKERS)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until every line is dead."""
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def _trade(self, venue: Venue, round_number: int, worker: int) -> None:
        account = worker % 2
        client = venue.client(account)
        dice = random.Random(f"{round_number}/{worker}")
        number = 0
        try:
            while True:
                name = f"{round_number}-{worker}-{number}"
                number += 1
                self.sent.add(name)
                side, qty = dice.choice(("BUY", "SELL")), f"0.00{dice.randint(1, 9)}"
                status, answer = client.order(name, side, qty, self._price)
                result = answer["result"]
                if status == 200 and isinstance(result, dict):
                    self.acknowledged[name] = (account, str(result["order"]["id"]))
        except (OSError, http.client.HTTPException):
            return


@pytest.fixture
def venue() -> Iterator[Venue]:
    # Not under pytest's own folder: the next run takes away the database's right to pass through it.
    folder = Path(tempfile.mkdtemp(prefix="evermark-kill-"))
    venue = Venue(folder)
    yield venue
    EmbeddedServer(venue.data).stop_blocking()
    shutil.rmtree(folder, ignore_errors=True)


def kill_database(venue: Venue) -> int:
    pid = database_pid(venue)
    os.kill(pid, signal.SIGKILL)
    return pid


def database_pid(venue: Venue) -> int:
    """The server's process; 0 while there is none."""
    path = venue.data / "postgres" / "postmaster.pid"
    return int(path.read_text().split("\n")[0] or 0) if path.exists() else 0


def check_by_http(venue: Venue, load: Load, dice: random.Random) -> None:
    """A trader who asks again gets what was acknowledged, and a repeat makes nothing new."""
    names = sorted(load.acknowledged)
    for name in dice.sample(names, min(5, len(names))):
        account, order_id = load.acknowledged[name]
        client = venue.client(account)
        found = client.get(f"/order?id={order_id}")["result"]
        assert isinstance(found, dict)
        assert found["client_order_id"] == name
        status, answer = client.order(name, "BUY")
        result = answer["result"]
        assert status == 200, answer
        assert isinstance(result, dict)
        assert result["order"]["id"] == order_id


async def check_by_journal(venue: Venue, acknowledged: set[str], sent: set[str], repeats: int) -> None:
    """What the journal holds of each order, and that everything that follows from it is right."""
    server = EmbeddedServer(venue.data)
    await server.start()
    try:
        connection = await connect(server.url())
        names: Counter[str] = Counter()
        async for batch in read(connection, EMPTY):
            names.update(command.client_order_id for command in batch.commands if isinstance(command, PlaceOrder))
        rows = [row["client_order_id"] for row in await connection.fetch("SELECT client_order_id FROM orders")]
        report = await verify(connection)
        checkpoint = await connection.fetchval("SELECT seq FROM projector")
        await connection.close()
    finally:
        await server.stop()
    assert acknowledged <= set(names) <= sent
    assert sum(names.values()) <= len(names) + repeats  # nobody but the checks above asked twice
    assert len(rows) == len(set(rows))
    assert acknowledged <= set(rows)
    assert report.problems == []
    assert checkpoint == report.seq


def run_rounds(venue: Venue, rounds: int) -> None:
    dice = random.Random(rounds)
    acknowledged: set[str] = set()
    sent: set[str] = set()
    repeats = 0
    program = venue.start()
    try:
        for round_number in range(rounds):
            load = Load(venue, round_number)
            moment = time.monotonic() + dice.uniform(0.02, 0.6)
            is_power_cut = dice.random() < 0.25
            time.sleep(max(0.0, moment - time.monotonic()))  # the moment is the test: nothing to wait for
            if is_power_cut:
                kill_database(venue)
            program.kill()
            program.wait(DEADLINE_S)
            load.join()
            acknowledged |= load.acknowledged.keys()
            sent |= load.sent
            program = venue.start()
            check_by_http(venue, load, dice)
            repeats += min(5, len(load.acknowledged))
        program.terminate()
        assert program.wait(DEADLINE_S) == 0
    finally:
        program.kill()
        program.wait(DEADLINE_S)
    assert len(acknowledged) > 10 * rounds
    assert sent - acknowledged  # some were cut off in the middle, or nothing was tested
    asyncio.run(check_by_journal(venue, acknowledged, sent, repeats))


@pytest.mark.spec("SEQ-010")
def test_killed_three_times_under_load(venue: Venue) -> None:
    run_rounds(venue, 3)


@pytest.mark.spec("SEQ-010")
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_killed_fifty_times_under_load(venue: Venue) -> None:
    run_rounds(venue, 50)


@pytest.mark.spec("DB-004")
def test_an_embedded_database_that_dies_comes_back(venue: Venue) -> None:
    """No acknowledgement while it is away, and no restart of the exchange."""
    program = venue.start()
    try:
        client = venue.client(0)
        assert client.order("before", "BUY")[0] == 200
        acknowledged, sent = {"before"}, {"before"}
        killed = kill_database(venue)
        deadline = time.monotonic() + DEADLINE_S
        revived = False
        while not revived:
            assert time.monotonic() < deadline
            # Whether there is a new server is asked before the order: the dying one may still take one.
            is_new = database_pid(venue) not in {0, killed}
            name = f"after-{len(sent)}"
            sent.add(name)
            status, answer = venue.client(0).order(name, "BUY")
            assert status in {200, 503}, answer
            if status == 200:
                acknowledged.add(name)
                revived = is_new
            time.sleep(0.05)
        program.terminate()
        assert program.wait(DEADLINE_S) == 0
    finally:
        program.kill()
        program.wait(DEADLINE_S)
    asyncio.run(check_by_journal(venue, acknowledged, sent, 0))
