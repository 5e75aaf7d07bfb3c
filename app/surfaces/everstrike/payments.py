"""Deposits and withdrawals in Everstrike's words."""

from typing import Final, final

from app.db.rows import StoredDeposit, StoredWithdrawal
from app.problems import Malformed
from app.surfaces.everstrike import ids
from app.surfaces.everstrike.answers import Json
from app.surfaces.everstrike.pairs import Pairs
from app.wire import amount
from exchange import views
from exchange.events import WithdrawalAdvanced, WithdrawalRequested
from exchange.exchange import Exchange

USD: Final = "USD"


def deposit_json(row: StoredDeposit, symbol: str, customer_id: str, usd: "Dollars") -> Json:
    """A deposit."""
    net = row.amount - row.fee
    return {
        "id": row.reference,
        "customer_id": customer_id,
        "asset": symbol,
        "address": row.address,
        "time": row.created_ms,
        "qty": amount(row.amount),
        "net": amount(net),
        "fee": amount(row.fee),
        "qty_usd": usd.of(symbol, row.amount),
        "net_usd": usd.of(symbol, net),
        "status": row.status.name,
        "msg": row.note or None,
        "transaction": {"hash": row.transaction, "from": row.source},
    }


def withdrawal_json(
    row: StoredWithdrawal | WithdrawalRequested | WithdrawalAdvanced,
    symbol: str,
    customer_id: str,
    time_ms: int,
    usd: "Dollars",
) -> Json:
    """A withdrawal that was asked for at `time_ms`."""
    net = row.amount - row.fee
    return {
        "id": ids.encode(ids.WITHDRAWAL, row.withdrawal_id),
        "client_withdrawal_id": row.reference,
        "customer_id": customer_id,
        "asset": symbol,
        "address": row.address,
        "network": row.network,
        "time": time_ms,
        "qty": amount(row.amount),
        "net": amount(net),
        "fee": amount(row.fee),
        "qty_usd": usd.of(symbol, row.amount),
        "net_usd": usd.of(symbol, net),
        "status": row.status.name,
        "msg": row.note or None,
        "transaction": {"hash": row.transaction} if row.transaction else None,
    }


@final
class Dollars:
    """What amounts are worth in USD by the index of the asset's spot market, as of now."""

    __slots__ = ("_exchange", "_pairs", "_prices")

    def __init__(self, exchange: Exchange, pairs: Pairs) -> None:
        self._exchange = exchange
        self._pairs = pairs
        self._prices: dict[str, tuple[int, int]] = {USD: (1, 1)}

    def of(self, symbol: str, units: int) -> object:
        """The amount in USD, rounded down; None where there is no price."""
        price, scale = self._price(symbol)
        return amount(units * price // scale) if price else None

    def _price(self, symbol: str) -> tuple[int, int]:
        """Price units for one of the asset, and how many of them are a dollar."""
        found = self._prices.get(symbol)
        if found is None:
            try:
                pair = self._pairs.need(f"{symbol}_{USD}")
            except Malformed:
                found = (0, 1)
            else:
                view = views.market(self._exchange, pair.market_id)
                found = (view.index_price if view is not None else 0, pair.price_units_in_one)
            self._prices[symbol] = found
        return found
