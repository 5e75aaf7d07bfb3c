"""The reference of the streams: what it says is what the exchange does."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from app.db.embedded import EmbeddedServer
from app.stream import examples, messages
from app.stream.described import ANSWERS, ASIDE, OPERATIONS, PRIVATE, PUBLIC, WHEN
from app.stream.entry import PATHS
from tests.contract.conftest import own_venue
from tests.contract.stream_answers import Recorder, record
from tests.support.book_client import BookClient, Step
from tests.support.streams import Message, listening
from tests.venue import Venue

Json = dict[str, Any]


@pytest.fixture(scope="module")
def recorded(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """A run in which everything happens."""
    with own_venue(postgres, tmp_path_factory, "stream_answers") as venue:
        return record(venue)


@pytest.fixture(scope="module")
def streams(venue: Venue) -> Json:
    """The document that the exchange serves."""
    answer = venue.http.get(f"{venue.url}/docs/asyncapi.json", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    found: Json = answer.json()
    return found


def checker(streams: Json, name: str) -> Any:
    """What holds a message against the document."""
    payload = streams["components"]["messages"][name]["payload"]
    return jsonschema_rs.validator_for({**payload, "components": streams["components"]})


def name_of(message: Message) -> str:
    """The document's name for something told."""
    category: str = message["category"]
    return f"{category}.{message['op']}" if category == messages.RESPONSE else category


def references(value: Any) -> Iterator[str]:
    """Every $ref of a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for entry in value.values():
            yield from references(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from references(entry)


@pytest.mark.spec("STREAM-090")
def test_the_document_knows_every_operation_and_category(venue: Venue, streams: Json) -> None:
    with listening(venue.url) as listener:
        words = listener.ask("dance")["msg"]
    assert re.findall(r"\w+", words.removeprefix("op must be one of ")) == list(OPERATIONS)
    described = {*ANSWERS, *PUBLIC, *PRIVATE, *ASIDE, messages.ERROR, messages.RESPONSE}
    assert described == {*messages.WORDS, messages.ERROR, messages.RESPONSE} == set(WHEN)
    assert tuple(PUBLIC) == messages.PUBLIC
    assert set(streams["operations"]) == {*OPERATIONS, *PUBLIC, *PRIVATE, *ASIDE}
    expected = {f"op.{op}" for op in OPERATIONS} | {f"response.{op}" for op in PATHS} | described - {messages.RESPONSE}
    assert set(streams["components"]["messages"]) == expected
    assert set(streams["channels"]["stream"]["messages"]) == expected


@pytest.mark.spec("STREAM-090")
def test_the_document_is_asyncapi(venue: Venue, streams: Json) -> None:
    assert streams["asyncapi"] == "3.0.0"
    server = streams["servers"]["exchange"]
    assert f"{server['protocol']}://{server['host']}{server['pathname']}" == venue.url.replace("http", "ws", 1) + "/"
    for path in ("/docs/asyncapi.json", "/docs/streams"):  # made once, for whatever address it is asked for at
        for host in ("one.example:81", "two.example", "one.example:81"):
            text = venue.http.get(venue.url + path, headers={"host": host}, timeout=30).text
            assert (host in text, "address-of" in text) == (True, False)
    assert streams.keys() == {
        "asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"
    }  # fmt: skip
    for operation in streams["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert ("reply" in operation) is (operation["action"] == "receive")
    for reference in set(references(streams)):
        found: Any = streams
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    names = [entry["name"] for entry in streams["components"]["messages"].values()]
    assert names == list(streams["components"]["messages"])


@pytest.mark.spec("STREAM-091")
def test_every_message_of_a_run_is_as_the_document_says(streams: Json, recorded: Recorder) -> None:
    checkers = {name: checker(streams, name) for name in streams["components"]["messages"]}
    for message in recorded.heard:
        checkers[name_of(message)].validate(message)
    heard = {name_of(message) for message in recorded.heard}
    assert heard == {name for name in checkers if not name.startswith("op.")}


@pytest.mark.spec("STREAM-091")
def test_a_message_that_is_not_so_is_refused_by_the_document(streams: Json, recorded: Recorder) -> None:
    for message in recorded.heard:
        check = checker(streams, name_of(message))
        assert not check.is_valid({**message, "more": 1}), message
        assert not check.is_valid({name: value for name, value in message.items() if name != "result"}), message
        assert not check.is_valid({**message, "category": "dance"}), message
        if isinstance(message["result"], dict) and message["category"] not in ("error", "response"):
            assert not check.is_valid({**message, "result": {**message["result"], "more": 1}}), message


@pytest.mark.spec("STREAM-092")
def test_the_examples_are_the_golden_ones(streams: Json, recorded: Recorder) -> None:
    golden = examples.load()
    assert list(recorded.examples) == list(golden)
    for name, example in recorded.examples.items():
        assert example == golden[name], f"{name}: see tests/contract/stream_answers.py"
    for name, entry in streams["components"]["messages"].items():
        check = checker(streams, name)
        assert entry["examples"], name
        for example in entry["examples"]:
            check.validate(example["payload"])
            assert example["payload"] == golden[example["name"]]


@pytest.mark.spec("STREAM-031", "STREAM-092")
def test_the_book_of_the_examples_can_be_followed() -> None:
    golden = examples.load()
    book = BookClient(price_decimals=2, qty_decimals=4)
    for name in ("book.snapshot", "book.delta"):
        assert book.take(golden[name]["result"]) is Step.APPLIED
    assert book.take(golden["book.delta"]["result"]) is Step.GAP
    assert book.take(golden["book.delta"]["result"]) is Step.IGNORED


@pytest.mark.spec("STREAM-090")
def test_the_page_shows_everything_and_loads_nothing(venue: Venue, streams: Json) -> None:
    answer = venue.http.get(f"{venue.url}/docs/streams", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    for name in (*OPERATIONS, *PUBLIC, *PRIVATE, *ANSWERS, "response.order", "error"):
        assert f"<code>{name}</code>" in answer.text, name
    for entry in streams["components"]["messages"].values():
        for example in entry["examples"]:
            assert f"Example: {example['name']}" in answer.text
    assert not re.search(r"<(script|link|img|iframe)|(src|href)='?https?:", answer.text)
    assert "/docs/streams" in venue.http.get(f"{venue.url}/docs", timeout=30).text
