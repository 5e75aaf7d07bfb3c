"""The exchange as a program: listen, serve, say where, stop cleanly."""

import contextlib
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Final, NoReturn, cast, final

import uvicorn
from litestar import Litestar
from litestar.types import LifeSpanReceive, LifeSpanScope, LifeSpanSend, LifeSpanSendMessage, Receive, Scope, Send

from app.clock import clock_of, steady_clock
from app.connections import Connection, room
from app.faults import Fault
from app.limits import AddressLimits
from app.main import create_app
from app.proxies import Proxies
from app.settings import Settings
from app.stream.socket import WEBSOCKET

BACKLOG: Final = 2048
LEAVE_S: Final = 5
"""How long a stop waits for requests under way: a body that never comes must not keep the exchange up."""


@final
class PortTaken(Fault):
    """Nothing can listen at this address."""


@final
class NotStarted(Fault):
    """The start failed on something that is no fault of the world."""


def serve(settings: Settings, announce: Callable[[Settings], None]) -> None:
    """Run the exchange until it is told to stop. `announce` gets the settings with the port that was found for 0.

    Raises: Fault when it cannot start.
    """
    listener = _listen(settings)
    settings = replace(settings, port=listener.getsockname()[1])
    app = _Started(create_app(settings, clock=clock_of(settings.clock_rate)))
    Connection.connections_max = room()
    Connection.limits = AddressLimits(
        steady_clock,
        per_second=settings.ip_requests_per_s,
        burst=settings.ip_burst,
        connections_max=settings.ip_connections,
    )
    Connection.proxies = Proxies(settings.trusted_proxies)
    server = _Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=Connection,
            **WEBSOCKET,
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # done by Connection, before the limits
            timeout_graceful_shutdown=LEAVE_S,
        ),
        announce=lambda: announce(settings),
    )
    # uvicorn stops cleanly on these and then raises them again: by then a clean end is all there is to it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    with contextlib.closing(listener):
        try:
            server.run(sockets=[listener])
        except _Left:
            return
        except SystemExit:  # what uvicorn makes of a start that failed; the reason is told below
            pass
    if app.fault is not None:
        raise app.fault
    if not server.started:
        raise NotStarted("The exchange could not start; the log above says why.")


class _Left(BaseException):
    """Somebody asked the program to end."""


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # once is enough: a second one would come in the middle of the end
    raise _Left


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    is_both = family is socket.AF_INET6 and socket.has_dualstack_ipv6()  # any address means any of IPv4 as well
    try:
        return socket.create_server(
            (settings.host, settings.port), family=family, backlog=BACKLOG, dualstack_ipv6=is_both
        )
    except OSError as error:
        raise PortTaken(f"Cannot listen at {settings.host}, port {settings.port}: {error.strerror or error}") from error


@final
class _Started:
    """The application, with a fault at its start kept for whoever runs it instead of a stack trace in the log."""

    def __init__(self, app: Litestar) -> None:
        self._app = app
        self.fault: Fault | None = None

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        if scope["type"] == "lifespan":
            await self._live(cast(LifeSpanScope, scope), cast(LifeSpanReceive, receive), cast(LifeSpanSend, send))
        else:
            await self._app(scope, cast(Receive, receive), cast(Send, send))

    async def _live(self, scope: LifeSpanScope, receive: LifeSpanReceive, send: LifeSpanSend) -> None:
        async def pass_on(message: LifeSpanSendMessage) -> None:
            if message["type"] != "lifespan.startup.failed":
                await send(message)

        try:
            await self._app(scope, receive, pass_on)
        except* Fault as faults:  # the framework wraps it in a group
            self.fault = _first(faults)
            await send({"type": "lifespan.startup.failed", "message": ""})  # said by the caller


def _first(faults: BaseExceptionGroup[Fault]) -> Fault:
    found = faults.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


@final
class _Server(uvicorn.Server):
    """Says when it is open."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop. Asking twice does not make it faster: a stop in haste would leave the database behind, running."""
        if not self.should_exit:
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._announce()
