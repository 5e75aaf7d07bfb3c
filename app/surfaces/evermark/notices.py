"""The rows of notices: what a person was told, and what of it was read."""

from typing import Annotated, final

from msgspec import Meta

from app.people.notices import LIST_MAX
from app.people.office import PeopleOffice
from app.surfaces.evermark.rows import Access, Message, Result, Row, Visit

NoticeId = Annotated[int, Meta(ge=1, le=2**53)]


class ListNotices(Message, frozen=True):
    """Those below a number; without one the newest."""

    before: NoticeId = 2**53
    limit: Annotated[int, Meta(ge=1, le=LIST_MAX)] = 50


class ReadNotices(Message, frozen=True):
    """Say up to which they were read."""

    up_to: NoticeId


class NoticeRow(Result, frozen=True):
    """A notice. `account_id` 0: of no account."""

    notice_id: int
    account_id: int
    kind: str
    words: str
    created_ms: int
    read_ms: int | None


class NoticeList(Result, frozen=True):
    """Notices, the newest first."""

    notices: list[NoticeRow]


class MarkedRead(Result, frozen=True):
    """How many were not read before."""

    marked: int


@final
class OwnNotices:
    """The handlers."""

    def __init__(self, office: PeopleOffice) -> None:
        self._notices = office.notices

    async def listed(self, visit: Visit, asked: ListNotices) -> NoticeList:
        """GET /v1/notices."""
        found = await self._notices.of(visit.owner_id, before=asked.before, limit=asked.limit)
        return NoticeList([NoticeRow(*one) for one in found])

    async def read(self, visit: Visit, asked: ReadNotices) -> MarkedRead:
        """POST /v1/notices/read."""
        return MarkedRead(await self._notices.mark_read(visit.owner_id, asked.up_to))


def rows(office: PeopleOffice) -> list[Row]:
    """The addresses."""
    does = OwnNotices(office)
    return [
        Row("GET", "/v1/notices", Access.BEARER, does.listed, ListNotices, NoticeList, "What you were told"),
        Row("POST", "/v1/notices/read", Access.BEARER, does.read, ReadNotices, MarkedRead, "Say what you have read"),
    ]
