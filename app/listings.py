"""The checked-in table of default markets: read, checked, and turned into the commands that list what is missing."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import msgspec

from app.faults import Fault
from app.problems import Malformed
from app.wire import MONEY_DECIMALS, money, steps
from exchange.commands import Command, ListAsset, ListIndex, ListMarket
from exchange.instrument import Asset, IndexTerms, Instrument, InstrumentKind
from exchange.limits import PRICE_MAX, QTY_MAX

MARKETS_FILE: Final = Path(__file__).with_name("markets.toml")
PPM: Final = 1_000_000


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


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    defaults: dict[str, dict[str, int | str]]
    assets: dict[str, int]
    indices: dict[str, _IndexRow]
    futures: dict[str, dict[str, int | str]]
    spot: dict[str, dict[str, int | str]]


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
        self, *, asset_ids: Collection[int], index_ids: Collection[int], market_ids: Collection[int]
    ) -> list[Command]:
        """Return the commands that list what is not listed yet, in an order that the core takes."""
        commands: list[Command] = [ListAsset(asset) for asset in self.assets if asset.asset_id not in asset_ids]
        commands += [ListIndex(terms) for terms in self.indices if terms.index_id not in index_ids]
        commands += [ListMarket(key, instrument) for key, instrument in self.markets if key not in market_ids]
        return commands

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
        *_markets(file, InstrumentKind.SPOT, "spot", file.spot),
    ]
    _check_ids("markets", [key for key, _ in markets])
    if len({instrument.symbol for _, instrument in markets}) != len(markets):
        raise ListingsInvalid("markets", "a symbol stands twice")
    return Listings(
        assets=tuple(Asset(key, symbol) for symbol, key in file.assets.items()),
        indices=tuple(
            IndexTerms(row.id, symbol, row.price_decimals, row.single_source) for symbol, row in file.indices.items()
        ),
        markets=tuple(markets),
        starts={row.id: _start(symbol, row) for symbol, row in file.indices.items()},
    )


def _check_ids(kind: str, ids: list[int]) -> None:
    if len(set(ids)) != len(ids):
        raise ListingsInvalid(kind, "an id stands twice")
    if min(ids, default=1) < 1:
        raise ListingsInvalid(kind, "ids begin at 1")


def _start(symbol: str, row: _IndexRow) -> int:
    if not 0 <= row.price_decimals <= MONEY_DECIMALS:
        raise ListingsInvalid(symbol, f"price_decimals must be between 0 and {MONEY_DECIMALS}")
    try:
        return steps(row.start, "start", row.price_decimals)
    except Malformed as error:
        raise ListingsInvalid(symbol, str(error)) from error


def _markets(
    file: _File, kind: InstrumentKind, name: str, rows: dict[str, dict[str, int | str]]
) -> list[tuple[int, Instrument]]:
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
        range_ppm=row.range_ppm,
        maker_fee_ppm=row.maker_fee_ppm,
        taker_fee_ppm=row.taker_fee_ppm,
        initial_ppm=row.initial_ppm,
        maintenance_ppm=row.maintenance_ppm,
        initial_slope_ppb=row.initial_slope_ppb,
        maintenance_slope_ppb=row.maintenance_slope_ppb,
        leverage_max=row.leverage_max,
        impact_qty=0 if row.impact_qty == "0" else steps(row.impact_qty, "impact_qty", lot_decimals),
    )
    _check_terms(instrument)
    return instrument


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
    )
    for holds, why in laws:
        if not holds:
            raise ListingsInvalid(terms.symbol, why)
