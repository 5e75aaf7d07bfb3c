"""`evermark run` that notes when each commit of an order or a cancel was durable, for bench.stream to compare with.

A line for each: the last command's seq, and the machine's monotonic clock in ns. The file's name is in BENCH_COMMITS.
"""

import os
import time
from collections.abc import Sequence

from app import cli  # first of all: it chooses the core


def main() -> None:
    """Run it."""
    from app.journal import Journal
    from exchange.commands import CancelOrder, Command, PlaceOrder

    append = Journal.append
    with open(os.environ["BENCH_COMMITS"], "a", buffering=1, encoding="ascii") as notes:

        async def noted(journal: Journal, commands: Sequence[Command], time_ms: int) -> int:
            first_seq = await append(journal, commands, time_ms)
            now_ns = time.monotonic_ns()
            if any(isinstance(command, PlaceOrder | CancelOrder) for command in commands):
                notes.write(f"{first_seq + len(commands) - 1} {now_ns}\n")
            return first_seq

        Journal.append = noted  # type: ignore[method-assign, assignment]
        cli.main()


if __name__ == "__main__":
    main()
