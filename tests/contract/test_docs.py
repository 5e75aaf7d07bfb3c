"""The documents: a site without a broken link, and no block of code that nobody answers for."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.blocks import DATA, PROGRAMS, Block, blocks_of, differences, documents, run
from tests.support.pages import ROOT, all_blocks, names, not_run, reason

LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
PAGE = """\
# Title

<!-- answer -->
```json
{"a": 1}
{"b": [2]}
```

1. An item

   ```sh
   true
   ```

Some text

    indented

```python title
print(1)
```
"""


def build(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout as `make docs` does."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=source,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.spec("DOC-001")
def test_the_site_is_built_strictly(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    pages += [Path("readme.md"), Path("contributing.md"), Path("changelog.md")]
    assert [page for page in pages if not (site / page.with_suffix(".html")).exists()] == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a page of its own and the house's way to make a site of it."""
    (tmp_path / "docs" / "adr").mkdir(parents=True)
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "site.py", tmp_path / "tools")
    terms = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:\n")[0]
    nav = "\nnav: [index.md, adr/, readme.md, contributing.md, changelog.md]\n"
    (tmp_path / "mkdocs.yml").write_text(terms + nav, "utf-8")
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/adr/0001-one.md"):
        (tmp_path / name).write_text("# A page\n\n## A heading\n", "utf-8")
    return tmp_path


def build_with(checkout: Path, text: str) -> subprocess.CompletedProcess[str]:
    (checkout / "docs" / "index.md").write_text(f"# Title\n\n{text}\n", "utf-8")
    return build(checkout, checkout / "site")


@pytest.mark.spec("DOC-001", "DOC-004")
def test_links_of_the_repository_fit_on_the_site(checkout: Path) -> None:
    text = "[a](../README.md#a-heading) [b](adr) [c](adr/0001-one.md) [d](../tools/site.py) [e](https://example.org/)"
    text += " [f](../tools)"
    done = build_with(checkout, f"{text}\n\n```text\n[f](nowhere.md)\n```")
    assert done.returncode == 0, done.stderr
    page = (checkout / "site" / "index.html").read_text("utf-8")
    for target in (
        "readme.html#a-heading",
        "adr/0001-one.html",
        "files/tools/site.py",
        "files/tools/index.html",
        "https://example.org/",
    ):
        assert f'href="{target}"' in page
    assert (checkout / "site" / "files" / "tools" / "site.py").exists()


@pytest.mark.spec("DOC-001")
def test_broken_links_fail_the_site(checkout: Path) -> None:
    links = [
        "nowhere.md",
        "adr/0001-one.md#nowhere",
        "../tools/nowhere.py",
        "../nowhere",
        "../README.md#nowhere",
        "/a.md",
    ]
    done = build_with(checkout, "".join(f"[there]({link})\n\n" for link in links))
    assert done.returncode != 0
    assert f"Aborted with {len(links)} warnings in strict mode" in done.stdout + done.stderr


@pytest.mark.spec("DOC-001", "DOC-002")
def test_a_page_stands_in_the_navigation_once(checkout: Path) -> None:
    page = checkout / "docs" / "lost.md"
    page.write_text("# Lost\n", "utf-8")
    done = build_with(checkout, "")
    assert done.returncode != 0
    assert "lost.md" in done.stderr
    page.unlink()
    terms = checkout / "mkdocs.yml"
    terms.write_text(terms.read_text("utf-8").replace("adr/, ", "adr/, adr/0001-one.md, "), "utf-8")
    done = build_with(checkout, "")
    assert done.returncode != 0
    assert "adr/0001-one.md twice" in done.stderr


@pytest.mark.spec("DOC-002")
def test_each_reader_has_a_part(site: Path) -> None:
    home = (site / "index.html").read_text("utf-8")
    for folder, name in (("trader", "Traders"), ("operator", "Operators"), ("contributor", "Contributors")):
        assert re.search(rf'<a href="{folder}/index.html" class="md-tabs__link">\s*{name}\s*</a>', home)
        first = (site / folder / "index.html").read_text("utf-8")
        for page in (ROOT / "docs" / folder).glob("*.md"):
            assert page.name == "index.md" or f'<td><a href="{page.stem}.html">' in first


