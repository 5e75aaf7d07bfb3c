"""Every way of not being allowed, at every address that there is: those of the OpenAPI document, of operators and of the stream.

What the exchange serves is asked of it, and what each address must want is said here. So an address that is added later is held to
all of it: one that nobody said is public must turn strangers away, and one that takes an id must not take somebody else's.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import jwt
import pytest
import requests
from websockets.exceptions import ConnectionClosed

from app import control
from app.auth import AHEAD_MAX_MS, WINDOW_MAX_MS, Scope, sign
from app.db.embedded import EmbeddedServer
from app.people.sessions import STEP_UP_MS
from app.people.tokens import ACCESS_S
from app.stream.hub import KEY_WORDS
from app.surfaces.evermark.admin import PREFIX, ROUTES
from app.surfaces.evermark.liabilities import SIGNED_PREFIX
from app.surfaces.everstrike import ids
from app.tokens import Duty
from tests.contract.documents import conforms, document
from tests.contract.people_world import PASSWORD, PeopleVenue, people_venue
from tests.support.streams import credentials, listening
from tests.venue import DEADLINE_S, PAIR, Client

Fields = dict[str, Any]

PUBLIC: Final = frozenset(
    {
        *("/pairs", "/depth", "/trades", "/funding", "/ticker", "/ohlcv", "/time", "/ping"),
        *("/assets", "/globals", "/status", "/vault", "/v1/liabilities", "/v1/liquidations"),
        *("/v1/signup", "/v1/signup/confirm", "/v1/login", "/v1/login/totp", "/v1/refresh"),
        *("/v1/password/forgotten", "/v1/password/reset"),
    }
)
"""Who knocks here needs nothing. Everything else in the document turns strangers away."""
PROBES: Final = frozenset({"/healthz", "/readyz"})
METRICS: Final = "/metrics"
REFERENCE: Final = "/docs"
WITHDRAWING: Final = frozenset({"/auth/withdraw", "/auth/withdraw/cancel"})
"""What else is posted with a key needs the scope trade, and what is read the scope read."""
UNSIGNED: Final = frozenset({"/leverage", "/fund", "/draw"})
"""Everstrike's, which take a key alone. Every other POST with a key is signed."""
SIGNED_READS: Final = frozenset({"/v1/liabilities/path"})
STEP_UP: Final = frozenset(
    {
        *(("POST", path) for path in ("/v1/totp/setup", "/v1/totp/disable", "/v1/keys", "/v1/keys/rotate")),
        *(("POST", path) for path in ("/v1/withdrawal_addresses", "/v1/withdrawals")),
    }
)
"""What makes keys, moves money out or changes the second factor needs a fresh code."""


