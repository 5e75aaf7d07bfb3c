"""People over HTTP: every way in and every way out, on a real exchange with a real mail server and a clock that the test moves."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pyotp
import pytest
import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import select

from app.auth import Scope
from app.db.connect import engine_for
from app.db.embedded import EmbeddedServer
from app.db.tables import people
from app.people.codes import buckets
from app.people.lockouts import FREE, FREE_OF_ADDRESS
from app.people.passwords import THREADS, WAITING_OF_PLACE_MAX, Passwords
from app.people.sessions import REFRESHES_BURST
from app.people.tokens import ACCESS_S
from app.surfaces.evermark.keys import KEYS_MAX
from exchange.limits import MONEY_SCALE
from tests.contract.documents import conforms, document
from tests.contract.people_world import ORIGIN, PASSWORD, Human, PeopleVenue, people_venue
from tests.venue import USD


@pytest.fixture(scope="module")
def world(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleVenue]:
    with people_venue(postgres, tmp_path_factory.mktemp("people"), "people") as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(world: PeopleVenue) -> None:
    """No lock of another test stands, and codes can be asked for."""
    world.venue.clock.now_ms += 2 * 3_600_000
    world.forget_locks()


# --- sign-up ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-001", "PEO-002")
def test_a_sign_up_needs_the_code_that_was_mailed(world: PeopleVenue) -> None:
    human = Human(world, "ann")
    sent = human.post("/v1/signup", email=human.email.upper(), password=PASSWORD)
    wrong = f"{(int(world.code(human)) + 1) % 10**6:06d}"
    signup_id = sent.json()["result"]["signup_id"]
    refused = human.post("/v1/signup/confirm", signup_id=signup_id, code=wrong)
    assert (refused.status_code, human.reject(refused)) == (401, "BAD_CODE")
    done = human.post("/v1/signup/confirm", signup_id=signup_id, code=world.code(human))
    human.take(done)
    assert human.result("GET", "/v1/me")["email"] == human.email
    assert len(human.result("GET", "/v1/accounts")["accounts"]) == 1
    again = human.post("/v1/signup/confirm", signup_id=signup_id, code=world.code(human))
    assert human.reject(again) == "BAD_CODE"


@pytest.mark.spec("PEO-002")
def test_five_guesses_and_the_right_code_is_none(world: PeopleVenue) -> None:
    human = Human(world, "guessed")
    signup_id = human.post("/v1/signup", email=human.email, password=PASSWORD).json()["result"]["signup_id"]
    code = world.code(human)
    for count in range(1, 6):
        answer = human.post("/v1/signup/confirm", signup_id=signup_id, code=f"{(int(code) + count) % 10**6:06d}")
        assert human.reject(answer) == "BAD_CODE"
    assert human.reject(human.post("/v1/signup/confirm", signup_id=signup_id, code=code)) == "BAD_CODE"


@pytest.mark.spec("PEO-002")
def test_a_code_is_over_after_a_quarter_of_an_hour(world: PeopleVenue) -> None:
    human = Human(world, "late")
    signup_id = human.post("/v1/signup", email=human.email, password=PASSWORD).json()["result"]["signup_id"]
    world.venue.clock.now_ms += 900_000
    assert human.reject(human.post("/v1/signup/confirm", signup_id=signup_id, code=world.code(human))) == "BAD_CODE"


@pytest.mark.spec("PEO-003")
def test_a_sign_up_does_not_say_who_is_there(world: PeopleVenue) -> None:
    known = world.human("known")
    first = known.post("/v1/signup", email=known.email, password="another password")
    other = known.post("/v1/signup", email="nobody.yet@example.org", password="another password")
    assert (first.status_code, first.json().keys(), first.json()["result"].keys()) == (
        other.status_code,
        other.json().keys(),
        other.json()["result"].keys(),
    )
    world.post.wait(known.email, 1, "already")
    # The owner of the mailbox is told, and the password is what it was.
    assert known.post("/v1/login", email=known.email, password="another password").status_code == 401
    assert known.post("/v1/login", email=known.email, password=PASSWORD).status_code == 200


@pytest.mark.spec("PEO-004")
@pytest.mark.parametrize("password", ["short", "x" * 129, "weakling@example.org", "weakling12345"])
def test_a_weak_password_is_refused(world: PeopleVenue, password: str) -> None:
    human = Human(world, "weakling")
    answer = human.post("/v1/signup", email=human.email, password=password)
    assert answer.status_code == 400
    assert human.reject(answer) in ("WEAK_PASSWORD", "MALFORMED")
    assert password not in answer.text


# --- log-in, tokens --------------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-010", "PEO-011")
def test_wrong_and_unknown_are_answered_alike(world: PeopleVenue) -> None:
    ben = world.human("ben")
    wrong = ben.post("/v1/login", email=ben.email, password="wrong password")
    unknown = ben.post("/v1/login", email="unknown@example.org", password="wrong password")
    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content)
    assert wrong.status_code == 401


@pytest.mark.spec("PEO-012")
def test_an_access_token_is_over_after_ten_minutes(world: PeopleVenue) -> None:
    cat = world.human("cat")
    assert cat.ask("GET", "/v1/me").status_code == 200
    world.venue.clock.now_ms += ACCESS_S * 1000 - 1_000
    assert cat.ask("GET", "/v1/me").status_code == 200
    world.venue.clock.now_ms += 1_000
    answer = cat.ask("GET", "/v1/me")
    assert (answer.status_code, cat.reject(answer)) == (401, "BAD_TOKEN")


@pytest.mark.spec("PEO-013")
def test_refresh_tokens_rotate_and_a_stolen_one_ends_the_session(world: PeopleVenue) -> None:
    dan = world.human("dan")
    other = world.log_in(dan)
    stolen = dan.refresh_token
    dan.take(dan.post("/v1/refresh", refresh_token=stolen))
    assert dan.refresh_token != stolen
    assert dan.ask("GET", "/v1/me").status_code == 200
    thief = dan.post("/v1/refresh", refresh_token=stolen)
    assert (thief.status_code, dan.reject(thief)) == (401, "BAD_REFRESH")
    # Nobody knows who of the two is the thief: the session is over for both, at once; another session is not.
    assert dan.ask("GET", "/v1/me").status_code == 401
    assert dan.reject(dan.post("/v1/refresh", refresh_token=dan.refresh_token)) == "BAD_REFRESH"
    assert other.ask("GET", "/v1/me").status_code == 200
    world.post.wait(dan.email, 1, "A log-in was ended")


@pytest.mark.spec("PEO-013")
def test_a_stale_refresh_token_is_none(world: PeopleVenue) -> None:
    eve = world.human("eve")
    world.venue.clock.now_ms += 7 * 86_400_000
    assert eve.reject(eve.post("/v1/refresh", refresh_token=eve.refresh_token)) == "BAD_REFRESH"
    assert eve.reject(eve.post("/v1/refresh", refresh_token="made up")) == "BAD_REFRESH"


@pytest.mark.spec("PEO-013")
def test_a_session_lasts_thirty_days_however_often_it_is_refreshed(world: PeopleVenue) -> None:
    fay = world.human("fay")
    for _ in range(4):
        world.venue.clock.now_ms += 7 * 86_400_000 - 1
        fay.take(fay.post("/v1/refresh", refresh_token=fay.refresh_token))
    world.venue.clock.now_ms += 2 * 86_400_000 + 4
    assert fay.reject(fay.post("/v1/refresh", refresh_token=fay.refresh_token)) == "BAD_REFRESH"


@pytest.mark.spec("PEO-014")
def test_sessions_are_listed_and_ended(world: PeopleVenue) -> None:
    gil = world.human("gil")
    one, two = world.log_in(gil), world.log_in(gil)
    mallory = world.human("mallory")
    listed = gil.result("GET", "/v1/sessions")["sessions"]
    assert len(listed) == 3
    assert [row["session_id"] for row in listed if row["is_current"]] == [gil.session_id]
    foreign = mallory.ask("DELETE", "/v1/sessions", session_id=one.session_id)
    assert (foreign.status_code, mallory.reject(foreign)) == (404, "NOT_ADMITTED")
    assert gil.result("DELETE", "/v1/sessions", session_id=one.session_id) == {"ended": 1}
    assert one.ask("GET", "/v1/me").status_code == 401
    assert gil.result("DELETE", "/v1/sessions") == {"ended": 1}
    assert two.ask("GET", "/v1/me").status_code == 401
    assert gil.post("/v1/logout").status_code == 200
    assert gil.ask("GET", "/v1/me").status_code == 401
    assert mallory.ask("GET", "/v1/me").status_code == 200


# --- lockout ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-020")
@pytest.mark.parametrize("name", ["locked", "nobody-at-all"])
def test_five_failures_lock_for_half_a_minute_then_twice_as_long(world: PeopleVenue, name: str) -> None:
    """The same for an address that nobody has: a lock says nothing either."""
    human = world.human(name) if name == "locked" else Human(world, name)
    right = {"email": human.email, "password": PASSWORD}
    wrong = {"email": human.email, "password": "a wrong password"}
    for _ in range(FREE):
        assert human.post("/v1/login", **wrong).status_code == 401
    for locked_s in (30, 60, 120):
        answer = human.post("/v1/login", **right)
        assert (answer.status_code, human.reject(answer)) == (429, "LOCKED")
        assert answer.headers["retry-after"] == str(locked_s)
        world.venue.clock.now_ms += locked_s * 1000
        assert human.post("/v1/login", **wrong).status_code == 401
    world.venue.clock.now_ms += 240_000
    assert human.post("/v1/login", **right).status_code == (200 if name == "locked" else 401)


@pytest.mark.spec("PEO-021")
def test_many_guesses_at_once_are_no_more_than_one_after_the_other(world: PeopleVenue) -> None:
    human = world.human("flooded")

    def guess(_count: int) -> int:
        return human.post("/v1/login", email=human.email, password="a wrong password").status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(guess, range(20)))
    assert sorted(statuses) == [401] * FREE + [429] * (20 - FREE)


@pytest.mark.spec("PEO-022")
def test_an_address_that_guesses_at_many_is_locked(world: PeopleVenue) -> None:
    human = world.human("bystander")
    for count in range(FREE_OF_ADDRESS):
        answer = human.post("/v1/login", email=f"guess{count}@example.org", password="a wrong password")
        assert answer.status_code == 401
        if count % 10 == 9:  # whoever has an account gets back one attempt for each log-in, and no more
            answer = human.post("/v1/login", email=human.email, password=PASSWORD)
            assert answer.status_code == (429 if count == FREE_OF_ADDRESS - 1 else 200)
    assert human.reject(human.post("/v1/login", email=human.email, password=PASSWORD)) == "LOCKED"


@pytest.mark.spec("PEO-023")
def test_locks_outlive_a_start(world: PeopleVenue) -> None:
    human = world.human("patient")
    for _ in range(FREE):
        human.post("/v1/login", email=human.email, password="a wrong password")
    world.venue.run(world.people.register.lockouts.load())
    assert human.reject(human.post("/v1/login", email=human.email, password=PASSWORD)) == "LOCKED"


@pytest.mark.spec("PEO-003", "PEO-011", "PEO-041")
@pytest.mark.parametrize(
    "path, status, more",
    [
        ("/v1/login", 401, {"password": "a wrong password"}),
        ("/v1/signup", 200, {"password": "a good password"}),
        ("/v1/password/reset", 401, {"code": "abcd-efgh-ijkl-mnop", "new_password": "a good password"}),
    ],
)
def test_the_time_it_takes_does_not_say_who_is_there(
    world: PeopleVenue, path: str, status: int, more: dict[str, str]
) -> None:
    """Medians of 25 each, in turns, of a password that takes milliseconds: an early exit would be a tenth of it."""
    name = path.rpartition("/")[2]
    human = world.human(f"timed.{name}")
    took: dict[str, list[float]] = {"known": [], "unknown": []}
    for count in range(25):
        for kind, email in (("known", human.email), ("unknown", f"untimed.{name}{count}@example.org")):
            world.forget_locks()
            begun = time.perf_counter()
            answer = human.post(path, email=email, **more)
            took[kind].append(time.perf_counter() - begun)
            assert answer.status_code == status
    known, unknown = (sorted(took[kind])[12] for kind in ("known", "unknown"))
    assert 0.67 < known / unknown < 1.5, (known, unknown)


# --- passwords -------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-040")
def test_a_new_password_ends_the_other_sessions(world: PeopleVenue) -> None:
    hal = world.human("hal")
    other = world.log_in(hal)
    new = "a brand new password"
    assert hal.reject(hal.post("/v1/password/change", password="not it at all", new_password=new)) == "BAD_LOGIN"
    assert hal.post("/v1/password/change", password=PASSWORD, new_password=new).status_code == 200
    assert hal.ask("GET", "/v1/me").status_code == 200
    assert other.ask("GET", "/v1/me").status_code == 401
    assert hal.post("/v1/login", email=hal.email, password=PASSWORD).status_code == 401
    assert hal.post("/v1/login", email=hal.email, password=new).status_code == 200


@pytest.mark.spec("PEO-041")
def test_a_forgotten_password(world: PeopleVenue) -> None:
    ida = world.human("ida")
    anybody = Human(world, "anybody")
    new = "remember this one"
    known = ida.post("/v1/password/forgotten", email=ida.email)
    unknown = ida.post("/v1/password/forgotten", email=anybody.email)
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (200, known.content)
    code = world.code(ida, "new password")
    guess = ida.post("/v1/password/reset", email=anybody.email, code=code, new_password=new)
    wrong = ida.post(
        "/v1/password/reset", email=ida.email, code="000000" if code != "000000" else "1", new_password=new
    )
    assert (guess.status_code, guess.content) == (wrong.status_code, wrong.content)
    former = ida.access_token
    ida.take(ida.post("/v1/password/reset", email=ida.email, code=code, new_password=new))
    assert ida.ask("GET", "/v1/me", token=former).status_code == 401
    assert ida.result("GET", "/v1/me")["email"] == ida.email
    assert ida.reject(ida.post("/v1/password/reset", email=ida.email, code=code, new_password=new)) == "BAD_CODE"
    assert ida.post("/v1/login", email=ida.email, password=new).status_code == 200


@pytest.mark.spec("PEO-041")
def test_a_new_password_is_no_way_around_the_second_factor(world: PeopleVenue) -> None:
    human = world.human("two.locks")
    device, _ = world.second_factor(human)
    assert human.post("/v1/password/forgotten", email=human.email).status_code == 200
    asked = {"email": human.email, "code": world.code(human, "new password"), "new_password": "another good password"}
    given = human.result("POST", "/v1/password/reset", **asked)
    assert (given["access_token"], given["refresh_token"], given["session_id"]) == (None, None, None)
    human.take(human.post("/v1/login/totp", challenge=given["challenge"], code=world.code_on(device)))


# --- second factor ---------------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-050", "PEO-051", "PEO-052", "PEO-053")
def test_a_second_factor_from_its_set_up_to_its_end(world: PeopleVenue) -> None:
    joe = world.human("joe")
    assert joe.reject(joe.post("/v1/totp/setup")) == "STEP_UP"
    world.step_up(joe)
    secret = joe.result("POST", "/v1/totp/setup")["secret"]
    device = pyotp.TOTP(secret)
    first = world.code_on(device)
    recovery = joe.result("POST", "/v1/totp/confirm", code=first)["codes"]
    assert len(set(recovery)) == 10
    # The password alone is not enough, and the code that confirmed it was used.
    challenge = joe.result("POST", "/v1/login", email=joe.email, password=PASSWORD)["challenge"]
    assert joe.reject(joe.post("/v1/login/totp", challenge=challenge, code=first)) == "BAD_CODE"
    world.venue.clock.now_ms += 30_000
    used = world.code_on(device)
    assert joe.post("/v1/login/totp", challenge=challenge, code=used).status_code == 200
    assert joe.reject(joe.post("/v1/login/totp", challenge=challenge, code=used)) == "BAD_CODE"
    assert joe.reject(joe.post("/v1/step_up", code=used)) == "BAD_CODE"
    # Nor is one of two minutes ago.
    stale = device.at(world.venue.clock.now_ms // 1000 - 120)
    assert joe.reject(joe.post("/v1/login/totp", challenge=challenge, code=stale)) == "BAD_CODE"
    # A recovery code is good once.
    assert joe.post("/v1/login/totp", challenge=challenge, code=recovery[0].upper()).status_code == 200
    assert joe.reject(joe.post("/v1/login/totp", challenge=challenge, code=recovery[0])) == "BAD_CODE"
    # A challenge is over after five minutes, and is no access token.
    world.forget_locks()
    assert joe.ask("GET", "/v1/me", token=challenge).status_code == 401
    world.venue.clock.now_ms += 300_000
    assert joe.reject(joe.post("/v1/login/totp", challenge=challenge, code=world.code_on(device))) == "BAD_TOKEN"
    # A code by mail is no way around it.
    assert joe.reject(joe.post("/v1/step_up/code")) == "TOTP_ON"
    assert joe.reject(joe.post("/v1/totp/disable", code=world.code_on(device))) == "STEP_UP"
    assert joe.post("/v1/step_up", code=world.code_on(device)).status_code == 200
    world.venue.clock.now_ms += 30_000
    assert joe.post("/v1/totp/disable", code=world.code_on(device)).status_code == 200
    assert joe.result("POST", "/v1/login", email=joe.email, password=PASSWORD)["access_token"]


@pytest.mark.spec("PEO-054")
def test_guesses_at_the_second_factor_lock_the_account(world: PeopleVenue) -> None:
    kim = world.human("kim")
    device, _ = world.second_factor(kim)
    right = world.code_on(device)
    challenge = kim.result("POST", "/v1/login", email=kim.email, password=PASSWORD)["challenge"]
    wrong = f"{(int(right) + 500_000) % 10**6:06d}"
    statuses = [kim.post("/v1/login/totp", challenge=challenge, code=wrong).status_code for _ in range(6)]
    assert statuses == [401] * FREE + [429]
    assert kim.reject(kim.post("/v1/login/totp", challenge=challenge, code=right)) == "LOCKED"


@pytest.mark.spec("PEO-055")
def test_a_step_up_lasts_five_minutes_and_only_in_its_session(world: PeopleVenue) -> None:
    lea = world.human("lea")
    other = world.log_in(lea)
    world.step_up(lea)
    assert other.reject(other.post("/v1/keys", account_id=lea.account_id)) == "STEP_UP"
    world.venue.clock.now_ms += 299_999
    assert lea.post("/v1/keys", account_id=lea.account_id).status_code == 200
    world.venue.clock.now_ms += 1
    assert lea.reject(lea.post("/v1/keys", account_id=lea.account_id)) == "STEP_UP"


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-030", "PEO-031")
def test_keys_do_what_their_scopes_say(world: PeopleVenue) -> None:
    max_ = world.human("max", usd=1_000)
    world.step_up(max_)
    reader = max_.key(scopes=["read"])
    trader = max_.key(scopes=["trade"])
    world.price()
    assert reader.get("/balances").status_code == 200
    assert reader.order().status_code == 403
    assert trader.get("/balances").status_code == 403
    assert trader.order().status_code == 200
    assert reader.send("/auth/withdraw", asset="USD", qty=1, address="x").status_code == 403
    elsewhere = max_.key(networks=["203.0.113.0/24"])
    assert elsewhere.get("/balances").status_code == 403
    rows = {row["api_key"]: row for row in max_.result("GET", "/v1/keys")["keys"]}
    assert rows[reader.api_key]["scopes"] == ["read"]
    assert rows[elsewhere.api_key]["networks"] == ["203.0.113.0/24"]
    assert "secret" not in str(rows)


@pytest.mark.spec("PEO-032")
def test_a_key_that_is_revoked_or_over_opens_nothing(world: PeopleVenue) -> None:
    ned = world.human("ned")
    world.step_up(ned)
    short = ned.key(expires_ms=world.venue.clock.now_ms + 1_000)
    assert short.get("/balances").status_code == 200
    world.venue.clock.now_ms += 1_000
    assert short.get("/balances").status_code == 401
    gone = ned.key()
    assert ned.ask("DELETE", "/v1/keys", api_key=gone.api_key).status_code == 200
    assert gone.get("/balances").status_code == 401
    assert ned.reject(ned.ask("DELETE", "/v1/keys", api_key=gone.api_key)) == "NOT_ADMITTED"
    late = ned.post("/v1/keys", account_id=ned.account_id, expires_ms=world.venue.clock.now_ms)
    assert (late.status_code, ned.reject(late)) == (400, "INVALID_EXPIRY")


@pytest.mark.spec("PEO-032")
@pytest.mark.parametrize("path", ["/v1/keys", "/v1/keys/rotate"])
def test_a_key_that_is_made_while_its_session_ends_is_none(world: PeopleVenue, path: str) -> None:
    """A thief makes one while the owner ends all that was opened."""
    noa = world.human(f"noa{len(path)}")
    world.step_up(noa)
    asked = {"api_key": noa.key().api_key} if "rotate" in path else {"account_id": noa.account_id}
    owner = world.log_in(noa)
    identity = world.venue.store.identity
    begun, go_on = threading.Event(), threading.Event()
    create_key = identity.create_key

    async def create_slowly(*arguments: Any, **more: Any) -> Any:
        begun.set()
        await asyncio.to_thread(go_on.wait)
        return await create_key(*arguments, **more)

    identity.create_key = create_slowly  # type: ignore[method-assign]
    try:
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(noa.post, path, **asked)
            assert begun.wait(30)
            assert owner.result("DELETE", "/v1/sessions") == {"ended": 1}
            go_on.set()
            assert late.result().status_code == 401
    finally:
        go_on.set()
        identity.create_key = create_key  # type: ignore[method-assign]
    assert len(owner.result("GET", "/v1/keys")["keys"]) == ("rotate" in path)


@pytest.mark.spec("PEO-030")
def test_an_account_has_only_so_many_keys_in_force(world: PeopleVenue) -> None:
    """Also when they are all asked for at once."""
    human = world.human("collector")
    world.step_up(human)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: human.post("/v1/keys", account_id=human.account_id), range(KEYS_MAX + 10)))
    assert sorted(answer.status_code for answer in answers) == [200] * KEYS_MAX + [409] * 10
    assert human.reject(next(answer for answer in answers if answer.status_code == 409)) == "TOO_MANY"
    gone = human.result("GET", "/v1/keys")["keys"][0]["api_key"]
    assert human.ask("DELETE", "/v1/keys", api_key=gone).status_code == 200
    assert human.post("/v1/keys", account_id=human.account_id).status_code == 200


@pytest.mark.spec("PEO-033")
def test_a_rotated_key_goes_on_for_the_overlap(world: PeopleVenue) -> None:
    ora = world.human("ora")
    world.step_up(ora)
    old = ora.key(scopes=["read"], networks=["127.0.0.0/8"], label="bot")
    made = ora.result("POST", "/v1/keys/rotate", api_key=old.api_key, overlap_s=60)
    new = world.client(made, ora.account_id)
    world.venue.clock.now_ms += 59_999
    assert (old.get("/balances").status_code, new.get("/balances").status_code) == (200, 200)
    world.venue.clock.now_ms += 1
    assert (old.get("/balances").status_code, new.get("/balances").status_code) == (401, 200)
    row = next(row for row in ora.result("GET", "/v1/keys")["keys"] if row["api_key"] == new.api_key)
    assert (row["label"], row["scopes"], row["networks"]) == ("bot", ["read"], ["127.0.0.0/8"])
    assert ora.reject(ora.post("/v1/keys/rotate", api_key=old.api_key)) == "NOT_ADMITTED"


@pytest.mark.spec("AUTH-005", "PEO-034")
def test_a_signature_counts_once(world: PeopleVenue) -> None:
    pam = world.human("pam", usd=1_000)
    world.step_up(pam)
    key = pam.key()
    world.price()
    body = f"pair=USD_BTC_PERP&side=BUY&qty=0.001&price=59000&timestamp={world.venue.stamp()}"
    assert key.post("/auth/order", body).status_code == 200
    assert key.post("/auth/order", body).status_code == 401


# --- whose -----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-035")
def test_nobody_reaches_what_is_somebody_elses(world: PeopleVenue) -> None:
    """What is another's is answered like what is not there at all, byte by byte."""
    quin, rob = world.human("quin"), world.human("rob")
    world.step_up(quin)
    world.step_up(rob)
    key = quin.key()
    address = quin.result("POST", "/v1/withdrawal_addresses", asset="BTC", address=world.address())
    second = quin.result("POST", "/v1/accounts", name="second")["account_id"]
    transfer = {"name": "t", "asset": "USD", "amount": "1"}
    asked: list[tuple[str, str, dict[str, Any], str, Any]] = [
        ("POST", "/v1/keys", {"account_id": quin.account_id}, "account_id", 10**9),
        ("POST", "/v1/keys/rotate", {"api_key": key.api_key}, "api_key", "ab" * 16),
        ("DELETE", "/v1/keys", {"api_key": key.api_key}, "api_key", "ab" * 16),
        ("DELETE", "/v1/sessions", {"session_id": quin.session_id}, "session_id", "ab" * 16),
        ("DELETE", "/v1/withdrawal_addresses", {"address_id": address["address_id"]}, "address_id", 10**9),
        (
            "POST",
            "/v1/withdrawals",
            {"name": "w", "account_id": rob.account_id, "amount": "1", "address_id": address["address_id"]},
            "address_id",
            10**9,
        ),
        (
            "POST",
            "/v1/transfers",
            {**transfer, "from_account_id": quin.account_id, "to_account_id": rob.account_id},
            "from_account_id",
            10**9,
        ),
        (
            "POST",
            "/v1/transfers",
            {**transfer, "from_account_id": rob.account_id, "to_account_id": second},
            "to_account_id",
            10**9,
        ),
    ]
    for method, path, body, field, nothing in asked:
        foreign = rob.ask(method, path, **body)
        absent = rob.ask(method, path, **{**body, field: nothing})
        assert foreign.status_code == 404, (method, path, foreign.text)
        assert foreign.content == absent.content, (method, path)
    assert key.get("/balances").status_code == 200
    assert [row["account_id"] for row in rob.result("GET", "/v1/accounts")["accounts"]] == [rob.account_id]
    assert rob.result("GET", "/v1/keys")["keys"] == []
    assert rob.result("GET", "/v1/withdrawal_addresses")["addresses"] == []


