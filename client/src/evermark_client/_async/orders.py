"""What can be done to orders, over REST and over the stream alike."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar, Unpack

from evermark_client import calls, models
from evermark_client.calls import Call, NewOrder, OrderOptions
from evermark_client.forms import Number
from evermark_client.models import Side

T = TypeVar("T")


class AsyncOrders(ABC):
    """The methods; how a call travels is told by whoever inherits."""

    @abstractmethod
    async def call(self, call: Call[T]) -> T:
        """Send a call."""

    async def place_order(
        self, pair: str, side: Side, qty: Number, price: Number | None = None, **options: Unpack[OrderOptions]
    ) -> models.OrderAnswer:
        """Place an order; without a price a market order. Safe to retry: it gets a client order id where you give none."""
        return await self.call(calls.place(pair, side, qty, price, options))

    async def place_orders(self, orders: Sequence[NewOrder], *, is_test: bool | None = None) -> models.OrdersAnswer:
        """Place 1 to 50 orders of one market, all or none."""
        return await self.call(calls.place_bulk(orders, is_test))

    async def amend_order(
        self,
        order_id: str | None = None,
        *,
        client_order_id: str | None = None,
        qty: Number | None = None,
        price: Number | None = None,
        trigger_price: Number | None = None,
    ) -> models.OrderAnswer:
        """Change an open order. `qty` is the new total, what is filled included."""
        return await self.call(calls.amend(order_id, client_order_id, qty, price, trigger_price))

    async def cancel_order(self, order_id: str | None = None, *, client_order_id: str | None = None) -> models.Order:
        """Cancel an order."""
        return await self.call(calls.cancel(order_id, client_order_id))

    async def cancel_orders(self, ids: Sequence[str]) -> list[models.Order]:
        """Cancel the named orders; those that were open are given. Raises: ValueError without any: see `cancel_all`."""
        if not ids:
            raise ValueError("no ids: cancel_all cancels every order")
        return await self.call(calls.signed("/auth/cancel/bulk", calls.ORDERS, ids=list(ids)))

    async def cancel_all(self) -> list[models.Order]:
        """Cancel every open order."""
        return await self.call(calls.signed("/auth/cancel/bulk", calls.ORDERS))

    async def cancel_all_after(self, timeout_ms: int) -> models.Timer:
        """Cancel every order in so many milliseconds, unless this is said again before; 0 calls it off."""
        return await self.call(calls.signed("/auth/cancel_all_after", calls.TIMER, timeout=timeout_ms))

    async def close_position(
        self,
        pair: str,
        qty: Number | None = None,
        price: Number | None = None,
        *,
        client_order_id: str | None = None,
        is_test: bool | None = None,
    ) -> models.OrderAnswer:
        """Close a position, or `qty` of it; without a price at the market."""
        return await self.call(calls.close(pair, qty, price, client_order_id, is_test))
