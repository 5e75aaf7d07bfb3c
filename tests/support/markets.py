"""One market after another with marks from its book, funding and expiry, and the shortest words to move them in tests."""

from typing import TypeVar

from msgspec.structs import replace

from engine.order import Side
from exchange.commands import (
    Deposit,
    ListAsset,
    ListIndex,
    ListMarket,
    OpenAccount,
    PlaceOrder,
    SetMarginMode,
    Tick,
    UpdateIndexPrice,
)
from exchange.events import CommandRejected, Event
from exchange.instrument import Asset, IndexTerms, Instrument, InstrumentKind, MarkMethod
from exchange.state import Holding, Market
from tests.support.options import option
from tests.support.world import BTC, BTC_PERP, BTC_PRICE, USD, USD_UNIT, World

HOUR_MS = 3_600_000
OPEN_MS = 1_700_002_800_000 - 60_000
"""A minute before an hour begins."""
HOUR_STARTS_MS = 1_700_002_800_000
BASIS_PERP = replace(
    BTC_PERP, impact_qty=3_000, mark_method=MarkMethod.BASIS, mark_clamp_ppm=30_000, premium_clamp_ppm=30_000
)
BASIS_CALL = replace(
    option("USD_BTCCALL_PERP", InstrumentKind.CALL, 1_000_000),
    impact_qty=3_000,
    mark_method=MarkMethod.BASIS,
)
BASIS_PUT = replace(
    option("USD_BTCPUT_PERP", InstrumentKind.PUT, 1_000_000), impact_qty=3_000, mark_method=MarkMethod.BASIS
)
MAKER, LONG, SHORT, OTHER = 1, 2, 3, 4
"""Account ids, each its own owner's; 0 is the insurance fund."""

T = TypeVar("T")


class Venue(World):
    """An exchange with the given markets on one index of BTC, and accounts of 1,000,000 USD."""

    def __init__(
        self, *instruments: Instrument, now_ms: int = OPEN_MS, index: IndexTerms | None = None, price: int = BTC_PRICE
    ) -> None:
        super().__init__()
        self.time_ms = now_ms
        self.do(ListAsset(Asset(USD, "USD")))
        self.do(ListAsset(Asset(BTC, "BTC")))
        self.do(ListIndex(index or IndexTerms(1, "BTC", 2, single_source=True)))
        for market_id, instrument in enumerate(instruments, 1):
            self.take(ListMarket(market_id, instrument))
        for account_id in (MAKER, LONG, SHORT, OTHER):
            self.do(OpenAccount(f"account {account_id}", account_id))
            self.do(Deposit(f"usd {account_id}", account_id, USD, 1_000_000 * USD_UNIT))
        self.observe(price)
        self.do(Tick())

    def take(self, command: ListMarket | PlaceOrder | SetMarginMode) -> list[Event]:
        """Apply a command that must not be refused."""
        events = self.do(command)
        assert not isinstance(events[0], CommandRejected), events
        return events

    def observe(self, price: int, source_id: int = 1) -> None:
        """Let one source say a price."""
        self.do(UpdateIndexPrice(1, source_id, price, self.time_ms))

    def market(self, market_id: int = 1) -> Market:
        """Return a market."""
        return self.exchange.state.markets[market_id]

    def holding(self, account_id: int, market_id: int = 1) -> Holding:
        """Return what an account has in a market."""
        return self.market(market_id).holdings[account_id]

    def money(self, account_id: int) -> int:
        """Return an account's balance."""
        return self.exchange.state.accounts[account_id].balance(USD).amount

    def quote(self, bid: int, ask: int, lots: int = 3_000, market_id: int = 1, account_id: int = MAKER) -> None:
        """Rest a bid and an ask; a price of 0 leaves that side out."""
        for side, price in ((Side.BUY, bid), (Side.SELL, ask)):
            if price:
                self.take(PlaceOrder(account_id, market_id, side, lots, price))

    def trade(self, lots: int, price: int = 0, market_id: int = 1) -> None:
        """Let LONG buy from SHORT, at the mark if no price is given."""
        price = price or self.market(market_id).mark_price
        self.take(PlaceOrder(SHORT, market_id, Side.SELL, lots, price))
        self.take(PlaceOrder(LONG, market_id, Side.BUY, lots, price))

    def second(self, price: int = 0) -> list[Event]:
        """Let a second pass, its index confirmed or moved, and tick."""
        return self.at(self.time_ms // 1_000 * 1_000 + 1_000, price)

    def at(self, time_ms: int, price: int = 0) -> list[Event]:
        """Let the time come, with the index confirmed or moved, and tick."""
        self.time_ms = time_ms
        self.observe(price or self.exchange.state.indices[1].price)
        return self.do(Tick())

    def seconds(self, count: int, price: int = 0) -> list[Event]:
        """Let seconds pass one by one."""
        return [event for _ in range(count) for event in self.second(price)]


def only(kind: type[T], events: list[Event]) -> list[T]:
    """Return the events of a kind."""
    return [event for event in events if isinstance(event, kind)]
