"""Money in and out beside a naive twin, under whatever hypothesis thinks of."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange import liabilities, views
from exchange.audit import audit
from exchange.commands import (
    AdvanceWithdrawal,
    AmendAsset,
    Command,
    Deposit,
    ListAsset,
    OpenAccount,
    RecordDeposit,
    RequestWithdrawal,
    SettleDeposit,
    Tick,
    WithdrawalStatus,
    decode_commands,
    encode_commands,
)
from exchange.events import (
    BalanceChanged,
    Cause,
    CommandRejected,
    DepositRecorded,
    DepositSettled,
    Event,
    WithdrawalAdvanced,
    WithdrawalRequested,
)
from exchange.exchange import Exchange
from exchange.instrument import Asset
from exchange.snapshot import decode, encode
from tests.property.naive_payments import NaivePayments, Terms
from tests.support.world import START_MS

ASSETS = (1, 2)
OWNERS = {1: 1, 2: 2, 3: 1}
START = 1_000
"""So little that sums meet every bound."""
ACCOUNT = st.sampled_from((1, 1, 1, 2, 2, 3, 3, 4))
ASSET = st.sampled_from((1, 1, 1, 1, 2, 2, 3))
AMOUNT = st.one_of(st.integers(0, 60), st.sampled_from((-5, 0, 1, 5, 6, 9, 10, 99, 100, 101, 500, 10**18, 10**18 + 1)))
REFERENCE = st.sampled_from(("a", "b", "c", "d", "e", "f", "g", "h", "", "x" * 64, "x" * 65))
SMALL = st.sampled_from((0, 0, 1, 5, 10, 50))
LARGE = st.sampled_from((0, 0, 30, 100, 200))
TEXT = st.sampled_from(("", "", "t1", "t2"))


class PaymentsMachine(RuleBasedStateMachine):
    """CUS-050 CUS-051 CUS-052"""

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange()
        self.twin = NaivePayments(OWNERS, {asset: Terms() for asset in ASSETS}, {})
        self.time_ms = START_MS
        self.journal: list[tuple[int, Command]] = []
        self.ledger: dict[tuple[int, int, Cause], int] = {}
        self.running: dict[tuple[int, int], int] = {}

    @initialize()
    def open(self) -> None:
        for asset in ASSETS:
            self.do(ListAsset(Asset(asset, f"A{asset}")))
        for account, owner in OWNERS.items():
            self.do(OpenAccount(f"account {account}", owner))
            for asset in ASSETS:
                self.do(Deposit(f"{account} {asset}", account, asset, START))
                self.twin.start[(account, asset)] = START
        self.ledger.clear()

    def do(self, command: Command) -> list[Event]:
        """Apply a command; a refused one must leave no trace."""
        before = self.exchange.state_hash()
        self.journal.append((self.time_ms, command))
        events = self.exchange.apply(command, self.time_ms)
        assert events
        if isinstance(events[0], CommandRejected):
            assert len(events) == 1
            assert self.exchange.state_hash() == before
        for event in events:
            if isinstance(event, BalanceChanged):
                key = (event.account_id, event.asset_id, event.cause)
                self.ledger[key] = self.ledger.get(key, 0) + event.amount
                place = (event.account_id, event.asset_id)
                self.running[place] = self.running.get(place, 0) + event.amount
                assert event.balance == self.running[place]
        return events

    def tell(self, command: Command, expected: str) -> None:
        """Let the exchange answer, and compare with the twin's answer."""
        events = self.do(command)
        assert said(events[0]) == expected, f"{command}: {events[0]}"
        if expected.endswith("again"):
            assert len(events) == 1

    @rule(account=ACCOUNT, asset=ASSET, amount=AMOUNT, reference=REFERENCE, is_confirmed=st.booleans())
    def request(self, account: int, asset: int, amount: int, reference: str, is_confirmed: bool) -> None:
        expected = self.twin.request(account, asset, amount, reference, is_confirmed, self.time_ms)
        self.tell(RequestWithdrawal(reference, account, asset, amount, "there", "", is_confirmed), expected)

    @rule(
        number=st.integers(0, 12),
        status=st.sampled_from(WithdrawalStatus),
        transaction=TEXT,
        note=TEXT,
        speaker=st.sampled_from((0, 0, 0, 0, 1, 2, 3)),
    )
    def advance(self, number: int, status: WithdrawalStatus, transaction: str, note: str, speaker: int) -> None:
        expected = self.twin.advance(number, status.name, transaction, note, speaker)
        self.tell(AdvanceWithdrawal(number, status, transaction, note, speaker), expected)

    @rule(back=st.integers(0, 3), path=st.sampled_from(("PROCESSING SUCCEEDED", "PROCESSING FAILED", "CANCELLED")))
    def finish(self, back: int, path: str) -> None:
        """Lead one of the latest withdrawals to an end, as far as it goes."""
        number = len(self.twin.outs) - back
        for word in ("SUBMITTED", *path.split()):
            expected = self.twin.advance(number, word, "", "", 0)
            self.tell(AdvanceWithdrawal(number, WithdrawalStatus[word]), expected)

    @rule(account=ACCOUNT, asset=ASSET, amount=AMOUNT, reference=REFERENCE)
    def record(self, account: int, asset: int, amount: int, reference: str) -> None:
        expected = self.twin.record(account, asset, amount, reference)
        self.tell(RecordDeposit(reference, account, asset, amount, "here", "tx", "there"), expected)

    @rule(reference=REFERENCE, is_completed=st.booleans(), note=TEXT)
    def settle(self, reference: str, is_completed: bool, note: str) -> None:
        self.tell(SettleDeposit(reference, is_completed, note), self.twin.settle(reference, is_completed, note))

    @rule(asset=st.sampled_from(ASSETS), fee=SMALL, least=SMALL, day=LARGE, taken=SMALL, small=SMALL, approve=LARGE)
    def amend(self, asset: int, fee: int, least: int, day: int, taken: int, small: int, approve: int) -> None:
        self.do(AmendAsset(Asset(asset, f"A{asset}", fee, least, day, taken, small, approve)))
        self.twin.terms[asset] = Terms(fee, least, day, taken, small, approve)

    @rule(hours=st.sampled_from((1, 3, 7, 24)))
    def pass_time(self, hours: int) -> None:
        self.time_ms += hours * 3_600_000
        self.do(Tick())

    @rule()
    def go_on_from_a_snapshot(self) -> None:
        image = encode(self.exchange)
        twin = decode(image)
        twin.time_ms = self.exchange.time_ms
        assert encode(twin) == image
        self.exchange = twin

    @invariant()
    def books_agree(self) -> None:
        state = self.exchange.state
        twin = self.twin
        for account, owner in OWNERS.items():
            held = {view.asset_id: view for view in views.balances(self.exchange, account)}
            for asset in ASSETS:
                view = held.get(asset)
                found = (
                    (view.amount, view.withdrawn, view.fees, view.withdrawable) if view is not None else (0, 0, 0, 0)
                )
                amount = twin.balance(account, asset)
                assert found == (amount, twin.on_way(account, asset), twin.fees(account, asset), max(0, amount))
                today = sum(
                    one.amount
                    for one in twin.of_day(owner, asset, self.time_ms)
                    if one.status not in ("CANCELLED", "REJECTED", "FAILED")
                )
                assert views.withdrawn_today(self.exchange, owner, asset, self.time_ms) == today
        for asset in state.treasuries:
            treasury = state.treasuries[asset]
            fees = sum(twin.fees(account, asset) for account in OWNERS)
            assert treasury.deposited == START * len(OWNERS) + twin.came_in(asset)
            assert (treasury.withdrawn, treasury.fees) == (twin.went_out(asset), fees)

    @invariant()
    def lists_agree(self) -> None:
        for at, (view, one) in enumerate(
            zip(views.withdrawals(self.exchange, all=True), self.twin.outs, strict=True), 1
        ):
            assert view.withdrawal_id == at
            assert (view.account_id, view.asset_id, view.amount, view.fee) == (
                one.account,
                one.asset,
                one.amount,
                one.fee,
            )
            assert (view.status.name, view.transaction, view.note) == (one.status, one.transaction, one.note)
            assert (view.requested_ms, view.net) == (one.asked_ms, one.amount - one.fee)
        for seen, other in zip(views.deposits(self.exchange, all=True), self.twin.ins, strict=True):
            assert (seen.account_id, seen.asset_id, seen.amount) == (other.account, other.asset, other.amount)
            assert (seen.status.name, seen.fee, seen.note) == (other.status, other.fee, other.note)
        ends = ("CANCELLED", "REJECTED", "FAILED", "SUCCEEDED")
        is_open = [at for at, one in enumerate(self.twin.outs, 1) if one.status not in ends]
        assert [view.withdrawal_id for view in views.withdrawals(self.exchange)] == is_open
        pending = [one.reference for one in self.twin.ins if one.status == "PENDING"]
        assert [view.reference for view in views.deposits(self.exchange)] == pending

    @invariant()
    def money_is_conserved(self) -> None:
        assert audit(self.exchange) == []
        for asset in self.exchange.state.assets:
            backing = liabilities.backing(self.exchange, asset)
            claims = liabilities.claims(self.exchange, asset)
            assert sum(claim.amount - claim.shortfall for claim in claims) + backing.own == backing.held

    @invariant()
    def entries_add_up(self) -> None:
        """An account's entries of each cause are what left, came and was charged, as soon as nothing is on its way."""
        for account in OWNERS:
            for asset in ASSETS:
                gone = sum(
                    one.amount - one.fee
                    for one in self.twin.outs
                    if (one.account, one.asset, one.status) == (account, asset, "SUCCEEDED")
                )
                entries = self.ledger.get((account, asset, Cause.WITHDRAWAL), 0)
                assert -entries == gone + self.twin.on_way(account, asset)
                assert -self.ledger.get((account, asset, Cause.FEE), 0) == self.twin.fees(account, asset)

    def teardown(self) -> None:
        """The journal's bytes lead to the same state."""
        again = Exchange()
        for time_ms, command in self.journal:
            (copy,) = decode_commands(encode_commands([command]))
            again.apply(copy, time_ms)
        assert again.state_hash() == self.exchange.state_hash()


def said(event: Event) -> str:
    """Put an answer into the twin's words."""
    if isinstance(event, CommandRejected):
        return event.reject.name
    assert isinstance(event, WithdrawalRequested | WithdrawalAdvanced | DepositRecorded | DepositSettled)
    return event.status.name + (" again" if event.is_repeat else "")


PaymentsMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestPaymentsMachine = PaymentsMachine.TestCase
