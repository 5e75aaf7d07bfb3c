"""Strikes, options' own indices, and marks: what follows from the indices and the books on each tick."""

from typing import Final

from engine.order import TriggerEvent
from exchange import resting
from exchange.events import Event, MarkPriceChanged, OptionIndexChanged, StrikeChanged
from exchange.instrument import MarketStatus, MarkMethod
from exchange.limits import HOUR_MS, MARK_MS, MODEL_AGE_MAX_MS, RULES_OF_CORRECTIONS, STRIKE_MS
from exchange.state import Index, Market, State
from risk.fixed import div_half_up, div_up
from risk.index import EMA_SCALE, STRIKE_EMA_LENGTH, next_ema, strike_price
from risk.mark import (
    MARK_EMA_LENGTH,
    NEAR_DIVISOR,
    basis_e9,
    clamp_future,
    clamp_option,
    fair_ask,
    fair_bid,
    median,
    with_basis,
    with_funding,
)
from risk.option import option_index

SETTLED: Final = MarketStatus.SETTLED


def is_live(market: Market) -> bool:
    """Tell whether a market has a mark: a derivative on an index with a price, not expired."""
    return (
        not market.is_spot and market.index is not None and market.index.price > 0 and market.own_status is not SETTLED
    )


def is_sampled(market: Market) -> bool:
    """Tell whether something of a market is sampled each second: basis, premium, or the mean index before expiry."""
    terms = market.instrument
    return is_live(market) and (
        terms.mark_method is not MarkMethod.INDEX or terms.premium_clamp_ppm > 0 or terms.expiry_ms > 0
    )


def is_second_due(market: Market, time_ms: int) -> bool:
    """Tell whether the samples of this second are still to be taken."""
    return time_ms // MARK_MS > market.premium.last_ms // MARK_MS


def move_strikes(state: State, index: Index, time_ms: int, moved: list[Market], out: list[Event]) -> None:
    """Step the index's slow average when it is due, and let the strikes of its options and their own indices follow.

    Only an index on which options hang has one. A step is due every 5 s if the index was computed; a missed one is skipped.
    """
    options = [state.markets[market_id] for market_id in index.market_ids if state.markets[market_id].is_option]
    if not options or index.price == 0:
        return
    if index.ema == 0:
        index.ema = index.price * EMA_SCALE
        index.ema_ms = time_ms
    elif index.computed_ms == time_ms and time_ms // STRIKE_MS > index.ema_ms // STRIKE_MS:
        index.ema = next_ema(index.ema, index.price * EMA_SCALE, STRIKE_EMA_LENGTH)
        index.ema_ms = time_ms
    for market in options:
        terms = market.instrument
        strike = strike_price(index.ema, terms.strike_ppm, market.tick)
        if strike != market.strike:
            market.strike = strike
            moved.append(market)
            out.append(StrikeChanged(market.market_id, strike))
        price = option_index(index.price, strike, terms.intrinsic_floor_ppm, is_call=market.is_call)
        if price != market.index_price:
            market.index_price = price
            out.append(OptionIndexChanged(market.market_id, price))
            resting.fire_later(state, market.met(TriggerEvent.INDEX_PRICE, price))


def move_marks(state: State, time_ms: int, moved: list[Market], out: list[Event]) -> None:
    """Make the marks of this tick, in listing order. A future that is marked at its index moved with it already."""
    for market in state.markets.values():
        if not is_live(market):
            continue
        if market.is_option:
            move_mark(state, market, option_mark(market, time_ms), moved, out)
        elif market.instrument.mark_method is not MarkMethod.INDEX:
            move_mark(state, market, future_mark(market, time_ms), moved, out)
        elif market.mark_price != market.index_price and state.rules_version >= RULES_OF_CORRECTIONS:
            move_mark(state, market, market.index_price, moved, out)  # whose terms had another method until now


