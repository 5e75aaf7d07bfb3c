"""What the program says while it runs: one line an event, readable at a terminal, JSON elsewhere. Never a secret."""

import logging
import sys

import structlog


def configure(*, is_terminal: bool | None = None) -> None:
    """Send the logs of everything to standard error."""
    if is_terminal is None:
        is_terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
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
