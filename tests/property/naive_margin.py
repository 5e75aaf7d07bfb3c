"""The margin engine's twin: exact fractions of dollars and coins, a ledger of what happened, everything else counted anew.

It is written from the rules, not from the engine: it knows no unit value, no sums that are kept, no stamps. It is told
commands and events, and takes from them only facts: trades, transfers, orders, prices, leverage. Where an engine of integers
rounds, the twin says by how much it may (`Near`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from engine.order import OrderStatus
from exchange.commands import Command, MoveMargin
from exchange.events import (
    AccountOpened,
    BalanceChanged,
    Cause,
    Event,
    FundingPredicted,
    IndexPriceChanged,
    LeverageSet,
    MarginModeSet,
    MarketAmended,
    MarketListed,
    MarkPriceChanged,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderReduced,
    OrderTriggered,
    StrikeChanged,
    Traded,
)
from exchange.instrument import InstrumentKind
from tests.property.naive_terms import NaiveMarket, requirement
from tests.property.near import UNIT, ZERO, Near, larger, largest, smaller, total


@dataclass(slots=True)
class NaiveOrder:
    order_id: int
    account_id: int
    market_id: int
    sign: int
    leaves: int
    price: int
    is_reduce_only: bool
    oco: str
    is_waiting: bool
    fee_ppm: int | None = None
    """What it pays at the door; once it rests it pays as maker."""


@dataclass(slots=True)
class NaivePosition:
    """`lots` is signed. `entry` is its cost with the same sign."""

    lots: int = 0
    leverage: Fraction = Fraction(1)
    entry: Near = ZERO
    margin: Near = ZERO
    realized: Near = ZERO
    fees: Near = ZERO
    funding: Near = ZERO


@dataclass(slots=True)
class NaiveAccount:
    """`flows` is what came in less what went out, each position's cost taken as paid: with the positions at the mark it is
    what the account is worth, whatever was realized when.
    """

    account_id: int
    owner_id: int
    is_isolated: bool = False
    balances: dict[int, Near] = field(default_factory=dict)
    flows: dict[int, Near] = field(default_factory=dict)
    positions: dict[int, NaivePosition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A resting order, or a group of which one fills: lots, of them such as may open, dearest price, and fee and loss of a lot."""

    lots: int
    opening: int
    price: int
    fee: Fraction
    loss: Fraction


