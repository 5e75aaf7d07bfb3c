"""The table of default markets: its laws, and what is said when a row breaks one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.feeds.derived import is_derived
from app.listings import MARKETS_FILE, ListingsInvalid, load
from exchange.commands import ListAsset, ListIndex, ListMarket
from exchange.instrument import Bracket, Instrument, InstrumentKind, MarkMethod

LISTINGS = load()
FUTURES = [terms for key, terms in LISTINGS.markets if terms.kind is InstrumentKind.FUTURE and key <= 31]
OPTIONS = [terms for _, terms in LISTINGS.markets if terms.kind in (InstrumentKind.CALL, InstrumentKind.PUT)]
BY_SYMBOL = {terms.symbol: terms for _, terms in LISTINGS.markets}
STRIKES = {
    "90": 900_000, "95": 950_000, "97": 970_000, "99": 990_000, "": 1_000_000, "1": 1_010_000, "3": 1_030_000,
    "5": 1_050_000, "10": 1_100_000,
}  # fmt: skip
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
    options = ("USD_BTCCALL90_PERP", "USD_BTCCALL_PERP", "USD_BTCPUT90_PERP", "USD_ETHCALL90_PERP", "USD_ETHPUT10_PERP")
    assert [markets[symbol] for symbol in options] == [41, 45, 50, 59, 76]
    others = ("USD_PVIXBTC_PERP", "USD_PVARBTC_PERP", "USD_BTC_20261225")
    assert [markets[symbol] for symbol in others] == [77, 78, 79]
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


@pytest.mark.parametrize("terms", FUTURES, ids=lambda terms: terms.symbol)
def test_mark_and_funding_of_futures(terms: Instrument) -> None:
    """LIST-007."""
    assert (terms.mark_method, terms.mark_clamp_ppm) == (MarkMethod.BASIS, 30_000)
    assert (terms.premium_clamp_ppm, terms.funding_period_h) == (30_000, 10)


def test_every_option_is_there() -> None:
    """LIST-008."""
    assert {terms.symbol: (terms.kind.name, terms.strike_ppm) for terms in OPTIONS} == {
        f"USD_{base}{kind}{suffix}_PERP": (kind, strike_ppm)
        for base in ("BTC", "ETH")
        for kind in ("CALL", "PUT")
        for suffix, strike_ppm in STRIKES.items()
    }


@pytest.mark.parametrize("terms", OPTIONS, ids=lambda terms: terms.symbol)
def test_terms_of_options(terms: Instrument) -> None:
    """LIST-009: the rules' numbers."""
    assert (terms.initial_ppm, terms.maintenance_ppm, terms.leverage_max) == (1_000_000, 500_000, 1)
    shorts = (terms.short_initial_ppm, terms.short_initial_min_ppm, terms.short_maintenance_ppm)
    assert shorts == (60_000, 40_000, 20_000)
    assert (terms.initial_slope_ppb, terms.maintenance_slope_ppb) == (1_000, 500)
    assert (terms.maker_fee_ppm, terms.taker_fee_ppm, terms.fee_cap_ppm) == (0, 300, 125_000)
    assert (terms.range_ppm, terms.range_floor_ppm, terms.intrinsic_floor_ppm) == (250_000, 5_000, 500)
    assert (terms.premium_clamp_ppm, terms.funding_period_h) == (1_000_000, 10)
    assert terms.mark_method is MarkMethod.BASIS
    # The order of Everstrike's documents: 0.001 at a price of 1.
    assert 10 ** (terms.lot_decimals - 3) >= terms.qty_min
    assert 10**terms.price_decimals % terms.tick == 0
    assert terms.notional_min <= LISTINGS.starts[terms.index_id] * terms.unit_value * 10 ** (terms.lot_decimals - 3)


def test_the_other_kinds() -> None:
    """LIST-010."""
    pvix, pvar, dated = (BY_SYMBOL[name] for name in ("USD_PVIXBTC_PERP", "USD_PVARBTC_PERP", "USD_BTC_20261225"))
    assert (pvix.initial_ppm, pvix.maintenance_ppm, pvix.leverage_max) == (100_000, 50_000, 10)
    assert (pvar.initial_ppm, pvar.maintenance_ppm, pvar.leverage_max) == (200_000, 100_000, 5)
    indices = {terms.index_id: terms for terms in LISTINGS.indices}
    for terms in (pvix, pvar):
        assert terms.premium_clamp_ppm == 30_000
        assert indices[terms.index_id].single_source
        assert is_derived(indices[terms.index_id])
    assert dated.expiry_ms == int(datetime(2026, 12, 25, 8, tzinfo=UTC).timestamp()) * 1_000
    assert (dated.premium_clamp_ppm, dated.settlement_window_ms) == (0, 1_800_000)
    assert not any(terms.single_source for terms in LISTINGS.indices if not is_derived(terms))


def test_brackets_and_weights_come_from_the_table(tmp_path: Path) -> None:
    """LIST-011."""
    text = MARKETS_FILE.read_text("utf-8")
    brackets = 'impact_qty = "0.3", brackets = [["50000", 10000, 5000], ["250000", 20000, 10000]] }'
    text = text.replace('impact_qty = "0.3" }', brackets, 1)
    text = text.replace('start = "65000" }', 'start = "65000", weights = [[1, 2], [2, 0]] }', 1)
    (tmp_path / "markets.toml").write_text(text, "utf-8")
    found = load(tmp_path / "markets.toml")
    caps = (Bracket(50_000 * 10**8, 10_000, 5_000), Bracket(250_000 * 10**8, 20_000, 10_000))
    assert found.markets[0][1].brackets == caps
    assert found.indices[0].weights == ((1, 2), (2, 0))
    assert found.changed(dict(LISTINGS.markets)) == [found.markets[0]]


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
    assert [type(command) for command in everything] == [ListAsset] * 35 + [ListIndex] * 38 + [ListMarket] * 79
    some = LISTINGS.missing(asset_ids=range(1, 35), index_ids=range(2, 40), market_ids=range(1, 79))
    assert [type(command) for command in some] == [ListAsset, ListIndex, ListMarket]
    assert LISTINGS.missing(asset_ids=range(99), index_ids=range(99), market_ids=range(99)) == []
    expiry_ms = BY_SYMBOL["USD_BTC_20261225"].expiry_ms
    late = LISTINGS.missing(asset_ids=range(1, 35), index_ids=range(2, 40), market_ids=range(1, 79), now_ms=expiry_ms)
    assert [type(command) for command in late] == [ListAsset, ListIndex]


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
        ('mark_method = "BASIS"', 'mark_method = "LUCK"', "USD_BTC_PERP", "LUCK"),
        ("short_maintenance_ppm = 20_000", "short_maintenance_ppm = 50_000", "USD_BTCCALL90_PERP", "contradict"),
        ("expiry = 2026-12-25T08:00:00Z", "expiry = 2026-12-25T08:00:00", "USD_BTC_20261225", "time zone"),
        ('start = "65000" }', 'start = "65000", weights = [[1, 1], [1, 1]] }', "BTC_USD", "twice"),
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
