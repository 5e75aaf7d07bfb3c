"""Liquidation and bankruptcy prices, each found twice: by the formula, and by bisection on equity = requirement."""

from fractions import Fraction

from risk.liquidation import bankruptcy_value, equity_share, failing_price, part_of_value
from risk.margin import leverage_rate, requirement
from risk.position import OwnerNotional, Position
from tests.support.examples.reading import (
    MONEY,
    PRICE,
    Found,
    Given,
    exact,
    lots,
    money,
    pairs_of,
    price,
    rate,
    sign_of,
)

FINE = 10**8
"""Lots in one of the base where the venue cuts finer."""


def opened(side: str, qty: str, entry: str) -> Position:
    position = Position(OwnerNotional())
    position.fill(sign_of(side), lots(qty), price(entry), 1)
    return position


def requirement_at(position: Position, at: int, maintenance_rate: int) -> int:
    """What the position needs when the mark is `at`."""
    return requirement(abs(position.qty) * at, maintenance_rate, 0, 0)


def found_by_bisection(position: Position, backing: int, maintenance_rate: int) -> int:
    """The last safe price on the losing side; 0 for a long that no price can hurt."""

    def is_safe(at: int) -> bool:
        return backing + position.unrealized(at, 1) >= requirement_at(position, at, maintenance_rate)

    low, high = 0, 100 * abs(position.entry_notional) // abs(position.qty)
    if position.qty > 0:
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if is_safe(middle) else (middle + 1, high)
        return low
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if is_safe(middle) else (low, middle - 1)
    return low


def price_twice(position: Position, backing: int, maintenance_rate: int) -> int:
    """The price by the formula; bisection must find the same to the last price unit."""
    found = failing_price(position.qty, position.entry_notional, backing, 1, maintenance_rate)
    assert found == found_by_bisection(position, backing, maintenance_rate), "the formula and the bisection differ"
    return found


def margin_of(given: Given, position: Position) -> int:
    """The margin that is named, or that a leverage assigns."""
    if "margin" in given:
        return money(given["margin"])
    return requirement(abs(position.entry_notional), leverage_rate(exact(given["leverage"], 100)), 0, 0)


def run_price(given: Given) -> Found:
    """One position and what backs it.

    `rate` is the maintenance rate with what else is a part of the notional at the mark (a fee to close); `deduction` a
    bracket's, which is as good as margin; `on_entry` a maintenance rate on the entry notional: a fixed requirement.
    `other=side:qty@entry:mark:rate:deduction` is another position of a cross account, valued at its mark; `other_pnl` and
    `other_required` say the same of all others at once; `extra` is margin added later.
    """
    position = opened(given["side"], given["qty"], given["entry"])
    notional = abs(position.entry_notional)
    margin = margin_of(given, position)
    fixed = requirement(notional, rate(given.get("on_entry", "0")), 0, 0)
    required = money(given.get("other_required", "0"))
    backing = margin + money(given.get("other_pnl", "0")) + money(given.get("extra", "0"))
    if "other" in given:
        side, what, mark, other_rate, deduction = given["other"].split(":")
        qty, _, entry = what.partition("@")
        other = opened(side, qty, entry)
        backing += other.unrealized(price(mark), 1)
        required += requirement_at(other, price(mark), rate(other_rate)) - money(deduction)
    spare = backing - required - fixed + money(given.get("deduction", "0"))
    liquidation = price_twice(position, spare, rate(given.get("rate", "0")))
    return {
        "liquidation": Fraction(liquidation, PRICE),
        "bankruptcy": Fraction(price_twice(position, backing, 0), PRICE),
        "equity": Fraction(backing + position.unrealized(liquidation, 1), MONEY),
        "other_required": Fraction(required, MONEY),
        "initial": Fraction(requirement(notional, rate(given.get("initial_rate", "0")), 0, 0), MONEY),
        "maintenance": Fraction(fixed, MONEY),
        "available": Fraction(margin - requirement(notional, rate(given.get("initial_rate", "0")), 0, 0), MONEY),
    }


def run_cross_bankruptcy(given: Given) -> Found:
    """What closing a part of one of several positions of a cross account brings at its bankruptcy, a cost is negative.

    `positions=qty@mark,...`: the first one is closed by `close` lots. All have one maintenance rate.
    """
    held = [(exact(qty, FINE), price(mark)) for qty, mark in pairs_of(given["positions"])]
    values = [qty * mark for qty, mark in held]
    equity = exact(given["balance"], FINE * PRICE) + sum(values)
    required = [requirement(abs(value), rate(given["rate"]), 0, 0) for value in values]
    share = equity if len(values) == 1 else equity_share(equity, required[0], sum(required))
    qty, mark = held[0]
    value = part_of_value(qty, bankruptcy_value(qty, mark, share), exact(given["close"], FINE))
    return {"value": Fraction(value if qty > 0 else -value, FINE * PRICE)}


RUNNERS = {"price": run_price, "cross_bankruptcy": run_cross_bankruptcy}
