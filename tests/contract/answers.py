"""One request to every address on a small exchange whose clock is ours: the golden answers.

They stand in app/surfaces/everstrike/examples.json, where the reference takes its examples from. `python -m tests.contract.answers`
writes them anew; a test holds the exchange to them.
"""

import asyncio
import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import requests

from app.auth import Scope, sign
from app.custody.simulated import SimulatedChain
from app.db.connect import connect, engine_for
from app.db.secrets import master_key
from app.history import NEWEST
from app.proof import files
from app.proof.publish import owner_names, prove
from app.recovery import replay_to
from app.settings import Settings
from app.surfaces.evermark.liabilities import CLAIM_PATH, SIGNED_PREFIX, STATEMENT_PATH
from app.surfaces.everstrike.examples import PATH, Examples
from exchange.commands import Deposit
from exchange.limits import MONEY_SCALE
from tests.conftest import MASTER_KEY, running_postgres
from tests.venue import DEADLINE_S, PAIR, PRICE, SPOT, USD, Client, Venue, running_venue

ENTRIES_MAX: Final = 2
"""What an example shows of a list, or of a map with many entries."""
MANY: Final = 20
FALL: Final = (59_700, 59_400, 59_100, 58_900, 58_800, 58_700, 58_640, 58_640)
HOUR_MS: Final = 3_600_000
BLOCK_MS: Final = 2_000
CUSTOMER: Final = "5b0c2a52-7f0e-4f4f-9f57-3a8c56a3c2f1"
ADDRESS: Final = "sim1c339fe070c2fa8501da7ee594275e2e68bccbbd856307c64"
HASH: Final = "4bab" * 16
STEADY: Final = {
    "customer_id": CUSTOMER,
    "seq": 1234,
    "is_compiled": True,
    # Where an account stands in the tree of liabilities depends on its owner's random id.
    "index": 0,
    "siblings": [{"sum": "1000000000", "hash": HASH}],
}
_SEQ_ID: Final = re.compile(r"\d+-\d+")
_ADDRESS: Final = re.compile(r"sim1[0-9a-f]{48}")
_HASH: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}")


class Recorder:
    """Keeps what was asked and answered."""

    def __init__(self) -> None:
        self.examples: Examples = {}

    def take(self, method: str, path: str, fields: dict[str, Any], answer: requests.Response) -> Any:
        """Keep an answer; gives its result."""
        assert answer.status_code == 200, (method, path, answer.text)
        body = answer.json()
        shown = {name: value for name, value in fields.items() if value is not None}
        self.examples[f"{method} {path}"] = {"fields": shown, "answer": steady(shorten(body))}
        return body["result"]

    def get(self, client: Client, path: str, **query: Any) -> Any:
        """Read with a key."""
        return self.take("GET", path, query, client.get(path, **query))

    def public(self, venue: Venue, path: str, **query: Any) -> Any:
        """Read without one."""
        params = {name: str(value) for name, value in query.items()}
        return self.take("GET", path, query, venue.http.get(venue.url + path, params=params, timeout=30))

    def post(self, client: Client, path: str, **fields: Any) -> Any:
        """Sign and send."""
        shown = {**nested(fields), "timestamp": client.venue.clock.now_ms}
        return self.take("POST", path, shown, client.send(path, **fields))


def nested(fields: dict[str, Any]) -> dict[str, Any]:
    """Bracketed keys as what they stand for."""
    found: dict[str, Any] = {}
    orders: dict[str, dict[str, Any]] = {}
    for name, value in fields.items():
        matched = re.fullmatch(r"orders\[(\d+)\]\[(\w+)\]", name)
        if matched:
            orders.setdefault(matched[1], {})[matched[2]] = value
        else:
            found[name.removesuffix("[]")] = value
    return {**found, "orders": list(orders.values())} if orders else found


def shorten(value: Any) -> Any:
    """The first entries of what is long."""
    if isinstance(value, list):
        return [shorten(entry) for entry in value[:ENTRIES_MAX]]
    if isinstance(value, dict):
        kept = list(value.items())
        if len(kept) > MANY and all(isinstance(entry, dict) for _, entry in kept):
            kept = kept[:ENTRIES_MAX]
        return {name: shorten(entry) for name, entry in kept}
    return value


