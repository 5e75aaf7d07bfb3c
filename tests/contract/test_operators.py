"""The admin surface, its log, the probes and the metrics, over HTTP and over the socket."""

import getpass
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import requests
from asyncpg import PostgresError

from app import control
from app.audit import READS
from app.control import AnyRequest, ask
from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from app.faults import Halted
from app.feeds.base import LocalFeed
from app.feeds.health import SourceHealth
from app.feeds.mutes import Muting
from app.settings import Settings
from app.surfaces.evermark.admin import PREFIX, ROUTES, SOCKET_ONLY, Route
from app.tokens import Duty
from exchange import views
from exchange.commands import Tick, UpdateIndexPrice
from tests.contract.conftest import own_settings
from tests.support.streams import credentials, listening
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
    settings = own_settings(postgres, tmp_path_factory.mktemp("operators"), "operators")
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


# --- who may do what -------------------------------------------------------------------------------------------------

SAMPLES: dict[str, dict[str, object]] = {
    "OpenAccount": {"name": "ada", "reference": "sample"},
    "SetMode": {"account_id": 1, "mode": "cross"},
    "CreateKey": {"account_id": 1},
    "RevokeKey": {"api_key": "none"},
    "Deposit": {"account_id": 1, "asset": "USD", "amount": "5", "reference": "sample"},
    "Withdraw": {"account_id": 1, "asset": "USD", "amount": "1", "reference": "sample"},
    "SetMarket": {"symbol": PAIR, "status": "TRADING"},
    "AmendMarket": {"symbol": PAIR, "changes": {"taker_fee_ppm": "301"}},
    "SetVenue": {"status": "TRADING"},
    "Skip": {"seq": 1, "reason": "a test"},
    "SetProvider": {"account_id": 1, "is_provider": False},
    "MoveWithdrawal": {"withdrawal_id": 1, "step": "approve"},
    "AmendAsset": {"symbol": "BTC", "changes": {"withdrawal_fee": "0.0005"}},
    "Resolve": {"incident_id": 1, "reason": "a test"},
    "SetLevel": {"owner_id": 1, "level": "verified"},
    "FreezeUser": {"owner_id": 77},
    "UnfreezeUser": {"owner_id": 77},
    "ResetTotp": {"owner_id": 77, "reason": "a test"},
    "MuteSource": {"source_id": 9, "is_muted": True},
}
QUERIES: dict[str, dict[str, object]] = {"Funding": {"symbol": PAIR}, "DepositAddress": {"who": "1", "asset": "BTC"}}
EVERY = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


@pytest.fixture(scope="module", autouse=True)
def account(house: House) -> int:
    return house.venue.account("somebody")


def call(house: House, route: Route, token: str) -> requests.Response:
    name = route.asks.__name__
    if route.method == "GET":
        return house.call("GET", PREFIX + route.path, token, params=QUERIES.get(name, {}))
    return house.call("POST", PREFIX + route.path, token, json=SAMPLES[name])


def changes(house: House) -> tuple[int, bytes]:
    """How many entries the log has, and the state."""
    return house.log(limit=1)[0]["entry_id"], house.venue.state_hash()


@EVERY
def test_each_address_wants_its_own_scope(house: House, route: Route) -> None:
    """OPS-002: with all other scopes together nothing is done, and that it was tried is in the log; with its own it is done."""
    others = [one.name.lower() for one in Duty if one.name and not one & route.duty]
    others_token, own = house.token(*others), house.token(str(route.duty.name).lower())
    before = changes(house)
    refused = call(house, route, others_token)
    assert (refused.status_code, refused.json()["result"]) == (403, None)
    assert str(route.duty.name).lower() in refused.json()["msg"]
    tried = changes(house)
    is_change = route.method == "POST"
    assert tried == (before[0] + is_change, before[1])
    if is_change:
        entry = house.log(limit=1)[0]
        said = (entry["operator"], entry["action"], entry["request"], entry["outcome"], entry["detail"])
        action = route.asks.__struct_config__.tag
        assert said == ("-".join(others), action, "{}", "refused", refused.json()["msg"])
    answer = call(house, route, own)
    assert answer.status_code in (200, 422), answer.text
    assert (changes(house)[0] > tried[0]) == is_change


