"""Whom an operator has frozen, and whose second factor an operator has turned off."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyotp
import pytest
from sqlalchemy import update

from app import control
from app import user_requests as asks
from app.db.connect import engine_for
from app.db.embedded import EmbeddedServer
from app.db.tables import sessions
from exchange import views
from tests.contract.people_world import PASSWORD, Human, PeopleVenue, people_venue
from tests.venue import Client

NEW: Final = "another good password"
FROZEN: Final = (403, "FROZEN")


class Hall(NamedTuple):
    """The exchange, and its operator's socket."""

    world: PeopleVenue
    data_dir: Path

    def order(self, request: asks.UserRequest) -> asks.UserRow:
        """Do something about a user."""
        return control.ask(self.data_dir, request, asks.UserRow)

    def freeze(self, human: Human) -> asks.UserRow:
        return self.order(asks.FreezeUser(self.world.owner_of(human)))

    def unfreeze(self, human: Human) -> asks.UserRow:
        return self.order(asks.UnfreezeUser(self.world.owner_of(human)))

    def log(self, action: str) -> control.AuditRow:
        """The last entry of a kind."""
        return control.ask(self.data_dir, control.Audit(1, 0, "", action), list[control.AuditRow])[0]


@pytest.fixture(scope="module")
def hall(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    folder = tmp_path_factory.mktemp("frozen")
    with people_venue(postgres, folder, "frozen") as world:
        yield Hall(world, folder / "frozen")


def log_in(human: Human, password: str = PASSWORD) -> tuple[int, str]:
    answer = human.post("/v1/login", email=human.email, password=password)
    return answer.status_code, human.reject(answer)


def device_of(hall: Hall, human: Human) -> pyotp.TOTP:
    """Turn a second factor on."""
    hall.world.step_up(human)
    device = pyotp.TOTP(human.result("POST", "/v1/totp/setup")["secret"])
    assert human.post("/v1/totp/confirm", code=device.at(hall.world.venue.clock.now_ms // 1000)).status_code == 200
    return device


def code_of(hall: Hall, device: pyotp.TOTP) -> str:
    """A code that was not used."""
    hall.world.venue.clock.now_ms += 30_000
    return device.at(hall.world.venue.clock.now_ms // 1000)


def trader(hall: Hall, human: Human) -> Client:
    hall.world.step_up(human)
    key = human.key(scopes=["read", "trade"])
    hall.world.price()
    return key


@pytest.mark.spec("PEO-057", "PEO-059")
def test_who_is_frozen_comes_in_with_nothing_until_it_is_lifted(hall: Hall) -> None:
    """OPS-020."""
    world = hall.world
    cold = world.human("cold", usd=1_000)
    key = trader(hall, cold)
    assert key.order().status_code == 200
    assert cold.post("/v1/password/forgotten", email=cold.email).status_code == 200
    former = {"email": cold.email, "code": world.code(cold, "new password"), "new_password": NEW}
    row = hall.freeze(cold)
    assert (row.sessions, row.keys, row.frozen_ms > 0) == (0, 0, True)
    assert log_in(cold) == FROZEN
    assert cold.reject(cold.post("/v1/refresh", refresh_token=cold.refresh_token)) == "BAD_REFRESH"
    assert cold.reject(cold.ask("GET", "/v1/me")) == "BAD_TOKEN"
    assert cold.reject(cold.post("/v1/password/reset", **former)) == "BAD_CODE"
    assert (key.get("/balances").status_code, key.order().status_code) == (401, 401)
    with pytest.raises(control.Refused, match="is frozen"):
        control.ask(hall.data_dir, control.CreateKey(cold.account_id), control.NewKey)
    assert len(world.venue.call(lambda: views.orders(world.venue.store.exchange, cold.account_id))) == 1
    assert hall.freeze(cold).frozen_ms == row.frozen_ms
    assert hall.unfreeze(cold).frozen_ms == 0
    assert log_in(cold) == (401, "BAD_LOGIN")
    assert key.order().status_code == 401
    assert cold.post("/v1/password/forgotten", email=cold.email).status_code == 200
    world.post.wait(cold.email, 2, "code for a new password")
    asked = {"email": cold.email, "code": world.code(cold, "code for a new password"), "new_password": NEW}
    cold.take(cold.post("/v1/password/reset", **asked))
    cold.take(cold.post("/v1/login", email=cold.email, password=NEW))
    assert trader(hall, cold).order().status_code == 200
    entry = hall.log("unfreeze_user")
    assert (entry.outcome, json.loads(entry.before)[0]["frozen_ms"]) == ("done", row.frozen_ms)
    with pytest.raises(control.Refused, match="not frozen"):
        hall.unfreeze(cold)


@pytest.mark.spec("PEO-058")
def test_a_stranger_does_not_learn_who_is_frozen(hall: Hall) -> None:
    world = hall.world
    ice, nobody = world.human("ice"), Human(world, "nobody")
    hall.freeze(ice)
    for path, body in (
        ("/v1/login", {"password": "a wrong password"}),
        ("/v1/password/forgotten", {}),
        ("/v1/password/reset", {"code": "abcd-efgh-ijkl-mnop", "new_password": NEW}),
    ):
        told, untold = ice.post(path, email=ice.email, **body), ice.post(path, email=nobody.email, **body)
        assert (told.status_code, told.content) == (untold.status_code, untold.content), path
    world.post.wait(ice.email, 1, "account is frozen")
    assert not [mail for mail in world.post.mails(ice.email) if "new password" in mail["Subject"]]


@pytest.mark.spec("PEO-057", "PEO-058")
def test_a_challenge_of_before_opens_nothing(hall: Hall) -> None:
    snow = hall.world.human("snow")
    device = device_of(hall, snow)
    challenge = snow.result("POST", "/v1/login", email=snow.email, password=PASSWORD)["challenge"]
    hall.freeze(snow)
    answer = snow.post("/v1/login/totp", challenge=challenge, code=code_of(hall, device))
    assert (answer.status_code, snow.reject(answer)) == FROZEN
    assert log_in(snow) == FROZEN


class Held:
    """A method that waits, where it begins or where it ends, until it may go on."""

    def __init__(self, whose: Any, name: str, *, is_done: bool) -> None:
        self._whose, self._name, self._is_done = whose, name, is_done
        self._real = getattr(whose, name)
        self.begun, self.go_on = threading.Event(), threading.Event()

    async def _slowly(self, *arguments: Any, **more: Any) -> Any:
        given = await self._real(*arguments, **more) if self._is_done else None
        self.begun.set()
        await asyncio.to_thread(self.go_on.wait)
        return given if self._is_done else await self._real(*arguments, **more)

    def __enter__(self) -> "Held":
        setattr(self._whose, self._name, self._slowly)
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        setattr(self._whose, self._name, self._real)


@pytest.mark.spec("PEO-057")
@pytest.mark.parametrize("is_done", [False, True], ids=["before its session", "behind its session"])
def test_a_log_in_under_way_is_refused(hall: Hall, is_done: bool) -> None:
    human = hall.world.human(f"under.way.{is_done}".lower())
    with Held(hall.world.people.register.sessions, "open", is_done=is_done) as held, ThreadPoolExecutor(1) as pool:
        late = pool.submit(log_in, human)
        assert held.begun.wait(30)
        hall.freeze(human)
        held.go_on.set()
        assert late.result() == FROZEN
    assert hall.order(asks.FreezeUser(hall.world.owner_of(human))).sessions == 0


@pytest.mark.spec("PEO-057")
@pytest.mark.parametrize("is_done", [False, True], ids=["before it is made", "when it is made"])
def test_a_key_under_way_is_none(hall: Hall, is_done: bool) -> None:
    human = hall.world.human(f"key.under.way.{is_done}".lower())
    hall.world.step_up(human)
    with Held(hall.world.venue.store.identity, "create_key", is_done=is_done) as held, ThreadPoolExecutor(1) as pool:
        late = pool.submit(human.post, "/v1/keys", account_id=human.account_id)
        assert held.begun.wait(30)
        hall.freeze(human)
        held.go_on.set()
        assert late.result().status_code == 401
    assert hall.order(asks.UnfreezeUser(hall.world.owner_of(human))).keys == 0


@pytest.mark.spec("PEO-057")
def test_a_session_that_a_kill_left_behind_ends_at_the_start(hall: Hall) -> None:
    world = hall.world
    left = world.human("left")
    owner_id = world.owner_of(left)
    hall.freeze(left)

    async def start_again() -> int:
        engine = engine_for(world.venue.store.url)
        async with engine.begin() as connection:
            mine = update(sessions).where(sessions.c.owner_id == owner_id)
            assert (await connection.execute(mine.values(ended_ms=None))).rowcount == 1
        await engine.dispose()
        await world.people.register.sessions.load()
        return len(world.people.register.sessions.of(owner_id))

    assert world.venue.run(start_again()) == 1
    world.venue.run(world.people.register.load())
    assert left.reject(left.ask("GET", "/v1/me")) == "BAD_TOKEN"
    assert world.venue.call(lambda: world.people.register.sessions.of(owner_id)) == []


@pytest.mark.spec("PEO-056")
def test_a_lost_second_factor_is_turned_off(hall: Hall) -> None:
    """OPS-028."""
    world = hall.world
    lost = world.human("lost")
    key = trader(hall, lost)
    device = device_of(hall, lost)
    challenge = lost.result("POST", "/v1/login", email=lost.email, password=PASSWORD)["challenge"]
    owner_id = world.owner_of(lost)
    with pytest.raises(control.Refused, match="reason"):
        hall.order(asks.ResetTotp(owner_id, " "))
    row = hall.order(asks.ResetTotp(owner_id, "called back"))
    assert (row.has_totp, row.sessions, row.keys) == (False, 0, 1)
    assert lost.reject(lost.ask("GET", "/v1/me")) == "BAD_TOKEN"
    late = lost.post("/v1/login/totp", challenge=challenge, code=code_of(hall, device))
    assert (late.status_code, lost.reject(late)) == (401, "BAD_TOKEN")
    assert "The exchange turned" in str(world.post.wait(lost.email, 1, "second factor is off"))
    lost.take(lost.post("/v1/login", email=lost.email, password=PASSWORD))
    world.step_up(lost)
    assert key.get("/balances").status_code == 200
    entry = hall.log("reset_totp")
    assert (entry.outcome, json.loads(entry.request)["reason"]) == ("done", "called back")
    before, after = json.loads(entry.before), json.loads(entry.after or "")["now"]
    assert (before[0]["has_totp"], after[0]["has_totp"]) == (True, False)
    with pytest.raises(control.Refused, match="no second factor"):
        hall.order(asks.ResetTotp(owner_id, "called back"))
