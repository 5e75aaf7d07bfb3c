"""Ways to take what is not one's own, or to break the machine, that a venue must not have. Each was once possible."""

import msgspec
import pytest

from engine.order import Side, TimeInForce, TriggerEvent
from exchange import margins, views
from exchange.audit import audit
from exchange.commands import (
    AmendMarket,
    AmendOrder,
    Command,
    Deposit,
    ListMarket,
    MoveMargin,
    OpenAccount,
    PlaceBatch,
    PlaceOrder,
    SetLeverage,
    SetMarketStatus,
    UpdateIndexPrice,
)
from exchange.events import CommandRejected, Event, OrderAccepted, OrderCancelled, OrderTriggered, Traded
from exchange.instrument import InstrumentKind, MarketStatus
from exchange.rejects import Reject
from exchange.snapshot import decode, encode
from tests.support.world import (
    BTC,
    BTC_SPOT,
    ETHP,
    ISOLATED,
    PERP,
    POOR,
    REGULAR,
    RICH,
    SECOND,
    SPOT,
    USD,
    USD_UNIT,
    USDT,
    USDT_SPOT,
    World,
    opening,
)

BUY, SELL = Side.BUY, Side.SELL


def order(account_id: int, market_id: int, side: Side, qty: int, price: int = 0, **more: object) -> PlaceOrder:
    return PlaceOrder(account_id, market_id, side, qty, price, **more)  # type: ignore[arg-type]


def reject_of(events: list[Event]) -> Reject | None:
    return events[0].reject if isinstance(events[0], CommandRejected) else None


def traded(events: list[Event]) -> int:
    return sum(event.qty for event in events if isinstance(event, Traded))


def available(world: World, account_id: int, asset_id: int = USD) -> int:
    return margins.available(world.exchange.state.accounts[account_id], asset_id)


def equity(world: World, account_id: int, asset_id: int = USD) -> int:
    return margins.equity(world.exchange.state.accounts[account_id], asset_id)


def qty_of(world: World, account_id: int, market_id: int) -> int:
    return world.exchange.state.accounts[account_id].holdings[market_id].position.qty


def test_a_batch_has_no_oco_groups() -> None:
    """SAFE-001: two buys of 0.08 BTC in one group of a batch would spend 9,600 of 5,000 USDT."""
    world = opening()
    world.do(order(RICH, USDT_SPOT, SELL, 800, 6_000_000))
    twice = tuple(order(REGULAR, USDT_SPOT, BUY, 800, 6_000_000, oco="a") for _ in range(2))
    assert reject_of(world.do(PlaceBatch(REGULAR, USDT_SPOT, twice))) is Reject.INVALID_BATCH


def test_a_spot_group_locks_its_largest_quantity_at_its_dearest_price() -> None:
    """SAFE-002: 0.085 at 57,000 and 0.08 at 60,000: 0.07 of the dearer and then 0.05 of the other cost 5,056.26."""
    world = opening()
    world.do(order(SECOND, USDT_SPOT, SELL, 700, 6_000_000))
    world.do(order(REGULAR, USDT_SPOT, BUY, 850, 5_700_000, oco="a"))
    dearer = order(REGULAR, USDT_SPOT, BUY, 800, 6_000_000, oco="a", time_in_force=TimeInForce.IOC)
    assert reject_of(world.do(dearer)) is Reject.INSUFFICIENT_BALANCE


def test_the_orders_of_a_batch_keep_the_limits_they_were_checked_with() -> None:
    """SAFE-003: the first order's trade moves the EMA, the second's market edge stays."""
    world = opening()
    world.do(Deposit("q", SECOND, BTC, USD_UNIT))
    world.do(Deposit("q2", RICH, BTC, USD_UNIT))
    world.do(order(SECOND, USDT_SPOT, SELL, 1, 6_000_000))
    world.do(order(RICH, USDT_SPOT, BUY, 1, 6_000_000))
    for _ in range(60):
        world.do(order(SECOND, USDT_SPOT, SELL, 1, 6_290_000))
    world.do(order(RICH, USDT_SPOT, SELL, 2_000, 6_560_000))
    batch = (order(REGULAR, USDT_SPOT, BUY, 60, 6_290_000), order(REGULAR, USDT_SPOT, BUY, 728))
    events = world.do(PlaceBatch(REGULAR, USDT_SPOT, batch))
    assert [event.price for event in events if isinstance(event, OrderAccepted)] == [6_290_000, 6_300_000]
    assert equity(world, REGULAR, USDT) >= 0


