"""Another custody than the simulated chain: a service that keeps a list, without blocks, with two networks for each asset."""

from typing import final

from app.custody.base import Changes, Payment, PaymentDiffers, PaymentRefused, SeenDeposit, SeenPayment

FINAL = 100
"""What it says of something that is done: it has no confirmations to count."""
PART = 3
"""Entries of one answer."""


@final
class LedgerService:
    """What happened is a list; a cursor is a place in it."""

    name = "ledger"

    def __init__(self) -> None:
        self._entries: list[SeenPayment | SeenDeposit] = []
        self._payments: dict[str, Payment] = {}

    def networks(self, asset: str) -> tuple[str, ...]:
        return ("fast", "slow") if asset in ("BTC", "USD") else ()

    def check_address(self, asset: str, network: str, address: str) -> str | None:
        return None if address.startswith(f"{network}:") else f"An address of this network begins with {network}:"

    async def address(self, holder: str, asset: str, network: str) -> str:
        return f"{network}:{asset}/{holder}"

    async def send(self, payment: Payment) -> None:
        reason = self.check_address(payment.asset, payment.network, payment.address)
        if reason is not None:
            raise PaymentRefused(reason)
        first = self._payments.setdefault(payment.key, payment)
        if first != payment:
            raise PaymentDiffers(f"{payment.key} is {first}")
        if not any(isinstance(entry, SeenPayment) and entry.payment == payment for entry in self._entries):
            self._entries.append(SeenPayment(payment, f"T{len(self._entries)}", FINAL, is_failed=False))
            self._receive(payment)

    async def changes(self, cursor: str) -> Changes:
        start = int(cursor) if cursor.isdigit() else 0
        part = self._entries[start : start + PART]
        return Changes(
            tuple(entry for entry in part if isinstance(entry, SeenDeposit)),
            tuple(entry for entry in part if isinstance(entry, SeenPayment)),
            str(start + len(part)),
            start + len(part) < len(self._entries),
        )

    async def pay(self, address: str, asset: str, amount: int) -> str:
        """Somebody pays from outside; gives the transaction."""
        self._receive(Payment("", 0, asset, address.partition(":")[0], amount, address))
        return f"T{len(self._entries) - 1}"

    def _receive(self, payment: Payment) -> None:
        asset, _, holder = payment.address.partition(":")[2].partition("/")
        if holder and asset == payment.asset:
            name = f"T{len(self._entries)}"
            what = (holder, payment.asset, payment.amount, payment.address)
            self._entries.append(SeenDeposit(*what, name, 0, "outside", FINAL, is_gone=False))
