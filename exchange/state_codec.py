"""The state as canonical bytes and back. A message file: its records are msgspec structs, never compiled.

Everything is written in one order that depends on the state alone: by id, or by place in a queue. What is derived is not
written. Integers beyond 64 bits are written as decimal strings.
"""

import hashlib
from typing import TypeAlias

import msgspec

from engine.order import Order, OrderStatus, SelfMatch, TriggerDirection, TriggerEvent
from engine.triggers import Trigger
from exchange import deadman, deposits, resting, withdrawals
from exchange.commands import OptionModel, PlaceOrder, WithdrawalStatus
from exchange.events import DepositStatus
from exchange.instrument import Asset, IndexTerms, Instrument, MarketStatus
from exchange.limits import FUND_ACCOUNT_ID, OPENING_INDEX_AGE_MAX_MS
from exchange.payments import DayTotal, Incoming, Withdrawal
from exchange.state import (
    Account,
    Amendment,
    Balance,
    ClosedOrder,
    Index,
    Liquidation,
    Market,
    State,
    Transfer,
    Treasury,
    request_of,
)
from risk.margin import LEVERAGE_SCALE
from risk.position import Position

HASH_VERSION = b"evermark state 5\n"

Big: TypeAlias = int | str


def big(value: int) -> Big:
    """Write an integer so that msgpack can hold it."""
    return value if -(2**63) <= value < 2**63 else str(value)


class OrderRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    order_id: int
    account_id: int
    price: int
    leaves: int
    filled: int
    tip: int
    peak: int
    hidden: bool
    reduce_only: bool
    self_match: SelfMatch
    time_ms: int
    request: PlaceOrder


class TriggerRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    order: OrderRecord
    event: TriggerEvent
    direction: TriggerDirection
    price: int
    trail: int
    trail_ppm: int
    extreme: int


class PremiumRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    hour_ms: int
    last_ms: int
    last: Big
    total: Big
    seconds: int
    sampled_ms: int


class MarketRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    market_id: int
    instrument: Instrument
    own_status: MarketStatus
    amendment: tuple[Instrument, int] | None
    index_price: int
    strike: int
    fair_price: int
    basis_ema: Big
    model: OptionModel | None
    model_ms: int
    premium: PremiumRecord
    funding_rate_e12: Big
    funding_lot_e12: Big
    settlement_total: Big
    settlement_count: int
    mark_price: int
    last_price: int
    trade_ema: Big
    book: list[OrderRecord]
    waiting: list[TriggerRecord]


class IndexRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    terms: IndexTerms
    price: int
    computed_ms: int
    ema: Big
    ema_ms: int
    sources: list[tuple[int, int, int]]


class TreasuryRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    asset: Asset
    deposited: Big
    withdrawn: Big
    fees: Big


class BalanceRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    asset_id: int
    amount: Big
    withdrawn: Big
    pnl: Big
    fees: Big


class PositionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    market_id: int
    qty: Big
    entry_notional: Big
    margin: Big
    leverage_e2: int
    realized_pnl: Big
    fees: Big
    funding: Big


class ClosedRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    order_id: int
    request: PlaceOrder
    qty: int
    price: int
    filled: int
    status: OrderStatus


class AccountRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    account_id: int
    owner_id: int
    is_isolated: bool
    is_provider: bool
    cancel_all_ms: int
    balances: list[BalanceRecord]
    positions: list[PositionRecord]
    closed_orders: list[ClosedRecord]


class TransferRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    reference: str
    account_id: int
    asset_id: int
    amount: int
    to_account_id: int


class WithdrawalRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    withdrawal_id: int
    account_id: int
    asset_id: int
    amount: int
    fee: int
    address: str
    network: str
    reference: str
    status: WithdrawalStatus
    transaction: str
    note: str
    requested_ms: int
    changed_ms: int


class IncomingRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    deposit_id: int
    account_id: int
    asset_id: int
    amount: int
    fee: int
    address: str
    transaction: str
    source: str
    reference: str
    status: DepositStatus
    note: str
    recorded_ms: int
    changed_ms: int


class DayTotalRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    owner_id: int
    asset_id: int
    day: int
    amount: Big
    count: int


class LiquidationRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    account_id: int
    market_id: int
    due_ms: int
    tried: list[int]


class StateRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    rules_version: int
    next_account_id: int
    next_order_id: int
    next_trade_id: int
    next_withdrawal_id: int
    next_deposit_id: int
    next_tick_ms: int
    day_end_ms: int
    dead_man_ms: int
    venue_status: MarketStatus
    treasuries: list[TreasuryRecord]
    indices: list[IndexRecord]
    markets: list[MarketRecord]
    accounts: list[AccountRecord]
    account_references: list[tuple[str, int]]
    transfers: list[TransferRecord]
    fired: list[TriggerRecord]
    liquidations: list[LiquidationRecord]
    withdrawals: list[WithdrawalRecord]
    withdrawal_days: list[DayTotalRecord]
    deposits: list[IncomingRecord]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StateRecord)


def encode_state(state: State) -> bytes:
    """Write the state as canonical bytes. Cost: O(state)."""
    treasuries = [
        TreasuryRecord(
            state.assets[asset_id],
            big(treasury.deposited),
            big(treasury.withdrawn),
            big(treasury.fees),
        )
        for asset_id, treasury in state.treasuries.items()
    ]
    record = StateRecord(
        state.rules_version,
        state.next_account_id,
        state.next_order_id,
        state.next_trade_id,
        state.next_withdrawal_id,
        state.next_deposit_id,
        state.next_tick_ms,
        state.day_end_ms if state.day_orders else 0,
        state.dead_man_ms,
        state.venue_status,
        treasuries,
        [_index_record(index) for index in state.indices.values()],
        [_market_record(market) for market in state.markets.values()],
        [_account_record(account) for account in state.accounts.values()],
        list(state.account_references.items()),
        [
            TransferRecord(reference, transfer.account_id, transfer.asset_id, transfer.amount, transfer.to_account_id)
            for reference, transfer in state.transfers.items()
        ],
        [_trigger_record(trigger) for trigger in state.fired.values()],
        [
            LiquidationRecord(account_id, market_id, liquidation.due_ms, liquidation.tried)
            for (account_id, market_id), liquidation in sorted(state.liquidations.items())
        ],
        [_withdrawal_record(withdrawal) for withdrawal in state.withdrawals.values()],
        [
            DayTotalRecord(owner_id, asset_id, total.day, big(total.amount), total.count)
            for (owner_id, asset_id), total in sorted(state.withdrawal_days.items())
        ],
        [_incoming_record(incoming) for incoming in state.deposits.values()],
    )
    return _encoder.encode(record)


def hash_state(state: State) -> bytes:
    """Return the SHA-256 of the state's canonical bytes, under a version of their form."""
    return hash_encoded(encode_state(state))


def hash_encoded(data: bytes) -> bytes:
    """Return the hash of a state from its canonical bytes."""
    return hashlib.sha256(HASH_VERSION + data).digest()


def _order_record(order: Order) -> OrderRecord:
    return OrderRecord(
        order.order_id,
        order.account_id,
        order.price,
        order.leaves,
        order.filled,
        order.tip,
        order.peak,
        order.hidden,
        order.reduce_only,
        order.self_match,
        order.time_ms,
        request_of(order),
    )


def _trigger_record(trigger: Trigger) -> TriggerRecord:
    return TriggerRecord(
        _order_record(trigger.order),
        trigger.event,
        trigger.direction,
        trigger.price,
        trigger.trail,
        trigger.trail_ppm,
        trigger.extreme,
    )