class Operation(NamedTuple):
    """An address of the document."""

    method: str
    path: str
    described: dict[str, Any]
    schemas: dict[str, Any]

    @property
    def needs(self) -> frozenset[str]:
        """What it wants of whoever knocks; of alternatives the lesser."""
        return min((frozenset(one) for one in self.described["security"]), key=len, default=frozenset())

    @property
    def scope(self) -> Scope:
        """What its key must be for."""
        if self.path in WITHDRAWING:
            return Scope.WITHDRAW
        return Scope.READ if self.method == "GET" else Scope.TRADE

    @property
    def parameters(self) -> dict[str, Any]:
        """What it takes, with examples."""
        if self.method != "POST":
            return {one["name"]: one.get("example") for one in self.described.get("parameters", ())}
        (content,) = self.described["requestBody"]["content"].values()
        schema = content["schema"]
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        names = schema.get("properties", ())
        example: Fields = content.get("example", {})
        return {**dict.fromkeys(names), **example}

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Halls:
    """The exchange, and somebody of every kind who may come."""

    def __init__(self, world: PeopleVenue, data_dir: Path) -> None:
        self.world = world
        self.data_dir = data_dir
        self.owner = world.human("owner", usd=10_000, btc=1)
        self.other = world.human("other", usd=10_000, btc=1)
        listed = world.listed_address(self.other)
        self.owner.take(self.owner.post("/v1/login", email=self.owner.email, password=PASSWORD))
        world.step_up(self.owner)
        every = ["read", "trade", "withdraw"]
        self.key = self.owner.key(scopes=every)
        self.others_key = self.other.key(scopes=every)
        self.revoked = self.owner.key(scopes=every)
        assert self.owner.ask("DELETE", "/v1/keys", api_key=self.revoked.api_key).status_code == 200
        self.expired = self.owner.key(scopes=every, expires_ms=world.venue.clock.now_ms + 1)
        self.elsewhere = self.owner.key(scopes=every, networks=["203.0.113.0/24", "2001:db8::/32"])
        self.by_scope = {scope: self.owner.key(scopes=[scope.name.lower()]) for scope in Scope if scope.name}
        self.lacking = {
            scope: self.owner.key(scopes=[one.name.lower() for one in Scope if one.name and one is not scope])
            for scope in Scope
        }
        self.wait(1)
        self.operator = self.make_operator("reader", "read")
        found = document(world.venue.url)
        self.operations = [
            Operation(method.upper(), path, described, found["components"]["schemas"])
            for path, methods in found["paths"].items()
            for method, described in methods.items()
        ]
        self.others = self._others(listed)

    def _others(self, listed: int) -> dict[str, Any]:
        """What is the other's and can be named."""
        other = self.other
        order = self.others_key.order(client_order_id="of-the-other").json()["result"]["order"]["id"]
        asked = {"name": "rent", "account_id": other.account_id, "amount": "0.01", "address_id": listed}
        withdrawal = other.result("POST", "/v1/withdrawals", **asked)
        return {
            "order": order,
            "order name": "of-the-other",
            "withdrawal": withdrawal["withdrawal_id"],
            "withdrawal on the wire": ids.encode(ids.WITHDRAWAL, withdrawal["withdrawal_id"]),
            "key": self.others_key.api_key,
            "session": other.session_id,
            "account": other.account_id,
            "address": listed,
            "where": withdrawal["address"],
            "email": other.email,
            "customer": other.result("GET", "/v1/me")["customer_id"],
        }

    def make_operator(self, name: str, *scopes: str) -> str:
        """An operator's token."""
        return control.ask(self.data_dir, control.CreateOperator(name, scopes), control.NewOperator).token

    def state(self) -> bytes:
        """The state's hash."""
        return self.world.venue.state_hash()

    def wait(self, span_ms: int) -> None:
        """Let time pass, and what is due be done: nothing changes by itself from then on."""
        self.world.venue.clock.now_ms += span_ms
        self.world.price()

    def wanting(self, *schemes: str) -> list[Operation]:
        """The addresses that want at least these."""
        return [one for one in self.operations if one.needs >= set(schemes)]

    def keyed(self, one: Operation, client: Client, fields: Fields | None = None, **headers: str) -> requests.Response:
        """Ask with a key, signed where that is wanted. A header given as an empty text is left out."""
        given = {name: value for name, value in one.parameters.items() if value is not None}
        if "timestamp" in one.parameters or "timestamp" in given:
            given["timestamp"] = self.world.venue.stamp()
        given.update(fields or {})
        return self.knock(one, client, urlencode(flat(given)), **headers)

    def knock(self, one: Operation, client: Client, text: str, **headers: str) -> requests.Response:
        """Ask with a key for what a form or a query says."""
        signed = text.encode() if one.method == "POST" else SIGNED_PREFIX + text.encode()
        named = {"x-api-key": client.api_key}
        if "signature" in one.needs:
            named["x-signature"] = sign(client.secret.encode(), signed).decode()
        named.update({name.replace("_", "-"): value for name, value in headers.items()})
        if one.method == "POST":
            named["content-type"] = "application/x-www-form-urlencoded"
        return self.world.venue.http.request(
            one.method,
            self.world.venue.url + one.path + ("" if one.method == "POST" or not text else "?" + text),
            data=text if one.method == "POST" else None,
            headers={name: value for name, value in named.items() if value},
            timeout=DEADLINE_S,
        )

    def told(self, one: Operation, authorization: str) -> requests.Response:
        """Ask as somebody does who has logged in."""
        headers = {"authorization": authorization} if authorization else {}
        url = self.world.venue.url + one.path
        given = {name: value for name, value in one.parameters.items() if value is not None}
        sent: Fields = {"json": given} if one.method == "POST" else {"params": given}
        return self.world.venue.http.request(one.method, url, headers=headers, timeout=DEADLINE_S, **sent)