@EVERY
@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer evop_nobody", "Basic evop_nobody", "Bearer {revoked}", "{good}", "bearer{good}"],
)
def test_nobody_comes_in_without_a_token_in_force(house: House, route: Route, authorization: str) -> None:
    """OPS-003: 401 and a challenge, whatever is asked, and nothing is done."""
    good, gone = house.token("read"), revoked(house)
    before = changes(house)
    headers = {"authorization": authorization.format(good=good, revoked=gone)} if authorization else {}
    sample = SAMPLES.get(route.asks.__name__)
    answer = house.call(route.method, PREFIX + route.path, "", headers=headers, json=sample)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert changes(house) == before


def revoked(house: House) -> str:
    name = "gone"
    if name not in house.tokens:
        every = tuple(one.name.lower() for one in Duty if one.name)
        house.tokens[name] = ask(
            house.settings.data_dir, control.CreateOperator(name, every), control.NewOperator
        ).token
        ask(house.settings.data_dir, control.RevokeOperator(name), control.Done)
    return house.tokens[name]


@pytest.mark.parametrize("key", ["trader", "none"])
def test_a_traders_key_is_no_operators(house: House, account: int, key: str) -> None:
    """OPS-003."""
    client = house.venue.key(account)
    headers = {"x-api-key": client.api_key} if key == "trader" else {}
    answer = house.venue.http.get(house.venue.url + "/admin/status", headers=headers, timeout=DEADLINE_S)
    assert answer.status_code == 401


def test_every_request_has_an_address_or_is_the_sockets_own() -> None:
    """OPS-001: also one that is added later."""
    asked = {route.asks for route in ROUTES}
    kinds = set(get_args(AnyRequest))
    assert asked | set(SOCKET_ONLY) == kinds
    assert not asked & set(SOCKET_ONLY)
    assert {route.asks for route in ROUTES if route.method == "GET"} == set(READS) - set(SOCKET_ONLY)
    assert all(route.duty is Duty.READ for route in ROUTES if route.method == "GET")
    assert all(route.duty is not Duty.READ for route in ROUTES if route.method == "POST")


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("POST", "/admin/venue", b'{"status":7}', 400),
        ("POST", "/admin/venue", b'{"status":"HALTED","more":1}', 400),
        ("POST", "/admin/venue", b"{", 400),
        ("POST", "/admin/venue", b"\xff\xfe", 400),
        ("POST", "/admin/venue", b'{"do":"skip","status":"HALTED"}', 400),
        ("POST", "/admin/venue", b" " * 70_000, 413),
        ("POST", "/admin/venue", b'{"status":"SETTLED"}', 422),
        ("GET", "/admin/audit?limit=no", b"", 400),
        ("GET", "/admin/audit?limit=0", b"", 422),
        ("GET", "/admin/audit?more=1", b"", 400),
        ("DELETE", "/admin/venue", b"", 405),
        ("GET", "/admin/nothing", b"", 404),
        ("POST", "/metrics", b"", 405),
        ("POST", "/healthz", b"", 405),
    ],
)
def test_what_cannot_be_meant_is_said(house: House, method: str, path: str, body: bytes, status: int) -> None:
    """OPS-004."""
    before = house.venue.state_hash()
    answer = house.call(method, path, house.token("venue", "read"), data=body)
    assert (answer.status_code, answer.json()["code"]) == (status, status), answer.text
    assert house.venue.state_hash() == before


# --- the log ---------------------------------------------------------------------------------------------------------


