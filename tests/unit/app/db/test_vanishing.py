"""A database server that goes away under a running exchange, and comes back."""

import asyncio
from pathlib import Path

import pytest

from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from app.faults import JournalUnavailable
from app.recovery import verify
from app.settings import Settings
from app.store import open_store
from exchange import views
from tests.conftest import MASTER_KEY
from tests.small import FakeClock, opening, order
from tests.waiting import until


@pytest.mark.spec("JRN-010")
@pytest.mark.spec("PROJ-004")
async def test_a_server_that_is_stopped_and_started_again(folder: Path) -> None:
    server = EmbeddedServer(folder / "data")
    await server.start()
    settings = Settings(
        database_url=server.url(), data_dir=folder, master_key=MASTER_KEY, journal_timeout_ms=2_000, snapshot_every=20
    )
    async with open_store(settings, clock=FakeClock()) as store:
        for command in opening():
            await store.sequencer.submit(command)
        acknowledged = []
        for outage in range(3):
            for number in range(10):
                await store.sequencer.submit(order(name=f"{outage}-{number}"))
                acknowledged.append(f"{outage}-{number}")
            await server.stop()
            with pytest.raises(JournalUnavailable):
                await store.sequencer.submit(order(name=f"lost-{outage}"))
            with pytest.raises(JournalUnavailable, match="not taken"):
                await store.sequencer.submit(order(name=f"refused-{outage}"))
            # What is in memory can still be read.
            assert len(views.orders(store.exchange, 1)) == len(acknowledged)
            await server.start()
            await until(lambda: store.sequencer.is_ready)
        await store.projector.settle()
        assert [view.request.client_order_id for view in views.orders(store.exchange, 1)] == acknowledged
        assert {row.request.client_order_id for row in await store.queries.orders(1, limit=1_000)} == set(acknowledged)
    connection = await connect(server.url())
    assert (await verify(connection)).problems == []
    await connection.close()
    await asyncio.to_thread(server.stop_blocking)
