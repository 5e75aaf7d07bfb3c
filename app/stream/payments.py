"""Deposits and withdrawals as the stream tells them, with the fields of the REST rows that list them."""

from app.surfaces.everstrike import ids
from app.surfaces.everstrike.answers import Json
from app.wire import amount
from exchange.events import DepositRecorded, DepositSettled, WithdrawalAdvanced


def deposit_json(event: DepositRecorded | DepositSettled, symbol: str, customer_id: str, time_ms: int) -> Json:
    """A deposit as an event leaves it."""
    return {
        "id": event.reference,
        "asset": symbol,
        "customer_id": customer_id,
        "address": event.address,
        "time": time_ms,
        "qty": amount(event.amount),
        "net": amount(event.amount - event.fee),
        "status": event.status.name,
        "msg": event.note or None,
        "transaction": {"hash": event.transaction, "from": event.source},
    }


def withdrawal_json(event: WithdrawalAdvanced, symbol: str, customer_id: str, time_ms: int) -> Json:
    """A withdrawal as an event leaves it."""
    return {
        "id": ids.encode(ids.WITHDRAWAL, event.withdrawal_id),
        "asset": symbol,
        "customer_id": customer_id,
        "address": event.address,
        "network": event.network or None,
        "time": time_ms,
        "qty": amount(event.amount),
        "net": amount(event.amount - event.fee),
        "fee": amount(event.fee),
        "status": event.status.name,
        "msg": event.note or None,
        "transaction": {"hash": event.transaction} if event.transaction else None,
    }
