"""Liquidation in exact fractions: who is unsafe, and what each step of the ladder may do to the twin's ledger."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from exchange.events import (
    BalanceChanged,
    Cause,
    Event,
    LiquidationEnded,
    LiquidationStarted,
    OrderAccepted,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
)
from tests.property.naive_margin import NaiveMargin
from tests.property.naive_terms import PPM, NaiveMarket
from tests.property.near import UNIT, ZERO, Near, larger, smaller, total

FUND = 0
INDEX_AGE_MAX_MS = 60_000


@dataclass
class Slice:
    """A slice on its way: the position as it was before it, and what of it was filled."""

    account_id: int
    market_id: int
    held: int
    value: Near
    lots: int = 0
    filled: Fraction = Fraction(0)
    is_charged: bool = False


class NaiveLiquidation:
    """The scopes that are being liquidated. What an event says is checked against the ledger, then taken as a fact."""

    def __init__(self, twin: NaiveMargin) -> None:
        self.twin = twin
        self.scopes: set[tuple[int, int]] = set()
        self.slices: dict[int, Slice] = {}

    # --- whom a tick finds ---

    def found(self, time_ms: int, computed_ms: dict[int, int]) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """Return the scopes whose liquidation begins with a tick, and those too near the edge to tell.

        Nobody is liquidated in a market whose index is older than 60 s.
        """
        unsafe, near = self.twin.unsafe()
        live = {
            market.market_id
            for market in self.twin.markets.values()
            if time_ms <= computed_ms.get(market.terms.index_id, 0) + INDEX_AGE_MAX_MS
        }
        found: set[tuple[int, int]] = set()
        for account_id, market_id in unsafe:
            held = {market_id} if market_id else set(self.positions(account_id))
            if held & live and (account_id, market_id) not in self.scopes:
                found.add((account_id, market_id))
        return found, near

    def positions(self, account_id: int) -> list[int]:
        positions = self.twin.accounts[account_id].positions
        return [market_id for market_id, position in positions.items() if position.lots]

    def equity(self, account_id: int, market_id: int) -> Near:
        """The equity of a scope (`market_id` 0: a cross account)."""
        twin = self.twin
        if market_id:
            return twin.position(account_id, market_id).margin + twin.unrealized(account_id, market_id)
        return twin.worth(account_id, self.asset_of(account_id))

    def maintenance(self, account_id: int, market_id: int) -> Near:
        held = [market_id] if market_id else self.positions(account_id)
        return total(self.twin.maintenance(account_id, held_id) for held_id in held)

    def asset_of(self, account_id: int) -> int:
        """The asset that all derivatives here are settled in."""
        return next(market.terms.quote_asset for market in self.twin.markets.values() if not market.is_spot)

    def scope_of(self, account_id: int, market_id: int) -> int:
        return market_id if self.twin.accounts[account_id].is_isolated else 0

    # --- what it is worth ---

    def value(self, account_id: int, market_id: int) -> Near:
        """What a position trades for at bankruptcy: |q| mark - s E_i, E_i = E MM_i // sum MM, all of E for the only one."""
        scope = self.scope_of(account_id, market_id)
        equity = self.equity(account_id, scope)
        if not scope and len(self.positions(account_id)) > 1:
            part, whole = self.maintenance(account_id, market_id), self.maintenance(account_id, 0)
            low, high = part.low / whole.high, part.high / whole.low
            corners = [equity.low * low, equity.low * high, equity.high * low, equity.high * high]
            exact = equity.exact * part.exact / whole.exact
            equity = Near(exact, min(corners), max(corners)).rounded_down()
        market, position = self.twin.markets[market_id], self.twin.position(account_id, market_id)
        notional = Near.of(market.qty(abs(position.lots)) * market.mark)
        return notional - equity if position.lots > 0 else notional + equity

    def slice_lots(self, market: NaiveMarket, lots: int) -> int:
        """max(1 lot, 10% of the position, ceil(1,000 USD)), all if less remains."""
        terms = market.terms
        price = market.underlying if market.is_option and lots < 0 else market.mark
        tenth = ceil(abs(lots) * terms.liquidation_slice_ppm * PPM)
        least = ceil(terms.liquidation_slice_min * UNIT / (market.qty(1) * price))
        return min(abs(lots), max(1, tenth, least))

    def limits(self, market: NaiveMarket, lots: int, price: Near) -> tuple[int, int]:
        """The tighter of a price and the range's edge, in price units and rounded to the solvent side: at least, at most."""
        tick = market.price(market.terms.tick)
        width = market.mark * market.terms.range_ppm * PPM
        if market.is_option:
            width = max(width, market.underlying * market.terms.range_floor_ppm * PPM)
        if lots > 0:
            edge = max(1, ceil((market.mark - width) / tick))
            found = [max(edge, ceil(bound / tick)) for bound in (price.low, price.high)]
        else:
            edge = floor((market.mark + width) / tick)
            found = [min(edge, floor(bound / tick)) for bound in (price.low, price.high)]
        return found[0] * market.terms.tick, found[1] * market.terms.tick

    # --- what happens ---

    def take(self, event: Event) -> None:
        """Check an event of the ladder and take it into the ledger; others are passed over."""
        if isinstance(event, OrderAccepted) and event.is_liquidation:
            self.begin_slice(event)
        elif isinstance(event, Traded) and event.is_liquidation:
            sent = self.slices[event.taker_order_id]
            market = self.twin.markets[event.market_id]
            sent.lots += event.qty
            sent.filled += market.qty(event.qty) * market.price(event.price)
        elif isinstance(event, BalanceChanged) and event.cause is Cause.LIQUIDATION and event.order_id in self.slices:
            if event.amount < 0:
                self.charge(event)
        elif isinstance(event, PositionTakenOver):
            self.take_over(event)
        elif isinstance(event, PositionDeleveraged):
            self.deleverage(event)
        elif isinstance(event, LiquidationStarted):
            self.measure(event)
            self.scopes.add((event.account_id, event.market_id))
        elif isinstance(event, LiquidationEnded):
            self.measure(event)
            assert self.twin_excess(event).high >= 0
            self.scopes.remove((event.account_id, event.market_id))

    def measure(self, event: LiquidationStarted | LiquidationEnded) -> None:
        if self.positions(event.account_id) and (event.market_id in (0, *self.positions(event.account_id))):
            assert self.equity(event.account_id, event.market_id).holds(event.equity * UNIT), event
            assert self.maintenance(event.account_id, event.market_id).holds(event.maintenance * UNIT), event

    def twin_excess(self, event: LiquidationEnded) -> Near:
        return self.equity(event.account_id, event.market_id) - self.maintenance(event.account_id, event.market_id)

    def begin_slice(self, event: OrderAccepted) -> None:
        """A slice has its size, and a limit no worse than bankruptcy and range allow; the fund's stays within 1% of the mark."""
        request = event.request
        market = self.twin.markets[request.market_id]
        lots = self.twin.position(request.account_id, request.market_id).lots
        assert event.qty == self.slice_lots(market, lots), event
        if request.account_id == FUND:
            value = ZERO
            price = Near.of(market.mark * (1 - (1 if lots > 0 else -1) * Fraction(1, 100)))
        else:
            value = self.value(request.account_id, request.market_id)
            price = value.times(1 / market.qty(abs(lots)))
        low, high = self.limits(market, lots, price)
        assert low <= event.price <= high, f"{event}: not within {low} and {high}"
        self.slices[event.order_id] = Slice(request.account_id, request.market_id, lots, value)

    def fee(self, sent: Slice) -> Near:
        """min(0.25% of the fill, half of its surplus over the bankruptcy price), rounded down."""
        if sent.account_id == FUND:
            return ZERO
        worth = sent.value.times(Fraction(sent.lots, abs(sent.held)))
        surplus = Near.of(sent.filled) - worth if sent.held > 0 else worth - Near.of(sent.filled)
        rate = self.twin.markets[sent.market_id].terms.liquidation_fee_ppm * PPM
        return larger(ZERO, smaller(Near.of(sent.filled * rate), surplus.times(Fraction(1, 2))).rounded_down(2 * UNIT))

    def charge(self, event: BalanceChanged) -> None:
        """The fee of a slice goes to the fund, out of the margin of an isolated position that is still there."""
        twin = self.twin
        sent = self.slices[event.order_id]
        assert sent.account_id == event.account_id
        assert self.fee(sent).holds(-event.amount * UNIT), f"{event}: {self.fee(sent)}"
        sent.is_charged = True
        fee = Near.of(-event.amount * UNIT)
        position = twin.position(event.account_id, event.market_id)
        if twin.accounts[event.account_id].is_isolated and position.lots:
            twin.move_margin(event.account_id, event.market_id, -fee)
        position.fees = position.fees + fee
        twin.credit(event.account_id, event.asset_id, -fee, is_outside=True)
        twin.credit(FUND, event.asset_id, fee, is_outside=True)

    def end_slices(self) -> None:
        """A slice without a fee brought nothing above bankruptcy."""
        for sent in self.slices.values():
            assert sent.is_charged or self.fee(sent).low <= 0, sent
        self.slices.clear()

    def take_over(self, event: PositionTakenOver) -> None:
        """Whoever takes lots at the bankruptcy price covers the initial margin of its whole book afterwards."""
        self.check_value(event)
        self.pass_lots(event.account_id, event.taker_account_id, event)
        asset_id = self.twin.markets[event.market_id].terms.quote_asset
        assert self.twin.available(event.taker_account_id, asset_id).high >= 0, event

    def deleverage(self, event: PositionDeleveraged) -> None:
        """Only who is safe is deleveraged at the bankruptcy price, and is not worth less than nothing afterwards."""
        other = event.counterparty_account_id
        scope = self.scope_of(other, event.market_id)
        if event.is_at_mark:
            market = self.twin.markets[event.market_id]
            assert event.value * UNIT == market.qty(abs(event.qty)) * market.mark
        else:
            self.check_value(event)
            assert (self.equity(other, scope) - self.maintenance(other, scope)).high >= 0, event
        self.pass_lots(event.account_id, other, event)
        if not event.is_at_mark and (not scope or self.twin.position(other, event.market_id).lots):
            assert self.equity(other, scope).high >= 0, event

    def check_value(self, event: PositionTakenOver | PositionDeleveraged) -> None:
        lots = self.twin.position(event.account_id, event.market_id).lots
        assert lots * event.qty > 0
        assert abs(event.qty) <= abs(lots)
        value = self.value(event.account_id, event.market_id).times(Fraction(event.qty, lots)).rounded()
        assert value.holds(event.value * UNIT), f"{event}: {value}"

    def pass_lots(self, account_id: int, other_id: int, event: PositionTakenOver | PositionDeleveraged) -> None:
        twin = self.twin
        market = twin.markets[event.market_id]
        sign = 1 if event.qty > 0 else -1
        value = Near.of(event.value * UNIT)
        lots = abs(event.qty)
        twin.fill(account_id, market, -sign, lots, value, price=market.mark, fee=ZERO, is_forced=True)
        twin.fill(other_id, market, sign, lots, value, price=market.mark, fee=ZERO)
