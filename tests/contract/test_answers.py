"""The golden answers: what the reference shows is what the exchange says."""

import asyncio
from pathlib import Path

import pytest

from app.db.embedded import EmbeddedServer
from app.settings import Settings
from app.surfaces.everstrike import examples
from tests.conftest import MASTER_KEY
from tests.contract.answers import record
from tests.contract.conftest import create_database
from tests.contract.documents import document
from tests.venue import Venue, running_venue


@pytest.mark.spec("REST-090")
def test_the_answers_are_the_golden_ones(postgres: EmbeddedServer, tmp_path: Path) -> None:
    asyncio.run(create_database(postgres, "answers"))
    settings = Settings(database_url=postgres.url("answers"), data_dir=tmp_path, master_key=MASTER_KEY)
    with running_venue(settings) as venue:
        found = record(venue, settings)
    golden = examples.load()
    assert list(found) == list(golden)
    for name, example in found.items():
        assert example == golden[name], name


@pytest.mark.spec("REST-090")
def test_every_operation_shows_an_example(venue: Venue) -> None:
    for path, methods in document(venue.url)["paths"].items():
        for method, operation in methods.items():
            answered = operation["responses"]["200"]["content"]["application/json"]
            assert "example" in answered, f"{method.upper()} {path}: see tests/contract/answers.py"