def test_a_refusal_is_logged_with_its_reason(house: House) -> None:
    """OPS-006."""
    answer = house.post("/admin/debit", "money", account_id=1, asset="USD", amount="1e9", reference="too much")
    assert answer.status_code == 422
    entry = house.log(limit=1, action="withdraw")[0]
    assert (entry["outcome"], entry["detail"]) == ("refused", answer.json()["msg"])
    assert json.loads(entry["before"]) == json.loads(entry["after"])["now"]


def test_the_socket_writes_into_the_same_log(house: House) -> None:
    """OPS-005: under the name of the system user at its other end."""
    ask(house.settings.data_dir, control.SetVenue("REDUCE_ONLY"), control.VenueRow)
    ask(house.settings.data_dir, control.SetVenue("TRADING"), control.VenueRow)
    last, first = house.log(limit=2, action="set_venue")
    assert (last["surface"], last["operator"], last["address"]) == ("socket", getpass.getuser(), "")
    assert json.loads(first["before"]) == {"status": "TRADING"}
    assert json.loads(first["after"]) == {"answer": {"status": "REDUCE_ONLY"}, "now": {"status": "REDUCE_ONLY"}}
    assert last["request_id"] != first["request_id"]


def test_the_log_holds_no_secrets(house: House, account: int) -> None:
    """OPS-007."""
    key = house.post("/admin/keys", "users", account_id=account, label="secret?").json()["result"]
    text = json.dumps(house.log(limit=1_000))
    assert key["api_key"] in text
    assert key["secret_key"] not in text
    assert house.tokens
    assert not [token for token in house.tokens.values() if token in text]


def test_what_is_not_in_the_log_is_not_done(house: House) -> None:
    """OPS-008: and one that was begun and not ended can be ended, but nothing of it changed."""

    async def broken(statement: str) -> None:
        connection = await connect(str(house.settings.database_url))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    before = house.venue.state_hash()
    house.venue.run(broken("ALTER TABLE audit_log RENAME TO audit_log_gone"))
    try:
        answer = house.post("/admin/venue", "venue", status="HALTED")
        assert (answer.status_code, answer.json()["result"]) == (503, {"is_outcome_unknown": False})
        assert house.venue.state_hash() == before
    finally:
        house.venue.run(broken("ALTER TABLE audit_log_gone RENAME TO audit_log"))
    for statement in (
        "UPDATE audit_log SET outcome = 'refused'",
        "UPDATE audit_log SET operator = 'somebody else' WHERE outcome IS NULL",
        "DELETE FROM audit_log",
    ):
        house.venue.run(
            broken(
                "INSERT INTO audit_log SELECT nextval('audit_log_entry_id_seq'), 0, 'a', 'b', 'c', 'd', 'e', 'f', 'g'"
            )
        )
        with pytest.raises(PostgresError, match="only added to"):
            house.venue.run(broken(statement))
    house.venue.run(broken("UPDATE audit_log SET outcome = 'unknown' WHERE outcome IS NULL"))


@pytest.mark.parametrize(
    "name, scopes, said",
    [
        ("", ("read",), "needs a name"),
        ("x", (), "needs a scope"),
        ("x", ("root",), "no scope"),
        ("read", ("read",), "in force"),
    ],
)
def test_an_operator_that_cannot_be_is_refused(house: House, name: str, scopes: tuple[str, ...], said: str) -> None:
    """OPS-009."""
    house.token("read")
    with pytest.raises(control.Refused, match=said):
        ask(house.settings.data_dir, control.CreateOperator(name, scopes), control.NewOperator)


def test_the_database_has_no_token(house: House) -> None:
    """OPS-009: only hashes."""

    async def hashes() -> list[bytes]:
        connection = await connect(str(house.settings.database_url))
        try:
            return [row["token_hash"] for row in await connection.fetch("SELECT token_hash FROM operators")]
        finally:
            await connection.close()

    assert hashlib.sha256(house.token("read").encode()).digest() in house.venue.run(hashes())


