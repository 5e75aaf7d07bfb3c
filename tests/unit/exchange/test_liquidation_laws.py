"""The ladder under random people and prices that jump: its laws hold after every command."""

from collections import Counter
from random import Random

import pytest
from msgspec.structs import replace

from exchange import margins
from exchange.audit import audit
from exchange.commands import AmendMarket, Command, ListMarket, SetMarketStatus, Tick, UpdateIndexPrice
from exchange.events import Event, encode_events
from exchange.exchange import Exchange
from exchange.instrument import MarketStatus, MarkMethod
from exchange.scopes import actionable, scopes_of
from exchange.snapshot import decode, encode
from tests.support.ladder import FLAT, FLAT_ETH, ladder, person
from tests.support.modern import with_mark
from tests.support.options import BTC_CALL, BTC_PUT, CALL, PUT
from tests.support.world import ETHP, ISOLATED, PERP, POOR, REGULAR, SECOND, SIBLING, SPOT, USD, Dice, World

JUMPS = (1, 3, 10, 60, 300, 900)
"""In 10^-3 of the price."""


class Gamblers(Dice):
    """Small accounts, some isolated, some of one owner, a provider; prices that jump."""

    def __init__(self, random: Random, world: World) -> None:
        super().__init__(random, world)
        self.markets = [PERP, PERP, FLAT, FLAT, FLAT, ETHP, FLAT_ETH, SPOT]
        self.pauses = [0, 300, 1_000, 1_000, 1_000, 2_000]
        self.people = [REGULAR, SECOND, POOR, ISOLATED, SIBLING]
        for _ in range(8):
            usd, owner_id = random.choice((300, 2_000, 10_000)), random.choice((0, 0, 1, 77))
            self.people.append(person(world, usd, owner_id=owner_id, is_isolated=random.random() < 0.4))
        self.people.append(person(world, 20_000, is_provider=True))

    def add_options(self) -> None:
        """Let them trade options too, with marks from the books, and pay funding."""
        world = self.world
        for market_id, terms in ((CALL, BTC_CALL), (PUT, BTC_PUT)):
            world.do(ListMarket(market_id, replace(terms, mark_method=MarkMethod.BASIS, impact_qty=300)))
        for market_id in (FLAT, FLAT_ETH):
            terms = world.exchange.state.markets[market_id].instrument
            method = self.random.choice((MarkMethod.BASIS, MarkMethod.MEDIAN))
            world.do(AmendMarket(market_id, with_mark(terms, method, 300)))
        world.do(Tick(), 1_000)
        self.markets.extend((CALL, CALL, PUT))
        self.pauses.append(3_600_000)

    def account(self) -> int:
        return self.random.choice(self.people)

    def market(self) -> int:
        return self.random.choice(self.markets)

    def price(self) -> Command:
        index_id = self.random.choice((1, 2))
        per_mille = self.random.choice(JUMPS)
        price = self.world.exchange.state.indices[index_id].price
        price = price * (1_000 + self.random.randint(-per_mille, per_mille)) // 1_000
        return UpdateIndexPrice(index_id, 1, min(max(price, 1_000_00), 1_000_000_00), self.world.time_ms)

    def command(self) -> tuple[Command, int]:
        command, after_ms = super().command()
        if isinstance(command, Tick):
            after_ms = self.random.choice(self.pauses)
        elif isinstance(command, SetMarketStatus) and self.random.random() < 0.8:
            command = SetMarketStatus(command.market_id, MarketStatus.TRADING)
        return command, after_ms


def check_scopes(exchange: Exchange) -> None:
    """LQN-040: nothing that may be acted in is worth less than nothing; nothing is left of who has no position."""
    for account in exchange.state.accounts.values():
        scopes = scopes_of(account)
        for scope in scopes:
            assert scope.equity >= 0 or not actionable(scope, exchange.time_ms), f"{scope.key} has {scope.equity}"
        assert scopes or margins.equity(account, USD) >= 0, f"{account.account_id} owes something"


@pytest.mark.parametrize("has_options", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_random_run(seed: int, has_options: bool) -> None:
    """LQN-040 LQN-041: with jumps of up to 90%; a twin is made from a snapshot again and again and says the same."""
    random = Random(seed)
    world = ladder(fund=random.choice((0, 0, 1_000, 100_000)))
    dice = Gamblers(random, world)
    if has_options:
        dice.add_options()
    seen: Counter[str] = Counter()
    twin = decode(encode(world.exchange))
    twin.time_ms = world.exchange.time_ms
    for number in range(1_200):
        command, after_ms = dice.command()
        events: list[Event] = world.do(command, after_ms)
        assert encode_events(twin.apply(command, world.time_ms)) == encode_events(events), f"{number}: {command}"
        seen.update(type(event).__name__ for event in events)
        assert audit(world.exchange) == [], f"{number}: {command}"
        if isinstance(command, Tick):
            check_scopes(world.exchange)
        if number % 40 == 0:
            twin = decode(encode(twin))
            twin.time_ms = world.exchange.time_ms
            assert twin.state_hash() == world.exchange.state_hash()
    assert seen["LiquidationStarted"] and seen["PositionTakenOver"] + seen["PositionDeleveraged"]