def test_a_spot_fill_leaves_the_equity_that_backs_positions() -> None:
    """SAFE-004: 870 USD locked for spot; a loss of 450 on the position must take that order away."""
    world = opening({POOR: 1_000})
    world.do(order(RICH, PERP, SELL, 1_000, 6_000_000))
    world.do(order(POOR, PERP, BUY, 1_000, 6_000_000))
    placed = world.do(order(POOR, SPOT, BUY, 150, 5_800_000))
    assert isinstance(placed[0], OrderAccepted)
    world.move_index(1, 5_700_000)
    world.move_index(1, 5_550_000)
    world.do(Deposit("coins", RICH, BTC, USD_UNIT))
    world.do(order(RICH, SPOT, SELL, 150, 5_800_000))
    assert equity(world, POOR) >= 0
    assert views.order(world.exchange, POOR, placed[0].order_id) is None


def test_a_fee_that_was_raised_takes_no_more_than_there_is() -> None:
    """SAFE-027: 601 USD behind a buy of 600 and no fee to speak of; at 0.5% it would cost 603: it goes instead."""
    world = opening({ISOLATED: 601})
    world.do(order(ISOLATED, SPOT, BUY, 100, 6_000_000))
    world.do(AmendMarket(SPOT, msgspec.structs.replace(BTC_SPOT, maker_fee_ppm=5_000, taker_fee_ppm=5_000)))
    events = world.do(order(RICH, SPOT, SELL, 100, 6_000_000))
    assert traded(events) == 0
    assert any(isinstance(event, OrderCancelled) and event.account_id == ISOLATED for event in events)
    assert equity(world, ISOLATED) == 601 * USD_UNIT
    assert audit(world.exchange) == []


def test_what_spot_locks_is_still_there_to_close_a_position() -> None:
    """SAFE-005: with 858.2 in all, a close that costs 1.758 passes."""
    world = opening({POOR: 1_000})
    world.do(order(RICH, PERP, SELL, 1_000, 6_000_000))
    world.do(order(POOR, PERP, BUY, 1_000, 6_000_000))
    world.do(order(POOR, SPOT, BUY, 150, 5_800_000))
    world.move_index(1, 5_860_000)
    world.do(order(RICH, PERP, BUY, 1_000, 5_860_000))
    assert traded(world.do(order(POOR, PERP, SELL, 1_000, 5_860_000, reduce_only=True))) == 1_000


def test_orders_that_each_reduce_may_not_together_turn_a_position() -> None:
    """SAFE-006: four sells against one long are shed to what the position takes, when the account falls short."""
    world = opening({POOR: 400})
    world.do(order(RICH, PERP, SELL, 500, 6_000_000))
    world.do(order(POOR, PERP, BUY, 500, 6_000_000))
    world.do(order(RICH, ETHP, SELL, 1_000, 300_000))
    world.do(order(POOR, ETHP, BUY, 1_000, 300_000))
    for _ in range(4):
        world.do(order(POOR, PERP, SELL, 500, 6_000_000))
    world.move_index(2, 261_000)
    assert len(views.orders(world.exchange, POOR)) == 1
    world.do(order(RICH, PERP, BUY, 5_000, 6_000_000))
    assert qty_of(world, POOR, PERP) == 0


def test_a_stale_index_takes_only_what_reduces_together() -> None:
    """SAFE-007: 31 s without an index, and in a reduce-only market: one sell against the long, not three."""
    world = opening()
    world.do(order(RICH, PERP, SELL, 1_000, 6_000_000))
    world.do(order(REGULAR, PERP, BUY, 1_000, 6_000_000))
    world.time_ms += 31_000
    sell = order(REGULAR, PERP, SELL, 1_000, 6_100_000)
    assert [reject_of(world.do(sell)) for _ in range(3)] == [None, Reject.NO_PRICE, Reject.NO_PRICE]
    world.do(SetMarketStatus(PERP, MarketStatus.REDUCE_ONLY))
    assert reject_of(world.do(sell)) is Reject.MARKET_CLOSED


