"""A book's stream as commands for a whole exchange: accounts with money behind every order."""

from bench.order_stream import CANCEL, MID, Operation
from engine.order import Side
from exchange.commands import (
    CancelOrder,
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
from exchange.exchange import Exchange
from exchange.instrument import Asset, IndexTerms, Instrument, InstrumentKind

TERMS = Instrument(
    "USD_BTC_PERP", InstrumentKind.FUTURE, 2, 1, 1, 2, 4, 1, 100, 0, 1, 10**9, 0, 200_000, 0, 300, 10_000, 5_000, 1_000, 500, 100
)  # fmt: skip
START_MS = 1_700_000_000_000


def listed(accounts: int) -> tuple[Exchange, int]:
    """Make an exchange with one future and so many cross accounts of 100,000,000 USD each. Returns its time as well."""
    exchange = Exchange()
    for asset in (Asset(1, "USD"), Asset(2, "BTC")):
        exchange.apply(ListAsset(asset), START_MS)
    exchange.apply(ListIndex(IndexTerms(1, "BTC", 2, True)), START_MS)
    exchange.apply(ListMarket(1, TERMS), START_MS)
    for account_id in range(1, accounts + 1):
        exchange.apply(OpenAccount(f"a{account_id}", account_id), START_MS)
        exchange.apply(Deposit(f"d{account_id}", account_id, 1, 10**16), START_MS)
    exchange.apply(UpdateIndexPrice(1, 1, MID, START_MS), START_MS)
    exchange.apply(Tick(), START_MS)
    return exchange, START_MS


def commands(operations: list[Operation], accounts: int, mark_every: int, time_ms: int) -> list[Command]:
    """Turn a stream into commands. Orders are numbered as the stream numbers them: none is refused."""
    found: list[Command] = []
    for count, (kind, number, sign, price, qty) in enumerate(operations, 1):
        account_id = number % accounts + 1
        if kind == CANCEL:
            found.append(CancelOrder(account_id, number))
        else:
            found.append(PlaceOrder(account_id, 1, Side.BUY if sign > 0 else Side.SELL, qty, price))
        if count % mark_every == 0:
            found.append(UpdateIndexPrice(1, 1, MID + (count // mark_every) % 2, time_ms))
            found.append(Tick())
    return found
