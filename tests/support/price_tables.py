"""Scenarios of prices, funding and expiry as text: one row a step, its outcome in the last column.

The world: a perpetual future (perp), a call (call) and a future that expires with the hour after a window of 10 s (dated), all on one
index, marked from their books; a trading range of 50%, the latest rules. People: maker, long, short, other, with 1,000,000 USD each, and
the insurance fund (fund) without any. It is 12 minutes before the hour unless `start` says otherwise.
"""

from decimal import Decimal

from msgspec.structs import replace

from engine.order import Side
from exchange.audit import audit
from exchange.commands import CancelOrders, Deposit, PlaceOrder, SetRulesVersion, Tick, Withdraw
from exchange.events import (
    CommandRejected,
    Event,
    FundingSettled,
    IndexPriceChanged,
    LiquidationEnded,
    LiquidationStarted,
    MarketSettled,
    MarkPriceChanged,
    OrderAccepted,
    OrderCancelled,
    StrikeChanged,
    Traded,
)
from exchange.instrument import IndexTerms
from exchange.limits import RULES_LATEST
from exchange.margins import available
from exchange.scopes import Scope
from tests.support.markets import BASIS_CALL, BASIS_PERP, HOUR_STARTS_MS, Venue
from tests.support.tables import Scenario, cents, plain, price_text
from tests.support.world import USD, USD_UNIT

DATED = replace(
    BASIS_PERP, symbol="USD_BTC_DATED", premium_clamp_ppm=0, expiry_ms=HOUR_STARTS_MS, settlement_window_ms=10_000
)
WORLD = (
    replace(BASIS_PERP, range_ppm=500_000),
    replace(BASIS_CALL, range_floor_ppm=500_000),
    replace(DATED, range_ppm=500_000),
)
MARKETS = {"perp": 1, "call": 2, "dated": 3}
NAMES = {number: name for name, number in MARKETS.items()}
PEOPLE = {"fund": 0, "maker": 1, "long": 2, "short": 3, "other": 4}
PEOPLE_NAMES = {number: name for name, number in PEOPLE.items()}
LOTS = 10_000


