"""Words that schemas are made of."""

from typing import Any, Final

Schema = dict[str, Any]

OURS: Final = "Ours, not Everstrike's. "
ID: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
NUMBER: Final[Schema] = {"type": "number"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
MILLISECONDS: Final[Schema] = {"type": "integer", "format": "int64"}
TEXT: Final[Schema] = {"type": "string"}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    nullable = dict(schema)
    nullable["type"] = [schema["type"], "null"]
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable


def words(members: Any) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": list(members)}


def exact(properties: Schema, **more: Any) -> Schema:
    """An object with all of these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def by_name(schema: Schema, description: str) -> Schema:
    """An object whose every property is such a one."""
    return {"type": "object", "additionalProperties": schema, "description": description}


def ref(name: str) -> Schema:
    """A schema of the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(schema: Schema) -> Schema:
    """A list of such ones."""
    return {"type": "array", "items": schema}
