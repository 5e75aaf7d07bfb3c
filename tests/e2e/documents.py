"""Code blocks of a document, made into a program that can run."""

import re
from typing import Any

from tests.support.program import ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def program_of(page: str, demo: dict[str, Any], account: int) -> str:
    """All of a page's Python, in its order, with address and keys put in."""
    text = "\n".join(BLOCK.findall((ROOT / page).read_text("utf-8")))
    assert text, f"{page} has no code"
    found = demo["accounts"][account]
    for old, new in (
        ("http://127.0.0.1:8080", demo["url"]),
        ("YOUR_API_KEY", found["api_key"]),
        ("YOUR_SECRET_KEY", found["secret_key"]),
    ):
        text = text.replace(old, new)
    assert "YOUR_" not in text
    return text
