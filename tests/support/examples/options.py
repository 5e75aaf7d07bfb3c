"""Options: payoff, what holding costs, margins, fees, model values."""

from fractions import Fraction

from app.models.everlasting import Basket, closed_form, hourly_points, weights
from app.models.strikes import hourly_cost
from app.models.strikes import intrinsic as payoff_of
from app.models.strikes import option_index as index_of
from funding.premium import SCALE, time_value_of
from funding.rate import hourly_time_value, part_of_mark
from risk.option import intrinsic, option_fee, option_requirement, short_unit_initial, short_unit_maintenance
from tests.support.examples.reading import Found, Given, exact, ppm

UNIT = 10**6
"""Price units in one of the quote; a lot is one of the base, so money has the same scale."""
LOOSE_CLAMP = 10**9


def is_call(given: Given) -> bool:
    return given["kind"] == "call"


def units(text: str) -> int:
    return exact(text, UNIT)


def run_payoff(given: Given) -> Found:
    """What an option is worth at once, less what was paid for it."""
    found = intrinsic(units(given["spot"]), units(given["strike"]), is_call=is_call(given))
    return {"payoff": Fraction(found - units(given.get("paid", "0")), UNIT)}


def run_hold(given: Given) -> Found:
    """What holding `qty` for `hours` costs when a premium is paid in full over `period` hours; and it as a rate of the spot."""
    mark, spot = units(given["mark"]), units(given["spot"])
    value = time_value_of(mark, intrinsic(spot, units(given["strike"]), is_call=is_call(given)))
    lot_e12 = hourly_time_value(value, mark, LOOSE_CLAMP, int(given["period"]))
    hours = Fraction(given.get("hours", "1"))
    each = Fraction(lot_e12, SCALE * UNIT) * hours
    return {
        "cost": each * Fraction(given.get("qty", "1")),
        "rate": Fraction(part_of_mark(lot_e12, spot), SCALE) * hours,
    }


def run_margin(given: Given) -> Found:
    """Initial and maintenance margin of one option. `funding` is a rate of the mark for an hour."""
    mark, spot, strike = (units(given[name]) for name in ("mark", "spot", "strike"))
    funding_e12 = abs(exact(given.get("funding", "0"), SCALE)) * mark
    if given["side"] == "long":
        initial, maintenance = mark * 10**6, mark * 500_000
    else:
        rates = (60_000, 40_000, 20_000)
        initial = short_unit_initial(mark, spot, strike, rates, is_call=is_call(given))
        maintenance = short_unit_maintenance(mark, spot, rates[2], is_call=is_call(given))
    found = [Fraction(option_requirement(1, unit, funding_e12, 0, 0), UNIT) for unit in (initial, maintenance)]
    return {"initial": found[0], "maintenance": found[1]}


def run_fee(given: Given) -> Found:
    """The fee on `qty` options: a rate of the underlying, at most a part of the option's price."""
    fee = option_fee(
        int(given["qty"]), units(given["spot"]), units(given["mark"]), ppm(given["rate"]), ppm(given["cap"])
    )
    return {"fee": Fraction(fee, UNIT)}


def run_closed_form(given: Given) -> Found:
    """The model value under funding that never pauses."""
    spot, strike = float(given["spot"]), float(given["strike"])
    values = {
        kind: closed_form(
            is_call=kind == "call",
            spot=spot,
            strike=strike,
            volatility=float(given["volatility"]),
            years=float(Fraction(given["days"]) / 365),
            rate=float(given.get("interest", "0")),
        )
        for kind in ("call", "put")
    }
    value = values[given.get("kind", "call")]
    at_once = payoff_of(is_call=given.get("kind", "call") == "call", spot=spot, strike=strike)
    return {"value": value, "time_value": value - at_once, "call_less_put": values["call"] - values["put"]}


def run_hourly(given: Given) -> Found:
    """The model value of an option with hourly funding over 10 hours and a strike that stays, and what an hour costs."""
    spot, strike = float(given["spot"]), float(given["strike"])
    basket = Basket(hourly_points(), alpha=0.0)
    value = basket.value(spot=spot, strike=strike, multiplier=strike / spot, volatility=float(given["volatility"])).call
    cost = hourly_cost(
        value=value,
        payoff=payoff_of(is_call=True, spot=spot, strike=strike),
        index=index_of(is_call=True, spot=spot, strike=strike, floor=0.0005),
        period_h=10,
        is_premium_on_mark=given["fee"] == "printed",
    )
    return {"mark": value, "cost": cost}


def run_weights(given: Given) -> Found:
    """The weights of the dated options that an everlasting one stands for, with F fundings in a period."""
    fundings, count = int(given["fundings"]), int(given["count"])
    found = weights(1 / fundings, count)
    mean = sum(weight * number for number, weight in enumerate(found, 1)) / fundings
    return {"weights": list[object](found), "total": sum(found), "mean": mean}


RUNNERS = {
    "payoff": run_payoff,
    "hold": run_hold,
    "option_margin": run_margin,
    "option_fee": run_fee,
    "closed_form": run_closed_form,
    "hourly": run_hourly,
    "weights": run_weights,
}
