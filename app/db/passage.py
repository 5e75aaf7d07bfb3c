"""A way through folders for one system user, without letting anybody else through: entries of POSIX access lists."""

import os
import stat
import struct
from pathlib import Path
from typing import Final

_NAME: Final = "system.posix_acl_access"
_VERSION: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")  # tag, permissions, id
_VERSION_2: Final = 2
_OWNER, _USER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID: Final = 0xFFFF_FFFF
_PASS: Final = 1


def let_through(folder: Path, user_id: int) -> None:
    """Let a user pass through a folder; what it could do there before it still can.

    Raises: OSError where the system or the file system keeps no such lists.
    """
    if not hasattr(os, "setxattr"):
        raise OSError("this system has no POSIX access lists")
    entries = _entries(folder)
    entries[_USER, user_id] = entries.get((_USER, user_id), 0) | _PASS
    # The mask bounds what the group and every user named here may do. Without one, the group's own rights did.
    entries[_MASK, _NO_ID] = entries.get((_MASK, _NO_ID), entries[_GROUP, _NO_ID]) | _PASS
    body = b"".join(_ENTRY.pack(tag, rights, who) for (tag, who), rights in sorted(entries.items()))
    os.setxattr(folder, _NAME, _VERSION.pack(_VERSION_2) + body)


def _entries(folder: Path) -> dict[tuple[int, int], int]:
    """Rights by tag and id: those of the folder's list, or those that its mode stands for."""
    if _NAME in os.listxattr(folder):
        body = os.getxattr(folder, _NAME)[_VERSION.size :]
        return {(tag, who): rights for tag, rights, who in _ENTRY.iter_unpack(body)}
    mode = stat.S_IMODE(folder.stat().st_mode)
    return {(_OWNER, _NO_ID): mode >> 6 & 7, (_GROUP, _NO_ID): mode >> 3 & 7, (_OTHER, _NO_ID): mode & 7}
