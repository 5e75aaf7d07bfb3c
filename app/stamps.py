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
FAULT: Final = 500
"""The status that somebody is woken for. It is there before it happens: of a counter that appears nobody knows that it grew."""
STEPS: Final = ("decode", "queue", "journal", "apply", "answer")
"""From the request's head to its command; until a batch took it; until that was durable; until it was applied; until the answer was out."""
ENDED_MAX: Final = 256
"""Requests that are counted together: that costs a third of counting each, and as many take a fifth of a millisecond."""
_MEANT: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_numbers: Final = count(1)
_run: Final = secrets.token_hex(4).encode()


@final
class Stamps:
    """A request's name, the moments of its steps by `perf_counter` (0: it did not come so far), and its answer's status.

    `tell` is called once when that answer is out.
    """

    __slots__ = ("applied_s", "begun_s", "durable_s", "ended_s", "queued_s", "request_id", "status", "taken_s", "tell")

    def __init__(self) -> None:
        self.begun_s = perf_counter()
        self.queued_s = self.taken_s = self.durable_s = self.applied_s = self.ended_s = 0.0
        self.status = 0
        self.tell: Tell | None = None
        self.request_id = b"%b-%d" % (_run, next(_numbers))


Tell: TypeAlias = Callable[[Stamps], None]
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

    __slots__ = ("_ended", "answers", "others", "steps", "trace", "whole")

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
        self._ended: list[Stamps] = []

    def of(self, path: str) -> dict[int, int]:
        """The answers of an address by status, to be counted in."""
        return self.answers.setdefault(path, {FAULT: 0})

    def end(self, stamps: Stamps) -> None:
        """Take a request whose answer is out, to be counted with some others."""
        stamps.ended_s = perf_counter()
        ended = self._ended
        ended.append(stamps)
        if len(ended) >= ENDED_MAX:
            self.settle()

    def settle(self) -> None:
        """Count those that have ended since the last time. For whoever reads the histograms."""
        ended, self._ended = self._ended, []
        self.others.observe_all([one.ended_s - one.begun_s for one in ended if not one.applied_s])
        done = [one for one in ended if one.applied_s]
        self.whole.observe_all([one.ended_s - one.begun_s for one in done])
        decode, queue, journal, apply, answer = self.steps
        decode.observe_all([one.queued_s - one.begun_s for one in done])
        queue.observe_all([one.taken_s - one.queued_s for one in done])
        journal.observe_all([one.durable_s - one.taken_s for one in done])
        apply.observe_all([one.applied_s - one.durable_s for one in done])
        answer.observe_all([one.ended_s - one.applied_s for one in done])
