from contextlib import suppress
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import wire
from app.problems import Malformed
from exchange.instrument import Instrument, InstrumentKind

BTC = Instrument(
    symbol="USD_BTC_PERP",
    kind=InstrumentKind.FUTURE,
    base_asset=2,
    quote_asset=1,
    index_id=1,
    price_decimals=2,
    lot_decimals=4,
    tick=50,
    unit_value=100,
    lot_base=0,
    qty_min=1,
    qty_max=10**9,
    notional_min=10**8,
    range_ppm=30_000,
    maker_fee_ppm=0,
    taker_fee_ppm=300,
)
ENCODER = msgspec.json.Encoder(decimal_format="number")


@pytest.mark.spec("WIRE-001")
@pytest.mark.parametrize(
    "text, units",
    [
        ("1", 10_000),
        ("0.0001", 1),
        ("0.001", 10),
        (".5", 5_000),
        ("5.", 50_000),
        ("+2", 20_000),
        ("1e2", 1_000_000),
        ("1E-4", 1),
        ("123456789.0001", 1_234_567_890_001),
        ("0.30000000000000004", 3_000),
        ("0.29999999999999999", 3_000),
        ("0.00010000009", 1),
        ("0000000000000000000000000000000000001", 10_000),
    ],
)
def test_quantities_are_read_exactly(text: str, units: int) -> None:
    assert wire.lots(text, "qty", BTC) == units


@pytest.mark.spec("WIRE-002")
@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "sNaN",
        "1e400",
        "1e99",
        "1e-400",
        "-1",
        "-0.0001",
        "0",
        "0.0",
        "-0",
        "1e-99",
        "0.00009",
        "0.00015",
        "0.3000001",
        "\u0661\u0662\u0663",
        "\uff11\uff12\uff13",
        "1\u066b5",
        "1_000",
        "1,5",
        "0x10",
        " 1",
        "1 ",
        "1\n",
        "",
        ".",
        "e5",
        "1e",
        "--1",
        "true",
        "9" * 41,
        "9" * 40,
        "0." + "0" * 39 + "1",
        "1000000000000000000",
    ],
)
def test_what_is_no_quantity_is_refused_by_name(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        wire.lots(text, "qty", BTC)
    assert caught.value.field == "qty"
    assert caught.value.code == "INVALID_QTY"
    assert caught.value.msg.startswith("qty ")


@pytest.mark.spec("WIRE-003")
@pytest.mark.parametrize(
    "text, units",
    [("60000", 6_000_000), ("60000.5", 6_000_050), ("60000.50000000001", 6_000_050), ("6e4", 6_000_000), ("0.5", 50)],
)
def test_prices_are_multiples_of_the_tick(text: str, units: int) -> None:
    assert wire.price(text, "price", BTC) == units


@pytest.mark.spec("WIRE-003")
@pytest.mark.parametrize("text", ["60000.25", "60000.49", "0.1", "0.00000001", "1e-9", "60000.501"])
def test_other_prices_are_refused_with_the_tick(text: str) -> None:
    with pytest.raises(Malformed, match=r"price must be a multiple of 0\.5\."):
        wire.price(text, "price", BTC)


@pytest.mark.spec("WIRE-004")
@pytest.mark.parametrize(
    "text, expected",
    [
        ("1700000000000", 1_700_000_000_000),
        ("1700000000000.1233", 1_700_000_000_000),
        ("1700000000000.999", 1_700_000_000_000),
        ("1.7000000000001e12", 1_700_000_000_000),
    ],
)
def test_times_may_have_a_fraction(text: str, expected: int) -> None:
    assert wire.time_ms(text, "timestamp") == expected


@pytest.mark.parametrize("text", ["-1", "1e15", "soon", "NaN", "1" * 41])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        wire.time_ms(text, "timestamp")


@pytest.mark.parametrize("text, expected", [("5", 5), ("5.0", 5), ("0", 0), ("1e1", 10)])
def test_whole_numbers(text: str, expected: int) -> None:
    assert wire.whole(text, "icebergs", most=100) == expected


@pytest.mark.parametrize("text", ["5.5", "-1", "101", "1e99", "NaN"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        wire.whole(text, "icebergs", most=100)


def test_leverage_and_money() -> None:
    assert wire.hundredths("2.5", "leverage") == 250
    assert wire.money("0.00000001", "qty") == 1
    with pytest.raises(Malformed):
        wire.hundredths("2.505", "leverage")
    with pytest.raises(Malformed):
        wire.money("0.000000001", "qty")


@pytest.mark.spec("WIRE-005")
@given(units=st.integers(min_value=-(10**30), max_value=10**30), decimals=st.integers(min_value=0, max_value=10))
def test_an_amount_leaves_with_its_own_digits(units: int, decimals: int) -> None:
    text = ENCODER.encode(wire.amount(units, decimals)).decode()
    assert Fraction(text) == Fraction(units, 10**decimals)


@pytest.mark.spec("WIRE-001")
@given(units=st.integers(min_value=1, max_value=10**15), decimals=st.integers(min_value=0, max_value=8))
def test_what_is_written_is_read_back(units: int, decimals: int) -> None:
    assert wire.steps(wire.plain(units, decimals), "x", decimals) == units
    if units < 10**12:
        assert wire.steps(repr(units / 10**decimals), "x", decimals) == units


@given(text=st.text(max_size=50))
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(Malformed):
        assert wire.steps(text, "x", 8) > 0


@pytest.mark.parametrize(
    "numerator, denominator, expected",
    [
        (1, 3, 0.33333333),
        (2, 3, 0.66666667),
        (-1, 3, -0.33333333),
        (10, 4, 2.5),
        (1, 2 * 10**8, 0.00000001),
        (1, 0, 0.0),
    ],
)
def test_ratios_are_rounded_at_eight_decimals(numerator: int, denominator: int, expected: float) -> None:
    assert wire.ratio(numerator, denominator) == expected


@pytest.mark.parametrize("units, decimals, text", [(50, 2, "0.5"), (100, 2, "1"), (1, 8, "0.00000001"), (7, 0, "7")])
def test_plain_text(units: int, decimals: int, text: str) -> None:
    assert wire.plain(units, decimals) == text
