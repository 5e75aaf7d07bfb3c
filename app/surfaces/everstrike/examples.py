"""A request and its answer for every address, as the exchange gave it: the golden answers of tests/contract/answers.py."""

import json
from pathlib import Path
from typing import Any, Final

Examples = dict[str, dict[str, Any]]
"""By method and path: the request's fields, and the answer."""

PATH: Final = Path(__file__).with_suffix(".json")


def load() -> Examples:
    """Read them."""
    found: Examples = json.loads(PATH.read_text("utf-8"))
    return found
