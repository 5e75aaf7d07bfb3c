"""The command line. What changes the exchange goes to the running one; what looks at the past reads the database."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app import cli_money, cli_operators, compiled, control
from app.faults import Fault
from app.feeds.health import GOOD, SourceHealth
from app.terminal import ask as _ask
from app.terminal import ask_once as _ask_once
from app.terminal import date as _date
from app.terminal import err, out
from app.terminal import print_rows as _print
from app.terminal import table as _table

# Before anything imports the core. Modules that do are imported by the commands that need them.
compiled.use()

OK: Final = 0
REFUSED: Final = 1
"""The exchange says no, or what was checked is not in order. (2 is a command line that cannot be meant.)"""
FAULT: Final = 3
"""The world is not as it must be: no exchange, no database, wrong settings."""
DAYS_MAX: Final = 36_500
BENCHES: Final = ("book", "core", "risk", "funding", "journal", "http", "stream")
MORE_BENCHES: Final = ("limits", "metrics", "crash")

app = typer.Typer(
    name="evermark",
    help="Evermark: a perpetuals margin exchange that anyone can run.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
accounts_app = typer.Typer(no_args_is_help=True, help="See and open accounts.")
keys_app = typer.Typer(no_args_is_help=True, help="See, make and end API keys.")
markets_app = typer.Typer(no_args_is_help=True, help="See, halt, open and amend markets.")
venue_app = typer.Typer(no_args_is_help=True, help="Restrict all markets at once, or lift that.")
app.add_typer(accounts_app, name="accounts", rich_help_panel="Operate")
app.add_typer(keys_app, name="keys", rich_help_panel="Operate")
app.add_typer(markets_app, name="markets", rich_help_panel="Operate")
app.add_typer(venue_app, name="venue", rich_help_panel="Operate")
cli_money.attach(app)
cli_operators.attach(app)


@app.callback()
def options(
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", "-d", help="Where the exchange keeps its files. [env: DATA_DIR]")
    ] = None,
) -> None:
    """Evermark: a perpetuals margin exchange that anyone can run."""
    if data_dir is not None:
        os.environ["DATA_DIR"] = str(data_dir)


# --- run -------------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel="Run")
def run(
    host: Annotated[str, typer.Option(help="The address to listen at. [env: HOST]")] = "",
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="The port, 0 for any. [env: PORT]")] = None,
    demo: Annotated[
        bool | None, typer.Option("--demo/--no-demo", help="Demo accounts with money. [env: EVERMARK_DEMO]")
    ] = None,
) -> None:
    """Start the exchange and serve until it is told to stop."""
    from app.settings import Settings, from_environment

    given = {"HOST": host, "PORT": "" if port is None else str(port)}
    if demo is not None:
        given["EVERMARK_DEMO"] = str(int(demo))
    settings = from_environment({**os.environ, **{name: value for name, value in given.items() if value}})
    from app import logs
    from app.serve import serve
    from app.welcome import welcome

    logs.configure()

    def announce(running: Settings) -> None:
        welcome(out, running)

    err.print(f"Starting Evermark in {settings.data_dir} ...", style="dim")
    serve(settings, announce)
    err.print("Evermark has stopped.", style="dim")


@app.command("stop-db", rich_help_panel="Run")
def stop_db() -> None:
    """Stop the embedded PostgreSQL that a killed exchange left behind."""
    from app.db.embedded import EmbeddedServer
    from app.settings import from_environment

    settings = from_environment()
    if not settings.is_embedded:
        raise control.Refused("DATABASE_URL names a database of your own; stop it yourself.")
    if EmbeddedServer(settings.data_dir).stop_blocking():
        out.print("[green]The database has stopped.[/green]")
    else:
        out.print("Nothing to stop: the database does not run, or an exchange uses it.")


@app.command(rich_help_panel="Run")
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"{', '.join(BENCHES)}: all by default. Or {', '.join(MORE_BENCHES)}.")
    ] = None,
) -> None:
    """Measure the exchange: book, core, ticks that move prices, funding, journal, signed orders over HTTP, streams."""
    wanted = names or list(BENCHES)
    benches = compiled.ROOT / "bench"  # no part of the installed package
    unknown = [name for name in wanted if not (name.isidentifier() and (benches / f"{name}.py").is_file())]
    if unknown:
        raise control.Refused(f"There is no benchmark {', '.join(unknown)}.")
    missed: list[str] = []
    for name in wanted:
        out.print(f"[bold]{name}[/bold]")
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=compiled.ROOT, check=False).returncode:
            missed.append(name)
    if missed:
        raise control.Refused(f"Below a target, or broken: {', '.join(missed)}.")


# --- accounts, keys, money -------------------------------------------------------------------------------------------


@accounts_app.command("list")
def accounts_list() -> None:
    """Every account with what it holds."""
    rows = _ask(control.Accounts(), list[control.AccountRow])
    table = _table("account", "owner", "margin", "balances")
    for row in rows:
        held = "  ".join(f"{amount} [dim]{escape(asset)}[/dim]" for asset, amount in row.balances.items())
        table.add_row(str(row.account_id), escape(row.owner), row.mode, held)
    _print(table, rows, "There are no accounts yet: evermark accounts open NAME")


@accounts_app.command("open")
def accounts_open(
    name: Annotated[str, typer.Argument(help="Who owns it; a new user if nobody has this name.")],
    reference: Annotated[
        str, typer.Option(help="A name for this: the same one again opens no second account. [default: a new one]")
    ] = "",
) -> None:
    """Open an account."""
    row = _ask_once(reference, lambda name_of_it: control.OpenAccount(name, name_of_it), control.AccountRow)
    out.print(f"[green]Account [bold]{row.account_id}[/bold] of {escape(row.owner)} is open.[/green]")
    out.print(f"Its keys: [bold]evermark keys create {row.account_id}[/bold]")


@accounts_app.command("mode")
def accounts_mode(
    account: Annotated[int, typer.Argument(help="The account's number.")],
    mode: Annotated[str, typer.Argument(help="isolated or cross.")],
) -> None:
    """Choose an account's margin: each position for itself, or all together. It must have no positions and no orders."""
    row = _ask(control.SetMode(account, mode.lower()), control.AccountRow)
    out.print(f"Account {row.account_id} of {escape(row.owner)} is [bold]{row.mode}[/bold].")


