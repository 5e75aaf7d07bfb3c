"""Funding: samples, the predicted payment, and each hour's settlement."""

import pytest
from msgspec.structs import replace

from engine.order import Side
from exchange.audit import audit
from exchange.commands import (
    AmendMarket,
    Deposit,
    OptionModel,
    PlaceOrder,
    SetMarginMode,
    SetMarketStatus,
    SetRulesVersion,
    Tick,
    UpdateOptionModels,
)
from exchange.events import (
    BalanceChanged,
    Cause,
    Event,
    FundingPaid,
    FundingPredicted,
    FundingSettled,
    MarkPriceChanged,
    OrderCancelled,
    PositionChanged,
)
from exchange.instrument import IndexTerms, Instrument, MarketStatus, MarkMethod
from exchange.limits import RULES_LATEST, SETTLED_HOURS_PER_TICK_MAX
from exchange.margins import available
from exchange.snapshot import decode, encode
from exchange.state import Market
from tests.support.markets import (
    BASIS_CALL,
    BASIS_PERP,
    BASIS_PUT,
    HOUR_MS,
    HOUR_STARTS_MS,
    LONG,
    MAKER,
    OTHER,
    SHORT,
    Venue,
    only,
)
from tests.support.world import USD, USD_UNIT

BTC_LOTS = 10_000
E12 = 10**12
CENT = USD_UNIT // 100
INDEX_PERP = replace(BASIS_PERP, mark_method=MarkMethod.INDEX)
"""Marked at its index: the premium is what a test puts in."""


def with_premium(venue: Venue, premium: int, market_id: int = 1) -> None:
    """Let every sample of the running hour so far have been this premium, at 10^-12."""
    sampled = venue.market(market_id).premium
    sampled.total = premium * sampled.seconds
    sampled.last = premium


def to_the_hour(venue: Venue, hour_ms: int = HOUR_STARTS_MS) -> list[Event]:
    """Let the hour be over with the present last sample repeated for 10 s at the most."""
    return venue.at(hour_ms)


def charged(
    rate: int, *instruments: Instrument, lots: int = BTC_LOTS, isolated: tuple[int, ...] = (), fund: int = 0
) -> Venue:
    """Return an exchange 5 s before the hour whose samples make this rate, at 10^-12 an hour; LONG holds lots against SHORT."""
    venue = Venue(*(instruments or (INDEX_PERP,)), now_ms=HOUR_STARTS_MS - 5_000)
    if fund:
        venue.do(Deposit("fund", 0, USD, fund))
    for account_id in isolated:
        venue.take(SetMarginMode(account_id, True))
    venue.trade(lots)
    with_premium(venue, rate * 10)
    return venue


# --- samples ----------------------------------------------------------------------------------------------------------


