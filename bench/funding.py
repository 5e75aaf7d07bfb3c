"""What the tick of a full hour costs: funding over 100,000 positions, beside a plain loop over the same positions.

    python -m bench.funding [rounds]

Every figure is processor time in a process of its own: no journal, no HTTP. The market is a perpetual future with the exchange's
usual terms; half of the positions are long, half short, one for each account; half of the accounts are isolated. The
plain loop moves the same amounts between the entries of a list and does nothing else: no equity, no bound, no event.
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

from msgspec.structs import replace

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
from exchange.events import Event, FundingPaid, FundingSettled
from exchange.exchange import Exchange
from exchange.instrument import Asset, IndexTerms
from exchange.limits import HOUR_MS, RULES_LATEST

POSITIONS: Final = 100_000
HOURS: Final = 3
"""Hours that are settled in one round."""
PRICE: Final = 60_000_00
USD: Final = 10**8
ROUNDS: Final = 3
SCALE: Final = 10**12
RATE_PPM: Final = 100
"""Interest for each hour: the premium is zero where the mark is the index."""
SLOWER_MAX: Final = 50.0
"""The tick of a full hour may take so many times what the plain loop takes."""


class House:
    """One market with so many positions, and its clock."""

    def __init__(self, positions: int) -> None:
        self.exchange = Exchange()
        self.time_ms = START_MS
        terms = replace(
            TERMS, premium_clamp_ppm=30_000, funding_period_h=1, interest_ppm=RATE_PPM, interest_clamp_ppm=RATE_PPM
        )
        for command in (
            ListAsset(Asset(1, "USD")),
            ListAsset(Asset(2, "BTC")),
            ListIndex(IndexTerms(1, "BTC", 2, True)),
            ListMarket(1, terms),
            SetRulesVersion(RULES_LATEST),
        ):
            self.do(command)
        self.tick(START_MS)
        random = Random(1)
        for pair in range(positions // 2):
            lots = random.randint(20, 200)
            for account_id, side in ((2 * pair + 1, Side.SELL), (2 * pair + 2, Side.BUY)):
                self.do(OpenAccount(f"a{account_id}", account_id))
                self.do(Deposit(f"d{account_id}", account_id, 1, 1_000 * USD))
                if pair % 2:
                    self.do(SetMarginMode(account_id, True))
                self.do(PlaceOrder(account_id, 1, side, lots, PRICE, leverage_e2=500 if pair % 2 else 0))
        self.tick(self.time_ms + 1_000)  # everybody is looked at once

    def do(self, command: Command) -> list[Event]:
        return self.exchange.apply(command, self.time_ms)

    def tick(self, time_ms: int) -> tuple[float, list[Event]]:
        """Let a time come. Returns what the tick took, and what happened in it."""
        self.time_ms = time_ms
        self.do(UpdateIndexPrice(1, 1, PRICE, time_ms))
        start = time.process_time()
        events = self.do(Tick())
        return time.process_time() - start, events


def plain(lots: list[int], balances: list[int], lot_e12: int) -> float:
    """Move an hour's payments between the entries of a list. Returns what it took."""
    start = time.process_time()
    kept = 0
    for at, qty in enumerate(lots):
        owed = -(-qty * lot_e12 // SCALE)
        balances[at] -= owed
        kept += owed
    assert kept >= 0
    return time.process_time() - start


def child(positions: int) -> None:
    """One round in this process: print the seconds of each hour's tick, of a quiet one, and of the plain loop."""
    house = House(positions)
    market = house.exchange.state.markets[1]
    lots = [holding.position.qty for holding in market.holdings.values()]
    assert len(lots) == positions and all(lots)
    balances = [10**11] * positions
    found: dict[str, list[float]] = {"hour": [], "quiet": [], "plain": []}
    paid = 0
    gc.collect()
    gc.freeze()
    for _ in range(HOURS):
        end_ms = (house.time_ms // HOUR_MS + 1) * HOUR_MS
        house.tick(end_ms - 2_000)
        found["quiet"].append(house.tick(end_ms - 1_000)[0])
        seconds, events = house.tick(end_ms)
        found["hour"].append(seconds)
        (settled,) = [event for event in events if isinstance(event, FundingSettled)]
        paid += sum(1 for event in events if isinstance(event, FundingPaid))
        assert settled.collected > 0 and settled.gift == 0
        found["plain"].append(plain(lots, balances, settled.lot_e12))
    assert paid == HOURS * positions
    medians = {name: statistics.median(values) for name, values in found.items()}
    print(json.dumps({**medians, "hash": house.exchange.state_hash().hex()}))


def run_child(*, is_compiled: bool, positions: int) -> dict[str, float]:
    """Run one round in a fresh process."""
    environment = {**os.environ, "EVERMARK_COMPILED": "1" if is_compiled else "0"}
    root = Path(__file__).parent.parent
    program = f"from app import compiled; compiled.use(); from bench.funding import child; child({positions})"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main(*, rounds: int = ROUNDS, positions: int = POSITIONS, is_recorded: bool = True) -> bool:
    """Run, print, append to the results file. Tells whether the target was met."""
    given = {name: value for name, value in report.conditions().items() if name != "core"}
    report.heading("Funding: the tick of a full hour, beside a plain loop over the same positions", given)
    print(
        f"  {positions:,} positions of as many accounts, half of them isolated; {HOURS} hours a round, {rounds} rounds"
    )
    kinds = ["interpreted", "compiled"] if compiled.is_fresh() else ["interpreted"]
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            found[kind].append(run_child(is_compiled=kind == "compiled", positions=positions))
    assert len({result["hash"] for results in found.values() for result in results}) == 1, "the builds do not agree"
    is_met = True
    rows: list[tuple[report.Value, ...]] = []
    for kind, results in found.items():
        hour, quiet, loop = (
            statistics.median(result[name] for result in results) for name in ("hour", "quiet", "plain")
        )
        slower = hour / loop
        is_met = is_met and slower <= SLOWER_MAX
        rows.append((kind, hour * 1e3, hour / positions * 1e6, quiet * 1e6, loop * 1e3, slower))
        if is_recorded:
            row: dict[str, report.Value] = {
                "core": kind,
                "rounds": rounds,
                "positions": positions,
                "hour_ms": round(hour * 1e3, 1),
                "quiet_us": round(quiet * 1e6, 1),
                "plain_ms": round(loop * 1e3, 2),
                "times_plain": round(slower, 1),
            }
            report.append("funding", given, row)
    report.table(("core", "hour ms", "us/position", "quiet tick us", "plain loop ms", "times plain"), rows)
    print(f"\n  target: at most {SLOWER_MAX:.0f} times the plain loop: {'met' if is_met else 'MISSED'}")
    if "compiled" not in found:
        print("  no compiled core for these sources: make compile")
    return is_met


if __name__ == "__main__":
    given_rounds = [int(word) for word in sys.argv[1:] if word.isdigit()]
    sys.exit(0 if main(rounds=given_rounds[0] if given_rounds else ROUNDS) else 1)
