"""The life of a request: its name in logs and answers, and when it came to each step.

Whoever takes a request in puts its stamps into the context; the sequencer marks them; who answers counts them.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from itertools import count
from time import perf_counter
from typing import Any, Final, TypeAlias, final

from app.histogram import Histogram

HEADER: Final = b"x-request-id"
STEPS: Final = ("decode", "queue", "journal", "apply", "answer")
"""From the request's head to its command; until a batch took it; until that was durable; until it was applied; until the answer was out."""
_MEANT: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_numbers: Final = count(1)
_run: Final = secrets.token_hex(4).encode()


@final
class Stamps:
    """A request's name, the moments of its steps by `perf_counter` (0: it did not come so far), and its answer's status."""

    __slots__ = ("applied_s", "begun_s", "durable_s", "queued_s", "request_id", "status", "taken_s")

    def __init__(self) -> None:
        self.begun_s = perf_counter()
        self.queued_s = self.taken_s = self.durable_s = self.applied_s = 0.0
        self.status = 0
        self.request_id = b"%b-%d" % (_run, next(_numbers))


Trace: TypeAlias = Callable[[Mapping[str, Any], str, Stamps], None]

current: Final[ContextVar[Stamps | None]] = ContextVar("stamps", default=None)
"""Those of the request that is worked on."""


def call_it(name: bytes) -> None:
    """Give the request that is worked on the name that its client has for it, where that can go into a log."""
    stamps = current.get()
    if stamps is not None and _MEANT.fullmatch(name):
        stamps.request_id = name


@final
class Lives:
    """What requests' lives were like: how long each step took, and how often each address answered what."""

    __slots__ = ("answers", "others", "steps", "trace", "whole")

    def __init__(self) -> None:
        self.steps = tuple(Histogram() for _ in STEPS)
        self.whole = Histogram()
        """Of requests with a command."""
        self.others = Histogram()
        """Of requests without one, or whose command was not applied."""
        self.answers: dict[str, dict[int, int]] = {}
        """By address and status. Only addresses that there are: nobody can make this grow."""
        self.trace: Trace | None = None
        """Told of each request, where traces are wanted: (scope, address, stamps)."""

    def of(self, path: str) -> dict[int, int]:
        """The answers of an address by status, to be counted in."""
        return self.answers.setdefault(path, {})

    def end(self, stamps: Stamps) -> None:
        """Count a request whose answer is out."""
        now_s = perf_counter()
        applied_s = stamps.applied_s
        if not applied_s:
            self.others.observe(now_s - stamps.begun_s)
            return
        self.whole.observe(now_s - stamps.begun_s)
        decode, queue, journal, apply, answer = self.steps
        decode.observe(stamps.queued_s - stamps.begun_s)
        queue.observe(stamps.taken_s - stamps.queued_s)
        journal.observe(stamps.durable_s - stamps.taken_s)
        apply.observe(applied_s - stamps.durable_s)
        answer.observe(now_s - applied_s)
