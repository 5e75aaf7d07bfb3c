"""The settings choose the feed."""

from pathlib import Path

import pytest

from app.feeds.base import NoFeed
from app.feeds.choose import choose_feed, weighed
from app.feeds.live import LiveFeed
from app.feeds.replay import ReplayFeed
from app.feeds.sources import SourcesInvalid
from app.feeds.synthetic import SyntheticFeed
from app.listings import load
from exchange.commands import Tick, UpdateIndexPrice
from exchange.exchange import Exchange

LISTINGS = load()


def test_each_kind(tmp_path: Path) -> None:
    """FEED-007."""
    path = tmp_path / "prices.csv"
    path.write_text("time_ms,index,source,price\n1,BTC_USD,alpha,1\n", "utf-8")
    assert type(choose_feed("synthetic", seed=1, path=None, listings=LISTINGS, prices={})) is SyntheticFeed
    assert type(choose_feed("file", seed=1, path=path, listings=LISTINGS, prices={})) is ReplayFeed
    none = choose_feed("none", seed=1, path=None, listings=LISTINGS, prices={})
    assert type(none) is NoFeed
    assert none.take(1_000) == []


async def test_the_live_feed_watches_what_its_table_says(tmp_path: Path) -> None:
    """FEED-012, FEED-013: nothing is watched before it is started, and a wrong table is said at once."""
    feed = choose_feed("live", seed=1, path=None, listings=LISTINGS, prices={})
    assert type(feed) is LiveFeed
    assert (feed.take(1_000), feed.health()) == ([], [])
    await feed.stop()
    with pytest.raises(SourcesInvalid):
        choose_feed("live", seed=1, path=None, listings=LISTINGS, prices={}, sources=tmp_path / "nowhere.toml")


async def test_local_feeds_have_nothing_to_start() -> None:
    """FEED-007."""
    feed = choose_feed("none", seed=1, path=None, listings=LISTINGS, prices={})
    await feed.start()
    assert feed.health() == []
    await feed.stop()


def test_weights_of_the_table_are_the_core_s(tmp_path: Path) -> None:
    """FEED-015."""
    path = tmp_path / "sources.toml"
    path.write_text(
        '[venues]\nkraken = { id = 3, quotes = ["USD"] }\ncoinbase = { id = 2, quotes = ["USD"] }\n'
        "[indices.BTC_USD]\nweights = { kraken = 2 }\n",
        "utf-8",
    )
    listings = weighed(LISTINGS, path)
    exchange = Exchange()
    for command in listings.missing(asset_ids=(), index_ids=(), market_ids=()):
        exchange.apply(command, 1_000)
    for source_id, price in ((3, 6_500_000), (2, 6_503_000)):
        exchange.apply(UpdateIndexPrice(1, source_id, price, 1_000), 1_000)
    exchange.apply(Tick(), 2_000)
    assert exchange.state.indices[1].price == 6_501_000
    assert exchange.state.indices[2].terms.weights == ()
