"""What a terminal shows when the exchange is open."""

from typing import Final

from rich.console import Console

from app import compiled, demo
from app.settings import Settings

PRICES: Final = {
    "synthetic": "[yellow]synthetic[/yellow]  [dim](random walks and no market's: EVERMARK_FEED=live watches real ones)[/dim]",
    "file": "a recording",
    "live": "live",
    "none": "none",
}


def welcome(out: Console, settings: Settings) -> None:
    """Print where the exchange is, which core runs and, with demo accounts, how to place an order.

    The keys go to the terminal and nowhere else.
    """
    url = demo.url_of(settings)
    hint = "" if compiled.is_used() else "  [dim](make compile builds the fast one)[/dim]"
    out.print(f"\n[bold green]Evermark is open[/bold green] at [bold]{url}[/bold]")
    out.print(f"  API reference   {url}/docs", soft_wrap=True)
    out.print(f"  core            {compiled.describe()}{hint}", soft_wrap=True)
    out.print(f"  index prices    {PRICES[settings.feed]}", soft_wrap=True)
    out.print(f"  files           {settings.data_dir}", soft_wrap=True, markup=False)
    found = demo.read(settings.data_dir) if settings.demo and settings.is_embedded else None
    if found is None:
        out.print("\nOpen an account: [bold]evermark accounts open NAME[/bold]\n")
        return
    out.print(f"\nDemo accounts (also in {settings.data_dir / demo.FILE_NAME}):", soft_wrap=True, markup=False)
    for account in found.accounts:
        out.print(
            f"  {account.name}\n    api key     {account.api_key}\n    secret key  {account.secret_key}", markup=False
        )
        if account.password:
            out.print(f"    log in as   {account.email}\n    password    {account.password}", markup=False)
    if settings.custody == "simulated":
        payment = f"evermark chain deposit {found.accounts[0].name} 1.5 BTC"
        out.print(f"\nPay something in on the simulated chain: [bold]{payment}[/bold]")
    out.print("\nPlace an order: paste this into a shell.\n")
    out.print(demo.curl_order(found), soft_wrap=True, markup=False)
