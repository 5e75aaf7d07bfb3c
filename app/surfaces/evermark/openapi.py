"""The rows of people as operations of an OpenAPI document: messages say themselves what they hold."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from app.surfaces.evermark.rows import Access, Row
from app.surfaces.everstrike.shapes import Schema

TAG: Final = "People"
REF: Final = "#/components/schemas/{name}"
JSON: Final = "application/json"
SECURITY_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of /v1/login.",
    }
}
REASONS: Final = {
    "400": "The request cannot be meant.",
    "401": "The code, password or token is not good.",
    "403": "Not without a step-up, not to there, or the account is frozen.",
    "404": "It is not there, or not yours.",
    "409": "It is so already, or there are too many.",
    "413": "The body is too large.",
    "422": "The exchange refused it.",
    "429": "Too often.",
    "500": "Something went wrong on our side.",
    "503": "Closed, or away, for now.",
}
ERROR: Final = "PeopleError"
_EXAMPLES: Final = Path(__file__).with_name("examples.json")


def load_examples() -> dict[str, dict[str, Any]]:
    """By method and path: what was once asked and answered there."""
    found: dict[str, dict[str, Any]] = json.loads(_EXAMPLES.read_text("utf-8"))
    return found


def described(rows: Iterable[Row]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """The paths of a document, and the schemas that they refer to."""
    table = list(rows)
    types = {kind for row in table for kind in (row.asks, row.result)}
    _, schemas = msgspec.json.schema_components(sorted(types, key=lambda kind: kind.__name__), ref_template=REF)
    examples = load_examples()
    paths: dict[str, Schema] = {}
    for row in table:
        example = examples.get(f"{row.method} {row.path}", {})
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schemas, example)
    return paths, {**schemas, ERROR: _error()}


def _operation(row: Row, schemas: dict[str, Schema], example: Schema) -> Schema:
    asks = schemas[row.asks.__name__]
    operation: Schema = {
        "operationId": f"{row.method.lower()}_{row.path.strip('/').replace('/', '_')}",
        "summary": row.summary,
        "tags": [TAG],
        "security": [] if row.access is Access.PUBLIC else [{"bearer": []}],
        "responses": _responses(row, example),
    }
    if row.access is Access.STEPPED_UP:
        operation["description"] = "Needs a step-up of the session (/v1/step_up) in the last five minutes."
    if row.method == "POST":
        body: Schema = {"schema": {"$ref": REF.format(name=row.asks.__name__)}}
        if example.get("fields"):
            body["example"] = example["fields"]
        operation["requestBody"] = {"required": bool(asks.get("required")), "content": {JSON: body}}
    elif asks["properties"]:
        operation["parameters"] = [
            _parameter(name, schema, name in asks.get("required", ()), example)
            for name, schema in asks["properties"].items()
        ]
    return operation


def _parameter(name: str, schema: Schema, is_needed: bool, example: Schema) -> Schema:
    found: Schema = {"name": name, "in": "query", "required": is_needed, "schema": schema}
    fields = example.get("fields", {})
    return {**found, "example": fields[name]} if name in fields else found


def _responses(row: Row, example: Schema) -> dict[str, Schema]:
    envelope = {
        "type": "object",
        "properties": {
            "code": {"const": 200},
            "msg": {"type": "null"},
            "result": {"$ref": REF.format(name=row.result.__name__)},
        },
        "required": ["code", "msg", "result"],
        "additionalProperties": False,
    }
    done: Schema = {"schema": envelope}
    if "answer" in example:
        done["example"] = example["answer"]
    responses: dict[str, Schema] = {"200": {"description": "Done.", "content": {JSON: done}}}
    error = {JSON: {"schema": {"$ref": REF.format(name=ERROR)}}}
    for status, words in REASONS.items():
        responses[status] = {"description": words, "content": error}
    responses["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return responses


def _error() -> Schema:
    """What every refusal looks like."""
    result = {
        "type": ["object", "null"],
        "properties": {
            "reject": {"type": "string", "description": "The reason as a word."},
            "field": {"type": ["string", "null"], "description": "What of the request is to blame."},
            "is_outcome_unknown": {"type": "boolean", "description": "It may have been done."},
        },
        "required": ["reject", "field"],
    }
    properties = {"code": {"type": "integer"}, "msg": {"type": "string"}, "result": result}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
