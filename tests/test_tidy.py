"""The house's rules that a machine can read: import arrows, what the pure folders keep out, length, criteria carried."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOUSE = ("engine", "risk", "funding", "exchange", "app")
PURE = HOUSE[:4]
# What each folder may import. `app` sees the engine's words (sides, statuses), which messages carry, and no more of it.
MAY_IMPORT = {
    "engine": {"engine", "typing", "enum", "collections", "sortedcontainers"},
    "risk": {"risk", "typing", "enum", "collections", "math.isqrt", "sortedcontainers"},
    "funding": {"funding", "risk", "typing", "enum", "collections"},
    "exchange": {"exchange", "engine", "risk", "funding", "typing", "enum", "collections"},
}
MESSAGES = {"commands.py", "events.py", "instrument.py", "state_codec.py"}
IMPURE_CALLS = {"open", "print", "input", "eval", "exec", "hash", "id", "float", "globals", "breakpoint", "__import__"}
FUNCTION_LINES_MAX = 70
# The folders of app, lower ones first: each may import those below it and what lies in app itself, where the parts are put together.
FLOORS = (
    {"models"},
    {"db"},
    {"feeds", "custody", "proof"},
    {"people"},
    {"surfaces.everstrike"},
    {"stream"},
    {"surfaces.evermark"},
)


def sources(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text("utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed(path: Path) -> set[str]:
    extra = {"msgspec"} if path.parts[0] == "exchange" and path.name in MESSAGES else set()
    return MAY_IMPORT[path.parts[0]] | extra | ({"hashlib"} if path == Path("exchange/state_codec.py") else set())


def test_arrows_of_the_pure_folders() -> None:
    wrong = [
        f"{path}: {name}"
        for path, tree in sources(*PURE)
        for name in imports(tree)
        if not any(name == word or name.startswith(word + ".") for word in allowed(path))
    ]
    assert wrong == []


def test_app_asks_exchange_for_everything() -> None:
    wrong = [
        f"{path}: {name}"
        for path, tree in sources("app")
        for name in imports(tree)
        if name.split(".")[0] in PURE[:3] and not name.startswith("engine.order.")
    ]
    assert wrong == []


def folder_of(module: str) -> str:
    """The folder of app that a module lies in; empty for app itself."""
    parts = module.split(".")[1:]
    return next((name for floor in FLOORS for name in floor if parts[: name.count(".") + 1] == name.split(".")), "")


def test_no_folder_of_app_imports_one_above_it() -> None:
    height = {name: at for at, floor in enumerate(FLOORS) for name in floor}
    folders = {".".join(path.parts[1:-1]) for path, _ in sources("app") if path.name != "__init__.py"} - {""}
    assert folders == height.keys(), "a folder without a floor"
    wrong = [
        f"{path}: {name}"
        for path, tree in sources("app")
        for name in imports(tree)
        if (own := folder_of(".".join(path.with_suffix("").parts)))
        and name.startswith("app.")
        and (other := folder_of(name)) not in ("", own)
        and height[other] >= height[own]
    ]
    assert wrong == []


def test_a_client_needs_nothing_of_the_house() -> None:
    for path, tree in sources("client"):
        for name in imports(tree):
            assert name.split(".")[0] not in HOUSE, f"{path}: {name}"


def test_pure_folders_stay_pure() -> None:
    wrong = []
    for path, tree in sources(*PURE):
        for node in ast.walk(tree):
            if not isinstance(node, ast.expr | ast.stmt):
                continue
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            is_division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
            if is_call or is_float or is_division:
                wrong.append(f"{path}:{node.lineno}")
    assert wrong == []


def test_functions_are_short() -> None:
    wrong = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in sources(*HOUSE)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert wrong == []


def test_migrations_do_not_hide_the_library() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_every_criterion_is_carried_by_a_test() -> None:
    """A criterion is an id such as LIQ-004 at the start of a line, list item, heading or table row in docs/spec.

    A test carries it by saying so anywhere, or in its name: test_liq_004_...
    """
    given = re.compile(r"^\W*([A-Z]{2,}-\d{3})\b", re.MULTILINE)
    pages = (page.read_text("utf-8") for page in sorted((ROOT / "docs" / "spec").glob("*.md")))
    criteria = {name for page in pages for name in given.findall(page)}
    suffixes = {".py", ".txt", ".toml"}
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*") if path.suffix in suffixes)
    carried = {f"{name.upper()}-{number}" for name, number in re.findall(r"([A-Za-z]{2,})[-_](\d{3})(?!\d)", tests)}
    assert sorted(criteria - carried) == []
