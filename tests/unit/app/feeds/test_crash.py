"""The crash to rehearse."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from app.feeds.crash import E9, HOUR_S, SILENT_S, WICK_S, Row, Start, crash_path, crash_rows
from app.feeds.replay import read_prices
from app.listings import load
from exchange.commands import UpdateIndexPrice

ROOT = Path(__file__).parents[4]
CALM_S = 300
BTC = Start("BTC_USD", 6_500_000, 2)


@pytest.mark.parametrize("seed", ["1", "2", "3", "4"])
def test_the_shape(seed: str) -> None:
    """FEED-033."""
    path = crash_path(seed)
    assert path == crash_path(seed)
    assert path != crash_path(seed + "0")
    assert len(path) == CALM_S + HOUR_S + 1
    assert all(type(level) is int for level in path)
    assert all(abs(level - E9) < E9 // 100 for level in path[:CALM_S])
    low = min(path)
    assert low == E9 * 6 // 10
    assert path.index(low) > CALM_S + HOUR_S // 2
    assert E9 * 62 // 100 < path[-1] < E9 * 68 // 100
    assert sum(abs(after - before) * 100 >= before for before, after in pairwise(path)) >= 3


def test_it_bounces() -> None:
    """FEED-033: at least four recoveries of 2% of the start, on the way down."""
    bounces, low, high = 0, E9, E9
    for level in crash_path("1"):
        if level < low:
            bounces += high - low >= E9 * 2 // 100
            low = high = level
        high = max(high, level)
    assert bounces >= 4


def test_other_depths() -> None:
    """FEED-033."""
    assert min(crash_path("1", drop_ppm=250_000)) == E9 * 75 // 100
    assert all(abs(level - E9) <= E9 // 100 for level in crash_path("1", drop_ppm=0))


def test_sources_differ_as_they_do() -> None:
    """FEED-033."""
    starts = [BTC, Start("USDT_USD", 10_000, 4)]
    rows = list(crash_rows(starts, 7, start_ms=1_000))
    assert rows == list(crash_rows(starts, 7, start_ms=1_000))
    by_source: dict[str, dict[int, Row]] = {}
    for row in rows:
        if row.symbol == "BTC_USD":
            by_source.setdefault(row.source, {})[row.time_ms] = row
    seconds = CALM_S + HOUR_S + 1
    lengths = {name: len(found) for name, found in by_source.items()}
    assert lengths == {f"venue{at}": seconds - SILENT_S * (at == 2) for at in range(1, 6)}
    first, wicked = by_source["venue1"], by_source["venue3"]
    far = [time_ms for time_ms, row in wicked.items() if row.price * 10 < first[time_ms].price * 9]
    assert len(far) == WICK_S == (far[-1] - far[0]) // 1_000 + 1
    assert all(9_900 <= row.price <= 10_100 for row in rows if row.symbol == "USDT_USD" and row.source != "venue3")


def test_the_program_writes_what_the_replay_feed_plays(tmp_path: Path) -> None:
    """FEED-005, FEED-033."""
    arguments = ["--seed", "7", "--index", "BTC_USD", "--index", "ETH_USD", "--index", "BTC_USD"]
    done = subprocess.run(
        [sys.executable, "-m", "app.feeds.crash", *arguments], cwd=ROOT, capture_output=True, check=True
    )
    path = tmp_path / "crash.csv"
    path.write_bytes(done.stdout)
    feed = read_prices(path, load().indices)
    played: list[UpdateIndexPrice] = []
    for second in range(CALM_S + HOUR_S + 1):
        played += feed.take(10_000_000 + 1_000 * second)
    assert feed.is_finished
    assert {(row.index_id, row.source_id) for row in played} == {(index, at) for index in (1, 2) for at in range(1, 6)}
    lows = {index: min(row.price for row in played if row.index_id == index and row.source_id == 1) for index in (1, 2)}
    assert 3_880_000 < lows[1] < 3_920_000
    assert 202_000 < lows[2] < 206_000
