"""What an operator's request about money in and out does."""

from typing import Final, assert_never, final

import msgspec

from app.control import Refused
from app.custody import requests
from app.custody.base import CustodyUnavailable
from app.custody.incidents import NoIncident
from app.custody.office import Office
from app.custody.simulated import NAME, NoTransaction, SimulatedChain, Transaction, make_address
from app.db.rows import StoredDeposit
from app.faults import Unavailable
from app.problems import Malformed
from app.sequencer import Unencodable
from app.store import Store
from app.wire import MONEY_DECIMALS, money, plain
from exchange import views
from exchange.commands import AdvanceWithdrawal, AmendAsset, Command, WithdrawalStatus
from exchange.events import CommandRejected
from exchange.instrument import Asset
from exchange.payment_views import WithdrawalView

TERMS: Final = (
    "withdrawal_fee",
    "withdrawal_min",
    "withdrawal_day_max",
    "withdrawal_approval_above",
    "deposit_fee",
    "deposit_min",
)
STEPS: Final = {
    "confirm": WithdrawalStatus.SUBMITTED,
    "approve": WithdrawalStatus.PROCESSING,
    "reject": WithdrawalStatus.REJECTED,
    "suspect": WithdrawalStatus.SUSPECTED,
    "release": WithdrawalStatus.SUBMITTED,
    "cancel": WithdrawalStatus.CANCELLED,
}
FROM: Final = {
    "confirm": (WithdrawalStatus.PREPARED,),
    "approve": (WithdrawalStatus.WAITING_FOR_APPROVAL, WithdrawalStatus.SUSPECTED),
    "release": (WithdrawalStatus.SUSPECTED,),
}
"""Where a withdrawal must stand for a step, beyond what the core asks."""
BLOCKS_MAX: Final = 1_000_000


