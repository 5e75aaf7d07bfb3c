"""A whole run of the real program, with everything secret that there is in it; then what it left behind is searched."""

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pyotp
import requests

from app import control
from app.auth import sign
from tests.e2e.test_people import EMAIL, PASSWORD, Person, url_of
from tests.support.post import PostOffice, code_in
from tests.support.program import DEADLINE_S, Program, evermark, running

WRONG_PASSWORD = "wrong horse battery"


class Keeper:
    """Every secret there was, and every answer that should have none of them."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.refusals: list[requests.Response] = []

    def keep(self, what: str, secret: str) -> str:
        assert len(secret) >= 8, what
        self.secrets[what] = secret
        return secret

    def found_in(self, data: bytes) -> list[str]:
        return [what for what, secret in self.secrets.items() if any(form in data for form in forms(secret))]


def forms(secret: str) -> set[bytes]:
    """A secret as it is, and as it looks in hex, base64 and JSON; what decodes, decoded."""
    plain = secret.encode()
    found = {plain, plain.hex().encode(), base64.b64encode(plain).rstrip(b"="), json.dumps(secret)[1:-1].encode()}
    for decode in (bytes.fromhex, base64.urlsafe_b64decode, base64.b32decode):
        try:
            raw = decode(secret)
        except ValueError:
            continue
        if len(raw) >= 8:
            found.add(raw)
    return found


def live(program: Program, url: str, post: PostOffice, keeper: Keeper) -> None:
    """Somebody signs up, gets a second factor and a key; much goes wrong; an operator looks on."""
    zoe = Person(url)
    keeper.keep("password", PASSWORD)
    keeper.keep("wrong password", WRONG_PASSWORD)
    signup_id = zoe.post("/v1/signup", email=EMAIL, password=PASSWORD)["signup_id"]
    code = code_in(post.wait(EMAIL, 1))
    keep_tokens(keeper, "first", zoe.post("/v1/signup/confirm", signup_id=signup_id, code=code))
    keeper.refusals.append(zoe.ask("POST", "/v1/login", email=EMAIL, password=WRONG_PASSWORD))
    tokens = keep_tokens(keeper, "second", zoe.post("/v1/login", email=EMAIL, password=PASSWORD))
    next_tokens = keep_tokens(keeper, "third", zoe.post("/v1/refresh", refresh_token=tokens["refresh_token"]))
    zoe.token = next_tokens["access_token"]
    zoe.post("/v1/step_up/code")
    zoe.post("/v1/step_up", code=code_in(post.wait(EMAIL, 2)))
    totp = zoe.post("/v1/totp/setup")
    keeper.keep("totp secret", totp["secret"])
    recovery: Any = zoe.post("/v1/totp/confirm", code=pyotp.TOTP(totp["secret"]).now())
    for number, recovery_code in enumerate(recovery["codes"]):
        keeper.keep(f"recovery code {number}", recovery_code)
    account: Any = zoe.ask("GET", "/v1/accounts").json()["result"]["accounts"][0]
    made = control.ask(program.data_dir, control.CreateKey(account["account_id"]), control.NewKey)
    keeper.keep("api secret", made.secret_key)
    operator = control.ask(program.data_dir, control.CreateOperator("ada", ("read", "users")), control.NewOperator)
    keeper.keep("operator token", operator.token)
    bearer = {"authorization": f"Bearer {operator.token}"}
    issued = requests.post(
        f"{url}/admin/keys", json={"account_id": account["account_id"]}, headers=bearer, timeout=DEADLINE_S
    )
    keeper.keep("operator key", issued.json()["result"]["secret_key"])
    trade(url, made, keeper)
    go_wrong(url, zoe, bearer, keeper)


def keep_tokens(keeper: Keeper, which: str, tokens: dict[str, str]) -> dict[str, str]:
    keeper.keep(f"{which} access token", tokens["access_token"])
    keeper.keep(f"{which} refresh token", tokens["refresh_token"])
    return tokens


def trade(url: str, key: control.NewKey, keeper: Keeper) -> None:
    """Orders that are signed well and badly, with the secret where it does not belong."""
    for extra in ("", "&qty=no", f"&client_order_id={'x' * 300}"):
        body = f"pair=USD_BTC_PERP&side=BUY&qty=0.001&price=50000&timestamp={time.time() * 1000}{extra}".encode()
        signature = keeper.keep(f"signature{extra[:5]}", sign(key.secret_key.encode(), body).decode())
        headers = {"x-api-key": key.api_key, "x-signature": signature}
        for _ in range(2):
            keeper.refusals.append(requests.post(f"{url}/auth/order", body, headers=headers, timeout=DEADLINE_S))
    wrong = {"x-api-key": key.api_key, "x-signature": key.secret_key}
    keeper.refusals.append(requests.post(f"{url}/auth/order", b"pair=x", headers=wrong, timeout=DEADLINE_S))


def go_wrong(url: str, zoe: Person, bearer: dict[str, str], keeper: Keeper) -> None:
    """Requests that nobody meant, each with something secret in it."""
    refusals = keeper.refusals
    secrets = keeper.secrets
    for name in ("password", "api secret", "operator token", "second refresh token"):
        secret = secrets[name]
        refusals.append(requests.get(f"{url}/{secret}", timeout=DEADLINE_S))
        refusals.append(requests.get(f"{url}/account", headers={"x-api-key": secret}, timeout=DEADLINE_S))
        refusals.append(requests.get(f"{url}/ping", headers={"x-request-id": secret + "!"}, timeout=DEADLINE_S))
        refusals.append(requests.get(f"{url}/admin/status", headers={"authorization": secret}, timeout=DEADLINE_S))
        refusals.append(zoe.ask("POST", "/v1/login", email=EMAIL, password=[secret]))
        refusals.append(zoe.ask("POST", "/v1/login", email=secret, password="x"))
        refusals.append(zoe.ask("POST", "/v1/refresh", refresh_token=secret))
        refusals.append(requests.post(f"{url}/v1/login", f'{{"password": "{secret}', timeout=DEADLINE_S))
        refusals.append(requests.post(f"{url}/admin/keys", f'{{"{secret}', headers=bearer, timeout=DEADLINE_S))
    for response in refusals:
        assert response.status_code != 500, response.text


def test_no_secret_is_left_anywhere(data_dir: Path, post: PostOffice, tmp_path: Path) -> None:
    """OPS-019."""
    keeper = Keeper()
    with running(data_dir, "--no-demo", EVERMARK_FEED="synthetic", EVERMARK_SMTP_URL=post.url) as program:
        url = url_of(program)
        live(program, url, post, keeper)
        bearer = {"authorization": f"Bearer {keeper.secrets['operator token']}"}
        metrics = requests.get(f"{url}/metrics", headers=bearer, timeout=DEADLINE_S)
        assert metrics.status_code == 200
        log = requests.get(f"{url}/admin/audit", headers=bearer, timeout=DEADLINE_S)
        assert len(log.json()["result"]) == 3
        evermark(data_dir, "backup", str(tmp_path / "copy"))
        keeper.keep("master key", (data_dir / "master.key").read_text("ascii").strip())
    places = {
        "log": program.log.encode(),
        "output": program.output.encode(),
        "the database's log": (data_dir / "postgres.log").read_bytes(),
        "metrics": metrics.content,
        "audit": log.content,
        "the backup's manifest": (tmp_path / "copy" / "manifest.json").read_bytes(),
    }
    for path in (tmp_path / "copy").glob("*.gz"):
        places[f"table {path.name}"] = gzip.decompress(path.read_bytes())
    for number, response in enumerate(keeper.refusals):
        headers = "".join(f"{name}: {value}\n" for name, value in response.headers.items()).encode()
        places[f"refusal {number}, {response.status_code} of {response.request.path_url[:20]}"] = (
            headers + response.content
        )
    assert len(keeper.secrets) > 20
    assert {place: found for place, data in places.items() if (found := keeper.found_in(data))} == {}
    assert EMAIL.encode() in places["table people.copy.gz"]  # it is searched, and it is the right one


def test_a_secret_would_be_found() -> None:
    """OPS-019."""
    keeper = Keeper()
    keeper.keep("one", "correct horse")
    keeper.keep("two", "00112233445566778899aabbccddeeff")
    assert keeper.found_in(b"... correct horse ...") == ["one"]
    assert keeper.found_in(base64.b64encode(b"correct horse")) == ["one"]
    assert keeper.found_in(b"\x00" + bytes.fromhex(keeper.secrets["two"])) == ["two"]
    assert keeper.found_in(b"nothing") == []
