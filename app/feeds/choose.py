"""The feed that the settings ask for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from app.feeds.base import Feed, NoFeed
from app.feeds.replay import read_prices
from app.feeds.synthetic import SyntheticFeed
from app.listings import Listings


def choose_feed(
    kind: Literal["synthetic", "file", "none"],
    *,
    seed: int,
    path: Path | None,
    listings: Listings,
    prices: Mapping[int, int],
) -> Feed:
    """Return the feed.

    `prices` are the index prices that the exchange has now, by index id: the synthetic walks go on from there after a start, so
    that no restart is a jump.

    Raises: FeedInvalid.
    """
    if kind == "synthetic":
        return SyntheticFeed(listings.indices, listings.starts, seed, prices=prices)
    if kind == "file":
        assert path is not None, "settings ask for a path with this feed"
        return read_prices(path, listings.indices)
    return NoFeed()