@pytest.mark.spec("PEO-036")
def test_every_address_but_the_public_ones_asks_for_a_token(world: PeopleVenue) -> None:
    public = {
        "/v1/signup",
        "/v1/signup/confirm",
        "/v1/login",
        "/v1/login/totp",
        "/v1/refresh",
        "/v1/password/forgotten",
        "/v1/password/reset",
    }
    seen = set()
    forged = [
        "Bearer x",
        "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiIxIiwiYXVkIjoiYWNjZXNzIiwiaXNzIjoiZXZlcm1hcmsifQ.",
        "Basic YTpi",
        "",
    ]
    for path, methods in document(world.venue.url)["paths"].items():
        for method, operation in methods.items():
            if operation["tags"] != ["People"]:
                continue
            seen.add(path)
            assert bool(operation["security"]) == (path not in public), path
            if path in public:
                continue
            for header in forged:
                answer = requests.request(
                    method, world.venue.url + path, headers={"authorization": header}, json={}, timeout=30
                )
                assert answer.status_code == 401, (method, path, answer.text)
                conforms(world.venue, answer)
    assert public < seen
    assert len(seen) > 20


# --- at once ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-013")
def test_of_two_uses_of_a_refresh_token_at_once_one_counts(world: PeopleVenue) -> None:
    rex = world.human("rex")

    def refresh(_count: int) -> int:
        return rex.post("/v1/refresh", refresh_token=rex.refresh_token).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(refresh, range(8)))
    assert statuses == [200] + [401] * 7
    assert rex.ask("GET", "/v1/me").status_code == 401


