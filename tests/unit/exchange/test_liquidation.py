"""The ladder where a table does not reach: many cases of one law, bounds, several sources, expiry."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.order import Side, TriggerEvent
from exchange import accounts, expiry, limits, liquidation, margins, prices
from exchange.audit import audit
from exchange.commands import (
    AmendMarket,
    ListIndex,
    ListMarket,
    PlaceOrder,
    SetLiquidityProvider,
    SetMarginMode,
    Tick,
    UpdateIndexPrice,
)
from exchange.events import (
    Cause,
    CommandRejected,
    Event,
    LiquidationEnded,
    LiquidationStarted,
    LiquidityProviderSet,
    LossSocialised,
    OrderCancelled,
    OrderTriggered,
    PositionDeleveraged,
    PositionTakenOver,
    Ticked,
)
from exchange.instrument import IndexTerms, MarketStatus
from exchange.rejects import Reject
from exchange.scopes import scopes_of
from exchange.socialisation import collect_equity, cover
from tests.support.ladder import (
    FLAT,
    FLAT_BTC_PERP,
    FLAT_ETH,
    FUND,
    account,
    equity,
    holding,
    ladder,
    ledger,
    of_type,
    person,
    qty,
    refresh,
    trade,
    trades,
)
from tests.support.options import BTC_CALL, CALL
from tests.support.world import PERP, SPOT, USD, USD_UNIT, World

UNIT = USD_UNIT


def ratio(world: World, account_id: int) -> tuple[int, int]:
    (scope,) = scopes_of(account(world, account_id))
    return scope.equity, scope.maintenance


@settings(max_examples=60, deadline=None)
@given(
    is_long=st.booleans(),
    is_isolated=st.booleans(),
    market_id=st.sampled_from((FLAT, PERP)),
    lots=st.integers(200, 60_000),
    depth=st.integers(51, 99),
    makers=st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 9_000)), min_size=1, max_size=4),
)
def test_no_slice_makes_it_worse(
    is_long: bool, is_isolated: bool, market_id: int, lots: int, depth: int, makers: list[tuple[int, int]]
) -> None:
    """LQN-018: equity / maintenance margin is not smaller after a slice and its fee, but for the ceilings of the margins."""
    world = ladder()
    ann = person(world, 40_000_000, is_isolated=is_isolated)
    bob = person(world, 400_000_000)
    buyer, seller = (ann, bob) if is_long else (bob, ann)
    trade(world, buyer, seller, lots, 60_000, market_id, leverage_e2=300)
    mine = holding(world, ann, market_id)
    # Leave it `depth` percent of its maintenance margin, and slices somebody to meet.
    _, required = ratio(world, ann)
    spare = ratio(world, ann)[0] - required * depth // 100
    if is_isolated:
        mine.position.margin -= spare
    else:
        mine.quote.amount -= spare
    holding(world, bob, market_id).quote.amount += spare
    sign = 1 if is_long else -1
    for distance, size in makers:
        side = Side.BUY if is_long else Side.SELL
        world.do(PlaceOrder(bob, market_id, side, size, 60_000_00 - sign * distance * 50))
    before, required_before = ratio(world, ann)
    world.exchange.state.unwatched[ann] = account(world, ann)
    events = refresh(world)
    assert of_type(events, LiquidationStarted)
    if trades(events) and mine.position.qty:
        after, required_after = ratio(world, ann)
        assert after * required_before >= before * (required_after - 2)
    assert equity(world, ann) >= 0
    assert audit(world.exchange) == []


def test_provider_limits() -> None:
    """LQN-017: an isolated account is none; its own account takes nothing; one without free equity neither."""
    world = ladder(fund=1_000_000)
    ann, bob = person(world, 1_000, is_provider=True), person(world, 1_000_000)
    cid = person(world, 1_000, is_isolated=True)
    dan = person(world, 1_400, is_provider=True)
    assert isinstance(world.do(SetLiquidityProvider(cid, True))[0], CommandRejected)
    trade(world, ann, bob, 10_000, 60_000)
    trade(world, dan, bob, 10_000, 60_000)
    events = world.move_index(1, 59_147_00)  # dan has 547, and 591.47 is what his position needs
    taken = of_type(events, PositionTakenOver)
    assert [event.taker_account_id for event in taken if isinstance(event, PositionTakenOver)] == [FUND]
    assert qty(world, ann) == 0
    assert audit(world.exchange) == []


def test_provider_of_a_bounded_market() -> None:
    """LQN-017: a provider takes no more than the market's last bracket lets its owner have."""
    world = ladder(fund=1_000_000)
    market = world.exchange.state.markets[FLAT]
    ann, bob = person(world, 1_000), person(world, 1_000_000)
    cid = person(world, 1_000_000, is_provider=True)
    trade(world, ann, bob, 10_000, 60_000)
    market.size_max = 30_000 * UNIT
    world.move_index(1, 59_100_00)
    # at the bankruptcy price of 59,000 that is 0.5084; the fund is not bounded
    assert qty(world, cid) == 5_084
    assert qty(world, FUND) == 4_916
    assert holding(world, cid).position.owner.value == 29_995_60000000