@pytest.fixture(scope="module")
def halls(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Halls]:
    folder = tmp_path_factory.mktemp("halls")
    with people_venue(postgres, folder, "allowed") as world:
        yield Halls(world, folder / "allowed")


def flat(fields: Fields) -> list[tuple[str, object]]:
    """Fields as a form has them."""
    found: list[tuple[str, object]] = []
    for name, value in fields.items():
        if isinstance(value, list):
            for index, entry in enumerate(value):
                nested = entry.items() if isinstance(entry, dict) else ((None, entry),)
                found += [(f"{name}[{index}]" + (f"[{key}]" if key else ""), one) for key, one in nested]
        else:
            found.append((name, value))
    return found


# --- what there is ---------------------------------------------------------------------------------------------------


def test_every_address_is_in_the_document_or_an_operators(halls: Halls) -> None:
    """AUTH-011: there is none that these tests do not know of."""
    admin = {PREFIX + route.path for route in ROUTES}
    described = {one.path for one in halls.operations}
    app = halls.world.venue.app
    assert set(app.state.handlers) == described | admin | PROBES | {METRICS}
    assert not described & admin
    assert {route.path for route in app.routes if not route.path.startswith(REFERENCE)} == described


@pytest.mark.spec("AUTH-011", "PEO-036")
def test_every_address_wants_what_its_kind_wants(halls: Halls) -> None:
    for one in halls.operations:
        is_peoples = one.described["tags"] == ["People"]
        if one.path in PUBLIC:
            wanted = set()
        elif is_peoples:
            wanted = {"bearer"}
        else:
            is_signed = (one.method == "POST" and one.path not in UNSIGNED) or one.path in SIGNED_READS
            wanted = {"key", "signature"} if is_signed else {"key"}
        assert one.needs == wanted, str(one)
    assert {one.path for one in halls.operations} > PUBLIC | WITHDRAWING | UNSIGNED | SIGNED_READS


# --- keys ------------------------------------------------------------------------------------------------------------


class Wrong(NamedTuple):
    """A way of knocking in vain."""

    name: str
    status: int
    knock: Callable[[Halls, Operation], requests.Response]
    says: str


def reuse(halls: Halls, one: Operation) -> requests.Response:
    """The same bytes a second time, whatever came of the first."""
    given = {name: value for name, value in one.parameters.items() if value is not None}
    text = urlencode(flat({**given, "timestamp": halls.world.venue.stamp()}))
    first = halls.knock(one, halls.key, text)
    assert first.status_code not in (401, 403, 408), (str(one), first.text)
    return halls.knock(one, halls.key, text)


def signed_for_other_bytes(halls: Halls, one: Operation) -> requests.Response:
    signature = sign(halls.key.secret.encode(), b"timestamp=1").decode()
    return halls.keyed(one, halls.key, x_signature=signature)


def signed_by_another(halls: Halls, one: Operation) -> requests.Response:
    return halls.keyed(one, Client(halls.world.venue, halls.key.api_key, halls.others_key.secret, 0))


def at(halls: Halls, one: Operation, ahead_ms: int) -> requests.Response:
    return halls.keyed(one, halls.key, {"timestamp": halls.world.venue.clock.now_ms + ahead_ms})


