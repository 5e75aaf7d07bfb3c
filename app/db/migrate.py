"""Brings a database to the shape of app/db/tables.py."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app.db.connect import engine_for
from app.faults import DatabaseUnusable

SCRIPTS: Final = Path(__file__).resolve().parents[2] / "alembic"


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to a revision, or to the newest.

    Raises: DatabaseUnusable.
    """
    engine = engine_for(url, connections_max=1)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, revision)
    except (OSError, SQLAlchemyError) as error:
        raise DatabaseUnusable(f"The database cannot be migrated: {error}") from error
    finally:
        await engine.dispose()


def config_for(connection: Connection) -> Config:
    """Alembic's configuration without its file, over an open connection."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection, revision: str) -> None:
    command.upgrade(config_for(connection), revision)
