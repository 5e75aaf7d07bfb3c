"""Orders meet: the match loop with money between its steps, and what a fill does to both accounts."""

from typing import Final

from engine.matching import next_maker, self_match, trade
from engine.order import COMPLETED, DAY, GTC, Order
from exchange import bearing, margins, resting, shedding
from exchange.commands import PlaceOrder
from exchange.entry import EMA_SCALE
from exchange.events import BalanceChanged, CancelReason, Cause, Event, OrderReduced, PositionChanged, Traded
from exchange.state import Balance, Holding, Market, State
from risk.margin import fee

_TRADE: Final = Cause.TRADE
_TRANSFER: Final = Cause.TRANSFER
_FEE: Final = Cause.FEE
_IMMEDIATE: Final = CancelReason.IMMEDIATE
EMA_LENGTH: Final = 61
"""The EMA60 of a spot market's trades: alpha = 2 / (60 + 1)."""


def execute(state: State, holding: Holding, order: Order, request: PlaceOrder, time_ms: int, out: list[Event]) -> None:
    """Match an order that passed its checks; then let the rest of it rest, or cancel it."""
    reason = match(state, holding, order, time_ms, out)
    if reason is not None:
        resting.end(state, holding, order, reason, out)
    elif order.leaves == 0:
        resting.forget(state, holding.account, order, COMPLETED)
    elif may_rest(request):
        resting.rest(state, holding, order, request)
    else:
        resting.end(state, holding, order, _IMMEDIATE, out)
    if len(holding.kin) > 1:
        shedding.shed_kin(state, holding, out)


def may_rest(request: PlaceOrder) -> bool:
    """Tell whether what does not trade at once goes into the book."""
    time_in_force = request.time_in_force
    return request.price != 0 and (time_in_force is GTC or time_in_force is DAY)


def match(state: State, holding: Holding, order: Order, time_ms: int, out: list[Event]) -> CancelReason | None:
    """Let an order meet the other side. Returns why its remainder must go, None when it may rest."""
    market = holding.market
    book = market.book
    # What opens was margined for its worst price on entry; only what closes may run out of equity on the way.
    is_careful = not market.is_spot and (holding.account.is_isolated or holding.position.qty * order.sign < 0)
    taker_fee_ppm = 0 if order.is_forced else market.taker_fee_ppm
    while order.leaves:
        maker = next_maker(book, order)
        if maker is None:
            return None
        maker_holding = market.holdings[maker.account_id]
        if maker.owner_id == order.owner_id:
            leaves = order.leaves
            meet_self(state, maker_holding, maker, order, out)
            if order.leaves == 0:
                order.leaves = leaves
                return CancelReason.SELF_MATCH
            continue
        qty = min(order.leaves, maker.tip)
        if is_careful:
            qty = bearing.bearable(holding, order, maker.price, qty, taker_fee_ppm)
            if qty == 0:
                return CancelReason.BANKRUPTCY
        may_cost = (maker.price - market.mark_price) * maker.sign > 0 or market.maker_fee_ppm > 0 or market.is_spot
        if may_cost or maker_holding.account.is_isolated:
            qty = bearing.bearable(maker_holding, maker, maker.price, qty, market.maker_fee_ppm)
            if qty == 0:
                reason = CancelReason.MARGIN if market.is_spot else CancelReason.BANKRUPTCY
                resting.cancel(state, maker_holding, maker, reason, out)
                continue
        settle(state, maker_holding, maker, holding, order, qty, time_ms, out)
    return None


def meet_self(state: State, maker_holding: Holding, maker: Order, taker: Order, out: list[Event]) -> None:
    """Keep an owner from trading with itself, and tell what the maker lost."""
    market = maker_holding.market
    maker_leaves = maker.leaves
    maker_lost, taker_lost = self_match(market.book, maker, taker)
    reason = CancelReason.SELF_MATCH
    if maker_lost == maker_leaves:
        resting.unlist(state, maker_holding, maker, maker_lost)
        maker.leaves = maker_lost
        resting.end(state, maker_holding, maker, reason, out)
    elif maker_lost:
        resting.lose(state, maker_holding, maker, maker_lost)
        out.append(OrderReduced(maker.order_id, maker.account_id, market.market_id, maker.leaves, reason))
    if taker_lost and taker.leaves:
        out.append(OrderReduced(taker.order_id, taker.account_id, market.market_id, taker.leaves, reason))


