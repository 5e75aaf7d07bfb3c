"""The migrations bring any database to the shape of app/db/tables.py, and back."""

from collections.abc import AsyncIterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.connect import engine_for
from app.db.migrate import config_for, migrate
from app.db.tables import metadata
from app.faults import DatabaseUnusable


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


def names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


@pytest.mark.spec("DB-002")
async def test_migrations_and_tables_agree(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        assert await connection.run_sync(differences) == []
        assert await connection.run_sync(names) == set(metadata.tables)


@pytest.mark.spec("DB-002")
async def test_a_difference_would_be_seen(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE trades DROP COLUMN taker_sign")
        assert len(await connection.run_sync(differences)) == 1


@pytest.mark.spec("DB-002")
async def test_down_and_up_again(engine: AsyncEngine, database: str) -> None:
    def down(connection: Connection) -> None:
        command.downgrade(config_for(connection), "base")

    async with engine.begin() as connection:
        await connection.run_sync(down)
        assert await connection.run_sync(names) == set()
    await migrate(database)
    await migrate(database)
    async with engine.begin() as connection:
        assert await connection.run_sync(differences) == []


@pytest.mark.spec("DB-002")
async def test_who_was_frozen_is_there_on_the_way_back(engine: AsyncEngine, database: str) -> None:
    def down(connection: Connection) -> None:
        command.downgrade(config_for(connection), "0007")

    async with engine.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO users (customer_id, name, created_ms, frozen_ms) VALUES (gen_random_uuid(), 'ada', 1, 2)"
        )
        await connection.run_sync(down)
    await migrate(database)
    async with engine.begin() as connection:
        found = (await connection.exec_driver_sql("SELECT name, created_ms, frozen_ms FROM users")).all()
    assert [tuple(row) for row in found] == [("ada", 1, None)]


async def test_a_database_that_is_not_there_says_so(database: str) -> None:
    with pytest.raises(DatabaseUnusable, match="cannot be migrated"):
        await migrate(database.replace("/test_", "/no_test_"))
