"""A local order book: every message is held against the one before it and against the exchange's checksum."""

import asyncio
import os

from evermark_client import AsyncClient
from evermark_client.events import BookChanged, BookLost

PAIR = "USD_ETH_PERP"
ORDERS = 10


async def main() -> None:
    """Make a ladder of bids, and watch it come and go."""
    url, key, secret = (os.environ[name] for name in ("EVERMARK_URL", "EVERMARK_KEY", "EVERMARK_SECRET"))
    async with AsyncClient(url, key, secret) as client, client.stream() as stream:
        book = await stream.book(PAIR)
        mark = (await client.ticker(PAIR)).mark_price
        assert mark is not None
        prices = {round(mark * (1000 - step) / 1000) for step in range(1, ORDERS + 1)}
        for price in prices:
            await client.place_order(PAIR, "BUY", "0.01", price, post_only=True)
        is_there = False
        async for event in stream:
            if isinstance(event, BookLost):
                raise SystemExit(f"the book broke: {event.why}")
            if isinstance(event, BookChanged):
                seen = prices & {int(level.price) for level in book.bids()}
                if seen == prices and not is_there:
                    is_there = True
                    print(f"{len(seen)} bids at seq {book.seq}")
                    await client.cancel_all()
                elif is_there and not seen:
                    break
        print(f"{book.messages} messages without a gap up to seq {book.seq}")


if __name__ == "__main__":
    asyncio.run(main())
