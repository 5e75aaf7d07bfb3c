"""From a URL to connections: one way for SQLAlchemy, one for asyncpg, the same meaning of the URL."""

from typing import TypeAlias

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.faults import SettingsInvalid
from app.settings import URL_UNREADABLE

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def connect(url: str, *, timeout_s: float = 10.0, command_timeout_s: float | None = None) -> Connection:
    """One connection of asyncpg; `command_timeout_s` bounds each question on it, for a server that went without a word.

    Raises: OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError; SettingsInvalid for a URL that cannot be
    meant.
    """
    try:
        return await asyncpg.connect(url, timeout=timeout_s, command_timeout=command_timeout_s)
    except asyncpg.InterfaceError:  # some of them are ValueErrors too, and say what is wrong
        raise
    except (ValueError, OverflowError):  # what they say may be a piece of the password
        raise SettingsInvalid("DATABASE_URL", URL_UNREADABLE) from None


def engine_for(url: str, *, connections_max: int = 5, command_timeout_s: float | None = None) -> AsyncEngine:
    """A pool for SQLAlchemy. asyncpg itself reads the URL, so that its query words mean the same everywhere.

    Each question gets a plan of its own: one plan for all accounts would read through the orders of the largest.
    """

    async def make() -> Connection:
        connection = await connect(url, command_timeout_s=command_timeout_s)
        await connection.execute("SET plan_cache_mode TO force_custom_plan")
        return connection

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=make,
        pool_size=connections_max,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,  # what is written may be a secret: no error repeats it
    )