def test_one_source_spikes() -> None:
    """LQN-019: one of three sources at half the price, or at nothing, liquidates nobody; two of three do."""
    world = ladder()
    ann, bob = person(world, 1_000), person(world, 1_000_000)
    trade(world, ann, bob, 10_000, 60_000)

    def observe(*observed: int) -> list[object]:
        world.time_ms += 1_000
        for source_id, price in enumerate(observed, 1):
            world.do(UpdateIndexPrice(1, source_id, price * 100, world.time_ms))
        return of_type(world.do(Tick()), LiquidationStarted)  # type: ignore[return-value]

    assert observe(60_000, 60_010, 59_990) == []
    assert observe(30_000, 60_010, 59_990) == []
    assert observe(60_000, 60_010, 1) == []
    assert qty(world, ann) == 10_000
    assert observe(50_000, 50_000, 60_000) != []


def test_bound_of_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """LQN-025: three a tick: the worst three, and the rest with the next one, which is due at once."""
    monkeypatch.setattr(liquidation, "LIQUIDATIONS_PER_TICK_MAX", 3)
    world = ladder()
    bob = person(world, 1_000_000)
    people = [person(world, usd) for usd in (1_500, 1_100, 1_300, 1_200, 1_400)]
    for ann in people:
        trade(world, ann, bob, 10_000, 60_000)
    events = world.move_index(1, 58_000_00)
    assert [qty(world, ann) for ann in people] == [10_000, 0, 0, 0, 10_000]
    assert len(of_type(events, LiquidationStarted)) == 5
    assert len(of_type(events, LiquidationEnded)) == 3
    assert world.exchange.next_due_ms == world.time_ms
    events = world.do(Tick())
    assert [qty(world, ann) for ann in people] == [0] * 5
    assert world.exchange.next_due_ms > world.time_ms
    assert isinstance(events[-1], Ticked)
    assert audit(world.exchange) == []


def test_waiting_slices_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """LQN-025: those whose second has not come do not keep the clock busy."""
    monkeypatch.setattr(liquidation, "LIQUIDATIONS_PER_TICK_MAX", 1)
    world = ladder()
    bob = person(world, 1_000_000)
    for _ in range(3):
        trade(world, person(world, 1_000), bob, 10_000, 60_000)
    world.move_index(1, 59_200_00)
    for _ in range(3):
        world.do(Tick())
    assert world.exchange.next_due_ms > world.time_ms


def test_orders_of_the_deleveraged() -> None:
    """LQN-026: his reduce-only order goes with the position; the sell that was to open more he still carries, or not."""
    world = ladder()
    ann, bob = person(world, 1_000), person(world, 700)
    cid, dan = person(world, 1_000_000), person(world, 700)
    trade(world, ann, bob, 5_000, 60_000)
    trade(world, ann, dan, 5_000, 60_000)
    world.do(PlaceOrder(bob, FLAT, Side.BUY, 5_000, 58_500_00, reduce_only=True))
    world.do(PlaceOrder(dan, FLAT, Side.SELL, 6_600, 60_600_00))
    events = world.move_index(1, 58_900_00)
    assert (qty(world, ann), qty(world, bob), qty(world, dan)) == (0, 0, 0)
    gone = [event.account_id for event in of_type(events, OrderCancelled) if isinstance(event, OrderCancelled)]
    assert gone == [bob]
    assert margins.available(account(world, dan), USD) >= 0
    assert qty(world, cid) == 0
    assert audit(world.exchange) == []


