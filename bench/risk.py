"""What a tick costs when prices move: a move that hurts nobody, and a crash that liquidates a thousand.

    python -m bench.risk [rounds]

Every figure is the processor time of `Exchange.apply(Tick())` in a process of its own: no journal, no HTTP. The market
is a perpetual future with the exchange's usual terms, mark by index. Half of the positions are long, half short.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Final

from app import compiled
from bench import report
from bench.core_stream import START_MS, TERMS
from engine.order import Side
from exchange.commands import (
    Command,
    Deposit,
    ListAsset,
    ListIndex,
    ListMarket,
    OpenAccount,
    PlaceOrder,
    SetMarginMode,
    SetRulesVersion,
    Tick,
    UpdateIndexPrice,
)
from exchange.events import Event, LiquidationStarted, PositionDeleveraged, PositionTakenOver, Traded
from exchange.exchange import Exchange
from exchange.instrument import Asset, IndexTerms
from exchange.limits import FUND_ACCOUNT_ID, RULES_OF_LIQUIDATION

FEW: Final = 1_000
MANY: Final = 100_000
MOVES: Final = 400
"""Moves of the mark that are timed in one round."""
RATIO_MAX: Final = 1.5
FAILING: Final = 1_000
"""Accounts that one crash liquidates."""
PRICE: Final = 60_000_00
LOT_USD: Final = 6
USD: Final = 10**8
ROUNDS: Final = 3
MAKER: Final = 1
FLOOR: Final = PRICE * 94 // 100


class House:
    """One market, its clock, and accounts by twos that trade with each other."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.exchange = Exchange()
        self.time_ms = START_MS
        self.accounts = 0
        for command in (
            ListAsset(Asset(1, "USD")),
            ListAsset(Asset(2, "BTC")),
            ListIndex(IndexTerms(1, "BTC", 2, True)),
            ListMarket(1, TERMS),
            SetRulesVersion(RULES_OF_LIQUIDATION),
        ):
            self.do(command)
        self.move(PRICE)

    def do(self, command: Command) -> list[Event]:
        return self.exchange.apply(command, self.time_ms)

    def open(self, usd: int, *, is_isolated: bool) -> int:
        """Open an account with so many dollars."""
        self.accounts += 1
        account_id = self.accounts
        self.do(OpenAccount(f"a{account_id}", account_id))
        self.do(Deposit(f"d{account_id}", account_id, 1, usd * USD))
        if is_isolated:
            self.do(SetMarginMode(account_id, True))
        return account_id

    def trade(self, buyer: int, seller: int, lots: int, leverage: int = 0) -> None:
        """Let two accounts open opposite positions at the mark."""
        for account_id, side in ((seller, Side.SELL), (buyer, Side.BUY)):
            self.do(PlaceOrder(account_id, 1, side, lots, PRICE, leverage_e2=leverage * 100))

    def move(self, price: int) -> tuple[float, list[Event]]:
        """Let a second pass with another index. Returns what the tick took, and what happened in it."""
        self.time_ms += 1_000
        self.do(UpdateIndexPrice(1, 1, price, self.time_ms))
        start = time.process_time()
        events = self.do(Tick())
        return time.process_time() - start, events


