"""The exchange over real HTTP in a thread of the test's process, with a clock that the test moves and one index price.

Nothing is mocked but the clock and the feed: PostgreSQL, journal, sequencer, core, router and sockets are the real ones.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar, final
from urllib.parse import urlencode

import requests
import uvicorn
from litestar import Litestar

from app.auth import Scope, sign
from app.connections import Connection
from app.main import create_app
from app.people.office import PeopleOffice
from app.settings import Settings
from app.store import Store
from app.stream.application import Application
from app.stream.socket import WEBSOCKET
from exchange.commands import Command, Deposit, OpenAccount, SetMarginMode, Tick, UpdateIndexPrice
from exchange.events import AccountOpened, CommandRejected, Event
from exchange.limits import MONEY_SCALE

START_MS: Final = 1_700_000_000_000
PAIR: Final = "USD_BTC_PERP"
SPOT: Final = "BTC_USD"
OPTION: Final = 45
"""USD_BTCCALL_PERP."""
PRICE: Final = 60_000
USD: Final = 1
BTC: Final = 3
INDEX_BTC: Final = 1
DEADLINE_S: Final = 60.0
RATE: Final = 1_000_000
"""The clock stands, so that no token ever grows back."""
UNLIMITED: Final[Mapping[str, int]] = dict.fromkeys(
    (
        "key_requests_per_s",
        "key_burst",
        "account_orders_per_min",
        "account_cancels_per_min",
        "stream_connections",
        "stream_messages_per_s",
    ),
    RATE,
)

T = TypeVar("T")


@final
class Client:
    """Somebody with an API key."""

    def __init__(self, venue: "Venue", api_key: str, secret: str, account_id: int) -> None:
        self.venue = venue
        self.api_key = api_key
        self.secret = secret
        self.account_id = account_id

    def post(self, path: str, body: str | bytes, **headers: str) -> requests.Response:
        """Sign a body and send it. A header given as an empty text is left out."""
        data = body.encode() if isinstance(body, str) else body
        named = {
            "content-type": "application/x-www-form-urlencoded",
            "x-api-key": self.api_key,
            "x-signature": sign(self.secret.encode(), data).decode(),
        }
        named.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.venue.http.post(
            self.venue.url + path,
            data=data,
            headers={name: value for name, value in named.items() if value},
            timeout=DEADLINE_S,
        )

    def send(self, path: str, **fields: object) -> requests.Response:
        """Encode, sign and send, with a timestamp that no other request has."""
        fields.setdefault("timestamp", self.venue.stamp())
        given = {name: value for name, value in fields.items() if value is not None}
        return self.post(path, urlencode(given, doseq=True))

    def order(self, **fields: object) -> requests.Response:
        """Send an order: a small bid far from the market where nothing else is said."""
        return self.send("/auth/order", **{"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 59_000, **fields})

    def get(self, path: str, **query: object) -> requests.Response:
        """Read with the key."""
        return self.venue.http.get(
            self.venue.url + path,
            params={name: str(value) for name, value in query.items()},
            headers={"x-api-key": self.api_key},
            timeout=DEADLINE_S,
        )

    def cancel_all(self) -> None:
        """Leave no order open."""
        assert self.send("/auth/cancel/bulk").status_code == 200


@final
class Venue:
    """A running exchange."""

    def __init__(
        self,
        url: str,
        store: Store,
        stream: Application,
        people: PeopleOffice,
        loop: asyncio.AbstractEventLoop,
        clock: "Clock",
        app: Litestar,
    ) -> None:
        self.url = url
        self.app = app
        self.store = store
        self.stream = stream
        self.people = people
        self.clock = clock
        self.http = requests.Session()
        self._loop = loop
        self._stamps = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the exchange runs."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    def call(self, work: Callable[[], T]) -> T:
        """Call something where the exchange runs, between two of its commands."""

        async def called() -> T:
            return work()

        return self.run(called())

    def submit(self, command: Command) -> list[Event]:
        """Give the exchange a command."""

        async def submitted() -> list[Event]:
            return await self.store.sequencer.submit(command)

        events = self.run(submitted())
        assert not isinstance(events[0] if events else None, CommandRejected), events
        return events

    def state_hash(self) -> bytes:
        """The state's hash now."""
        return self.call(self.store.exchange.state_hash)

    def stamp(self) -> str:
        """A timestamp in the window, different each time."""
        self._stamps += 1
        return f"{self.clock.now_ms}.{self._stamps:06d}"

    def price(self, price: int, index_id: int = INDEX_BTC) -> None:
        """Set an index price, and let the exchange take it."""
        self.clock.now_ms += 1_000
        for source_id in (1, 2, 3):
            self.submit(UpdateIndexPrice(index_id, source_id, price * 100, self.clock.now_ms))
        self.submit(Tick())
        self.settle()

    def settle(self) -> None:
        """Wait until the bell rang at this time and told the options' models: nothing changes by itself from then on."""
        deadline = time.monotonic() + DEADLINE_S
        while self.call(lambda: self.store.exchange.state.markets[OPTION].model_ms) < self.clock.now_ms:
            assert time.monotonic() < deadline, "the bell does not ring"
            time.sleep(0.02)

    def account(self, name: str, *, usd: int = 100_000, btc: int = 10, is_isolated: bool = False) -> int:
        """A user's new account with money in it."""

        async def created() -> int:
            identity = self.store.identity
            user = identity.user_named(name) or await identity.create_user(name)
            return user.owner_id

        owner_id = self.run(created())
        opened = self.submit(OpenAccount(f"account of {name}", owner_id))[0]
        assert isinstance(opened, AccountOpened)
        account_id = opened.account_id
        if usd:
            self.submit(Deposit(f"usd of {name}", account_id, USD, usd * MONEY_SCALE))
        if btc:
            self.submit(Deposit(f"btc of {name}", account_id, BTC, btc * MONEY_SCALE))
        if is_isolated:
            self.submit(SetMarginMode(account_id, True))
        return account_id

    def key(
        self,
        account_id: int,
        *,
        scopes: Scope = Scope.READ | Scope.TRADE,
        networks: tuple[str, ...] = (),
        expires_at_ms: int = 0,
    ) -> Client:
        """A new key of an account."""

        async def created() -> Client:
            identity = self.store.identity
            owner_id = self.store.exchange.state.accounts[account_id].owner_id
            key = await identity.create_key(
                owner_id, account_id, scopes=scopes, networks=networks, expires_at_ms=expires_at_ms
            )
            return Client(self, key.api_key, key.secret, account_id)

        return self.run(created())

    def client(self, name: str, *, usd: int = 100_000, btc: int = 10, is_isolated: bool = False) -> Client:
        """A new account and a key for it."""
        return self.key(self.account(name, usd=usd, btc=btc, is_isolated=is_isolated))