def test_each_second_is_a_sample() -> None:
    """FND-002 FND-003 FND-014: marks 60,000 then 60,019.67: premiums 0 and 327,833,333: the mean is what ten hours would pay."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_590_00, 60_610_00)
    events = venue.second()
    premium = venue.market().premium
    assert (premium.seconds, premium.last, premium.total) == (2, 327_833_333, 327_833_333)
    rate = 327_833_333 // 2 // 10
    assert only(FundingPredicted, events) == [FundingPredicted(1, rate, rate * 60_019_67 * 100)]


def test_a_second_is_sampled_once() -> None:
    """FND-002: further ticks of the same second add nothing."""
    venue = Venue(BASIS_PERP)
    for _ in range(3):
        venue.at(venue.time_ms + 250)
    assert venue.market().premium.seconds == 1


def test_missed_seconds_repeat_for_10_s_then_count_zero() -> None:
    """FND-007: a last premium of 1%, then 30 s without a tick: 10 more of 1%, 19 of nothing, then the new sample."""
    venue = Venue(INDEX_PERP)
    with_premium(venue, E12 // 100)
    venue.at(venue.time_ms + 30_000)
    premium = venue.market().premium
    assert (premium.seconds, premium.total, premium.last) == (31, 11 * E12 // 100, 0)


def test_the_sample_of_a_full_hour_belongs_to_the_next_one() -> None:
    """FND-006: from 59 minutes to the full hour there are 60 samples; the next hour begins with its own."""
    venue = Venue(INDEX_PERP)
    venue.seconds(59)
    assert (venue.market().premium.seconds, venue.market().premium.hour_ms) == (60, HOUR_STARTS_MS - HOUR_MS)
    venue.second()
    assert (venue.market().premium.seconds, venue.market().premium.hour_ms) == (1, HOUR_STARTS_MS)


def test_repeated_seconds_go_over_the_hour() -> None:
    """FND-007: the last sample 3 s before the hour, the next tick 20 s later: 2 repeats before the hour, 8 after it."""
    venue = Venue(INDEX_PERP, now_ms=HOUR_STARTS_MS - 3_000)
    with_premium(venue, E12 // 100)
    (settled,) = only(FundingSettled, venue.at(HOUR_STARTS_MS + 17_000))
    assert settled.rate_e12 == E12 // 1_000
    premium = venue.market().premium
    assert (premium.seconds, premium.total) == (18, 8 * E12 // 100)  # 0 to 7 repeat, 8 to 16 do not, 17 is new


def test_while_the_index_is_held_samples_repeat_for_10_s() -> None:
    """FND-017: no source, but ticks: the sources count for 10 s, then the last premium for 10 s more, then zero."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_590_00, 60_610_00)
    venue.second()
    held_from = venue.time_ms + 10_000
    values = []
    for _ in range(30):
        venue.time_ms += 1_000
        venue.do(Tick())
        values.append((venue.time_ms - held_from, venue.market().premium.last))
    frozen = dict(values)[0]
    assert frozen > dict(values)[-1_000] > 0
    assert all(value == frozen for after, value in values if 0 <= after <= 10_000)
    assert all(value == 0 for after, value in values if after > 10_000)
    assert venue.market().premium.seconds == 32


