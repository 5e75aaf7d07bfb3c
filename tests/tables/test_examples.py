"""Every worked example beside this file, by calling our own functions. docs/spec/examples.md is the list of them."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from tests.support.examples import ladder, margins, marks, options, orders, positions, prices
from tests.support.examples.reading import WORDS, Row, Runner, misses, read

ROOT = Path(__file__).parents[2]
MODULES = (positions, prices, margins, orders, ladder, marks, options)
RUNNERS: dict[str, Runner] = {name: runner for module in MODULES for name, runner in module.RUNNERS.items()}
ROWS = [row for path in sorted((Path(__file__).parent / "examples").glob("*.txt")) for row in read(path)]
TICKED = re.compile(r"^- \[([x ])\] (\S+) \((documented|observed|derived)\): (\w.*)$", re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.example_id}-{row.place}" for row in ROWS])
def test_example(row: Row) -> None:
    """EXA-001; the prices among them also by bisection: EXA-004."""
    assert misses(row, RUNNERS[row.runner](row.given)) == []


def other(text: str) -> str:
    """Another outcome than a text's: one beyond any tolerance, another word, a longer list."""
    if "," in text:
        first, _, rest = text.partition(",")
        return f"{other(first)},{rest}"
    if text in WORDS:
        return "1" if text == "none" else {"yes": "no", "no": "yes"}[text]
    number = Fraction(text)
    return str(number + (abs(number) / 50 or 1))


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.example_id}-{row.place}" for row in ROWS])
def test_a_row_can_fail(row: Row) -> None:
    """EXA-003: by 2% of the number; so no tolerance hides a wrong one."""
    found = RUNNERS[row.runner](row.given)
    for at, expected in enumerate(row.expected):
        changed = [*row.expected]
        changed[at] = expected._replace(text=other(expected.text))
        assert len(misses(row._replace(expected=changed), found)) == 1, expected.name


def test_the_list_ticks_what_has_a_row() -> None:
    """EXA-002."""
    page = (ROOT / "docs" / "spec" / "examples.md").read_text("utf-8")
    ticked = {found[2]: found[1] == "x" for found in TICKED.finditer(page)}
    assert len(ticked) == len(TICKED.findall(page)) == page.count("\n- [") == 346
    covered = {example_id for example_id, is_covered in ticked.items() if is_covered}
    assert covered == {row.example_id for row in ROWS}
    assert len(covered) >= 150
    assert f"| all | {len(covered)} | 346 |" in page
    for found in TICKED.finditer(page):
        if found[1] == "x":
            files = {row.place.partition(".")[0] for row in ROWS if row.example_id == found[2]}
            assert set(found[4].partition(";")[0].split(", ")) == files, found[2]
