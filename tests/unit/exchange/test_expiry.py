"""Dated futures: the mean index before expiry, and what is left of a market after it."""

import pytest
from msgspec.structs import replace

from engine.order import Side, TriggerEvent
from exchange.audit import audit
from exchange.commands import (
    Deposit,
    MoveMargin,
    OpenAccount,
    PlaceOrder,
    SetMarginMode,
    SetMarketStatus,
    SetRulesVersion,
    Tick,
)
from exchange.events import (
    BalanceChanged,
    CancelReason,
    Cause,
    CommandRejected,
    Event,
    FundingSettled,
    MarketSettled,
    MarkPriceChanged,
    OrderCancelled,
    PositionChanged,
)
from exchange.instrument import MarketStatus, MarkMethod
from exchange.rejects import Reject
from exchange.snapshot import decode, encode
from tests.support.markets import (
    BASIS_CALL,
    BASIS_PERP,
    HOUR_STARTS_MS,
    LONG,
    MAKER,
    OPEN_MS,
    OTHER,
    SHORT,
    Venue,
    only,
)
from tests.support.world import USD, USD_UNIT
from tests.unit.exchange.test_funding import empty

EXPIRY_MS = HOUR_STARTS_MS
WINDOW_MS = 10_000
DATED = replace(
    BASIS_PERP,
    symbol="USD_BTC_20231114",
    mark_method=MarkMethod.INDEX,
    premium_clamp_ppm=0,
    expiry_ms=EXPIRY_MS,
    settlement_window_ms=WINDOW_MS,
)
BTC_LOTS = 10_000


def before_expiry(*instruments: object, position: int = BTC_LOTS) -> Venue:
    """Return an exchange a second before the window opens, LONG against SHORT."""
    venue = Venue(DATED, *instruments)  # type: ignore[arg-type]
    if position:
        venue.trade(position)
    venue.at(EXPIRY_MS - WINDOW_MS - 1_000)
    return venue


def expire(venue: Venue) -> list[Event]:
    """Let the window pass at 60,000 and the market expire."""
    venue.seconds(10)
    return venue.second()


def test_settlement_at_the_mean_index_of_the_window() -> None:
    """EXP-001: ten seconds at 60,001 ... 60,010.00 and a cent on the last: 60,005.501 is 60,005.50."""
    venue = before_expiry()
    venue.at(EXPIRY_MS - WINDOW_MS - 1, 99_000_00)  # a second too early
    for second in range(10):
        price = 60_001_00 + 1_00 * second + (1 if second == 9 else 0)
        venue.at(EXPIRY_MS - WINDOW_MS + 1_000 * second, price)
    assert (venue.market().settlement_total, venue.market().settlement_count) == (600_055_01, 10)
    events = venue.at(EXPIRY_MS, 70_000_00)  # the second of the expiry does not count
    assert only(MarketSettled, events) == [MarketSettled(1, 60_005_50)]
    assert only(MarkPriceChanged, events) == [MarkPriceChanged(1, 60_005_50)]
    assert venue.market().status is MarketStatus.SETTLED


def test_positions_are_closed_at_it_without_a_fee() -> None:
    """EXP-002: 1 BTC bought at 60,000 and settled at 60,500: 500 to one, 500 from the other."""
    venue = before_expiry()
    held = {account_id: venue.money(account_id) for account_id in (LONG, SHORT)}
    fees = venue.exchange.state.treasuries[USD].fees
    venue.seconds(10, 60_500_00)
    events = venue.second()
    assert venue.money(LONG) - held[LONG] == 500 * USD_UNIT
    assert venue.money(SHORT) - held[SHORT] == -500 * USD_UNIT
    assert venue.exchange.state.treasuries[USD].fees == fees
    assert only(PositionChanged, events) == [PositionChanged(LONG, 1, 0, 0, 0), PositionChanged(SHORT, 1, 0, 0, 0)]
    assert [(event.account_id, event.amount, event.cause) for event in only(BalanceChanged, events)] == [
        (LONG, 500 * USD_UNIT, Cause.TRADE),
        (SHORT, -500 * USD_UNIT, Cause.TRADE),
    ]
    assert venue.holding(LONG).position.realized_pnl == 500 * USD_UNIT
    assert venue.exchange.state.accounts[LONG].balance(USD).pnl == 500 * USD_UNIT
    assert venue.market().open_interest == 0
    assert audit(venue.exchange) == []


