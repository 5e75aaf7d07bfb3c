# Written by tools/unasync.py from the async half: edit that one.
"""Every row of the REST API as a method. What each takes and answers is told at /docs of the exchange."""

from typing import Unpack

from evermark_client import calls, models
from evermark_client._sync.orders import Orders
from evermark_client.calls import Access, Call, Page
from evermark_client.forms import Number
from evermark_client.models import Basis, Interval, MarginMode


class Rows(Orders):
    """The methods; how a call travels is told by whoever inherits."""

    # --- orders

    def order(self, order_id: str | None = None, *, client_order_id: str | None = None) -> models.Order:
        """An order with its fills. Raises: Refused with ORDER_NOT_FOUND."""
        return self.call(calls.find(calls.reference(order_id, client_order_id)))

    def orders(self, **page: Unpack[Page]) -> list[models.Order]:
        """Orders in every state, the latest change first."""
        return self.call(calls.keyed("/orders", calls.ORDERS, **page))

    def active_orders(self, **page: Unpack[Page]) -> list[models.Order]:
        """Open orders."""
        return self.call(calls.keyed("/active_orders", calls.ORDERS, **page))

    def completed_orders(self, **page: Unpack[Page]) -> list[models.Order]:
        """Orders that were filled entirely."""
        return self.call(calls.keyed("/completed_orders", calls.ORDERS, **page))

    def cancelled_orders(self, **page: Unpack[Page]) -> list[models.Order]:
        """Orders that ended otherwise."""
        return self.call(calls.keyed("/cancelled_orders", calls.ORDERS, **page))

    def filled_orders(self, **page: Unpack[Page]) -> list[models.Order]:
        """Orders with a fill."""
        return self.call(calls.keyed("/filled_orders", calls.ORDERS, **page))

    def triggers(self, **page: Unpack[Page]) -> list[models.Order]:
        """Orders that wait or waited for a price."""
        return self.call(calls.keyed("/triggers", calls.ORDERS, **page))

    def fills(self, **page: Unpack[Page]) -> list[models.Fill]:
        """Fills, the latest first."""
        return self.call(calls.keyed("/fills", calls.FILLS, **page))

    # --- the account

    def account(self) -> models.Account:
        """Balances and positions."""
        return self.call(calls.keyed("/account", calls.ACCOUNT))

    def balances(self) -> dict[str, models.Balance]:
        """Balances by asset."""
        return self.call(calls.keyed("/balances", calls.BALANCES))

    def position(self, pair: str) -> models.Position | None:
        """The position in a market."""
        return self.call(calls.keyed("/position", calls.POSITION, pair=pair))

    def active_positions(self) -> dict[str, models.Position]:
        """Open positions by pair."""
        return self.call(calls.keyed("/active_positions", calls.POSITIONS))

    def completed_positions(self, **page: Unpack[Page]) -> list[dict[str, models.ClosedPosition]]:
        """Positions that ended, each by its pair."""
        return self.call(calls.keyed("/completed_positions", calls.CLOSED, **page))

    def funding_payments(self, **page: Unpack[Page]) -> list[models.FundingPayment]:
        """What the account received and (negative) paid."""
        return self.call(calls.keyed("/v1/funding_payments", calls.FUNDING_PAYMENTS, **page))

    def personal(self) -> models.Personal:
        """What the account last did, where it pays in, what its key may do."""
        return self.call(calls.keyed("/personal", calls.PERSONAL))

    def set_leverage(self, pair: str, leverage: Number) -> models.Account:
        """Set a market's leverage; isolated margin only."""
        return self.call(calls.signed("/leverage", calls.ACCOUNT, pair=pair, leverage=leverage))

    def set_margin_mode(self, margin_mode: MarginMode) -> models.ModeAnswer:
        """Make the account cross or isolated; it must have no positions and no orders."""
        return self.call(calls.signed("/auth/margin_mode", calls.MODE_ANSWER, margin_mode=margin_mode))

    def add_margin(self, pair: str, qty: Number) -> models.Account:
        """Put money into a position's margin. Never sent twice: without an answer it raises OutcomeUnknown."""
        return self.call(calls.once("/fund", calls.ACCOUNT, pair=pair, qty=qty))

    def take_margin(self, pair: str, qty: Number) -> models.Account:
        """Take money out of a position's margin. Never sent twice, as add_margin."""
        return self.call(calls.once("/draw", calls.ACCOUNT, pair=pair, qty=qty))

    # --- money in and out

    def withdraw(
        self,
        asset: str,
        qty: Number,
        address: str,
        *,
        network: str | None = None,
        client_withdrawal_id: str | None = None,
    ) -> models.Withdrawal:
        """Ask for a withdrawal; `qty` has the fee inside. Safe to retry, as place_order."""
        return self.call(calls.withdraw(asset, qty, address, network, client_withdrawal_id))

    def cancel_withdrawal(self, withdrawal_id: str) -> models.Withdrawal:
        """Cancel a withdrawal that is not on its way yet.

        When the first answer got lost, the second request may be refused because the first was executed: see `withdrawals`.
        """
        return self.call(calls.signed("/auth/withdraw/cancel", calls.WITHDRAWAL, id=withdrawal_id))

    def withdrawals(
        self, asset: str | None = None, *, start: int | None = None, end: int | None = None, limit: int | None = None
    ) -> list[models.Withdrawal]:
        """What went out, the latest first."""
        fields = {"asset": asset, "start": start, "end": end, "limit": limit}
        return self.call(calls.keyed("/withdrawals", calls.WITHDRAWALS, **fields))

    def deposits(
        self, asset: str | None = None, *, start: int | None = None, end: int | None = None, limit: int | None = None
    ) -> list[models.Deposit]:
        """What came in, the latest first."""
        fields = {"asset": asset, "start": start, "end": end, "limit": limit}
        return self.call(calls.keyed("/deposits", calls.DEPOSITS, **fields))

    def deposit_address(self, asset: str, network: str | None = None) -> models.DepositAddress:
        """Where to pay in."""
        return self.call(calls.keyed("/v1/deposit_address", calls.DEPOSIT_ADDRESS, asset=asset, network=network))

    # --- markets and the venue: no key needed

    def pairs(self) -> dict[str, models.Pair]:
        """Every market's terms and prices."""
        return self.call(calls.public("/pairs", calls.PAIRS))

    def ticker(self, pair: str) -> models.Ticker:
        """A market's last 24 hours and its prices now."""
        return (self.call(calls.public("/ticker", calls.TICKERS, pair=pair)))[pair]

    def tickers(self) -> dict[str, models.Ticker]:
        """The same of every market."""
        return self.call(calls.public("/ticker", calls.TICKERS))

    def depth(self, pair: str, limit: int | None = None) -> models.Depth:
        """The book by price."""
        return self.call(calls.public("/depth", calls.DEPTH, pair=pair, limit=limit))

    def trades(
        self,
        pair: str,
        *,
        start: int | None = None,
        end: int | None = None,
        limit: int | None = None,
        before: str | None = None,
    ) -> list[models.Trade]:
        """A market's trades, the latest first."""
        fields = {"pair": pair, "start": start, "end": end, "limit": limit, "before": before}
        return self.call(calls.public("/trades", calls.TRADES, **fields))

    def ohlcv(
        self,
        pair: str,
        interval: Interval | None = None,
        *,
        basis: Basis | None = None,
        start: int | None = None,
        end: int | None = None,
        limit: int | None = None,
    ) -> list[models.Candle]:
        """Candles, the oldest first."""
        fields = {"pair": pair, "interval": interval, "basis": basis, "start": start, "end": end, "limit": limit}
        return self.call(calls.public("/ohlcv", calls.CANDLES, **fields))

    def funding(
        self,
        pair: str | None = None,
        *,
        start: int | None = None,
        end: int | None = None,
        limit: int | None = None,
        before: str | None = None,
    ) -> list[models.Funding]:
        """Settled hours, the latest first."""
        fields = {"pair": pair, "start": start, "end": end, "limit": limit, "before": before}
        return self.call(calls.public("/funding", calls.FUNDING, **fields))

    def liquidations(self, **page: Unpack[Page]) -> list[models.Liquidation]:
        """What of positions was sold, taken over or deleveraged."""
        return self.call(calls.public("/v1/liquidations", calls.LIQUIDATIONS, **page))

    def assets(self) -> dict[str, models.Asset]:
        """Assets, and what it costs to bring and to take them."""
        return self.call(calls.public("/assets", calls.ASSETS))

    def globals(self) -> models.Globals:
        """The exchange in numbers."""
        return self.call(calls.public("/globals", calls.GLOBALS))

    def status(self) -> models.Status:
        """How the exchange is now."""
        return self.call(calls.public("/status", calls.STATUS))

    def vault(self) -> models.Vault:
        """The insurance fund."""
        return self.call(calls.public("/vault", calls.VAULT))

    def time(self) -> int:
        """The exchange's clock, in milliseconds."""
        return self.call(calls.public("/time", calls.TIME))

    def ping(self) -> None:
        """Return when the exchange answers."""
        self.call(calls.public("/ping", calls.NOTHING))

    def liabilities(self, seq: int | None = None) -> models.Liabilities:
        """What the exchange owes: root and total of each asset's tree."""
        return self.call(calls.public("/v1/liabilities", calls.LIABILITIES, seq=seq))

    def claim_path(self, asset: str | None = None, seq: int | None = None) -> models.ClaimPath:
        """The account's own path in the tree."""
        fields = {"asset": asset, "seq": seq}
        path, access = "/v1/liabilities/path", Access.SIGNED_QUERY
        return self.call(Call("GET", path, access, calls.CLAIM_PATH, fields))