class Loads(HTMLParser):
    """What a page loads by itself when it is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in {"canonical", "prev", "next"}:
            return
        self.found += [value for name, value in attrs if value and (tag, name) in LOADS]


@pytest.mark.spec("DOC-003")
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    seen = 0
    for path in site.rglob("*.html"):
        loads = Loads()
        loads.feed(path.read_text("utf-8"))
        seen += len(loads.found)
        assert [url for url in loads.found if re.match(r"([a-z]+:)?//", url)] == [], path
    assert seen > 100
    for path in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", path.read_text("utf-8")), path


def test_blocks_are_found_as_github_finds_them() -> None:
    found = blocks_of("p.md", PAGE)
    assert [(block.language, block.line, block.mark) for block in found] == [
        ("json", 4, "<!-- answer -->"),
        ("sh", 11, ""),
        ("", 17, ""),
        ("python", 19, ""),
    ]
    assert [block.first_line for block in found] == ['{"a": 1}', "true", "indented", "print(1)"]


@pytest.mark.spec("DOC-010", "DOC-011")
def test_a_page_runs_as_one_shell_and_one_program(tmp_path: Path) -> None:
    text = """
```sh
export A="one two"
```
```python
import os
print("127.0.0.1:8080", os.getcwd())
b = 3
```
```sh
echo "$A"
```
```python
print(os.environ["A"], b)
```
"""
    said = run(blocks_of("p.md", text), tmp_path, {"PATH": path_with_python()}, {"127.0.0.1:8080": "there"})
    assert said == {2: "", 5: f"there {tmp_path}\n", 13: "one two 3\n", 10: "one two\n"}


@pytest.mark.spec("DOC-013")
def test_a_program_without_end_is_stopped(tmp_path: Path) -> None:
    text = "<!-- endless -->\n```python\nimport itertools\nfor n in itertools.count():\n    print(n)\n```\n```sh\ntrue\n```\n"
    said = run(blocks_of("p.md", text), tmp_path, {"PATH": path_with_python()}, {})
    assert said == {2: "0\n1\n2\n", 7: ""}


def path_with_python() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.spec("DOC-010", "DOC-013")
@pytest.mark.parametrize(
    "spoilt",
    [
        "```sh\nfalse\ntrue\n```",
        "```sh\nfalse | true\n```",
        "```sh\necho $NOBODY_SET_THIS\n```",
        "```python\nassert False\n```",
        "<!-- endless -->\n```python\nprint(1)\n```",
    ],
)
def test_a_program_that_fails_fails_its_page(tmp_path: Path, spoilt: str) -> None:
    blocks = blocks_of("p.md", f"```sh\ntrue\n```\n\n{spoilt}\n\n```sh\ntrue\n```\n")
    with pytest.raises(AssertionError, match=f"p.md:{blocks[1].line} "):
        run(blocks, tmp_path, {"PATH": path_with_python()}, {})


@pytest.mark.spec("DOC-012")
@pytest.mark.parametrize(
    "wanted, got, fits",
    [
        ({"a": 1}, {"a": 2.5, "b": 1}, True),
        ({"a": None}, {"a": 1}, True),
        ({"a": 1}, {"a": None}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}, {}]}, True),
        ({"a": []}, {"a": [1]}, True),
        ({"a": "COMPLETED", "b": "text"}, {"a": "COMPLETED", "b": "other"}, True),
        ({"a": "COMPLETED"}, {"a": "ACTIVE"}, False),
        ({"code": 200}, {"code": 503}, False),
        ({"a": 1}, {}, False),
        ({"order": {"status": "COMPLETED"}}, {"order": {"status": 1}}, False),
        ({"order": {"status": "COMPLETED"}}, {"orders": []}, False),
        ({"a": [{"b": 1}]}, {"a": []}, False),
        ({"a": [{"b": 1}]}, {"a": [{}]}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": {}}, {"a": []}, False),
    ],
)
def test_an_answer_has_the_shape_of_its_block(wanted: object, got: object, fits: bool) -> None:
    assert (differences(wanted, got) == []) is fits


@pytest.mark.parametrize("block", [block for block in all_blocks() if block.language in DATA], ids=str)
def test_data_can_be_read(block: Block) -> None:
    if block.language == "toml":
        assert tomllib.loads(block.code)
    else:
        assert list(documents(block.code))


@pytest.mark.spec("DOC-014")
def test_every_block_is_run_read_or_listed_with_the_reason() -> None:
    blocks = all_blocks()
    listed = [block for block in blocks if reason(block)]
    unknown = [str(block) for block in blocks if block.language not in PROGRAMS | DATA and not reason(block)]
    assert unknown == [], "say what language it is in, or why nobody runs it"
    for row in not_run():
        assert len([block for block in blocks if names(row, block)]) == 1, row
    assert len([block for block in blocks if reason(block)]) == len(not_run())
    assert all(not_run().values())
    assert len([block for block in blocks if block.language in PROGRAMS and not reason(block)]) >= len(listed)