def test_fees_are_the_last() -> None:
    """LQN-033: a deficit of 7 where nobody but the venue has anything."""
    world = ladder(is_empty=True)
    ann, bob = person(world, 1_000), person(world, 1_000)
    trade(world, ann, bob, 100, 60_000)
    treasury = world.exchange.state.treasuries[USD]
    for name, left in ((ann, -7), (bob, 0)):
        balance = holding(world, name).quote
        treasury.fees += balance.amount - left
        balance.amount = left
    out: list[object] = []
    cover(world.exchange.state, holding(world, ann), 7, out)  # type: ignore[arg-type]
    (lost,) = [event for event in out if isinstance(event, LossSocialised)]
    assert (lost.from_profits, lost.from_equity, lost.from_fees) == (0, 0, 7)
    assert equity(world, ann) == 0
    assert audit(world.exchange) == []


DATED = 21


@pytest.mark.parametrize("fund", [0, 50_000])
@pytest.mark.parametrize("is_isolated", [False, True])
def test_bankrupt_at_expiry(fund: int, is_isolated: bool) -> None:
    """LQN-035: 1 from 60,000 with 1,000 settles at 58,000: the fund bears 1,000, or the other side closes at 59,000.

    An isolated position has but the margin of 960 that it was given, and 40 stay in the balance.
    """
    world = ladder(fund)
    expires_ms = world.time_ms + 60_000
    dated = msgspec.structs.replace(
        FLAT_BTC_PERP, symbol="FLAT_BTC_DATED", expiry_ms=expires_ms, settlement_window_ms=10_000, index_id=3
    )
    world.do(ListIndex(IndexTerms(3, "BTC3", 2, True)))
    world.do(ListMarket(DATED, dated))
    world.do(UpdateIndexPrice(3, 1, 60_000_00, world.time_ms))
    refresh(world)
    ann, bob = person(world, 1_000, is_isolated=is_isolated), person(world, 100_000)
    trade(world, ann, bob, 10_000, 60_000, DATED, leverage_e2=6_250)
    market = world.exchange.state.markets[DATED]
    # The index falls within the last second, before any tick can liquidate.
    market.index_price = 58_000_00
    market.settlement_total = market.settlement_count = 0
    out: list[object] = []
    expiry.settle(world.exchange.state, market, expires_ms, out)  # type: ignore[arg-type]
    kept = 40 if is_isolated else 0
    assert equity(world, ann) == kept * UNIT
    assert equity(world, FUND) == max(0, fund - 1_000 - kept) * UNIT
    assert equity(world, bob) == (102_000 if fund else 101_000 - kept) * UNIT
    assert market.open_interest == 0
    assert audit(world.exchange) == []


def test_old_index() -> None:
    """LQN-008: 60 s after the last computed index liquidation still acts, a millisecond later it does not."""
    for late_ms, is_acting in ((0, True), (1, False)):
        world = ladder()
        ann, bob = person(world, 1_000), person(world, 1_000_000)
        trade(world, ann, bob, 10_000, 60_000)
        holding(world, ann).quote.amount -= 990 * UNIT
        holding(world, bob).quote.amount += 990 * UNIT
        world.exchange.state.unwatched[ann] = account(world, ann)
        index = world.exchange.state.indices[1]
        events = world.do(Tick(), index.computed_ms + limits.LIQUIDATION_INDEX_AGE_MAX_MS - world.time_ms + late_ms)
        assert bool(of_type(events, LiquidationStarted)) is is_acting
        assert (qty(world, ann) == 0) is is_acting


def test_first_rules_do_not_liquidate() -> None:
    """LQN-001: under the first rules a scope below its maintenance margin is left alone."""
    world = ladder()
    world.exchange.state.rules_version = 1
    ann, bob = person(world, 1_000), person(world, 1_000_000)
    trade(world, ann, bob, 10_000, 60_000)
    assert of_type(world.move_index(1, 58_000_00), LiquidationStarted) == []
    assert qty(world, ann) == 10_000


