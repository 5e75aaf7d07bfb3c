"""What goes over the wire: numbers as decimal text, forms with their brackets, signatures."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, TypeAlias, final
from urllib.parse import urlencode

Number: TypeAlias = Decimal | int | str | float
"""A price or a quantity: exact as a Decimal, an int or text; a float counts with the digits that `repr` shows."""
Pairs: TypeAlias = list[tuple[str, str]]

CLAIM_PREFIX: Final = b"A read, and never the form of an order, a cancel or anything else: GET /v1/liabilities/path?"
"""What a signature over the query of GET /v1/liabilities/path begins with."""


def text_of(value: object) -> str:
    """A value as the exchange reads it. Raises: ValueError where a number is not finite."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is no number")
        return format(value, "f")
    return str(value)


def pairs_of(fields: Mapping[str, object]) -> Pairs:
    """A form's keys and values: lists get indices, mappings in lists get brackets; what is None is left out."""
    found: Pairs = []
    for name, value in fields.items():
        if value is None:
            continue
        if isinstance(value, list | tuple):
            found.extend(_indexed(name, value))
        else:
            found.append((name, text_of(value)))
    return found


def _indexed(name: str, values: Iterable[object]) -> Iterable[tuple[str, str]]:
    for index, value in enumerate(values):
        if isinstance(value, Mapping):
            for field, inner in value.items():
                if inner is not None:
                    yield f"{name}[{index}][{field}]", text_of(inner)
        else:
            yield f"{name}[{index}]", text_of(value)


def encode(pairs: Pairs) -> bytes:
    """A body or a query."""
    return urlencode(pairs).encode()


def sign(secret: str, content: bytes) -> str:
    """x-signature: base64 of HMAC-SHA256."""
    return base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


@final
class Clock:
    """Timestamps by the exchange's clock, no two of them the same: then no two signatures are."""

    __slots__ = ("_last_ns", "ahead_ms")

    def __init__(self) -> None:
        self._last_ns = 0
        self.ahead_ms = 0
        """By how much the exchange's clock is ahead of ours."""

    def stamp(self) -> str:
        """Now, in milliseconds with their fraction."""
        now = max(time.time_ns() + self.ahead_ms * 1_000_000, self._last_ns + 1)
        self._last_ns = now
        return f"{now // 1_000_000}.{now % 1_000_000:06d}"

    def learn(self, exchange_ms: int) -> None:
        """Take over the exchange's time."""
        self.ahead_ms = exchange_ms - time.time_ns() // 1_000_000
        self._last_ns = 0
