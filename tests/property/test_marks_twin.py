"""PRC-024: marks on random books against naive ones in exact fractions, second by second."""

from fractions import Fraction
from random import Random

import pytest
from msgspec.structs import replace

from engine.order import Side
from exchange.audit import audit
from exchange.commands import CancelOrder, OptionModel, PlaceOrder, Tick, UpdateOptionModels
from exchange.instrument import Instrument, InstrumentKind, MarkMethod
from exchange.state import Market
from tests.support.markets import BASIS_CALL, BASIS_PERP, BASIS_PUT, HOUR_MS, LONG, MAKER, OTHER, SHORT, Venue

DEPTH = 300
"""Lots that make a price count: fewer than the defaults, so that books are often too thin."""
FUTURE = replace(BASIS_PERP, impact_qty=DEPTH, range_ppm=500_000, mark_clamp_ppm=8_000)
MEDIAN = replace(FUTURE, mark_method=MarkMethod.MEDIAN, interest_ppm=3_000, interest_clamp_ppm=3_000)
CALL = replace(BASIS_CALL, impact_qty=DEPTH, range_floor_ppm=500_000)
PUT = replace(BASIS_PUT, impact_qty=DEPTH, range_floor_ppm=500_000)


def displayed(market: Market, sign: int) -> list[int]:
    """The price of every displayed lot of a side, best first."""
    orders = [order for order in market.book.resting() if order.sign == sign and not order.hidden]
    return sorted((order.price for order in orders for _ in range(order.tip)), reverse=sign > 0)


def read(market: Market) -> tuple[int, Fraction | None]:
    """The median of bid, ask and last (0: one is missing), and the fair price. A bid or ask has a tenth of the depth behind it."""
    bids, asks = displayed(market, 1), displayed(market, -1)
    near = DEPTH // 10 - 1
    best_bid, best_ask = (side[near] if len(side) > near else 0 for side in (bids, asks))
    traded = sorted((best_bid, best_ask, market.last_price))
    middle = traded[1] if traded[0] else 0
    if len(bids) < DEPTH or len(asks) < DEPTH:
        return middle, None
    bid = max(Fraction(sum(bids[:DEPTH]), DEPTH), Fraction(999, 1_000) * best_bid)
    ask = min(Fraction(sum(asks[:DEPTH]), DEPTH), Fraction(1_001, 1_000) * best_ask)
    return middle, (bid + ask) / 2


class NaiveMark:
    """One market's mark as the rules say it."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.ema = Fraction(0)
        self.model = 0
        self.model_ms = 0
        self.time_ms = 0

    def step(self, underlying: int, rate: Fraction, time_ms: int, book: tuple[int, Fraction | None]) -> Fraction:
        """Return the mark of a second's first tick."""
        market = self.market
        fresh = self.model if market.is_option and time_ms - self.model_ms <= 10_000 else 0
        gap = underlying - market.strike
        intrinsic = max(0, gap if market.is_call else -gap)
        index = max(Fraction(intrinsic), Fraction(underlying, 2_000)) if market.is_option else Fraction(underlying)
        base = Fraction(fresh) if fresh else index
        traded, fair = book
        self.ema += Fraction(2, 61) * ((fair - base if fair is not None else 0) - self.ema)
        mark = base + self.ema
        if market.instrument.mark_method is MarkMethod.MEDIAN:
            is_over = time_ms // HOUR_MS > self.time_ms // HOUR_MS  # nothing is left of the hour that this tick settles
            left = Fraction(0) if is_over else Fraction(HOUR_MS - time_ms % HOUR_MS, HOUR_MS)
            mark = sorted((index * (1 + rate * left), mark, Fraction(traded) if traded else mark))[1]
        self.time_ms = time_ms
        if not market.is_option:
            bound = Fraction(market.instrument.mark_clamp_ppm, 10**6) * index
            return max(index - bound, min(mark, index + bound))
        if fresh:
            mark = max(fresh - Fraction(underlying, 100), min(mark, fresh + Fraction(underlying, 100)))
        ceiling = underlying if market.is_call else market.strike
        low = max(Fraction(1), index - Fraction(3 * underlying, 100))
        return max(low, min(mark, index + Fraction(5 * underlying, 100), Fraction(ceiling)))


def stir(venue: Venue, dice: Random, middle: int) -> None:
    """Place, hide, trade and cancel around a price, so that books are deep, thin, one-sided and empty by turns."""
    orders = list(venue.exchange.state.orders)
    for _ in range(dice.choice((0, 1, 1, 6))):
        account_id = dice.choice((MAKER, LONG, SHORT, OTHER))
        away = dice.choice((2, 20, 400)) * dice.randint(-1, 9)
        sign = dice.choice((1, -1))
        price = max(50, (middle - sign * away * 50) // 50 * 50)
        side = Side.BUY if sign > 0 else Side.SELL
        lots = dice.choice((3, 40, 200, 500))
        icebergs = dice.choice((0, 0, 0, 4))
        hidden = icebergs == 0 and dice.random() < 0.1
        venue.do(PlaceOrder(account_id, 1, side, lots, price, hidden=hidden, icebergs=icebergs))
    for order_id in orders:
        order = venue.exchange.state.orders.get(order_id)
        if order is not None and dice.random() < 0.05 * dice.choice((1, 1, 1, 8)):
            venue.do(CancelOrder(order.account_id, order_id))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("instrument", [FUTURE, MEDIAN, CALL, PUT], ids=["future", "median", "call", "put"])
def test_marks_agree_with_fractions(instrument: Instrument, seed: int) -> None:
    """PRC-024: within a cent for each rounding: the mark's, the index's, the sides' of the book."""
    dice = Random(seed)
    venue = Venue(instrument)
    market = venue.market()
    naive = NaiveMark(market)
    naive.step(60_000_00, Fraction(0), venue.time_ms, (0, None))
    price = 60_000_00
    is_option = instrument.kind is not InstrumentKind.FUTURE
    thin = deep = 0
    for _ in range(250):
        stir(venue, dice, 900_00 if is_option else price)
        if is_option and dice.random() < 0.3:
            naive.model = dice.choice((700_00, 900_00, 2_000_00))
            naive.model_ms = venue.time_ms
            venue.do(UpdateOptionModels((OptionModel(1, naive.model, 600_000),), venue.time_ms))
        price += dice.randint(-20_00, 20_00)
        venue.time_ms += dice.choice((1_000, 1_000, 1_000, 1_000, 5_000, 30_000))
        venue.observe(price)
        rate = Fraction(market.funding_rate_e12, 10**12)
        book = read(market)
        fair = book[1]
        thin, deep = thin + (fair is None), deep + (fair is not None)
        venue.do(Tick())
        exact = naive.step(price, rate, venue.time_ms, book)
        assert abs(market.mark_price - exact) <= Fraction(3, 2)
        assert market.fair_price == 0 if fair is None else abs(market.fair_price - fair) <= 1
        before = market.basis_ema
        venue.do(Tick())  # a second one of the same second
        assert market.basis_ema == before
        if instrument is not MEDIAN:  # whose funding, last price and book may have moved in the first tick
            assert abs(market.mark_price - exact) <= Fraction(3, 2)
    assert thin > 10 and deep > 10
    assert audit(venue.exchange) == []
