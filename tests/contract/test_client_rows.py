"""The Python client held against the OpenAPI document that the running exchange serves, and against its clock."""

import inspect
import types
from collections.abc import Iterator
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import pytest

from evermark_client import AsyncClient, AsyncStream, Client, NewOrder, Stream
from evermark_client._async.rows import AsyncRows
from evermark_client.calls import Call, OrderOptions, Page
from evermark_client.forms import pairs_of
from tests.contract.documents import document
from tests.venue import Client as Somebody
from tests.venue import Venue
from tools import unasync

T = TypeVar("T")
TRADERS = {"Everstrike", "Evermark"}
"""Tags of the rows that keys open. People's rows ask for a log-in, operators' for a token of theirs."""
OURS = {"timestamp", "recv_window"}
"""What the client puts in by itself, or leaves to the exchange."""
WORDS: dict[str, Any] = {
    "side": "BUY",
    "ids": ["a"],
    "margin_mode": "CROSS",
    "orders": [dict.fromkeys(NewOrder.__annotations__ | OrderOptions.__annotations__, "1")],
    "is_test": False,
    "timeout_ms": 1_000,
}


class Told(Exception):
    """A call was made."""


class Recorder(AsyncRows):
    """Makes calls, and sends none."""

    def __init__(self) -> None:
        self.made: list[Call[Any]] = []

    async def call(self, call: Call[T]) -> T:
        self.made.append(call)
        raise Told


def operations(url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document(url)["paths"].items():
        for method, operation in methods.items():
            if set(operation["tags"]) & TRADERS:
                yield f"{method.upper()} {path}", operation


def parameters_of(operation: dict[str, Any]) -> set[str]:
    named = {parameter["name"] for parameter in operation.get("parameters", ())}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        named |= set(content["schema"]["properties"])
    return named - OURS


async def calls_of_every_method() -> list[Call[Any]]:
    recorder = Recorder()
    for name, method in inspect.getmembers(AsyncRows, inspect.iscoroutinefunction):
        if name == "call":
            continue
        given: dict[str, Any] = {}
        for parameter in list(inspect.signature(method).parameters.values())[1:]:
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                kind = get_args(parameter.annotation)[0]
                given |= dict.fromkeys((OrderOptions if kind is OrderOptions else Page).__annotations__, "1")
            else:
                given[parameter.name] = WORDS.get(parameter.name, "1")
        references = [key for key in ("order_id", "client_order_id") if key in given]
        for reference in references if "order_id" in given else [None]:
            dropped = set(references) - {reference} if reference else set()
            with pytest.raises(Told):
                await method(recorder, **{key: value for key, value in given.items() if key not in dropped})
    return recorder.made


@pytest.mark.spec("CLT-002")
async def test_every_row_has_a_method_with_its_parameters(venue: Venue) -> None:
    made: dict[str, set[str]] = {}
    for call in await calls_of_every_method():
        made.setdefault(f"{call.method} {call.path}", set()).update(call.fields)
    expected = {name: parameters_of(operation) for name, operation in operations(venue.url)}
    # These say their timeout and order ids in words of their own: the calls have the rows' names already.
    assert {name: fields - OURS for name, fields in made.items()} == expected
    form = document(venue.url)["components"]["schemas"]["OrderForm"]["properties"]
    assert set(NewOrder.__annotations__) | set(OrderOptions.__annotations__) == set(form) - {"timestamp"}


@pytest.mark.spec("CLT-003")
async def test_every_example_decodes_into_its_type(venue: Venue) -> None:
    made = {f"{call.method} {call.path}": call for call in await calls_of_every_method()}
    for name, operation in operations(venue.url):
        example = operation["responses"]["200"]["content"]["application/json"]["example"]
        made[name].result(msgspec.json.encode(example["result"]))


@pytest.mark.spec("CLT-003")
async def test_every_field_of_a_schema_is_a_field_of_its_type(venue: Venue) -> None:
    schemas = document(venue.url)["components"]["schemas"]
    made = {f"{call.method} {call.path}": call for call in await calls_of_every_method()}
    for name, operation in operations(venue.url):
        envelope = operation["responses"]["200"]["content"]["application/json"]["schema"]
        decoder = getattr(made[name].result, "__self__", None)
        assert isinstance(decoder, msgspec.json.Decoder)
        hold(name, envelope["properties"]["result"], decoder.type, schemas)


def hold(place: str, schema: dict[str, Any], kind: Any, schemas: dict[str, Any]) -> None:
    """The type has the schema's fields, and what may be null is optional."""
    if "$ref" in schema:
        hold(place, schemas[schema["$ref"].rsplit("/", 1)[1]], kind, schemas)
    elif "anyOf" in schema:
        hold(place, schema["anyOf"][0], inner(kind), schemas)
    elif schema.get("type") == "array":
        if get_args(kind) and get_args(kind)[0] is not Any:
            hold(f"{place}[]", schema["items"], get_args(kind)[0], schemas)
    elif "properties" in schema and kind_of(kind) is not dict:
        hints = get_type_hints(kind)
        fields = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(kind)}
        assert set(fields) == set(schema["properties"]), place
        for name, part in schema["properties"].items():
            types_of = part.get("type", ())
            is_null = "null" in types_of if isinstance(types_of, list) else types_of == "null"
            if is_null:
                assert type(None) in get_args(fields[name]), f"{place}.{name} may be null"
            hold(f"{place}.{name}", part, inner(fields[name]), schemas)
    elif isinstance(schema.get("additionalProperties"), dict):
        hold(f"{place}{{}}", schema["additionalProperties"], get_args(kind)[1], schemas)


