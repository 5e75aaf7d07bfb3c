"""The stream's place in the exchange's life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.clock import steady_clock
from app.settings import Settings
from app.store import Store
from app.stream.application import Application
from app.stream.hub import Hub
from app.surfaces.everstrike.desk import Desk


@asynccontextmanager
async def streaming(store: Store, desk: Desk, settings: Settings) -> AsyncIterator[Application]:
    """The stream, told of every command while the block lasts."""
    hub = Hub(desk, store.identity, store.projector.open_order)
    store.listeners.add_first(hub.tell)
    hub.start()
    try:
        yield Application(
            hub,
            desk,
            steady_clock,
            connections_max=settings.stream_connections,
            messages_per_s=settings.stream_messages_per_s,
            categories_max=settings.stream_categories,
        )
    finally:
        await hub.stop()
