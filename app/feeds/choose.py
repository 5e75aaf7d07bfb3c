"""The feed that the settings ask for."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, assert_never

import msgspec

from app.feeds.base import Feed, NoFeed
from app.feeds.derived import is_derived
from app.feeds.live import LiveFeed
from app.feeds.replay import read_prices
from app.feeds.sources import load_sources, weights_of
from app.feeds.synthetic import SyntheticFeed
from app.listings import Listings


def weighed(listings: Listings, sources: Path | None) -> Listings:
    """Return the listings with the weights of the live feed's table in the terms of the indices.

    They count from the listing of an index on: one that the exchange has keeps its terms.

    Raises: SourcesInvalid.
    """
    weights = weights_of(load_sources([terms for terms in listings.indices if not is_derived(terms)], sources))
    return dataclasses.replace(
        listings,
        indices=tuple(
            msgspec.structs.replace(terms, weights=weights.get(terms.index_id, terms.weights))
            for terms in listings.indices
        ),
    )


def choose_feed(
    kind: Literal["synthetic", "file", "live", "none"],
    *,
    seed: int,
    path: Path | None,
    listings: Listings,
    prices: Mapping[int, int],
    sources: Path | None = None,
) -> Feed:
    """Return the feed.

    `prices` are the index prices that the exchange has now, by index id: the synthetic walks go on from there after a start, so
    that no restart is a jump. `sources` is an operator's own table of venues. Derived indices are left to the model feed.

    Raises: FeedInvalid, SourcesInvalid.
    """
    indices = [terms for terms in listings.indices if not is_derived(terms)]
    if kind == "synthetic":
        return SyntheticFeed(indices, listings.starts, seed, prices=prices)
    if kind == "file":
        assert path is not None, "settings ask for a path with this feed"
        return read_prices(path, indices)
    if kind == "live":
        return LiveFeed(load_sources(indices, sources), seed)
    if kind == "none":
        return NoFeed()
    assert_never(kind)