@pytest.mark.spec("PEO-052")
def test_of_two_uses_of_a_code_at_once_one_counts(world: PeopleVenue) -> None:
    sid = world.human("sid")
    device, recovery = world.second_factor(sid)
    challenge = sid.result("POST", "/v1/login", email=sid.email, password=PASSWORD)["challenge"]

    def further(code: str) -> int:
        return sid.post("/v1/login/totp", challenge=challenge, code=code).status_code

    for code in (world.code_on(device), recovery[0]):
        world.forget_locks()
        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(further, [code] * 4)) == [200, 401, 401, 401]


@pytest.mark.spec("PEO-075")
def test_many_withdrawals_at_once_keep_to_the_limit(world: PeopleVenue) -> None:
    """900 USD each: two of six are within 2,000."""
    tia = world.human("tia", btc=1)
    to = world.listed_address(tia)
    world.price()

    def ask(count: int) -> str:
        body = {"account_id": tia.account_id, "address_id": to, "amount": "0.015", "name": f"w{count}"}
        answer = tia.post("/v1/withdrawals", **body)
        return "" if answer.status_code == 200 else tia.reject(answer)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(ask, range(6))) == ["", ""] + ["LEVEL_LIMIT"] * 4


@pytest.mark.spec("PEO-015")
def test_a_hash_of_other_parameters_is_made_anew(world: PeopleVenue) -> None:
    una = world.human("una")
    register = world.people.register
    before, register.passwords = register.passwords, Passwords(memory_kib=2_048, passes=2)
    try:
        assert una.post("/v1/login", email=una.email, password=PASSWORD).status_code == 200
    finally:
        register.passwords.close()
        register.passwords = before

    async def stored() -> str:
        engine = engine_for(world.venue.store.url)
        async with engine.connect() as connection:
            query = select(people.c.password_hash).where(people.c.email == una.email)
            found = (await connection.execute(query)).scalar_one()
        await engine.dispose()
        return str(found)

    assert world.venue.run(stored()).startswith("$argon2id$v=19$m=2048,t=2,p=1$")
    assert una.ask("GET", "/v1/me").status_code == 200
    assert una.post("/v1/login", email=una.email, password=PASSWORD).status_code == 200


