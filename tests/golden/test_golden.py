"""Journals of the past lead to the state and the events of the past. These files never change: see make.py."""

import json
from pathlib import Path

import pytest

from tests.golden.play import play

FOLDER = Path(__file__).parent
JOURNALS = sorted(path.stem for path in FOLDER.glob("*.bin"))
PAYMENTS = ("WithdrawalRequested", "WithdrawalAdvanced", "DepositRecorded", "DepositSettled", "CancelAllAfterSet")


@pytest.mark.parametrize("name", JOURNALS)
def test_a_golden_journal_gives_its_events_and_state(name: str) -> None:
    """BUILD-001."""
    outcome = play(FOLDER / f"{name}.bin")
    assert outcome == json.loads((FOLDER / f"{name}.json").read_text("ascii"))
    assert outcome["broken_laws"] == []


def test_golden_journals_hold_something() -> None:
    """BUILD-001: a journal in which little happens would prove little."""
    kinds: dict[str, int] = {}
    for name in JOURNALS:
        for kind, count in json.loads((FOLDER / f"{name}.json").read_text("ascii"))["kinds"].items():
            kinds[kind] = kinds.get(kind, 0) + count
    for kind in (
        "Traded",
        "OrderTriggered",
        "OrderAmended",
        "OrderReduced",
        "OrderCancelled",
        "PositionChanged",
        *PAYMENTS,
    ):
        assert kinds[kind] >= 20, kind
    for kind in (
        "FundingSettled",
        "FundingPaid",
        "StrikeChanged",
        "OptionModelsUpdated",
        "MarketSettled",
        "MarketAmended",
    ):
        assert kinds[kind] >= 1, kind
    for kind in ("TransferRepeated", "NOT_ONE_OWNER"):
        assert kinds[kind] >= 5, kind
    for kind in ("LiquidationEnded", "PositionTakenOver", "PositionDeleveraged", "LossSocialised", "LossShared"):
        assert kinds[kind] >= 1, kind
