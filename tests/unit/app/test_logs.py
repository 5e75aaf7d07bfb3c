"""What is logged, as it comes out."""

import json
import logging
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from app import logs
from app.callers import Caller, caller
from app.stamps import Stamps, call_it, current

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


@pytest.mark.usefixtures("root")
def test_a_line_names_its_request_and_operator(capsys: pytest.CaptureFixture[str]) -> None:
    """OPS-014."""
    logs.configure(is_terminal=False)

    def work() -> None:
        stamps = Stamps()
        current.set(stamps)
        call_it(b"mine-7")
        caller.set(Caller("ada", "http"))
        logging.getLogger("here").warning("within")

    copy_context().run(work)
    logging.getLogger("here").warning("outside")
    within, outside = map(json.loads, capsys.readouterr().err.splitlines())
    assert (within["request_id"], within["operator"]) == ("mine-7", "ada")
    assert "request_id" not in outside and "operator" not in outside


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    "line, hidden, kept",
    [
        ("Authorization: Bearer abc.def-123", "abc.def-123", "Bearer"),
        ("headers {'authorization': 'Basic dXNlcjpw'}", "dXNlcjpw", "authorization"),
        ("token evop_Zm9vYmFyYmF6cXV4Zm9vYmFy was", "Zm9vYmFy", "was"),
        ("session eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln ended", "c2ln", "ended"),
        ("postgresql://me:pa55-word@host/db is away", "pa55-word", "host/db is away"),
        ("secret_key=5f4dcc3b5aa765d61d8327deb882cf99", "5f4dcc3b", "secret_key"),
        ('{"password": "pa55-word", "email": "a@b.c"}', "pa55-word", "a@b.c"),
        ("password=pa55-word&email=x", "pa55-word", "email=x"),
        ("refresh_token: 'AbC_123-x' was used twice", "AbC_123-x", "was used twice"),
        ("it was " + "ab12cd34" * 8, "ab12cd34ab12cd34", "it was ab12cd34..."),
        ("EVERMARK_MASTER_KEY=AAECAwQFBgcICQoLDA0ODw== is set", "AAECAwQF", "is set"),
    ],
)
def test_what_looks_like_a_secret_is_masked(
    capsys: pytest.CaptureFixture[str], is_terminal: bool, line: str, hidden: str, kept: str
) -> None:
    """OPS-015: in the line itself, and in what an exception says."""
    logs.configure(is_terminal=is_terminal)
    logging.getLogger("here").warning("%s", line)
    try:
        raise RuntimeError(line)
    except RuntimeError:
        logging.getLogger("here").exception("it failed")
    said = capsys.readouterr().err
    assert hidden not in said
    assert said.count(kept) == 2 or said.count(kept.replace('"', '\\"')) == 2


@pytest.mark.parametrize(
    "line",
    ["the token is bad", "password must have 12 characters", "seq 7: token: journal", "http://127.0.0.1:8080/a@b"],
)
def test_what_is_no_secret_is_said(line: str) -> None:
    """OPS-015."""
    assert logs.mask(None, "", line).replace(logs.MASK, "journal") == line