# --- accounts and transfers ------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-060", "PEO-061")
def test_accounts_and_what_moves_between_them(world: PeopleVenue) -> None:
    sue = world.human("sue", usd=1_000)
    second = sue.result("POST", "/v1/accounts", name="second", label="for the bot")
    assert sue.result("POST", "/v1/accounts", name="second", label="again") == second
    assert [row["label"] for row in sue.result("GET", "/v1/accounts")["accounts"]] == ["main", "for the bot"]
    there = {"from_account_id": sue.account_id, "to_account_id": second["account_id"], "asset": "usd"}
    moved = sue.result("POST", "/v1/transfers", name="one", amount="250.5", **there)
    assert (moved["amount"], moved["asset"], moved["is_repeat"]) == ("250.5", "USD", False)
    assert sue.result("POST", "/v1/transfers", name="one", amount="250.5", **there)["is_repeat"]
    used = sue.post("/v1/transfers", name="one", amount="1", **there)
    assert (used.status_code, sue.reject(used)) == (409, "NAME_USED")
    short = sue.post("/v1/transfers", name="two", amount="749.50000001", **there)
    assert (short.status_code, sue.reject(short)) == (422, "INSUFFICIENT_BALANCE")
    assert world.balance(sue.account_id, USD) == 749_50000000
    assert world.balance(second["account_id"], USD) == 250_50000000
    # Another owner's name is another name.
    tom = world.human("tom", usd=10)
    own = tom.result("POST", "/v1/accounts", name="second")["account_id"]
    there = {"from_account_id": tom.account_id, "to_account_id": own, "asset": "USD"}
    assert not tom.result("POST", "/v1/transfers", name="one", amount="1", **there)["is_repeat"]