def inner(kind: Any) -> Any:
    """A type without its `| None`."""
    if get_origin(kind) is types.UnionType:
        return next(part for part in get_args(kind) if part is not type(None))
    return kind


def kind_of(kind: Any) -> Any:
    return get_origin(kind) or kind


def public_methods(kind: type) -> dict[str, list[str]]:
    return {
        {"aclose": "close"}.get(name, name): [str(part) for part in inspect.signature(method).parameters.values()]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.spec("CLT-001")
def test_the_sync_half_is_up_to_date() -> None:
    for source, target in unasync.files():
        assert target.read_text("utf-8") == unasync.translated(source.read_text("utf-8")), target


@pytest.mark.spec("CLT-001")
def test_both_halves_have_the_same_methods() -> None:
    assert public_methods(AsyncClient) == public_methods(Client)
    assert public_methods(AsyncStream) == public_methods(Stream)
    assert len(public_methods(Client)) > 45


@pytest.mark.spec("CLT-016")
def test_a_machine_whose_clock_is_wrong_trades(venue: Venue, alice: Somebody) -> None:
    """The exchange's clock stands years behind ours here."""
    with Client(venue.url, alice.api_key, alice.secret) as client:
        order = client.place_order("USD_BTC_PERP", "BUY", "0.001", 59_000).order
        assert client.cancel_order(order.id).status == "CANCELLED"


@pytest.mark.spec("CLT-006")
def test_nested_forms_are_what_the_exchange_reads(venue: Venue, alice: Somebody) -> None:
    assert pairs_of({"ids": ["a", "b"], "price": None}) == [("ids[0]", "a"), ("ids[1]", "b")]
    orders: list[NewOrder] = [
        {"pair": "USD_BTC_PERP", "side": "BUY", "qty": "0.001", "price": 59_000 + number} for number in range(3)
    ]
    assert pairs_of({"orders": orders})[0] == ("orders[0][pair]", "USD_BTC_PERP")
    with Client(venue.url, alice.api_key, alice.secret) as client:
        placed = client.place_orders(orders).orders
        assert [order.price for order in placed] == [59_000, 59_001, 59_002]
        with pytest.raises(ValueError, match="cancel_all"):
            client.cancel_orders([])
        gone = client.cancel_orders([order.id for order in placed[:2]])
        assert [order.id for order in gone] == [order.id for order in placed[:2]]
        assert [order.id for order in client.cancel_all()] == [placed[2].id]
