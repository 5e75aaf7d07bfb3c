"""The small exchange under the latest rules: marks from the book, funding, options, liquidation; and violent prices."""

from random import Random

import msgspec

from exchange.commands import (
    AmendMarket,
    Command,
    Deposit,
    ListMarket,
    OptionModel,
    SetLiquidityProvider,
    SetMarketStatus,
    SetRulesVersion,
    SetVenueStatus,
    Tick,
    UpdateIndexPrice,
    UpdateOptionModels,
)
from exchange.instrument import Instrument, MarketStatus, MarkMethod
from exchange.limits import RULES_LATEST
from tests.support.options import BTC_CALL, BTC_PUT, CALL, PUT
from tests.support.world import (
    BTC_PERP,
    BTC_PRICE,
    ETH_PERP,
    ETHP,
    PERP,
    RICH,
    USD,
    USD_UNIT,
    Dice,
    World,
    opening,
)


def with_mark(instrument: Instrument, method: MarkMethod, impact_qty: int) -> Instrument:
    """Return the same terms with a mark of the book and with funding."""
    return msgspec.structs.replace(
        instrument,
        mark_method=method,
        impact_qty=impact_qty,
        mark_clamp_ppm=30_000,
        premium_clamp_ppm=30_000,
    )


def modern(fund: int = 2_000) -> World:
    """An exchange under the latest rules. `fund` USD are in the insurance fund."""
    world = opening()
    # Before the rules, under which a mark changes with notice only.
    world.do(AmendMarket(PERP, with_mark(BTC_PERP, MarkMethod.BASIS, 300)))
    world.do(AmendMarket(ETHP, with_mark(ETH_PERP, MarkMethod.MEDIAN, 300)))
    world.do(SetRulesVersion(RULES_LATEST))
    for market_id, option in ((CALL, BTC_CALL), (PUT, BTC_PUT)):
        basis = msgspec.structs.replace(option, mark_method=MarkMethod.BASIS, impact_qty=300)
        world.do(ListMarket(market_id, basis))
    world.do(Deposit("fund", 0, USD, fund * USD_UNIT))
    world.do(SetLiquidityProvider(RICH, True))
    world.move_index(1, BTC_PRICE)
    return world


class ModernDice(Dice):
    """Random commands that also trade options, halt the venue and let prices crash."""

    def __init__(self, random: Random, world: World) -> None:
        super().__init__(random, world)
        self.prices = {1: BTC_PRICE, 2: 300_000}

    def market(self) -> int:
        return self.random.choice((PERP, PERP, PERP, ETHP, ETHP, CALL, PUT, CALL, super().market()))

    def price(self) -> Command:
        if self.random.random() < 0.3:
            return self.models()
        index_id = self.random.choice((1, 1, 2))
        per_mille = self.random.choice((1, 3, 3, 10, 10, 60, 200))
        price = self.prices[index_id] * (1_000 + self.random.randint(-per_mille, per_mille)) // 1_000
        # a walk that is drawn back to where it began, so that it neither dies nor flies away
        home = BTC_PRICE if index_id == 1 else 300_000
        self.prices[index_id] = max(1_000, price + (home - price) // 20)
        return UpdateIndexPrice(index_id, 1, self.prices[index_id], self.world.time_ms)

    def models(self) -> Command:
        market_id = self.random.choice((CALL, PUT))
        price = self.random.randint(1, 2_000_00)
        return UpdateOptionModels((OptionModel(market_id, price, 600_000),), self.world.time_ms)

    def rare(self) -> Command:
        roll = self.random.random()
        if roll < 0.1:
            status = self.random.choice((MarketStatus.TRADING,) * 5 + tuple(MarketStatus))
            return SetVenueStatus(status)
        if roll < 0.3:
            return SetVenueStatus(MarketStatus.TRADING)
        if roll < 0.4:
            return SetLiquidityProvider(RICH, self.random.random() < 0.5)
        if roll < 0.5:
            return SetMarketStatus(self.market(), MarketStatus.TRADING)
        if roll < 0.6:
            return Tick()
        return super().rare()
