"""`evermark run` and the other commands, as programs: what a stranger and an operator do first."""

import json
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from app import control
from app.auth import sign
from tests.support.program import DEADLINE_S, ROOT, Program, evermark, running, seq_of


def test_it_says_where_it_is(exchange: Program) -> None:
    """RUN-001."""
    demo = json.loads((exchange.data_dir / "demo.json").read_text("utf-8"))
    assert f"Evermark is open at {demo['url']}\n" in exchange.output
    assert f"{demo['url']}/docs" in exchange.output
    assert requests.get(f"{demo['url']}/ping", timeout=DEADLINE_S).status_code == 200
    assert requests.get(f"{demo['url']}/docs", timeout=DEADLINE_S).status_code == 200
    pairs = requests.get(f"{demo['url']}/pairs", timeout=DEADLINE_S).json()["result"]
    assert len(pairs) >= 78  # one of the 79 expires


def test_it_says_which_core_runs(exchange: Program) -> None:
    """RUN-002."""
    assert re.search(r"core\s+(interpreted|compiled \(mypyc\))", exchange.output)
    assert re.search(r"core\s+(interpreted|compiled \(mypyc\))", evermark(exchange.data_dir, "status"))


def test_demo_keys_are_for_the_owner_and_never_logged(exchange: Program) -> None:
    """RUN-003."""
    path = exchange.data_dir / "demo.json"
    demo = json.loads(path.read_text("utf-8"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(demo) == {"url", "accounts"}
    for account in demo["accounts"]:
        assert set(account) == {"name", "email", "password", "api_key", "secret_key"}
        assert account["api_key"] in exchange.output
        assert account["secret_key"] in exchange.output
        assert account["secret_key"] not in exchange.log
        assert account["password"] not in exchange.log
        balances = requests.get(
            f"{demo['url']}/balances", headers={"x-api-key": account["api_key"]}, timeout=DEADLINE_S
        ).json()["result"]
        assert balances["USD"]["free"] > 90_000
        assert balances["BTC"]["free"] == 2


def test_the_printed_order_works_when_pasted(exchange: Program) -> None:
    """RUN-004."""
    lines = exchange.output[exchange.output.index("KEY=") :]
    pasted = subprocess.run(["bash"], input=lines, capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    answer = json.loads(pasted.stdout)
    assert answer["code"] == 200, answer
    assert answer["result"]["order"]["status"] == "ACTIVE"


@pytest.mark.parametrize("language, program", [("sh", "bash"), ("python", sys.executable)])
def test_the_first_order_of_the_readme_works(exchange: Program, language: str, program: str) -> None:
    """RUN-010: as it is printed there, in the folder where `make run` ran."""
    folder = exchange.data_dir.parent
    if not (folder / ".venv").exists():
        (folder / ".venv").symlink_to(sys.prefix)
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    code = next(block for block in blocks if "/auth/order" in block)
    run = subprocess.run(
        [program], input=code, cwd=folder, capture_output=True, encoding="utf-8", timeout=DEADLINE_S, check=False
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert (answer["code"], answer["result"]["order"]["price"]) == (200, 50_000)


def test_accounts_keys_and_money(exchange: Program) -> None:
    """CLI-005."""
    data_dir = exchange.data_dir
    number = re.findall(r"Account (\d+) of carol is open", evermark(data_dir, "accounts", "open", "carol"))[0]
    again = [evermark(data_dir, "accounts", "open", "dora", "--reference", "letter 1") for _ in range(2)]
    assert again[0] == again[1]
    assert "for somebody else" in evermark(data_dir, "accounts", "open", "carol", "--reference", "letter 1", code=1)
    assert "holds 2500.5 USD" in evermark(data_dir, "deposit", number, "2500.50", "--reference", "wire 1")
    assert "nothing changed" in evermark(data_dir, "deposit", number, "2500.50", "--reference", "wire 1")
    assert "holds 2510.5 USD" in evermark(data_dir, "deposit", number, "10")
    assert re.search(rf"{number}\s+carol\s+cross\s+2510.5 USD", evermark(data_dir, "accounts", "list"))
    assert "holds 2500.5 USD" in evermark(data_dir, "withdraw", number, "10", "--reference", "wire 2")
    assert "nothing changed" in evermark(data_dir, "withdraw", number, "10", "--reference", "wire 2")
    for other in (["deposit", number, "10"], ["withdraw", number, "11"], ["withdraw", "1", "10"]):
        assert "another transfer" in evermark(data_dir, *other, "--reference", "wire 2", code=1)
    evermark(data_dir, "withdraw", number, "2500.51", code=1)
    evermark(data_dir, "deposit", number, "10")
    created = evermark(data_dir, "keys", "create", number, "--label", "bot", "--scope", "read", "--days", "2")
    key, secret = re.findall(r"(?:api|secret) key\s+(\w+)", created)
    listed = evermark(data_dir, "keys", "list", number)
    assert re.search(rf"{key}\s+{number}\s+bot\s+read\s+anywhere\s+until 20", listed)
    assert secret not in listed
    demo = json.loads((data_dir / "demo.json").read_text("utf-8"))
    url, headers = f"{demo['url']}/balances", {"x-api-key": key}
    assert requests.get(url, headers=headers, timeout=DEADLINE_S).json()["result"]["USD"]["free"] == 2510.5
    for_ever = control.CreateKey(int(number), expires_at_ms=2**62)  # no command line says this, but a program might
    control.ask(data_dir, for_ever, control.NewKey)
    assert key in evermark(data_dir, "keys", "list")
    evermark(data_dir, "keys", "revoke", key)
    assert requests.get(url, headers=headers, timeout=DEADLINE_S).status_code == 401
    assert re.search(rf"{key}.*revoked", evermark(data_dir, "keys", "list"))


def test_an_account_gets_isolated_margin(exchange: Program) -> None:
    """CLI-005: and may then have a leverage of its own."""
    data_dir = exchange.data_dir
    number = re.findall(r"Account (\d+) of ike is open", evermark(data_dir, "accounts", "open", "ike"))[0]
    key, secret = re.findall(r"(?:api|secret) key\s+(\w+)", evermark(data_dir, "keys", "create", number))
    url = json.loads((data_dir / "demo.json").read_text("utf-8"))["url"]

    def set_leverage() -> requests.Response:
        body = f"pair=USD_BTC_PERP&leverage=5&timestamp={time.time() * 1_000}".encode()
        headers = {"x-api-key": key, "x-signature": sign(secret.encode(), body).decode()}
        headers["content-type"] = "application/x-www-form-urlencoded"
        return requests.post(f"{url}/leverage", body, headers=headers, timeout=DEADLINE_S)

    assert set_leverage().status_code != 200
    assert f"Account {number} of ike is isolated." in evermark(data_dir, "accounts", "mode", number, "ISOLATED")
    assert re.search(rf"{number}\s+ike\s+isolated", evermark(data_dir, "accounts", "list"))
    answer = set_leverage()
    assert answer.status_code == 200, answer.text
    assert f"Account {number} of ike is cross." in evermark(data_dir, "accounts", "mode", number, "cross")
    assert set_leverage().status_code != 200


def test_names_are_names(exchange: Program) -> None:
    """CLI-005: what looks like markup, or is not Latin, is printed as it is."""
    assert "of [/red] Ålice is open" in evermark(exchange.data_dir, "accounts", "open", "[/red] Ålice")
    assert "[/red] Ålice" in evermark(exchange.data_dir, "accounts", "list")
    assert "'[/X]'" in evermark(exchange.data_dir, "markets", "halt", "[/x]", code=1)


def test_markets(exchange: Program) -> None:
    """CLI-006."""
    data_dir = exchange.data_dir
    assert "USD_LRC_PERP is HALTED" in evermark(data_dir, "markets", "halt", "USD_LRC_PERP")
    assert re.search(r"USD_LRC_PERP\s+HALTED", evermark(data_dir, "markets", "list"))
    assert "REDUCE_ONLY" in evermark(data_dir, "markets", "halt", "usd_lrc_perp", "--status", "reduce_only")
    assert "USD_LRC_PERP is TRADING" in evermark(data_dir, "markets", "open", "USD_LRC_PERP")
    assert re.search(r"USD_BTC_PERP\s+TRADING\s+6\d{4}", evermark(data_dir, "markets", "list"))


def test_markets_are_restricted_and_amended(exchange: Program) -> None:
    """CLI-012, CLI-013."""
    data_dir = exchange.data_dir
    assert "USD_LRC_PERP is REDUCE_ONLY" in evermark(data_dir, "markets", "restrict", "usd_lrc_perp", "reduce-only")
    assert "USD_LRC_PERP is CANCEL_ONLY" in evermark(data_dir, "markets", "restrict", "USD_LRC_PERP", "cancel-only")
    assert "USD_LRC_PERP is TRADING" in evermark(data_dir, "markets", "open", "USD_LRC_PERP")
    assert "has these terms already" in evermark(data_dir, "markets", "amend", "USD_APE_PERP")
    said = evermark(data_dir, "markets", "amend", "USD_APE_PERP", "taker_fee_ppm=250")
    assert "taker_fee_ppm: 300 -> 250" in said
    assert "has these terms now" in said
    said = evermark(data_dir, "markets", "amend", "USD_APE_PERP", "maintenance_ppm=6_000", "mark_method=index")
    assert "mark_method: BASIS -> INDEX" in said
    assert re.search(r"has these terms from 20\d\d-\d\d-\d\d .* on: they may ask more of positions", said)
    said = evermark(data_dir, "markets", "amend", "USD_APE_PERP")
    assert "taker_fee_ppm: 250 -> 300" in said
    assert "has these terms now" in said


def test_the_venue_is_restricted(exchange: Program) -> None:
    """CLI-012: the stricter of the venue's and a market's own status counts."""
    data_dir = exchange.data_dir
    evermark(data_dir, "markets", "halt", "USD_LRC_PERP")
    try:
        for word, status in (("halt", "HALTED"), ("reduce-only", "REDUCE_ONLY"), ("cancel-only", "CANCEL_ONLY")):
            assert f"The venue is {status}." in evermark(data_dir, "venue", word)
            listed = evermark(data_dir, "markets", "list")
            assert re.search(rf"USD_BTC_PERP\s+{status}", listed)
            assert re.search(r"USD_LRC_PERP\s+HALTED", listed)
    finally:
        assert "The venue is TRADING." in evermark(data_dir, "venue", "open")
        evermark(data_dir, "markets", "open", "USD_LRC_PERP")
    assert re.search(r"USD_BTC_PERP\s+TRADING", evermark(data_dir, "markets", "list"))


def test_the_insurance_fund_providers_funding_and_liquidations(exchange: Program) -> None:
    """CLI-014: the fund's first money is there, and more can be put in, once."""
    data_dir = exchange.data_dir
    assert re.search(r"USD\s+1000000", evermark(data_dir, "insurance"))
    gifts = [evermark(data_dir, "insurance", "500.5", "--reference", "gift 1") for _ in range(2)]
    assert all(re.search(r"USD\s+1000500.5", said) for said in gifts)
    assert ["nothing changed" in said for said in gifts] == [False, True]
    assert "Account 2 takes over failing positions" in evermark(data_dir, "provider", "2", "on")
    assert "Account 2 takes over nothing" in evermark(data_dir, "provider", "2", "OFF")
    said = evermark(data_dir, "funding", "usd_btc_perp")
    assert "USD_BTC_PERP, predicted for this hour:" in said
    assert evermark(data_dir, "liquidations") == evermark(data_dir, "liquidations", "USD_BTC_PERP")


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (("markets", "restrict", "USD_BTC_PERP", "halt"), 1, "There is no restriction 'halt'"),
        (("markets", "amend", "USD_BTC_PERP", "taker_fee_ppm"), 1, "NAME=VALUE"),
        (("markets", "amend", "USD_BTC_PERP", "taker_fee=1"), 1, "There is no term 'taker_fee'"),
        (("markets", "amend", "USD_BTC_PERP", "taker_fee_ppm=0.1"), 1, "must be a whole number"),
        (("markets", "amend", "USD_BTC_PERP", "mark_method=luck"), 1, "INDEX, BASIS, MEDIAN"),
        (("markets", "amend", "USD_BTC_PERP", "tick=3"), 1, "contradict"),
        (("markets", "amend", "USD_X_PERP"), 1, "There is no market 'USD_X_PERP'."),
        (("insurance", "nothing"), 1, "decimal number"),
        (("provider", "99", "on"), 1, "The account does not exist."),
        (("provider", "1", "maybe"), 1, "on or off"),
        (("funding", "USD_X_PERP"), 1, "There is no market"),
        (("liquidations", "USD_X_PERP"), 1, "There is no market"),
        (("markets", "halt", "USD_BTC_PERP", "--status", "SETTLED"), 1, "There is no status 'SETTLED'"),
        (("deposit", "99", "1"), 1, "The account does not exist."),
        (("deposit", "1", "0"), 1, "greater than zero"),
        (("deposit", "1", "NaN"), 1, "decimal number"),
        (("deposit", "1", "1", "DOLLAR"), 1, "There is no asset 'DOLLAR'."),
        (("withdraw", "1", "1000000000"), 1, "balance"),
        (("withdraw", "99", "1"), 1, "The account does not exist."),
        (("accounts", "mode", "1", "both"), 1, "There is no margin mode 'both'"),
        (("accounts", "mode", "99", "cross"), 1, "The account does not exist."),
        (("accounts", "open", " "), 1, "needs the name"),
        (("keys", "create", "99"), 1, "There is no account 99."),
        (("keys", "list", "99999999999999999999"), 1, "There is no account 99999999999999999999."),
        (("keys", "create", "1", "--scope", "fly"), 1, "There is no scope 'fly'"),
        (("keys", "create", "1", "--network", "nowhere"), 1, "nowhere"),
        (("keys", "create", "1", "--days", "36501"), 2, "36500"),
        (("keys", "revoke", "abc"), 1, "There is no key"),
        (("markets", "halt", "USD_X_PERP"), 1, "There is no market 'USD_X_PERP'."),
        (("markets", "halt", "USD_BTC_PERP", "--status", "SHUT"), 1, "There is no status 'SHUT'"),
        (("sources", "mute", "4"), 1, "There is no source 4"),
        (("skip", "3", "--reason", "because"), 1, "not halted"),
        (("skip", "3", "--reason", " "), 1, "needs a reason"),
        (("bench", "nothing"), 1, "There is no benchmark nothing."),
        (("deposit", "1"), 2, "AMOUNT"),
        (("dance",), 2, "dance"),
    ],
)
def test_refusals_have_words_and_a_code(exchange: Program, arguments: tuple[str, ...], code: int, words: str) -> None:
    """CLI-007."""
    said = evermark(exchange.data_dir, *arguments, code=code)
    assert words.lower() in said.lower()


def test_verify_and_replay_read_the_journal(exchange: Program) -> None:
    """CLI-008."""
    verified = evermark(exchange.data_dir, "verify")
    assert "conservation hold" in verified
    past = evermark(exchange.data_dir, "replay", "--to", "120")
    assert re.search(r"seq\s+120\n", past)
    assert re.search(r"state hash\s+[0-9a-f]{64}\n", past)
    assert evermark(exchange.data_dir, "replay", "--to", "120") == past
    newest = evermark(exchange.data_dir, "replay")
    assert "100000 " in newest
    assert "Conservation holds." in newest


def test_a_second_exchange_does_not_start(exchange: Program) -> None:
    """RUN-005."""
    said = evermark(exchange.data_dir, "run", code=3, PORT="0", EVERMARK_LOCK_TIMEOUT_MS="100")
    assert "another exchange" in said.lower()
    port = json.loads((exchange.data_dir / "demo.json").read_text("utf-8"))["url"].rsplit(":", 1)[1]
    said = evermark(exchange.data_dir.parent / "other", "run", code=3, PORT=port)
    assert f"port {port}" in said


def test_a_second_start_finds_everything(data_dir: Path) -> None:
    """RUN-006: the same keys, no second deposit, the order still open, the state untouched between."""
    with running(data_dir) as first:
        number = re.findall(r"Account (\d+)", evermark(data_dir, "accounts", "open", "carol"))[0]
        evermark(data_dir, "deposit", number, "7", "BTC")
        before = json.loads((data_dir / "demo.json").read_text("utf-8"))
        seq = seq_of(data_dir)
        assert first.stop(signal.SIGINT) == 0
        assert "Evermark has stopped." in first.log
    assert "No exchange is running" in evermark(data_dir, "status", code=3)
    left = evermark(data_dir, "replay")
    stopped_seq = int(re.findall(r"seq\s+(\d+)", left)[0])
    assert stopped_seq >= seq
    with running(data_dir) as second:
        after = json.loads((data_dir / "demo.json").read_text("utf-8"))
        assert after["accounts"] == before["accounts"]
        assert after["url"] in second.output
        listed = evermark(data_dir, "accounts", "list")
        assert re.search(rf"{number}\s+carol\s+cross\s+7 BTC", listed)
        assert listed.count("100000 USD ") == 2
        at_stop = evermark(data_dir, "replay", "--to", str(stopped_seq))
        assert re.findall("[0-9a-f]{64}", at_stop) == re.findall("[0-9a-f]{64}", left)
        assert second.stop() == 0


def test_lost_demo_keys_are_made_anew(data_dir: Path) -> None:
    """RUN-007: without demo.json there are new keys, and the old ones end."""
    for start in range(2):
        with running(data_dir):
            listed = evermark(data_dir, "keys", "list")
            assert listed.count("in force") == 2
            assert listed.count("revoked") == 2 * start
        (data_dir / "demo.json").unlink()


def test_without_a_demo_nobody_has_money(data_dir: Path) -> None:
    """RUN-008; and a killed exchange leaves its database running until stop-db."""
    with running(data_dir, "--no-demo") as program:
        assert not (data_dir / "demo.json").exists()
        assert "no accounts yet" in evermark(data_dir, "accounts", "list")
        program.stop(signal.SIGKILL)
    assert "The database has stopped." in evermark(data_dir, "stop-db")
    assert "Nothing to stop" in evermark(data_dir, "stop-db")


@pytest.mark.parametrize(
    "name, value", [("PORT", "http"), ("EVERMARK_FEED", "crystal ball"), ("DATABASE_URL", "mysql://x")]
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    """RUN-009."""
    assert name in evermark(tmp_path, "run", code=3, **{"PORT": "0", name: value})


@pytest.mark.spec("LIM-022")
def test_a_proxy_that_is_named_is_believed(data_dir: Path) -> None:
    with running(data_dir, EVERMARK_TRUSTED_PROXIES="127.0.0.1"):
        made = evermark(data_dir, "keys", "create", "1", "--network", "198.51.100.7/32")
        key = re.findall(r"api key\s+(\S+)", made)[0]
        url = json.loads((data_dir / "demo.json").read_text("utf-8"))["url"]
        found = [
            requests.get(f"{url}/account", headers={"x-api-key": key, "x-forwarded-for": told}, timeout=DEADLINE_S)
            for told in ("198.51.100.7", "198.51.100.8")
        ]
        assert [answer.status_code for answer in found] == [200, 403]


def test_projections_are_made_again(data_dir: Path) -> None:
    """PROJ-002: by command, while no exchange runs."""
    with running(data_dir) as program:
        assert "another exchange" in evermark(data_dir, "rebuild", code=3, EVERMARK_LOCK_TIMEOUT_MS="100").lower()
        assert program.stop() == 0
    stopped_seq = re.findall(r"seq\s+(\d+)", evermark(data_dir, "replay"))[0]
    assert f"The projections stand at seq {stopped_seq}." in evermark(data_dir, "rebuild")


@pytest.mark.parametrize("command", ["verify", "replay", "rebuild", "liabilities"])
def test_there_is_no_past_yet(tmp_path: Path, command: str) -> None:
    """CLI-010: and looking for it leaves nothing behind."""
    assert "No exchange has run" in evermark(tmp_path / "data", command, code=3)
    assert not (tmp_path / "data").exists()
    said = evermark(tmp_path, command, code=3, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert "The database cannot be re" in said


def test_help_is_there(tmp_path: Path) -> None:
    """CLI-009."""
    said = evermark(tmp_path, "--help")
    for command in [
        "run",
        "stop-db",
        "bench",
        "accounts",
        "keys",
        "deposit",
        "withdraw",
        "markets",
        "venue",
        "insurance",
        "provider",
        "funding",
        "liquidations",
        "status",
        "verify",
        "replay",
        "liabilities",
        "rebuild",
        "skip",
    ]:
        assert re.search(rf"\b{command}\b", said)
    assert "USD_BTC_PERP" in evermark(tmp_path, "markets", "halt", "--help")
