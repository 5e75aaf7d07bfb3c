"""A message of every operation and category, as clients and exchange sent it: the golden messages of tests/contract/stream_answers.py."""

import json
from pathlib import Path
from typing import Any, Final

Examples = dict[str, dict[str, Any]]
"""By the name that the document has for the message."""

PATH: Final = Path(__file__).with_suffix(".json")


def load() -> Examples:
    """Read them."""
    found: Examples = json.loads(PATH.read_text("utf-8"))
    return found
