"""The laws of the exchange hold under the latest rules as well: funding, options, liquidation, whatever prices do."""

from collections import Counter
from random import Random

import pytest

from exchange.events import Event, encode_events
from exchange.snapshot import decode, encode
from tests.property.test_exchange_laws import replay, step
from tests.support.modern import ModernDice, modern


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5, 8])
def test_long_random_run(seed: int) -> None:
    """LAW-012: conservation, zero sums, no scope below zero that nobody acts on, refusals without a trace."""
    world = modern(fund=(0, 500, 5_000)[seed % 3])
    dice = ModernDice(Random(seed), world)
    seen: Counter[str] = Counter()
    log: list[Event] = []
    for number in range(1_500):
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
    assert {"Traded", "LiquidationStarted", "FundingSettled", "StrikeChanged", "OptionModelsUpdated"} <= set(seen)
    replayed, events = replay(world)
    assert replayed.state_hash() == world.exchange.state_hash()
    assert encode_events(events[-len(log) :]) == encode_events(log)
