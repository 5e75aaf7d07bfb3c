"""The disaster, rehearsed: the exchange is killed under load, its backup put into an empty folder, and everything is there."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from app import demo
from app.backup import read_manifest
from tests.e2e.test_kill import Client
from tests.support.program import DEADLINE_S, ROOT, environment_of, evermark, running, seq_of

FROM_A_TERMINAL = """import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a program that was started in the background would not hear it
from app.cli import main
main()"""
ENOUGH = 150
"""Orders that were acknowledged before the kill."""


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not under pytest's own folder: the next run takes away the database's right to pass through it.
    path = Path(tempfile.mkdtemp(prefix="evermark-disaster-"))
    try:
        yield path
    finally:
        for name in ("first", "second"):
            evermark(path / name, "stop-db")
        shutil.rmtree(path, ignore_errors=True)


def state_hash(data_dir: Path, seq: int) -> str:
    said = evermark(data_dir, "replay", "--to", str(seq))
    (found,) = re.findall(r"state hash\s+([0-9a-f]{64})", said)
    return str(found)


def price_of(client: Client) -> str:
    return str(round(client.get("/pairs")["result"]["USD_BTC_PERP"]["mark_price"], 1))  # type: ignore[index]


def trade(account: demo.DemoAccount, url: str, acknowledged: list[str]) -> None:
    client = Client(url, {"api_key": account.api_key, "secret_key": account.secret_key})
    price = price_of(client)
    try:
        for number in range(100_000):
            name = f"{account.name}-{number}"
            status, _ = client.order(name, ("BUY", "SELL")[number % 2], price=price)
            if status == 200:
                acknowledged.append(name)
    except (OSError, HTTPException):  # it is dead
        pass


def cut_off(folder: Path, *arguments: str, number: int) -> str:
    """Give a command, and end it when it has copied the journal; what it said last."""
    own = environment_of(folder / "first", TMPDIR=str(folder))
    with subprocess.Popen(
        [sys.executable, "-c", FROM_A_TERMINAL, *arguments], cwd=ROOT, env=own, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stderr is not None
        for line in program.stderr:
            if line.startswith("journal:"):
                break
        program.send_signal(number)
        said = program.stderr.read()
    assert program.returncode not in (0, -signal.SIGTERM), said
    return said.splitlines()[-1] if said else ""


def test_what_is_cut_off_leaves_nothing_behind(folder: Path) -> None:
    """BAK-009."""
    first, copy = folder / "first", folder / "copy"
    with running(first, EVERMARK_FEED="synthetic"):
        pass
    evermark(first, "backup", str(copy))
    before = sorted(folder.iterdir())
    for number in (signal.SIGTERM, signal.SIGINT):
        for command in ("drill", str(copy)), ("backup", str(folder / "other")):
            assert cut_off(folder, *command, number=number) == "Cut off; nothing of it was kept."
            assert sorted(folder.iterdir()) == before
    (folder / "second").mkdir()
    shutil.copy(first / "master.key", folder / "second")
    cut_off(folder, "--data-dir", str(folder / "second"), "restore", str(copy), number=signal.SIGTERM)
    assert not (folder / "second" / "postgres").exists()
    evermark(folder / "second", "restore", str(copy))


def test_a_killed_restore_is_begun_anew(folder: Path) -> None:
    """BAK-010."""
    first, second, copy = folder / "first", folder / "second", folder / "copy"
    with running(first, EVERMARK_FEED="synthetic"):
        pass
    evermark(first, "backup", str(copy))
    second.mkdir()
    shutil.copy(first / "master.key", second)
    cut_off(folder, "--data-dir", str(second), "restore", str(copy), number=signal.SIGKILL)
    assert (second / "postgres").is_dir()
    assert "was cut off" in evermark(second, "run", code=3)
    evermark(second, "restore", str(copy))
    evermark(second, "verify")


def test_killed_and_restored_into_an_empty_folder(folder: Path) -> None:
    """BAK-008."""
    first, second, copy = folder / "first", folder / "second", folder / "copy"
    with running(first, EVERMARK_FEED="synthetic") as program:
        found = demo.read(first)
        assert found is not None
        account = found.accounts[0]
        acknowledged: list[str] = []
        trader = threading.Thread(target=trade, args=(account, found.url, acknowledged))
        trader.start()
        deadline = time.monotonic() + DEADLINE_S
        while len(acknowledged) < ENOUGH:
            assert trader.is_alive() and time.monotonic() < deadline, program.log
            time.sleep(0.01)
        program.stop(signal.SIGKILL)
        trader.join(DEADLINE_S)
    said = evermark(first, "backup", str(copy), "--with-key")
    manifest = read_manifest(copy)
    assert manifest.state_hash in said
    assert "The backup leads to the same state." in evermark(first, "drill", str(copy))
    evermark(second, "restore", str(copy))
    assert state_hash(second, manifest.seq) == state_hash(first, manifest.seq) == manifest.state_hash
    with running(second, "--no-demo", EVERMARK_FEED="synthetic") as again:
        url = re.findall(r"Evermark is open at (\S+)", again.output)[0]
        client = Client(url, {"api_key": account.api_key, "secret_key": account.secret_key})
        for name in acknowledged:
            order = client.get(f"/order?client_order_id={name}")
            assert order["code"] == 200, (name, order)
        assert client.order("after", "BUY", price=price_of(client))[0] == 200
        assert seq_of(second) > manifest.seq