def settle(
    state: State,
    maker_holding: Holding,
    maker: Order,
    taker_holding: Holding,
    taker: Order,
    qty: int,
    time_ms: int,
    out: list[Event],
) -> None:
    """Let two orders trade: the book, the money of both, what follows for their other orders."""
    market = taker_holding.market
    price = maker.price
    trade(market.book, maker, taker, qty)
    maker.time_ms = taker.time_ms = time_ms
    trade_id = state.next_trade_id
    state.next_trade_id = trade_id + 1
    is_reduced = maker_holding.position.qty * maker.sign < 0
    is_taker_reduced = taker_holding.position.qty * taker.sign < 0
    if market.is_spot:
        exchange_spot(state, maker_holding, maker, taker_holding, taker, qty, trade_id, out)
    else:
        exchange_position(state, maker_holding, maker, taker_holding, taker, qty, trade_id, out)
    resting.lose(state, maker_holding, maker, qty)
    if maker.leaves == 0:
        resting.unlist(state, maker_holding, maker, 0)
        resting.forget(state, maker_holding.account, maker, COMPLETED)
    if maker.oco:
        resting.shrink_oco(state, maker_holding, maker, qty, out)
    if taker.oco:
        resting.shrink_oco(state, taker_holding, taker, qty, out)
    resting.touch(state, maker_holding)
    resting.touch(state, taker_holding)
    if is_reduced:
        after_reduction(state, maker_holding, out)
    if is_taker_reduced:
        after_reduction(state, taker_holding, out)
    if price != market.last_price:
        market.last_price = price
        resting.fire_later(state, market.last_triggers.reached(price))


def after_reduction(state: State, holding: Holding, out: list[Event]) -> None:
    """Fit what rests to a position that shrank or turned: orders that only reduced it may add risk now."""
    if holding.reduce_only_count:
        resting.fit_reduce_only(state, holding, out)
    if holding.orders and margins.available(holding.account, holding.market.quote_asset) < 0:
        shedding.shed(state, holding.account, out)


def exchange_position(
    state: State,
    maker_holding: Holding,
    maker: Order,
    taker_holding: Holding,
    taker: Order,
    qty: int,
    trade_id: int,
    out: list[Event],
) -> None:
    """Move both positions of a derivatives trade, and the money that follows."""
    market = taker_holding.market
    price = maker.price
    taker_fee = 0 if taker.is_forced else margins.fee_on(market, qty, price, market.taker_fee_ppm)
    maker_fee = maker_fee_on(market, qty, price, taker_fee) if market.maker_fee_ppm else 0
    state.treasuries[market.quote_asset].fees += taker_fee + maker_fee
    market.open_interest -= longs(maker_holding) + longs(taker_holding)
    maker_pnl, maker_moved = fill_position(maker_holding, maker, qty, price, maker_fee)
    taker_pnl, taker_moved = fill_position(taker_holding, taker, qty, price, taker_fee)
    market.open_interest += longs(maker_holding) + longs(taker_holding)
    out.append(_traded(market, trade_id, price, qty, maker, maker_fee, maker_pnl, taker, taker_fee, taker_pnl))
    book_money(maker_holding, maker.order_id, maker_pnl, maker_moved, maker_fee, trade_id, out)
    book_money(taker_holding, taker.order_id, taker_pnl, taker_moved, taker_fee, trade_id, out)


def longs(holding: Holding) -> int:
    """Return the position's share of the market's open interest."""
    qty = holding.position.qty
    return max(0, qty)


def maker_fee_on(market: Market, lots: int, price: int, taker_fee: int) -> int:
    """Return the maker's fee; a rebate (negative) is at most the fee that the taker pays on the trade."""
    return max(margins.fee_on(market, lots, price, market.maker_fee_ppm), -taker_fee)


def fill_position(holding: Holding, order: Order, qty: int, price: int, paid_fee: int) -> tuple[int, int]:
    """Trade a position. Returns the realized pnl, and what moves from the balance to the isolated margin (- : back).

    A close of x out of q frees margin x // q; a loss beyond that share, and the fee, is taken from the margin that
    stays. A forced one frees none before the end: its margin is there to keep the rest of the position safe. An opening
    is assigned the initial margin it adds and its gap to mark.
    """
    market = holding.market
    position = holding.position
    sign = order.sign
    if not holding.account.is_isolated:
        return position.fill(sign, qty, price, market.unit_value), 0
    held = position.qty * sign
    closing = max(0, min(qty, -held))
    margin_now = margins.position_margin(holding, position.leverage_e2) if held > 0 else 0
    freed = position.margin * closing // -held if closing else 0
    pnl = position.fill(sign, qty, price, market.unit_value)
    opened = qty - closing
    assigned = 0
    if opened:
        spendable = holding.quote.amount - holding.quote.locked + freed + pnl - paid_fee
        assigned = margins.position_margin(holding, position.leverage_e2) - margin_now
        assigned += margins.loss_to_mark(market, sign, price) * opened
        assigned = max(0, min(assigned, spendable))
    elif order.is_forced and position.qty:
        freed = paid_fee - pnl
    else:
        freed = max(freed, paid_fee - pnl)
    position.margin += assigned - freed
    assert position.margin >= 0, "an isolated margin went below zero"
    return pnl, assigned - freed


