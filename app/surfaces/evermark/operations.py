"""Where operators and their machines come in, and the names and measures of every request."""

from collections.abc import Callable, Sequence

from app.clock import Clock
from app.custody.office import Office
from app.door import Application, attended
from app.feeds.health import SourceHealth
from app.health import Health
from app.metrics import Exposition
from app.operators import Operated
from app.settings import Settings
from app.stamps import Lives
from app.store import Store
from app.stream.application import Application as Stream
from app.surfaces.evermark import admin, probes


def attend(
    handlers: dict[str, Application],
    store: Store,
    stream: Stream,
    office: Office,
    operated: Operated,
    lives: Lives,
    feeds: Callable[[], Sequence[SourceHealth]],
    settings: Settings,
    clock: Clock,
) -> None:
    """Add the operators' addresses to `handlers`, and have the requests of all of them named and counted."""
    health = Health(store)
    exposition = Exposition(store, stream, office, lives, health, feeds, clock)
    handlers.update(admin.applications(operated))
    handlers.update(probes.applications(health, exposition.text, operated.tokens, is_open=settings.metrics_open))
    for path, handle in handlers.items():
        handlers[path] = attended(path, handle, lives)
