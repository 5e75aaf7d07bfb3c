"""Withdrawals and deposits: every pair of states, the bounds of texts and days, what the views say."""

import pytest

from exchange import liabilities, views
from exchange.audit import audit
from exchange.commands import (
    AdvanceWithdrawal,
    AmendAsset,
    Command,
    ListAsset,
    RecordDeposit,
    RequestWithdrawal,
    SettleDeposit,
    WithdrawalStatus,
)
from exchange.events import (
    AssetAmended,
    BalanceChanged,
    Cause,
    CommandRejected,
    DepositRecorded,
    DepositSettled,
    DepositStatus,
    Event,
    WithdrawalAdvanced,
    WithdrawalRequested,
    decode_events,
    encode_events,
)
from exchange.instrument import Asset
from exchange.limits import (
    ADDRESS_LENGTH_MAX,
    DAY_MS,
    DEPOSIT_REFERENCE_LENGTH_MAX,
    NETWORK_LENGTH_MAX,
    NOTE_LENGTH_MAX,
    REFERENCE_LENGTH_MAX,
    TRANSACTION_LENGTH_MAX,
    WITHDRAWALS_PER_DAY_MAX,
)
from exchange.rejects import Reject
from exchange.snapshot import decode, encode
from tests.support.world import BTC, REGULAR, SECOND, SIBLING, USD, USD_UNIT, World, opening

W = WithdrawalStatus
WAYS: dict[WithdrawalStatus, tuple[WithdrawalStatus, ...]] = {
    W.PREPARED: (),
    W.SUBMITTED: (W.SUBMITTED,),
    W.CANCELLED: (W.CANCELLED,),
    W.WAITING_FOR_APPROVAL: (W.SUBMITTED, W.WAITING_FOR_APPROVAL),
    W.SUSPECTED: (W.SUBMITTED, W.SUSPECTED),
    W.REJECTED: (W.REJECTED,),
    W.PROCESSING: (W.SUBMITTED, W.PROCESSING),
    W.SUCCEEDED: (W.SUBMITTED, W.PROCESSING, W.SUCCEEDED),
    W.FAILED: (W.SUBMITTED, W.PROCESSING, W.FAILED),
}
"""How each state is reached from PREPARED."""
ENDS = {W.CANCELLED, W.REJECTED, W.SUCCEEDED, W.FAILED}


def ask(world: World, reference: str = "a", account_id: int = REGULAR, amount: int = USD_UNIT) -> int:
    """Ask for a withdrawal of USD. Returns its id."""
    (asked, _) = world.do(RequestWithdrawal(reference, account_id, USD, amount, "there"))
    assert isinstance(asked, WithdrawalRequested)
    return asked.withdrawal_id


def refusal(events: list[Event]) -> tuple[Reject, str]:
    (rejected,) = events
    assert isinstance(rejected, CommandRejected)
    return rejected.reject, rejected.field


def test_every_pair_of_states() -> None:
    """CUS-004: 18 steps, 9 repeats, 54 refusals without a trace."""
    counts = {"step": 0, "repeat": 0, "refused": 0}
    for way in WAYS.values():
        for status in W:
            world = opening()
            withdrawal_id = ask(world)
            for step in way:
                world.do(AdvanceWithdrawal(withdrawal_id, step))
            before = world.exchange.state_hash()
            events = world.do(AdvanceWithdrawal(withdrawal_id, status))
            first = events[0]
            if isinstance(first, CommandRejected):
                assert refusal(events) == (Reject.INVALID_TRANSITION, "status")
                assert world.exchange.state_hash() == before
                counts["refused"] += 1
            else:
                assert isinstance(first, WithdrawalAdvanced)
                assert first.status is status
                assert (world.exchange.state_hash() == before) is first.is_repeat
                counts["repeat" if first.is_repeat else "step"] += 1
            assert audit(world.exchange) == []
    assert counts == {"step": 18, "repeat": 9, "refused": 54}


