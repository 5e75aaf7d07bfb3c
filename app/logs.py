"""What the program says while it runs: one line an event, readable at a terminal, JSON elsewhere. Never a secret.

A line that was said while a request was worked on has the request's name, which its answer has too, and the operator whose it
was. That no secret is said is everybody's own affair; what looks like one is masked here all the same.
"""

import logging
import re
import sys
from typing import Final

import structlog

from app.callers import caller
from app.stamps import current

MASK: Final = "***"
_NAMES: Final = (
    "password|passwd|secret|secret_key|api_secret|token|access_token|refresh_token|recovery_code|totp|authorization"
    "|x-signature|signature|master_key|EVERMARK_MASTER_KEY"
)
_MASKED: Final = (
    (re.compile(r"\b(bearer|basic)\s+[^\s\"',}]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"evop_[A-Za-z0-9_-]+"), f"evop_{MASK}"),
    (re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), MASK),  # a JWT
    (re.compile(r"(\w://[^/\s:@]*):[^/\s@]+@"), rf"\1:{MASK}@"),
    (re.compile(r"(?<![0-9a-f])([0-9a-f]{8})[0-9a-f]{56}(?![0-9a-f])"), r"\1..."),  # an API key's secret, or a hash
    (
        re.compile(
            rf"({_NAMES})(\\?[\"']?\s*[=:]\s*(?:b?\\?[\"'])?)(?!{re.escape(MASK)}|bearer |basic )[^\s\"'\\,}})&]+",
            re.IGNORECASE,
        ),
        rf"\1\2{MASK}",
    ),
)


def configure(*, is_terminal: bool | None = None) -> None:
    """Send the logs of everything to standard error."""
    if is_terminal is None:
        is_terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_request,
    ]
    last: list[structlog.typing.Processor] = (
        # Its usual tracebacks print the local variables, and those may be secrets.
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if is_terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, mask],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for chatty, level in (
        ("uvicorn", logging.WARNING),
        ("alembic", logging.WARNING),
        ("apscheduler", logging.ERROR),  # a ring that finds the last one under way is no news
    ):
        logging.getLogger(chatty).setLevel(level)


def name_request(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Say in which request's and operator's course a line was said."""
    stamps, who = current.get(), caller.get()
    if stamps is not None:
        event["request_id"] = stamps.request_id.decode()
    if who.name:
        event["operator"] = who.name
    return event


def mask(_logger: structlog.typing.WrappedLogger, _method: str, line: object) -> str:
    """Mask in a whole line what looks like a secret."""
    text = str(line)
    for pattern, instead in _MASKED:
        text = pattern.sub(instead, text)
    return text
