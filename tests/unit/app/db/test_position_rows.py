"""Positions that ended, as the projector follows them: exact against the core, whatever ended them."""

import io
from collections import Counter
from collections.abc import Iterable

import alembic.command
import pytest
from sqlalchemy import Connection

from app.db.connect import connect, engine_for
from app.db.migrate import config_for
from app.db.projector import Projector
from app.db.rows import Ending, HeldPosition, StoredPosition
from app.settings import Settings
from app.store import open_store
from engine.order import Side
from exchange import views
from exchange.commands import CancelOrders, Command
from exchange.events import LossShared
from exchange.exchange import Exchange
from exchange.limits import FUND_ACCOUNT_ID
from tests.simulation.life import Life, read_journal
from tests.small import NOW_MS, PERP, PRICE, SPOT, FakeClock, opening, order, stream
from tests.support.tables import Table
from tests.tables.test_tables import SCENARIOS

UNIT = 100
"""Money of a price unit and a lot."""


class Followed:
    """An exchange, and what a projector that never writes makes of its events."""

    def __init__(self, commands: Iterable[tuple[int, Command]] = ()) -> None:
        self.exchange = Exchange()
        self.shared = 0
        self._projector = Projector("")
        self._seq = 0
        for time_ms, command in commands:
            self.do(time_ms, command)

    def do(self, time_ms: int, command: Command) -> None:
        self._seq += 1
        events = self.exchange.apply(command, time_ms)
        self.shared += sum(isinstance(event, LossShared) for event in events)
        self._projector.tell(self._seq, time_ms, command, events)

    @property
    def ended(self) -> list[StoredPosition]:
        return self._projector.pending()[0].positions

    def held(self, account_id: int, market_id: int) -> HeldPosition | None:
        found = self._projector.pending()[0].held.get((account_id, market_id))
        return found if found is not None and found.qty else None

    def check(self) -> None:
        """Ended positions and the open one add up to what the core says of the account in the market."""
        exchange = self.exchange
        for account_id in (FUND_ACCOUNT_ID, *(row.account_id for row in views.accounts(exchange))):
            for market in views.markets(exchange):
                self._check(account_id, market.market_id)
        for row in self.ended:
            assert row.pnl == row.sign * (row.exit_value - row.entry_value)
            assert row.opened_ms <= row.time_ms
            assert row.qty > 0

    def _check(self, account_id: int, market_id: int) -> None:
        view = views.position(self.exchange, account_id, market_id)
        ended = [row for row in self.ended if (row.account_id, row.market_id) == (account_id, market_id)]
        held = self.held(account_id, market_id)
        rows = [*ended, held] if held is not None else ended
        sums = tuple(sum(getattr(row, name) for row in rows) for name in ("pnl", "funding", "fees"))
        stands = (held.qty, held.entry_notional) if held is not None else (0, 0)
        if view is None:  # never had one, or nothing is left to tell of it
            assert (sums, stands) == ((0, 0, 0), (0, 0))
            return
        assert sums == (view.rpnl, view.funding, view.fees)
        assert stands == (view.qty, view.entry_notional)


@pytest.fixture
def small() -> Followed:
    return Followed((NOW_MS, command) for command in opening())


def trade(small: Followed, side: Side, qty: int, price: int, after_ms: int = 1_000) -> None:
    """Let account 1 trade with account 2, as the taker."""
    other = Side.SELL if side is Side.BUY else Side.BUY
    time_ms = small.exchange.time_ms + after_ms
    small.do(time_ms, order(2, other, qty, price))
    small.do(time_ms, order(1, side, qty, price))


@pytest.mark.spec("PROJ-010")
def test_a_position_is_one_row_from_its_first_lot_to_its_last(small: Followed) -> None:
    for side, qty, price in (
        (Side.BUY, 20, PRICE),
        (Side.BUY, 10, PRICE + 3_000),
        (Side.SELL, 15, PRICE + 6_000),
        (Side.SELL, 15, PRICE - 1_500),
    ):
        trade(small, side, qty, price)
    maker, taker = small.ended
    assert (taker.account_id, taker.market_id, taker.sign, taker.qty) == (1, PERP, 1, 30)
    assert (taker.entry_value, taker.exit_value, taker.pnl) == (15_003_000_000, 15_006_750_000, 3_750_000)
    assert (taker.opened_ms, taker.time_ms) == (NOW_MS + 1_000, NOW_MS + 4_000)
    assert taker.fees == sum(-(-qty * price * UNIT * 300 // 10**6) for qty, price in (
        (20, PRICE), (10, PRICE + 3_000), (15, PRICE + 6_000), (15, PRICE - 1_500)
    ))  # fmt: skip
    assert (maker.account_id, maker.sign, maker.pnl, maker.fees) == (2, -1, -3_750_000, 0)
    assert {taker.how, maker.how} == {Ending.TRADE}
    small.check()


