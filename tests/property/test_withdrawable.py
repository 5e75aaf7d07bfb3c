"""What is withdrawable may leave, to the last unit, whatever the account is in; then it still carries what it has."""

from random import Random

import pytest

from exchange import margins, views
from exchange.audit import audit
from exchange.commands import RequestWithdrawal
from exchange.events import CommandRejected, Event, WithdrawalRequested
from exchange.exchange import Exchange
from exchange.rejects import Reject
from exchange.snapshot import decode, encode
from tests.property.test_exchange_laws import step
from tests.support.modern import ModernDice, modern
from tests.support.world import Dice, World, opening


def ask(image: bytes, time_ms: int, account_id: int, asset_id: int, amount: int) -> tuple[Exchange, Event]:
    """Ask a copy of the exchange for money."""
    exchange = decode(image)
    exchange.time_ms = time_ms
    events = exchange.apply(RequestWithdrawal("all of it", account_id, asset_id, amount, "there"), time_ms)
    return exchange, events[0]


def check(world: World, seen: dict[str, int]) -> None:
    """Try every account and asset on copies."""
    image, time_ms = encode(world.exchange), world.time_ms
    for account in views.accounts(world.exchange):
        for balance in views.balances(world.exchange, account.account_id):
            place = (account.account_id, balance.asset_id)
            _, answer = ask(image, time_ms, *place, balance.withdrawable + 1)
            assert isinstance(answer, CommandRejected)
            if answer.reject is Reject.STALE_PRICE:
                seen["stale"] += 1
                continue
            assert answer.reject is Reject.INSUFFICIENT_BALANCE
            if balance.withdrawable == 0:
                seen["nothing"] += 1
                continue
            exchange, answer = ask(image, time_ms, *place, balance.withdrawable)
            assert isinstance(answer, WithdrawalRequested)
            check_carried(exchange, *place, seen)


def check_carried(exchange: Exchange, account_id: int, asset_id: int, seen: dict[str, int]) -> None:
    """After it the account has its initial margins and reserves, without its unrealized profit, and no scope is unsafe."""
    account = exchange.state.accounts[account_id]
    holdings = [held for held in account.holdings.values() if held.market.quote_asset == asset_id]
    profit = 0
    if not account.is_isolated:
        profit = sum(max(0, margins.unrealized(held)) for held in holdings if held.position.qty)
        assert margins.available(account, asset_id) == profit
        for held in holdings:
            if held.position.qty:
                equity, required = margins.scope(held)
                assert equity >= required
    else:
        assert margins.available(account, asset_id) == 0
    assert margins.withdrawable(account, asset_id) == 0
    assert audit(exchange) == []
    seen["with profit" if profit else "taken"] += 1
    seen["with positions"] += any(held.position.qty for held in holdings)
    seen["with orders"] += any(held.orders for held in holdings)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_what_is_withdrawable_leaves(seed: int) -> None:
    """CUS-021"""
    random = Random(seed)
    if seed % 2:
        world = opening()
        dice = Dice(random, world)
    else:
        world = modern(fund=500)
        dice = ModernDice(random, world)
    seen = dict.fromkeys(("stale", "nothing", "taken", "with profit", "with positions", "with orders"), 0)
    for number in range(600):
        step(world, *dice.command())
        if number % 40 == 39:
            check(world, seen)
    assert min(seen["taken"], seen["with profit"], seen["with positions"], seen["with orders"]) > 0, seen
