"""Funding: samples of the premium each second, the predicted payment, and the settlement of each hour, exactly once.

A market has funding where its terms clamp the premium to something. The sample of a second is the premium after the mark of
that second's first tick; it belongs to the hour that the second lies in.
"""

from typing import Final, final

from exchange import margins, marks
from exchange.events import BalanceChanged, Cause, Event, FundingPaid, FundingPredicted, FundingSettled, PositionChanged
from exchange.limits import FUND_ACCOUNT_ID, RULES_OF_CORRECTIONS, SAMPLE_REPEAT_S, SETTLED_HOURS_PER_TICK_MAX
from exchange.state import Holding, Market, Premium, State
from funding.payment import due, from_isolated, share
from funding.premium import mean, premium_of, time_value_of
from funding.rate import hourly_rate, hourly_time_value, part_of_mark
from funding.schedule import HOUR_MS, SECOND_MS, hour_of, missed_seconds, second_of
from risk.option import intrinsic

_FUNDING: Final = Cause.FUNDING


def is_funded(market: Market) -> bool:
    """Tell whether positions in the market pay for the premium."""
    return market.instrument.premium_clamp_ppm > 0 and marks.is_live(market)


def take_sample(market: Market, rules_version: int, time_ms: int) -> None:
    """Take this second's sample of the premium; the seconds missed since the last one count as they should.

    While the index is held the last sample is repeated, as in missed seconds, and then counts zero: 10 s after the last one in
    all, however ticks come. Under the first rules each tick began the 10 s of the missed seconds after it anew.
    """
    premium = market.premium
    second_ms = second_of(time_ms)
    if is_funded(market):
        if premium.hour_ms == 0:
            reset(premium, hour_of(time_ms))
        else:
            count_missed(premium, second_ms)
        assert market.index is not None, "a funded market has an index"
        held_ms = time_ms - market.index.computed_ms
        if held_ms == 0:
            premium.last = sample(market)
        elif rules_version >= RULES_OF_CORRECTIONS:
            held_ms = second_ms - premium.sampled_ms
        if held_ms > SAMPLE_REPEAT_S * SECOND_MS:
            premium.last = 0
        add(premium, premium.last, 1)
        if held_ms == 0 or rules_version < RULES_OF_CORRECTIONS:
            premium.sampled_ms = second_ms
    premium.last_ms = second_ms


def sample(market: Market) -> int:
    """Return the premium now: of the mark on the index, for options of the mark over the intrinsic value."""
    if not market.is_option or market.instrument.is_premium_on_mark:
        return premium_of(market.mark_price, market.index_price)
    assert market.index is not None, "an option has an index"
    return time_value_of(market.mark_price, intrinsic(market.index.price, market.strike, is_call=market.is_call))


def reset(premium: Premium, hour_ms: int) -> None:
    """Start an hour without samples."""
    premium.hour_ms = hour_ms
    premium.total = 0
    premium.seconds = 0


def add(premium: Premium, value: int, seconds: int) -> None:
    """Count a value for so many seconds."""
    premium.total += value * seconds
    premium.seconds += seconds


def count_missed(premium: Premium, until_ms: int) -> None:
    """Count the running hour's seconds without a sample: the last one for 10 s, then zero."""
    from_ms = max(premium.last_ms + SECOND_MS, premium.hour_ms)
    missed, repeated = missed_seconds(premium.sampled_ms, from_ms, until_ms, SAMPLE_REPEAT_S)
    add(premium, premium.last, repeated)
    add(premium, 0, missed - repeated)


def rate_of(market: Market) -> tuple[int, int]:
    """Return what the samples of the running hour make of it: the rate at 10^-12 of the mark, and a lot's money at 10^-12."""
    terms = market.instrument
    premium = market.premium
    clamp_ppm = terms.premium_clamp_ppm
    level = mean(premium.total, premium.seconds)
    if market.is_option and not terms.is_premium_on_mark:
        lot = hourly_time_value(level, market.mark_price, clamp_ppm, terms.funding_period_h) * market.unit_value
        return part_of_mark(lot, market.mark_value), lot
    rate = hourly_rate(level, clamp_ppm, terms.funding_period_h, terms.interest_ppm, terms.interest_clamp_ppm)
    return rate, rate * market.mark_value


def predict(state: State, moved: list[Market], out: list[Event]) -> None:
    """Publish what the running hour would be settled with now, and put it into the margins at once.

    A market whose terms have ended its funding forgets the running hour.
    """
    for market in state.markets.values():
        rate = lot = 0
        if is_funded(market):
            rate, lot = rate_of(market)
        elif market.premium.hour_ms:
            reset(market.premium, 0)
            market.premium.last = 0
        if rate != market.funding_rate_e12 or lot != market.funding_lot_e12:
            market.set_funding(rate, lot)
            moved.append(market)
            out.append(FundingPredicted(market.market_id, rate, lot))