def test_two_markets_one_price() -> None:
    """LQN-006: a closed-out account ends with exactly zero, however many positions it had."""
    world = ladder(fund=10_000_000)
    ann, bob = person(world, 9_000), person(world, 10_000_000)
    trade(world, ann, bob, 12_345, 60_000)
    trade(world, ann, bob, 67_891, 3_000, FLAT_ETH)
    world.move_index(2, 2_911_37)
    world.move_index(1, 57_012_33)
    assert (qty(world, ann), qty(world, ann, FLAT_ETH), equity(world, ann)) == (0, 0, 0)
    assert prices.fresh_count(world.exchange.state.indices[1], world.time_ms) == 1
    assert audit(world.exchange) == []


def test_slices_fire_stops() -> None:
    """LQN-002: a slice's trade is a last price like any other: it fires a stop in the same tick."""
    world = ladder()
    ann, bob, cid = person(world, 7_000), person(world, 1_000_000), person(world, 10_000)
    trade(world, ann, bob, 100_000, 60_000)
    trade(world, cid, bob, 1_000, 60_000)
    world.do(PlaceOrder(bob, FLAT, Side.BUY, 200_000, 59_580_00))
    world.do(
        PlaceOrder(
            cid, FLAT, Side.SELL, 1_000, 59_000_00, trigger_price=59_600_00, trigger_event=TriggerEvent.LAST_PRICE
        )
    )
    events = world.move_index(1, 59_590_00)
    assert [event.order_id for event in of_type(events, OrderTriggered) if isinstance(event, OrderTriggered)] == [6]
    assert qty(world, cid) == 0
    assert audit(world.exchange) == []


def test_slices_shrink_reduce_only_orders() -> None:
    """LQN-005: her own stop-gain shrinks with the position that a slice makes smaller."""
    world = ladder()
    ann, bob = person(world, 7_000), person(world, 1_000_000)
    trade(world, ann, bob, 100_000, 60_000)
    world.do(PlaceOrder(bob, FLAT, Side.BUY, 200_000, 59_580_00))
    world.do(PlaceOrder(ann, FLAT, Side.SELL, 100_000, 60_500_00, reduce_only=True))
    world.move_index(1, 59_590_00)
    (order,) = holding(world, ann).orders.values()
    assert (qty(world, ann), order.leaves) == (90_000, 90_000)
    assert audit(world.exchange) == []


def test_provider_on_the_other_side() -> None:
    """LQN-011: a provider's short is closed first, at its profit, and its reduce-only order goes with it."""
    world = ladder()
    ann, bob, cid = person(world, 1_000), person(world, 1_000_000), person(world, 1_000, is_provider=True)
    trade(world, bob, cid, 5_000, 60_000)
    trade(world, ann, bob, 10_000, 60_000)
    world.do(PlaceOrder(cid, FLAT, Side.BUY, 5_000, 58_500_00, reduce_only=True))
    assert world.exchange.state.markets[FLAT].open_interest == 10_000
    events = world.move_index(1, 59_100_00)
    assert (qty(world, ann), qty(world, cid), qty(world, bob)) == (0, 5_000, -5_000)
    # 0.5 from 60,000 to the bankruptcy price of 59,000
    assert ledger(events, cid, Cause.LIQUIDATION) == 500 * UNIT
    assert holding(world, cid).orders == {}
    assert world.exchange.state.markets[FLAT].open_interest == 5_000
    assert audit(world.exchange) == []


def test_providers_sibling() -> None:
    """LQN-011: where size costs margin, what a provider takes is felt by its owner's other account: it sheds its order."""
    world = ladder()
    ann, bob = person(world, 5_000), person(world, 1_000_000)
    cid = person(world, 100_000, is_provider=True)
    dan = person(world, 1_000, owner_id=cid)
    trade(world, ann, bob, 10_000, 60_000, PERP)
    # 0.25: 15,000 x (1% + 1.5%) = 375, and 6% more when the owner has 1 from 55,018
    world.do(PlaceOrder(dan, PERP, Side.BUY, 2_500, 54_000_00))
    assert holding(world, dan, PERP).orders
    world.move_index(1, 55_500_00)
    assert (qty(world, ann, PERP), qty(world, cid, PERP)) == (0, 10_000)
    assert not holding(world, dan, PERP).orders
    assert audit(world.exchange) == []


