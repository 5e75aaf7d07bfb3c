"""The model feed over a real exchange: what it sends, when it holds, what comes back after a start."""

from dataclasses import replace
from math import exp

import msgspec
import pytest

from app.feeds.base import NoFeed
from app.feeds.choose import choose_feed
from app.feeds.derived import is_derived
from app.feeds.model import ModelFeed
from app.feeds.together import Together
from app.listings import load
from app.settings import Settings
from app.store import Store, open_store
from engine.order import Side
from exchange.commands import (
    Command,
    Deposit,
    ListAsset,
    ListIndex,
    ListMarket,
    OpenAccount,
    PlaceOrder,
    Tick,
    UpdateIndexPrice,
    UpdateOptionModels,
)
from exchange.events import CommandRejected, Event, OptionModelsUpdated
from exchange.exchange import Exchange
from exchange.instrument import Asset, IndexTerms, Instrument, InstrumentKind, MarkMethod
from tests.small import FakeClock
from tests.support.options import option

SLOT_MS = 300_000
BEGIN_MS = 1_700_000_100_000 // SLOT_MS * SLOT_MS
INDEX, PVIX, PVAR, ETH = 1, 2, 3, 4
USD, BTC = 1, 3  # as in tests.support.world
KINDS = (InstrumentKind.CALL, InstrumentKind.PUT)
STRIKES = (970_000, 990_000, 1_000_000, 1_030_000)
MARKETS: dict[int, Instrument] = {
    10 + at: msgspec.structs.replace(
        option(f"USD_BTC{kind.name}{at}_PERP", kind, ppm), mark_method=MarkMethod.BASIS, impact_qty=1_000
    )
    for at, (kind, ppm) in enumerate((kind, ppm) for ppm in STRIKES for kind in KINDS)
}


def listing(suffix: str = "") -> list[Command]:
    terms = [
        IndexTerms(INDEX, "BTC_USD", 2, True),
        IndexTerms(PVIX, f"PVIXBTC{suffix}", 4, True),
        IndexTerms(PVAR, f"PVARBTC{suffix}", 2, True),
        IndexTerms(ETH, "ETH_USD", 2, True),
    ]
    assets = [Asset(1, "USD"), Asset(2, "BTC"), Asset(3, "ETH"), Asset(4, "USDT")]
    return [
        *[ListAsset(asset) for asset in assets],
        *[ListIndex(index) for index in terms],
        *[ListMarket(key, instrument) for key, instrument in MARKETS.items()],
    ]


class House:
    """An exchange with a bell: each second the index is observed, the feed is asked, and a tick follows."""

    def __init__(self, suffix: str = "") -> None:
        self.exchange = Exchange()
        self.time_ms = BEGIN_MS
        self.feed = ModelFeed(lambda: self.exchange)
        for command in listing(suffix):
            self.do(command)

    def do(self, command: Command) -> list[Event]:
        events = self.exchange.apply(command, self.time_ms)
        assert not any(isinstance(event, CommandRejected) for event in events), (command, events)
        return events

    def ring(self, price: int = 60_000_00, *, after_ms: int = 1_000) -> list[Command]:
        """Let a second pass. Price 0: the index is not observed."""
        self.time_ms += after_ms
        if price:
            self.do(UpdateIndexPrice(INDEX, 1, price, self.time_ms))
        computed: list[Command] = [*self.feed.take(self.time_ms)]
        for command in [*computed, Tick()]:
            self.do(command)
        return computed

    def give_strikes(self, ema: int = 60_000_00) -> None:
        """Give the options a strike, as ticks do."""
        for market in self.exchange.state.markets.values():
            market.strike = ema * market.instrument.strike_ppm // 1_000_000

    def quote(self, rates_ppm: list[int]) -> None:
        """Let the first options have a fair price and a funding rate; the others have none."""
        for market in self.exchange.state.markets.values():
            market.fair_price = market.funding_rate_e12 = 0
        for market_id, rate_ppm in zip(MARKETS, rates_ppm, strict=False):
            market = self.exchange.state.markets[market_id]
            market.fair_price = market.mark_price = 500_00
            market.funding_rate_e12 = rate_ppm * 10**6


def models_of(computed: list[Command]) -> UpdateOptionModels | None:
    found = [command for command in computed if isinstance(command, UpdateOptionModels)]
    assert len(found) <= 1
    return found[0] if found else None


def observed(computed: list[Command], index_id: int) -> int | None:
    """The price that an index is observed at."""
    found = [row for row in computed if isinstance(row, UpdateIndexPrice) and row.index_id == index_id]
    assert len(found) <= 1
    assert all(row.source_id == 1 for row in found)
    return found[0].price if found else None


def test_all_options_have_their_models_each_second() -> None:
    """MOD-050 and MOD-059."""
    house = House()
    assert models_of(house.ring()) is None  # no index yet
    house.give_strikes()
    for _ in range(3):
        command = models_of(house.ring())
        assert command is not None
        assert [model.market_id for model in command.models] == list(MARKETS)
        assert command.source_time_ms == house.time_ms
    models = {market_id: market.model for market_id, market in house.exchange.state.markets.items()}
    assert all(model is not None and model.volatility_ppm == 600_000 for model in models.values())


