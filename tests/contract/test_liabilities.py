"""`evermark liabilities` beside a running exchange, the two addresses under /v1, and the program that users check with."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from app.auth import Scope, sign
from app.db.embedded import EmbeddedServer
from app.surfaces.evermark.liabilities import SIGNED_PREFIX
from tests.conftest import MASTER_KEY
from tests.contract.conftest import own_settings
from tests.contract.documents import conforms
from tests.venue import Client, Venue, running_venue

ROOT = Path(__file__).parents[2]


class Place:
    """An exchange with two accounts and one trade, and its DATA_DIR."""

    def __init__(self, venue: Venue, data_dir: Path) -> None:
        self.venue = venue
        self.data_dir = data_dir
        self.anna = venue.client("anna", btc=0)
        self.ben = venue.client("ben")
        self.anna.order(side="SELL", price=60_000, qty=0.01)
        self.ben.order(side="BUY", price=60_000, qty=0.01)

    def evermark(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "DATA_DIR": str(self.data_dir),
                "DATABASE_URL": self.venue.store.url,
                "EVERMARK_MASTER_KEY": MASTER_KEY,
                "COLUMNS": "200",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def publish(self) -> int:
        """Write the liabilities after the newest command."""
        seq = self.venue.call(lambda: self.venue.store.sequencer.seq)
        self.evermark("liabilities", "--at", str(seq))
        return seq


@pytest.fixture(scope="module")
def place(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data_dir: Path = tmp_path_factory.mktemp("liabilities")
    with running_venue(own_settings(postgres, data_dir, "liabilities")) as venue:
        yield Place(venue, data_dir)


def ask(client: Client, *, prefix: bytes = SIGNED_PREFIX, **query: object) -> requests.Response:
    """Read one's own path, signed."""
    query.setdefault("timestamp", client.venue.stamp())
    text = urlencode(query)
    signature = sign(client.secret.encode(), prefix + text.encode()).decode()
    headers = {"x-api-key": client.api_key, "x-signature": signature}
    return client.venue.http.get(f"{client.venue.url}/v1/liabilities/path?{text}", headers=headers, timeout=30)


def verified(folder: Path, published: Any, path: Any, owner: str, account_id: int, *, code: int = 0) -> str:
    """Run the program as a user does: alone, on two files."""
    (folder / "published.json").write_text(json.dumps(published))
    (folder / "path.json").write_text(json.dumps(path))
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            ROOT / "tools" / "verify_liabilities.py",
            "published.json",
            "path.json",
            *("--owner", owner, "--account", str(account_id)),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_nothing_is_published_there(place: Place) -> None:
    """POL-019."""
    answer = place.venue.http.get(f"{place.venue.url}/v1/liabilities?seq={10**9}", timeout=30)
    assert conforms(place.venue, answer) == {"reject": "NO_LIABILITIES", "field": "seq"}


def test_from_the_command_to_the_user(place: Place, tmp_path: Path) -> None:
    """POL-018: written while the exchange runs, read over HTTP as it answers, checked alone."""
    seq = place.publish()
    said = place.evermark("liabilities", "--at", str(seq))
    (digest,) = re.findall(r"statement\s+([0-9a-f]{64})", said)
    assert re.search(r"USD\s+2\s+199999\.82\s+0\s+0\.18\b", said)
    published = place.venue.http.get(f"{place.venue.url}/v1/liabilities?seq={seq}", timeout=30)
    statement = conforms(place.venue, published)
    assert statement["seq"] == seq
    assert statement["assets"]["USD"]["total"] == "19999982000000"
    assert statement["assets"]["BTC"]["claims"] == 1
    for client, owner, claim in ((place.anna, "anna", "100000.00000000"), (place.ben, "ben", "99999.82000000")):
        answer = ask(client, seq=seq)
        conforms(place.venue, answer)
        proof = verified(tmp_path, published.json(), answer.json(), owner, client.account_id)
        assert f"{claim} of 199999.82000000 USD at seq {seq}" in proof
        assert f"statement {digest}" in proof
        verified(tmp_path, published.json(), answer.json(), "somebody", client.account_id, code=1)
        from_cli = json.loads(place.evermark("liabilities", "--at", str(seq), "--account", str(client.account_id)))
        assert from_cli == answer.json()["result"]
    of_ben = ask(place.ben, seq=seq).json()
    cheating = published.json()
    cheating["result"]["assets"]["USD"]["total"] = "19999981000000"
    assert "NOT PROVEN" in verified(tmp_path, cheating, of_ben, "ben", place.ben.account_id, code=1)


