"""How the sources of a feed are: what an operator sees, and what the log says when it changes."""

import logging
from collections.abc import Iterable
from typing import Final

import msgspec

STARTING: Final = "starting"
STREAMING: Final = "streaming"
POLLING: Final = "polling"
UNCONVERTED: Final = "unconverted"
UNLISTED: Final = "unlisted"
DOWN: Final = "down"
GOOD: Final = frozenset({STREAMING, POLLING})

_log = logging.getLogger("app.feeds")


class SourceHealth(msgspec.Struct, frozen=True):
    """One source. `state` is one of the words above; `age_ms` is of its newest price, -1 when there is none."""

    source_id: int
    venue: str
    state: str
    pairs: int  # that it is asked for and trades
    fresh: int  # indices that have a price of it that counts
    age_ms: int = -1
    prices: int = 0
    dropped: int = 0  # prices that cannot be meant
    errors: int = 0
    last_error: str = ""
    unlisted: tuple[str, ...] = ()  # pairs that it is asked for and does not trade


def tell_changes(before: Iterable[SourceHealth], after: Iterable[SourceHealth]) -> None:
    """Log each source whose state changed."""
    states = {row.source_id: row.state for row in before}
    for row in after:
        was = states.get(row.source_id, STARTING)
        if row.state == was:
            continue
        level = logging.INFO if row.state in GOOD else logging.WARNING
        why = f": {row.last_error}" if row.last_error and row.state not in GOOD else ""
        _log.log(level, "price source %s was %s and is %s%s", row.venue, was, row.state, why)
        if was == STARTING and row.unlisted:
            _log.info("price source %s does not trade %s", row.venue, ", ".join(row.unlisted))