@pytest.mark.spec("PEO-062")
def test_transfers_are_counted(world: PeopleVenue) -> None:
    vera = world.human("vera", usd=1_000)
    second = vera.result("POST", "/v1/accounts", name="second")["account_id"]
    there = {"from_account_id": vera.account_id, "to_account_id": second, "asset": "USD", "amount": "1"}
    for number in range(100):
        assert vera.post("/v1/transfers", name=f"{number}", **there).status_code == 200
    refused = vera.post("/v1/transfers", name="100", **there)
    assert (refused.status_code, vera.reject(refused), refused.headers["retry-after"]) == (429, "TOO_OFTEN", "87")
    assert world.balance(second, USD) == 100_00000000
    world.venue.clock.now_ms += 86_399
    assert vera.post("/v1/transfers", name="100", **there).status_code == 429
    world.venue.clock.now_ms += 1
    assert vera.post("/v1/transfers", name="100", **there).status_code == 200


@pytest.mark.spec("PEO-061")
def test_a_transfers_name_stands_for_where_it_goes_too(world: PeopleVenue) -> None:
    """Also of many at once: one of them moves."""
    human = world.human("mover", usd=100)
    targets = [human.result("POST", "/v1/accounts", name=f"t{count}")["account_id"] for count in range(4)]

    def move(target: int) -> requests.Response:
        asked = {"from_account_id": human.account_id, "to_account_id": target, "asset": "USD", "amount": "10"}
        return human.post("/v1/transfers", name="same", **asked)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(move, targets))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    (moved,) = [target for target, answer in zip(targets, answers, strict=True) if answer.status_code == 200]
    assert move(moved).json()["result"]["is_repeat"]
    assert [world.balance(target, USD) // MONEY_SCALE for target in targets if target != moved] == [0, 0, 0]
    assert (world.balance(human.account_id, USD), world.balance(moved, USD)) == (90 * MONEY_SCALE, 10 * MONEY_SCALE)


# --- withdrawals -----------------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-070", "PEO-071", "PEO-072")
def test_a_withdrawal_waits_for_its_address_and_for_its_owner(world: PeopleVenue) -> None:
    uma = world.human("uma", btc=1)
    world.step_up(uma)
    listed = uma.result("POST", "/v1/withdrawal_addresses", asset="btc", address=world.address(), label="mine")
    assert listed["usable_ms"] == listed["created_ms"] + 86_400_000
    world.post.wait(uma.email, 1, "An address to withdraw to")
    asked = {"account_id": uma.account_id, "amount": "0.01", "address_id": listed["address_id"]}
    early = uma.post("/v1/withdrawals", name="rent", **asked)
    assert (early.status_code, uma.reject(early)) == (403, "ADDRESS_WAITS")
    world.venue.clock.now_ms += 86_400_000
    uma.take(uma.post("/v1/login", email=uma.email, password=PASSWORD))
    assert uma.reject(uma.post("/v1/withdrawals", name="rent", **asked)) == "STEP_UP"
    world.step_up(uma)
    made = uma.result("POST", "/v1/withdrawals", name="rent", **asked)
    assert made["status"] == "PREPARED"
    assert uma.result("POST", "/v1/withdrawals", name="rent", **asked) == made
    mail = world.post.wait(uma.email, 1, "withdrawal")
    assert "0.01 BTC" in mail.get_content()
    number = made["withdrawal_id"]
    code = world.code(uma, "withdrawal")
    stranger = world.human("stranger")
    foreign = stranger.post("/v1/withdrawals/confirm", withdrawal_id=number, code=code)
    absent = stranger.post("/v1/withdrawals/confirm", withdrawal_id=10**9, code=code)
    assert (foreign.status_code, foreign.content) == (absent.status_code, absent.content) == (404, absent.content)
    assert stranger.post("/v1/withdrawals/cancel", withdrawal_id=number).status_code == 404
    assert stranger.post("/v1/withdrawals/code", withdrawal_id=number).status_code == 404
    assert uma.reject(uma.post("/v1/withdrawals/confirm", withdrawal_id=number, code="000000x")) == "BAD_CODE"
    done = uma.result("POST", "/v1/withdrawals/confirm", withdrawal_id=number, code=code)
    assert done["status"] in ("SUBMITTED", "PROCESSING")
    assert uma.reject(uma.post("/v1/withdrawals/confirm", withdrawal_id=number, code=code)) == "NOT_ADMITTED"


@pytest.mark.spec("PEO-073")
def test_a_key_withdraws_to_listed_addresses_only(world: PeopleVenue) -> None:
    """A stolen key sends nothing to the thief."""
    vic = world.human("vic", btc=1)
    world.step_up(vic)
    key = vic.key(scopes=["withdraw"])
    thief = key.send("/auth/withdraw", asset="BTC", qty=0.01, address=world.address())
    assert (thief.status_code, thief.json()["result"]["reject"]) == (503, "ADDRESS_UNKNOWN")
    own = vic.result("POST", "/v1/withdrawal_addresses", asset="BTC", address=world.address())
    early = key.send("/auth/withdraw", asset="BTC", qty=0.01, address=own["address"])
    assert early.json()["result"]["reject"] == "ADDRESS_WAITS"
    world.venue.clock.now_ms += 86_400_000
    answer = key.send("/auth/withdraw", asset="BTC", qty=0.01, address=own["address"])
    assert (answer.status_code, answer.json()["result"]["status"]) == (200, "PREPARED")
    listed = vic.result("POST", "/v1/login", email=vic.email, password=PASSWORD)
    vic.access_token = listed["access_token"]
    number = vic.result("GET", "/v1/withdrawals")["withdrawals"][0]["withdrawal_id"]
    assert vic.result("POST", "/v1/withdrawals/cancel", withdrawal_id=number)["status"] == "CANCELLED"
    assert world.balance(vic.account_id, 3) == MONEY_SCALE


@pytest.mark.spec("PEO-074")
def test_a_level_bounds_what_leaves_in_a_day(world: PeopleVenue) -> None:
    """2,000 USD at level 0 and 60,000 USD for 1 BTC: 0.03 BTC are 1,800, and 0.00333334 more are 2,000.0004."""
    wyn = world.human("wyn", btc=1)
    to = world.listed_address(wyn)
    world.price()
    assert wyn.result("GET", "/v1/withdrawals")["usd_per_day"] == 2_000
    asked = {"account_id": wyn.account_id, "address_id": to}
    first = wyn.result("POST", "/v1/withdrawals", name="a", amount="0.03", **asked)
    beyond = wyn.post("/v1/withdrawals", name="b", amount="0.00333334", **asked)
    assert (beyond.status_code, wyn.reject(beyond)) == (403, "LEVEL_LIMIT")
    assert wyn.post("/v1/withdrawals", name="b", amount="0.00333333", **asked).status_code == 200
    # What is cancelled makes room; another level has another limit.
    assert wyn.post("/v1/withdrawals/cancel", withdrawal_id=first["withdrawal_id"]).status_code == 200
    assert wyn.post("/v1/withdrawals", name="c", amount="0.03", **asked).status_code == 200
    assert wyn.reject(wyn.post("/v1/withdrawals", name="d", amount="0.1", **asked)) == "LEVEL_LIMIT"
    owner_id = world.owner_of(wyn)
    world.venue.run(world.people.register.set_level(owner_id, 1))
    assert wyn.post("/v1/withdrawals", name="d", amount="0.1", **asked).status_code == 200


@pytest.mark.spec("REST-051")
def test_personal_knows_who_logs_in(world: PeopleVenue) -> None:
    """The same as /v1/withdrawals goes by: 0.03 of 1 BTC at 60,000 USD leave 200 of 2,000 USD."""
    pia = world.human("pia", btc=1)
    to = world.listed_address(pia)
    world.price()
    key = pia.key(scopes=["read"])
    personal = conforms(world.venue, key.get("/personal"))
    assert (personal["email"], personal["verification_level"]) == (pia.email, "UNVERIFIED")
    assert (personal["withdrawal_allowance"], personal["permissions"]["login_enabled"]) == (2_000, True)
    asked = {"account_id": pia.account_id, "address_id": to, "amount": "0.03"}
    pia.result("POST", "/v1/withdrawals", name="a", **asked)
    assert conforms(world.venue, key.get("/personal"))["withdrawal_allowance"] == 200
    world.venue.run(world.people.register.set_level(world.owner_of(pia), 2))
    personal = conforms(world.venue, key.get("/personal"))
    assert (personal["verification_level"], personal["withdrawal_allowance"]) == ("UNLIMITED", None)


# --- what else comes in ----------------------------------------------------------------------------------------------


@pytest.mark.spec("PEO-037")
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"email": 1}', b'{"email": "a@b.c", "password": "x", "more": 1}', b"\xff", b"null", b'"x"'],
)
def test_what_is_no_message_is_refused_with_its_place(world: PeopleVenue, body: bytes) -> None:
    answer = requests.post(world.venue.url + "/v1/login", data=body, timeout=30)
    assert answer.status_code == 400
    conforms(world.venue, answer)


