"""Who did what: nothing of an operator's is done before it stands in the log, and every end is written beside its beginning."""

import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final, final

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import control
from app import user_requests as users
from app.callers import caller
from app.clock import Clock
from app.control import AnyRequest, Refused
from app.custody import requests as funds
from app.db.tables import audit_log
from app.faults import JournalUnavailable, Unavailable
from app.journal import UNREACHABLE
from app.stamps import current
from app.tokens import NameUsed, Tokens, duties_of, names_of

READS: Final = (
    control.Status,
    control.Accounts,
    control.Keys,
    control.Markets,
    control.Venue,
    control.Insurance,
    control.Funding,
    control.Liquidations,
    control.Operators,
    control.Audit,
    funds.Withdrawals,
    funds.Deposits,
    funds.Assets,
    funds.Custody,
    funds.DepositAddress,
    funds.ChainList,
    users.Users,
)
"""What changes nothing. Everything else is logged, also what is added later."""
SECRET: Final = frozenset({"secret_key", "secret", "token", "password"})
"""Fields of answers that are never written down."""
HIDDEN: Final = "(not kept)"
LIMIT_MAX: Final = 1_000

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

Ask = Callable[[AnyRequest], Awaitable[object]]


class Outcome(Enum):
    """How it ended. An entry without one was begun, and nobody knows its end: the exchange was killed in the middle."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    """It was not done."""
    UNKNOWN = "unknown"
    """It may have been done."""


@final
class AuditLog:
    """The table, written by nothing else."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def begin(self, action: str, request: str, before: str) -> int:
        """Write down what is about to be done, durably; gives the entry.

        Raises: JournalUnavailable when it cannot be written. Then nothing is to be done.
        """
        who, stamps = caller.get(), current.get()
        values = {
            "time_ms": self._clock(),
            "operator": who.name,
            "surface": who.surface,
            "address": who.address,
            "request_id": "" if stamps is None else stamps.request_id.decode(),
            "action": action,
            "request": request,
            "before": before,
        }
        try:
            async with self._engine.begin() as connection:
                written = await connection.execute(insert(audit_log).values(values).returning(audit_log.c.entry_id))
                entry_id: int = written.scalar_one()
        except (SQLAlchemyError, *UNREACHABLE) as error:
            _log.warning("the audit log cannot be written: %r", error)
            raise JournalUnavailable("The audit log cannot be written. Nothing was done.", is_unknown=False) from error
        return entry_id

    async def end(self, entry_id: int, outcome: Outcome, detail: str, after: str, seq: int) -> None:
        """Write down how it ended. It does not raise: what was done is done."""
        values = {"outcome": outcome.value, "detail": detail, "after": after, "seq": seq, "ended_ms": self._clock()}
        try:
            async with self._engine.begin() as connection:
                await connection.execute(update(audit_log).where(audit_log.c.entry_id == entry_id).values(values))
        except (SQLAlchemyError, *UNREACHABLE) as error:
            _log.error(
                "entry %d of the audit log ended %s, which could not be written: %r", entry_id, outcome.value, error
            )

    async def entries(self, request: control.Audit) -> list[control.AuditRow]:
        """The newest first. Raises: Refused."""
        if not 1 <= request.limit <= LIMIT_MAX:
            raise Refused(f"The number of entries must be between 1 and {LIMIT_MAX}.")
        query = select(audit_log).order_by(audit_log.c.entry_id.desc()).limit(request.limit)
        if request.before:
            query = query.where(audit_log.c.entry_id < request.before)
        if request.operator:
            query = query.where(audit_log.c.operator == request.operator)
        if request.action:
            query = query.where(audit_log.c.action == request.action)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        names = control.AuditRow.__struct_fields__
        return [control.AuditRow(**{name: row[name] for name in names}) for row in rows]


