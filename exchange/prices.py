"""Prices come in, and the work that time makes due.

A tick does what is due in this order: DAY orders, dead men, expiry, index, strike, mark, funding, liquidation, triggers, new terms.
"""

from engine.order import TriggerEvent
from exchange import deadman, expiry, funding, liquidation, marks, orders, resting, terms
from exchange.answers import refuse
from exchange.commands import UpdateIndexPrice, UpdateOptionModels
from exchange.events import (
    CancelReason,
    CommandRejected,
    Event,
    IndexPriceChanged,
    IndexPriceObserved,
    OptionModelsUpdated,
    Ticked,
)
from exchange.instrument import MarkMethod
from exchange.limits import (
    OPENING_INDEX_AGE_MAX_MS,
    OPTION_MODELS_MAX,
    PRICE_MAX,
    SOURCE_AGE_MAX_MS,
    SOURCES_MAX,
    TICK_MS,
)
from exchange.rejects import Reject
from exchange.state import Index, Market, State, request_of
from risk.index import average, select


def observe(state: State, command: UpdateIndexPrice, time_ms: int, out: list[Event]) -> None:
    """Take one observation of one source of an index. It counts from the next tick on."""
    index = state.indices.get(command.index_id)
    if index is None:
        refuse(Reject.UNKNOWN_INDEX, out)
        return
    price = command.price
    source_id = command.source_id
    last = index.sources.get(source_id)
    if not 0 < price <= PRICE_MAX:
        refuse(Reject.INVALID_PRICE, out)
    elif last is None and fresh_count(index, time_ms) >= SOURCES_MAX:
        refuse(Reject.INVALID_TERMS, out)
    elif last is not None and command.source_time_ms < last[1]:
        refuse(Reject.STALE_OBSERVATION, out)
    else:
        if last is None and len(index.sources) >= SOURCES_MAX:
            forget_stale(index, time_ms)
        source_time_ms = min(command.source_time_ms, time_ms)
        index.sources[source_id] = (price, source_time_ms)
        out.append(IndexPriceObserved(command.index_id, source_id, price, source_time_ms))


def fresh_count(index: Index, time_ms: int) -> int:
    """Count the sources with an observation that still counts."""
    return sum([time_ms - observed_ms <= SOURCE_AGE_MAX_MS for _, observed_ms in index.sources.values()])


def forget_stale(index: Index, time_ms: int) -> None:
    """Drop the observations that count no more, to make room for another source."""
    for source_id, (_, observed_ms) in list(index.sources.items()):
        if time_ms - observed_ms > SOURCE_AGE_MAX_MS:
            del index.sources[source_id]


def tick(state: State, time_ms: int, out: list[Event]) -> None:
    """Do all the work that is due."""
    state.next_tick_ms = (time_ms // TICK_MS + 1) * TICK_MS
    expire_day_orders(state, time_ms, out)
    if deadman.fire(state, time_ms, out):
        state.next_tick_ms = time_ms
        out.append(Ticked(True))
        return  # nothing may meet an order that should be gone
    expiry.settle_due(state, time_ms, out)
    moved: list[Market] = []  # whose mark, underlying, strike or funding is another
    is_moved = False
    for index in state.indices.values():
        if compute_index(state, index, time_ms, moved, out):
            is_moved = True
    for index in state.indices.values():
        marks.move_strikes(state, index, time_ms, moved, out)
    marks.move_marks(state, time_ms, moved, out)
    has_hours = funding.settle_hours(state, time_ms, moved, out)
    if not has_hours:
        take_samples(state, time_ms)
    funding.predict(state, moved, out)
    # Under the first rules only a moved price made anybody look.
    has_scopes = False
    if is_moved or moved or state.rules_version > 1:
        has_scopes = liquidation.run(state, time_ms, out)
    has_triggers = orders.fire(state, time_ms, out)
    if has_hours:
        state.next_tick_ms = time_ms
    terms.apply_due(state, time_ms, out)
    out.append(Ticked(has_triggers or has_hours or has_scopes))


def take_samples(state: State, time_ms: int) -> None:
    """Take this second's samples of the premium, and of the index before expiry."""
    for market in state.markets.values():
        if marks.is_sampled(market) and marks.is_second_due(market, time_ms):
            expiry.take_sample(market, time_ms)
            funding.take_sample(market, state.rules_version, time_ms)


def expire_day_orders(state: State, time_ms: int, out: list[Event]) -> None:
    """Cancel the DAY orders whose day is over, by order id."""
    if not state.day_orders or time_ms < state.day_end_ms:
        return
    for order_id in sorted(state.day_orders):
        order = state.day_orders.get(order_id)
        if order is not None:
            holding = state.markets[request_of(order).market_id].holdings[order.account_id]
            resting.cancel(state, holding, order, CancelReason.EXPIRED, out)


def compute_index(state: State, index: Index, time_ms: int, moved: list[Market], out: list[Event]) -> bool:
    """Make an index from its fresh observations, and what is its price from it. Returns whether it moved."""
    weights = index.weights
    fresh = [
        (price, source_id)
        for source_id, (price, source_time_ms) in index.sources.items()
        if time_ms - source_time_ms <= SOURCE_AGE_MAX_MS and weights.get(source_id, 1)
    ]
    selected = select(fresh, index.terms.single_source)
    if not selected:
        return False
    index.computed_ms = time_ms
    for market_id in index.market_ids:
        state.markets[market_id].opens_until_ms = time_ms + OPENING_INDEX_AGE_MAX_MS
    price = average(selected, weights)
    if price == index.price:
        return False
    index.price = price
    sources = tuple(sorted([source_id for _, source_id in selected]))
    out.append(IndexPriceChanged(index.terms.index_id, price, sources))
    for market_id in index.market_ids:
        market = state.markets[market_id]
        if not market.is_option and marks.is_live(market):
            market.index_price = price
            resting.fire_later(state, market.met(TriggerEvent.INDEX_PRICE, price))
            if market.instrument.mark_method is MarkMethod.INDEX:
                marks.move_mark(state, market, price, moved, out)
    return True


def update_models(state: State, command: UpdateOptionModels, time_ms: int, out: list[Event]) -> None:
    """Take model values of options. They bear on their marks from the next tick on."""
    if not 1 <= len(command.models) <= OPTION_MODELS_MAX:
        out.append(CommandRejected(Reject.INVALID_BATCH, "models"))
        return
    for at, model in enumerate(command.models):
        market = state.markets.get(model.market_id)
        if market is None or not market.is_option:
            out.append(CommandRejected(Reject.UNKNOWN_MARKET, "market_id", at))
            return
        if not 0 < model.price <= PRICE_MAX:
            out.append(CommandRejected(Reject.INVALID_PRICE, "price", at))
            return
        if command.source_time_ms < market.model_ms:
            out.append(CommandRejected(Reject.STALE_OBSERVATION, "source_time_ms", at))
            return
    model_ms = min(command.source_time_ms, time_ms)
    for model in command.models:
        market = state.markets[model.market_id]
        market.model = model
        market.model_ms = model_ms
    out.append(OptionModelsUpdated(command.models, model_ms))