KEYS: Final = (
    Wrong("without a key", 401, lambda halls, one: halls.keyed(one, halls.key, x_api_key=""), "missing"),
    Wrong("unknown", 401, lambda halls, one: halls.keyed(one, halls.key, x_api_key="ab" * 16), "unknown"),
    Wrong("a secret", 401, lambda halls, one: halls.keyed(one, halls.key, x_api_key=halls.key.secret), "unknown"),
    Wrong("revoked", 401, lambda halls, one: halls.keyed(one, halls.revoked), "revoked"),
    Wrong("expired", 401, lambda halls, one: halls.keyed(one, halls.expired), "expired"),
    Wrong("from elsewhere", 403, lambda halls, one: halls.keyed(one, halls.elsewhere), "address"),
    Wrong("all other scopes", 403, lambda halls, one: halls.keyed(one, halls.lacking[one.scope]), "scope"),
    Wrong(
        "an access token in its place",
        401,
        lambda halls, one: halls.keyed(
            one, halls.key, x_api_key="", authorization=f"Bearer {halls.owner.access_token}"
        ),
        "missing",
    ),
)
SIGNATURES: Final = (
    Wrong("unsigned", 401, lambda halls, one: halls.keyed(one, halls.key, x_signature=""), "missing"),
    Wrong("nonsense", 401, lambda halls, one: halls.keyed(one, halls.key, x_signature="ab" * 16), "does not match"),
    Wrong("for other bytes", 401, signed_for_other_bytes, "does not match"),
    Wrong("by another's secret", 401, signed_by_another, "does not match"),
    Wrong("too old", 408, lambda halls, one: at(halls, one, -WINDOW_MAX_MS), "too old"),
    Wrong("too early", 408, lambda halls, one: at(halls, one, AHEAD_MAX_MS + 1), "ahead"),
    Wrong("a second time", 401, reuse, "before"),
)


@pytest.mark.spec("AUTH-011", "PEO-031", "PEO-032")
@pytest.mark.parametrize("wrong", KEYS, ids=lambda wrong: wrong.name)
def test_a_key_that_will_not_do(halls: Halls, wrong: Wrong) -> None:
    operations = halls.wanting("key")
    assert len(operations) > 30
    before = halls.state()
    for one in operations:
        check(halls, one, wrong)
    assert halls.state() == before


@pytest.mark.spec("AUTH-011", "PEO-034")
@pytest.mark.parametrize("wrong", SIGNATURES, ids=lambda wrong: wrong.name)
def test_a_signature_that_will_not_do(halls: Halls, wrong: Wrong) -> None:
    operations = halls.wanting("key", "signature")
    assert len(operations) > 10
    before = halls.state()
    for one in operations:
        check(halls, one, wrong)
    if wrong.knock is not reuse:
        assert halls.state() == before


def check(halls: Halls, one: Operation, wrong: Wrong) -> None:
    answer = wrong.knock(halls, one)
    assert answer.status_code == wrong.status, (str(one), answer.text)
    conforms(halls.world.venue, answer)
    assert wrong.says in answer.json()["msg"], (str(one), answer.text)


@pytest.mark.spec("AUTH-011", "PEO-031")
def test_its_own_scope_is_enough(halls: Halls) -> None:
    """Or the refusals above would say nothing of the scope."""
    for one in halls.wanting("key"):
        answer = halls.keyed(one, halls.by_scope[one.scope])
        assert answer.status_code not in (401, 403, 408), (str(one), answer.text)


# --- people ----------------------------------------------------------------------------------------------------------


def forged(**header: str) -> Callable[[Halls], str]:
    """What would let the owner in were it signed as it should be."""

    def make(halls: Halls) -> str:
        claims = jwt.decode(halls.owner.access_token, options={"verify_signature": False})
        if header["alg"] == "none":
            return f"Bearer {jwt.encode(claims, '', algorithm='none')}"
        return f"Bearer {jwt.encode(claims, header['key'], algorithm=header['alg'])}"

    return make


def tampered(halls: Halls) -> str:
    """The owner's token over other claims."""
    head, body, signature = halls.other.access_token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["sub"] = jwt.decode(halls.owner.access_token, options={"verify_signature": False})["sub"]
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer {head}.{body}.{signature}"


def of_session(halls: Halls, owner_id: int, session_id: str) -> str:
    """A well-signed token for a session: what whoever mixes up owners would get."""
    tokens = halls.world.people.register.tokens
    return f"Bearer {tokens._make('access', owner_id, ACCESS_S, {'sid': session_id})}"


def mixed(halls: Halls) -> str:
    return of_session(halls, halls.world.owner_of(halls.other), halls.owner.session_id)


