"""The commands of who runs the exchange: operators and their log, backup, restore, drill."""

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape

from app import control
from app import user_requests as asks
from app.terminal import ask, date, err, out, print_rows, table

REFUSED = 1
T = TypeVar("T")

operators_app = typer.Typer(no_args_is_help=True, help="See, make and end operators' tokens for /admin and /metrics.")
users_app = typer.Typer(
    no_args_is_help=True, help="See users, verify them, end what they can come in with, help who lost it."
)
sources_app = typer.Typer(no_args_is_help=True, help="Mute sources of prices.")

SCOPES = "read, markets, money, users, venue, metrics"
User = Annotated[int, typer.Argument(help="The user's number.")]
Folder = Annotated[Path, typer.Argument(help="The folder of the backup.")]


def attach(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(operators_app, name="operators", rich_help_panel="Operate")
    app.add_typer(users_app, name="users", rich_help_panel="Operate")
    app.add_typer(sources_app, name="sources", rich_help_panel="Operate")
    app.command("audit", rich_help_panel="Operate")(audit)
    app.command("backup", rich_help_panel="Keep")(backup)
    app.command("restore", rich_help_panel="Keep")(restore)
    app.command("drill", rich_help_panel="Keep")(drill)


# --- operators -------------------------------------------------------------------------------------------------------


@operators_app.command("list")
def operators_list() -> None:
    """Every operator, without the tokens."""
    rows = ask(control.Operators(), list[control.OperatorRow])
    made = table("operator", "scopes", "since", "state")
    for row in rows:
        state = f"[red]ended[/red] {date(row.revoked_ms)}" if row.revoked_ms else "[green]in force[/green]"
        made.add_row(escape(row.name), " ".join(row.scopes), date(row.created_ms), state)
    print_rows(made, rows, "There are none: evermark operators create NAME")


@operators_app.command("create")
def operators_create(
    name: Annotated[str, typer.Argument(help="Who it is; it stands in the log beside all that is done with it.")],
    scope: Annotated[list[str] | None, typer.Option(help=f"{SCOPES}; repeat it. [default: read]")] = None,
) -> None:
    """Make an operator. The token is shown now and never again."""
    made = ask(control.CreateOperator(name, tuple(scope or ("read",))), control.NewOperator)
    out.print(f"token  [bold]{made.token}[/bold]", soft_wrap=True)
    err.print("The token is not shown again. Send it as: Authorization: Bearer TOKEN", style="yellow")


@operators_app.command("revoke")
def operators_revoke(name: str) -> None:
    """End an operator's token at once."""
    ask(control.RevokeOperator(name), control.Done)
    out.print(f"[green]The operator {escape(name)} has no token any more.[/green]")


def audit(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many entries.")] = 50,
    before: Annotated[int, typer.Option(min=0, help="Only those before this entry.")] = 0,
    operator: Annotated[str, typer.Option(help="Only those of one operator.")] = "",
    action: Annotated[str, typer.Option(help="Only those of one kind, such as set_market.")] = "",
    entry: Annotated[int, typer.Option(min=0, help="Show one entry whole.")] = 0,
) -> None:
    """What operators did, over the socket and over HTTP, the newest first."""
    if entry:
        rows = ask(control.Audit(1, entry + 1), list[control.AuditRow])
        if not rows or rows[0].entry_id != entry:
            raise control.Refused(f"There is no entry {entry}.")
        for name in control.AuditRow.__struct_fields__:
            out.print(f"{name:<12}{getattr(rows[0], name)}", markup=False, soft_wrap=True)
        return
    rows = ask(control.Audit(limit, before, operator, action), list[control.AuditRow])
    made = table("entry", "time (UTC)", "operator", "by", "what", "outcome", "request", "why")
    for row in rows:
        outcome = {"done": "[green]done[/green]", None: "[red]not known[/red]"}.get(
            row.outcome, f"[red]{row.outcome}[/red]"
        )
        who = f"{row.surface} {row.address}".strip()
        said = (escape(row.request), escape(row.detail or ""))
        when = date(row.time_ms, form="%Y-%m-%d %H:%M:%S")
        made.add_row(str(row.entry_id), when, escape(row.operator), who, row.action, outcome, *said)
    print_rows(made, rows, "Nobody has done anything yet.")


# --- users and sources -----------------------------------------------------------------------------------------------


@users_app.command("list")
def users_list(
    email: Annotated[str, typer.Option(help="Only who has this address.")] = "",
    after: Annotated[int, typer.Option(min=0, help="Only those behind this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 100,
) -> None:
    """Everybody who has accounts."""
    rows = ask(asks.Users(email=email, after=after, limit=limit), list[asks.UserRow])
    made = table("user", "name", "e-mail", "level", "accounts", "since", "state", "log-ins", "keys", numbers=2)
    for row in rows:
        who = (str(row.owner_id), escape(row.name), escape(row.email), row.level + (" +" if row.has_totp else ""))
        counts = (str(row.sessions), str(row.keys))
        state = f"[red]frozen[/red] {date(row.frozen_ms)}" if row.frozen_ms else ""
        made.add_row(*who, " ".join(map(str, row.accounts)), date(row.created_ms), state, *counts)
    print_rows(made, rows, "There is nobody.")


@users_app.command("verify")
def users_verify(
    user: User,
    level: Annotated[str, typer.Argument(help="Such as verified.")],
) -> None:
    """Verify somebody to a level: what may be withdrawn in a day."""
    row = ask(asks.SetLevel(user, level), asks.UserRow)
    out.print(f"{escape(row.name)} is [bold]{row.level}[/bold].")


@users_app.command("freeze")
def users_freeze(user: User) -> None:
    """End all of somebody's log-ins and API keys at once, and let nobody in until unfreeze. Orders and positions stay."""
    row = ask(asks.FreezeUser(user), asks.UserRow)
    out.print(f"[green]{escape(row.name)} is frozen: {row.sessions} log-ins and {row.keys} keys in force.[/green]")


@users_app.command("unfreeze")
def users_unfreeze(user: User) -> None:
    """Let somebody in again: with a new password, for which a code comes by mail. Keys are made anew."""
    row = ask(asks.UnfreezeUser(user), asks.UserRow)
    out.print(f"[green]{escape(row.name)} is not frozen any more.[/green]")


@users_app.command("reset-totp")
def users_reset_totp(
    user: User,
    reason: Annotated[str, typer.Option(help="How you know whose it is; it stands in the log.")],
) -> None:
    """Turn off a second factor that was lost, and end the log-ins. The owner is told by mail."""
    row = ask(asks.ResetTotp(user, reason), asks.UserRow)
    out.print(f"[green]{escape(row.name)} logs in with the password alone.[/green]")


@sources_app.command("mute")
def sources_mute(source: Annotated[int, typer.Argument(help="Its number: evermark status")]) -> None:
    """Listen to a source of prices no more, until it is said otherwise or the exchange starts again."""
    _mute(source, is_muted=True)


@sources_app.command("hear")
def sources_hear(source: Annotated[int, typer.Argument(help="Its number.")]) -> None:
    """Listen to it again."""
    _mute(source, is_muted=False)


def _mute(source: int, *, is_muted: bool) -> None:
    row = ask(asks.MuteSource(source, is_muted), asks.MutedRow)
    out.print(f"Muted: [bold]{', '.join(map(str, row.muted)) or 'none'}[/bold]")


# --- backup ----------------------------------------------------------------------------------------------------------


def backup(
    folder: Folder,
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Put the master key in. Who has the backup then has every secret.")
    ] = False,
) -> None:
    """Write a copy of everything into a new folder. The exchange may run."""
    from app import backup as backups
    from app.settings import from_environment

    manifest = _run(backups.backup(from_environment(), folder, with_key=with_key, say=_say))
    _print(manifest)
    if not manifest.has_key:
        err.print(
            "The master key is not in it: keep it somewhere else, the backup's secrets open for nobody without.",
            style="yellow",
        )


def restore(folder: Folder) -> None:
    """Put a backup into an empty DATA_DIR, or an empty database that DATABASE_URL names."""
    from app import backup as backups
    from app.settings import from_environment

    _print(_run(backups.restore(from_environment(), folder, say=_say)))
    out.print("[green]The state is the one that the backup says. Start it with: evermark run[/green]")


def drill(folder: Folder) -> None:
    """Rehearse: restore a backup into an empty folder, replay it from its first command, compare, clean up."""
    from app import backup as backups
    from app.settings import from_environment

    done = _run(backups.drill(from_environment(), folder, say=_say))
    _print(done.manifest)
    out.print(f"restored    in {done.restore_s:.1f} s")
    out.print(f"replayed    from the first command in {done.replay_s:.1f} s")
    out.print(
        f"compared    with {'the exchange at hand' if done.is_compared else 'the backup only: no exchange is at hand'}"
    )
    for problem in done.problems:
        out.print(problem, style="red", markup=False, soft_wrap=True)
    if done.problems:
        raise typer.Exit(REFUSED)
    out.print("[green]The backup leads to the same state.[/green]")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Do it all, or clean up: whoever ends it with SIGTERM gets what Ctrl-C does, and no half of a copy stays behind."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return asyncio.run(_to_its_end(work))
    except KeyboardInterrupt:
        err.print("Cut off; nothing of it was kept.", style="red")
        raise


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await it. Whatever it dies of when it is cut off, such as a connection closed in the middle, it was cut off."""
    task = asyncio.current_task()
    assert task is not None
    try:
        return await work
    except Exception:
        if task.cancelling():
            raise asyncio.CancelledError from None
        raise


def _say(words: str) -> None:
    err.print(words, style="dim", markup=False)


def _print(manifest: "object") -> None:
    from app.backup import Manifest

    assert isinstance(manifest, Manifest)
    out.print(f"seq         {manifest.seq}")
    out.print(f"made        {date(manifest.made_ms)}")
    out.print(f"rows        {manifest.rows}")
    out.print(f"state hash  {manifest.state_hash}", soft_wrap=True)
    if manifest.halted:
        out.print(manifest.halted, style="red", markup=False, soft_wrap=True)