def test_nobody_is_watched_in_a_settled_market() -> None:
    """EXP-005: no alarm is left in it."""
    venue = Venue(DATED)
    venue.do(SetRulesVersion(2))
    empty(venue, LONG, 20_000 * USD_UNIT)
    venue.trade(BTC_LOTS)
    venue.at(EXPIRY_MS - WINDOW_MS)
    watch = venue.market().watch
    assert len(watch.low) + len(watch.high) == 2
    venue.at(EXPIRY_MS)
    assert len(watch.low) + len(watch.high) == 0


def test_isolated_margin_returns() -> None:
    """EXP-003: margin first, then the pnl: the balance never dips below what it had."""
    venue = Venue(DATED)
    venue.take(SetMarginMode(LONG, True))
    venue.trade(BTC_LOTS)
    margin = venue.holding(LONG).position.margin
    assert margin == 60_000 * USD_UNIT
    free = venue.money(LONG)
    venue.at(EXPIRY_MS - WINDOW_MS, 59_000_00)
    events = venue.at(EXPIRY_MS)
    booked = [(e.amount, e.cause) for e in only(BalanceChanged, events) if e.account_id == LONG]
    assert booked == [(margin, Cause.TRANSFER), (-1_000 * USD_UNIT, Cause.TRADE)]
    assert venue.money(LONG) == free + margin - 1_000 * USD_UNIT
    assert venue.holding(LONG).position.margin == 0
    assert audit(venue.exchange) == []


def test_all_orders_are_cancelled() -> None:
    """EXP-004: resting, reduce-only and waiting ones of this market, by account and order id; another market's stay."""
    venue = before_expiry(BASIS_PERP)
    venue.take(PlaceOrder(SHORT, 1, Side.SELL, 10, 60_100_00))
    venue.take(PlaceOrder(LONG, 1, Side.SELL, 10, 61_000_00, reduce_only=True))
    venue.take(PlaceOrder(LONG, 1, Side.SELL, 10, trigger_price=50_000_00, trigger_event=TriggerEvent.MARK_PRICE))
    venue.take(PlaceOrder(OTHER, 1, Side.BUY, 10, 59_000_00, oco="x"))
    venue.take(PlaceOrder(OTHER, 2, Side.BUY, 10, 59_000_00))
    events = expire(venue)
    cancelled = only(OrderCancelled, events)
    assert [(event.account_id, event.order_id) for event in cancelled] == [(LONG, 4), (LONG, 5), (SHORT, 3), (OTHER, 6)]
    assert {event.reason for event in cancelled} == {CancelReason.SETTLED}
    assert list(venue.exchange.state.orders) == [7]
    assert audit(venue.exchange) == []


def test_a_settled_market_is_over() -> None:
    """EXP-005: no order, no other status, no price; the rest of the exchange goes on."""
    venue = before_expiry(BASIS_PERP)
    expire(venue)
    assert venue.do(PlaceOrder(LONG, 1, Side.BUY, 10, 59_000_00)) == [CommandRejected(Reject.MARKET_CLOSED)]
    assert venue.do(SetMarketStatus(1, MarketStatus.TRADING)) == [CommandRejected(Reject.MARKET_CLOSED)]
    events = venue.seconds(5, 61_000_00)
    assert {event.market_id for event in only(MarkPriceChanged, events)} == {2}
    assert only(MarketSettled, events) == []
    assert venue.market().mark_price == 60_000_00
    twin = decode(encode(venue.exchange))
    assert twin.state_hash() == venue.exchange.state_hash()
    assert twin.state.markets[1].status is MarketStatus.SETTLED


def test_without_a_sample_the_last_index_settles() -> None:
    """EXP-006: asleep through the window: the index from before it; the one of the waking tick comes later."""
    venue = Venue(DATED)
    venue.trade(BTC_LOTS)
    venue.second(60_250_00)
    events = venue.at(EXPIRY_MS + 7_200_000, 70_000_00)
    assert only(MarketSettled, events) == [MarketSettled(1, 60_250_00)]


