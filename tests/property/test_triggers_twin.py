"""The trigger book equals a plain list that is walked for every price."""

from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.order import BUY, SELL, Order, SelfMatch, TriggerDirection, TriggerEvent
from engine.triggers import Trigger, TriggerBook


@dataclass
class Naive:
    """One trigger, told every price since its entry."""

    order_id: int
    sign: int
    direction: TriggerDirection
    price: int
    trail: int
    trail_ppm: int
    extreme: int = 0

    def is_past(self, current: int) -> bool:
        return current >= self.price if self.direction is TriggerDirection.RISE else current <= self.price

    def fires(self, current: int) -> bool:
        if not self.trail and not self.trail_ppm:
            return self.is_past(current)
        if self.extreme == 0 and self.price and not self.is_past(current):
            return False
        # in millionths of a price unit, so that nothing is rounded
        if self.sign == SELL:
            self.extreme = max(self.extreme, current)
            return current * 10**6 <= self.extreme * 10**6 - (self.trail * 10**6 or self.extreme * self.trail_ppm)
        self.extreme = min(self.extreme or current, current)
        return current * 10**6 >= self.extreme * 10**6 + (self.trail * 10**6 or self.extreme * self.trail_ppm)


@dataclass(frozen=True)
class Add:
    sign: int
    direction: TriggerDirection
    price: int
    trail: int
    trail_ppm: int


@dataclass(frozen=True)
class Remove:
    pick: int


@dataclass(frozen=True)
class Tell:
    price: int


@dataclass(frozen=True)
class Rebuild:
    pass


Step: TypeAlias = Add | Remove | Tell | Rebuild

PRICE_MAX = 40
distances = st.sampled_from([(0, 0), (1, 0), (3, 0), (10, 0), (0, 1), (0, 50_000), (0, 130_000), (0, 400_000)])
adds = st.builds(
    lambda sign, direction, price, distance, is_at_once: Add(
        sign, direction, 0 if is_at_once and distance != (0, 0) else price, *distance
    ),
    st.sampled_from([BUY, SELL]),
    st.sampled_from([TriggerDirection.RISE, TriggerDirection.FALL]),
    st.integers(1, PRICE_MAX),
    distances,
    st.booleans(),
)
tells = st.builds(Tell, st.integers(1, PRICE_MAX))
steps = st.one_of(adds, adds, tells, tells, tells, st.builds(Remove, st.integers(0, 10**6)), st.just(Rebuild()))


def real(order_id: int, add: Add) -> Trigger:
    order = Order(order_id, 1, 1, add.sign, 1, 1, 0, False, False, SelfMatch.CANCEL_TAKER, None)
    return Trigger(order, TriggerEvent.MARK_PRICE, add.direction, add.price, add.trail, add.trail_ppm, 0)


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, min_size=1, max_size=60))
def test_equal_to_a_plain_list(told: list[Step]) -> None:
    play(told)


def test_long_run_equal_to_a_plain_list() -> None:
    """A wandering price, hundreds of triggers waiting: groups of trailing stops join, fire and are left."""
    random = Random(20261121)
    price = 1_000
    told: list[Step] = []
    for _ in range(3_000):
        kind = random.random()
        if kind < 0.3:
            distance = random.choice([(0, 0), (random.randint(1, 150), 0), (0, random.randint(1, 150_000))])
            is_at_once = distance != (0, 0) and random.random() < 0.5
            told.append(
                Add(
                    random.choice([BUY, SELL]),
                    random.choice([TriggerDirection.RISE, TriggerDirection.FALL]),
                    0 if is_at_once else max(1, price + random.randint(-200, 200)),
                    *distance,
                )
            )
        elif kind < 0.35:
            told.append(Remove(random.randrange(10**6)))
        elif kind < 0.352:
            told.append(Rebuild())
        else:
            price = max(300, price + random.randint(-12, 12))
            told.append(Tell(price))
    fired, waiting_max = play(told)
    assert fired > 400
    assert waiting_max > 100


def play(told: list[Step]) -> tuple[int, int]:
    """Tell both, compare after every step; give how many fired and how many waited at most."""
    fired_count = waiting_max = 0
    book = TriggerBook()
    naive: list[Naive] = []
    for order_id, step in enumerate(told, start=1):
        if isinstance(step, Add):
            book.add(real(order_id, step))
            naive.append(Naive(order_id, step.sign, step.direction, step.price, step.trail, step.trail_ppm))
        elif isinstance(step, Tell):
            fired = [waiting.order_id for waiting in naive if waiting.fires(step.price)]
            fired_count += len(fired)
            naive = [waiting for waiting in naive if waiting.order_id not in fired]
            assert [trigger.order.order_id for trigger in book.reached(step.price)] == fired
        elif isinstance(step, Remove) and naive:
            book.remove(naive.pop(step.pick % len(naive)).order_id)
        elif isinstance(step, Rebuild):
            walked = book.walk()
            book = TriggerBook()
            for trigger in walked:
                book.add(trigger)
        book.check()
        assert [trigger.order.order_id for trigger in book.walk()] == [waiting.order_id for waiting in naive]
        for trigger, waiting in zip(book.walk(), naive, strict=True):
            assert trigger.extreme == waiting.extreme
        waiting_max = max(waiting_max, len(naive))
    return fired_count, waiting_max
