"""Rows of the command tables about money in and out, and about the dead man's switch."""

from decimal import Decimal

import msgspec

from exchange import views
from exchange.commands import (
    AdvanceWithdrawal,
    AmendAsset,
    CancelAllAfter,
    Command,
    RecordDeposit,
    RequestWithdrawal,
    SettleDeposit,
    WithdrawalStatus,
)
from exchange.events import (
    AssetAmended,
    CancelAllAfterSet,
    DepositRecorded,
    DepositSettled,
    Event,
    WithdrawalAdvanced,
    WithdrawalRequested,
)
from exchange.exchange import Exchange
from tests.support.world import USD_UNIT

TERMS = {
    "fee": "withdrawal_fee",
    "min": "withdrawal_min",
    "day": "withdrawal_day_max",
    "approve": "withdrawal_approval_above",
    "depositfee": "deposit_fee",
    "depositmin": "deposit_min",
}


def operator_row(
    exchange: Exchange, words: list[str], actors: dict[str, int], assets: dict[str, int]
) -> Command | None:
    """Read a row that no account speaks; None when it is another kind of row.

    `terms USD fee=5 min=10` · `advance #1 PROCESSING tx=ab by=regular` · `settle d1` · `settle d1 failed note=lost`.
    """
    marks = dict(word.partition("=")[::2] for word in words[2:])
    if words[0] == "terms":
        asset = views.asset(exchange, assets[words[1]])
        assert asset is not None
        return AmendAsset(msgspec.structs.replace(asset, **{TERMS[key]: units(text) for key, text in marks.items()}))
    if words[0] == "advance":
        speaker = actors[marks["by"]] if "by" in marks else 0
        status = WithdrawalStatus[words[2]]
        return AdvanceWithdrawal(int(words[1][1:]), status, marks.get("tx", ""), marks.get("note", ""), speaker)
    if words[0] == "settle":
        return SettleDeposit(words[1], "failed" not in words, marks.get("note", ""))
    return None


def account_row(actor: int, words: list[str], asset_id: int, reference: str) -> Command | None:
    """Read what an account does; None when it is another kind of row.

    `request 1000 BTC ref=w1 to=there confirmed` · `seen 100 ref=d1` · `alive 5` (seconds; 0: off).
    """
    marks = dict(word.partition("=")[::2] for word in words[1:])
    if words[0] == "request":
        address = marks.get("to", "there")
        is_confirmed = "confirmed" in words
        return RequestWithdrawal(reference, actor, asset_id, units(words[1]), address, "chain", is_confirmed)
    if words[0] == "seen":
        return RecordDeposit(reference, actor, asset_id, units(words[1]), "here", marks.get("tx", ""), "there")
    if words[0] == "alive":
        return CancelAllAfter(actor, int(Decimal(words[1]) * 1_000))
    return None


def say_payment(event: Event) -> str:
    """Say what happened to money in and out, and to a timer."""
    if isinstance(event, WithdrawalRequested | WithdrawalAdvanced):
        said = f"withdrawal #{event.withdrawal_id} {event.status.name}"
        said += f" {event.transaction}" if event.transaction else ""
        return said + (" again" if event.is_repeat else "")
    if isinstance(event, DepositRecorded | DepositSettled):
        said = f"deposit #{event.deposit_id} {event.status.name}" + (f": {event.note}" if event.note else "")
        return said + (" again" if event.is_repeat else "")
    if isinstance(event, AssetAmended):
        return f"terms of {event.asset.symbol}"
    if isinstance(event, CancelAllAfterSet):
        return "too late" if event.is_fired else "timer" if event.due_ms else "no timer"
    return ""


def units(text: str) -> int:
    """Read an amount. Units: money."""
    return int(Decimal(text) * USD_UNIT)