def test_a_second_is_computed_once() -> None:
    """MOD-050."""
    house = House()
    house.ring()
    house.give_strikes()
    assert house.ring()
    assert house.feed.take(house.time_ms + 999) == []
    assert house.feed.take(house.time_ms - 5_000) == []
    assert house.feed.take(house.time_ms + 1_000)


def test_a_second_whose_index_comes_late_is_computed_when_it_has_come() -> None:
    """MOD-050."""
    house = House()
    house.ring()
    house.give_strikes()
    house.ring()
    assert models_of(house.ring(0, after_ms=60_000)) is None
    house.do(UpdateIndexPrice(INDEX, 1, 60_000_00, house.time_ms))
    house.do(Tick())
    assert models_of([*house.feed.take(house.time_ms)]) is not None
    assert house.feed.take(house.time_ms) == []


def test_the_exchange_takes_them() -> None:
    """MOD-059."""
    house = House()
    house.ring()
    house.give_strikes()
    command = models_of(house.ring())
    assert command is not None
    events = house.do(command)
    assert [type(event) for event in events] == [OptionModelsUpdated]


def test_many_options_are_several_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """MOD-050: the core takes 256 in one."""
    monkeypatch.setattr("app.feeds.model.OPTION_MODELS_MAX", 3)
    house = House()
    house.ring()
    house.give_strikes()
    sizes = [len(command.models) for command in house.ring() if isinstance(command, UpdateOptionModels)]
    assert sizes == [3, 3, 2]


def test_a_stale_index_stops_models_and_variance() -> None:
    """MOD-055 and MOD-057: ten seconds after the last computed index, and again when it is back."""
    house = House()
    house.ring()
    house.give_strikes()
    house.ring()
    assert observed(house.ring(0, after_ms=10_000), PVAR) == 3_600_00
    computed = house.ring(0)
    for _ in range(12):  # the core itself holds the observation for ten seconds
        computed = house.ring(0)
    assert models_of(computed) is None and observed(computed, PVAR) is None
    house.ring()
    computed = house.ring()
    assert models_of(computed) is not None and observed(computed, PVAR) == 3_600_00


def test_the_variance_index_follows_the_index() -> None:
    """MOD-056: 13 slots of a zigzag by e^0.001, of which the first has no return."""
    house = House()
    for slot in range(13):
        house.time_ms = BEGIN_MS + slot * SLOT_MS
        for _ in range(2):
            house.ring(round(60_000_00 * exp(0.001 * (slot % 2))))
    assert observed(house.ring(0, after_ms=SLOT_MS - 2_000), PVAR) is None  # its index is stale by now
    house.ring()
    expected = 10_000 * (12 * 0.10512 + 276 * 0.36) / 288
    assert observed(house.ring(), PVAR) == pytest.approx(round(expected * 100), abs=20)


@pytest.mark.parametrize("suffix", ["", "_USD"])
def test_derived_indices_are_known_by_name(suffix: str) -> None:
    """MOD-056."""
    house = House(suffix)
    house.ring()
    assert observed(house.ring(), PVAR) == 3_600_00
    derived = [index.terms.index_id for index in house.exchange.state.indices.values() if is_derived(index.terms)]
    assert derived == [PVIX, PVAR]


def test_no_outside_feed_observes_a_derived_index() -> None:
    """MOD-060."""
    listings = load()
    derived = (IndexTerms(901, "PVIXBTC", 4, True), IndexTerms(902, "PVARBTC_USD", 2, True))
    more = replace(listings, indices=(*listings.indices, *derived), starts={901: 1, 902: 1, **listings.starts})
    feed = choose_feed("synthetic", seed=1, path=None, listings=more, prices={})
    rows = feed.take(5_000)
    assert rows == choose_feed("synthetic", seed=1, path=None, listings=listings, prices={}).take(5_000)
    assert not {901, 902} & {row.index_id for row in rows}


def test_a_derived_index_of_nothing_is_left_alone() -> None:
    """MOD-056."""
    house = House()
    house.do(ListIndex(IndexTerms(9, "PVARDOGE", 2, True)))
    house.ring()
    assert observed(house.ring(), 9) is None


def test_the_volatility_index() -> None:
    """MOD-040, MOD-041, MOD-042: too few options hold it; the first sample starts it; then it is smoothed."""
    house = House()
    house.ring()
    assert observed(house.ring(), PVIX) is None
    house.quote([100_000] * 5)
    assert observed(house.ring(), PVIX) is None
    house.quote([100_000, 10_000, 10_000, 0, -50_000, 0])
    assert observed(house.ring(), PVIX) == 2_0000
    house.quote([80_000] * 6)
    assert observed(house.ring(), PVIX) == 2_1967
    house.quote([80_000] * 5)
    assert observed(house.ring(), PVIX) is None


