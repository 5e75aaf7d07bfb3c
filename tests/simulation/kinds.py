"""What a life must have seen to count."""

from collections import Counter
from typing import Final, get_args

from exchange import commands, events
from exchange.events import CancelReason, Cause

REQUIRED_EXCEPT: Final = {
    "CommandSkipped": "an operator's word after a halt: the core does nothing with it",
    "SkipCommand": "the same",
    "Cause.ADJUSTMENT": "nothing in the core adjusts a balance by hand",
}
"""What need not happen, and why."""


def required() -> list[str]:
    """Every kind of command, event, cause and reason."""
    names = [kind.__name__ for kind in (*get_args(commands.Command), *get_args(events.Event))]
    names += [f"Cause.{cause.name}" for cause in Cause] + [f"CancelReason.{reason.name}" for reason in CancelReason]
    names += ["by the fund", "by a provider"]
    return [name for name in dict.fromkeys(names) if name not in REQUIRED_EXCEPT]


def missing(seen: Counter[str]) -> list[str]:
    """Return what never happened."""
    return [name for name in required() if not seen[name]]


def table(seen: Counter[str]) -> str:
    """Return the counts as lines, in groups."""
    rows = sorted(seen.items(), key=_place)
    return "\n".join(f"  {name:<36}{count:>12,}" for name, count in rows)


def _place(row: tuple[str, int]) -> tuple[bool, str]:
    return "." in row[0], row[0]
