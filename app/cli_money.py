"""The commands about money in and out: withdrawals, deposits, assets, the custody, and the simulated chain."""

from typing import Annotated

import typer
from rich.markup import escape

from app import control
from app.custody import requests
from app.terminal import ask, date, out, print_rows, table

withdrawals_app = typer.Typer(no_args_is_help=True, help="See what goes out, and move it.")
deposits_app = typer.Typer(no_args_is_help=True, help="See what comes in, and where.")
assets_app = typer.Typer(no_args_is_help=True, help="See and amend fees and bounds of assets.")
custody_app = typer.Typer(no_args_is_help=True, help="See how the custody is, and resolve what did not fit.")
chain_app = typer.Typer(no_args_is_help=True, help="Play the world of the simulated chain: pay, mine, break it.")

Number = Annotated[int, typer.Argument(help="The withdrawal's number.")]
Note = Annotated[str, typer.Option(help="Why; its owner sees it.")]
Hash = Annotated[str, typer.Argument(help="The transaction, or how it begins; from: evermark chain list")]
SHOWN = 16
"""Characters of a transaction that lists show."""


def attach(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(withdrawals_app, name="withdrawals", rich_help_panel="Money")
    app.add_typer(deposits_app, name="deposits", rich_help_panel="Money")
    app.add_typer(assets_app, name="assets", rich_help_panel="Money")
    app.add_typer(custody_app, name="custody", rich_help_panel="Money")
    app.add_typer(chain_app, name="chain", rich_help_panel="Money")


# --- withdrawals -----------------------------------------------------------------------------------------------------


@withdrawals_app.command("list")
def withdrawals_list(
    account: Annotated[int, typer.Argument(help="Of one account only.")] = 0,
    is_all: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 50,
) -> None:
    """Withdrawals that have not ended, the newest first."""
    rows = ask(requests.Withdrawals(account, is_all, limit), list[requests.WithdrawalRow])
    made = table("withdrawal", "time", "account", "asset", "status", "to", "note", "amount", "arrives", numbers=2)
    for row in rows:
        who = f"{row.account_id} {escape(row.owner)}"
        what = (row.asset, row.status, escape(row.address), escape(row.note), row.amount, row.net)
        made.add_row(str(row.withdrawal_id), date(row.time_ms), who, *what)
    print_rows(made, rows, "There are none.")


@withdrawals_app.command("confirm")
def withdrawals_confirm(number: Number, note: Note = "") -> None:
    """Confirm one that waits for its owner."""
    _move(number, "confirm", note)


@withdrawals_app.command("approve")
def withdrawals_approve(number: Number, note: Note = "") -> None:
    """Let one that waits for approval, or that was suspected, be paid."""
    _move(number, "approve", note)


@withdrawals_app.command("reject")
def withdrawals_reject(number: Number, note: Note = "") -> None:
    """Refuse one; its amount goes back. Until it is processing."""
    _move(number, "reject", note)


@withdrawals_app.command("suspect")
def withdrawals_suspect(number: Number, note: Note = "") -> None:
    """Hold one until it is released, approved or rejected."""
    _move(number, "suspect", note)


@withdrawals_app.command("release")
def withdrawals_release(number: Number, note: Note = "") -> None:
    """Let a suspected one go on where it was."""
    _move(number, "release", note)


@withdrawals_app.command("cancel")
def withdrawals_cancel(number: Number, note: Note = "") -> None:
    """Cancel one for its owner; its amount goes back. Until it is processing."""
    _move(number, "cancel", note)


def _move(number: int, step: str, note: str) -> None:
    row = ask(requests.MoveWithdrawal(number, step, note), requests.WithdrawalRow)
    what = f"{row.amount} {row.asset} of account {row.account_id}"
    out.print(f"Withdrawal {row.withdrawal_id}, {what}, is [bold]{row.status}[/bold].")


# --- deposits and assets ---------------------------------------------------------------------------------------------


@deposits_app.command("list")
def deposits_list(
    account: Annotated[int, typer.Argument(help="Of one account only.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 50,
) -> None:
    """The last deposits, the newest first."""
    rows = ask(requests.Deposits(account, limit), list[requests.DepositRow])
    made = table("deposit", "time", "account", "asset", "status", "note", "amount", "credited", numbers=2)
    for row in rows:
        who = f"{row.account_id} {escape(row.owner)}"
        credited = row.net if row.status == "COMPLETED" else ""
        what = (row.asset, row.status, escape(row.note), row.amount, credited)
        made.add_row(escape(row.reference[:SHOWN]), date(row.time_ms), who, *what)
    print_rows(made, rows, "There are none.")


@deposits_app.command("address")
def deposits_address(
    who: Annotated[str, typer.Argument(help="The account's number, or its owner's name.")],
    asset: Annotated[str, typer.Argument(help="Of what.")] = "BTC",
) -> None:
    """Where an account pays in."""
    row = ask(requests.DepositAddress(who, asset.upper()), requests.AddressRow)
    out.print(row.address, soft_wrap=True)


@assets_app.command("list")
def assets_list() -> None:
    """Every asset with its fees and bounds. 0 is none."""
    rows = ask(requests.Assets(), list[requests.AssetRow])
    names = tuple(rows[0].terms) if rows else ()
    made = table("asset", *(name.replace("_", " ") for name in names), numbers=len(names))
    for row in rows:
        made.add_row(row.symbol, *row.terms.values())
    print_rows(made, rows, "There are no assets.")


@assets_app.command("amend")
def assets_amend(
    symbol: Annotated[str, typer.Argument(help="Such as BTC.")],
    changes: Annotated[list[str], typer.Argument(help="NAME=AMOUNT, such as withdrawal_fee=0.0005; 0 for none.")],
) -> None:
    """Change fees and bounds, from the next deposit and withdrawal on."""
    pairs = [change.partition("=") for change in changes]
    if any(not (name and equals and value) for name, equals, value in pairs):
        raise control.Refused("Terms are given as NAME=AMOUNT.")
    given = {name: value for name, _, value in pairs}
    row = ask(requests.AmendAsset(symbol.upper(), given), requests.AssetAmended)
    for name, (old, new) in row.changed.items():
        out.print(f"{name}: {old} -> [bold]{new}[/bold]")
    if not row.changed:
        out.print(f"{row.symbol} has these terms already.")


# --- the custody -----------------------------------------------------------------------------------------------------


@custody_app.command("status")
def custody_status() -> None:
    """How the custody is, and what does not fit. Fails while nothing is paid out."""
    row = ask(requests.Custody(), requests.CustodyRow)
    _print_custody(row)
    if row.trouble is not None:
        raise typer.Exit(1)


@custody_app.command("resolve")
def custody_resolve(
    incident: Annotated[int, typer.Argument(help="The incident's number.")],
    reason: Annotated[str, typer.Option(help="What was found and done; it is kept.")],
) -> None:
    """Let an incident stand no more: when its cause is understood and its money is booked."""
    _print_custody(ask(requests.Resolve(incident, reason), requests.CustodyRow))


def _print_custody(row: requests.CustodyRow) -> None:
    out.print(f"custody  {row.name}")
    made = table("incident", "since", "", "about", "details")
    for incident in row.incidents:
        words = f"[red]{incident.words}[/red]" if incident.is_closing else incident.words
        what = (words, escape(incident.subject), escape(incident.detail))
        made.add_row(str(incident.incident_id), date(incident.opened_ms), *what)
    if row.incidents:
        out.print(made)
    if row.trouble is None:
        out.print("[green]Money comes and goes.[/green]")
        return
    out.print(row.trouble, style="red", markup=False, soft_wrap=True)


# --- the simulated chain ---------------------------------------------------------------------------------------------


@chain_app.command("status")
def chain_status() -> None:
    """How the chain is, and what it will do wrong."""
    _print_chain(ask(requests.ChainPlan(), requests.ChainRow))


@chain_app.command("address")
def chain_address() -> None:
    """Make an address outside, to withdraw to."""
    from app.custody.simulated import make_address

    out.print(make_address(), soft_wrap=True)


@chain_app.command("deposit")
def chain_deposit(
    who: Annotated[str, typer.Argument(help="An account's number, its owner's name, or an address.")],
    amount: Annotated[str, typer.Argument(help="How much, such as 1.5")],
    asset: Annotated[str, typer.Argument(help="Of what.")] = "BTC",
    delay: Annotated[int, typer.Option(min=0, max=10**9, help="Blocks that go by first.")] = 0,
) -> None:
    """Pay from outside to an account. It is credited when it has enough confirmations."""
    row = ask(requests.ChainDeposit(who, amount, asset.upper(), delay), requests.ChainRow)
    out.print(f"transaction {row.said}", soft_wrap=True)
    out.print("See it come in: [bold]evermark deposits list[/bold]")


@chain_app.command("list")
def chain_list(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 50,
) -> None:
    """The last transactions, the newest change first."""
    rows = ask(requests.ChainList(limit), list[requests.TransactionRow])
    made = table("transaction", "", "asset", "status", "to", "amount", "confirmations", numbers=2)
    for row in rows:
        what = (row.kind, row.asset, row.status, escape(row.address), row.amount, str(row.confirmations))
        made.add_row(row.transaction[:SHOWN], *what)
    print_rows(made, rows, "There are none.")


@chain_app.command("mine")
def chain_mine(blocks: Annotated[int, typer.Argument(min=1, help="How many.")] = 1) -> None:
    """Let blocks come at once."""
    _print_chain(ask(requests.ChainMine(blocks), requests.ChainRow))


@chain_app.command("lose")
def chain_lose(transaction: Hash) -> None:
    """Let a transaction come to nothing: a payment fails, a deposit is gone."""
    _print_chain(ask(requests.ChainLose(transaction), requests.ChainRow))


@chain_app.command("revive")
def chain_revive(transaction: Hash) -> None:
    """Let a lost transaction be paid after all: a late deposit, or success after failure."""
    _print_chain(ask(requests.ChainRevive(transaction), requests.ChainRow))


@chain_app.command("reorganise")
def chain_reorganise(
    depth: Annotated[int, typer.Argument(min=1, help="How many blocks.")],
    is_lost: Annotated[
        bool, typer.Option("--lost", help="Their transactions are lost. [default: they wait again]")
    ] = False,
) -> None:
    """Take the newest blocks' transactions out again."""
    row = ask(requests.ChainReorganise(depth, is_lost), requests.ChainRow)
    out.print(f"{row.said} transactions were taken out.")


@chain_app.command("fail-next")
def chain_fail_next(count: Annotated[int, typer.Argument(min=0, help="How many payments.")] = 1) -> None:
    """Let the next payments fail."""
    _print_chain(ask(requests.ChainPlan(fail_next=count), requests.ChainRow))


@chain_app.command("lose-answers")
def chain_lose_answers(count: Annotated[int, typer.Argument(min=0, help="To how many payments.")] = 1) -> None:
    """Let the answers to the next payments be lost: paid, and the exchange does not hear."""
    _print_chain(ask(requests.ChainPlan(lose_next=count), requests.ChainRow))


@chain_app.command("away")
def chain_away(switch: Annotated[str, typer.Argument(help="on or off.")]) -> None:
    """Let the custody not answer, or answer again."""
    if switch.lower() not in ("on", "off"):
        raise control.Refused(f"on or off, not {switch!r}.")
    _print_chain(ask(requests.ChainPlan(is_away=switch.lower() == "on"), requests.ChainRow))


def _print_chain(row: requests.ChainRow) -> None:
    out.print(f"height        {row.height}")
    if row.fail_next:
        out.print(f"to fail       {row.fail_next}")
    if row.lose_next:
        out.print(f"to lose       {row.lose_next}")
    out.print("[red]It does not answer.[/red]" if row.is_away else "[green]It answers.[/green]")
