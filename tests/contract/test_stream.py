"""The stream over a real socket: operations, public categories, the account's own messages, orders."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random
from typing import Any
from zlib import crc32

import pytest
from websockets.exceptions import InvalidStatus

from app.auth import Scope
from app.db.embedded import EmbeddedServer
from exchange.commands import (
    AdvanceWithdrawal,
    RecordDeposit,
    RequestWithdrawal,
    SettleDeposit,
    Tick,
    WithdrawalStatus,
)
from exchange.events import CancelReason, OrderCancelled, WithdrawalRequested
from exchange.limits import MONEY_SCALE
from tests.contract.conftest import own_venue
from tests.support.mirror import Mirror
from tests.support.streams import Listener, Message, credentials, listening
from tests.venue import PAIR, SPOT, USD, Client, Venue

DOCUMENTED = ["depth", "ticker", "index", "ohlcv", "match", "trades", "liquidation"]
ENVELOPE = {"code", "msg", "category", "pair", "result"}


@pytest.fixture(scope="module")
def venue(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """An exchange without a custody: a withdrawal goes only where a test lets it go."""
    with own_venue(postgres, tmp_path_factory, "test_stream", custody="none") as running:
        yield running


@pytest.fixture
def listener(venue: Venue) -> Iterator[Listener]:
    with listening(venue.url) as found:
        yield found


@pytest.fixture(scope="module")
def sam(venue: Venue) -> Client:
    return venue.client("sam of the stream")


@pytest.fixture(scope="module")
def tess(venue: Venue) -> Client:
    return venue.client("tess of the stream")


@pytest.fixture(autouse=True)
def nothing_left(sam: Client, tess: Client) -> Iterator[None]:
    """Whatever a test does, the next one finds no orders and no positions of theirs."""
    yield
    for client in (sam, tess):
        client.cancel_all()
    size = sam.get("/position", pair=PAIR).json()["result"]["size"]
    if size:
        sides = ("SELL", "BUY") if size > 0 else ("BUY", "SELL")
        tess.order(side=sides[1], qty=abs(size), price=60_000)
        sam.order(side=sides[0], qty=abs(size), price=60_000)


# --- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("STREAM-001")
def test_the_stream_is_at_the_root_only(venue: Venue) -> None:
    with pytest.raises(InvalidStatus) as refused, listening(venue.url + "/depth"):
        pass
    assert refused.value.response.status_code == 403
    assert venue.http.get(venue.url + "/").status_code == 404


@pytest.mark.spec("STREAM-002")
@pytest.mark.parametrize(
    "text, reject",
    [
        ("{", "INVALID_MESSAGE"),
        ("[]", "INVALID_MESSAGE"),
        ('"sub"', "INVALID_MESSAGE"),
        ('{"content":"x"}', "INVALID_MESSAGE"),
        ('{"op":7,"content":"x"}', "INVALID_MESSAGE"),
        ('{"op":"status","content":"x","id":[]}', "INVALID_MESSAGE"),
        ("\x00", "INVALID_MESSAGE"),
        (b"\xff\xfe", "INVALID_MESSAGE"),
        ('{"op":"sub","content":' + "[" * 30_000 + "]" * 30_000 + "}", "INVALID_MESSAGE"),
        ('{"op":"sub","content":"x","more":' + '{"a":' * 5_000 + "0" + "}" * 5_000 + "}", "INVALID_MESSAGE"),
        ('{"op":"dance","content":"x"}', "UNKNOWN_OP"),
        ('{"op":"status"}', "MISSING_FIELD"),
        ('{"op":"status","content":""}', "MISSING_FIELD"),
        ('{"op":"status","content":null}', "MISSING_FIELD"),
        ('{"op":"status","content":{}}', "MISSING_FIELD"),
        ('{"op":"status","content":[]}', "MISSING_FIELD"),
        ('{"op":"sub","content":7}', "INVALID_FORM"),
        ('{"op":"sub","content":"USD_BTC_PERP"}', "UNKNOWN_CATEGORY"),
        ('{"op":"sub","content":"USD_BTC_PERP:order_added"}', "UNKNOWN_CATEGORY"),
        ('{"op":"sub","content":"USD_BTC_PERP:ohlcv:7d"}', "UNKNOWN_CATEGORY"),
        ('{"op":"sub","content":"USD_BTC_PERP:ohlcv:1m:fair"}', "UNKNOWN_CATEGORY"),
        ('{"op":"sub","content":"NOWHERE:depth"}', "UNKNOWN_MARKET"),
        ('{"op":"sub_pair","content":"NOWHERE"}', "UNKNOWN_MARKET"),
        ('{"op":"auth_api","content":[1]}', "INVALID_FORM"),
        ('{"op":"auth","content":"key"}', "INVALID_FORM"),
    ],
)
def test_what_cannot_be_done_is_an_error(listener: Listener, text: str | bytes, reject: str) -> None:
    listener.socket.send(text)
    answer = listener.next()
    assert answer.keys() >= ENVELOPE
    assert (answer["code"], answer["category"], answer["pair"]) == (503, "error", None)
    assert answer["result"]["reject"] == reject
    assert answer["msg"]
    assert listener.ask("status")["category"] == "ok"


@pytest.mark.spec("STREAM-002", "STREAM-003")
def test_operations_answer_as_documented(listener: Listener) -> None:
    answer = listener.ask("status", "ok", id="a7")
    assert (answer["code"], answer["category"], answer["pair"]) == (200, "ok", None)
    answer = listener.ask("sub", f"{PAIR}:ticker")
    assert (answer["category"], answer["pair"], answer["result"]) == ("subscribed", PAIR, f"{PAIR}:ticker")
    listener.socket.send(json.dumps({"op": "sub_pair", "content": PAIR}).encode())
    answer = listener.hear("subscribed")
    assert answer["result"] == [f"{PAIR}:{category}" for category in DOCUMENTED]
    answer = listener.ask("subscriptions")
    assert (answer["msg"], answer["pair"]) == ("subscriptions", None)
    assert sorted(answer["result"]) == sorted(f"{PAIR}:{category}" for category in DOCUMENTED)
    answer = listener.ask("unsub", f"{PAIR}:depth")
    assert (answer["category"], answer["result"]) == ("unsubscribed", f"{PAIR}:depth")
    listener.ask("sub", f"{SPOT}:trades")
    answer = listener.ask("unsub_pair", PAIR)
    assert sorted(answer["result"]) == sorted(f"{PAIR}:{name}" for name in DOCUMENTED if name != "depth")
    assert listener.ask("subscriptions")["result"] == [f"{SPOT}:trades"]
    assert listener.ask("unsub_all")["result"] == [f"{SPOT}:trades"]
    assert listener.ask("subscriptions")["result"] == []
    assert listener.ask("dance", id="a8")["id"] == "a8"


# --- public categories -------------------------------------------------------------------------------------------------


@pytest.mark.spec("STREAM-020", "STREAM-021")
def test_depth_is_a_whole_book_in_both_shapes(venue: Venue, listener: Listener, sam: Client) -> None:
    assert listener.ask("sub", f"{PAIR}:depth")["result"] == f"{PAIR}:depth"
    listener.hear("depth")
    sam.order(price=58_123, qty=0.002)
    told = listener.hear("depth", lambda message: {"price": 58_123, "qty": 0.002} in message["result"]["bids"])
    assert (told["code"], told["msg"], told["pair"]) == (200, "Order book changed!", PAIR)
    sides = {side: told["result"][side] for side in ("bids", "asks")}
    assert told["result"]["depth"] == sides
    assert venue.http.get(venue.url + "/depth", params={"pair": PAIR}).json()["result"] == sides
    sam.order(price=58_000, qty=0.002, hidden=True)
    sam.cancel_all()
    last = listener.hear("depth", lambda message: {"price": 58_123, "qty": 0.002} not in message["result"]["bids"])
    assert {"price": 58_000, "qty": 0.002} not in last["result"]["bids"]


@pytest.mark.spec("STREAM-022")
def test_trades_are_told_once_each(venue: Venue, listener: Listener, sam: Client, tess: Client) -> None:
    listener.ask("sub", f"{PAIR}:trades")
    listener.ask("sub", f"{PAIR}:match")
    sam.order(price=60_000, qty=0.001)
    sam.order(price=59_990, qty=0.002)
    tess.order(side="SELL", price=59_990, qty=0.003)
    told = listener.rest()
    trades = [trade for message in told if message["category"] == "trades" for trade in message["result"]["trades"]]
    matches = [message["result"] for message in told if message["category"] == "match"]
    assert trades == matches
    assert [(trade["price"], trade["qty"], trade["is_buyer_maker"]) for trade in trades] == [
        (60_000, 0.001, True),
        (59_990, 0.002, True),
    ]
    rest = venue.http.get(venue.url + "/trades", params={"pair": PAIR, "limit": "2"}).json()["result"]
    assert rest == trades[::-1]


@pytest.mark.spec("STREAM-020", "STREAM-023", "STREAM-024", "STREAM-025")
def test_prices_come_at_once_and_when_they_change(venue: Venue, listener: Listener, sam: Client, tess: Client) -> None:
    first: dict[str, Message] = {}
    for name in ("index", "ticker", "ohlcv", "ohlcv:1m:mark"):
        listener.ask("sub", f"{PAIR}:{name}")
        first[name] = listener.hear(name.partition(":")[0])
    assert first["index"]["result"].keys() >= {
        "index", "mark", "underlying_price", "strike", "volatility", "black_scholes",
    }  # fmt: skip
    assert first["index"]["result"]["index"] == 60_000
    rest = venue.http.get(venue.url + "/ticker", params={"pair": PAIR}).json()["result"][PAIR]
    assert first["ticker"]["result"] == rest
    assert first["ohlcv:1m:mark"]["result"]["ohlcv"]["interval"] == "1m"
    assert first["ohlcv:1m:mark"]["result"]["ohlcv"]["basis"] == "mark"
    sam.order(price=60_010, qty=0.001)
    tess.order(side="SELL", price=60_010, qty=0.001)
    candle = listener.hear("ohlcv", lambda message: message["result"]["ohlcv"]["close"] == 60_010)["result"]["ohlcv"]
    assert candle["basis"] == "last"
    rows = venue.http.get(venue.url + "/ohlcv", params={"pair": PAIR}).json()["result"]
    assert rows[-1] == {name: value for name, value in candle.items() if name not in ("interval", "basis")}
    venue.price(60_020)
    assert listener.hear("index", lambda message: message["result"]["index"] == 60_020)["pair"] == PAIR
    listener.hear("ticker", lambda message: message["result"]["index_price"] == 60_020)
    venue.price(60_000)


@pytest.mark.spec("STREAM-024")
def test_a_ticker_follows_the_best_prices(venue: Venue, listener: Listener, sam: Client) -> None:
    """Also while nobody trades and no price moves."""
    listener.ask("sub", f"{PAIR}:ticker")
    assert listener.hear("ticker")["result"]["bid_price"] != 59_993
    placed = sam.order(price=59_993, qty=0.002).json()["result"]["order"]
    told = listener.hear("ticker", lambda message: message["result"]["bid_price"] == 59_993)["result"]
    assert told["bid_qty"] == 0.002
    sam.send("/auth/cancel", id=placed["id"])
    listener.hear("ticker", lambda message: message["result"]["bid_price"] != 59_993)


# --- the book without a gap --------------------------------------------------------------------------------------------


def units(number: float, decimals: int) -> int:
    """A number without its decimal point."""
    return round(number * 10.0**decimals)


class Book:
    """A client's book: it believes nothing that it cannot check."""

    def __init__(self) -> None:
        self.seq = -1
        self.sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}

    def take(self, result: dict[str, Any]) -> None:
        if result["type"] == "snapshot":
            self.sides = {"bids": {}, "asks": {}}
        else:
            assert result["prev_seq"] == self.seq, "a gap"
        self.seq = result["seq"]
        for name, side in self.sides.items():
            for level in result[name]:
                if level["qty"]:
                    side[level["price"]] = level["qty"]
                else:
                    del side[level["price"]]
        bids, asks = self.levels("bids"), self.levels("asks")
        assert not bids or not asks or bids[0][0] < asks[0][0], "crossed"
        parts = [f"{units(price, 2)}:{units(qty, 4)}" for price, qty in (*bids[:25], *asks[:25])]
        assert crc32(":".join(parts).encode()) == result["checksum"]

    def levels(self, name: str) -> list[tuple[float, float]]:
        return sorted(self.sides[name].items(), reverse=name == "bids")


