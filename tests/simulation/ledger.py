"""A second set of books, kept from the events alone: what it says must be what the exchange has, after every command."""

from collections import Counter, defaultdict
from typing import Final

from exchange import margins
from exchange.commands import Command, WithdrawalStatus
from exchange.events import (
    BalanceChanged,
    CancelAllAfterSet,
    Cause,
    CommandRejected,
    DepositSettled,
    DepositStatus,
    Event,
    LiquidationEnded,
    LiquidationStarted,
    LossSocialised,
    MarginModeSet,
    MarketListed,
    MarketSettled,
    MarkPriceChanged,
    PositionChanged,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
    WithdrawalAdvanced,
    WithdrawalRequested,
)
from exchange.exchange import Exchange
from exchange.instrument import Instrument, InstrumentKind, MarketStatus
from exchange.limits import FUND_ACCOUNT_ID, LIQUIDATION_INDEX_AGE_MAX_MS

FLAT: Final = (0, 0, 0)
ENDS: Final = {
    WithdrawalStatus.CANCELLED,
    WithdrawalStatus.REJECTED,
    WithdrawalStatus.SUCCEEDED,
    WithdrawalStatus.FAILED,
}
Place = tuple[int, int]
"""(account id, asset id or market id)."""


class LawBroken(AssertionError):
    """The exchange did what it must never do."""


