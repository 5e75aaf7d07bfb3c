"""How much of a fill a scope can bear: no fill may leave less than nothing behind."""

from engine.order import Order
from exchange import margins
from exchange.state import Holding


def bearable(holding: Holding, order: Order, price: int, qty: int, fee_ppm: int) -> int:
    """Return how much of a fill the order's scope can bear with its equity staying at zero or above.

    All of it, nothing, or under isolated margin only the part that closes the position. Units: lots.
    """
    market = holding.market
    sign = order.sign
    if market.is_spot:
        return qty if bears_payment(holding, sign, price, qty, fee_ppm) else 0
    if not holding.account.is_isolated:
        cost = margins.cost_to_fill(market, sign, price, qty, fee_ppm)
        return qty if cost == 0 or margins.equity(holding.account, market.quote_asset) >= cost else 0
    closing = max(0, min(qty, -holding.position.qty * sign))
    if closing and not bears_close(holding, sign, price, closing, fee_ppm):
        return 0
    if closing < qty and not bears_opening(holding, sign, price, qty, fee_ppm):
        return closing
    return qty


def bears_payment(holding: Holding, sign: int, price: int, qty: int, fee_ppm: int) -> bool:
    """Tell whether a spot fill leaves the equity in what it pays with at zero or above.

    Under cross it may back positions; and a fee that was raised is more than what the order locked until the next tick.
    """
    market = holding.market
    if sign > 0:
        value = qty * price * market.unit_value
        return margins.equity(holding.account, market.quote_asset) >= value + margins.fee_on(
            market, qty, price, fee_ppm
        )
    return margins.equity(holding.account, market.base_asset) >= qty * market.lot_base


def bears_close(holding: Holding, sign: int, price: int, lots: int, fee_ppm: int) -> bool:
    """Tell whether an isolated position can close some lots at a price out of its own margin and equity."""
    market = holding.market
    position = holding.position
    value = lots * price * market.unit_value
    paid_fee = margins.fee_on(market, lots, price, fee_ppm)
    released = abs(position.entry_notional) * lots // abs(position.qty)
    realized = sign * (released - value)
    equity_after = position.margin + margins.unrealized(holding) - paid_fee
    equity_after -= margins.loss_to_mark(market, sign, price) * lots
    return equity_after >= 0 and position.margin + realized >= paid_fee


def bears_opening(holding: Holding, sign: int, price: int, qty: int, fee_ppm: int) -> bool:
    """Tell whether an isolated account's free balance, with what a close sets free, carries the opening part.

    A price better than the mark gives the position that much less margin to be assigned.
    """
    market = holding.market
    position = holding.position
    leverage_e2 = position.leverage_e2
    free = holding.quote.amount - holding.quote.locked - margins.fee_on(market, qty, price, fee_ppm)
    held = position.qty * sign
    size = margins.owner_size(holding)
    margin_now = 0
    if held > 0:
        margin_now = margins.initial_margin(market, position.qty, size, leverage_e2)
    elif held < 0:
        size -= margins.own_size(holding)
        closed_value = -held * price * market.unit_value
        free += position.margin - sign * closed_value - position.entry_notional
    opened = qty + min(held, 0)
    size += opened * (market.underlying_value if market.is_option else price * market.unit_value)
    needed = margins.initial_margin(market, (qty + held) * sign, size, leverage_e2) - margin_now
    needed += (price - market.mark_price) * sign * market.unit_value * opened
    return free >= max(0, needed)