def book_money(
    holding: Holding,
    order_id: int,
    pnl: int,
    moved: int,
    paid_fee: int,
    trade_id: int,
    out: list[Event],
    cause: Cause = _TRADE,
) -> None:
    """Book what a change of a position did to a balance, entry by entry, and tell the position as it now stands."""
    market = holding.market
    position = holding.position
    balance = holding.quote
    if pnl:
        balance.pnl += pnl
        _book(holding, balance, market.quote_asset, pnl, cause, order_id, trade_id, out)
    if moved:
        _book(holding, balance, market.quote_asset, -moved, _TRANSFER, order_id, trade_id, out)
    if paid_fee:
        balance.fees += paid_fee
        position.fees += paid_fee
        _book(holding, balance, market.quote_asset, -paid_fee, _FEE, order_id, trade_id, out)
    out.append(
        PositionChanged(
            holding.account.account_id, market.market_id, position.qty, position.entry_notional, position.margin
        )
    )


def next_ema(ema: int, price: int) -> int:
    """Return the EMA after one more price; the first price seeds it. Units: 10^-9 of a price unit."""
    if ema == 0:
        return price * EMA_SCALE
    return ema + 2 * (price * EMA_SCALE - ema) // EMA_LENGTH


def exchange_spot(
    state: State,
    maker_holding: Holding,
    maker: Order,
    taker_holding: Holding,
    taker: Order,
    qty: int,
    trade_id: int,
    out: list[Event],
) -> None:
    """Move base against quote for both sides of a spot trade, the fees in quote."""
    market = taker_holding.market
    price = maker.price
    notional = qty * price * market.unit_value
    taker_fee = fee(notional, market.taker_fee_ppm)
    maker_fee = maker_fee_on(market, qty, price, taker_fee)
    state.treasuries[market.quote_asset].fees += taker_fee + maker_fee
    out.append(_traded(market, trade_id, price, qty, maker, maker_fee, 0, taker, taker_fee, 0))
    book_spot(maker_holding, maker, qty, notional, maker_fee, trade_id, out)
    book_spot(taker_holding, taker, qty, notional, taker_fee, trade_id, out)
    market.trade_ema = next_ema(market.trade_ema, price)


def book_spot(
    holding: Holding, order: Order, qty: int, notional: int, paid_fee: int, trade_id: int, out: list[Event]
) -> None:
    """Book one side of a spot trade."""
    market = holding.market
    base = holding.account.balance(market.base_asset)
    quote = holding.quote
    order_id = order.order_id
    base_amount = order.sign * qty * market.lot_base
    _book(holding, base, market.base_asset, base_amount, _TRADE, order_id, trade_id, out)
    _book(holding, quote, market.quote_asset, -order.sign * notional, _TRADE, order_id, trade_id, out)
    if paid_fee:
        quote.fees += paid_fee
        _book(holding, quote, market.quote_asset, -paid_fee, _FEE, order_id, trade_id, out)


def _book(
    holding: Holding,
    balance: Balance,
    asset_id: int,
    amount: int,
    cause: Cause,
    order_id: int,
    trade_id: int,
    out: list[Event],
) -> None:
    balance.amount += amount
    out.append(
        BalanceChanged(
            holding.account.account_id,
            asset_id,
            amount,
            balance.amount,
            cause,
            holding.market.market_id,
            order_id,
            trade_id,
        )
    )


def _traded(
    market: Market,
    trade_id: int,
    price: int,
    qty: int,
    maker: Order,
    maker_fee: int,
    maker_pnl: int,
    taker: Order,
    taker_fee: int,
    taker_pnl: int,
) -> Traded:
    return Traded(
        trade_id,
        market.market_id,
        price,
        qty,
        taker.sign,
        maker.order_id,
        maker.account_id,
        maker.leaves,
        maker_fee,
        maker_pnl,
        taker.order_id,
        taker.account_id,
        taker.leaves,
        taker_fee,
        taker_pnl,
        taker.is_forced,
    )
