"""What a bot such as freqtrade does with an exchange of ccxt's, on Evermark: only the name of the class is another one."""

import asyncio
import os
from typing import Any

import ccxt.pro

import evermark_ccxt  # noqa: F401  # makes ccxt.pro.evermark

SYMBOL = "BTC/USD:USD"


async def follow(exchange: Any, seen: list[str], ended: str) -> None:
    """Watch the account's orders until one of them has ended."""
    while ended not in seen:
        for order in await exchange.watch_orders(SYMBOL):
            seen.append(order["status"])


async def main() -> None:
    """Look, place, amend, cancel, trade, close; and watch all of it."""
    exchange = ccxt.pro.evermark(
        {
            "hostname": os.environ["EVERMARK_HOST"],
            "apiKey": os.environ["EVERMARK_KEY"],
            "secret": os.environ["EVERMARK_SECRET"],
        }
    )
    try:
        await exchange.load_markets()
        market = exchange.market(SYMBOL)
        candles = await exchange.fetch_ohlcv(SYMBOL, "5m", limit=10)
        ticker = await exchange.fetch_ticker(SYMBOL)
        balance = await exchange.fetch_balance()
        print(f"{len(exchange.markets)} markets, {len(candles)} candles, {balance['free']['USD']} USD free")
        watching = [asyncio.create_task(exchange.watch_balance()), asyncio.create_task(exchange.watch_orders(SYMBOL))]
        await exchange.watch_order_book(SYMBOL)

        amount = exchange.amount_to_precision(SYMBOL, 2 * market["limits"]["amount"]["min"] + 0.001)
        price = exchange.price_to_precision(SYMBOL, ticker["markPrice"] * 0.99)
        order = await exchange.create_order(SYMBOL, "limit", "buy", amount, price, {"postOnly": True})
        print("placed", order["status"], order["amount"])
        changed, orders = await asyncio.gather(*watching)
        print("watched", orders[-1]["id"] == order["id"], changed["used"]["USD"] > balance["used"]["USD"])

        amended = await exchange.edit_order(order["id"], SYMBOL, "limit", "buy", 2 * order["amount"])
        print("amended", amended["amount"] == 2 * order["amount"])
        print("open", [found["id"] for found in await exchange.fetch_open_orders(SYMBOL)] == [order["id"]])
        seen: list[str] = []
        following = asyncio.create_task(follow(exchange, seen, "canceled"))
        await exchange.cancel_order(order["id"], SYMBOL)
        await following
        print("cancelled", (await exchange.fetch_order(order["id"], SYMBOL))["status"])
    finally:
        await exchange.close()


if __name__ == "__main__":
    asyncio.run(main())
