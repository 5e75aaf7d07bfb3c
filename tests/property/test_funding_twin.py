"""FND-024: an hour's payments against a naive settlement in exact fractions."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.order import Side
from exchange.audit import audit
from exchange.commands import Deposit, OpenAccount, PlaceOrder, SetMarginMode, SetRulesVersion
from exchange.events import BalanceChanged, Cause, FundingPaid, FundingSettled
from exchange.limits import RULES_LATEST
from exchange.margins import equity, scope_equity
from tests.support.markets import HOUR_STARTS_MS, Venue, only
from tests.support.world import USD
from tests.unit.exchange.test_funding import E12, INDEX_PERP, empty, with_premium

FIRST = 5
"""The first account beside the venue's own four."""


@dataclass
class Payer:
    """What the naive settlement knows of an account: its lots, what its scope can give, and what of that is not margin."""

    lots: int
    can_give: Fraction
    free: Fraction


def naive(accounts: dict[int, Payer], lot: Fraction, fund: Fraction) -> tuple[dict[int, int], int, int]:
    """Return what each account gets (or gives: negative), the fund's gift and what it keeps."""
    moved: dict[int, int] = {}
    owed: dict[int, int] = {}
    for account_id, account in sorted(accounts.items()):
        exact = account.lots * lot
        if exact > 0:
            moved[account_id] = -int(min(Fraction(ceil(exact)), max(Fraction(0), account.can_give)))
        elif exact < 0:
            owed[account_id] = floor(-exact)
    collected = -sum(moved.values())
    total = sum(owed.values())
    # the fund may itself have paid
    left = fund + moved.get(0, 0)
    gift = int(min(Fraction(max(0, total - collected)), max(Fraction(0), left)))
    part = min(Fraction(1), Fraction(collected + gift, total)) if total else Fraction(0)
    for account_id, amount in owed.items():
        moved[account_id] = floor(amount * part)
    residue = collected + gift - sum(moved[account_id] for account_id in owed)
    return moved, gift, residue


@settings(max_examples=150, deadline=None)
@given(
    lots=st.lists(st.integers(-300, 300), min_size=1, max_size=6),
    isolated=st.lists(st.booleans(), min_size=6, max_size=6),
    left=st.lists(st.integers(0, 400) | st.integers(0, 10**12), min_size=6, max_size=6),
    rate=st.integers(-40_000, 40_000) | st.integers(-(3 * 10**9), 3 * 10**9),
    fund=st.integers(0, 500) | st.integers(0, 10**9),
    price=st.integers(59_000_00, 61_000_00),
)
def test_an_hour_agrees_with_fractions(
    lots: list[int], isolated: list[bool], left: list[int], rate: int, fund: int, price: int
) -> None:
    """FND-009 FND-010 FND-011 FND-024."""
    venue = Venue(INDEX_PERP, now_ms=HOUR_STARTS_MS - 5_000)
    if fund:
        venue.do(Deposit("fund", 0, USD, fund))
    state = venue.exchange.state
    for at, qty in enumerate(lots):
        account_id = FIRST + at
        venue.do(OpenAccount(f"account {account_id}", account_id))
        venue.do(Deposit(f"usd {account_id}", account_id, USD, 10**14))
        if isolated[at]:
            venue.take(SetMarginMode(account_id, True))
        if qty:
            venue.take(PlaceOrder(1, 1, Side.SELL if qty > 0 else Side.BUY, abs(qty), 60_000_00))
            leverage_e2 = 10_000 if isolated[at] else 0
            side = Side.BUY if qty > 0 else Side.SELL
            venue.take(PlaceOrder(account_id, 1, side, abs(qty), 60_000_00, leverage_e2=leverage_e2))
        empty(venue, account_id, left[at])
    assert audit(venue.exchange) == []
    with_premium(venue, rate * 10)
    venue.observe(price)
    # What the accounts are worth when the hour is paid: at the mark of its tick.
    market = venue.market()
    accounts: dict[int, Payer] = {}
    held = market.mark_price
    market.set_mark(price)
    for account_id, holding in market.holdings.items():
        account = holding.account
        position = holding.position
        balance = account.balance(USD).amount
        if account.is_isolated:
            free = Fraction(max(0, balance))
            can_give = free + max(0, min(position.margin, scope_equity(holding)))
        else:
            free = can_give = Fraction(equity(account, USD))
        accounts[account_id] = Payer(position.qty, can_give, free)
    fund_equity = Fraction(equity(state.accounts[0], USD))
    market.set_mark(held)
    rate = max(-3 * 10**9, min(3 * 10**9, rate))  # 3% over ten hours
    lot = Fraction(rate * price * 100, E12)
    expected, gift, residue = naive(accounts, lot, fund_equity)
    before = sum(account.balance(USD).amount for account in state.accounts.values())
    margins = sum(holding.position.margin for holding in market.holdings.values())

    events = venue.at(HOUR_STARTS_MS, price)

    (settled,) = only(FundingSettled, events)
    assert settled.rate_e12 == rate
    paid = {event.account_id: event for event in only(FundingPaid, events)}
    assert {account_id: event.amount for account_id, event in paid.items()} == {
        account_id: amount for account_id, amount in expected.items() if amount
    }
    for account_id, event in paid.items():
        if accounts[account_id].lots * lot > 0 and state.accounts[account_id].is_isolated:
            assert event.from_margin == max(0, -event.amount - accounts[account_id].free)
        else:
            assert event.from_margin == 0
    assert (settled.gift, settled.residue) == (gift, residue)
    assert settled.collected + settled.gift == settled.paid + settled.residue
    booked = sum(
        event.amount for event in only(BalanceChanged, events) if event.cause in (Cause.FUNDING, Cause.INSURANCE)
    )
    assert booked == sum(event.from_margin for event in paid.values())
    assert before + margins == sum(account.balance(USD).amount for account in state.accounts.values()) + sum(
        holding.position.margin for holding in market.holdings.values()
    )
    assert audit(venue.exchange) == []