@keys_app.command("list")
def keys_list(account: Annotated[int, typer.Argument(help="Of one account only.")] = 0) -> None:
    """Every key, without its secret."""
    rows = _ask(control.Keys(account), list[control.KeyRow])
    table = _table("api key", "account", "label", "scopes", "from", "state")
    for row in rows:
        where = ", ".join(row.networks) or "anywhere"
        table.add_row(row.api_key, str(row.account_id), escape(row.label), " ".join(row.scopes), where, _key_state(row))
    _print(table, rows, "There are no keys.")


def _key_state(row: control.KeyRow) -> str:
    if row.revoked_ms:
        return f"[red]revoked[/red] {_date(row.revoked_ms)}"
    if row.expires_at_ms:
        is_over = row.expires_at_ms <= datetime.now(UTC).timestamp() * 1_000
        return f"{'[red]expired[/red]' if is_over else 'until'} {_date(row.expires_at_ms)}"
    return "[green]in force[/green]"


@keys_app.command("create")
def keys_create(
    account: Annotated[int, typer.Argument(help="The account's number.")],
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="read, trade, withdraw; repeat it. [default: read, trade]")
    ] = None,
    network: Annotated[list[str] | None, typer.Option(help="Only from here (CIDR); repeat it.")] = None,
    days: Annotated[int, typer.Option(min=0, max=DAYS_MAX, help="Ends after so many days; 0: never.")] = 0,
) -> None:
    """Make a key. Its secret is shown now and never again."""
    now_ms = int(datetime.now(UTC).timestamp() * 1_000)
    request = control.CreateKey(
        account,
        label,
        tuple(scope or ("read", "trade")),
        tuple(network or ()),
        now_ms + days * 86_400_000 if days else 0,
    )
    key = _ask(request, control.NewKey)
    out.print(f"api key     [bold]{key.api_key}[/bold]", soft_wrap=True)
    out.print(f"secret key  [bold]{key.secret_key}[/bold]", soft_wrap=True)
    err.print("The secret is not shown again.", style="yellow")


