"""Orders that wait for a price."""

from typing import Final, final

from sortedcontainers import SortedList

from engine.order import BUY, SELL, Order, TriggerDirection, TriggerEvent

PPM: Final = 1_000_000


@final
class Trigger:
    """An order that waits for its price: a plain trigger, or a trailing stop.

    A plain one fires once the price stands at `price` or past it in its `direction`. A trailing stop (`trail` price
    units, or `trail_ppm` of the extreme) becomes active so, at once when `price` is 0, and then follows the best price
    since: a sell the highest, a buy the lowest. That is `extreme`, 0 as long as none was seen.
    """

    __slots__ = ("_extreme", "direction", "event", "group", "order", "price", "trail", "trail_ppm")

    def __init__(
        self,
        order: Order,
        event: TriggerEvent,
        direction: TriggerDirection,
        price: int,
        trail: int,
        trail_ppm: int,
        extreme: int,
    ) -> None:
        self.order: Order = order
        self.event: TriggerEvent = event
        self.direction: TriggerDirection = direction
        self.price: int = price
        self.trail: int = trail
        self.trail_ppm: int = trail_ppm
        self.group: Group | None = None
        self._extreme: int = extreme

    @property
    def extreme(self) -> int:
        """Best price since a trailing stop became active, 0 as long as none was seen."""
        return self._extreme if self.group is None else self.group.extreme

    @extreme.setter
    def extreme(self, price: int) -> None:
        assert self.group is None, "an active trailing stop keeps its extreme with others"
        self._extreme = price

    def is_trailing(self) -> bool:
        """Tell whether this is a trailing stop."""
        return self.trail != 0 or self.trail_ppm != 0

    def leave_group(self) -> None:
        """Keep the extreme alone again."""
        if self.group is not None:
            self._extreme = self.group.extreme
            self.group = None


