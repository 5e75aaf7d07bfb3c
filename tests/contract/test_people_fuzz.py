"""The addresses of people fuzzed from their own document, and their golden answers."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.db.embedded import EmbeddedServer
from app.surfaces.evermark import openapi
from tests.contract.documents import document
from tests.contract.people_answers import record
from tests.contract.people_world import Human, PeopleVenue, people_venue

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = {GenerationMode.POSITIVE: 12, GenerationMode.NEGATIVE: 8}
ENDING = ("/v1/logout", "/v1/sessions", "/v1/totp/confirm")
"""What would leave the fuzzer without a session or a step-up."""


@pytest.fixture(scope="module")
def world(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleVenue]:
    with people_venue(postgres, tmp_path_factory.mktemp("fuzz"), "people_fuzz") as running:
        yield running


@pytest.fixture(scope="module")
def fuzzer(world: PeopleVenue) -> Human:
    return world.human("fuzzer", usd=1_000, btc=1)


@pytest.mark.spec("PEO-038")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_documented(world: PeopleVenue, fuzzer: Human, mode: GenerationMode) -> None:
    """Requests as the document describes them, and requests that break it, to every address."""
    api: Any = schemathesis.openapi.from_url(f"{world.venue.url}/docs/openapi.json")
    statuses: dict[str, set[int]] = {}
    for path, methods in document(world.venue.url)["paths"].items():
        for method, operation in methods.items():
            has_input = operation.keys() & {"parameters", "requestBody"}
            if operation["tags"] != ["People"] or not has_input or path in ENDING:
                continue
            world.forget_locks()
            world.step_up(fuzzer)
            statuses[f"{method} {path}"] = fuzz(api[path][method], mode, fuzzer)
    assert len(statuses) > 15
    assert all(statuses.values())
    assert not [name for name, found in statuses.items() if 500 in found]
    if mode is GenerationMode.POSITIVE:
        assert 200 in statuses["post /v1/accounts"]


def fuzz(operation: Any, mode: GenerationMode, fuzzer: Human) -> set[int]:
    """Send what the document makes; gives the statuses of the answers."""
    statuses: set[int] = set()

    @settings(max_examples=EXAMPLES[mode], deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case[Any]) -> None:
        headers = {"authorization": f"Bearer {fuzzer.access_token}"}
        answer = case.call_and_validate(headers=headers, checks=CHECKS)
        statuses.add(answer.status_code)

    send()
    return statuses


@pytest.mark.spec("PEO-039")
def test_the_answers_are_the_golden_ones(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    with people_venue(postgres, tmp_path_factory.mktemp("golden"), "people_golden") as world:
        found = record(world)
        asked = {
            f"{method.upper()} {path}"
            for path, methods in document(world.venue.url)["paths"].items()
            for method in methods
            if methods[method]["tags"] == ["People"]
        }
    golden = openapi.load_examples()
    assert set(found) == asked
    assert list(found) == list(golden)
    for name, example in found.items():
        assert example == golden[name], f"{name}: see tests/contract/people_answers.py"
