"""The stream's place in the exchange's life."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from app.clock import Clock
from app.settings import Settings
from app.stamps import Lives
from app.store import Store
from app.stream.application import Application
from app.stream.entry import Entry
from app.stream.hub import Hub
from app.stream.refill import refill
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.rows import Row


@asynccontextmanager
async def streaming(
    store: Store, desk: Desk, rows: Iterable[Row], settings: Settings, lives: Lives, steady: Clock
) -> AsyncIterator[Application]:
    """The stream, told of every command while the block lasts. `rows` has the handlers of orders, whose lives are counted."""
    hub = Hub(desk, store.identity, store.projector.open_order)
    if store.sequencer.halted is None:
        until = store.sequencer.seq
        await refill(
            hub.ring,
            store.url,
            until=until,
            account_ids=store.identity.accounts(),
            pairs=desk.pairs,
            find_order=store.projector.open_order,
            customer_of=hub.customer_of,
        )
        if store.sequencer.seq != until:  # somebody was quicker, and the ring has not heard of it
            hub.ring.clear()
    store.listeners.add_first(hub.tell)
    hub.start()
    try:
        yield Application(
            hub,
            desk,
            Entry(rows, lives),
            steady,
            connections_max=settings.stream_connections,
            messages_per_s=settings.stream_messages_per_s,
            categories_max=settings.stream_categories,
        )
    finally:
        await hub.stop()