def _index_record(index: Index) -> IndexRecord:
    sources = [(source_id, price, time_ms) for source_id, (price, time_ms) in sorted(index.sources.items())]
    return IndexRecord(index.terms, index.price, index.computed_ms, big(index.ema), index.ema_ms, sources)


def _market_record(market: Market) -> MarketRecord:
    waiting = market.mark_triggers.walk() + market.index_triggers.walk() + market.last_triggers.walk()
    premium = market.premium
    amendment = market.amendment
    return MarketRecord(
        market.market_id,
        market.instrument,
        market.own_status,
        (amendment.instrument, amendment.effective_ms) if amendment is not None else None,
        market.index_price,
        market.strike,
        market.fair_price,
        big(market.basis_ema),
        market.model,
        market.model_ms,
        PremiumRecord(
            premium.hour_ms,
            premium.last_ms,
            big(premium.last),
            big(premium.total),
            premium.seconds,
            premium.sampled_ms,
        ),
        big(market.funding_rate_e12),
        big(market.funding_lot_e12),
        big(market.settlement_total),
        market.settlement_count,
        market.mark_price,
        market.last_price,
        big(market.trade_ema),
        [_order_record(order) for order in market.book.resting()],
        [_trigger_record(trigger) for trigger in waiting],
    )


def is_empty(balance: Balance) -> bool:
    """Tell whether a balance says nothing."""
    return balance.amount == 0 and balance.withdrawn == 0 and balance.pnl == 0 and balance.fees == 0


def is_blank(position: Position) -> bool:
    """Tell whether a position says nothing: never traded, and no leverage set."""
    has_history = position.realized_pnl or position.fees or position.funding
    return position.qty == 0 and position.leverage_e2 == LEVERAGE_SCALE and not has_history


def _withdrawal_record(withdrawal: Withdrawal) -> WithdrawalRecord:
    return WithdrawalRecord(
        withdrawal.withdrawal_id,
        withdrawal.account_id,
        withdrawal.asset_id,
        withdrawal.amount,
        withdrawal.fee,
        withdrawal.address,
        withdrawal.network,
        withdrawal.reference,
        withdrawal.status,
        withdrawal.transaction,
        withdrawal.note,
        withdrawal.requested_ms,
        withdrawal.changed_ms,
    )


def _incoming_record(incoming: Incoming) -> IncomingRecord:
    return IncomingRecord(
        incoming.deposit_id,
        incoming.account_id,
        incoming.asset_id,
        incoming.amount,
        incoming.fee,
        incoming.address,
        incoming.transaction,
        incoming.source,
        incoming.reference,
        incoming.status,
        incoming.note,
        incoming.recorded_ms,
        incoming.changed_ms,
    )


def _position_record(market_id: int, position: Position) -> PositionRecord:
    return PositionRecord(
        market_id,
        big(position.qty),
        big(position.entry_notional),
        big(position.margin),
        position.leverage_e2,
        big(position.realized_pnl),
        big(position.fees),
        big(position.funding),
    )


def _account_record(account: Account) -> AccountRecord:
    balances = [
        BalanceRecord(asset_id, big(balance.amount), big(balance.withdrawn), big(balance.pnl), big(balance.fees))
        for asset_id, balance in sorted(account.balances.items())
        if not is_empty(balance)
    ]
    positions = [
        _position_record(market_id, holding.position)
        for market_id, holding in sorted(account.holdings.items())
        if not is_blank(holding.position)
    ]
    closed = [
        ClosedRecord(order.order_id, order.request, order.qty, order.price, order.filled, order.status)
        for order in account.closed_orders.values()
    ]
    return AccountRecord(
        account.account_id,
        account.owner_id,
        account.is_isolated,
        account.is_provider,
        account.cancel_all_ms,
        balances,
        positions,
        closed,
    )


