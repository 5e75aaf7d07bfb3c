"""Looks at the past for the command line: the whole journal verified, the state after any command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table

from app.db.connect import Connection, connect
from app.faults import DatabaseUnusable
from app.journal import UNREACHABLE
from app.recovery import Progress, Recovered, Report, replay_to, verify
from app.settings import from_environment
from app.store import database_url
from app.wire import MONEY_DECIMALS, plain
from exchange import views
from exchange.audit import audit
from exchange.exchange import Exchange
from exchange.limits import FUND_ACCOUNT_ID

NEWEST: Final = 2**63 - 1


@asynccontextmanager
async def reading() -> AsyncIterator[Connection]:
    """A connection to the database that the settings name. Raises: DatabaseUnusable, also from within the block."""
    settings = from_environment()
    if settings.is_embedded and not (settings.data_dir / "postgres").is_dir():
        raise DatabaseUnusable(f"No exchange has run on {settings.data_dir} yet.")
    async with database_url(settings) as url:
        try:
            connection = await connect(url)
            try:
                yield connection
            finally:
                await connection.close()
        except UNREACHABLE as error:
            raise DatabaseUnusable(f"The database cannot be read: {error}") from error


async def verify_all(progress: Progress) -> Report:
    """Verify the whole journal. Raises: DatabaseUnusable."""
    async with reading() as connection:
        return await verify(connection, progress)


async def state_at(seq: int | None) -> Recovered:
    """Return the state right after a command, the newest for None. Raises: DatabaseUnusable, JournalDamaged."""
    async with reading() as connection:
        return await replay_to(connection, NEWEST if seq is None else seq)


def show(out: Console, found: Recovered) -> None:
    """Print a state: where it stands, its markets, accounts, positions and orders, and its hash."""
    exchange = found.exchange
    out.print(f"seq         {found.seq}")
    out.print(f"time        {_time(exchange.time_ms)}")
    out.print(f"rules       {views.rules_version(exchange)}")
    out.print(f"snapshot    {found.snapshot_seq}")
    out.print(f"state hash  {exchange.state_hash().hex()}", soft_wrap=True)
    out.print(_markets(exchange))
    accounts = views.accounts(exchange)
    symbols = {asset.asset_id: asset.symbol for asset in views.assets(exchange)}
    if views.balances(exchange, FUND_ACCOUNT_ID):
        out.print("\n[bold]insurance fund[/bold]")
        out.print(_holdings(exchange, FUND_ACCOUNT_ID, symbols))
        if views.positions(exchange, FUND_ACCOUNT_ID):
            out.print(_positions(exchange, FUND_ACCOUNT_ID))
    for account in accounts:
        mode = "isolated" if account.is_isolated else "cross"
        out.print(f"\n[bold]account {account.account_id}[/bold] of owner {account.owner_id}, {mode}")
        out.print(_holdings(exchange, account.account_id, symbols))
        if views.positions(exchange, account.account_id):
            out.print(_positions(exchange, account.account_id))
        if views.orders(exchange, account.account_id):
            out.print(_orders(exchange, account.account_id))
    problems = audit(exchange)
    for problem in problems:
        out.print(problem, style="red", markup=False, soft_wrap=True)
    if not problems:
        out.print("\n[green]Conservation holds.[/green]")


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).isoformat(timespec="milliseconds")


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    return table


def _markets(exchange: Exchange) -> Table:
    table = _table("market", "status", "index", "mark", "last", "bid", "ask")
    for market in views.markets(exchange):
        bids, asks = views.depth(exchange, market.market_id, 1)
        best = [side[0][0] if side else 0 for side in (bids, asks)]
        prices = [market.index_price, market.mark_price, market.last_price, *best]
        decimals = market.instrument.price_decimals
        texts = [plain(price, decimals) if price else "" for price in prices]
        table.add_row(market.instrument.symbol, market.status.name, *texts)
    return table


def _holdings(exchange: Exchange, account_id: int, symbols: dict[int, str]) -> Table:
    table = _table("asset", "amount", "free", "locked", "margin")
    for row in views.balances(exchange, account_id):
        amounts = (row.amount, row.free, row.locked, row.margin)
        table.add_row(symbols[row.asset_id], *(plain(amount, MONEY_DECIMALS) for amount in amounts))
    return table


def _positions(exchange: Exchange, account_id: int) -> Table:
    table = _table("position", "qty", "mark", "margin", "unrealized", "liquidation")
    for row in views.positions(exchange, account_id):
        market = views.market(exchange, row.market_id)
        assert market is not None
        terms = market.instrument
        table.add_row(
            terms.symbol,
            plain(row.qty, terms.lot_decimals),
            plain(row.mark_price, terms.price_decimals),
            plain(row.margin, MONEY_DECIMALS),
            plain(row.upnl, MONEY_DECIMALS),
            plain(row.liquidation_price, terms.price_decimals) if row.liquidation_price else "",
        )
    return table


def _orders(exchange: Exchange, account_id: int) -> Table:
    table = _table("order", "market", "side", "leaves", "price", "status")
    for row in views.orders(exchange, account_id):
        market = views.market(exchange, row.market_id)
        assert market is not None
        terms = market.instrument
        table.add_row(
            str(row.order_id),
            terms.symbol,
            row.request.side.name,
            plain(row.leaves, terms.lot_decimals),
            plain(row.price, terms.price_decimals) if row.price else "",
            row.status.name,
        )
    return table
