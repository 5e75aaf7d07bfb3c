import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.db.connect import connect
from app.db.embedded import DATABASE, EmbeddedServer
from app.settings import Settings
from tests.conftest import MASTER_KEY
from tests.venue import Client, Venue, running_venue


@pytest.fixture(scope="module")
def venue(
    request: pytest.FixtureRequest, postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Venue]:
    """An exchange of the file's own: what its orders leave in the book, no other file can meet, in whatever order they come."""
    with own_venue(postgres, tmp_path_factory, request.path.stem) as running:
        yield running


@contextmanager
def own_venue(postgres: EmbeddedServer, folders: pytest.TempPathFactory, name: str, **more: Any) -> Iterator[Venue]:
    """An exchange on which nobody else trades, for as long as the block lasts. `more` are settings of it."""
    with running_venue(own_settings(postgres, folders.mktemp(name), name, **more)) as running:
        yield running


def own_settings(postgres: EmbeddedServer, folder: Path, name: str, **more: Any) -> Settings:
    """Settings of an exchange with a new database by this name."""
    asyncio.run(create_database(postgres, name))
    return Settings(database_url=postgres.url(name), data_dir=folder, master_key=MASTER_KEY, **more)


async def create_database(postgres: EmbeddedServer, name: str) -> None:
    """A database with all tables, by this name."""
    admin = await connect(postgres.url("postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
    finally:
        await admin.close()


@pytest.fixture(scope="module")
def alice(venue: Venue) -> Client:
    return venue.client("alice")


@pytest.fixture(scope="module")
def bob(venue: Venue) -> Client:
    return venue.client("bob")


@pytest.fixture(scope="module")
def ivy(venue: Venue) -> Client:
    """Somebody in isolated margin."""
    return venue.client("ivy", is_isolated=True)


@pytest.fixture(scope="module")
def carl(venue: Venue) -> Client:
    """Somebody who never has a position."""
    return venue.client("carl")


@pytest.fixture(scope="module")
def dora(venue: Venue) -> Client:
    return venue.client("dora")


@pytest.fixture(scope="module")
def erin(venue: Venue) -> Client:
    return venue.client("erin")
