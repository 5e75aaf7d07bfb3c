"""What people are told without asking: as a row, over the stream, and by mail where it cannot wait.

One notice for each thing, by its key: a fact that is seen twice is told once. What a command did is told from the sequencer's
listener; what draws near is looked for every few seconds in the state.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final, NamedTuple, final

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import Clock
from app.db.tables import notices
from app.journal import UNREACHABLE
from app.people.accounts import Accounts
from app.people.mailer import Mail
from app.people.register import Register
from app.wire import MONEY_DECIMALS, plain
from exchange import views
from exchange.commands import AdvanceWithdrawal, Command, Tick, WithdrawalStatus
from exchange.events import Event, LiquidationStarted, WithdrawalAdvanced
from exchange.exchange import Exchange
from exchange.limits import HOUR_MS
from exchange.views import PositionView

LOOK_S: Final = 5.0
NEAR: Final = (4, 5)
"""Liquidation is near when the maintenance margins are more than four fifths of the equity."""
CLEAR: Final = (2, 3)
"""It is far again, and told anew when it comes near another time, below two thirds."""
FUNDING_MS: Final = 600_000
"""How long before the end of an hour its funding is told of."""
E12: Final = 10**12
LIST_MAX: Final = 200
KEPT_MS: Final = 90 * 86_400_000
WAITING_MAX: Final = 10_000

_TELLING: Final = frozenset({Tick, AdvanceWithdrawal})
"""Whose events there is something to tell of: a liquidation begins with a tick."""

_log = logging.getLogger(__name__)


class Kind(Enum):
    """What a notice is about."""

    LIQUIDATION_NEAR = "liquidation_near"
    LIQUIDATION = "liquidation"
    FUNDING_DUE = "funding_due"
    WITHDRAWAL = "withdrawal"


SUBJECTS: Final = {
    Kind.LIQUIDATION_NEAR: "A liquidation is near",
    Kind.LIQUIDATION: "A position is being liquidated",
    Kind.FUNDING_DUE: "Funding is due",
    Kind.WITHDRAWAL: "A withdrawal moved",
}
MAILED: Final = frozenset({Kind.LIQUIDATION_NEAR, Kind.LIQUIDATION, Kind.WITHDRAWAL})
"""Funding is due each hour: that is for the stream and the list."""
TOLD: Final = {
    WithdrawalStatus.PROCESSING: "is on its way",
    WithdrawalStatus.SUCCEEDED: "has arrived",
    WithdrawalStatus.FAILED: "failed; the amount is back on the balance",
    WithdrawalStatus.REJECTED: "was rejected; the amount is back on the balance",
}


class News(NamedTuple):
    """A notice before it is written."""

    owner_id: int
    account_id: int
    kind: Kind
    key: str
    words: str


class Notice(NamedTuple):
    """A notice."""

    notice_id: int
    account_id: int
    kind: str
    words: str
    created_ms: int
    read_ms: int | None


Publish = Callable[[int, dict[str, object]], None]
"""Tells the stream's listeners of an account."""


