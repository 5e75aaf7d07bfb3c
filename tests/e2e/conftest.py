"""What tests of the running program share."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.post import PostOffice
from tests.support.program import Program, made_data_dir, running


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with made_data_dir() as path:
        yield path


@pytest.fixture(scope="module")
def exchange() -> Iterator[Program]:
    """An exchange that runs for all of a file's tests, with demo accounts and prices."""
    with made_data_dir() as path, running(path, EVERMARK_FEED="synthetic") as program:
        yield program


@pytest.fixture(scope="module")
def demo(exchange: Program) -> Any:
    """What its demo.json says: the address, and the keys of two accounts."""
    return json.loads((exchange.data_dir / "demo.json").read_text("utf-8"))


@pytest.fixture
def post() -> Iterator[PostOffice]:
    office = PostOffice()
    yield office
    office.close()
