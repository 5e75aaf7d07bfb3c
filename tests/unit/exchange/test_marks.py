"""Strikes, options' own indices, fair prices and marks, tick by tick."""

from fractions import Fraction

import pytest
from msgspec.structs import replace

from engine.order import Side, TriggerEvent
from exchange.audit import audit
from exchange.commands import (
    AmendMarket,
    CancelOrders,
    ListMarket,
    OptionModel,
    PlaceOrder,
    SetRulesVersion,
    Tick,
    UpdateOptionModels,
)
from exchange.events import (
    CommandRejected,
    IndexPriceChanged,
    MarkPriceChanged,
    OptionIndexChanged,
    OrderTriggered,
    StrikeChanged,
)
from exchange.instrument import Instrument, InstrumentKind, MarkMethod
from exchange.limits import RULES_LATEST, TERMS_NOTICE_MS
from exchange.rejects import Reject
from exchange.snapshot import decode, encode
from risk.mark import with_basis
from tests.support.markets import (
    BASIS_CALL,
    BASIS_PERP,
    BASIS_PUT,
    LONG,
    MAKER,
    OPEN_MS,
    OTHER,
    SHORT,
    Venue,
    only,
)

I = 60_000_00  # noqa: E741 - the index, as the rules call it
MEDIAN_PERP = replace(BASIS_PERP, mark_method=MarkMethod.MEDIAN)
WIDE_PERP = replace(BASIS_PERP, range_ppm=500_000)
WIDE_CALL = replace(BASIS_CALL, range_floor_ppm=500_000)
WIDE_PUT = replace(BASIS_PUT, range_floor_ppm=500_000)
"""With a trading range in which anything may rest."""


def model(venue: Venue, price: int, market_id: int = 1) -> None:
    """Let the feed say a model value, as of now."""
    venue.do(UpdateOptionModels((OptionModel(market_id, price, 600_000),), venue.time_ms))


# --- fair price and basis ---------------------------------------------------------------------------------------------


def test_fair_is_the_mid_of_the_fair_sides() -> None:
    """PRC-011 PRC-012 PRC-014: bids 60,590 and asks 60,610 of the impact depth: fair 60,600, basis 600, of it 2/61 at once."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_590_00, 60_610_00)
    events = venue.second()
    assert venue.market().fair_price == 60_600_00
    assert venue.market().basis_ema == 600_00 * 10**9 * 2 // 61
    assert only(MarkPriceChanged, events) == [MarkPriceChanged(1, 60_019_67)]  # 600 x 2/61 = 19.672...


def test_the_basis_comes_in_over_a_minute() -> None:
    """PRC-014: after 60 s of a basis of 600 the mark has 600 (1 - (59/61)^60) = 518.81 of it."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_590_00, 60_610_00)
    venue.seconds(60)
    exact = 600_00 * (1 - Fraction(59, 61) ** 60)
    assert abs(venue.market().mark_price - I - exact) <= 1
    assert venue.market().mark_price == 60_518_81


def test_one_lot_does_not_set_the_best_price() -> None:
    """PRC-011: a bid of 1 lot at 61,800 is within the range, but 10% of the depth is first there at 60,000: with the impact
    average of 60,000.60 and 0.999 x 60,000 the fair bid is 60,000.60.
    """
    venue = Venue(BASIS_PERP)
    venue.quote(60_000_00, 62_000_00)
    venue.take(PlaceOrder(OTHER, 1, Side.BUY, 1, 61_800_00))
    venue.second()
    assert venue.market().fair_price == (60_000_60 + 62_000_00) // 2


def test_the_scaled_best_price_bounds_a_hollow_book() -> None:
    """PRC-011: 300 lots at 60,000 and the rest at 50,000: the impact bid is 51,000, the fair bid 0.999 x 60,000 = 59,940."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_000_00, 60_100_00, 300)
    venue.quote(50_000_00, 70_000_00, 2_700)
    venue.second()
    # the ask: impact (300 x 60,100 + 2,700 x 70,000) / 3,000 = 69,010, scaled 1.001 x 60,100 = 60,160.10
    assert venue.market().fair_price == (59_940_00 + 60_160_10) // 2


@pytest.mark.parametrize("bid_lots,ask_lots", [(2_999, 3_000), (3_000, 2_999), (0, 3_000), (3_000, 0), (0, 0)], ids=str)
def test_a_side_without_depth_gives_no_basis(bid_lots: int, ask_lots: int) -> None:
    """PRC-013: the EMA falls towards the index by its own steps, never by a jump."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_590_00, 60_610_00)
    venue.seconds(60)
    before = venue.market().basis_ema
    venue.do(CancelOrders(MAKER))
    venue.quote(60_590_00 if bid_lots else 0, 0, bid_lots)
    venue.quote(0, 60_610_00 if ask_lots else 0, ask_lots)
    events = venue.second()
    assert venue.market().fair_price == 0
    assert venue.market().basis_ema == before + 2 * (0 - before) // 61
    (changed,) = only(MarkPriceChanged, events)
    assert changed.price == 60_501_80  # 518.81 x 59/61 = 501.80
    for _ in range(600):
        venue.second()
    assert venue.market().mark_price == I


