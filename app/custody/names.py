"""What the exchange's accounts, withdrawals and deposits are called towards a custody."""

import hashlib

from app.custody.base import Payment, SeenDeposit
from exchange.payment_views import WithdrawalView


def holder_of(account_id: int, customer_id: str) -> str:
    """Whom an address is made for.

    The customer's id is in it since an exchange that was restored from an old backup gives account numbers again.
    """
    return f"{account_id}-{customer_id}"


def account_of(holder: str) -> tuple[int, str] | None:
    """The account's number and the customer's id in a holder; None when it is none of ours."""
    number, _, customer_id = holder.partition("-")
    if not (number.isascii() and number.isdigit() and len(number) < 19 and customer_id):
        return None
    return int(number), customer_id


def key_of(withdrawal: WithdrawalView, asset: str) -> str:
    """The key under which a withdrawal is paid.

    What is asked for is in it, for the same reason: number 8 of before the backup and number 8 of after it are two payments.
    """
    parts = (withdrawal.account_id, withdrawal.reference, asset, withdrawal.network, withdrawal.net, withdrawal.address)
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
    return f"{withdrawal.withdrawal_id}-{digest[:32]}"


def payment_of(withdrawal: WithdrawalView, asset: str) -> Payment:
    """The payment that a withdrawal is to be."""
    what = (asset, withdrawal.network, withdrawal.net, withdrawal.address)
    return Payment(key_of(withdrawal, asset), withdrawal.withdrawal_id, *what)


def reference_of(deposit: SeenDeposit) -> str:
    """What a deposit is called: its asset and its transaction, and its output where it is not the first."""
    return f"{deposit.asset}{deposit.transaction}" + (f":{deposit.output}" if deposit.output else "")