# --- names of requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ping", "/account", "/healthz", "/admin/status", "/nowhere", "/metrics", "/docs"])
def test_every_answer_has_its_requests_name(house: House, path: str) -> None:
    """OPS-011: the client's own, or a new one; never one that could not go into a log."""
    own = house.call("GET", path, "", headers={"x-request-id": "a.b:c_d-1"})
    assert own.headers["x-request-id"] == "a.b:c_d-1"
    names = [
        house.call("GET", path, "", headers=headers).headers["x-request-id"]
        for headers in ({}, {"x-request-id": "no way"})
    ]
    names.append(house.call("GET", path, "", headers={"x-request-id": "x" * 65}).headers["x-request-id"])
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}-\d+", name) for name in names)


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_a_commands_life_is_counted(house: House) -> None:
    """OPS-012: each step of an order, the batch, the journal, the answer by address and status."""
    client = house.venue.client("counted")
    before = samples(house)
    for _ in range(3):
        assert client.order().status_code == 200
    assert client.order(price=1).status_code != 200
    after = samples(house)

    def more(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    for step in ("decode", "queue", "journal", "apply", "answer"):
        assert more(f'evermark_command_step_seconds_count{{step="{step}"}}') == 4
        assert more(f'evermark_command_step_seconds_bucket{{le="+Inf",step="{step}"}}') == 4
        assert 0 < more(f'evermark_command_step_seconds_sum{{step="{step}"}}') < DEADLINE_S
    whole = more('evermark_request_seconds_sum{kind="command"}')
    parts = sum(
        more(f'evermark_command_step_seconds_sum{{step="{step}"}}')
        for step in ("decode", "queue", "journal", "apply", "answer")
    )
    assert parts == pytest.approx(whole, rel=1e-3)
    assert more('evermark_answers_total{path="/auth/order",status="200"}') == 3
    assert more("evermark_batch_size_count") >= 4
    assert more("evermark_journal_commit_seconds_count") == more("evermark_batch_size_count")
    assert after["evermark_seq"] > before["evermark_seq"]


def samples(house: House) -> dict[str, float]:
    found = {}
    for line in house.get("/metrics", "metrics").text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def test_orders_over_the_stream_count_too(house: House) -> None:
    """OPS-023."""
    client = house.venue.client("streamer")
    before = samples(house)
    with listening(house.venue.url) as listener:
        listener.ask("auth", credentials(house.venue, client))
        order = {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 59_000, "timestamp": house.venue.stamp()}
        assert listener.ask("order", order)["code"] == 200
    after = samples(house)
    for name in (
        'evermark_answers_total{path="stream",status="200"}',
        'evermark_command_step_seconds_count{step="answer"}',
    ):
        assert after[name] - before.get(name, 0) == 1


def test_a_stranger_cannot_make_metrics_grow(house: House) -> None:
    """OPS-013: addresses that there are not count as one, names of methods as none."""
    house.get("/nowhere-at-all")
    before = len(samples(house))
    for number in range(20):
        house.get(f"/nowhere-{number}")
        house.call(f"METHOD{number}", "/ping", "")
    assert len(samples(house)) <= before + 1  # /ping may have its first 405
    assert 'path="other",status="404"' in house.get("/metrics", "metrics").text


# --- probes ----------------------------------------------------------------------------------------------------------


def test_a_halted_exchange_lives_and_is_not_ready(house: House) -> None:
    """OPS-010."""
    sequencer = house.venue.store.sequencer
    halted = Halted(7, "a promise")

    def halt() -> None:
        sequencer._halt(halted)

    def go_on() -> None:
        sequencer.halted = None
        sequencer._accept()

    house.venue.call(halt)
    try:
        assert house.get("/healthz").status_code == 200
        ready = house.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "promise" in ready.json()["why"]
        assert samples(house)["evermark_ready"] == 0
    finally:
        house.venue.call(go_on)
    assert house.get("/readyz").status_code == 200


# --- users and sources -----------------------------------------------------------------------------------------------


def test_a_user_who_is_frozen_comes_in_with_nothing(house: House) -> None:
    """OPS-020: keys and log-ins are over at once; orders stay."""
    client = house.venue.client("frozen")
    assert client.order().status_code == 200
    owner_id = house.venue.store.exchange.state.accounts[client.account_id].owner_id
    row = house.post("/admin/users/freeze", "users", owner_id=owner_id).json()["result"]
    assert (row["owner_id"], row["keys"], row["sessions"]) == (owner_id, 0, 0)
    assert client.order().status_code == 401
    assert len(house.venue.call(lambda: views.orders(house.venue.store.exchange, client.account_id))) == 1
    entry = house.log(limit=1, action="freeze_user")[0]
    assert (json.loads(entry["before"])[0]["keys"], json.loads(entry["after"])["now"][0]["keys"]) == (1, 0)


def test_a_level_is_given_to_somebody_who_logs_in(house: House) -> None:
    """OPS-020."""
    client = house.venue.client("verified")
    owner_id = house.venue.store.exchange.state.accounts[client.account_id].owner_id
    assert "does not log in" in house.post("/admin/users/level", "users", owner_id=owner_id, level="verified").text

    async def enrol() -> None:
        await house.venue.people.register.enrol(
            owner_id, "v@example.org", "a long password", has_allow_list=False, level=0
        )

    house.venue.run(enrol())
    row = house.post("/admin/users/level", "users", owner_id=owner_id, level="verified").json()["result"]
    assert (row["level"], row["email"]) == ("verified", "v@example.org")
    assert house.get("/admin/users", "read", email="V@example.org").json()["result"] == [row]
    assert "choose from" in house.post("/admin/users/level", "users", owner_id=owner_id, level="king").text


def test_a_muted_source_is_not_heard() -> None:
    """OPS-021: and heard again when that is said."""

    class Loud(LocalFeed):
        def take(self, time_ms: int) -> list[UpdateIndexPrice]:
            return [UpdateIndexPrice(1, source_id, 100, time_ms) for source_id in (1, 2, 3)]

        def health(self) -> list[SourceHealth]:
            return [SourceHealth(source_id, f"venue {source_id}", "polling", 1, 1) for source_id in (1, 2, 3)]

    feed = Muting(Loud())
    feed.mute(2, is_muted=True)
    assert [one.source_id for one in feed.take(1)] == [1, 3]
    assert [row.state for row in feed.health()] == ["polling", "muted", "polling"]
    feed.mute(2, is_muted=False)
    assert [one.source_id for one in feed.take(2)] == [1, 2, 3]
    assert feed.muted == ()


def test_an_index_without_a_price_is_said(house: House) -> None:
    """OPS-024: without any feed the exchange itself knows how old its prices are."""
    house.venue.price(60_000)
    assert "BTC_USD" not in house.get("/admin/status", "read").json()["result"]["stale"]
    assert samples(house)['evermark_index_fresh{index="BTC_USD"}'] == 1
    house.venue.clock.now_ms += 31_000
    house.venue.submit(Tick())
    assert "BTC_USD" in house.get("/admin/status", "read").json()["result"]["stale"]
    assert samples(house)['evermark_index_fresh{index="BTC_USD"}'] == 0
    assert not any("PV" in name for name in samples(house) if name.startswith("evermark_index_fresh"))
    house.venue.price(60_000)


def test_a_source_is_muted_over_http(house: House) -> None:
    """OPS-021."""
    assert house.post("/admin/sources/mute", "markets", source_id=5, is_muted=True).json()["result"]["muted"][0] == 5
    assert 5 in house.get("/admin/status", "read").json()["result"]["muted"]
    assert 5 not in house.post("/admin/sources/mute", "markets", source_id=5, is_muted=False).json()["result"]["muted"]