def test_a_closed_position_leaves_no_order_that_opens_without_margin() -> None:
    """SAFE-008: a sell that reduced is shed when another close takes the position away."""
    world = opening({POOR: 100})
    world.do(order(RICH, PERP, SELL, 1_000, 6_000_000))
    world.do(order(POOR, PERP, BUY, 1_000, 6_000_000))
    world.move_index(1, 5_910_000)
    world.do(order(POOR, PERP, SELL, 1_000, 5_950_000))
    world.do(order(RICH, PERP, BUY, 1_000, 5_910_000))
    world.do(order(POOR, PERP, SELL, 1_000, 5_910_000, reduce_only=True))
    world.do(order(RICH, PERP, BUY, 1_000, 5_950_000))
    assert qty_of(world, POOR, PERP) == 0
    assert available(world, POOR) >= 0


def test_the_size_slope_sees_the_orders_of_all_of_an_owners_accounts() -> None:
    """SAFE-009: 20 accounts of 3,000 USD each rest a buy that one of them could carry; together they cannot."""
    world = opening()
    accounts = []
    for number in range(20):
        (opened,) = world.do(OpenAccount(f"kin {number}", 77))
        accounts.append(opened.account_id)  # type: ignore[union-attr]
        world.do(Deposit(f"kin {number}", accounts[-1], USD, 3_000 * USD_UNIT))
    for account_id in accounts:
        world.do(order(account_id, PERP, BUY, 8_300, 6_000_000))
    world.do(order(RICH, PERP, SELL, 8_300 * 20, 6_000_000))
    for account_id in accounts:
        assert available(world, account_id) >= 0


def test_a_batch_has_one_leverage_set_before_its_first_order() -> None:
    """SAFE-010: a waiting order's leverage margins nothing beside it; a named one counts from the first order on."""
    world = opening()
    waiting = order(ISOLATED, PERP, BUY, 1, 0, trigger_price=6_100_000, leverage_e2=10_000)
    batch = PlaceBatch(ISOLATED, PERP, (order(ISOLATED, PERP, BUY, 10_000, 5_900_000), waiting))
    assert reject_of(world.do(batch)) is Reject.INSUFFICIENT_BALANCE
    world.do(order(RICH, PERP, SELL, 10_000, 6_000_000))
    first = order(ISOLATED, PERP, BUY, 10_000, 6_000_000)
    second = order(ISOLATED, PERP, BUY, 1, 5_900_000, leverage_e2=10_000)
    assert traded(world.do(PlaceBatch(ISOLATED, PERP, (first, second)))) == 10_000
    assert audit(world.exchange) == []


def test_a_negative_quantity_is_none() -> None:
    """SAFE-011: not even one that mirrors the position."""
    world = opening()
    world.do(order(SECOND, PERP, SELL, 100, 6_000_000))
    world.do(order(REGULAR, PERP, BUY, 100, 6_000_000))
    assert reject_of(world.do(order(REGULAR, PERP, BUY, -100, 5_900_000))) is Reject.INVALID_QTY


def test_a_trailing_stop_cannot_be_given_a_price_without_a_direction() -> None:
    """SAFE-012: there is no last price yet to tell it from."""
    world = opening()
    world.do(order(REGULAR, USDT_SPOT, SELL, 10, trail=5_000, trigger_event=TriggerEvent.LAST_PRICE))
    assert reject_of(world.do(AmendOrder(REGULAR, 1, 0, 0, 6_000_000))) is Reject.NO_PRICE


