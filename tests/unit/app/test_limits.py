import re
from pathlib import Path

import pytest

from app.limits import REFUSALS_BURST, AccountLimits, AddressLimits, name_of
from app.problems import Denial, Denied
from engine.order import Side
from exchange.commands import (
    AmendOrder,
    CancelAllAfter,
    CancelOrder,
    CancelOrders,
    Command,
    Deposit,
    PlaceBatch,
    PlaceOrder,
    SetLeverage,
)
from tests.small import PERP, FakeClock, order


def batch(count: int, account_id: int = 1) -> PlaceBatch:
    return PlaceBatch(account_id, PERP, tuple(order(account_id) for _ in range(count)))


def wait_s(limits: AccountLimits, command: Command) -> float:
    """How long a command is to wait; 0 when it may go."""
    try:
        limits.charge(command)
    except Denied as denied:
        return denied.retry_s if denied.denial is Denial.RATE else -1.0
    return 0.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limits(clock: FakeClock) -> AccountLimits:
    return AccountLimits(clock, orders_per_min=1_200, cancels_per_min=2_400)


@pytest.mark.spec("LIM-008")
def test_orders_count_each_and_a_bulk_all_of_its_own(limits: AccountLimits, clock: FakeClock) -> None:
    for _ in range(23):
        assert wait_s(limits, batch(50)) == 0
    assert wait_s(limits, batch(20)) == 0
    assert wait_s(limits, batch(50)) == pytest.approx(1.0)
    assert wait_s(limits, batch(30)) == 0
    assert wait_s(limits, order()) == pytest.approx(0.05)
    assert wait_s(limits, AmendOrder(1, 7, price=1)) == pytest.approx(0.05)
    assert wait_s(limits, PlaceOrder(1, PERP, Side.BUY, 0, reduce_only=True, is_close=True)) == pytest.approx(0.05)
    assert wait_s(limits, order(2)) == 0
    assert wait_s(limits, Deposit("x", 1, 1, 1)) == wait_s(limits, SetLeverage(1, PERP, 200)) == 0
    clock.now_ms += 50
    assert wait_s(limits, order()) == 0
    assert wait_s(limits, order()) == pytest.approx(0.05)
    clock.now_ms += 3_600_000
    assert sum(wait_s(limits, batch(50)) == 0 for _ in range(50)) == 24


@pytest.mark.spec("LIM-008")
def test_whoever_keeps_to_the_number_in_each_minute_is_never_refused(limits: AccountLimits, clock: FakeClock) -> None:
    for _ in range(5):
        assert [wait_s(limits, batch(50)) for _ in range(24)] == [0] * 24
        clock.now_ms += 60_000


@pytest.mark.spec("LIM-009")
def test_orders_take_no_cancels_and_cancels_no_orders(limits: AccountLimits, clock: FakeClock) -> None:
    while not wait_s(limits, batch(50)):
        pass
    assert [wait_s(limits, CancelOrder(1, number + 1)) for number in range(2_398)] == [0] * 2_398
    assert wait_s(limits, CancelOrders(1, tuple(range(1, 1_000)))) == 0
    assert wait_s(limits, CancelAllAfter(1, 10_000)) == 0
    assert wait_s(limits, CancelOrders(1)) == pytest.approx(0.025)
    assert wait_s(limits, CancelAllAfter(1, 0)) == pytest.approx(0.025)
    clock.now_ms += 60_000
    while not wait_s(limits, CancelOrders(1)):
        pass
    assert wait_s(limits, batch(50)) == 0


@pytest.mark.spec("LIM-003")
@pytest.mark.parametrize(
    "address, name",
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002::/64"),
        ("2001:db8:1:2::1", "20010db800010002::/64"),
        ("2001:db8:1:3::1", "20010db800010003::/64"),
        ("fe80::1%eth0", "fe80000000000000::/64"),
        ("", ""),
        ("a:socket", "a:socket"),
    ],
)
def test_an_address_is_what_one_customer_has(address: str, name: str) -> None:
    assert name_of(address) == name


@pytest.mark.spec("LIM-001", "LIM-002")
def test_an_address_has_two_buckets() -> None:
    clock = FakeClock()
    limits = AddressLimits(clock, per_second=20, burst=2)
    assert [limits.take("a", b"/order") for _ in range(3)] == [0, 0, pytest.approx(50)]
    assert [limits.take("a", b"/auth/cancel/bulk") for _ in range(3)] == [0, 0, pytest.approx(50)]
    assert limits.take("a", b"/auth/close") == pytest.approx(50)
    assert limits.take("b", b"/order") == 0
    clock.now_ms += 50
    assert limits.take("a", b"/order") == 0


@pytest.mark.spec("LIM-005")
def test_many_refusals_make_tired() -> None:
    clock = FakeClock()
    limits = AddressLimits(clock, per_second=1, burst=1)
    assert [limits.is_tired("a") for _ in range(REFUSALS_BURST + 1)] == [False] * REFUSALS_BURST + [True]
    assert not limits.is_tired("b")
    clock.now_ms += 20
    assert [limits.is_tired("a"), limits.is_tired("a")] == [False, True]


@pytest.mark.spec("LIM-006")
def test_connections_are_counted_and_forgotten() -> None:
    limits = AddressLimits(FakeClock(), per_second=1, burst=1, connections_max=2)
    assert [limits.arrive("a"), limits.arrive("a"), limits.arrive("a"), limits.arrive("b")] == [True, True, False, True]
    limits.leave("a")
    assert [limits.arrive("a"), limits.arrive("a")] == [True, False]
    for name in "aab":
        limits.leave(name)
    assert limits._connections == {}


@pytest.mark.spec("LIM-008", "LIM-009")
def test_orders_and_cancels_come_through_the_desk() -> None:
    """It charges them; nothing beside it hands one of a surface to the sequencer."""
    root = Path(__file__).parents[3] / "app"
    files = [path for folder in ("surfaces", "stream") for path in (root / folder).rglob("*.py")]
    texts = {path.name: path.read_text("utf-8") for path in files}
    charged = re.compile(r"PlaceOrder|PlaceBatch|AmendOrder|CancelOrder|CancelAllAfter|AccountLimits")
    direct = [name for name, text in texts.items() if "sequencer.submit(" in text and charged.search(text)]
    assert direct == ["desk.py"]
    assert sum(bool(charged.search(text)) for text in texts.values()) > 3