def move_mark(state: State, market: Market, price: int, moved: list[Market], out: list[Event]) -> None:
    """Move a market's mark price, and with it what depends on the underlying, and collect the triggers that it fires."""
    is_moved = price != market.mark_price
    if is_moved or is_underlying_moved(market):
        market.set_mark(price)
        moved.append(market)
    if is_moved:
        out.append(MarkPriceChanged(market.market_id, price))
        resting.fire_later(state, market.met(TriggerEvent.MARK_PRICE, price))


def is_underlying_moved(market: Market) -> bool:
    """Tell whether an option's mark was last set at another price of the underlying."""
    index = market.index
    return market.is_option and index is not None and market.underlying_value != index.price * market.unit_value


def option_mark(market: Market, time_ms: int) -> int:
    """Return an option's mark: a fresh model value, else its own index, with the EMA of the basis on it, in its bounds."""
    assert market.index is not None, "an option has an index"
    index_price = market.index_price
    model = fresh_model(market, time_ms)
    base = model or index_price
    if market.instrument.mark_method is not MarkMethod.INDEX:
        if is_second_due(market, time_ms):
            sample_basis(market, base)
        price = with_basis(base, market.basis_ema)
    else:
        price = index_price
        model = 0
    underlying = market.index.price
    ceiling = underlying if market.is_call else market.strike
    return clamp_option(price, index_price, underlying, ceiling, model)


def fresh_model(market: Market, time_ms: int) -> int:
    """Return an option's model value, 0 when there is none that is fresh."""
    model = market.model
    return model.price if model is not None and time_ms - market.model_ms <= MODEL_AGE_MAX_MS else 0


def future_mark(market: Market, time_ms: int) -> int:
    """Return a future's mark: the index with the EMA of the basis, or by the median of three, in its bounds."""
    index_price = market.index_price
    if is_second_due(market, time_ms):
        sample_basis(market, index_price)
    price = with_basis(index_price, market.basis_ema)
    if market.instrument.mark_method is MarkMethod.MEDIAN:
        left_ms = max(0, market.premium.hour_ms + HOUR_MS - time_ms)  # 0 as long as an hour is still to be settled
        carried = with_funding(index_price, market.funding_rate_e12, left_ms, HOUR_MS)
        price = median(carried, price, traded_price(market) or price)
    return clamp_future(price, index_price, market.instrument.mark_clamp_ppm)


def traded_price(market: Market) -> int:
    """Return the median of bid, ask and last; 0 where one of them is missing. A side's price is one with depth behind it."""
    impact_qty = market.instrument.impact_qty
    near_qty = div_up(impact_qty, NEAR_DIVISOR)
    bid, _ = market.book.impact(1, impact_qty, near_qty)
    ask, _ = market.book.impact(-1, impact_qty, near_qty)
    if bid == 0 or ask == 0 or market.last_price == 0:
        return 0
    return median(bid, ask, market.last_price)


def sample_basis(market: Market, base: int) -> None:
    """Find the fair price and step the EMA of fair - base. Without depth on both sides there is no basis: never a jump.

    However many seconds were missed, it is one step.
    """
    terms = market.instrument
    impact_qty = terms.impact_qty
    near_qty = div_up(impact_qty, NEAR_DIVISOR)
    best_bid, bid_value = market.book.impact(1, impact_qty, near_qty)
    best_ask, ask_value = market.book.impact(-1, impact_qty, near_qty)
    sample = 0
    market.fair_price = 0
    if bid_value and ask_value:
        bid = fair_bid(best_bid, bid_value, impact_qty, terms.fair_margin_ppm)
        ask = fair_ask(best_ask, ask_value, impact_qty, terms.fair_margin_ppm)
        market.fair_price = div_half_up(bid + ask, 2)
        sample = basis_e9(bid, ask, base)
    market.basis_ema = next_ema(market.basis_ema, sample, MARK_EMA_LENGTH)
