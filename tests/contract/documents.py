"""Answers held against the API's own OpenAPI document."""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import requests

from tests.venue import Venue


@cache
def document(url: str) -> dict[str, Any]:
    """The document that the exchange at this address serves."""
    answer = requests.get(f"{url}/docs/openapi.json", timeout=30)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def conforms(venue: Venue, answer: requests.Response) -> Any:
    """Check an answer against what the document says for its address and status; give its result."""
    path = urlsplit(answer.url).path
    operation = document(venue.url)["paths"][path][str(answer.request.method).lower()]
    responses = operation["responses"]
    assert str(answer.status_code) in responses, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/json"
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    whole = {**schema, "components": document(venue.url)["components"]}
    body = answer.json()
    jsonschema_rs.validator_for(whole).validate(body)
    if answer.status_code not in (200, 408):
        assert body["code"] == answer.status_code
    return body["result"]
