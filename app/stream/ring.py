"""What private messages were, for clients that come back: a tail for each account that somebody watches or watched lately."""

from collections import deque
from typing import Final, final

import msgspec

ENTRIES_MAX: Final = 5_000
"""Messages kept for an account."""
SIZE_MAX: Final = 4 << 20
"""Bytes kept for an account."""
TOTAL_MAX: Final = 64 << 20
"""Bytes kept for accounts together."""
KEEP_S: Final = 600.0
"""How long an account is followed after its last client has left."""
RETURN_S: Final = 60.0
"""How long after a start."""
NEVER: Final = 1 << 62


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A message: the command that it comes from, its place among the account's messages of it, and its bytes."""

    seq: int
    index: int
    category: str
    frame: bytes


@final
class Tail:
    """An account's latest messages. Nothing behind the place `since` is missing, of the extra categories behind `extras_since`."""

    __slots__ = ("clients", "entries", "extras_since", "left_s", "since", "size")

    def __init__(self, since: tuple[int, int], extras_since: tuple[int, int] | None) -> None:
        self.since = since
        self.extras_since = extras_since
        self.entries: deque[Entry] = deque()
        self.size = 0
        self.clients = 0
        self.left_s = 0.0


@final
class Ring:
    """The tails of all accounts that are followed."""

    __slots__ = ("_tails", "size")

    def __init__(self) -> None:
        self._tails: dict[int, Tail] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._tails)

    def __contains__(self, account_id: int) -> bool:
        return account_id in self._tails

    def follow(self, account_id: int, seq: int, *, with_extras: bool = False) -> None:
        """Begin to keep an account's messages after `seq`, unless that is done already."""
        if account_id not in self._tails:
            since = (seq, NEVER)
            self._tails[account_id] = Tail(since, since if with_extras else None)

    def has_extras(self, account_id: int) -> bool:
        """Whether a followed account's extra categories are kept as well."""
        return self._tails[account_id].extras_since is not None

    def want_extras(self, account_id: int, seq: int) -> None:
        """Keep a followed account's extra categories as well, after `seq`, unless that is done already."""
        tail = self._tails[account_id]
        if tail.extras_since is None:
            tail.extras_since = (seq, NEVER)

    def join(self, account_id: int, seq: int) -> None:
        """Somebody watches the account from now on."""
        self.follow(account_id, seq)
        self._tails[account_id].clients += 1

    def leave(self, account_id: int, now_s: float) -> None:
        """Somebody who watched the account has gone."""
        tail = self._tails.get(account_id)
        if tail is not None:  # all tails may have been dropped meanwhile
            tail.clients -= 1
            tail.left_s = now_s

    def add(self, account_id: int, entries: list[Entry]) -> None:
        """Keep messages of a followed account."""
        tail = self._tails[account_id]
        kept = tail.entries
        before = tail.size
        for entry in entries:
            kept.append(entry)
            tail.size += len(entry.frame)
        while len(kept) > ENTRIES_MAX or tail.size > SIZE_MAX:
            oldest = kept.popleft()
            tail.size -= len(oldest.frame)
            tail.since = (oldest.seq, oldest.index)
        self.size += tail.size - before
        if self.size > TOTAL_MAX:
            self._make_room()

    def after(self, account_id: int, seq: int, index: int = NEVER, *, with_extras: bool = False) -> list[Entry] | None:
        """An account's messages behind a place; None when some of them are no longer there."""
        tail = self._tails.get(account_id)
        place = (seq, index)
        if tail is None or place < tail.since:
            return None
        if with_extras and (tail.extras_since is None or place < tail.extras_since):
            return None
        return [entry for entry in tail.entries if (entry.seq, entry.index) > place]

    def from_seq(self, account_id: int) -> int:
        """Behind which command everything that is kept of a followed account is there."""
        tail = self._tails[account_id]
        return max(tail.since, tail.extras_since or tail.since)[0]

    def drop_old(self, now_s: float) -> None:
        """Let go of accounts that nobody has watched for a while."""
        for account_id, tail in list(self._tails.items()):
            if tail.clients <= 0 and now_s - tail.left_s > KEEP_S:
                self._drop(account_id)

    def clear(self) -> None:
        """Follow nobody. Requires: nobody watches."""
        self._tails.clear()
        self.size = 0

    def wait_for_return(self, now_s: float) -> None:
        """Follow everybody for a while only: those who were there before a start come back soon, or not at all."""
        for tail in self._tails.values():
            tail.left_s = now_s - KEEP_S + RETURN_S

    def start_again(self, seq: int) -> None:
        """Forget every message: something after them was missed."""
        self.size = 0
        for account_id, tail in list(self._tails.items()):
            since = (seq, NEVER)
            fresh = self._tails[account_id] = Tail(since, since if tail.extras_since is not None else None)
            fresh.clients, fresh.left_s = tail.clients, tail.left_s

    def _make_room(self) -> None:
        """Let go of who has been away longest, then of the longest tails."""
        by_need = sorted(self._tails.items(), key=lambda item: (item[1].clients > 0, item[1].left_s, -item[1].size))
        for account_id, tail in by_need:
            if self.size <= TOTAL_MAX // 2:
                return
            if tail.clients <= 0:
                self._drop(account_id)
            elif tail.entries:
                self.size -= tail.size
                newest = tail.entries[-1]
                tail.since, tail.size = (newest.seq, newest.index), 0
                tail.entries.clear()

    def _drop(self, account_id: int) -> None:
        self.size -= self._tails.pop(account_id).size
