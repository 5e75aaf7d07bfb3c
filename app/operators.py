"""What an operator's request does to the running exchange. Reads views; changes only through the sequencer and identity."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, TypeVar, assert_never, final

from app import compiled, control, demo
from app.audit import Audited, AuditLog
from app.auth import Scope
from app.clock import Clock
from app.control import AnyRequest, ControlServer, Refused
from app.custody.office import Office
from app.custody.operator import FundsDesk
from app.custody.requests import FundsRequest
from app.db.connect import engine_for
from app.feeds.derived import fresh_outside
from app.feeds.mutes import Muting
from app.identity import KeyInfo
from app.people.levels import load as load_levels
from app.people.register import Register
from app.problems import Malformed
from app.risk_desk import RiskDesk
from app.sequencer import Unencodable
from app.settings import Settings
from app.store import Store
from app.tokens import Tokens
from app.user_desk import UserDesk
from app.user_requests import UserRequest
from app.wire import MONEY_DECIMALS, money, plain
from exchange import views
from exchange.commands import (
    Command,
    Deposit,
    OpenAccount,
    SetLiquidityProvider,
    SetMarginMode,
    SetMarketStatus,
    SetVenueStatus,
    Withdraw,
)
from exchange.events import AccountOpened, CommandRejected, Event, TransferRepeated
from exchange.instrument import Asset, MarketStatus

T = TypeVar("T")

CONNECTIONS_MAX: Final = 2
TIMEOUT_S: Final = 15.0
_ACCOUNT_REFERENCE: Final = "operator "
_STATUSES: Final = {
    name: status for name, status in MarketStatus.__members__.items() if status is not MarketStatus.SETTLED
}
_MODES: Final = ("isolated", "cross")


class Operated(NamedTuple):
    """What the admin surface works with: whose token it is, and who does what is asked."""

    tokens: Tokens
    log: AuditLog
    ask: Audited


@asynccontextmanager
async def operated(
    store: Store,
    settings: Settings,
    office: Office,
    clock: Clock,
    feed: Muting | None = None,
    register: Register | None = None,
) -> AsyncIterator[Operated]:
    """Have the demo accounts, if there are to be any, and listen to operators while the block lasts."""
    await demo.prepare(store, settings)
    engine = engine_for(store.url, connections_max=CONNECTIONS_MAX, command_timeout_s=TIMEOUT_S)
    tokens = Tokens(engine, clock)
    await tokens.load()
    log = AuditLog(engine, clock)
    users = None
    if feed is not None and register is not None:
        users = UserDesk(store, register, load_levels(settings.levels), feed)
    ask = Audited(Operator(store, office, feed, users), log, tokens, lambda: store.sequencer.seq)
    server = ControlServer(settings.data_dir, ask)
    await server.start()
    try:
        yield Operated(tokens, log, ask)
    finally:
        await server.stop()
        await engine.dispose()


@final
class Operator:
    """Answers operators' requests."""

    def __init__(self, store: Store, office: Office, feed: Muting | None = None, users: UserDesk | None = None) -> None:
        self._store = store
        self._feed = feed
        self._users = users
        self._office = office
        self._risk = RiskDesk(store)
        self._funds = FundsDesk(store, office)

    async def __call__(self, request: AnyRequest) -> object:
        """Do what is asked.

        Raises: Refused with the reason; Unavailable.
        """
        if isinstance(request, control.Status):
            return self._status()
        if isinstance(request, control.Accounts):
            return self._accounts(request.account_id)
        if isinstance(request, control.OpenAccount):
            return await self._open_account(request)
        if isinstance(request, control.SetMode):
            return await self._set_mode(request)
        if isinstance(request, control.Keys):
            return await self._keys(request.account_id)
        if isinstance(request, control.CreateKey):
            return await self._create_key(request)
        if isinstance(request, control.RevokeKey):
            return await self._revoke_key(request.api_key)
        if isinstance(request, control.Deposit | control.Withdraw):
            return await self._transfer(request)
        if isinstance(request, control.Markets):
            return self._markets()
        if isinstance(request, control.SetMarket):
            return await self._set_market(request)
        if isinstance(request, control.Skip):
            return await self._skip(request)
        if isinstance(request, FundsRequest):
            return await self._funds(request)
        if isinstance(request, UserRequest):
            if self._users is None:
                raise Refused("There are no users here.")
            return await self._users(request)
        if isinstance(request, control.Operators | control.CreateOperator | control.RevokeOperator | control.Audit):
            raise Refused("Operators and the log are not asked about here.")
        return await self._manage_risk(request)

    async def _manage_risk(
        self,
        request: control.AmendMarket
        | control.SetVenue
        | control.Venue
        | control.Insurance
        | control.SetProvider
        | control.Funding
        | control.Liquidations,
    ) -> object:
        if isinstance(request, control.AmendMarket):
            return await self._risk.amend(request)
        if isinstance(request, control.SetVenue):
            return await self._set_venue(request)
        if isinstance(request, control.Venue):
            return control.VenueRow(views.venue_status(self._store.exchange).name)
        if isinstance(request, control.Insurance):
            return self._risk.fund()
        if isinstance(request, control.SetProvider):
            await self._submit(SetLiquidityProvider(request.account_id, request.is_provider))
            return control.ProviderRow(request.account_id, request.is_provider)
        if isinstance(request, control.Funding):
            return await self._risk.funding(request)
        if isinstance(request, control.Liquidations):
            return await self._risk.liquidations(request)
        assert_never(request)

    def _status(self) -> control.StatusRow:
        sequencer = self._store.sequencer
        return control.StatusRow(
            sequencer.seq,
            compiled.describe(),
            sequencer.trouble,
            () if self._feed is None else tuple(self._feed.health()),
            sequencer.behind_ms,
            self._office.counter.trouble if self._office.custody is not None else None,
            () if self._feed is None else self._feed.muted,
            tuple(symbol for symbol, is_fresh in fresh_outside(self._store.exchange).items() if not is_fresh),
        )

    def _accounts(self, account_id: int) -> list[control.AccountRow]:
        symbols = self._symbols()
        found = [self._account(account_id)] if account_id else views.accounts(self._store.exchange)
        return [self._account_row(account, symbols) for account in found]

    def _symbols(self) -> dict[int, str]:
        return {asset.asset_id: asset.symbol for asset in views.assets(self._store.exchange)}

    def _account_row(self, account: views.AccountView, symbols: dict[int, str]) -> control.AccountRow:
        user = self._store.identity.user(account.owner_id)
        held = {
            symbols[balance.asset_id]: plain(balance.amount, MONEY_DECIMALS)
            for balance in views.balances(self._store.exchange, account.account_id)
            if balance.amount
        }
        mode = "isolated" if account.is_isolated else "cross"
        return control.AccountRow(account.account_id, user.name if user is not None else "", mode, held)

    async def _open_account(self, request: control.OpenAccount) -> control.AccountRow:
        name = request.name
        if not name.strip():
            raise Refused("An account needs the name of its owner.")
        identity = self._store.identity
        user = identity.user_named(name) or await identity.create_user(name)
        reference = f"{_ACCOUNT_REFERENCE}{request.reference or uuid.uuid4()}"
        opened = _first(await self._submit(OpenAccount(reference, user.owner_id)), AccountOpened)
        if opened.owner_id != user.owner_id:
            raise Refused(f"The reference {request.reference!r} opened account {opened.account_id} for somebody else.")
        account = views.account(self._store.exchange, opened.account_id)
        assert account is not None
        return self._account_row(account, self._symbols())

    async def _keys(self, account_id: int) -> list[control.KeyRow]:
        if account_id:
            self._account(account_id)
        return [_key_row(key) for key in await self._store.identity.keys(account_id)]

    def _account(self, account_id: int) -> views.AccountView:
        account = views.account(self._store.exchange, account_id)
        if account is None:
            raise Refused(f"There is no account {account_id}.")
        return account

    async def _create_key(self, request: control.CreateKey) -> control.NewKey:
        account = self._account(request.account_id)
        scopes = Scope(0)
        for name in request.scopes:
            if name.upper() not in Scope.__members__:
                raise Refused(f"There is no scope {name!r}: choose from {', '.join(Scope.__members__).lower()}.")
            scopes |= Scope[name.upper()]
        try:
            key = await self._store.identity.create_key(
                account.owner_id,
                account.account_id,
                label=request.label,
                scopes=scopes,
                networks=request.networks,
                expires_at_ms=request.expires_at_ms,
            )
        except ValueError as error:
            raise Refused(str(error)) from error
        return control.NewKey(key.api_key, key.secret)

    async def _revoke_key(self, api_key: str) -> control.Done:
        if not await self._store.identity.revoke_key(api_key):
            raise Refused("There is no key of this name in force.")
        return control.Done()

    async def _set_mode(self, request: control.SetMode) -> control.AccountRow:
        if request.mode not in _MODES:
            raise Refused(f"There is no margin mode {request.mode!r}: choose from {', '.join(_MODES)}.")
        await self._submit(SetMarginMode(request.account_id, request.mode == "isolated"))
        account = views.account(self._store.exchange, request.account_id)
        assert account is not None
        return self._account_row(account, self._symbols())

    async def _transfer(self, request: control.Deposit | control.Withdraw) -> control.Balance:
        asset = self._asset(request.asset)
        try:
            amount = money(request.amount, "amount")
        except Malformed as error:
            raise Refused(str(error)) from error
        kind = Deposit if isinstance(request, control.Deposit) else Withdraw
        events = await self._submit(kind(request.reference, request.account_id, asset.asset_id, amount))
        first = events[0]
        if isinstance(first, TransferRepeated):
            signed = amount if kind is Deposit else -amount
            if (first.account_id, first.asset_id, first.amount) != (request.account_id, asset.asset_id, signed):
                raise Refused(f"The reference {request.reference!r} was used before, for another transfer.")
        held = {row.asset_id: row.amount for row in views.balances(self._store.exchange, request.account_id)}
        return control.Balance(
            asset.symbol,
            plain(held.get(asset.asset_id, 0), MONEY_DECIMALS),
            is_repeat=isinstance(first, TransferRepeated),
        )

    def _asset(self, symbol: str) -> Asset:
        for asset in views.assets(self._store.exchange):
            if asset.symbol == symbol:
                return asset
        raise Refused(f"There is no asset {symbol!r}.")

    def _markets(self) -> list[control.MarketRow]:
        return [_market_row(market) for market in views.markets(self._store.exchange)]

    async def _set_market(self, request: control.SetMarket) -> control.MarketRow:
        market = self._risk.market(request.symbol)
        await self._submit(SetMarketStatus(market.market_id, _status_of(request.status)))
        changed = views.market(self._store.exchange, market.market_id)
        assert changed is not None
        return _market_row(changed)

    async def _set_venue(self, request: control.SetVenue) -> control.VenueRow:
        status = _status_of(request.status)
        await self._submit(SetVenueStatus(status))
        return control.VenueRow(status.name)

    async def _skip(self, request: control.Skip) -> control.Done:
        if not request.reason.strip():
            raise Refused("To pass over a command needs a reason.")
        try:
            await self._store.sequencer.skip(request.seq, request.reason)
        except ValueError as error:
            raise Refused(str(error)) from error
        return control.Done()

    async def _submit(self, command: Command) -> list[Event]:
        try:
            events = await self._store.sequencer.submit(command)
        except Unencodable as error:
            raise Refused(str(error)) from error
        if events and isinstance(events[0], CommandRejected):
            raise Refused(events[0].reject.value)
        return events


def _first(events: list[Event], kind: type[T]) -> T:
    found = events[0]
    assert isinstance(found, kind), found
    return found


def _status_of(name: str) -> MarketStatus:
    if name not in _STATUSES:
        raise Refused(f"There is no status {name!r}: choose from {', '.join(_STATUSES)}.")
    return _STATUSES[name]


def _symbol(market: views.MarketView) -> str:
    return market.instrument.symbol


def _market_row(market: views.MarketView) -> control.MarketRow:
    prices = [
        plain(price, market.instrument.price_decimals) if price else ""
        for price in (market.index_price, market.mark_price, market.last_price)
    ]
    return control.MarketRow(market.market_id, _symbol(market), market.status.name, *prices)


def _key_row(key: KeyInfo) -> control.KeyRow:
    return control.KeyRow(
        key.api_key,
        key.account_id,
        key.label,
        tuple(str(scope.name).lower() for scope in key.scopes),
        key.networks,
        key.expires_at_ms,
        key.revoked_ms,
    )
