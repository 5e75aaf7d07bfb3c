"""What operators see of risk and do about it: terms, halts of the venue, the insurance fund, providers, funding, liquidations."""

from typing import Final, final

import msgspec

from app import control, opening
from app.control import Refused
from app.db.rows import LiquidationStep, StoredFunding, StoredLiquidation
from app.listings import load
from app.store import Store
from app.wire import MONEY_DECIMALS, plain
from exchange import views
from exchange.instrument import Instrument, MarkMethod
from exchange.limits import FUND_ACCOUNT_ID
from exchange.views import MarketView

LIMIT_MAX: Final = 1_000
RATE_DECIMALS: Final = 12
AT_ONCE: Final = 0
UNCHANGED: Final = -1
TEXT: Final = frozenset({"symbol", "kind", "brackets"})
"""Terms that no text on a command line changes."""


@final
class RiskDesk:
    """Reads and amends for the operator."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def market(self, symbol: str) -> MarketView:
        """Return a market by its symbol. Raises: Refused."""
        for view in views.markets(self._store.exchange):
            if view.instrument.symbol == symbol:
                return view
        raise Refused(f"There is no market {symbol!r}.")

    async def amend(self, request: control.AmendMarket) -> control.Amended:
        """Amend a market's terms: at once where that asks for no more margin, else after the notice period.

        What is changed are the terms to come where some wait: the core keeps one amendment of a market, and a fee must not undo a margin
        that was announced.
        Raises: Refused.
        """
        view = self.market(request.symbol)
        sequencer = self._store.sequencer
        present = opening.listed_terms(sequencer).get(view.market_id, view.instrument)
        terms = changed_terms(present, request.changes) if request.changes else self._table_terms(view)
        differences = differences_of(present, terms)
        if not differences:
            return control.Amended(request.symbol, {}, UNCHANGED)
        reject = await opening.amend(sequencer, view.market_id, terms, sequencer.time_ms)
        if reject is not None:
            raise Refused(reject.value)
        waiting = self._store.exchange.state.markets[view.market_id].amendment
        return control.Amended(request.symbol, differences, AT_ONCE if waiting is None else waiting.effective_ms)

    def _table_terms(self, view: MarketView) -> Instrument:
        for market_id, terms in load().markets:
            if market_id == view.market_id:
                return terms
        raise Refused(f"{view.instrument.symbol} is not in the table of markets.")

    def fund(self) -> control.FundRow:
        """Return what the insurance fund has."""
        exchange = self._store.exchange
        symbols = {asset.asset_id: asset.symbol for asset in views.assets(exchange)}
        balances = {
            symbols[row.asset_id]: plain(row.amount, MONEY_DECIMALS)
            for row in views.balances(exchange, FUND_ACCOUNT_ID)
            if row.amount
        }
        positions = {}
        for row in views.positions(exchange, FUND_ACCOUNT_ID):
            view = views.market(exchange, row.market_id)
            assert view is not None
            size = plain(row.qty, view.instrument.lot_decimals)
            positions[view.instrument.symbol] = (size, plain(row.upnl, MONEY_DECIMALS))
        return control.FundRow(balances, positions)

    async def funding(self, request: control.Funding) -> control.FundingReport:
        """Return a market's funding. Raises: Refused."""
        view = self.market(request.symbol)
        rows = await self._store.queries.funding(view.market_id, limit=limit_of(request.limit))
        hours = tuple(funding_row(row, view) for row in rows)
        return control.FundingReport(request.symbol, plain(view.funding_rate_e12, RATE_DECIMALS), hours)

    async def liquidations(self, request: control.Liquidations) -> list[control.LiquidationRow]:
        """Return the last steps of liquidations. Raises: Refused."""
        market_id = self.market(request.symbol).market_id if request.symbol else 0
        rows = await self._store.queries.liquidations(market_id=market_id, limit=limit_of(request.limit))
        found = {view.market_id: view.instrument for view in views.markets(self._store.exchange)}
        return [liquidation_row(row, found.get(row.market_id)) for row in rows]


def limit_of(limit: int) -> int:
    """Return how many rows are given. Raises: Refused."""
    if not 1 <= limit <= LIMIT_MAX:
        raise Refused(f"The number of rows must be between 1 and {LIMIT_MAX}.")
    return limit


def changed_terms(terms: Instrument, changes: dict[str, str]) -> Instrument:
    """Return terms with some of them changed, each given as text in the core's units. Raises: Refused."""
    known = {field for field in terms.__struct_fields__ if field not in TEXT}
    values: dict[str, int | bool | MarkMethod] = {}
    for name, text in changes.items():
        if name not in known:
            raise Refused(f"There is no term {name!r} to change: choose from {', '.join(sorted(known))}.")
        values[name] = term_of(name, text, getattr(terms, name))
    return msgspec.structs.replace(terms, **values)


def term_of(name: str, text: str, present: object) -> int | bool | MarkMethod:
    """Read a term of the kind that it has now. Raises: Refused."""
    if isinstance(present, MarkMethod):
        if text.upper() not in MarkMethod.__members__:
            raise Refused(f"{name} must be {', '.join(MarkMethod.__members__)}, not {text!r}.")
        return MarkMethod[text.upper()]
    digits = text.replace("_", "")
    if not (digits.isascii() and digits.removeprefix("-").isdigit() and len(digits) <= 19):
        raise Refused(f"{name} must be a whole number, not {text!r}.")
    if isinstance(present, bool):
        if digits not in {"0", "1"}:
            raise Refused(f"{name} must be 1 or 0, not {text!r}.")
        return digits == "1"
    return int(digits)


def differences_of(old: Instrument, new: Instrument) -> dict[str, tuple[str, str]]:
    """Return the terms that differ, old and new as text."""
    return {
        name: (text_of(getattr(old, name)), text_of(getattr(new, name)))
        for name in old.__struct_fields__
        if getattr(old, name) != getattr(new, name)
    }


def text_of(value: object) -> str:
    """Return a term as text."""
    return value.name if isinstance(value, MarkMethod) else str(value)


def funding_row(row: StoredFunding, view: MarketView) -> control.FundingRow:
    """Return a settled hour as text."""
    mark = plain(row.mark_price, view.instrument.price_decimals)
    amounts = [plain(amount, MONEY_DECIMALS) for amount in (row.collected, row.paid, row.gift, row.residue)]
    return control.FundingRow(row.time_ms, plain(row.rate_e12, RATE_DECIMALS), mark, *amounts)


def liquidation_row(row: StoredLiquidation, terms: Instrument | None) -> control.LiquidationRow:
    """Return a step of a liquidation as text."""
    has_price = terms is not None and row.price != 0
    has_value = row.kind is not LiquidationStep.SLICE
    return control.LiquidationRow(
        row.time_ms,
        row.kind.name,
        terms.symbol if terms is not None else "",
        row.account_id,
        row.counterparty_id,
        plain(row.qty, terms.lot_decimals) if terms is not None and row.qty else "",
        plain(row.price, terms.price_decimals) if terms is not None and has_price else "",
        plain(row.value, MONEY_DECIMALS) if has_value else "",
    )
