"""Terms that change in a market's life, the rules' version, the venue's status, who provides liquidity."""

import msgspec
import pytest

from engine.order import Side
from exchange.audit import audit
from exchange.commands import (
    AmendMarket,
    Command,
    ListMarket,
    PlaceOrder,
    SetLiquidityProvider,
    SetMarginMode,
    SetMarketStatus,
    SetRulesVersion,
    SetVenueStatus,
    Tick,
)
from exchange.events import CommandRejected, LiquidityProviderSet, MarketAmended, MarketAmendmentScheduled
from exchange.instrument import Bracket, Instrument, MarketStatus, MarkMethod
from exchange.limits import RULES_LATEST, TERMS_NOTICE_MS
from exchange.rejects import Reject
from exchange.snapshot import decode, encode
from tests.support.world import BTC_PERP, ISOLATED, PERP, POOR, REGULAR, RICH, USD_UNIT, World, opening

BRACKETS = (Bracket(50_000 * USD_UNIT, 10_000, 5_000), Bracket(250_000 * USD_UNIT, 20_000, 10_000))


def refusal(world: World, command: Command) -> Reject | None:
    """Return why a command is refused; None when it is not. A refused one changes nothing."""
    before = world.exchange.state_hash()
    events = world.do(command)
    if not isinstance(events[0], CommandRejected):
        return None
    assert world.exchange.state_hash() == before
    return events[0].reject


def terms(**changes: object) -> Instrument:
    return msgspec.structs.replace(BTC_PERP, **changes)


def test_terms_that_ask_for_more_need_notice() -> None:
    """AMD-001."""
    world = opening()
    dearer = terms(maintenance_ppm=7_000)
    assert refusal(world, AmendMarket(PERP, dearer)) is Reject.NOTICE_TOO_SHORT
    at_ms = world.time_ms + TERMS_NOTICE_MS
    assert refusal(world, AmendMarket(PERP, dearer, at_ms - 1)) is Reject.NOTICE_TOO_SHORT
    assert world.do(AmendMarket(PERP, dearer, at_ms)) == [MarketAmendmentScheduled(PERP, dearer, at_ms)]
    market = world.exchange.state.markets[PERP]
    assert MarketAmended(PERP, dearer) not in world.do(Tick(), TERMS_NOTICE_MS - 1)
    assert market.instrument == BTC_PERP
    assert MarketAmended(PERP, dearer) in world.do(Tick(), 1)
    assert market.instrument == dearer
    cheaper = terms(taker_fee_ppm=200)
    assert world.do(AmendMarket(PERP, cheaper)) == [MarketAmended(PERP, cheaper)]
    assert audit(world.exchange) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"mark_method": MarkMethod.BASIS},
        {"mark_clamp_ppm": 10_000},
        {"premium_clamp_ppm": 40_000},
        {"funding_period_h": 8},
        {"interest_ppm": 100},
        {"interest_clamp_ppm": 500},
        {"is_premium_on_mark": True},
    ],
)
def test_terms_that_move_the_mark_or_raise_funding_need_notice(changes: dict[str, object]) -> None:
    """AMD-006: and they are taken with it. The first two rules took them at once."""
    listed = terms(symbol="FUNDED", premium_clamp_ppm=30_000, impact_qty=300, mark_clamp_ppm=30_000)
    other = msgspec.structs.replace(listed, **changes)
    older, world = opening(), opening()
    for one, rules, reject in ((older, 2, None), (world, RULES_LATEST, Reject.NOTICE_TOO_SHORT)):
        one.do(SetRulesVersion(rules))
        one.do(ListMarket(9, listed))
        assert refusal(one, AmendMarket(9, other)) is reject
    assert refusal(world, AmendMarket(9, other, world.time_ms + TERMS_NOTICE_MS)) is None
    milder = msgspec.structs.replace(listed, premium_clamp_ppm=20_000, funding_period_h=12, impact_qty=400)
    assert refusal(world, AmendMarket(9, milder)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"tick": 100},
        {"unit_value": 10},
        {"index_id": 2},
        {"symbol": "X"},
        {"strike_ppm": 5},
        {"expiry_ms": 5},
        {"lot_decimals": 3},
    ],
)
def test_the_contract_never_changes(changes: dict[str, object]) -> None:
    """AMD-002."""
    assert refusal(opening(), AmendMarket(PERP, terms(**changes))) is Reject.INVALID_TERMS


@pytest.mark.parametrize(
    "changes",
    [
        {"maintenance_ppm": 10_000},
        {"liquidation_fee_ppm": 5_000},
        {"brackets": (Bracket(5, 20_000, 10_000),)},
        {"brackets": (BRACKETS[0], Bracket(1, 20_000, 10_000))},
        {"funding_period_h": 0},
        {"range_ppm": 0},
    ],
)
def test_terms_that_contradict_each_other(changes: dict[str, object]) -> None:
    """AMD-002: a liquidation fee at the maintenance rate would never free margin; brackets rise."""
    assert refusal(opening(), AmendMarket(PERP, terms(**changes))) is Reject.INVALID_TERMS
    assert refusal(opening(), ListMarket(9, terms(symbol="Y", **changes))) is Reject.INVALID_TERMS


def test_unknown_markets_have_no_terms() -> None:
    """AMD-002."""
    assert refusal(opening(), AmendMarket(99, BTC_PERP)) is Reject.UNKNOWN_MARKET


