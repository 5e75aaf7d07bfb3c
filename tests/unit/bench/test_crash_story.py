from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from bench.crash_story import Reader
from exchange.commands import Deposit, SetRulesVersion, Withdraw
from exchange.limits import FUND_ACCOUNT_ID, RULES_OF_LIQUIDATION
from tests.support.markets import LONG, Venue
from tests.support.world import BTC_PERP, USD, USD_UNIT

FLAT = replace(BTC_PERP, initial_slope_ppb=0, maintenance_slope_ppb=0, taker_fee_ppm=0)


@pytest.mark.spec("SIM-008")
def test_a_journal_tells_its_story(tmp_path: Path) -> None:
    venue = Venue(FLAT)
    venue.do(SetRulesVersion(RULES_OF_LIQUIDATION))
    venue.do(Deposit("fund", FUND_ACCOUNT_ID, USD, 500 * USD_UNIT))
    venue.do(Withdraw("most", LONG, USD, 999_000 * USD_UNIT))
    venue.trade(10_000, 60_000_00)
    loaded = len(venue.journal)
    venue.second()
    # 1,000 - 900 = 100 is below half of 59,100 x 0.5%: the fund's 500 carry 500/(591 - 100), all of it.
    venue.second(59_100_00)
    venue.at(venue.time_ms + 60_000, 59_100_00)
    reader = Reader(makers=1)
    for number, (time_ms, command) in enumerate(venue.journal):
        if number == loaded:
            reader.begin(time_ms)
        reader.take(command, time_ms)
    story = reader.end()
    figures = story.figures()
    assert (figures["accounts_liquidated"], figures["liquidations_begun"], figures["by_fund_usd"]) == (1, 1, 59_000)
    assert (figures["fund_first_usd"], figures["fund_last_usd"]) == (500, 600)
    assert (figures["open_first"], figures["open_last"]) == (2, 1)
    assert (figures["mark_fell_percent"], figures["ticks"], figures["laws_broken"]) == (1.5, 3, 0)
    assert figures["tick_gap_worst_ms"] == 60_000
    assert story.hash == venue.exchange.state_hash().hex()
    story.write(tmp_path, {"accounts": 3})
    assert "| 0 | 59,100 | 1 | 1 | 0 | 0 | 59,000 | 0 | 0.00 | 600 | 3 |" in (tmp_path / "crash.md").read_text("utf-8")
    picture = ElementTree.parse(tmp_path / "crash.svg").getroot()
    assert picture.tag.endswith("svg")