def decode_state(data: bytes) -> State:
    """Read what `encode_state` wrote, and derive the rest.

    Raises: msgspec.ValidationError or msgspec.DecodeError when the bytes are of another form.
    """
    record = _decoder.decode(data)
    state = State()
    state.rules_version = record.rules_version
    state.next_account_id = record.next_account_id
    state.next_order_id = record.next_order_id
    state.next_trade_id = record.next_trade_id
    state.next_withdrawal_id = record.next_withdrawal_id
    state.next_deposit_id = record.next_deposit_id
    state.next_tick_ms = record.next_tick_ms
    state.day_end_ms = record.day_end_ms
    state.venue_status = record.venue_status
    for held in record.treasuries:
        state.assets[held.asset.asset_id] = held.asset
        treasury = state.treasuries[held.asset.asset_id] = Treasury()
        treasury.deposited = int(held.deposited)
        treasury.withdrawn = int(held.withdrawn)
        treasury.fees = int(held.fees)
    for index_record in record.indices:
        _read_index(state, index_record)
    for market_record in record.markets:
        _read_terms(state, market_record)
    for account_record in record.accounts:
        _read_account(state, account_record)
    state.account_references = dict(record.account_references)
    for transfer in record.transfers:
        state.transfers[transfer.reference] = Transfer(
            transfer.account_id, transfer.asset_id, transfer.amount, transfer.to_account_id
        )
    for market_record in record.markets:
        _read_orders(state, market_record)
    for trigger_record in record.fired:
        resting.fire_later(state, [_read_trigger(state, trigger_record)])
    for entry in record.liquidations:
        liquidation = state.liquidations[(entry.account_id, entry.market_id)] = Liquidation(entry.due_ms)
        liquidation.tried = entry.tried
    _read_payments(state, record)
    state.dead_man_ms = record.dead_man_ms
    _derive(state)
    return state


def _read_payments(state: State, record: StateRecord) -> None:
    for held in record.withdrawals:
        withdrawal = Withdrawal(held.withdrawal_id, held.account_id, held.asset_id, held.amount, held.fee)
        withdrawal.address = held.address
        withdrawal.network = held.network
        withdrawal.reference = held.reference
        withdrawal.status = held.status
        withdrawal.transaction = held.transaction
        withdrawal.note = held.note
        withdrawal.requested_ms = held.requested_ms
        withdrawal.changed_ms = held.changed_ms
        withdrawals.enlist(state, withdrawal)
    for day in record.withdrawal_days:
        total = state.withdrawal_days[(day.owner_id, day.asset_id)] = DayTotal(day.day)
        total.amount = int(day.amount)
        total.count = day.count
    for seen in record.deposits:
        incoming = Incoming(seen.deposit_id, seen.account_id, seen.asset_id, seen.amount)
        incoming.fee = seen.fee
        incoming.address = seen.address
        incoming.transaction = seen.transaction
        incoming.source = seen.source
        incoming.reference = seen.reference
        incoming.status = seen.status
        incoming.note = seen.note
        incoming.recorded_ms = seen.recorded_ms
        incoming.changed_ms = seen.changed_ms
        deposits.enlist(state, incoming)


def _read_index(state: State, record: IndexRecord) -> None:
    index = state.indices[record.terms.index_id] = Index(record.terms)
    index.price = record.price
    index.computed_ms = record.computed_ms
    index.ema = int(record.ema)
    index.ema_ms = record.ema_ms
    for source_id, price, time_ms in record.sources:
        index.sources[source_id] = (price, time_ms)


