"""What the shell reads."""

from random import Random

import pytest

from engine.order import OrderStatus, Side
from exchange import margins, views
from exchange.commands import PlaceOrder, SetLeverage, Tick
from exchange.instrument import MarketStatus
from exchange.limits import OPENING_INDEX_AGE_MAX_MS
from exchange.snapshot import decode, encode
from exchange.state import Account
from risk.liquidation import failing_price
from risk.margin import RATE_SCALE
from tests.support.world import (
    BTC,
    ISOLATED,
    PERP,
    REGULAR,
    RICH,
    SIBLING,
    SPOT,
    USD,
    USD_UNIT,
    USDT,
    USDT_SPOT,
    Dice,
    opening,
)


def test_an_index_without_prices_is_too_old_after_half_a_minute() -> None:
    """OPS-024: as old as the core lets no position open with."""
    world = opening()

    def fresh() -> bool:
        found = {terms.index_id: is_fresh for terms, is_fresh in views.fresh_indices(world.exchange)}
        return found[1]

    assert fresh()
    # An observation counts for ten seconds, and what was computed of it last for thirty more.
    while world.exchange.state.indices[1].computed_ms == world.time_ms:
        world.do(Tick(), 1_000)
    world.do(Tick(), OPENING_INDEX_AGE_MAX_MS - 1_000)
    assert fresh()
    world.do(Tick(), 1_000)
    assert not fresh()


def test_markets_accounts_assets() -> None:
    """VIEW-001"""
    exchange = opening().exchange
    assert [view.market_id for view in views.markets(exchange)] == [1, 2, 3, 4]
    perp, plain = views.market(exchange, PERP), views.market(exchange, USDT_SPOT)
    assert perp is not None and plain is not None
    assert (perp.mark_price, perp.index_price, perp.last_price) == (6_000_000, 6_000_000, 0)
    assert (perp.range_low, perp.range_high, perp.status) == (5_820_000, 6_180_000, MarketStatus.TRADING)
    assert (plain.mark_price, plain.index_price, plain.range_low, plain.range_high) == (0, 0, 0, 0)
    assert views.market(exchange, 99) is None
    assert [asset.symbol for asset in views.assets(exchange)] == ["USD", "BTC", "ETH", "USDT"]
    assert [view.account_id for view in views.accounts(exchange)] == [1, 2, 3, 4, 5, 6]
    sibling, isolated = views.account(exchange, SIBLING), views.account(exchange, ISOLATED)
    assert sibling is not None and isolated is not None
    assert (sibling.owner_id, sibling.is_isolated, isolated.is_isolated) == (1, False, True)
    assert views.account(exchange, 99) is None


def test_what_is_not_there() -> None:
    """VIEW-002"""
    exchange = opening().exchange
    assert views.balances(exchange, 99) == []
    assert views.positions(exchange, 99) == []
    assert views.position(exchange, 99, PERP) is None
    assert views.position(exchange, REGULAR, PERP) is None
    assert views.orders(exchange, 99) == []
    assert views.order(exchange, REGULAR, 5) is None
    assert views.order_by_client_id(exchange, 99, "x") is None
    assert views.depth(exchange, 99, 5) == ([], [])
    assert views.leverage(exchange, 99, PERP) == 0


def test_orders_and_depth() -> None:
    """VIEW-003"""
    world = opening()
    world.do(PlaceOrder(REGULAR, PERP, Side.BUY, 100, 5_900_000, client_order_id="mine"))
    world.do(PlaceOrder(REGULAR, SPOT, Side.SELL, 100, 6_100_000, trigger_price=0))
    world.do(PlaceOrder(REGULAR, PERP, Side.SELL, 100, 6_100_000, trigger_price=6_050_000))
    exchange = world.exchange
    assert [view.order_id for view in views.orders(exchange, REGULAR)] == [1, 2, 3]
    assert [view.order_id for view in views.orders(exchange, REGULAR, PERP)] == [1, 3]
    mine, waiting = views.order_by_client_id(exchange, REGULAR, "mine"), views.order(exchange, REGULAR, 3)
    assert mine is not None and waiting is not None
    assert (mine.order_id, mine.status, mine.qty, mine.leaves) == (1, OrderStatus.ACTIVE, 100, 100)
    assert (waiting.status, waiting.trigger_price, waiting.time_ms) == (
        OrderStatus.UNTRIGGERED,
        6_050_000,
        world.time_ms,
    )
    assert views.order(exchange, RICH, 1) is None
    assert views.depth(exchange, PERP, 5) == ([(5_900_000, 100)], [])
    balances = {view.asset_id: view for view in views.balances(exchange, REGULAR)}
    assert set(balances) == {USD, BTC, USDT}
    assert (balances[BTC].locked, balances[BTC].withdrawn) == (100 * 10_000, 0)


def test_flat_positions_keep_their_history() -> None:
    """VIEW-004"""
    world = opening()
    for side in (Side.BUY, Side.SELL):
        world.do(PlaceOrder(RICH, PERP, Side.SELL if side is Side.BUY else Side.BUY, 100, 6_000_000))
        world.do(PlaceOrder(REGULAR, PERP, side, 100, 6_000_000))
    assert views.positions(world.exchange, REGULAR) == []
    (flat,) = views.positions(world.exchange, REGULAR, all=True)
    assert (flat.qty, flat.fees, flat.liquidation_price) == (0, 36 * USD_UNIT // 100, 0)
    world.do(SetLeverage(ISOLATED, PERP, 1_000))
    assert views.leverage(world.exchange, ISOLATED, PERP) == 1_000
    assert views.leverage(decode(encode(world.exchange)), ISOLATED, PERP) == 1_000


@pytest.mark.parametrize("seed", range(5))
def test_what_is_shown_is_what_counts(seed: int) -> None:
    """VIEW-005"""
    world = opening()
    dice = Dice(Random(seed), world)
    state = world.exchange.state
    for _ in range(400):
        world.do(*dice.command())
        for account in state.accounts.values():
            for view in views.balances(world.exchange, account.account_id):
                assert view.free == max(0, margins.available(account, view.asset_id))
                assert view.withdrawable == margins.withdrawable(account, view.asset_id)
                held = [holding for holding in account.holdings.values() if holding.market.quote_asset == view.asset_id]
                reserves = sum(margins.order_margin(holding) for holding in held)
                assert view.locked == account.balances[view.asset_id].locked + reserves
            for position in views.positions(world.exchange, account.account_id, all=True):
                check_prices(account, position)


def check_prices(account: Account, view: views.PositionView) -> None:
    """A position's prices are those of its scope, counted without any short cut."""
    holding = account.holdings[view.market_id]
    others = [
        other
        for other in account.holdings.values()
        if other is not holding and other.position.qty and other.market.quote_asset == holding.market.quote_asset
    ]
    balance = account.balances[holding.market.quote_asset]
    free = balance.amount + sum(margins.unrealized(other) for other in others)
    required = sum(margins.maintenance_margin(other) for other in others)
    if account.is_isolated:
        free, required = holding.position.margin, 0
    unit_value, entry = holding.market.unit_value, view.entry_notional
    rate = min(margins.maintenance_rate_of(holding), RATE_SCALE)
    assert view.bankruptcy_price == failing_price(view.qty, entry, free, unit_value, 0)
    assert view.liquidation_price == failing_price(view.qty, entry, free - required, unit_value, rate)
    equity = free + view.upnl
    assert view.leverage_e2 == (-(-view.notional * 100 // equity) if equity > 0 else 0)