@pytest.mark.spec("STREAM-031")
def test_the_checksum_as_it_is_written_down() -> None:
    assert crc32(b"6000000:3:5999950:10000:6000050:20") == 2_298_095_944


@pytest.mark.spec("STREAM-030", "STREAM-031", "STREAM-032", "STREAM-033")
def test_a_snapshot_and_deltas_are_the_book(venue: Venue, listener: Listener, sam: Client, tess: Client) -> None:
    book = Book()
    sam.order(price=58_500, qty=0.002)
    listener.ask("sub", f"{PAIR}:book")
    for number in range(60):
        sam.order(price=58_600 + number % 7, qty=0.001 * (1 + number % 3), client_order_id=f"book {number}")
        tess.order(side="SELL", price=61_000 + number % 5, qty=0.001)
        if number % 4 == 0:
            sam.send("/auth/cancel", client_order_id=f"book {number}")
        if number == 30:
            listener.ask("sub", f"{PAIR}:book")
    depth = venue.http.get(venue.url + "/depth", params={"pair": PAIR, "limit": "1000"}).json()["result"]
    while {name: [{"price": p, "qty": q} for p, q in book.levels(name)] for name in book.sides} != depth:
        book.take(listener.hear("book")["result"])
    assert listener.rest() == []
    kinds = [message["result"]["type"] for message in listener.heard if message["category"] == "book"]
    assert kinds.count("snapshot") == 2
    assert kinds[0] == "snapshot"


