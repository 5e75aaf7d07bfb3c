"""Positions: cost, average price, realized and unrealized pnl, fees."""

from fractions import Fraction

from risk.liquidation import failing_price
from risk.margin import fee
from risk.position import OwnerNotional, Position
from tests.support.examples.reading import LOT, MONEY, PRICE, Found, Given, lots, money, pairs_of, ppm, price


def position_of(fills: str) -> Position:
    """A position after `qty@price,...`, a sell with a minus."""
    position = Position(OwnerNotional())
    for qty, at in pairs_of(fills):
        fill(position, qty, at)
    return position


def fill(position: Position, qty: str, at: str) -> int:
    signed = lots(qty)
    return position.fill(1 if signed > 0 else -1, abs(signed), price(at), 1)


def average(position: Position) -> Fraction:
    return Fraction(position.entry_notional, position.qty * PRICE) if position.qty else Fraction(0)


def run_fills(given: Given) -> Found:
    """Fills one after the other, each with its fee; then a mark, and funding that was received."""
    position = Position(OwnerNotional())
    position.funding = money(given.get("funding", "0"))
    qtys: list[object] = []
    averages: list[object] = []
    realised: list[object] = []
    paid = 0
    for qty, at in pairs_of(given["fills"]):
        fill(position, qty, at)
        paid += fee(abs(lots(qty)) * price(at), ppm(given.get("fee", "0")))
        qtys.append(Fraction(position.qty, LOT))
        averages.append(average(position))
        realised.append(Fraction(position.realized_pnl - paid, MONEY))
    mark = price(given.get("mark", "0"))
    upnl = Fraction(position.unrealized(mark, 1), MONEY)
    pnl = Fraction(position.realized_pnl + position.funding, MONEY)
    found: Found = {
        "qty": qtys[-1],
        "average": averages[-1],
        "realised": realised[-1],
        "qtys": qtys,
        "averages": averages,
        "realiseds": realised,
        "pnl": pnl,
        "upnl": upnl,
        "total": Fraction(position.realized_pnl - paid, MONEY) + upnl,
        "notional": Fraction(abs(position.qty) * mark, MONEY),
        "gains": pnl > 0,
    }
    return found


def run_value(given: Given) -> Found:
    """A position in whole units that trades `base` lots for `quote`: what is kept, released and booked."""
    position = Position(OwnerNotional())
    position.qty = int(given["held"])
    position.entry_notional = -int(given["entry"])
    base = int(given["base"])
    sign = 1 if base > 0 else -1
    pnl = position.trade(sign, abs(base), -sign * int(given["quote"]))
    return {
        "held": position.qty,
        "entry": -position.entry_notional,
        "pnl": pnl,
        "quote": pnl - position.entry_notional,
    }


def run_takeover(given: Given) -> Found:
    """The insurance fund takes a position over at the bankruptcy price of its margin, and is worth so much at the mark."""
    position = position_of(f"{given['qty']}@{given['entry']}")
    bankruptcy = failing_price(position.qty, position.entry_notional, money(given["margin"]), 1, 0)
    fund = Position(OwnerNotional())
    fund.fill(1, position.qty, bankruptcy, 1)
    return {"fund": Fraction(money(given["fund"]) + fund.unrealized(price(given["mark"]), 1), MONEY)}


def run_bankruptcy(given: Given) -> Found:
    """A short is closed at its bankruptcy price against a long that entered at `entry` as well."""
    qty = lots(given["qty"])
    short = position_of(f"-{given['qty']}@{given['entry']}")
    long = position_of(f"{given['qty']}@{given['entry']}")
    margin = money(given["margin"])
    at = failing_price(short.qty, short.entry_notional, margin, 1, 0)
    equity = margin + short.unrealized(price(given["mark"]), 1)
    return {
        "equity": Fraction(equity, MONEY),
        "bankruptcy": Fraction(at, PRICE),
        "long_pnl": Fraction(long.fill(-1, qty, at, 1), MONEY),
        "short_left": Fraction(margin + short.fill(1, qty, at, 1), MONEY),
    }


RUNNERS = {"fills": run_fills, "value": run_value, "takeover": run_takeover, "bankruptcy": run_bankruptcy}