@settings(max_examples=40, deadline=None)
@given(
    qty=st.integers(1, 20_000),
    gaps=st.lists(st.integers(1, 40) | st.integers(1, 9_000), min_size=1, max_size=12),
    premiums=st.lists(st.integers(-(10**10), 10**10), min_size=12, max_size=12),
)
def test_hours_are_settled_from_seconds_laid_out_one_by_one(qty: int, gaps: list[int], premiums: list[int]) -> None:
    """FND-006 FND-007 FND-008: ticks come when they come; every second has its value, and every hour its mean, once."""
    venue = Venue(INDEX_PERP, now_ms=HOUR_STARTS_MS - 1_800_000)
    venue.do(SetRulesVersion(RULES_LATEST))
    venue.trade(qty)
    start = venue.time_ms // 1_000
    ticks = [(start, 0)]
    found: list[FundingSettled] = []
    for gap, premium in zip(gaps, premiums, strict=False):
        # the sample that was just taken shall have been this premium
        sampled = venue.market().premium
        sampled.total += premium - sampled.last
        sampled.last = premium
        ticks[-1] = (ticks[-1][0], premium)
        found += only(FundingSettled, venue.at(venue.time_ms + gap * 1_000))
        ticks.append((venue.time_ms // 1_000, 0))
    values: dict[int, int] = {}
    for (second, premium), (following, _) in pairwise(ticks):
        for missed in range(second, following):
            values[missed] = premium if missed - second <= 10 else 0
    ends = range(HOUR_STARTS_MS // 1_000, venue.time_ms // 1_000 + 1, 3_600)
    assert [event.time_ms // 1_000 for event in found] == list(ends)
    for event, end in zip(found, ends, strict=True):
        hour = [values[second] for second in range(max(start, end - 3_600), end)]
        mean = Fraction(sum(hour), len(hour))
        assert abs(Fraction(event.rate_e12) - mean / 10) < 1
        assert abs(event.rate_e12) <= abs(mean / 10)
    assert audit(venue.exchange) == []
