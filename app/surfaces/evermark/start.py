"""The addresses for people, made ready to be served and described."""

from litestar import Litestar

from app.clock import Clock
from app.custody.counter import Counter
from app.door import Application
from app.people.office import PeopleOffice
from app.reference import Document
from app.settings import Settings
from app.store import Store
from app.surfaces.evermark import accounts, keys, notices, openapi, people, withdrawals
from app.surfaces.evermark.rows import Row, applications, route
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.payments import Dollars


def open_office(store: Store, settings: Settings, clock: Clock, desk: Desk) -> PeopleOffice:
    """The office behind them. What something is worth is said by the prices of the spot markets."""

    def value(symbol: str, units: int) -> object:
        return Dollars(store.exchange, desk.pairs).of(symbol, units)

    return PeopleOffice(store, settings, clock, desk.counter, value)


def table(office: PeopleOffice, store: Store, counter: Counter, clock: Clock) -> list[Row]:
    """Every address for people."""
    return [
        *people.rows(office),
        *keys.rows(office, store.identity, clock),
        *accounts.rows(office, store),
        *withdrawals.rows(office, store, counter, clock),
        *notices.rows(office),
    ]


def serve(app: Litestar, rows: list[Row], office: PeopleOffice, written: Document) -> dict[str, Application]:
    """Give the framework the routes and the document the rows; gives an application for each path."""
    paths, schemas = openapi.described(rows)
    components = written["components"]
    twice = schemas.keys() & components["schemas"].keys()
    assert not twice, f"two schemas of one name: {twice}"
    written["paths"].update(paths)
    components["schemas"].update(schemas)
    components["securitySchemes"].update(openapi.SECURITY_SCHEMES)
    handlers = applications(rows, office.register)
    for path, handle in handlers.items():
        app.register(route(path, [row.method for row in rows if row.path == path], handle))
    return handlers
