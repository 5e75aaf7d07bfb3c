"""The bell: what it submits, and that nothing the world does stops it."""

import asyncio
from collections.abc import Awaitable

import pytest

from app.clock import wall_clock
from app.faults import Unavailable
from app.feeds.base import NoFeed
from app.feeds.synthetic import SyntheticFeed
from app.feeds.together import Together
from app.listings import load
from app.scheduler import Bell
from exchange.commands import Command, Tick, UpdateIndexPrice
from exchange.events import Event, Ticked

LISTINGS = load()
DEADLINE_S = 10


class Queue:
    """The sequencer's edge: takes commands, or fails as it is told."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.fault: Exception | None = None
        self.is_at_once = False

    def submit(self, command: Command) -> Awaitable[list[Event]]:
        if self.fault is not None and self.is_at_once:
            raise self.fault
        return self._answer(command)

    async def _answer(self, command: Command) -> list[Event]:
        if self.fault is not None:
            raise self.fault
        self.commands.append(command)
        return []


async def test_a_ring_submits_observations_and_then_a_tick() -> None:
    """FEED-008: each observation is a command of its own, and so is journaled; the Tick comes last."""
    queue = Queue()
    feed = SyntheticFeed(LISTINGS.indices, LISTINGS.starts, 1, prices={})
    await Bell(queue.submit, feed, lambda: 5_000).ring()
    assert [type(command) for command in queue.commands] == [UpdateIndexPrice] * 3 * len(LISTINGS.indices) + [Tick]


async def test_a_tick_that_left_something_is_followed_by_another() -> None:
    """FEED-011: work beyond a bound of the core does not wait for the next second."""
    answers: list[list[Event]] = [[Ticked(has_more=True)], [Ticked(has_more=True)], [Ticked()]]
    told: list[Command] = []

    async def submit(command: Command) -> list[Event]:
        told.append(command)
        return answers[len(told) - 1]

    await Bell(submit, NoFeed(), lambda: 5_000).ring()
    assert told == [Tick(), Tick(), Tick()]


async def test_it_rings_by_itself_until_stopped() -> None:
    """FEED-009."""
    queue = Queue()
    bell = Bell(queue.submit, NoFeed(), wall_clock, period_s=0.01)
    bell.start()
    async with asyncio.timeout(DEADLINE_S):
        while len(queue.commands) < 3:
            await asyncio.sleep(0.005)
    await bell.stop()
    count = len(queue.commands)
    await asyncio.sleep(0.05)
    assert len(queue.commands) == count
    await bell.stop()


async def test_a_stop_in_the_middle_of_a_ring_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """FEED-009."""
    rung = asyncio.Event()

    async def never(command: Command) -> list[Event]:
        rung.set()
        return await asyncio.Future()

    bell = Bell(never, NoFeed(), wall_clock, period_s=0.01)
    bell.start()
    async with asyncio.timeout(DEADLINE_S):
        await rung.wait()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await bell.stop()
    await asyncio.wait(others, timeout=DEADLINE_S)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("is_at_once", [True, False])
async def test_an_exchange_that_cannot_answer_does_not_stop_it(
    caplog: pytest.LogCaptureFixture, is_at_once: bool
) -> None:
    """FEED-010: said once when it begins and once when it ends, not every second."""
    queue = Queue()
    bell = Bell(queue.submit, NoFeed(), lambda: 5_000)
    queue.is_at_once = is_at_once
    queue.fault = Unavailable("the database is away")
    for _ in range(3):
        await bell.ring()
    queue.fault = None
    await bell.ring()
    await bell.ring()
    assert [record.message for record in caplog.records] == [
        "The bell is not heard: the database is away",
        "The bell is heard again",
    ]
    assert len(queue.commands) == 2


async def test_a_broken_promise_is_not_swallowed() -> None:
    """FEED-010: only Unavailable is an answer; anything else is a fault of ours."""
    queue = Queue()
    queue.fault = ValueError("a bug")
    assert not issubclass(ValueError, Unavailable)
    with pytest.raises(ValueError, match="a bug"):
        await Bell(queue.submit, NoFeed(), lambda: 5_000).ring()


class BrokenFeed:
    """Fails as long as it is told to."""

    is_broken = True

    def take(self, time_ms: int) -> list[Command]:
        if self.is_broken:
            raise ZeroDivisionError("a model")
        return [UpdateIndexPrice(2, 1, 7, time_ms)]


class OneFeed:
    def take(self, time_ms: int) -> list[Command]:
        return [UpdateIndexPrice(1, 1, 5, time_ms)]


async def test_a_feed_that_fails_silences_neither_the_bell_nor_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """FEED-034: and is said once."""
    queue = Queue()
    broken = BrokenFeed()
    bell = Bell(queue.submit, Together([broken, OneFeed()]), lambda: 5_000)
    await bell.ring()
    await bell.ring()
    assert queue.commands == [UpdateIndexPrice(1, 1, 5, 5_000), Tick()] * 2
    assert [record.message for record in caplog.records] == ["BrokenFeed fails"]
    broken.is_broken = False
    await bell.ring()
    assert queue.commands[4:] == [UpdateIndexPrice(2, 1, 7, 5_000), UpdateIndexPrice(1, 1, 5, 5_000), Tick()]
