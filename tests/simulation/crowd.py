"""Who trades: makers, liquidity providers, gamblers with leverage, operators; and now and then plain nonsense."""

import math
from collections import deque
from random import Random
from typing import Final

from msgspec.structs import replace

from engine.order import Order, Side, TimeInForce, TriggerDirection, TriggerEvent
from exchange import margins
from exchange.commands import (
    AmendMarket,
    AmendOrder,
    CancelAllAfter,
    CancelOrder,
    CancelOrders,
    Command,
    Deposit,
    ListMarket,
    MoveMargin,
    OpenAccount,
    PlaceBatch,
    PlaceOrder,
    SetLeverage,
    SetLiquidityProvider,
    SetMarginMode,
    SetMarketStatus,
    SetVenueStatus,
    Withdraw,
)
from exchange.exchange import Exchange
from exchange.instrument import Instrument, InstrumentKind, MarketStatus
from exchange.limits import FUND_ACCOUNT_ID, TERMS_NOTICE_MS
from exchange.state import Account, Holding, Market
from tests.simulation.outside import Outside
from tests.simulation.terms import BRACKETED, DATED_FIRST, GAMBLERS, LIVES_MS, MAKERS, PROVIDERS, dated
from tests.support.options import CALL, PUT
from tests.support.world import BTC, ETHP, PERP, SPOT, USD, USD_UNIT, USDT, USDT_SPOT, Dice, World

DERIVATIVES: Final = (PERP, PERP, PERP, ETHP, ETHP, BRACKETED, CALL, PUT)
FUND_LEVELS: Final = (0, 0, 0, 20, 500, 10_000, 300_000)
"""Dollars that the insurance fund has, from time to time."""
BOUNDS: Final = {MarketStatus.REDUCE_ONLY, MarketStatus.CANCEL_ONLY, MarketStatus.HALTED}


class Nonsense(Dice):
    """Random commands about the simulation's accounts and markets."""

    def __init__(self, random: Random, world: World, crowd: "Crowd") -> None:
        super().__init__(random, world)
        self.crowd = crowd

    def account(self) -> int:
        return self.random.choice((*GAMBLERS, *PROVIDERS, MAKERS[0]))

    def market(self) -> int:
        return self.random.choice((*DERIVATIVES, SPOT, USDT_SPOT, *self.crowd.dated))

    def own_order(self) -> tuple[int, int]:
        order = self.crowd.some_order()
        if order is None or self.random.random() < 0.05:
            return self.account(), self.random.randint(0, 50)
        return order.account_id, order.order_id

    def command(self) -> tuple[Command, int]:
        """Return a command that may be anything but a price or a tick."""
        self.count += 1
        roll = self.random.random()
        if roll < 0.5:
            return self.place(), 0
        if roll < 0.7:
            return self.cancel(), 0
        if roll < 0.9:
            return self.amend(), 0
        return self.batch(), 0


