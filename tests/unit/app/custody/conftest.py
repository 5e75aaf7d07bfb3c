from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.custody.simulated import SimulatedChain
from app.db.connect import engine_for
from tests.small import FakeClock

BLOCK_MS = 2_000


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def chain(engine: AsyncEngine, clock: FakeClock) -> SimulatedChain:
    return SimulatedChain(engine, clock, block_ms=BLOCK_MS)