# --- the account's own messages ----------------------------------------------------------------------------------------


@pytest.mark.spec("STREAM-040")
def test_a_key_opens_its_own_account_only(venue: Venue, listener: Listener, sam: Client) -> None:
    assert listener.ask("auth_api", "0" * 32)["code"] == 401
    trader = venue.key(sam.account_id, scopes=Scope.TRADE)
    assert listener.ask("auth_api", trader.api_key)["code"] == 403
    elsewhere = venue.key(sam.account_id, networks=("10.0.0.0/8",))
    assert listener.ask("auth_api", elsewhere.api_key)["code"] == 403
    over = venue.key(sam.account_id, expires_at_ms=venue.clock.now_ms)
    assert listener.ask("auth_api", over.api_key)["code"] == 401
    assert listener.ask("status")["result"]["authenticated"] is False
    answer = listener.ask("auth_api", sam.api_key)
    assert (answer["category"], answer["result"]["may_trade"]) == ("authenticated", False)
    assert answer["result"]["seq"] == venue.call(lambda: venue.store.sequencer.seq)
    assert listener.ask("status")["result"]["authenticated"] is True


@pytest.mark.spec("STREAM-041", "STREAM-042", "STREAM-043", "STREAM-044")
def test_the_life_of_an_order(listener: Listener, sam: Client, tess: Client) -> None:
    listener.ask("auth_api", sam.api_key)
    order = sam.order(price=60_000, qty=0.003).json()["result"]["order"]
    tess.order(side="SELL", price=60_000, qty=0.001)
    tess.order(side="SELL", price=60_000, qty=0.002)
    told = listener.rest()
    assert [(message["category"], message["pair"]) for message in told] == [
        ("order_added", PAIR),
        ("order_partially_completed", PAIR),
        ("position_updated", PAIR),
        ("order_completed", PAIR),
        ("position_updated", PAIR),
    ]
    states = [message["result"]["order"] for message in told if "order" in message["result"]]
    assert {state["id"] for state in states} == {order["id"]}
    assert [(state["status"], state["qty_filled"], state["qty_remaining"]) for state in states] == [
        ("ACTIVE", 0, 0.003),
        ("ACTIVE", 0.001, 0.002),
        ("COMPLETED", 0.003, 0),
    ]
    assert [[fill["qty"] for fill in state["fills"]] for state in states] == [[], [0.001], [0.002]]
    assert states[0].keys() == order.keys()
    position = sam.get("/position", pair=PAIR).json()["result"]
    position["stats"]["adl"] = None
    assert told[-1]["result"] == position
    places = [(message["seq"], message["index"]) for message in told]
    assert places == sorted(set(places))
    tess.order(price=60_000, qty=0.003)
    sam.send("/auth/close", pair=PAIR)
    assert [message["category"] for message in listener.rest()] == ["order_added", "order_completed", "position_closed"]


