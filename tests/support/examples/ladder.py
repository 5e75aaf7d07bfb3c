"""The process of liquidation: who is next, fees, deleveraging, shared losses."""

from fractions import Fraction

from exchange import deleveraging
from exchange.deleveraging import Queues, bears
from exchange.scopes import Scope
from exchange.state import Account, Holding, Market, State
from risk.deleveraging import Rank, lights, shares
from risk.liquidation import bankruptcy_value, liquidation_fee, part_of_value
from tests.support.examples.margins import market_at
from tests.support.examples.reading import LOT, MONEY, Found, Given, lots, money, ppm, price


def opened(market: Market, account_id: int, held: str, balance: str, entry: int = 0) -> Holding:
    """An account's position, at the mark unless an entry is named, with a balance beside it."""
    holding = market.holding(Account(account_id, account_id))
    holding.quote.amount = money(balance)
    signed = lots(held)
    if signed:
        holding.position.fill(1 if signed > 0 else -1, abs(signed), entry or market.mark_price, 1)
    return holding


def scope_of(account_id: int, equity: str, maintenance: str) -> Scope:
    """A scope with this equity and maintenance margin: a position of one that needs all of its value, and a balance."""
    market = market_at(maintenance, "2")
    return Scope(opened(market, account_id, "1" if Fraction(maintenance) else "0", equity))


def run_unsafe(given: Given) -> Found:
    """Whether an account of this equity and maintenance margin is to be liquidated."""
    return {"unsafe": scope_of(1, given["equity"], given["maintenance"]).measure()}


def run_next(given: Given) -> Found:
    """Which of two accounts (equity:maintenance) comes first: 1 the first, -1 the second, 0 decided by their ids alone."""
    first, second = given["first"].split(":"), given["second"].split(":")

    def is_first(mine: list[str], other: list[str], my_id: int) -> bool:
        return scope_of(my_id, mine[0], mine[1]) < scope_of(3 - my_id, other[0], other[1])

    by_id = is_first(first, second, 1), is_first(first, second, 2)
    return {"first": {(True, True): 1, (False, False): -1}.get(by_id, 0)}


def run_fee(given: Given) -> Found:
    """The liquidation fee of a slice that was filled for `filled` where bankruptcy is `bankruptcy`."""
    filled, bankruptcy = money(given["filled"]), money(given["bankruptcy"])
    surplus = filled - bankruptcy if given["side"] == "long" else bankruptcy - filled
    return {"fee": Fraction(liquidation_fee(filled, surplus, ppm(given["rate"])), MONEY)}


def run_deleverage(given: Given) -> Found:
    """A short of `quote` is closed at its bankruptcy price against a long of `other_quote`; both hold `qty` at a mark."""
    market = market_at(given["mark"], "0")
    cost = Fraction(given["mark"]) * Fraction(given["qty"])
    short = opened(market, 1, f"-{given['qty']}", str(Fraction(given["quote"]) - cost))
    long = opened(market, 2, given["qty"], str(Fraction(given["other_quote"]) + cost))
    closed = lots(given["close"])
    qty = short.position.qty
    equity = short.quote.amount + short.position.unrealized(market.mark_price, 1)
    value = part_of_value(qty, bankruptcy_value(qty, market.mark_value, equity), closed)
    other_equity = long.quote.amount + long.position.unrealized(market.mark_price, 1)
    if not bears(long, other_equity, closed, value):
        return {"bears": False}
    for holding, sign in ((short, 1), (long, -1)):
        holding.quote.amount += holding.position.trade(sign, closed, value)
    quotes = [Fraction(holding.quote.amount - holding.position.entry_notional, MONEY) for holding in (short, long)]
    return {"bears": True, "quote": quotes[0], "other_quote": quotes[1]}


def run_score(given: Given) -> Found:
    """A position's score in the order of deleveraging."""
    value, entry, bankruptcy = (money(given[name]) for name in ("value", "entry", "bankruptcy"))
    rank = Rank(1, value - entry, entry, value, value - bankruptcy)
    return {"score": Fraction(rank.score, rank.divisor)}


def run_queue(given: Given) -> Found:
    """Positions (`rows=pnl%:leverage,...`): their scores, and each one's place in the queue."""
    ranks = []
    for number, row in enumerate(given["rows"].split(",")):
        pnl, _, leverage = row.partition(":")
        ranks.append(Rank(number, money(pnl), MONEY, money(leverage), MONEY))
    order = [rank.account_id for rank in sorted(ranks)]
    return {
        "scores": [Fraction(rank.score, rank.divisor) for rank in ranks],
        "places": [order.index(rank.account_id) + 1 for rank in ranks],
    }


def queue_market(rows: str) -> tuple[State, Market, list[Holding]]:
    """Longs (`lots:score,...`) in a state of their own: the higher the score the lower the entry below the mark of 100."""
    state = State()
    market = market_at("100", "0")
    state.markets[1] = market
    holdings = []
    for account_id, row in enumerate(rows.split(","), 1):
        qty, _, score = row.partition(":")
        entry = 100 - int(score)
        holding = opened(market, account_id, qty, str(int(qty) * entry), price(str(entry)))
        state.accounts[account_id] = holding.account
        holdings.append(holding)
    return state, market, holdings


def run_lights(given: Given) -> Found:
    """The lights of longs, as percent of the queue: 5 lights are 20."""
    _, market, holdings = queue_market(given["rows"])
    found = deleveraging.market_lights(market)
    by_rank = deleveraging.ranked(market, 1)
    assert lights([abs(holding.position.qty) for holding in by_rank]) == sorted(found.values(), reverse=True)
    return {"percent": [20 * (6 - found[holding.account.account_id]) for holding in holdings]}


def run_closed(given: Given) -> Found:
    """What a failing short of `qty` lots takes from each of the longs."""
    state, market, holdings = queue_market(given["rows"])
    before = [holding.position.qty for holding in holdings]
    failing = opened(market, len(holdings) + 1, f"-{given['qty']}", "0")
    state.accounts[failing.account.account_id] = failing.account
    deleveraging.deleverage(state, Scope(failing), failing, Queues(), [])
    assert failing.position.qty == 0
    gone = [held - holding.position.qty for held, holding in zip(before, holdings, strict=True)]
    return {"closed": [Fraction(qty, LOT) for qty in gone]}


def run_shares(given: Given) -> Found:
    """Gains of which only so much was collected: what each keeps when the rest is shared out in proportion."""
    gains = [money(gain) for gain in given["gains"].split(",")]
    lost = sum(gains) - money(given["collected"])
    return {"kept": [Fraction(gain - part, MONEY) for gain, part in zip(gains, shares(lost, gains), strict=True)]}


RUNNERS = {
    "unsafe": run_unsafe,
    "next": run_next,
    "fee": run_fee,
    "deleverage": run_deleverage,
    "score": run_score,
    "queue": run_queue,
    "lights": run_lights,
    "closed": run_closed,
    "shares": run_shares,
}