def test_hidden_lots_and_reserves_do_not_count() -> None:
    """PRC-013."""
    venue = Venue(BASIS_PERP)
    venue.take(PlaceOrder(MAKER, 1, Side.BUY, 9_000, 60_590_00, hidden=True))
    venue.take(PlaceOrder(MAKER, 1, Side.SELL, 9_000, 60_610_00, icebergs=10))
    venue.second()
    assert venue.market().fair_price == 0
    venue.quote(60_590_00, 60_610_00, 3_000)
    venue.second()
    assert venue.market().fair_price == 60_600_00


def test_mark_triggers_follow_a_mark_from_the_book() -> None:
    """PRC-014: the index stands; a trigger at 60,100 fires when the basis has come so far, in the same tick."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_590_00, 60_610_00)
    venue.take(PlaceOrder(LONG, 1, Side.BUY, 10, 59_000_00, trigger_price=60_100_00))
    for _ in range(20):
        events = venue.second()
        assert bool(only(OrderTriggered, events)) == (venue.market().mark_price >= 60_100_00)
        if only(OrderTriggered, events):
            return
    raise AssertionError("it never fired")


def test_a_gap_is_one_step() -> None:
    """PRC-014: five minutes without a tick move the EMA by as much as one second."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_590_00, 60_610_00)
    venue.at(venue.time_ms + 300_000)
    assert venue.market().mark_price == 60_019_67


def test_a_second_is_sampled_once() -> None:
    """PRC-014: further ticks of the same second step nothing, but the mark follows the index at once."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_590_00, 60_610_00)
    venue.second()
    ema = venue.market().basis_ema
    assert only(MarkPriceChanged, venue.do(Tick())) == []
    assert only(MarkPriceChanged, venue.at(venue.time_ms + 999, 60_010_00)) == [MarkPriceChanged(1, 60_029_67)]
    assert venue.market().basis_ema == ema
    venue.at(venue.time_ms + 1)
    assert venue.market().basis_ema > ema


def test_a_mark_follows_the_book_while_the_index_is_held() -> None:
    """PRC-016: no source for 20 s: base and bounds stand, the basis goes on."""
    venue = Venue(BASIS_PERP)
    venue.quote(60_590_00, 60_610_00)
    for _ in range(20):
        venue.time_ms += 1_000
        venue.do(Tick())
    assert venue.exchange.state.indices[1].computed_ms == OPEN_MS + 10_000
    assert abs(venue.market().mark_price - I - 600_00 * (1 - Fraction(59, 61) ** 20)) <= 1


def test_a_future_is_bounded_by_its_index() -> None:
    """PRC-015: a fair price 10% above for ten minutes: 3%; below likewise; the EMA itself is not cut."""
    venue = Venue(WIDE_PERP)
    venue.quote(66_000_00, 66_010_00)
    venue.seconds(600)
    assert venue.market().mark_price == 61_800_00
    assert venue.market().basis_ema > 5_900_00 * 10**9
    venue.do(CancelOrders(MAKER))
    venue.quote(54_000_00, 54_010_00)
    venue.seconds(600)
    assert venue.market().mark_price == 58_200_00


def test_an_index_spike_moves_the_mark_no_further_than_itself() -> None:
    """PRC-014: base and basis: the index falls 1,000 in a second, the book stays; the mark falls with it and comes back slowly."""
    venue = Venue(BASIS_PERP)
    venue.quote(59_990_00, 60_010_00)
    venue.seconds(60)
    assert venue.market().mark_price == I
    venue.second(59_000_00)
    assert venue.market().mark_price == 59_032_79  # 1,000 x 2/61


# --- the median of three ----------------------------------------------------------------------------------------------


def test_the_median_of_three() -> None:
    """PRC-017: index with funding, index with basis, and the median of bid, ask and last."""
    venue = Venue(MEDIAN_PERP)
    venue.trade(10)  # last 60,000
    venue.quote(60_590_00, 60_610_00)
    venue.second()
    market = venue.market()
    # 60,000 as nothing was predicted; 60,019.67; median(60,590, 60,610, 60,000) = 60,590
    assert market.mark_price == 60_019_67
    venue.second()
    assert market.funding_rate_e12 > 0
    assert market.mark_price == 60_038_70  # the basis again: the funding left is worth far less
    venue.do(CancelOrders(MAKER))
    venue.quote(59_990_00, 60_010_00)
    venue.second()
    carried = I + Fraction(I * market.funding_rate_e12, 10**12)
    assert I < market.mark_price <= carried  # book and trades say 60,000, the basis 60,037.43, the funding less


def test_one_input_does_not_move_the_median() -> None:
    """PRC-017: last trades at the range's end do not, against a book around the index."""
    venue = Venue(MEDIAN_PERP)
    venue.quote(59_990_00, 60_010_00)
    venue.take(PlaceOrder(SHORT, 1, Side.SELL, 1, 60_005_00))
    venue.take(PlaceOrder(LONG, 1, Side.BUY, 1, 60_005_00))
    venue.seconds(30)
    assert venue.market().mark_price == I


