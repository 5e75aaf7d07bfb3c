"""The programs in the documents, page by page, as a reader runs them after `evermark run`."""

import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.blocks import ANSWER, PROGRAMS, Block, differences, documents, run
from tests.support.pages import all_blocks, pages, reason
from tests.support.program import ROOT, Program, environment_of, made_data_dir, running

IN_THE_WAY = {".git", ".venv", "build", "data"}
"""What a reader's checkout has and the tests' folder must not share."""
BLOCKS = [block for block in all_blocks() if block.language in PROGRAMS and not reason(block)]


@pytest.fixture(scope="module")
def exchange() -> Iterator[Program]:
    """An exchange that was just started, in a folder that looks like the checkout."""
    with made_data_dir() as path:
        for entry in ROOT.iterdir():
            if entry.name not in IN_THE_WAY:
                (path.parent / entry.name).symlink_to(entry)
        (path.parent / ".venv").symlink_to(sys.prefix)
        with running(path, EVERMARK_FEED="synthetic") as program:
            yield program


def environment(folder: Path) -> dict[str, str]:
    found = environment_of(folder / "data", PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1")
    del found["DATA_DIR"], found["EVERMARK_FEED"]  # what `make run` uses is what the commands look for
    return {**found, "PATH": f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"}


def replaced(folder: Path) -> dict[str, str]:
    demo = json.loads((folder / "data" / "demo.json").read_text("utf-8"))
    alice = demo["accounts"][0]
    return {
        "127.0.0.1:8080": demo["url"].removeprefix("http://"),
        "YOUR_API_KEY": alice["api_key"],
        "YOUR_SECRET_KEY": alice["secret_key"],
    }


def answers(page: str, programs: list[Block]) -> dict[int, Block]:
    """The blocks that show what the program before them prints, by that program's line."""
    every = [block for block in all_blocks() if block.page == page]
    found = {}
    for before, block in itertools.pairwise(every):
        if block.mark == ANSWER:
            assert before in programs, f"{block} is marked as an answer and follows no program"
            found[before.line] = block
    return found


@pytest.mark.spec("DOC-010", "DOC-011", "DOC-012", "DOC-013", "DOC-015")
@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_the_programs_of_a_page_run(exchange: Program, page: str) -> None:
    folder = exchange.data_dir.parent
    programs = [block for block in BLOCKS if block.page == page]
    assert not [block for block in programs if "pip install" in block.code], "tests install nothing: list it"
    said = run(programs, folder, environment(folder), replaced(folder))
    assert sorted(said) == [block.line for block in programs]
    for line, answer in answers(page, programs).items():
        (wanted,) = documents(answer.code)
        assert differences(wanted, json.loads(said[line])) == [], said[line]


def test_no_page_is_left_out() -> None:
    """DOC-010: the first orders are among them."""
    assert {"README.md", "docs/trader/first_order.md", "docs/api/everstrike.md"} <= {block.page for block in BLOCKS}
    assert len(pages()) > 50
