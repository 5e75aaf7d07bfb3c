"""Who asks the exchange to do an operator's work, and by which way."""

import os
import pwd
import socket
import struct
import sys
from contextvars import ContextVar
from typing import Final, NamedTuple

SOCKET: Final = "socket"
HTTP: Final = "http"


class Caller(NamedTuple):
    """An operator: of the admin surface by the name of a token, of the socket by that of a system user."""

    name: str
    surface: str
    address: str = ""


NOBODY: Final = Caller("", "")
caller: Final[ContextVar[Caller]] = ContextVar("caller", default=NOBODY)
"""Who asks for what is worked on."""


def peer_of(line: socket.socket) -> Caller:
    """Who is at the other end of a Unix socket, as far as the system tells: its owner and root are all who may be there."""
    uid = os.geteuid()
    if sys.platform == "linux":
        _, uid, _ = struct.unpack("iII", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII")))
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    return Caller(name, SOCKET)