@final
class FundsDesk:
    """Answers operators about money in and out."""

    def __init__(self, store: Store, office: Office) -> None:
        self._store = store
        self._office = office

    async def __call__(self, request: requests.FundsRequest) -> object:
        """Do what is asked. Raises: Refused, Unavailable."""
        try:
            return await self._do(request)
        except (Malformed, NoIncident, NoTransaction, Unencodable) as error:
            raise Refused(str(error)) from error
        except CustodyUnavailable as error:
            raise Unavailable(str(error)) from error

    async def _do(self, request: requests.FundsRequest) -> object:
        if isinstance(request, requests.Withdrawals):
            return self._withdrawals(request)
        if isinstance(request, requests.MoveWithdrawal):
            return await self._move(request)
        if isinstance(request, requests.Deposits):
            rows = await self._store.queries.deposits(request.account_id, limit=request.limit)
            return [self._deposit_row(row) for row in rows]
        if isinstance(request, requests.Assets):
            return [asset_row(asset) for asset in views.assets(self._store.exchange)]
        if isinstance(request, requests.AmendAsset):
            return await self._amend(request)
        if isinstance(request, requests.Custody):
            return self._custody()
        if isinstance(request, requests.Resolve):
            return await self._resolve(request)
        if isinstance(request, requests.DepositAddress):
            return await self._address(request.who, request.asset)
        return await self._play(request)

    # --- the exchange's side -----------------------------------------------------------------------------------------

    def _withdrawals(self, request: requests.Withdrawals) -> list[requests.WithdrawalRow]:
        if request.withdrawal_id:
            one = views.withdrawal(self._store.exchange, request.withdrawal_id)
            return [] if one is None else [self._withdrawal_row(one)]
        found = views.withdrawals(self._store.exchange, request.account_id, request.is_all)
        return [self._withdrawal_row(view) for view in reversed(found[-request.limit :])]

    async def _move(self, request: requests.MoveWithdrawal) -> requests.WithdrawalRow:
        view = views.withdrawal(self._store.exchange, request.withdrawal_id)
        status = STEPS.get(request.step)
        if view is None or status is None:
            what = f"withdrawal {request.withdrawal_id}" if view is None else f"step {request.step!r}"
            raise Refused(f"There is no {what}.")
        steps = [status]
        if view.status is not status:
            if view.status not in FROM.get(request.step, (view.status,)):
                raise Refused(f"Withdrawal {view.withdrawal_id} is {view.status.name}.")
            if request.step == "approve" and view.status is WithdrawalStatus.SUSPECTED:
                steps.insert(0, WithdrawalStatus.WAITING_FOR_APPROVAL)
        for step in steps:
            await self._submit(AdvanceWithdrawal(view.withdrawal_id, step, note=request.note))
        moved = views.withdrawal(self._store.exchange, view.withdrawal_id)
        assert moved is not None
        return self._withdrawal_row(moved)

    async def _amend(self, request: requests.AmendAsset) -> requests.AssetAmended:
        asset = self._asset(request.symbol)
        changes = {}
        for name, text in request.changes.items():
            if name not in TERMS:
                raise Refused(f"An asset has no term {name!r}: choose from {', '.join(TERMS)}.")
            changes[name] = 0 if text.strip() in ("0", "") else money(text, name)
        amended = msgspec.structs.replace(asset, **changes)
        await self._submit(AmendAsset(amended))
        old, new = asset_row(asset).terms, asset_row(amended).terms
        return requests.AssetAmended(
            asset.symbol, {name: (old[name], new[name]) for name in TERMS if old[name] != new[name]}
        )

    def _custody(self) -> requests.CustodyRow:
        counter, incidents = self._office.counter, self._office.incidents
        rows = [
            requests.IncidentRow(
                incident.incident_id,
                incident.kind.value,
                incident.subject,
                incident.detail,
                incident.opened_ms,
                incident.kind.is_closing,
            )
            for incident in (incidents.standing() if incidents is not None else [])
        ]
        name = self._office.custody.name if self._office.custody is not None else "none"
        return requests.CustodyRow(name, counter.trouble, counter.closed is not None, tuple(rows))

    async def _resolve(self, request: requests.Resolve) -> requests.CustodyRow:
        if not request.reason.strip():
            raise Refused("To resolve an incident needs a reason.")
        if self._office.incidents is None:
            raise Refused("There is no custody.")
        await self._office.incidents.resolve(request.incident_id, request.reason)
        return self._custody()

    async def _address(self, who: str, symbol: str) -> requests.AddressRow:
        account_id = self._account(who)
        asset = self._asset(symbol)
        counter = self._office.counter
        networks = counter.networks(asset.symbol)
        found = await counter.address(account_id, asset.symbol, networks[0]) if networks else None
        if found is None:
            raise Refused(f"Account {account_id} has no address for {asset.symbol}.")
        return requests.AddressRow(account_id, asset.symbol, networks[0], found)

    # --- the world's side --------------------------------------------------------------------------------------------

    async def _play(
        self,
        request: requests.ChainDeposit
        | requests.ChainList
        | requests.ChainMine
        | requests.ChainLose
        | requests.ChainRevive
        | requests.ChainReorganise
        | requests.ChainPlan,
    ) -> object:
        chain = self._office.custody
        if not isinstance(chain, SimulatedChain):
            raise Refused("The custody is not the simulated chain.")
        if isinstance(request, requests.ChainList):
            return [_transaction_row(row) for row in await chain.transactions(request.limit)]
        said = ""
        if isinstance(request, requests.ChainDeposit):
            said = await self._pay_in(chain, request)
        elif isinstance(request, requests.ChainMine):
            if not 0 < request.blocks <= BLOCKS_MAX:
                raise Refused(f"Between 1 and {BLOCKS_MAX} blocks.")
            await chain.mine(request.blocks)
        elif isinstance(request, requests.ChainLose):
            await chain.lose(request.transaction, "lost on demand")
        elif isinstance(request, requests.ChainRevive):
            await chain.revive(request.transaction)
        elif isinstance(request, requests.ChainReorganise):
            said = str(await chain.reorganise(request.depth, is_lost=request.is_lost))
        elif isinstance(request, requests.ChainPlan):
            await self._plan(chain, request)
        else:
            assert_never(request)
        state = await chain.state()
        return requests.ChainRow(state.height, state.fail_next, state.lose_next, state.is_away, said)

    async def _pay_in(self, chain: SimulatedChain, request: requests.ChainDeposit) -> str:
        amount = money(request.amount, "amount")
        who = request.who
        if chain.check_address(request.asset, NAME, who) is None:
            address = who
        else:
            address = (await self._address(who, request.asset)).address
        return await chain.deposit(address, request.asset, amount, source=make_address(), delay=max(0, request.delay))

    async def _plan(self, chain: SimulatedChain, request: requests.ChainPlan) -> None:
        if request.fail_next is not None:
            await chain.fail_next(max(0, request.fail_next))
        if request.lose_next is not None:
            await chain.lose_next(max(0, request.lose_next))
        if request.is_away is not None:
            await chain.go_away(request.is_away)

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _submit(self, command: Command) -> None:
        first = (await self._store.sequencer.submit(command))[0]
        if isinstance(first, CommandRejected):
            raise Refused(first.reject.value)

    def _asset(self, symbol: str) -> Asset:
        for asset in views.assets(self._store.exchange):
            if asset.symbol == symbol.upper():
                return asset
        raise Refused(f"There is no asset {symbol!r}.")

    def _account(self, who: str) -> int:
        """An account by its number, or the first of its owner."""
        exchange = self._store.exchange
        if who.isascii() and who.isdigit():
            if views.account(exchange, int(who)) is None:
                raise Refused(f"There is no account {who}.")
            return int(who)
        user = self._store.identity.user_named(who)
        for account in views.accounts(exchange):
            if user is not None and account.owner_id == user.owner_id:
                return account.account_id
        raise Refused(f"Nobody called {who!r} has an account.")

    def _owner(self, account_id: int) -> str:
        account = views.account(self._store.exchange, account_id)
        user = self._store.identity.user(account.owner_id) if account is not None else None
        return user.name if user is not None else ""

    def _symbol(self, asset_id: int) -> str:
        return next(asset.symbol for asset in views.assets(self._store.exchange) if asset.asset_id == asset_id)

    def _withdrawal_row(self, view: WithdrawalView) -> requests.WithdrawalRow:
        return requests.WithdrawalRow(
            view.withdrawal_id,
            view.account_id,
            self._owner(view.account_id),
            self._symbol(view.asset_id),
            plain(view.amount, MONEY_DECIMALS),
            plain(view.net, MONEY_DECIMALS),
            view.address,
            view.status.name,
            view.requested_ms,
            view.transaction,
            view.note,
        )

    def _deposit_row(self, row: StoredDeposit) -> requests.DepositRow:
        return requests.DepositRow(
            row.reference,
            row.account_id,
            self._owner(row.account_id),
            self._symbol(row.asset_id),
            plain(row.amount, MONEY_DECIMALS),
            plain(row.amount - row.fee, MONEY_DECIMALS),
            row.status.name,
            row.created_ms,
            row.note,
        )


def asset_row(asset: Asset) -> requests.AssetRow:
    """An asset for a list."""
    terms = {name: plain(getattr(asset, name), MONEY_DECIMALS) for name in TERMS}
    return requests.AssetRow(asset.asset_id, asset.symbol, terms)


def _transaction_row(row: Transaction) -> requests.TransactionRow:
    return requests.TransactionRow(
        row.transaction,
        "payment" if row.key else "deposit",
        row.asset,
        plain(row.amount, MONEY_DECIMALS),
        row.address,
        row.status.name,
        row.confirmations,
    )
