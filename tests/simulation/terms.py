"""What is listed in the simulated exchange, and who is there."""

from typing import Final

from msgspec.structs import replace

from exchange.commands import (
    Command,
    Deposit,
    ListAsset,
    ListIndex,
    ListMarket,
    OpenAccount,
    SetLiquidityProvider,
    SetMarginMode,
    SetRulesVersion,
)
from exchange.instrument import Asset, Bracket, IndexTerms, Instrument, MarkMethod
from exchange.limits import RULES_LATEST
from tests.support import world
from tests.support.options import BTC_CALL, BTC_PUT, CALL, PUT
from tests.support.world import BTC, ETH, ETHP, PERP, SPOT, USD, USD_UNIT, USDT, USDT_SPOT

SOL: Final = 5
BRACKETED: Final = 7
DATED_FIRST: Final = 8
"""Ids from here on are dated futures, listed as time goes on."""
BTC_INDEX, ETH_INDEX, SOL_INDEX = 1, 2, 3
STARTS: Final = {BTC_INDEX: 60_000_00, ETH_INDEX: 3_000_00, SOL_INDEX: 150_00}
LIVES_MS: Final = (300_000, 7_200_000, 43_200_000, 43_200_000)
"""How long a dated future lives."""

MAKERS: Final = tuple(range(1, 9))
PROVIDERS: Final = tuple(range(9, 14))
GAMBLERS: Final = tuple(range(14, 134))
FIRST_OF_SIBLINGS: Final = 110
"""From here on gamblers have an owner that has another account already."""

PERPETUAL: Final = {"premium_clamp_ppm": 30_000, "mark_clamp_ppm": 30_000}
BTC_PERP: Final = replace(
    world.BTC_PERP,
    mark_method=MarkMethod.BASIS,
    impact_qty=3_000,
    interest_ppm=100,
    interest_clamp_ppm=500,
    **PERPETUAL,
)
ETH_PERP: Final = replace(world.ETH_PERP, mark_method=MarkMethod.MEDIAN, impact_qty=5_000, **PERPETUAL)
SOL_PERP: Final = Instrument(
    symbol="USD_SOL_PERP",
    kind=world.BTC_PERP.kind,
    base_asset=SOL,
    quote_asset=USD,
    index_id=SOL_INDEX,
    price_decimals=2,
    lot_decimals=1,
    tick=1,
    unit_value=100_000,
    lot_base=0,
    qty_min=1,
    qty_max=10**8,
    notional_min=USD_UNIT,
    range_ppm=30_000,
    maker_fee_ppm=200,
    taker_fee_ppm=500,
    initial_ppm=20_000,
    maintenance_ppm=10_000,
    leverage_max=50,
    premium_clamp_ppm=30_000,
    brackets=(
        Bracket(50_000 * USD_UNIT, 20_000, 10_000),
        Bracket(500_000 * USD_UNIT, 50_000, 25_000),
        Bracket(20_000_000 * USD_UNIT, 200_000, 100_000),
    ),
)
OPTION_MARK: Final = {"mark_method": MarkMethod.BASIS, "impact_qty": 3_000}
MARKETS: Final = {
    PERP: BTC_PERP,
    ETHP: ETH_PERP,
    SPOT: world.BTC_SPOT,
    USDT_SPOT: world.BTC_USDT,
    CALL: replace(BTC_CALL, **OPTION_MARK),
    PUT: replace(BTC_PUT, is_premium_on_mark=True, **OPTION_MARK),
    BRACKETED: SOL_PERP,
}


def dated(market_id: int, expiry_ms: int) -> Instrument:
    """Return a future on BTC that expires."""
    return replace(
        world.BTC_PERP,
        symbol=f"USD_BTC_{market_id}",
        expiry_ms=expiry_ms,
        settlement_window_ms=600_000,
        mark_method=MarkMethod.BASIS,
        impact_qty=3_000,
    )


def opening(rules_version: int = RULES_LATEST) -> list[Command]:
    """Return what makes the exchange: assets, indices, markets, its rules, accounts with money."""
    told: list[Command] = [
        ListAsset(Asset(asset_id, symbol))
        for asset_id, symbol in ((USD, "USD"), (BTC, "BTC"), (ETH, "ETH"), (USDT, "USDT"), (SOL, "SOL"))
    ]
    told.append(ListIndex(IndexTerms(BTC_INDEX, "BTC", 2, True, ((1, 3), (2, 1), (3, 1)))))
    told.append(ListIndex(IndexTerms(ETH_INDEX, "ETH", 2, True)))
    told.append(ListIndex(IndexTerms(SOL_INDEX, "SOL", 2)))
    told += [ListMarket(market_id, instrument) for market_id, instrument in MARKETS.items()]
    told.append(SetRulesVersion(rules_version))
    for account_id in (*MAKERS, *PROVIDERS, *GAMBLERS):
        told += account(account_id)
    told.append(Deposit("fund", 0, USD, 2_000 * USD_UNIT))
    return told


def account(account_id: int) -> list[Command]:
    """Return what opens one account."""
    owner_id = account_id
    if account_id >= FIRST_OF_SIBLINGS:
        owner_id = GAMBLERS[0] + (account_id - FIRST_OF_SIBLINGS) // 2  # two more accounts for each of twelve owners
    elif account_id == MAKERS[1]:
        owner_id = MAKERS[0]
    told: list[Command] = [OpenAccount(f"account {account_id}", owner_id)]
    if account_id in MAKERS:
        told.append(Deposit(f"usd {account_id}", account_id, USD, 3_000_000 * USD_UNIT))
        told.append(Deposit(f"btc {account_id}", account_id, BTC, 20 * USD_UNIT))
        told.append(Deposit(f"usdt {account_id}", account_id, USDT, 1_000_000 * USD_UNIT))
    elif account_id in PROVIDERS:
        told.append(Deposit(f"usd {account_id}", account_id, USD, 100 * USD_UNIT * 4 ** (account_id - PROVIDERS[0])))
        told.append(SetLiquidityProvider(account_id, True))
    elif account_id % 3 == 0:
        told.append(SetMarginMode(account_id, True))
    return told