@final
class Group:
    """Active trailing stops of one side with the same extreme. They have it in common for good.

    `trails` and `ppms` hold (distance, order id), the nearest first.
    """

    __slots__ = ("extreme", "ppms", "stop", "trails")

    def __init__(self, extreme: int) -> None:
        self.extreme: int = extreme
        self.trails: SortedList[tuple[int, int]] = SortedList()
        self.ppms: SortedList[tuple[int, int]] = SortedList()
        self.stop: int = 0

    def size(self) -> int:
        """Count the stops."""
        return len(self.trails) + len(self.ppms)

    def distance(self) -> int:
        """Distance of the stop that is nearest to the extreme.

        Rounds: up to a price unit, so that no stop fires before the move has reached its ppm, and none on the extreme.
        """
        if not self.ppms:
            return self.trails[0][0]
        # distance = extreme x ppm / 10^6
        distance = -(-self.extreme * self.ppms[0][0] // PPM)
        return min(distance, self.trails[0][0]) if self.trails else distance


@final
class Following:
    """The active trailing stops of one side, by groups.

    Everything is in heights, which are prices for sells and prices negated for buys: so the extreme is the greatest height
    and a stop fires at or below extreme - distance. A new greatest height joins all groups below it into one; a height
    that is not fires the groups whose stop it has fallen to. Neither looks at any other group.
    """

    __slots__ = ("groups", "heights", "sign", "stops")

    def __init__(self, sign: int) -> None:
        self.sign: int = sign
        self.groups: dict[int, Group] = {}
        """Groups by the height of their extreme."""
        self.heights: SortedList[int] = SortedList()
        self.stops: SortedList[tuple[int, int]] = SortedList()
        """(height of the stop next to fire, height of the extreme) of every group."""

    def add(self, trigger: Trigger, extreme: int) -> None:
        """Follow from an extreme.

        Cost: O(log n).
        """
        height = -self.sign * extreme
        group = self.groups.get(height)
        if group is None:
            group = Group(extreme)
        else:
            self._drop(height)
        _join(group, trigger)
        self._keep(group)

    def remove(self, trigger: Trigger) -> None:
        """Follow no more.

        Cost: O(log n).
        """
        group = trigger.group
        assert group is not None, "only an active trailing stop can be removed"
        self._drop(-self.sign * group.extreme)
        if trigger.trail != 0:
            group.trails.remove((trigger.trail, trigger.order.order_id))
        else:
            group.ppms.remove((trigger.trail_ppm, trigger.order.order_id))
        trigger.leave_group()
        self._keep(group)

    def reached(self, price: int, triggers: dict[int, Trigger]) -> list[int]:
        """Move the extremes to a price, or take out the stops that it fires; list their order ids.

        Cost: O(log n), and for each stop that is fired or, on average O(log n) times in its life, changes its group.
        """
        height = -self.sign * price
        found: list[int] = []
        if self.heights and self.heights[0] < height:
            self._raise(price, triggers)
        while self.stops and self.stops[-1][0] >= height:
            group = self._drop(self.stops[-1][1])
            room = -self.sign * group.extreme - height  # distance from the extreme to the price
            while group.size() and group.distance() <= room:
                if group.trails and group.trails[0][0] <= room:
                    _, order_id = group.trails.pop(0)
                else:
                    _, order_id = group.ppms.pop(0)
                triggers[order_id].leave_group()
                found.append(order_id)
            self._keep(group)
        return found

    def _raise(self, price: int, triggers: dict[int, Trigger]) -> None:
        """Join the groups below a price, and the one at it, into one whose extreme it is. The smaller goes into the greater."""
        height = -self.sign * price
        joined = Group(price)
        while self.heights and self.heights[0] <= height:
            group = self._drop(self.heights[0])
            if group.size() > joined.size():
                group, joined = joined, group
            for _, order_id in [*group.trails, *group.ppms]:
                _join(joined, triggers[order_id])
        joined.extreme = price
        self._keep(joined)

    def _keep(self, group: Group) -> None:
        """File a group under its extreme and its next stop, unless nothing is left in it."""
        if group.size():
            height = -self.sign * group.extreme
            self.groups[height] = group
            self.heights.add(height)
            group.stop = height - group.distance()
            self.stops.add((group.stop, height))

    def _drop(self, height: int) -> Group:
        """Take out a group, before it changes."""
        group = self.groups.pop(height)
        self.heights.remove(height)
        self.stops.remove((group.stop, height))
        return group

    def check(self, triggers: dict[int, Trigger]) -> list[int]:
        """Assert that groups, heights and stops agree; list the order ids."""
        found: list[int] = []
        assert list(self.heights) == sorted(self.groups), "groups and heights differ"
        assert list(self.stops) == sorted((group.stop, height) for height, group in self.groups.items()), "stops differ"
        for height, group in self.groups.items():
            assert height == -self.sign * group.extreme, "a group is filed under another height"
            assert group.stop == height - group.distance(), "a group's stop is wrong"
            for distance, order_id in [*group.trails, *group.ppms]:
                trigger = triggers.get(order_id)
                assert trigger is not None, "a trailing stop is followed and unknown"
                assert trigger.group is group, "a trailing stop stands in another's group"
                assert trigger.order.sign == self.sign, "a trailing stop stands on another's side"
                assert distance == (trigger.trail or trigger.trail_ppm), "a trailing stop stands at another distance"
                found.append(order_id)
        return found


def _join(group: Group, trigger: Trigger) -> None:
    """Put a trailing stop into a group."""
    trigger.group = group
    if trigger.trail != 0:
        group.trails.add((trigger.trail, trigger.order.order_id))
    else:
        group.ppms.add((trigger.trail_ppm, trigger.order.order_id))


def direction_towards(price: int, current: int) -> TriggerDirection:
    """Give the direction in which a price lies from the current one. Equal prices count as a rise: reached already."""
    return TriggerDirection.RISE if price >= current else TriggerDirection.FALL


@final
class TriggerBook:
    """The triggers of one market that wait for one of its prices.

    `triggers` finds one by its order id. Its iteration order is history, which a snapshot does not keep: use `walk()`.
    """

    __slots__ = ("_buys", "_falls", "_rises", "_sells", "_unseen", "triggers")

    def __init__(self) -> None:
        self.triggers: dict[int, Trigger] = {}
        # (price, order id), next to be reached first; falls with the price negated
        self._rises: SortedList[tuple[int, int]] = SortedList()
        self._falls: SortedList[tuple[int, int]] = SortedList()
        # trailing stops: active ones, and those that the next price makes so
        self._buys: Following = Following(BUY)
        self._sells: Following = Following(SELL)
        self._unseen: dict[int, Trigger] = {}

    def add(self, trigger: Trigger) -> None:
        """Let a trigger wait. Also restores one from a snapshot, its extreme included.

        The current price is not looked at: `reached` with it fires what is reached already.
        Requires: RISE or FALL, except for a trailing stop that is active at once; an order id that is not waiting.
        Cost: O(log n).
        """
        order_id = trigger.order.order_id
        assert order_id not in self.triggers, "an order waits once"
        self.triggers[order_id] = trigger
        extreme = trigger.extreme
        if trigger.is_trailing() and extreme != 0:
            self._side(trigger).add(trigger, extreme)
        elif trigger.is_trailing() and trigger.price == 0:
            self._unseen[order_id] = trigger
        elif trigger.direction is TriggerDirection.RISE:
            self._rises.add((trigger.price, order_id))
        else:
            assert trigger.direction is TriggerDirection.FALL, "a waiting trigger has a direction"
            self._falls.add((-trigger.price, order_id))

    def remove(self, order_id: int) -> Trigger:
        """Take a trigger out.

        Requires: it waits here.
        Cost: O(log n).
        """
        trigger = self.triggers.pop(order_id)
        if trigger.group is not None:
            self._side(trigger).remove(trigger)
        elif order_id in self._unseen:
            del self._unseen[order_id]
        elif trigger.direction is TriggerDirection.RISE:
            self._rises.remove((trigger.price, order_id))
        else:
            self._falls.remove((-trigger.price, order_id))
        return trigger

    def reached(self, price: int) -> list[Trigger]:
        """Take out and list, in order of entry, the triggers that a price fires.

        Cost: O(log n) when nothing fires, trailing stops included (`Following.reached`).
        """
        found = self._buys.reached(price, self.triggers) + self._sells.reached(price, self.triggers)
        found += self._waiting_at(price)
        found.sort()
        return [self.triggers.pop(order_id) for order_id in found]

    def walk(self) -> list[Trigger]:
        """List the triggers in order of entry. `add` for each of them makes the same book."""
        return [self.triggers[order_id] for order_id in sorted(self.triggers)]

    def check(self) -> None:
        """Assert everything that must hold between two commands.

        Cost: O(n).
        """
        waiting = list(self._unseen)
        for order_ids, sign in ((self._rises, 1), (self._falls, -1)):
            for height, order_id in order_ids:
                trigger = self.triggers.get(order_id)
                assert trigger is not None, "a trigger waits and is unknown"
                assert sign * height == trigger.price, "a trigger stands at another price"
                assert trigger.group is None, "a trigger waits and is active"
                waiting.append(order_id)
        waiting += self._buys.check(self.triggers) + self._sells.check(self.triggers)
        assert sorted(waiting) == sorted(self.triggers), "a trigger stands in no list, or in two"

    def _side(self, trigger: Trigger) -> Following:
        """Give the active trailing stops of a trigger's side."""
        return self._buys if trigger.order.sign > 0 else self._sells

    def _waiting_at(self, price: int) -> list[int]:
        """Take what waits at a price or before it: plain triggers fire, trailing stops become active."""
        fired: list[int] = []
        begun = list(self._unseen)
        self._unseen.clear()
        for waiting, limit in ((self._rises, price), (self._falls, -price)):
            while waiting and waiting[0][0] <= limit:
                _, order_id = waiting.pop(0)
                (begun if self.triggers[order_id].is_trailing() else fired).append(order_id)
        for order_id in begun:
            trigger = self.triggers[order_id]
            self._side(trigger).add(trigger, price)
        return fired
