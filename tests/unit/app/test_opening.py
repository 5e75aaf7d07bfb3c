"""What a start does to an exchange: a new one, an old one, one that is as it should be."""

import logging

import msgspec
import pytest

from app import opening
from app.listings import load
from app.opening import amend, prepare_markets
from app.settings import Settings
from app.store import Store, open_store
from exchange import views
from exchange.commands import ListAsset, ListIndex, ListMarket, UpdateIndexPrice
from exchange.instrument import Instrument, InstrumentKind, MarkMethod
from exchange.limits import FUND_ACCOUNT_ID, MONEY_SCALE, RULES_LATEST, TERMS_NOTICE_MS
from tests.small import FakeClock

LISTINGS = load()
USD = 1
SEED_USD = 1_000_000


def old(terms: Instrument) -> Instrument:
    """A future's terms as they were before marks had a basis and funding a rate."""
    if terms.kind is not InstrumentKind.FUTURE:
        return terms
    return msgspec.structs.replace(terms, mark_method=MarkMethod.INDEX, mark_clamp_ppm=0, premium_clamp_ppm=0)


async def list_old(store: Store) -> None:
    """The 40 markets of an older table."""
    for asset in LISTINGS.assets[:33]:
        await store.sequencer.submit(ListAsset(asset))
    for index in LISTINGS.indices[:36]:
        await store.sequencer.submit(ListIndex(index))
    for market_id, terms in LISTINGS.markets[:40]:
        await store.sequencer.submit(ListMarket(market_id, old(terms)))


async def prepare(store: Store, clock: FakeClock, seed_usd: int = SEED_USD) -> None:
    await prepare_markets(store.sequencer, LISTINGS, clock, insurance_seed_usd=seed_usd)


def fund(store: Store) -> list[int]:
    return [row.amount for row in views.balances(store.exchange, FUND_ACCOUNT_ID)]


@pytest.mark.spec("LIST-012", "LIST-014")
async def test_a_new_exchange_has_the_table_the_rules_and_the_fund(settings: Settings) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await prepare(store, clock)
        assert [(view.market_id, view.instrument) for view in views.markets(store.exchange)] == list(LISTINGS.markets)
        assert views.rules_version(store.exchange) == RULES_LATEST
        assert fund(store) == [SEED_USD * MONEY_SCALE]


@pytest.mark.spec("LIST-012", "LIST-014")
async def test_an_old_exchange_is_brought_up_once(settings: Settings) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await list_old(store)
        assert views.rules_version(store.exchange) == 1
        await prepare(store, clock)
        assert dict(LISTINGS.markets) == {view.market_id: view.instrument for view in views.markets(store.exchange)}
        assert views.rules_version(store.exchange) == RULES_LATEST
    async with open_store(settings, clock=clock) as store:
        before = store.exchange.state_hash()
        await prepare(store, clock, seed_usd=2 * SEED_USD)
        assert store.exchange.state_hash() == before
        assert fund(store) == [SEED_USD * MONEY_SCALE]


@pytest.mark.spec("LIST-013")
async def test_terms_that_ask_more_wait(settings: Settings) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        for asset in LISTINGS.assets[:33]:
            await store.sequencer.submit(ListAsset(asset))
        for index in LISTINGS.indices[:36]:
            await store.sequencer.submit(ListIndex(index))
        market_id, terms = LISTINGS.markets[0]
        mild = msgspec.structs.replace(terms, initial_ppm=8_000)
        await store.sequencer.submit(ListMarket(market_id, mild))
        await prepare(store, clock)
        assert store.exchange.state.markets[market_id].instrument == mild
        assert LISTINGS.changed(opening.listed_terms(store.sequencer)) == []
        clock.now_ms += TERMS_NOTICE_MS + opening.NOTICE_MARGIN_MS
        await store.sequencer.submit(UpdateIndexPrice(1, 1, 50_000_00, clock.now_ms))
        assert store.exchange.state.markets[market_id].instrument == terms


@pytest.mark.spec("LIST-013")
async def test_terms_that_an_operator_chose_stay(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await prepare(store, clock)
        market_id, terms = LISTINGS.markets[0]
        chosen = msgspec.structs.replace(terms, taker_fee_ppm=400)
        assert await amend(store.sequencer, market_id, chosen, clock()) is None
        with caplog.at_level(logging.INFO):
            await prepare(store, clock)
        assert store.exchange.state.markets[market_id].instrument == chosen
        assert "USD_BTC_PERP has other terms" in caplog.text


@pytest.mark.spec("LIST-014")
async def test_no_seed_is_no_deposit(settings: Settings) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await prepare(store, clock, seed_usd=0)
        assert fund(store) == []