def logged_out(halls: Halls) -> str:
    gone = halls.world.log_in(halls.owner)
    assert gone.post("/v1/logout").status_code == 200
    return f"Bearer {gone.access_token}"


def revoked(halls: Halls) -> str:
    gone = halls.world.log_in(halls.owner)
    assert halls.owner.result("DELETE", "/v1/sessions", session_id=gone.session_id) == {"ended": 1}
    return f"Bearer {gone.access_token}"


def before_a_new_password(halls: Halls) -> str:
    """What somebody is let in with whose password was changed elsewhere."""
    name = f"changer{halls.world.venue.stamp().replace('.', '')}"
    changer = halls.world.human(name)
    gone = halls.world.log_in(changer)
    asked = {"password": PASSWORD, "new_password": "another good password"}
    assert changer.post("/v1/password/change", **asked).status_code == 200
    return f"Bearer {gone.access_token}"


def frozen(halls: Halls) -> str:
    gone = halls.world.human(f"frozen{halls.world.venue.stamp().replace('.', '')}")
    token = halls.make_operator(f"freezer {gone.email}", "users")
    answer = requests.post(
        f"{halls.world.venue.url}{PREFIX}/users/freeze",
        json={"owner_id": halls.world.owner_of(gone)},
        headers={"authorization": f"Bearer {token}"},
        timeout=DEADLINE_S,
    )
    assert answer.status_code == 200, answer.text
    return f"Bearer {gone.access_token}"


def challenge(halls: Halls) -> str:
    register = halls.world.people.register
    person = register.find(halls.world.owner_of(halls.owner))
    assert person is not None
    claims = {"pwd": person.password_ms, "sid": halls.owner.session_id}
    return f"Bearer {register.tokens._make('challenge', person.owner_id, ACCESS_S, claims)}"


BEARERS: Final[dict[str, Callable[[Halls], str]]] = {
    "nothing": lambda _halls: "",
    "no token": lambda _halls: "Bearer ",
    "another scheme": lambda halls: f"Basic {halls.owner.access_token}",
    "no scheme": lambda halls: halls.owner.access_token,
    "nonsense": lambda _halls: "Bearer x",
    "not signed": forged(alg="none"),
    "signed by a stranger": forged(alg="HS256", key="0" * 32),
    "another algorithm": forged(alg="HS512", key="0" * 64),
    "another's claims": tampered,
    "another's session": mixed,
    "no such session": lambda halls: of_session(halls, halls.world.owner_of(halls.owner), "ab" * 16),
    "a challenge": challenge,
    "a refresh token": lambda halls: f"Bearer {halls.owner.refresh_token}",
    "an API key": lambda halls: f"Bearer {halls.key.api_key}",
    "an operator's token": lambda halls: f"Bearer {halls.operator}",
    "after the log-out": logged_out,
    "after the session was ended": revoked,
    "after a new password": before_a_new_password,
    "after being frozen": frozen,
}


@pytest.mark.spec("AUTH-011", "PEO-036")
@pytest.mark.parametrize("name", BEARERS)
def test_an_access_token_that_will_not_do(halls: Halls, name: str) -> None:
    authorization = BEARERS[name](halls)
    operations = halls.wanting("bearer")
    assert len(operations) > 20
    before = halls.state()
    for one in operations:
        answer = halls.told(one, authorization)
        assert answer.status_code == 401, (str(one), answer.text)
        assert conforms(halls.world.venue, answer)["reject"] in ("NO_TOKEN", "BAD_TOKEN")
    assert halls.state() == before


@pytest.mark.spec("AUTH-011", "PEO-012")
def test_an_access_token_whose_time_is_over_will_not_do(halls: Halls) -> None:
    late = halls.world.log_in(halls.owner)
    halls.wait(ACCESS_S * 1_000)
    try:
        for one in halls.wanting("bearer"):
            assert halls.told(one, f"Bearer {late.access_token}").status_code == 401, str(one)
    finally:
        halls.owner.take(halls.owner.post("/v1/login", email=halls.owner.email, password=PASSWORD))
        halls.other.take(halls.other.post("/v1/login", email=halls.other.email, password=PASSWORD))


