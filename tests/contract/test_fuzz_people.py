"""The rows for people fuzzed from the document: every answer is one that it lists, and none is a 500."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from tests.contract.documents import document
from tests.contract.people_world import PASSWORD, Human, PeopleVenue, people_venue
from tests.contract.test_fuzz import CHECKS, JUNK, hash_of
from tests.support.fuzzed import PEOPLE, PUBLIC

EXAMPLES = 15
CODES = ("/v1/totp/confirm", "/v1/step_up")
"""Rows that answer a wrong code like a wrong token."""


@pytest.fixture(scope="module")
def world(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleVenue]:
    with people_venue(postgres, tmp_path_factory, "fuzzed_people") as found:
        yield found


@pytest.fixture(scope="module")
def api(world: PeopleVenue) -> Any:
    return schemathesis.openapi.from_url(f"{world.venue.url}/docs/openapi.json")


@pytest.mark.spec("REST-020")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("method, path", PEOPLE)
def test_every_answer_to_people_is_documented(
    world: PeopleVenue, api: Any, method: str, path: str, mode: GenerationMode
) -> None:
    operation = document(world.venue.url)["paths"][path][method.lower()]
    human = world.human(f"fuzz-{hash_of((method, path, mode.value))}", usd=1_000, btc=1)
    statuses = set()

    def note(answer: Any) -> None:
        assert answer.status_code != 500
        assert str(answer.status_code) in operation["responses"]
        statuses.add(answer.status_code)
        if (method, path) not in PUBLIC and human.ask("GET", "/v1/me").status_code != 200:
            come_back(world, human, is_stepped_up=is_stepped_up)

    is_stepped_up = "step-up" in operation.get("description", "")
    come_back(world, human, is_stepped_up=is_stepped_up)
    if mode is GenerationMode.NEGATIVE and not operation.keys() & {"parameters", "requestBody"}:
        for query in JUNK:  # there is nothing else to break
            note(human.ask(method, f"{path}?{query}"))
        return

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def fuzz(case: schemathesis.Case[Any]) -> None:
        settle(case, human)
        headers = {"authorization": f"Bearer {human.access_token}"}
        note(case.call_and_validate(headers=headers, checks=CHECKS))

    fuzz()
    assert statuses, "nothing was sent"
    if (method, path) not in PUBLIC and path not in CODES:
        assert statuses - {401, 403}, "nothing came past the door"


def come_back(world: PeopleVenue, human: Human, *, is_stepped_up: bool) -> None:
    """Be in, whatever was done to the session, and with a fresh code given where it takes one."""
    world.forget_locks()
    if human.ask("GET", "/v1/me").status_code != 200:
        human.take(human.post("/v1/login", email=human.email, password=PASSWORD))
    if is_stepped_up:
        world.step_up(human)


def settle(case: schemathesis.Case[Any], human: Human) -> None:
    """Let many requests name an account that is there."""
    for fields in (case.body, case.query):
        if isinstance(fields, dict) and hash_of(fields) % 2 == 0:
            for name in ("account_id", "from_account_id", "to_account_id"):
                if name in fields:
                    fields[name] = human.account_id
