"""The code in the documents: found as GitHub finds it, and run as a reader would."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

PROGRAMS: Final = {"sh", "python"}
DATA: Final = {"json", "toml"}
ANSWER: Final = "<!-- answer -->"
"""Before a JSON block: what the program before it prints has this shape."""
ENDLESS: Final = "<!-- endless -->"
"""Before a program that runs until it is stopped: it is, once it has printed some lines."""
ENDLESS_LINES: Final = 3
FIRST_LINES: Final = Path(__file__).with_name("first_lines.py")
DEADLINE_S: Final = 120
BEGINS: Final = "\x1e"
"""What the script prints before each block."""


@dataclass(frozen=True)
class Block:
    """One block of code, fenced or indented."""

    page: str
    line: int
    language: str
    """The first word behind the fence; nothing for a block without one."""
    mark: str
    """The comment on the line before, as it stands."""
    code: str

    @property
    def first_line(self) -> str:
        return next((line.strip() for line in self.code.splitlines() if line.strip()), "")

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.language or 'no language'}): {self.first_line}"


def blocks_of(page: str, text: str) -> list[Block]:
    """Every block of code of a page, in order."""
    lines = text.splitlines()
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type not in {"fence", "code_block"} or token.map is None:
            continue
        before = lines[token.map[0] - 1].strip() if token.map[0] else ""
        mark = before if re.fullmatch(r"<!-- [a-z ]+ -->", before) else ""
        found.append(Block(page, token.map[0] + 1, (token.info.split() or [""])[0], mark, token.content))
    return found


def documents(code: str) -> Iterator[object]:
    """The JSON documents that a block holds, one behind the other. Raises: ValueError."""
    decoder, rest = json.JSONDecoder(), code.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield found
        rest = rest[end:].strip()


def differences(wanted: object, got: object, where: str = "") -> list[str]:
    """Where `got` lacks something that `wanted` has, or has another kind of thing. What is null fits everything.

    A word in capitals is an answer's meaning and not its shape: it must be that word. So must a `code`.
    """
    if wanted is None or got is None:
        return []
    if isinstance(wanted, dict) and isinstance(got, dict):
        return [
            said
            for key, value in wanted.items()
            for said in (
                differences(value, got[key], f"{where}.{key}") if key in got else [f"{where}.{key} is missing"]
            )
        ]
    if isinstance(wanted, list) and isinstance(got, list):
        if wanted and not got:
            return [f"{where} is empty"]
        return differences(wanted[0], got[0], f"{where}[0]") if wanted else []
    if isinstance(wanted, str) and isinstance(got, str):
        return [f"{where} is {got!r}, not {wanted!r}"] if wanted.isupper() and wanted != got else []
    if _is_number(wanted) and _is_number(got):
        return [f"{where} is {got!r}, not {wanted!r}"] if where.endswith(".code") and wanted != got else []
    return [] if type(wanted) is type(got) else [f"{where} is {got!r}, and not like {wanted!r}"]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def script(blocks: Sequence[Block], folder: Path, replaced: Mapping[str, str]) -> str:
    """A page's programs as one shell script: its shell blocks are one shell, its Python blocks one program.

    The Python program runs where its first block stands.
    """
    lines = ["set -euo pipefail"]
    first = next((block for block in blocks if block.language == "python"), None)
    for block in blocks:
        if block.language == "python" and block is not first:
            continue
        lines.append(f"printf '{BEGINS}%s\\n' {block.line}")
        code = block.code
        if block is first:
            every = [other for other in blocks if other.language == "python"]
            assert block.mark != ENDLESS or len(every) == 1, f"{block} does not end, and other blocks come after it"
            (folder / "page.py").write_text(_put_in(_program(every), replaced), "utf-8")
            code = "python page.py"
        if block.mark == ENDLESS:
            assert block is first, f"{block} does not end, and is no program"
            code = shlex.join([sys.executable, str(FIRST_LINES), str(ENDLESS_LINES), *code.split()])
        lines.append(_put_in(code, replaced).rstrip("\n"))
    return "\n".join([*lines, ""])


def _program(blocks: Sequence[Block]) -> str:
    """Python blocks as one program, each on the lines that it has on its page."""
    lines: list[str] = []
    for block in blocks:
        lines += [""] * (block.line - 1 - len(lines))
        lines.append(f"print('{BEGINS}{block.line}', flush=True)" if block is not blocks[0] else "")
        lines += block.code.splitlines()
    return "\n".join([*lines, ""])


def _put_in(code: str, replaced: Mapping[str, str]) -> str:
    for old, new in replaced.items():
        code = code.replace(old, new)
    return code


def run(
    blocks: Sequence[Block], folder: Path, environment: Mapping[str, str], replaced: Mapping[str, str]
) -> dict[int, str]:
    """Run a page's programs one after the other. Give what each printed, by its line. Raises: AssertionError."""
    process = subprocess.Popen(
        ["bash", "-c", script(blocks, folder, replaced)],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # not only the shell, but what it waits for
        out, err = process.communicate()
    said: dict[int, str] = {}
    for part in out.split(BEGINS)[1:]:
        line, _, printed = part.partition("\n")
        said[int(line)] = printed
    reached = list(said)[-1] if said else 0
    last = next((str(block) for block in blocks if block.line == reached), "the page")
    assert process.returncode == 0, f"{last}\nended with {process.returncode}\n{said.get(reached)}\n{err}"
    return said
