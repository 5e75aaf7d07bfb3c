"""Money in and out of the real program: over the command line and HTTP, and with SIGKILL at every step."""

import asyncio
import json
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from app import control
from app.auth import sign
from app.custody import requests as funds
from app.custody.simulated import ChainStatus, SimulatedChain, make_address
from app.db.connect import connect, engine_for
from app.db.embedded import EmbeddedServer
from app.recovery import verify
from tests.support.program import DEADLINE_S, Program, evermark

HOUR_MS = 3_600_000
STILL = {"EVERMARK_CHAIN_BLOCK_MS": str(HOUR_MS)}
"""Blocks come when they are told to."""
START = {"BTC": Decimal(2), "USDT": Decimal(100_000)}
"""What a demo account has at first."""


class Bank:
    """The program over one DATA_DIR, started again and again, and those who have money there."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self._environment = environment
        self.program = self.start()

    def start(self) -> Program:
        self.program = Program(self.data_dir, **self._environment)
        self.program.wait_until_open()
        self.demo = json.loads((self.data_dir / "demo.json").read_text("utf-8"))
        return self.program

    def kill(self) -> None:
        """Strike the program down. Its database stays up."""
        self.program.stop(signal.SIGKILL)

    def run(self, *arguments: str, code: int = 0) -> str:
        return evermark(self.data_dir, *arguments, code=code)

    def ask(self, request: control.AnyRequest, kind: Any) -> Any:
        return control.ask(self.data_dir, request, kind)

    def post(self, path: str, account: int = 0, **fields: str) -> requests.Response:
        keys = self.demo["accounts"][account]
        body = urlencode({**fields, "timestamp": f"{time.time_ns() // 1_000_000}.{random.randrange(10**6)}"}).encode()
        headers = {
            "x-api-key": keys["api_key"],
            "x-signature": sign(keys["secret_key"].encode(), body).decode(),
            "content-type": "application/x-www-form-urlencoded",
        }
        return requests.post(self.demo["url"] + path, data=body, headers=headers, timeout=DEADLINE_S)

    def get(self, path: str, account: int = 0) -> Any:
        keys = self.demo["accounts"][account]
        answer = requests.get(self.demo["url"] + path, headers={"x-api-key": keys["api_key"]}, timeout=DEADLINE_S)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text, parse_float=Decimal)["result"]

    def withdraw(self, name: str, qty: str, account: int = 0, asset: str = "BTC") -> None:
        fields = {"asset": asset, "qty": qty, "address": make_address(), "client_withdrawal_id": name}
        answer = self.post("/auth/withdraw", account, **fields)
        assert answer.status_code == 200, answer.text

    def statuses(self, account: int = 0) -> dict[str, str]:
        """Of withdrawals, by their own names."""
        return {row["client_withdrawal_id"]: row["status"] for row in self.get("/withdrawals?limit=1000", account)}

    def number(self, name: str) -> str:
        found = next(row for row in self.get("/withdrawals?limit=1000") if row["client_withdrawal_id"] == name)
        return str(int(found["id"][8:], 16))

    def oldest_s(self, status: str) -> float:
        """How long the oldest withdrawal has stood there, as /metrics says."""
        said = requests.get(f"{self.demo['url']}/metrics", timeout=DEADLINE_S).text
        line = rf'^evermark_withdrawals_oldest_seconds\{{status="{status}"\}} (\S+)$'
        (found,) = re.findall(line, said, re.MULTILINE)
        return float(found)

    def plan(self, **what: Any) -> None:
        self.ask(funds.ChainPlan(**what), funds.ChainRow)

    def transactions(self) -> list[funds.TransactionRow]:
        found: list[funds.TransactionRow] = self.ask(funds.ChainList(10_000), list[funds.TransactionRow])
        return found

    def paid(self) -> Counter[str]:
        """How often the chain pays to an address, what it lost not counted."""
        return Counter(row.address for row in self.transactions() if row.kind == "payment" and row.status != "LOST")


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.spec("OPER-009", "FUNDS-004", "FUNDS-009", "OPS-027")
def test_money_goes_in_and_out_on_the_command_line(data_dir: Path) -> None:
    bank = Bank(data_dir, EVERMARK_METRICS_OPEN="1", **STILL)
    try:
        transaction = bank.run("chain", "deposit", "alice", "1.5", "btc").split()[1]
        address = bank.run("deposits", "address", "alice").strip()
        wait(lambda: "PENDING" in bank.run("deposits", "list"))
        assert "It answers" in bank.run("chain", "mine", "3")
        wait(lambda: "COMPLETED" in bank.run("deposits", "list"))
        listed = bank.run("chain", "list")
        assert transaction[:16] in listed
        assert address in listed
        assert "3.5 BTC" in bank.run("accounts", "list")
        assert "withdrawal_approval_above: 0 -> 0.1" in bank.run(
            "assets", "amend", "BTC", "withdrawal_approval_above=0.1"
        )
        bank.withdraw("large", "0.5")
        wait(lambda: bank.statuses() == {"large": "WAITING_FOR_APPROVAL"})
        assert "SUSPECTED" in bank.run("withdrawals", "suspect", "1", "--note", "an odd address")
        assert "an odd address" in bank.run("withdrawals", "list")
        wait(lambda: bank.oldest_s("suspected") > 0)
        assert bank.oldest_s("waiting_for_approval") == 0
        assert "PROCESSING" in bank.run("withdrawals", "approve", "1")
        wait(lambda: sum(bank.paid().values()) == 1)
        assert "INVALID" not in bank.run("withdrawals", "cancel", "1", code=1)
        bank.run("chain", "mine", "3")
        wait(lambda: bank.statuses() == {"large": "SUCCEEDED"})
        assert "There are none" in bank.run("withdrawals", "list")
        assert "SUCCEEDED" in bank.run("withdrawals", "list", "--all")
        assert "Money comes and goes" in bank.run("custody", "status")
        bank.run("chain", "away", "on")
        wait(lambda: "does not answer" in bank.run("status"))
        assert "does not answer" in bank.run("custody", "status", code=1)
        bank.run("chain", "away", "off")
        wait(lambda: "does not answer" not in bank.run("status"))
        paid = next(row.transaction for row in bank.transactions() if row.kind == "payment")
        bank.run("chain", "lose", paid[:16])
        wait(lambda: "custody: A payment that had arrived is gone" in bank.run("status"))
        assert "SUCCEEDED" in bank.run("withdrawals", "list", "--all")
        assert "A payment that had arrived is gone" in bank.run("custody", "status", code=1)
        refused = bank.post("/auth/withdraw", asset="BTC", qty="0.05", address=make_address())
        assert (refused.status_code, refused.json()["result"]["reject"]) == (503, "WITHDRAWALS_CLOSED")
        known = bank.post("/auth/withdraw", asset="BTC", qty="9", address=make_address(), client_withdrawal_id="large")
        assert (known.status_code, known.json()["result"]["status"]) == (200, "SUCCEEDED")
        assert "Money comes and goes" in bank.run("custody", "resolve", "1", "--reason", "paid by hand")
        assert "2 transactions" not in bank.run("chain", "reorganise", "1")
        for arguments in (
            ("chain", "fail-next"),
            ("chain", "lose-answers", "0"),
            ("chain", "away", "off"),
            ("chain", "status"),
        ):
            assert "It answers" in bank.run(*arguments)
        bank.run("chain", "away", "perhaps", code=1)
        bank.run("assets", "amend", "BTC", "fee", code=1)
        bank.run("chain", "deposit", "nobody", "1", code=1)
        assert bank.run("chain", "address").startswith("sim1")
    finally:
        bank.program.stop()


@pytest.mark.spec("CASH-018")
def test_killed_with_something_at_every_step(data_dir: Path) -> None:
    bank = Bank(data_dir, **STILL)
    try:
        bank.run("assets", "amend", "BTC", "withdrawal_approval_above=0.1")
        known = bank.run("deposits", "address", "alice").strip()
        for who, amount in (("alice", "0.3"), ("bob", "0.4")):
            bank.run("chain", "deposit", who, amount)
        bank.withdraw("two confirmations", "0.01")
        wait(lambda: sum(bank.paid().values()) == 1)
        bank.run("chain", "mine", "2")
        bank.run("chain", "deposit", "alice", "0.5")
        bank.withdraw("sent", "0.02")
        wait(lambda: sum(bank.paid().values()) == 2)
        bank.plan(lose_next=1)
        bank.withdraw("sent, and nobody heard", "0.03")
        wait(lambda: sum(bank.paid().values()) == 3)
        for name in ("approved, not sent", "to be approved", "to be cancelled"):
            bank.withdraw(name, "0.2")
            wait(lambda name=name: bank.statuses()[name] == "WAITING_FOR_APPROVAL")  # type: ignore[misc]
        bank.plan(fail_next=1)
        bank.withdraw("failed, and not known", "0.04")
        wait(lambda: any(row.status == "LOST" for row in bank.transactions()))
        bank.plan(is_away=True)
        bank.run("withdrawals", "approve", bank.number("approved, not sent"))
        bank.withdraw("not begun", "0.05")
        before = bank.statuses()
        assert before["approved, not sent"] == before["sent"] == "PROCESSING"
        assert before["not begun"] == "SUBMITTED"
        bank.kill()
        asyncio.run(go_on_without(data_dir, known))
        bank.start()
        # What the custody says is news only now; it is away still.
        assert {name: status for name, status in bank.statuses().items() if status != before[name]} == {}
        bank.kill()
        bank.start()
        bank.plan(is_away=False)
        bank.run("withdrawals", "approve", bank.number("to be approved"))
        bank.run("withdrawals", "cancel", bank.number("to be cancelled"))
        wait(lambda: sum(bank.paid().values()) == 6)
        bank.run("chain", "mine", "3")
        ended = {"to be cancelled": "CANCELLED", "failed, and not known": "FAILED"}
        expected = {name: ended.get(name, "SUCCEEDED") for name in before}
        wait(lambda: bank.statuses() == expected)
        wait(lambda: [row["status"] for row in bank.get("/deposits")] == ["COMPLETED"] * 3)
        assert set(bank.paid().values()) == {1}
        # 0.3 + 0.5 + 0.7 came; 0.01 + 0.02 + 0.03 + 0.05 + 0.2 + 0.2 went.
        held = bank.get("/balances")["BTC"]
        assert (held["free"], held["withdrawn"]) == (START["BTC"] + Decimal("1.5") - Decimal("0.51"), 0)
        assert "Money comes and goes" in bank.run("custody", "status")
    finally:
        bank.program.stop()
    check_books(data_dir)


async def go_on_without(data_dir: Path, address: str) -> None:
    """The chain while no exchange runs: a block, and a deposit."""
    engine = engine_for(EmbeddedServer(data_dir).url())
    try:
        chain = SimulatedChain(engine, lambda: time.time_ns() // 1_000_000, block_ms=HOUR_MS)
        await chain.deposit(address, "BTC", 70_000_000)
        await chain.mine(1)
        assert (await chain.state()).is_away
    finally:
        await engine.dispose()


@pytest.mark.spec("CASH-018")
def test_killed_three_times_while_money_moves(data_dir: Path) -> None:
    run_rounds(data_dir, 3)


@pytest.mark.spec("CASH-018")
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_killed_thirty_times_while_money_moves(data_dir: Path) -> None:
    run_rounds(data_dir, 30)


def run_rounds(data_dir: Path, rounds: int) -> None:
    """Kill the program at random moments while deposits and withdrawals come and blocks pass; then let all end."""
    dice = random.Random(rounds)
    bank = Bank(
        data_dir, EVERMARK_CHAIN_BLOCK_MS="100", EVERMARK_KEY_REQUESTS_PER_S="100000", EVERMARK_SNAPSHOT_EVERY="100"
    )
    asked: list[tuple[int, str]] = []
    acknowledged: set[tuple[int, str]] = set()
    try:
        for round_number in range(rounds):
            stopped = threading.Event()
            threads = [
                threading.Thread(target=draw, args=(bank, round_number, account, stopped, asked, acknowledged))
                for account in (0, 1)
            ]
            threads.append(threading.Thread(target=pay, args=(bank, round_number, stopped)))
            for thread in threads:
                thread.start()
            moment = time.monotonic() + dice.uniform(0.5, 2.5)
            time.sleep(max(0.0, moment - time.monotonic()))  # the moment is the test: nothing to wait for
            bank.kill()
            stopped.set()
            for thread in threads:
                thread.join(DEADLINE_S)
                assert not thread.is_alive()
            bank.start()
        bank.plan(fail_next=0, lose_next=0, is_away=False)
        ends = {"SUCCEEDED", "FAILED"}
        for account in (0, 1):
            wait(lambda account=account: set(bank.statuses(account).values()) <= ends)  # type: ignore[misc]
            names = bank.statuses(account).keys()
            assert {name for owner, name in acknowledged if owner == account} <= names
            assert names <= {name for owner, name in asked if owner == account}
        wait(lambda: all(row.confirmations >= 3 or row.status == "LOST" for row in bank.transactions()))
        wait(
            lambda: not any(row["status"] == "PENDING" for account in (0, 1) for row in bank.get("/deposits", account))
        )
        assert len(acknowledged) > rounds
        assert "Money comes and goes" in bank.run("custody", "status")
        check_balances(bank)
    finally:
        bank.program.stop()
    check_books(data_dir)


def draw(
    bank: Bank,
    round_number: int,
    account: int,
    stopped: threading.Event,
    asked: list[tuple[int, str]],
    acknowledged: set[tuple[int, str]],
) -> None:
    """Ask for withdrawals until the line is dead."""
    dice = random.Random(f"{round_number}/{account}")
    for number in range(90):  # the core takes a hundred a day of one owner and asset
        name = f"{round_number}-{account}-{number}"
        asked.append((account, name))
        asset = dice.choice(("BTC", "USDT"))
        fields = {"asset": asset, "qty": f"0.00{dice.randint(1, 9)}", "address": make_address()}
        try:
            answer = bank.post("/auth/withdraw", account, client_withdrawal_id=name, **fields)
        except requests.RequestException:
            return
        if answer.status_code == 200:
            acknowledged.add((account, name))
        if stopped.wait(dice.uniform(0.05, 0.2)):
            return


def pay(bank: Bank, round_number: int, stopped: threading.Event) -> None:
    """Pay in, and let some things go wrong, until nobody answers."""
    dice = random.Random(round_number)
    while not stopped.wait(dice.uniform(0.02, 0.1)):
        wish: control.AnyRequest = funds.ChainDeposit(dice.choice(("alice", "bob")), f"0.0{dice.randint(1, 9)}", "BTC")
        if dice.random() < 0.3:
            wish = dice.choice((funds.ChainPlan(fail_next=1), funds.ChainPlan(lose_next=1), funds.ChainReorganise(1)))
        try:
            control.ask(bank.data_dir, wish, funds.ChainRow)
        except (control.Failed, control.Unreachable):
            continue


def check_balances(bank: Bank) -> None:
    """What each has is what it had, and what came, less what went."""
    for account in (0, 1):
        balances = bank.get("/balances", account)
        withdrawals = bank.get("/withdrawals?limit=1000", account)
        for asset, start in START.items():
            went = sum(row["qty"] for row in withdrawals if row["asset"] == asset and row["status"] == "SUCCEEDED")
            came = sum(row["net"] for row in bank.get("/deposits?limit=1000", account) if row["asset"] == asset)
            held = balances[asset]
            assert (held["free"], held["withdrawn"]) == (start + came - went, 0), asset


def check_books(data_dir: Path) -> None:
    """Replay the journal, and hold its payments and deposits against the chain's, one by one."""
    asyncio.run(_check_books(data_dir))


async def _check_books(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    await server.start()
    try:
        connection = await connect(server.url())
        assert (await verify(connection)).problems == []
        live = f"status <> {ChainStatus.LOST.value}"
        paid = await connection.fetch(f"SELECT withdrawal_id FROM chain_transactions WHERE key IS NOT NULL AND {live}")
        went = await connection.fetch("SELECT withdrawal_id FROM withdrawals WHERE status = 7")
        assert sorted(row[0] for row in paid) == sorted(row[0] for row in went)
        sums = "SELECT asset, sum(amount) FROM chain_transactions JOIN chain_addresses USING (address)"
        came = await connection.fetch(f"{sums} WHERE {live} GROUP BY asset")
        credited = await connection.fetchval("SELECT coalesce(sum(amount), 0) FROM deposits WHERE status = 1")
        assert sum(row[1] for row in came) == credited
        await connection.close()
    finally:
        await server.stop()
