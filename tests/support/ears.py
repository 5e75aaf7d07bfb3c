"""A stream without a server: its desk without a store, and clients that hear frames when they like."""

import json
from typing import Any

from app.auth import Key
from app.db.projector import Projector
from app.surfaces.everstrike.pairs import Pairs
from exchange.exchange import Exchange


class Sequencer:
    """What the stream wants of a sequencer."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.seq = 0


class Queries:
    def __init__(self, projector: Projector) -> None:
        self.statistics = projector.statistics


class Guard:
    def check_still(self, key: Key) -> None:
        pass


class Counter:
    """A desk without a store behind it."""

    def __init__(self, projector: Projector) -> None:
        self.sequencer = Sequencer()
        self.pairs = Pairs(self.sequencer)  # type: ignore[arg-type]
        self.guard = Guard()
        self.queries = Queries(projector)

    def clock(self) -> int:
        return self.sequencer.exchange.time_ms


class Ear:
    """The far end of a connection: hears frames, when it likes."""

    is_over = False

    def __init__(self) -> None:
        self.is_slow = False
        self.on_quick: Any = None
        self.heard: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        while data:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(data[2:10], "big"), 10
            self.heard.append(json.loads(data[start : start + size]))
            data = data[start + size :]

    def wake(self) -> None:
        self.is_slow = False
        self.on_quick()

    def of(self, category: str) -> list[Any]:
        return [message["result"] for message in self.heard if message["category"] == category]
