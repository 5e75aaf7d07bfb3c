"""The checked-in table of default markets: read, checked, and turned into the commands that list what is missing."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias, final

import msgspec

from app.faults import Fault
from app.problems import Malformed
from app.wire import MONEY_DECIMALS, money, steps
from exchange.commands import Command, ListAsset, ListIndex, ListMarket
from exchange.instrument import Asset, Bracket, IndexTerms, Instrument, InstrumentKind, MarkMethod
from exchange.limits import PRICE_MAX, QTY_MAX
from exchange.listings import are_numbers_sound, are_rates_sound, is_index_sound

MARKETS_FILE: Final = Path(__file__).with_name("markets.toml")
PPM: Final = 1_000_000
RATES: Final = (
    "range_ppm",
    "maker_fee_ppm",
    "taker_fee_ppm",
    "initial_ppm",
    "maintenance_ppm",
    "initial_slope_ppb",
    "maintenance_slope_ppb",
    "leverage_max",
    "mark_clamp_ppm",
    "fair_margin_ppm",
    "premium_clamp_ppm",
    "funding_period_h",
    "interest_ppm",
    "interest_clamp_ppm",
    "is_premium_on_mark",
    "strike_ppm",
    "intrinsic_floor_ppm",
    "range_floor_ppm",
    "fee_cap_ppm",
    "short_initial_ppm",
    "short_initial_min_ppm",
    "short_maintenance_ppm",
    "settlement_window_ms",
    "liquidation_fee_ppm",
    "liquidation_slice_ppm",
)
"""Terms that the table gives as the instrument has them."""

_Rows: TypeAlias = dict[str, dict[str, Any]]


@final
class ListingsInvalid(Fault):
    """The table of markets contradicts itself. Says in which row."""

    def __init__(self, row: str, why: str) -> None:
        super().__init__(f"markets table: {row}: {why}")
        self.row = row


class _IndexRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: int
    price_decimals: int
    start: str
    single_source: bool = False
    weights: tuple[tuple[int, int], ...] = ()


class _MarketRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: int
    base: str
    quote: str
    index: str
    tick: str
    lot: str
    qty_max: str
    impact_qty: str
    notional_min: str
    range_ppm: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    initial_ppm: int
    maintenance_ppm: int
    initial_slope_ppb: int
    maintenance_slope_ppb: int
    leverage_max: int
    qty_min: str = ""  # absent: one lot
    mark_method: str = "INDEX"
    mark_clamp_ppm: int = 0
    fair_margin_ppm: int = 1_000
    premium_clamp_ppm: int = 0
    funding_period_h: int = 10
    interest_ppm: int = 0
    interest_clamp_ppm: int = 0
    is_premium_on_mark: bool = False
    strike_ppm: int = 0
    intrinsic_floor_ppm: int = 500
    range_floor_ppm: int = 0
    fee_cap_ppm: int = 0
    short_initial_ppm: int = 0
    short_initial_min_ppm: int = 0
    short_maintenance_ppm: int = 0
    brackets: tuple[tuple[str, int, int], ...] = ()  # up to this notional: initial and maintenance ppm
    expiry: datetime | None = None
    settlement_window_ms: int = 1_800_000
    liquidation_fee_ppm: int = 2_500
    liquidation_slice_ppm: int = 100_000
    liquidation_slice_min: str = "1000"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    defaults: _Rows
    assets: dict[str, int]
    indices: dict[str, _IndexRow]
    futures: _Rows
    calls: _Rows
    puts: _Rows
    spot: _Rows


@final
@dataclass(frozen=True, slots=True)
class Listings:
    """Every default asset, index and market.

    `starts` gives, by index id, the price at which the synthetic feed begins, in price units.
    """

    assets: tuple[Asset, ...]
    indices: tuple[IndexTerms, ...]
    markets: tuple[tuple[int, Instrument], ...]
    starts: Mapping[int, int]

    def missing(
        self, *, asset_ids: Collection[int], index_ids: Collection[int], market_ids: Collection[int], now_ms: int = 0
    ) -> list[Command]:
        """Return the commands that list what is not listed yet, in an order that the core takes; what expired by `now_ms` is left out."""
        commands: list[Command] = [ListAsset(asset) for asset in self.assets if asset.asset_id not in asset_ids]
        commands += [ListIndex(terms) for terms in self.indices if terms.index_id not in index_ids]
        commands += [
            ListMarket(key, instrument)
            for key, instrument in self.markets
            if key not in market_ids and not 0 < instrument.expiry_ms <= now_ms
        ]
        return commands

    def changed(self, listed: Mapping[int, Instrument]) -> list[tuple[int, Instrument]]:
        """Return the table's terms of the markets that are listed with others."""
        return [(key, terms) for key, terms in self.markets if key in listed and listed[key] != terms]

    def asset(self, symbol: str) -> Asset | None:
        """Return the asset of this symbol."""
        return next((asset for asset in self.assets if asset.symbol == symbol), None)


