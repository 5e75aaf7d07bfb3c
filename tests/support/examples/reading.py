"""Rows of worked examples.

    source https://...                                  the page that the rows below it are from
    id  runner  name=value ... | name=value~tolerance   one example, or one of its parts

Numbers are decimal or fractions, `yes`, `no` and `none` are themselves, a comma makes a list. Without a tolerance a number must
be met exactly.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeAlias

PRICE = 10**10
"""Price units in one of the quote, fine enough for any venue's figures."""
LOT = 10**6
MONEY = PRICE * LOT
"""Money units in one of the quote where a price unit times a lot is one unit of money."""
RATE = 10**17

Given: TypeAlias = dict[str, str]
Found: TypeAlias = dict[str, object]
Runner: TypeAlias = Callable[[Given], Found]
WORDS = {"yes": True, "no": False, "none": None}


class Expected(NamedTuple):
    """What a row says comes out under a name."""

    name: str
    text: str
    tolerance: Fraction


class Row(NamedTuple):
    """One row of a table."""

    example_id: str
    runner: str
    given: Given
    expected: list[Expected]
    source: str
    place: str


def read(path: Path) -> Iterator[Row]:
    """Read a table."""
    source = ""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = line.strip()
        if text.startswith("source "):
            source = text.removeprefix("source ")
        elif text and not text.startswith("#"):
            words, _, outcome = text.partition("|")
            example_id, runner, *given = words.split()
            assert source and outcome, f"{path.name}:{number} has no source or no outcome"
            pairs = dict(word.split("=", 1) for word in given)
            expected = [_expected(word) for word in outcome.split()]
            yield Row(example_id, runner, pairs, expected, source, f"{path.name}:{number}")


def _expected(word: str) -> Expected:
    name, _, rest = word.partition("=")
    text, _, tolerance = rest.partition("~")
    return Expected(name, text, Fraction(tolerance or 0))


def misses(row: Row, found: Found) -> list[str]:
    """Say where what was found is not what the row expects."""
    assert row.expected, row.place
    return [
        f"{row.place} {row.example_id}: {name} is {text_of(found[name])}, expected {text}"
        for name, text, tolerance in row.expected
        if not is_met(found[name], text, tolerance)
    ]


def is_met(found: object, text: str, tolerance: Fraction) -> bool:
    """Tell whether a value is what a text says, within a tolerance."""
    if isinstance(found, list):
        parts = [part for part in text.split(",") if part]
        return len(parts) == len(found) and all(
            is_met(value, part, tolerance) for value, part in zip(found, parts, strict=True)
        )
    if text in WORDS:
        return found is WORDS[text]
    if isinstance(found, bool) or found is None:
        return False
    if isinstance(found, int | Fraction | float):
        return abs(Fraction(found) - Fraction(text)) <= tolerance
    return found == text


def text_of(found: object) -> str:
    """A value for people."""
    if isinstance(found, list):
        return ",".join(text_of(value) for value in found)
    return str(float(found)) if isinstance(found, Fraction) else str(found)


def exact(text: str, scale: int) -> int:
    """A number in units; it must be a whole number of them."""
    value = Fraction(text) * scale
    assert value.denominator == 1, f"{text} is no whole number of units of 1/{scale}"
    return value.numerator


def price(text: str) -> int:
    return exact(text, PRICE)


def lots(text: str) -> int:
    return exact(text, LOT)


def money(text: str) -> int:
    return exact(text, MONEY)


def rate(text: str) -> int:
    return exact(text, RATE)


def ppm(text: str) -> int:
    return exact(text, 10**6)


def sign_of(text: str) -> int:
    return {"long": 1, "buy": 1, "short": -1, "sell": -1}[text]


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Read `qty@price,qty@price`."""
    found = []
    for part in text.split(","):
        qty, _, at = part.partition("@")
        found.append((qty, at))
    return found