@pytest.mark.spec("AUTH-011", "PEO-055")
@pytest.mark.parametrize("is_late", [False, True], ids=["never", "too long ago"])
def test_what_needs_a_step_up_is_not_had_without_one(halls: Halls, is_late: bool) -> None:
    """Nor with the step-up of another session of the same person."""
    halls.world.step_up(halls.owner)
    session = halls.world.log_in(halls.owner)
    if is_late:
        halls.world.step_up(session)
        halls.wait(STEP_UP_MS)
    refused = set()
    for one in halls.wanting("bearer"):
        if (one.method, one.path) in STEP_UP:
            answer = halls.told(one, f"Bearer {session.access_token}")
            assert (answer.status_code, session.reject(answer)) == (403, "STEP_UP"), str(one)
            assert "Needs a step-up" in one.described["description"]
            refused.add((one.method, one.path))
        else:
            assert "description" not in one.described, str(one)
    assert refused == STEP_UP


# --- what is somebody else's -----------------------------------------------------------------------------------------

NAMING: Final = re.compile(r"(^|_)ids?$|_key$|^before$|^up_to$").search
"""What a parameter is called that names something."""
OWN_NAMES: Final = frozenset(
    {
        *(("POST", path, "client_order_id") for path in ("/auth/order", "/auth/close")),
        ("POST", "/auth/withdraw", "client_withdrawal_id"),
        ("POST", "/v1/signup/confirm", "signup_id"),  # nobody's yet; it wants its own code
    }
)
"""Names that the caller makes up: they are looked for in the caller's account only."""
PAGES: Final = frozenset({"before", "up_to"})
"""Places in the caller's own list."""
ABSENT: Final[dict[str, Any]] = {
    "order": ids.encode(ids.ORDER, 10**9),
    "order name": "of-nobody",
    "withdrawal": 10**9,
    "withdrawal on the wire": ids.encode(ids.WITHDRAWAL, 10**9),
    "key": "ab" * 16,
    "session": "ab" * 16,
    "account": 10**9,
    "address": 10**9,
}
FOREIGN: Final[dict[tuple[str, str, str], str]] = {
    ("GET", "/order", "id"): "order",
    ("GET", "/order", "client_order_id"): "order name",
    ("POST", "/auth/cancel", "id"): "order",
    ("POST", "/auth/cancel", "client_order_id"): "order name",
    ("POST", "/auth/cancel/bulk", "ids"): "order",
    ("POST", "/auth/amend", "id"): "order",
    ("POST", "/auth/amend", "client_order_id"): "order name",
    ("POST", "/auth/withdraw/cancel", "id"): "withdrawal on the wire",
    ("DELETE", "/v1/sessions", "session_id"): "session",
    ("POST", "/v1/keys", "account_id"): "account",
    ("DELETE", "/v1/keys", "api_key"): "key",
    ("POST", "/v1/keys/rotate", "api_key"): "key",
    ("POST", "/v1/transfers", "from_account_id"): "account",
    ("POST", "/v1/transfers", "to_account_id"): "account",
    ("DELETE", "/v1/withdrawal_addresses", "address_id"): "address",
    ("POST", "/v1/withdrawals", "account_id"): "account",
    ("POST", "/v1/withdrawals", "address_id"): "address",
    ("POST", "/v1/withdrawals/code", "withdrawal_id"): "withdrawal",
    ("POST", "/v1/withdrawals/confirm", "withdrawal_id"): "withdrawal",
    ("POST", "/v1/withdrawals/cancel", "withdrawal_id"): "withdrawal",
}
"""By method, path and parameter: what of another's it could name."""


