"""Ids on the wire: 32 hex digits, of which the first eight say what kind of thing it is.

What has no number of its own is named by its place in the journal: the command's seq and the event's index.
"""

import re
from typing import Final

ORDER: Final = 1
TRADE: Final = 2
TAKER_FILL: Final = 3
MAKER_FILL: Final = 4
WITHDRAWAL: Final = 5

NO_ORDER: Final = "0" * 32
"""The id of an order that does not exist: the answer to a test order."""
NUMBER_MAX: Final = 2**63 - 1

_ID: Final = re.compile(r"[0-9a-fA-F]{32}").fullmatch
_PLACE: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,9})").fullmatch


def encode(kind: int, number: int) -> str:
    """The wire's id for the core's id of a kind."""
    return f"{kind:08x}{number:024x}"


def decode(kind: int, text: str) -> int | None:
    """The core's id, or None when the text cannot be an id of this kind."""
    if _ID(text) is None or int(text[:8], 16) != kind:
        return None
    number = int(text[8:], 16)
    return number if 0 < number <= NUMBER_MAX else None


def encode_place(seq: int, index: int) -> str:
    """The wire's id for what has only a place in the journal."""
    return f"{seq}-{index}"


def decode_place(text: str) -> tuple[int, int] | None:
    """A place in the journal, or None when the text cannot be one."""
    found = _PLACE(text)
    return (int(found[1]), int(found[2])) if found is not None else None
