"""The golden answers: what the reference shows is what the exchange says."""

from pathlib import Path

import pytest

from app.db.embedded import EmbeddedServer
from app.surfaces.everstrike import examples
from tests.contract.answers import record
from tests.contract.conftest import own_settings
from tests.contract.documents import document
from tests.venue import Venue, running_venue


@pytest.mark.spec("REST-090")
def test_the_answers_are_the_golden_ones(postgres: EmbeddedServer, tmp_path: Path) -> None:
    settings = own_settings(postgres, tmp_path, "answers")
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
