"""From what a command did to what it means for the accounts that somebody follows, in the order of its events.

Orders and fills come as they happened, each order as it stood then; after them the positions that changed and the balances, as
they stand after the command. The same journal makes the same bytes.
"""

from collections.abc import Callable
from typing import Final, final

import msgspec

from app.db import order_rows
from app.db.payment_rows import stored_deposit
from app.db.rows import StoredOrder
from app.stream import messages
from app.stream.messages import private_message
from app.stream.ring import Entry, Ring
from app.surfaces.everstrike.answers import (
    Json,
    balance_json,
    fill_of_trade,
    flat_json,
    order_of_row,
    position_json,
)
from app.surfaces.everstrike.pairs import Pairs
from app.surfaces.everstrike.payments import Dollars, deposit_json, withdrawal_json
from app.wire import amount
from engine.order import OrderStatus
from exchange import views
from exchange.commands import WithdrawalStatus
from exchange.events import (
    BalanceChanged,
    CancelReason,
    DepositRecorded,
    DepositSettled,
    DepositStatus,
    Event,
    FundingPaid,
    LossShared,
    OrderAccepted,
    OrderCancelled,
    OrderTriggered,
    PositionChanged,
    Traded,
    WithdrawalAdvanced,
    WithdrawalRequested,
)
from exchange.exchange import Exchange

FindOrder = Callable[[int], StoredOrder | None]
CustomerOf = Callable[[int], str]

_POSITION_EVENTS: Final = (PositionChanged, FundingPaid, LossShared)


@final
class Sheet:
    """What one command means for one account. Messages of the extra categories are counted even where nobody wants them."""

    __slots__ = ("account_id", "changes", "entries", "has_extras", "index", "positions", "seq", "time_ms")

    def __init__(self, account_id: int, has_extras: bool, seq: int, time_ms: int) -> None:
        self.account_id = account_id
        self.has_extras = has_extras
        self.index = 0
        self.seq = seq
        self.time_ms = time_ms
        self.entries: list[Entry] = []
        self.positions: dict[int, None] = {}
        self.changes: list[Json] = []

    def say(self, category: str, pair: str | None, result: Json) -> None:
        """Add a message."""
        index = self.index
        self.index += 1
        data = private_message(category, pair, result, seq=self.seq, index=index, time_ms=self.time_ms)
        self.entries.append(Entry(self.seq, index, category, data))