@final
class Audited:
    """Does what operators ask, and lets no change go by unwritten. Tokens and the log itself are its own business."""

    def __init__(self, ask: Ask, log: AuditLog, tokens: Tokens, seq: Callable[[], int]) -> None:
        self._ask = ask
        self._log = log
        self._tokens = tokens
        self._seq = seq

    async def __call__(self, request: AnyRequest) -> object:
        """Do what is asked. Raises: Refused with the reason; Unavailable."""
        if isinstance(request, READS):
            return await self._do(request)
        before = await self._subject(request)
        entry_id = await self._log.begin(action_of(request), text_of(request), text_of(before))
        outcome, detail, answer = Outcome.UNKNOWN, "", None
        try:
            answer = await self._do(request)
            outcome = Outcome.DONE
        except Refused as refused:
            outcome, detail = Outcome.REFUSED, str(refused)
            raise
        except Unavailable as fault:
            outcome = Outcome.UNKNOWN if fault.is_unknown else Outcome.FAILED
            detail = str(fault)
            raise
        except BaseException as error:
            detail = type(error).__name__  # what it says may be anything
            raise
        finally:
            _log.info("%s: %s%s", action_of(request), outcome.value, f", {detail}" if detail else "")
            after = {"answer": kept(answer), "now": await self._subject(request)}
            await self._log.end(entry_id, outcome, detail, text_of(after), self._seq())
        return answer

    async def turn_away(self, kind: type[AnyRequest], why: str) -> None:
        """Write down that an operator came with a token that is not for this; what exactly was asked is not read."""
        action = str(kind.__struct_config__.tag)
        entry_id = await self._log.begin(action, "{}", "null")
        await self._log.end(entry_id, Outcome.REFUSED, why, "null", self._seq())

    async def _do(self, request: AnyRequest) -> object:
        if isinstance(request, control.Operators):
            return [
                control.OperatorRow(key.name, tuple(names_of(key.duties)), key.created_ms, key.revoked_ms)
                for key in await self._tokens.all()
            ]
        if isinstance(request, control.Audit):
            return await self._log.entries(request)
        if isinstance(request, control.CreateOperator):
            try:
                token = await self._tokens.create(request.name, duties_of(request.scopes))
            except (NameUsed, ValueError) as error:
                raise Refused(str(error)) from error
            return control.NewOperator(request.name, token)
        if isinstance(request, control.RevokeOperator):
            if not await self._tokens.revoke(request.name):
                raise Refused(f"There is no operator {request.name!r} in force.")
            return control.Done()
        return await self._ask(request)

    async def _subject(self, request: AnyRequest) -> object:
        """How that stands which a request is about, by the reads that operators have; nothing where that cannot be read."""
        try:
            return await subject(self._do, request)
        except (Refused, Unavailable, SQLAlchemyError, *UNREACHABLE):
            return None


async def subject(ask: Ask, request: AnyRequest) -> object:
    """What a request is about, as it stands now."""
    if isinstance(request, control.SetMarket | control.AmendMarket):
        return _those(await ask(control.Markets()), "symbol", request.symbol)
    if isinstance(request, control.Deposit | control.Withdraw | control.SetMode | control.SetProvider):
        if not request.account_id:
            return await ask(control.Insurance())
        return _those(await ask(control.Accounts(request.account_id)), "account_id", request.account_id)
    if isinstance(request, control.RevokeKey):
        return _those(await ask(control.Keys()), "api_key", request.api_key)
    if isinstance(request, control.SetVenue):
        return await ask(control.Venue())
    if isinstance(request, control.CreateOperator | control.RevokeOperator):
        return _those(await ask(control.Operators()), "name", request.name)
    if isinstance(request, users.SetLevel | users.FreezeUser | users.UnfreezeUser | users.ResetTotp):
        return await ask(users.Users(request.owner_id))
    if isinstance(request, users.MuteSource):
        status = await ask(control.Status())
        return {"muted": status.muted} if isinstance(status, control.StatusRow) else None
    if isinstance(request, funds.MoveWithdrawal):
        return _those(
            await ask(funds.Withdrawals(withdrawal_id=request.withdrawal_id)), "withdrawal_id", request.withdrawal_id
        )
    if isinstance(request, funds.AmendAsset):
        return _those(await ask(funds.Assets()), "symbol", request.symbol.upper())
    if isinstance(request, funds.Resolve):
        return await ask(funds.Custody())
    return None


def _those(rows: object, field: str, value: object) -> object:
    assert isinstance(rows, list)
    return next((row for row in rows if getattr(row, field) == value), None)


def action_of(request: AnyRequest) -> str:
    """A request's name."""
    return str(type(request).__struct_config__.tag)


def kept(answer: object) -> object:
    """What of an answer may be written down."""
    return _hidden(msgspec.to_builtins(answer))


def text_of(value: object) -> str:
    """A value as JSON, without what must not be written down."""
    return _encode(kept(value)).decode()


def _hidden(value: object) -> object:
    if isinstance(value, dict):
        return {name: HIDDEN if name in SECRET else _hidden(part) for name, part in value.items()}
    return [_hidden(part) for part in value] if isinstance(value, list) else value