@pytest.mark.parametrize("status", W)
def test_an_end_is_reached_by_the_way_to_it(status: WithdrawalStatus) -> None:
    """CUS-004: an open withdrawal is on its way, an ended one is not."""
    world = opening()
    withdrawal_id = ask(world)
    for step in WAYS[status]:
        world.do(AdvanceWithdrawal(withdrawal_id, step))
    view = views.withdrawal(world.exchange, withdrawal_id)
    assert view is not None
    assert (view.status, view.is_open) == (status, status not in ENDS)
    listed = [one.withdrawal_id for one in views.withdrawals(world.exchange)]
    assert listed == ([] if status in ENDS else [withdrawal_id])
    on_way = world.exchange.state.accounts[REGULAR].balances[USD].withdrawn
    assert on_way == (0 if status in ENDS else USD_UNIT)


def test_what_a_request_answers() -> None:
    """CUS-001 CUS-006: the request with its fee, then the ledger entry under its reference; a repeat has no entry."""
    world = opening()
    world.do(AmendAsset(Asset(USD, "USD", withdrawal_fee=5)))
    command = RequestWithdrawal("w1", REGULAR, USD, 100, "there", "net")
    asked, entry = world.do(command)
    assert asked == WithdrawalRequested(1, REGULAR, USD, 100, 5, "there", "net", "w1", W.PREPARED)
    left = 100_000 * USD_UNIT - 100
    assert entry == BalanceChanged(REGULAR, USD, -100, left, Cause.WITHDRAWAL, reference="w1")
    world.do(AdvanceWithdrawal(1, W.SUBMITTED, note="fine"))
    (again,) = world.do(command)
    assert again == WithdrawalRequested(
        1, REGULAR, USD, 100, 5, "there", "net", "w1", W.SUBMITTED, "", "fine", is_repeat=True
    )


def test_what_the_end_of_a_withdrawal_answers() -> None:
    """CUS-002: the fee passes over the balance, so that the entries add up to what left and what was charged."""
    world = opening()
    world.do(AmendAsset(Asset(USD, "USD", withdrawal_fee=5)))
    world.do(RequestWithdrawal("w1", REGULAR, USD, 100, "there", is_confirmed=True))
    world.do(AdvanceWithdrawal(1, W.PROCESSING, "tx"))
    advanced, back, fee = world.do(AdvanceWithdrawal(1, W.SUCCEEDED))
    assert advanced == WithdrawalAdvanced(1, REGULAR, USD, 100, 5, "there", "", "w1", W.SUCCEEDED, "tx")
    left = 100_000 * USD_UNIT - 100
    assert back == BalanceChanged(REGULAR, USD, 5, left + 5, Cause.WITHDRAWAL, reference="w1")
    assert fee == BalanceChanged(REGULAR, USD, -5, left, Cause.FEE, reference="w1")


def test_what_a_deposit_answers() -> None:
    """CUS-030 CUS-031: nothing is entered at sight; the credit and the fee are entries under its reference."""
    world = opening()
    world.do(AmendAsset(Asset(USD, "USD", deposit_fee=1)))
    (seen,) = world.do(RecordDeposit("d1", REGULAR, USD, 100, "here", "tx", "them"))
    assert seen == DepositRecorded(1, REGULAR, USD, 100, 0, "here", "tx", "them", "d1", DepositStatus.PENDING)
    settled, credit, fee = world.do(SettleDeposit("d1", True))
    assert settled == DepositSettled(1, REGULAR, USD, 100, 1, "here", "tx", "them", "d1", DepositStatus.COMPLETED)
    had = 100_000 * USD_UNIT
    assert credit == BalanceChanged(REGULAR, USD, 100, had + 100, Cause.DEPOSIT, reference="d1")
    assert fee == BalanceChanged(REGULAR, USD, -1, had + 99, Cause.FEE, reference="d1")
    view = views.deposit(world.exchange, "d1")
    assert view is not None
    assert (view.net, view.fee, view.status, view.changed_ms) == (99, 1, DepositStatus.COMPLETED, world.time_ms)