@pytest.mark.spec("PEO-037")
def test_a_line_feed_is_no_part_of_a_name(world: PeopleVenue) -> None:
    """To Python a pattern's end is also before the last one: an address with one would go into a mail's header."""
    yan = world.human("yan", usd=10)
    other = yan.result("POST", "/v1/accounts", name="other")["account_id"]
    world.step_up(yan)
    there = {"from_account_id": yan.account_id, "to_account_id": other, "asset": "USD", "amount": "1"}
    for path, body, field in (
        ("/v1/signup", {"email": "line@example.org\n", "password": PASSWORD}, "email"),
        ("/v1/accounts", {"name": "line\n"}, "name"),
        ("/v1/accounts", {"name": "line", "label": "line\n"}, "label"),
        ("/v1/transfers", {**there, "name": "line\n"}, "name"),
        ("/v1/transfers", {**there, "name": "line", "amount": "1\n"}, "amount"),
        ("/v1/withdrawal_addresses", {"asset": "BTC", "address": world.address() + "\n"}, "address"),
        ("/v1/keys/rotate", {"api_key": "ab\n"}, "api_key"),
        ("/v1/step_up", {"code": "123456\n"}, "code"),
    ):
        answer = yan.post(path, **body)
        assert (answer.status_code, yan.reject(answer)) == (400, "MALFORMED"), (path, answer.text)
        assert answer.json()["result"]["field"] == field
        conforms(world.venue, answer)


@pytest.mark.spec("PEO-037")
def test_other_methods_are_named(world: PeopleVenue) -> None:
    answer = requests.patch(world.venue.url + "/v1/keys", timeout=30)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST, DELETE")


@pytest.mark.spec("PEO-095")
def test_a_web_page_of_the_settings_may_ask(world: PeopleVenue) -> None:
    url = world.venue.url + "/v1/login"
    question = {"origin": ORIGIN, "access-control-request-method": "POST"}
    allowed = requests.options(url, headers=question, timeout=30)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, ORIGIN)
    body = {"email": "nobody@example.org", "password": "a wrong password"}
    answer = requests.post(url, json=body, headers={"origin": ORIGIN}, timeout=30)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, ORIGIN)
    other = requests.post(url, json=body, headers={"origin": "https://evil.example"}, timeout=30)
    assert "access-control-allow-origin" not in other.headers