def steady(value: Any) -> Any:
    """Replace what differs from run to run: a user's id, places in the journal."""
    if isinstance(value, list):
        return [steady(entry) for entry in value]
    if isinstance(value, dict):
        return {name: STEADY.get(name, steady(entry)) for name, entry in value.items()}
    if not isinstance(value, str):
        return value
    return _ADDRESS.sub(ADDRESS, _HASH.sub(HASH, "1234-5" if _SEQ_ID.fullmatch(value) else value))


def record(venue: Venue, settings: Settings) -> Examples:
    """Let some people trade, and ask everything."""
    recorder = Recorder()
    alice, bob, ivy = venue.client("alice"), venue.client("bob"), venue.client("ivy", is_isolated=True)
    trade(recorder, alice, bob)
    hold_margin(recorder, ivy, bob)
    change_orders(recorder, alice)
    read_account(recorder, alice)
    move_money(recorder, venue, alice)
    let_time_pass(venue, bob)
    read_markets(recorder, venue)
    read_history(recorder, venue, ivy, alice)
    read_proof(recorder, venue, settings, alice)
    return dict(sorted(recorder.examples.items()))


def trade(recorder: Recorder, alice: Client, bob: Client) -> None:
    """Every way to place an order and to end one."""
    bob.order(side="SELL", qty=2, price=60_000)
    bob.order(qty=2, price=59_900)
    recorder.post(alice, "/auth/order", pair=PAIR, side="BUY", qty=0.1, price=60_000, client_order_id="first")
    orders = {
        f"orders[{index}][{name}]": value
        for index, price in enumerate((59_500, 59_600))
        for name, value in {"pair": PAIR, "side": "BUY", "qty": 0.01, "price": price, "post_only": "true"}.items()
    }
    placed = recorder.post(alice, "/auth/order/bulk", **orders)["orders"]
    recorder.post(alice, "/auth/cancel", id=placed[0]["id"])
    recorder.post(alice, "/auth/cancel/bulk", **{"ids[]": [placed[1]["id"]]})
    recorder.post(alice, "/auth/close", pair=PAIR, qty=0.02)
    resting = alice.order(price=59_400, qty=0.01).json()["result"]["order"]["id"]
    alice.order(pair=SPOT, price=59_000, qty=0.01)
    recorder.get(alice, "/order", id=resting)


def change_orders(recorder: Recorder, alice: Client) -> None:
    """What is ours: an amendment, the dead man's switch, the margin mode."""
    resting = alice.order(price=59_300, qty=0.02, client_order_id="second").json()["result"]["order"]["id"]
    recorder.post(alice, "/auth/amend", id=resting, qty=0.01, price=59_350)
    recorder.post(alice, "/auth/cancel_all_after", timeout=60_000)
    assert alice.send("/auth/cancel_all_after", timeout=0).status_code == 200
    recorder.post(alice.venue.client("mia"), "/auth/margin_mode", margin_mode="ISOLATED")
    stop = {"side": "SELL", "price": None, "qty": 0.05, "trail_percent": 3, "reduce_only": "true"}
    assert alice.order(**stop).status_code == 200


def hold_margin(recorder: Recorder, ivy: Client, bob: Client) -> None:
    """What only isolated margin has."""
    recorder.post(ivy, "/leverage", pair=PAIR, leverage=50)
    ivy.order(side="BUY", qty=0.2, price=60_000)
    recorder.post(ivy, "/fund", pair=PAIR, qty=100)
    recorder.post(ivy, "/draw", pair=PAIR, qty=50)


def read_account(recorder: Recorder, alice: Client) -> None:
    """What an account can read of itself."""
    for path in ("/account", "/balances", "/active_positions"):
        recorder.get(alice, path)
    recorder.get(alice, "/position", pair=PAIR)
    lists = (
        "/orders",
        "/active_orders",
        "/completed_orders",
        "/cancelled_orders",
        "/filled_orders",
        "/triggers",
        "/fills",
    )
    for path in lists:
        recorder.get(alice, path, pair=PAIR, limit=2)