class Ledger:
    """Balances, positions and what came in, with running totals. Units: money; `positions` (lots, entry notional, margin)."""

    def __init__(self) -> None:
        self.balances: defaultdict[Place, int] = defaultdict(int)
        self.positions: dict[Place, tuple[int, int, int]] = {}
        self.lots: defaultdict[Place, int] = defaultdict(int)
        """Positions as trades, take-overs and deleveraging make them: a second way to the same number."""
        self.held: Counter[str] = Counter()
        self.markets: dict[int, Instrument] = {}
        self.marks: dict[int, int] = {}
        self.isolated: set[int] = set()
        self.open: defaultdict[int, set[int]] = defaultdict(set)
        """Markets in which an account has a position."""
        self.failing: set[Place] = set()
        """Scopes in liquidation: (account id, market id, or 0 for all of a cross account)."""
        self.on_way: defaultdict[Place, int] = defaultdict(int)
        """Withdrawals that have not ended."""
        self.brought: defaultdict[int, int] = defaultdict(int)
        """Of an asset: entries of deposits and withdrawals. What came in and stayed, less what is on its way out."""
        self.timers: dict[int, int] = {}
        """When the orders of an account go."""
        self.gone: list[int] = []
        """Accounts whose orders went so in this tick."""
        self.fees: defaultdict[int, int] = defaultdict(int)
        self.totals: defaultdict[int, int] = defaultdict(int)
        """Of an asset: balances, margins, fees and unrealized pnl, less what came in. Zero."""
        self.qty: defaultdict[int, int] = defaultdict(int)
        """Of a market: the sum of positions. Zero."""

    def take(self, exchange: Exchange, command: Command, events: list[Event]) -> None:
        """Enter what a command did, and compare.

        Raises: LawBroken.
        """
        touched: set[Place] = set()
        moved: set[Place] = set()
        settled: set[int] = set()
        for event in events:
            self._enter(event, touched, moved, settled)
        broken: list[str] = []
        if events and isinstance(events[0], CommandRejected) and len(events) > 1:
            broken.append("a refusal came with other events")
        for account_id, market_id in moved:
            if market_id in settled:
                self.lots[(account_id, market_id)] = self.positions[(account_id, market_id)][0]
            qty = self.positions.get((account_id, market_id), FLAT)[0]
            if self.lots[(account_id, market_id)] != qty:
                broken.append(f"market {market_id}, account {account_id}: {qty} lots do not follow from the trades")
            touched.add((account_id, self.markets[market_id].quote_asset))
        self._check_totals(broken)
        for account_id, asset_id in touched:
            self._check_balance(exchange, account_id, asset_id, broken)
        for account_id, market_id in moved:
            self._check_position(exchange, account_id, market_id, broken)
        self._check_fund(broken)
        if broken:
            raise LawBroken(f"{command}: {broken[:10]}")

    def check_scopes(self, exchange: Exchange, time_ms: int) -> None:
        """After a tick: whoever is below maintenance is in liquidation, and nobody has less than nothing, looked at one by one.

        But where liquidation rests: in markets that are closed or whose index is dead. What a fired trigger did in the tick
        itself is looked at with the next one.
        Raises: LawBroken.
        """
        state = exchange.state
        broken: list[str] = []
        for account in state.accounts.values():
            for market_id in sorted(self.open[account.account_id]):
                holding = account.holdings[market_id]
                market = holding.market
                index = market.index
                is_dead = index is None or time_ms - index.computed_ms > LIQUIDATION_INDEX_AGE_MAX_MS
                if is_dead or market.status not in {MarketStatus.TRADING, MarketStatus.REDUCE_ONLY}:
                    continue
                name = f"market {market_id}, account {account.account_id}"
                equity, required = margins.scope(holding)
                key = (account.account_id, market_id if account.is_isolated else 0)
                if equity < 0:
                    broken.append(f"{name}: {equity} is left of its scope")
                elif equity < required and key not in self.failing and account.account_id not in state.unwatched:
                    broken.append(f"{name}: {equity} does not cover {required}, and nobody liquidates it")
        if broken:
            raise LawBroken(str(broken[:10]))

    def check_timers(self, exchange: Exchange, time_ms: int) -> None:
        """After a tick: nobody whose time has come has an order.

        Raises: LawBroken.
        """
        for account_id, due_ms in self.timers.items():
            if due_ms <= time_ms:
                raise LawBroken(f"account {account_id} fell silent at {due_ms} and nothing happened")
        for account_id in self.gone:
            for holding in exchange.state.accounts[account_id].holdings.values():
                if holding.orders or holding.triggers:
                    raise LawBroken(f"account {account_id} fell silent and has orders")
        self.gone.clear()

    def compare(self, exchange: Exchange) -> None:
        """Compare everything with the exchange's state.

        Raises: LawBroken.
        """
        broken: list[str] = []
        state = exchange.state
        places = {(a.account_id, asset_id) for a in state.accounts.values() for asset_id in a.balances}
        for account_id, asset_id in sorted(places | set(self.balances)):
            self._check_balance(exchange, account_id, asset_id, broken)
        held = {(a.account_id, m) for a in state.accounts.values() for m, h in a.holdings.items() if h.position.qty}
        for account_id, market_id in sorted(held | set(self.positions)):
            self._check_position(exchange, account_id, market_id, broken)
        for market in state.markets.values():
            if not market.is_spot and self.marks[market.market_id] not in (0, market.mark_price):
                broken.append(f"market {market.market_id}: the mark moved without a word")
        for asset_id, treasury in state.treasuries.items():
            if treasury.fees != self.fees[asset_id]:
                broken.append(f"asset {asset_id}: {treasury.fees} of fees, {self.fees[asset_id]} told")
            on_way = sum([amount for (_, other_id), amount in self.on_way.items() if other_id == asset_id])
            if treasury.deposited - treasury.withdrawn != self.brought[asset_id] + on_way:
                broken.append(f"asset {asset_id}: what came in and stayed does not follow from the entries")
        if broken:
            raise LawBroken(str(broken[:10]))

    # --- entries -----------------------------------------------------------------------------------------------------

    def _enter(self, event: Event, touched: set[Place], moved: set[Place], settled: set[int]) -> None:
        if isinstance(event, BalanceChanged):
            self._enter_balance(event)
            touched.add((event.account_id, event.asset_id))
        elif isinstance(event, PositionChanged):
            self._enter_position(event)
            moved.add((event.account_id, event.market_id))
        elif isinstance(event, Traded):
            instrument = self.markets[event.market_id]
            paid = event.maker_fee + event.taker_fee
            self.fees[instrument.quote_asset] += paid
            self.totals[instrument.quote_asset] += paid
            if instrument.kind is not InstrumentKind.SPOT:
                signed = event.taker_sign * event.qty
                self._pass((event.taker_account_id, event.market_id), signed, moved)
                self._pass((event.maker_account_id, event.market_id), -signed, moved)
        elif isinstance(event, PositionTakenOver):
            self._pass((event.account_id, event.market_id), -event.qty, moved)
            self._pass((event.taker_account_id, event.market_id), event.qty, moved)
        elif isinstance(event, PositionDeleveraged):
            self._pass((event.account_id, event.market_id), -event.qty, moved)
            self._pass((event.counterparty_account_id, event.market_id), event.qty, moved)
        elif isinstance(event, LossSocialised):
            asset_id = self.markets[event.market_id].quote_asset
            self.fees[asset_id] -= event.from_fees
            self.totals[asset_id] -= event.from_fees
        elif isinstance(event, LiquidationStarted):
            self.failing.add((event.account_id, event.market_id))
        elif isinstance(event, LiquidationEnded):
            self.failing.discard((event.account_id, event.market_id))
        elif isinstance(event, MarkPriceChanged):
            self.marks[event.market_id] = event.price
        elif isinstance(event, MarginModeSet):
            (self.isolated.add if event.is_isolated else self.isolated.discard)(event.account_id)
        elif isinstance(event, MarketListed):
            self.markets[event.market_id] = event.instrument
            self.marks[event.market_id] = 0
        elif isinstance(event, MarketSettled):
            settled.add(event.market_id)
        else:
            self._enter_payment(event)

    def _enter_balance(self, event: BalanceChanged) -> None:
        place = (event.account_id, event.asset_id)
        self.balances[place] += event.amount
        if event.balance != self.balances[place]:
            raise LawBroken(f"{event}: the balance is {self.balances[place]} by its entries")
        self.held[event.cause.name] += 1
        if event.cause is Cause.DEPOSIT or event.cause is Cause.WITHDRAWAL:
            self.brought[event.asset_id] += event.amount
        else:
            self.totals[event.asset_id] += event.amount

    def _enter_payment(self, event: Event) -> None:
        if isinstance(event, WithdrawalRequested) and not event.is_repeat:
            self.on_way[(event.account_id, event.asset_id)] += event.amount
        elif isinstance(event, WithdrawalAdvanced) and not event.is_repeat and event.status in ENDS:
            self.on_way[(event.account_id, event.asset_id)] -= event.amount
            if event.status is WithdrawalStatus.SUCCEEDED:
                self.fees[event.asset_id] += event.fee
                self.totals[event.asset_id] += event.fee
        elif isinstance(event, DepositSettled) and not event.is_repeat and event.status is DepositStatus.COMPLETED:
            self.fees[event.asset_id] += event.fee
            self.totals[event.asset_id] += event.fee
        elif isinstance(event, CancelAllAfterSet):
            self.timers.pop(event.account_id, None)
            if event.due_ms:
                self.timers[event.account_id] = event.due_ms
            elif event.is_fired:
                self.gone.append(event.account_id)

    def _enter_position(self, event: PositionChanged) -> None:
        place = (event.account_id, event.market_id)
        qty, entry_notional, margin = self.positions.get(place, FLAT)
        self.qty[event.market_id] += event.qty - qty
        # With positions that sum to zero, the sum of unrealized pnl is what is left: minus the sum of entry notionals.
        self.totals[self.markets[event.market_id].quote_asset] += event.margin - margin
        self.totals[self.markets[event.market_id].quote_asset] -= event.entry_notional - entry_notional
        self.positions[place] = (event.qty, event.entry_notional, event.margin)
        if event.qty:
            self.open[event.account_id].add(event.market_id)
        else:
            self.open[event.account_id].discard(event.market_id)

    def _pass(self, place: Place, lots: int, moved: set[Place]) -> None:
        self.lots[place] += lots
        moved.add(place)

    # --- laws --------------------------------------------------------------------------------------------------------

    def _check_totals(self, broken: list[str]) -> None:
        """Conservation to the last unit, and positions that sum to zero."""
        broken += [f"asset {asset_id}: {total} out of nothing" for asset_id, total in self.totals.items() if total]
        broken += [f"market {market_id}: positions sum to {qty}" for market_id, qty in self.qty.items() if qty]

    def _check_balance(self, exchange: Exchange, account_id: int, asset_id: int, broken: list[str]) -> None:
        amount = self.balances[(account_id, asset_id)]
        balance = exchange.state.accounts[account_id].balances.get(asset_id)
        if (balance.amount if balance is not None else 0) != amount:
            broken.append(f"account {account_id}, asset {asset_id}: the state is not {amount}")
        if (balance.withdrawn if balance is not None else 0) != self.on_way[(account_id, asset_id)]:
            broken.append(f"account {account_id}, asset {asset_id}: another amount is on its way out")
        if amount < 0 and (account_id in self.isolated or not self._carries(account_id, asset_id)):
            broken.append(f"account {account_id} has {amount} of asset {asset_id}")

    def _carries(self, account_id: int, asset_id: int) -> bool:
        """Tell whether unrealized profit may stand behind a balance: the scope is not closed out."""
        return any(self.markets[market_id].quote_asset == asset_id for market_id in self.open[account_id])

    def _check_position(self, exchange: Exchange, account_id: int, market_id: int, broken: list[str]) -> None:
        told = self.positions.get((account_id, market_id), FLAT)
        holding = exchange.state.accounts[account_id].holdings.get(market_id)
        if holding is not None:
            position = holding.position
            if (position.qty, position.entry_notional, position.margin) != told:
                broken.append(f"market {market_id}, account {account_id}: the state's position is not {told}")
        elif told != FLAT:
            broken.append(f"market {market_id}, account {account_id}: the state has no position")
        if told[2] < 0 or (told[0] == 0 and told != FLAT):
            broken.append(f"market {market_id}, account {account_id}: impossible: {told}")

    def _check_fund(self, broken: list[str]) -> None:
        """The insurance fund's equity, with its positions at their marks, is not below zero."""
        equities: defaultdict[int, int] = defaultdict(int)
        for market_id in self.open[FUND_ACCOUNT_ID]:
            instrument = self.markets[market_id]
            qty, entry_notional, _ = self.positions[(FUND_ACCOUNT_ID, market_id)]
            assert self.marks[market_id], "a position before any mark"
            equities[instrument.quote_asset] += qty * self.marks[market_id] * instrument.unit_value - entry_notional
        for asset_id, pnl in equities.items():
            if self.balances[(FUND_ACCOUNT_ID, asset_id)] + pnl < 0:
                broken.append(f"the insurance fund is below zero by {self.balances[(FUND_ACCOUNT_ID, asset_id)] + pnl}")
