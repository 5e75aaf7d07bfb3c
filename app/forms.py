"""Form bodies as the three encoders in use make them, decoded in one pass.

Python's urlencode is flat, npm form-urlencoded writes `orders%5B0%5D%5Bpair%5D=` and `+` for a space, qs writes `%20` and
drops what is undefined. Nothing is nested deeper than `orders[i][field]`.
"""

import re
from typing import Final, final
from urllib.parse import unquote_plus

from app.problems import Malformed

BODY_MAX: Final = 65_536
KEYS_MAX: Final = 2_048
NAME_MAX: Final = 64
VALUE_MAX: Final = 256

_ORDER: Final = re.compile(r"orders\[([0-9]{1,3})\]\[([A-Za-z_]{1,32})\]").fullmatch
_ID: Final = re.compile(r"ids\[([0-9]{1,4})?\]").fullmatch


@final
class Form:
    """A decoded body. An absent value (empty or `null`) is kept as an empty string, so that repeats are seen.

    `ids` is None when no id was named: `ids=`, `ids[]=` and nothing at all mean the same. An id that has an index but
    no value counts as named, and as unknown: it must never become "all".
    """

    __slots__ = ("fields", "ids", "orders")

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.ids: list[str] | None = None
        self.orders: dict[int, dict[str, str]] = {}


def decode(body: bytes) -> Form:
    """Decode a body of `application/x-www-form-urlencoded`.

    Raises: Malformed for a body that is not UTF-8, too many keys, too long a key or value, a key that repeats.
    """
    form = Form()
    if not body:
        return form
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Malformed("body", "The body is not UTF-8.") from None
    if text.count("&") >= KEYS_MAX:
        raise Malformed("body", f"The body has more than {KEYS_MAX} keys.")
    fields = form.fields
    is_escaped = "%" in text or "+" in text
    is_long = len(text) > VALUE_MAX
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if is_escaped and ("%" in value or "+" in value):
            value = _unquote(value, name)
        if is_long and len(value) > VALUE_MAX:
            raise Malformed(name[:NAME_MAX], f"{name[:NAME_MAX]} is longer than {VALUE_MAX} characters.")
        if value == "null":
            value = ""
        if name.isidentifier() and name != "ids":
            if name in fields:
                raise Malformed(name, f"{name} is given more than once.")
            fields[name] = value
        elif part:
            _bracketed(form, name, value)
    return form


def decode_query(query: bytes) -> dict[str, str]:
    """Decode a query string, which has only flat keys. Raises: Malformed."""
    return decode(query).fields if query else {}


def _unquote(text: str, field: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise Malformed(field[:NAME_MAX], f"{field[:NAME_MAX]} is not UTF-8.") from None


def _bracketed(form: Form, raw: str, value: str) -> None:
    """Take a key that is not a plain word: of an order, of an id, or one to ignore (but not twice)."""
    if len(raw) > NAME_MAX:
        raise Malformed("body", f"A key is longer than {NAME_MAX} characters.")
    name = _unquote(raw, raw)
    if name == "ids":
        _add_id(form, value)
        return
    found = _ID(name)
    if found is not None:
        if found[1] is None:
            _add_id(form, value)
            return
        if form.ids is None:
            form.ids = []
        form.ids.append(value)
    fields = form.fields
    found = _ORDER(name)
    if found is not None:
        fields = form.orders.setdefault(int(found[1]), {})
        name = found[2]
    if name in fields:
        raise Malformed(name, f"{name} is given more than once.")
    fields[name] = value


def _add_id(form: Form, value: str) -> None:
    """Take an id of a list that has no indices; an empty one is an empty list."""
    if not value:
        return
    if form.ids is None:
        form.ids = []
    form.ids.append(value)


def flag(fields: dict[str, str], name: str, default: bool = False) -> bool:
    """A boolean: true or false in any case. Raises: Malformed."""
    value = fields.get(name)
    if not value:
        return default
    lowered = value.lower()
    if lowered == "true":
        return True
    if lowered == "false":
        return False
    raise Malformed(name, f"{name} must be true or false.")


def needed(fields: dict[str, str], name: str) -> str:
    """A value that must be there. Raises: Malformed."""
    value = fields.get(name)
    if not value:
        raise Malformed(name, f"{name} is missing.", "MISSING_FIELD")
    return value


def word(fields: dict[str, str], name: str, *, most: int, code: str = "INVALID_FORM") -> str:
    """A short text of printable ASCII; empty when absent. Raises: Malformed."""
    value = fields.get(name, "")
    if not value:
        return value
    if len(value) > most or not value.isascii() or not value.isprintable():
        raise Malformed(name, f"{name} must have at most {most} printable ASCII characters.", code)
    return value
