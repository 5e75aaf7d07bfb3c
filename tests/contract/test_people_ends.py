"""Rows of people after which the session may be over, fuzzed from the document in a new session for each request."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from app.db.embedded import EmbeddedServer
from tests.contract.people_world import Human, PeopleVenue, people_venue
from tests.contract.test_fuzz import CHECKS
from tests.contract.test_people_fuzz import ENDING

EXAMPLES = 12


@pytest.fixture(scope="module")
def world(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleVenue]:
    with people_venue(postgres, tmp_path_factory.mktemp("ends"), "people_ends") as found:
        yield found


@pytest.fixture(scope="module")
def human(world: PeopleVenue) -> Human:
    return world.human("leaver", usd=1_000)


@pytest.mark.spec("REST-020")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", ENDING)
def test_every_answer_at_the_end_of_a_session_is_documented(
    world: PeopleVenue, human: Human, path: str, mode: GenerationMode
) -> None:
    api: Any = schemathesis.openapi.from_url(f"{world.venue.url}/docs/openapi.json")
    statuses = set()

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=api[path]["DELETE" if path == "/v1/sessions" else "POST"].as_strategy(generation_mode=mode))
    def fuzz(case: schemathesis.Case[Any]) -> None:
        headers = {"authorization": f"Bearer {world.log_in(human).access_token}"}
        world.forget_locks()
        answer = case.call_and_validate(headers=headers, checks=CHECKS)
        assert answer.status_code != 500
        statuses.add(answer.status_code)

    fuzz()
    assert statuses, "nothing was sent"
