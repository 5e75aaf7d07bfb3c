"""The exchange and its twin of exact fractions, told the same random commands and compared."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

from msgspec.structs import replace

from exchange import margins, views
from exchange.commands import (
    Command,
    Deposit,
    ListMarket,
    OpenAccount,
    PlaceOrder,
    SetLiquidityProvider,
    SetMarginMode,
    SetRulesVersion,
    Tick,
)
from exchange.events import (
    BalanceChanged,
    CancelReason,
    Cause,
    CommandRejected,
    Event,
    FundingPaid,
    FundingPredicted,
    FundingSettled,
    IndexPriceChanged,
    LiquidationStarted,
    LossSocialised,
    MarkPriceChanged,
    OptionIndexChanged,
    OrderAccepted,
    OrderCancelled,
    OrderRepeated,
    PositionChanged,
    StrikeChanged,
    Traded,
    TransferRepeated,
)
from exchange.exchange import Exchange
from exchange.limits import RULES_LATEST
from exchange.rejects import Reject
from exchange.snapshot import decode, encode
from exchange.state import Account, Holding
from tests.property.margin_dice import (
    ALONE,
    BASIS,
    BASIS_PERP,
    BESIDE,
    OPTION,
    TIERED,
    TIERED_PERP,
    TwinDice,
)
from tests.property.naive_door import left_after, only_reduces
from tests.property.naive_funding import NaiveFunding, each_of
from tests.property.naive_liquidation import NaiveLiquidation
from tests.property.naive_margin import NaiveMargin
from tests.property.near import UNIT, ZERO, Near
from tests.support.options import BTC_CALL, BTC_PUT, CALL, PUT
from tests.support.world import (
    ISOLATED,
    REGULAR,
    RICH,
    SECOND,
    SIBLING,
    USD,
    USD_UNIT,
    opening,
)

FOR_WANT_OF_MONEY = (Reject.INSUFFICIENT_BALANCE, Reject.BELOW_INITIAL_MARGIN, Reject.MARGIN_TOO_LOW)
PRICES = (
    IndexPriceChanged,
    StrikeChanged,
    OptionIndexChanged,
    MarkPriceChanged,
    FundingPredicted,
    FundingSettled,
    FundingPaid,
    PositionChanged,
)
WIDTH_MAX = 2_000 * UNIT
"""A bound wider than this would prove little."""


@dataclass
class Counts:
    """What was compared, what happened in the histories, and the widest bounds and the largest difference met."""

    compared: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    widest: Fraction = Fraction(0)
    farthest: Fraction = Fraction(0)


def is_before_tests(event: Event) -> bool:
    """Tell whether an event of a tick comes before anybody's margin is tested: prices, funding, orders of a day that is over."""
    if isinstance(event, BalanceChanged):
        return event.cause in (Cause.FUNDING, Cause.INSURANCE) or (event.cause is Cause.TRANSFER and not event.order_id)
    if isinstance(event, OrderCancelled):
        return event.reason is CancelReason.EXPIRED
    return isinstance(event, PRICES)