@pytest.mark.spec("STREAM-044")
def test_a_position_that_leaves_nothing_behind_is_closed_too(venue: Venue, listener: Listener, tess: Client) -> None:
    """A maker who goes out where it came in has paid and earned nothing: not even a flat position is left."""
    maker = venue.client("maker who goes out where it came in")
    listener.ask("auth_api", maker.api_key)
    maker.order(price=60_000, qty=0.001)
    tess.order(side="SELL", price=60_000, qty=0.001)
    maker.order(side="SELL", price=60_000, qty=0.001)
    tess.order(price=60_000, qty=0.001)
    told = [message for message in listener.rest() if message["category"].startswith("position")]
    assert [(message["category"], message["result"]["size"]) for message in told] == [
        ("position_updated", 0.001),
        ("position_closed", 0),
    ]
    closed = told[-1]["result"]
    assert closed == maker.get("/position", pair=PAIR).json()["result"]
    assert maker.get("/active_positions").json()["result"] == {}


@pytest.mark.spec("STREAM-043")
def test_triggers_and_their_ends(listener: Listener, sam: Client, tess: Client, venue: Venue) -> None:
    listener.ask("auth_api", sam.api_key)
    sam.order(price=60_000, qty=0.002)
    tess.order(side="SELL", price=60_000, qty=0.002)
    stop = sam.order(side="SELL", qty=0.001, price=59_000, trigger_price=59_900).json()["result"]["order"]
    refused = sam.order(qty=50, price=59_950, trigger_price=59_900)
    sam.order(side="SELL", qty=0.001, price=59_100, trigger_price=50_000)
    sam.send("/auth/cancel", id=sam.get("/active_orders").json()["result"][0]["id"])
    venue.price(59_850)
    venue.submit(Tick())
    told = listener.rest()
    venue.price(60_000)
    categories = [message["category"] for message in told]
    assert categories.count("trigger_added") == 3
    assert "trigger_cancelled" in categories
    fired = [message for message in told if message["category"] == "order_triggered"]
    assert stop["id"] in {message["result"]["order"]["id"] for message in fired}
    assert fired[0]["result"]["order"]["status"] == "ACTIVE"
    assert refused.json()["result"]["order"]["status"] == "UNTRIGGERED"
    (failed,) = [message["result"]["order"] for message in told if message["category"] == "trigger_failed"]
    assert (failed["id"], failed["status"]) == (refused.json()["result"]["order"]["id"], "CANCELLED")
    assert failed["msg"] == "Order was rejected due to insufficient balance"


