"""`python -m tests.simulation --seed 1 --commands 1000000`: lives, replays, and prints what happened.

A broken law ends it with the seed, the number of the command, and the journal up to it.
"""

import argparse
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from app import compiled
from tests.simulation.kinds import missing, table
from tests.simulation.life import Life, progress, replay

ROOT = Path(__file__).parent.parent.parent


def main() -> int:
    """Run one simulation or one replay."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--journal", type=Path, help="where the commands are written; by default under build")
    parser.add_argument("--compiled", action="store_true", help="live on the compiled core; the replay is interpreted")
    parser.add_argument("--replay", type=Path, help="only replay a journal, and print its hash")
    given = parser.parse_args()
    if given.replay:
        with given.replay.open("rb") as journal:
            print(replay(journal).state_hash().hex())
        return 0
    path = given.journal or ROOT / "build" / f"simulation-{given.seed}.journal"
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"seed {given.seed}, {given.commands:,} commands, core {compiled.describe()}")
    begun = time.monotonic()
    with path.open("wb") as journal:
        life = Life(given.seed, given.commands, journal, partial(progress, begun=begun))
        try:
            life.run()
        except AssertionError as error:
            print(
                f"\nBROKEN by command {life.count:,} of seed {given.seed} at {life.time_ms}: {type(error).__name__}: {error}"
            )
            print(f"The journal up to it: {path}")
            raise
    seconds = time.monotonic() - begun
    print(table(life.seen), file=sys.stdout)
    print(
        f"\n{life.count:,} commands in {seconds:,.0f} s, {life.seconds_in_core:,.0f} s of them in apply; {life.audits:,}"
        f" full recounts, {life.snapshots:,} snapshot round trips; no law broken"
    )
    again = replay_elsewhere(path)
    own = life.exchange.state_hash().hex()
    print(f"state hash {own}\ninterpreted replay of the journal: {'the same' if again == own else again}")
    lacking = missing(life.seen)
    if lacking:
        print(f"never happened: {', '.join(lacking)}")
    if again == own and not given.journal:
        path.unlink()
    return 0 if again == own and not lacking else 1


def replay_elsewhere(path: Path) -> str:
    """Replay a journal in a process of its own, interpreted, and return the hash."""
    command = [sys.executable, "-m", "tests.simulation", "--replay", str(path)]
    environment = {**os.environ, "EVERMARK_COMPILED": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
