"""A contract's terms and prices in exact fractions, and what they ask of a position: the twin's table of margins."""

from dataclasses import dataclass
from fractions import Fraction

from exchange.instrument import Instrument, InstrumentKind
from tests.property.near import ONE, UNIT, ZERO, Near, larger, smaller

PPM = Fraction(1, 10**6)
RATE_UNIT = Fraction(1, 10**17)
"""What the rate of a leverage may be rounded by."""


@dataclass(slots=True)
class NaiveMarket:
    """A contract and its prices. Prices in the quote, quantities in the base."""

    market_id: int
    terms: Instrument
    mark: Fraction = Fraction(0)
    underlying: Fraction = Fraction(0)
    strike: Fraction = Fraction(0)
    funding_rate: Fraction = Fraction(0)
    """Of the mark, for the running hour."""
    funding_each: Fraction = Fraction(0)
    """What one coin's worth of an option pays for the running hour."""

    @property
    def is_spot(self) -> bool:
        return self.terms.kind is InstrumentKind.SPOT

    @property
    def is_call(self) -> bool:
        return self.terms.kind is InstrumentKind.CALL

    @property
    def is_option(self) -> bool:
        return self.terms.kind in (InstrumentKind.CALL, InstrumentKind.PUT)

    def qty(self, lots: int) -> Fraction:
        return Fraction(lots, 10**self.terms.lot_decimals)

    def price(self, units: int) -> Fraction:
        return Fraction(units, 10**self.terms.price_decimals)

    def fee(self, qty: Fraction, price: Fraction, rate_ppm: int) -> Fraction:
        """Rules 5: q min(rate U, 12.5% mark) for options; else a part of the notional. A rebate is negative."""
        rate = rate_ppm * PPM
        if not self.is_option:
            return qty * price * rate
        fee = qty * min(abs(rate) * self.underlying, self.terms.fee_cap_ppm * PPM * self.mark)
        return fee if rate > 0 else -fee


def requirement(market: NaiveMarket, lots: int, size: Near, leverage: Fraction, *, is_initial: bool) -> Near:
    """Rules 5: the margin of a position (+ long, - short) of an owner of a size. Rounded up once, the rate of a leverage as well."""
    if lots == 0:
        return ZERO
    if market.is_option:
        return option_requirement(market, lots, size, is_initial=is_initial)
    terms = market.terms
    slope = Fraction(terms.initial_slope_ppb if is_initial else terms.maintenance_slope_ppb, 10**9)
    rate = bracket_rate(terms, size, is_initial=is_initial) + Near.of(abs(market.funding_rate)) + size.times(slope)
    if leverage:
        rate = larger(rate, Near.of(1 / leverage).rounded_up(RATE_UNIT))
    return smaller(rate, ONE).times(market.qty(abs(lots)) * market.mark).rounded_up()


def bracket_rate(terms: Instrument, size: Near, *, is_initial: bool) -> Near:
    """What the parts of a size need, each at its bracket's rate, as a part of the size: what deductions amount to."""
    first_ppm = terms.initial_ppm if is_initial else terms.maintenance_ppm
    if not terms.brackets:
        return Near.of(first_ppm * PPM)

    def mean(value: Fraction) -> Fraction:
        if value <= 0:
            return first_ppm * PPM
        needed, floor = Fraction(0), Fraction(0)
        for number, bracket in enumerate(terms.brackets):
            rate = (bracket.initial_ppm if is_initial else bracket.maintenance_ppm) * PPM
            is_last = number == len(terms.brackets) - 1
            top = value if is_last else min(value, bracket.notional_max * UNIT)
            needed += max(Fraction(0), top - floor) * rate
            floor = max(floor, top)
        return needed / value

    return Near(mean(size.exact), mean(size.low), mean(size.high))


def option_requirement(market: NaiveMarket, lots: int, size: Near, *, is_initial: bool) -> Near:
    """The table's rows of options; the slope's rate is at most 100%."""
    terms = market.terms
    qty = market.qty(abs(lots))
    mark, underlying, strike = market.mark, market.underlying, market.strike
    funding = qty * abs(market.funding_each)
    if lots >= 0:
        rate = (terms.initial_ppm if is_initial else terms.maintenance_ppm) * PPM
        return Near.of(qty * mark * rate + funding).rounded_up()
    least = terms.short_maintenance_ppm * PPM
    maintenance = least * underlying if market.is_call else max(least * underlying, least * mark)
    unit = maintenance + mark
    if is_initial:
        otm = max(Fraction(0), strike - underlying if market.is_call else underlying - strike)
        initial = max(terms.short_initial_ppm * PPM * underlying - otm, terms.short_initial_min_ppm * PPM * underlying)
        unit = initial + mark if market.is_call else max(initial + mark, unit)
    slope = Fraction(terms.initial_slope_ppb if is_initial else terms.maintenance_slope_ppb, 10**9)
    extra = smaller(ONE, size.times(slope)).times(qty * underlying)
    return (Near.of(qty * unit + funding) + extra).rounded_up()