@pytest.mark.spec("STREAM-044")
def test_money_that_comes_and_goes(venue: Venue, listener: Listener, sam: Client) -> None:
    listener.ask("auth_api", sam.api_key)
    venue.submit(RecordDeposit("USD0xabc", sam.account_id, USD, 5 * MONEY_SCALE, "addr", "0xabc", "from"))
    venue.submit(RecordDeposit("USD0xabc", sam.account_id, USD, 5 * MONEY_SCALE, "addr", "0xabc", "from"))
    venue.submit(SettleDeposit("USD0xabc", False, "never confirmed"))
    venue.submit(SettleDeposit("USD0xabc", True))
    venue.submit(SettleDeposit("USD0xabc", True))
    asked = venue.submit(RequestWithdrawal("out", sam.account_id, USD, 3 * MONEY_SCALE, "there", is_confirmed=True))
    withdrawal_id = next(event.withdrawal_id for event in asked if isinstance(event, WithdrawalRequested))
    venue.submit(AdvanceWithdrawal(withdrawal_id, WithdrawalStatus.PROCESSING))
    venue.submit(AdvanceWithdrawal(withdrawal_id, WithdrawalStatus.SUCCEEDED, "0xdef"))
    told = listener.rest()
    assert [message["category"] for message in told] == ["deposit_added", "deposit_completed", "withdrawal_completed"]
    added, completed, withdrawn = (message["result"] for message in told)
    assert (added["status"], added["qty"], added["id"]) == ("PENDING", 5, "USD0xabc")
    assert completed["deposit"] == {name: value for name, value in completed.items() if name != "deposit"}
    assert completed["deposit"] in sam.get("/deposits").json()["result"]
    assert withdrawn["withdrawal"] in sam.get("/withdrawals").json()["result"]


@pytest.mark.spec("STREAM-045", "STREAM-046")
def test_what_was_told_is_the_account_to_the_last_field(
    venue: Venue, listener: Listener, sam: Client, tess: Client
) -> None:
    extras = {"api_key": sam.api_key, "categories": ["fill_added", "balance_updated"]}
    assert listener.ask("auth_api", extras)["category"] == "authenticated"
    for number in range(12):
        sam.order(price=59_990 + number, qty=0.002, client_order_id=f"told {venue.stamp()}")
        tess.order(side="SELL", price=59_990 + number, qty=0.001)
    sam.order(market_id=SPOT, pair=SPOT, price=59_000, qty=0.001)
    told = listener.rest()
    orders: dict[str, Any] = {}
    for message in told:
        order = message["result"].get("order")
        if order is not None:
            orders[order["id"]] = {**order, "fills": []}
            if order["status"] in ("COMPLETED", "CANCELLED"):
                del orders[order["id"]]
    active = sam.get("/active_orders").json()["result"]
    assert {order["id"]: order for order in active} == orders
    account = sam.get("/account").json()["result"]
    assert [message for message in told if message["category"] == "balance_updated"][-1]["result"][
        "balances"
    ] == account["balances"]
    positions = [message["result"] for message in told if message["category"] == "position_updated"]
    assert positions[-1] == account["positions"][PAIR]
    fills = [message["result"]["fill"] for message in told if message["category"] == "fill_added"]
    assert [fill["id"] for fill in fills] == [fill["id"] for fill in sam.get("/fills", limit=12).json()["result"]][::-1]


