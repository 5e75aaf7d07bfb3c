"""The synthetic feed: deterministic, in integers, with enough sources, within its bounds."""

from app.feeds.health import STREAMING
from app.feeds.synthetic import SOURCES, SyntheticFeed
from app.listings import load
from exchange.commands import UpdateIndexPrice

LISTINGS = load()
NAMES = {terms.index_id: terms.symbol for terms in LISTINGS.indices}


def feed(seed: int = 7, prices: dict[int, int] | None = None) -> SyntheticFeed:
    return SyntheticFeed(LISTINGS.indices, LISTINGS.starts, seed, prices=prices or {})


def run(source: SyntheticFeed, seconds: int) -> list[UpdateIndexPrice]:
    return [row for second in range(seconds) for row in source.take(1_000_000 + 1_000 * second)]


def test_the_same_seed_gives_the_same_prices() -> None:
    """FEED-001."""
    assert run(feed(), 50) == run(feed(), 50)
    assert run(feed(), 50) != run(feed(seed=8), 50)


def test_prices_are_pinned() -> None:
    """FEED-001: not only equal in one process, but the same on every machine and Python."""
    first = run(feed(), 1)
    assert [(row.index_id, row.source_id, row.price) for row in first[:3]] == [
        (1, 1, 6499831),
        (1, 2, 6499935),
        (1, 3, 6499792),
    ]


def test_each_index_has_three_sources_a_second() -> None:
    """FEED-002."""
    for time_ms in (5_000, 6_000):
        rows = feed().take(time_ms)
        assert sorted((row.index_id, row.source_id) for row in rows) == [
            (index_id, source_id) for index_id in sorted(NAMES) for source_id in range(1, SOURCES + 1)
        ]
        assert {row.source_time_ms for row in rows} == {time_ms}


def test_its_sources_have_a_line_each() -> None:
    """FEED-002: as venues have theirs, so that dashboards, status and muting know them."""
    source = feed()
    assert {(row.fresh, row.age_ms, row.prices) for row in source.health()} == {(0, -1, 0)}
    run(source, 2)
    assert [(row.source_id, row.venue, row.state) for row in source.health()] == [
        (source_id, f"synthetic-{source_id}", STREAMING) for source_id in range(1, SOURCES + 1)
    ]
    count = len(NAMES)
    assert {(row.pairs, row.fresh, row.age_ms, row.prices) for row in source.health()} == {(count, count, 0, 2 * count)}


def test_a_second_is_observed_once() -> None:
    """FEED-002."""
    source = feed()
    assert source.take(5_000)
    assert source.take(5_999) == []
    assert source.take(4_000) == []
    assert source.take(6_000)


def test_prices_are_whole_and_near_their_start() -> None:
    """FEED-003."""
    for row in run(feed(), 2_000):
        assert type(row.price) is int
        start = LISTINGS.starts[row.index_id]
        assert start * 499 // 1_000 <= row.price <= start * 2_001 // 1_000 + 1
        if NAMES[row.index_id] == "USDT_USD":
            assert 9_898 <= row.price <= 10_102


def test_every_price_moves() -> None:
    """FEED-003."""
    rows = run(feed(), 200)
    for index_id in NAMES:
        assert len({row.price for row in rows if row.index_id == index_id}) > 1


def test_an_asset_has_one_worth_in_dollars_and_tethers() -> None:
    """FEED-003: BTC in USDT times USDT in USD is BTC in USD, but for the sources' noise."""
    ids = {symbol: key for key, symbol in NAMES.items()}
    for _ in range(3):
        rows = {(row.index_id, row.source_id): row.price for row in run(feed(), 300)[-len(NAMES) * SOURCES :]}
        dollars, tethers, tether = (rows[ids[name], 1] for name in ("BTC_USD", "BTC_USDT", "USDT_USD"))
        assert abs(tethers * tether // 10_000 - dollars) * 1_000_000 <= dollars * 100


def test_walks_go_on_where_the_exchange_stands() -> None:
    """FEED-004: no restart is a jump."""
    rows = run(feed(prices={1: 9_000_000}), 1)
    assert all(abs(row.price - 9_000_000) < 9_000 for row in rows if row.index_id == 1)
    assert all(abs(row.price - 340_000) < 340 for row in rows if row.index_id == 2)
