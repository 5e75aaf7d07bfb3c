"""Write the clients' sync halves from their async halves: `python tools/unasync.py`. With --check only say whether they are up to date.

The async half is what people edit. A test holds the two together.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "client" / "src" / "evermark_client"
CCXT = ROOT / "client" / "ccxt" / "src" / "evermark_ccxt"
WORDS = (
    (r"async def __aenter__", "def __enter__"),
    (r"async def __aexit__", "def __exit__"),
    (r"\baclose\b", "close"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"^import asyncio\n", ""),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"\bhttpx\.AsyncClient\b", "httpx.Client"),
    (r"\bhttpx\.AsyncBaseTransport\b", "httpx.BaseTransport"),
    (r"\bAsync(Client|Orders|Rows|Stream)\b", r"\1"),
    (r"\basync_stream\b", "sync_stream"),
    (r"\b_async\b", "_sync"),
    (r"\bccxt\.async_support\b", "ccxt"),
    (r"for coroutines\.", "for programs without coroutines."),
)
HEAD = "# Written by tools/unasync.py from the async half: edit that one.\n"


def files() -> Iterator[tuple[Path, Path]]:
    """Each async file and the sync one that is made of it."""
    for path in sorted((PACKAGE / "_async").glob("*.py")):
        yield path, PACKAGE / "_sync" / path.name
    yield CCXT / "rest_async.py", CCXT / "rest_sync.py"


def translated(text: str) -> str:
    """The sync half of a module."""
    for word, other in WORDS:
        text = re.sub(word, other, text, flags=re.MULTILINE)
    text = HEAD + text
    for order in (("check", "--select", "I", "--fix", "--quiet"), ("format", "--quiet")):
        ruff = [sys.executable, "-m", "ruff", *order, "--stdin-filename", "client/src/evermark_client/x.py", "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def main() -> int:
    """Write, or check."""
    stale = []
    for source, target in files():
        text = translated(source.read_text("utf-8"))
        if not target.exists() or target.read_text("utf-8") != text:
            stale.append(target.name)
            if "--check" not in sys.argv:
                target.parent.mkdir(exist_ok=True)
                target.write_text(text, "utf-8")
    print(f"stale: {', '.join(stale)}" if stale else "up to date")
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
