"""The two lanes beside a naive one."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.waiting import URGENCIES, Entry, Urgency, Waiting, urgency_of
from engine.order import Side
from exchange.commands import (
    AdvanceWithdrawal,
    CancelOrder,
    CancelOrders,
    Command,
    MoveMargin,
    OpenAccount,
    PlaceOrder,
    Tick,
    TransferFunds,
    UpdateIndexPrice,
    WithdrawalStatus,
)
from tests.small import PERP, USD, order

NAMES = "ABCD"


def entry(what: str) -> Entry:
    """`A1` is an order of the account A, `-A1` a cancel of its, `t1` one of the exchange's own commands."""
    number = int(what[-1])
    if what[0] == "t":
        return Tick(), None, None, None
    account_id = 1 + NAMES.index(what[-2])
    return (CancelOrder(account_id, number) if what[0] == "-" else order(account_id, qty=number)), None, None, None


def run(batch_max: int, *coming: str) -> list[list[str]]:
    """Let all of them wait, and take until nobody waits."""
    names: dict[int, str] = {}
    waiting = Waiting(batch_max)
    for what in coming:
        one = entry(what)
        names[id(one)] = what
        waiting.add(one)
    assert len(waiting) == len(coming)
    batches = []
    while waiting:
        batches.append([names[id(one)] for one in waiting.take()])
    assert waiting.take() == []
    return batches


@pytest.mark.spec("LIM-013")
def test_what_fits_in_a_batch_goes_as_it_came() -> None:
    assert run(5, "A1", "-B1", "C1", "t1", "-A2") == [["A1", "-B1", "C1", "t1", "-A2"]]


@pytest.mark.spec("LIM-014", "LIM-015")
def test_beyond_a_batch_cancels_go_first_and_none_passes_its_own_order() -> None:
    assert run(2, "A1", "B1", "C1", "-A2", "-D1") == [["-D1", "A1"], ["-A2", "B1"], ["C1"]]
    assert run(1, "A1", "B1", "-A2", "-A3", "A4", "-A5") == [["A1"], ["-A2"], ["-A3"], ["B1"], ["A4"], ["-A5"]]
    assert run(3, "A1", "-B1", "A2", "-B2", "t1", "B3", "-B4") == [["t1", "A1", "-B1"], ["-B2", "A2", "B3"], ["-B4"]]
    assert run(1, "A1", "-B1", "A2", "-B2", "t1", "B3", "-B4") == [
        [one] for one in ["-B1", "-B2", "t1", "A1", "A2", "B3", "-B4"]
    ]


@pytest.mark.spec("LIM-015")
@settings(max_examples=500)
@given(
    st.integers(1, 4),
    st.lists(st.sampled_from(("take", "A0", "-A0", "B0", "-B0", "t0")), min_size=5, max_size=60),
)
def test_no_command_passes_an_earlier_one_of_its_account(batch_max: int, script: list[str]) -> None:
    """Batches are taken, and somebody's commands come, urgent or not."""
    waiting = Waiting(batch_max)
    came: dict[str, list[int]] = {}
    went: dict[str, list[int]] = {}
    who: dict[int, tuple[str, int]] = {}
    kept: list[Entry] = []  # so that no id is used twice
    count = 0

    def take() -> None:
        nonlocal count
        batch = waiting.take()
        assert len(batch) == min(batch_max, count)
        count -= len(batch)
        for one in batch:
            name, number = who[id(one)]
            went.setdefault(name, []).append(number)

    for number, step in enumerate(script):
        if step == "take":
            take()
            continue
        name, one = step[-2], entry(step)
        kept.append(one)
        who[id(one)] = (name, number)
        came.setdefault(name, []).append(number)
        waiting.add(one)
        count += 1
        assert len(waiting) == count
    while count:
        take()
    assert went == came
    assert len(waiting) == 0


def batches_of(waiting: Waiting) -> list[list[Command]]:
    """Take until nobody waits."""
    batches = []
    while waiting:
        batches.append([one[0] for one in waiting.take()])
    return batches


@pytest.mark.spec("LIM-014")
@pytest.mark.parametrize("users", [OpenAccount("a", 7), TransferFunds("t", 8, 9, USD, 5)])
def test_no_users_command_holds_the_exchange_up(users: Command) -> None:
    """What names no account of its own stands in nobody else's way: an index price does not wait behind it."""
    waiting = Waiting(1)
    price = UpdateIndexPrice(1, 1, 5, 0)
    for command in (order(1), users, price):
        waiting.add((command, None, None, None))
    assert batches_of(waiting) == [[price], [order(1)], [users]]


@pytest.mark.spec("LIM-015")
@pytest.mark.parametrize("account_id", [8, 9])
def test_nothing_passes_a_transfer_of_its_account(account_id: int) -> None:
    """Margin that is to be added may be what the transfer brings."""
    waiting = Waiting(1)
    transfer, margin = TransferFunds("t", 8, 9, USD, 5), MoveMargin(account_id, PERP, 5)
    for command in (order(1), transfer, margin, order(2)):
        waiting.add((command, None, None, None))
    assert batches_of(waiting) == [[order(1)], [transfer], [margin], [order(2)]]


@pytest.mark.spec("LIM-015")
def test_what_is_put_back_goes_before_all_others() -> None:
    waiting = Waiting(2)
    first = [entry("A1"), entry("B1")]
    rest = [entry("C1"), entry("-D1"), entry("-A2")]
    for one in first:
        waiting.add(one)
    assert waiting.take() == first
    for one in rest:
        waiting.add(one)
    waiting.put_back(first)
    assert len(waiting) == 5
    assert waiting.take() == first
    assert waiting.take() == [rest[2], rest[0]]
    assert waiting.take() == [rest[1]]


def test_draining_leaves_nothing() -> None:
    waiting = Waiting(1)
    for what in ("A1", "B1", "-A2", "-C1"):
        waiting.add(entry(what))
    assert len(list(waiting.drain())) == 4
    assert len(waiting) == 0
    assert waiting.take() == []
    waiting.add(entry("A1"))
    assert len(waiting.take()) == 1


@pytest.mark.spec("LIM-016")
def test_every_command_has_its_urgency() -> None:
    assert set(URGENCIES) == set(get_args(Command))


@pytest.mark.spec("LIM-012")
def test_what_reduces_is_urgent() -> None:
    assert urgency_of(order()) is Urgency.ORDINARY
    assert urgency_of(PlaceOrder(1, PERP, Side.BUY, 1, reduce_only=True)) is Urgency.REDUCING
    assert urgency_of(PlaceOrder(1, PERP, Side.BUY, 0, is_close=True)) is Urgency.REDUCING
    assert urgency_of(MoveMargin(1, PERP, 5)) is Urgency.REDUCING
    assert urgency_of(MoveMargin(1, PERP, -5)) is Urgency.ORDINARY
    assert urgency_of(CancelOrders(1)) is Urgency.REDUCING
    assert urgency_of(Tick()) is Urgency.OWN
    assert urgency_of(AdvanceWithdrawal(1, WithdrawalStatus.SUCCEEDED)) is Urgency.OWN
    assert urgency_of(AdvanceWithdrawal(1, WithdrawalStatus.CANCELLED, account_id=1)) is Urgency.ORDINARY
