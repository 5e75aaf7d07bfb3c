"""The settings choose the feed."""

from pathlib import Path

from app.feeds.base import NoFeed
from app.feeds.choose import choose_feed
from app.feeds.replay import ReplayFeed
from app.feeds.synthetic import SyntheticFeed
from app.listings import load

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
