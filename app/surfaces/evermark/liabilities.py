"""What the exchange owes: the statement for everybody, and to each account its own path in it."""

import asyncio
from pathlib import Path
from typing import Final, final

from litestar.types import Receive

from app import forms, wire
from app.auth import Scope, need
from app.door import Answer, Request
from app.problems import NotFound
from app.proof import files
from app.surfaces.everstrike.answers import success
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.rows import Access, Row

STATEMENT_PATH: Final = "/v1/liabilities"
CLAIM_PATH: Final = "/v1/liabilities/path"
SIGNED_PREFIX: Final = b"A read, and never the form of an order, a cancel or anything else: GET /v1/liabilities/path?"
"""What is signed begins with this. As a body of a POST its first key is longer than any form may have: no POST takes it."""
SEQ_MAX: Final = 2**63 - 1


@final
class Liabilities:
    """The handlers. What they read was written by `evermark liabilities`; nothing is computed here."""

    __slots__ = ("_data_dir", "_desk")

    def __init__(self, desk: Desk, data_dir: Path) -> None:
        self._desk = desk
        self._data_dir = data_dir

    async def published(self, request: Request, _receive: Receive) -> Answer:
        """GET /v1/liabilities: the statement at a seq, or the newest."""
        query = forms.decode_query(request.query)
        statement = await asyncio.to_thread(files.statement, self._data_dir, await self._seq(query))
        if statement is None:
            raise _nothing()
        return success(statement)

    async def path(self, request: Request, _receive: Receive) -> Answer:
        """GET /v1/liabilities/path: the key's own account's claim. Signed, since it tells what the account has.

        The signature is over `SIGNED_PREFIX` and the query string as sent.
        """
        guard = self._desk.guard
        key = guard.admit(request.api_key, request.address)
        guard.verify(key, request.signature, SIGNED_PREFIX + request.query)
        need(key, Scope.READ)
        query = forms.decode_query(request.query)
        self._desk.need_time(query, request)
        asset = forms.word(query, "asset", most=16) or "USD"
        seq = await self._seq(query)
        claim = await asyncio.to_thread(files.path_of, self._data_dir, seq, asset.upper(), key.account_id)
        if claim is None:
            raise NotFound("asset", "The account has no claim on this asset there.", "NO_CLAIM")
        return success(claim)

    async def _seq(self, query: dict[str, str]) -> int:
        """The seq that is asked for, the newest where none is. Raises: Problem."""
        text = query.get("seq")
        if text:
            return wire.whole(text, "seq", most=SEQ_MAX)
        written = await asyncio.to_thread(files.seqs, self._data_dir)
        if not written:
            raise _nothing()
        return written[0]


def rows(desk: Desk, data_dir: Path) -> list[Row]:
    """The addresses of the proof of liabilities."""
    handlers = Liabilities(desk, data_dir)
    more = ("seq", "asset", "recv_window")
    return [
        Row("GET", STATEMENT_PATH, Access.PUBLIC, handlers.published, "liabilities", (), ("seq",)),
        Row("GET", CLAIM_PATH, Access.SIGNED, handlers.path, "claim_path", ("timestamp",), more),
    ]


def _nothing() -> NotFound:
    return NotFound("seq", "No liabilities were published there.", "NO_LIABILITIES")
