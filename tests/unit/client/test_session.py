"""The conversation over a stream, without a wire."""

import json
from typing import Any

import pytest

from evermark_client import BookBroken, Denied, LocalBook, Refused, Unexpected, calls
from evermark_client.events import BookChanged, BookLost, Missed, OrderChanged, Other, PricesChanged
from evermark_client.session import Reply, Session, refusal_of, result_of

ORDER = {
    "id": "1",
    "pair": "P",
    "side": "BUY",
    "time": 5,
    "type": "LIMIT",
    "fills": [],
    "price": 1.5,
    "price_orig": 1.5,
    "hidden": False,
    "status": "ACTIVE",
    "leverage": 1.0,
    "qty_orig": 2.0,
    "qty_orig_usd": 3.0,
    "oco": None,
    "qty_remaining": 2.0,
    "qty_filled": 0.0,
    "post_only": False,
    "reduce_only": False,
    "time_in_force": "GTC",
    "icebergs": 0,
    "trigger_price": None,
    "trigger_event": None,
    "close_on_trigger": False,
    "customer_id": "c",
    "client_order_id": "n",
    "self_match": "CANCEL_TAKER",
    "trigger_direction": None,
    "trail": None,
    "trail_percent": None,
    "msg": None,
    "is_liquidation": False,
}


def message(category: str, result: object, **more: object) -> str:
    return json.dumps({"code": 200, "msg": "!", "category": category, "pair": "P", "result": result, **more})


def order_message(seq: int, index: int) -> str:
    return message("order_added", {"order": ORDER}, seq=seq, index=index, time=7)


def said(session: Session) -> list[dict[str, Any]]:
    return [json.loads(text) for _, text in session.opening()]


@pytest.mark.spec("CLT-040")
def test_messages_of_the_account_come_once_and_are_gone_on_from() -> None:
    session = Session("key")
    assert said(session) == [{"op": "auth_api", "content": {"api_key": "key"}, "id": 1}]
    session.hear(message("authenticated", {"seq": 40}))
    assert said(session)[0]["content"] == {"api_key": "key", "since": 40}
    places = [(41, 0), (41, 1), (41, 1), (41, 0), (43, 0), (42, 5), (43, 2)]
    heard = [session.hear(order_message(*place)) for place in places]
    told = [(event.seq, event.index) for event in heard if isinstance(event, OrderChanged)]
    assert told == [(41, 0), (41, 1), (43, 0), (43, 2)]
    assert said(session)[0]["content"] == {"api_key": "key", "since": 43, "index": 2}


@pytest.mark.spec("CLT-042")
def test_a_gap_is_told_and_gone_on_from() -> None:
    session = Session("key")
    session.opening()
    session.hear(order_message(9, 3))
    missed = session.hear(
        json.dumps(
            {"category": "error", "code": 410, "msg": "", "pair": None, "result": {"reject": "GAP", "from_seq": 5}}
        )
    )
    assert missed == Missed(from_seq=5)
    assert said(session)[0]["content"] == {"api_key": "key", "since": 5}
    # The exchange restored an earlier state: its numbers begin anew, and none is taken for an old one.
    assert isinstance(session.hear(order_message(6, 0)), OrderChanged)


@pytest.mark.spec("CLT-042")
def test_a_gap_is_told_once() -> None:
    """What the account is read for anew is not asked for again: the next connection goes on from where this one began."""
    session = Session("key")
    session.opening()
    session.hear(message("authenticated", {"seq": 40}))
    session.hear(order_message(41, 0))
    session.opening()
    session.hear(message("authenticated", {"seq": 90}))
    gap = {"category": "error", "code": 410, "msg": "", "pair": None, "result": {"reject": "GAP", "from_seq": 70}}
    assert session.hear(json.dumps(gap)) == Missed(from_seq=70)
    assert said(session)[0]["content"] == {"api_key": "key", "since": 90}


def test_subscriptions_are_said_again_with_each_connection() -> None:
    session = Session()
    session.subscribe("P:depth")
    session.subscribe("P:match")
    session.unsubscribe("P:depth")
    assert [(message["op"], message["content"]) for message in said(session)] == [("sub", "P:match")]


@pytest.mark.spec("CLT-047")
def test_a_topic_beyond_a_connections_is_not_said() -> None:
    session = Session(topics_max=2)
    for topic in ("P:depth", "P:match", "P:depth"):
        session.subscribe(topic)
    with pytest.raises(Refused, match="at most 2") as refused:
        session.subscribe("P:ticker")
    assert refused.value.reject == "TOO_MANY_CATEGORIES"
    assert [message["content"] for message in said(session)] == ["P:depth", "P:match"]
    session.unsubscribe("P:match")
    session.subscribe("P:ticker")
    usual = Session()
    for number in range(10):
        usual.subscribe(f"P{number}:ticker")
    with pytest.raises(Refused, match="at most 10"):
        usual.subscribe("P10:ticker")


def book_message(kind: str, seq: int, **more: object) -> str:
    return message("book", {"type": kind, "seq": seq, "checksum": 0, "bids": [], "asks": [], **more})