@keys_app.command("revoke")
def keys_revoke(api_key: str) -> None:
    """End a key at once."""
    _ask(control.RevokeKey(api_key), control.Done)
    out.print(f"[green]The key {escape(api_key)} is revoked.[/green]")


@app.command(rich_help_panel="Operate")
def deposit(
    account: Annotated[int, typer.Argument(help="The account's number.")],
    amount: Annotated[str, typer.Argument(help="How much, such as 2500.50")],
    asset: Annotated[str, typer.Argument(help="Of what.")] = "USD",
    reference: Annotated[
        str, typer.Option(help="A name for this deposit: the same one again changes nothing. [default: a new one]")
    ] = "",
) -> None:
    """Credit an account."""
    _transfer(account, reference, lambda name: control.Deposit(account, asset.upper(), amount, name))


@app.command(rich_help_panel="Operate")
def withdraw(
    account: Annotated[int, typer.Argument(help="The account's number.")],
    amount: Annotated[str, typer.Argument(help="How much, such as 2500.50")],
    asset: Annotated[str, typer.Argument(help="Of what.")] = "USD",
    reference: Annotated[
        str, typer.Option(help="A name for this withdrawal: the same one again changes nothing. [default: a new one]")
    ] = "",
) -> None:
    """Debit an account, by what nothing needs as margin."""
    _transfer(account, reference, lambda name: control.Withdraw(account, asset.upper(), amount, name))


def _transfer(account: int, reference: str, request_of: Callable[[str], control.AnyRequest]) -> None:
    held = _ask_once(reference, request_of, control.Balance)
    if held.is_repeat:
        out.print(f"[yellow]{escape(reference)} was done before; nothing changed.[/yellow]")
    out.print(f"Account {account} holds [bold]{held.amount} {held.asset}[/bold].")


@markets_app.command("list")
def markets_list() -> None:
    """Every market with its prices."""
    rows = _ask(control.Markets(), list[control.MarketRow])
    table = _table("market", "status", "index", "mark", "last", numbers=3)
    for row in rows:
        status = f"[green]{row.status}[/green]" if row.status == "TRADING" else f"[red]{row.status}[/red]"
        table.add_row(row.symbol, status, row.index, row.mark, row.last)
    _print(table, rows, "There are no markets.")


@markets_app.command("halt")
def markets_halt(
    symbol: Annotated[str, typer.Argument(help="Such as USD_BTC_PERP.")],
    status: Annotated[str, typer.Option(help="HALTED, CANCEL_ONLY or REDUCE_ONLY.")] = "HALTED",
) -> None:
    """Stop a market, or restrict what it takes."""
    _set_market(symbol, status)


@markets_app.command("open")
def markets_open(symbol: Annotated[str, typer.Argument(help="Such as USD_BTC_PERP.")]) -> None:
    """Open a market again."""
    _set_market(symbol, "TRADING")


def _set_market(symbol: str, status: str) -> None:
    row = _ask(control.SetMarket(symbol.upper(), status.upper()), control.MarketRow)
    out.print(f"{row.symbol} is [bold]{row.status}[/bold].")