@pytest.mark.parametrize("bid,ask", [(0, 60_610_00), (60_590_00, 0), (0, 0)])
def test_without_bid_ask_or_last_the_basis_counts_twice(bid: int, ask: int) -> None:
    """PRC-018."""
    venue = Venue(MEDIAN_PERP)
    if bid or ask:
        venue.trade(10)
    venue.quote(60_590_00, 60_610_00)
    venue.seconds(10)
    basis = venue.market().mark_price
    venue.do(CancelOrders(MAKER))
    venue.quote(bid, ask)
    venue.second()
    assert I < venue.market().mark_price < basis


def test_without_a_last_price_the_book_alone_is_no_third() -> None:
    """PRC-018: bid and ask around 60,000 under a basis that is still 135.85: without a trade the mark stays with the basis."""
    venue = Venue(MEDIAN_PERP)
    venue.quote(60_590_00, 60_610_00)
    venue.seconds(8)
    venue.do(CancelOrders(MAKER))
    venue.quote(59_990_00, 60_010_00)
    venue.second()
    assert venue.market().last_price == 0
    assert venue.market().mark_price == I + 135_85
    assert venue.market().mark_price == with_basis(I, venue.market().basis_ema)


def test_nothing_is_left_of_the_funding_when_the_hour_ends() -> None:
    """PRC-017: in the tick that settles an hour t is 0, in the next one nearly an hour."""
    venue = Venue(replace(MEDIAN_PERP, interest_ppm=20_000, interest_clamp_ppm=20_000, funding_period_h=1))
    # interest 2% an hour for a premium near zero; no book, so the basis is zero and counts twice: the mark is the index
    while venue.time_ms < OPEN_MS + 59_000:
        venue.second()
    assert venue.market().funding_rate_e12 == 2 * 10**10
    assert venue.market().mark_price == I
    venue.trade(10, 61_000_00)
    venue.quote(61_500_00, 61_600_00)
    venue.second()  # bid 61,500 and last 61,000: the third is 61,500; the basis 60,050.82, the funding left 60,000
    assert venue.market().mark_price == 60_050_82
    venue.seconds(15)
    # basis 60,650; 60,000 x 2% x 3,585 s of 3,600 s; 61,500
    assert venue.market().mark_price == 61_195_00


# --- options ----------------------------------------------------------------------------------------------------------


def test_a_strike_is_seeded_by_the_first_index_and_steps_each_5_s() -> None:
    """PRC-005 PRC-006: 60,000; after 5 s at 96,000.50 it is 60,001; within the 5 s nothing."""
    venue = Venue(BASIS_CALL)
    assert venue.market().strike == I
    assert venue.exchange.state.indices[1].ema == I * 10**9
    events = venue.seconds(4, 96_000_50)
    assert only(StrikeChanged, events) == []
    assert only(StrikeChanged, venue.second(96_000_50)) == [StrikeChanged(1, 60_001_00)]


def test_missed_steps_of_the_strike_are_skipped() -> None:
    """PRC-006: an hour asleep is one step."""
    venue = Venue(BASIS_CALL)
    venue.at(venue.time_ms + 3_600_000, 96_000_50)
    assert venue.exchange.state.indices[1].ema == 60_001_00 * 10**9