def test_isolated_winner_deleveraged_in_part() -> None:
    """LQN-023: of a short of 1 with 600 a quarter is closed at 59,000: 150 of margin and 250 of profit are free."""
    world = ladder()
    ann, bob = person(world, 250), person(world, 1_000, is_isolated=True)
    cid = person(world, 1_000_000)
    trade(world, ann, bob, 2_500, 60_000, leverage_e2=10_000)
    trade(world, cid, bob, 7_500, 60_000)
    assert (holding(world, bob).position.margin, holding(world, bob).quote.amount) == (600 * UNIT, 400 * UNIT)
    events = world.move_index(1, 59_000_00)
    assert (qty(world, ann), qty(world, bob)) == (0, -7_500)
    assert (holding(world, bob).position.margin, holding(world, bob).quote.amount) == (450 * UNIT, 800 * UNIT)
    assert ledger(events, bob, Cause.DELEVERAGING) == 250 * UNIT
    assert ledger(events, bob, Cause.TRANSFER) == 150 * UNIT
    assert audit(world.exchange) == []


def test_unsafe_opposite() -> None:
    """LQN-022: both sides below maintenance: neither is deleveraged for the other; at the mark nobody loses anything."""
    world = ladder()
    ann, bob = person(world, 1_000), person(world, 1_000)
    trade(world, ann, bob, 10_000, 60_000)
    rich = person(world, 0)
    for name in (ann, bob):
        holding(world, name).quote.amount -= 900 * UNIT
        world.exchange.state.unwatched[name] = account(world, name)
    holding(world, rich).quote.amount += 1_800 * UNIT
    events = refresh(world)
    assert (qty(world, ann), qty(world, bob)) == (0, 0)
    assert (equity(world, ann), equity(world, bob)) == (100 * UNIT, 100 * UNIT)
    assert of_type(events, LossSocialised) == []
    assert world.exchange.state.markets[FLAT].own_status is MarketStatus.TRADING
    assert audit(world.exchange) == []


@pytest.mark.parametrize("is_isolated", [False, True])
def test_both_sides_bankrupt(is_isolated: bool) -> None:
    """LQN-031: a long from 62,000 and a short from 58,000, 1,000 each, meet at 60,000: both owe 1,000, all others pay."""
    world = ladder()
    ann, bob = person(world, 1_000, is_isolated=is_isolated), person(world, 1_000, is_isolated=is_isolated)
    cid = person(world, 1_000_000)
    world.move_index(1, 62_000_00)
    trade(world, ann, cid, 10_000, 62_000, leverage_e2=9_900)
    world.exchange.state.rules_version = 1  # nobody looks while the price falls
    world.move_index(1, 58_000_00)
    trade(world, cid, bob, 10_000, 58_000, leverage_e2=9_900)
    world.exchange.state.rules_version = 2
    assert qty(world, cid) == 0
    events = world.move_index(1, 60_000_00)
    assert (qty(world, ann), qty(world, bob)) == (0, 0)
    assert len(of_type(events, LossSocialised)) == 2
    for name in (ann, bob):
        found = account(world, name)
        assert margins.equity(found, USD) >= 0
        assert scopes_of(found) == []
    assert world.exchange.state.markets[FLAT].own_status is MarketStatus.REDUCE_ONLY
    assert world.exchange.state.markets[FLAT].open_interest == 0
    assert audit(world.exchange) == []