@markets_app.command("restrict")
def markets_restrict(
    symbol: Annotated[str, typer.Argument(help="Such as USD_BTC_PERP.")],
    mode: Annotated[str, typer.Argument(help="reduce-only or cancel-only.")],
) -> None:
    """Let a market take only orders that reduce a position, or only cancels."""
    _set_market(symbol, _restriction(mode))


@markets_app.command("amend")
def markets_amend(
    symbol: Annotated[str, typer.Argument(help="Such as USD_BTC_PERP.")],
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            help="Terms as NAME=VALUE in the core's units, such as taker_fee_ppm=250. [default: the table's]"
        ),
    ] = None,
) -> None:
    """Give a market other terms: at once, or after the notice period where they may ask more of positions."""
    pairs = [change.partition("=") for change in changes or ()]
    if any(not (name and equals and value) for name, equals, value in pairs):
        raise control.Refused("Terms are given as NAME=VALUE.")
    given = {name: value for name, _, value in pairs}
    if len(given) < len(pairs):
        raise control.Refused("A term is given twice.")
    row = _ask(control.AmendMarket(symbol.upper(), given), control.Amended)
    for name, (old, new) in row.changed.items():
        out.print(f"{name}: {old} -> [bold]{new}[/bold]")
    if row.effective_ms < 0:
        out.print(f"{row.symbol} has these terms already.")
    elif row.effective_ms:
        out.print(
            f"{row.symbol} has these terms from [bold]{_date(row.effective_ms)}[/bold] on: they may ask more of positions."
        )
    else:
        out.print(f"[green]{row.symbol} has these terms now.[/green]")


def _restriction(mode: str) -> str:
    status = mode.upper().replace("-", "_")
    if status not in ("REDUCE_ONLY", "CANCEL_ONLY"):
        raise control.Refused(f"There is no restriction {mode!r}: choose reduce-only or cancel-only.")
    return status


@venue_app.command("halt")
def venue_halt() -> None:
    """Let no market take anything."""
    _set_venue("HALTED")


@venue_app.command("cancel-only")
def venue_cancel_only() -> None:
    """Let all markets take only cancels."""
    _set_venue("CANCEL_ONLY")


@venue_app.command("reduce-only")
def venue_reduce_only() -> None:
    """Let all markets take only orders that reduce a position, and cancels."""
    _set_venue("REDUCE_ONLY")


@venue_app.command("open")
def venue_open() -> None:
    """Lift it: each market goes back to its own status."""
    _set_venue("TRADING")


def _set_venue(status: str) -> None:
    row = _ask(control.SetVenue(status), control.VenueRow)
    out.print(f"The venue is [bold]{row.status}[/bold].")


@app.command(rich_help_panel="Operate")
def insurance(
    amount: Annotated[str, typer.Argument(help="How much to put in, such as 50000. [default: only show it]")] = "",
    asset: Annotated[str, typer.Argument(help="Of what.")] = "USD",
    reference: Annotated[
        str, typer.Option(help="A name for this deposit: the same one again changes nothing. [default: a new one]")
    ] = "",
) -> None:
    """Show what the insurance fund has, or put something in."""
    if amount:
        _transfer(0, reference, lambda name: control.Deposit(0, asset.upper(), amount, name))
    row = _ask(control.Insurance(), control.FundRow)
    table = _table("insurance fund", "amount", "unrealized", numbers=2)
    for symbol, held in row.balances.items():
        table.add_row(symbol, held, "")
    for symbol, (size, pnl) in row.positions.items():
        table.add_row(symbol, size, pnl)
    _print(table, [*row.balances, *row.positions], "The insurance fund has nothing: evermark insurance AMOUNT")


@app.command(rich_help_panel="Operate")
def provider(
    account: Annotated[int, typer.Argument(help="The account's number.")],
    switch: Annotated[str, typer.Argument(help="on or off.")],
) -> None:
    """Let a cross account take over failing positions at their bankruptcy price, or stop it."""
    if switch.lower() not in ("on", "off"):
        raise control.Refused(f"on or off, not {switch!r}.")
    row = _ask(control.SetProvider(account, switch.lower() == "on"), control.ProviderRow)
    words = "takes over failing positions" if row.is_provider else "takes over nothing"
    out.print(f"Account {row.account_id} [bold]{words}[/bold].")