def test_a_held_index_makes_no_step() -> None:
    """PRC-006."""
    venue = Venue(BASIS_CALL)
    venue.second(96_000_50)
    for _ in range(20):
        venue.time_ms += 1_000
        venue.do(Tick())
    ema = venue.exchange.state.indices[1].ema
    venue.time_ms += 5_000
    venue.do(Tick())
    assert venue.exchange.state.indices[1].ema == ema


def test_an_index_without_options_has_no_slow_average() -> None:
    """PRC-005."""
    venue = Venue(BASIS_PERP)
    venue.seconds(10)
    assert venue.exchange.state.indices[1].ema == 0


def test_strikes_of_multipliers() -> None:
    """PRC-007: 60,001 x 0.97 = 58,200.97 is 58,201, x 1.10 = 66,001.10 is 66,001."""
    low, high = replace(BASIS_CALL, strike_ppm=970_000), replace(BASIS_PUT, strike_ppm=1_100_000)
    venue = Venue(low, high)
    events = venue.seconds(5, 96_000_50)
    assert only(StrikeChanged, events) == [StrikeChanged(1, 58_201_00), StrikeChanged(2, 66_001_00)]


def test_an_option_has_its_own_index() -> None:
    """PRC-008: max(intrinsic, 0.0005 U): at 60,000 a call with strike 60,000 has 30, at 60,500 it has 500, a put 30.25."""
    venue = Venue(BASIS_CALL, BASIS_PUT)
    assert [venue.market(n).index_price for n in (1, 2)] == [30_00, 30_00]
    events = venue.second(60_500_00)
    assert only(OptionIndexChanged, events) == [OptionIndexChanged(1, 500_00), OptionIndexChanged(2, 30_25)]
    assert only(OptionIndexChanged, venue.second()) == []


def test_index_triggers_of_an_option_wait_for_its_own_index() -> None:
    """PRC-008: a trigger at 400 fires when the underlying passes 60,400, not on 60,000."""
    venue = Venue(BASIS_CALL)
    venue.take(PlaceOrder(LONG, 1, Side.BUY, 10, 20_00, trigger_price=400_00, trigger_event=TriggerEvent.INDEX_PRICE))
    assert only(OrderTriggered, venue.second(60_399_00)) == []
    assert len(only(OrderTriggered, venue.second(60_400_00))) == 1


def test_an_option_has_no_price_before_its_first_strike() -> None:
    """PRC-009: listed between two ticks, it takes no order on the underlying's price."""
    venue = Venue(BASIS_PERP)
    venue.take(ListMarket(2, BASIS_CALL))
    assert (venue.market(2).mark_price, venue.market(2).index_price) == (0, 0)
    assert venue.do(PlaceOrder(LONG, 2, Side.BUY, 10, 500_00)) == [CommandRejected(Reject.NO_PRICE)]
    twin = decode(encode(venue.exchange))
    assert twin.apply(PlaceOrder(LONG, 2, Side.BUY, 10, 500_00), venue.time_ms) == [CommandRejected(Reject.NO_PRICE)]
    venue.second()
    assert (venue.market(2).strike, venue.market(2).mark_price) == (I, 30_00)


