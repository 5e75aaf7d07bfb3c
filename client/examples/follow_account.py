"""Orders over the socket, and what the account is told of them: orders, fills, positions, balances."""

import os

from evermark_client import Client, Stream
from evermark_client.events import BalancesChanged, FillAdded, OrderChanged, PositionChanged

PAIR = "USD_ETH_PERP"


def show_until(stream: Stream, category: str) -> None:
    """Print what happens, up to a message of this category."""
    for event in stream:
        if isinstance(event, OrderChanged):
            print(f"{event.category}: {event.order.side} {event.order.qty_filled} of {event.order.qty_orig}")
        elif isinstance(event, FillAdded):
            print(f"fill: {event.fill.qty} at {event.fill.price}")
        elif isinstance(event, PositionChanged):
            print(f"{event.category}: {event.position.size}")
        elif isinstance(event, BalancesChanged):
            print(f"balance: {event.balances['USD'].free} USD free")
        if isinstance(event, OrderChanged) and event.category == category:
            return


def main() -> None:
    """Place over the socket, look, cancel, look again."""
    url, key, secret = (os.environ[name] for name in ("EVERMARK_URL", "EVERMARK_KEY", "EVERMARK_SECRET"))
    with Client(url, key, secret) as client, client.stream(fills=True, balances=True) as stream:
        mark = client.ticker(PAIR).mark_price
        assert mark is not None
        answer = stream.place_order(PAIR, "SELL", "0.01", round(mark * 101 / 100), client_order_id="from-the-socket")
        print("answered:", answer.order.status)
        show_until(stream, "order_added")
        stream.cancel_order(client_order_id="from-the-socket")
        show_until(stream, "order_cancelled")


if __name__ == "__main__":
    main()