class Pair:
    """The exchange and its twin, told the same. With `has_ladder` under the rules of liquidation."""

    def __init__(self, seed: int, counts: Counts, *, has_ladder: bool = False) -> None:
        self.has_ladder = has_ladder
        self.is_over = False
        self.world = opening({REGULAR: 2_500, SIBLING: 700, SECOND: 900, ISOLATED: 800, RICH: 400_000})
        self.counts = counts
        self.twin = NaiveMargin()
        self.funding = NaiveFunding(self.twin, is_corrected=has_ladder)
        self.ladder = NaiveLiquidation(self.twin)
        self.dice = TwinDice(Random(seed), self.world)
        replayed = Exchange()
        for time_ms, command in self.world.journal:
            self.read(command, replayed.apply(command, time_ms))
        for market_id, instrument in (
            (CALL, replace(BTC_CALL, **OPTION)),
            (PUT, replace(BTC_PUT, maker_fee_ppm=50, **OPTION)),
            (TIERED, TIERED_PERP),
            (BASIS, BASIS_PERP),
        ):
            self.do(ListMarket(market_id, instrument))
        for account_id, owner_id in ((ALONE, SECOND), (BESIDE, BESIDE)):
            self.do(OpenAccount(f"account {account_id}", owner_id))
            self.do(Deposit(f"usd {account_id}", account_id, USD, 600 * USD_UNIT))
            self.do(SetMarginMode(account_id, True))
        if has_ladder:
            self.do(SetRulesVersion(RULES_LATEST))
            self.do(SetLiquidityProvider(RICH, bool(seed % 3)))
        self.world.time_ms += 1_000

    def do(self, command: Command, after_ms: int = 0) -> list[Event]:
        before = {key: self.lots(*key) for key in self.keys()}
        left = left_after(self.twin, command)
        may_reduce = isinstance(command, PlaceOrder) and left is not None and only_reduces(self.twin, command)
        events = self.world.do(command, after_ms)
        if left is not None:
            self.compare_answer(command, events, left, may_reduce=may_reduce)
        self.read(command, events)
        if isinstance(command, Tick):
            self.compare_rates()
        self.count(before, events)
        return events

    def read(self, command: Command, events: list[Event]) -> None:
        """Tell the twin; where the exchange settled an hour it does so too, from its own ledger."""
        if events and isinstance(events[0], CommandRejected):
            return
        paid: list[FundingPaid] = []
        is_tested = not isinstance(command, Tick) or not self.has_ladder
        for event in events:
            if not is_tested and not is_before_tests(event):
                self.find_unsafe(events)
                is_tested = True
            if isinstance(event, LossSocialised):
                self.is_over = True  # the twin does not follow any further
                return
            if isinstance(event, FundingPaid):
                paid.append(event)
            elif isinstance(event, FundingSettled):
                self.settle(event, paid)
                paid = []
            else:
                self.twin.take(event)
                self.ladder.take(event)
        self.twin.take_command(command)
        self.ladder.end_slices()

    def compare_answer(self, command: Command, events: list[Event], left: Near, *, may_reduce: bool) -> None:
        """What the account carries is not refused for want of money, and what it does not carry is not taken."""
        first = events[0]
        if not isinstance(first, CommandRejected):
            if isinstance(first, OrderRepeated | TransferRepeated):
                return
            assert left.high >= 0 or may_reduce, f"{command} was taken: {left}"
            self.counts.seen["taken"] += 1
            self.counts.seen["taken to reduce, below initial margin"] += left.high < 0
        elif first.reject in FOR_WANT_OF_MONEY:
            assert left.low < 0, f"{command} was refused: {left}"
            assert not may_reduce
            self.counts.seen["refused for want of money"] += 1
        else:
            return
        self.counts.compared["answer"] += 1

    def find_unsafe(self, events: list[Event]) -> None:
        """A tick, having made its prices and funding, finds the scopes that the twin finds."""
        computed_ms = {index_id: index.computed_ms for index_id, index in self.world.exchange.state.indices.items()}
        found, near = self.ladder.found(self.world.time_ms, computed_ms)
        started = [event for event in events if isinstance(event, LiquidationStarted)]
        assert {(event.account_id, event.market_id) for event in started} - near == found
        self.counts.compared["scope in a tick"] += len(list(self.twin.scopes()))
        self.counts.seen["scopes too near to tell"] += len(near)

    def settle(self, event: FundingSettled, paid: list[FundingPaid]) -> None:
        market = self.twin.markets[event.market_id]
        rate = self.funding.ended(market, event.time_ms)
        self.counts.compared["rate of an hour"] += 1
        assert rate.holds(each_of(market, event.rate_e12, event.lot_e12)), f"{event}: the samples make {rate}"
        settled = self.funding.settle(event)
        assert settled.agrees(event, paid), f"{event} {paid}: {settled}"
        self.counts.compared["funding payment"] += len(settled.payments)
        seen = self.counts.seen
        seen["funding payments"] += len(paid)
        seen["payments out of an isolated margin"] += len([1 for payment in paid if payment.from_margin])
        seen["hours with a gift"] += event.gift > 0
        seen["hours short of money"] += settled.paid.exact + UNIT * len(paid) < settled.owed.exact

    def compare_rates(self) -> None:
        """After a tick the rate that the running hour's samples make is the one that counts in the margins."""
        state = self.world.exchange.state
        computed_ms = {index_id: index.computed_ms for index_id, index in state.indices.items()}
        self.funding.take_samples(self.world.time_ms, computed_ms)
        for market_id in self.funding.premiums:
            market = self.twin.markets[market_id]
            rate = self.funding.running(market, self.world.time_ms)
            value = market.funding_each if market.is_option else market.funding_rate
            assert rate.holds(value), f"market {market_id}: a rate of {float(value)} is not within {rate}"
            self.counts.compared["rate of a running hour"] += 1
            self.counts.seen["rates"] += value != 0

    def turn(self) -> None:
        if self.dice.random.random() < 0.02:
            self.go_on_from_a_snapshot()
        for command, after_ms in self.dice.turn():
            if not self.is_over:
                self.do(command, after_ms)

    def go_on_from_a_snapshot(self) -> None:
        """What is kept beside the state makes no difference to margins."""
        exchange = decode(encode(self.world.exchange))
        exchange.time_ms = self.world.exchange.time_ms
        self.world.exchange = exchange
        self.counts.seen["snapshots"] += 1

    def keys(self) -> list[tuple[int, int]]:
        return [(a, m) for a, account in self.twin.accounts.items() for m in account.positions]

    def lots(self, account_id: int, market_id: int) -> int:
        return self.twin.position(account_id, market_id).lots

    def count(self, before: dict[tuple[int, int], int], events: list[Event]) -> None:
        """Count what happened: a history in which nothing does proves nothing."""
        seen = self.counts.seen
        seen.update(type(event).__name__ for event in events)
        seen["slices"] += len([1 for event in events if isinstance(event, OrderAccepted) and event.is_liquidation])
        seen["fills of slices"] += len([1 for event in events if isinstance(event, Traded) and event.is_liquidation])
        started = [event for event in events if isinstance(event, LiquidationStarted)]
        seen["isolated liquidations"] += len([event for event in started if event.market_id])
        seen["cross liquidations"] += len([event for event in started if not event.market_id])
        if not any(isinstance(event, Traded) for event in events):
            return
        for key, old in before.items():
            new = self.lots(*key)
            account, market = self.twin.accounts[key[0]], self.twin.markets[key[1]]
            if old * new < 0:
                seen["flips"] += 1
            elif abs(new) < abs(old):
                seen["partial closes" if new else "closes"] += 1
                seen["isolated partial closes"] += bool(new) and account.is_isolated
            if new < 0 and market.is_option:
                seen["short calls" if market.is_call else "short puts"] += 1
            if new > 0 and market.is_option:
                seen["long options"] += 1

    # --- comparing ---

    def compare(self) -> None:
        """Compare all that there is."""
        if self.is_over:
            return
        state = self.world.exchange.state
        assert set(self.twin.orders) == set(state.orders)
        for account in state.accounts.values():
            for market_id, holding in account.holdings.items():
                if not holding.market.is_spot:
                    self.compare_holding(account.account_id, market_id, holding)
            for asset_id in account.balances:
                self.compare_assets(account, asset_id)
        for asset_id, treasury in state.treasuries.items():
            self.same("fees of all", treasury.fees, self.twin.fees.get(asset_id, ZERO))
        self.compare_unsafe()

    def same(self, name: str, money: int, near: Near, *where: int) -> None:
        value = money * UNIT
        assert near.holds(value), f"{name} of {where}: {float(value)} is not within {near}"
        width = near.high - near.low
        assert width < WIDTH_MAX, f"{name} of {where}: bounds are {float(width)} apart"
        counts = self.counts
        counts.compared[name] += 1
        counts.widest = max(counts.widest, width)
        counts.farthest = max(counts.farthest, abs(value - near.exact))

    def compare_assets(self, account: Account, asset_id: int) -> None:
        twin = self.twin
        where = account.account_id, asset_id
        balance = account.balances[asset_id]
        self.same("balance", balance.amount, twin.balance(*where), *where)
        self.same("locked", balance.locked, twin.locked(*where), *where)
        self.same("equity", margins.equity(account, asset_id), twin.equity(*where), *where)
        self.same("available", margins.available(account, asset_id), twin.available(*where), *where)
        self.same("withdrawable", margins.withdrawable(account, asset_id), twin.withdrawable(*where), *where)
        worth = balance.amount
        for holding in account.holdings.values():
            if holding.market.quote_asset == asset_id:
                worth += holding.position.margin + margins.unrealized(holding)
        self.same("worth", worth, twin.worth(*where), *where)

    def compare_holding(self, account_id: int, market_id: int, holding: Holding) -> None:
        twin = self.twin
        where = account_id, market_id
        position, other = holding.position, twin.position(*where)
        assert position.qty == other.lots
        self.same("entry notional", position.entry_notional, other.entry, *where)
        self.same("realized pnl", position.realized_pnl, other.realized, *where)
        self.same("isolated margin", position.margin, other.margin, *where)
        self.same("funding", position.funding, other.funding, *where)
        self.same("fees", position.fees, other.fees, *where)
        self.same("unrealized pnl", margins.unrealized(holding), twin.unrealized(*where), *where)
        leverage_e2 = margins.leverage_of(holding)
        self.same("initial margin", margins.position_margin(holding, leverage_e2), twin.initial(*where), *where)
        maintenance = margins.maintenance_margin(holding) if position.qty else 0
        self.same("maintenance margin", maintenance, twin.maintenance(*where), *where)
        self.same("order reserve", margins.order_margin(holding), twin.reserve(*where), *where)
        if holding.orders and position.qty:
            self.counts.seen["reserves beside a position"] += 1
        if position.qty:
            self.compare_prices(account_id, market_id, position.qty)

    def compare_prices(self, account_id: int, market_id: int, qty: int) -> None:
        """A price unit to the safe side of the price that is shown nothing fails, one beyond it something does."""
        view = views.position(self.world.exchange, account_id, market_id)
        assert view is not None
        market = self.twin.markets[market_id]
        scope = self.ladder.scope_of(account_id, market_id)
        sign = 1 if qty > 0 else -1
        for name, price, margin in (
            ("liquidation price", view.liquidation_price, self.ladder.maintenance),
            ("bankruptcy price", view.bankruptcy_price, lambda *_: ZERO),
        ):
            inside, beyond = (
                self.left_at(market_id, price + step, scope, account_id, margin) for step in (sign, -sign)
            )
            where = account_id, market_id, price, qty
            if market.is_option and market.price(price) > market.underlying:
                continue  # worth more than what it is on: there a put's margin follows another rule, and no mark gets there
            if price:
                assert inside.high >= 0, f"{name} of {where}: {inside}"
                assert beyond.low < 0, f"{name} of {where}: {beyond}"
                self.counts.seen[name] += 1
            elif sign > 0:
                assert inside.high >= 0, f"{name} of {where}: {inside}"
            self.counts.compared[name] += 1

    def left_at(
        self, market_id: int, price: int, scope: int, account_id: int, margin: Callable[[int, int], Near]
    ) -> Near:
        """What a scope would have beyond a margin if only this mark were another."""
        market = self.twin.markets[market_id]
        mark, market.mark = market.mark, market.price(max(0, price))
        left = self.ladder.equity(account_id, scope) - margin(account_id, scope)
        market.mark = mark
        return left

    def compare_unsafe(self) -> None:
        """The scopes below maintenance are the same."""
        found, near = self.twin.unsafe()
        core = set(unsafe_scopes(self.world.exchange))
        assert core - near == found
        self.counts.compared["scope"] += len(list(self.twin.scopes()))
        self.counts.seen["unsafe scopes"] += len(found)
        self.counts.seen["unsafe isolated scopes"] += len([1 for _, market_id in found if market_id])
        self.counts.seen["scopes too near to tell"] += len(near)


def unsafe_scopes(exchange: Exchange) -> Iterator[tuple[int, int]]:
    for account in exchange.state.accounts.values():
        for market_id, holding in account.holdings.items():
            if holding.position.qty:
                equity, required = margins.scope(holding)
                if equity < required:
                    yield account.account_id, market_id if account.is_isolated else 0