def test_the_days_count_is_bounded() -> None:
    """CUS-011: a hundred requests of an owner, by whichever account and whatever became of them."""
    world = opening()
    for number in range(WITHDRAWALS_PER_DAY_MAX):
        ask(world, f"w{number}", REGULAR if number % 2 else SIBLING, 1)
        world.do(AdvanceWithdrawal(number + 1, W.CANCELLED))
    asked = RequestWithdrawal("one more", SIBLING, USD, 1, "there")
    assert refusal(world.do(asked)) == (Reject.TOO_MANY_WITHDRAWALS, "")
    assert len(world.do(RequestWithdrawal("btc", SIBLING, BTC, 1, "there"))) == 2
    assert ask(world, "other owner", SECOND) == WITHDRAWALS_PER_DAY_MAX + 2
    world.time_ms += DAY_MS
    assert len(world.do(asked)) == 2


TEXTS: list[tuple[Command, str]] = [
    (RequestWithdrawal("r", REGULAR, USD, 1, ""), "address"),
    (RequestWithdrawal("r", REGULAR, USD, 1, "a" * (ADDRESS_LENGTH_MAX + 1)), "address"),
    (RequestWithdrawal("r", REGULAR, USD, 1, "two\nlines"), "address"),
    (RequestWithdrawal("r", REGULAR, USD, 1, "there", "n" * (NETWORK_LENGTH_MAX + 1)), "network"),
    (RequestWithdrawal("r", REGULAR, USD, 1, "there", "\x00"), "network"),
    (AdvanceWithdrawal(1, W.SUBMITTED, "t" * (TRANSACTION_LENGTH_MAX + 1)), "transaction"),
    (AdvanceWithdrawal(1, W.PREPARED, "\x1b[31m"), "transaction"),
    (AdvanceWithdrawal(1, W.SUBMITTED, "", "n" * (NOTE_LENGTH_MAX + 1)), "note"),
    (RecordDeposit("", REGULAR, USD, 1), "reference"),
    (RecordDeposit("d" * (DEPOSIT_REFERENCE_LENGTH_MAX + 1), REGULAR, USD, 1), "reference"),
    (RecordDeposit("d", REGULAR, USD, 1, "a" * (ADDRESS_LENGTH_MAX + 1)), "address"),
    (RecordDeposit("d", REGULAR, USD, 1, "a", "t" * (TRANSACTION_LENGTH_MAX + 1)), "transaction"),
    (RecordDeposit("d", REGULAR, USD, 1, "a", "t", "s" * (ADDRESS_LENGTH_MAX + 1)), "source"),
    (SettleDeposit("seen", False, "n" * (NOTE_LENGTH_MAX + 1)), "note"),
    (SettleDeposit("seen", True, "\r"), "note"),
]


@pytest.mark.parametrize("command, field", TEXTS, ids=[f"{type(c).__name__} {f} {n}" for n, (c, f) in enumerate(TEXTS)])
def test_texts_have_bounds(command: Command, field: str) -> None:
    """CUS-019 CUS-035"""
    world = opening()
    ask(world)
    world.do(RecordDeposit("seen", REGULAR, USD, 1))
    before = world.exchange.state_hash()
    assert refusal(world.do(command)) == (Reject.INVALID_TEXT, field)
    assert world.exchange.state_hash() == before


