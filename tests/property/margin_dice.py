"""Markets and random commands that give accounts something to fail by: large positions, small margins, sliding prices."""

from random import Random

from msgspec.structs import replace

from engine.order import Side
from exchange import margins
from exchange.commands import (
    AmendMarket,
    Command,
    Deposit,
    MoveMargin,
    OptionModel,
    PlaceOrder,
    SetLeverage,
    SetMarginMode,
    Tick,
    UpdateIndexPrice,
    UpdateOptionModels,
    Withdraw,
)
from exchange.instrument import Bracket, MarkMethod
from tests.support.options import CALL, PUT
from tests.support.world import (
    BTC_PERP,
    ETH_PERP,
    ETHP,
    ISOLATED,
    PERP,
    POOR,
    REGULAR,
    RICH,
    SECOND,
    SIBLING,
    SPOT,
    USD,
    USD_UNIT,
    USDT_SPOT,
    Dice,
    World,
)

TIERED, BASIS = 7, 8
"""Market ids of a future with brackets and of one that is marked from its book."""
ALONE, BESIDE = 7, 8
"""Account ids: isolated ones, of SECOND's owner and of one of their own."""
TIERED_PERP = replace(
    ETH_PERP,
    symbol="USD_ETHT_PERP",
    premium_clamp_ppm=30_000,
    interest_ppm=-4_000,
    interest_clamp_ppm=9_000,
    brackets=(
        Bracket(20_000 * USD_UNIT, 20_000, 10_000),
        Bracket(90_000 * USD_UNIT, 35_000, 17_000),
        Bracket(400_000 * USD_UNIT, 60_000, 30_000),
    ),
)
BASIS_PERP = replace(
    BTC_PERP,
    symbol="USD_BTCB_PERP",
    maker_fee_ppm=50,
    mark_method=MarkMethod.BASIS,
    impact_qty=300,
    mark_clamp_ppm=30_000,
    premium_clamp_ppm=30_000,
    interest_ppm=2_000,
    interest_clamp_ppm=2_000,
)
OPTION = {"mark_method": MarkMethod.BASIS, "impact_qty": 300}


