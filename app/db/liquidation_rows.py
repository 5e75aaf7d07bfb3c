"""Events of a liquidation as rows."""

from typing import Final, TypeAlias

from app.db.rows import LiquidationStep, StoredLiquidation
from exchange.events import (
    LiquidationEnded,
    LiquidationStarted,
    LossShared,
    LossSocialised,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
)

StepEvent: TypeAlias = (
    LiquidationStarted | LiquidationEnded | PositionTakenOver | PositionDeleveraged | LossSocialised | LossShared
)
STEPS: Final = (
    LiquidationStarted,
    LiquidationEnded,
    PositionTakenOver,
    PositionDeleveraged,
    LossSocialised,
    LossShared,
)


def slice_row(seq: int, index: int, time_ms: int, event: Traded) -> StoredLiquidation:
    """A slice that traded. The taker is the account that is liquidated."""
    return StoredLiquidation(
        time_ms,
        seq,
        index,
        LiquidationStep.SLICE.value,
        event.market_id,
        event.taker_account_id,
        event.maker_account_id,
        -event.taker_sign * event.qty,
        event.price,
        0,
        event.trade_id,
    )


def step_row(seq: int, index: int, time_ms: int, event: StepEvent) -> StoredLiquidation:
    """Any other step."""
    counterparty_id = qty = price = 0
    if isinstance(event, LiquidationStarted | LiquidationEnded):
        step = LiquidationStep.STARTED if isinstance(event, LiquidationStarted) else LiquidationStep.ENDED
        value = event.equity
    elif isinstance(event, PositionTakenOver):
        step, counterparty_id = LiquidationStep.TAKEOVER, event.taker_account_id
        qty, price, value = event.qty, event.price, event.value
    elif isinstance(event, PositionDeleveraged):
        step, counterparty_id = LiquidationStep.DELEVERAGING, event.counterparty_account_id
        qty, price, value = event.qty, event.price, event.value
    elif isinstance(event, LossSocialised):
        step, value = LiquidationStep.SOCIALISATION, event.loss
    else:
        step, value = LiquidationStep.SHARE, event.amount
    return StoredLiquidation(
        time_ms, seq, index, step.value, event.market_id, event.account_id, counterparty_id, qty, price, value
    )
