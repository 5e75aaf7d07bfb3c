"""How the command line talks to the running exchange: one JSON line each way over a Unix socket under DATA_DIR.

Whoever may open the socket is an operator: the file's mode is the only lock, and it is 0600.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, final

import msgspec

from app.callers import caller, peer_of
from app.custody.requests import FundsRequest
from app.faults import Fault, Unavailable
from app.feeds.health import SourceHealth
from app.stamps import Stamps, current
from app.user_requests import UserRequest

LINE_BYTES_MAX: Final = 1 << 20
TIMEOUT_S: Final = 30.0
SOCKET_NAME: Final = "control.sock"
SOCKET_PATH_MAX: Final = 103  # bytes, without the closing zero: 107 on Linux, 103 on macOS

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Request(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """What an operator can ask for."""


class Status(Request, frozen=True, tag="status"):
    """How the exchange is."""


class Accounts(Request, frozen=True, tag="accounts"):
    """Every account, or one."""

    account_id: int = 0


class OpenAccount(Request, frozen=True, tag="open_account"):
    """A new account for a user, who is made if there is none of that name. The same reference again opens no second one."""

    name: str
    reference: str = ""  # a new one


class Keys(Request, frozen=True, tag="keys"):
    """Every key, or an account's."""

    account_id: int = 0


class CreateKey(Request, frozen=True, tag="create_key"):
    """A key for an account."""

    account_id: int
    label: str = ""
    scopes: tuple[str, ...] = ("read", "trade")
    networks: tuple[str, ...] = ()
    expires_at_ms: int = 0  # 0: never


class RevokeKey(Request, frozen=True, tag="revoke_key"):
    """End a key."""

    api_key: str


class Deposit(Request, frozen=True, tag="deposit"):
    """Credit an account. The same reference again changes nothing."""

    account_id: int
    asset: str
    amount: str
    reference: str


class Withdraw(Request, frozen=True, tag="withdraw"):
    """Debit an account. The same reference again changes nothing."""

    account_id: int
    asset: str
    amount: str
    reference: str


class SetMode(Request, frozen=True, tag="set_mode"):
    """Make an account isolated or cross."""

    account_id: int
    mode: str


class Markets(Request, frozen=True, tag="markets"):
    """Every market."""


class SetMarket(Request, frozen=True, tag="set_market"):
    """Halt a market, restrict it or open it."""

    symbol: str
    status: str


class AmendMarket(Request, frozen=True, tag="amend_market"):
    """Give a market the terms of the table, or with some of them changed."""

    symbol: str
    changes: dict[str, str] = {}  # by name of the term, as text; none: the table's


class SetVenue(Request, frozen=True, tag="set_venue"):
    """Restrict all markets, or lift that."""

    status: str


class Venue(Request, frozen=True, tag="venue"):
    """What all markets take at the most."""


class Insurance(Request, frozen=True, tag="insurance"):
    """What the insurance fund has."""


class SetProvider(Request, frozen=True, tag="set_provider"):
    """Let an account take over failing positions, or stop it."""

    account_id: int
    is_provider: bool


class Funding(Request, frozen=True, tag="funding"):
    """A market's settled hours."""

    symbol: str
    limit: int = 24


class Liquidations(Request, frozen=True, tag="liquidations"):
    """The last steps of liquidations."""

    symbol: str = ""  # all
    limit: int = 50


class Skip(Request, frozen=True, tag="skip"):
    """Pass over the command that halted the exchange."""

    seq: int
    reason: str


class Operators(Request, frozen=True, tag="operators"):
    """Everybody who has or had a token for the admin surface."""


class CreateOperator(Request, frozen=True, tag="create_operator"):
    """A token for the admin surface."""

    name: str
    scopes: tuple[str, ...] = ("read",)


class RevokeOperator(Request, frozen=True, tag="revoke_operator"):
    """End an operator's token."""

    name: str


class Audit(Request, frozen=True, tag="audit"):
    """What operators did, the newest first; `before` an entry, by one operator, of one kind."""

    limit: int = 50
    before: int = 0
    operator: str = ""
    action: str = ""