@app.command(rich_help_panel="Operate")
def funding(
    symbol: Annotated[str, typer.Argument(help="Such as USD_BTC_PERP.")],
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many hours.")] = 24,
) -> None:
    """A market's funding: the running hour and those before it. Longs pay where the rate is positive."""
    row = _ask(control.Funding(symbol.upper(), limit), control.FundingReport)
    out.print(f"{row.symbol}, predicted for this hour: [bold]{row.predicted}[/bold]")
    table = _table("hour's end", "rate", "mark", "collected", "paid", "gift", "residue", numbers=6)
    for hour in row.hours:
        amounts = (hour.collected, hour.paid, hour.gift, hour.residue)
        table.add_row(_date(hour.time_ms), hour.rate, hour.mark, *amounts)
    _print(table, row.hours, "No hour was settled yet.")


@app.command(rich_help_panel="Operate")
def liquidations(
    symbol: Annotated[str, typer.Argument(help="Of one market only.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many steps.")] = 50,
) -> None:
    """The last steps of liquidations, the newest first."""
    rows = _ask(control.Liquidations(symbol.upper(), limit), list[control.LiquidationRow])
    table = _table("time", "step", "market", "account", "against", "qty", "price", "value", numbers=3)
    for row in rows:
        against = str(row.counterparty_id) if row.qty else ""
        numbers = (row.qty, row.price, row.value)
        table.add_row(_date(row.time_ms), row.step, row.symbol or "all", str(row.account_id), against, *numbers)
    _print(table, rows, "Nothing was liquidated yet.")


@app.command(rich_help_panel="Operate")
def status() -> None:
    """How the running exchange is."""
    row = _ask(control.Status(), control.StatusRow)
    out.print(f"seq   {row.seq}")
    out.print(f"core  {row.core}")
    if row.sources:
        out.print(_sources(row.sources))
        for source in row.sources:
            if source.last_error:
                out.print(f"{source.venue}: {source.last_error}", style="dim", markup=False, soft_wrap=True)
    if row.muted:
        out.print(f"muted: {', '.join(map(str, row.muted))}", style="yellow")
    if row.stale:
        words = f"no price, so no new positions: {', '.join(row.stale)}"
        out.print(words, style="red", markup=False, soft_wrap=True)
    if row.custody is not None:
        out.print(f"custody: {row.custody}", style="red", markup=False, soft_wrap=True)
    if row.halted is not None:
        out.print(row.halted, style="red", markup=False, soft_wrap=True)
        raise typer.Exit(REFUSED)
    if row.behind_ms:
        words = (
            f"The machine's clock is {row.behind_ms / 1_000:.0f} s behind the journal: prices and funding stand still."
        )
        out.print(words, style="red", soft_wrap=True)
        raise typer.Exit(REFUSED)
    out.print("[green]It takes commands.[/green]")


def _sources(rows: Sequence[SourceHealth]) -> Table:
    table = _table("source", "state", "pairs", "fresh", "age", "dropped", "errors", numbers=5)
    for row in rows:
        state = f"[green]{row.state}[/green]" if row.state in GOOD else f"[red]{row.state}[/red]"
        age = "" if row.age_ms < 0 else f"{row.age_ms / 1_000:.1f} s"
        counts = (row.pairs, row.fresh, age, row.dropped, row.errors)
        table.add_row(f"{row.source_id} {row.venue}", state, *map(str, counts))
    return table