class PriceTable:
    """A world that understands rows."""

    def __init__(self) -> None:
        self.venue = self.make("720", is_single=True)
        self.said: list[int] = [60_000_00]
        self.references = 0

    def make(self, seconds: str, *, is_single: bool) -> Venue:
        """Return the world so many seconds before the hour."""
        terms = IndexTerms(1, "BTC", 2, single_source=is_single)
        venue = Venue(*WORLD, now_ms=HOUR_STARTS_MS - int(seconds) * 1_000, index=terms)
        venue.do(SetRulesVersion(RULES_LATEST))
        return venue

    def row(self, words: list[str], expected: str) -> str:
        """Do what a row says and return its outcome."""
        verb = words[0]
        if verb == "start":  # seconds before the hour, and whether one source alone makes the index
            self.venue = self.make(words[1], is_single="single" in words)
            return "-"
        if verb == "sources":  # what sources 1, 2, ... say from now on, each second
            self.said = [cents(word) for word in words[1:] if word != "none"]
            return "-"
        if verb == "second":
            return outcome(self.second())
        if verb == "pass":
            events = [event for _ in range(int(words[1])) for event in self.second()]
            return outcome([event for event in events if not isinstance(event, IndexPriceChanged | MarkPriceChanged)])
        if verb == "trade":  # long buys of short
            self.venue.trade(int(Decimal(words[2]) * LOTS), cents(words[3]), MARKETS[words[1]])
            return "-"
        if verb in MARKETS:
            return self.show(MARKETS[verb], expected)
        return self.person(PEOPLE[verb], words[1:])

    def second(self) -> list[Event]:
        venue = self.venue
        venue.time_ms += 1_000
        for source_id, price in enumerate(self.said, 1):
            venue.observe(price, source_id)
        return venue.do(Tick())

    def person(self, account_id: int, words: list[str]) -> str:
        venue = self.venue
        verb = words[0]
        account = venue.exchange.state.accounts[account_id]
        if verb == "quotes":
            lots = int(Decimal(words[4]) * LOTS)
            venue.quote(cents(words[2]), cents(words[3]), lots, MARKETS[words[1]], account_id)
            return "-"
        if verb in ("buys", "sells"):
            side = Side.BUY if verb == "buys" else Side.SELL
            lots = int(Decimal(words[2]) * LOTS)
            return outcome(venue.do(PlaceOrder(account_id, MARKETS[words[1]], side, lots, cents(words[3]))))
        if verb == "cancels":
            return outcome(venue.do(CancelOrders(account_id, (), MARKETS[words[1]])))
        if verb in ("withdraws", "deposits"):
            self.references += 1
            kind = Withdraw if verb == "withdraws" else Deposit
            amount = int(Decimal(words[1]) * USD_UNIT)
            return outcome(venue.do(kind(f"row {self.references}", account_id, USD, amount)))
        if verb == "has":
            return money_text(account.balance(USD).amount)
        if verb == "available":
            return money_text(available(account, USD))
        assert verb == "scope", verb
        for holding in account.holdings.values():
            if holding.position.qty:
                scope = Scope(holding)
                return f"equity={money_text(scope.equity)} maintenance={money_text(scope.maintenance)}"
        return "none"

    def show(self, market_id: int, expected: str) -> str:
        market = self.venue.market(market_id)
        values = {
            "mark": price_text(market.mark_price),
            "fair": price_text(market.fair_price),
            "index": price_text(market.index_price),
            "strike": price_text(market.strike),
            "rate": f"{plain(Decimal(market.funding_rate_e12) / 10**10)}%",
            "pays": money_text(market.funding_lot_e12 * LOTS // 10**12),  # 1 BTC, an hour
            "status": market.status.name,
        }
        return " ".join(f"{name}={values[name]}" for name in (word.partition("=")[0] for word in expected.split()))


def run(scenario: Scenario) -> None:
    """Run a scenario's rows against a fresh world and compare each outcome."""
    table = PriceTable()
    for number, row, expected in scenario.rows:
        found = table.row(row.split(), expected)
        assert found == expected, (
            f"{scenario.place}:{number} {scenario.name}\n  {row}\n  expected {expected}\n  found    {found}"
        )
        assert audit(table.venue.exchange) == [], f"{scenario.place}:{number}"


def money_text(amount: int) -> str:
    """Say money in USD."""
    return plain(Decimal(amount) / USD_UNIT)


def outcome(events: list[Event]) -> str:
    """Say in one line what happened."""
    return "; ".join(said for said in (say(event) for event in events) if said) or "-"


def say(event: Event) -> str:
    """Say an event; what only books money, and what a row can show, is left out."""
    if isinstance(event, CommandRejected):
        return f"refused {event.reject.name}"
    if isinstance(event, IndexPriceChanged):
        return f"index {price_text(event.price)} from {','.join(str(source) for source in event.sources)}"
    if isinstance(event, MarkPriceChanged):
        return f"{NAMES[event.market_id]} {price_text(event.price)}"
    if isinstance(event, StrikeChanged):
        return f"strike {price_text(event.strike)}"
    if isinstance(event, FundingSettled):
        rate = plain(Decimal(event.rate_e12) / 10**10)
        return f"{NAMES[event.market_id]} paid {money_text(event.collected)} at {rate}%" if event.collected else ""
    if isinstance(event, LiquidationStarted | LiquidationEnded):
        verb = "unsafe" if isinstance(event, LiquidationStarted) else "safe"
        return f"{verb} {PEOPLE_NAMES[event.account_id]}"
    if isinstance(event, MarketSettled):
        return f"{NAMES[event.market_id]} settled at {price_text(event.price)}"
    if isinstance(event, OrderCancelled):
        return f"cancelled #{event.order_id} {event.reason.name}"
    if isinstance(event, OrderAccepted):
        return f"accepted #{event.order_id}"
    return f"{plain(Decimal(event.qty) / LOTS)}@{price_text(event.price)}" if isinstance(event, Traded) else ""
