"""A crash to rehearse: seeded recordings for the replay feed in which every price falls by 40% within an hour, and bounces.

    python -m app.feeds.crash --seed 7 --index BTC_USD --index ETH_USD > crash.csv

Real crashes fall in waves: each lower than the last, with recoveries that give back a third of it, seconds in which the price
gaps, and a low from which it recovers a part. Sources disagree most when the market is fastest; one of them falls silent for a
while, and another prints a price for some seconds at which nobody else traded.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

from app.feeds.derived import is_derived
from app.listings import load
from app.wire import plain

E9: Final = 10**9
PPM: Final = 10**6
HOUR_S: Final = 3_600
WAVES: Final = (  # (part of the hour in ppm, part of the fall in ppm)
    (0, 0),
    (100_000, 110_000),
    (150_000, 60_000),
    (300_000, 280_000),
    (370_000, 190_000),
    (500_000, 520_000),
    (560_000, 390_000),
    (700_000, 810_000),
    (750_000, 660_000),
    (850_000, PPM),  # the low
    (910_000, 850_000),
    (PPM, 900_000),
)
LOW_AT: Final = 9
SOURCE: Final = "venue"
GAPS: Final = 6
"""Seconds of a fall in which the price jumps by 1 to 2%."""
STABLE_PPM: Final = 5
CALM_PPM: Final = 120
FAST_PPM: Final = 700
"""Largest move of one second beside the trend: of what does not fall, in calm, and in the fall."""
APART_PPM: Final = 150
"""How far sources are apart in calm; eight times as far where the market is fastest."""
SILENT_S: Final = 240
WICK_S: Final = 5
WICK_PPM: Final = 120_000


class Row(NamedTuple):
    """One line of a recording. Units: price units of the index."""

    time_ms: int
    symbol: str
    source: str
    price: int


class Start(NamedTuple):
    """An index and the price from which it falls."""

    symbol: str
    price: int
    price_decimals: int


def crash_path(seed: str, *, calm_s: int = 300, fall_s: int = HOUR_S, drop_ppm: int = 400_000) -> list[int]:
    """Return the level of a crash at each second, in 10^-9 of its start: calm, then the fall, whose low is exactly the drop."""
    dice = Random(seed)
    if not drop_ppm:
        return _bridge(dice, E9, E9, calm_s + fall_s + 1, STABLE_PPM)
    path = _bridge(dice, E9, E9, calm_s, CALM_PPM)
    points = []
    for number, (at_ppm, part_ppm) in enumerate(WAVES):
        is_fixed = number in {0, LOW_AT, len(WAVES) - 1}
        at_s = fall_s * (at_ppm + (0 if is_fixed else dice.randint(-15_000, 15_000))) // PPM
        part = part_ppm if number in {0, LOW_AT} else part_ppm + dice.randint(-20_000, 20_000)
        points.append((at_s, E9 - E9 * drop_ppm // PPM * part // PPM))
    low = points[LOW_AT][1]
    for (from_s, begin), (to_s, end) in pairwise(points):
        stretch = _bridge(dice, begin, end, to_s - from_s, FAST_PPM)
        _gap(dice, stretch, begin, end)
        path += [max(low, level) for level in stretch]
    path.append(points[-1][1])
    return path


def _bridge(dice: Random, begin: int, end: int, seconds: int, step_ppm: int) -> list[int]:
    """Return a random walk over so many seconds that begins at one level and would arrive at another."""
    level, levels = begin, []
    for second in range(seconds):
        levels.append(level)
        level += (end - level) // (seconds - second) + level * dice.randint(-step_ppm, step_ppm) // PPM
    return levels


def _gap(dice: Random, stretch: list[int], begin: int, end: int) -> None:
    """Let a fall run ahead of itself here and there: a jump down that the walk makes up for within half a minute."""
    if end >= begin or len(stretch) < 120:
        return
    for _ in range(GAPS // 2):
        at, depth_ppm = dice.randrange(len(stretch) - 60), dice.randint(10_000, 20_000)
        for later in range(30):
            stretch[at + later] -= stretch[at + later] * depth_ppm // PPM * (30 - later) // 30


def crash_rows(
    starts: Sequence[Start],
    seed: int,
    *,
    start_ms: int = 0,
    calm_s: int = 300,
    sources: int = 5,
    drop_ppm: int = 400_000,
) -> Iterator[Row]:
    """Return a recording of a crash, second by second. The indices fall together, each with moves of its own; USDT holds.

    The second source falls silent in the middle of the fall. The third has a wick: for some seconds it is far below the others.
    """
    paths = [
        crash_path(f"{seed} {start.symbol}", calm_s=calm_s, drop_ppm=0 if start.symbol == "USDT_USD" else drop_ppm)
        for start in starts
    ]
    dice = Random(f"{seed} sources")
    middle = calm_s + HOUR_S // 2
    silent, wick = middle + dice.randint(-300, 300), middle + dice.randint(300, 600)
    for second in range(len(paths[0])):
        for start, path in zip(starts, paths, strict=True):
            moved_ppm = abs(path[second] - path[max(0, second - 5)]) * PPM // path[second]
            apart_ppm = min(APART_PPM + moved_ppm // 4, 8 * APART_PPM)
            for number in range(1, sources + 1):
                price = start.price * path[second] // E9
                price += price * dice.randint(-apart_ppm, apart_ppm) // PPM
                if number == 2 and silent <= second < silent + SILENT_S:
                    continue
                if number == 3 and wick <= second < wick + WICK_S:
                    price -= price * WICK_PPM // PPM
                yield Row(start_ms + 1_000 * second, start.symbol, f"{SOURCE}{number}", max(1, price))


def main() -> None:
    """Write a recording to the standard output."""
    listings = load()
    symbols = {terms.symbol: Start(terms.symbol, listings.starts[terms.index_id], terms.price_decimals)
               for terms in listings.indices if not is_derived(terms)}  # fmt: skip
    parser = argparse.ArgumentParser(description="Write a recording of a crash for EVERMARK_FEED=file.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--index", action="append", choices=symbols, help="repeat it; BTC_USD when there is none")
    parser.add_argument("--drop", type=int, default=40, help="percent")
    asked = parser.parse_args()
    starts = [symbols[name] for name in dict.fromkeys(asked.index or ["BTC_USD"])]
    decimals = {start.symbol: start.price_decimals for start in starts}
    sys.stdout.write("time_ms,index,source,price\n")
    for row in crash_rows(starts, asked.seed, drop_ppm=asked.drop * 10_000):
        sys.stdout.write(f"{row.time_ms},{row.symbol},{row.source},{plain(row.price, decimals[row.symbol])}\n")


if __name__ == "__main__":
    main()