@final
class Notices:
    """Finds out, writes down, tells."""

    def __init__(
        self,
        engine: AsyncEngine,
        register: Register,
        accounts: Accounts,
        exchange: Callable[[], Exchange],
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._register = register
        self._accounts = accounts
        self._exchange = exchange
        self._clock = clock
        self._news: asyncio.Queue[News] = asyncio.Queue(WAITING_MAX)
        self._near: dict[tuple[int, int], int] = {}
        """By account and market (0: all of it): when its liquidation drew near."""
        self._tasks: list[asyncio.Task[None]] = []
        self.publish: Publish | None = None

    async def start(self) -> None:
        """Begin. Requires: a running event loop."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(notices).where(notices.c.created_ms < self._clock() - KEPT_MS))
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._write_all(), name="notices"),
            loop.create_task(self._look_out(), name="lookout"),
        ]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def settle(self) -> None:
        """Wait until everything found out so far is written."""
        await self._news.join()

    async def of(self, owner_id: int, *, before: int, limit: int) -> list[Notice]:
        """A person's notices below a number, the newest first."""
        mine = (notices.c.owner_id == owner_id) & (notices.c.notice_id < before)
        query = select(notices).where(mine).order_by(notices.c.notice_id.desc()).limit(limit)
        async with self._engine.connect() as connection:
            return [_notice(row) for row in (await connection.execute(query)).all()]

    async def mark_read(self, owner_id: int, up_to: int) -> int:
        """Let a person's notices up to a number count as read; gives how many did not before."""
        table = notices.c
        mine = (table.owner_id == owner_id) & (table.notice_id <= up_to) & table.read_ms.is_(None)
        async with self._engine.begin() as connection:
            return (await connection.execute(update(notices).where(mine).values(read_ms=self._clock()))).rowcount

    # --- what happened -----------------------------------------------------------------------------------------------

    def tell(self, _seq: int, time_ms: int, command: Command, events: list[Event]) -> None:
        """Take in what a command did. The sequencer's listener: most commands cost it a look at their type."""
        if type(command) not in _TELLING:
            return
        for event in events:
            if type(event) is WithdrawalAdvanced:
                self._tell_withdrawal(event)
            elif type(event) is LiquidationStarted:
                self._tell_liquidation(event, time_ms)

    def _tell_withdrawal(self, event: WithdrawalAdvanced) -> None:
        words = TOLD.get(event.status)
        if words is None or event.is_repeat:
            return
        asset = views.asset(self._exchange(), event.asset_id)
        symbol = "" if asset is None else asset.symbol
        what = f"Withdrawal {event.withdrawal_id}: {plain(event.amount, MONEY_DECIMALS)} {symbol} to {event.address} {words}."
        key = f"withdrawal {event.withdrawal_id} {event.status.name}"
        self._add(event.account_id, Kind.WITHDRAWAL, key, what)

    def _tell_liquidation(self, event: LiquidationStarted, time_ms: int) -> None:
        place = self._place(event.market_id)
        words = f"Account {event.account_id}: {place} fell below its maintenance margin and is being liquidated."
        key = f"liquidation {event.account_id} {event.market_id} {time_ms}"
        self._add(event.account_id, Kind.LIQUIDATION, key, words)

    def _place(self, market_id: int) -> str:
        market = views.market(self._exchange(), market_id) if market_id else None
        return "the account" if market is None else f"the position in {market.instrument.symbol}"

    def _add(self, account_id: int, kind: Kind, key: str, words: str) -> None:
        account = views.account(self._exchange(), account_id)
        if account is None or self._register.find(account.owner_id) is None:
            return
        with contextlib.suppress(asyncio.QueueFull):
            self._news.put_nowait(News(account.owner_id, account_id, kind, key, words))

    # --- what draws near ---------------------------------------------------------------------------------------------

    async def _look_out(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                _log.exception("nobody looks out for people this time")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look at every person's positions once, a few at a time: others are served between."""
        for person in self._register.everybody():
            for account_id in self._accounts.of(person.owner_id):
                self._look_at(account_id)
            await asyncio.sleep(0)

    def _look_at(self, account_id: int) -> None:
        exchange = self._exchange()
        positions = views.positions(exchange, account_id)
        scopes = dict(scopes_of(exchange, account_id, positions))
        for held in [held for held in self._near if held[0] == account_id and held[1] not in scopes]:
            del self._near[held]
        for market_id, (equity, maintenance) in scopes.items():
            self._weigh(account_id, market_id, equity, maintenance)
        now_ms = self._clock()
        due_ms = now_ms - now_ms % HOUR_MS + HOUR_MS
        if due_ms - now_ms <= FUNDING_MS:
            for position in positions:
                self._foresee(account_id, position, due_ms)

    def _weigh(self, account_id: int, market_id: int, equity: int, maintenance: int) -> None:
        held = (account_id, market_id)
        if maintenance * NEAR[1] > equity * NEAR[0]:
            if held not in self._near:
                since_ms = self._near[held] = self._clock()
                words = f"Account {account_id}: {self._place(market_id)} is near its liquidation."
                self._add(account_id, Kind.LIQUIDATION_NEAR, f"near {account_id} {market_id} {since_ms}", words)
        elif maintenance * CLEAR[1] < equity * CLEAR[0]:
            self._near.pop(held, None)

    def _foresee(self, account_id: int, position: PositionView, due_ms: int) -> None:
        market = views.market(self._exchange(), position.market_id)
        if market is None or not market.funding_lot_e12:
            return
        units = -position.qty * market.funding_lot_e12 // E12  # longs pay where the rate is above 0
        verb = "receives" if units > 0 else "pays"
        money = plain(abs(units), MONEY_DECIMALS)
        words = f"Account {account_id}: the position in {market.instrument.symbol} {verb} about {money} in funding within ten minutes."
        self._add(account_id, Kind.FUNDING_DUE, f"funding {account_id} {position.market_id} {due_ms}", words)

    # --- telling -----------------------------------------------------------------------------------------------------

    async def _write_all(self) -> None:
        while True:
            news = await self._news.get()
            try:
                await self._write(news)
            except (SQLAlchemyError, *UNREACHABLE) as fault:
                _log.warning("a notice was not written: %s", type(fault).__name__)
            finally:
                self._news.task_done()

    async def _write(self, news: News) -> None:
        now_ms = self._clock()
        values = {
            "owner_id": news.owner_id,
            "account_id": news.account_id,
            "kind": news.kind.value,
            "key": news.key,
            "words": news.words,
            "created_ms": now_ms,
        }
        added = insert(notices).values(values).on_conflict_do_nothing().returning(notices)
        async with self._engine.begin() as connection:
            row = (await connection.execute(added)).one_or_none()
        if row is None:
            return
        if self.publish is not None:
            told = {"notice_id": row.notice_id, "kind": row.kind, "words": row.words, "created_ms": row.created_ms}
            self.publish(news.account_id, told)
        person = self._register.find(news.owner_id)
        if person is not None and news.kind in MAILED:
            self._register.mailer.post(Mail(person.email, SUBJECTS[news.kind], news.words))


def scopes_of(
    exchange: Exchange, account_id: int, positions: list[PositionView]
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Equity and maintenance margins of what is liquidated as one: under isolated margin each market's, else (0) the account's."""
    account = views.account(exchange, account_id)
    if account is None or not positions:
        return
    if account.is_isolated:
        for position in positions:
            yield position.market_id, (position.equity, position.maintenance_margin)
        return
    # Cross: one for each asset; the one that is nearest stands for the account.
    sums: dict[int, tuple[int, int]] = {}
    held = {balance.asset_id: balance.amount for balance in views.balances(exchange, account_id)}
    for position in positions:
        market = views.market(exchange, position.market_id)
        assert market is not None, "a position is in a market"
        asset_id = market.instrument.quote_asset
        equity, maintenance = sums.get(asset_id, (held.get(asset_id, 0), 0))
        sums[asset_id] = (equity + position.upnl, maintenance + position.maintenance_margin)
    yield 0, max(sums.values(), key=lambda sums: (sums[1] > sums[0], sums[1] * E12 // max(1, sums[0])))


def _notice(row: Row[Any]) -> Notice:
    return Notice(row.notice_id, row.account_id, row.kind, row.words, row.created_ms, row.read_ms)