def test_the_volatility_index_goes_on_after_a_start() -> None:
    """MOD-043."""
    house = House()
    house.quote([20_000] * 6)
    for _ in range(3):
        house.ring()
        house.quote([20_000] * 6)
    assert house.exchange.state.indices[PVIX].price == 2_0000
    house.feed = ModelFeed(lambda: house.exchange)
    house.quote([80_000] * 6)
    assert observed(house.ring(), PVIX) == 2_1967


def test_the_same_views_give_the_same_commands() -> None:
    """MOD-058."""
    houses = [House(), House()]
    told: list[list[Command]] = [[], []]
    for house, commands in zip(houses, told, strict=True):
        house.ring()
        house.give_strikes()
        for second in range(60):
            house.quote([second * 100 % 90_000] * 7)
            commands += house.ring(60_000_00 + second * 37 % 991)
    assert told[0] == told[1]
    assert len(told[0]) > 120


def marked(house: House, market_id: int) -> tuple[int, int, int]:
    """Mark, model value and the volatility that made it."""
    market = house.exchange.state.markets[market_id]
    assert market.model is not None
    return market.mark_price, market.model.price, market.model.volatility_ppm


def test_a_mark_without_a_book_is_the_model_value() -> None:
    """MOD-061: of the second before, since the tick comes after the models; then again for every option."""
    house = House()
    for _ in range(3):
        house.ring()
    values = {market_id: marked(house, market_id) for market_id in MARKETS}
    assert all(mark == value for mark, value, _ in values.values())
    at_the_money = next(key for key, terms in MARKETS.items() if terms.strike_ppm == 1_000_000)
    assert values[at_the_money][:2] == (403_27, 403_27)


def test_a_book_moves_the_mark_at_once_and_the_model_slowly() -> None:
    """MOD-061: quotes of 600 around a value of 403.27, for a minute."""
    house = House()
    for _ in range(3):
        house.ring()
    market_id = next(key for key, terms in MARKETS.items() if terms.strike_ppm == 1_000_000)
    house.do(OpenAccount("maker", 1))
    house.do(Deposit("money", 1, USD, 10**6 * 10**8))
    for side, price in ((Side.BUY, 599_50), (Side.SELL, 600_50)):
        # The range keeps the seller's 600.50 and the buyer's 599.50: it is 0.5% of the underlying around the mark.
        house.do(PlaceOrder(1, market_id, side, 5_000, price))
    for _ in range(60):
        house.ring()
    mark, value, volatility_ppm = marked(house, market_id)
    implied = 0.6 * 600 / 403.27  # a value at the money goes with volatility
    assert 600_000 < volatility_ppm < 600_000 + 0.182 * (implied - 0.6) * 1e6
    assert 403_27 < value < 403_27 + 0.19 * (600_00 - 403_27)
    assert 403_27 + 0.8 * (600_00 - 403_27) < mark <= 600_00


def test_several_feeds_are_heard_as_one() -> None:
    """MOD-050: the bell asks outside feeds first, the models after them."""
    house = House()
    house.ring()
    house.give_strikes()
    both = Together([NoFeed(), house.feed])
    assert isinstance(both.take(house.time_ms + 1_000)[-1], UpdateOptionModels)
    assert both.take(house.time_ms + 1_000) == []


async def ring(store: Store, clock: FakeClock, feed: ModelFeed, price: int) -> list[Command]:
    clock.now_ms += 1_000
    computed: list[Command] = [*feed.take(clock.now_ms)]
    for command in [UpdateIndexPrice(INDEX, 1, price, clock.now_ms), *computed, Tick()]:
        await store.sequencer.submit(command)
    return computed


async def test_a_start_remembers_how_the_index_moved(settings: Settings) -> None:
    """MOD-034: from the stored candles, the running slot included."""
    clock = FakeClock(BEGIN_MS)
    async with open_store(settings, clock=clock) as store:
        for command in listing():
            await store.sequencer.submit(command)
        feed = ModelFeed(lambda: store.exchange)
        for slot in range(40):
            clock.now_ms = BEGIN_MS + slot * SLOT_MS
            for second in range(4):
                await ring(store, clock, feed, 60_000_00 + 7_919 * slot % 3_001 * 100 + min(second, 2))
        # A slot in which the index stands still has no candle.
        clock.now_ms = BEGIN_MS + 40 * SLOT_MS
        rung = [await ring(store, clock, feed, 60_000_00 + 7_919 * 39 % 3_001 * 100 + 2) for _ in range(3)]
        before = observed(rung[-1], PVAR)
        await store.projector.settle()
    async with open_store(settings, clock=clock) as store:
        again = ModelFeed(lambda: store.exchange)
        await again.recall(store.queries, clock.now_ms)
        price = store.exchange.state.indices[INDEX].price
        assert observed(await ring(store, clock, again, price), PVAR) == before
        forgetful = ModelFeed(lambda: store.exchange)
        assert observed(await ring(store, clock, forgetful, price), PVAR) == 3_600_00 != before
        clock.now_ms += SLOT_MS
        for feed in (again, forgetful):
            await ring(store, clock, feed, price + 500_00)
        assert observed(await ring(store, clock, again, price), PVAR) != before
