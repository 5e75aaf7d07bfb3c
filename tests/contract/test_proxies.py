"""Behind a proxy that is trusted: the limits, allow-lists and places of who asks through it. The clock stands."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus

from app.connections import Connection
from app.db.embedded import EmbeddedServer
from app.limits import AddressLimits
from app.proxies import Proxies, networks_in
from tests.contract.conftest import own_settings
from tests.support.streams import Listener, listening
from tests.venue import Client, Venue, running_venue

ANN, BEN = "198.51.100.7", "198.51.100.8"
BURST = 5


class Behind(Connection):
    """What comes from 127.0.0.1 comes from a proxy; 127.0.0.2 is nobody's."""

    proxies = Proxies(networks_in("127.0.0.1, 10.0.0.0/8"))


@pytest.fixture(scope="module")
def venue(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    settings = own_settings(postgres, tmp_path_factory.mktemp("behind"), "behind")
    with running_venue(settings, protocol=Behind, limits={"stream_connections": 2}) as running:
        yield running


@pytest.fixture
def limited(venue: Venue) -> Iterator[Venue]:
    """With five requests at once, and a single connection, for an address."""
    Behind.limits = AddressLimits(venue.clock, per_second=1, burst=BURST, connections_max=1)
    venue.http = requests.Session()  # connections that are there already have no limits
    yield venue
    Behind.limits = None
    venue.http = requests.Session()


def asked(venue: Venue, forwarded: str, client: Client | None = None) -> int:
    """The status of a request in somebody's name."""
    headers = {"x-forwarded-for": forwarded}
    if client is not None:
        headers["x-api-key"] = client.api_key
    return venue.http.get(venue.url + ("/account" if client else "/ping"), headers=headers, timeout=30).status_code


def asked_from(source: str, url: str, forwarded: str) -> list[int]:
    """The statuses of requests from another peer, each with a connection of its own."""
    found = []
    for _ in range(BURST + 1):
        with requests.Session() as session:
            session.mount("http://", Source(source))
            found.append(session.get(f"{url}/ping", headers={"x-forwarded-for": forwarded}, timeout=30).status_code)
    return found


class Source(requests.adapters.HTTPAdapter):
    """Connects from an address of one's choice."""

    def __init__(self, address: str) -> None:
        self._from = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """As the base class, from there."""
        super().init_poolmanager(*args, **more, source_address=(self._from, 0))


@pytest.mark.spec("LIM-020", "LIM-021", "LIM-022")
def test_each_has_tokens_of_their_own(limited: Venue) -> None:
    """On one connection, as a proxy has it; what they say themselves stands before their address and changes nothing."""
    assert [asked(limited, ANN) for _ in range(BURST + 1)] == [200] * BURST + [429]
    assert [asked(limited, f"203.0.113.{number}, {ANN}, 10.1.1.1") for number in range(3)] == [429] * 3
    assert asked(limited, BEN) == 200
    assert asked(limited, f"{ANN}, {BEN}") == 200
    limited.clock.now_ms += 1_000
    assert [asked(limited, ANN), asked(limited, ANN)] == [200, 429]


@pytest.mark.spec("LIM-021")
def test_nobody_else_is_believed(limited: Venue) -> None:
    assert asked_from("127.0.0.2", limited.url, "203.0.113.77") == [200] * BURST + [429]
    assert asked(limited, "203.0.113.77") == 200


@pytest.mark.spec("LIM-023")
def test_a_proxy_may_have_many_connections(limited: Venue) -> None:
    with ExitStack() as stack:
        for number in range(10):
            session = stack.enter_context(requests.Session())
            headers = {"x-forwarded-for": f"203.0.113.{number}"}
            assert session.get(f"{limited.url}/ping", headers=headers, timeout=30).status_code == 200


@pytest.mark.spec("LIM-022")
def test_a_key_is_good_where_its_owner_is(venue: Venue) -> None:
    account_id = venue.account("roamer")
    key = venue.key(account_id, networks=("198.51.100.0/29",))
    assert asked(venue, ANN, key) == 200
    assert asked(venue, BEN, key) == 403
    assert asked(venue, f"{ANN}, {BEN}", key) == 403
    assert asked(venue, f"{BEN}, {ANN}, 10.0.0.9", key) == 200


@pytest.mark.spec("LIM-022")
def test_the_stream_knows_who_is_there(venue: Venue) -> None:
    """An allow-list holds there too, and so does the number of connections of an address."""
    key = venue.key(venue.account("listener"), networks=(f"{ANN}/32",))

    def open_as(stack: ExitStack, forwarded: str) -> Listener:
        return stack.enter_context(listening(venue.url, additional_headers={"x-forwarded-for": forwarded}))

    with ExitStack() as stack:
        assert open_as(stack, ANN).ask("auth_api", key.api_key)["category"] == "authenticated"
        assert open_as(stack, BEN).ask("auth_api", key.api_key)["category"] == "error"
        assert open_as(stack, f"{ANN}, {BEN}").ask("auth_api", key.api_key)["category"] == "error"
        with pytest.raises(InvalidStatus) as refused:
            open_as(stack, BEN)
        assert refused.value.response.status_code == 429
        assert open_as(stack, ANN).ask("status")["category"] == "ok"
