"""The one composition root: settings in, application out."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from litestar import Litestar, MediaType, Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig

from app import demo
from app.auth import Guard
from app.clock import Clock, steady_clock, wall_clock
from app.cors import allowing
from app.custody.office import Office
from app.door import Shortcut, attended_other
from app.feeds.choose import choose_feed, weighed
from app.feeds.model import ModelFeed
from app.feeds.mutes import Muting
from app.feeds.together import Together
from app.limits import AccountLimits
from app.listings import load as load_listings
from app.opening import prepare_markets
from app.operators import operated
from app.reference import Document, JsonReference, PageReference
from app.reference_streams import JsonStreams, PageStreams
from app.scheduler import Bell
from app.settings import Settings
from app.stamps import Lives
from app.store import Store, open_store
from app.stream.start import streaming
from app.surfaces.evermark import liabilities
from app.surfaces.evermark import start as doors
from app.surfaces.evermark.operations import attend
from app.surfaces.everstrike import openapi
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.rows import application, route, rows
from app.traces import traced
from exchange import views

VERSION: Final = "0.1.0"
GC_THRESHOLDS: Final = (10_000, 20, 100)
"""A full collection looks at every order there is: it is to be rare."""
WORDS: Final = {404: "There is nothing at this address.", 405: "This address takes another method."}

_log = logging.getLogger(__name__)


def create_app(settings: Settings, *, clock: Clock = wall_clock, steady: Clock = steady_clock) -> Litestar:
    """The exchange as an ASGI application. Its start opens the store, and its end closes it.

    While it runs, `app.state.store` is the store, `app.state.stream` the stream, and `app.state.handlers` who answers at each address.
    """
    written: Document = {
        "paths": {},
        "components": {"schemas": openapi.schemas(), "securitySchemes": dict(openapi.SECURITY_SCHEMES)},
    }

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_store(settings, clock=clock) as store:
            app.state.store = store
            guard = Guard(store.identity, clock, steady, store.start_ms)
            limits = AccountLimits(
                steady,
                orders_per_min=settings.account_orders_per_min,
                cancels_per_min=settings.account_cancels_per_min,
            )
            office = Office(store, settings, clock)
            desk = Desk(store, guard, limits, office.counter, clock)
            table = [*rows(desk), *liabilities.rows(desk, settings.data_dir)]
            written["paths"].update(openapi.paths(table))
            handlers = {row.path: application(row, guard.forget) for row in table}
            for row in table:
                app.register(route(row, handlers[row.path]))
            people = app.state.people = doors.open_office(store, settings, clock, desk)
            handlers.update(doors.serve(app, doors.table(people, store, desk.counter, clock), people, written))
            lives = Lives()
            async with streaming(store, desk, table, settings, lives, steady) as stream:
                app.state.stream = stream
                people.notices.publish = stream.hub.notify
                shortcut = Shortcut(handlers, attended_other(app.asgi_handler, lives), stream)
                app.asgi_handler = allowing(shortcut, settings.cors_origins)
                async with (
                    traced(settings, lives),
                    prices(store, settings, clock) as feed,
                    office,
                    people,
                    operated(store, settings, office, clock, feed, people.register) as operators,
                ):
                    attend(handlers, store, stream, office, operators, lives, feed.health, settings, clock)
                    app.state.handlers = handlers
                    await demo.enrol(people.register, store, settings)
                    settle_memory()
                    yield

    return Litestar(
        route_handlers=[],
        lifespan=[lifespan],
        exception_handlers={HTTPException: answer_http, Exception: answer_fault},
        openapi_config=OpenAPIConfig(
            title="Evermark",
            version=VERSION,
            description="A perpetuals margin exchange. Private addresses take the x-api-key header; those under /auth "
            "also x-signature, the base64 of HMAC-SHA256 over the body as sent.",
            path="/docs",
            render_plugins=[
                PageReference(written),
                JsonReference(written),
                PageStreams(written),
                JsonStreams(written),
            ],
        ),
        logging_config=None,
    )


@asynccontextmanager
async def prices(store: Store, settings: Settings, clock: Clock) -> AsyncIterator[Muting]:
    """Prepare the markets, and ring the bell while the block lasts; gives the feed that it rings with."""
    listings = load_listings()
    if settings.feed == "live":
        listings = weighed(listings, settings.feed_sources)
    if store.sequencer.halted is None:
        await prepare_markets(store.sequencer, listings, clock, insurance_seed_usd=settings.insurance_seed_usd)
    found = views.markets(store.exchange)
    feed = Muting(
        choose_feed(
            settings.feed,
            seed=settings.feed_seed,
            path=settings.feed_path,
            listings=listings,
            prices={market.instrument.index_id: market.underlying_price for market in found if market.underlying_price},
            sources=settings.feed_sources,
        )
    )
    models = ModelFeed(lambda: store.exchange)
    await models.recall(store.queries, clock())
    period_s = 1 / settings.clock_rate
    bell = Bell(store.sequencer.submit, Together([feed, models]), clock, period_s=period_s)
    await feed.start()
    try:
        bell.start()
        await bell.ring()
        yield feed
    finally:
        await bell.stop()
        await feed.stop()


def settle_memory() -> None:
    """Take what was built at the start out of the collector's sight, and let it look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def envelope(status: int, msg: str) -> Response[dict[str, object]]:
    """An answer of no surface in particular."""
    return Response({"code": status, "msg": msg, "result": None}, status_code=status, media_type=MediaType.JSON)


def answer_http(_request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, object]]:
    """Answer what the framework refused: an address, a method."""
    answer = envelope(error.status_code, WORDS.get(error.status_code, error.detail))
    answer.headers.update(error.headers or {})
    return answer


def answer_fault(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, object]]:
    """Answer what nobody foresaw, and log it."""
    _log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return envelope(500, "Something went wrong on our side.")
