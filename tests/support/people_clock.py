"""Lockouts on a database of the test's own, with a clock that stands until it is moved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, final

from sqlalchemy import Row, select

from app.db import tables
from app.db.connect import engine_for
from app.people.lockouts import Lockouts


@final
class Standing:
    """The clock."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    @asynccontextmanager
    async def lockouts(self, url: str) -> AsyncIterator[Lockouts]:
        """What a start knows."""
        engine = engine_for(url)
        found = Lockouts(engine, bytes(32), self)
        await found.load()
        yield found
        await engine.dispose()

    async def rows(self, url: str) -> list[Row[Any]]:
        """What the database holds."""
        engine = engine_for(url)
        async with engine.connect() as connection:
            found = list((await connection.execute(select(tables.lockouts))).all())
        await engine.dispose()
        return found
