"""Orders meet: the match loop with money between its steps, and what a fill does to both accounts."""

from typing import Final

from engine.matching import next_maker, self_match, trade
from engine.order import Order, OrderStatus, TimeInForce
from exchange import margins, resting
from exchange.entry import EMA_SCALE
from exchange.events import BalanceChanged, CancelReason, Cause, Event, OrderReduced, PositionChanged, Traded
from exchange.state import Account, Balance, Market, State, request_of
from risk.margin import fee
from risk.position import Position

EMA_LENGTH: Final = 61
"""The EMA60 of a spot market's trades: alpha = 2 / (60 + 1)."""


def execute(state: State, account: Account, market: Market, order: Order, time_ms: int, out: list[Event]) -> None:
    """Match an order that passed its checks; then let the rest of it rest, or cancel it."""
    reason = match(state, account, market, order, time_ms, out)
    if order.leaves == 0 and reason is None:
        resting.forget(state, account, order, OrderStatus.COMPLETED)
        return
    if reason is None:
        request = request_of(order)
        time_in_force = request.time_in_force
        if request.price and (time_in_force is TimeInForce.GTC or time_in_force is TimeInForce.DAY):
            resting.rest(state, account, market, order)
            return
        reason = CancelReason.IMMEDIATE
    resting.end(state, account, market, order, reason, out)


def match(
    state: State, account: Account, market: Market, order: Order, time_ms: int, out: list[Event]
) -> CancelReason | None:
    """Let an order meet the other side. Returns why its remainder must go, None when it may rest."""
    book = market.book
    owner_id = order.owner_id
    while order.leaves:
        maker = next_maker(book, order)
        if maker is None:
            return None
        maker_account = state.accounts[maker.account_id]
        if maker.owner_id == owner_id:
            leaves = order.leaves
            meet_self(state, maker_account, market, maker, order, out)
            if order.leaves == 0:
                order.leaves = leaves
                return CancelReason.SELF_MATCH
            continue
        qty = min(order.leaves, maker.tip)
        if not market.is_spot:
            allowed = bearable(state, account, market, order, maker.price, qty, market.taker_fee_ppm)
            if allowed == 0:
                return CancelReason.BANKRUPTCY
            qty = bearable(state, maker_account, market, maker, maker.price, allowed, market.maker_fee_ppm)
            if qty == 0:
                resting.cancel(state, maker_account, market, maker, CancelReason.BANKRUPTCY, out)
                continue
        settle(state, market, maker_account, maker, account, order, qty, time_ms, out)
    return None


def meet_self(
    state: State, maker_account: Account, market: Market, maker: Order, taker: Order, out: list[Event]
) -> None:
    """Keep an owner from trading with itself, and tell what the maker lost."""
    maker_leaves = maker.leaves
    maker_lost, taker_lost = self_match(market.book, maker, taker)
    if maker_lost == maker_leaves:
        resting.unlist(state, maker_account, market, maker, maker_lost)
        maker.leaves = maker_lost
        resting.end(state, maker_account, market, maker, CancelReason.SELF_MATCH, out)
    elif maker_lost:
        open_orders = maker_account.open_orders[market.market_id]
        margins.recount(market, open_orders, maker, -maker_lost)
        if market.is_spot:
            resting.relock(maker_account, market, open_orders)
        out.append(
            OrderReduced(maker.order_id, maker.account_id, market.market_id, maker.leaves, CancelReason.SELF_MATCH)
        )
    if taker_lost and taker.leaves:
        out.append(
            OrderReduced(taker.order_id, taker.account_id, market.market_id, taker.leaves, CancelReason.SELF_MATCH)
        )


def bearable(state: State, account: Account, market: Market, order: Order, price: int, qty: int, fee_ppm: int) -> int:
    """Return how much of a fill the order's scope can bear with its equity staying at zero or above.

    All of it, nothing, or under isolated margin only the part that closes the position. Units: lots.
    """
    cost = margins.cost_to_fill(market, order.sign, price, qty, fee_ppm)
    if cost == 0 and not account.is_isolated:
        return qty
    if not account.is_isolated:
        return qty if margins.equity(state, account, market.quote_asset) >= cost else 0
    position = account.positions.get(market.market_id)
    closing = 0
    if position is not None and position.qty * order.sign < 0:
        closing = min(qty, abs(position.qty))
        if not _bears_close(market, position, order.sign, price, closing, fee_ppm):
            return 0
    if closing < qty and not _bears_opening(account, market, position, order.sign, price, qty, fee_ppm):
        return closing
    return qty


