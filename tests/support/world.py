"""A small exchange to test against, and random commands for it."""

from random import Random

from engine.order import SelfMatch, Side, TimeInForce, TriggerDirection, TriggerEvent
from exchange.commands import (
    AdvanceWithdrawal,
    AmendOrder,
    CancelAllAfter,
    CancelOrder,
    CancelOrders,
    Command,
    Deposit,
    ListAsset,
    ListIndex,
    ListMarket,
    MoveMargin,
    OpenAccount,
    PlaceBatch,
    PlaceOrder,
    RecordDeposit,
    RequestWithdrawal,
    SetLeverage,
    SetMarginMode,
    SetMarketStatus,
    SettleDeposit,
    Tick,
    UpdateIndexPrice,
    Withdraw,
    WithdrawalStatus,
)
from exchange.events import Event
from exchange.exchange import Exchange
from exchange.instrument import Asset, IndexTerms, Instrument, InstrumentKind, MarketStatus

USD, BTC, ETH, USDT = 1, 2, 3, 4
USD_UNIT = 10**8
"""Money in one unit of any asset."""

BTC_PERP = Instrument(
    symbol="USD_BTC_PERP",
    kind=InstrumentKind.FUTURE,
    base_asset=BTC,
    quote_asset=USD,
    index_id=1,
    price_decimals=2,
    lot_decimals=4,
    tick=50,
    unit_value=100,
    lot_base=0,
    qty_min=1,
    qty_max=10**9,
    notional_min=USD_UNIT,
    range_ppm=30_000,
    maker_fee_ppm=0,
    taker_fee_ppm=300,
    initial_ppm=10_000,
    maintenance_ppm=5_000,
    initial_slope_ppb=1_000,
    maintenance_slope_ppb=500,
    leverage_max=100,
)
ETH_PERP = Instrument(
    symbol="USD_ETH_PERP",
    kind=InstrumentKind.FUTURE,
    base_asset=ETH,
    quote_asset=USD,
    index_id=2,
    price_decimals=2,
    lot_decimals=3,
    tick=5,
    unit_value=1_000,
    lot_base=0,
    qty_min=1,
    qty_max=10**9,
    notional_min=USD_UNIT,
    range_ppm=30_000,
    maker_fee_ppm=-100,
    taker_fee_ppm=300,
    initial_ppm=20_000,
    maintenance_ppm=10_000,
    initial_slope_ppb=1_000,
    maintenance_slope_ppb=500,
    leverage_max=50,
)
BTC_SPOT = Instrument(
    symbol="BTC_USD",
    kind=InstrumentKind.SPOT,
    base_asset=BTC,
    quote_asset=USD,
    index_id=1,
    price_decimals=2,
    lot_decimals=4,
    tick=50,
    unit_value=100,
    lot_base=10_000,
    qty_min=1,
    qty_max=10**9,
    notional_min=USD_UNIT,
    range_ppm=50_000,
    maker_fee_ppm=100,
    taker_fee_ppm=300,
)
BTC_USDT = Instrument(
    symbol="BTC_USDT",
    kind=InstrumentKind.SPOT,
    base_asset=BTC,
    quote_asset=USDT,
    index_id=0,
    price_decimals=2,
    lot_decimals=4,
    tick=50,
    unit_value=100,
    lot_base=10_000,
    qty_min=1,
    qty_max=10**9,
    notional_min=USD_UNIT,
    range_ppm=50_000,
    maker_fee_ppm=0,
    taker_fee_ppm=300,
)
PERP, ETHP, SPOT, USDT_SPOT = 1, 2, 3, 4
"""Market ids."""

START_MS = 1_700_000_000_000
BTC_PRICE = 60_000_00
ETH_PRICE = 3_000_00
REGULAR, SECOND, RICH, POOR, ISOLATED, SIBLING = 1, 2, 3, 4, 5, 6
"""Account ids: SIBLING has REGULAR's owner, ISOLATED is in isolated margin mode."""


class World:
    """An exchange, its clock, and everything it was told."""

    def __init__(self, exchange: Exchange | None = None) -> None:
        self.exchange = exchange or Exchange()
        self.time_ms = START_MS
        self.journal: list[tuple[int, Command]] = []

    def do(self, command: Command, after_ms: int = 0) -> list[Event]:
        self.time_ms += after_ms
        self.journal.append((self.time_ms, command))
        return self.exchange.apply(command, self.time_ms)

    def move_index(self, index_id: int, price: int) -> list[Event]:
        """Let the index, and with it the mark, come to a price: on the next second's tick."""
        self.do(UpdateIndexPrice(index_id, 1, price, self.time_ms + 1_000), 1_000)
        return self.do(Tick())