@pytest.mark.spec("PROJ-011")
def test_a_turn_ends_one_position_and_begins_the_next(small: Followed) -> None:
    trade(small, Side.BUY, 10, PRICE)
    trade(small, Side.SELL, 25, PRICE + 1_000)
    (_, taker) = small.ended
    fee = 25 * (PRICE + 1_000) * UNIT * 300 // 10**6
    assert (taker.qty, taker.pnl) == (10, 10 * 1_000 * UNIT)
    assert taker.fees == 10 * PRICE * UNIT * 300 // 10**6 + fee * 10 // 25
    held = small.held(1, PERP)
    assert held is not None
    assert (held.qty, held.entry_qty, held.entry_value) == (-15, 15, 15 * (PRICE + 1_000) * UNIT)
    assert (held.fees, held.opened_ms) == (fee - fee * 10 // 25, NOW_MS + 2_000)
    small.check()


@pytest.mark.spec("PROJ-010")
def test_spot_has_no_positions(small: Followed) -> None:
    small.do(NOW_MS + 1, order(2, Side.SELL, 10, PRICE, market_id=SPOT))
    small.do(NOW_MS + 1, order(1, Side.BUY, 10, PRICE, market_id=SPOT))
    assert views.balances(small.exchange, 1)[0].fees > 0
    assert (small.ended, small.held(1, SPOT)) == ([], None)


@pytest.mark.spec("PROJ-012")
def test_whatever_ends_a_position_its_row_is_exact() -> None:
    """Every scenario of the tables, and two simulated lives: liquidations, takeovers, deleveragings, shared losses, expiry."""
    endings: Counter[Ending] = Counter()
    shared = 0
    for scenario in SCENARIOS:
        table = Table()
        for _, row, expected in scenario.rows:
            table.row(row.split(), expected)
        followed = Followed(table.world.journal)
        followed.check()
        endings.update(row.how for row in followed.ended)
        shared += followed.shared
    for seed in (1, 5):
        journal = io.BytesIO()
        Life(seed, 9_000, journal).run()
        journal.seek(0)
        followed = Followed(read_journal(journal))
        followed.check()
        endings.update(row.how for row in followed.ended)
    assert set(endings) == set(Ending), endings
    assert shared > 0


TABLES = {
    "orders": "order_id",
    "fills": "seq, index, is_maker",
    "ledger_entries": "seq, index",
    "held_positions": "account_id, market_id",
    "closed_positions": "seq, index",
    "account_activity": "account_id",
}


async def written(url: str) -> dict[str, list[tuple[object, ...]]]:
    connection = await connect(url)
    try:
        return {
            table: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY {key}")]
            for table, key in TABLES.items()
        }
    finally:
        await connection.close()


@pytest.mark.spec("PROJ-014")
async def test_a_database_of_before_gets_its_positions(settings: Settings, database: str) -> None:
    clock = FakeClock()
    commands = [*opening(), *stream(3, 600)]
    async with open_store(settings, clock=clock) as store:
        for command in commands:
            clock.now_ms += 100
            await store.sequencer.submit(command)
    before = await written(database)
    assert len(before["closed_positions"]) > 5
    assert any(row[2] for row in before["held_positions"])

    def down(connection: Connection) -> None:
        alembic.command.downgrade(config_for(connection), "0003")

    engine = engine_for(database)
    async with engine.begin() as connection:
        await connection.run_sync(down)
    await engine.dispose()
    async with open_store(settings, clock=clock) as store:
        clock.now_ms += 100
        await store.sequencer.submit(CancelOrders(1))
        await store.sequencer.submit(CancelOrders(2))
        await store.sequencer.submit(CancelOrders(3))
        await store.projector.settle()
        after = await written(database)
    for table in ("fills", "ledger_entries", "held_positions", "closed_positions"):
        assert after[table] == before[table], table
    assert [row[0] for row in after["orders"]] == [row[0] for row in before["orders"]]
