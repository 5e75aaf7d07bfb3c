"""Short lives of a whole exchange; `make simulate` lives long ones."""

import io
from collections import Counter

import pytest

from engine.order import Side
from exchange.commands import (
    AdvanceWithdrawal,
    Deposit,
    PlaceOrder,
    RequestWithdrawal,
    Tick,
    WithdrawalStatus,
)
from exchange.events import (
    BalanceChanged,
    CancelAllAfterSet,
    Cause,
    Event,
    FundingPaid,
    FundingSettled,
    LossShared,
    LossSocialised,
    MarketListed,
    MarkPriceChanged,
    PositionChanged,
    PositionTakenOver,
    Traded,
    WithdrawalAdvanced,
)
from exchange.exchange import Exchange
from tests.simulation import fairness
from tests.simulation.kinds import missing, required
from tests.simulation.ledger import LawBroken, Ledger
from tests.simulation.life import Life, replay
from tests.simulation.terms import BTC_PERP
from tests.support.world import PERP, RICH, USD, opening

COMMANDS = 10_000
SEEDS = (1, 2, 7)
ALWAYS = (
    "Traded",
    "FundingPaid",
    "StrikeChanged",
    "LiquidationStarted",
    "LiquidationEnded",
    "PositionDeleveraged",
    "OrderTriggered",
    "MarketSettled",
    "by the fund",
    "by a provider",
    "CancelReason.DEAD_MAN",
    "DepositSettled",
    "WithdrawalAdvanced",
)
"""What a short life sees, at least in one of the seeds."""


@pytest.mark.spec("SIM-001", "SIM-002", "SIM-003", "SIM-004", "SIM-006", "SIM-009")
def test_short_lives() -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        journal = io.BytesIO()
        life = Life(seed, COMMANDS, journal)
        life.run()
        assert life.audits > COMMANDS // 1_000
        journal.seek(0)
        assert replay(journal).state_hash() == life.exchange.state_hash()
        seen.update(life.seen)
    assert [name for name in ALWAYS if not seen[name]] == []


def test_same_seed_same_life() -> None:
    journals = []
    for _ in range(2):
        journal = io.BytesIO()
        Life(7, 3_000, journal).run()
        journals.append(journal.getvalue())
    assert journals[0] == journals[1]


def test_sim_003_a_life_that_saw_too_little_says_so() -> None:
    assert set(missing(Counter())) == set(required())
    assert missing(Counter(required())) == []
    assert "LossSocialised" in required()


def books() -> tuple[Ledger, Exchange]:
    """A second set of books beside a small exchange, both in step."""
    world = opening()
    ledger = Ledger()
    exchange = Exchange()
    for time_ms, command in world.journal:
        ledger.take(exchange, command, exchange.apply(command, time_ms))
    ledger.compare(exchange)
    return ledger, exchange


@pytest.mark.spec("SIM-009")
def test_a_withdrawal_that_comes_back_twice_is_found() -> None:
    ledger, exchange = books()
    for command in (RequestWithdrawal("w", RICH, USD, 5, "there"), AdvanceWithdrawal(1, WithdrawalStatus.CANCELLED)):
        ledger.take(exchange, command, exchange.apply(command, exchange.time_ms))
    ledger.compare(exchange)
    again = WithdrawalAdvanced(1, RICH, USD, 5, 0, "there", "", "w", WithdrawalStatus.CANCELLED)
    balance = exchange.state.accounts[RICH].balances[USD]
    balance.amount += 5
    entry = BalanceChanged(RICH, USD, 5, balance.amount, Cause.WITHDRAWAL)
    with pytest.raises(LawBroken, match="another amount is on its way"):
        ledger.take(exchange, Tick(), [again, entry])


@pytest.mark.spec("SIM-009")
def test_an_entry_without_a_payment_is_found() -> None:
    ledger, exchange = books()
    balance = exchange.state.accounts[RICH].balances[USD]
    balance.amount += 5
    ledger.take(exchange, Tick(), [BalanceChanged(RICH, USD, 5, balance.amount, Cause.DEPOSIT)])
    with pytest.raises(LawBroken, match="does not follow from the entries"):
        ledger.compare(exchange)


