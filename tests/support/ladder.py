"""An exchange under the rules of liquidation, with markets whose numbers are easy to follow."""

import msgspec

from engine.order import Side
from exchange import margins
from exchange.commands import (
    Deposit,
    ListMarket,
    OpenAccount,
    PlaceOrder,
    SetLiquidityProvider,
    SetMarginMode,
    SetRulesVersion,
    Tick,
    UpdateIndexPrice,
)
from exchange.events import BalanceChanged, Cause, Event, Traded
from exchange.state import Account, Holding
from tests.support.world import (
    BTC_PERP,
    ETH_PERP,
    ISOLATED,
    POOR,
    REGULAR,
    RICH,
    SECOND,
    SIBLING,
    USD,
    USD_UNIT,
    World,
    opening,
)

FUND = 0
FLAT, FLAT_ETH = 11, 12
"""Markets without a slope: 1% initial and 0.5% maintenance, and twice that."""
FLAT_BTC_PERP = msgspec.structs.replace(
    BTC_PERP, symbol="FLAT_BTC_PERP", initial_slope_ppb=0, maintenance_slope_ppb=0, taker_fee_ppm=0
)
FLAT_ETH_PERP = msgspec.structs.replace(
    ETH_PERP, symbol="FLAT_ETH_PERP", initial_slope_ppb=0, maintenance_slope_ppb=0, taker_fee_ppm=0, maker_fee_ppm=0
)


def ladder(fund: int = 0, *, is_empty: bool = False) -> World:
    """The tests' world under the latest rules, with flat markets; `fund` USD in the insurance fund.

    `is_empty` leaves its usual accounts without USD.
    """
    world = opening(dict.fromkeys((REGULAR, SECOND, RICH, POOR, ISOLATED, SIBLING), 0) if is_empty else None)
    world.do(SetRulesVersion(2))
    world.do(ListMarket(FLAT, FLAT_BTC_PERP))
    world.do(ListMarket(FLAT_ETH, FLAT_ETH_PERP))
    if fund:
        world.do(Deposit("fund", FUND, USD, fund * USD_UNIT))
    refresh(world)
    return world


def refresh(world: World, after_ms: int = 1_000) -> list[Event]:
    """Confirm every index at its price and let the time's work be done."""
    world.time_ms += after_ms
    for index_id, index in world.exchange.state.indices.items():
        world.do(UpdateIndexPrice(index_id, 1, index.price, world.time_ms))
    return world.do(Tick())


def person(world: World, usd: int, *, owner_id: int = 0, is_isolated: bool = False, is_provider: bool = False) -> int:
    """Open an account with some USD. Returns its id."""
    account_id = world.exchange.state.next_account_id
    world.do(OpenAccount(f"person {account_id}", owner_id or account_id))
    if usd:
        world.do(Deposit(f"start {account_id}", account_id, USD, usd * USD_UNIT))
    if is_isolated:
        world.do(SetMarginMode(account_id, True))
    if is_provider:
        world.do(SetLiquidityProvider(account_id, True))
    return account_id


def trade(
    world: World, buyer: int, seller: int, lots: int, price: int, market_id: int = FLAT, *, leverage_e2: int = 0
) -> None:
    """Let two accounts trade with each other. `price` in USD; `leverage_e2` counts for isolated ones."""
    world.do(PlaceOrder(seller, market_id, Side.SELL, lots, price * 100, leverage_e2=leverage_e2))
    events = world.do(PlaceOrder(buyer, market_id, Side.BUY, lots, price * 100, leverage_e2=leverage_e2))
    assert sum(e.qty for e in events if isinstance(e, Traded)) == lots, "the trade did not happen"


def account(world: World, account_id: int) -> Account:
    return world.exchange.state.accounts[account_id]


def holding(world: World, account_id: int, market_id: int = FLAT) -> Holding:
    return world.exchange.state.markets[market_id].holding(account(world, account_id))


def qty(world: World, account_id: int, market_id: int = FLAT) -> int:
    return holding(world, account_id, market_id).position.qty


def equity(world: World, account_id: int) -> int:
    """Return an account's USD, isolated positions included. Units: money."""
    found = account(world, account_id)
    total = margins.equity(found, USD)
    if found.is_isolated:
        total += sum(margins.scope_equity(h) for h in found.holdings.values() if h.position.qty)
    return total


def ledger(events: list[Event], account_id: int, cause: Cause) -> int:
    """Add up an account's ledger entries of one cause."""
    return sum(
        e.amount for e in events if isinstance(e, BalanceChanged) and e.account_id == account_id and e.cause is cause
    )


def trades(events: list[Event]) -> list[tuple[int, int]]:
    """List the (price, lots) of the exchange's own trades."""
    return [(e.price, e.qty) for e in events if isinstance(e, Traded) and e.is_liquidation]


def of_type(events: list[Event], kind: type[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]