def test_an_option_without_a_model_is_marked_at_its_own_index() -> None:
    """PRC-019: with the basis of its book on it: fair 120, basis 90: 30 + 2.95."""
    venue = Venue(BASIS_CALL)
    assert venue.market().mark_price == 30_00
    venue.quote(119_95 // 50 * 50, 120_50)  # 119.50 and 120.50
    venue.second()
    assert venue.market().fair_price == 120_00
    assert venue.market().mark_price == 32_95


def test_a_fresh_model_is_the_base() -> None:
    """PRC-019: 900; for 10 s; then the own index again, with the basis that was."""
    venue = Venue(BASIS_CALL)
    model(venue, 900_00)
    made_ms = venue.time_ms
    assert venue.market().mark_price == 30_00  # not before the next tick
    venue.second()
    assert venue.market().mark_price == 900_00
    venue.at(made_ms + 10_000)
    assert venue.market().mark_price == 900_00
    venue.at(made_ms + 10_001)
    assert venue.market().mark_price == 30_00


def test_the_book_moves_an_option_no_further_than_1_percent_of_u_from_its_model() -> None:
    """PRC-020: a fair price of 2,900 against a model of 900: 1,500 at the most."""
    venue = Venue(WIDE_CALL)
    venue.quote(2_899_50, 2_900_50)
    for _ in range(600):
        model(venue, 900_00)
        venue.second()
    assert venue.market().mark_price == 1_500_00
    venue.seconds(11)
    assert venue.market().mark_price < 3_030_00  # no fresh model: the index's range alone


def test_an_option_is_sampled_once_a_second() -> None:
    """PRC-014."""
    venue = Venue(BASIS_CALL)
    venue.quote(119_50, 120_50)
    venue.second()
    ema = venue.market().basis_ema
    venue.at(venue.time_ms + 999)
    assert venue.market().basis_ema == ema == 90_00 * 10**9 * 2 // 61


def test_a_put_is_never_worth_more_than_its_strike() -> None:
    """PRC-019: a strike of 600 under a book at 2,000: 600, though 5% of U would allow 3,030."""
    venue = Venue(replace(WIDE_PUT, strike_ppm=10_000))
    venue.quote(1_999_50, 2_000_50)
    venue.seconds(200)
    assert venue.market().strike == 600_00
    assert venue.market().mark_price == 600_00


def test_an_options_bounds_follow_index_and_underlying() -> None:
    """PRC-019: without a model a fair price of 9,000 carries the mark to 30 + 5% of 60,000 = 3,030."""
    venue = Venue(WIDE_CALL)
    venue.quote(8_999_50, 9_000_50)
    venue.seconds(600)
    assert venue.market().mark_price == 3_030_00


def test_range_and_margin_of_an_option_follow_the_underlying() -> None:
    """PRC-021: the mark stays at its model value of 900 while U goes from 60,000 to 60,300: the range is 0.5% of U, so it
    moves; no event says that the mark changed.
    """
    venue = Venue(replace(BASIS_CALL, range_ppm=100_000))
    model(venue, 900_00)
    venue.second()
    market = venue.market()
    assert (market.range_low, market.range_high) == (600_00, 1_200_00)
    assert market.underlying_value == 60_000_00 * 100
    model(venue, 900_00)
    events = venue.second(60_300_00)
    assert only(MarkPriceChanged, events) == []
    assert market.underlying_value == 60_300_00 * 100
    assert (market.range_low, market.range_high) == (598_50, 1_201_50)
    assert audit(venue.exchange) == []


def test_prices_stand_in_their_order() -> None:
    """PRC-022: index, strike, option index, mark."""
    venue = Venue(BASIS_PERP, BASIS_CALL)
    venue.seconds(4)
    kinds = [type(event) for event in venue.second(97_000_00)]
    first = {
        kind: kinds.index(kind) for kind in (IndexPriceChanged, StrikeChanged, OptionIndexChanged, MarkPriceChanged)
    }
    assert sorted(first, key=lambda kind: first[kind]) == [
        IndexPriceChanged,
        StrikeChanged,
        OptionIndexChanged,
        MarkPriceChanged,
    ]


@pytest.mark.parametrize("rules", [2, RULES_LATEST])
def test_a_market_comes_to_be_marked_at_its_index(rules: int) -> None:
    """PRC-025: by terms given with notice, while the index stands. Under the second rules it kept the mark of its book."""
    venue = Venue(BASIS_PERP)
    venue.do(SetRulesVersion(rules))
    venue.quote(60_590_00, 60_610_00)
    venue.do(AmendMarket(1, replace(BASIS_PERP, mark_method=MarkMethod.INDEX), venue.time_ms + TERMS_NOTICE_MS))
    venue.at(venue.time_ms + TERMS_NOTICE_MS)
    assert venue.market().mark_price == 60_019_67
    moved = only(MarkPriceChanged, venue.second())
    assert moved == ([] if rules == 2 else [MarkPriceChanged(1, I)])


@pytest.mark.parametrize("instrument", [BASIS_PERP, MEDIAN_PERP, WIDE_CALL, WIDE_PUT], ids=lambda i: i.symbol)
def test_a_snapshot_keeps_what_marks_are_made_of(instrument: Instrument) -> None:
    """PRC-023: an exchange read from a snapshot marks on as the one that wrote it."""
    venue = Venue(instrument)
    low, high = (500_00, 510_00) if instrument.kind is not InstrumentKind.FUTURE else (60_590_00, 60_610_00)
    venue.quote(low, high)
    venue.seconds(7, 60_100_00)
    twin = decode(encode(venue.exchange))
    twin.time_ms = venue.exchange.time_ms
    for _ in range(20):
        venue.time_ms += 1_000
        assert twin.apply(Tick(), venue.time_ms) == venue.do(Tick())
    assert twin.state_hash() == venue.exchange.state_hash()