def opening(usd: dict[int, int] | None = None) -> World:
    """An exchange with four markets, prices, and six accounts of five owners. `usd` gives other balances, in USD."""
    world = World()
    for asset in (Asset(USD, "USD"), Asset(BTC, "BTC"), Asset(ETH, "ETH"), Asset(USDT, "USDT")):
        world.do(ListAsset(asset))
    world.do(ListIndex(IndexTerms(1, "BTC", 2, True)))
    world.do(ListIndex(IndexTerms(2, "ETH", 2, True)))
    for market_id, instrument in ((PERP, BTC_PERP), (ETHP, ETH_PERP), (SPOT, BTC_SPOT), (USDT_SPOT, BTC_USDT)):
        world.do(ListMarket(market_id, instrument))
    funds = {REGULAR: 100_000, SECOND: 100_000, RICH: 10_000_000, POOR: 500, ISOLATED: 20_000, SIBLING: 50_000}
    funds.update(usd or {})
    for account_id, amount in funds.items():
        world.do(OpenAccount(f"account {account_id}", 1 if account_id == SIBLING else account_id))
        if amount:
            world.do(Deposit(f"usd {account_id}", account_id, USD, amount * USD_UNIT))
        world.do(Deposit(f"btc {account_id}", account_id, BTC, USD_UNIT // 10))
        world.do(Deposit(f"usdt {account_id}", account_id, USDT, 5_000 * USD_UNIT))
    world.do(SetMarginMode(ISOLATED, True))
    world.do(UpdateIndexPrice(2, 1, ETH_PRICE, START_MS))
    world.move_index(1, BTC_PRICE)
    return world


class Dice:
    """Random commands that often mean something: near the price, on known orders, now and then nonsense."""

    def __init__(self, random: Random, world: World) -> None:
        self.random = random
        self.world = world
        self.count = 0

    def command(self) -> tuple[Command, int]:
        """Return a command and how many ms later it comes."""
        roll = self.random.random()
        after_ms = self.random.choice((0, 0, 0, 1, 40, 500))
        self.count += 1
        if roll < 0.50:
            return self.place(), after_ms
        if roll < 0.58:
            return self.cancel(), after_ms
        if roll < 0.66:
            return self.amend(), after_ms
        if roll < 0.71:
            return self.batch(), after_ms
        if roll < 0.78:
            return self.price(), after_ms
        if roll < 0.86:
            return Tick(), self.random.choice((0, 300, 1_000, 2_000, 5_000) * 8 + (40_000, 4_000_000))
        return self.rare(), after_ms

    def account(self) -> int:
        return self.random.choice((REGULAR, SECOND, RICH, POOR, ISOLATED, SIBLING))

    def market(self) -> int:
        return self.random.choice((PERP, PERP, PERP, ETHP, ETHP, SPOT, USDT_SPOT))

    def price_near(self, market_id: int) -> int:
        market = self.world.exchange.state.markets[market_id]
        middle = market.mark_price or (market.index.price if market.index else 0) or market.last_price or BTC_PRICE
        ticks = self.random.choice((2, 8, 40, 400, 4_000))
        tick = market.tick
        return max(tick, (middle // tick + self.random.randint(-ticks, ticks)) * tick)

    def place(self, account_id: int = 0, market_id: int = 0, *, is_plain: bool = False) -> PlaceOrder:
        random = self.random
        account_id = account_id or self.account()
        market_id = market_id or self.market()
        is_market = random.random() < 0.15
        is_trigger = random.random() < 0.15
        is_rare = not is_plain and random.random() < 0.3
        lots = random.choice((1, 7, 30, 200, 2_000, 20_000)) * (10 if market_id == ETHP else 1)
        trail = random.choice((0, 0, 5_000)) if is_trigger and is_rare else 0
        return PlaceOrder(
            account_id,
            market_id,
            random.choice((Side.BUY, Side.SELL)),
            random.randint(1, lots),
            0 if is_market else self.price_near(market_id),
            random.choice(tuple(TimeInForce)) if is_rare else TimeInForce.GTC,
            is_rare and random.random() < 0.2,
            not is_plain and random.random() < 0.15,
            random.random() < 0.1,
            random.choice((0, 0, 0, 3)) if is_rare else 0,
            random.choice(("", "", "a", "b")),
            random.choice(tuple(SelfMatch)),
            f"c{random.randint(1, 60)}" if is_rare and random.random() < 0.3 else "",
            random.choice((0, 0, 100, 500, 2_000, 10_000)),
            self.price_near(market_id) if is_trigger and random.random() < 0.9 else 0,
            random.choice(tuple(TriggerEvent)) if is_trigger else TriggerEvent.NONE,
            random.choice(tuple(TriggerDirection)),
            is_trigger and not is_plain and random.random() < 0.2,
            trail,
            random.choice((0, 0, 20_000)) if is_trigger and is_rare and not trail else 0,
            is_rare and random.random() < 0.1,
        )

    def own_order(self) -> tuple[int, int]:
        """Return (account id, order id) of an open order, or of none."""
        orders = self.world.exchange.state.orders
        if not orders or self.random.random() < 0.05:
            return self.account(), self.random.randint(0, 50)
        order = orders[self.random.choice(list(orders))]
        return order.account_id, order.order_id

    def cancel(self) -> Command:
        account_id, order_id = self.own_order()
        if self.random.random() < 0.08:
            return CancelOrders(account_id, (), self.random.choice((0, self.market())))
        if self.random.random() < 0.1:
            return CancelOrders(account_id, (order_id, order_id + 1))
        return CancelOrder(account_id, order_id)

    def amend(self) -> Command:
        account_id, order_id = self.own_order()
        order = self.world.exchange.state.orders.get(order_id)
        market_id = order.request.market_id if order is not None else PERP  # type: ignore[attr-defined]
        price = self.price_near(market_id) if self.random.random() < 0.6 else 0
        trigger_price = self.price_near(market_id) if self.random.random() < 0.2 else 0
        return AmendOrder(account_id, order_id, self.random.choice((0, 1, 5, 20, 300)), price, trigger_price)

    def batch(self) -> Command:
        account_id, market_id = self.account(), self.market()
        count = self.random.randint(1, 4)
        orders = [self.place(account_id, market_id, is_plain=self.random.random() < 0.95) for _ in range(count)]
        return PlaceBatch(account_id, market_id, tuple(orders))

    def payment(self, account_id: int, asset_id: int, amount: int, reference: str) -> Command:
        """A step of a withdrawal or a deposit, mostly one that exists."""
        random = self.random
        state = self.world.exchange.state
        roll = random.randint(0, 5)
        if roll < 2:
            return RequestWithdrawal(reference, account_id, asset_id, amount, "there", "", random.random() < 0.7)
        if roll < 4:
            status = random.choice((*WithdrawalStatus, WithdrawalStatus.PROCESSING, WithdrawalStatus.SUCCEEDED))
            return AdvanceWithdrawal(random.randint(1, state.next_withdrawal_id), status)
        if roll == 4 or not state.deposits:
            return RecordDeposit(reference, account_id, asset_id, amount)
        return SettleDeposit(random.choice(list(state.deposits)), random.random() < 0.7)

    def price(self) -> Command:
        index_id = self.random.choice((1, 2))
        index = self.world.exchange.state.indices[index_id]
        if self.world.time_ms - index.computed_ms > 5_000:
            return UpdateIndexPrice(index_id, 1, index.price, self.world.time_ms)
        per_mille = self.random.choice((1, 3, 10, 60))
        price = index.price * (1_000 + self.random.randint(-per_mille, per_mille)) // 1_000
        return UpdateIndexPrice(index_id, self.random.randint(1, 4), max(1, price), self.world.time_ms)

    def rare(self) -> Command:
        random = self.random
        account_id, market_id = self.account(), self.market()
        asset_id = random.choice((USD, BTC, ETH, USDT))
        amount = random.choice((1, 10**6, 10**10, 10**12))
        reference = f"r{self.count if random.random() < 0.9 else random.randint(1, 50)}"
        roll = random.randint(0, 10)
        if roll == 0:
            return Deposit(reference, account_id, asset_id, amount)
        if roll == 1:
            return Withdraw(reference, account_id, asset_id, amount)
        if roll == 2:
            return SetLeverage(account_id, market_id, random.choice((100, 300, 1_000, 5_000, 10_000)))
        if roll == 3:
            return SetMarginMode(account_id, random.random() < 0.5)
        if roll == 4:
            status = random.choice((MarketStatus.TRADING,) * 6 + tuple(MarketStatus))
            return SetMarketStatus(market_id, status)
        if roll == 5:
            return MoveMargin(ISOLATED, market_id, random.choice((-1, 1)) * amount)
        if roll in (6, 7):
            return self.payment(account_id, asset_id, amount, reference)
        if roll == 8:
            return CancelAllAfter(account_id, random.choice((0, 1_000, 1_500, 10_000)))
        return SetMarketStatus(market_id, MarketStatus.TRADING)