class NaiveMargin:
    """All accounts of an exchange."""

    def __init__(self) -> None:
        self.markets: dict[int, NaiveMarket] = {}
        self.accounts: dict[int, NaiveAccount] = {0: NaiveAccount(0, 0)}
        self.orders: dict[int, NaiveOrder] = {}
        self.index_prices: dict[int, int] = {}
        self.fees: dict[int, Near] = {}

    # --- what happened ---

    def take_command(self, command: Command) -> None:
        """Take a fact that no event tells by itself from a command that was not refused."""
        if isinstance(command, MoveMargin):
            self.move_margin(command.account_id, command.market_id, Near.of(command.amount * UNIT))

    def take(self, event: Event) -> None:
        if isinstance(event, Traded):
            self.trade(event)
        elif isinstance(event, BalanceChanged):
            if event.cause in (Cause.DEPOSIT, Cause.WITHDRAWAL):
                self.credit(event.account_id, event.asset_id, Near.of(event.amount * UNIT), is_outside=True)
        elif isinstance(event, AccountOpened):
            if not event.is_repeat:
                self.accounts[event.account_id] = NaiveAccount(event.account_id, event.owner_id)
        elif isinstance(event, MarginModeSet):
            self.accounts[event.account_id].is_isolated = event.is_isolated
        elif isinstance(event, LeverageSet):
            self.set_leverage(event)
        elif not self.take_price(event):
            self.take_order(event)

    def take_price(self, event: Event) -> bool:
        if isinstance(event, IndexPriceChanged):
            self.index_prices[event.index_id] = event.price
            for market in self.markets.values():
                if market.terms.index_id == event.index_id:
                    market.underlying = market.price(event.price)
        elif isinstance(event, MarkPriceChanged):
            market = self.markets[event.market_id]
            market.mark = market.price(event.price)
        elif isinstance(event, StrikeChanged):
            market = self.markets[event.market_id]
            market.strike = market.price(event.strike)
        elif isinstance(event, FundingPredicted):
            market = self.markets[event.market_id]
            market.funding_rate = Fraction(event.rate_e12, 10**12)
            market.funding_each = event.lot_e12 * UNIT / 10**12 / market.qty(1)
        elif isinstance(event, MarketListed):
            self.open_market(event)
        elif isinstance(event, MarketAmended):
            self.markets[event.market_id].terms = event.instrument
        else:
            return False
        return True

    def open_market(self, event: MarketListed) -> None:
        """A future on a living index has its mark at once."""
        market = NaiveMarket(event.market_id, event.instrument)
        market.underlying = market.price(self.index_prices.get(event.instrument.index_id, 0))
        if event.instrument.kind is InstrumentKind.FUTURE:
            market.mark = market.underlying
        self.markets[event.market_id] = market

    def take_order(self, event: Event) -> None:
        if isinstance(event, OrderAccepted):
            request = event.request
            self.orders[event.order_id] = NaiveOrder(
                event.order_id,
                request.account_id,
                request.market_id,
                1 if request.side.name == "BUY" else -1,
                event.qty,
                event.price,
                request.reduce_only or request.is_close or request.close_on_trigger,
                request.oco,
                event.status is OrderStatus.UNTRIGGERED,
            )
        elif isinstance(event, OrderTriggered):
            order = self.orders[event.order_id]
            order.leaves, order.price, order.is_waiting = event.qty, event.price, False
        elif isinstance(event, OrderAmended):
            order = self.orders[event.order_id]
            order.leaves, order.price = event.leaves, event.price
        elif isinstance(event, OrderReduced):
            self.orders[event.order_id].leaves = event.leaves
        elif isinstance(event, OrderCancelled):
            del self.orders[event.order_id]

    def position(self, account_id: int, market_id: int) -> NaivePosition:
        return self.accounts[account_id].positions.setdefault(market_id, NaivePosition())

    def credit(self, account_id: int, asset_id: int, amount: Near, *, is_outside: bool = False) -> None:
        """Change a balance. What comes from outside a position also changes what the account is worth."""
        account = self.accounts[account_id]
        account.balances[asset_id] = account.balances.get(asset_id, ZERO) + amount
        if is_outside:
            account.flows[asset_id] = account.flows.get(asset_id, ZERO) + amount

    def move_margin(self, account_id: int, market_id: int, amount: Near) -> None:
        position = self.position(account_id, market_id)
        position.margin = position.margin + amount
        self.credit(account_id, self.markets[market_id].terms.quote_asset, -amount)

    def set_leverage(self, event: LeverageSet) -> None:
        """Under another leverage the position's margin, less its loss, is topped up to the initial margin."""
        position = self.position(event.account_id, event.market_id)
        leverage = Fraction(event.leverage_e2, 100)
        if leverage == position.leverage:
            return
        position.leverage = leverage
        backing = position.margin + smaller(ZERO, self.unrealized(event.account_id, event.market_id))
        gap = larger(ZERO, self.initial(event.account_id, event.market_id) - backing)
        self.move_margin(event.account_id, event.market_id, gap)

    def trade(self, event: Traded) -> None:
        """Both sides of a trade; the maker's rebate is at most the taker's fee, and a slice pays none."""
        market = self.markets[event.market_id]
        terms = market.terms
        qty, price = market.qty(event.qty), market.price(event.price)
        taker_fee = Near.of(market.fee(qty, price, terms.taker_fee_ppm)).rounded_up()
        if event.is_liquidation:
            taker_fee = ZERO
        maker_fee = larger(Near.of(market.fee(qty, price, terms.maker_fee_ppm)).rounded_up(), -taker_fee)
        for is_taker, account_id, order_id, leaves, fee in (
            (False, event.maker_account_id, event.maker_order_id, event.maker_leaves, maker_fee),
            (True, event.taker_account_id, event.taker_order_id, event.taker_leaves, taker_fee),
        ):
            sign = event.taker_sign if is_taker else -event.taker_sign
            value = Near.of(qty * price)
            if market.is_spot:
                self.credit(account_id, terms.base_asset, Near.of(sign * qty), is_outside=True)
                self.credit(account_id, terms.quote_asset, value.times(-sign), is_outside=True)
            else:
                is_forced = is_taker and event.is_liquidation
                self.fill(account_id, market, sign, event.qty, value, price=price, fee=fee, is_forced=is_forced)
            self.credit(account_id, terms.quote_asset, -fee, is_outside=True)
            if not market.is_spot:
                position = self.position(account_id, event.market_id)
                position.fees = position.fees + fee
            self.fees[terms.quote_asset] = self.fees.get(terms.quote_asset, ZERO) + fee
            self.orders[order_id].leaves = leaves
            if leaves == 0:
                del self.orders[order_id]

    def fill(
        self,
        account_id: int,
        market: NaiveMarket,
        sign: int,
        lots: int,
        value: Near,
        *,
        price: Fraction,
        fee: Near,
        is_forced: bool = False,
    ) -> None:
        """A fill closes first, then opens. A close of x frees margin x // q and its pnl; a forced one none before the end."""
        account = self.accounts[account_id]
        position = self.position(account_id, market.market_id)
        asset_id = market.terms.quote_asset
        account.flows[asset_id] = account.flows.get(asset_id, ZERO) + value.times(-sign)
        closing = max(0, min(lots, -position.lots * sign))
        opening = lots - closing
        pnl = share = ZERO
        closed, opened = value.times(Fraction(closing, lots)), value.times(Fraction(opening, lots))
        if closed.exact % UNIT:  # lots taken over for a sum of money
            closed, opened = closed.rounded_down(), opened.rounded_up()
        stays = 1 - Fraction(closing, abs(position.lots)) if closing else Fraction(1)
        if closing:
            released = position.entry.times(1 - stays)
            pnl = closed.times(-sign) - (released.rounded() if stays else released)
            position.entry = position.entry.times(stays).rounded() if stays else ZERO
            position.realized = position.realized + pnl
            self.credit(account_id, asset_id, pnl)
            position.lots += sign * closing
            share = position.margin.times(stays).rounded_up() if stays else ZERO
        before = self.initial(account_id, market.market_id)
        if opening:
            position.entry = position.entry + opened.times(sign)
            position.lots += sign * opening
        if closing and account.is_isolated:
            # a loss beyond the freed share, and the fee, are paid by the margin that stays, never by the balance
            paid = position.margin + pnl - fee
            left = share if opening else paid if is_forced and stays else smaller(share, paid)
            self.credit(account_id, asset_id, position.margin - left)
            position.margin = left
        if opening and account.is_isolated:
            self.assign(account_id, market, sign, opening, before, price=price, fee=fee)

    def assign(
        self, account_id: int, market: NaiveMarket, sign: int, lots: int, before: Near, *, price: Fraction, fee: Near
    ) -> None:
        """Assign the margin that an opening adds and its gap to the mark, as far as the free balance goes."""
        gap = max(Fraction(0), (price - market.mark) * sign) * market.qty(lots)
        needed = self.initial(account_id, market.market_id) - before + Near.of(gap)
        asset_id = market.terms.quote_asset
        spendable = self.balance(account_id, asset_id) - self.locked(account_id, asset_id) - fee
        self.move_margin(account_id, market.market_id, larger(ZERO, smaller(needed, spendable)))

    # --- what a position needs ---

    def balance(self, account_id: int, asset_id: int) -> Near:
        return self.accounts[account_id].balances.get(asset_id, ZERO)

    def size(self, owner_id: int, market: NaiveMarket) -> Near:
        """The owner's size in a market: entry notionals, for options what they are on."""
        found = ZERO
        for account in self.accounts.values():
            if account.owner_id == owner_id and market.market_id in account.positions:
                found = found + self.own_size(account.positions[market.market_id], market)
        return found

    def own_size(self, position: NaivePosition, market: NaiveMarket) -> Near:
        if market.is_option:
            return Near.of(market.qty(abs(position.lots)) * market.underlying)
        return abs(position.entry)

    def unrealized(self, account_id: int, market_id: int) -> Near:
        market = self.markets[market_id]
        position = self.position(account_id, market_id)
        return Near.of(market.qty(position.lots) * market.mark) - position.entry

    def initial(self, account_id: int, market_id: int) -> Near:
        account = self.accounts[account_id]
        market = self.markets[market_id]
        position = self.position(account_id, market_id)
        size = self.size(account.owner_id, market)
        return requirement(market, position.lots, size, self.leverage(account, position), is_initial=True)

    def maintenance(self, account_id: int, market_id: int) -> Near:
        market = self.markets[market_id]
        size = self.size(self.accounts[account_id].owner_id, market)
        return requirement(market, self.position(account_id, market_id).lots, size, Fraction(0), is_initial=False)

    def leverage(self, account: NaiveAccount, position: NaivePosition) -> Fraction:
        """The leverage that counts, 0 under cross."""
        return position.leverage if account.is_isolated else Fraction(0)

    # --- what orders need ---

    def entries(self, account_id: int, market_id: int, sign: int) -> list[Entry]:
        """One side's resting orders. Of an OCO group one can fill: the largest, at its dearest price."""
        groups: dict[str, list[NaiveOrder]] = {}
        for order in self.orders.values():
            key = order.oco or str(order.order_id)
            is_here = (order.account_id, order.market_id, order.sign) == (account_id, market_id, sign)
            if is_here and not order.is_waiting:
                groups.setdefault(key, []).append(order)
        market = self.markets[market_id]
        return [self.entry(market, sign, orders) for orders in groups.values()]

    def entry(self, market: NaiveMarket, sign: int, orders: list[NaiveOrder]) -> Entry:
        """A fee is rounded up for each lot by the rules, so that it suffices however the order is cut."""
        lot = market.qty(1)
        prices = [market.price(order.price) for order in orders]
        rates = [market.terms.maker_fee_ppm if order.fee_ppm is None else order.fee_ppm for order in orders]
        fees = [market.fee(lot, price, rate) for price, rate in zip(prices, rates, strict=True)]
        losses = [Fraction(0) if market.is_spot else (price - market.mark) * sign * lot for price in prices]
        return Entry(
            max(order.leaves for order in orders),
            max([order.leaves for order in orders if not order.is_reduce_only], default=0),
            max(order.price for order in orders),
            max(0, *(ceil(fee / UNIT) for fee in fees)) * UNIT,
            max(Fraction(0), *losses),
        )

    def notional(self, market: NaiveMarket, entries: list[Entry]) -> Fraction:
        """What a side's orders add to the owner's size."""
        if market.is_option:
            return sum((market.qty(entry.lots) * market.underlying for entry in entries), Fraction(0))
        return sum((market.qty(entry.lots) * market.price(entry.price) for entry in entries), Fraction(0))

    def kin_notional(self, account: NaiveAccount, market: NaiveMarket) -> Fraction:
        """What the dearer sides of the owner's other accounts would add to its size."""
        found = Fraction(0)
        for other in self.accounts.values():
            if other.owner_id == account.owner_id and other is not account:
                sides = [self.entries(other.account_id, market.market_id, sign) for sign in (1, -1)]
                found += max(self.notional(market, side) for side in sides)
        return found

    def reserve(self, account_id: int, market_id: int) -> Near:
        """Rules 5: max over sides of IM(position + whole side) - IM(position), at least 0, plus loss to mark and fees."""
        return largest(self.side_reserve(account_id, market_id, sign) for sign in (1, -1))

    def side_reserve(self, account_id: int, market_id: int, sign: int) -> Near:
        """Reduce-only orders take what they can of the position first; what then opens counts at the side's mean price."""
        entries = self.entries(account_id, market_id, sign)
        if not entries:
            return ZERO
        account = self.accounts[account_id]
        market = self.markets[market_id]
        position = self.position(account_id, market_id)
        costs = total(Near.of((entry.fee + entry.loss) * entry.lots) for entry in entries)
        size = self.size(account.owner_id, market) + Near.of(self.kin_notional(account, market))
        notional = self.notional(market, entries)
        held = position.lots * sign
        lots = sum(entry.lots for entry in entries)
        opening = sum(entry.opening for entry in entries)
        if held >= 0:
            after = held + opening
            size = size + Near.of(notional)
        else:
            after = opening + min(lots - opening, -held) + held
            if after <= 0:
                return ZERO if account.is_isolated else costs
            opened = Near.of(notional * Fraction(after, lots)).rounded_up()
            size = size - self.own_size(position, market) + opened
        leverage = self.leverage(account, position)
        wanted = requirement(market, after * sign, size, leverage, is_initial=True)
        return costs + larger(ZERO, wanted - self.initial(account_id, market_id))

    def locked(self, account_id: int, asset_id: int) -> Near:
        """What spot orders lock: price and fee of buys, the base of sells."""
        found = ZERO
        for market in self.markets.values():
            if market.is_spot and market.terms.quote_asset == asset_id:
                buys = self.entries(account_id, market.market_id, 1)
                fees = sum((entry.fee * entry.lots for entry in buys), Fraction(0))
                found = found + Near.of(self.notional(market, buys) + fees)
            if market.is_spot and market.terms.base_asset == asset_id:
                lots = sum(entry.lots for entry in self.entries(account_id, market.market_id, -1))
                found = found + Near.of(market.qty(lots))
        return found

    # --- what an account has ---

    def settling(self, account: NaiveAccount, asset_id: int) -> Iterator[tuple[int, NaivePosition]]:
        """The account's positions that are settled in an asset, flat ones included."""
        for market in self.markets.values():
            if not market.is_spot and market.terms.quote_asset == asset_id:
                yield market.market_id, self.position(account.account_id, market.market_id)

    def worth(self, account_id: int, asset_id: int) -> Near:
        """What came in and went out, and the positions at the mark: exact but for fees and funding."""
        account = self.accounts[account_id]
        found = account.flows.get(asset_id, ZERO)
        for market_id, position in self.settling(account, asset_id):
            market = self.markets[market_id]
            found = found + Near.of(market.qty(position.lots) * market.mark)
        return found

    def equity(self, account_id: int, asset_id: int) -> Near:
        """Under cross what the account is worth; under isolated margin what is assigned to no position."""
        account = self.accounts[account_id]
        return self.balance(account_id, asset_id) if account.is_isolated else self.worth(account_id, asset_id)

    def available(self, account_id: int, asset_id: int) -> Near:
        """Cross: equity - initial margins - reserves; isolated: balance - reserves (assigned margins are not in it)."""
        account = self.accounts[account_id]
        found = self.equity(account_id, asset_id) - self.locked(account_id, asset_id)
        for market_id, _ in self.settling(account, asset_id):
            found = found - self.reserve(account_id, market_id)
            if not account.is_isolated:
                found = found - self.initial(account_id, market_id)
        return found

    def withdrawable(self, account_id: int, asset_id: int) -> Near:
        """max(0, balance + sum min(0, upnl) - initial margins - reserves): unrealized profit does not leave."""
        account = self.accounts[account_id]
        found = self.available(account_id, asset_id)
        if not account.is_isolated:
            for market_id, _ in self.settling(account, asset_id):
                found = found - larger(ZERO, self.unrealized(account_id, market_id))
        return larger(ZERO, found)

    # --- who is to be liquidated ---

    def scopes(self) -> Iterator[tuple[int, int, int]]:
        """(account, market, asset) of each scope with a position: isolated positions; cross accounts, market 0, by asset."""
        for account in self.accounts.values():
            assets: set[int] = set()
            for market_id, position in list(account.positions.items()):
                asset_id = self.markets[market_id].terms.quote_asset
                if position.lots and account.is_isolated:
                    yield account.account_id, market_id, asset_id
                elif position.lots:
                    assets.add(asset_id)
            for asset_id in sorted(assets):
                yield account.account_id, 0, asset_id

    def excess(self, account_id: int, market_id: int, asset_id: int) -> Near:
        """Equity less maintenance margin of a scope: below zero it is to be liquidated, at zero it is safe."""
        if market_id:
            margin = self.position(account_id, market_id).margin
            return margin + self.unrealized(account_id, market_id) - self.maintenance(account_id, market_id)
        account = self.accounts[account_id]
        needed = total(self.maintenance(account_id, held_id) for held_id, _ in self.settling(account, asset_id))
        return self.equity(account_id, asset_id) - needed

    def unsafe(self) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """Return the (account, market) scopes that are to be liquidated, and those too near the edge to tell."""
        found: set[tuple[int, int]] = set()
        near: set[tuple[int, int]] = set()
        for account_id, market_id, asset_id in self.scopes():
            excess = self.excess(account_id, market_id, asset_id)
            if excess.high < 0:
                found.add((account_id, market_id))
            elif excess.low < 0:
                near.add((account_id, market_id))
        return found, near