def test_a_key_reads_its_own_account(place: Place) -> None:
    """POL-019: signed, once, in time, with the scope; of the newest proof where no seq is named."""
    seq = place.publish()
    found = conforms(place.venue, ask(place.ben, asset="btc"))
    assert (found["seq"], found["asset"], found["account"], found["value"]) == (
        seq,
        "BTC",
        place.ben.account_id,
        "1000000000",
    )
    assert conforms(place.venue, ask(place.anna, asset="BTC")) == {"reject": "NO_CLAIM", "field": "asset"}
    assert conforms(place.venue, ask(place.anna, asset="../USD"))["reject"] == "NO_CLAIM"
    assert conforms(place.venue, ask(place.anna, seq=10**9))["reject"] == "NO_CLAIM"
    assert ask(place.anna, timestamp=1).status_code == 408
    unsigned = place.anna.get("/v1/liabilities/path", timestamp=place.venue.stamp())
    assert unsigned.status_code == 401
    assert ask(place.anna, prefix=b"").status_code == 401
    assert ask(place.venue.key(place.anna.account_id, scopes=Scope.TRADE)).status_code == 403
    stamp = place.venue.stamp()
    assert [ask(place.anna, timestamp=stamp).status_code for _ in range(2)] == [200, 401]


def test_a_signed_read_is_no_order(place: Place) -> None:
    """POL-020: who takes a signed read on its way cannot send it as a form, least of all as "cancel all"."""
    place.anna.order(side="SELL", price=60_500, qty=0.01)
    for path in ("/auth/cancel/bulk", "/auth/order", "/auth/cancel", "/auth/close", "/auth/order/bulk"):
        for first in ("timestamp", "asset"):
            fields = {"timestamp": place.venue.stamp(), "asset": "USD", "pair": "USD_BTC_PERP"}
            ordered = sorted(fields.items(), key=lambda item: item[0] != first)
            assert place.anna.post(path, SIGNED_PREFIX + urlencode(ordered).encode()).status_code == 503
    assert len(place.anna.get("/active_orders").json()["result"]) == 1
    place.anna.cancel_all()


def test_refusals(place: Place) -> None:
    """POL-021."""
    seq = place.publish()
    assert "The journal ends at seq" in place.evermark("liabilities", "--at", str(seq + 10**6), code=3)
    said = place.evermark("liabilities", "--at", str(seq), "--account", "99", code=3)
    assert "Account 99 has no claim on USD" in said
    assert "no such liabilities" in place.evermark("liabilities", "--at", str(10**6), "--account", "1", code=3)


def test_the_page_says_how(place: Place, tmp_path: Path) -> None:
    """POL-022: the commands of docs/proof_of_liabilities.md, as they stand there but for the clock."""
    place.publish()
    page = (ROOT / "docs" / "proof_of_liabilities.md").read_text("utf-8")
    (tmp_path / "verify_liabilities.py").write_text((ROOT / "tools" / "verify_liabilities.py").read_text("utf-8"))
    lines = page.splitlines()
    commands = [line for line in lines if re.match(r"curl|QUERY=|PREFIX=|SIGNATURE=|python3", line)]
    assert len(commands) == 6
    script = "\n".join(commands).replace("$(date +%s)000", place.venue.stamp())
    script = script.replace("alice", "ben").replace("--account 1", f"--account {place.ben.account_id}")
    secrets = {"URL": place.venue.url, "KEY": place.ben.api_key, "SECRET": place.ben.secret}
    done = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=tmp_path,
        env={**os.environ, **secrets},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(
        r"account \d+ of ben: 99999\.82000000 of \d+\.\d{8} USD at seq \d+\nstatement [0-9a-f]{64}\n", done.stdout
    )