def test_an_iceberg_has_no_more_tips_after_an_amendment() -> None:
    """SAFE-013: 100 tips of 20 lots, not 2,000 of one; and a close of all shows its share."""
    world = opening()
    world.do(order(RICH, PERP, SELL, 100, 6_100_000, icebergs=100))
    world.do(AmendOrder(RICH, 1, 2_000, 6_100_000))
    assert views.depth(world.exchange, PERP, 1)[1] == [(6_100_000, 20)]
    assert len(world.do(order(SECOND, PERP, BUY, 2_000, 6_100_000))) < 1_000
    world.do(PlaceOrder(SECOND, PERP, SELL, 0, 6_150_000, is_close=True, icebergs=10))
    assert views.depth(world.exchange, PERP, 1)[1] == [(6_150_000, 200)]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_fok_against_an_isolated_maker_fills_or_is_refused(side: Side) -> None:
    """SAFE-014: the maker's position is under water: its order is no volume to count on."""
    world = opening()
    maker = ISOLATED
    away, towards = (6_050_000, 5_878_000) if side is BUY else (5_950_000, 6_122_000)
    other = SELL if side is BUY else BUY
    world.do(order(RICH, PERP, other, 1_000, 6_000_000))
    world.do(order(maker, PERP, side, 1_000, 6_000_000, leverage_e2=5_000))
    world.do(order(maker, PERP, other, 1_000, away))
    world.move_index(1, towards)
    events = world.do(order(RICH, PERP, side, 1_000, away, time_in_force=TimeInForce.FOK))
    assert reject_of(events) is not None or traded(events) == 1_000


def test_a_fill_better_than_the_limit_pays_its_own_fee() -> None:
    """SAFE-015: the fee on 61,500 is more than on 60,000; the better price pays it."""
    world = opening({ISOLATED: 602})
    world.do(order(RICH, PERP, BUY, 1_000, 6_150_000))
    sell = order(ISOLATED, PERP, SELL, 1_000, 6_000_000, leverage_e2=1_000, time_in_force=TimeInForce.FOK)
    assert traded(world.do(sell)) == 1_000
    assert audit(world.exchange) == []


def test_a_flip_closes_only_at_a_price_its_margin_can_pay() -> None:
    """SAFE-016: long 0.1 at 50x; a fill-or-kill flip at 58,600 is refused, not cut short."""
    world = opening()
    world.do(order(RICH, PERP, SELL, 1_000, 6_000_000))
    world.do(order(ISOLATED, PERP, BUY, 1_000, 6_000_000, leverage_e2=5_000))
    world.do(order(RICH, PERP, BUY, 500, 5_950_000))
    world.do(order(RICH, PERP, BUY, 1_500, 5_860_000))
    events = world.do(order(ISOLATED, PERP, SELL, 2_000, 5_860_000, time_in_force=TimeInForce.FOK))
    assert reject_of(events) is not None or traded(events) == 2_000


def test_an_isolated_account_may_rest_more_than_its_position() -> None:
    """SAFE-017: a second sell opens, and the balance carries it."""
    world = opening()
    world.do(order(RICH, PERP, SELL, 1_000, 6_000_000))
    world.do(order(ISOLATED, PERP, BUY, 1_000, 6_000_000, leverage_e2=1_000))
    for price in (6_100_000, 6_150_000):
        assert reject_of(world.do(order(ISOLATED, PERP, SELL, 1_000, price))) is None


def test_a_closing_order_can_be_repriced_below_initial_margin() -> None:
    """SAFE-018: the order that it replaces does not count beside it."""
    world = opening({POOR: 100})
    world.do(order(RICH, PERP, SELL, 1_000, 6_000_000))
    world.do(order(POOR, PERP, BUY, 1_000, 6_000_000))
    world.do(order(POOR, PERP, SELL, 1_000, 6_100_000))
    world.move_index(1, 5_950_000)
    assert available(world, POOR) < 0
    assert reject_of(world.do(AmendOrder(POOR, 3, 0, 6_000_000))) is None


def test_a_stop_that_closes_all_can_be_moved() -> None:
    """SAFE-019"""
    world = opening()
    world.do(order(RICH, PERP, SELL, 1_000, 6_000_000))
    world.do(order(REGULAR, PERP, BUY, 1_000, 6_000_000))
    world.do(order(REGULAR, PERP, SELL, 0, 0, is_close=True, trigger_price=5_800_000))
    assert reject_of(world.do(AmendOrder(REGULAR, 3, 0, 0, 5_850_000))) is None
    world.do(order(SECOND, PERP, BUY, 1_000, 5_840_000))
    assert traded(world.move_index(1, 5_850_000)) == 1_000


