"""What was told and is not written yet."""

from typing import final

from app.db.rows import (
    Candle,
    HeldPosition,
    LedgerEntry,
    StoredDeposit,
    StoredFill,
    StoredFunding,
    StoredLiquidation,
    StoredOrder,
    StoredPayment,
    StoredPosition,
    StoredTrade,
    StoredWithdrawal,
)


@final
class Pending:
    """Rows, up to and with `seq`."""

    __slots__ = (
        "candles",
        "deposits",
        "fills",
        "forget_ms",
        "funding",
        "held",
        "ledger",
        "liquidations",
        "number",
        "opened",
        "orders",
        "payments",
        "positions",
        "rows",
        "seq",
        "time_ms",
        "trades",
        "withdrawals",
    )

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.seq = 0
        self.time_ms = 0
        self.forget_ms = 0
        self.rows = 0
        self.orders: dict[int, StoredOrder] = {}
        self.trades: list[StoredTrade] = []
        self.fills: list[StoredFill] = []
        self.ledger: list[LedgerEntry] = []
        self.candles: list[Candle] = []
        self.funding: list[StoredFunding] = []
        self.payments: list[StoredPayment] = []
        self.liquidations: list[StoredLiquidation] = []
        self.deposits: dict[int, StoredDeposit] = {}
        self.withdrawals: dict[int, StoredWithdrawal] = {}
        self.held: dict[tuple[int, int], HeldPosition] = {}
        self.positions: list[StoredPosition] = []
        self.opened: dict[int, int] = {}
