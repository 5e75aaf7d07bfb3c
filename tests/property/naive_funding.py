"""Funding in exact fractions: every second of an hour is asked for its sample, every position for its due."""

from dataclasses import dataclass, field
from fractions import Fraction

from exchange.events import FundingPaid, FundingSettled
from tests.property.naive_margin import NaiveMargin
from tests.property.naive_terms import PPM, NaiveMarket
from tests.property.near import UNIT, ZERO, Near, larger, smaller, total

RATE_STEP = Fraction(1, 10**12)
REPEAT_S = 10
HOUR_S = 3_600


@dataclass
class NaivePremium:
    """A market's samples by second. A second without one repeats the last for 10 s, then counts zero."""

    is_corrected: bool
    samples: dict[int, Fraction] = field(default_factory=dict)
    second: int = 0

    def take(self, market: NaiveMarket, time_ms: int, computed_ms: int) -> None:
        """Take the sample of a second's first tick. One on an index that is held is none, but may be the beginning.

        Under the first rules it repeats the last for 10 s, and is a sample.
        """
        second = time_ms // 1_000
        if second == self.second:
            return
        self.second = second
        if computed_ms == time_ms:
            self.samples[second] = sample(market)
        elif not self.samples or (not self.is_corrected and time_ms - computed_ms > REPEAT_S * 1_000):
            self.samples[second] = Fraction(0)
        elif not self.is_corrected:
            self.samples[second] = self.samples[max(self.samples)]

    def mean(self, from_s: int, until_s: int) -> Fraction:
        """The mean over a range of seconds, from the first sample that there is on."""
        seconds = sorted(self.samples)
        found = Fraction(0)
        for second, following in zip(seconds, [*seconds[1:], until_s], strict=True):
            counted = range(max(from_s, second), min(until_s, following, second + REPEAT_S + 1))
            found += self.samples[second] * len(counted)
        return found / (until_s - max(from_s, seconds[0]))


def sample(market: NaiveMarket) -> Fraction:
    """(mark - index)/index; of an option mark - intrinsic."""
    if not market.is_option:
        return (market.mark - market.underlying) / market.underlying
    gap = market.underlying - market.strike
    return market.mark - max(Fraction(0), gap if market.is_call else -gap)


def clamp(value: Fraction, bound: Fraction) -> Fraction:
    return max(-bound, min(bound, value))


def hourly(market: NaiveMarket, mean: Fraction) -> Near:
    """What a mean premium makes one coin's worth pay in an hour: a rate of the mark, of an option money.

    Samples, mean and result may each be rounded by a step towards zero.
    """
    terms = market.terms
    bound = terms.premium_clamp_ppm * PPM
    if market.is_option:
        each = clamp(mean, market.mark * bound) / terms.funding_period_h
        return Near.of(each).rounded(2 * RATE_STEP * market.price(1))
    drawn = mean + clamp(terms.interest_ppm * PPM - mean, terms.interest_clamp_ppm * PPM)
    return Near.of(clamp(drawn, bound) / terms.funding_period_h).rounded(2 * RATE_STEP)


