"""What surfaces and operators ask about money in and out, with a custody or without one."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from decimal import Decimal
from typing import Final, NamedTuple, Protocol, final

from app.custody.base import Custody
from app.custody.cashier import Cashier
from app.custody.names import holder_of
from exchange import views
from exchange.exchange import Exchange

NO_CUSTODY: Final = "This exchange has no custody: nothing can be paid in or out."


class Standing(NamedTuple):
    """Who an owner is that logs in, and what of all assets together may still be asked for today; None without a bound."""

    email: str
    level: str
    usd_left: Decimal | None


class Gate(Protocol):
    """Whoever else has a say in what leaves."""

    def standing(self, owner_id: int) -> Standing | None:
        """How an owner stands; None for one who does not log in."""

    def turn(
        self, owner_id: int, symbol: str, network: str, address: str, units: int
    ) -> AbstractAsyncContextManager[None]:
        """Let an owner's withdrawal pass, one at a time. Raises: Refused on entering."""


@final
class Counter:
    """Knows addresses and whether the counter is open; moves nothing."""

    def __init__(
        self,
        exchange: Callable[[], Exchange],
        customer_of: Callable[[int], str | None],
        *,
        custody: Custody | None = None,
        cashier: Cashier | None = None,
        is_confirmed: bool = False,
    ) -> None:
        """Sit down. `is_confirmed`: a withdrawal needs no word of its owner's beyond the request."""
        assert (custody is None) == (cashier is None), "a custody and who works with it"
        self._exchange = exchange
        self._customer_of = customer_of
        self._custody = custody
        self._cashier = cashier
        self.is_confirmed = is_confirmed
        self.gate: Gate | None = None
        self._addresses: dict[tuple[str, str, str], str] = {}

    @property
    def closed(self) -> str | None:
        """Why no withdrawal is taken, if that is so."""
        return NO_CUSTODY if self._cashier is None else self._cashier.closed

    @property
    def trouble(self) -> str | None:
        """What keeps money from moving now, in words for an operator."""
        return NO_CUSTODY if self._cashier is None else self._cashier.trouble

    def turn(
        self, owner_id: int, symbol: str, network: str, address: str, units: int
    ) -> AbstractAsyncContextManager[None]:
        """Pass the gate, where there is one; hand the request in within the block. Raises: Refused on entering."""
        return nullcontext() if self.gate is None else self.gate.turn(owner_id, symbol, network, address, units)

    def standing(self, owner_id: int) -> Standing | None:
        """How an owner who logs in stands with whoever else has a say; None for all others."""
        return None if self.gate is None else self.gate.standing(owner_id)

    def networks(self, asset: str) -> tuple[str, ...]:
        """The networks over which an asset comes and goes, the usual one first."""
        return () if self._custody is None else self._custody.networks(asset)

    def check_address(self, asset: str, network: str, address: str) -> str | None:
        """Say what is wrong with an address to pay to; None when nothing is."""
        return NO_CUSTODY if self._custody is None else self._custody.check_address(asset, network, address)

    async def address(self, account_id: int, asset: str, network: str) -> str | None:
        """Where an account pays in an asset; None where it cannot. Raises: CustodyUnavailable."""
        account = views.account(self._exchange(), account_id)
        customer_id = None if account is None else self._customer_of(account.owner_id)
        if self._custody is None or customer_id is None or network not in self._custody.networks(asset):
            return None
        name = (holder_of(account_id, customer_id), asset, network)
        found = self._addresses.get(name)
        if found is None:
            found = self._addresses[name] = await self._custody.address(*name)
        return found

    async def addresses(self, account_id: int) -> dict[str, list[str]]:
        """Every address of an account with the assets that are paid there. Raises: CustodyUnavailable."""
        found: dict[str, list[str]] = {}
        for asset in views.assets(self._exchange()):
            for network in self.networks(asset.symbol):
                address = await self.address(account_id, asset.symbol, network)
                if address is not None:
                    held = found.setdefault(address, [])
                    if asset.symbol not in held:
                        held.append(asset.symbol)
        return found