@pytest.mark.spec("STREAM-041", "STREAM-045")
@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_told_is_the_account_after_whatever_was_done(venue: Venue, seed: int) -> None:
    dice = Random(seed)
    clients = [venue.client(f"mirror {seed} {number}", is_isolated=number == 2) for number in range(3)]
    extras = ["fill_added", "balance_updated"]
    with ExitStack() as stack:
        listeners = [stack.enter_context(listening(venue.url)) for _ in clients]
        for client, listener in zip(clients, listeners, strict=True):
            listener.ask("auth_api", {"api_key": client.api_key, "categories": extras})
        for _ in range(150):
            act(dice, dice.choice(clients))
        for client, listener in zip(clients, listeners, strict=True):
            mirror = Mirror()
            for message in listener.rest():
                mirror.take(message)
            active = client.get("/active_orders", limit=1_000).json()["result"]
            known = {order_id: {**order, "fills": []} for order_id, order in mirror.orders.items()}
            assert {order["id"]: order for order in active} == known
            account = client.get("/account").json()["result"]
            assert mirror.balances == account["balances"]
            assert {pair: settled(position) for pair, position in mirror.positions.items()} == {
                pair: settled(position) for pair, position in account["positions"].items()
            }
    for client in clients:
        client.cancel_all()


def settled(position: dict[str, Any]) -> dict[str, Any]:
    """A position without what open orders and other positions change of it, as the mark does."""
    stats = {name: value for name, value in position["stats"].items() if name not in ("leverage", "lp", "bankrupt")}
    return {**position, "locked": None, "stats": stats}


def act(dice: Random, client: Client) -> None:
    """Something that a trader does; refusals are part of it."""
    kind = dice.random()
    price = 60_000 + dice.randint(-15, 15)
    side = dice.choice(["BUY", "SELL"])
    qty = dice.randint(1, 5) / 1_000
    active = [order["id"] for order in client.get("/active_orders").json()["result"]] or ["none"]
    if kind < 0.5:
        client.order(side=side, price=price, qty=qty, pair=dice.choice([PAIR, PAIR, SPOT]))
    elif kind < 0.6:
        client.order(side=side, price=None, qty=qty)
    elif kind < 0.68:
        client.order(side=side, price=price, qty=qty, trigger_price=60_000 + dice.choice([-2_000, 2_000]))
    elif kind < 0.76:
        client.send("/auth/cancel", id=dice.choice(active))
    elif kind < 0.86:
        client.send("/auth/amend", id=dice.choice(active), price=price, qty=qty)
    elif kind < 0.9:
        client.send("/auth/close", pair=PAIR)
    elif kind < 0.94:
        client.send("/fund", pair=PAIR, qty=5)
    elif kind < 0.97:
        client.order(side=side, price=price, qty=qty, reduce_only=True)
    else:
        client.order(side=side, price=price, qty=qty, self_match="DECREMENT", icebergs=2)


@pytest.mark.spec("STREAM-047")
def test_a_revoked_key_ends_the_connection(venue: Venue, listener: Listener, sam: Client) -> None:
    gone = venue.key(sam.account_id)
    listener.ask("auth_api", gone.api_key)

    async def revoked() -> bool:
        return await venue.store.identity.revoke_key(gone.api_key)

    assert venue.run(revoked())
    sam.order(price=58_000)
    assert listener.closing() == (1008, "The API key is expired or revoked.")
    assert [message["category"] for message in listener.heard] == ["authenticated"]


@pytest.mark.spec("STREAM-050", "STREAM-051")
def test_a_client_resumes_where_it_was(venue: Venue, sam: Client) -> None:
    with listening(venue.url) as first:
        first.ask("auth_api", sam.api_key)
        sam.order(price=58_000)
        seen = first.rest()
        sam.order(price=58_001)
        sam.order(price=58_002)
        missed = first.rest()
    with listening(venue.url) as second:
        last = seen[-1]
        content = {"api_key": sam.api_key, "since": last["seq"]}
        assert second.ask("auth_api", content)["category"] == "authenticated"
        sam.order(price=58_003)
        again = second.rest()
        assert again[: len(missed)] == missed
        assert again[-1]["result"]["order"]["price"] == 58_003
    with listening(venue.url) as third:
        third.ask("auth_api", {**content, "since": last["seq"], "index": last["index"] - 1})
        assert third.rest()[0] == last
    for is_ahead in (False, True):
        place = venue.call(lambda: venue.store.sequencer.seq) + 1 if is_ahead else 0
        with listening(venue.url) as fourth:
            fourth.ask("auth_api", {"api_key": sam.api_key, "since": place})
            gap = fourth.hear("error")
            assert (gap["code"], gap["result"]["reject"]) == (410, "GAP")
            assert gap["result"]["from_seq"] <= seen[0]["seq"]
            sam.order(price=58_004)
            assert fourth.hear("order_added")["result"]["order"]["price"] == 58_004


