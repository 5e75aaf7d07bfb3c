"""The database goes away under a running exchange: nothing is acknowledged, the refusal says so, and it comes back."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from app.db.embedded import EmbeddedServer
from tests.contract.conftest import own_settings
from tests.contract.documents import conforms
from tests.proxy import Proxy
from tests.venue import DEADLINE_S, PAIR, running_venue


@contextmanager
def running_proxy(url: str) -> Iterator[tuple[Proxy, asyncio.AbstractEventLoop]]:
    """A proxy in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxy")
    thread.start()

    async def opened() -> Proxy:
        return await Proxy(url).__aenter__()

    proxy = asyncio.run_coroutine_threadsafe(opened(), loop).result(DEADLINE_S)
    try:
        yield proxy, loop
    finally:
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(), loop).result(DEADLINE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE_S)


@pytest.mark.spec("REST-021", "REST-049", "AUTH-005")
def test_an_outage_is_said_and_survived(postgres: EmbeddedServer, tmp_path: Path) -> None:
    settings = own_settings(postgres, tmp_path, "outage")
    with (
        running_proxy(postgres.url("outage")) as (proxy, loop),
        running_venue(replace(settings, database_url=proxy.url)) as venue,
    ):
        client = venue.client("olga")
        first = conforms(venue, client.order(client_order_id="before"))["order"]["id"]

        async def cut() -> None:
            proxy.is_cut = True
            proxy.cut()

        asyncio.run_coroutine_threadsafe(cut(), loop).result(DEADLINE_S)
        refused = client.order(client_order_id="during")
        assert refused.status_code == 503, refused.text
        result = conforms(venue, refused)
        assert result["reject"] == "UNAVAILABLE"
        assert isinstance(result["is_outcome_unknown"], bool)
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["msg"]
        assert conforms(venue, venue.http.get(f"{venue.url}/status", timeout=30))["status"] == "READ_ONLY"
        assert conforms(venue, client.get("/personal"))["reject"] == "UNAVAILABLE"
        assert client.get("/account").status_code == 200
        assert client.get("/active_orders").status_code == 200
        history = client.get("/fills")
        assert history.status_code == 503
        assert conforms(venue, history)["reject"] == "UNAVAILABLE"
        body = f"pair={PAIR}&side=BUY&qty=0.001&price=59000&client_order_id=same&timestamp={venue.stamp()}"
        same = client.post("/auth/order", body)
        assert conforms(venue, same) == {"reject": "UNAVAILABLE", "field": None, "is_outcome_unknown": False}
        proxy.is_cut = False
        again = client.order(client_order_id="during")
        deadline = time.monotonic() + DEADLINE_S
        while again.status_code == 503 and time.monotonic() < deadline:
            assert conforms(venue, again)["reject"] == "UNAVAILABLE"
            again = client.order(client_order_id="during")
        second = conforms(venue, again)["order"]["id"]
        # the same bytes: they were not taken
        third = conforms(venue, client.post("/auth/order", body))["order"]["id"]
        assert client.post("/auth/order", body).status_code == 401
        rows = conforms(venue, client.get("/active_orders"))
        assert sorted(row["id"] for row in rows) == sorted({first, second, third})
        assert conforms(venue, venue.http.get(f"{venue.url}/status", timeout=30))["status"] == "ONLINE"
