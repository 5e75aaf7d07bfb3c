"""A real PostgreSQL for every test that asks for one: a server for the run, a fresh database for each test."""

import asyncio
import itertools
import shutil
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.db.connect import connect
from app.db.embedded import DATABASE, EmbeddedServer
from app.db.migrate import migrate
from app.settings import Settings

MASTER_KEY = urlsafe_b64encode(bytes(range(32))).decode()

_numbers = itertools.count(1)


@contextmanager
def running_postgres() -> Iterator[EmbeddedServer]:
    """A server whose database `evermark` has all tables and no connections: the template of the others."""
    # Not under pytest's own folder: the next run takes away the server's right to pass through it.
    folder = Path(tempfile.mkdtemp(prefix="evermark-tests-"))
    server = EmbeddedServer(folder)
    server.start_blocking()
    try:
        asyncio.run(migrate(server.url()))
        yield server
    finally:
        server.stop_blocking()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """The server of a run's tests."""
    with running_postgres() as server:
        yield server


@pytest.fixture
async def database(postgres: EmbeddedServer) -> AsyncIterator[str]:
    """The URL of an empty database with all tables."""
    name = f"test_{next(_numbers)}"
    admin = await connect(postgres.url("postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
        yield postgres.url(name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """Settings for a store on the test's own database."""
    return Settings(
        database_url=database, data_dir=tmp_path, master_key=MASTER_KEY, projector_interval_ms=0, lock_timeout_ms=5_000
    )