@pytest.mark.spec("STREAM-054")
def test_the_seq_of_a_status_is_a_place_to_come_back_behind(venue: Venue, listener: Listener) -> None:
    """Also when it is asked for while commands are on their way: nothing that is told later belongs before it."""
    client = venue.client("asker")
    listener.ask("auth", credentials(venue, client))
    with listening(venue.url) as watcher:
        watcher.ask("auth_api", client.api_key)
        for number in range(400):
            order = {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 58_000, "time_in_force": "IOC"}
            listener.say("order", order, id=number)
            watcher.say("status")
            if number % 50 == 49:
                while listener.hear("response")["id"] != number:
                    pass
        for _ in range(400):
            watcher.hear("ok")
        watcher.rest()
        told = watcher.heard[1:]
    asked_seq = 0
    for message in told:
        if message["category"] == "ok":
            asked_seq = message["result"]["seq"]
        else:
            assert message["seq"] > asked_seq, message
    assert len([message for message in told if message["category"] == "order_cancelled"]) == 400
    with listening(venue.url) as back:
        back.ask("auth_api", {"api_key": client.api_key, "since": asked_seq})
        assert back.rest() == [message for message in told if message.get("seq", 0) > asked_seq]


@pytest.mark.spec("STREAM-050")
def test_notices_make_no_gap(venue: Venue) -> None:
    """They stand in a list of their own: who asks for them resumes what the account was told all the same."""
    client = venue.client("noticed")
    with listening(venue.url) as first:
        first.ask("auth_api", client.api_key)
        client.order(price=58_000)
        client.order(price=58_001)
        seen = first.rest()
    with listening(venue.url) as second:
        since = {"since": seen[0]["seq"], "index": seen[0]["index"]}
        second.ask("auth_api", {"api_key": client.api_key, **since, "categories": ["notice"]})
        assert second.rest() == seen[1:]
    client.cancel_all()


# --- orders over the socket --------------------------------------------------------------------------------------------


@pytest.mark.spec("STREAM-060")
def test_orders_need_a_signature(venue: Venue, listener: Listener, sam: Client, tess: Client) -> None:
    order = {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 58_000}
    assert listener.ask("order", order, id=1)["code"] == 401
    listener.ask("auth_api", sam.api_key)
    refused = listener.ask("order", order, id=2)
    assert (refused["code"], refused["category"], refused["id"]) == (401, "response", 2)
    content = credentials(venue, sam)
    assert listener.ask("auth", {**content, "signature": credentials(venue, tess)["signature"]})["code"] == 401
    old = {**content, "timestamp": str(venue.clock.now_ms - 60_000)}
    digest = hmac.new(sam.secret.encode(), f"timestamp={old['timestamp']}".encode(), hashlib.sha256).digest()
    assert listener.ask("auth", {**old, "signature": base64.b64encode(digest).decode()})["code"] == 414
    assert listener.ask("auth", content)["result"]["may_trade"] is True
    with listening(venue.url) as other:
        assert other.ask("auth", content)["msg"] == "A request with this signature was received before."
    reader = venue.key(sam.account_id, scopes=Scope.READ)
    assert listener.ask("auth", credentials(venue, reader))["category"] == "authenticated"
    assert listener.ask("order", order)["code"] == 403


@pytest.mark.spec("STREAM-061", "STREAM-062")
def test_orders_over_the_socket_are_those_of_rest(venue: Venue, listener: Listener, sam: Client) -> None:
    listener.ask("auth", credentials(venue, sam))
    order = {"pair": PAIR, "side": "BUY", "qty": 0.30000000000000004, "price": "58000", "post_only": True, "oco": None}
    answer = listener.ask("order", order, id="mine")
    assert (answer["code"], answer["category"], answer["op"], answer["id"]) == (200, "response", "order", "mine")
    placed = answer["result"]["order"]
    assert (placed["qty_orig"], placed["price"], placed["post_only"]) == (0.3, 58_000, True)
    assert listener.heard[-2]["category"] == "order_added"
    assert sam.get("/order", id=placed["id"]).json()["result"] == {**placed, "fills": []}
    cancelled = listener.ask("cancel", {"id": placed["id"]})
    assert (cancelled["code"], cancelled["result"]["status"]) == (200, "CANCELLED")
    bulk = listener.ask("order_bulk", {"orders": [{**order, "price": 58_000 + number} for number in range(3)]})
    assert [row["price"] for row in bulk["result"]["orders"]] == [58_000, 58_001, 58_002]
    some = listener.ask("cancel_bulk", {"ids": [bulk["result"]["orders"][0]["id"]]})
    assert [row["status"] for row in some["result"]] == ["CANCELLED"]
    assert len(listener.ask("cancel_bulk", {"ids": []})["result"]) == 2
    wrong = listener.ask("order", {**order, "price": 58_000.123}, id=4)
    assert (wrong["code"], wrong["result"]["field"], wrong["id"]) == (503, "price", 4)
    old = listener.ask("order", {**order, "timestamp": venue.clock.now_ms - 20_000})
    assert old["code"] == 414
    assert listener.ask("order", {"orders": 3, "pair": {}})["code"] == 503
    assert sam.get("/active_orders").json()["result"] == []


