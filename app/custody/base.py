"""What the exchange needs of whoever keeps its coins: a custody. The cashier knows nothing else of it.

A second custody is one class with the methods of `Custody` and one line in app/custody/choose.py. What it must promise:

- *Paid once.* A payment's key names it for ever. `send` with a key that was sent before pays nothing, whatever happened to the
  answer of the first time; with other contents it raises `PaymentDiffers`.
- *Failed is final.* `SeenPayment.is_failed` says that nothing has left and that nothing will: the exchange gives the money
  back. Not known yet is not failed.
- *Nothing is left out.* `changes` gives whatever is other than it was at the cursor, at least once: a payment that this exchange
  never ordered as well. It may give something again. A cursor stays good for ever, for a restored backup comes with an old one.
- *Amounts are whole.* Units of 10^-8 of the asset. What a chain counts finer is rounded down where it comes in.
- *A deposit has one name*: asset, transaction and output. It keeps it when the chain takes it out of one block and into another.

Units: money in 10^-8 of the asset.
"""

from typing import Protocol

import msgspec

from app.faults import Fault


class CustodyUnavailable(Fault):
    """The custody cannot be asked now. What was asked for may have been done."""


class PaymentRefused(Exception):
    """The custody will never make this payment. Says why."""


class PaymentDiffers(Exception):
    """The key names another payment. Says which."""


class Payment(msgspec.Struct, frozen=True):
    """What is to be paid. `key` names it for ever; `withdrawal_id` is for people."""

    key: str
    withdrawal_id: int
    asset: str
    network: str
    amount: int
    address: str


class SeenPayment(msgspec.Struct, frozen=True):
    """A payment as the custody has it. `transaction` is empty as long as there is none."""

    payment: Payment
    transaction: str
    confirmations: int
    is_failed: bool
    note: str = ""


class SeenDeposit(msgspec.Struct, frozen=True):
    """Something that was paid to one of our addresses.

    `holder` is whom the address was made for. `output` tells the deposits of one transaction apart. `is_gone`: the chain no longer
    has it; it may come back.
    """

    holder: str
    asset: str
    amount: int
    address: str
    transaction: str
    output: int
    source: str
    confirmations: int
    is_gone: bool


class Changes(msgspec.Struct, frozen=True):
    """What is other than it was. `cursor` is where to go on, `is_more` says that there is more at once."""

    deposits: tuple[SeenDeposit, ...]
    payments: tuple[SeenPayment, ...]
    cursor: str
    is_more: bool


class Custody(Protocol):
    """Whoever keeps the coins."""

    @property
    def name(self) -> str:
        """What cursors and incidents are kept under."""

    def networks(self, asset: str) -> tuple[str, ...]:
        """The networks over which an asset comes and goes, the usual one first; none: it cannot keep this asset."""

    def check_address(self, asset: str, network: str, address: str) -> str | None:
        """Say what is wrong with an address that a payment is to go to; None when nothing is."""

    async def address(self, holder: str, asset: str, network: str) -> str:
        """Where `holder` pays in an asset: the same address each time. Raises: CustodyUnavailable."""

    async def send(self, payment: Payment) -> None:
        """Pay, once for each key. Raises: CustodyUnavailable, PaymentRefused, PaymentDiffers."""

    async def changes(self, cursor: str) -> Changes:
        """What is other than it was at the cursor; an empty one is the beginning. Raises: CustodyUnavailable."""
