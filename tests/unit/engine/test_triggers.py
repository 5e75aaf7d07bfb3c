from collections.abc import Callable, Sequence

import pytest

from engine.order import BUY, Order, TriggerDirection, TriggerEvent
from engine.triggers import Group, Trigger, TriggerBook, direction_towards
from tests.unit.engine.tables import order

RISE, FALL, AUTO = TriggerDirection.RISE, TriggerDirection.FALL, TriggerDirection.AUTO
MARK = TriggerEvent.MARK_PRICE


def plain(order_id: int, direction: TriggerDirection, price: int) -> Trigger:
    return Trigger(order(f"{order_id} buy 1@1"), MARK, direction, price, 0, 0, 0)


def trailing(text: str, *, trail: int = 0, ppm: int = 0, direction: TriggerDirection = AUTO, price: int = 0) -> Trigger:
    waiting: Order = order(f"{text} 1@1")
    return Trigger(waiting, MARK, direction, price, trail, ppm, 0)


def book_of(*triggers: Trigger) -> TriggerBook:
    book = TriggerBook()
    for trigger in triggers:
        book.add(trigger)
        book.check()
    return book


def tell(book: TriggerBook, prices: Sequence[int]) -> list[list[int]]:
    """Order ids that each price fires."""
    fired = []
    for price in prices:
        fired.append([trigger.order.order_id for trigger in book.reached(price)])
        book.check()
    return fired


@pytest.mark.parametrize(
    "direction,price,current,fires",
    [(RISE, 105, 105, True), (RISE, 105, 106, True), (RISE, 105, 104, False),
     (FALL, 95, 95, True), (FALL, 95, 94, True), (FALL, 95, 96, False)],
)  # fmt: skip
def test_fires_at_its_price(direction: TriggerDirection, price: int, current: int, fires: bool) -> None:
    """TRIG-001"""
    assert tell(book_of(plain(1, direction, price)), [current]) == [[1] if fires else []]


def test_order_of_entry() -> None:
    """TRIG-002"""
    book = book_of(
        plain(3, RISE, 101), plain(1, RISE, 103), plain(2, RISE, 102), plain(4, FALL, 103), plain(5, RISE, 104)
    )
    assert tell(book, [103]) == [[1, 2, 3, 4]]
    assert list(book.triggers) == [5]


def test_fires_once() -> None:
    """TRIG-003"""
    assert tell(book_of(plain(1, RISE, 105)), [105, 105, 104, 106]) == [[1], [], [], []]


def test_taken_out() -> None:
    """TRIG-004"""
    triggers = [
        plain(1, RISE, 105),
        plain(2, FALL, 95),
        trailing("3 sell", trail=10),
        trailing("4 sell", trail=10, direction=RISE, price=105),
        trailing("5 sell", trail=10, direction=FALL, price=95),
    ]
    book = book_of(*triggers)
    for trigger in triggers:
        assert book.remove(trigger.order.order_id) is trigger
        book.check()
    assert tell(book, [95, 105, 80]) == [[], [], []]
    with pytest.raises(KeyError):
        book.remove(1)


def test_waits_once() -> None:
    book = book_of(plain(1, RISE, 105))
    with pytest.raises(AssertionError):
        book.add(plain(1, RISE, 106))


def test_needs_a_direction() -> None:
    with pytest.raises(AssertionError):
        TriggerBook().add(plain(1, AUTO, 105))


@pytest.mark.parametrize("price,direction", [(105, RISE), (100, RISE), (95, FALL)])
def test_direction_towards(price: int, direction: TriggerDirection) -> None:
    """TRIG-005"""
    assert direction_towards(price, 100) is direction


def test_walked_and_added_it_is_the_same_book() -> None:
    """TRIG-006"""
    triggers = [
        plain(4, RISE, 130),
        plain(2, FALL, 60),
        trailing("3 sell", trail=10),
        trailing("1 buy", trail=30, direction=RISE, price=110),
        trailing("5 sell", trail=5, direction=FALL, price=70),
    ]
    book = book_of(*triggers)
    assert tell(book, [100, 115, 111]) == [[], [], []]
    walked = book.walk()
    assert [trigger.order.order_id for trigger in walked] == [1, 2, 3, 4, 5]
    assert [trigger.extreme for trigger in walked] == [111, 0, 115, 0, 0]
    again = book_of(*walked)
    assert tell(again, [105, 70, 65, 141]) == [[3], [], [5], [1, 4]]


BUY_A = trailing("1 buy", ppm=50_000, direction=RISE, price=44000)
SELL_B = trailing("1 sell", ppm=100_000, direction=FALL, price=39000)
BUY_C = trailing("1 buy", ppm=85_000, direction=FALL, price=38000)
SELL_D = trailing("1 sell", ppm=75_000, direction=RISE, price=420000)
SELL_E = trailing("1 sell", ppm=70_000)


