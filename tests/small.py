"""A small exchange to test with: two markets, three accounts, and a stream of orders that does a bit of everything."""

import random
from collections.abc import Iterator

from engine.order import Side, TimeInForce, TriggerEvent
from exchange.commands import (
    AmendOrder,
    CancelOrder,
    CancelOrders,
    Command,
    Deposit,
    ListAsset,
    ListIndex,
    ListMarket,
    OpenAccount,
    PlaceOrder,
    Tick,
    UpdateIndexPrice,
)
from exchange.instrument import Asset, IndexTerms, Instrument, InstrumentKind

USD, BTC = 1, 2
PERP, SPOT = 1, 2
NOW_MS = 1_700_000_000_000
PRICE = 50_000_00
OPENED_SEQ = 17
"""The last command of `opening`."""
HOLDERS = (
    "FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Who holds this database's journal: other tests' exchanges live on the same server."""


def _instrument(kind: InstrumentKind) -> Instrument:
    is_spot = kind is InstrumentKind.SPOT
    return Instrument(
        symbol="BTC_USD" if is_spot else "USD_BTC_PERP",
        kind=kind,
        base_asset=BTC,
        quote_asset=USD,
        index_id=1,
        price_decimals=2,
        lot_decimals=4,
        tick=50,
        unit_value=100,
        lot_base=10**4 if is_spot else 0,
        qty_min=1,
        qty_max=10**9,
        notional_min=10**8,
        range_ppm=30_000,
        maker_fee_ppm=0,
        taker_fee_ppm=300,
        initial_ppm=0 if is_spot else 10_000,
        maintenance_ppm=0 if is_spot else 5_000,
        leverage_max=1 if is_spot else 100,
    )


class FakeClock:
    """Stands still until it is told the time."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def opening(now_ms: int = NOW_MS) -> list[Command]:
    """What makes the exchange ready to trade."""
    commands: list[Command] = [
        Tick(),
        ListAsset(Asset(USD, "USD")),
        ListAsset(Asset(BTC, "BTC")),
        ListIndex(IndexTerms(1, "BTC", 2, single_source=True)),
        ListMarket(PERP, _instrument(InstrumentKind.FUTURE)),
        ListMarket(SPOT, _instrument(InstrumentKind.SPOT)),
    ]
    for account_id in (1, 2, 3):
        commands.append(OpenAccount(f"account-{account_id}", account_id))
        commands.append(Deposit(f"usd-{account_id}", account_id, USD, 10**14))
        commands.append(Deposit(f"btc-{account_id}", account_id, BTC, 10**10))
    commands.append(UpdateIndexPrice(1, 1, PRICE, now_ms))
    commands.append(Tick())
    return commands


def order(
    account_id: int = 1, side: Side = Side.BUY, qty: int = 10, price: int = PRICE, name: str = "", market_id: int = PERP
) -> PlaceOrder:
    """A limit order in the perpetual market."""
    return PlaceOrder(account_id, market_id, side, qty, price, client_order_id=name)


def stream(seed: int, count: int) -> Iterator[Command]:
    """Commands as they might come, refused ones among them."""
    dice = random.Random(seed)
    for number in range(count):
        account_id = dice.randint(1, 3)
        kind = dice.random()
        if kind < 0.70:
            yield PlaceOrder(
                account_id,
                dice.choice((PERP, PERP, SPOT)),
                dice.choice((Side.BUY, Side.SELL)),
                dice.randint(1, 40),
                PRICE + 50 * dice.randint(-20, 20),
                time_in_force=dice.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)),
                reduce_only=dice.random() < 0.05,
                hidden=dice.random() < 0.1,
                client_order_id=f"s{seed}-{number}",
            )
        elif kind < 0.76:
            yield PlaceOrder(
                account_id,
                PERP,
                dice.choice((Side.BUY, Side.SELL)),
                dice.randint(1, 40),
                PRICE,
                trigger_price=PRICE + 50 * dice.randint(-30, 30),
                trigger_event=TriggerEvent.MARK_PRICE,
            )
        elif kind < 0.88:
            yield CancelOrder(account_id, dice.randint(1, number + 1))
        elif kind < 0.93:
            yield AmendOrder(account_id, dice.randint(1, number + 1), qty=dice.randint(1, 60))
        elif kind < 0.94:
            yield CancelOrders(account_id)
        elif kind < 0.98:
            yield UpdateIndexPrice(1, 1, PRICE + dice.randint(-5_000, 5_000), NOW_MS + number)
        else:
            yield Tick()
