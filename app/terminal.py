"""What the commands of the command line share: how they ask the running exchange, and how they print."""

import os
import shlex
import sys
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, TextIO, TypeVar

from rich.console import Console
from rich.table import Table

from app import control

T = TypeVar("T")

LINE_MAX: Final = 2_000
"""Letters of a line where a program reads it, which wants a row in a line; a person's lines are folded to the window."""


def width_of(stream: TextIO) -> int | None:
    """The width to print for; None for what the window or COLUMNS says."""
    return None if stream.isatty() or "COLUMNS" in os.environ else LINE_MAX


out = Console(highlight=False, width=width_of(sys.stdout))
err = Console(stderr=True, highlight=False, width=width_of(sys.stderr))


def ask(request: control.AnyRequest, answer_type: type[T]) -> T:
    """Ask the exchange that runs on DATA_DIR. Raises: Refused, Unreachable, Failed."""
    from app.settings import from_environment

    return control.ask(from_environment().data_dir, request, answer_type)


def ask_once(reference: str, request_of: Callable[[str], control.AnyRequest], answer_type: type[T]) -> T:
    """Ask for what must not happen twice; when nobody knows whether it happened, say how to repeat it."""
    reference = reference or str(uuid.uuid4())
    try:
        return ask(request_of(reference), answer_type)
    except (control.Failed, KeyboardInterrupt) as error:
        if not isinstance(error, control.Failed) or error.is_unknown:
            words = f"It may have been done. Once and not twice: repeat with --reference {shlex.quote(reference)}"
            err.print(words, style="yellow", markup=False, soft_wrap=True)
        raise


def table(*columns: str, numbers: int = 0) -> Table:
    """A table without lines; its last columns are numbers."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        made.add_column(column, justify="right" if place >= len(columns) - numbers else "left", overflow="fold")
    return made


def print_rows(made: Table, rows: Iterable[object], nothing: str) -> None:
    """Print a table, or what is to be said when it is empty."""
    out.print(made if list(rows) else nothing)


def date(time_ms: int, *, form: str = "%Y-%m-%d %H:%M UTC") -> str:
    """A time for people."""
    try:
        return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):  # somebody meant for ever
        return f"{time_ms} ms"
