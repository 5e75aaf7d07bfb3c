"""The laws of the exchange hold after whatever it is told."""

from collections import Counter
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.order import OrderStatus, TimeInForce
from exchange.audit import audit
from exchange.commands import CancelOrders, Command, PlaceOrder, Tick, decode_commands, encode_commands
from exchange.events import CommandRejected, Event, MarkPriceChanged, OrderAccepted, OrderCancelled, encode_events
from exchange.exchange import Exchange
from exchange.margins import available, equity, scope_equity
from exchange.shedding import adding_orders
from exchange.snapshot import decode, encode
from tests.support.world import USD, Dice, World, opening


def check_books(exchange: Exchange) -> None:
    for market in exchange.state.markets.values():
        market.book.check()


def step(world: World, command: Command, after_ms: int) -> list[Event]:
    """Apply, and check what every command must keep."""
    before = world.exchange.state_hash()
    equities = equities_of(world.exchange)
    events = world.do(command, after_ms)
    assert events or isinstance(command, CancelOrders), f"{command} was answered with nothing"
    if events and isinstance(events[0], CommandRejected):
        assert len(events) == 1
        assert world.exchange.state_hash() == before, f"{command} was refused and changed something"
    assert audit(world.exchange) == [], f"after {command}"
    check_books(world.exchange)
    check_fok(command, events)
    if not isinstance(command, Tick):
        check_equities(equities, world.exchange)
    check_shed(world.exchange, command, events)
    return events


def equities_of(exchange: Exchange) -> dict[tuple[int, int], int]:
    """Every account's equity in every asset; an isolated position is a scope of its own."""
    found: dict[tuple[int, int], int] = {}
    for account in exchange.state.accounts.values():
        for asset_id in exchange.state.assets:
            found[(account.account_id, asset_id)] = equity(account, asset_id)
        for market_id, holding in account.holdings.items():
            if account.is_isolated and holding.position.qty:
                found[(account.account_id, -market_id)] = scope_equity(holding)
    return found


def check_equities(before: dict[tuple[int, int], int], exchange: Exchange) -> None:
    """LAW-011: without a move of the mark no scope that had something is left with less than nothing."""
    for scope, after in equities_of(exchange).items():
        assert after >= 0 or before.get(scope, 0) < 0, f"account {scope[0]} lost all and more in {scope[1]}"


def check_fok(command: Command, events: list[Event]) -> None:
    """LAW-008: an accepted fill-or-kill order is filled in full."""
    first = events[0] if events else None
    if (
        isinstance(command, PlaceOrder)
        and command.time_in_force is TimeInForce.FOK
        and isinstance(first, OrderAccepted)
    ):
        is_waiting = first.status is OrderStatus.UNTRIGGERED
        cancelled = [
            event for event in events if isinstance(event, OrderCancelled) and event.order_id == first.order_id
        ]
        assert is_waiting or not cancelled


def check_shed(exchange: Exchange, command: Command, events: list[Event]) -> None:
    """LAW-009: after a mark no account keeps risk-adding orders that its equity does not cover."""
    state = exchange.state
    if isinstance(command, Tick) and any(isinstance(event, MarkPriceChanged) for event in events) and not state.fired:
        for account in state.accounts.values():
            if available(account, USD) < 0:
                assert adding_orders(account, 0) == []


@pytest.mark.parametrize("seed", range(6))
def test_long_random_run(seed: int) -> None:
    """LAW-001 LAW-002 LAW-003 LAW-004 LAW-005: conservation, zero sums, no crossed book, refusals without a trace."""
    world = opening()
    dice = Dice(Random(seed), world)
    seen: Counter[str] = Counter()
    log: list[Event] = []
    opened = len(world.journal)
    for number in range(2_000):
        command, after_ms = dice.command()
        events = step(world, command, after_ms)
        log.extend(events)
        seen.update(type(event).__name__ for event in events)
        if number % 100 == 99:
            image = encode(world.exchange)
            twin = decode(image)
            assert encode(twin) == image
            twin.time_ms = world.exchange.time_ms
            world.exchange = twin
    assert {"Traded", "OrderTriggered", "OrderCancelled", "OrderReduced", "OrderAmended", "CommandRejected"} <= set(
        seen
    )
    replayed, events = replay(world)
    assert replayed.state_hash() == world.exchange.state_hash()
    assert encode_events(events[-len(log) :]) == encode_events(log)
    assert len(world.journal) == opened + 2_000


def replay(world: World) -> tuple[Exchange, list[Event]]:
    """LAW-006: run the journal again from its bytes."""
    exchange = Exchange()
    log: list[Event] = []
    for time_ms, command in world.journal:
        (copy,) = decode_commands(encode_commands([command]))
        log.extend(exchange.apply(copy, time_ms))
    return exchange, log


class ExchangeMachine(RuleBasedStateMachine):
    """Hypothesis shrinks what the long runs find."""

    def __init__(self) -> None:
        super().__init__()
        self.world = opening()
        self.dice = Dice(Random(0), self.world)

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        self.dice = Dice(Random(seed), self.world)

    @rule(count=st.integers(1, 12))
    def tell(self, count: int) -> None:
        for _ in range(count):
            command, after_ms = self.dice.command()
            step(self.world, command, after_ms)

    @rule()
    def continue_from_a_snapshot(self) -> None:
        """LAW-007: the exchange read from a snapshot goes on as the one that wrote it."""
        image = encode(self.world.exchange)
        twin = decode(image)
        twin.time_ms = self.world.exchange.time_ms
        assert encode(twin) == image
        for _ in range(5):
            command, after_ms = self.dice.command()
            events = self.world.do(command, after_ms)
            assert twin.apply(command, self.world.time_ms) == events
        assert twin.state_hash() == self.world.exchange.state_hash()

    @precondition(lambda self: len(self.world.journal) < 400)
    @rule()
    def run_again_from_bytes(self) -> None:
        replayed, _ = replay(self.world)
        assert replayed.state_hash() == self.world.exchange.state_hash()

    @invariant()
    def laws_hold(self) -> None:
        assert audit(self.world.exchange) == []


ExchangeMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestExchangeMachine = ExchangeMachine.TestCase
