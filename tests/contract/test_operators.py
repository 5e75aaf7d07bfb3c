"""The admin surface, its log, the probes and the metrics, over HTTP and over the socket."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from app import control
from app.control import ask
from app.db.embedded import EmbeddedServer
from app.settings import Settings
from tests.conftest import MASTER_KEY
from tests.contract.conftest import create_database
from tests.venue import DEADLINE_S, PAIR, Venue, running_venue


class House:
    """An exchange, its operator's socket, and a token for each set of scopes."""

    def __init__(self, venue: Venue, settings: Settings) -> None:
        self.venue = venue
        self.settings = settings
        self.tokens: dict[str, str] = {}

    def token(self, *scopes: str) -> str:
        name = "-".join(scopes)
        if name not in self.tokens:
            made = ask(self.settings.data_dir, control.CreateOperator(name, scopes), control.NewOperator)
            self.tokens[name] = made.token
        return self.tokens[name]

    def get(self, path: str, *scopes: str, **query: object) -> requests.Response:
        return self.call("GET", path, self.token(*scopes) if scopes else "", params=query)

    def post(self, path: str, *scopes: str, headers: dict[str, str] | None = None, **body: object) -> requests.Response:
        return self.call("POST", path, self.token(*scopes) if scopes else "", json=body, headers=headers or {})

    def call(self, method: str, path: str, token: str, **more: Any) -> requests.Response:
        headers = {**more.pop("headers", {}), **({"authorization": f"Bearer {token}"} if token else {})}
        return self.venue.http.request(method, self.venue.url + path, headers=headers, timeout=DEADLINE_S, **more)

    def log(self, **query: object) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get("/admin/audit", "read", **query).json()["result"]
        return rows


@pytest.fixture(scope="module")
def house(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    asyncio.run(create_database(postgres, "operators"))
    folder = tmp_path_factory.mktemp("operators")
    settings = Settings(database_url=postgres.url("operators"), data_dir=folder, master_key=MASTER_KEY)
    with running_venue(settings) as venue:
        yield House(venue, settings)


def test_a_change_is_done_and_logged(house: House) -> None:
    """OPS-001, OPS-005: who, when, what, before, after, the request's id, and how it ended."""
    answer = house.post(
        "/admin/markets/status", "markets", headers={"x-request-id": "halt-7"}, symbol=PAIR, status="HALTED"
    )
    assert (answer.status_code, answer.json()["result"]["status"]) == (200, "HALTED")
    assert answer.headers["x-request-id"] == "halt-7"
    entry = house.log(limit=1, action="set_market")[0]
    assert (entry["operator"], entry["surface"], entry["address"]) == ("markets", "http", "127.0.0.1")
    assert (entry["action"], entry["request_id"], entry["outcome"]) == ("set_market", "halt-7", "done")
    assert json.loads(entry["request"]) == {"do": "set_market", "symbol": PAIR, "status": "HALTED"}
    assert json.loads(entry["before"])["status"] == "TRADING"
    assert json.loads(entry["after"])["now"]["status"] == "HALTED"
    assert entry["seq"] > 0
    assert entry["time_ms"] == entry["ended_ms"] == house.venue.clock.now_ms
    house.post("/admin/markets/status", "markets", symbol=PAIR, status="TRADING")


def test_metrics_need_a_token_and_probes_none(house: House) -> None:
    """OPS-010, OPS-011."""
    assert house.get("/healthz").json() == {"live": True, "why": None}
    assert house.get("/readyz").json() == {"ready": True, "why": None}
    assert house.get("/metrics").status_code == 401
    assert house.get("/metrics", "markets").status_code == 403
    said = house.get("/metrics", "metrics")
    assert said.headers["content-type"].startswith("text/plain")
    assert "evermark_ready 1.0" in said.text
