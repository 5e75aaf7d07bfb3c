"""What is done about scopes that no longer carry what they hold."""

from exchange import shedding
from exchange.events import Event
from exchange.state import Market, State


def run(state: State, time_ms: int, out: list[Event]) -> None:
    """Look after the accounts that the prices of this tick may have hurt."""
    shedding.shed_all(state, out)


def settle_bankrupts(state: State, market: Market, time_ms: int, out: list[Event]) -> None:
    """Take the positions of a market that settles off the accounts that cannot bear them at its mark."""