@pytest.mark.spec("AUTH-011", "PEO-035")
def test_what_is_anothers_is_not_there(halls: Halls) -> None:
    """Answered byte by byte like what nobody has, and nothing of it changed."""
    halls.world.step_up(halls.owner)
    before = halls.state()
    asked = set()
    for one in halls.operations:
        for name in one.parameters:
            place = (one.method, one.path, name)
            if NAMING(name) is None or name in PAGES or place in OWN_NAMES:
                continue
            asked.add(place)
            foreign, absent = (name_it(halls, one, name, found[FOREIGN[place]]) for found in (halls.others, ABSENT))
            assert foreign.status_code not in (401, 403, 500), (place, foreign.text)
            assert (foreign.status_code, foreign.content) == (absent.status_code, absent.content), (place, foreign.text)
    assert asked == set(FOREIGN)
    assert halls.state() == before
    assert halls.others_key.get("/order", id=halls.others["order"]).json()["result"]["status"] == "ACTIVE"
    assert halls.other.ask("GET", "/v1/me").status_code == 200


def name_it(halls: Halls, one: Operation, name: str, value: Any) -> requests.Response:
    """Ask as the owner, with one name in the place of the owner's own."""
    given = {key: example for key, example in one.parameters.items() if example is not None}
    for key in [key for key in given if NAMING(key)]:
        given[key] = halls.owner.account_id if key.endswith("account_id") else halls.others["address"]
    if "key" in one.needs:
        given = {key: example for key, example in given.items() if NAMING(key) is None}
        if "timestamp" in one.parameters:
            given["timestamp"] = halls.world.venue.stamp()
        return halls.knock(one, halls.key, urlencode(flat({**given, name: [value] if name == "ids" else value})))
    sent: Fields = {"json": {**given, name: value}} if one.method == "POST" else {"params": {**given, name: value}}
    headers = {"authorization": f"Bearer {halls.owner.access_token}"}
    return halls.world.venue.http.request(one.method, halls.world.venue.url + one.path, headers=headers, **sent)


@pytest.mark.spec("AUTH-011", "PEO-035", "PEO-084")
def test_no_read_shows_what_is_anothers(halls: Halls) -> None:
    words = [str(found) for name, found in halls.others.items() if name not in ("account", "address", "withdrawal")]
    seen = 0
    for one in halls.operations:
        if one.method != "GET" or one.path == "/order":
            continue
        if "bearer" in one.needs:
            answer = halls.told(one, f"Bearer {halls.owner.access_token}")
        else:
            answer = halls.keyed(one, halls.key, {"pair": PAIR} if "pair" in one.parameters else {})
        assert answer.status_code in (200, 404, 503), (str(one), answer.text)  # 503: no liabilities were published
        assert not [word for word in words if word in answer.text], str(one)
        seen += bool(one.needs) and answer.status_code == 200
    assert seen > 20


# --- operators -------------------------------------------------------------------------------------------------------


def test_nobody_is_an_operator_who_is_none(halls: Halls) -> None:
    """OPS-002, OPS-003: neither people nor keys, nor operators with every other scope."""
    duties = [one for one in Duty if one.name]
    lacking = {
        duty: halls.make_operator(f"all but {duty.name}", *(str(one.name).lower() for one in duties if not one & duty))
        for duty in (*duties, Duty.METRICS | Duty.READ)
    }
    strangers = ("", f"Bearer {halls.owner.access_token}", f"Bearer {halls.key.api_key}", f"Basic {halls.operator}")
    asked = [(route.method, PREFIX + route.path, route.duty) for route in ROUTES]
    before = halls.state()
    for method, path, duty in (*asked, ("GET", METRICS, Duty.METRICS | Duty.READ)):
        for authorization, status in (*((one, 401) for one in strangers), (f"Bearer {lacking[duty]}", 403)):
            answer = halls.world.venue.http.request(
                method,
                halls.world.venue.url + path,
                json={} if method == "POST" else None,
                headers={"authorization": authorization, "x-api-key": halls.key.api_key},
                timeout=DEADLINE_S,
            )
            assert (answer.status_code, answer.json()["result"]) == (status, None), (method, path, authorization)
    assert halls.state() == before


# --- the stream ------------------------------------------------------------------------------------------------------

OPEN_OPERATIONS: Final = frozenset(
    {"sub", "sub_pair", "unsub", "unsub_pair", "unsub_all", "subscriptions", "status", "auth", "auth_api"}
)
SIGNED_OPERATIONS: Final = frozenset(
    {"order", "order_bulk", "amend", "cancel", "cancel_bulk", "cancel_all_after", "close"}
)
"""What wants the operation auth first, with a key for trading."""
ORDER: Final = {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 59_000}