def test_funding_makes_unsafe() -> None:
    """LQN-001: at 0.3% an hour a long of 60,000 pays 180, and needs 0.8%: of 1,000 it has 460 < 480 after three hours."""
    world = ladder(fund=100_000)
    terms = msgspec.structs.replace(
        FLAT_BTC_PERP, premium_clamp_ppm=30_000, interest_ppm=30_000, interest_clamp_ppm=30_000
    )
    world.do(AmendMarket(FLAT, terms))
    ann, bob = person(world, 1_000), person(world, 1_000_000)
    trade(world, ann, bob, 10_000, 60_000)
    refresh(world)
    world.time_ms = (world.time_ms // limits.HOUR_MS + 1) * limits.HOUR_MS
    started: list[bool] = []
    for _ in range(5):
        events = refresh(world, 0)
        started.append(bool(of_type(events, LiquidationStarted)))
        assert ledger(events, ann, Cause.FUNDING) == -180 * UNIT
        world.time_ms += limits.HOUR_MS
    assert started == [False, False, True, False, False]
    # 100 is less than half of what it needs: the fund took it over at 59,900
    assert (qty(world, ann), equity(world, ann)) == (0, 0)
    assert (qty(world, FUND), equity(world, FUND)) == (10_000, 100_100 * UNIT)
    assert audit(world.exchange) == []


def test_orders_of_a_closed_position() -> None:
    """LQN-005: a sell that only reduced goes with the position: it would open one without anything behind it."""
    world = ladder(fund=1_000_000)
    ann, bob = person(world, 7_000), person(world, 1_000_000)
    trade(world, ann, bob, 100_000, 60_000)
    world.do(PlaceOrder(ann, FLAT, Side.SELL, 50_000, 60_500_00))
    world.move_index(1, 59_590_00)
    assert len(holding(world, ann).orders) == 1
    world.move_index(1, 59_300_00)
    assert (qty(world, ann), holding(world, ann).orders) == (0, {})
    assert audit(world.exchange) == []


def test_bound_of_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """LQN-017: there are at most so many; who is one may say so again."""
    monkeypatch.setattr(accounts, "PROVIDERS_MAX", 2)
    world = ladder()
    ann, bob, cid = (person(world, 1_000, is_provider=True) for _ in range(3))
    assert list(world.exchange.state.providers) == [ann, bob]
    assert world.do(SetLiquidityProvider(cid, True)) == [CommandRejected(Reject.TOO_MANY_PROVIDERS)]
    assert world.do(SetLiquidityProvider(ann, True)) == [LiquidityProviderSet(ann, True)]
    world.do(SetLiquidityProvider(bob, False))
    assert world.do(SetLiquidityProvider(cid, True)) == [LiquidityProviderSet(cid, True)]


def test_the_fund_is_cross() -> None:
    """LQN-013: the insurance fund is no isolated account, and no provider."""
    world = ladder()
    assert world.do(SetMarginMode(FUND, True)) == [CommandRejected(Reject.UNKNOWN_ACCOUNT, "account_id")]
    assert world.do(SetLiquidityProvider(FUND, True)) == [CommandRejected(Reject.UNKNOWN_ACCOUNT, "account_id")]


@pytest.mark.parametrize("is_hedged", [True, False])
def test_hedge_expires(is_hedged: bool) -> None:
    """LQN-036: a short call and a long dated future; the rise after the future's expiry is the call's alone.

    At 66,000 the call is worth some 6,000 and needs 0.02 U + 6,000. With 8,000 the account had 8,000 still while it was
    hedged, and has 5,000 when the future is gone.
    """
    world = ladder(fund=1_000_000)
    expires_ms = world.time_ms + 60_000 + 1_000_000 * is_hedged
    dated = msgspec.structs.replace(
        FLAT_BTC_PERP, symbol="FLAT_BTC_DATED", expiry_ms=expires_ms, settlement_window_ms=10_000
    )
    world.do(ListMarket(DATED, dated))
    call = msgspec.structs.replace(
        BTC_CALL, taker_fee_ppm=0, initial_slope_ppb=0, maintenance_slope_ppb=0, premium_clamp_ppm=0
    )
    world.do(ListMarket(CALL, call))
    refresh(world)
    ann, bob = person(world, 8_000), person(world, 1_000_000)
    trade(world, ann, bob, 10_000, 60_000, DATED)
    trade(world, bob, ann, 10_000, 30, CALL)
    world.move_index(1, 63_000_00)
    refresh(world, 30_000)
    for _ in range(30):
        refresh(world)
    assert (qty(world, ann, DATED) == 0) is not is_hedged
    (scope,) = scopes_of(account(world, ann))
    assert 8_000 * UNIT < scope.equity < 8_040 * UNIT
    world.do(PlaceOrder(bob, CALL, Side.SELL, 10_000, 6_100_00))
    events = world.move_index(1, 66_000_00)
    assert bool(of_type(events, LiquidationStarted)) is not is_hedged
    # a lot's slice is counted by what it is on: a tenth of 66,000 is more than 1,000
    assert trades(events) == ([] if is_hedged else [(6_100_00, 1_000)])
    assert audit(world.exchange) == []


def test_the_pace_of_unwinding_is_forgotten() -> None:
    """LQN-015: of what the fund has sold nothing is kept."""
    world = ladder(fund=100_000)
    ann, bob = person(world, 1_000), person(world, 1_000_000)
    trade(world, ann, bob, 150, 60_000)
    holding(world, ann).quote.amount -= 990 * UNIT
    holding(world, bob).quote.amount += 990 * UNIT
    world.do(PlaceOrder(bob, FLAT, Side.BUY, 1_000, 57_900_00))
    events = world.move_index(1, 58_000_00)
    # 870 USD: less than a slice
    assert trades(events) == [(57_900_00, 150)]
    assert list(world.exchange.state.liquidations) == [(FUND, FLAT)]
    refresh(world)
    assert world.exchange.state.liquidations == {}


def test_equity_of_an_isolated_winner() -> None:
    """LQN-031: an isolated position gives its share from the margin, and where that ends from the profit."""
    world = ladder(is_empty=True)
    ann, bob = person(world, 10_000, is_isolated=True), person(world, 1_000_000)
    trade(world, ann, bob, 10_000, 60_000, leverage_e2=10_000)
    world.move_index(1, 66_000_00)
    # 9,400 beside the position, 600 in it and 6,000 of profit; another market's loss takes three quarters of all
    state = world.exchange.state
    holding(world, bob).quote.amount -= 994_000 * UNIT
    state.treasuries[USD].fees += 994_000 * UNIT
    state.unwatched[bob] = account(world, bob)
    out: list[Event] = []
    assert collect_equity(state, USD, 12_000 * UNIT, out) == 12_000 * UNIT
    state.treasuries[USD].fees += 12_000 * UNIT
    mine = holding(world, ann)
    assert mine.quote.amount == 2_350 * UNIT
    assert (mine.position.margin, margins.unrealized(mine)) == (0, 1_650 * UNIT)
    assert mine.position.owner.value == mine.position.entry_notional == 64_350 * UNIT
    assert ledger(out, ann, Cause.SOCIALISATION) == -7_650 * UNIT
    assert audit(world.exchange) == []


def test_shares_shed_orders() -> None:
    """LQN-031: an order that an account no longer carries after its share goes at once, a spot order's lock too."""
    world = ladder(is_empty=True)
    ann, bob = person(world, 1_000), person(world, 1_000, is_isolated=True)
    world.do(PlaceOrder(ann, FLAT, Side.BUY, 10_000, 59_000_00))
    world.do(PlaceOrder(bob, SPOT, Side.BUY, 160, 60_000_00))
    assert (len(holding(world, ann).orders), len(holding(world, bob, SPOT).orders)) == (1, 1)
    out: list[Event] = []
    assert collect_equity(world.exchange.state, USD, 1_000 * UNIT, out) == 1_000 * UNIT
    world.exchange.state.treasuries[USD].fees += 1_000 * UNIT
    assert (holding(world, ann).orders, holding(world, bob, SPOT).orders) == ({}, {})
    assert (equity(world, ann), equity(world, bob)) == (500 * UNIT, 500 * UNIT)
    assert audit(world.exchange) == []


def test_isolated_positions_of_one_account() -> None:
    """LQN-024: with the same ratio by account id, then by market id; each is a scope of its own."""
    world = ladder()
    ann, bob = person(world, 10_000, is_isolated=True), person(world, 1_000_000)
    trade(world, ann, bob, 10_000, 60_000, leverage_e2=5_000)
    trade(world, ann, bob, 20_000, 3_000, FLAT_ETH, leverage_e2=5_000)
    world.do(UpdateIndexPrice(2, 1, 2_940_00, world.time_ms + 1_000))
    events = world.move_index(1, 58_800_00)
    closed = [
        event.market_id for event in of_type(events, PositionDeleveraged) if isinstance(event, PositionDeleveraged)
    ]
    assert closed == [FLAT, FLAT_ETH]
    assert equity(world, ann) == 7_600 * UNIT
