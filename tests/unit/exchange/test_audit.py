"""The audit finds what is broken: each damage to a sound state is named."""

from collections.abc import Callable

import pytest

from engine.order import Side
from exchange.audit import audit
from exchange.commands import PlaceOrder
from exchange.exchange import Exchange
from exchange.limits import FUND_ACCOUNT_ID
from exchange.state import State
from tests.support.world import PERP, REGULAR, RICH, SECOND, SPOT, USD, opening


def trading() -> Exchange:
    """A sound exchange with positions, resting orders, an OCO group, reduce-only orders and spot locks."""
    world = opening()
    world.do(PlaceOrder(RICH, PERP, Side.SELL, 10_000, 6_000_000))
    world.do(PlaceOrder(REGULAR, PERP, Side.BUY, 10_000, 6_000_000))
    world.do(PlaceOrder(REGULAR, PERP, Side.SELL, 5_000, 6_100_000, reduce_only=True))
    world.do(PlaceOrder(SECOND, PERP, Side.BUY, 5_000, 5_900_000, oco="a"))
    world.do(PlaceOrder(SECOND, PERP, Side.BUY, 5_000, 5_800_000))
    world.do(PlaceOrder(SECOND, SPOT, Side.BUY, 100, 5_900_000))
    return world.exchange


def balance(state: State) -> None:
    state.accounts[REGULAR].balances[USD].amount += 1


def fund(state: State) -> None:
    state.accounts[FUND_ACCOUNT_ID].balance(USD).amount -= 1
    state.treasuries[USD].fees += 1


def qty(state: State) -> None:
    state.accounts[REGULAR].holdings[PERP].position.qty += 1


def open_interest(state: State) -> None:
    state.markets[PERP].open_interest += 1


def owner(state: State) -> None:
    state.markets[PERP].owners[REGULAR].value += 1


def resting(state: State) -> None:
    state.markets[PERP].owners[SECOND].resting = 1


def flat_margin(state: State) -> None:
    state.accounts[SECOND].holdings[PERP].position.margin = 1


def lost_order(state: State) -> None:
    del state.orders[3]


def unlisted_order(state: State) -> None:
    del state.accounts[SECOND].holdings[PERP].orders[5]


def crossed(state: State) -> None:
    state.markets[PERP].book.bids.best.price = 7_000_000  # type: ignore[union-attr]


def off_tick(state: State) -> None:
    state.orders[5].price += 1


def sums(state: State) -> None:
    state.accounts[REGULAR].holdings[PERP].sells.qty += 1


def counts(state: State) -> None:
    state.accounts[SECOND].holdings[PERP].oco_count += 1


def reduce_only(state: State) -> None:
    state.orders[3].leaves = 20_000


def locks(state: State) -> None:
    state.accounts[SECOND].holdings[SPOT].locked_quote += 1


def quoting(state: State) -> None:
    state.quoting[REGULAR] += 1


def spot_overdrawn(state: State) -> None:
    state.accounts[SECOND].balances[2].locked = 10**9


def other_holding(state: State) -> None:
    state.markets[PERP].holdings[SECOND] = state.markets[PERP].holdings[RICH]


def test_a_sound_state_breaks_no_law() -> None:
    """AUD-001"""
    assert audit(trading()) == []


@pytest.mark.parametrize(
    "damage,words",
    [
        (balance, "held"),
        (fund, "below zero"),
        (qty, "positions sum to 1"),
        (open_interest, "longs to"),
        (owner, "another entry notional"),
        (resting, "other orders than counted"),
        (flat_margin, "keeps something with no position"),
        (lost_order, "orders are open"),
        (unlisted_order, "rests unknown"),
        (crossed, "is crossed"),
        (off_tick, "rests with"),
        (sums, "sums are wrong"),
        (counts, "others than counted"),
        (reduce_only, "exceeds the position"),
        (locks, "locks are wrong"),
        (quoting, "accounts that quote"),
        (spot_overdrawn, "less than nothing"),
        (other_holding, "another holding"),
    ],
)
def test_each_damage_is_named(damage: Callable[[State], None], words: str) -> None:
    """AUD-002"""
    exchange = trading()
    damage(exchange.state)
    broken = audit(exchange)
    assert any(words in sentence for sentence in broken), broken
