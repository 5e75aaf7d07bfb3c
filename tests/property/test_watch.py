"""The watch wakes whomever a price move harms."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import margins, watching
from exchange.commands import CancelOrder, ListMarket, Tick
from exchange.exchange import Exchange
from exchange.snapshot import decode, encode
from exchange.state import Account
from tests.support.options import BTC_CALL, BTC_PUT, CALL, PUT, price_options
from tests.support.world import Dice, World, opening


def traded(random: Random, count: int) -> World:
    """A world in which people traded, options as well, and whose prices are set."""
    world = opening()
    world.do(ListMarket(CALL, BTC_CALL))
    world.do(ListMarket(PUT, BTC_PUT))
    world.do(Tick(), 1_000)
    price_options(world.exchange)
    dice = Dice(random, world)
    for _ in range(count):
        market_id = random.choice((CALL, PUT, dice.market(), dice.market()))
        world.do(dice.place(market_id=market_id, is_plain=True))
    return world


def is_harmed(account: Account) -> bool:
    """Tell by a look at everything whether an account is below maintenance, or carries orders that it cannot."""
    for holding in account.holdings.values():
        market = holding.market
        if holding.position.qty:
            equity, required = margins.scope(holding)
            if equity < required:
                return True
            if (
                account.is_isolated
                and holding.orders
                and equity < margins.position_margin(holding, holding.position.leverage_e2)
            ):
                return True
        if holding.orders and margins.available(account, market.quote_asset) < 0:
            return True
    return False


def move(exchange: Exchange, random: Random) -> None:
    """Let every price move, each by its own share."""
    largest = random.choice((10, 300, 5_000, 200_000))
    for index in exchange.state.indices.values():
        index.price += index.price * random.randint(-largest, largest) // 10**6
    for market in exchange.state.markets.values():
        if not market.is_spot:
            mark = market.mark_price + market.mark_price * random.randint(-largest, largest) // 10**6
            market.set_mark(max(1, mark))


def arm_all(exchange: Exchange) -> set[int]:
    """Arm the watch for everybody; give who is harmed already."""
    harmed = set()
    for account in watching.candidates(exchange.state):
        if is_harmed(account):
            harmed.add(account.account_id)
        else:
            watching.arm(exchange.state, account)
    return harmed


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 120), st.integers(1, 6))
def test_whom_a_move_harms_is_woken(seed: int, count: int, moves: int) -> None:
    """WAT-001."""
    random = Random(seed)
    exchange = traded(random, count).exchange
    harmed = arm_all(exchange)
    for _ in range(moves):
        move(exchange, random)
        woken = watching.candidates(exchange.state)
        awake = {account.account_id for account in woken}
        for account in exchange.state.accounts.values():
            if is_harmed(account) and account.account_id not in harmed:
                assert account.account_id in awake, account.account_id
        for account in woken:
            if is_harmed(account):
                harmed.add(account.account_id)
            else:
                watching.arm(exchange.state, account)


def test_a_move_that_all_can_bear_wakes_nobody() -> None:
    """WAT-002."""
    world = traded(Random(7), 0)
    dice = Dice(Random(7), world)
    for _ in range(60):
        world.do(dice.place(is_plain=True))
    for account in list(world.exchange.state.accounts.values()):
        for holding in account.holdings.values():
            for order in list(holding.orders.values()):
                world.do(CancelOrder(account.account_id, order.order_id))
    exchange = world.exchange
    arm_all(exchange)
    held = [a for a in exchange.state.accounts.values() if any(h.position.qty for h in a.holdings.values())]
    assert len(held) >= 4
    for market in exchange.state.markets.values():
        if not market.is_spot:
            market.set_mark(market.mark_price + market.mark_price // 10_000)
    assert [account.account_id for account in watching.candidates(exchange.state)] == []


def test_after_a_snapshot_everybody_is_looked_at() -> None:
    """WAT-003."""
    world = traded(Random(3), 80)
    arm_all(world.exchange)
    again = decode(encode(world.exchange))
    assert [a.account_id for a in watching.candidates(again.state)] == sorted(again.state.accounts)