def test_the_longest_texts_are_taken() -> None:
    """CUS-019 CUS-035"""
    world = opening()
    address, network = "a" * ADDRESS_LENGTH_MAX, "n" * NETWORK_LENGTH_MAX
    reference = "r" * REFERENCE_LENGTH_MAX
    assert len(world.do(RequestWithdrawal(reference, REGULAR, USD, 1, address, network))) == 2
    transaction, note = "t" * TRANSACTION_LENGTH_MAX, "n" * NOTE_LENGTH_MAX
    (advanced,) = world.do(AdvanceWithdrawal(1, W.SUBMITTED, transaction, note))
    assert isinstance(advanced, WithdrawalAdvanced)
    assert (advanced.transaction, advanced.note) == (transaction, note)
    longest = "d" * DEPOSIT_REFERENCE_LENGTH_MAX
    assert isinstance(
        world.do(RecordDeposit(longest, REGULAR, USD, 1, address, transaction, address))[0], DepositRecorded
    )
    assert decode(encode(world.exchange)).state_hash() == world.exchange.state_hash()


@pytest.mark.parametrize("reference", ["", "r" * (REFERENCE_LENGTH_MAX + 1)])
def test_a_reference_has_1_to_64_characters(reference: str) -> None:
    """CUS-019"""
    command = RequestWithdrawal(reference, REGULAR, USD, 1, "there")
    assert refusal(opening().do(command)) == (Reject.INVALID_REFERENCE, "reference")


def test_an_assets_name_stays() -> None:
    """CUS-040"""
    world = opening()
    for asset in (Asset(USD, "EUR"), Asset(USD, ""), Asset(USD, "USD", deposit_min=-1)):
        assert refusal(world.do(AmendAsset(asset))) == (Reject.INVALID_TERMS, "")
    assert refusal(world.do(AmendAsset(Asset(99, "XYZ")))) == (Reject.UNKNOWN_ASSET, "asset_id")
    assert refusal(world.do(ListAsset(Asset(99, "XYZ", withdrawal_fee=-1)))) == (Reject.INVALID_TERMS, "")
    terms = Asset(USD, "USD", 5, 10, 1_000, 1, 2, 500)
    assert world.do(AmendAsset(terms)) == [AssetAmended(terms)]
    assert views.asset(world.exchange, USD) == terms
    assert views.asset(world.exchange, 99) is None


def test_what_is_on_its_way_is_owed() -> None:
    """CUS-052 POL-012: an account that lost all and more still has what is on its way; the shortfall stands beside it."""
    world = opening()
    ask(world, amount=1_000 * USD_UNIT)
    claim = liabilities.claim_of(world.exchange.state.accounts[REGULAR], USD)
    assert (claim.amount, claim.shortfall) == (100_000 * USD_UNIT, 0)
    world.exchange.state.accounts[REGULAR].balances[USD].amount = -7
    claim = liabilities.claim_of(world.exchange.state.accounts[REGULAR], USD)
    assert (claim.amount, claim.shortfall) == (1_000 * USD_UNIT, 7)


def test_what_was_paid_is_owed_no_more() -> None:
    """POL-012"""
    world = opening()
    world.do(AmendAsset(Asset(USD, "USD", withdrawal_fee=5 * USD_UNIT)))
    world.do(RequestWithdrawal("a", REGULAR, USD, 1_000 * USD_UNIT, "there", is_confirmed=True))
    world.do(AdvanceWithdrawal(1, W.PROCESSING))
    claims = {claim.account_id: claim.amount for claim in liabilities.claims(world.exchange, USD)}
    assert claims[REGULAR] == 100_000 * USD_UNIT
    assert liabilities.backing(world.exchange, USD).own == 0
    world.do(AdvanceWithdrawal(1, W.SUCCEEDED))
    claims = {claim.account_id: claim.amount for claim in liabilities.claims(world.exchange, USD)}
    backing = liabilities.backing(world.exchange, USD)
    assert claims[REGULAR] == 99_000 * USD_UNIT
    assert backing.own == 5 * USD_UNIT
    assert sum(claims.values()) + backing.own == backing.held


