"""Two accounts with money, for a venue that one can try at once. Only with the embedded database."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final, final

import msgspec

from app.auth import Key, Scope
from app.identity import Identity, User
from app.people.register import Register
from app.settings import Settings
from app.store import Store
from app.wire import money
from exchange import views
from exchange.commands import Deposit, OpenAccount
from exchange.events import AccountOpened

FILE_NAME: Final = "demo.json"
NAMES: Final = ("alice", "bob")
HOLDINGS: Final = {"USD": "100000", "USDT": "100000", "BTC": "2", "ETH": "20"}
LABEL: Final = "demo"
DOMAIN: Final = "example.com"
PASSWORD_BYTES: Final = 12
LEVEL: Final = 99
"""The highest there is."""
SCOPES: Final = Scope.READ | Scope.TRADE | Scope.WITHDRAW
LOCAL_HOSTS: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}
"""Where one that listens everywhere is found from the same machine. `::` is everywhere in IPv6 only."""


class DemoAccount(msgspec.Struct, frozen=True):
    """An account and the key to it."""

    name: str
    api_key: str
    secret_key: str
    email: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"DemoAccount({self.name}, {self.api_key}, ...)"


@final
class Demo(msgspec.Struct, frozen=True):
    """What demo.json holds."""

    url: str
    accounts: tuple[DemoAccount, ...]


async def prepare(store: Store, settings: Settings) -> Demo | None:
    """Have the demo accounts, their money and their keys; what is there already stays as it is.

    Nothing is prepared unless the settings ask for a demo, the database is the embedded one and commands are taken.
    """
    if not (settings.demo and settings.is_embedded and store.sequencer.halted is None):
        return None
    known = {account.name: account for account in _read(settings.data_dir / FILE_NAME)}
    accounts = []
    for name in NAMES:
        user = store.identity.user_named(name) or await store.identity.create_user(name)
        account_id = await _account(store, user)
        accounts.append(await _key(store.identity, user, account_id, known.get(name)))
    demo = Demo(url_of(settings), tuple(accounts))
    _write(settings.data_dir / FILE_NAME, demo)
    return demo


async def enrol(register: Register, store: Store, settings: Settings) -> None:
    """Let the demo users log in, with passwords that demo.json holds. Requires: `prepare` was there before."""
    found = read(settings.data_dir)
    if found is None or not (settings.demo and settings.is_embedded and store.sequencer.halted is None):
        return
    accounts = []
    for account in found.accounts:
        user = store.identity.user_named(account.name)
        if user is None:
            accounts.append(account)
            continue
        email, password = f"{account.name}@{DOMAIN}", account.password
        person = register.find(user.owner_id)
        if person is None:
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            await register.enrol(user.owner_id, email, password, has_allow_list=False, level=LEVEL)
        elif not password:  # the file was lost
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            await register.replace_password(person, password)
        accounts.append(msgspec.structs.replace(account, email=email, password=password))
    _write(settings.data_dir / FILE_NAME, Demo(found.url, tuple(accounts)))


def read(data_dir: Path) -> Demo | None:
    """Return what demo.json holds; None when there is none, or none of ours."""
    try:
        return msgspec.json.decode((data_dir / FILE_NAME).read_bytes(), type=Demo)
    except (OSError, msgspec.MsgspecError):
        return None


def _read(path: Path) -> tuple[DemoAccount, ...]:
    demo = read(path.parent)
    return demo.accounts if demo is not None else ()


async def _account(store: Store, user: User) -> int:
    """Open the user's account and credit it, both once: the references tell a second start from the first."""
    opened = (await store.sequencer.submit(OpenAccount(f"demo account of {user.name}", user.owner_id)))[0]
    assert isinstance(opened, AccountOpened), opened
    ids = {asset.symbol: asset.asset_id for asset in views.assets(store.exchange)}
    for symbol, amount in HOLDINGS.items():
        deposit = Deposit(f"demo {symbol} of {user.name}", opened.account_id, ids[symbol], money(amount, "amount"))
        await store.sequencer.submit(deposit)
    return opened.account_id


async def _key(identity: Identity, user: User, account_id: int, known: DemoAccount | None) -> DemoAccount:
    """Keep the key that demo.json holds while it is in force and may do everything; else make one, and end those before it. None for who is frozen."""
    if user.frozen_ms:
        return known or DemoAccount(user.name, "", "")
    if known is not None:
        key = identity.find(known.api_key)
        if key is not None and _is_ours(key, account_id) and key.secret == known.secret_key.encode():
            return known
    for old in await identity.keys(account_id):
        if old.label == LABEL and not old.revoked_ms:
            await identity.revoke_key(old.api_key)
    new = await identity.create_key(user.owner_id, account_id, label=LABEL, scopes=SCOPES)
    kept = ("", "") if known is None else (known.email, known.password)
    return DemoAccount(user.name, new.api_key, new.secret, *kept)


def _is_ours(key: Key, account_id: int) -> bool:
    return key.account_id == account_id and key.scopes == SCOPES


def _write(path: Path, demo: Demo) -> None:
    """Write the file whole or not at all, for the owner's eyes only."""
    making = path.with_suffix(".making")
    with contextlib.suppress(FileNotFoundError):
        making.unlink()
    text = msgspec.json.format(msgspec.json.encode(demo), indent=2)
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text + b"\n")
    making.replace(path)


def url_of(settings: Settings) -> str:
    """Return where a client on this machine finds the exchange."""
    host = LOCAL_HOSTS.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def curl_order(demo: Demo) -> str:
    """Return shell lines that place an order as they stand: a small bid far below the market.

    The fraction in the timestamp keeps two orders of one second from having the same signature.
    """
    account = demo.accounts[0]
    return f"""\
KEY={account.api_key}
SECRET={account.secret_key}
BODY="pair=USD_BTC_PERP&side=BUY&qty=0.001&price=50000&timestamp=$(date +%s)000.$RANDOM"
SIGNATURE=$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -binary | openssl base64 -A)
curl -sS {demo.url}/auth/order -H "x-api-key: $KEY" -H "x-signature: $SIGNATURE" -d "$BODY"
"""