@final
class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        """The time now."""
        return self.now_ms


@contextmanager
def running_venue(
    settings: Settings, *, protocol: type[Connection] = Connection, limits: Mapping[str, int] = UNLIMITED
) -> Iterator[Venue]:
    """An exchange with a price for bitcoin, until the block ends. `limits` are settings: by default nobody reaches them."""
    clock = Clock()
    settings = replace(
        settings,
        feed="none",
        demo=False,
        insurance_seed_usd=0,
        **{**UNLIMITED, **limits},  # type: ignore[arg-type]  # names and numbers of settings
    )
    app = create_app(settings, clock=clock, steady=clock)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does so only where proto says TCP
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=protocol,
            **WEBSOCKET,
            access_log=False,
            log_level="warning",
            lifespan="on",
            timeout_graceful_shutdown=5,
        )
    )
    loops: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        serving = asyncio.ensure_future(server.serve([listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        ready.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="venue")
    thread.start()
    try:
        assert ready.wait(DEADLINE_S), "the exchange did not start"
        assert server.started, "the exchange could not start"
        venue = Venue(
            f"http://127.0.0.1:{listener.getsockname()[1]}",
            app.state.store,
            app.state.stream,
            app.state.people,
            loops[0],
            clock,
            app,
        )
        venue.price(PRICE)
        yield venue
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the exchange did not stop"
