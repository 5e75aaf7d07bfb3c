"""The index: which sources count, and what happens while there is none."""

from engine.order import Side
from exchange.commands import PlaceOrder, Tick
from exchange.events import CommandRejected, IndexPriceChanged, OrderAccepted
from exchange.instrument import IndexTerms
from exchange.rejects import Reject
from tests.support.markets import BASIS_PERP, LONG, SHORT, Venue, only

PRICE = 60_000_00


def weighted(*weights: tuple[int, int], is_single: bool = False) -> Venue:
    """Return an exchange whose index has these weights, not yet priced."""
    return Venue(BASIS_PERP, index=IndexTerms(1, "BTC", 2, single_source=is_single, weights=weights), price=1)


def observe(venue: Venue, *prices: int) -> list[IndexPriceChanged]:
    """Let sources 1, 2, ... say these prices a minute after all else, and return what the index makes of it."""
    venue.time_ms += 60_000
    for source_id, price in enumerate(prices, 1):
        venue.observe(price, source_id)
    return only(IndexPriceChanged, venue.do(Tick()))


def test_weights() -> None:
    """PRC-001: 60,000 with weight 2 and 60,030 with 1 are 60,010."""
    venue = weighted((1, 2), (2, 1))
    assert observe(venue, 60_000_00, 60_030_00) == [IndexPriceChanged(1, 60_010_00, (1, 2))]


def test_a_source_of_weight_0_is_not_there() -> None:
    """PRC-001: it is no third source, and no second one."""
    venue = weighted((3, 0))
    assert observe(venue, 60_000_00, 60_030_00, 99_000_00) == [IndexPriceChanged(1, 60_015_00, (1, 2))]
    lonely = weighted((2, 0))
    assert observe(lonely, 60_000_00, 60_030_00) == []


def test_the_nearest_to_the_median_and_their_weights() -> None:
    """PRC-001: of 59,990 60,000 60,001 60,002 60,500 and 61,000 the k = 2 nearest the median of 60,001.5 count."""
    venue = weighted((3, 3))
    prices = (59_990_00, 60_000_00, 60_001_00, 60_002_00, 60_500_00, 61_000_00)
    assert observe(venue, *prices) == [IndexPriceChanged(1, 60_001_25, (3, 4))]


def test_sources_older_than_10_s_are_dropped() -> None:
    """PRC-002: after 10 s a price counts, after 10.001 s it does not."""
    venue = weighted()
    observe(venue, 60_000_00, 60_010_00, 60_100_00)
    venue.time_ms += 10_000
    venue.observe(60_012_00, 1)
    assert only(IndexPriceChanged, venue.do(Tick())) == [IndexPriceChanged(1, 60_012_00, (1,))]
    venue.time_ms += 1
    assert only(IndexPriceChanged, venue.do(Tick())) == []  # one source alone: the index is held
    assert venue.exchange.state.indices[1].price == 60_012_00


def test_an_index_that_did_not_move_says_nothing() -> None:
    """PRC-004: the event names the sources used, and comes with a new price only."""
    venue = weighted()
    assert observe(venue, 60_000_00, 60_010_00) == [IndexPriceChanged(1, 60_005_00, (1, 2))]
    assert observe(venue, 60_005_00, 60_005_00, 60_005_00) == []


def test_a_held_index_ends_opening_after_30_s() -> None:
    """PRC-003: two sources apart by more than 0.5% hold it; after 30 s only what reduces is taken, until it is back."""
    venue = weighted()
    observe(venue, 60_000_00, 60_010_00)
    computed_ms = venue.time_ms
    venue.trade(10)
    venue.time_ms = computed_ms + 30_000
    venue.observe(60_000_00, 1)
    venue.observe(60_301_00, 2)
    venue.do(Tick())
    index = venue.exchange.state.indices[1]
    assert (index.price, index.computed_ms) == (60_005_00, computed_ms)
    buy = PlaceOrder(LONG, 1, Side.BUY, 10, 59_000_00)
    assert isinstance(venue.do(buy)[0], OrderAccepted)
    venue.time_ms += 1
    assert venue.do(buy) == [CommandRejected(Reject.NO_PRICE)]
    assert isinstance(venue.do(PlaceOrder(SHORT, 1, Side.BUY, 10, 59_000_00))[0], OrderAccepted)
    venue.observe(60_300_00, 2)
    venue.do(Tick())
    assert (index.price, index.computed_ms) == (60_150_00, venue.time_ms)
    assert isinstance(venue.do(buy)[0], OrderAccepted)


def test_one_source_alone_only_where_the_terms_allow_it() -> None:
    """PRC-003."""
    assert observe(weighted(), 60_000_00) == []
    assert observe(weighted(is_single=True), 60_000_00) == [IndexPriceChanged(1, 60_000_00, (1,))]