class Crowd:
    """All of them. It looks at the exchange to decide, and is never asked whether the exchange is right."""

    def __init__(self, random: Random, exchange: Exchange) -> None:
        self.random = random
        self.exchange = exchange
        self.world = World(exchange)
        self.nonsense = Nonsense(random, self.world, self)
        self.outside = Outside(random)
        self.coming: deque[Command] = deque()
        self.count = 0
        self.bias = 0.65
        """The share of gamblers who buy."""
        self.is_shy = False
        """Makers stay away."""
        self.dated: list[int] = []
        self.next_dated = DATED_FIRST
        self.closed: set[int] = set()
        """Markets that an operator closed; 0 is the venue."""

    def use(self, exchange: Exchange) -> None:
        """Go on with another image of the same exchange."""
        self.exchange = self.world.exchange = exchange

    def second(self, *, is_rough: bool, time_ms: int) -> None:
        """Let a second pass: moods change, makers flee from a crash, what is closed opens again."""
        random = self.random
        if random.random() < 0.002:
            self.bias = random.choice((0.15, 0.35, 0.5, 0.65, 0.85))
        if random.random() < 0.05:
            self.is_shy = random.random() < (0.6 if is_rough else 0.05)
        markets = self.exchange.state.markets
        self.dated = [
            one for one in self.dated if one in markets and markets[one].own_status is not MarketStatus.SETTLED
        ]
        is_first = self.next_dated == DATED_FIRST
        if is_first or (len(self.dated) < 3 and random.random() < 0.01):
            life_ms = LIVES_MS[0] if is_first else random.choice(LIVES_MS)
            self.coming.appendleft(ListMarket(self.next_dated, dated(self.next_dated, time_ms + life_ms)))
            self.dated.append(self.next_dated)
            self.next_dated += 1
        if self.closed and random.random() < 0.05:
            market_id = self.closed.pop()
            opened = MarketStatus.TRADING
            self.coming.append(SetMarketStatus(market_id, opened) if market_id else SetVenueStatus(opened))

    def command(self, time_ms: int) -> Command:
        """Return what somebody wants next."""
        self.count += 1
        if self.coming:
            return self.coming.popleft()
        roll = self.random.random()
        if roll < 0.22:
            return self.make()
        if roll < 0.82:
            return self.gamble()
        if roll < 0.86:
            return self.provide()
        if roll < 0.9:
            return self.pay()
        if roll < 0.908:
            return self.operate(time_ms)
        if roll < 0.93:
            return self.outside.step(self.exchange)
        if roll < 0.933:
            return self.promise()
        return self.nonsense.command()[0]

    def reference(self) -> str:
        return f"s{self.count}"

    def account(self, account_id: int) -> Account:
        return self.exchange.state.accounts[account_id]

    def some_order(self) -> Order | None:
        """Return an open order of somebody, if the first few who are asked have one."""
        random = self.random
        for _ in range(8):
            account = self.account(random.choice((*GAMBLERS, MAKERS[0])))
            for holding in account.holdings.values():
                ids = [*holding.orders, *holding.triggers]
                if ids and random.random() < 0.7:
                    return self.exchange.state.orders[random.choice(ids)]
        return None

    # --- makers ------------------------------------------------------------------------------------------------------

    def market(self, *, is_dated: bool) -> Market:
        """Return a market to trade in. Makers leave the dated ones to gamblers among themselves."""
        markets = self.exchange.state.markets
        if is_dated and self.dated and self.random.random() < 0.3:
            return markets[self.random.choice(self.dated)]
        if self.random.random() < 0.1:
            return markets[self.random.choice((SPOT, USDT_SPOT))]
        return markets[self.random.choice(DERIVATIVES)]

    def make(self) -> Command:
        """Take the old quotes away, and quote both sides anew, leaning against the position."""
        market = self.market(is_dated=False)
        middle = market.mark_price or (market.index.price if market.index else 0) or market.last_price or 60_000_00
        account_id = self.random.choice(MAKERS)
        if self.is_shy and self.random.random() < 0.9:
            return CancelOrders(account_id, (), market.market_id)
        holding = market.holdings.get(account_id)
        held = holding.position.qty if holding is not None else 0
        tick = market.tick
        worth = middle * market.unit_value
        lots = max(1, self.random.choice((3_000, 20_000, 60_000)) * USD_UNIT // worth)
        half = max(tick, middle * self.random.choice((300, 800, 2_500)) // 10**6)
        middle -= middle * held * worth // (1_500_000 * USD_UNIT) // 100  # a percent for each 1.5 million held
        orders = []
        for level in (1, 2, 4, 9):
            for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
                price = max(tick, (middle - sign * half * level) // tick * tick)
                orders.append(PlaceOrder(account_id, market.market_id, side, lots * level, price))
        self.coming.append(PlaceBatch(account_id, market.market_id, tuple(orders)))
        return CancelOrders(account_id, (), market.market_id)

    # --- gamblers ----------------------------------------------------------------------------------------------------

    def gamble(self) -> Command:
        """Open, protect, add to or close a position."""
        random = self.random
        account = self.account(random.choice(GAMBLERS))
        held = [holding for holding in account.holdings.values() if holding.position.qty]
        roll = random.random()
        if held and roll < 0.12:
            return self.close(random.choice(held))
        if held and roll < 0.35:
            return self.protect(random.choice(held))
        if held and account.is_isolated and roll < 0.4:
            return self.adjust(random.choice(held))
        if roll < 0.5:
            return CancelOrders(account.account_id)
        return self.open(account, self.market(is_dated=True))

    def open(self, account: Account, market: Market) -> Command:
        """Put a good part of what there is at stake, with as much leverage as the dice say."""
        random = self.random
        side = Side.BUY if random.random() < self.bias else Side.SELL
        price = market.mark_price or market.last_price or (market.index.price if market.index else 0) or 60_000_00
        worth = price * market.unit_value
        leverage = random.choice((2, 3, 5, 10, 10, 20, 25, 50, 75, 100))
        stake = max(0, margins.available(account, market.quote_asset)) * random.randint(20, 95) // 100
        most = stake * min(leverage, market.leverage_max_e2 // 100)
        if not market.is_spot and not market.is_option:
            dollars = stake // USD_UNIT
            # Where the rate of 1% and 1e-6 for each dollar asks for all of the stake.
            carried = (math.isqrt(100_000_000 + 4 * 1_000_000 * dollars) - 10_000) // 2
            most = min(most, carried * USD_UNIT)
        lots = max(1, most // worth)
        is_limit = random.random() < (0.6 if market.instrument.expiry_ms else 0.3)
        limit = price // market.tick * market.tick + market.tick * random.randint(-20, 20)
        return PlaceOrder(
            account.account_id,
            market.market_id,
            side,
            lots,
            max(market.tick, limit) if is_limit else 0,
            TimeInForce.DAY if is_limit and random.random() < 0.3 else TimeInForce.GTC,
            leverage_e2=0 if market.is_spot or market.is_option else leverage * 100,
        )

    def close(self, holding: Holding) -> Command:
        """Close a position or a part of it at the market."""
        qty = holding.position.qty
        side = Side.SELL if qty > 0 else Side.BUY
        lots = 0 if self.random.random() < 0.7 else max(1, abs(qty) // 3)
        return PlaceOrder(
            holding.account.account_id, holding.market.market_id, side, lots, reduce_only=True, is_close=True
        )

    def protect(self, holding: Holding) -> Command:
        """Have a stop, a trailing stop or a target for a position."""
        random = self.random
        market = holding.market
        qty = holding.position.qty
        sign = 1 if qty > 0 else -1
        side = Side.SELL if qty > 0 else Side.BUY
        away = max(market.tick, market.mark_price * random.choice((2_000, 8_000, 30_000)) // 10**6)
        oco = random.choice(("", "p"))
        place = (holding.account.account_id, market.market_id, side)
        target = max(market.tick, (market.mark_price + sign * away) // market.tick * market.tick)
        stop = max(market.tick, (market.mark_price - sign * away) // market.tick * market.tick)
        event = random.choice((TriggerEvent.MARK_PRICE, TriggerEvent.INDEX_PRICE, TriggerEvent.LAST_PRICE))
        if market.instrument.expiry_ms and random.random() < 0.3:
            # At any price, where perhaps nobody is: it rests, and what the account loses elsewhere makes it unbearable.
            edge = market.range_low if sign > 0 else market.range_high
            return PlaceOrder(*place, abs(qty), edge, reduce_only=True)
        if random.random() < 0.4:
            return PlaceOrder(*place, abs(qty), target, reduce_only=True, oco=oco)
        if random.random() < 0.3:
            return PlaceOrder(*place, abs(qty), trail_ppm=random.choice((3_000, 20_000)), trigger_event=event)
        direction = TriggerDirection.FALL if sign > 0 else TriggerDirection.RISE
        return PlaceOrder(
            *place,
            abs(qty),
            oco=oco,
            trigger_price=stop,
            trigger_event=event,
            trigger_direction=direction,
            close_on_trigger=random.random() < 0.4,
        )

    def adjust(self, holding: Holding) -> Command:
        """Move margin of an isolated position, or its leverage."""
        place = (holding.account.account_id, holding.market.market_id)
        if self.random.random() < 0.5:
            return SetLeverage(*place, self.random.choice((100, 500, 2_000, 10_000)))
        margin = holding.position.margin
        return MoveMargin(*place, self.random.choice((margin // 10 + 1, -margin // 5 - 1)))

    def promise(self) -> Command:
        """Say to be alive for a while, and perhaps be heard of no more; or call it off."""
        account_id = self.random.choice((*GAMBLERS, *MAKERS))
        return CancelAllAfter(account_id, self.random.choice((1_500, 5_000, 5_000, 60_000, 0, 999)))

    # --- others ------------------------------------------------------------------------------------------------------

    def provide(self) -> Command:
        """A provider gets rid of what it took over, or stops and begins again to be one."""
        account = self.account(self.random.choice(PROVIDERS))
        held = [holding for holding in account.holdings.values() if holding.position.qty]
        if self.random.random() < 0.1:
            return SetLiquidityProvider(account.account_id, not account.is_provider or self.random.random() < 0.5)
        return self.close(self.random.choice(held)) if held else CancelOrders(account.account_id)

    def pay(self) -> Command:
        """Who has lost all brings new money, who has won takes some away."""
        random = self.random
        account_id = random.choice((*GAMBLERS, *PROVIDERS, *MAKERS))
        account = self.account(account_id)
        has = margins.equity(account, USD)
        if account_id in MAKERS:
            if has < 2_000_000 * USD_UNIT:
                return Deposit(self.reference(), account_id, USD, 1_000_000 * USD_UNIT)
            return self.spend(account_id, has - 4_000_000 * USD_UNIT)
        if has < 10 * USD_UNIT:
            dollars = int(math.exp(random.uniform(2, 9.5)))
            if random.random() < 0.15:
                self.coming.append(Deposit(self.reference() + "u", account_id, USDT, dollars * USD_UNIT))
                self.coming.append(Deposit(self.reference() + "b", account_id, BTC, USD_UNIT // 20))
            if random.random() < 0.1:
                self.coming.append(SetMarginMode(account_id, not account.is_isolated))
            if random.random() < 0.3:
                return self.outside.send(account_id, USD, dollars * USD_UNIT)
            return Deposit(self.reference(), account_id, USD, dollars * USD_UNIT)
        if random.random() < 0.2:
            share = has * random.choice((1, 10, 30, 110)) // 100
            return self.outside.ask(account_id, share, random.choice((USD, USD, USD, BTC)))
        return self.spend(account_id, has - 20_000 * USD_UNIT)

    def spend(self, account_id: int, amount: int) -> Command:
        """Withdraw, or repeat what was done long ago."""
        if amount > 0:
            return Withdraw(self.reference(), account_id, USD, amount)
        if self.random.random() < 0.1:
            return Deposit("fund", FUND_ACCOUNT_ID, USD, 1)  # a reference that was used before
        return OpenAccount(f"account {account_id}", account_id)

    def operate(self, time_ms: int) -> Command:
        """An operator fills or empties the fund, closes a market, changes terms."""
        random = self.random
        roll = random.random()
        if roll < 0.35:
            wanted = random.choice(FUND_LEVELS) * USD_UNIT
            missing = wanted - margins.equity(self.account(FUND_ACCOUNT_ID), USD)
            kind = Deposit if missing > 0 else Withdraw
            return kind(self.reference(), FUND_ACCOUNT_ID, USD, max(1, abs(missing)))
        if roll < 0.6:
            market_id = random.choice((0, *DERIVATIVES, *DERIVATIVES, SPOT, *self.dated))
            self.closed.add(market_id)
            status = random.choice(sorted(BOUNDS, key=_severity))
            return SetMarketStatus(market_id, status) if market_id else SetVenueStatus(status)
        if roll < 0.9:
            return self.amend_terms(time_ms)
        order = self.some_order()
        return CancelOrder(order.account_id, order.order_id) if order else AmendOrder(1, 1)

    def amend_terms(self, time_ms: int) -> Command:
        """Ask for more margin, with notice or without, or for less; or for another fee."""
        random = self.random
        market = self.exchange.state.markets[random.choice((PERP, ETHP, CALL, SPOT))]
        terms: Instrument = market.instrument
        if terms.kind is InstrumentKind.FUTURE and random.random() < 0.7:
            factor = random.choice((1, 2))
            base = 10_000 if market.market_id == PERP else 20_000
            terms = replace(terms, initial_ppm=base * factor, maintenance_ppm=base * factor // 2)
            terms = replace(terms, leverage_max=1_000_000 // terms.initial_ppm)
        else:
            terms = replace(terms, taker_fee_ppm=random.choice((300, 400, 500)))
        effective_ms = random.choice(
            (0, time_ms + 60_000, time_ms + TERMS_NOTICE_MS, time_ms + TERMS_NOTICE_MS + 60_000)
        )
        return AmendMarket(market.market_id, terms, effective_ms)


def _severity(status: MarketStatus) -> int:
    return int(status.value)
