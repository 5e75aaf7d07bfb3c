"""A first order: place it, look at it, amend it, cancel it."""

import os

from evermark_client import Client


def main() -> None:
    """Trade with the keys that `evermark run` printed."""
    url, key, secret = (os.environ[name] for name in ("EVERMARK_URL", "EVERMARK_KEY", "EVERMARK_SECRET"))
    with Client(url, key, secret) as client:
        mark = client.ticker("USD_BTC_PERP").mark_price
        assert mark is not None
        placed = client.place_order("USD_BTC_PERP", "BUY", "0.001", round(mark * 99 / 100), post_only=True)
        print("placed", placed.order.status, placed.order.qty_orig, "at", placed.order.price)
        amended = client.amend_order(placed.order.id, qty="0.002")
        print("amended to", amended.order.qty_orig)
        print("open orders:", [order.id for order in client.active_orders()] == [placed.order.id])
        cancelled = client.cancel_order(placed.order.id)
        print("cancelled:", cancelled.msg)
        print("free USD:", client.balances()["USD"].free)


if __name__ == "__main__":
    main()