def load(path: Path = MARKETS_FILE) -> Listings:
    """Read and check the table.

    Raises: ListingsInvalid, naming the row.
    """
    try:
        file = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ListingsInvalid(path.name, str(error)) from error
    _check_ids("assets", list(file.assets.values()))
    _check_ids("indices", [row.id for row in file.indices.values()])
    markets = [
        *_markets(file, InstrumentKind.FUTURE, "future", file.futures),
        *_markets(file, InstrumentKind.CALL, "option", file.calls),
        *_markets(file, InstrumentKind.PUT, "option", file.puts),
        *_markets(file, InstrumentKind.SPOT, "spot", file.spot),
    ]
    _check_ids("markets", [key for key, _ in markets])
    if len({instrument.symbol for _, instrument in markets}) != len(markets):
        raise ListingsInvalid("markets", "a symbol stands twice")
    return Listings(
        assets=tuple(Asset(key, symbol) for symbol, key in file.assets.items()),
        indices=tuple(_index(symbol, row) for symbol, row in file.indices.items()),
        markets=tuple(sorted(markets, key=lambda row: row[0])),
        starts={row.id: _start(symbol, row) for symbol, row in file.indices.items()},
    )


def _check_ids(kind: str, ids: list[int]) -> None:
    if len(set(ids)) != len(ids):
        raise ListingsInvalid(kind, "an id stands twice")
    if min(ids, default=1) < 1:
        raise ListingsInvalid(kind, "ids begin at 1")


def _index(symbol: str, row: _IndexRow) -> IndexTerms:
    terms = IndexTerms(row.id, symbol, row.price_decimals, row.single_source, row.weights)
    if not is_index_sound(terms):
        raise ListingsInvalid(symbol, "price_decimals or weights are out of bounds, or a source stands twice")
    return terms


def _start(symbol: str, row: _IndexRow) -> int:
    if not 0 <= row.price_decimals <= MONEY_DECIMALS:
        raise ListingsInvalid(symbol, f"price_decimals must be between 0 and {MONEY_DECIMALS}")
    try:
        return steps(row.start, "start", row.price_decimals)
    except Malformed as error:
        raise ListingsInvalid(symbol, str(error)) from error


def _markets(file: _File, kind: InstrumentKind, name: str, rows: _Rows) -> list[tuple[int, Instrument]]:
    defaults = file.defaults.get(name, {})
    markets = []
    for symbol, row in rows.items():
        try:
            full = msgspec.convert({**defaults, **row}, _MarketRow)
            markets.append((full.id, _instrument(file, kind, symbol, full)))
        except msgspec.ValidationError as error:
            raise ListingsInvalid(symbol, str(error)) from error
        except Malformed as error:
            raise ListingsInvalid(symbol, str(error)) from error
    return markets