def _bears_close(market: Market, position: Position, sign: int, price: int, lots: int, fee_ppm: int) -> bool:
    """Tell whether an isolated position can close some lots at a price out of its own margin and equity."""
    cost = margins.loss_to_mark(market, sign, price) * lots + fee(lots * price * market.unit_value, fee_ppm)
    backing = position.margin + position.unrealized(market.mark_price, market.unit_value)
    held = abs(position.qty)
    released = abs(position.entry_notional) * lots // held
    realized = -sign * lots * price * market.unit_value + sign * released
    return backing >= cost and position.margin + realized >= fee(lots * price * market.unit_value, fee_ppm)


def _bears_opening(
    account: Account, market: Market, position: Position | None, sign: int, price: int, qty: int, fee_ppm: int
) -> bool:
    """Tell whether an isolated account's free balance, with what a close sets free, carries the opening part."""
    balance = account.balance(market.quote_asset)
    free = balance.amount - balance.locked - fee(qty * price * market.unit_value, fee_ppm)
    held = 0
    margin_now = 0
    leverage_e2 = margins.leverage_of(account, position)
    entry = 0
    if position is not None:
        entry = position.owner.value
        held = position.qty * sign
        if held > 0:
            margin_now = margins.initial_margin(market, held, entry, leverage_e2)
        elif held < 0:
            entry -= abs(position.entry_notional)
            closed_value = -held * price * market.unit_value
            free += position.margin - sign * closed_value - position.entry_notional
    opened = qty + min(held, 0)
    lots = qty + held
    entry += opened * price * market.unit_value
    needed = margins.initial_margin(market, lots, entry, leverage_e2) - margin_now
    needed += margins.loss_to_mark(market, sign, price) * opened
    return free >= needed


def settle(
    state: State,
    market: Market,
    maker_account: Account,
    maker: Order,
    taker_account: Account,
    taker: Order,
    qty: int,
    time_ms: int,
    out: list[Event],
) -> None:
    """Let two orders trade: the book, the money of both, what follows for their other orders."""
    price = maker.price
    trade(market.book, maker, taker, qty)
    maker.time_ms = time_ms
    taker.time_ms = time_ms
    trade_id = state.next_trade_id
    state.next_trade_id = trade_id + 1
    notional = qty * price * market.unit_value
    taker_fee = fee(notional, market.taker_fee_ppm)
    maker_fee = fee(notional, market.maker_fee_ppm)
    if maker_fee < -taker_fee:
        maker_fee = -taker_fee
    state.treasuries[market.quote_asset].fees += taker_fee + maker_fee
    if market.is_spot:
        out.append(_traded(market, trade_id, price, qty, maker, maker_fee, 0, taker, taker_fee, 0))
        exchange_spot(market, maker_account, maker, qty, notional, maker_fee, trade_id, out)
        exchange_spot(market, taker_account, taker, qty, notional, taker_fee, trade_id, out)
        market.trade_ema = next_ema(market.trade_ema, price)
        is_reduced = False
        is_taker_reduced = False
    else:
        maker_position = position_of(maker_account, market)
        taker_position = position_of(taker_account, market)
        is_reduced = maker_position.qty * maker.sign < 0
        is_taker_reduced = taker_position.qty * taker.sign < 0
        open_interest = market.open_interest - max(0, maker_position.qty) - max(0, taker_position.qty)
        maker_pnl, maker_moved = fill_position(maker_account, market, maker_position, maker, qty, price, maker_fee)
        taker_pnl, taker_moved = fill_position(taker_account, market, taker_position, taker, qty, price, taker_fee)
        market.open_interest = open_interest + max(0, maker_position.qty) + max(0, taker_position.qty)
        out.append(_traded(market, trade_id, price, qty, maker, maker_fee, maker_pnl, taker, taker_fee, taker_pnl))
        book_money(maker_account, market, maker_position, maker, maker_pnl, maker_moved, maker_fee, trade_id, out)
        book_money(taker_account, market, taker_position, taker, taker_pnl, taker_moved, taker_fee, trade_id, out)
    settle_orders(state, market, maker_account, maker, taker_account, taker, qty, out)
    if is_reduced:
        resting.fit_reduce_only(state, maker_account, market, out)
    if is_taker_reduced:
        resting.fit_reduce_only(state, taker_account, market, out)
    if price != market.last_price:
        market.last_price = price
        state.fired.extend(market.last_triggers.reached(price))


def settle_orders(
    state: State,
    market: Market,
    maker_account: Account,
    maker: Order,
    taker_account: Account,
    taker: Order,
    qty: int,
    out: list[Event],
) -> None:
    """Take a fill off the maker's record and off both orders' OCO groups."""
    open_orders = maker_account.open_orders[market.market_id]
    margins.recount(market, open_orders, maker, -qty)
    if maker.leaves == 0:
        resting.unlist(state, maker_account, market, maker, 0)
        resting.forget(state, maker_account, maker, OrderStatus.COMPLETED)
    elif market.is_spot:
        resting.relock(maker_account, market, open_orders)
    if maker.oco:
        resting.shrink_oco(state, maker_account, market, maker, qty, out)
    if taker.oco:
        resting.shrink_oco(state, taker_account, market, taker, qty, out)