@pytest.mark.parametrize("rules,repeated", [(2, 16), (RULES_LATEST, 11)])
def test_a_tick_on_a_held_index_prolongs_nothing(rules: int, repeated: int) -> None:
    """FND-017: a sample of 1%, a tick 5 s later with the sources apart, nothing for 30 s. An exchange read from a snapshot knows."""
    venue = Venue(INDEX_PERP, index=IndexTerms(1, "BTC", 2))
    venue.do(SetRulesVersion(rules))
    venue.observe(60_000_00)
    venue.observe(60_000_00, source_id=2)
    venue.do(Tick())
    venue.second()
    with_premium(venue, E12 // 100)
    before = venue.market().premium.seconds - 1
    venue.observe(61_000_00, source_id=2)
    for after_ms in (5_000, 25_000):
        twin = decode(encode(venue.exchange))
        venue.do(Tick(), after_ms)
        twin.apply(Tick(), venue.time_ms)
        assert twin.state_hash() == venue.exchange.state_hash()
    premium = venue.market().premium
    assert (premium.seconds - before, premium.total - before * E12 // 100) == (31, repeated * E12 // 100)


def test_a_market_listed_in_the_hour_averages_what_it_has() -> None:
    """FND-003: 5 seconds of 1% settle as 1%."""
    venue = charged(E12 // 1_000)
    (settled,) = only(FundingSettled, to_the_hour(venue))
    assert settled.rate_e12 == E12 // 1_000


# --- settlement -------------------------------------------------------------------------------------------------------


def test_longs_pay_shorts() -> None:
    """FND-001 FND-004: 1 BTC at 60,000 and 0.1%: 60 from the long to the short, booked entry by entry."""
    venue = charged(E12 // 1_000)
    held = {account_id: venue.money(account_id) for account_id in (LONG, SHORT)}
    events = to_the_hour(venue)
    assert [event for event in events if isinstance(event, BalanceChanged | FundingPaid | FundingSettled)] == [
        BalanceChanged(LONG, USD, -60 * USD_UNIT, held[LONG] - 60 * USD_UNIT, Cause.FUNDING, 1),
        FundingPaid(LONG, 1, -60 * USD_UNIT),
        BalanceChanged(SHORT, USD, 60 * USD_UNIT, held[SHORT] + 60 * USD_UNIT, Cause.FUNDING, 1),
        FundingPaid(SHORT, 1, 60 * USD_UNIT),
        FundingSettled(
            1,
            HOUR_STARTS_MS,
            E12 // 1_000,
            60_000_00 * 100 * E12 // 1_000,
            60_000_00,
            60 * USD_UNIT,
            60 * USD_UNIT,
            0,
            0,
        ),
    ]
    assert venue.holding(LONG).position.funding == -60 * USD_UNIT
    assert venue.holding(SHORT).position.funding == 60 * USD_UNIT
    assert audit(venue.exchange) == []


def test_shorts_pay_where_the_rate_is_negative() -> None:
    """FND-001: -0.1%."""
    venue = charged(-E12 // 1_000)
    paid = only(FundingPaid, to_the_hour(venue))
    assert paid == [FundingPaid(SHORT, 1, -60 * USD_UNIT), FundingPaid(LONG, 1, 60 * USD_UNIT)]


def test_an_hour_is_settled_once() -> None:
    """FND-001: by the first tick at or after its end, however late; further ticks of that second do nothing more."""
    venue = charged(E12 // 1_000)
    assert only(FundingSettled, venue.at(HOUR_STARTS_MS - 1)) == []
    settled = only(FundingSettled, venue.at(HOUR_STARTS_MS + 700))
    assert [event.time_ms for event in settled] == [HOUR_STARTS_MS]
    assert only(FundingSettled, venue.at(HOUR_STARTS_MS + 800)) == []
    assert only(FundingSettled, venue.at(HOUR_STARTS_MS + HOUR_MS - 1)) == []
    assert len(only(FundingSettled, venue.at(HOUR_STARTS_MS + HOUR_MS))) == 1


def test_missed_hours_settle_once_each_from_their_samples() -> None:
    """FND-008: asleep from 5 s before one hour to 30 minutes into the fourth: the first at 0.1%, the second from what its 6 repeated
    seconds leave, the third and its successor from nothing; the running one starts with this second.
    """
    venue = charged(E12 // 1_000)
    twin = decode(encode(venue.exchange))
    twin.time_ms = venue.exchange.time_ms
    wake_ms = HOUR_STARTS_MS + 3 * HOUR_MS + 1_800_000
    settled = only(FundingSettled, venue.at(wake_ms))
    assert [(event.time_ms - HOUR_STARTS_MS) // HOUR_MS for event in settled] == [0, 1, 2, 3]
    sixth = 6 * (E12 // 100) // 3_600 // 10
    assert [event.rate_e12 for event in settled] == [E12 // 1_000, sixth, 0, 0]
    assert venue.market().premium.hour_ms == HOUR_STARTS_MS + 3 * HOUR_MS
    assert venue.market().premium.seconds == 1_801
    # an exchange that was stopped and read from its snapshot settles the same
    again = [event for time_ms, command in venue.journal[-2:] for event in twin.apply(command, time_ms)]
    assert only(FundingSettled, again) == settled
    assert twin.state_hash() == venue.exchange.state_hash()


def test_hours_that_a_tick_cannot_settle_are_left_to_the_next() -> None:
    """FND-018: at most two weeks of hours in one tick; the rest is due at once, none is lost."""
    venue = charged(E12 // 1_000)
    hours = SETTLED_HOURS_PER_TICK_MAX + 3
    wake_ms = HOUR_STARTS_MS + (hours - 1) * HOUR_MS + 1_000
    events = venue.at(wake_ms)
    assert len(only(FundingSettled, events)) == SETTLED_HOURS_PER_TICK_MAX
    assert venue.exchange.next_due_ms == wake_ms
    assert venue.market().premium.seconds == 0
    settled = only(FundingSettled, venue.do(Tick()))
    assert [event.time_ms for event in settled] == [HOUR_STARTS_MS + (hours - n) * HOUR_MS for n in (3, 2, 1)]
    assert venue.exchange.next_due_ms > wake_ms
    assert venue.market().premium.seconds == 2


def test_the_hour_is_paid_at_the_mark_of_its_tick() -> None:
    """FND-001: the index, and with it the mark, is 66,000 when the hour ends: 66 for 0.1%."""
    venue = charged(E12 // 1_000)
    events = venue.at(HOUR_STARTS_MS, 66_000_00)
    assert only(FundingPaid, events)[0].amount == -66 * USD_UNIT
    kinds = [type(event) for event in events]
    assert kinds.index(MarkPriceChanged) < kinds.index(FundingPaid)


def test_payers_round_up_receivers_down_the_rest_is_the_funds() -> None:
    """FND-009: LONG 3 and OTHER 4 lots against 7 of SHORT at 0.5 units a lot: 2 + 2 paid, 3 received, 1 to the fund."""
    venue = Venue(INDEX_PERP, now_ms=HOUR_STARTS_MS - 5_000)
    venue.take(PlaceOrder(SHORT, 1, Side.SELL, 7, 60_000_00))
    venue.take(PlaceOrder(LONG, 1, Side.BUY, 3, 60_000_00))
    venue.take(PlaceOrder(OTHER, 1, Side.BUY, 4, 60_000_00))
    with_premium(venue, 10 * 834)  # 834 at 10^-12 of a lot's 6 x 10^8: 0.5004
    events = to_the_hour(venue)
    assert [event.amount for event in only(FundingPaid, events)] == [-2, -3, 3]
    (settled,) = only(FundingSettled, events)
    assert (settled.lot_e12, settled.collected, settled.paid, settled.gift, settled.residue) == (
        834 * 60_000_00 * 100,
        5,
        3,
        0,
        2,
    )
    assert venue.money(0) == 2
    assert audit(venue.exchange) == []


def test_a_market_that_trades_nothing_still_settles() -> None:
    """FND-001: its rate is history too."""
    venue = Venue(INDEX_PERP, now_ms=HOUR_STARTS_MS - 5_000)
    assert only(FundingSettled, to_the_hour(venue)) == [FundingSettled(1, HOUR_STARTS_MS, 0, 0, 60_000_00, 0, 0, 0, 0)]


def test_a_halted_market_still_pays() -> None:
    """FND-019."""
    venue = charged(E12 // 1_000)
    venue.do(SetMarketStatus(1, MarketStatus.HALTED))
    assert len(only(FundingPaid, to_the_hour(venue))) == 2


def test_markets_in_listing_order_and_payers_by_account() -> None:
    """FND-015."""
    second = replace(INDEX_PERP, symbol="USD_BTC_2_PERP")
    venue = Venue(INDEX_PERP, second, now_ms=HOUR_STARTS_MS - 5_000)
    for market_id in (2, 1):
        venue.take(PlaceOrder(MAKER, market_id, Side.SELL, 30, 60_000_00))
        for account_id in (OTHER, LONG, SHORT):
            venue.take(PlaceOrder(account_id, market_id, Side.BUY, 10, 60_000_00))
        with_premium(venue, E12 // 100, market_id)
    paid = [(event.market_id, event.account_id) for event in only(FundingPaid, to_the_hour(venue))]
    assert paid == [(m, a) for m in (1, 2) for a in (LONG, SHORT, OTHER, MAKER)]


# --- who cannot pay ---------------------------------------------------------------------------------------------------


def empty(venue: Venue, account_id: int, left: int) -> None:
    """Take an account's money away but for some, as a loss in another world would."""
    balance = venue.exchange.state.accounts[account_id].balance(USD)
    venue.exchange.state.treasuries[USD].withdrawn += balance.amount - left
    balance.amount = left


def test_a_payer_gives_at_most_its_equity_and_the_fund_the_rest() -> None:
    """FND-010: 60 owed, 25 there, 100 in the fund: 25 collected, a gift of 35, 60 received."""
    venue = charged(E12 // 1_000, fund=100 * USD_UNIT)
    empty(venue, LONG, 25 * USD_UNIT)
    events = to_the_hour(venue)
    (settled,) = only(FundingSettled, events)
    assert (settled.collected, settled.gift, settled.paid, settled.residue) == (
        25 * USD_UNIT,
        35 * USD_UNIT,
        60 * USD_UNIT,
        0,
    )
    assert (venue.money(LONG), venue.money(0)) == (0, 65 * USD_UNIT)
    gift = BalanceChanged(0, USD, -35 * USD_UNIT, 65 * USD_UNIT, Cause.INSURANCE, 1)
    assert gift in events
    assert LONG in venue.exchange.state.unwatched
    assert audit(venue.exchange) == []


def test_what_the_fund_lacks_reduces_the_receivers_pro_rata() -> None:
    """FND-010: 90 owed to 60 and 30; 25 collected, 20 in the fund: 45 of 90: 30 and 15."""
    venue = Venue(INDEX_PERP, now_ms=HOUR_STARTS_MS - 5_000)
    venue.do(Deposit("fund", 0, USD, 20 * USD_UNIT))
    venue.take(PlaceOrder(LONG, 1, Side.BUY, 15_000, 60_000_00))
    venue.take(PlaceOrder(SHORT, 1, Side.SELL, 10_000, 60_000_00))
    venue.take(PlaceOrder(OTHER, 1, Side.SELL, 5_000, 60_000_00))
    with_premium(venue, E12 // 100)
    empty(venue, LONG, 25 * USD_UNIT)
    events = to_the_hour(venue)
    assert [(event.account_id, event.amount // USD_UNIT) for event in only(FundingPaid, events)] == [
        (LONG, -25),
        (SHORT, 30),
        (OTHER, 15),
    ]
    (settled,) = only(FundingSettled, events)
    assert (settled.collected, settled.gift, settled.paid, settled.residue) == (
        25 * USD_UNIT,
        20 * USD_UNIT,
        45 * USD_UNIT,
        0,
    )
    assert venue.money(0) == 0
    assert audit(venue.exchange) == []


def test_unrealized_losses_count_against_a_payer_and_profits_for_it() -> None:
    """FND-010: under cross the equity pays: a balance of 25 with a loss of 20 gives 5, with a profit of 100 all 60."""
    for price, given in ((59_980_00, 5), (60_100_00, 60)):
        venue = charged(E12 // 1_000)
        empty(venue, LONG, 25 * USD_UNIT)
        paid = only(FundingPaid, venue.at(HOUR_STARTS_MS, price))
        rounded = given if given == 5 else price * BTC_LOTS // 10**9
        assert -paid[0].amount // USD_UNIT == rounded
        assert audit(venue.exchange) == []


def test_an_account_without_equity_gives_nothing_and_is_looked_at() -> None:
    """FND-010: equity -10: nothing is collected, nothing is owed later."""
    venue = charged(E12 // 1_000)
    empty(venue, LONG, 10 * USD_UNIT)
    venue.exchange.state.unwatched.clear()
    events = venue.at(HOUR_STARTS_MS, 59_980_00)
    assert only(FundingPaid, events) == []
    assert only(FundingSettled, events)[0].collected == 0
    assert LONG in venue.exchange.state.unwatched


def test_the_fund_pays_and_receives_like_others() -> None:
    """FND-016: the fund is long 1 BTC: it pays first, down to zero; what it lacks it does not give to itself."""
    venue = charged(E12 // 1_000, fund=40 * USD_UNIT)
    market = venue.market()
    fund = market.holding(venue.exchange.state.accounts[0])
    taken, left = fund.position, venue.holding(LONG).position
    taken.trade(1, BTC_LOTS, left.entry_notional)
    left.trade(-1, BTC_LOTS, left.entry_notional)
    left.entry_notional = 0
    assert audit(venue.exchange) == []
    events = to_the_hour(venue)
    assert [(event.account_id, event.amount // USD_UNIT) for event in only(FundingPaid, events)] == [
        (0, -40),
        (SHORT, 40),
    ]
    assert venue.money(0) == 0
    assert only(FundingSettled, events)[0].gift == 0


# --- isolated margin --------------------------------------------------------------------------------------------------


def test_isolated_positions_pay_from_the_free_balance_first() -> None:
    """FND-011: 25 free: 25 from there and 35 from the margin; the receiver's goes to its balance."""
    venue = charged(E12 // 1_000, isolated=(LONG, SHORT))
    margin = venue.holding(LONG).position.margin
    empty(venue, LONG, 25 * USD_UNIT)
    received = venue.money(SHORT)
    events = to_the_hour(venue)
    assert only(FundingPaid, events)[0] == FundingPaid(LONG, 1, -60 * USD_UNIT, 35 * USD_UNIT)
    assert venue.money(LONG) == 0
    assert venue.holding(LONG).position.margin == margin - 35 * USD_UNIT
    position = venue.holding(LONG).position
    assert only(PositionChanged, events) == [
        PositionChanged(LONG, 1, position.qty, position.entry_notional, margin - 35 * USD_UNIT)
    ]
    assert venue.money(SHORT) == received + 60 * USD_UNIT
    assert audit(venue.exchange) == []


def test_what_spot_orders_lock_does_not_pay() -> None:
    """FND-020: 100 in the balance, 90 of them locked: 10 from the balance, 50 from the margin."""
    venue = charged(E12 // 1_000, isolated=(LONG,))
    balance = venue.exchange.state.accounts[LONG].balance(USD)
    empty(venue, LONG, 100 * USD_UNIT)
    balance.locked = 90 * USD_UNIT
    assert only(FundingPaid, to_the_hour(venue))[0].from_margin == 50 * USD_UNIT
    assert balance.amount == balance.locked


def test_an_isolated_margin_pays_down_to_zero_equity() -> None:
    """FND-011: margin 6,000 at 10x, the mark 5,980 lower: 20 of equity are left to give, the fund gives the rest."""
    venue = Venue(INDEX_PERP, now_ms=HOUR_STARTS_MS - 5_000)
    venue.do(Deposit("fund", 0, USD, 100 * USD_UNIT))
    venue.take(SetMarginMode(LONG, True))
    venue.take(PlaceOrder(SHORT, 1, Side.SELL, BTC_LOTS, 60_000_00))
    venue.take(PlaceOrder(LONG, 1, Side.BUY, BTC_LOTS, 60_000_00, leverage_e2=1_000))
    empty(venue, LONG, 0)
    with_premium(venue, E12 // 100)
    margin = venue.holding(LONG).position.margin
    assert margin == 6_000 * USD_UNIT
    events = venue.at(HOUR_STARTS_MS, 54_020_00)
    assert only(FundingPaid, events)[0] == FundingPaid(LONG, 1, -20 * USD_UNIT, 20 * USD_UNIT)
    assert only(FundingSettled, events)[0].gift == 54_02 * CENT - 20 * USD_UNIT
    assert audit(venue.exchange) == []


# --- options ----------------------------------------------------------------------------------------------------------


def test_a_call_pays_a_tenth_of_its_time_value() -> None:
    """FND-012: model and mark 900 with an intrinsic value of 0: 90 an hour for 1 BTC; the rate is 10% of the mark."""
    venue = Venue(BASIS_CALL, now_ms=HOUR_STARTS_MS - 60_000)
    for _ in range(59):
        venue.do(UpdateOptionModels((OptionModel(1, 900_00, 600_000),), venue.time_ms))
        venue.second()
        if venue.market().open_interest == 0:
            venue.trade(BTC_LOTS)
    samples = venue.market().premium
    assert samples.last == 900_00 * E12
    venue.do(UpdateOptionModels((OptionModel(1, 900_00, 600_000),), venue.time_ms))
    (settled,) = only(FundingSettled, venue.second())
    mean = (30_00 + 59 * 900_00) * E12 // 60  # the first second had no model: 30
    assert settled.lot_e12 == mean // 10 * 100
    assert settled.collected == -(-mean // 10 * 100 * BTC_LOTS // E12)
    assert audit(venue.exchange) == []


def with_time_value(instrument: Instrument, mark: int, mean: int, index: int = 60_000_00) -> Market:
    """Return an option's market with a model mark and a mean sample."""
    venue = Venue(instrument, price=60_000_00)
    venue.do(UpdateOptionModels((OptionModel(1, mark, 600_000),), venue.time_ms))
    venue.second(index)
    samples = venue.market().premium
    samples.total, samples.seconds = mean * E12 * 10, 10
    venue.do(UpdateOptionModels((OptionModel(1, mark, 600_000),), venue.time_ms))
    venue.do(Tick())
    assert venue.market().mark_price == mark
    return venue.market()


@pytest.mark.parametrize(
    "mean,lot",
    [
        (900_00, 90_00),
        (950_00, 90_00),  # at most a tenth of the mark of 900
        (-200_00, -20_00),
        (-5_000_00, -90_00),
    ],
)
def test_an_option_pays_at_most_a_tenth_of_its_mark(mean: int, lot: int) -> None:
    """FND-012: what a lot pays is money: price units x 100."""
    market = with_time_value(BASIS_CALL, 900_00, mean)
    assert market.funding_lot_e12 == lot * 100 * E12
    assert abs(market.funding_rate_e12) == abs(market.funding_lot_e12) // (900_00 * 100)


@pytest.mark.parametrize("instrument,index", [(BASIS_CALL, 61_000_00), (BASIS_PUT, 59_000_00)])
def test_the_intrinsic_value_is_not_paid_for(instrument: Instrument, index: int) -> None:
    """FND-012: 1,000 in the money and marked at 1,400: the sample is 400."""
    market = with_time_value(instrument, 1_400_00, 0, index)
    assert market.premium.last == 400_00 * E12


def test_the_switch_to_the_printed_variant() -> None:
    """FND-013: clamp((mark - index)/index, 100%)/10 of the mark: 31.50 on an index of 30 is 5%: 0.5% an hour; 900 on 30: 10%."""
    switched = replace(BASIS_CALL, is_premium_on_mark=True)
    for mark, rate in ((31_50, E12 // 200), (900_00, E12 // 10)):
        venue = Venue(switched)
        for _ in range(2):
            venue.do(UpdateOptionModels((OptionModel(1, mark, 600_000),), venue.time_ms))
            venue.second()
        samples = venue.market().premium
        assert samples.last == (mark - 30_00) * E12 // 30_00
        samples.total = samples.last * samples.seconds
        venue.do(Tick())
        assert venue.market().funding_rate_e12 == rate
        assert venue.market().funding_lot_e12 == rate * mark * 100


# --- the predicted rate and the margins -------------------------------------------------------------------------------


def test_the_predicted_rate_is_part_of_the_margin_at_once() -> None:
    """FND-014: 0.3% an hour: 1 BTC at 60,000 needs 60,000 x (1% + 6% + 0.3%) instead of 7%."""
    venue = charged(0)
    before = available(venue.exchange.state.accounts[LONG], USD)
    with_premium(venue, 3 * E12)
    assert only(FundingPredicted, venue.do(Tick())) == [FundingPredicted(1, 3 * 10**9, 3 * 10**9 * 60_000_00 * 100)]
    assert before - available(venue.exchange.state.accounts[LONG], USD) == 180 * USD_UNIT
    assert only(FundingPredicted, venue.do(Tick())) == []


def at_the_limit(premium: int, rules: int = 2) -> Venue:
    """Return an exchange before the hour where LONG has 1 BTC, an order, and 10 USD more than they need."""
    venue = charged(0)
    if rules > 1:
        venue.do(SetRulesVersion(rules))
    venue.take(PlaceOrder(LONG, 1, Side.BUY, 10, 59_000_00))
    with_premium(venue, premium)
    venue.do(Tick())
    spare = available(venue.exchange.state.accounts[LONG], USD)
    empty(venue, LONG, venue.money(LONG) - spare + 10 * USD_UNIT)
    return venue


def test_what_the_margin_held_for_the_payment_pays_it() -> None:
    """FND-021: 180 are paid and 180 less are needed: nobody loses an order, or more, because the hour is full."""
    venue = at_the_limit(3 * E12 // 100)
    events = to_the_hour(venue)
    assert only(FundingPaid, events)[0].amount == -180 * USD_UNIT
    assert only(OrderCancelled, events) == []
    assert available(venue.exchange.state.accounts[LONG], USD) >= 10 * USD_UNIT


@pytest.mark.parametrize("rules", [1, 2])
def test_a_payment_sheds_what_the_account_no_longer_carries(rules: int) -> None:
    """FND-021: 180 that nothing was held for: the order goes in the same tick, though neither mark nor predicted rate moved."""
    venue = at_the_limit(0, rules)
    assert LONG not in venue.exchange.state.unwatched or rules == 1
    with_premium(venue, 3 * E12 // 100)
    events = to_the_hour(venue)
    assert not only(MarkPriceChanged, events) and not only(FundingPredicted, events)
    assert only(FundingPaid, events)[0].amount == -180 * USD_UNIT
    assert [event.order_id for event in only(OrderCancelled, events)] == [3]
    assert audit(venue.exchange) == []


def test_funding_can_be_ended_and_begun_by_terms() -> None:
    """FND-023: without a clamp nothing is sampled, owed or part of the margin; with one again the hour starts anew."""
    venue = charged(E12 // 1_000)
    venue.do(Tick())
    assert venue.market().funding_rate_e12 == E12 // 1_000
    venue.do(AmendMarket(1, replace(INDEX_PERP, premium_clamp_ppm=0)))
    events = venue.second()
    assert only(FundingPredicted, events) == [FundingPredicted(1, 0, 0)]
    events = to_the_hour(venue)
    assert only(FundingSettled, events) == []
    venue.do(AmendMarket(1, INDEX_PERP))
    assert only(FundingSettled, venue.second()) == []
    assert (venue.market().premium.hour_ms, venue.market().premium.seconds) == (HOUR_STARTS_MS, 1)


def test_interest_is_paid_without_a_premium() -> None:
    """FND-005: 0.01% for a period of 8 h within 0.05%: 0.00125% an hour of 60,000: 0.75."""
    terms = replace(INDEX_PERP, interest_ppm=100, interest_clamp_ppm=500, funding_period_h=8)
    venue = charged(0, terms)
    assert only(FundingPaid, to_the_hour(venue))[0].amount == -75 * CENT


def test_a_premium_bought_for_a_minute_is_a_sixtieth_of_the_hour() -> None:
    """FND-003: the fair price 5% up for the last minute of an hour: the mark follows to 3%, but the hour pays 0.0041%."""
    wide = replace(BASIS_PERP, range_ppm=500_000)
    venue = Venue(wide, now_ms=HOUR_STARTS_MS - HOUR_MS)
    venue.trade(BTC_LOTS)
    venue.at(HOUR_STARTS_MS - 61_000)
    with_premium(venue, 0)
    venue.quote(63_000_00, 63_010_00)
    venue.seconds(60)
    assert venue.market().mark_price == 61_800_00
    (settled,) = only(FundingSettled, venue.second())
    assert settled.rate_e12 == 40_706_421  # of 3,000,000,000 at the most
