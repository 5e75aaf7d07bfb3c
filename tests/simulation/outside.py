"""What is outside: owners who send money in and ask for it back, chains that confirm, lose and find payments, and people at a desk.

It looks at the exchange to decide what comes next, and is never asked whether the exchange is right.
"""

from random import Random
from typing import Final

from msgspec.structs import replace

from exchange.commands import (
    AdvanceWithdrawal,
    AmendAsset,
    Command,
    RecordDeposit,
    RequestWithdrawal,
    SettleDeposit,
    WithdrawalStatus,
)
from exchange.events import DepositStatus
from exchange.exchange import Exchange
from exchange.withdrawals import FOLLOWS
from tests.support.world import BTC, USD, USD_UNIT, USDT

USUAL: Final = {
    WithdrawalStatus.PREPARED: (WithdrawalStatus.SUBMITTED,) * 4 + (WithdrawalStatus.CANCELLED,),
    WithdrawalStatus.SUBMITTED: (WithdrawalStatus.PROCESSING,) * 4 + FOLLOWS[WithdrawalStatus.SUBMITTED],
    WithdrawalStatus.WAITING_FOR_APPROVAL: FOLLOWS[WithdrawalStatus.WAITING_FOR_APPROVAL],
    WithdrawalStatus.SUSPECTED: FOLLOWS[WithdrawalStatus.SUSPECTED],
    WithdrawalStatus.PROCESSING: (WithdrawalStatus.SUCCEEDED,) * 3
    + (WithdrawalStatus.FAILED, WithdrawalStatus.PROCESSING),
}
"""What comes next, as often as it stands there."""
LATEST: Final = 40
"""How far back a chain remembers."""


class Outside:
    """Everything that payments meet."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.count = 0

    def send(self, account_id: int, asset_id: int, amount: int) -> Command:
        """A payment to an account is seen, now and then one that was seen before."""
        self.count += self.random.random() < 0.9
        return RecordDeposit(f"chain {self.count}", account_id, asset_id, amount, "here", f"tx {self.count}", "there")

    def ask(self, account_id: int, amount: int, asset_id: int = USD) -> Command:
        """An owner wants money back, now and then as it did before."""
        self.count += self.random.random() < 0.9
        is_confirmed = self.random.random() < 0.6
        return RequestWithdrawal(f"w{self.count}", account_id, asset_id, amount, "there", "chain", is_confirmed)

    def step(self, exchange: Exchange) -> Command:
        """Something happens to a payment, or an asset gets other terms."""
        random = self.random
        roll = random.random()
        state = exchange.state
        if roll < 0.01:
            return self.amend(exchange)
        if roll < 0.6 and state.open_withdrawals:
            withdrawal = state.open_withdrawals[random.choice(list(state.open_withdrawals))]
            return self.advance(
                withdrawal.withdrawal_id, random.choice(USUAL[withdrawal.status]), withdrawal.account_id
            )
        if roll < 0.65 and state.withdrawals:
            withdrawal_id = random.randint(max(1, state.next_withdrawal_id - LATEST), state.next_withdrawal_id)
            return self.advance(withdrawal_id, random.choice(list(WithdrawalStatus)), random.choice((0, 14, 15)))
        if roll < 0.85 and state.pending_deposits:
            return SettleDeposit(random.choice(list(state.pending_deposits)), random.random() < 0.8)
        late = [
            seen.reference for seen in list(state.deposits.values())[-LATEST:] if seen.status is DepositStatus.FAILED
        ]
        if late:
            return SettleDeposit(random.choice(late), random.random() < 0.5)
        return SettleDeposit(f"chain {random.randint(0, self.count + 1)}", random.random() < 0.5)

    def advance(self, withdrawal_id: int, status: WithdrawalStatus, account_id: int) -> Command:
        """A step, by the owner where it is the owner's."""
        random = self.random
        is_owners = status in {WithdrawalStatus.CANCELLED, WithdrawalStatus.SUBMITTED} and random.random() < 0.7
        transaction = f"tx {random.randint(1, 9)}" if status is WithdrawalStatus.PROCESSING else ""
        return AdvanceWithdrawal(withdrawal_id, status, transaction, "", account_id if is_owners else 0)

    def amend(self, exchange: Exchange) -> Command:
        """An asset's fees and bounds change."""
        random = self.random
        asset_id = random.choice((USD, USD, USDT, BTC))
        unit = USD_UNIT // 60_000 if asset_id == BTC else USD_UNIT
        return AmendAsset(
            replace(
                exchange.state.assets[asset_id],
                withdrawal_fee=random.choice((0, 1, 5 * unit)),
                withdrawal_min=random.choice((0, 10 * unit)),
                withdrawal_day_max=random.choice((0, 0, 1_000_000 * unit)),
                deposit_fee=random.choice((0, 0, unit)),
                deposit_min=random.choice((0, 20 * unit)),
                withdrawal_approval_above=random.choice((0, 50_000 * unit)),
            )
        )