def test_views_of_withdrawals_and_deposits() -> None:
    """CUS-006: by account, by id, by reference; what is not there reads as nothing."""
    world = opening()
    world.do(AmendAsset(Asset(USD, "USD", withdrawal_fee=1, withdrawal_approval_above=USD_UNIT)))
    ask(world, "a")
    ask(world, "a", SECOND, 2 * USD_UNIT)
    world.do(AdvanceWithdrawal(1, W.CANCELLED))
    world.do(RecordDeposit("d1", REGULAR, USD, 1))
    world.do(RecordDeposit("d2", SECOND, USD, 1))
    world.do(SettleDeposit("d1", True))
    exchange = world.exchange
    assert [one.withdrawal_id for one in views.withdrawals(exchange)] == [2]
    assert [one.withdrawal_id for one in views.withdrawals(exchange, all=True)] == [1, 2]
    assert [one.withdrawal_id for one in views.withdrawals(exchange, REGULAR)] == []
    assert [one.withdrawal_id for one in views.withdrawals(exchange, REGULAR, all=True)] == [1]
    found = views.withdrawal_by_reference(exchange, SECOND, "a")
    assert found is not None
    assert (found.withdrawal_id, found.net, found.needs_approval) == (2, 2 * USD_UNIT - 1, True)
    assert views.withdrawal_by_reference(exchange, SECOND, "b") is None
    assert views.withdrawal(exchange, 3) is None
    assert [one.reference for one in views.deposits(exchange)] == ["d2"]
    assert [one.reference for one in views.deposits(exchange, REGULAR, all=True)] == ["d1"]
    assert views.deposit(exchange, "d3") is None
    assert views.withdrawn_today(exchange, REGULAR, USD, world.time_ms) == 0
    assert views.withdrawn_today(exchange, SECOND, USD, world.time_ms) == 2 * USD_UNIT
    assert views.withdrawn_today(exchange, SECOND, USD, world.time_ms + DAY_MS) == 0


def test_events_survive_their_bytes() -> None:
    """CUS-051"""
    world = opening()
    events: list[Event] = []
    for command in (
        RequestWithdrawal("a", REGULAR, USD, 5, "there", "net", True),
        AdvanceWithdrawal(1, W.PROCESSING, "tx", "note"),
        AdvanceWithdrawal(1, W.FAILED),
        RecordDeposit("d", REGULAR, USD, 10**18, "here", "tx", "them"),
        SettleDeposit("d", True),
        AmendAsset(Asset(USD, "USD", 1, 2, 3, 4, 5, 6)),
    ):
        events += world.do(command)
    assert decode_events(encode_events(events)) == events


def holding_too_much(world: World) -> None:
    world.exchange.state.accounts[REGULAR].balances[USD].withdrawn += 1


def negative(world: World) -> None:
    world.exchange.state.accounts[SECOND].balances[USD].withdrawn = -1


def lost_from_the_open(world: World) -> None:
    world.exchange.state.open_withdrawals.clear()


def wrong_day(world: World) -> None:
    world.exchange.state.withdrawal_days[(REGULAR, USD)].amount += 1


def lost_deposit(world: World) -> None:
    world.exchange.state.pending_deposits.clear()


def lost_timer(world: World) -> None:
    world.exchange.state.accounts[REGULAR].cancel_all_ms = 5


def late_timer(world: World) -> None:
    state = world.exchange.state
    state.dead_men[REGULAR] = state.accounts[REGULAR]
    state.accounts[REGULAR].cancel_all_ms = 5
    state.dead_man_ms = 6


@pytest.mark.parametrize(
    "damage, words",
    [
        (holding_too_much, "other withdrawals"),
        (negative, "withdraws less than nothing"),
        (lost_from_the_open, "have not ended"),
        (wrong_day, "asked for another amount"),
        (lost_deposit, "deposits that are pending"),
        (lost_timer, "accounts with a timer"),
        (late_timer, "before anybody looks"),
    ],
)
def test_the_audit_names_damage(damage: object, words: str) -> None:
    """AUD-002"""
    world = opening()
    ask(world)
    world.do(RecordDeposit("d", REGULAR, USD, 1))
    assert audit(world.exchange) == []
    assert callable(damage)
    damage(world)
    assert any(words in sentence for sentence in audit(world.exchange))
