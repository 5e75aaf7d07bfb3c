"""The one way to say no."""

from exchange.events import CommandRejected, Event
from exchange.rejects import Reject


def refuse(reject: Reject, out: list[Event]) -> None:
    """Answer that the command changed nothing, naming the parameter to blame."""
    out.append(CommandRejected(reject, reject.field))
