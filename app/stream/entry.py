"""Orders over the socket: the same handlers as the REST rows have, with the same limits, and the answer as a message.

The content has the fields of the form that REST takes, as a JSON object. A number keeps the digits that the client wrote.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, final

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from app.door import Answer, Handler, Request
from app.faults import JournalUnavailable, Unavailable
from app.forms import NAME_MAX, VALUE_MAX, Form
from app.journal import UNREACHABLE
from app.problems import Malformed, Problem
from app.stamps import Lives, Stamps, current
from app.stream import messages
from app.stream.client import Client
from app.stream.messages import answered
from app.surfaces.everstrike.answers import failure, problem
from app.surfaces.everstrike.rows import Row

PATHS: Final = {
    "order": "/auth/order",
    "order_bulk": "/auth/order/bulk",
    "amend": "/auth/amend",
    "cancel": "/auth/cancel",
    "cancel_bulk": "/auth/cancel/bulk",
    "cancel_all_after": "/auth/cancel_all_after",
    "close": "/auth/close",
}
"""The operations and the REST rows that they stand for."""
STREAM: Final = "stream"
"""The address under which their answers count."""
PENDING_MAX: Final = 100
"""Commands of a client that may wait for their answers; as many again of those that cancel."""
CANCELS: Final = frozenset({"cancel", "cancel_bulk", "cancel_all_after"})

_Content = dict[str, msgspec.Raw]

_content = msgspec.json.Decoder(_Content).decode
_orders = msgspec.json.Decoder(list[_Content]).decode
_ids = msgspec.json.Decoder(list[str]).decode
_text = msgspec.json.Decoder(str).decode
_log = logging.getLogger(__name__)


@final
class Entry:
    """Takes orders of clients that have proved to have their key's secret."""

    __slots__ = ("_answers", "_handlers", "_lives", "_tasks")

    def __init__(self, rows: Iterable[Row], lives: Lives) -> None:
        self._lives = lives
        self._answers = lives.of(STREAM)
        by_path: Mapping[str, Row] = {row.path: row for row in rows}
        self._handlers: dict[str, Handler] = {
            op: by_path[path].handler for op, path in PATHS.items() if path in by_path
        }
        self._tasks: set[asyncio.Task[None]] = set()

    def __contains__(self, op: str) -> bool:
        return op in self._handlers

    def __iter__(self) -> Any:
        return iter(self._handlers)

    def check_room(self, client: Client, op: str) -> None:
        """Check that one more command of a client's may wait. Raises: Malformed."""
        if client.pending >= (PENDING_MAX if op not in CANCELS else 2 * PENDING_MAX):
            raise Malformed("op", f"{PENDING_MAX} commands wait for their answers already.", "TOO_MANY_PENDING")

    def take(self, client: Client, op: str, form: Form, mark: object) -> None:
        """Do what a message asks for; the answer comes when the command is done. Commands are taken in the order of messages.

        Requires: the client is signed for, and there is room.
        """
        key = client.key
        assert key is not None and client.is_signed, "orders need a signature"
        request = Request.of_socket(key.api_key, client.address, form)
        client.pending += 1
        task = asyncio.get_running_loop().create_task(self._answer(client, op, request, mark))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, client: Client, op: str, request: Request, mark: object) -> None:
        stamps = Stamps()
        current.set(stamps)
        answer = await self._done(op, request)
        client.pending -= 1
        client.send(answered(messages.RESPONSE, answer, op, mark))
        client.judge(answer.status)
        self._answers[answer.status] = self._answers.get(answer.status, 0) + 1
        self._lives.end(stamps)

    async def _done(self, op: str, request: Request) -> Answer:
        try:
            return await self._handlers[op](request, _nothing)
        except (Problem, Unavailable) as fault:
            return problem(fault)
        except (SQLAlchemyError, *UNREACHABLE) as fault:
            _log.warning("the database cannot be read: %r", fault)
            return problem(JournalUnavailable("The records cannot be read now.", is_unknown=True))
        except Exception:
            _log.exception("%s over the stream failed", op)
            return failure(500, "Something went wrong on our side.")


async def _nothing() -> NoReturn:
    """There is no body to read."""
    raise AssertionError("a request over the stream has its form already")


def form_of(content: msgspec.Raw) -> Form:
    """The form that an object stands for. Raises: Malformed."""
    form = Form()
    try:
        for name, value in _content(content).items():
            if name == "orders":
                form.orders = {index: _fields(order) for index, order in enumerate(_orders(value))}
            elif name == "ids":
                form.ids = _ids(value) or None
            else:
                form.fields[name] = _value(name, value)
    except msgspec.DecodeError:
        raise Malformed("content", "content must be an object with the fields of the form.") from None
    return form


def _fields(order: _Content) -> dict[str, str]:
    return {name: _value(name, value) for name, value in order.items()}


def _value(name: str, raw: msgspec.Raw) -> str:
    """A value as a form has it. Raises: Malformed; msgspec.DecodeError."""
    data = bytes(raw)
    if len(name) > NAME_MAX or len(data) > VALUE_MAX or data[:1] in (b"{", b"["):
        name = name[:NAME_MAX]
        raise Malformed(
            name, f"{name} must be a text of at most {VALUE_MAX} characters, a number, true, false or null."
        )
    if data == b"null":
        return ""
    return _text(raw) if data[:1] == b'"' else data.decode()
