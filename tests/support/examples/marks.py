"""Index, mark and funding."""

from fractions import Fraction

from engine.order import Order, SelfMatch
from exchange.funding import Settlement
from exchange.marks import sample_basis
from exchange.state import Account, State
from funding.payment import due
from funding.premium import SCALE, mean, premium_of
from funding.rate import hourly_rate
from funding.schedule import missed_seconds
from risk.fixed import div_to_zero
from risk.index import EMA_SCALE, average, next_ema, select
from risk.mark import basis_e9, median, with_basis, with_funding
from tests.support.examples.margins import market_at
from tests.support.examples.reading import MONEY, PRICE, Found, Given, exact, lots, money, pairs_of, price

HOUR_MS = 3_600_000


def run_index(given: Given) -> Found:
    """Prices of sources: which are used, and their mean."""
    chosen = select([(price(text), number) for number, text in enumerate(given["prices"].split(","))], False)
    return {
        "used": [Fraction(found, PRICE) for found, _ in chosen],
        "index": Fraction(average(chosen, {}), PRICE) if chosen else None,
    }


def run_mark(given: Given) -> Found:
    """The index with the EMA of fair - index; the index with its funding; the median of them and the last price.

    `alpha` is the EMA's weight of a new sample, `basis` an average that is there already.
    """
    index = price(given["index"])
    ema = exact(given.get("basis", "0"), PRICE * EMA_SCALE)
    fair = given["fair"].split(",") if "fair" in given else []
    for number, text in enumerate(fair):
        sample = basis_e9(price(text), price(text), index)
        ema = sample if number == 0 else next_ema(ema, sample, exact(str(2 / Fraction(given["alpha"])), 1))
    drifted = with_basis(index, ema)
    left_ms = exact(given.get("hours", "0"), HOUR_MS)
    interval_ms = exact(given.get("interval", "8"), HOUR_MS)
    carried = with_funding(index, exact(given.get("rate", "0"), SCALE), left_ms, interval_ms)
    last = price(given.get("last", given["index"]))
    return {
        "carried": Fraction(carried, PRICE),
        "drifted": Fraction(drifted, PRICE),
        "mark": Fraction(median(carried, drifted, last), PRICE),
    }


def run_depth(given: Given) -> Found:
    """The fair price that a book gives at an impact depth, and what its first second moves the mark off the index."""
    market = market_at(given["index"], "0", lots(given["impact"]))
    number = 0
    for sign, name in ((1, "bids"), (-1, "asks")):
        for qty, at in pairs_of(given[name]):
            number += 1
            market.book.rest(
                Order(number, 1, 1, sign, price(at), lots(qty), 0, False, False, SelfMatch.CANCEL_TAKER, None)
            )
    sample_basis(market, market.mark_price)
    return {
        "fair": Fraction(market.fair_price, PRICE),
        "moves": with_basis(market.mark_price, market.basis_ema) != market.mark_price,
    }


def run_rate(given: Given) -> Found:
    """The rate of one of `period` parts, for a premium (named, or of a mark on an index) drawn to an interest.

    `cut` cuts it to so many decimals, as a venue publishes it.
    """
    premium = (
        exact(given["premium"], SCALE)
        if "premium" in given
        else premium_of(price(given["mark"]), price(given["index"]))
    )
    rate = hourly_rate(
        premium,
        exact(given.get("clamp", "1000"), 10**6),
        int(given.get("period", "1")),
        exact(given.get("interest", "0"), 10**6),
        exact(given.get("interest_clamp", "0"), 10**6),
    )
    if "cut" in given:
        cut = 10 ** int(given["cut"])
        return {"rate": Fraction(div_to_zero(rate * cut, SCALE), cut)}
    return {"rate": Fraction(rate, SCALE), "premium": Fraction(premium, SCALE)}


def run_payment(given: Given) -> Found:
    """What a position of `qty` (short with a minus) gets for a rate on a price; a payer's is negative."""
    # Both the rate and the price may be parts of what is due: their product is a lot's money at 10^-12.
    lot = exact(given["rate"], SCALE) * price(given["price"])
    return {"payment": Fraction(-due(lots(given["qty"]), lot), MONEY)}


def run_due(given: Given) -> Found:
    """Whole lots and money for 10^6 of them: each side's payment, and what is left over."""
    lot = int(given["lot"]) * 10**6
    long = -due(int(given["lots"]), lot)
    short = -due(-int(given["lots"]), lot)
    return {"long": long, "short": short, "residue": -long - short}


def run_samples(given: Given) -> Found:
    """The mean of samples of which some may be missing: they count zero."""
    return {"mean": mean(int(given["total"]), int(given["count"]))}


def run_average(given: Given) -> Found:
    """Observations (`second:value,...`) up to the second `until`, each one repeated until the next: their mean."""
    seen = [
        (int(second), int(value)) for second, _, value in (word.partition(":") for word in given["seen"].split(","))
    ]
    total = seconds = 0
    for (second, value), (until, _) in zip(seen, [*seen[1:], (int(given["until"]), 0)], strict=True):
        missed, repeated = missed_seconds(second * 1_000, (second + 1) * 1_000, until * 1_000, 10)
        total += value * SCALE * (1 + repeated)
        seconds += 1 + missed
    return {"mean": Fraction(mean(total, seconds), SCALE)}


def run_shortfall(given: Given) -> Found:
    """Longs owe what they do not have; the fund gives what it has; what is missing then the receivers bear."""
    state = State()
    market = market_at("1", "0")
    state.markets[1] = market
    due_lots = lots(given["owed"])
    for account_id, sign in ((1, 1), (2, -1)):
        account = state.accounts[account_id] = Account(account_id, account_id)
        market.holding(account).position.fill(sign, due_lots, market.mark_price, 1)
    state.accounts[0].balance(market.quote_asset).amount = money(given["fund"])
    run = Settlement(state, market, PRICE * SCALE, [])
    run.pay()
    return {"from_fund": Fraction(run.gift, MONEY), "borne": Fraction(run.owed - run.paid, MONEY)}


RUNNERS = {
    "index": run_index,
    "mark": run_mark,
    "depth": run_depth,
    "rate": run_rate,
    "payment": run_payment,
    "due": run_due,
    "samples": run_samples,
    "average": run_average,
    "shortfall": run_shortfall,
}