AnyRequest: TypeAlias = (
    Status
    | Accounts
    | OpenAccount
    | SetMode
    | Keys
    | CreateKey
    | RevokeKey
    | Deposit
    | Withdraw
    | Markets
    | SetMarket
    | AmendMarket
    | SetVenue
    | Venue
    | Insurance
    | SetProvider
    | Funding
    | Liquidations
    | Skip
    | Operators
    | CreateOperator
    | RevokeOperator
    | Audit
    | FundsRequest
    | UserRequest
)


class StatusRow(msgspec.Struct, frozen=True):
    """How the exchange is. `halted` says why it takes no commands, if it does not; `custody`, why no money moves.

    `sources` are those of index prices, where the feed has any; `stale` are the indices whose prices are too old to open positions
    with. `behind_ms`: the clock was set back by so much, and time stands still.
    """

    seq: int
    core: str
    halted: str | None
    sources: tuple[SourceHealth, ...] = ()
    behind_ms: int = 0
    custody: str | None = None
    muted: tuple[int, ...] = ()
    stale: tuple[str, ...] = ()


class AccountRow(msgspec.Struct, frozen=True):
    """An account and its holdings, as text by asset."""

    account_id: int
    owner: str
    mode: str
    balances: dict[str, str]


class KeyRow(msgspec.Struct, frozen=True):
    """A key without its secret."""

    api_key: str
    account_id: int
    label: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    expires_at_ms: int
    revoked_ms: int


class NewKey(msgspec.Struct, frozen=True):
    """A key with its secret: the one time it is told."""

    api_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"NewKey({self.api_key}, ...)"


class MarketRow(msgspec.Struct, frozen=True):
    """A market and its prices, as text; empty where there is none."""

    market_id: int
    symbol: str
    status: str
    index: str
    mark: str
    last: str


class Amended(msgspec.Struct, frozen=True):
    """What became of new terms: which changed (old and new, as text), and from when on; 0: at once, -1: nothing changed."""

    symbol: str
    changed: dict[str, tuple[str, str]]
    effective_ms: int


class VenueRow(msgspec.Struct, frozen=True):
    """What all markets take at the most."""

    status: str


class FundRow(msgspec.Struct, frozen=True):
    """The insurance fund: its holdings, and its positions by market with their size and unrealized pnl."""

    balances: dict[str, str]
    positions: dict[str, tuple[str, str]]


class ProviderRow(msgspec.Struct, frozen=True):
    """Whether an account takes over failing positions."""

    account_id: int
    is_provider: bool


class FundingRow(msgspec.Struct, frozen=True):
    """A settled hour, `time_ms` its end; amounts as text."""

    time_ms: int
    rate: str
    mark: str
    collected: str
    paid: str
    gift: str
    residue: str


class FundingReport(msgspec.Struct, frozen=True):
    """A market's funding: what the running hour would be settled with, and the hours before it."""

    symbol: str
    predicted: str
    hours: tuple[FundingRow, ...]


class LiquidationRow(msgspec.Struct, frozen=True):
    """A step of a liquidation. `symbol` is empty for a whole account."""

    time_ms: int
    step: str
    symbol: str
    account_id: int
    counterparty_id: int
    qty: str
    price: str
    value: str


class Balance(msgspec.Struct, frozen=True):
    """A holding after a deposit or withdrawal. `is_repeat`: the reference was used before, and nothing changed."""

    asset: str
    amount: str
    is_repeat: bool


class OperatorRow(msgspec.Struct, frozen=True):
    """An operator without the token."""

    name: str
    scopes: tuple[str, ...]
    created_ms: int
    revoked_ms: int


class NewOperator(msgspec.Struct, frozen=True):
    """An operator with the token: the one time it is told."""

    name: str
    token: str

    def __repr__(self) -> str:
        return f"NewOperator({self.name}, ...)"