class NaiveFunding:
    """All markets' premiums, and the settlement of an hour in a twin's ledger."""

    def __init__(self, twin: NaiveMargin, *, is_corrected: bool) -> None:
        self.twin = twin
        self.is_corrected = is_corrected
        self.premiums: dict[int, NaivePremium] = {}

    def take_samples(self, time_ms: int, computed_ms: dict[int, int]) -> None:
        """After a tick, with the time when each index was last made."""
        for market in self.twin.markets.values():
            if market.terms.premium_clamp_ppm and market.underlying:
                premium = self.premiums.setdefault(market.market_id, NaivePremium(self.is_corrected))
                premium.take(market, time_ms, computed_ms[market.terms.index_id])

    def running(self, market: NaiveMarket, time_ms: int) -> Near:
        """What the running hour would be settled with, the present second included."""
        second = time_ms // 1_000
        return hourly(market, self.premiums[market.market_id].mean(second // HOUR_S * HOUR_S, second + 1))

    def ended(self, market: NaiveMarket, end_ms: int) -> Near:
        end = end_ms // 1_000
        return hourly(market, self.premiums[market.market_id].mean(end - HOUR_S, end))

    def settle(self, event: FundingSettled) -> "Settled":
        """Settle in the twin's ledger. The rate is the event's, to the last digit: it was compared before."""
        twin = self.twin
        market = twin.markets[event.market_id]
        asset_id = market.terms.quote_asset
        each = event.lot_e12 * UNIT / 10**12 / market.qty(1)
        found = Settled()
        receivers: list[tuple[int, Near]] = []
        for account_id in sorted(twin.accounts):
            owing = market.qty(twin.position(account_id, event.market_id).lots) * each
            if owing > 0:
                given = self.collect(account_id, event.market_id, Near.of(owing).rounded_up())
                found.payments[account_id] = -given
                found.collected = found.collected + given
            elif owing < 0:
                receivers.append((account_id, Near.of(-owing).rounded_down()))
        owed = found.owed = total(due for _, due in receivers)
        missing = larger(ZERO, owed - found.collected)
        found.gift = smaller(missing, larger(ZERO, twin.equity(0, asset_id)))
        funded = found.collected + found.gift
        for account_id, due in receivers:
            share = larger(ZERO, smaller(due, part(due, funded, owed).rounded_down()))
            found.payments[account_id] = share
            found.paid = found.paid + share
            self.book(account_id, event.market_id, share)
        found.residue = funded - found.paid
        twin.credit(0, asset_id, found.residue - found.gift, is_outside=True)
        return found

    def collect(self, account_id: int, market_id: int, due: Near) -> Near:
        """A payer gives at most what its scope is worth: an isolated one from the free balance, then from its margin."""
        twin = self.twin
        asset_id = twin.markets[market_id].terms.quote_asset
        if not twin.accounts[account_id].is_isolated:
            given = smaller(due, larger(ZERO, twin.equity(account_id, asset_id)))
            self.book(account_id, market_id, -given)
            return given
        position = twin.position(account_id, market_id)
        free = larger(ZERO, twin.balance(account_id, asset_id) - twin.locked(account_id, asset_id))
        from_balance = smaller(due, free)
        worth = smaller(position.margin, position.margin + twin.unrealized(account_id, market_id))
        from_margin = larger(ZERO, smaller(due - from_balance, larger(ZERO, worth)))
        twin.move_margin(account_id, market_id, -from_margin)
        self.book(account_id, market_id, -(from_balance + from_margin))
        return from_balance + from_margin

    def book(self, account_id: int, market_id: int, amount: Near) -> None:
        twin = self.twin
        position = twin.position(account_id, market_id)
        position.funding = position.funding + amount
        twin.credit(account_id, twin.markets[market_id].terms.quote_asset, amount, is_outside=True)


@dataclass
class Settled:
    """An hour's payments by account, received or (negative) paid, and their sums."""

    payments: dict[int, Near] = field(default_factory=dict)
    owed: Near = ZERO
    collected: Near = ZERO
    gift: Near = ZERO
    paid: Near = ZERO
    residue: Near = ZERO

    def agrees(self, event: FundingSettled, paid: list[FundingPaid]) -> bool:
        """Tell whether an hour was settled like this."""
        amounts = {payment.account_id: payment.amount for payment in paid}
        pairs = [(near, amounts.pop(account_id, 0)) for account_id, near in self.payments.items()]
        pairs += [(self.collected, event.collected), (self.gift, event.gift)]
        pairs += [(self.paid, event.paid), (self.residue, event.residue)]
        return not amounts and all(near.holds(money * UNIT) for near, money in pairs)


def each_of(market: NaiveMarket, rate_e12: int, lot_e12: int) -> Fraction:
    """Return what events say of an hour in the twin's terms."""
    return Fraction(lot_e12, 10**12) * UNIT / market.qty(1) if market.is_option else Fraction(rate_e12, 10**12)


def part(due: Near, funded: Near, owed: Near) -> Near:
    """Return due x funded / owed, all above zero or nothing."""
    if owed.low <= 0:
        return due
    return Near(
        due.exact * funded.exact / owed.exact, due.low * funded.low / owed.high, due.high * funded.high / owed.low
    )