def _instrument(file: _File, kind: InstrumentKind, symbol: str, row: _MarketRow) -> Instrument:
    for word, known in ((row.base, file.assets), (row.quote, file.assets), (row.index, file.indices)):
        if word not in known:
            raise ListingsInvalid(symbol, f"{word} is not in the table")
    price_decimals = file.indices[row.index].price_decimals
    lot_decimals = _lot_decimals(symbol, row.lot)
    money_decimals = MONEY_DECIMALS - price_decimals - lot_decimals
    if money_decimals < 0:
        raise ListingsInvalid(
            symbol, f"price decimals {price_decimals} + lot decimals {lot_decimals} exceed {MONEY_DECIMALS}"
        )
    is_spot = kind is InstrumentKind.SPOT
    instrument = Instrument(
        symbol=symbol,
        kind=kind,
        base_asset=file.assets[row.base],
        quote_asset=file.assets[row.quote],
        index_id=file.indices[row.index].id,
        price_decimals=price_decimals,
        lot_decimals=lot_decimals,
        tick=steps(row.tick, "tick", price_decimals),
        unit_value=10**money_decimals,
        lot_base=10 ** (MONEY_DECIMALS - lot_decimals) if is_spot else 0,
        qty_min=steps(row.qty_min or row.lot, "qty_min", lot_decimals),
        qty_max=steps(row.qty_max, "qty_max", lot_decimals),
        notional_min=money(row.notional_min, "notional_min"),
        impact_qty=0 if row.impact_qty == "0" else steps(row.impact_qty, "impact_qty", lot_decimals),
        mark_method=_mark_method(symbol, row.mark_method),
        brackets=tuple(Bracket(money(cap, "brackets"), initial, kept) for cap, initial, kept in row.brackets),
        expiry_ms=_expiry_ms(symbol, row.expiry),
        liquidation_slice_min=money(row.liquidation_slice_min, "liquidation_slice_min"),
        **{name: getattr(row, name) for name in RATES},
    )
    _check_terms(instrument)
    return instrument


def _mark_method(symbol: str, name: str) -> MarkMethod:
    if name not in MarkMethod.__members__:
        raise ListingsInvalid(symbol, f"mark_method must be {', '.join(MarkMethod.__members__)}, not {name}")
    return MarkMethod[name]


def _expiry_ms(symbol: str, expiry: datetime | None) -> int:
    if expiry is None:
        return 0
    if expiry.tzinfo is None:
        raise ListingsInvalid(symbol, "expiry needs a time zone, such as Z")
    return int(expiry.astimezone(UTC).timestamp()) * 1_000


def _lot_decimals(symbol: str, lot: str) -> int:
    for decimals in range(MONEY_DECIMALS + 1):
        try:
            if steps(lot, "lot", decimals) == 1:
                return decimals
        except Malformed:
            continue
    raise ListingsInvalid(symbol, f"lot must be 1, 0.1, 0.01, ... and not {lot}")


def _check_terms(terms: Instrument) -> None:
    """Check the laws between a market's terms."""
    is_margined = terms.kind is not InstrumentKind.SPOT
    laws = (
        (0 < terms.tick <= PRICE_MAX, "tick is out of bounds"),
        (terms.qty_min <= terms.qty_max <= QTY_MAX, "qty_min <= qty_max must hold, within bounds"),
        (0 < terms.range_ppm < PPM, "range_ppm must be between 0 and 1,000,000"),
        (0 <= terms.taker_fee_ppm < PPM, "taker_fee_ppm must be between 0 and 1,000,000"),
        (-terms.taker_fee_ppm <= terms.maker_fee_ppm < PPM, "a rebate may not exceed the taker fee"),
        (not is_margined or 0 < terms.maintenance_ppm < terms.initial_ppm <= PPM, "maintenance must be below initial"),
        (terms.maintenance_slope_ppb <= terms.initial_slope_ppb, "the maintenance slope must not exceed the initial"),
        (terms.leverage_max >= 1, "leverage_max must be at least 1"),
        (
            not is_margined or terms.leverage_max * terms.initial_ppm <= PPM,
            "leverage_max is more than the initial rate allows",
        ),
        (are_numbers_sound(terms) and are_rates_sound(terms), "its terms contradict each other"),
    )
    for holds, why in laws:
        if not holds:
            raise ListingsInvalid(terms.symbol, why)
