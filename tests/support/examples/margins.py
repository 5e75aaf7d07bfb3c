"""Requirements, brackets, order reserves, fees."""

from fractions import Fraction

from engine.order import Order, SelfMatch
from exchange import margins
from exchange.instrument import Instrument, InstrumentKind
from exchange.state import Account, Market, SideSums
from risk.brackets import tiered_requirement, tiers
from risk.liquidation import failing_price
from risk.margin import RATE_SCALE, fee, leverage_rate, requirement
from tests.support.examples.prices import opened
from tests.support.examples.reading import (
    MONEY,
    PRICE,
    Found,
    Given,
    exact,
    lots,
    money,
    pairs_of,
    ppm,
    price,
    rate,
    sign_of,
)

USD = 10**8
"""Money in one of the quote, as the slopes and caps count it."""


def run_requirement(given: Given) -> Found:
    """A size at one price: rate x notional, with a slope in rate for each `unit` of the quote."""
    unit = Fraction(given.get("unit", "1"))
    notional = exact(str(Fraction(given["notional"]) / unit), USD)
    slope = exact(str(Fraction(given.get("slope", "0")) * unit), 10**9)
    margin = requirement(notional, rate(given["rate"]), slope, notional)
    return {"margin": Fraction(margin, USD) * unit, "rate": Fraction(margin, notional)}


def run_brackets(given: Given) -> Found:
    """`tiers=cap:rate,...` and a size: the deduction of the last tier, the mean rate, the requirement."""
    rows = [
        (exact(cap, USD), ppm(part)) for cap, _, part in (word.partition(":") for word in given["tiers"].split(","))
    ]
    schedule = tiers(rows)
    notional = exact(given.get("notional", "0"), USD)
    required = tiered_requirement(schedule, notional, 0, 0, notional)
    deductions: list[object] = [Fraction(tier.deduction, RATE_SCALE * USD) for tier in schedule]
    return {"deduction": deductions[-1], "deductions": deductions, "margin": Fraction(required, USD)}


def run_cost(given: Given) -> Found:
    """An order at its price: initial margin at a leverage, fee, the fee to close at the bankruptcy price; loss to `mark`."""
    position = opened(given["side"], given["qty"], given["price"])
    notional = abs(position.entry_notional)
    sign = sign_of(given["side"])
    rate_ppm = exact(given.get("fee", "0"), 10**6)
    initial = requirement(notional, leverage_rate(exact(given["leverage"], 100)), 0, 0)
    bankruptcy = failing_price(position.qty, position.entry_notional, initial, 1, 0)
    market = market_at(given.get("mark", given["price"]), "0")
    loss = margins.loss_to_mark(market, sign, price(given["price"])) * abs(position.qty)
    opening = fee(notional, rate_ppm)
    closing = fee(abs(position.qty) * bankruptcy, rate_ppm)
    return {
        "initial": Fraction(initial, MONEY),
        "opening_fee": Fraction(opening, MONEY),
        "bankruptcy": Fraction(bankruptcy, PRICE),
        "closing_fee": Fraction(closing, MONEY),
        "loss": Fraction(loss, MONEY),
        "cost": Fraction(initial + opening + closing + loss, MONEY),
    }


def market_at(mark: str, initial_rate: str, impact_qty: int = 0) -> Market:
    """A future with this mark, no slope and no fees."""
    terms = Instrument(
        symbol="EXAMPLE",
        kind=InstrumentKind.FUTURE,
        base_asset=2,
        quote_asset=1,
        index_id=1,
        price_decimals=0,
        lot_decimals=0,
        tick=1,
        unit_value=1,
        lot_base=0,
        qty_min=1,
        qty_max=10**30,
        notional_min=0,
        range_ppm=0,
        maker_fee_ppm=0,
        taker_fee_ppm=0,
        initial_ppm=ppm(initial_rate),
        maintenance_ppm=ppm(initial_rate) // 2,
        impact_qty=impact_qty,
    )
    market = Market(1, terms, None)
    market.set_mark(price(mark))
    return market


def run_reserve(given: Given) -> Found:
    """A position and the orders on both sides: what they need beside it, and how many lots each side could make of it."""
    market = market_at(given["mark"], given["rate"])
    account = Account(1, 1)
    holding = market.holding(account)
    held = lots(given.get("held", "0"))
    if held:
        holding.position.fill(1 if held > 0 else -1, abs(held), price(given.get("entry", given["mark"])), 1)
    sides = {sign: SideSums() for sign in (1, -1)}
    for number, (sign, name) in enumerate(((1, "buys"), (-1, "sells"))):
        for qty, at in pairs_of(given[name]) if given.get(name) else []:
            order = Order(number, 1, 1, sign, price(at), lots(qty), 0, False, False, SelfMatch.CANCEL_TAKER, None)
            sides[sign] = margins.with_order(market, sides[sign], order, 0)
    own = margins.position_margin(holding, 0)
    reserve = margins.reserve(holding, sides[1], sides[-1], 0, own)
    each = margins.initial_margin(market, lots("1"), 0, 0)
    needs = [margins.side_need(holding, sign, sides[sign], 0, own) if sides[sign].qty else 0 for sign in (1, -1)]
    found: Found = {
        "own": Fraction(own, MONEY),
        "reserve": Fraction(reserve, MONEY),
        "total": Fraction(own + reserve, MONEY),
        "rate": Fraction(
            own + reserve, max(1, sum(abs(q) for q in (held, sides[1].qty, sides[-1].qty)) * market.mark_value)
        ),
        "size": Fraction(own + reserve, each),
        "sides": [Fraction(own + need, each) for need in needs],
        "equity": Fraction(money(given.get("balance", "0")) + margins.unrealized(holding), MONEY),
    }
    return found


RUNNERS = {
    "requirement": run_requirement,
    "brackets": run_brackets,
    "cost": run_cost,
    "reserve": run_reserve,
}
