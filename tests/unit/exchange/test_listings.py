"""What the exchange lists, and what it refuses to list."""

import msgspec
import pytest

from engine.order import Side
from exchange.commands import (
    Command,
    ListAsset,
    ListIndex,
    ListMarket,
    OpenAccount,
    PlaceOrder,
    SetMarketStatus,
    SetRulesVersion,
    UpdateIndexPrice,
)
from exchange.events import AccountOpened, CommandRejected, MarketListed
from exchange.instrument import Asset, IndexTerms, Instrument, MarketStatus
from exchange.limits import ACCOUNTS_PER_OWNER_MAX, RULES_LATEST, SOURCES_MAX
from exchange.rejects import Reject
from tests.support.world import BTC_PERP, BTC_SPOT, REGULAR, opening


def changed(terms: Instrument, **fields: object) -> Instrument:
    fields.setdefault("symbol", "NEW")
    return msgspec.structs.replace(terms, **fields)


@pytest.mark.parametrize(
    "command,reject",
    [
        (ListAsset(Asset(1, "USD")), Reject.ALREADY_LISTED),
        (ListAsset(Asset(0, "XYZ")), Reject.INVALID_TERMS),
        (ListAsset(Asset(9, "")), Reject.INVALID_TERMS),
        (ListIndex(IndexTerms(1, "BTC", 2)), Reject.ALREADY_LISTED),
        (ListIndex(IndexTerms(9, "XYZ", 9)), Reject.INVALID_TERMS),
        (ListIndex(IndexTerms(0, "XYZ", 2)), Reject.INVALID_TERMS),
        (ListMarket(1, changed(BTC_PERP)), Reject.ALREADY_LISTED),
        (ListMarket(9, BTC_PERP), Reject.ALREADY_LISTED),
        (ListMarket(9, changed(BTC_PERP, base_asset=77)), Reject.UNKNOWN_ASSET),
        (ListMarket(9, changed(BTC_PERP, index_id=77)), Reject.UNKNOWN_INDEX),
        (ListMarket(9, changed(BTC_PERP, price_decimals=3)), Reject.INVALID_TERMS),  # another scale than its index
        (ListMarket(9, changed(BTC_PERP, lot_decimals=7)), Reject.INVALID_TERMS),  # 2 + 7 > 8
        (ListMarket(9, changed(BTC_PERP, tick=0)), Reject.INVALID_TERMS),
        (ListMarket(9, changed(BTC_PERP, unit_value=0)), Reject.INVALID_TERMS),
        (ListMarket(9, changed(BTC_PERP, base_asset=1)), Reject.INVALID_TERMS),  # base is quote
        (ListMarket(9, changed(BTC_PERP, qty_min=5, qty_max=4)), Reject.INVALID_TERMS),
        (ListMarket(9, changed(BTC_PERP, range_ppm=1_000_000)), Reject.INVALID_TERMS),
        (ListMarket(9, changed(BTC_PERP, taker_fee_ppm=-1)), Reject.INVALID_TERMS),
        (ListMarket(9, changed(BTC_PERP, maker_fee_ppm=-301)), Reject.INVALID_TERMS),  # a rebate above the taker fee
        (ListMarket(9, changed(BTC_PERP, maintenance_ppm=10_000)), Reject.INVALID_TERMS),
        (ListMarket(9, changed(BTC_PERP, leverage_max=101)), Reject.INVALID_TERMS),
        (ListMarket(9, changed(BTC_PERP, index_id=0)), Reject.INVALID_TERMS),
        (ListMarket(0, changed(BTC_PERP)), Reject.INVALID_TERMS),
        (ListMarket(9, changed(BTC_SPOT, lot_base=1)), Reject.INVALID_TERMS),
        (ListMarket(9, changed(BTC_SPOT, unit_value=1)), Reject.INVALID_TERMS),
        (SetMarketStatus(9, MarketStatus.HALTED), Reject.UNKNOWN_MARKET),
        (UpdateIndexPrice(9, 1, 100, 0), Reject.UNKNOWN_INDEX),
        (UpdateIndexPrice(1, 1, 0, 2_000_000_000_000), Reject.INVALID_PRICE),
        (UpdateIndexPrice(1, 1, 100, 5), Reject.STALE_OBSERVATION),
        (OpenAccount("", 1), Reject.INVALID_REFERENCE),
        (OpenAccount("x" * 65, 1), Reject.INVALID_REFERENCE),
    ],
)
def test_refused(command: Command, reject: Reject) -> None:
    """LST-001"""
    world = opening()
    before = world.exchange.state_hash()
    assert world.do(command) == [CommandRejected(reject, reject.field)]
    assert world.exchange.state_hash() == before


def test_sound_terms_are_listed_with_the_present_mark() -> None:
    """LST-002"""
    world = opening()
    terms = changed(BTC_PERP)
    assert world.do(ListMarket(9, terms)) == [MarketListed(9, terms)]
    assert world.exchange.state.markets[9].mark_price == 6_000_000


def test_a_future_without_a_price_takes_no_order() -> None:
    """LST-003"""
    world = opening()
    world.do(ListIndex(IndexTerms(9, "NEW", 2)))
    world.do(ListMarket(9, changed(BTC_PERP, index_id=9)))
    refused = [CommandRejected(Reject.NO_PRICE)]
    assert world.do(PlaceOrder(REGULAR, 9, Side.BUY, 100, 6_000_000)) == refused


def test_an_index_has_so_many_sources() -> None:
    """IDX-006"""
    world = opening()
    for source_id in range(1, SOURCES_MAX + 1):
        world.do(UpdateIndexPrice(1, source_id, 6_000_000, world.time_ms))
    refused = world.do(UpdateIndexPrice(1, SOURCES_MAX + 1, 6_000_000, world.time_ms))
    assert refused == [CommandRejected(Reject.INVALID_TERMS)]


@pytest.mark.parametrize("owner_id", [0, -1])
def test_nobody_else_has_the_funds_owner(owner_id: int) -> None:
    """ACC-003: refused with the field to blame, and without a trace; the first rules took it."""
    world = opening()
    world.do(SetRulesVersion(RULES_LATEST))
    before = world.exchange.state_hash()
    assert world.do(OpenAccount("the fund's", owner_id)) == [CommandRejected(Reject.INVALID_OWNER, "owner_id")]
    assert world.exchange.state_hash() == before
    assert opening().do(OpenAccount("the fund's", owner_id)) == [AccountOpened(7, owner_id)]


def test_an_owner_has_so_many_accounts_and_a_reference_opens_one() -> None:
    """ACC-002"""
    world = opening()
    first = world.do(OpenAccount("mine", 50))
    assert world.do(OpenAccount("mine", 50)) == [AccountOpened(7, 50, True)]
    assert first == [AccountOpened(7, 50)]
    for number in range(ACCOUNTS_PER_OWNER_MAX - 1):
        world.do(OpenAccount(f"more {number}", 50))
    assert world.do(OpenAccount("too many", 50)) == [CommandRejected(Reject.TOO_MANY_ACCOUNTS)]
    assert world.do(OpenAccount("another's", 51)) == [AccountOpened(6 + ACCOUNTS_PER_OWNER_MAX + 1, 51)]