@pytest.mark.spec("STREAM-061")
def test_every_operation_stands_for_its_row(venue: Venue, listener: Listener, sam: Client, tess: Client) -> None:
    listener.ask("auth", credentials(venue, sam))
    order = {"pair": PAIR, "side": "BUY", "qty": 0.002, "price": 58_000}
    placed = listener.ask("order", order)["result"]["order"]
    amended = listener.ask("amend", {"id": placed["id"], "qty": "0.001", "price": 58_010}, id="change")
    assert (amended["code"], amended["id"]) == (200, "change")
    told = [message for message in listener.heard if message["category"] == "order_amended"][-1]["result"]["order"]
    assert (told["id"], told["qty_remaining"], told["price"]) == (placed["id"], 0.001, 58_010)
    assert {**sam.get("/order", id=placed["id"]).json()["result"], "fills": []} == told
    timer = listener.ask("cancel_all_after", {"timeout": 60_000})
    assert timer["code"] == 200, timer
    assert listener.ask("cancel_all_after", {"timeout": 0})["code"] == 200
    tess.order(side="SELL", price=60_000, qty=0.001)
    listener.ask("order", {**order, "qty": 0.001, "price": 60_000})
    assert sam.get("/position", pair=PAIR).json()["result"]["size"] == 0.001
    tess.order(price=59_990, qty=0.001)
    closed = listener.ask("close", {"pair": PAIR})
    assert (closed["code"], closed["result"]["order"]["status"]) == (200, "COMPLETED")
    assert listener.heard[-2]["category"] == "position_closed"
    with listening(venue.url) as other:
        for op in ("order", "order_bulk", "amend", "cancel", "cancel_bulk", "cancel_all_after", "close"):
            refused = other.ask(op, {"pair": PAIR}, id=op)
            assert (refused["category"], refused["code"], refused["op"], refused["id"]) == ("response", 401, op, op)


@pytest.mark.spec("STREAM-062")
def test_commands_keep_the_order_of_their_messages(venue: Venue, listener: Listener, sam: Client) -> None:
    listener.ask("auth", credentials(venue, sam))
    for number in range(40):
        name = f"{venue.stamp()} in order"
        listener.say("order", {"pair": PAIR, "side": "BUY", "qty": 0.001, "price": 58_000, "client_order_id": name})
        listener.say("cancel", {"client_order_id": name}, id=number)
    for number in range(40):
        answer = listener.hear("response", lambda message: message["op"] == "cancel")
        assert (answer["code"], answer["id"]) == (200, number)
    told = [message["category"] for message in listener.heard if message["category"].startswith("order_")]
    assert told == ["order_added", "order_cancelled"] * 40


# --- when something was missed ------------------------------------------------------------------------------------------


@pytest.mark.spec("STREAM-073")
@pytest.mark.parametrize("is_fault", [False, True])
def test_who_would_miss_something_is_told(venue: Venue, listener: Listener, sam: Client, is_fault: bool) -> None:
    """A command out of turn is what the stream sees of a state that is made anew; an order that nobody knows is a fault of ours."""
    listener.ask("auth_api", sam.api_key)
    sam.order(price=58_000)
    told = listener.rest()
    event = OrderCancelled(2**60, sam.account_id, 1, 0, CancelReason.REQUESTED)

    def missed() -> int:
        seq = venue.store.sequencer.seq
        venue.stream.hub.tell(seq if is_fault else seq + 1, venue.clock.now_ms, Tick(), [event])
        return seq

    seq = venue.call(missed)
    code, reason = listener.closing()
    assert code == (1011 if is_fault else 1012)
    assert reason.endswith("anew.")
    with listening(venue.url) as again:
        again.ask("auth_api", {"api_key": sam.api_key, "since": told[-1]["seq"] - 1})
        assert again.hear("error")["result"]["from_seq"] >= seq
        sam.order(price=58_001)
        assert again.hear("order_added")["result"]["order"]["price"] == 58_001
