"""The table of default markets: its laws, and what is said when a row breaks one."""

from pathlib import Path

import pytest

from app.listings import MARKETS_FILE, ListingsInvalid, load
from exchange.commands import ListAsset, ListIndex, ListMarket
from exchange.instrument import Instrument, InstrumentKind

LISTINGS = load()
FUTURES = [terms for _, terms in LISTINGS.markets if terms.kind is InstrumentKind.FUTURE]
SPOT = [terms for _, terms in LISTINGS.markets if terms.kind is InstrumentKind.SPOT]


def test_default_markets_are_all_there() -> None:
    """LIST-001."""
    symbols = {terms.symbol for _, terms in LISTINGS.markets}
    bases = [
        "BTC",
        "ETH",
        "BNB",
        "SOL",
        "XRP",
        "AVAX",
        "DOGE",
        "ADA",
        "LINK",
        "APT",
        "BCH",
        "UNI",
        "FIL",
        "OP",
        "LTC",
        "ARB",
        "NEAR",
        "XLM",
        "DOT",
        "ICP",
        "ETC",
    ]
    assert {f"USD_{base}_PERP" for base in bases} <= symbols
    assert {terms.symbol for terms in SPOT} == {
        "BTC_USD", "ETH_USD", "BNB_USD", "SOL_USD", "USDT_USD", "BTC_USDT", "ETH_USDT", "BNB_USDT", "SOL_USDT",
    }  # fmt: skip


def test_ids_are_permanent() -> None:
    """LIST-002: ids stand in journals. A change here breaks every journal that exists."""
    markets = {terms.symbol: key for key, terms in LISTINGS.markets}
    assert (markets["USD_BTC_PERP"], markets["USD_LRC_PERP"], markets["BTC_USD"], markets["SOL_USDT"]) == (
        1,
        31,
        32,
        40,
    )
    assert [asset.symbol for asset in LISTINGS.assets[:4]] == ["USD", "USDT", "BTC", "ETH"]
    assert {terms.symbol: terms.index_id for terms in LISTINGS.indices}["SOL_USDT"] == 36


@pytest.mark.parametrize("terms", [terms for _, terms in LISTINGS.markets], ids=lambda terms: terms.symbol)
def test_units_are_exact(terms: Instrument) -> None:
    """LIST-003."""
    assert terms.price_decimals + terms.lot_decimals <= 8
    assert terms.unit_value == 10 ** (8 - terms.price_decimals - terms.lot_decimals)
    assert terms.lot_base == (10 ** (8 - terms.lot_decimals) if terms.kind is InstrumentKind.SPOT else 0)
    index = next(index for index in LISTINGS.indices if index.index_id == terms.index_id)
    assert index.price_decimals == terms.price_decimals
    # A tick is fine against the price, and a lot cheap enough to begin with.
    start = LISTINGS.starts[terms.index_id]
    assert terms.tick * 1_000 <= start
    assert start * terms.unit_value * terms.qty_min <= 20 * 10**8
    assert start * terms.unit_value * terms.qty_max >= 10**6 * 10**8


@pytest.mark.parametrize("terms", FUTURES, ids=lambda terms: terms.symbol)
def test_terms_of_futures(terms: Instrument) -> None:
    """LIST-004: the rules' numbers."""
    assert (terms.maker_fee_ppm, terms.taker_fee_ppm, terms.range_ppm) == (0, 300, 30_000)
    assert (terms.initial_ppm, terms.maintenance_ppm, terms.leverage_max) == (10_000, 5_000, 100)
    assert (terms.initial_slope_ppb, terms.maintenance_slope_ppb) == (1_000, 500)
    assert terms.notional_min == 10**8
    assert 15_000 * 10**8 < LISTINGS.starts[terms.index_id] * terms.unit_value * terms.impact_qty < 25_000 * 10**8


def test_bitcoin_impact_depth() -> None:
    """LIST-004: 0.3 BTC."""
    bitcoin = FUTURES[0]
    assert (bitcoin.symbol, bitcoin.impact_qty, bitcoin.lot_decimals) == ("USD_BTC_PERP", 3_000, 4)


@pytest.mark.parametrize("terms", SPOT, ids=lambda terms: terms.symbol)
def test_terms_of_spot(terms: Instrument) -> None:
    """LIST-004: spot has a 5% range and no margin."""
    assert (terms.maker_fee_ppm, terms.taker_fee_ppm, terms.range_ppm) == (0, 300, 50_000)
    assert (terms.initial_ppm, terms.maintenance_ppm, terms.leverage_max) == (0, 0, 1)


def test_missing_lists_only_what_is_not_there() -> None:
    """LIST-005."""
    everything = LISTINGS.missing(asset_ids=(), index_ids=(), market_ids=())
    assert [type(command) for command in everything] == [ListAsset] * 33 + [ListIndex] * 36 + [ListMarket] * 40
    some = LISTINGS.missing(asset_ids=range(1, 33), index_ids=range(2, 40), market_ids=range(1, 40))
    assert [type(command) for command in some] == [ListAsset, ListIndex, ListMarket]
    assert LISTINGS.missing(asset_ids=range(99), index_ids=range(99), market_ids=range(99)) == []


@pytest.mark.parametrize(
    "old, new, row, why",
    [
        ("USDT = 2", "USDT = 1", "assets", "twice"),
        ("USDT = 2", "USDT = 0", "assets", "begin at 1"),
        ('{ id = 2, base = "ETH"', '{ id = 1, base = "ETH"', "markets", "twice"),
        ('base = "ETH", index', 'base = "NOPE", index', "USD_ETH_PERP", "NOPE"),
        ('tick = "0.1", lot = "0.0001"', 'tick = "0.001", lot = "0.0001"', "USD_BTC_PERP", "multiple of 0.01"),
        ('lot = "0.0001", qty_max', 'lot = "0.0000001", qty_max', "USD_BTC_PERP", "exceed 8"),
        ('lot = "0.0001", qty_max', 'lot = "0.0002", qty_max', "USD_BTC_PERP", "lot must be"),
        ('qty_max = "150"', 'qty_max = "0.00001"', "USD_BTC_PERP", "multiple"),
        ('qty_max = "150"', 'qty_max = "150", qty_min = "151"', "USD_BTC_PERP", "qty_min"),
        ('qty_max = "150"', 'qty_maximum = "150"', "USD_BTC_PERP", "qty_maximum"),
        ("leverage_max = 100", "leverage_max = 101", "USD_BTC_PERP", "leverage_max"),
        ("maintenance_ppm = 5_000", "maintenance_ppm = 10_000", "USD_BTC_PERP", "maintenance"),
        ("maker_fee_ppm = 0", "maker_fee_ppm = -301", "USD_BTC_PERP", "rebate"),
        ("range_ppm = 30_000", "range_ppm = 0", "USD_BTC_PERP", "range_ppm"),
        ('start = "65000"', 'start = "-1"', "BTC_USD", "start"),
        ("[spot]", "[spots]", "markets.toml", "spots"),
        ("[spot]", "[spot", "markets.toml", ""),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, old: str, new: str, row: str, why: str) -> None:
    """LIST-006."""
    text = MARKETS_FILE.read_text("utf-8")
    assert old in text
    (tmp_path / "markets.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ListingsInvalid) as caught:
        load(tmp_path / "markets.toml")
    assert caught.value.row == row
    assert why in str(caught.value)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    """LIST-006."""
    with pytest.raises(ListingsInvalid, match="nowhere.toml"):
        load(tmp_path / "nowhere.toml")