class TwinDice(Dice):
    """Random commands that trade: in a few markets and accounts at a time, often at the other side's price."""

    def __init__(self, random: Random, world: World) -> None:
        super().__init__(random, world)
        kinds = (PERP, ETHP, TIERED, BASIS), (CALL, PUT)
        self.markets = [random.choice(kinds[0]), random.choice(kinds[0] + kinds[1])]
        self.accounts = [RICH, RICH, REGULAR, SIBLING, SECOND, ALONE, random.choice((POOR, ISOLATED, BESIDE))]

    def account(self) -> int:
        return self.random.choice(self.accounts)

    def market(self) -> int:
        if self.random.random() < 0.05:
            return self.random.choice((SPOT, USDT_SPOT))
        return self.random.choice(self.markets)

    def turn(self) -> list[tuple[Command, int]]:
        """Return commands that belong together, each with how many ms later it comes."""
        self.count += 1
        random = self.random
        roll = random.random()
        if roll > 0.82:
            return self.prices()
        if roll < 0.30:
            command: Command = self.trade()
        elif roll < 0.54:
            command = self.place(is_plain=random.random() < 0.7)
        elif roll < 0.64:
            command = self.turn_round()
        elif roll < 0.68:
            command = self.cancel()
        elif roll < 0.73:
            command = self.amend()
        elif roll < 0.77:
            command = self.batch()
        else:
            command = self.seldom()
        return [(command, random.choice((0, 0, 1, 500)))]

    def trade(self) -> PlaceOrder:
        """Take what the other side of a book offers, or offer near the mark."""
        wish = self.place(is_plain=True)
        book = self.world.exchange.state.markets[wish.market_id].book
        best = book.best(-1 if wish.side is Side.BUY else 1)
        price = best or self.price_near(wish.market_id)
        order = replace(PlaceOrder(wish.account_id, wish.market_id, wish.side, wish.qty), price=price)
        if wish.account_id != RICH and self.random.random() < 0.7:
            return self.as_large_as_it_can(order)
        return replace(order, leverage_e2=wish.leverage_e2)

    def as_large_as_it_can(self, order: PlaceOrder) -> PlaceOrder:
        """Make an order as large as its account carries, to some parts in a hundred."""
        order = replace(order, qty=1, leverage_e2=self.random.choice((0, 2_000, 2_000)))
        for step in (4, 2, 1.3, 1.05):
            larger = replace(order, qty=int(order.qty * step) + 1)
            while self.world.exchange.check(larger, self.world.time_ms) is None and larger.qty < 10**6:
                order, larger = larger, replace(order, qty=int(larger.qty * step) + 1)
        return order

    def turn_round(self) -> PlaceOrder:
        """Offer to close a position, or a part of it, or to turn it, somewhere beyond the mark: alone or in a group."""
        random = self.random
        holdings = [
            h for m in self.world.exchange.state.markets.values() for h in m.holdings.values() if h.position.qty
        ]
        if not holdings:
            return self.trade()
        holding = random.choice(holdings)
        market = holding.market
        lots = max(1, abs(holding.position.qty) * random.choice((1, 2, 3, 4, 4, 6)) // 4)
        side = Side.SELL if holding.position.qty > 0 else Side.BUY
        away = market.mark_price * random.randint(1, 60) // 1_000 * (1 if side is Side.SELL else -1)
        price = max(1, (market.mark_price + away) // market.tick) * market.tick
        if random.random() < 0.4:
            price = market.book.best(1 if side is Side.SELL else -1) or price
        return PlaceOrder(
            holding.account.account_id,
            market.market_id,
            side,
            lots,
            price,
            reduce_only=random.random() < 0.5,
            oco=random.choice(("", "", "a")),
        )

    def prices(self) -> list[tuple[Command, int]]:
        """Let all prices move, seldom far; then comes a tick, mostly after a second or so."""
        random = self.random
        kind = random.random()
        if kind < 0.5:
            return self.slide()
        if kind < 0.58:  # without a word from the sources
            return [(Tick(), random.choice((1_000, 9_000, 12_000, 65_000)))]
        after_ms = random.choice((1_000,) * 6 + (2_000, 7_000, 25_000, 4_000_000))
        now_ms = self.world.time_ms + after_ms
        state = self.world.exchange.state
        per_mille = random.choice((1, 3, 10, 30, 100))
        found: list[tuple[Command, int]] = []
        for index_id, index in state.indices.items():
            price = index.price * (1_000 + random.randint(-per_mille, per_mille)) // 1_000
            found.append((UpdateIndexPrice(index_id, 1, max(1, price), now_ms), 0 if found else after_ms))
        models: list[OptionModel] = []
        for market_id in (CALL, PUT):
            market = state.markets[market_id]
            models.append(OptionModel(market_id, max(1, market.index_price) + random.randint(0, 1_500_00), 600_000))
        return [*found, (UpdateOptionModels(tuple(models), now_ms), 0), (Tick(), 0)]

    def slide(self) -> list[tuple[Command, int]]:
        """Let an index move on in small steps, a tick after each."""
        random = self.random
        index = self.world.exchange.state.indices[random.choice((1, 2))]
        step = random.choice((-8, -4, -2, 2, 4, 8))
        found: list[tuple[Command, int]] = []
        for number in range(1, 6):
            price = index.price * (2_000 + step * number) // 2_000
            time_ms = self.world.time_ms + 1_000 * number
            found += [(UpdateIndexPrice(index.terms.index_id, 1, price, time_ms), 1_000), (Tick(), 0)]
        return found

    def amendment(self, market_id: int) -> AmendMarket:
        """Other slopes and fees of the maker, an hour ahead."""
        terms = self.world.exchange.state.markets[market_id].instrument
        if self.world.exchange.state.markets[market_id].is_spot:
            terms = replace(terms, maker_fee_ppm=self.random.choice((-100, 0, 50)))
        else:
            slope_ppb = self.random.choice((0, 500, 1_000, 3_000))
            terms = replace(terms, initial_slope_ppb=slope_ppb, maintenance_slope_ppb=slope_ppb // 2)
            terms = replace(terms, maker_fee_ppm=self.random.choice((-100, 0, 50)))
        return AmendMarket(market_id, terms, self.world.time_ms + 3_600_000)

    def seldom(self) -> Command:
        random = self.random
        account_id, market_id, amount = self.account(), self.market(), random.choice((0, 10**8, 10**10, 10**12))
        roll = random.randint(0, 7)
        if roll == 0:
            return Deposit(f"r{self.count}", random.choice((0, account_id)), USD, amount + 10**9)
        if roll == 1:
            account = self.world.exchange.state.accounts[random.choice((account_id, ALONE, self.accounts[-1]))]
            left = random.choice((0, amount))
            wish = max(1, margins.withdrawable(account, USD) - left)
            return Withdraw(f"r{self.count}", account.account_id, USD, wish)
        if roll == 2:
            return SetLeverage(account_id, market_id, random.choice((100, 300, 1_000, 2_000, 5_000)))
        if roll == 3:
            return SetMarginMode(account_id, random.random() < 0.5)
        if roll == 4:
            return self.amendment(market_id)
        return MoveMargin(random.choice((ISOLATED, ALONE, BESIDE)), market_id, random.choice((-1, 1)) * amount)
