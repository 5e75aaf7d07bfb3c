"""The insurance fund in a market where nothing may be liquidated: found by a simulation."""

import pytest
from msgspec.structs import replace

from exchange.audit import audit
from exchange.commands import Deposit, SetMarketStatus, SetRulesVersion, Withdraw
from exchange.events import LossShared, LossSocialised, PositionTakenOver
from exchange.instrument import MarketStatus
from exchange.limits import FUND_ACCOUNT_ID, RULES_OF_LIQUIDATION
from exchange.margins import equity
from tests.support.markets import LONG, OTHER, SHORT, Venue, only
from tests.support.world import BTC_PERP, USD, USD_UNIT

FLAT = replace(BTC_PERP, initial_slope_ppb=0, maintenance_slope_ppb=0, taker_fee_ppm=0)


@pytest.mark.spec("SIM-005")
def test_a_halt_does_not_leave_the_fund_below_zero() -> None:
    venue = Venue(FLAT)
    venue.do(SetRulesVersion(RULES_OF_LIQUIDATION))
    venue.do(Deposit("fund", FUND_ACCOUNT_ID, USD, 10_000 * USD_UNIT))
    venue.do(Withdraw("most", LONG, USD, 999_000 * USD_UNIT))
    venue.trade(10_000, 60_000_00)
    events = venue.second(59_100_00)
    assert [event.taker_account_id for event in only(PositionTakenOver, events)] == [FUND_ACCOUNT_ID]
    venue.do(SetMarketStatus(1, MarketStatus.HALTED))
    events = venue.second(30_000_00)
    # It took 1 BTC at 59,000 with 10,000 behind it: 29,000 - 10,000 are missing at 30,000, and SHORT has won 30,000.
    (loss,) = only(LossSocialised, events)
    assert (loss.account_id, loss.loss, loss.from_profits) == (FUND_ACCOUNT_ID, 19_000 * USD_UNIT, 19_000 * USD_UNIT)
    assert [event.account_id for event in only(LossShared, events)] == [SHORT]
    fund = venue.exchange.state.accounts[FUND_ACCOUNT_ID]
    assert equity(fund, USD) == 0
    assert equity(venue.exchange.state.accounts[SHORT], USD) == (1_000_000 + 30_000 - 19_000) * USD_UNIT
    assert equity(venue.exchange.state.accounts[OTHER], USD) == 1_000_000 * USD_UNIT
    assert audit(venue.exchange) == []