@pytest.mark.parametrize(
    "trigger,prices,extreme",
    [
        pytest.param(BUY_A, [40000, 37000, 44000, 45000, 46000, 42000, 44100], 42000, id="TRAIL-001"),
        pytest.param(SELL_B, [40000, 41500, 39000, 37000, 41000, 36900], 41000, id="TRAIL-002"),
        pytest.param(BUY_C, [40000, 42000, 38000, 37000, 39000, 38000, 40145], 37000, id="TRAIL-003"),
        pytest.param(SELL_D, [400000, 415000, 390000, 420000, 450000, 440000, 465000, 430125], 465000, id="TRAIL-004"),
        pytest.param(SELL_E, [40000, 42000, 39500, 45500, 42315], 45500, id="TRAIL-005"),
    ],
)
def test_trailing_scenarios(trigger: Trigger, prices: list[int], extreme: int) -> None:
    """The last price fires, none before it."""
    book = book_of(trigger)
    assert tell(book, prices) == [[]] * (len(prices) - 1) + [[1]]
    assert trigger.extreme == extreme
    assert book.triggers == {}


def test_vega_scenarios() -> None:
    """TRAIL-006"""
    assert tell(book_of(trailing("1 sell", ppm=250_000)), [50, 60, 50, 57, 46, 45]) == [[], [], [], [], [], [1]]
    assert tell(book_of(trailing("1 sell", ppm=50_000)), [50, 60, 58]) == [[], [], []]


def test_absolute_distance() -> None:
    """TRAIL-007"""
    assert tell(book_of(trailing("1 sell", trail=10)), [100, 120, 111, 110]) == [[], [], [], [1]]
    assert tell(book_of(trailing("1 buy", trail=10)), [100, 80, 89, 90]) == [[], [], [], [1]]


@pytest.mark.parametrize(
    "text,ppm,prices",
    [("1 sell", 10_000, [150, 149, 148]), ("1 buy", 10_000, [150, 151, 152]), ("1 sell", 1, [100, 100, 99])],
)
def test_distance_is_rounded_up(text: str, ppm: int, prices: list[int]) -> None:
    """TRAIL-008"""
    assert tell(book_of(trailing(text, ppm=ppm)), prices) == [[], [], [1]]


def test_extreme_counts_from_activation() -> None:
    """TRAIL-009"""
    book = book_of(trailing("1 sell", trail=10, direction=FALL, price=100))
    assert tell(book, [130, 100, 95, 90]) == [[], [], [], [1]]


def test_stops_of_different_distance() -> None:
    """TRAIL-010"""
    book = book_of(trailing("1 sell", trail=10), trailing("2 sell", trail=30))
    assert tell(book, [100, 120, 111, 110, 90]) == [[], [], [], [1], [2]]


def test_active_stops_share_their_extreme() -> None:
    """TRAIL-011"""
    book = book_of(trailing("1 sell", trail=10), trailing("2 sell", ppm=100_000))
    assert tell(book, [200]) == [[]]
    book.add(trailing("3 sell", trail=10))
    assert tell(book, [195]) == [[]]
    first, second, third = book.walk()
    assert first.group is second.group is not third.group
    assert [trigger.extreme for trigger in book.walk()] == [200, 200, 195]
    assert tell(book, [198]) == [[]]
    assert third.group is not first.group
    assert tell(book, [201]) == [[]]
    assert first.group is second.group is third.group
    with pytest.raises(AssertionError):
        first.extreme = 300
    assert book.remove(1).extreme == 201
    assert tell(book, [191, 181, 180]) == [[3], [], [2]]


def test_taken_out_a_stop_can_start_anew() -> None:
    """As when it is amended: it keeps its extreme until it is told otherwise."""
    book = book_of(trailing("1 sell", trail=10))
    tell(book, [100, 120])
    stop = book.remove(1)
    stop.leave_group()  # a second time: nothing to leave
    assert stop.extreme == 120
    stop.extreme = 0
    book.add(stop)
    assert tell(book, [110, 101, 100]) == [[], [], [1]]


def test_stop_further_than_the_price_never_fires() -> None:
    assert tell(book_of(trailing("1 sell", trail=200)), [100, 1]) == [[], []]


def misplace_rise(book: TriggerBook) -> None:
    book.triggers[1].price = 1


def misplace_fall(book: TriggerBook) -> None:
    book.triggers[2].price = 1


def forget(book: TriggerBook) -> None:
    del book.triggers[1]


def group_of(book: TriggerBook) -> Group:
    group = book.triggers[3].group
    assert group is not None
    return group


def raise_extreme(book: TriggerBook) -> None:
    group_of(book).extreme = 150


def lower_stop(book: TriggerBook) -> None:
    group_of(book).stop = 50


def widen(book: TriggerBook) -> None:
    book.triggers[3].trail = 20


def change_side(book: TriggerBook) -> None:
    book.triggers[3].order.sign = BUY


def lose_group(book: TriggerBook) -> None:
    book.triggers[3].leave_group()


def invent(book: TriggerBook) -> None:
    book.triggers[9] = plain(9, RISE, 130)


def forget_active(book: TriggerBook) -> None:
    del book.triggers[3]


@pytest.mark.parametrize(
    "damage",
    [
        misplace_rise,
        misplace_fall,
        forget,
        forget_active,
        invent,
        raise_extreme,
        lower_stop,
        widen,
        change_side,
        lose_group,
    ],
)
def test_check_finds_damage(damage: Callable[[TriggerBook], None]) -> None:
    book = book_of(plain(1, RISE, 130), plain(2, FALL, 60), trailing("3 sell", trail=10))
    tell(book, [100])
    damage(book)
    with pytest.raises(AssertionError):
        book.check()