def _read_terms(state: State, record: MarketRecord) -> None:
    index = state.indices.get(record.instrument.index_id)
    market = state.markets[record.market_id] = Market(record.market_id, record.instrument, index)
    if index is not None:
        index.market_ids.append(record.market_id)
    market.own_status = record.own_status
    market.set_status(state.venue_status)
    if record.amendment is not None:
        market.amendment = Amendment(*record.amendment)
    market.index_price = record.index_price
    market.strike = record.strike
    market.fair_price = record.fair_price
    market.basis_ema = int(record.basis_ema)
    market.model = record.model
    market.model_ms = record.model_ms
    premium = market.premium
    premium.hour_ms = record.premium.hour_ms
    premium.last_ms = record.premium.last_ms
    premium.last = int(record.premium.last)
    premium.total = int(record.premium.total)
    premium.seconds = record.premium.seconds
    premium.sampled_ms = record.premium.sampled_ms
    market.settlement_total = int(record.settlement_total)
    market.settlement_count = record.settlement_count
    market.set_funding(int(record.funding_rate_e12), int(record.funding_lot_e12))
    market.set_mark(record.mark_price)
    if index is not None and market.mark_price:
        market.opens_until_ms = index.computed_ms + OPENING_INDEX_AGE_MAX_MS
    market.last_price = record.last_price
    market.trade_ema = int(record.trade_ema)


def _read_account(state: State, record: AccountRecord) -> None:
    account = state.accounts[record.account_id] = Account(record.account_id, record.owner_id)
    account.is_isolated = record.is_isolated
    account.is_provider = record.is_provider
    if account.is_provider:
        state.providers[account.account_id] = account
    if record.cancel_all_ms:
        deadman.arm(state, account, record.cancel_all_ms)
    state.unwatched[account.account_id] = account
    if account.account_id != FUND_ACCOUNT_ID:
        state.owner_accounts[record.owner_id] = state.owner_accounts.get(record.owner_id, 0) + 1
    for entry in record.balances:
        balance = account.balance(entry.asset_id)
        balance.amount = int(entry.amount)
        balance.withdrawn = int(entry.withdrawn)
        balance.pnl = int(entry.pnl)
        balance.fees = int(entry.fees)
    for held in record.positions:
        market = state.markets[held.market_id]
        position = market.holding(account).position
        position.qty = int(held.qty)
        position.entry_notional = int(held.entry_notional)
        position.margin = int(held.margin)
        position.leverage_e2 = held.leverage_e2
        position.realized_pnl = int(held.realized_pnl)
        position.fees = int(held.fees)
        position.funding = int(held.funding)
        position.owner.value += abs(position.entry_notional)
        position.owner.lots += abs(position.qty)
        market.open_interest += max(0, position.qty)
    for closed in record.closed_orders:
        account.closed_orders[closed.request.client_order_id] = ClosedOrder(
            closed.order_id, closed.request, closed.qty, closed.price, closed.filled, closed.status
        )


def _read_order(state: State, record: OrderRecord) -> Order:
    account = state.accounts[record.account_id]
    order = resting.order_from(account, record.request)
    order.order_id = record.order_id
    order.price = record.price
    order.leaves = record.leaves
    order.filled = record.filled
    order.tip = record.tip
    order.peak = record.peak
    order.hidden = record.hidden
    order.reduce_only = record.reduce_only
    order.self_match = record.self_match
    order.time_ms = record.time_ms
    resting.index_order(state, account, order, record.request)
    return order


def _read_trigger(state: State, record: TriggerRecord) -> Trigger:
    order = _read_order(state, record.order)
    market = state.markets[request_of(order).market_id]
    trigger = Trigger(
        order, record.event, record.direction, record.price, record.trail, record.trail_ppm, record.extreme
    )
    market.holding(state.accounts[order.account_id]).triggers[order.order_id] = trigger
    return trigger


def _read_orders(state: State, record: MarketRecord) -> None:
    market = state.markets[record.market_id]
    for order_record in record.book:
        order = _read_order(state, order_record)
        market.book.restore(order)
        resting.enlist(state, market.holding(state.accounts[order.account_id]), order)
    for trigger_record in record.waiting:
        market.triggers(trigger_record.event).add(_read_trigger(state, trigger_record))


def _derive(state: State) -> None:
    """Put what is found by id into the order of the ids."""
    state.orders = dict(sorted(state.orders.items()))
    state.day_orders = dict(sorted(state.day_orders.items()))