def quiet(positions: int, *, is_isolated: bool) -> House:
    """Make a house with so many open positions of 2 to 10 times leverage."""
    house = House(1)
    for _ in range(positions // 2):
        leverage = house.random.randint(2, 10)
        lots = house.random.randint(20, 200)
        # Under isolated margin the balance is left with a little; under cross the deposit makes the leverage.
        usd = lots * LOT_USD // leverage + 10
        buyer, seller = (house.open(usd, is_isolated=is_isolated) for _ in range(2))
        house.trade(buyer, seller, lots, leverage if is_isolated else 0)
    assert house.exchange.state.markets[1].open_interest > 0
    held = sum(1 for holding in house.exchange.state.markets[1].holdings.values() if holding.position.qty)
    assert held == positions, held
    house.move(PRICE + 1)  # everybody is looked at once
    house.move(PRICE)
    return house


def walk() -> list[int]:
    """A walk of the mark within 0.5% of the start, up to 0.02% a step."""
    random = Random(2)
    found = []
    price = PRICE
    for _ in range(MOVES):
        price += random.randint(-12_00, 12_00)
        price = min(max(price, PRICE * 995 // 1_000), PRICE * 1_005 // 1_000)
        found.append(price)
    return found


def measure_quiet(*, is_isolated: bool) -> dict[str, float]:
    """Time moves that hurt nobody with few and with many positions, in turn."""
    few, many = quiet(FEW, is_isolated=is_isolated), quiet(MANY, is_isolated=is_isolated)
    gc.collect()
    gc.freeze()
    times: dict[int, list[float]] = {FEW: [], MANY: []}
    for price in walk():
        for size, house in ((FEW, few), (MANY, many)):
            seconds, events = house.move(price)
            assert not any(isinstance(event, LiquidationStarted) for event in events)
            times[size].append(seconds)
    found = {f"us_{size}": 1e6 * statistics.median(one) for size, one in times.items()}
    found.update({f"mean_us_{size}": 1e6 * statistics.fmean(one) for size, one in times.items()})
    return found


def measure_crash(*, has_bids: bool, step: int) -> dict[str, float]:
    """Time the ticks of a fall of 6%, so much a second, until nobody fails any more of a thousand accounts that had 20 to 50
    times leverage.
    """
    house = House(3)
    maker = house.open(2_000_000_000, is_isolated=False)
    assert maker == MAKER
    house.do(Deposit("fund", FUND_ACCOUNT_ID, 1, 1_000 * USD))
    for number in range(FAILING):
        lots = house.random.randint(100, 500)
        leverage = house.random.randint(20, 50)
        failing = house.open(lots * LOT_USD // leverage + lots * LOT_USD // 200, is_isolated=number % 2 == 0)
        house.trade(failing, maker, lots, leverage if number % 2 == 0 else 0)
    house.move(PRICE)
    price = PRICE
    total = worst = 0.0
    ticks = 0
    counts = {"trades": 0, "taken_over": 0, "deleveraged": 0}
    started = 0
    gc.collect()
    gc.freeze()
    while price > FLOOR or is_liquidating(house.exchange):
        if price > FLOOR:
            price = max(FLOOR, price - step)
        if has_bids:
            house.do(PlaceOrder(maker, 1, Side.BUY, 4_000, price // TERMS.tick * TERMS.tick))
        seconds, events = house.move(price)
        ticks += 1
        total += seconds
        worst = max(worst, seconds)
        for event in events:
            started += isinstance(event, LiquidationStarted) and event.account_id != FUND_ACCOUNT_ID
            counts["trades"] += isinstance(event, Traded)
            counts["taken_over"] += isinstance(event, PositionTakenOver)
            counts["deleveraged"] += isinstance(event, PositionDeleveraged)
    assert started >= FAILING
    return {
        "seconds": total,
        "ticks": ticks,
        "worst_ms": 1e3 * worst,
        "us_each": 1e6 * total / FAILING,
        "started": started,
        **counts,
    }


def is_liquidating(exchange: Exchange) -> bool:
    """Tell whether anybody but the fund is being liquidated."""
    return any(account_id != FUND_ACCOUNT_ID for account_id, _ in exchange.state.liquidations)


def child(kind: str) -> None:
    """Measure one thing in this process and print it."""
    if kind in {"cross", "isolated"}:
        print(json.dumps(measure_quiet(is_isolated=kind == "isolated")))
    else:
        print(json.dumps(measure_crash(has_bids=kind == "bids", step=PRICE if kind == "gap" else PRICE // 1_000)))


def run_child(kind: str, *, is_compiled: bool) -> dict[str, float]:
    """Run one measurement in a fresh process."""
    environment = {**os.environ, "EVERMARK_COMPILED": "1" if is_compiled else "0"}
    program = f"from app import compiled; compiled.use(); from bench.risk import child; child({kind!r})"
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=root, check=True, capture_output=True, text=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main(*, rounds: int = ROUNDS) -> bool:
    """Run, print, append to the results file. Tells whether the targets were met."""
    given: dict[str, report.Value] = {name: value for name, value in report.conditions().items() if name != "core"}
    report.heading("Ticks of a market that moves", {**given, "rounds": rounds})
    is_met = True
    for core in ("interpreted", "compiled") if compiled.is_fresh() else ("interpreted",):
        rows: list[list[report.Value]] = []
        kept: dict[str, report.Value] = {"core": core, "rounds": rounds}
        for kind in ("cross", "isolated"):
            results = [run_child(kind, is_compiled=core == "compiled") for _ in range(rounds)]
            few, many = (statistics.median(one[f"us_{size}"] for one in results) for size in (FEW, MANY))
            ratio = statistics.median(one[f"us_{MANY}"] / one[f"us_{FEW}"] for one in results)
            means = [statistics.median(one[f"mean_us_{size}"] for one in results) for size in (FEW, MANY)]
            rows.append([kind, few, many, ratio, *means])
            kept.update({f"{kind}_us_few": round(few, 1), f"{kind}_us_many": round(many, 1)})
            kept[f"{kind}_ratio"] = round(ratio, 3)
            is_met = is_met and ratio <= RATIO_MAX
        columns = (
            "margin",
            f"us, {FEW:,} positions",
            f"us, {MANY:,}",
            f"ratio (at most {RATIO_MAX})",
            "mean us",
            "mean us",
        )
        print(f"\n  {core}: a move that hurts nobody, medians of {MOVES} ticks")
        report.table(columns, rows)
        crash_rows: list[list[report.Value]] = []
        for kind in ("bids", "empty", "gap"):
            results = [run_child(kind, is_compiled=core == "compiled") for _ in range(rounds)]
            middle = {name: statistics.median(one[name] for one in results) for name in results[0]}
            crash_rows.append(
                [
                    kind,
                    int(middle["started"]),
                    int(middle["ticks"]),
                    middle["seconds"] * 1e3,
                    middle["us_each"],
                    middle["worst_ms"],
                    int(middle["trades"]),
                    int(middle["taken_over"]),
                    int(middle["deleveraged"]),
                ]
            )
            kept.update(
                {f"crash_{kind}_us_each": round(middle["us_each"]), f"crash_{kind}_ticks": int(middle["ticks"])}
            )
            kept[f"crash_{kind}_worst_ms"] = round(middle["worst_ms"], 1)
        names = (
            "book",
            "liquidated",
            "ticks",
            "ms in ticks",
            "us each",
            "worst tick ms",
            "trades",
            "taken over",
            "deleveraged",
        )
        print(
            f"\n  {core}: {FAILING:,} accounts fail while the mark falls by 6%: 0.1% a second with bids, without, and at once"
        )
        report.table(names, crash_rows)
        report.append("risk", given, kept)
    return is_met


if __name__ == "__main__":
    sys.exit(0 if main(rounds=int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS) else 1)