def test_new_terms_do_not_liquidate_at_once() -> None:
    """AMD-003: 500 USD carry 0.5 BTC at 10,000 leverage-free 1%; at 4% maintenance they do not, from the next tick on."""
    world = opening()
    world.do(SetRulesVersion(2))
    world.do(PlaceOrder(RICH, PERP, Side.SELL, 4_000, 6_000_000))
    world.do(PlaceOrder(POOR, PERP, Side.BUY, 4_000, 6_000_000))
    at_ms = world.time_ms + TERMS_NOTICE_MS
    world.do(AmendMarket(PERP, terms(initial_ppm=50_000, maintenance_ppm=40_000, leverage_max=20), at_ms))
    names = [type(event).__name__ for event in world.do(Tick(), TERMS_NOTICE_MS)]
    assert "MarketAmended" in names
    assert "LiquidationStarted" not in names


def test_a_snapshot_keeps_it() -> None:
    """AMD-004."""
    world = opening()
    world.do(SetRulesVersion(2))
    world.do(SetVenueStatus(MarketStatus.CANCEL_ONLY))
    world.do(SetMarketStatus(PERP, MarketStatus.REDUCE_ONLY))
    world.do(SetLiquidityProvider(RICH, True))
    world.do(AmendMarket(PERP, terms(maintenance_ppm=7_000), world.time_ms + TERMS_NOTICE_MS))
    again = decode(encode(world.exchange))
    assert again.state_hash() == world.exchange.state_hash()
    assert list(again.state.providers) == [RICH]
    market = again.state.markets[PERP]
    assert (market.status, market.own_status) == (MarketStatus.CANCEL_ONLY, MarketStatus.REDUCE_ONLY)
    assert market.amendment is not None


def test_rules_only_go_up() -> None:
    """AMD-005."""
    world = opening()
    assert refusal(world, SetRulesVersion(1)) is Reject.INVALID_RULES
    assert refusal(world, SetRulesVersion(99)) is Reject.INVALID_RULES
    assert refusal(world, SetRulesVersion(2)) is None
    assert refusal(world, SetRulesVersion(2)) is Reject.INVALID_RULES


def test_the_venue_restricts_every_market() -> None:
    """HLT-003."""
    world = opening()
    order = PlaceOrder(REGULAR, PERP, Side.BUY, 10, 5_900_000)
    world.do(SetMarketStatus(PERP, MarketStatus.REDUCE_ONLY))
    world.do(SetVenueStatus(MarketStatus.HALTED))
    assert {market.status for market in world.exchange.state.markets.values()} == {MarketStatus.HALTED}
    assert refusal(world, order) is Reject.MARKET_CLOSED
    world.do(SetVenueStatus(MarketStatus.TRADING))
    assert refusal(world, order) is Reject.MARKET_CLOSED
    world.do(SetMarketStatus(PERP, MarketStatus.TRADING))
    assert refusal(world, order) is None
    assert refusal(world, SetVenueStatus(MarketStatus.SETTLED)) is Reject.MARKET_CLOSED
    assert refusal(world, SetMarketStatus(PERP, MarketStatus.SETTLED)) is Reject.MARKET_CLOSED


def test_who_provides_liquidity() -> None:
    """PRV-001."""
    world = opening()
    assert world.do(SetLiquidityProvider(RICH, True)) == [LiquidityProviderSet(RICH, True)]
    assert refusal(world, SetLiquidityProvider(ISOLATED, True)) is Reject.ONLY_CROSS
    assert refusal(world, SetMarginMode(RICH, True)) is Reject.ONLY_CROSS
    assert refusal(world, SetLiquidityProvider(0, True)) is Reject.UNKNOWN_ACCOUNT
    world.do(SetLiquidityProvider(RICH, False))
    assert world.exchange.state.providers == {}
    assert refusal(world, SetMarginMode(RICH, True)) is None


def test_a_size_beyond_the_last_bracket() -> None:
    """BRK-003: 250,000 USD are 4.1666 BTC at 60,000."""
    world = opening()
    world.do(AmendMarket(PERP, terms(brackets=BRACKETS), world.time_ms + TERMS_NOTICE_MS))
    world.do(Tick(), TERMS_NOTICE_MS)
    world.move_index(1, 6_000_000)
    assert refusal(world, PlaceOrder(RICH, PERP, Side.BUY, 41_667, 6_000_000)) is Reject.POSITION_TOO_LARGE
    assert refusal(world, PlaceOrder(RICH, PERP, Side.BUY, 41_666, 6_000_000)) is None
    assert refusal(world, PlaceOrder(RICH, PERP, Side.BUY, 100, 6_000_000)) is Reject.POSITION_TOO_LARGE
    world.do(PlaceOrder(REGULAR, PERP, Side.SELL, 10_000, 6_000_000))
    assert refusal(world, PlaceOrder(RICH, PERP, Side.SELL, 10_000, 6_000_000)) is None


def test_leverage_ends_at_the_bracket() -> None:
    """BRK-004: 1 BTC at 60,000 is 10,000 into the second bracket: (60,000 x 2% - 500) / 60,000 = 1.1667%, and 100x counts as that."""
    world = opening()
    world.do(
        AmendMarket(
            PERP,
            terms(brackets=BRACKETS, initial_slope_ppb=0, maintenance_slope_ppb=0),
            world.time_ms + TERMS_NOTICE_MS,
        )
    )
    world.do(Tick(), TERMS_NOTICE_MS)
    world.move_index(1, 6_000_000)
    world.do(PlaceOrder(RICH, PERP, Side.SELL, 10_000, 6_000_000))
    world.do(PlaceOrder(ISOLATED, PERP, Side.BUY, 10_000, 6_000_000, leverage_e2=10_000))
    position = world.exchange.state.accounts[ISOLATED].holdings[PERP].position
    assert position.qty == 10_000
    assert position.margin == 700 * USD_UNIT
    assert audit(world.exchange) == []
