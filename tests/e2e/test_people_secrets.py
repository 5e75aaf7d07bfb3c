"""A whole run of the real program with every kind of secret, and then a search for each of them: logs, errors, database, files."""

import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any

import pyotp
import pytest
import requests

from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from app.db.tables import metadata
from tests.e2e.test_people import Person, url_of
from tests.support.post import PostOffice, code_in
from tests.support.program import DEADLINE_S, Program, running

EMAIL = "zoe@example.org"
PASSWORD = "correct horse battery"
NEW_PASSWORD = "staple that to the wall"
WRONG_PASSWORD = "nobody has this one"
SHORTEST = 10
"""A code of six digits may stand in a dump by chance: codes are looked for in words, not in columns of numbers."""


class Run:
    """Somebody who does everything, and remembers every secret and every refusal."""

    def __init__(self, person: Person, post: PostOffice) -> None:
        self.person = person
        self.post = post
        self.secrets: dict[str, str] = {}
        self.codes: list[str] = []
        self.refusals: list[str] = []
        self._mails = 0

    def keep(self, kind: str, secret: str) -> str:
        self.secrets[f"{kind} {len(self.secrets)}"] = secret
        return secret

    def take(self, tokens: dict[str, str]) -> None:
        self.person.token = self.keep("access token", tokens["access_token"])
        self.keep("refresh token", tokens["refresh_token"])

    def code(self, subject: str, count: int = 1) -> str:
        code = code_in(self.post.wait(EMAIL, count, subject))
        self.codes.append(code)
        return code

    def refused(self, path: str, status: int, **body: Any) -> None:
        answer = self.person.ask("POST", path, **body)
        assert answer.status_code == status, answer.text
        self.refusals.append(answer.text)


def sign_up(run: Run) -> None:
    zoe = run.person
    for password in (PASSWORD, NEW_PASSWORD, WRONG_PASSWORD):
        run.keep("password", password)
    run.refused("/v1/signup", 400, email=EMAIL, password=PASSWORD, passphrase=NEW_PASSWORD)
    run.refused("/v1/signup", 400, email=PASSWORD, password=[NEW_PASSWORD])
    signup_id = zoe.post("/v1/signup", email=EMAIL, password=PASSWORD)["signup_id"]
    run.refused("/v1/signup/confirm", 401, signup_id=signup_id, code="aaaaaa")
    run.take(zoe.post("/v1/signup/confirm", signup_id=signup_id, code=run.code("open an account")))
    run.refused("/v1/login", 401, email=EMAIL, password=WRONG_PASSWORD)
    tokens = zoe.post("/v1/login", email=EMAIL, password=PASSWORD)
    run.take(tokens)
    run.take(zoe.post("/v1/refresh", refresh_token=tokens["refresh_token"]))


def hold_keys(run: Run) -> str:
    zoe = run.person
    zoe.post("/v1/step_up/code")
    zoe.post("/v1/step_up", code=run.code("that it is you"))
    account_id = zoe.ask("GET", "/v1/accounts").json()["result"]["accounts"][0]["account_id"]
    key = zoe.post("/v1/keys", account_id=account_id)
    run.keep("API secret", key["secret_key"])
    answer = requests.post(
        zoe.url + "/auth/order",
        data=b"pair=USD_BTC_PERP&side=BUY&qty=0.001&price=50000&timestamp=1",
        headers={"x-api-key": key["api_key"], "x-signature": key["secret_key"]},
        timeout=DEADLINE_S,
    )
    assert answer.status_code == 401
    run.refusals.append(answer.text)
    return key["api_key"]


def second_factor(run: Run) -> None:
    zoe = run.person
    secret = run.keep("TOTP secret", zoe.post("/v1/totp/setup")["secret"])
    for code in zoe.post("/v1/totp/confirm", code=pyotp.TOTP(secret).now())["codes"]:
        run.keep("recovery code", code)
    zoe.post("/v1/password/change", password=PASSWORD, new_password=NEW_PASSWORD)
    run.keep("challenge", zoe.post("/v1/login", email=EMAIL, password=NEW_PASSWORD)["challenge"])
    zoe.post("/v1/password/forgotten", email=EMAIL)
    run.refused("/v1/password/reset", 401, email=EMAIL, code="aaaaaa", new_password=PASSWORD)
    given = zoe.post("/v1/password/reset", email=EMAIL, code=run.code("new password"), new_password=PASSWORD)
    run.keep("challenge", given["challenge"])


async def dump(url: str) -> bytes:
    """Every table as text; bytes in it as hexadecimal digits."""
    out = io.BytesIO()
    connection = await connect(url)
    try:
        for name in metadata.tables:
            await connection.copy_from_table(name, output=out)
    finally:
        await connection.close()
    return out.getvalue()


@pytest.mark.spec("PEO-015", "PEO-091", "PEO-092")
def test_no_secret_of_a_run_stands_anywhere(data_dir: Path, post: PostOffice) -> None:
    with running(data_dir, EVERMARK_SMTP_URL=post.url) as program:
        run = Run(Person(url_of(program)), post)
        sign_up(run)
        api_key = hold_keys(run)
        second_factor(run)
        for account in json.loads((data_dir / "demo.json").read_text("utf-8"))["accounts"]:
            run.keep("demo password", account["password"])
            run.keep("demo secret", account["secret_key"])
        run.keep("master key", (data_dir / "master.key").read_text("ascii").strip())
        found = asyncio.run(dump(EmbeddedServer(data_dir).url()))
    check_nowhere(run, program, found)
    # What is there after a start: the person, the key, the second factor.
    with running(data_dir, EVERMARK_SMTP_URL=post.url) as program:
        again = Person(url_of(program))
        assert again.post("/v1/login", email=EMAIL, password=PASSWORD)["challenge"]
        answer = requests.get(again.url + "/balances", headers={"x-api-key": api_key}, timeout=DEADLINE_S)
        assert answer.status_code == 200


def check_nowhere(run: Run, program: Program, found: bytes) -> None:
    log, refusals = program.log, "\n".join(run.refusals)
    assert len(run.secrets) > 20
    assert b"argon2id" in found  # the dump holds what it should
    for kind, secret in run.secrets.items():
        assert len(secret) >= SHORTEST, kind
        assert secret not in log, kind
        assert secret not in refusals, kind
        assert secret.encode() not in found, kind
        assert secret.encode().hex().encode() not in found, kind
    for code in run.codes:
        assert not re.search(rf"\b{code}\b", log)
        assert not re.search(rf"\b{code}\b", refusals)
        assert not re.search(rb"(?<![\w-])" + code.encode() + rb"(?![\w-])", found)


@pytest.mark.spec("PEO-092")
def test_who_is_in_stays_in_over_a_start(data_dir: Path, post: PostOffice) -> None:
    with running(data_dir, EVERMARK_SMTP_URL=post.url) as program:
        run = Run(Person(url_of(program)), post)
        sign_up(run)
    token, refresh = run.person.token, list(run.secrets.values())[-1]
    with running(data_dir, EVERMARK_SMTP_URL=post.url) as program:
        again = Person(url_of(program))
        again.token = token
        assert again.ask("GET", "/v1/me").json()["result"]["email"] == EMAIL
        assert len(again.ask("GET", "/v1/sessions").json()["result"]["sessions"]) == 2
        assert again.post("/v1/refresh", refresh_token=refresh)["access_token"]
