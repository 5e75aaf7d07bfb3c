"""How commands print."""

import io

import pytest

from app.terminal import LINE_MAX, width_of


class Window(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_program_gets_a_row_in_a_line_and_a_person_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPS-026."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert (width_of(io.StringIO()), width_of(Window())) == (LINE_MAX, None)
    monkeypatch.setenv("COLUMNS", "80")
    assert width_of(io.StringIO()) is None
