"""Recorded prices: played at their distances, refused by line."""

from pathlib import Path

import pytest

from app.feeds.base import FeedInvalid
from app.feeds.replay import read_prices
from app.listings import load

INDICES = load().indices
HEAD = "time_ms,index,source,price\n"
GOOD = (
    HEAD
    + "1000,BTC_USD,alpha,65000.01\n1000,BTC_USD,beta,65000.02\n1500,ETH_USD,alpha,3400\n\n3000,BTC_USD,beta,65001\n"
)


def recording(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text(text, "utf-8")
    return path


def test_rows_come_at_their_distances(tmp_path: Path) -> None:
    """FEED-005."""
    feed = read_prices(recording(tmp_path, GOOD), INDICES)
    taken = [[(row.index_id, row.source_id, row.price, row.source_time_ms) for row in feed.take(now)]
             for now in (90_000, 90_499, 90_500, 95_000, 96_000)]  # fmt: skip
    assert taken == [
        [(1, 1, 6_500_001, 90_000), (1, 2, 6_500_002, 90_000)],
        [],
        [(2, 1, 340_000, 90_500)],
        [(1, 2, 6_500_100, 92_000)],
        [],
    ]
    assert feed.is_finished


@pytest.mark.parametrize(
    "text, line, why",
    [
        ("", 1, "first line"),
        ("time,index,source,price\n", 1, "first line"),
        (HEAD, 0, "no prices"),
        (HEAD + "1000,BTC_USD,alpha\n", 2, "4 columns"),
        (HEAD + "1000,BTC_EUR,alpha,1\n", 2, "BTC_EUR"),
        (HEAD + "1000,BTC_USD,alpha,65000.001\n", 2, "multiple of 0.01"),
        (HEAD + "1000,BTC_USD,alpha,NaN\n", 2, "decimal number"),
        (HEAD + "1000,BTC_USD,alpha,-5\n", 2, "greater than zero"),
        (HEAD + "soon,BTC_USD,alpha,5\n", 2, "time_ms"),
        (HEAD + "1000,BTC_USD,alpha,5\n999,BTC_USD,alpha,5\n", 3, "go back"),
        (HEAD + "".join(f"1000,BTC_USD,s{n},5\n" for n in range(33)), 34, "32 sources"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, line: int, why: str) -> None:
    """FEED-006."""
    with pytest.raises(FeedInvalid, match=why) as caught:
        read_prices(recording(tmp_path, text), INDICES)
    assert caught.value.line == line


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """FEED-006."""
    with pytest.raises(FeedInvalid, match="nowhere.csv"):
        read_prices(tmp_path / "nowhere.csv", INDICES)
    (tmp_path / "prices.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(FeedInvalid, match="prices.csv"):
        read_prices(tmp_path / "prices.csv", INDICES)
