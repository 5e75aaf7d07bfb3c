"""The API reference under /docs: the OpenAPI document as JSON, and a page made from it that loads nothing from elsewhere."""

from html import escape
from typing import Any, Final, final

import msgspec
from litestar import Request
from litestar.enums import MediaType
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin

Document = dict[str, Any]

STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem 1.5rem;color:#1c1e21}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin:2.2rem 0 .3rem}code,pre{font:14px/1.5 ui-monospace,monospace}
table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;
border-bottom:1px solid #d8dbe0}.m{display:inline-block;min-width:3.2rem;font-weight:700}.n{color:#5b6068}
details{margin:.4rem 0}pre{background:#f4f5f7;padding:.8rem;overflow:auto}
@media(prefers-color-scheme:dark){body{background:#15171a;color:#e6e8eb}pre{background:#202327}td,th{border-color:#3a3f45}.n{color:#9aa1a9}}
"""


@final
class JsonReference(JsonRenderPlugin):
    """The document as JSON, made when it is asked for first: making it holds up everybody else."""

    def __init__(self, written: Document) -> None:
        super().__init__(path="/openapi.json")
        self._written = written
        self._made = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        """Render the document."""
        if not self._made:
            self._made = msgspec.json.encode(merged(openapi_schema, self._written))
        return self._made


@final
class PageReference(OpenAPIRenderPlugin):
    """The document as a page to read, made once too."""

    def __init__(self, written: Document) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)
        self._written = written
        self._made = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        """Render the page."""
        if not self._made:
            self._made = page(merged(openapi_schema, self._written)).encode()
        return self._made


def merged(generated: Document, written: Document) -> Document:
    """The framework's document with what surfaces write down themselves."""
    components = dict(generated.get("components", {}))
    for kind, entries in written["components"].items():
        components[kind] = {**components.get(kind, {}), **entries}
    return {**generated, "paths": {**generated.get("paths", {}), **written["paths"]}, "components": components}


def page(document: Document) -> str:
    """The document as one page of HTML."""
    info = document["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(info['title'])}</title><style>{STYLE}</style><h1>{escape(info['title'])}</h1>",
        f"<p>{escape(info.get('description', ''))}</p>",
        "<p>The same as a document for programs: <a href='/docs/openapi.json'><code>/docs/openapi.json</code></a>. "
        "What happens, as it happens: <a href='/docs/streams'>the streams</a>.</p>",
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation))
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"].get("schemas", {}).items():
        parts.append(details(name, schema))
    return "".join(parts)


def _operation(path: str, method: str, operation: Document) -> str:
    needs = " or ".join(" and ".join(names) for names in operation.get("security", []) if names) or "nothing"
    parts = [
        f"<h2><span class=m>{escape(method.upper())}</span> <code>{escape(path)}</code></h2>",
        f"<p>{escape(operation.get('summary', ''))}. <span class=n>Needs: {escape(needs)}.</span></p>",
    ]
    parameters = [(row["name"], row["schema"], row["required"]) for row in operation.get("parameters", [])]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        required = schema.get("required", ())
        parameters += [(name, entry, name in required) for name, entry in schema.get("properties", {}).items()]
    if parameters:
        parts.append("<table>")
        parts += [_parameter(*row) for row in parameters]
        parts.append("</table>")
    for status, response in operation.get("responses", {}).items():
        for content in response.get("content", {}).values():
            parts.append(details(f"{status} {response['description']}", content.get("schema", {})))
    parts += _examples(operation)
    return "".join(parts)


def _examples(operation: Document) -> list[str]:
    """A request and its answer."""
    asked = {row["name"]: row["example"] for row in operation.get("parameters", []) if "example" in row}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        asked = content.get("example", asked)
    answered = operation.get("responses", {}).get("200", {}).get("content", {}).get("application/json", {})
    found = [details("Example of a request", asked)] if asked else []
    return [*found, details("Example of an answer", answered["example"])] if "example" in answered else found


def _parameter(name: str, schema: Document, is_needed: bool) -> str:
    kind = " | ".join(schema["enum"]) if "enum" in schema else schema.get("type", "")
    mark = " <b>required</b>" if is_needed else ""
    return (
        f"<tr><td><code>{escape(name)}</code>{mark}<td class=n>{escape(str(kind))}"
        f"<td>{escape(schema.get('description', ''))}"
    )


def details(title: str, schema: Document) -> str:
    """A schema or an example, to be opened."""
    text = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"
