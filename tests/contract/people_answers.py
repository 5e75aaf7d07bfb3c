"""One request to every address of people, on an exchange whose clock is ours: the golden answers.

They stand in app/surfaces/evermark/examples.json, where the reference takes its examples from. `python -m tests.contract.people_answers`
writes them anew; a test holds the exchange to them. What is random is replaced: ids, codes, tokens, secrets.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any, Final

import pyotp

from app.people.notices import Kind
from app.surfaces.evermark import openapi
from tests.conftest import running_postgres
from tests.contract import answers
from tests.contract.people_world import PASSWORD, Human, PeopleVenue, people_venue

PATH: Final = Path(openapi.__file__).with_name("examples.json")
STEADY: Final[dict[str, Any]] = {
    "signup_id": "0f" * 16,
    "session_id": "5e" * 16,
    "api_key": "a9" * 16,
    "secret_key": "c5" * 32,
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl",
    "challenge": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.Y2hhbGxlbmdl",
    "refresh_token": "cmVmcmVzaA",
    "code": "123456",
    "codes": ["abcdefghijklmnop"] * 10,
    "secret": "JBSWY3DPEHPK3PXP",
    "uri": "otpauth://totp/Evermark:ann%40example.org?secret=JBSWY3DPEHPK3PXP&issuer=Evermark",
    "customer_id": answers.CUSTOMER,
    "agent": "curl/8.5.0",
    "password": PASSWORD,
}
LONG_CODE: Final = "abcd-efgh-ijkl-mnop"
"""In the place of a code for a new password."""
Examples = dict[str, dict[str, Any]]


class Recorder:
    """Keeps what was asked and answered."""

    def __init__(self, human: Human) -> None:
        self.human = human
        self.examples: Examples = {}

    def ask(self, method: str, path: str, **fields: Any) -> Any:
        """Ask, and keep it; gives the result."""
        answer = self.human.ask(method, path, **fields)
        assert answer.status_code == 200, (method, path, answer.text)
        body = answer.json()
        shown = {"fields": steady(fields), "answer": steady(body)}
        self.examples.setdefault(f"{method} {path}", shown)
        return body["result"]


def steady(value: Any) -> Any:
    """Replace what differs from run to run."""
    if isinstance(value, dict):
        if "-" in str(value.get("code")):
            return {**steady({name: entry for name, entry in value.items() if name != "code"}), "code": LONG_CODE}
        return {
            name: STEADY[name] if name in STEADY and isinstance(entry, str | list) else steady(entry)
            for name, entry in value.items()
        }
    if isinstance(value, list):
        return [steady(entry) for entry in value]
    return re.sub(r"sim1[0-9a-f]{48}", answers.ADDRESS, value) if isinstance(value, str) else value


def record(world: PeopleVenue) -> Examples:
    """Let somebody sign up, and ask everything."""
    ann = Human(world, "ann")
    recorder = Recorder(ann)
    sent = recorder.ask("POST", "/v1/signup", email=ann.email, password=PASSWORD)
    recorder.ask("POST", "/v1/signup/confirm", signup_id=sent["signup_id"], code=world.code(ann))
    enter(recorder, recorder.ask("POST", "/v1/login", email=ann.email, password=PASSWORD))
    enter(recorder, recorder.ask("POST", "/v1/refresh", refresh_token=ann.refresh_token))
    recorder.ask("GET", "/v1/me")
    recorder.ask("GET", "/v1/sessions")
    step_up(recorder)
    money(recorder)
    keys(recorder)
    notices(recorder)
    second_factor(recorder)
    end(recorder)
    return dict(sorted(recorder.examples.items()))


def enter(recorder: Recorder, tokens: Any) -> None:
    """Go on with other tokens."""
    human = recorder.human
    human.access_token, human.refresh_token = tokens["access_token"], tokens["refresh_token"]


def step_up(recorder: Recorder) -> None:
    """With a code by mail."""
    world, human = recorder.human.world, recorder.human
    recorder.ask("POST", "/v1/step_up/code")
    count = len([mail for mail in world.post.mails(human.email) if "that it is you" in mail["Subject"]])
    world.post.wait(human.email, max(1, count), "that it is you")
    recorder.ask("POST", "/v1/step_up", code=world.code(human, "that it is you"))


def keys(recorder: Recorder) -> None:
    """From the making of a key to its end."""
    account_id = recorder.human.account_id
    networks = ["203.0.113.0/24"]
    made = recorder.ask(
        "POST", "/v1/keys", account_id=account_id, label="bot", scopes=["read", "trade"], networks=networks
    )
    recorder.ask("GET", "/v1/keys")
    recorder.ask("POST", "/v1/keys/rotate", api_key=made["api_key"], overlap_s=3600)
    recorder.ask("DELETE", "/v1/keys", api_key=made["api_key"])


def money(recorder: Recorder) -> None:
    """Another account, and what goes there and out."""
    human, world = recorder.human, recorder.human.world
    human.account_id = recorder.ask("GET", "/v1/accounts")["accounts"][0]["account_id"]
    world.fund(human, btc=1)
    second = recorder.ask("POST", "/v1/accounts", name="second", label="for the bot")["account_id"]
    there = {"from_account_id": human.account_id, "to_account_id": second}
    recorder.ask("POST", "/v1/transfers", name="to-the-bot", **there, asset="BTC", amount="0.25")
    places = "/v1/withdrawal_addresses"
    old = recorder.ask("POST", places, asset="BTC", address=world.address(), label="my wallet")
    other = recorder.ask("POST", places, asset="BTC", address=world.address())
    recorder.ask("GET", places)
    recorder.ask("DELETE", places, address_id=other["address_id"])
    world.venue.clock.now_ms += 86_400_000
    enter(recorder, recorder.ask("POST", "/v1/login", email=human.email, password=PASSWORD))
    world.step_up(human)
    world.price()
    asked = {"account_id": human.account_id, "address_id": old["address_id"]}
    made = recorder.ask("POST", "/v1/withdrawals", name="rent", amount="0.01", **asked)
    recorder.ask("GET", "/v1/withdrawals")
    world.post.wait(human.email, 1, "withdrawal")
    recorder.ask("POST", "/v1/withdrawals/code", withdrawal_id=made["withdrawal_id"])
    world.post.wait(human.email, 2, "code for a withdrawal")
    code = world.code(human, "code for a withdrawal")
    recorder.ask("POST", "/v1/withdrawals/confirm", withdrawal_id=made["withdrawal_id"], code=code)
    more = recorder.ask("POST", "/v1/withdrawals", name="more", amount="0.001", **asked)
    recorder.ask("POST", "/v1/withdrawals/cancel", withdrawal_id=more["withdrawal_id"])


def notices(recorder: Recorder) -> None:
    """What became of the withdrawal."""
    found = recorder.human.world.wait_for_notice(recorder.human, Kind.WITHDRAWAL)
    recorder.ask("GET", "/v1/notices", limit=1)
    recorder.ask("POST", "/v1/notices/read", up_to=found["notice_id"])


def second_factor(recorder: Recorder) -> None:
    """From its set-up to its end."""
    human, clock = recorder.human, recorder.human.world.venue.clock
    device = pyotp.TOTP(recorder.ask("POST", "/v1/totp/setup")["secret"])
    recorder.ask("POST", "/v1/totp/confirm", code=device.at(clock.now_ms // 1000))
    clock.now_ms += 30_000
    challenge = human.result("POST", "/v1/login", email=human.email, password=PASSWORD)["challenge"]
    code = device.at(clock.now_ms // 1000)
    enter(recorder, recorder.ask("POST", "/v1/login/totp", challenge=challenge, code=code))
    clock.now_ms += 30_000
    human.result("POST", "/v1/step_up", code=device.at(clock.now_ms // 1000))
    clock.now_ms += 30_000
    recorder.ask("POST", "/v1/totp/disable", code=device.at(clock.now_ms // 1000))


def end(recorder: Recorder) -> None:
    """Other passwords, and the end of sessions."""
    human, new = recorder.human, "another good password"
    recorder.ask("POST", "/v1/password/change", password=PASSWORD, new_password=new)
    recorder.ask("POST", "/v1/password/forgotten", email=human.email)
    code = human.world.code(human, "new password")
    recorder.ask("POST", "/v1/password/reset", email=human.email, code=code, new_password=PASSWORD)
    enter(recorder, human.result("POST", "/v1/login", email=human.email, password=PASSWORD))
    other = human.world.log_in(human)
    recorder.ask("DELETE", "/v1/sessions", session_id=other.session_id)
    recorder.ask("POST", "/v1/logout")


def main() -> None:
    """Write the examples anew."""
    with (
        running_postgres() as server,
        tempfile.TemporaryDirectory(prefix="evermark-answers-") as folder,
        people_venue(server, Path(folder), "answers") as world,
    ):
        text = json.dumps(record(world), indent=1)
    PATH.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