def move_money(recorder: Recorder, venue: Venue, alice: Client) -> None:
    """A deposit that comes in, and a withdrawal that is called back."""
    owner = venue.key(alice.account_id, scopes=Scope.READ | Scope.WITHDRAW)
    engine = engine_for(venue.store.url)
    chain = SimulatedChain(engine, venue.clock, block_ms=BLOCK_MS)
    address = recorder.get(owner, "/v1/deposit_address", asset="BTC")["address"]
    venue.run(chain.deposit(address, "BTC", 50_000_000))
    wait_for(owner, "/deposits", "COMPLETED", chain)
    recorder.get(owner, "/deposits", asset="BTC", limit=2)
    venue.run(chain.go_away(True))
    sent = {"asset": "BTC", "qty": 0.25, "address": ADDRESS}
    asked = recorder.post(owner, "/auth/withdraw", **sent, client_withdrawal_id="rent")
    recorder.post(owner, "/auth/withdraw/cancel", id=asked["id"])
    venue.run(chain.go_away(False))
    recorder.get(owner, "/withdrawals", asset="BTC", limit=2)
    venue.run(engine.dispose())


def wait_for(client: Client, path: str, status: str, chain: SimulatedChain) -> None:
    """Let blocks come until the newest entry of a list has this status."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := client.get(path).json()["result"]) or found[0]["status"] != status:
        assert time.monotonic() < deadline, found
        client.venue.run(chain.mine(1))
        time.sleep(0.05)


def let_time_pass(venue: Venue, bob: Client) -> None:
    """An hour's funding, and a fall that liquidates somebody."""
    for _ in range(5):
        venue.price(PRICE)
    venue.clock.now_ms += HOUR_MS
    venue.price(PRICE)
    assert bob.send("/auth/cancel/bulk").status_code == 200
    bob.order(qty=1, price=58_650)
    for price in FALL:
        venue.price(price)


def read_markets(recorder: Recorder, venue: Venue) -> None:
    """What everybody can read."""
    venue.submit(Deposit("the insurance fund's", 0, USD, 1_000 * MONEY_SCALE))
    for path in ("/pairs", "/time", "/ping", "/assets", "/globals", "/status", "/vault"):
        recorder.public(venue, path)
    recorder.public(venue, "/depth", pair=PAIR, limit=2)
    recorder.public(venue, "/ticker", pair=PAIR)
    recorder.public(venue, "/ohlcv", pair=PAIR, interval="1m", basis="mark", limit=2)
    for path in ("/trades", "/funding", "/v1/liquidations"):
        recorder.public(venue, path, pair=PAIR, limit=2)


def read_history(recorder: Recorder, venue: Venue, ivy: Client, alice: Client) -> None:
    """What an account can read of its past."""
    recorder.get(alice, "/personal")
    assert alice.send("/auth/close", pair=PAIR).status_code == 200
    recorder.get(alice, "/completed_positions", pair=PAIR, limit=2)
    recorder.get(ivy, "/v1/funding_payments", pair=PAIR, limit=2)


def read_proof(recorder: Recorder, venue: Venue, settings: Settings, alice: Client) -> None:
    """What is owed, published on the way, and one account's path in it."""
    asyncio.run(publish(settings))
    recorder.public(venue, STATEMENT_PATH)
    query = {"asset": "BTC", "timestamp": venue.stamp()}
    text = urlencode(query)
    signature = sign(alice.secret.encode(), SIGNED_PREFIX + text.encode()).decode()
    headers = {"x-api-key": alice.api_key, "x-signature": signature}
    answer = venue.http.get(f"{venue.url}{CLAIM_PATH}?{text}", headers=headers, timeout=30)
    recorder.take("GET", CLAIM_PATH, {**query, "timestamp": venue.clock.now_ms}, answer)


async def publish(settings: Settings) -> None:
    """Write the proof of liabilities as it is now."""
    assert settings.database_url is not None
    connection = await connect(settings.database_url)
    try:
        found = await replay_to(connection, NEWEST)
        owners = await owner_names(connection)
    finally:
        await connection.close()
    key = master_key(settings.master_key, settings.data_dir, is_embedded=settings.is_embedded)
    files.write(settings.data_dir, *prove(found, owners, key))


def main() -> None:
    """Write the examples anew."""
    with running_postgres() as server, tempfile.TemporaryDirectory(prefix="evermark-answers-") as folder:
        settings = Settings(database_url=server.url(), data_dir=Path(folder) / "data", master_key=MASTER_KEY)
        with running_venue(settings) as venue:
            text = json.dumps(record(venue, settings), indent=1)
    PATH.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