@final
class Teller:
    """Makes the private messages. `find_order` gives an open order as it was before the command.

    With `is_lasting` it keeps the orders itself from then on: `find_order` then knows them as they were at the beginning.
    """

    __slots__ = ("_customer_of", "_find_order", "_is_lasting", "_orders", "_pairs", "_ring")

    def __init__(
        self, ring: Ring, pairs: Pairs, find_order: FindOrder, customer_of: CustomerOf, *, is_lasting: bool = False
    ) -> None:
        self._ring = ring
        self._pairs = pairs
        self._find_order = find_order
        self._customer_of = customer_of
        self._is_lasting = is_lasting
        self._orders: dict[int, StoredOrder] = {}

    def tell(self, seq: int, time_ms: int, events: list[Event], exchange: Exchange) -> list[Sheet]:
        """The messages of a command. `exchange` is the state right after it."""
        sheets: dict[int, Sheet] = {}
        for event in events:
            if isinstance(event, Traded):
                self._trade(sheets, event, seq, time_ms, exchange)
            elif isinstance(event, OrderAccepted):
                self._accept(sheets, event, seq, time_ms, exchange)
            elif isinstance(event, order_rows.CHANGES):
                self._change(sheets, event, seq, time_ms, exchange)
            elif isinstance(event, _POSITION_EVENTS):
                if event.account_id in self._ring and event.market_id:
                    positions = self._sheet(sheets, event.account_id, seq, time_ms).positions
                    positions.pop(event.market_id, None)
                    positions[event.market_id] = None
            elif isinstance(event, DepositRecorded | DepositSettled | WithdrawalAdvanced):
                if event.account_id in self._ring and not event.is_repeat:
                    self._pay(self._sheet(sheets, event.account_id, seq, time_ms), event, exchange)
            elif isinstance(event, WithdrawalRequested):
                if event.account_id in self._ring:
                    self._sheet(sheets, event.account_id, seq, time_ms)
            elif isinstance(event, BalanceChanged) and event.account_id in self._ring:
                sheet = self._sheet(sheets, event.account_id, seq, time_ms)
                if sheet.has_extras:
                    sheet.changes.append(self._ledger(event))
        for sheet in sheets.values():
            self._close(sheet, exchange)
        if not self._is_lasting:
            self._orders.clear()
        return list(sheets.values())

    def _sheet(self, sheets: dict[int, Sheet], account_id: int, seq: int, time_ms: int) -> Sheet:
        sheet = sheets.get(account_id)
        if sheet is None:
            sheet = sheets[account_id] = Sheet(account_id, self._ring.has_extras(account_id), seq, time_ms)
        return sheet

    # --- orders ------------------------------------------------------------------------------------------------------

    def _accept(
        self, sheets: dict[int, Sheet], event: OrderAccepted, seq: int, time_ms: int, exchange: Exchange
    ) -> None:
        request = event.request
        if request.account_id not in self._ring:
            return
        order = self._orders[event.order_id] = order_rows.accepted(event, seq, time_ms)
        is_trigger = event.status is OrderStatus.UNTRIGGERED
        category = messages.TRIGGER_ADDED if is_trigger else messages.ORDER_ADDED
        self._say(self._sheet(sheets, request.account_id, seq, time_ms), category, order, exchange)

    def _change(
        self,
        sheets: dict[int, Sheet],
        event: order_rows.ChangeEvent,
        seq: int,
        time_ms: int,
        exchange: Exchange,
    ) -> None:
        if event.account_id not in self._ring:
            return
        order = self._order(event.order_id, seq, time_ms)
        category = _category_of(event, order)
        order_rows.change(order, event)
        self._say(self._sheet(sheets, event.account_id, seq, time_ms), category, order, exchange)
        if order.status is OrderStatus.CANCELLED:
            del self._orders[event.order_id]

    def _trade(self, sheets: dict[int, Sheet], event: Traded, seq: int, time_ms: int, exchange: Exchange) -> None:
        for is_maker, account_id, order_id, leaves in (
            (True, event.maker_account_id, event.maker_order_id, event.maker_leaves),
            (False, event.taker_account_id, event.taker_order_id, event.taker_leaves),
        ):
            if account_id not in self._ring:
                continue
            order = self._order(order_id, seq, time_ms)
            order_rows.fill(order, event.qty, leaves)
            if leaves == 0:
                del self._orders[order_id]
            pair = self._pairs.of(event.market_id)
            fill = fill_of_trade(event, is_maker, pair, order.request, time_ms)
            sheet = self._sheet(sheets, account_id, seq, time_ms)
            category = messages.ORDER_PARTIALLY_COMPLETED if leaves else messages.ORDER_COMPLETED
            self._say(sheet, category, order, exchange, fill)
            if sheet.has_extras:
                sheet.say(messages.FILL_ADDED, pair.name, {"fill": fill})
            else:
                sheet.index += 1

    def _order(self, order_id: int, seq: int, time_ms: int) -> StoredOrder:
        """An order as it is at this point of the command."""
        order = self._orders.get(order_id)
        if order is None:
            found = self._find_order(order_id)
            assert found is not None, "an order that changes is open"
            order = self._orders[order_id] = msgspec.structs.replace(found)
        order.updated_ms = time_ms
        order.updated_seq = seq
        return order

    def _say(
        self, sheet: Sheet, category: str, order: StoredOrder, exchange: Exchange, fill: Json | None = None
    ) -> None:
        pair = self._pairs.of(order.market_id)
        leverage_e2 = views.leverage(exchange, order.account_id, order.market_id)
        fills = [] if fill is None else [fill]
        found = order_of_row(order, pair, self._customer_of(order.account_id), leverage_e2, fills)
        sheet.say(category, pair.name, {"order": found})

    # --- money in and out --------------------------------------------------------------------------------------------

    def _pay(
        self, sheet: Sheet, event: DepositRecorded | DepositSettled | WithdrawalAdvanced, exchange: Exchange
    ) -> None:
        customer_id = self._customer_of(sheet.account_id)
        symbol = self._pairs.symbol(event.asset_id)
        usd = Dollars(exchange, self._pairs)
        if isinstance(event, WithdrawalAdvanced):
            if event.status is WithdrawalStatus.SUCCEEDED:
                withdrawal = views.withdrawal(exchange, event.withdrawal_id)
                assert withdrawal is not None, "a withdrawal stays"
                found = withdrawal_json(event, symbol, customer_id, withdrawal.requested_ms, usd)
                sheet.say(messages.WITHDRAWAL_COMPLETED, None, {**found, "withdrawal": found})
            return
        deposit = views.deposit(exchange, event.reference)
        assert deposit is not None, "a deposit stays"
        row = stored_deposit(event, deposit.recorded_ms, seq=sheet.seq, time_ms=sheet.time_ms)
        found = deposit_json(row, symbol, customer_id, usd)
        if isinstance(event, DepositRecorded):
            sheet.say(messages.DEPOSIT_ADDED, None, {**found, "deposit": found})
        elif event.status is DepositStatus.COMPLETED:
            sheet.say(messages.DEPOSIT_COMPLETED, None, {**found, "deposit": found})

    # --- positions and balances --------------------------------------------------------------------------------------

    def _close(self, sheet: Sheet, exchange: Exchange) -> None:
        """Say how positions and balances stand after the command."""
        account_id = sheet.account_id
        for market_id in sheet.positions:
            pair = self._pairs.of(market_id)
            view = views.position(exchange, account_id, market_id)
            if view is None:  # flat, and nothing is left to say of it
                market = views.market(exchange, market_id)
                assert market is not None, "a listed market stays"
                sheet.say(messages.POSITION_CLOSED, pair.name, flat_json(pair, market.mark_price))
            else:
                category = messages.POSITION_UPDATED if view.qty else messages.POSITION_CLOSED
                sheet.say(category, pair.name, position_json(view, pair))
        if not sheet.has_extras:
            return
        balances = {
            self._pairs.symbol(view.asset_id): balance_json(view) for view in views.balances(exchange, account_id)
        }
        sheet.say(messages.BALANCE_UPDATED, None, {"balances": balances, "changes": sheet.changes})

    def _ledger(self, event: BalanceChanged) -> Json:
        """An entry of the ledger."""
        return {
            "asset": self._pairs.symbol(event.asset_id),
            "amount": amount(event.amount),
            "balance": amount(event.balance),
            "cause": event.cause.name,
            "pair": self._pairs.of(event.market_id).name if event.market_id else None,
            "reference": event.reference or None,
        }


def _category_of(event: order_rows.ChangeEvent, order: StoredOrder) -> str:
    """What a change is called. `order` is as it was before."""
    if not isinstance(event, OrderCancelled):
        return messages.ORDER_TRIGGERED if isinstance(event, OrderTriggered) else messages.ORDER_AMENDED
    if event.reason is CancelReason.TRIGGER_REFUSED:
        return messages.TRIGGER_FAILED
    if order.status is OrderStatus.UNTRIGGERED:
        return messages.TRIGGER_CANCELLED
    return messages.ORDER_CANCELLED
