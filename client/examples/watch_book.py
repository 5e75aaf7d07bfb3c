"""A local order book: every message is held against the one before it and against the exchange's checksum."""

import asyncio
import os

from evermark_client import AsyncClient
from evermark_client.events import BookChanged, BookLost

PAIR = "USD_ETH_PERP"
ORDERS = 10


async def quote(client: AsyncClient) -> None:
    """Make the book change: a ladder of bids, and away with it."""
    mark = (await client.ticker(PAIR)).mark_price
    assert mark is not None
    for step in range(1, ORDERS + 1):
        await client.place_order(PAIR, "BUY", "0.01", round(mark * (1000 - step) / 1000), post_only=True)
    await client.cancel_all()


async def main() -> None:
    """Watch until the ladder has come and gone."""
    url, key, secret = (os.environ[name] for name in ("EVERMARK_URL", "EVERMARK_KEY", "EVERMARK_SECRET"))
    async with AsyncClient(url, key, secret) as client, client.stream() as stream:
        book = await stream.book(PAIR)
        quoting = asyncio.create_task(quote(client))
        most = 0
        async for event in stream:
            if isinstance(event, BookLost):
                raise SystemExit(f"the book broke: {event.why}")
            if isinstance(event, BookChanged):
                most = max(most, len(book.bids()))
                if most == ORDERS and not book.bids():
                    break
        await quoting
        print(f"{book.messages} messages without a gap up to seq {book.seq}; at most {most} bids")


if __name__ == "__main__":
    asyncio.run(main())
