"""Makes links of the documents fit for the site, which mkdocs builds: its hooks. On GitHub they fit as they stand.

Pages link to what they are about, and that is partly outside of docs/: README.md and its neighbours become pages of the site, any
other file of the repository is put beside the pages, a folder of pages leads to its first page and any other to a list of its files.
"""

import html
import posixpath
import re
from pathlib import Path
from typing import Final, cast

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = "docs/"
BESIDE: Final = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages that do not stand in docs/, and what they are called on the site."""
FILES: Final = "files/"
"""Where the site has other files of the repository."""
SHOWN: Final = {".py", ".toml", ".txt", ".json"}
"""What of a folder the site has."""
LINK: Final = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)\s#]+)(#[^)\s]*)?(?=\))")
FENCE: Final = re.compile(r"^ *(`{3,}|~{3,})")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put all pages of a folder into the navigation where it names the folder."""
    config.nav = cast("list[object]", _listed(config.nav))
    return config


def _listed(nav: object) -> object:
    if isinstance(nav, str) and nav.endswith("/"):
        return _pages(nav)
    if isinstance(nav, list):
        return [
            found
            for item in nav
            for found in (_pages(item) if isinstance(item, str) and item.endswith("/") else [_listed(item)])
        ]
    if isinstance(nav, dict):
        return {name: _listed(item) for name, item in nav.items()}
    return nav


def _pages(folder: str) -> list[str]:
    return [path.relative_to(ROOT / DOCS).as_posix() for path in sorted((ROOT / DOCS / folder).glob("*.md"))]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand beside docs/."""
    for path, name in BESIDE.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    source = next((path for path, name in BESIDE.items() if name == page.file.src_uri), DOCS + page.file.src_uri)
    fence = ""
    lines = markdown.split("\n")
    for number, line in enumerate(lines):
        marker = FENCE.match(line)
        if marker and (not fence or marker[1] == fence):
            fence = "" if fence else marker[1]
        elif not fence:
            lines[number] = LINK.sub(lambda found: _target(found, source, page, config, files), line)
    return "\n".join(lines)


def _target(found: re.Match[str], source: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[1]))
    place = ROOT / path
    pages = sorted(place.glob("*.md")) if path.startswith(DOCS) else []
    if path in BESIDE:
        name = BESIDE[path]
    elif pages:
        name = next((page for page in pages if page.name == "index.md"), pages[0]).relative_to(ROOT / DOCS).as_posix()
    elif path.startswith(DOCS):
        name = path.removeprefix(DOCS)
    elif place.is_file() and not path.startswith("..") and place.suffix != ".md":
        name = _added(path, place.read_bytes(), config, files)
    elif place.is_dir() and not path.startswith(".."):
        inside = sorted(file for file in place.rglob("*") if file.suffix in SHOWN and "build" not in file.parts)
        name = _added(f"{path}/index.html", _listing(place, inside).encode(), config, files)
        for file in inside:
            _added(file.relative_to(ROOT).as_posix(), file.read_bytes(), config, files)
    else:
        return found[0]  # mkdocs does not find it either, and says so
    return posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or ".") + (found[2] or "")


def _added(path: str, content: bytes, config: MkDocsConfig, files: Files) -> str:
    """Put a file of the repository beside the pages; give where it is."""
    name = FILES + path
    if files.get_file_from_path(name) is None:
        files.append(File.generated(config, name, content=content, inclusion=InclusionLevel.NOT_IN_NAV))
    return name


def _listing(folder: Path, inside: list[Path]) -> str:
    names = [html.escape(file.relative_to(folder).as_posix()) for file in inside]
    rows = "".join(f'<li><a href="{name}">{name}</a></li>' for name in names)
    title = html.escape(folder.relative_to(ROOT).as_posix())
    return f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}/</h1><ul>{rows}</ul>"


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Refuse a navigation that names a page twice: the reader would be in two places."""
    names = [page.file.src_uri for page in nav.pages]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PluginError(f"the navigation has {', '.join(twice)} twice")
    return nav
