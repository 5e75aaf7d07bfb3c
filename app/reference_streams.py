"""The reference of the streams beside that of the rows: /docs/asyncapi.json for programs, and a page made from it at /docs/streams."""

from collections.abc import Callable
from html import escape
from typing import Any, Final, final

import msgspec
from litestar import Request
from litestar.enums import MediaType
from litestar.openapi.plugins import OpenAPIRenderPlugin

from app.reference import STYLE, Document, details, merged
from app.stream.asyncapi import document

_HERE: Final = "address-of-this-exchange"
_KINDS: Final = {"receive": "What you may send", "send": "What you are told"}


@final
class Made:
    """What is made of the document, once for each scheme but for the address at which it is asked for."""

    def __init__(self, written: Document, make: Callable[[Document], bytes]) -> None:
        self._written = written
        self._make = make
        self._made: dict[bool, bytes] = {}

    def at(self, request: Request[Any, Any, Any], generated: Document, address: bytes) -> bytes:
        """It, with an address as it is written in there."""
        is_secure = request.url.scheme == "https"
        if is_secure not in self._made:
            self._made[is_secure] = self._make(described(merged(generated, self._written), is_secure=is_secure))
        return self._made[is_secure].replace(_HERE.encode(), address)


@final
class JsonStreams(OpenAPIRenderPlugin):
    """The document as JSON."""

    def __init__(self, written: Document) -> None:
        super().__init__(path="/asyncapi.json", media_type=MediaType.JSON)
        self._json = Made(written, msgspec.json.encode)

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        """Render the document."""
        return self._json.at(request, openapi_schema, msgspec.json.encode(request.url.netloc)[1:-1])


@final
class PageStreams(OpenAPIRenderPlugin):
    """The document as a page to read."""

    def __init__(self, written: Document) -> None:
        super().__init__(path="/streams", media_type=MediaType.HTML)
        self._page = Made(written, lambda streams: page(streams).encode())

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        """Render the page."""
        return self._page.at(request, openapi_schema, escape(request.url.netloc).encode())


def described(rest: Document, *, is_secure: bool) -> Document:
    """The document, with a word in place of the address."""
    info = rest["info"]
    return document(rest, title=info["title"], version=info["version"], host=_HERE, is_secure=is_secure)


def page(streams: Document) -> str:
    """The document as one page of HTML."""
    info = streams["info"]
    server = streams["servers"]["exchange"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(info['title'])}</title><style>{STYLE}</style><h1>{escape(info['title'])}</h1>",
        f"<p>{escape(info['description'])}</p>",
        f"<p>Here: <code>{escape(server['protocol'])}://{escape(server['host'])}{escape(server['pathname'])}</code>. "
        "The same as a document for programs: <a href='/docs/asyncapi.json'><code>/docs/asyncapi.json</code></a>. "
        "<a href='/docs'>Rows of HTTP</a>.</p>",
    ]
    entries = streams["components"]["messages"]
    for action, title in _KINDS.items():
        parts.append(f"<h1>{title}</h1>")
        for name, operation in streams["operations"].items():
            if operation["action"] == action:
                parts += _operation(name, operation, entries)
    parts.append("<h1>Answers</h1>")
    told = {name for name, operation in streams["operations"].items() if operation["action"] == "send"}
    for name, entry in entries.items():
        if not name.startswith("op.") and name not in told:
            parts += [_head(name, entry["summary"]), *_message(entry)]
    parts.append("<h1>Schemas</h1>")
    parts += [details(name, schema) for name, schema in streams["components"]["schemas"].items()]
    return "".join(parts)


def _head(name: str, summary: str) -> str:
    return f"<h2 id='{escape(name)}'><code>{escape(name)}</code></h2><p>{escape(summary)}.</p>"


def _operation(name: str, operation: Document, entries: Document) -> list[str]:
    parts = [_head(name, operation["summary"])]
    for reference in operation["messages"]:
        parts += _message(entries[_name(reference)])
    answers = [_name(reference) for reference in operation.get("reply", {}).get("messages", ())]
    if answers:
        links = " or ".join(f"<a href='#{escape(answer)}'><code>{escape(answer)}</code></a>" for answer in answers)
        parts.append(f"<p class=n>Answered by {links}.</p>")
    return parts


def _name(reference: Document) -> str:
    name: str = reference["$ref"].rpartition("/")[2]
    return name


def _message(entry: Document) -> list[str]:
    shown = [details(f"Example: {example['name']}", example["payload"]) for example in entry.get("examples", ())]
    return [*shown, details("Schema", entry["payload"])]