def settle_hours(state: State, time_ms: int, moved: list[Market], out: list[Event]) -> bool:
    """Settle every hour that has ended, one after the other, in each market in listing order.

    No hour ends for one market earlier than for another. Returns whether a bound left some for the next tick.
    """
    for _ in range(SETTLED_HOURS_PER_TICK_MAX):
        ended = [market for market in state.markets.values() if has_ended(market, time_ms)]
        if not ended:
            return False
        for market in ended:
            settle_hour(state, market, out)
            moved.append(market)
    return any(has_ended(market, time_ms) for market in state.markets.values())


def has_ended(market: Market, time_ms: int) -> bool:
    """Tell whether a market's running hour is over and to be settled."""
    hour_ms = market.premium.hour_ms
    return hour_ms > 0 and hour_ms + HOUR_MS <= time_ms and is_funded(market)


def settle_hour(state: State, market: Market, out: list[Event]) -> None:
    """Settle a market's running hour from its samples, at the present mark, and start the next one."""
    premium = market.premium
    end_ms = premium.hour_ms + HOUR_MS
    count_missed(premium, end_ms)
    rate, lot = rate_of(market)
    run = Settlement(state, market, lot, out)
    if lot:
        run.pay()
    reset(premium, end_ms)
    out.append(
        FundingSettled(
            market.market_id, end_ms, rate, lot, market.mark_price, run.collected, run.paid, run.gift, run.residue
        )
    )


@final
class Settlement:
    """One market's hour: who pays gives, who is owed gets. collected + gift = paid + residue. Units: money."""

    __slots__ = ("collected", "gift", "lot_e12", "market", "out", "owed", "paid", "receivers", "residue", "state")

    def __init__(self, state: State, market: Market, lot_e12: int, out: list[Event]) -> None:
        self.state: State = state
        self.market: Market = market
        self.lot_e12: int = lot_e12
        self.out: list[Event] = out
        self.receivers: list[tuple[Holding, int]] = []
        self.owed: int = 0
        self.collected: int = 0
        self.gift: int = 0
        self.paid: int = 0
        self.residue: int = 0

    def pay(self) -> None:
        """Take from payers by account id, fill up from the fund, give to receivers; what is left over goes to the fund.

        Cost: O(positions log positions).
        """
        market = self.market
        for account_id in sorted(market.holdings):
            holding = market.holdings[account_id]
            amount = due(holding.position.qty, self.lot_e12)
            if amount > 0:
                self.collected += self.collect(holding, amount)
            elif amount < 0:
                self.receivers.append((holding, -amount))
                self.owed -= amount
        fund = self.state.accounts[FUND_ACCOUNT_ID]
        if self.collected < self.owed:
            equity = margins.equity(fund, market.quote_asset)
            self.gift = min(self.owed - self.collected, max(0, equity))
        self.book_fund(-self.gift, Cause.INSURANCE)
        funded = self.collected + self.gift
        for holding, amount in self.receivers:
            self.paid += self.credit(holding, share(amount, funded, self.owed))
        self.residue = funded - self.paid
        self.book_fund(self.residue, _FUNDING)

    def collect(self, holding: Holding, owed: int) -> int:
        """Take what a payer can give, at most what its scope is worth. Returns how much that is.

        Payers are looked at again by the watch. Receivers need not be: they are safer than it knows.
        """
        account = holding.account
        self.state.unwatched[account.account_id] = account
        position = holding.position
        balance = holding.quote
        from_margin = 0
        if account.is_isolated:
            free = balance.amount - balance.locked
            from_balance, from_margin = from_isolated(owed, free, position.margin, margins.unrealized(holding))
        else:
            from_balance = min(owed, max(0, margins.equity(account, self.market.quote_asset)))
        position.margin -= from_margin
        self.book(holding, -from_balance, -from_balance - from_margin, from_margin)
        return from_balance + from_margin

    def credit(self, holding: Holding, amount: int) -> int:
        """Give a receiver its share. Returns it."""
        self.book(holding, amount, amount, 0)
        return amount

    def book(self, holding: Holding, to_balance: int, amount: int, from_margin: int) -> None:
        """Book a payment, entry by entry."""
        account_id = holding.account.account_id
        market = self.market
        position = holding.position
        balance = holding.quote
        out = self.out
        if amount == 0:
            return
        position.funding += amount
        if to_balance:
            balance.amount += to_balance
            out.append(
                BalanceChanged(account_id, market.quote_asset, to_balance, balance.amount, _FUNDING, market.market_id)
            )
        out.append(FundingPaid(account_id, market.market_id, amount, from_margin))
        if from_margin:
            out.append(
                PositionChanged(account_id, market.market_id, position.qty, position.entry_notional, position.margin)
            )

    def book_fund(self, amount: int, cause: Cause) -> None:
        """Book what the fund gives or keeps."""
        if amount:
            fund = self.state.accounts[FUND_ACCOUNT_ID]
            market = self.market
            balance = fund.balance(market.quote_asset)
            balance.amount += amount
            self.state.unwatched[FUND_ACCOUNT_ID] = fund
            self.out.append(
                BalanceChanged(FUND_ACCOUNT_ID, market.quote_asset, amount, balance.amount, cause, market.market_id)
            )