def test_every_operation_of_the_stream_is_known(halls: Halls) -> None:
    """AUTH-012."""
    stream = halls.world.venue.stream
    assert frozenset(stream._operations) == OPEN_OPERATIONS
    assert frozenset(stream._entry) == SIGNED_OPERATIONS


@pytest.mark.spec("AUTH-012")
@pytest.mark.parametrize("kind", ["nobody", "a key alone", "a key to read", "a key that ended"])
def test_orders_over_the_stream_want_a_signature_and_the_scope(halls: Halls, kind: str) -> None:
    venue = halls.world.venue
    halls.world.step_up(halls.owner)
    before = halls.state()
    with listening(venue.url) as listener:
        status = 403 if kind == "a key to read" else 401
        if kind == "a key alone":
            assert listener.ask("auth_api", halls.key.api_key)["category"] == "authenticated"
        elif kind != "nobody":
            key = halls.owner.key(scopes=["read"] if kind == "a key to read" else ["read", "trade"])
            assert listener.ask("auth", credentials(venue, key))["result"]["may_trade"]
            if kind == "a key that ended":
                assert halls.owner.ask("DELETE", "/v1/keys", api_key=key.api_key).status_code == 200
        try:
            for op in sorted(SIGNED_OPERATIONS):
                told = listener.ask(op, {**ORDER, "timestamp": venue.stamp()})
                assert (told["category"], told["code"]) == ("response", status), (op, told)
        except ConnectionClosed as closed:  # by its look after keys, which may come in between
            if kind != "a key that ended" or closed.rcvd is None or closed.rcvd.reason != KEY_WORDS:
                raise
    assert halls.state() == before


@pytest.mark.spec("AUTH-012")
@pytest.mark.parametrize("op", ["auth", "auth_api"])
def test_a_key_that_will_not_do_watches_nothing(halls: Halls, op: str) -> None:
    venue = halls.world.venue
    unknown = Client(venue, "ab" * 16, halls.key.secret, 0)
    vain = ((unknown, 401), (halls.revoked, 401), (halls.expired, 401), (halls.elsewhere, 403))
    for client, status in (*vain, (halls.lacking[Scope.READ], 403)):
        with listening(venue.url) as listener:
            given = credentials(venue, client) if op == "auth" else client.api_key
            told = listener.ask(op, given)
            assert (told["category"], told["code"]) == ("error", status), (told, client.api_key)
            assert not listener.ask("status")["result"]["authenticated"]


@pytest.mark.spec("AUTH-012")
def test_a_signature_that_will_not_do_lets_nobody_trade(halls: Halls) -> None:
    venue = halls.world.venue
    good = credentials(venue, halls.key)
    assert_let_in(halls, good)
    now_ms = venue.clock.now_ms
    for given, status in (
        (good, 401),  # a second time
        ({**credentials(venue, halls.key), "timestamp": venue.stamp()}, 401),
        ({**credentials(venue, halls.key), "signature": "ab" * 16}, 401),
        ({**credentials(venue, halls.others_key), "api_key": halls.key.api_key}, 401),
        (signed_at(halls, now_ms - WINDOW_MAX_MS), 414),
        (signed_at(halls, now_ms + AHEAD_MAX_MS + 1), 414),
    ):
        with listening(venue.url) as listener:
            told = listener.ask("auth", given)
            assert (told["category"], told["code"]) == ("error", status), (told, given)
            assert not listener.ask("status")["result"]["authenticated"]


def assert_let_in(halls: Halls, given: Fields) -> None:
    with listening(halls.world.venue.url) as listener:
        assert listener.ask("auth", given)["category"] == "authenticated"


def signed_at(halls: Halls, time_ms: int) -> Fields:
    signature = sign(halls.key.secret.encode(), f"timestamp={time_ms}".encode()).decode()
    return {"api_key": halls.key.api_key, "timestamp": time_ms, "signature": signature}
