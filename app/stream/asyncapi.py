"""The stream as an AsyncAPI 3 document, made of the tables that describe it and of the REST rows that orders stand for."""

from typing import Any, Final

from app.stream import examples, messages
from app.stream.described import ANSWERS, ASIDE, OPERATIONS, OURS_ONLY, PRIVATE, PUBLIC, WHEN, Operation
from app.stream.entry import PATHS
from app.surfaces.everstrike.openapi import FORM
from app.surfaces.everstrike.shapes import MILLISECONDS, OURS, TEXT, Schema, exact, or_null

Document = dict[str, Any]

VERSION: Final = "3.0.0"
_CODE: Final[Schema] = {"type": "integer", "description": "As REST has it in the envelope."}
_MARK: Final[Schema] = {
    "type": ["string", "integer", "null"],
    "description": OURS + "Your own word for a message, which its answer repeats.",
}
_OP: Final[Schema] = {**or_null(TEXT), "description": OURS + "The operation that is answered."}
_CHANNEL: Final = {"$ref": "#/channels/stream"}
_EXAMPLES: Final = examples.load()


def asked(op: str) -> str:
    """The document's name for the message of an operation."""
    return f"op.{op}"


def answered(op: str) -> str:
    """Its name for the answer to an order."""
    return f"{messages.RESPONSE}.{op}"


def document(rest: Document, *, title: str, version: str, host: str, is_secure: bool) -> Document:
    """The document. `rest` is the OpenAPI document, whose rows and schemas it refers to."""
    entries = _messages(rest)
    return {
        "asyncapi": VERSION,
        "info": {
            "title": f"{title}: streams",
            "version": version,
            "description": "One WebSocket at the root. A client sends JSON texts with `op` and `content`; what comes back says its `category`. "
            "What is marked ours is not Everstrike's.",
        },
        "defaultContentType": "application/json",
        "servers": {"exchange": {"host": host, "pathname": "/", "protocol": "wss" if is_secure else "ws"}},
        "channels": {
            "stream": {
                "address": "/",
                "servers": [{"$ref": "#/servers/exchange"}],
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in entries},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {**_taken(), **_told()},
        "components": {"messages": entries, "schemas": rest["components"]["schemas"]},
    }


# --- operations --------------------------------------------------------------------------------------------------------


def _of_channel(name: str) -> Schema:
    return {"$ref": f"#/channels/stream/messages/{name}"}


def _taken() -> Document:
    """What clients may send, each with its answers."""
    found: Document = {}
    for op, operation in OPERATIONS.items():
        reply = answered(op) if operation.reply == messages.RESPONSE else operation.reply
        found[op] = {
            "action": "receive",
            "channel": _CHANNEL,
            "summary": operation.summary,
            "messages": [_of_channel(asked(op))],
            "reply": {"channel": _CHANNEL, "messages": [_of_channel(reply), _of_channel(messages.ERROR)]},
        }
    return found


def _told() -> Document:
    """What clients are told by themselves."""
    return {
        category: {
            "action": "send",
            "channel": _CHANNEL,
            "summary": _summary(category),
            "messages": [_of_channel(category)],
        }
        for category in (*PUBLIC, *PRIVATE, *ASIDE)
    }


def _summary(category: str) -> str:
    return (OURS if category in OURS_ONLY else "") + WHEN[category]


# --- messages ----------------------------------------------------------------------------------------------------------


def _messages(rest: Document) -> Document:
    found: Document = {}
    for op, operation in OPERATIONS.items():
        found[asked(op)] = _entry(asked(op), operation.summary, _question(op, operation, rest))
    for category, result in ANSWERS.items():
        found[category] = _entry(category, _summary(category), _envelope(category, or_null(TEXT), result))
    for category, result in PUBLIC.items():
        found[category] = _entry(category, _summary(category), _envelope(category, TEXT, result))
    for category, result in PRIVATE.items():
        found[category] = _entry(category, _summary(category), _private(category, result))
    for category, result in ASIDE.items():
        found[category] = _entry(category, _summary(category), _envelope(category, {"type": "null"}, result))
    for op, path in PATHS.items():
        found[answered(op)] = _entry(answered(op), f"{OURS}The answer to {op}", _response(op, path, rest))
    found[messages.ERROR] = _entry(messages.ERROR, _summary(messages.ERROR), _error())
    return found


def _entry(name: str, summary: str, payload: Schema) -> Document:
    entry: Document = {"name": name, "title": name, "summary": summary, "payload": payload}
    shown = [key for key in _EXAMPLES if key == name or key.startswith(f"{name}.")]
    if shown:
        entry["examples"] = [{"name": key, "payload": _EXAMPLES[key]} for key in shown]
    return entry


def _question(op: str, operation: Operation, rest: Document) -> Schema:
    content = operation.content or _form(PATHS[op], rest)
    properties = {"op": {"const": op}, "content": content, "id": _MARK}
    return {"type": "object", "properties": properties, "required": ["op", "content"]}


def _form(path: str, rest: Document) -> Schema:
    """The content of an order: the fields of its REST row. Neither timestamp nor ids are needed here."""
    schema = rest["paths"][path]["post"]["requestBody"]["content"][FORM]["schema"]
    needed = [name for name in schema.get("required", ()) if name != "timestamp"]
    return {"type": "object", "properties": schema["properties"], **({"required": needed} if needed else {})}


def _fields(category: str, pair: Schema, result: Schema) -> dict[str, Schema]:
    return {
        "code": {"const": 200},
        "msg": {"const": messages.WORDS[category]},
        "category": {"const": category},
        "pair": pair,
        "result": result,
    }


def _envelope(category: str, pair: Schema, result: Schema) -> Schema:
    return exact(_fields(category, pair, result))


def _private(category: str, result: Schema) -> Schema:
    return exact(
        {
            **_fields(category, or_null(TEXT), result),
            "seq": {"type": "integer", "description": OURS + "The command that it comes from."},
            "index": {
                "type": "integer",
                "description": OURS + "Its place among the account's messages of that command.",
            },
            "time": {**MILLISECONDS, "description": OURS + "When that was."},
        }
    )


def _response(op: str, path: str, rest: Document) -> Schema:
    """What an order is answered with: done, or an error as REST has it."""
    envelope = rest["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    head = {"category": {"const": messages.RESPONSE}, "pair": {"type": "null"}, "op": {"const": op}, "id": _MARK}
    return {
        "anyOf": [
            exact({**head, **envelope["properties"]}),
            exact({**head, **_refusal()}),
        ]
    }


def _refusal() -> dict[str, Schema]:
    """The envelope of an error of REST."""
    return {"code": _CODE, "msg": TEXT, "result": {"$ref": "#/components/schemas/Error/properties/result"}}


def _error() -> Schema:
    gap: Schema = {
        "reject": {"const": "GAP"},
        "field": TEXT,
        "from_seq": {"type": "integer", "description": "From this command on all is still there."},
    }
    head: dict[str, Schema] = {"category": {"const": messages.ERROR}, "pair": {"type": "null"}}
    return {
        "anyOf": [
            exact({**head, "op": _OP, "id": _MARK, **_refusal()}),
            exact({**head, "code": {"const": 410}, "msg": TEXT, "result": exact(gap)}),
        ]
    }
