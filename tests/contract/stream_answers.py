"""Every operation of the stream and a message of every category on a small exchange whose clock is ours: the golden messages.

They stand in app/stream/examples.json, where the reference takes its examples from. `python -m tests.contract.stream_answers` writes
them anew; a test holds the exchange to them.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Final, final

from app.auth import Scope, sign
from app.custody.simulated import SimulatedChain
from app.db.connect import engine_for
from app.settings import Settings
from app.stream import messages
from app.stream.examples import PATH, Examples
from exchange import views
from exchange.commands import Tick
from tests.conftest import MASTER_KEY, running_postgres
from tests.contract import answers
from tests.support.streams import Listener, Message, listening
from tests.venue import PAIR, PRICE, Client, Venue, running_venue

SEQ: Final = 815
BEFORE: Final = 812
"""What commands are called in the examples."""
STEADY: Final = {
    "customer_id": answers.CUSTOMER,
    "api_key": "0123456789abcdef0123456789abcdef",
    "signature": "c2lnbmF0dXJlIG9mIHRpbWVzdGFtcD0xNzAwMDAwMDAwMDAwLjA=",
    "timestamp": "1700000001000.000001",
    "seq": SEQ,
    "prev_seq": BEFORE,
    "from_seq": BEFORE,
}
REPLIES: Final = frozenset(
    {
        messages.SUBSCRIBED,
        messages.UNSUBSCRIBED,
        messages.SUBSCRIPTIONS,
        messages.AUTHENTICATED,
        messages.OK,
        messages.ERROR,
        messages.RESPONSE,
    }
)


@final
class Recorder:
    """Keeps what was asked and told. `heard` is everything that was told, as it was."""

    def __init__(self) -> None:
        self.examples: Examples = {}
        self.heard: list[Message] = []

    def ask(self, listener: Listener, op: str, content: object = "now", name: str = "", **more: object) -> Message:
        """Ask, and keep the question and its answer."""
        answer = listener.ask(op, content, **more)
        self._keep(f"op.{op}", {"op": op, "content": content, **more})
        category = answer["category"]
        self._keep(name or (f"response.{op}" if category == messages.RESPONSE else category), answer)
        return answer

    def take(self, listener: Listener) -> None:
        """Keep the first message of each category that a listener was told by itself."""
        for message in listener.heard:
            category = message["category"]
            if category == messages.BOOK:
                self._keep(f"{category}.{message['result']['type']}", message)
            elif category not in REPLIES:
                self._keep(category, message)
        self.heard += listener.heard

    def _keep(self, name: str, message: Message) -> None:
        if name not in self.examples:
            self.examples[name] = steady(message if name.startswith(messages.BOOK) else answers.shorten(message))


def steady(value: Any) -> Any:
    """Replace what differs from run to run."""
    if isinstance(value, list):
        return [steady(entry) for entry in value]
    if not isinstance(value, dict):
        return answers.steady(value)
    found = {name: STEADY[name] if name in STEADY else steady(entry) for name, entry in value.items()}
    if value.get("op") == "auth_api" and isinstance(value.get("content"), str):
        found["content"] = STEADY["api_key"]
    if value.get("type") == "snapshot":
        found["seq"] = BEFORE
    return found


def record(venue: Venue) -> Recorder:
    """Let some people trade, and listen."""
    recorder = Recorder()
    alice, bob, ivy = venue.client("alice"), venue.client("bob"), venue.client("ivy", is_isolated=True)
    bob.order(side="SELL", qty=2, price=60_000)
    bob.order(qty=2, price=59_900)
    with listening(venue.url) as public, listening(venue.url) as own:
        subscribe(recorder, public)
        enter(recorder, venue, own, alice)
        trade(recorder, own, alice, bob)
        trigger(recorder, venue, own)
        let_log_in(venue, alice)
        move_money(venue, alice)
        own.hear(messages.NOTICE)
        fall(venue, ivy, bob)
        public.hear(messages.LIQUIDATION)
        leave(recorder, public)
        own.rest()
        for listener in (public, own):
            recorder.take(listener)
    with listening(venue.url) as late:
        content = {"api_key": alice.api_key, "since": 0, "index": 0, "categories": [messages.FILL_ADDED]}
        recorder.ask(late, "auth_api", content, "authenticated.late")
        late.hear(messages.ERROR)
        recorder.examples["error.gap"] = steady(late.heard[-1])
        del recorder.examples["authenticated.late"]
        recorder.heard += late.heard
    recorder.examples = dict(sorted(recorder.examples.items()))
    return recorder


def subscribe(recorder: Recorder, public: Listener) -> None:
    """Every public category, and what cannot be done."""
    recorder.ask(public, "status")
    for category in messages.PUBLIC:
        recorder.ask(public, "sub", f"{PAIR}:{category}")
    recorder.ask(public, "subscriptions")
    recorder.ask(public, "dance", id=7)
    del recorder.examples["op.dance"]


def leave(recorder: Recorder, public: Listener) -> None:
    """Every way to end a subscription."""
    recorder.ask(public, "unsub", f"{PAIR}:{messages.BOOK}")
    recorder.ask(public, "unsub_pair", PAIR)
    recorder.ask(public, "sub_pair", PAIR)
    recorder.ask(public, "unsub_all")


def enter(recorder: Recorder, venue: Venue, own: Listener, alice: Client) -> None:
    """With a key, and with its secret."""
    recorder.ask(own, "auth_api", alice.api_key)
    timestamp = venue.stamp()
    signature = sign(alice.secret.encode(), f"timestamp={timestamp}".encode()).decode()
    recorder.ask(own, "auth", {"api_key": alice.api_key, "timestamp": timestamp, "signature": signature})
    for category in sorted(messages.EXTRAS):
        recorder.ask(own, "sub", category)


def trade(recorder: Recorder, own: Listener, alice: Client, bob: Client) -> None:
    """Every order over the socket."""
    buy = {"pair": PAIR, "side": "BUY"}
    recorder.ask(own, "order", {**buy, "qty": 0.1, "price": 60_000, "client_order_id": "first"}, id=1)
    orders = [{**buy, "qty": 0.01, "price": price, "post_only": True} for price in (59_950, 59_940)]
    placed = recorder.ask(own, "order_bulk", {"orders": orders}, id=2)["result"]["orders"]
    recorder.ask(own, "amend", {"id": placed[1]["id"], "qty": 0.02, "price": 59_930}, id=3)
    bob.order(side="SELL", qty=0.005, price=59_950)
    recorder.ask(own, "cancel", {"id": placed[0]["id"]}, id=4)
    recorder.ask(own, "cancel_bulk", {"ids": [placed[1]["id"]]}, id=5)
    recorder.ask(own, "cancel_all_after", {"timeout": 60_000}, id=6)
    own.ask("cancel_all_after", {"timeout": 0})
    recorder.ask(own, "close", {"pair": PAIR}, id=7)
    assert alice.get("/active_positions").json()["result"] == {}


def trigger(recorder: Recorder, venue: Venue, own: Listener) -> None:
    """Orders that wait: one is called off, one is filled, one is more than its owner can pay."""
    stop = {"pair": PAIR, "side": "SELL", "price": 59_000}
    waiting = own.ask("order", {**stop, "qty": 0.01, "trigger_price": 50_000})["result"]["order"]
    own.ask("cancel", {"id": waiting["id"]})
    for qty in (0.01, 90):
        assert own.ask("order", {**stop, "qty": qty, "trigger_price": 59_900})["code"] == 200
    venue.price(59_800)
    venue.submit(Tick())
    own.hear(messages.TRIGGER_FAILED)
    venue.price(PRICE)


def let_log_in(venue: Venue, alice: Client) -> None:
    """Make a person of a user: only a person gets notices."""
    account = views.account(venue.store.exchange, alice.account_id)
    assert account is not None
    enrol = venue.people.register.enrol
    venue.run(enrol(account.owner_id, "alice@example.com", "correct horse battery", has_allow_list=False, level=99))


def move_money(venue: Venue, alice: Client) -> None:
    """A deposit that comes in, and a withdrawal that arrives."""
    owner = venue.key(alice.account_id, scopes=Scope.READ | Scope.WITHDRAW)
    engine = engine_for(venue.store.url)
    chain = SimulatedChain(engine, venue.clock, block_ms=answers.BLOCK_MS)
    address = owner.get("/v1/deposit_address", asset="BTC").json()["result"]["address"]
    venue.run(chain.deposit(address, "BTC", 50_000_000))
    answers.wait_for(owner, "/deposits", "COMPLETED", chain)
    asked = owner.send("/auth/withdraw", asset="BTC", qty=0.25, address=answers.ADDRESS, client_withdrawal_id="rent")
    assert asked.status_code == 200, asked.text
    answers.wait_for(owner, "/withdrawals", "SUCCEEDED", chain)
    venue.run(engine.dispose())


def fall(venue: Venue, ivy: Client, bob: Client) -> None:
    """Somebody with fifty times its money is liquidated."""
    assert ivy.send("/leverage", pair=PAIR, leverage=50).status_code == 200
    assert ivy.order(side="BUY", qty=0.2, price=60_000).status_code == 200
    assert bob.send("/auth/cancel/bulk").status_code == 200
    bob.order(qty=1, price=58_650)
    for price in answers.FALL:
        venue.price(price)


def main() -> None:
    """Write the examples anew."""
    with running_postgres() as server, tempfile.TemporaryDirectory(prefix="evermark-answers-") as folder:
        settings = Settings(database_url=server.url(), data_dir=Path(folder) / "data", master_key=MASTER_KEY)
        with running_venue(settings) as venue:
            text = json.dumps(record(venue).examples, indent=1)
    PATH.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
