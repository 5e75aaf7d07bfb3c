"""Positions from their opening to their end, made of events.

A position begins when an account that was flat in a market gets lots of it, and ends when its last lot goes, or when a trade
turns it: the rest of that trade begins the next one. Its pnl is what its closed lots brought, exactly:

    pnl = sign x (exit_value - entry_value)
"""

from typing import Final, NamedTuple, TypeAlias, final

import msgspec

from app.db.connect import Connection
from app.db.rows import Ending, HeldPosition, StoredPosition
from exchange.events import (
    BalanceChanged,
    Cause,
    FundingPaid,
    PositionChanged,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
)
from exchange.limits import FUND_ACCOUNT_ID

Key: TypeAlias = tuple[int, int]
"""Account and market."""

LINE: Final = "\t".join(["%d"] * 14)
UPSERT: Final = (
    "INSERT INTO held_positions SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::numeric[],"
    " $5::bigint[], $6::numeric[], $7::numeric[], $8::numeric[], $9::numeric[], $10::numeric[], $11::bigint[])"
    " ON CONFLICT (account_id, market_id) DO UPDATE SET (qty, entry_notional, entry_qty, entry_value, exit_value, pnl,"
    " funding, fees, opened_ms) = (excluded.qty, excluded.entry_notional, excluded.entry_qty, excluded.entry_value,"
    " excluded.exit_value, excluded.pnl, excluded.funding, excluded.fees, excluded.opened_ms)"
)
_REALIZED: Final = (Cause.TRADE, Cause.LIQUIDATION, Cause.INSURANCE, Cause.DELEVERAGING)


class Move(NamedTuple):
    """What the next change of a position comes from. Units: money."""

    pnl: int
    fee: int
    ending: Ending


Changed: TypeAlias = dict[Key, HeldPosition]
"""Open positions to write again."""

_SETTLED: Final = Move(0, 0, Ending.SETTLEMENT)


@final
class Positions:
    """Follows every account's positions from event to event. `held` are those that are open, by account and market."""

    __slots__ = ("_ended", "_moves", "held")

    def __init__(self) -> None:
        self.held: dict[Key, HeldPosition] = {}
        self._moves: dict[Key, Move] = {}
        self._ended: dict[Key, StoredPosition] = {}

    async def restore(self, connection: Connection) -> None:
        """Read the open positions back."""
        for found in await connection.fetch("SELECT * FROM held_positions WHERE qty <> 0"):
            held = HeldPosition(*map(int, found.values()))
            self.held[held.account_id, held.market_id] = held

    def begin(self) -> None:
        """Begin with the events of another command."""
        self._moves.clear()
        self._ended.clear()

    def trade(self, event: Traded) -> None:
        """Note what both sides of a trade realized and paid: their positions change next."""
        moves, market_id = self._moves, event.market_id
        forced = Ending.LIQUIDATION if event.is_liquidation else Ending.TRADE
        moves[event.maker_account_id, market_id] = Move(event.maker_pnl, event.maker_fee, Ending.TRADE)
        moves[event.taker_account_id, market_id] = Move(event.taker_pnl, event.taker_fee, forced)

    def move(self, event: PositionTakenOver | PositionDeleveraged) -> None:
        """Note that lots pass without an order: two positions change next, after what they realized was booked."""
        if isinstance(event, PositionTakenOver):
            other_id, move = event.taker_account_id, Move(0, 0, Ending.TAKEOVER)
        else:
            other_id, move = event.counterparty_account_id, Move(0, 0, Ending.DELEVERAGING)
        self._moves[event.account_id, event.market_id] = self._moves[other_id, event.market_id] = move

    def pay(self, event: FundingPaid, changed: Changed) -> None:
        """Count an hour's funding."""
        key = (event.account_id, event.market_id)
        held = self.held.get(key)
        if held is not None:
            held.funding += event.amount
            changed[key] = held

    def book(self, event: BalanceChanged, changed: Changed) -> None:
        """Note what a position realized without a trade, or charge it with the fee of a slice that just traded.

        Requires: the event names a market and no trade.
        """
        cause = event.cause
        key = (event.account_id, event.market_id)
        if event.order_id == 0:
            move = self._moves.get(key)
            if move is not None and cause in _REALIZED:
                self._moves[key] = move._replace(pnl=event.amount)
            elif cause is Cause.TRADE:
                self._moves[key] = _SETTLED._replace(pnl=event.amount)
        elif cause is Cause.LIQUIDATION and event.account_id != FUND_ACCOUNT_ID:
            held = self.held.get(key)
            if held is not None:
                held.fees -= event.amount
                changed[key] = held
            elif key in self._ended:
                self._ended[key].fees -= event.amount

    def change(
        self,
        seq: int,
        index: int,
        time_ms: int,
        event: PositionChanged,
        changed: Changed,
        ended: list[StoredPosition],
    ) -> None:
        """Take in a position as it now stands; the one that ended with this goes to `ended`."""
        key = (event.account_id, event.market_id)
        pnl, fee, ending = self._moves.pop(key, _SETTLED)
        held = self.held.get(key)
        qty, entry = event.qty, event.entry_notional
        if held is None:
            if qty:
                changed[key] = self._open(key, qty, entry, fee, time_ms)
            return
        changed[key] = held
        before, cost = held.qty, held.entry_notional
        sign = 1 if before > 0 else -1
        held.qty, held.entry_notional = qty, entry
        if qty * sign >= before * sign:
            held.entry_qty += (qty - before) * sign
            held.entry_value += (entry - cost) * sign
            held.fees += fee
            return
        held.pnl += pnl
        if qty * sign > 0:
            held.exit_value += (pnl + cost - entry) * sign
            held.fees += fee
            return
        held.exit_value += (pnl + cost) * sign
        closing_fee = fee * before // (before - qty)
        held.fees += closing_fee
        held.qty = held.entry_notional = 0
        row = self._ended[key] = _ended(held, seq, index, time_ms, sign, ending)
        ended.append(row)
        del self.held[key]
        if qty:
            changed[key] = self._open(key, qty, entry, fee - closing_fee, time_ms)

    def _open(self, key: Key, qty: int, entry: int, fee: int, time_ms: int) -> HeldPosition:
        value = entry if qty > 0 else -entry
        held = self.held[key] = HeldPosition(key[0], key[1], qty, entry, abs(qty), value, 0, 0, 0, fee, time_ms)
        return held


def _ended(held: HeldPosition, seq: int, index: int, time_ms: int, sign: int, ending: Ending) -> StoredPosition:
    return StoredPosition(
        held.account_id,
        time_ms,
        seq,
        index,
        held.market_id,
        sign,
        held.entry_qty,
        held.entry_value,
        held.exit_value,
        held.pnl,
        held.funding,
        held.fees,
        held.opened_ms,
        ending.value,
    )


def columns(changed: Changed) -> list[list[object]]:
    """Open positions as columns; nothing where there are none."""
    return [list(column) for column in zip(*map(msgspec.structs.astuple, changed.values()), strict=True)]
