"""Whether an account carries what it asks for, in exact fractions: what would be left to it, below zero is a refusal."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

from engine.order import Side, TimeInForce
from exchange.commands import Command, MoveMargin, PlaceOrder, SetLeverage, Withdraw
from tests.property.naive_margin import NaiveMargin, NaiveOrder
from tests.property.near import UNIT, ZERO, Near, larger, smaller

COMING = 0
"""The id of the order at the door."""


def left_after(twin: NaiveMargin, command: Command) -> Near | None:
    """Return what would be left with the command done; None where money alone does not decide."""
    if isinstance(command, PlaceOrder):
        return left_with_order(twin, command) if is_plain(twin, command) else None
    if isinstance(command, Withdraw):
        return twin.withdrawable(command.account_id, command.asset_id) - Near.of(command.amount * UNIT)
    if isinstance(command, SetLeverage):
        market = twin.markets[command.market_id]
        if market.is_spot or not twin.accounts[command.account_id].is_isolated:
            return None
        with under(twin, command.account_id, command.market_id, command.leverage_e2) as gap:
            return twin.available(command.account_id, market.terms.quote_asset) - gap
    if isinstance(command, MoveMargin) and twin.accounts[command.account_id].is_isolated:
        return left_in_margin(twin, command)
    return None


def is_plain(twin: NaiveMargin, command: PlaceOrder) -> bool:
    """Tell whether nothing but money stands between the order and the book: a limit that neither waits nor only reduces."""
    waits = command.trigger_price or command.trail or command.trail_ppm
    may_rest = command.time_in_force in (TimeInForce.GTC, TimeInForce.DAY)
    is_spot = twin.markets[command.market_id].is_spot
    return not (waits or command.reduce_only or command.is_close or is_spot) and command.price > 0 and may_rest


def order_of(twin: NaiveMargin, command: PlaceOrder) -> NaiveOrder:
    """It pays as taker, unless it may not take."""
    terms = twin.markets[command.market_id].terms
    fee_ppm = terms.maker_fee_ppm if command.post_only else max(terms.maker_fee_ppm, terms.taker_fee_ppm)
    sign = 1 if command.side is Side.BUY else -1
    where = command.account_id, command.market_id, sign
    return NaiveOrder(COMING, *where, command.qty, command.price, False, command.oco, False, fee_ppm)


@contextmanager
def under(twin: NaiveMargin, account_id: int, market_id: int, leverage_e2: int) -> Iterator[Near]:
    """Let another leverage count (0: the one that does), and tell what a position's margin lacks for it."""
    position = twin.position(account_id, market_id)
    before = position.leverage
    position.leverage = Fraction(leverage_e2, 100) if leverage_e2 else before
    gap = ZERO
    if position.leverage != before:
        backing = position.margin + smaller(ZERO, twin.unrealized(account_id, market_id))
        gap = larger(ZERO, twin.initial(account_id, market_id) - backing)
    yield gap
    position.leverage = before


def left_with_order(twin: NaiveMargin, command: PlaceOrder) -> Near:
    """What is available with the order among those that rest; an isolated position must be above its initial margin too."""
    account_id, market_id = command.account_id, command.market_id
    is_isolated = twin.accounts[account_id].is_isolated
    twin.orders[COMING] = order_of(twin, command)
    with under(twin, account_id, market_id, command.leverage_e2 if is_isolated else 0) as gap:
        left = twin.available(account_id, twin.markets[market_id].terms.quote_asset) - gap
        if is_isolated:
            margin = twin.position(account_id, market_id).margin + gap
            sound = margin + twin.unrealized(account_id, market_id) - twin.initial(account_id, market_id)
            left = smaller(left, sound)
    del twin.orders[COMING]
    return left


def only_reduces(twin: NaiveMargin, command: PlaceOrder) -> bool:
    """Tell whether the order and all that rests on its side can only make the position smaller: then less will do.

    Another leverage must be margined all the same.
    """
    account = twin.accounts[command.account_id]
    position = twin.position(command.account_id, command.market_id)
    if account.is_isolated and command.leverage_e2 not in (0, position.leverage * 100):
        return False
    twin.orders[COMING] = order_of(twin, command)
    sign = twin.orders[COMING].sign
    lots = sum(entry.lots for entry in twin.entries(command.account_id, command.market_id, sign))
    del twin.orders[COMING]
    return lots <= -sign * position.lots


def left_in_margin(twin: NaiveMargin, command: MoveMargin) -> Near | None:
    """Margin may be added from what is available, and drawn down to the initial margin, losses counted, profit not."""
    account_id, market_id = command.account_id, command.market_id
    position = twin.position(account_id, market_id)
    amount = Near.of(command.amount * UNIT)
    if position.lots == 0 or command.amount == 0:
        return None
    if command.amount > 0:
        return twin.available(account_id, twin.markets[market_id].terms.quote_asset) - amount
    backing = position.margin + amount + smaller(ZERO, twin.unrealized(account_id, market_id))
    return backing - twin.initial(account_id, market_id)