# --- the past --------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel="Look back")
def verify() -> None:
    """Replay the journal from its beginning; check the chain, the snapshots and conservation."""
    from app.history import verify_all

    with _progress() as progress:
        task = progress.add_task("Replaying", total=None)
        report = asyncio.run(verify_all(lambda seq, last_seq: progress.update(task, completed=seq, total=last_seq)))
    out.print(f"seq         {report.seq}")
    out.print(f"rows        {report.rows}")
    out.print(f"snapshots   {report.snapshots}" + (f", and {report.older} of an older format" if report.older else ""))
    out.print(f"state hash  {report.state_hash.hex()}", soft_wrap=True)
    for problem in report.problems:
        out.print(problem, style="red", markup=False, soft_wrap=True)
    if report.problems:
        raise typer.Exit(REFUSED)
    out.print("[green]The chain, the snapshots and conservation hold.[/green]")


@app.command(rich_help_panel="Look back")
def replay(
    to: Annotated[
        int | None, typer.Option("--to", min=0, help="The last command to apply. [default: the newest]")
    ] = None,
) -> None:
    """Show the state right after a command."""
    from app.history import show, state_at

    show(out, asyncio.run(state_at(to)))


@app.command(rich_help_panel="Look back")
def liabilities(
    at: Annotated[
        int | None, typer.Option("--at", min=0, help="The command after which to count. [default: the newest]")
    ] = None,
    account: Annotated[
        int | None, typer.Option(min=0, help="Print this account's path in the liabilities that were written.")
    ] = None,
    asset: Annotated[str, typer.Option(help="Of which asset's tree.")] = "USD",
) -> None:
    """Write what the exchange owes as a Merkle-sum tree, to DATA_DIR/liabilities/SEQ; or print an account's path in it."""
    import msgspec

    from app.proof import publish
    from app.settings import from_environment

    if account is not None:
        path = publish.path(from_environment(), at, asset.upper(), account)
        typer.echo(msgspec.json.format(msgspec.json.encode(path), indent=2))
        return
    proof = asyncio.run(publish.publish(from_environment(), at))
    table = _table("asset", "claims", "total", "shortfall", "own", "root", numbers=0)
    for symbol, said in proof.statement.assets.items():
        if said.claims:
            amounts = (publish.amount(text) for text in (said.total, said.shortfall, said.own))
            table.add_row(symbol, str(said.claims), *amounts, said.root[:16])
    out.print(f"seq        {proof.statement.seq}")
    out.print(f"statement  {proof.digest}", soft_wrap=True)
    out.print(f"to publish {proof.place / 'published.json'}", soft_wrap=True)
    _print(table, proof.statement.assets, "There are no assets yet.")


@app.command(rich_help_panel="Look back")
def rebuild() -> None:
    """Make orders, fills, trades, ledger and candles again from the journal. The exchange must not run."""
    from app.settings import from_environment
    from app.store import rebuild as rebuild_from

    with _progress() as progress:
        task = progress.add_task("Rebuilding", total=None)
        seq = asyncio.run(
            rebuild_from(from_environment(), lambda seq, last_seq: progress.update(task, completed=seq, total=last_seq))
        )
    out.print(f"[green]The projections stand at seq {seq}.[/green]")


@app.command(rich_help_panel="Operate")
def skip(
    seq: Annotated[int, typer.Argument(min=1, help="The command that halted the exchange.")],
    reason: Annotated[str, typer.Option(help="Why; it is written into the journal.")],
) -> None:
    """Pass over the command that halted the exchange, for good."""
    _ask(control.Skip(seq, reason), control.Done)
    out.print(f"[green]The command {seq} is passed over; the exchange takes commands again.[/green]")


# --- helpers ---------------------------------------------------------------------------------------------------------


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        yield progress


def _complain(error: Exception) -> None:
    err.print(str(error), style="red", markup=False, soft_wrap=True)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except control.Refused as refused:
        _complain(refused)
        sys.exit(REFUSED)
    except Fault as fault:
        _complain(fault)
        sys.exit(FAULT)


if __name__ == "__main__":
    main()