def test_seconds_in_which_the_index_is_held_do_not_count() -> None:
    """EXP-006: 60,000 in five seconds, then no source for five: the mean is of five."""
    venue = before_expiry()
    venue.seconds(5, 60_000_00)
    for _ in range(4):
        venue.time_ms += 1_000
        venue.do(Tick())
    assert venue.market().settlement_count == 9  # an observation counts for 10 s
    venue = before_expiry()
    venue.time_ms += 10_500
    venue.do(Tick())
    assert venue.market().settlement_count == 0


def test_a_late_tick_settles_before_anything_else() -> None:
    """EXP-007: the first tick at or after the expiry, however late; once."""
    venue = before_expiry()
    venue.seconds(9)
    events = venue.at(EXPIRY_MS + 999, 60_900_00)
    assert only(MarketSettled, events) == [MarketSettled(1, 60_000_00)]
    assert only(MarketSettled, venue.seconds(3)) == []


def test_funding_of_the_last_hour_is_settled_first() -> None:
    """EXP-008: an hour that ends with the market is paid by those who hold it to the end."""
    terms = replace(DATED, mark_method=MarkMethod.BASIS, premium_clamp_ppm=30_000)
    venue = Venue(terms)
    venue.trade(BTC_LOTS)
    venue.quote(60_590_00, 60_610_00)
    venue.seconds(59)
    events = venue.second()
    kinds = [type(event) for event in events]
    assert kinds.count(FundingSettled) == 1
    assert kinds.index(FundingSettled) < kinds.index(MarketSettled)
    assert only(FundingSettled, events)[0].time_ms == EXPIRY_MS
    assert only(FundingSettled, events)[0].collected > 0
    assert venue.market().funding_lot_e12 == 0
    assert audit(venue.exchange) == []


@pytest.mark.parametrize("is_isolated", [False, True])
def test_a_bankrupt_goes_through_the_ladder(is_isolated: bool) -> None:
    """EXP-009: 8,000 stand behind 1 BTC, isolated 6,000 of it, and the market settles 10,000 lower: the fund takes the position
    over before it is closed and bears what is missing, 2,018 with the fee of 18, isolated 4,000.
    """
    venue = Venue(DATED)
    venue.do(SetRulesVersion(2))
    venue.do(Deposit("fund", 0, USD, 500_000 * USD_UNIT))
    poor = 5
    venue.do(OpenAccount("poor", 5))
    venue.do(Deposit("poor", poor, USD, 8_000 * USD_UNIT))
    if is_isolated:
        venue.take(SetMarginMode(poor, True))
    venue.take(PlaceOrder(SHORT, 1, Side.SELL, BTC_LOTS, 60_000_00))
    venue.take(PlaceOrder(poor, 1, Side.BUY, BTC_LOTS, 60_000_00, leverage_e2=1_000 if is_isolated else 0))
    # the index collapses in the last second before expiry, and the service sleeps until after it
    market = venue.market()
    market.settlement_total, market.settlement_count = 50_000_00, 1
    events = venue.at(EXPIRY_MS)
    assert only(MarketSettled, events) == [MarketSettled(1, 50_000_00)]
    assert venue.money(poor) == (1_982 if is_isolated else 0) * USD_UNIT
    assert venue.money(0) == (496_000 if is_isolated else 497_982) * USD_UNIT
    assert market.open_interest == 0
    assert all(holding.position.qty == 0 for holding in market.holdings.values())
    assert audit(venue.exchange) == []


def test_options_and_perpetuals_do_not_expire() -> None:
    """EXP-005."""
    venue = Venue(BASIS_PERP, BASIS_CALL)
    assert only(MarketSettled, venue.at(OPEN_MS + 10**9)) == []


def test_margin_may_be_moved_until_the_end() -> None:
    """EXP-003: what was added returns as well."""
    venue = Venue(DATED)
    venue.take(SetMarginMode(LONG, True))
    held = venue.money(LONG)
    venue.trade(BTC_LOTS)
    fee = 18 * USD_UNIT if venue.exchange.state.accounts[LONG].balance(USD).fees else 0
    venue.do(MoveMargin(LONG, 1, 1_000 * USD_UNIT))
    venue.at(EXPIRY_MS - WINDOW_MS)
    venue.at(EXPIRY_MS)
    assert venue.money(LONG) == held - fee
    assert venue.money(MAKER) == 1_000_000 * USD_UNIT
