"""The pages that readers get, and the blocks on them that nobody runs."""

import tomllib
from pathlib import Path
from typing import Final

from tests.support.blocks import Block, blocks_of

ROOT: Final = Path(__file__).parent.parent.parent
NOT_RUN: Final = ROOT / "tests" / "e2e" / "blocks_not_run.toml"
BESIDE: Final = ("README.md", "CONTRIBUTING.md", "client/README.md", "client/ccxt/README.md")


def pages() -> dict[str, str]:
    """The text of each page by its path in the repository."""
    paths = [ROOT / name for name in BESIDE if (ROOT / name).exists()] + sorted((ROOT / "docs").rglob("*.md"))
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}


def all_blocks() -> list[Block]:
    """Every block of every page."""
    return [block for page, text in pages().items() for block in blocks_of(page, text)]


def not_run() -> dict[tuple[str, str], str]:
    """Why a block is not run, by its page and how it begins."""
    table = tomllib.loads(NOT_RUN.read_text("utf-8"))
    rows = [(page, start, group["why"]) for group in table["group"] for page, start in group["blocks"]]
    found = {(page, start): why for page, start, why in rows}
    assert len(found) == len(rows), "a block is listed twice"
    return found


def reason(block: Block) -> str:
    """Why a block is not run; nothing for one that is."""
    rows = not_run().items()
    return next((why for row, why in rows if names(row, block)), "")


def names(row: tuple[str, str], block: Block) -> bool:
    """Whether a row of the list is about a block."""
    page, start = row
    return page == block.page and block.code.lstrip().startswith(start)