@pytest.mark.spec("SIM-009")
def test_a_silent_account_with_orders_is_found() -> None:
    ledger, exchange = books()
    exchange.apply(PlaceOrder(RICH, PERP, Side.BUY, 10, 5_900_000), exchange.time_ms)
    ledger.take(exchange, Tick(), [CancelAllAfterSet(RICH, exchange.time_ms)])
    with pytest.raises(LawBroken, match="nothing happened"):
        ledger.check_timers(exchange, exchange.time_ms)
    ledger.take(exchange, Tick(), [CancelAllAfterSet(RICH, 0, True)])
    with pytest.raises(LawBroken, match="has orders"):
        ledger.check_timers(exchange, exchange.time_ms)


@pytest.mark.spec("SIM-001")
def test_money_out_of_nothing_is_found() -> None:
    ledger, exchange = books()
    balance = exchange.state.accounts[RICH].balances[USD]
    balance.amount += 1
    with pytest.raises(LawBroken, match="out of nothing"):
        ledger.take(exchange, Tick(), [BalanceChanged(RICH, USD, 1, balance.amount, Cause.TRADE)])


def test_a_change_without_an_event_is_found() -> None:
    ledger, exchange = books()
    exchange.state.accounts[RICH].balances[USD].amount += 1
    with pytest.raises(LawBroken, match="the state is not"):
        ledger.compare(exchange)


def test_a_wrong_balance_in_an_event_is_found() -> None:
    ledger, exchange = books()
    with pytest.raises(LawBroken, match="by its entries"):
        ledger.take(exchange, Tick(), [BalanceChanged(RICH, USD, 1, 7, Cause.DEPOSIT)])


def test_lots_that_do_not_follow_from_trades_are_found() -> None:
    ledger, exchange = books()
    with pytest.raises(LawBroken, match="do not follow from the trades"):
        ledger.take(exchange, Tick(), [PositionTakenOver(RICH, 0, PERP, 5, 5 * 100, 1)])
    with pytest.raises(LawBroken, match="positions sum to 5"):
        ledger.take(exchange, Tick(), [PositionChanged(RICH, PERP, 5, 500, 0)])


@pytest.mark.spec("SIM-002")
def test_a_fund_below_zero_is_found() -> None:
    ledger, exchange = books()
    ledger.take(exchange, Tick(), [MarketListed(9, BTC_PERP), MarkPriceChanged(9, 1_000)])
    long: list[Event] = [PositionTakenOver(RICH, 0, 9, 1, 100_100, 1_001), PositionChanged(0, 9, 1, 100_100, 0)]
    with pytest.raises(LawBroken, match="fund is below zero by -100"):
        ledger.take(exchange, Deposit("", 0, USD, 1), [*long, PositionChanged(RICH, 9, -1, -100_100, 0)])


@pytest.mark.spec("SIM-006")
@pytest.mark.parametrize(
    "events, words",
    [
        ([BalanceChanged(RICH, USD, -1, 0, Cause.FUNDING, PERP)], "no position there"),
        ([FundingSettled(PERP, 0, 0, 0, 0, 10, 9, 0, 0)], "does not add up"),
        ([FundingPaid(RICH, PERP, -10), FundingSettled(PERP, 0, 0, 0, 0, 9, 9, 0, 0)], "payments are others"),
        ([FundingPaid(RICH, PERP, -10)], "no hour settled"),
        ([LossSocialised(RICH, PERP, 5, 5, 0, 0), LossShared(RICH, PERP, 4)], "5 of losses to share, 4 shared"),
        ([Traded(1, PERP, 1, 1, 1, 1, 1, 0, -3, 0, 2, 2, 0, 2, 0)], "rebate is larger"),
        ([Traded(1, PERP, 1, 1, 1, 1, 1, 0, 0, 0, 2, 2, 0, 2, 0, True)], "slice pays"),
    ],
)
def test_unfair_events_are_found(events: list[Event], words: str) -> None:
    ledger, _ = books()
    with pytest.raises(LawBroken, match=words):
        fairness.check(events, ledger)
