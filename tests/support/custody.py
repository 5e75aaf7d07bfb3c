"""A custody under test: an exchange with two customers, the simulated chain beside it, and a cashier that can be struck down."""

from collections.abc import Iterable
from typing import Any, final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.custody.base import Changes, Custody, Payment
from app.custody.cashier import INTERVAL_S, Cashier
from app.custody.incidents import IncidentKind, Incidents
from app.custody.names import holder_of
from app.custody.simulated import NAME, ChainStatus, SimulatedChain, make_address
from app.store import Store
from exchange import views
from exchange.audit import audit
from exchange.commands import AdvanceWithdrawal, Command, RequestWithdrawal, WithdrawalStatus
from exchange.events import CommandRejected, DepositStatus, Event, WithdrawalRequested
from exchange.payment_views import WithdrawalView
from tests.small import BTC, FakeClock, opening

ALICE, BOB = 1, 2
ONE = 10**8
BLOCK_MS = 2_000
NEEDED = 3
SYMBOLS = {1: "USD", 2: "BTC"}


class Crash(Exception):
    """The process is gone: nothing of what was in memory counts."""


@final
class Fuse:
    """Counts the moments at which the world may lose the process, and strikes at one of them."""

    def __init__(self, strikes_at: int = -1) -> None:
        self.moments = 0
        self._strikes_at = strikes_at

    def burn(self) -> None:
        """A moment."""
        self.moments += 1
        if self.moments == self._strikes_at:
            raise Crash


@final
class Exposed:
    """A custody whose caller may be struck before and after everything that it asks."""

    def __init__(self, custody: Custody, fuse: Fuse) -> None:
        self._custody = custody
        self._fuse = fuse

    @property
    def name(self) -> str:
        return self._custody.name

    def networks(self, asset: str) -> tuple[str, ...]:
        return self._custody.networks(asset)

    def check_address(self, asset: str, network: str, address: str) -> str | None:
        return self._custody.check_address(asset, network, address)

    async def address(self, holder: str, asset: str, network: str) -> str:
        return await self._custody.address(holder, asset, network)

    async def send(self, payment: Payment) -> None:
        self._fuse.burn()
        await self._custody.send(payment)
        self._fuse.burn()

    async def changes(self, cursor: str) -> Changes:
        self._fuse.burn()
        found = await self._custody.changes(cursor)
        self._fuse.burn()
        return found


def customer_of(owner_id: int) -> str | None:
    """Everybody is a customer."""
    return f"customer{owner_id}"


