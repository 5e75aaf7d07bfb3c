"""What is logged, as it comes out."""

import json
import logging
from collections.abc import Iterator

import pytest

from app import logs

PASSWORD = "pa55-word"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def fail(password: str) -> None:
    raise RuntimeError(f"no way in for {len(password)} characters")


@pytest.mark.spec("KEY-001")
@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.usefixtures("root")
def test_a_logged_failure_shows_no_variables(capsys: pytest.CaptureFixture[str], is_terminal: bool) -> None:
    logs.configure(is_terminal=is_terminal)
    try:
        fail(PASSWORD)
    except RuntimeError:
        logging.getLogger("here").exception("it failed")
    said = capsys.readouterr().err
    assert "it failed" in said
    assert "no way in for 9 characters" in said
    assert "in fail" in said
    assert "pa55" not in said


@pytest.mark.usefixtures("root")
def test_elsewhere_a_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(is_terminal=False)
    logging.getLogger("here").warning("so %d", 7)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["logger"]) == ("so 7", "warning", "here")
