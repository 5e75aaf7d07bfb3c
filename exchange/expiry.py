"""Dated futures: the mean index before expiry, and the end of a market at it."""

from typing import Final

from exchange import funding, liquidation, resting
from exchange.events import (
    BalanceChanged,
    CancelReason,
    Cause,
    Event,
    MarketSettled,
    MarkPriceChanged,
    PositionChanged,
)
from exchange.instrument import MarketStatus
from exchange.state import Holding, Market, State

SETTLED: Final = MarketStatus.SETTLED


def take_sample(market: Market, time_ms: int) -> None:
    """Count the index of this second into the settlement price, if it lies in the window before expiry. A held one does not count."""
    terms = market.instrument
    is_computed = market.index is not None and market.index.computed_ms == time_ms
    if is_computed and 0 < terms.expiry_ms <= time_ms + terms.settlement_window_ms:
        market.settlement_total += market.index_price
        market.settlement_count += 1


def settle_due(state: State, time_ms: int, out: list[Event]) -> None:
    """Settle the markets that have expired, in listing order."""
    for market in state.markets.values():
        expiry_ms = market.instrument.expiry_ms
        if 0 < expiry_ms <= time_ms and market.own_status is not SETTLED:
            settle(state, market, time_ms, out)


def settle(state: State, market: Market, time_ms: int, out: list[Event]) -> None:
    """End a market: its orders are cancelled, its positions closed at the settlement price, without a fee.

    Hours of funding that ended by the expiry are settled first. Who is bankrupt at the price goes through the ladder at it.
    """
    while funding.has_ended(market, market.instrument.expiry_ms):
        funding.settle_hour(state, market, out)
    cancel_orders(state, market, out)
    price = settlement_price(market)
    if price != market.mark_price:
        out.append(MarkPriceChanged(market.market_id, price))
    market.set_mark(price)
    liquidation.settle_bankrupts(state, market, time_ms, out)
    for account_id in sorted(market.holdings):
        holding = market.holdings[account_id]
        if holding.position.qty:
            close(state, holding, price, out)
    market.open_interest = 0
    market.own_status = SETTLED
    market.set_status(state.venue_status)
    out.append(MarketSettled(market.market_id, price))


def settlement_price(market: Market) -> int:
    """Return the mean index of the window; without a sample the last index. Rounds: down to a price unit."""
    if market.settlement_count:
        return market.settlement_total // market.settlement_count
    return market.index_price


def cancel_orders(state: State, market: Market, out: list[Event]) -> None:
    """Cancel a market's orders by account id and order id: resting ones, waiting ones, and those whose turn has not come."""
    for account_id in sorted(market.holdings):
        holding = market.holdings[account_id]
        for order_id in sorted([*holding.orders, *holding.triggers]):
            resting.cancel(state, holding, state.orders[order_id], CancelReason.SETTLED, out)


def close(state: State, holding: Holding, price: int, out: list[Event]) -> None:
    """Close a position at the settlement price: its pnl and its isolated margin go to the balance."""
    account = holding.account
    market = holding.market
    position = holding.position
    balance = holding.quote
    state.unwatched[account.account_id] = account
    margin = position.margin
    position.margin = 0
    lots = abs(position.qty)
    pnl = position.fill(-1 if position.qty > 0 else 1, lots, price, market.unit_value)
    for amount, cause in ((margin, Cause.TRANSFER), (pnl, Cause.TRADE)):
        if amount:
            balance.amount += amount
            out.append(
                BalanceChanged(account.account_id, market.quote_asset, amount, balance.amount, cause, market.market_id)
            )
    balance.pnl += pnl
    out.append(
        PositionChanged(account.account_id, market.market_id, position.qty, position.entry_notional, position.margin)
    )