class AuditRow(msgspec.Struct, frozen=True):
    """An entry of the log; `request`, `before` and `after` are JSON. Without `outcome` its end is not known."""

    entry_id: int
    time_ms: int
    operator: str
    surface: str
    address: str
    request_id: str
    action: str
    request: str
    before: str
    outcome: str | None
    detail: str | None
    after: str | None
    seq: int | None
    ended_ms: int | None


class Done(msgspec.Struct, frozen=True):
    """It was done, and there is nothing more to say."""


class _Good(msgspec.Struct, frozen=True, tag="ok", tag_field="answer"):
    result: msgspec.Raw


class _Bad(msgspec.Struct, frozen=True, tag="error", tag_field="answer"):
    error: str
    is_fault: bool = False
    is_unknown: bool = False


Handler: TypeAlias = Callable[[AnyRequest], Awaitable[object]]

_requests: Final = msgspec.json.Decoder(AnyRequest)
_answers: Final = msgspec.json.Decoder(_Good | _Bad)


class Refused(Exception):
    """The exchange does not do what the operator asks. Says why."""


@final
class Unreachable(Fault):
    """No exchange listens under this DATA_DIR. Nothing was done."""


@final
class Failed(Fault):
    """The exchange could not do it, or (`is_unknown`) may have done it."""

    def __init__(self, why: str, *, is_unknown: bool) -> None:
        super().__init__(why)
        self.is_unknown = is_unknown


def socket_path(data_dir: Path) -> Path:
    """Where the socket of an exchange is; where that path is too long for one, a short one that is the same each time."""
    path = data_dir.absolute() / SOCKET_NAME
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"evermark-control-{os.geteuid()}-{digest}.sock"


@final
class ControlServer:
    """Answers operators while the exchange runs."""

    def __init__(self, data_dir: Path, handler: Handler) -> None:
        self._path = socket_path(data_dir)
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Requires: this process is the only exchange on DATA_DIR, so a socket that is there is a dead one's."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_BYTES_MAX)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        current.set(Stamps())
        caller.set(peer_of(writer.get_extra_info("socket")))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                line = await reader.readline()
            writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
            await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as error:  # ValueError: the line is too long
            _log.warning("an operator's request was not answered: %r", error)
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> _Good | _Bad:
        try:
            request = _requests.decode(line)
        except msgspec.MsgspecError as error:
            return _Bad(str(error))
        try:
            result = await self._handler(request)
        except Refused as error:
            return _Bad(str(error))
        except Unavailable as error:
            return _Bad(str(error), is_fault=True, is_unknown=error.is_unknown)
        except Exception as error:
            _log.exception("an operator's request failed")
            return _Bad(f"The exchange failed on this: {error!r}", is_fault=True, is_unknown=True)
        return _Good(msgspec.Raw(msgspec.json.encode(result)))


def ask(data_dir: Path, request: AnyRequest, answer_type: type[T]) -> T:
    """Ask the exchange that runs on a DATA_DIR.

    Raises: Refused with the exchange's words; Unreachable when there is none; Failed.
    """
    path = socket_path(data_dir)
    try:
        question = msgspec.json.encode(request) + b"\n"
    except UnicodeEncodeError as error:
        raise Refused("What is typed must be UTF-8.") from error
    parts = []
    is_sent = False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(TIMEOUT_S)
            line.connect(str(path))
            is_sent = True
            line.sendall(question)
            line.settimeout(None)  # passing over a command replays the journal
            while part := line.recv(1 << 16):
                parts.append(part)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Unreachable(f"No exchange is running on {data_dir}. Start one with: evermark run") from error
    except OSError as error:
        why = f"The exchange on {data_dir} does not answer: {error}"
        raise (Failed(why, is_unknown=True) if is_sent else Unreachable(why)) from error
    try:
        answer = _answers.decode(b"".join(parts))
    except msgspec.DecodeError as error:
        raise Failed(f"The exchange on {data_dir} hung up.", is_unknown=True) from error
    if isinstance(answer, _Bad):
        raise Failed(answer.error, is_unknown=answer.is_unknown) if answer.is_fault else Refused(answer.error)
    return msgspec.json.decode(answer.result, type=answer_type)
