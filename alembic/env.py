"""Runs migrations: over the connection that app/db/migrate.py hands in, or over DATABASE_URL."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from app.db.connect import engine_for
from app.db.tables import metadata


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_by_url(url: str) -> None:
    engine = engine_for(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
            await connection.commit()
    finally:
        await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    asyncio.run(migrate_by_url(os.environ["DATABASE_URL"]))