def test_a_key_of_an_operator_is_nobodys_to_see(world: PeopleVenue) -> None:
    """Keys are an owner's: those that an operator made for other users stay theirs."""
    other = world.venue.key(world.venue.account("operators-user"), scopes=Scope.READ)
    xia = world.human("xia")
    assert xia.result("GET", "/v1/keys")["keys"] == []
    assert xia.reject(xia.ask("DELETE", "/v1/keys", api_key=other.api_key)) == "NOT_ADMITTED"
    assert other.get("/balances").status_code == 200


# --- locks are no weapon ---------------------------------------------------------------------------------------------


def from_place(world: PeopleVenue, place: str) -> requests.Session:
    """Somebody who asks from another address of this machine."""

    class Elsewhere(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
            super().init_poolmanager(*arguments, **more, source_address=(place, 0))

    session = requests.Session()
    session.mount(world.venue.url, Elsewhere())
    return session


def log_in_from(world: PeopleVenue, place: str, email: str, password: str) -> requests.Response:
    with from_place(world, place) as session:
        body = {"email": email, "password": password}
        return session.post(f"{world.venue.url}/v1/login", json=body, timeout=30)


@pytest.mark.spec("PEO-024", "PEO-025")
def test_strangers_do_not_lock_the_owner_out(world: PeopleVenue) -> None:
    """The owner comes from 127.0.0.1, strangers from two other places, who count as one."""
    owner = world.human("envied")
    for count in range(FREE):
        assert log_in_from(world, f"127.0.0.{2 + count % 2}", owner.email, "a wrong password").status_code == 401
    # The right password does not help strangers, wherever they come from, while they are locked out.
    assert log_in_from(world, "127.0.0.4", owner.email, PASSWORD).status_code == 429
    world.log_in(owner)
    world.step_up(owner)
    # At a new place the owner is a stranger; a new password, with the code from the mailbox, opens the door there.
    with from_place(world, "127.0.0.5") as session:
        body = {"email": owner.email}
        assert session.post(f"{world.venue.url}/v1/password/forgotten", json=body, timeout=30).status_code == 200
        code = world.code(owner, "new password")
        new = "another good password"
        reset = {**body, "code": code, "new_password": new}
        owner.take(session.post(f"{world.venue.url}/v1/password/reset", json=reset, timeout=30))
    assert owner.result("GET", "/v1/me")["email"] == owner.email
    assert log_in_from(world, "127.0.0.5", owner.email, new).status_code == 200
    assert log_in_from(world, "127.0.0.4", owner.email, new).status_code == 429
    # Where the owner was remembered before is remembered after a start.
    world.venue.run(world.people.register.sessions.load())
    assert log_in_from(world, "127.0.0.1", owner.email, new).status_code == 200


@pytest.mark.spec("PEO-024")
def test_guesses_at_the_owners_place_lock_it_too(world: PeopleVenue) -> None:
    """But nobody elsewhere."""
    owner = world.human("housemate")
    for _ in range(FREE):
        assert log_in_from(world, "127.0.0.1", owner.email, "a wrong password").status_code == 401
    assert log_in_from(world, "127.0.0.1", owner.email, PASSWORD).status_code == 429
    assert log_in_from(world, "127.0.0.6", owner.email, PASSWORD).status_code == 200


@pytest.mark.spec("PEO-026")
def test_what_somebody_knows_gives_no_new_guesses_at_what_not(world: PeopleVenue) -> None:
    """A thief has the session and the password, not the device: to change the password again and again must not help."""
    victim = world.human("robbed")
    device, _ = world.second_factor(victim)
    right = world.code_on(device)
    wrong = f"{(int(right) + 500_000) % 10**6:06d}"
    for count in range(FREE):
        assert victim.reject(victim.post("/v1/step_up", code=wrong)) == "BAD_CODE"
        asked = {"password": PASSWORD if count % 2 == 0 else PASSWORD[::-1]}
        asked["new_password"] = asked["password"][::-1]
        assert victim.post("/v1/password/change", **asked).status_code == 200
    assert victim.reject(victim.post("/v1/step_up", code=right)) == "LOCKED"


@pytest.mark.spec("PEO-027")
def test_strangers_do_not_use_up_the_owners_mail(world: PeopleVenue) -> None:
    owner = world.human("popular")
    codes = world.people.register.codes
    codes._buckets, before = buckets(3), codes._buckets
    try:
        for _ in range(5):
            assert owner.post("/v1/password/forgotten", email=owner.email).status_code == 200
        world.step_up(owner)
    finally:
        codes._buckets = before
    assert len([mail for mail in world.post.mails(owner.email) if "new password" in mail["Subject"]]) == 3


@pytest.mark.spec("PEO-027")
def test_a_mailbox_gets_only_so_many_codes_of_sign_ups(world: PeopleVenue) -> None:
    """The same for one that has an account: the answer says nothing."""
    known = world.human("flooded.box")
    register = world.people.register
    register._letters, before = buckets(3), register._letters
    try:
        for email in (known.email, "nobodys.box@example.org"):
            for _ in range(3):
                assert known.post("/v1/signup", email=email, password=PASSWORD).status_code == 200
            refused = known.post("/v1/signup", email=email.upper(), password=PASSWORD)
            assert (refused.status_code, known.reject(refused)) == (429, "TOO_OFTEN")
    finally:
        register._letters = before


@pytest.mark.spec("PEO-041")
def test_guesses_do_not_use_up_the_code_for_a_new_password(world: PeopleVenue) -> None:
    """It has 80 random bits, and strangers may try as long as they like: their IP address is locked, and not the code."""
    owner = world.human("forgetful")
    assert owner.post("/v1/password/forgotten", email=owner.email).status_code == 200
    code = world.code(owner, "new password")
    asked = {"email": owner.email, "new_password": "another good password"}
    for _ in range(2 * FREE):
        assert owner.reject(owner.post("/v1/password/reset", code="abcd-efgh-ijkl-mnop", **asked)) == "BAD_CODE"
    assert owner.post("/v1/password/reset", code=code.upper().replace("-", " "), **asked).status_code == 200


@pytest.mark.spec("PEO-022")
def test_guesses_at_mailed_codes_lock_an_ip_address(world: PeopleVenue) -> None:
    stranger = Human(world, "guesser")
    for count in range(FREE_OF_ADDRESS):
        answer = stranger.post("/v1/signup/confirm", signup_id=f"{count:032x}", code="123456")
        assert stranger.reject(answer) == "BAD_CODE"
    assert stranger.reject(stranger.post("/v1/signup/confirm", signup_id="ab" * 16, code="123456")) == "LOCKED"


@pytest.mark.spec("PEO-028")
def test_one_ip_address_does_not_keep_all_others_waiting(world: PeopleVenue) -> None:
    """Its attempts that nobody looks at do not count as failures either."""
    human = world.human("patient.one")
    register = world.people.register
    with hold(register.passwords) as held, ThreadPoolExecutor(WAITING_OF_PLACE_MAX + 1) as pool:
        many = [
            pool.submit(log_in_from, world, "127.0.0.7", f"many{count}@example.org", "a wrong password")
            for count in range(WAITING_OF_PLACE_MAX)
        ]
        held.wait(WAITING_OF_PLACE_MAX)
        refused = log_in_from(world, "127.0.0.7", human.email, PASSWORD)
        assert (refused.status_code, human.reject(refused)) == (503, "OVERLOADED")
        other = pool.submit(log_in_from, world, "127.0.0.8", human.email, PASSWORD)
        held.wait(WAITING_OF_PLACE_MAX + 1)
        held.let_go()
        assert other.result().status_code == 200
        assert {answer.result().status_code for answer in many} == {401}
    for _ in range(FREE - 1):
        assert log_in_from(world, "127.0.0.7", human.email, "a wrong password").status_code == 401
    assert log_in_from(world, "127.0.0.7", human.email, PASSWORD).status_code == 200


@pytest.mark.spec("PEO-028")
def test_a_session_is_refreshed_only_so_often(world: PeopleVenue) -> None:
    human = world.human("restless")
    for _ in range(REFRESHES_BURST):
        human.take(human.post("/v1/refresh", refresh_token=human.refresh_token))
    refused = human.post("/v1/refresh", refresh_token=human.refresh_token)
    assert (refused.status_code, human.reject(refused)) == (429, "TOO_OFTEN")
    assert refused.headers["retry-after"] == "60"
    world.venue.clock.now_ms += 60_000
    human.take(human.post("/v1/refresh", refresh_token=human.refresh_token))


@pytest.mark.spec("PEO-028")
def test_nobody_floods_the_mailer_from_inside(world: PeopleVenue) -> None:
    human = world.human("chatty")
    world.step_up(human)
    register = world.people.register
    register._letters, before = buckets(2), register._letters
    try:
        for _ in range(2):
            asked = {"asset": "BTC", "address": world.address()}
            human.result("POST", "/v1/withdrawal_addresses", **asked)
        refused = human.post("/v1/withdrawal_addresses", asset="BTC", address=world.address())
        assert (refused.status_code, human.reject(refused)) == (429, "TOO_OFTEN")
    finally:
        register._letters = before
    assert len(human.result("GET", "/v1/withdrawal_addresses")["addresses"]) == 2


@pytest.mark.spec("PEO-028")
def test_a_name_logs_in_only_so_often(world: PeopleVenue) -> None:
    human = world.human("coming.and.going")
    register = world.people.register
    register._logins, before = buckets(2), register._logins
    try:
        for _ in range(2):
            world.log_in(human)
        assert human.reject(human.post("/v1/login", email=human.email, password=PASSWORD)) == "TOO_OFTEN"
    finally:
        register._logins = before


class Held:
    """The threads of passwords, kept from their work."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self._gate = threading.Event()
        self._begun = threading.Semaphore(0)
        for _ in range(THREADS):
            passwords._pool.submit(self._stand)
        for _ in range(THREADS):
            assert self._begun.acquire(timeout=30)

    def _stand(self) -> None:
        self._begun.release()
        self._gate.wait()

    def wait(self, count: int) -> None:
        """Wait until so many passwords do."""
        deadline = time.monotonic() + 30
        while self._passwords._waiting < count:
            assert time.monotonic() < deadline, self._passwords._waiting
            time.sleep(0.01)

    def let_go(self) -> None:
        """Let the threads work."""
        self._gate.set()


@contextmanager
def hold(passwords: Passwords) -> Iterator[Held]:
    """Let no password be checked until it is said, or the block ends."""
    held = Held(passwords)
    try:
        yield held
    finally:
        held.let_go()


# --- a new password against what is under way ------------------------------------------------------------------------


class Slow:
    """Passwords whose checks wait until they are let go."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._passwords, name)

    async def check(self, password: str, hashed: str | None, place: str) -> bool:
        is_right = await self._passwords.check(password, hashed, place)
        self.begun.set()
        await asyncio.to_thread(self.go_on.wait)
        return is_right


@pytest.mark.spec("PEO-042")
@pytest.mark.parametrize("what", ["log-in", "change"])
def test_a_new_password_wins_over_what_the_old_one_began(world: PeopleVenue, what: str) -> None:
    """A thief with the old password is checked, and while that goes on the owner sets another one."""
    name = what.replace("-", "")
    owner = world.human(f"quick.{name}")
    thief = world.log_in(owner)
    assert owner.post("/v1/password/forgotten", email=owner.email).status_code == 200
    code = world.code(owner, "new password")
    register = world.people.register
    slow = Slow(register.passwords)
    register.passwords, before = slow, register.passwords  # type: ignore[assignment]
    try:
        with ThreadPoolExecutor(1) as pool:
            if what == "log-in":
                asked: dict[str, str] = {"email": owner.email, "password": PASSWORD}
                late = pool.submit(thief.post, "/v1/login", **asked)
            else:
                asked = {"password": PASSWORD, "new_password": "the password of a thief"}
                late = pool.submit(thief.post, "/v1/password/change", **asked)
            assert slow.begun.wait(30)
            new = "another good password"
            owner.take(owner.post("/v1/password/reset", email=owner.email, code=code, new_password=new))
            slow.go_on.set()
            assert late.result().status_code == 401
    finally:
        slow.go_on.set()
        register.passwords = before
    assert len(owner.result("GET", "/v1/sessions")["sessions"]) == 1


@pytest.mark.spec("PEO-042")
def test_of_two_changes_in_one_session_the_second_needs_the_new_password(world: PeopleVenue) -> None:
    """Though it was checked against the old one in time."""
    owner = world.human("hasty")
    register = world.people.register
    slow = Slow(register.passwords)
    register.passwords, before = slow, register.passwords  # type: ignore[assignment]
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = {"password": PASSWORD, "new_password": "the first to come"}
            late = pool.submit(owner.post, "/v1/password/change", **asked)
            assert slow.begun.wait(30)
            register.passwords = before
            assert owner.post("/v1/password/change", **{**asked, "new_password": "the first to be set"}).ok
            slow.go_on.set()
            assert owner.reject(late.result()) == "BAD_LOGIN"
    finally:
        slow.go_on.set()
        register.passwords = before
    assert owner.post("/v1/login", email=owner.email, password="the first to be set").status_code == 200


@pytest.mark.spec("PEO-042")
def test_a_new_password_ends_the_codes_that_were_mailed(world: PeopleVenue) -> None:
    owner = world.human("careful")
    assert owner.post("/v1/password/forgotten", email=owner.email).status_code == 200
    code = world.code(owner, "new password")
    asked = {"password": PASSWORD, "new_password": "another good password"}
    assert owner.post("/v1/password/change", **asked).status_code == 200
    late = owner.post("/v1/password/reset", email=owner.email, code=code, new_password="the password of a thief")
    assert owner.reject(late) == "BAD_CODE"


@pytest.mark.spec("PEO-050")
def test_of_two_confirmations_at_once_one_counts(world: PeopleVenue) -> None:
    """Else there would be twenty recovery codes."""
    human = world.human("twice")
    world.step_up(human)
    code = world.code_on(pyotp.TOTP(human.result("POST", "/v1/totp/setup")["secret"]))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: human.post("/v1/totp/confirm", code=code), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    good = next(answer for answer in answers if answer.status_code == 200)
    world.forget_locks()
    world.venue.clock.now_ms += 60_000
    assert human.post("/v1/step_up", code=good.json()["result"]["codes"][0]).status_code == 200