def position_of(account: Account, market: Market) -> Position:
    """Return an account's position in a market, flat at first."""
    position = account.positions.get(market.market_id)
    if position is None:
        position = account.positions[market.market_id] = Position(market.owner(account.owner_id))
    return position


def fill_position(
    account: Account, market: Market, position: Position, order: Order, qty: int, price: int, paid_fee: int
) -> tuple[int, int]:
    """Trade a position. Returns the realized pnl, and what moves from the balance to the isolated margin (- : back).

    A close of x out of q frees margin x // q; a loss beyond that share, and the fee, is taken from the margin that stays. An
    opening is assigned the initial margin it adds and its gap to mark.
    """
    sign = order.sign
    if not account.is_isolated:
        return position.fill(sign, qty, price, market.unit_value), 0
    held = position.qty * sign
    closing = min(qty, -held) if held < 0 else 0
    margin_now = position_margin_of(market, position) if held > 0 else 0
    freed = position.margin * closing // -held if closing else 0
    pnl = position.fill(sign, qty, price, market.unit_value)
    opened = qty - closing
    assigned = 0
    if opened:
        balance = account.balance(market.quote_asset)
        spendable = balance.amount - balance.locked + freed + pnl - paid_fee
        assigned = position_margin_of(market, position) - margin_now
        assigned += margins.loss_to_mark(market, sign, price) * opened
        assigned = max(0, min(assigned, spendable))
    else:
        freed = max(freed, paid_fee - pnl)
    position.margin += assigned - freed
    assert position.margin >= 0, "an isolated margin went below zero"
    return pnl, assigned - freed


def position_margin_of(market: Market, position: Position) -> int:
    """Return the initial margin of an isolated position at the mark."""
    return margins.initial_margin(market, abs(position.qty), position.owner.value, position.leverage_e2)


def book_money(
    account: Account,
    market: Market,
    position: Position,
    order: Order,
    pnl: int,
    moved: int,
    paid_fee: int,
    trade_id: int,
    out: list[Event],
) -> None:
    """Book what a derivatives fill did to a balance, entry by entry, and tell the position as it now stands."""
    asset_id = market.quote_asset
    balance = account.balance(asset_id)
    order_id = order.order_id
    if pnl:
        balance.pnl += pnl
        _book(balance, account, asset_id, pnl, Cause.TRADE, market, order_id, trade_id, out)
    if moved:
        _book(balance, account, asset_id, -moved, Cause.TRANSFER, market, order_id, trade_id, out)
    if paid_fee:
        balance.fees += paid_fee
        position.fees += paid_fee
        _book(balance, account, asset_id, -paid_fee, Cause.FEE, market, order_id, trade_id, out)
    out.append(
        PositionChanged(account.account_id, market.market_id, position.qty, position.entry_notional, position.margin)
    )


def next_ema(ema: int, price: int) -> int:
    """Return the EMA after one more price; the first price seeds it. Units: 10^-9 of a price unit."""
    if ema == 0:
        return price * EMA_SCALE
    return ema + 2 * (price * EMA_SCALE - ema) // EMA_LENGTH


def exchange_spot(
    market: Market,
    account: Account,
    order: Order,
    qty: int,
    notional: int,
    paid_fee: int,
    trade_id: int,
    out: list[Event],
) -> None:
    """Move base against quote for one side of a spot trade, the fee in quote."""
    base = account.balance(market.base_asset)
    quote = account.balance(market.quote_asset)
    base_amount = order.sign * qty * market.lot_base
    order_id = order.order_id
    _book(base, account, market.base_asset, base_amount, Cause.TRADE, market, order_id, trade_id, out)
    _book(quote, account, market.quote_asset, -order.sign * notional, Cause.TRADE, market, order_id, trade_id, out)
    if paid_fee:
        quote.fees += paid_fee
        _book(quote, account, market.quote_asset, -paid_fee, Cause.FEE, market, order_id, trade_id, out)


def _book(
    balance: Balance,
    account: Account,
    asset_id: int,
    amount: int,
    cause: Cause,
    market: Market,
    order_id: int,
    trade_id: int,
    out: list[Event],
) -> None:
    balance.amount += amount
    out.append(
        BalanceChanged(
            account.account_id, asset_id, amount, balance.amount, cause, market.market_id, order_id, trade_id
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
    )
