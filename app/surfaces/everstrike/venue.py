"""The GET rows about the exchange as a whole, and /personal: who one is here."""

from collections import Counter
from typing import Final, final

from litestar.types import Receive

from app.auth import Key, Scope
from app.compiled import is_used
from app.custody.base import CustodyUnavailable
from app.custody.counter import Standing
from app.db.rows import Basis
from app.door import Answer, Request
from app.snapshots import code_version
from app.surfaces.everstrike.answers import Json, success
from app.surfaces.everstrike.desk import Desk
from app.wire import MONEY_DECIMALS, amount, ratio
from exchange import views
from exchange.exchange import Exchange
from exchange.instrument import Asset, MarketStatus
from exchange.limits import FUND_ACCOUNT_ID, MONEY_SCALE

VAULT_ASSET: Final = "USD"


@final
class Venue:
    """The handlers. `start_ms` is when this process began to serve."""

    __slots__ = ("_desk", "_start_ms")

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._start_ms = desk.clock()

    async def assets(self, _request: Request, _receive: Receive) -> Answer:
        """GET /assets."""
        found = views.assets(self._desk.sequencer.exchange)
        return success({asset.symbol: asset_json(asset) for asset in found})

    async def globals(self, _request: Request, _receive: Receive) -> Answer:
        """GET /globals: the exchange in numbers."""
        desk = self._desk
        exchange = desk.sequencer.exchange
        symbol = desk.pairs.symbol
        statistics = desk.queries.statistics
        markets = views.markets(exchange)
        volume: Counter[str] = Counter()
        interest: Counter[str] = Counter()
        trades = 0
        for market in markets:
            terms = market.instrument
            quote = symbol(terms.quote_asset)
            interest[quote] += market.open_interest * market.mark_price * terms.unit_value
            day = statistics.day(Basis.LAST, market.market_id)
            if day is not None:
                volume[quote] += day.turnover * terms.unit_value
                trades += day.trades
        sizes = views.sizes(exchange)
        fund = {asset.symbol: fund_equity(exchange, asset.asset_id) for asset in views.assets(exchange)}
        return success(
            {
                "time": desk.clock(),
                "pairs": len(markets),
                "pairs_trading": sum(market.status is MarketStatus.TRADING for market in markets),
                "assets": len(fund),
                "accounts": sizes.accounts,
                "active_orders": sizes.orders,
                "open_interest": {quote: amount(value) for quote, value in interest.items() if value},
                "quote_volume": {quote: amount(value) for quote, value in volume.items() if value},
                "trades": trades,
                "insurance_fund": {asset: amount(value) for asset, value in fund.items() if value},
            }
        )

    async def status(self, _request: Request, _receive: Receive) -> Answer:
        """GET /status: how the exchange is, now."""
        desk = self._desk
        sequencer = desk.sequencer
        exchange = sequencer.exchange
        now_ms = desk.clock()
        markets = views.markets(exchange)
        venue = views.venue_status(exchange)
        restricted: list[Json] = []
        if venue is not MarketStatus.TRADING:
            restricted.append({"pair": None, "status": venue.name})
        restricted += [
            {"pair": market.instrument.symbol, "status": market.status.name}
            for market in markets
            if market.status not in (MarketStatus.TRADING, MarketStatus.SETTLED, venue)
        ]
        is_online = sequencer.is_ready and venue is MarketStatus.TRADING
        return success(
            {
                "status": ("ONLINE" if is_online else "RESTRICTED") if sequencer.is_ready else "READ_ONLY",
                "version": code_version(),
                "time": now_ms,
                "start_time": self._start_ms,
                "uptime": now_ms - self._start_ms,
                "engine": {
                    "is_ready": sequencer.is_ready,
                    "seq": sequencer.seq,
                    "time": exchange.time_ms,
                    "waiting": sequencer.waiting,
                    "rules_version": views.rules_version(exchange),
                    "is_compiled": is_used(),
                },
                "records": {"seq": desk.queries.seq},
                "maintenance": restricted,
            }
        )

    async def vault(self, _request: Request, _receive: Receive) -> Answer:
        """GET /vault: the insurance fund, the one pool of money that this exchange has."""
        desk = self._desk
        exchange = desk.sequencer.exchange
        asset_id = next(asset.asset_id for asset in views.assets(exchange) if asset.symbol == VAULT_ASSET)
        supply = await desk.queries.transfers(FUND_ACCOUNT_ID, asset_id)
        equity = fund_equity(desk.sequencer.exchange, asset_id)
        return success(
            {
                "asset": VAULT_ASSET,
                "usd_supply": amount(supply),
                "earnings": {"total": amount(equity - supply)},
                "equity": amount(equity),
                "redemption_rate": ratio(equity, supply) if supply > 0 else None,
            }
        )

    async def personal(self, request: Request, _receive: Receive) -> Answer:
        """GET /personal: the account, what it last did, what its key may do."""
        desk = self._desk
        key, _ = desk.read(request)
        did = await desk.queries.activity(key.account_id)
        addresses = await self._addresses(key)
        exchange = desk.sequencer.exchange
        account = views.account(exchange, key.account_id)
        assert account is not None, "a key belongs to an account"
        standing = desk.counter.standing(key.owner_id)
        return success(
            {
                "email": standing.email if standing is not None else None,
                "customer_id": key.customer_id,
                "verification_level": standing.level.upper() if standing is not None else "UNVERIFIED",
                "trading_allowance": None,
                "withdrawal_allowance": self._allowance(exchange, key, standing),
                "deposit_addresses": None
                if addresses is None
                else [{"address": address, "assets": held} for address, held in addresses.items()],
                "actions": {
                    "latest_deposit": did.deposit_ms or None,
                    "latest_withdrawal": did.withdrawal_ms or None,
                    "latest_order": did.order_ms or None,
                    "latest_trade": did.trade_ms or None,
                    "latest_cancellation": did.cancellation_ms or None,
                    "creation_time": did.opened_ms or None,
                },
                "permissions": {
                    "trading_enabled": bool(key.scopes & Scope.TRADE),
                    "deposit_enabled": bool(addresses),
                    "withdraw_enabled": bool(key.scopes & Scope.WITHDRAW),
                    "login_enabled": standing is not None,
                    "api_enabled": True,
                },
                "margin_mode": "ISOLATED" if account.is_isolated else "CROSS",
                "cancel_time": account.cancel_all_ms or None,
                "balances": desk.balances(exchange, key.account_id),
            }
        )

    async def _addresses(self, key: Key) -> dict[str, list[str]] | None:
        """Where the account pays in, each address with its assets; None while the custody cannot be asked."""
        try:
            return await self._desk.counter.addresses(key.account_id)
        except CustodyUnavailable:
            return None

    def _allowance(self, exchange: Exchange, key: Key, standing: Standing | None) -> object:
        """What of the vault's asset the key's owner may still ask for today, by the asset and by the owner's level; None without a bound."""
        asset = next(asset for asset in views.assets(exchange) if asset.symbol == VAULT_ASSET)
        bounds = []
        if asset.withdrawal_day_max:
            asked = views.withdrawn_today(exchange, key.owner_id, asset.asset_id, self._desk.clock())
            bounds.append(max(0, asset.withdrawal_day_max - asked))
        if standing is not None and standing.usd_left is not None:
            bounds.append(int(standing.usd_left * MONEY_SCALE))
        return amount(min(bounds)) if bounds else None


def asset_json(asset: Asset) -> Json:
    """What it costs to bring an asset and to take it away. A bound that there is not is null."""
    return {
        "key": asset.symbol,
        "precision": MONEY_DECIMALS,
        "fees": {"withdrawal": amount(asset.withdrawal_fee), "deposit": amount(asset.deposit_fee)},
        "min_withdrawal": amount(asset.withdrawal_min) if asset.withdrawal_min else None,
        "max_withdrawal_day": amount(asset.withdrawal_day_max) if asset.withdrawal_day_max else None,
        "approval_above": amount(asset.withdrawal_approval_above) if asset.withdrawal_approval_above else None,
        "min_deposit": amount(asset.deposit_min) if asset.deposit_min else None,
    }


def fund_equity(exchange: Exchange, asset_id: int) -> int:
    """What the insurance fund is worth in an asset, the positions that it took over included. Units: money."""
    total = sum(view.amount for view in views.balances(exchange, FUND_ACCOUNT_ID) if view.asset_id == asset_id)
    for view in views.positions(exchange, FUND_ACCOUNT_ID):
        market = views.market(exchange, view.market_id)
        if market is not None and market.instrument.quote_asset == asset_id:
            total += view.upnl
    return total
