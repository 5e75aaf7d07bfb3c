"""Verification levels: what a person of each may withdraw in a day."""

import tomllib
from pathlib import Path
from typing import Final

import msgspec

from app.faults import SettingsInvalid

PATH: Final = Path(__file__).with_suffix(".toml")
USD_MAX: Final = 10**12


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A level. `usd_per_day` 0: no limit."""

    name: str
    usd_per_day: int


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    level: list[Level]


def load(path: Path | None = None) -> tuple[Level, ...]:
    """Read the levels, the lowest first. Raises: SettingsInvalid."""
    try:
        table = msgspec.convert(tomllib.loads((path or PATH).read_text("utf-8")), _Table)
    except (OSError, ValueError) as error:
        raise SettingsInvalid("EVERMARK_LEVELS", f"cannot be read: {error}") from error
    if not table.level or any(not 0 <= level.usd_per_day <= USD_MAX for level in table.level):
        raise SettingsInvalid("EVERMARK_LEVELS", f"needs a level, and limits between 0 and {USD_MAX}")
    return tuple(table.level)
