"""Somebody signs up at the real program, logs in, makes a key and trades with it."""

import json
import re
import stat
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests

from app.auth import sign
from tests.support.post import PostOffice, code_in
from tests.support.program import DEADLINE_S, Program, evermark, running

EMAIL = "zoe@example.org"
PASSWORD = "correct horse battery"


class Person:
    """Somebody at the program over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""

    def ask(self, method: str, path: str, **body: object) -> requests.Response:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        sent = {"params": body} if method != "POST" else {"json": body}
        return requests.request(method, self.url + path, headers=headers, timeout=DEADLINE_S, **sent)  # type: ignore[arg-type]

    def post(self, path: str, **body: object) -> dict[str, str]:
        answer = self.ask("POST", path, **body)
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()["result"]
        return found


def url_of(program: Program) -> str:
    found = re.search(r"Evermark is open at (\S+)", program.output)
    assert found is not None
    return found[1]


@pytest.mark.spec("PEO-001", "PEO-010", "PEO-030")
def test_from_sign_up_to_an_order(data_dir: Path, post: PostOffice) -> None:
    with running(data_dir, EVERMARK_FEED="synthetic", EVERMARK_SMTP_URL=post.url) as program:
        zoe = Person(url_of(program))
        signup_id = zoe.post("/v1/signup", email="Zoe@Example.org", password=PASSWORD)["signup_id"]
        code = code_in(post.wait(EMAIL, 1))
        zoe.token = zoe.post("/v1/signup/confirm", signup_id=signup_id, code=code)["access_token"]
        zoe.token = zoe.post("/v1/login", email=EMAIL, password=PASSWORD)["access_token"]
        zoe.post("/v1/step_up/code")
        zoe.post("/v1/step_up", code=code_in(post.wait(EMAIL, 2)))
        accounts = zoe.ask("GET", "/v1/accounts").json()["result"]["accounts"]
        key = zoe.post("/v1/keys", account_id=accounts[0]["account_id"], label="bot")
        body = urlencode(
            {"pair": "USD_BTC_PERP", "side": "BUY", "qty": "0.001", "price": "50000", "timestamp": time.time() * 1000}
        ).encode()
        headers = {
            "x-api-key": key["api_key"],
            "x-signature": sign(key["secret_key"].encode(), body).decode(),
            "content-type": "application/x-www-form-urlencoded",
        }
        answer = requests.post(zoe.url + "/auth/order", data=body, headers=headers, timeout=DEADLINE_S)
        # Nobody has paid anything in: the door is open, and there is nothing behind it.
        assert (answer.status_code, answer.json()["result"]["reject"]) == (503, "INSUFFICIENT_BALANCE")


@pytest.mark.spec("PEO-090")
def test_demo_users_log_in_with_the_password_in_the_file(data_dir: Path) -> None:
    with running(data_dir) as program:
        person = Person(url_of(program))
        path = data_dir / "demo.json"
        demo = json.loads(path.read_text("utf-8"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for account in demo["accounts"]:
            assert person.post("/v1/login", email=account["email"], password=account["password"])["access_token"]
            assert account["password"] in program.output
            assert account["password"] not in program.log
    with running(data_dir) as program:
        person = Person(url_of(program))
        again = json.loads(path.read_text("utf-8"))
        assert [one["password"] for one in again["accounts"]] == [one["password"] for one in demo["accounts"]]
        account = again["accounts"][1]
        assert person.post("/v1/login", email=account["email"], password=account["password"])["access_token"]


def test_a_demo_user_who_is_frozen_stays_so_over_a_start(data_dir: Path) -> None:
    """PEO-057: and by the commands of the command line."""
    with running(data_dir, EVERMARK_FEED="synthetic"):
        before = json.loads((data_dir / "demo.json").read_text("utf-8"))["accounts"]
        assert "frozen" in evermark(data_dir, "users", "freeze", "1")
    with running(data_dir, EVERMARK_FEED="synthetic") as program:
        alice = Person(url_of(program))
        assert json.loads((data_dir / "demo.json").read_text("utf-8"))["accounts"] == before
        answer = alice.ask("POST", "/v1/login", email=before[0]["email"], password=before[0]["password"])
        assert (answer.status_code, answer.json()["result"]["reject"]) == (403, "FROZEN")
        assert "is frozen" in evermark(data_dir, "keys", "create", "1", code=1)
        assert "no second factor" in evermark(data_dir, "users", "reset-totp", "1", "--reason", "a test", code=1)
        evermark(data_dir, "users", "unfreeze", "1")
        assert "not frozen" in evermark(data_dir, "users", "unfreeze", "1", code=1)
        evermark(data_dir, "keys", "create", "1")
