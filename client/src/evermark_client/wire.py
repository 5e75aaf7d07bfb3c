"""From a call to a request, and from an answer to a result: all that the sync and the async client do alike."""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from evermark_client.calls import Access, Call
from evermark_client.errors import Denied, EvermarkError, NotTaken, OutcomeUnknown, RateLimited, Refused, Unexpected
from evermark_client.forms import CLAIM_PREFIX, Clock, encode, pairs_of, sign

T = TypeVar("T")
OK: Final = 200
FORM: Final = "application/x-www-form-urlencoded"
BROKEN: Final = (500, 502, 504)
"""Answers of something on the way, or of a fault of the exchange's: what became of the request is not known."""


class _Envelope(msgspec.Struct):
    result: msgspec.Raw
    msg: str | None = None


class _Reason(msgspec.Struct):
    reject: str = ""
    field: str | None = None
    is_outcome_unknown: bool = False


class _Failure(msgspec.Struct):
    msg: str | None = None
    result: _Reason | None = None


_envelope = msgspec.json.Decoder(_Envelope).decode
_failure = msgspec.json.Decoder(_Failure).decode


class Prepared(NamedTuple):
    """A request, ready to be sent once: its signature is good for one time."""

    method: str
    path: str
    query: bytes
    body: bytes
    headers: dict[str, str]


def prepare(call: Call[T], api_key: str, secret_key: str, clock: Clock) -> Prepared:
    """Encode and sign. Raises: ValueError where the call needs keys that the client does not have."""
    if call.access is not Access.PUBLIC and not api_key:
        raise ValueError(f"{call.path} needs an API key")
    is_signed = call.access in (Access.SIGNED, Access.SIGNED_QUERY)
    if is_signed and not secret_key:
        raise ValueError(f"{call.path} needs the secret key")
    fields: dict[str, object] = {**call.fields}
    if is_signed:
        fields["timestamp"] = clock.stamp()
    content = encode(pairs_of(fields))
    headers = {} if call.access is Access.PUBLIC else {"x-api-key": api_key}
    if call.access is Access.SIGNED:
        headers |= {"x-signature": sign(secret_key, content), "content-type": FORM}
        return Prepared(call.method, call.path, b"", content, headers)
    if call.access is Access.SIGNED_QUERY:
        headers["x-signature"] = sign(secret_key, CLAIM_PREFIX + content)
    return Prepared(call.method, call.path, content, b"", headers)


def result_of(call: Call[T], status: int, headers: Mapping[str, str], content: bytes) -> T:
    """What the answer says. Raises: a child of EvermarkError."""
    if status != OK:
        raise fault_of(call, status, headers, content)
    try:
        return call.result(memoryview(_envelope(content).result))
    except msgspec.DecodeError as wrong:
        raise Unexpected(status, f"{call.path}: {wrong}") from wrong


def fault_of(call: Call[T], status: int, headers: Mapping[str, str], content: bytes) -> EvermarkError:
    """What an answer that is no success means."""
    try:
        failure = _failure(content)
    except msgspec.DecodeError:
        failure = _Failure()
    msg = failure.msg or f"{call.path} was answered with {status}"
    reason = failure.result or _Reason()
    wait_s = seconds(headers.get("retry-after"))
    if status == 429:
        return RateLimited(msg, wait_s)
    if status in (401, 403, 408):
        return Denied(status, msg)
    if status == 503 and reason.reject and reason.reject not in ("UNAVAILABLE", "OVERLOADED"):
        return Refused(reason.reject, reason.field, msg)
    if status == 503 and reason.reject and not reason.is_outcome_unknown:
        return NotTaken(msg, wait_s)
    if status == 503 or status in BROKEN:
        return lost(call, msg, wait_s)
    return Unexpected(status, msg)


def lost(call: Call[T], msg: str, wait_s: float = 0.0) -> EvermarkError:
    """No answer that can be relied on: a read has done nothing, anything else may have."""
    if call.method == "GET":
        return NotTaken(msg, wait_s)
    return OutcomeUnknown(msg, call.client_order_id, wait_s)


def seconds(text: str | None) -> float:
    """What Retry-After says, where it says seconds."""
    return float(text) if text and text.isdigit() else 0.0
