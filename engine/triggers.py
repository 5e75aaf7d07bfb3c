"""Orders that wait for a price."""

from typing import Final, final

from sortedcontainers import SortedList

from engine.order import Order, TriggerDirection, TriggerEvent

PPM: Final = 1_000_000
_HIGHEST: Final = 1 << 62
"""Above every price."""


@final
class Trigger:
    """An order that waits for its price: a plain trigger, or a trailing stop.

    A plain one fires once the price stands at `price` or past it in its `direction`. A trailing stop (`trail` price
    units, or `trail_ppm` of the extreme) becomes active so, at once when `price` is 0, and then follows the best price
    since: a sell the highest, a buy the lowest. That is `extreme`, 0 as long as none was seen.
    """

    __slots__ = ("direction", "event", "extreme", "order", "price", "trail", "trail_ppm")

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
        self.extreme: int = extreme

    def is_trailing(self) -> bool:
        """Tell whether this is a trailing stop."""
        return self.trail != 0 or self.trail_ppm != 0

    def stop_price(self) -> int:
        """Price at which a trailing stop fires as things stand; 0 or below when no price can.

        Rounds: the distance up, so that it never fires before the move has reached its ppm, and never on the extreme.
        Requires: an extreme.
        """
        # distance = trail, or extreme x trail_ppm / 10^6; stop = extreme - sign x distance, a sell's sign being -1
        distance = self.trail if self.trail != 0 else -(-self.extreme * self.trail_ppm // PPM)
        return self.extreme + self.order.sign * distance


def direction_towards(price: int, current: int) -> TriggerDirection:
    """Give the direction in which a price lies from the current one. Equal prices count as a rise: reached already."""
    return TriggerDirection.RISE if price >= current else TriggerDirection.FALL


@final
class TriggerBook:
    """The triggers of one market that wait for one of its prices.

    `triggers` finds one by its order id. Its iteration order is history, which a snapshot does not keep: use `walk()`.
    """

    __slots__ = ("_active", "_falls", "_quiet_high", "_quiet_low", "_rises", "triggers")

    def __init__(self) -> None:
        self.triggers: dict[int, Trigger] = {}
        # (price, order id), next to be reached first; falls with the price negated
        self._rises: SortedList[tuple[int, int]] = SortedList()
        self._falls: SortedList[tuple[int, int]] = SortedList()
        self._active: dict[int, Trigger] = {}
        # prices that move no extreme and fire no active trailing stop: from low to high, none when high < low
        self._quiet_low: int = 0
        self._quiet_high: int = _HIGHEST

    def add(self, trigger: Trigger) -> None:
        """Let a trigger wait. Also restores one from a snapshot, its extreme included.

        The current price is not looked at: `reached` with it fires what is reached already.
        Requires: RISE or FALL, except for a trailing stop that is active at once; an order id that is not waiting.
        Cost: O(log n).
        """
        order_id = trigger.order.order_id
        assert order_id not in self.triggers, "an order waits once"
        self.triggers[order_id] = trigger
        if trigger.is_trailing() and (trigger.extreme != 0 or trigger.price == 0):
            self._follow(trigger)
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
        if order_id in self._active:
            # the quiet prices may be too few now, never too many
            del self._active[order_id]
        elif trigger.direction is TriggerDirection.RISE:
            self._rises.remove((trigger.price, order_id))
        else:
            self._falls.remove((-trigger.price, order_id))
        return trigger

    def reached(self, price: int) -> list[Trigger]:
        """Take out and list, in order of entry, the triggers that a price fires.

        Cost: O(log n) when nothing fires; O(active trailing stops) more when the price is a new extreme for one.
        """
        found = self._waiting_at(price)
        if not self._quiet_low <= price <= self._quiet_high:
            found.extend(self._stopped_at(price))
        if len(found) > 1:
            found.sort(key=_entry)
        return found

    def walk(self) -> list[Trigger]:
        """List the triggers in order of entry. `add` for each of them makes the same book."""
        return sorted(self.triggers.values(), key=_entry)

    def check(self) -> None:
        """Assert everything that must hold between two commands.

        Cost: O(n).
        """
        waiting = [order_id for _, order_id in self._rises] + [order_id for _, order_id in self._falls]
        assert sorted(waiting + list(self._active)) == sorted(self.triggers), "a trigger stands in no list, or in two"
        for price, order_id in self._rises:
            assert self.triggers[order_id].price == price, "a trigger stands at another price"
        for negated, order_id in self._falls:
            assert self.triggers[order_id].price == -negated, "a trigger stands at another price"
        for trigger in self._active.values():
            low, high = _quiet(trigger)
            assert low <= self._quiet_low, "a low price counts as quiet that is not"
            assert high >= self._quiet_high, "a high price counts as quiet that is not"

    def _waiting_at(self, price: int) -> list[Trigger]:
        """Take out what waits at a price or before it: plain triggers fire, trailing stops become active."""
        found: list[Trigger] = []
        for waiting, limit in ((self._rises, price), (self._falls, -price)):
            while waiting and waiting[0][0] <= limit:
                _, order_id = waiting.pop(0)
                trigger = self.triggers[order_id]
                if trigger.is_trailing():
                    trigger.extreme = price
                    self._follow(trigger)
                else:
                    del self.triggers[order_id]
                    found.append(trigger)
        return found

    def _stopped_at(self, price: int) -> list[Trigger]:
        """Move the extremes to a price, take out the trailing stops that it fires, find the quiet prices anew."""
        found: list[Trigger] = []
        active = self._active
        self._active = {}
        self._quiet_low = 0
        self._quiet_high = _HIGHEST
        for order_id, trigger in active.items():
            extreme = trigger.extreme
            is_sell = trigger.order.sign < 0
            if extreme == 0 or (price > extreme if is_sell else price < extreme):
                trigger.extreme = price
                self._follow(trigger)
            elif price <= trigger.stop_price() if is_sell else price >= trigger.stop_price():
                del self.triggers[order_id]
                found.append(trigger)
            else:
                self._follow(trigger)
        return found

    def _follow(self, trigger: Trigger) -> None:
        """Make a trailing stop one of the active ones."""
        self._active[trigger.order.order_id] = trigger
        low, high = _quiet(trigger)
        self._quiet_low = max(self._quiet_low, low)
        self._quiet_high = min(self._quiet_high, high)


def _quiet(trigger: Trigger) -> tuple[int, int]:
    """Give the lowest and highest price that neither fires an active trailing stop nor is a new extreme for it."""
    if trigger.extreme == 0:
        return _HIGHEST, 0
    if trigger.order.sign < 0:
        return trigger.stop_price() + 1, trigger.extreme
    return trigger.extreme, trigger.stop_price() - 1


def _entry(trigger: Trigger) -> int:
    """Give the place of a trigger in the order of entry."""
    return trigger.order.order_id