@pytest.mark.spec("CLT-031")
def test_a_broken_book_asks_for_a_snapshot() -> None:
    session = Session()
    book = session.books["P"] = LocalBook("P", price_decimals=2, qty_decimals=4)
    assert isinstance(session.hear(book_message("snapshot", 5)), BookChanged)
    assert isinstance(session.hear(book_message("delta", 9, prev_seq=7)), BookLost)
    assert json.loads(session.to_say[0])["content"] == "P:book"
    assert session.hear(book_message("delta", 10, prev_seq=9)) is None
    assert session.to_say == []
    assert not book.is_whole
    assert isinstance(session.hear(book_message("snapshot", 11)), BookChanged)
    session.lost()
    with pytest.raises(BookBroken):
        book.bids()


@pytest.mark.spec("CLT-033")
def test_a_book_that_nobody_tells_any_more_is_not_whole() -> None:
    session = Session()
    session.subscribe("P:book")
    book = session.books["P"] = LocalBook("P", price_decimals=2, qty_decimals=4)
    session.hear(book_message("snapshot", 5))
    assert book.bids() == []
    session.unsubscribe("P:book")
    with pytest.raises(BookBroken):
        book.bids()
    assert session.hear(book_message("delta", 6, prev_seq=5)) is None


def too_often(mark: int) -> Reply:
    return Reply(mark, 429, b"null", b'{"code": 429, "msg": "Too often.", "result": null}')


@pytest.mark.spec("CLT-046")
def test_what_was_not_taken_is_said_again() -> None:
    session = Session("key")
    session.subscribe("P:book")
    (auth, auth_text), (topic, topic_text) = session.opening()
    for _ in range(2):
        assert session.again(too_often(topic)) == topic_text
        assert session.again(too_often(auth)) == auth_text
    assert session.again(Reply(topic, 200, b"null", b"")) is None
    assert session.again(too_often(topic)) is None  # it was taken
    with pytest.raises(Denied):
        session.again(Reply(auth, 401, b"null", b'{"code": 401, "msg": "No.", "result": null}'))
    asked, _ = session.subscribe("P:depth")
    assert session.again(too_often(asked)) is None  # whoever asked has the answer


@pytest.mark.spec("CLT-046")
def test_a_snapshot_that_was_not_taken_is_asked_for_again() -> None:
    session = Session()
    session.books["P"] = LocalBook("P", price_decimals=2, qty_decimals=4)
    session.hear(book_message("snapshot", 5))
    session.hear(book_message("delta", 9, prev_seq=7))
    (text,) = session.to_say
    assert session.again(too_often(json.loads(text)["id"])) == text


def test_replies_find_their_questions() -> None:
    session = Session()
    first, _ = session.subscribe("P:depth")
    second, _ = session.subscribe("P:nothing")
    call = calls.cancel("1", None)
    third, text = session.command(call)
    assert json.loads(text) == {"op": "cancel", "content": {"id": "1"}, "id": third}
    refusal = {"code": 503, "msg": "No.", "result": {"reject": "ORDER_NOT_FOUND", "field": "id"}}
    reply = session.hear(json.dumps({"category": "response", "pair": None, "op": "cancel", "id": third, **refusal}))
    assert isinstance(reply, Reply) and reply.mark == third
    with pytest.raises(Refused) as fault:
        result_of(call, reply)
    assert fault.value.reject == "ORDER_NOT_FOUND"
    answered = session.hear(message("subscribed", ["P:depth"]))
    assert isinstance(answered, Reply) and answered.mark == first
    refused = session.hear(json.dumps({"category": "error", "pair": None, "op": "sub", "id": second, **refusal}))
    assert isinstance(refused, Reply) and refused.mark == second
    assert isinstance(refusal_of(call, refused), Refused)


def test_cancel_all_over_the_socket_names_no_order() -> None:
    mark, text = Session().command(calls.signed("/auth/cancel/bulk", calls.ORDERS))
    assert json.loads(text) == {"op": "cancel_bulk", "content": {"ids": []}, "id": mark}


def test_numbers_go_as_text_so_that_their_digits_stay() -> None:
    _, text = Session().command(calls.place("P", "BUY", 0.1, "60000.50", {"post_only": True, "client_order_id": "n"}))
    assert json.loads(text)["content"] == {
        "pair": "P",
        "side": "BUY",
        "qty": "0.1",
        "price": "60000.50",
        "post_only": "true",
        "client_order_id": "n",
    }


def test_what_is_new_is_handed_on() -> None:
    session = Session()
    assert session.hear(message("weather", {"rain": 1})) == Other(
        category="weather", pair="P", content={"rain": 1}, seq=None, index=None, time=None
    )
    names = ("index", "mark", "underlying_price", "strike", "volatility", "black_scholes")
    assert isinstance(session.hear(message("index", {**dict.fromkeys(names), "new": 1})), PricesChanged)


@pytest.mark.spec("CLT-045")
@pytest.mark.parametrize(
    "text", ["{", "[]", message("ticker", {"last_price": "x"}), message("position_updated", {}, seq=1, index=0, time=1)]
)
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(Unexpected):
        Session().hear(text)
