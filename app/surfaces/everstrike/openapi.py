"""The rows as operations of an OpenAPI document."""

from collections.abc import Iterable
from typing import Final

from app.surfaces.everstrike import examples
from app.surfaces.everstrike.described import PARAMETERS, RESULTS, SCHEMAS, SUMMARIES, parameter
from app.surfaces.everstrike.rows import Access, Row
from app.surfaces.everstrike.schemas import ORDER_PARAMETERS, REASONS
from app.surfaces.everstrike.schemas_charts import BESIDE
from app.surfaces.everstrike.shapes import Schema

FORM: Final = "application/x-www-form-urlencoded"
SECURITY_SCHEMES: Final = {
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "Your API key."},
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "x-signature",
        "description": "Base64 of HMAC-SHA256 over the body as sent, with your secret key.",
    },
}
_SECURITY: Final[dict[Access, list[dict[str, list[str]]]]] = {
    Access.PUBLIC: [],
    Access.KEY: [{"key": []}],
    Access.KEYED_POST: [{"key": []}, {"key": [], "signature": []}],
    Access.SIGNED: [{"key": [], "signature": []}],
}
_FAILURES: Final = {
    Access.PUBLIC: ("429", "503"),
    Access.KEY: ("401", "403", "429", "503"),
    Access.KEYED_POST: ("401", "403", "408", "413", "429", "503"),
    Access.SIGNED: ("401", "403", "408", "413", "429", "503"),
}


_EXAMPLES: Final = examples.load()
_NONE: Final[Schema] = {"fields": {}}


def paths(rows: Iterable[Row]) -> dict[str, Schema]:
    """The paths of a document."""
    return {row.path: {row.method.lower(): operation(row)} for row in rows}


def schemas() -> dict[str, Schema]:
    """The schemas that the paths refer to."""
    order = {name: PARAMETERS[name] for name in ORDER_PARAMETERS}
    return {**SCHEMAS, "OrderForm": {"type": "object", "properties": order, "required": ["pair", "qty", "side"]}}


def operation(row: Row) -> Schema:
    """One operation."""
    described: Schema = {
        "operationId": f"{row.method.lower()}_{row.path.strip('/').replace('/', '_')}",
        "summary": SUMMARIES[row.path],
        "tags": ["Evermark" if row.path.startswith("/v1/") else "Everstrike"],
        "security": _SECURITY[row.access],
        "responses": _responses(row),
    }
    if row.method == "POST":
        described["requestBody"] = {"required": bool(row.needed), "content": {FORM: _form(row)}}
    elif row.needed or row.optional:
        described["parameters"] = [_parameter(row, name) for name in (*row.needed, *row.optional)]
    return described


def _example(row: Row) -> Schema:
    """What was once asked and answered there."""
    return _EXAMPLES.get(f"{row.method} {row.path}", _NONE)


def _parameter(row: Row, name: str) -> Schema:
    described = {"name": name, "in": "query", "required": name in row.needed, "schema": parameter(row.path, name)}
    fields = _example(row)["fields"]
    return {**described, "example": fields[name]} if name in fields else described


def _form(row: Row) -> Schema:
    names = (*row.needed, *row.optional)
    schema: Schema = {"type": "object", "properties": {name: parameter(row.path, name) for name in names}}
    if row.needed:
        schema["required"] = list(row.needed)
    described: Schema = {"schema": schema}
    fields = _example(row)["fields"]
    if fields:
        described["example"] = fields
    nested = [name for name in names if PARAMETERS[name].get("type") == "array"]
    if nested:
        described["encoding"] = {name: {"style": "deepObject", "explode": True} for name in nested}
    return described


def _responses(row: Row) -> Schema:
    envelope = {
        "type": "object",
        "properties": {"code": {"const": 200}, "msg": {"type": ["string", "null"]}, "result": RESULTS[row.result]},
        "required": ["code", "msg", "result"],
        "additionalProperties": BESIDE.get(row.result, False),
    }
    done: Schema = {"schema": envelope}
    if "answer" in _example(row):
        done["example"] = _example(row)["answer"]
    responses: Schema = {"200": {"description": "Done.", "content": {"application/json": done}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status in (*_FAILURES[row.access], "500"):
        responses[status] = {"description": REASONS[status], "content": error}
        if status == "429":
            responses[status]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return responses