@final
class World:
    """All of it. `cashier` is the one at work; `restart` puts another one in its place, who knows nothing."""

    def __init__(self, store: Store, engine: AsyncEngine, chain: SimulatedChain, clock: FakeClock) -> None:
        self.store = store
        self.engine = engine
        self.chain = chain
        self.clock = clock
        self.confirmations = {"": NEEDED}
        self.cashier = self.restart()
        self.names = 0
        self._alice = ""

    async def open(self) -> None:
        """List what there is, and open accounts."""
        for command in opening(self.clock.now_ms):
            await self.submit(command)
        self._alice = await self.address(ALICE)

    async def submit(self, command: Command) -> list[Event]:
        """Have a command done."""
        return await self.store.sequencer.submit(command)

    async def done(self, command: Command) -> list[Event]:
        """Have a command done that must not be refused."""
        events = await self.submit(command)
        assert not isinstance(events[0], CommandRejected), events
        return events

    def restart(
        self, fuse: Fuse | None = None, custody: Custody | None = None, interval_s: float = INTERVAL_S
    ) -> Cashier:
        """A new cashier."""
        burning = fuse or Fuse()

        async def submit(command: Command) -> list[Event]:
            burning.burn()
            events = await self.submit(command)
            burning.burn()
            return events

        self.incidents = Incidents(self.engine, NAME, self.clock)
        self.cashier = Cashier(
            submit,
            lambda: self.store.exchange,
            Exposed(custody or self.chain, burning),
            self.incidents,
            self.engine,
            customer_of=customer_of,
            confirmations=self.confirmations,
            seq=lambda: self.store.sequencer.seq,
            interval_s=interval_s,
        )
        return self.cashier

    async def pass_blocks(self, count: int = 1) -> None:
        """Let blocks come, each with a round of the cashier."""
        for _ in range(count):
            self.clock.now_ms += BLOCK_MS
            await self.cashier.round()

    async def address(self, account_id: int = ALICE) -> str:
        """Where an account pays in."""
        return await self.chain.address(holder_of(account_id, f"customer{account_id}"))

    async def pay_in(self, amount: int = ONE, account_id: int = ALICE, asset: str = "BTC", **more: Any) -> str:
        """Somebody pays to an account."""
        return await self.chain.deposit(await self.address(account_id), asset, amount, **more)

    async def pay_in_known(self, amount: int = ONE) -> str:
        """Somebody pays to Alice's address as it was before, whether the custody answers or not."""
        return await self.chain.deposit(self._alice, "BTC", amount)

    async def ask(
        self,
        amount: int = ONE,
        account_id: int = ALICE,
        asset_id: int = BTC,
        *,
        address: str = "",
        is_confirmed: bool = True,
        network: str = NAME,
    ) -> int:
        """Somebody asks for a withdrawal; gives its number."""
        self.names += 1
        where = address or make_address()
        command = RequestWithdrawal(f"w{self.names}", account_id, asset_id, amount, where, network, is_confirmed)
        requested = (await self.done(command))[0]
        assert isinstance(requested, WithdrawalRequested)
        return requested.withdrawal_id

    async def advance(self, withdrawal_id: int, status: WithdrawalStatus, account_id: int = 0) -> None:
        """An operator, or the owner, moves a withdrawal."""
        await self.done(AdvanceWithdrawal(withdrawal_id, status, account_id=account_id))

    def withdrawal(self, withdrawal_id: int) -> WithdrawalView:
        """A withdrawal."""
        found = views.withdrawal(self.store.exchange, withdrawal_id)
        assert found is not None
        return found

    def status(self, withdrawal_id: int) -> WithdrawalStatus:
        """Where a withdrawal stands."""
        return self.withdrawal(withdrawal_id).status

    def deposit_status(self, transaction: str, asset: str = "BTC") -> DepositStatus | None:
        """Where a deposit stands; None when the exchange does not know it."""
        found = views.deposit(self.store.exchange, f"{asset}{transaction}")
        return None if found is None else found.status

    def held(self, account_id: int = ALICE, asset_id: int = BTC) -> int:
        """What an account has, with what is in withdrawals."""
        for view in views.balances(self.store.exchange, account_id):
            if view.asset_id == asset_id:
                return view.amount + view.withdrawn
        return 0

    def kinds(self) -> list[IncidentKind]:
        """What stands."""
        return [incident.kind for incident in self.incidents.standing()]

    async def sent(self) -> dict[int, int]:
        """How often the chain has a payment for each withdrawal, failed ones not counted."""
        counts: dict[int, int] = {}
        for row in await self.chain.transactions(10**6):
            if row.key and row.status is not ChainStatus.LOST:
                number = int(row.key.partition("-")[0])
                counts[number] = counts.get(number, 0) + 1
        return counts

    async def check_books(self) -> None:
        """Check that what the exchange says it paid and got is what the chain paid and got, and that its own books hold."""
        assert audit(self.store.exchange) == []
        ours = await self._ours()
        for asset_id, symbol in SYMBOLS.items():
            rows = [row for row in await self.chain.transactions(10**6) if row.asset == symbol]
            live = [row for row in rows if row.status is not ChainStatus.LOST]
            paid = sum(row.amount for row in live if row.key)
            got = sum(row.amount for row in live if row.address in ours)
            all_withdrawals = _of(views.withdrawals(self.store.exchange, all=True), asset_id)
            all_deposits = _of(views.deposits(self.store.exchange, all=True), asset_id)
            assert paid == sum(row.net for row in all_withdrawals if row.status is WithdrawalStatus.SUCCEEDED)
            assert got == sum(row.amount for row in all_deposits if row.status is DepositStatus.COMPLETED)

    async def _ours(self) -> set[str]:
        return {await self.address(account_id) for account_id in (1, 2, 3)}


def _of(rows: Iterable[Any], asset_id: int) -> list[Any]:
    return [row for row in rows if row.asset_id == asset_id]