def test_triggers_met_before_a_halt_are_not_lost() -> None:
    """SAFE-020: those beyond the bound of one command wait through the halt."""
    world = opening()
    for _ in range(150):
        world.do(order(RICH, PERP, BUY, 20, 5_000_000, trigger_price=6_100_000))
    first = world.move_index(1, 6_100_000)
    halted = world.do(SetMarketStatus(PERP, MarketStatus.HALTED))
    opened = world.do(SetMarketStatus(PERP, MarketStatus.TRADING))
    assert not [event for event in halted if isinstance(event, OrderCancelled)]
    fired = [event.order_id for event in first + opened if isinstance(event, OrderTriggered)]
    assert fired == list(range(1, 151))


def test_the_trading_range_never_vanishes() -> None:
    """SAFE-021: a mark of 0.40 with a tick of 0.50 leaves one price to buy at."""
    world = opening()
    world.move_index(1, 40)
    assert reject_of(world.do(order(RICH, PERP, BUY, 10**6, 500_000))) is Reject.OUTSIDE_TRADING_RANGE
    assert reject_of(world.do(order(RICH, PERP, BUY, 10**6, 50))) is None


@pytest.mark.parametrize(
    "command,reject",
    [
        (AmendOrder(REGULAR, 1, 0, 50), Reject.NOTIONAL_TOO_SMALL),
        (PlaceOrder(REGULAR, SPOT, BUY, 10, 6_000_000, leverage_e2=500), Reject.NOT_ON_SPOT),
        (PlaceOrder(REGULAR, PERP, BUY, 10, 6_000_000, close_on_trigger=True), Reject.INVALID_TRIGGER),
        (ListMarket(9, opening().exchange.state.markets[PERP].instrument), Reject.ALREADY_LISTED),
    ],
)
def test_small_print(command: Command, reject: Reject) -> None:
    """SAFE-022: minimum notional in amendments, leverage on spot, close-on-trigger without a trigger."""
    world = opening()
    world.do(order(REGULAR, PERP, BUY, 1, 5_000_000))
    assert reject_of(world.do(command)) is reject


def test_options_are_not_listed_before_their_margins_exist() -> None:
    """SAFE-023"""
    import msgspec

    world = opening()
    terms = msgspec.structs.replace(
        world.exchange.state.markets[PERP].instrument, symbol="PUT", kind=InstrumentKind.PUT
    )
    assert reject_of(world.do(ListMarket(9, terms))) is Reject.INVALID_TERMS


def test_reading_is_the_same_before_and_after_a_snapshot() -> None:
    """SAFE-024: a refusal leaves nothing that a reader could see."""
    world = opening()
    world.do(order(ISOLATED, PERP, BUY, 10**8, 6_000_000))
    twin = decode(encode(world.exchange))
    for exchange in (world.exchange, twin):
        assert views.leverage(exchange, ISOLATED, PERP) == 100
        assert views.positions(exchange, ISOLATED, all=True) == []


def test_dead_sources_make_room_for_living_ones() -> None:
    """SAFE-025"""
    world = opening()
    for source_id in range(1, 33):
        world.do(UpdateIndexPrice(1, source_id, 6_000_000, world.time_ms))
    world.time_ms += 60_000
    assert reject_of(world.do(UpdateIndexPrice(1, 99, 6_000_000, world.time_ms))) is None


def test_margin_may_be_drawn_while_the_balance_is_short() -> None:
    """SAFE-026: drawing helps where the reserve of orders is short."""
    world = opening()
    world.do(order(RICH, PERP, SELL, 1_000, 6_000_000))
    world.do(SetLeverage(ISOLATED, PERP, 1_000))
    world.do(order(ISOLATED, PERP, BUY, 1_000, 6_000_000))
    world.do(MoveMargin(ISOLATED, PERP, 10_000 * USD_UNIT))
    world.do(order(ISOLATED, ETHP, BUY, 1_000, 290_000))
    assert reject_of(world.do(MoveMargin(ISOLATED, PERP, -5_000 * USD_UNIT))) is None
