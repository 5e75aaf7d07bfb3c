"""WebSocket frames made once and sent to many: what a server sends is not masked, so the bytes are the same for all."""

from typing import Final

_TEXT: Final = b"\x81"  # a whole message of text
_SHORT_MAX: Final = 125
_MIDDLE_MAX: Final = 65_535

GOING_AWAY: Final = 1012
"""The exchange stops or restored its state: come back at once."""
POLICY: Final = 1008
"""The client did, or no longer may do, what the reason says."""
TOO_SLOW: Final = 1013
"""The client does not take what it must not miss."""
FAULT: Final = 1011
"""Our own fault."""


def frame(payload: bytes) -> bytes:
    """The frame of a text message."""
    size = len(payload)
    if size <= _SHORT_MAX:
        return b"%b%c%b" % (_TEXT, size, payload)
    if size <= _MIDDLE_MAX:
        return b"%b\x7e%b%b" % (_TEXT, size.to_bytes(2, "big"), payload)
    return b"%b\x7f%b%b" % (_TEXT, size.to_bytes(8, "big"), payload)
